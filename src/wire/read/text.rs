//! Texts with a form: durations, moments, ids of traces; and how foreign text is quoted.

use crate::domain::Timestamp;

/// The most characters of a foreign text that a message of ours repeats.
const QUOTED_CHARS_MAX: usize = 60;

/// Foreign text between backticks; long text is cut.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

/// Why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DurationFault {
    /// It is not a whole number and a unit.
    Form,
    /// It is longer than can be counted.
    TooLong,
}

/// Reads `500ms`, `30s`, `5m` or `1h` as milliseconds.
pub(super) fn parse_duration(text: &str) -> Result<u64, DurationFault> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(DurationFault::Form),
    };
    if number.is_empty() {
        return Err(DurationFault::Form);
    }
    let number: u64 = number.parse().map_err(|_| DurationFault::TooLong)?;
    number.checked_mul(unit_ms).ok_or(DurationFault::TooLong)
}

/// Reads a moment in RFC 3339.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.trim().parse().ok()?;
    Some(Timestamp(time.as_microsecond()))
}

/// Whether a text is a W3C `tracestate` that may be passed on: up to 512 printable characters, as much as the standard
/// asks to be passed on.
pub(super) fn is_tracestate(text: &str) -> bool {
    text.len() <= 512 && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

/// Whether a text is a W3C `traceparent` that may be passed on; the standard says to ignore any other.
pub(super) fn is_traceparent(text: &str) -> bool {
    let mut parts = text.splitn(5, '-');
    let mut hex = |length: usize| {
        parts.next().filter(|part| {
            part.len() == length
                && part
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    };
    let some = |part: &&str| part.bytes().any(|b| b != b'0');
    let (version, trace, span, flags) = (hex(2), hex(32).filter(some), hex(16).filter(some), hex(2));
    let first_version_ends = version != Some("00") || text.len() == 55;
    version.is_some_and(|version| version != "ff")
        && trace.is_some()
        && span.is_some()
        && flags.is_some()
        && first_version_ends
        && text.len() <= 255
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{DurationFault, is_traceparent, parse_duration, parse_time, quote};
    use crate::domain::Timestamp;
    use crate::wire::{format_duration, format_time};

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, ms) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
        }
        for text in ["", "30", "s", "1.5s", "-1s", "1 s", "1d", "1m30s", "30S", "é"] {
            assert_eq!(parse_duration(text), Err(DurationFault::Form), "{text}");
        }
        for text in ["99999999999999999999s", "18446744073709551615h"] {
            assert_eq!(parse_duration(text), Err(DurationFault::TooLong), "{text}");
        }
    }

    #[test]
    fn a_traceparent_is_what_the_standard_says() {
        assert!(is_traceparent(
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        ));
        assert!(is_traceparent(
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"
        ));
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }

    #[test]
    fn long_foreign_text_is_cut() {
        assert_eq!(quote("é"), "`é`");
        assert_eq!(quote(&"é".repeat(61)), format!("`{}…`", "é".repeat(60)));
    }

    proptest! {
        #[test]
        fn a_duration_survives_its_text(ms in any::<u64>()) {
            assert_eq!(parse_duration(&format_duration(ms)), Ok(ms));
        }

        #[test]
        fn a_moment_survives_its_text(micros in -62_135_596_800_000_000_i64..=253_000_000_000_000_000) {
            assert_eq!(parse_time(&format_time(Timestamp(micros))), Some(Timestamp(micros)));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = (parse_duration(&text), parse_time(&text), is_traceparent(&text), quote(&text));
        }
    }
}
