//! Texts with a form: durations and moments.

use crate::domain::Timestamp;

/// Milliseconds as a whole number of the largest unit that fits: `90s`, `5m`, `500ms`.
pub fn format_duration(ms: u64) -> String {
    for (unit, name) in [(3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if ms.is_multiple_of(unit) {
            return format!("{}{name}", ms / unit);
        }
    }
    format!("{ms}ms")
}

/// A moment in RFC 3339, UTC.
pub fn format_time(time: Timestamp) -> String {
    let end_of_time = if time.0 < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    };
    jiff::Timestamp::from_microsecond(time.0)
        .unwrap_or(end_of_time)
        .to_string()
}
