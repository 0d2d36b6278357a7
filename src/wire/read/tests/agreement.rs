//! The reader and the schema take the same messages, refuse the same, and know the same fields.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::incoming;
use crate::domain::{Document, EntityType, Problem, escape, strategies};
use crate::wire::read::access::EXPLAIN_FIELDS;
use crate::wire::read::command::{
    BATCH_FIELDS, COMMAND_FIELDS, LINK_FIELDS, PATCH_FIELDS, REMOVE_FIELDS, RESOURCE_REMOVE_FIELDS,
    RESTORE_FIELDS, STEP_FIELDS,
};
use crate::wire::read::document::{
    DEPENDENCY_FIELDS, ENTRYPOINT_FIELDS, ENVIRONMENT_FIELDS, RESOURCE_FIELDS, STATUS_ENDPOINT_FIELDS,
    STATUS_EXPECT_FIELDS, TARGET_FIELDS,
};
use crate::wire::read::graph::{IMPACT_FIELDS, ORDER_FIELDS};
use crate::wire::read::history::{COMPARE_FIELDS, HISTORY_FIELDS, MOMENT_FIELDS};
use crate::wire::read::question::{
    CYCLES_FIELDS, DANGLING_FIELDS, PATH_FIELDS, QUESTION_FIELDS, REACH_FIELDS, SEARCH_FIELDS,
    SNAPSHOT_BEGIN_FIELDS, SNAPSHOT_CHUNK_FIELDS,
};
use crate::wire::read::subscription::{
    STANDING_FIELDS, SUBSCRIBE_BODY_FIELDS, SUBSCRIBE_FIELDS, UNSUBSCRIBE_FIELDS,
};
use crate::wire::{
    Bounds, COMMAND_TYPES, ENTRIES, Entry, QUESTION_TYPES, document_from_json, document_to_json,
    parse_command, parse_json, parse_question,
};

/// One message a line: its type, and its body.
fn examples(text: &'static str) -> Vec<(&'static str, Value)> {
    text.lines()
        .map(|line| {
            let (kind, body) = line.split_once(' ').unwrap();
            (kind, serde_json::from_str(body).unwrap())
        })
        .collect()
}

fn valid() -> Vec<(&'static str, Value)> {
    examples(include_str!("valid.txt"))
}

fn invalid() -> Vec<(&'static str, Value)> {
    examples(include_str!("invalid.txt"))
}

fn every_type() -> Vec<&'static str> {
    [COMMAND_TYPES.as_slice(), QUESTION_TYPES.as_slice()].concat()
}

#[test]
fn reader_and_schema_take_the_same_messages() {
    let examples = valid();
    let covered: BTreeSet<&str> = examples.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(
        covered,
        every_type().into_iter().collect(),
        "a type without an example"
    );
    for (kind, body) in examples {
        assert!(schema_takes(kind, &body), "the schema refuses {kind} {body}");
        let read = reader_takes(kind, &body);
        assert!(read.is_ok(), "the reader refuses {kind} {body}: {read:?}");
    }
}

#[test]
fn reader_and_schema_refuse_the_same_messages() {
    for (kind, body) in invalid() {
        assert!(!schema_takes(kind, &body), "the schema takes {kind} {body}");
        assert!(
            reader_takes(kind, &body).is_err(),
            "the reader takes {kind} {body}"
        );
    }
}

fn schema_of(kind: &str) -> Value {
    Entry::named(kind).unwrap().schema()
}

/// The properties of a definition, with those of all its variants.
fn properties(schema: &Value, pointer: &str) -> BTreeSet<String> {
    let definition = schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    let variants = definition
        .get("anyOf")
        .or_else(|| definition.get("oneOf"))
        .and_then(Value::as_array);
    let objects = variants
        .into_iter()
        .flatten()
        .chain([definition])
        .filter_map(|part| part.get("properties")?.as_object());
    objects
        .flat_map(|properties| properties.keys().cloned())
        .collect()
}

