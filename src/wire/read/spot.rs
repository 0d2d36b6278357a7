//! A reader of JSON that knows where it is and goes on after a mistake.
//!
//! This is written by hand because serde stops at the first mistake and knows no pointer. A client that sends a
//! document with five mistakes should hear of five, each with its place, not of one five times. So a [`Spot`] is a
//! value with its place; what cannot be read of it is noted in [`Notes`], and reading goes on with a stand-in that
//! never leaves the room, since notes that are not empty make the whole message a problem.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde_json::{Map, Number, Value};

use crate::domain::{Id, IdError, MISTAKES_MAX, Mistake, Problem, ProblemKind, escape};

use super::text::{DurationFault, parse_duration, quote};

/// The largest whole number that every JSON parser keeps exactly (RFC 8259, section 6).
pub(in crate::wire) const COUNT_MAX: u64 = (1 << 53) - 1;
/// The longest name for which a likely correction is looked for: bytes.
const SUGGESTED_BYTES_MAX: usize = 64;

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    listed: RefCell<Vec<Mistake>>,
    total: Cell<usize>,
}

impl Notes {
    /// Notes a mistake. What to say is only worked out while there is room to say it.
    fn note(&self, mistake: impl FnOnce() -> Mistake) {
        self.total.set(self.total.get() + 1);
        let mut listed = self.listed.borrow_mut();
        if listed.len() < MISTAKES_MAX {
            listed.push(mistake());
        }
    }

    /// What was read, unless there was a mistake.
    pub(super) fn conclude<T>(self, read: Option<T>) -> Result<T, Box<Problem>> {
        let total = self.total.get();
        let listed = self.listed.into_inner();
        match read {
            Some(read) if total == 0 => Ok(read),
            _ => {
                let more = total > listed.len();
                let problem = Problem::of_mistakes(ProblemKind::Invalid, listed);
                Err(if more {
                    problem.fact("mistakes_total", total)
                } else {
                    problem
                }
                .into())
            }
        }
    }

    /// The mistakes, in the order of their finding.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.listed.into_inner()
    }
}

/// The last step to a value.
#[derive(Clone, Copy)]
enum Step<'a> {
    /// Where reading starts: a pointer, and what is there in words.
    Start {
        pointer: &'a str,
        name: &'a str,
    },
    Key {
        parent: &'a Spot<'a>,
        key: &'a str,
    },
    Item {
        parent: &'a Spot<'a>,
        index: usize,
    },
}

/// A value, its place, and where its mistakes are noted.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) value: &'a Value,
    step: Step<'a>,
    notes: &'a Notes,
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { pointer, .. } => f.write_str(pointer),
            Self::Key { parent, key } => write!(f, "{}/{}", parent.step, escape(key)),
            Self::Item { parent, index } => write!(f, "{}/{index}", parent.step),
        }
    }
}

impl<'a> Spot<'a> {
    /// A value to start from; `name` says in words what it is.
    pub(super) const fn start(value: &'a Value, pointer: &'a str, name: &'a str, notes: &'a Notes) -> Self {
        let step = Step::Start { pointer, name };
        Self { value, step, notes }
    }

    /// What the value is called in sentences.
    fn name(&self) -> String {
        match self.step {
            Step::Start { name, .. } => name.to_owned(),
            Step::Key { key, .. } => quote(key),
            Step::Item { parent, index } => format!("item {index} of {}", parent.name()),
        }
    }

    /// Notes a mistake at this place.
    pub(super) fn note(&self, detail: impl Into<String>, hint: &str) {
        self.notes.note(|| Mistake {
            pointer: self.step.to_string(),
            detail: detail.into(),
            hint: hint.to_owned(),
        });
    }

    /// Notes that the value is of another type than it must be; null has a hint of its own.
    pub(super) fn wrong_type(&self, wanted: &str, hint: &str) {
        let hint = match self.value {
            Value::Null if hint.is_empty() => "leave it out instead",
            _ => hint,
        };
        self.notes.note(|| Mistake {
            pointer: self.step.to_string(),
            detail: format!("{} must be {wanted}, not {}", self.name(), type_of(self.value)),
            hint: hint.to_owned(),
        });
    }

