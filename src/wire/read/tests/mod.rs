//! What is read, and how.

mod agreement;
mod refusals;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Bounds, Incoming, LIMIT_GRAPH, LIMIT_PATHS, LIMIT_SEARCH};
use crate::domain::{
    Command, Dependency, DocumentPatch, EntityKey, Envelope, Expect, Id, Inquiry, Moment, Nature, Natures,
    Needs, Position, Problem, ProblemKind, Question, RemoveMode, Target, Timestamp,
};
use crate::wire::{document_to_json, parse_command, parse_question};

fn incoming<'a>(kind: &'a str, headers: &'a BTreeMap<String, String>, body: &'a [u8]) -> Incoming<'a> {
    Incoming {
        kind: Some(kind),
        routing_key: "",
        message_id: Some("m-1"),
        content_type: Some("application/json"),
        user_id: Some("alice"),
        expiration: None,
        headers,
        body,
        received: Timestamp(1_000_000),
    }
}

fn command(kind: &str, body: &Value) -> Result<Envelope, Box<Problem>> {
    let (headers, body) = (BTreeMap::new(), body.to_string());
    parse_command(&incoming(kind, &headers, body.as_bytes()), &Bounds::default())
}

fn question(kind: &str, body: &Value) -> Result<Inquiry, Box<Problem>> {
    let (headers, body) = (BTreeMap::new(), body.to_string());
    parse_question(&incoming(kind, &headers, body.as_bytes()), &Bounds::default())
}

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

fn full_resource() -> Value {
    json!({
        "id": "db-1", "kind": "postgres", "name": "Ledger", "description": "holds the ledger",
        "tags": {"owner": "payments", "critical": ""},
        "attributes": {"size": {"cpu": 4}, "zones": ["a", null]},
        "status_endpoints": [
            {"name": "ready", "url": "http://db-1/ready", "interval": "10s", "timeout": "500ms",
             "expect": {"status": "200-299", "body": "ok"}},
            {"url": "tcp://db-1:5432"}
        ],
        "dependencies": [
            {"resource": "vm-1"},
            {"external": "https://dns.example/", "nature": "soft", "description": "names"},
            {"group": [{"resource": "a"}, {"external": "urn:b"}], "at_least": 1, "nature": "startup"},
            {"group": [{"resource": "c"}]}
        ]
    })
}

#[test]
fn a_document_is_read_in_full() {
    let Command::Put {
        document,
        members: None,
    } = command("resource.put", &json!({"args": full_resource()}))
        .unwrap()
        .step
        .command
    else {
        panic!("not a put");
    };
    let resource = document.as_resource().unwrap();
    assert_eq!(resource.kind, "postgres");
    assert_eq!(resource.tags["critical"], "");
    assert_eq!(resource.status_endpoints[0].timeout_ms, 500);
    assert_eq!(resource.status_endpoints[1].interval_ms, 30_000);
    let group = Needs::Group {
        members: vec![Target::Resource(id("a")), Target::External("urn:b".to_owned())],
        at_least: 1,
    };
    let expected = Dependency {
        needs: group,
        nature: Nature::Startup,
        description: String::new(),
    };
    assert_eq!(resource.dependencies[2], expected);
    let mut canonical = full_resource();
    canonical["dependencies"][2]
        .as_object_mut()
        .unwrap()
        .remove("at_least");
    assert_eq!(document_to_json(&document), canonical);
}

