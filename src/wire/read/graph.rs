//! What is asked about impact and order.

use crate::domain::graph::Beyond;
use crate::domain::{Crew, Id, Purpose, Question};

use super::question::optional_id;
use super::spot::{Fields, Spot};
use super::text::quote;

/// The most things that one question may name.
const NAMES_MAX: usize = 1_000;
/// The longest name of something outside.
const NAME_CHARS_MAX: usize = 2_048;

pub(in crate::wire) const IMPACT_FIELDS: [&str; 3] = ["ids", "include_soft", "include_startup"];
pub(in crate::wire) const ORDER_FIELDS: [&str; 3] = ["environment", "ids", "direction"];

pub(super) fn impact(args: &Spot<'_>) -> Option<Question> {
    let fields = args.fields(&IMPACT_FIELDS)?;
    let hint = "say what stops: the ids of resources, or the URIs of things outside";
    let ids = fields.required("ids", hint);
    let causes = ids.and_then(|field| few(&field, hint, name));
    let flag = |key| {
        fields
            .optional(key)
            .and_then(|field| field.flag())
            .unwrap_or_default()
    };
    let beyond = Beyond {
        soft: flag("include_soft"),
        startup: flag("include_startup"),
    };
    Some(Question::Impact {
        causes: causes?,
        beyond,
    })
}

fn name(spot: &Spot<'_>) -> Option<String> {
    let text = spot.text()?;
    if text.is_empty() || text.chars().count() > NAME_CHARS_MAX {
        let detail = format!(
            "{} is neither an id nor a URI: it must have 1 to {NAME_CHARS_MAX} characters",
            quote(text)
        );
        spot.note(detail, "");
        return None;
    }
    Some(text.to_owned())
}

/// A list that is neither empty nor long.
fn few<T>(spot: &Spot<'_>, hint: &str, item: impl Fn(&Spot<'_>) -> Option<T>) -> Option<Vec<T>> {
    let length = spot.value.as_array().map(Vec::len);
    if length.is_some_and(|length| length == 0 || length > NAMES_MAX) {
        let length = length.unwrap_or_default();
        spot.note(
            format!("the list must have 1 to {NAMES_MAX} items, not {length}"),
            hint,
        );
        return None;
    }
    spot.list(item)
}

pub(super) fn order(args: &Spot<'_>) -> Option<Question> {
    let fields = args.fields(&ORDER_FIELDS)?;
    let purpose = fields
        .required("direction", "write \"start\" or \"stop\"")
        .and_then(|field| field.word(&["start", "stop"], purpose));
    let crew = crew(args, &fields);
    Some(Question::Order {
        crew: crew?,
        purpose: purpose?,
    })
}

fn purpose(word: &str) -> Option<Purpose> {
    match word {
        "start" => Some(Purpose::Start),
        "stop" => Some(Purpose::Stop),
        _ => None,
    }
}

fn crew(args: &Spot<'_>, fields: &Fields<'_>) -> Option<Crew> {
    let hint = "name an environment, or list the ids of resources";
    let id = |spot: &Spot<'_>| -> Option<Id> { spot.id() };
    match (fields.optional("environment"), fields.optional("ids")) {
        (Some(_), None) => optional_id(fields, "environment").map(Crew::Environment),
        (None, Some(ids)) => few(&ids, hint, id).map(Crew::Resources),
        (None, None) => {
            args.note("it does not say which resources", hint);
            None
        }
        (Some(_), Some(ids)) => {
            ids.note(
                "`environment` says which resources already",
                "leave one of the two out",
            );
            None
        }
    }
}
