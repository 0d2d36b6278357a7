//! What was read so far: good documents as compact texts, mistakes with their places.

use std::collections::HashMap;

use serde_json::Value;

use crate::domain::{self, EntityKey, EntityType, Id, Limits, Mistake};
use crate::wire;

use super::place::{Place, Slip, Spot};
use super::tree::unescape;
use super::{Definition, Wrong};

/// Mistakes that are kept; of more than these only the number is known.
const WRONG_MAX: usize = 10_000;

/// The numbers that a server may be set to are the server's to judge: ours may differ from its.
const NO_LIMITS: Limits = Limits {
    document_bytes_max: usize::MAX,
    description_bytes_max: usize::MAX,
    tags_max: usize::MAX,
    dependencies_max: usize::MAX,
    members_max: usize::MAX,
    batch_commands_max: usize::MAX,
};

/// Gathers the documents of one file after the other.
#[derive(Default)]
pub(super) struct Gather {
    pub(super) file: u32,
    pub(super) definitions: Vec<Definition>,
    pub(super) wrong: Vec<Wrong>,
    pub(super) unlisted: usize,
    seen: HashMap<EntityKey, Place>,
}

impl Gather {
    /// Notes a mistake in the file that is being read.
    pub(super) fn slip(&mut self, slip: Slip) {
        let Slip {
            spot,
            pointer,
            detail,
            hint,
        } = slip;
        self.note(Wrong {
            place: Some(self.place(spot)),
            pointer,
            detail,
            hint,
            first: None,
        });
    }

    /// Notes a mistake anywhere.
    pub(super) fn note(&mut self, wrong: Wrong) {
        if self.wrong.len() < WRONG_MAX {
            self.wrong.push(wrong);
        } else {
            self.unlisted += 1;
        }
    }

    const fn place(&self, spot: Spot) -> Place {
        Place {
            file: self.file,
            spot,
        }
    }

    /// Takes a document that starts at `start`; `spot_of` tells where the value of a pointer stands.
    pub(super) fn document(&mut self, mut value: Value, start: Spot, spot_of: impl Fn(&str) -> Spot) {
        let Some(fields) = value.as_object_mut() else {
            let detail = format!("a document is a set of fields, this is {}", sort_of(&value));
            let hint = "write `type: resource`, `id: …` and so on";
            return self.slip(Slip::new(start, detail, hint));
        };
        let hint = "write `type: resource` or `type: environment`";
        let Some(entity) = fields.shift_remove("type") else {
            return self.slip(Slip::new(start, "the document has no type", hint));
        };
        let Some(entity) = entity.as_str().and_then(EntityType::parse) else {
            let detail = format!("{entity} is not a type of document");
            let mut slip = Slip::new(spot_of("/type"), detail, hint);
            "/type".clone_into(&mut slip.pointer);
            return self.slip(slip);
        };
        self.identity(entity, &value, &spot_of, start);
        let mistakes = mistakes(entity, &value);
        let is_good = mistakes.is_empty();
        for mistake in mistakes {
            self.slip(Slip {
                spot: spot_of(&mistake.pointer),
                pointer: mistake.pointer,
                detail: mistake.detail,
                hint: mistake.hint,
            });
        }
        // Once there is a mistake nothing will be sent, so nothing needs to be kept.
        if !is_good || !self.wrong.is_empty() {
            self.definitions = Vec::new();
            return;
        }
        let id = value.get("id").and_then(Value::as_str).unwrap_or_default();
        if let Ok(id) = Id::parse(id) {
            self.definitions.push(Definition {
                key: EntityKey { entity, id },
                place: self.place(start),
                body: value.to_string().into_boxed_str(),
            });
        }
    }

    /// Sees to it that each entity is defined once.
    fn identity(&mut self, entity: EntityType, value: &Value, spot_of: &impl Fn(&str) -> Spot, start: Spot) {
        let Some(Ok(id)) = value.get("id").and_then(Value::as_str).map(Id::parse) else {
            return;
        };
        let key = EntityKey { entity, id };
        let place = self.place(start);
        let Some(first) = self.seen.get(&key).copied() else {
            self.seen.insert(key, place);
            return;
        };
        self.note(Wrong {
            place: Some(self.place(spot_of("/id"))),
            pointer: "/id".to_owned(),
            detail: format!("{} {} is defined twice", key.entity, key.id),
            hint: "keep one of the two".to_owned(),
            first: Some(first),
        });
    }
}

/// Every mistake of a document: of its form, and of what its meaning shows as far as the form lets one see it.
fn mistakes(entity: EntityType, value: &Value) -> Vec<Mistake> {
    let mut mistakes = match wire::document_from_json(entity, value, "") {
        Ok((document, _)) => return domain::check(&document, &NO_LIMITS, ""),
        Err(mistakes) => mistakes,
    };
    // The fields that have a form can still be looked at, without those that have none.
    let mut rest = value.clone();
    if let Some(fields) = rest.as_object_mut() {
        for mistake in &mistakes {
            let field = mistake.pointer.split('/').nth(1).unwrap_or_default();
            fields.shift_remove(&unescape(field));
            if matches!(field, "id" | "kind") {
                fields.insert(field.to_owned(), "x".into());
            }
        }
    }
    if let Ok((document, _)) = wire::document_from_json(entity, &rest, "") {
        mistakes.extend(domain::check(&document, &NO_LIMITS, ""));
    }
    mistakes
}

const fn sort_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a set of fields",
    }
}
