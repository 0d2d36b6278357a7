//! What is rendered is in the schema, can be read with the shapes, and leads back to what it was made from.

mod answers;

use std::sync::Arc;

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use serde_json::{Map, Value, json};

use super::{
    CC_ENVIRONMENTS_MAX, Outgoing, render_event, render_problem_reply, render_question_problem, render_reply,
    render_transaction,
};
use crate::domain::{
    Change, Document, DocumentPatch, EntityKey, EntityType, Event, Fact, GraphNews, Id, Mistake, Outcome,
    Position, Problem, ProblemKind, Receipt, Timestamp, Trace, Transaction, WhatIf, strategies,
};
use crate::wire::shape::{
    EnvironmentDocument, EventBody, LinksBody, OutcomeWord, ProblemBody, ReplyBody, ResourceDocument,
    TransactionEventBody,
};
use crate::wire::{Entry, document_from_json, from_bytes};

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

fn document(entity: EntityType, json: &Value) -> Arc<Document> {
    Arc::new(document_from_json(entity, json, "").unwrap().0)
}

fn change(key: EntityKey, fact: Fact, environments: Vec<Id>) -> Change {
    Change {
        epoch: 2,
        sequence: 41,
        time: Timestamp(1_700_000_000_123_456),
        actor: "alice".to_owned(),
        cause: "m-1".to_owned(),
        trace: Trace::default(),
        transaction: Transaction {
            first: 40,
            index: 1,
            count: 2,
        },
        event: Event {
            key,
            revision: 3,
            fact,
            environments,
        },
    }
}

/// The body, once its schema has taken it.
fn checked(name: &str, body: &[u8]) -> Value {
    let json: Value = serde_json::from_slice(body).unwrap();
    let schema = Entry::named(name).unwrap().schema();
    let faults: Vec<String> = jsonschema::draft202012::new(&schema)
        .unwrap()
        .iter_errors(&json)
        .map(|fault| fault.to_string())
        .collect();
    assert!(faults.is_empty(), "{name}: {faults:?} in {json}");
    json
}

fn header<'a>(outgoing: &'a Outgoing, name: &str) -> Option<&'a str> {
    let mut headers = outgoing.headers.iter();
    headers.find_map(|(key, value)| (key == name).then_some(value.as_str()))
}

#[test]
fn an_event_says_what_became_true() {
    let before = document(
        EntityType::Resource,
        &json!({
        "id": "db-1", "kind": "postgres", "tags": {"owner": "payments"}, "attributes": {"size": {"cpu": 2}, "x": 1}}),
    );
    let after = document(
        EntityType::Resource,
        &json!({
        "id": "db-1", "kind": "postgres", "name": "Ledger", "attributes": {"size": {"cpu": 4}},
        "dependencies": [{"resource": "vm-1"}]}),
    );
    let back = Box::new(DocumentPatch::between(&after, &before).unwrap());
    let fact = Fact::Updated { after, before: back };
    let mut change = change(
        EntityKey::resource(id("db-1")),
        fact,
        vec![id("lab-7"), id("prod")],
    );
    change.trace.parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    let outgoing = render_event(&change, "c-1", "domesday");
    assert_eq!(
        checked("resource.updated", &outgoing.body),
        json!({
            "cluster": "c-1", "epoch": 2, "sequence": 41, "time": "2023-11-14T22:13:20.123456Z",
            "type": "resource.updated", "id": "db-1", "revision": 3, "actor": "alice", "cause": "m-1",
            "transaction": {"id": "2-40", "index": 1, "count": 2},
            "changed": ["/name", "/tags/owner", "/attributes/size/cpu", "/attributes/x", "/dependencies"],
            "before": {"name": null, "tags": {"owner": "payments"}, "attributes": {"size": {"cpu": 2}, "x": 1},
                "dependencies": null},
            "data": {"id": "db-1", "kind": "postgres", "name": "Ledger", "attributes": {"size": {"cpu": 4}},
                "dependencies": [{"resource": "vm-1"}]}
        })
    );
    assert_eq!(
        (outgoing.kind.as_str(), outgoing.routing_key.as_str()),
        ("resource.updated", "resource.updated")
    );
    assert_eq!(
        (outgoing.message_id.as_str(), outgoing.correlation_id.as_str()),
        ("2-41", "m-1")
    );
    assert_eq!(
        outgoing.cc,
        [
            "resource.updated.environment.lab-7",
            "resource.updated.environment.prod"
        ]
    );
    for (name, value) in [
        ("specversion", "1.0"),
        ("id", "2-41"),
        ("source", "/domesday/c-1"),
        ("type", "resource.updated"),
        ("subject", "resource:db-1"),
        ("time", "2023-11-14T22:13:20.123456Z"),
        ("sequence", "00000000000000000041"),
    ] {
        assert_eq!(
            header(&outgoing, &format!("cloudEvents_{name}")),
            Some(value),
            "{name}"
        );
    }
    assert_eq!(
        header(&outgoing, "traceparent"),
        Some(change.trace.parent.as_str())
    );
}