#[test]
fn an_envelope_carries_what_came_along() {
    let headers: BTreeMap<String, String> = [
        ("deadline", "1970-01-01T00:00:09Z"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("cloudEvents:type", "resource.restore"),
        ("ce-id", "m-2"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let body = br#"{"args": {"id": "a"}, "expect": {"revision": 3}, "dry_run": true}"#;
    let mut delivery = incoming("", &headers, body);
    delivery.routing_key = "resource.remove";
    delivery.message_id = None;
    delivery.content_type = Some("Application/JSON; charset=UTF-8");
    delivery.expiration = Some("5000");
    let envelope = parse_command(&delivery, &Bounds::default()).unwrap();
    assert_eq!(envelope.message_id.as_deref(), Some("m-2"));
    assert_eq!(envelope.actor, "alice");
    assert_eq!(envelope.deadline, Some(Timestamp(9_000_000)));
    assert_eq!(envelope.trace.parent, headers["traceparent"]);
    assert!(envelope.dry_run);
    assert_eq!(envelope.step.expect, Expect::Revision(3));
    assert_eq!(
        envelope.step.command,
        Command::Restore {
            key: EntityKey::resource(id("a"))
        }
    );

    let none = BTreeMap::new();
    let mut delivery = incoming("", &none, body);
    delivery.routing_key = "resource.restore";
    delivery.expiration = Some("5000");
    let other = parse_command(&delivery, &Bounds::default()).unwrap();
    assert_eq!(other.message_id.as_deref(), Some("m-1"));
    assert_eq!(other.deadline, Some(Timestamp(6_000_000)));
    assert_eq!(other.fingerprint, envelope.fingerprint);
    let reformatted = br#"{"args":{"id":"a"},"expect":{"revision":3},"dry_run":true}"#;
    let third = parse_command(
        &incoming("resource.restore", &none, reformatted),
        &Bounds::default(),
    )
    .unwrap();
    assert_ne!(third.fingerprint, envelope.fingerprint);
}

#[test]
fn patches_are_merge_patches() {
    let body = json!({"args": {"id": "a", "patch": {
        "name": null, "tags": null, "attributes": {"x": null}, "dependencies": null}}});
    let Command::Patch { key, patch, members } = command("resource.patch", &body).unwrap().step.command
    else {
        panic!("not a patch");
    };
    let DocumentPatch::Resource(patch) = *patch else {
        panic!("not for a resource")
    };
    assert_eq!((key, members), (EntityKey::resource(id("a")), None));
    assert_eq!(patch.name.as_deref(), Some(""));
    assert_eq!(patch.description, None);
    assert!(patch.tags.clear && !patch.attributes.clear);
    assert_eq!(patch.attributes.edits, *json!({"x": null}).as_object().unwrap());
    assert_eq!(patch.dependencies, Some(Vec::new()));
    let body = json!({"args": {"id": "e", "patch": {"resources": null}}});
    let Command::Patch { members, .. } = command("environment.patch", &body).unwrap().step.command else {
        panic!("not a patch");
    };
    assert_eq!(members, Some(Vec::new()));
}

#[test]
fn questions_are_read_with_their_defaults() {
    let inquiry = question("search", &json!({"args": {"query": "x"}})).unwrap();
    assert_eq!(inquiry.limit, LIMIT_SEARCH);
    let inquiry = question("graph.path", &json!({"args": {"from": "a", "to": "b"}})).unwrap();
    assert_eq!(inquiry.limit, LIMIT_PATHS);
    let body = json!({"args": {"id": "a", "natures": ["hard"]}, "at_least": {"epoch": 2, "sequence": 9}});
    let inquiry = question("graph.dependents", &body).unwrap();
    assert_eq!(inquiry.limit, LIMIT_GRAPH);
    assert_eq!(
        inquiry.at_least,
        Some(Position {
            epoch: 2,
            sequence: 9
        })
    );
    let Question::Reach {
        natures, depth: None, ..
    } = inquiry.question
    else {
        panic!("not a reach")
    };
    assert_eq!(
        natures,
        Natures {
            hard: true,
            soft: false,
            startup: false
        }
    );

    let none = BTreeMap::new();
    for kind in ["ping", "graph.cycles", "graph.dangling"] {
        let mut delivery = incoming(kind, &none, b"");
        delivery.content_type = None;
        assert!(parse_question(&delivery, &Bounds::default()).is_ok(), "{kind}");
    }
    let problem = parse_question(&incoming("search", &none, b""), &Bounds::default()).unwrap_err();
    assert_eq!(problem.detail, "the body is empty");
    let body = json!({"args": {"query": "x"}, "limit": 100_001});
    let problem = question("search", &body).unwrap_err();
    assert_eq!(
        (problem.pointer.as_str(), problem.kind),
        ("/limit", ProblemKind::Invalid)
    );
    assert!(problem.detail.contains("100000"), "{}", problem.detail);
}

#[test]
fn a_moment_is_a_sequence_or_a_time() {
    let read =
        |moment: Value| question("graph.cycles", &json!({ "as_of": moment })).map(|inquiry| inquiry.moment);
    let sequence = read(json!({"sequence": 7})).unwrap();
    assert_eq!(sequence, Some(Moment::Sequence(7)));
    for text in [
        "1970-01-01T00:00:09Z",
        "1970-01-01T01:00:09+01:00",
        "1970-01-01T00:00:09.000000Z",
    ] {
        let time = read(json!({ "time": text })).unwrap();
        assert_eq!(time, Some(Moment::Time(Timestamp(9_000_000))), "{text}");
    }
    for text in [
        "soon",
        "",
        "1970-01-01",
        "1970-02-30T00:00:00Z",
        "1970-01-01T00:00:09",
    ] {
        let problem = read(json!({ "time": text })).unwrap_err();
        assert_eq!(
            (problem.kind, problem.pointer.as_str()),
            (ProblemKind::Invalid, "/as_of/time"),
            "{text}"
        );
    }
    assert_eq!(read(json!({})).unwrap_err().pointer, "/as_of");
    let problem = question("history", &json!({"args": {"id": "a"}, "as_of": {"sequence": 7}})).unwrap_err();
    assert_eq!(problem.pointer, "/as_of");
    assert!(problem.detail.contains("past"), "{}", problem.detail);
}

#[test]
fn names_of_causes_have_a_length() {
    for (length, is_read) in [(1, true), (2_048, true), (2_049, false)] {
        let body = json!({"args": {"ids": ["ü".repeat(length)]}});
        assert_eq!(question("graph.impact", &body).is_ok(), is_read, "{length}");
    }
    for (count, is_read) in [(1_000, true), (1_001, false)] {
        let ids: Vec<String> = (0..count).map(|n| format!("n{n}")).collect();
        assert_eq!(
            question("graph.impact", &json!({"args": {"ids": ids}})).is_ok(),
            is_read
        );
        let body = json!({"args": {"ids": ids, "direction": "stop"}});
        assert_eq!(question("graph.order", &body).is_ok(), is_read);
    }
}

#[test]
fn a_removal_has_a_mode() {
    let Command::Remove { mode, .. } = command("resource.remove", &json!({"args": {"id": "a"}}))
        .unwrap()
        .step
        .command
    else {
        panic!("not a removal");
    };
    assert_eq!(mode, RemoveMode::Restrict);
}