#[test]
fn reader_and_schema_know_the_same_fields() {
    let cases: [(&str, &str, &[&str]); 36] = [
        ("environment", "", &ENVIRONMENT_FIELDS),
        ("resource", "", &RESOURCE_FIELDS),
        ("environment", "/$defs/EntrypointDocument", &ENTRYPOINT_FIELDS),
        (
            "resource",
            "/$defs/StatusEndpointDocument",
            &STATUS_ENDPOINT_FIELDS,
        ),
        ("resource", "/$defs/StatusExpectDocument", &STATUS_EXPECT_FIELDS),
        ("resource", "/$defs/DependencyDocument", &DEPENDENCY_FIELDS),
        ("resource", "/$defs/TargetDocument", &TARGET_FIELDS),
        (
            "environment.patch",
            "/$defs/EnvironmentPatchDocument",
            &ENVIRONMENT_FIELDS[1..],
        ),
        (
            "resource.patch",
            "/$defs/ResourcePatchDocument",
            &RESOURCE_FIELDS[1..],
        ),
        ("resource.put", "", &COMMAND_FIELDS),
        ("resource.patch", "/$defs/PatchArgs", &PATCH_FIELDS),
        ("environment.remove", "/$defs/RemoveArgs", &REMOVE_FIELDS),
        ("resource.restore", "/$defs/RestoreArgs", &RESTORE_FIELDS),
        ("environment.link", "/$defs/LinkArgs", &LINK_FIELDS),
        ("batch", "/$defs/BatchArgs", &BATCH_FIELDS),
        ("batch", "/$defs/StepBody", &STEP_FIELDS),
        (
            "resource.remove",
            "/$defs/ResourceRemoveArgs",
            &RESOURCE_REMOVE_FIELDS,
        ),
        ("search", "", &QUESTION_FIELDS),
        ("search", "/$defs/MomentBody", &MOMENT_FIELDS),
        ("graph.impact", "", &QUESTION_FIELDS),
        ("graph.impact", "/$defs/ImpactArgs", &IMPACT_FIELDS),
        ("graph.order", "/$defs/OrderArgs", &ORDER_FIELDS),
        ("history", "/$defs/HistoryArgs", &HISTORY_FIELDS),
        ("compare", "/$defs/CompareArgs", &COMPARE_FIELDS),
        ("access.explain", "/$defs/ExplainArgs", &EXPLAIN_FIELDS),
        ("search", "/$defs/SearchArgs", &SEARCH_FIELDS),
        ("graph.dependents", "/$defs/ReachArgs", &REACH_FIELDS),
        ("graph.path", "/$defs/PathArgs", &PATH_FIELDS),
        ("graph.cycles", "/$defs/CyclesArgs", &CYCLES_FIELDS),
        ("graph.dangling", "/$defs/DanglingArgs", &DANGLING_FIELDS),
        ("subscribe", "", &SUBSCRIBE_BODY_FIELDS),
        ("subscribe", "/$defs/SubscribeArgs", &SUBSCRIBE_FIELDS),
        ("subscribe", "/$defs/StandingBody", &STANDING_FIELDS),
        ("unsubscribe", "/$defs/UnsubscribeArgs", &UNSUBSCRIBE_FIELDS),
        (
            "snapshot.begin",
            "/$defs/SnapshotBeginArgs",
            &SNAPSHOT_BEGIN_FIELDS,
        ),
        (
            "snapshot.chunk",
            "/$defs/SnapshotChunkArgs",
            &SNAPSHOT_CHUNK_FIELDS,
        ),
    ];
    for (kind, pointer, fields) in cases {
        let known: BTreeSet<String> = fields.iter().map(|&field| field.to_owned()).collect();
        assert_eq!(properties(&schema_of(kind), pointer), known, "{kind} {pointer}");
    }
}

/// Names and words of ours, so that reading gets somewhere.
const WORDS: &[&str] = &[
    "args",
    "expect",
    "dry_run",
    "id",
    "kind",
    "name",
    "tags",
    "attributes",
    "patch",
    "commands",
    "type",
    "resource",
    "external",
    "group",
    "at_least",
    "nature",
    "hard",
    "dependencies",
    "status_endpoints",
    "url",
    "interval",
    "30s",
    "resources",
    "environment",
    "query",
    "natures",
    "limit",
    "resource.put",
    "absent",
    "revision",
    "batch",
    "mode",
    "expect_impact",
    "ids",
    "include_soft",
    "direction",
    "start",
    "entity",
    "before",
    "left",
    "right",
    "as_of",
    "sequence",
];