#[test]
fn a_change_of_type_is_one_change() {
    let before = document(
        EntityType::Resource,
        &json!({"id": "a", "kind": "k", "attributes": {"x": {"y": 1}}}),
    );
    let after = document(
        EntityType::Resource,
        &json!({"id": "a", "kind": "k", "attributes": {"x": 5}}),
    );
    let back = Box::new(DocumentPatch::between(&after, &before).unwrap());
    let change = change(
        EntityKey::resource(id("a")),
        Fact::Updated { after, before: back },
        Vec::new(),
    );
    let body = checked("resource.updated", &render_event(&change, "c", "n").body);
    assert_eq!(body["changed"], json!(["/attributes/x"]));
    assert_eq!(body["before"], json!({"attributes": {"x": {"y": 1}}}));
}

#[test]
fn every_fact_has_its_event() {
    let resource = document(EntityType::Resource, &json!({"id": "a", "kind": "k"}));
    let environment = document(EntityType::Environment, &json!({"id": "e", "name": "E"}));
    let links = vec![id("a"), id("b")];
    let cases = [
        (
            "resource.created",
            EntityKey::resource(id("a")),
            Fact::Created {
                after: Arc::clone(&resource),
            },
        ),
        (
            "resource.restored",
            EntityKey::resource(id("a")),
            Fact::Restored {
                after: Arc::clone(&resource),
            },
        ),
        (
            "resource.removed",
            EntityKey::resource(id("a")),
            Fact::Removed {
                last: resource,
                links: vec![id("e")],
            },
        ),
        (
            "environment.created",
            EntityKey::environment(id("e")),
            Fact::Created {
                after: Arc::clone(&environment),
            },
        ),
        (
            "environment.restored",
            EntityKey::environment(id("e")),
            Fact::Restored {
                after: Arc::clone(&environment),
            },
        ),
        (
            "environment.removed",
            EntityKey::environment(id("e")),
            Fact::Removed {
                last: environment,
                links: vec![],
            },
        ),
        (
            "environment.linked",
            EntityKey::environment(id("e")),
            Fact::Linked {
                resources: links.clone(),
            },
        ),
        (
            "environment.unlinked",
            EntityKey::environment(id("e")),
            Fact::Unlinked { resources: links },
        ),
    ];
    for (kind, key, fact) in cases {
        let outgoing = render_event(&change(key, fact, vec![id("e")]), "c", "n");
        let body = checked(kind, &outgoing.body);
        assert_eq!(
            (body["type"].as_str(), outgoing.kind.as_str()),
            (Some(kind), kind)
        );
        assert_eq!((&body["changed"], body.get("before")), (&json!([]), None));
        if kind.starts_with("resource") {
            from_bytes::<EventBody<ResourceDocument>>(&outgoing.body).unwrap();
        } else if kind.ends_with("linked") {
            let read: EventBody<LinksBody> = from_bytes(&outgoing.body).unwrap();
            assert_eq!(read.data.resources, ["a", "b"]);
        } else {
            let read: EventBody<EnvironmentDocument> = from_bytes(&outgoing.body).unwrap();
            assert_eq!(read.data.resources, None);
        }
    }
}

