//! How a schema is made from a shape: JSON Schema 2020-12.
//!
//! Requests are closed: a field that is not known is refused. What the register says is open: readers must pass over
//! fields that they do not know, so that there can be more of them later.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::domain::ProblemKind;

use super::read::COUNT_MAX;
use super::shape::{BatchArgs, CommandBody, ProblemBody, QuestionBody, SearchArgs};

/// What a client sends: closed.
pub(super) fn request<T: JsonSchema>(_: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    bound(&mut schema);
    schema
}

/// A batch: each of its commands has an `expect` of its own, so it has none.
pub(super) fn batch(name: &str) -> Value {
    let mut schema = request::<CommandBody<BatchArgs>>(name);
    if let Some(properties) = schema.pointer_mut("/properties").and_then(Value::as_object_mut) {
        properties.shift_remove("expect");
    }
    schema
}

/// What can be asked without saying about what.
pub(super) fn args_optional<T: JsonSchema>(name: &str) -> Value {
    let mut schema = request::<T>(name);
    if let Some(object) = schema.as_object_mut() {
        object.shift_remove("required");
    }
    schema
}

/// A search: one as of the past has no pages, and shows no more of its hits than what they are.
pub(super) fn search(name: &str) -> Value {
    let mut schema = request::<QuestionBody<SearchArgs>>(name);
    let args =
        json!({"facets": {"maxItems": 0}, "explain": {"const": false}, "highlights": {"const": false}});
    let past = json!({"properties": {"cursor": false, "args": {"properties": args}}});
    insert(&mut schema, "", "dependentSchemas", json!({ "as_of": past }));
    schema
}

/// A question that has no answer as of the past.
pub(super) fn of_now<T: JsonSchema>(name: &str) -> Value {
    without_moment(request::<T>(name))
}

/// The same, of one that can be asked without saying about what.
pub(super) fn of_now_args_optional<T: JsonSchema>(name: &str) -> Value {
    without_moment(args_optional::<T>(name))
}

fn without_moment(mut schema: Value) -> Value {
    for (place, key) in [
        ("/properties", "as_of"),
        ("/$defs", "MomentBody"),
        ("/$defs", "Time"),
    ] {
        if let Some(fields) = schema.pointer_mut(place).and_then(Value::as_object_mut) {
            fields.shift_remove(key);
        }
    }
    schema
}

/// What the register says: open.
pub(super) fn message<T: JsonSchema>(_: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    open(&mut schema);
    schema
}

/// What the register says has happened: its type is in it.
pub(super) fn event<T: JsonSchema>(name: &str) -> Value {
    let mut schema = message::<T>(name);
    insert(&mut schema, "/properties/type", "const", json!(name));
    schema
}

/// An update always says what was before.
pub(super) fn updated<T: JsonSchema>(name: &str) -> Value {
    let mut schema = event::<T>(name);
    if let Some(required) = schema.pointer_mut("/required").and_then(Value::as_array_mut) {
        required.push(json!("before"));
    }
    schema
}

/// A problem, with every type that it may have.
pub(super) fn problem(name: &str) -> Value {
    let mut schema = message::<ProblemBody>(name);
    let urns = ProblemKind::ALL.map(|kind| format!("{}{}", ProblemBody::URN, kind.slug()));
    insert(&mut schema, "/properties/type", "examples", json!(urns));
    schema
}

/// Puts a name of ours in place of that of the type.
pub(super) fn titled(name: &str, title: &str, schema: Value) -> Value {
    let mut titled = Map::new();
    let Value::Object(fields) = schema else {
        return schema;
    };
    let dialect = "https://json-schema.org/draft/2020-12/schema";
    titled.insert("$schema".to_owned(), json!(dialect));
    titled.insert("$id".to_owned(), json!(format!("urn:domesday:schema:{name}")));
    titled.insert("title".to_owned(), json!(name));
    titled.insert("description".to_owned(), json!(title));
    for (key, value) in fields {
        titled.entry(key).or_insert(value);
    }
    Value::Object(titled)
}

fn insert(schema: &mut Value, pointer: &str, key: &str, value: Value) {
    if let Some(object) = schema.pointer_mut(pointer).and_then(Value::as_object_mut) {
        object.insert(key.to_owned(), value);
    }
}

/// Gives every whole number its largest value.
fn bound(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let max = match fields.get("format").and_then(Value::as_str) {
                Some("uint64") => Some(COUNT_MAX),
                Some("uint32") => Some(u64::from(u32::MAX)),
                _ => None,
            };
            if let Some(max) = max {
                fields.insert("maximum".to_owned(), json!(max));
            }
            fields.values_mut().for_each(bound);
        }
        Value::Array(items) => items.iter_mut().for_each(bound),
        _ => {}
    }
}

/// Lets every object have more fields than are named.
fn open(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("additionalProperties") == Some(&Value::Bool(false)) {
                fields.shift_remove("additionalProperties");
            }
            fields.values_mut().for_each(open);
        }
        Value::Array(items) => items.iter_mut().for_each(open),
        _ => {}
    }
}
