//! Plain scalars of YAML, read as the core schema of YAML 1.2 says: `no` and `on` are texts, `0o17` is a number.

use serde_json::{Number, Value};

/// Why a plain scalar has no value in JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Infinity, or not a number.
    NotFinite,
    /// A whole number beyond 64 bits.
    TooLarge,
}

/// The value of a plain scalar.
pub(super) fn resolve(text: &str) -> Result<Value, Unreadable> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Err(Unreadable::NotFinite),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Err(Unreadable::NotFinite);
    }
    for (prefix, radix) in [("0o", 8), ("0x", 16)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|c| c.is_digit(radix))
        {
            return match u64::from_str_radix(digits, radix) {
                Ok(number) => Ok(Value::from(number)),
                Err(_) => Err(Unreadable::TooLarge),
            };
        }
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        return text
            .parse::<u64>()
            .map(Value::from)
            .or_else(|_| text.parse::<i64>().map(Value::from))
            .map_err(|_| Unreadable::TooLarge);
    }
    if is_float(unsigned) {
        let number = text.parse::<f64>().ok().and_then(Number::from_f64);
        return number.map(Value::Number).ok_or(Unreadable::NotFinite);
    }
    Ok(Value::String(text.to_owned()))
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let mantissa_reads = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits(fraction),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_reads = exponent.is_none_or(|exponent| {
        let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !unsigned.is_empty() && digits(unsigned)
    });
    mantissa_reads && exponent_reads
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Unreadable, resolve};

    #[test]
    fn plain_scalars_are_read_by_the_core_schema() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("null", json!(null)),
            ("nil", json!("nil")),
            ("true", json!(true)),
            ("False", json!(false)),
            ("no", json!("no")),
            ("on", json!("on")),
            ("0", json!(0)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("0755", json!(755)),
            ("0o17", json!(15)),
            ("0xff", json!(255)),
            ("0xfg", json!("0xfg")),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.5", json!(1.5)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("-1e3", json!(-1000.0)),
            ("1e", json!("1e")),
            (".", json!(".")),
            ("-", json!("-")),
            ("+-1", json!("+-1")),
            ("1.2.3", json!("1.2.3")),
            ("1_000", json!("1_000")),
            ("12:30:45", json!("12:30:45")),
            ("2024-01-01", json!("2024-01-01")),
        ] {
            assert_eq!(resolve(text), Ok(value), "{text:?}");
        }
        assert_eq!(resolve(".inf"), Err(Unreadable::NotFinite));
        assert_eq!(resolve("-.INF"), Err(Unreadable::NotFinite));
        assert_eq!(resolve("1e999"), Err(Unreadable::NotFinite));
        assert_eq!(resolve("18446744073709551616"), Err(Unreadable::TooLarge));
    }
}