#[test]
fn an_event_is_routed_for_so_many_environments_and_no_more() {
    let environments: Vec<Id> = (0..300).map(|n| id(&format!("e-{n}"))).collect();
    let after = document(EntityType::Resource, &json!({"id": "a", "kind": "k"}));
    let change = change(
        EntityKey::resource(id("a")),
        Fact::Created { after },
        environments,
    );
    let outgoing = render_event(&change, "c", "n");
    assert_eq!(outgoing.cc.len(), CC_ENVIRONMENTS_MAX);
    assert_eq!(outgoing.cc[255], "resource.created.environment.e-255");
}

#[test]
fn a_transaction_has_an_event_of_its_own() {
    let fact = Fact::Linked {
        resources: vec![id("a")],
    };
    let last = change(EntityKey::environment(id("e")), fact, vec![id("e")]);
    let counts = [
        ("resource.created".to_owned(), 1),
        ("environment.linked".to_owned(), 1),
    ];
    let outgoing = render_transaction(&last, &counts, "c-1", "domesday");
    let body = checked("transaction.committed", &outgoing.body);
    assert_eq!(body["transaction"], json!({"id": "2-40", "count": 2}));
    assert_eq!(
        body["counts"],
        json!({"environment.linked": 1, "resource.created": 1})
    );
    assert_eq!(outgoing.message_id, "2-41-transaction");
    assert_eq!(header(&outgoing, "cloudEvents_subject"), Some("2-40"));
    let read: TransactionEventBody = from_bytes(&outgoing.body).unwrap();
    assert_eq!(read.sequence, 41);
}

fn receipt(outcome: Outcome) -> Receipt {
    Receipt {
        outcome,
        position: Position {
            epoch: 1,
            sequence: 7,
        },
        revisions: vec![(EntityKey::resource(id("db-1")), 4)],
        counts: vec![("resource.created".to_owned(), 3)],
        duplicate: true,
        would: None,
    }
}

#[test]
fn a_reply_says_how_it_ended() {
    let body = checked("reply", &render_reply(&receipt(Outcome::Applied), "c-1"));
    assert_eq!(
        body,
        json!({
            "outcome": "applied", "cluster": "c-1", "epoch": 1, "sequence": 7,
            "revisions": {"resource:db-1": 4}, "counts": {"resource.created": 3}, "duplicate": true
        })
    );
}

#[test]
fn a_dry_run_says_what_it_would_cause() {
    let after = document(EntityType::Resource, &json!({"id": "a", "kind": "k"}));
    let event = change(EntityKey::resource(id("a")), Fact::Created { after }, Vec::new()).event;
    let receipt = Receipt {
        would: Some(Box::new(WhatIf {
            events: vec![event],
            news: GraphNews {
                cycles_appeared: vec![vec![id("a"), id("b")]],
                dangling_cleared: vec![id("c")],
                ..GraphNews::default()
            },
            impact: None,
        })),
        ..receipt(Outcome::Applied)
    };
    let body = checked("reply", &render_reply(&receipt, "c-1"));
    assert_eq!(body["dry_run"], true);
    assert_eq!(
        body["events"],
        json!([
            {"type": "resource.created", "id": "a", "revision": 3, "changed": [], "data": {"id": "a", "kind": "k"}}
        ])
    );
    assert_eq!(
        body["graph"],
        json!({
            "cycles_appeared": [{"resources": ["a", "b"], "resources_total": 2}], "cycles_cleared": [],
            "dangling_appeared": [], "dangling_cleared": ["c"]
        })
    );
    assert_eq!(body.get("impact"), None);
}

