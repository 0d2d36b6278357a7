//! JSON as it is written: with keys twice, numbers that nothing holds, and texts in whatever form.

use std::fmt::Write;

use serde_json::Value;

use crate::chance::Chance;

/// A value as text would have it.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// What is written as it is: numbers, words, and what is neither.
    Raw(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(fields) => Self::Object(
                fields
                    .iter()
                    .map(|(key, value)| (key.clone(), Self::of(value)))
                    .collect(),
            ),
            scalar => Self::Raw(scalar.to_string()),
        }
    }

    /// How many values there are, this one and all within.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Raw(_) | Self::Text(_) => 1,
            Self::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Self::Object(fields) => 1 + fields.iter().map(|(_, value)| value.count()).sum::<usize>(),
        }
    }

    /// The value of this number, counted from the outside in.
    pub(crate) fn nth(&mut self, n: usize) -> &mut Self {
        if n == 0 {
            return self;
        }
        let mut left = n - 1;
        let inner: Vec<&mut Self> = match self {
            Self::List(items) => items.iter_mut().collect(),
            Self::Object(fields) => fields.iter_mut().map(|(_, value)| value).collect(),
            Self::Raw(_) | Self::Text(_) => Vec::new(),
        };
        for node in inner {
            let count = node.count();
            if left < count {
                return node.nth(left);
            }
            left -= count;
        }
        unreachable!("the number is below the count")
    }

    /// Whether a JSON Pointer leads to a value here, or to where one is missing. Of a key that is there twice any will
    /// do.
    pub(crate) fn has(&self, tokens: &[String]) -> bool {
        let Some((token, rest)) = tokens.split_first() else {
            return true;
        };
        match self {
            Self::List(items) => token
                .parse::<usize>()
                .is_ok_and(|index| items.get(index).is_some_and(|item| item.has(rest))),
            Self::Object(fields) => {
                let mut found = fields.iter().filter(|(key, _)| key == token).peekable();
                if found.peek().is_none() {
                    return rest.is_empty();
                }
                found.any(|(_, value)| value.has(rest))
            }
            Self::Raw(_) | Self::Text(_) => false,
        }
    }

    /// The text, with blanks and escapes as chance has it.
    pub(crate) fn write(&self, chance: &mut Chance) -> String {
        let mut text = String::new();
        let odd = chance.once_in(4);
        self.write_to(&mut text, chance, odd);
        text
    }

    fn write_to(&self, text: &mut String, chance: &mut Chance, odd: bool) {
        if odd && chance.once_in(8) {
            let blank: &str = chance.pick::<&str>(&[" ", "\n", "\t", "\r\n  "]);
            text.push_str(blank);
        }
        match self {
            Self::Raw(raw) => text.push_str(raw),
            Self::Text(string) => write_text(string, text, chance, odd),
            Self::List(items) => {
                text.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        text.push(',');
                    }
                    item.write_to(text, chance, odd);
                }
                text.push(']');
            }
            Self::Object(fields) => {
                text.push('{');
                for (i, (key, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        text.push(',');
                    }
                    write_text(key, text, chance, odd);
                    text.push(':');
                    value.write_to(text, chance, odd);
                }
                text.push('}');
            }
        }
    }
}

fn write_text(string: &str, text: &mut String, chance: &mut Chance, odd: bool) {
    if !odd || !chance.once_in(8) {
        text.push_str(&Value::from(string).to_string());
        return;
    }
    text.push('"');
    for unit in string.encode_utf16() {
        write!(text, "\\u{unit:04x}").unwrap();
    }
    text.push('"');
}
