//! What is asked about the past, and about differences.

use serde_json::Value;

use crate::domain::{EntityKey, EntityType, Moment, Question};

use super::question::required_id;
use super::spot::Spot;
use super::text::{parse_time, quote};

pub(in crate::wire) const HISTORY_FIELDS: [&str; 3] = ["id", "entity", "before"];
pub(in crate::wire) const COMPARE_FIELDS: [&str; 2] = ["left", "right"];
pub(in crate::wire) const MOMENT_FIELDS: [&str; 2] = ["sequence", "time"];

pub(super) fn history(args: &Spot<'_>) -> Option<Question> {
    let fields = args.fields(&HISTORY_FIELDS)?;
    let id = required_id(&fields, "id");
    let words = EntityType::ALL.map(EntityType::as_str);
    let entity = match fields.optional("entity") {
        Some(field) => field.word(&words, EntityType::parse),
        None => Some(EntityType::Resource),
    };
    let before = fields.optional("before").and_then(|field| field.count());
    Some(Question::History {
        key: EntityKey {
            entity: entity?,
            id: id?,
        },
        before,
    })
}

pub(super) fn compare(args: &Spot<'_>) -> Option<Question> {
    let fields = args.fields(&COMPARE_FIELDS)?;
    let hint = "name both environments";
    let left = fields.required("left", hint).and_then(|field| field.id());
    let right = fields.required("right", hint).and_then(|field| field.id());
    Some(Question::Compare {
        left: left?,
        right: right?,
    })
}

/// Notes what a search as of the past cannot do: there is no index of the past, and all that it finds is shown at once.
pub(super) fn of_the_past(args: Option<&Spot<'_>>, cursor: Option<&Spot<'_>>) {
    let refuse = |spot: &Spot<'_>, what: &str| {
        let detail = format!("a search as of the past has no {what}");
        spot.note(detail, "leave it out, or leave `as_of` out");
    };
    if let Some(cursor) = cursor {
        refuse(cursor, "pages");
    }
    let Some((args, fields)) = args.and_then(|args| Some((args, args.value.as_object()?))) else {
        return;
    };
    for what in ["facets", "explain", "highlights"] {
        let asked = |value: &Value| {
            *value == Value::Bool(true) || value.as_array().is_some_and(|all| !all.is_empty())
        };
        if let Some(value) = fields.get(what).filter(|value| asked(value)) {
            refuse(&args.at_key(what, value), what);
        }
    }
}

/// A moment in the past.
pub(super) fn moment(spot: &Spot<'_>) -> Option<Moment> {
    let fields = spot.fields(&MOMENT_FIELDS)?;
    let hint = "write a sequence, or a time such as \"2026-01-31T12:00:00Z\"";
    match (fields.optional("sequence"), fields.optional("time")) {
        (Some(sequence), None) => sequence.count().map(Moment::Sequence),
        (None, Some(time)) => {
            let text = time.text()?;
            let parsed = parse_time(text);
            if parsed.is_none() {
                time.note(format!("{} is not a time (RFC 3339)", quote(text)), hint);
            }
            parsed.map(Moment::Time)
        }
        (None, None) => {
            spot.note("it does not say which moment", hint);
            None
        }
        (Some(_), Some(time)) => {
            time.note("`sequence` says which moment already", "leave one of the two out");
            None
        }
    }
}