#[test]
fn a_problem_is_in_the_shape_of_rfc_9457() {
    let mistake = |pointer: &str| Mistake {
        pointer: pointer.to_owned(),
        detail: "wrong".to_owned(),
        hint: String::new(),
    };
    let mistakes = vec![mistake("/args/id"), mistake("/args/kind")];
    let problem = Problem::of_mistakes(ProblemKind::Invalid, mistakes)
        .fact("command", 3)
        .fact("title", "mine");
    let body = render_problem_reply(
        &problem,
        Position {
            epoch: 1,
            sequence: 7,
        },
        "c-1",
    );
    let json = checked("reply", &body);
    assert_eq!(json["outcome"], "rejected");
    assert_eq!(
        json["problem"],
        json!({
            "type": "urn:domesday:problem:invalid", "title": "The message has mistakes",
            "detail": "wrong (and 1 more mistake)", "pointer": "/args/id",
            "mistakes": [{"pointer": "/args/id", "detail": "wrong"}, {"pointer": "/args/kind", "detail": "wrong"}],
            "command": 3
        })
    );
    let read: ReplyBody = from_bytes(&body).unwrap();
    assert_eq!(read.outcome, OutcomeWord::Rejected);
    let problem = read.problem.unwrap();
    assert_eq!(
        (problem.slug(), problem.facts.clone()),
        ("invalid", Map::from_iter([("command".to_owned(), json!(3))]))
    );

    for kind in ProblemKind::ALL {
        let body = render_question_problem(&Problem::new(kind, "d").hint("h"), Position::default(), "c-1");
        let json = checked("question.problem", &body);
        assert_eq!(
            json["problem"]["type"],
            format!("{}{}", ProblemBody::URN, kind.slug())
        );
        assert_eq!(
            json["as_of"],
            json!({"cluster": "c-1", "epoch": 0, "sequence": 0})
        );
        assert_eq!(json["problem"]["mistakes"], Value::Null);
    }
}

/// RFC 7396, section 2, word for word.
fn merge_patch(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut target = match target {
        Value::Object(target) => target,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let old = target.remove(name).unwrap_or_default();
            target.insert(name.clone(), merge_patch(old, value));
        }
    }
    Value::Object(target)
}

proptest! {
    #[test]
    fn before_leads_back((before, after) in strategies::two_documents()) {
        let back = Box::new(DocumentPatch::between(&after, &before).unwrap());
        let fact = Fact::Updated { after: Arc::new(after.clone()), before: back };
        let outgoing = render_event(&change(after.key(), fact, Vec::new()), "c", "n");
        let body: Value = serde_json::from_slice(&outgoing.body).unwrap();

        let data = document_from_json(after.entity(), &body["data"], "").unwrap().0;
        prop_assert_eq!(&data, &after);
        let merged = merge_patch(body["data"].clone(), &body["before"]);
        let earlier = document_from_json(before.entity(), &merged, "").unwrap().0;
        prop_assert_eq!(&earlier, &before);

        let changed = body["changed"].as_array().unwrap();
        prop_assert_eq!(changed.is_empty(), before == after);
        for pointer in changed {
            let pointer = pointer.as_str().unwrap();
            prop_assert_ne_at(&body["data"], &merged, pointer)?;
        }
    }

    #[test]
    fn events_survive_the_shapes(document in strategies::document()) {
        let key = document.key();
        let fact = Fact::Created { after: Arc::new(document.clone()) };
        let body = render_event(&change(key, fact, Vec::new()), "c", "n").body;
        let again = match document.entity() {
            EntityType::Environment => {
                crate::wire::to_bytes(&from_bytes::<EventBody<EnvironmentDocument>>(&body).unwrap())
            }
            EntityType::Resource => crate::wire::to_bytes(&from_bytes::<EventBody<ResourceDocument>>(&body).unwrap()),
        };
        prop_assert!(body == again);
    }
}

/// Fails where two documents have the same at a place that is said to have changed.
fn prop_assert_ne_at(
    a: &Value,
    b: &Value,
    pointer: &str,
) -> Result<(), proptest::test_runner::TestCaseError> {
    let nothing =
        |value: Option<&Value>| value.is_none_or(|value| value.as_object().is_some_and(Map::is_empty));
    let (a, b) = (a.pointer(pointer), b.pointer(pointer));
    prop_assert!(a != b || (nothing(a) && nothing(b)), "{} is the same", pointer);
    Ok(())
}
