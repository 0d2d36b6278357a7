//! Questions about what somebody may do.

use super::command::COMMAND_TYPES;
use super::question::QUESTION_TYPES;
use super::spot::{Spot, suggestion};
use super::text::quote;
use crate::domain::{ExplainAccess, Question};

pub(in crate::wire) const EXPLAIN_FIELDS: [&str; 3] = ["principal", "type", "id"];

/// Every type of order that operators give to an instance, as rules about who may do what name them.
pub const ORDER_TYPES: [&str; 5] = [
    "instance.status",
    "instance.promote",
    "instance.switch-over",
    "instance.reseed",
    "instance.drill",
];

/// Every type of message that rules about who may do what can name.
pub fn access_types() -> impl Iterator<Item = &'static str> {
    COMMAND_TYPES.into_iter().chain(QUESTION_TYPES).chain(ORDER_TYPES)
}

pub(super) fn explain(args: &Spot<'_>) -> Option<Question> {
    let fields = args.fields(&EXPLAIN_FIELDS)?;
    let principal = fields.required("principal", "name a user of the broker");
    let principal = principal.and_then(|field| field.text().map(str::to_owned));
    let kind = fields.required("type", "name the type of a message, such as \"resource.remove\"");
    let kind = kind.and_then(|field| {
        let text = field.text()?;
        let known = access_types().find(|known| *known == text);
        if known.is_none() {
            let all: Vec<&str> = access_types().collect();
            field.note(
                format!("no command, question or order has the type {}", quote(text)),
                &suggestion(text, &all),
            );
        }
        known
    });
    let id = match fields.optional("id") {
        None => Some(None),
        Some(field) => field.id().map(Some),
    };
    let asked = ExplainAccess {
        principal: principal?,
        kind: kind?.to_owned(),
        id: id?,
    };
    Some(Question::Explain(asked))
}