/// Any JSON; many of the keys and words are ours, so that reading gets somewhere.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1..3_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(WORDS).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let key = prop_oneof![4 => select(WORDS).prop_map(str::to_owned), 1 => ".{0,8}"];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<String, Value>>())),
        ]
    })
}

/// The pointer to every value in a value.
fn collect_places(value: &Value, place: &str, places: &mut Vec<String>) {
    places.push(place.to_owned());
    let inner: Vec<(String, &Value)> = match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, item)| (i.to_string(), item))
            .collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (escape(key), value)).collect(),
        _ => Vec::new(),
    };
    for (token, value) in inner {
        collect_places(value, &format!("{place}/{token}"), places);
    }
}

/// Whether the schema of a file takes a message.
fn schema_takes(kind: &str, body: &Value) -> bool {
    static VALIDATORS: LazyLock<BTreeMap<&'static str, jsonschema::Validator>> = LazyLock::new(|| {
        let validator = |entry: &'static Entry| {
            let validator = jsonschema::draft202012::new(&entry.schema());
            (entry.name, validator.unwrap())
        };
        ENTRIES.iter().map(validator).collect()
    });
    VALIDATORS[kind].is_valid(body)
}

/// Whether the reader takes a message.
fn reader_takes(kind: &str, body: &Value) -> Result<(), Box<Problem>> {
    let (none, bytes) = (BTreeMap::new(), body.to_string());
    let delivery = incoming(kind, &none, bytes.as_bytes());
    // How much may be asked for is a setting, which the schema does not know.
    let bounds = Bounds {
        question_limit_max: usize::MAX,
        ..Bounds::default()
    };
    if COMMAND_TYPES.contains(&kind) {
        parse_command(&delivery, &bounds).map(|_| ())
    } else {
        parse_question(&delivery, &bounds).map(|_| ())
    }
}

/// Asserts that the reader takes a body if and only if the schema does.
fn agree(kind: &str, body: &Value) {
    let read = reader_takes(kind, body);
    assert_eq!(read.is_ok(), schema_takes(kind, body), "{kind} {body} {read:?}");
}

proptest! {
    #[test]
    fn every_document_survives_its_json(document in strategies::document()) {
        let json = document_to_json(&document);
        let read = document_from_json(document.entity(), &json, "").unwrap();
        prop_assert_eq!(&read, &(document.clone(), None));
        let text = json.to_string();
        prop_assert_eq!(&parse_json(text.as_bytes()).unwrap(), &json);
        prop_assert!(schema_takes(document.entity().as_str(), &json));
    }

    #[test]
    fn no_bytes_make_it_panic(
        kind in select(every_type()),
        body in any::<Vec<u8>>(),
    ) {
        let none = BTreeMap::new();
        let _ = parse_command(&incoming(kind, &none, &body), &Bounds::default());
        let _ = parse_question(&incoming(kind, &none, &body), &Bounds::default());
    }

    #[test]
    fn reader_and_schema_agree_on_any_json(
        kind in select(every_type()),
        args in any_json(),
    ) {
        agree(kind, &json!({"args": args}));
        agree(kind, &args);
    }

    #[test]
    fn reader_and_schema_agree_on_any_change_of_a_valid_message(
        (kind, mut body) in select(valid()),
        place in any::<Index>(),
        key in prop_oneof![Just(None), select(WORDS).prop_map(Some)],
        value in any_json(),
    ) {
        let mut places = Vec::new();
        collect_places(&body, "", &mut places);
        let changed = body.pointer_mut(place.get(&places).as_str()).unwrap();
        match (key, changed) {
            (Some(key), Value::Object(fields)) => {
                fields.insert(key.to_owned(), value);
            }
            (Some(_), Value::Array(items)) => items.push(value),
            (_, changed) => *changed = value,
        }
        agree(kind, &body);
    }

    #[test]
    fn a_mistake_is_always_said(entity in select(EntityType::ALL.as_slice()), value in any_json()) {
        match document_from_json(entity, &value, "/args") {
            Ok((Document::Environment(_) | Document::Resource(_), _)) => {}
            Err(mistakes) => {
                prop_assert!(!mistakes.is_empty());
                prop_assert!(mistakes.iter().all(|mistake| mistake.pointer.starts_with("/args")));
            }
        }
    }
}
