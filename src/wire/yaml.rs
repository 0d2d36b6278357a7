//! JSON values as YAML: blocks for what nests, JSON for every scalar, which YAML 1.2 reads as it is.

use std::fmt::Write;

use serde_json::{Map, Value};

/// Words that readers of YAML take for something else than a text.
const RESERVED: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// A value as a YAML document.
pub(super) fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => mapping(&mut text, fields, 0),
        Value::Array(items) if !items.is_empty() => sequence(&mut text, items, 0),
        scalar => line(&mut text, scalar),
    }
    text
}

/// The fields of an object, each on a line of its own; the first is not indented, since something may stand before it.
fn mapping(text: &mut String, fields: &Map<String, Value>, indent: usize) {
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            pad(text, indent);
        }
        text.push_str(&name(key));
        text.push(':');
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                text.push('\n');
                pad(text, indent + 2);
                mapping(text, fields, indent + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                pad(text, indent + 2);
                sequence(text, items, indent + 2);
            }
            scalar => {
                text.push(' ');
                line(text, scalar);
            }
        }
    }
}

/// The items of a list, each after a hyphen; the first is not indented, as above.
fn sequence(text: &mut String, items: &[Value], indent: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            pad(text, indent);
        }
        text.push_str("- ");
        match item {
            Value::Object(fields) if !fields.is_empty() => mapping(text, fields, indent + 2),
            Value::Array(items) if !items.is_empty() => sequence(text, items, indent + 2),
            scalar => line(text, scalar),
        }
    }
}

/// A scalar, or something empty, to the end of the line.
fn line(text: &mut String, scalar: &Value) {
    match scalar {
        Value::String(string) => text.push_str(&quoted(string)),
        other => text.push_str(&other.to_string()),
    }
    text.push('\n');
}

/// A key as it is, where no reader can take it for something else; else in quotes.
fn name(key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "$._-".contains(c))
        && !RESERVED.contains(&key.to_ascii_lowercase().as_str());
    if plain { key.to_owned() } else { quoted(key) }
}

/// A text in quotes: as in JSON, and what YAML does not take as it is escaped as well.
fn quoted(string: &str) -> String {
    let mut text = String::new();
    for c in Value::from(string).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                // Writing to a text cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::{Strategy, any, prop_assert_eq, prop_oneof, proptest};
    use saphyr_parser::{Event, Parser, ScalarStyle};
    use serde_json::{Map, Value, json};

    use super::to_yaml;

    /// Reads what [`to_yaml`] wrote, with a parser that knows nothing of it.
    pub(in crate::wire) fn from_yaml(text: &str) -> Value {
        let events = Parser::new_from_str(text).map(|event| event.unwrap().0);
        let mut events = events.filter(|event| {
            !matches!(
                event,
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::StreamEnd
            )
        });
        let value = node(&mut events).unwrap();
        assert!(events.next().is_none(), "more than one value in {text}");
        value
    }

    /// The next value; none where the list or mapping that it would be in ends.
    fn node<'a>(events: &mut impl Iterator<Item = Event<'a>>) -> Option<Value> {
        match events.next().unwrap() {
            Event::Scalar(text, ScalarStyle::Plain, ..) => {
                let plain = serde_json::from_str(&text);
                Some(plain.unwrap_or_else(|_| Value::String(text.into_owned())))
            }
            Event::Scalar(text, ..) => Some(Value::String(text.into_owned())),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                while let Some(item) = node(events) {
                    items.push(item);
                }
                Some(Value::Array(items))
            }
            Event::MappingStart(..) => {
                let mut fields = Map::new();
                while let Some(key) = node(events) {
                    let key = key.as_str().unwrap().to_owned();
                    assert!(!fields.contains_key(&key), "{key} is there twice");
                    fields.insert(key, node(events).unwrap());
                }
                Some(Value::Object(fields))
            }
            Event::SequenceEnd | Event::MappingEnd => None,
            other => panic!("{other:?} is not written"),
        }
    }

    #[test]
    fn what_nests_is_written_in_blocks() {
        let value = json!({
            "a": {"b.c": 1, "$ref": "#/x", "yes": null, "1": "on"},
            "list": [{"x": [], "y": {}}, [true, -2.5], "é\n\"q\""],
        });
        let text = "a:\n  b.c: 1\n  $ref: \"#/x\"\n  \"yes\": null\n  \"1\": \"on\"\n\
            list:\n  - x: []\n    \"y\": {}\n  - - true\n    - -2.5\n  - \"é\\n\\\"q\\\"\"\n";
        assert_eq!(to_yaml(&value), text);
        assert_eq!(from_yaml(text), value);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<Option<bool>>().prop_map(|flag| json!(flag)),
            any::<i64>().prop_map(|number| json!(number)),
            any::<String>().prop_map(|text| json!(text)),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-z$#: -]{0,5}|\\PC{0,4}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_survives_its_yaml(value in values()) {
            let text = to_yaml(&value);
            prop_assert_eq!(from_yaml(&text), value, "{}", text);
        }
    }
}