    pub(super) fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// A text.
    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.wrong_type("a string", "");
        }
        text
    }

    /// True or false.
    pub(super) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.wrong_type("true or false", "");
        }
        flag
    }

    /// A whole number from zero to [`COUNT_MAX`].
    pub(super) fn count(&self) -> Option<u64> {
        let Value::Number(number) = self.value else {
            self.wrong_type("a whole number", "");
            return None;
        };
        let count = whole(number).filter(|count| *count <= COUNT_MAX);
        if count.is_none() {
            let detail = format!(
                "{} must be a whole number from 0 to {COUNT_MAX}, not {number}",
                self.name()
            );
            self.note(detail, "");
        }
        count
    }

    /// A whole number from `min` that 32 bits hold.
    pub(super) fn small_count(&self, min: u32) -> Option<u32> {
        let count = self.count()?;
        let small = u32::try_from(count).ok().filter(|small| *small >= min);
        if small.is_none() {
            let detail = format!("{} must be from {min} to {}, not {count}", self.name(), u32::MAX);
            self.note(detail, "");
        }
        small
    }

    /// An id.
    pub(super) fn id(&self) -> Option<Id> {
        let Some(text) = self.value.as_str() else {
            self.wrong_type("an id, which is a string", "");
            return None;
        };
        Id::parse(text)
            .map_err(|fault| self.note(format!("{} is not an id: {fault}", quote(text)), IdError::HINT))
            .ok()
    }

    /// A duration, in milliseconds.
    pub(super) fn duration_ms(&self) -> Option<u64> {
        let hint = "write a whole number and a unit (ms, s, m or h), such as \"30s\"";
        let Some(text) = self.value.as_str() else {
            self.wrong_type("a duration, which is a string", hint);
            return None;
        };
        let said = |fault| match fault {
            DurationFault::Form => self.note(format!("{} is not a duration", quote(text)), hint),
            DurationFault::TooLong => self.note(format!("{} is too long a duration", quote(text)), hint),
        };
        parse_duration(text).map_err(said).ok()
    }

    /// One of a few words.
    pub(super) fn word<T>(&self, words: &[&str], parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let Some(text) = self.value.as_str() else {
            self.wrong_type("a word", &format!("one of {}", words.join(", ")));
            return None;
        };
        let word = parse(text);
        if word.is_none() {
            self.notes.note(|| Mistake {
                pointer: self.step.to_string(),
                detail: format!("{} is not one of {}", quote(text), words.join(", ")),
                hint: suggestion(text, words),
            });
        }
        word
    }

    /// A list, item by item. Items that cannot be read are left out, and noted.
    pub(super) fn list<T>(&self, item: impl Fn(&Spot<'_>) -> Option<T>) -> Option<Vec<T>> {
        let Some(values) = self.value.as_array() else {
            self.wrong_type("a list", "");
            return None;
        };
        let at = |(index, value)| {
            let step = Step::Item { parent: self, index };
            item(&Spot {
                value,
                step,
                notes: self.notes,
            })
        };
        Some(values.iter().enumerate().filter_map(at).collect())
    }

    /// An object whose keys are free.
    pub(super) fn object(&self) -> Option<&'a Map<String, Value>> {
        let object = self.value.as_object();
        if object.is_none() {
            self.wrong_type("an object", "");
        }
        object
    }

    /// The value of a key of an object whose keys are free.
    pub(super) const fn at_key(&'a self, key: &'a str, value: &'a Value) -> Self {
        let step = Step::Key { parent: self, key };
        Self {
            value,
            step,
            notes: self.notes,
        }
    }

    /// An object whose keys are known; any other key is noted.
    pub(super) fn fields(&'a self, known: &'a [&'a str]) -> Option<Fields<'a>> {
        self.fields_with(known, |_| None)
    }

    /// The same, with a hint of its own for some of the keys that are not known.
    pub(super) fn fields_with(
        &'a self,
        known: &'a [&'a str],
        hint: impl Fn(&str) -> Option<&'static str>,
    ) -> Option<Fields<'a>> {
        let object = self.object()?;
        for (key, value) in object.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let spot = self.at_key(key, value);
            self.notes.note(|| Mistake {
                pointer: spot.step.to_string(),
                detail: format!("{} is not a field here", quote(key)),
                hint: hint(key).map_or_else(|| suggestion(key, known), str::to_owned),
            });
        }
        Some(Fields { spot: self, object })
    }
}

/// An object whose keys are known.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    spot: &'a Spot<'a>,
    object: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// A field that may be left out.
    pub(super) fn optional(&self, key: &'a str) -> Option<Spot<'a>> {
        self.object.get(key).map(|value| self.spot.at_key(key, value))
    }

    /// A field that must be there, and not be null.
    pub(super) fn required(&self, key: &'a str, hint: &str) -> Option<Spot<'a>> {
        match self.optional(key) {
            None => {
                let place = self.spot.at_key(key, &Value::Null);
                place.note(format!("`{key}` is missing"), hint);
                None
            }
            Some(field) if field.is_null() => {
                field.note(format!("`{key}` must not be null"), hint);
                None
            }
            Some(field) => Some(field),
        }
    }

    /// A text that may be left out, which is as good as empty.
    pub(super) fn text_or_empty(&self, key: &'a str) -> String {
        let text = self.optional(key).and_then(|field| field.text());
        text.unwrap_or_default().to_owned()
    }

    /// A list that may be left out, which is as good as empty.
    pub(super) fn list_or_empty<T>(&self, key: &'a str, item: impl Fn(&Spot<'_>) -> Option<T>) -> Vec<T> {
        self.optional(key)
            .and_then(|field| field.list(item))
            .unwrap_or_default()
    }
}

/// The name that may have been meant, if one is spelt almost so.
pub fn nearest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    if text.len() > SUGGESTED_BYTES_MAX {
        return None;
    }
    let distances = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(text, name), *name));
    let (distance, name) = distances.min()?;
    (distance <= 1 + name.len() / 4).then_some(name)
}

/// What may have been meant, and what there is.
pub(super) fn suggestion(text: &str, known: &[&str]) -> String {
    match nearest(text, known) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None if known.is_empty() => "nothing is known here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// A number that is whole, however it is written: 5.0 is 5, as JSON Schema says.
fn whole(number: &Number) -> Option<u64> {
    let written_with_point = || {
        let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
        format!("{number:.0}").parse().ok()
    };
    number.as_u64().or_else(written_with_point)
}

/// What a value is, in words.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
