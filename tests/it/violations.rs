//! Every way to break a request that its own schema knows, sent to a server: each is answered with a problem that
//! names the place, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use domesday::domain::{ProblemKind, escape};
use domesday::wire::{COMMAND_TYPES, QUESTION_TYPES};
use serde_json::{Map, Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::client::TestClient;
use crate::harness::schemas;
use crate::harness::server::TestServer;

/// A broken request: what was done to it, where, and how exact the place can be told.
struct Broken {
    class: &'static str,
    place: String,
    body: Value,
    /// Inside of variants the reader may speak of the whole, since it cannot know which variant was meant.
    in_variant: bool,
}

/// Breaks one valid body in every way that its schema knows.
struct Breaker<'a> {
    root: &'a Value,
    body: &'a Value,
    found: Vec<Broken>,
}

impl<'a> Breaker<'a> {
    fn put(&mut self, class: &'static str, at: &str, place: String, value: Value, in_variant: bool) {
        let mut body = self.body.clone();
        *body.pointer_mut(at).unwrap() = value;
        self.found.push(Broken {
            class,
            place,
            body,
            in_variant,
        });
    }

    /// The schema behind a reference, and the variant that the value is.
    fn settle(&self, schema: &'a Value, value: &Value) -> (&'a Value, bool) {
        let schema = match schema["$ref"].as_str() {
            Some(to) => self.root.pointer(to.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        let variants = schema.get("anyOf").or_else(|| schema.get("oneOf"));
        let Some(variants) = variants.and_then(Value::as_array) else {
            return (schema, false);
        };
        let fits = |variant: &&Value| {
            let mut whole = (*variant).clone();
            whole["$defs"] = self.root["$defs"].clone();
            jsonschema::draft202012::new(&whole).unwrap().is_valid(value)
        };
        let variant = variants.iter().find(fits).expect("a variant that fits");
        (self.settle(variant, value).0, true)
    }

    fn walk(&mut self, schema: &'a Value, at: &str, in_variant: bool) {
        let value = self.body.pointer(at).unwrap();
        let (schema, is_variant) = self.settle(schema, value);
        let in_variant = in_variant || is_variant;
        let mut put = |class, value| self.put(class, at, at.to_owned(), value, in_variant);
        for other in [
            json!(null),
            json!(true),
            json!(7),
            json!("?"),
            json!([]),
            json!({}),
        ] {
            if kind_of(&other) != kind_of(value) {
                put(if other.is_null() { "null" } else { "type" }, other);
            }
        }
        if schema.get("enum").is_some() || schema.get("const").is_some() {
            put("word", json!("no-such-word"));
        }
        if let Some(min) = schema["minimum"].as_i64() {
            put("too small", json!(min - 1));
            put("not whole", json!(1.5));
        }
        if let Some(max) = schema["maximum"].as_u64() {
            put("too large", json!(max + 1));
        }
        if schema.get("minLength").is_some() {
            put("too short", json!(""));
        }
        if let Some(max) = schema["maxLength"].as_u64() {
            put("too long", json!("a".repeat(usize::try_from(max).unwrap() + 1)));
        }
        if schema.get("pattern").is_some() {
            put("pattern", json!("no such! pattern"));
        }
        if schema.get("minItems").is_some() {
            put("too few", json!([]));
        }
        match value {
            Value::Object(fields) => self.object(schema, fields, at, in_variant),
            Value::Array(items) if schema.get("items").is_some() => {
                for index in 0..items.len() {
                    self.walk(&schema["items"], &format!("{at}/{index}"), in_variant);
                }
            }
            _ => {}
        }
    }

    fn object(&mut self, schema: &'a Value, fields: &Map<String, Value>, at: &str, in_variant: bool) {
        for key in schema["required"].as_array().into_iter().flatten() {
            let key = key.as_str().unwrap();
            let mut less = fields.clone();
            less.remove(key).expect("what is required is there");
            let place = format!("{at}/{key}");
            self.put("missing", at, place, Value::Object(less), in_variant);
        }
        if schema["additionalProperties"] == false {
            let mut more = fields.clone();
            more.insert("no/such~field".to_owned(), json!(1));
            let place = format!("{at}/{}", escape("no/such~field"));
            self.put("unknown", at, place, Value::Object(more), in_variant);
        }
        for key in fields.keys() {
            let known = schema["properties"].get(key);
            let free = schema.get("additionalProperties").filter(|free| free.is_object());
            if let Some(inner) = known.or(free) {
                self.walk(inner, &format!("{at}/{}", escape(key)), in_variant);
            }
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Every broken form of every example that its schema refuses.
fn broken(kind: &str, body: &Value) -> Vec<Broken> {
    let path = format!("{}/schemas/{kind}.json", env!("CARGO_MANIFEST_DIR"));
    let root: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut breaker = Breaker {
        root: &root,
        body,
        found: Vec::new(),
    };
    breaker.walk(&root, "", false);
    let validator = jsonschema::draft202012::new(&root).unwrap();
    assert!(validator.is_valid(body), "{kind} {body}");
    let mut found = breaker.found;
    // Another variant of the same field may take what this one does not.
    found.retain(|broken| !validator.is_valid(&broken.body));
    found
}

/// Whether a problem names this place, as its own or among its mistakes.
fn names(problem: &Value, broken: &Broken) -> bool {
    let mistakes = problem["mistakes"].as_array().into_iter().flatten();
    let mut pointers = mistakes
        .chain([problem])
        .map(|mistake| mistake["pointer"].as_str().expect("every mistake has a pointer"));
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    pointers.any(|pointer| {
        pointer == broken.place
            || broken.in_variant && (within(&broken.place, pointer) || within(pointer, &broken.place))
    })
}

async fn refused(client: &TestClient, kind: &str, broken: &Broken, sequence: u64) {
    let (what, problem) = if COMMAND_TYPES.contains(&kind) {
        let reply = client.command(kind, broken.body.clone()).await;
        assert_eq!(reply["outcome"], "rejected", "{kind} {}: {reply:#}", broken.body);
        assert_eq!(reply["sequence"], sequence, "{kind} {}", broken.body);
        ("rejected", reply["problem"].clone())
    } else {
        ("no answer", client.no_answer(kind, broken.body.clone()).await)
    };
    schemas::check("problem", &problem);
    let slug = problem["type"]
        .as_str()
        .and_then(|urn| urn.strip_prefix("urn:domesday:problem:"));
    let known = [ProblemKind::Invalid, ProblemKind::Malformed].map(ProblemKind::slug);
    assert!(
        slug.is_some_and(|slug| known.contains(&slug)),
        "{kind} {}: {problem:#}",
        broken.body
    );
    assert!(
        names(&problem, broken),
        "{what}, but nothing said of {:?} ({}) in {kind} {}: {problem:#}",
        broken.place,
        broken.class,
        broken.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_violation_of_every_schema_is_refused_with_its_place() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    let sequence = client.sequence().await;
    let mut classes: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut kinds = BTreeSet::new();
    let mut sent = BTreeSet::new();
    // One message a line: its type, and its body.
    for line in include_str!("../../src/wire/read/tests/valid.txt").lines() {
        let (kind, body) = line.split_once(' ').unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        kinds.insert(kind);
        for broken in broken(kind, &body) {
            if !sent.insert(format!("{kind} {}", broken.body)) {
                continue;
            }
            refused(&client, kind, &broken, sequence).await;
            *classes.entry(broken.class).or_default() += 1;
        }
    }
    assert_eq!(client.sequence().await, sequence, "something has changed");
    let all = [COMMAND_TYPES.as_slice(), QUESTION_TYPES.as_slice()].concat();
    assert_eq!(
        kinds,
        all.into_iter().collect(),
        "every type is broken in some way"
    );
    let expected = [
        "missing",
        "not whole",
        "null",
        "pattern",
        "too few",
        "too large",
        "too long",
        "too short",
        "too small",
        "type",
        "unknown",
        "word",
    ];
    assert_eq!(
        classes.keys().copied().collect::<Vec<_>>(),
        expected,
        "{classes:?}"
    );
    assert!(sent.len() > 800, "{} messages: {classes:?}", sent.len());
}
