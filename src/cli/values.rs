//! What may stand behind an option or as an argument: ids, types, durations.

use std::time::Duration;

use crate::domain::{EntityType, Facet, Id, ImpactHash, Moment, Nature, Purpose, Timestamp};

/// An id.
pub(super) fn id(text: &str) -> Result<Id, String> {
    Id::parse(text).map_err(|error| error.to_string())
}

/// A type of entity.
pub(super) fn entity(text: &str) -> Result<EntityType, String> {
    EntityType::parse(text).ok_or_else(|| "it is `environment` or `resource`".to_owned())
}

/// What to count by.
pub(super) fn facet(text: &str) -> Result<String, String> {
    let facet = Facet::parse(text).map(|facet| facet.to_string());
    facet.ok_or_else(|| "it is `kind`, `type`, `environment` or `tag:KEY`".to_owned())
}

/// How strongly one thing needs another.
pub(super) fn nature(text: &str) -> Result<Nature, String> {
    Nature::parse(text).ok_or_else(|| "it is `hard`, `soft` or `startup`".to_owned())
}

/// What an order is for.
pub(super) fn purpose(text: &str) -> Result<Purpose, String> {
    match text {
        "start" => Ok(Purpose::Start),
        "stop" => Ok(Purpose::Stop),
        _ => Err("it is `start` or `stop`".to_owned()),
    }
}

/// The hash of an impact.
pub(super) fn impact_hash(text: &str) -> Result<ImpactHash, String> {
    ImpactHash::parse(text).ok_or_else(|| "it has 32 hex digits: take it from `graph impact`".to_owned())
}

/// A moment: a sequence, or a time.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(sequence) = text.parse() {
        return Ok(Moment::Sequence(sequence));
    }
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(|time| Moment::Time(Timestamp(time.as_microsecond())))
        .map_err(|_| "write a sequence, or a time such as 2026-01-31T12:00:00Z".to_owned())
}

/// A whole number and a unit: `500ms`, `30s`, `2m`, `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let number: u64 = digits
        .parse()
        .map_err(|_| "write a whole number and a unit, such as 30s".to_owned())?;
    let ms = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err("the unit is ms, s, m or h".to_owned()),
    };
    match ms {
        Some(ms) if (1..=86_400_000).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err("it must be above zero and at most 24h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["", "s", "5", "5d", "0s", "-1s", "25h", "99999999999999999999s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
