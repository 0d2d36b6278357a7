//! Changes of a schema, allowed and forbidden, by who sends the message.

use serde_json::{Value, json};

use super::{Direction, breaches};

/// What has changed, the schema before and after, and what is said of it where clients send it and where they receive
/// it: part of the breach, or nothing where it is allowed.
type Case = (&'static str, Value, Value, &'static str, &'static str);

fn judge(cases: impl IntoIterator<Item = Case>) {
    for (what, old, new, sent, received) in cases {
        for (direction, said) in [(Direction::Sent, sent), (Direction::Received, received)] {
            let found = breaches("x", direction, &old, &new).join("\n");
            let right = if said.is_empty() {
                found.is_empty()
            } else {
                found.contains(said)
            };
            assert!(right, "{what}, {direction:?}: {found:?}, and not {said:?}");
        }
    }
}

fn text() -> Value {
    json!({"type": "string"})
}

fn object(fields: &Value) -> Value {
    json!({"type": "object", "properties": fields, "additionalProperties": false})
}

/// An object with one field.
fn one(schema: &Value) -> Value {
    object(&json!({ "a": schema }))
}

/// The same, and the field must be there.
fn needed(schema: &Value) -> Value {
    let mut schema = one(schema);
    schema["required"] = json!(["a"]);
    schema
}

fn two() -> Value {
    object(&json!({"a": text(), "b": text()}))
}

#[test]
fn fields_may_come_and_not_go() {
    let mut two_needed = two();
    two_needed["required"] = json!(["b"]);
    let depends = |field: &str| {
        let mut schema = two();
        schema["dependentSchemas"] = json!({field: {"properties": {"a": false}}});
        schema
    };
    let unknown = "nobody knows how to compare `dependentSchemas`";
    judge([
        (
            "what goes with a new field",
            one(&text()),
            depends("b"),
            "",
            unknown,
        ),
        (
            "what goes with an old one",
            one(&text()),
            depends("a"),
            unknown,
            unknown,
        ),
        (
            "what goes with one that was there",
            two(),
            depends("b"),
            unknown,
            unknown,
        ),
        ("a field more", one(&text()), two(), "", ""),
        (
            "a field less",
            two(),
            one(&text()),
            "/b\": it is gone",
            "/b\": it is gone",
        ),
        (
            "a field required",
            one(&text()),
            needed(&text()),
            "it is required now",
            "",
        ),
        (
            "a field optional",
            needed(&text()),
            one(&text()),
            "",
            "not always there",
        ),
        (
            "a required field more",
            one(&text()),
            two_needed,
            "/b\": it is required now",
            "",
        ),
        (
            "a map of another type",
            json!({"type": "object", "additionalProperties": text()}),
            json!({"type": "object", "additionalProperties": {"type": "integer"}}),
            "a type",
            "a type",
        ),
        (
            "an object that is closed",
            json!({"type": "object"}),
            json!({"type": "object", "additionalProperties": false}),
            "any name are not taken",
            "",
        ),
        (
            "a field of another type",
            one(&text()),
            one(&json!({"type": "boolean"})),
            "/a\": a type",
            "/a\": it may be of a type",
        ),
        (
            "behind a reference",
            json!({"$ref": "#/$defs/A", "$defs": {"A": text()}}),
            json!({"$ref": "#/$defs/B", "$defs": {"B": {"type": "string", "maxLength": 3}}}),
            "tighter",
            "",
        ),
    ]);
}

#[test]
fn what_was_taken_is_taken_and_what_was_known_is_known() {
    let (integer, nullable) = (json!({"type": "integer"}), json!({"type": ["string", "null"]}));
    let words = |words: Value| json!({"type": "string", "enum": words});
    let named = |word: &str| json!({"type": "string", "const": word, "description": word});
    let long = |max: u8| json!({"type": "string", "maxLength": max});
    judge([
        ("another type", text(), integer.clone(), "a type", "a type"),
        (
            "a type more",
            text(),
            nullable.clone(),
            "",
            "of a type that it was not",
        ),
        ("a type less", nullable, text(), "not any more", ""),
        (
            "any number",
            integer.clone(),
            json!({"type": "number"}),
            "",
            "of a type",
        ),
        (
            "a word more",
            words(json!(["x"])),
            words(json!(["x", "y"])),
            "",
            "a word is new",
        ),
        (
            "a word less",
            words(json!(["x", "y"])),
            words(json!(["x"])),
            "a word that was taken",
            "",
        ),
        (
            "a described word more",
            json!({"oneOf": [named("x")]}),
            json!({"oneOf": [named("x"), named("y")]}),
            "",
            "a word is new",
        ),
        (
            "an enumeration of a text",
            text(),
            words(json!(["x"])),
            "a word that was taken",
            "",
        ),
        ("another constant", named("x"), named("y"), "a word", "a word"),
        ("a longer text", long(5), long(6), "", "`maxLength` is looser"),
        ("a shorter text", long(6), long(5), "`maxLength` is tighter", ""),
        (
            "a limit more",
            integer.clone(),
            json!({"type": "integer", "minimum": 1}),
            "`minimum` is tighter",
            "",
        ),
        (
            "another pattern",
            json!({"pattern": "a"}),
            json!({"pattern": "b"}),
            "its pattern",
            "its pattern",
        ),
        (
            "another item",
            json!({"items": text()}),
            json!({"items": integer}),
            "/*\": a type",
            "/*\": it may be of a type",
        ),
        (
            "a variant more",
            json!({"anyOf": [text()]}),
            json!({"anyOf": [text(), one(&text())]}),
            "",
            "a variant is new",
        ),
        (
            "a variant less",
            json!({"anyOf": [text(), one(&text())]}),
            json!({"anyOf": [text()]}),
            "a variant that",
            "",
        ),
        (
            "a variant tighter",
            json!({"anyOf": [text(), one(&text())]}),
            json!({"anyOf": [text(), needed(&text())]}),
            "it is required now",
            "",
        ),
    ]);
}

#[test]
fn only_an_enumeration_that_the_contract_names_may_grow() {
    let of = |words: Value| json!({"properties": {"verdict": {"enum": words}}});
    let (old, new) = (of(json!(["ok"])), of(json!(["ok", "later"])));
    assert_eq!(breaches("sync.begin", Direction::Received, &old, &new), [""; 0]);
    assert_eq!(breaches("sync.end", Direction::Received, &old, &new).len(), 1);
    let unknown = json!({"type": "string", "not": {"const": "x"}});
    let said = breaches("x", Direction::Sent, &json!({"type": "string"}), &unknown);
    assert!(said[0].contains("compare `not`"), "{said:?}");
}
