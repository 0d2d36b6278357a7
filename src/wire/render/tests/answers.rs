//! Answers are in their schemas, and say what was found.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::history::parted;
use super::super::render_answer;
use super::{change, checked, document, id};
use crate::domain::{
    Affected, Answer, Broken, Comparison, Dangling, Document, DocumentPatch, Edge, Effect, EntityKey,
    EntityType, Entrypoint, Environment, Explained, Facet, FacetCounts, Fact, Findings, Highlight, Hit,
    HitEnvironment, Hits, ImpactFindings, ImpactHash, Nature, Node, Offer, Order, Outside, Pair, Piece, Pong,
    Position, Resource, Subgraph, Tags, Target, Timestamp,
};
use crate::wire::from_bytes;
use crate::wire::shape::{
    AnswerBody, ComparisonBody, HistoryBody, HitsBody, ImpactBody, OrderBody, PieceBody, PongBody,
    SubgraphBody,
};

fn answer(findings: Findings) -> Answer {
    Answer {
        as_of: Position {
            epoch: 1,
            sequence: 7,
        },
        findings,
        total: 9,
        truncated: None,
        next: None,
    }
}

fn node(target: Target, distance: u32) -> Node {
    let registered = matches!(&target, Target::Resource(id) if id.as_str() == "a");
    let kind = if registered {
        "vm".to_owned()
    } else {
        String::new()
    };
    Node {
        target,
        registered,
        kind,
        name: String::new(),
        distance,
    }
}

#[test]
fn a_subgraph_names_its_edges() {
    let nodes = vec![
        node(Target::Resource(id("a")), 0),
        node(Target::Resource(id("b")), 1),
        node(Target::External("urn:x".to_owned()), 1),
    ];
    let edge = |to, nature, grouped| Edge {
        from: 0,
        to,
        nature,
        grouped,
    };
    let edges = vec![
        edge(1, Nature::Hard, false),
        edge(2, Nature::Soft, true),
        edge(9, Nature::Hard, false),
    ];
    let found = answer(Findings::Subgraph(Subgraph { nodes, edges }));
    let found = Answer {
        truncated: Some("limit".to_owned()),
        next: Some("n".to_owned()),
        ..found
    };
    let body = render_answer(&found, "c-1", 12);
    assert_eq!(
        checked("graph.dependencies.answer", &body),
        json!({
            "as_of": {"cluster": "c-1", "epoch": 1, "sequence": 7},
            "nodes": [
                {"id": "a", "registered": true, "kind": "vm", "distance": 0},
                {"id": "b", "registered": false, "distance": 1},
                {"id": "urn:x", "registered": false, "external": true, "distance": 1}
            ],
            "edges": [
                {"from": "a", "to": "b", "nature": "hard"},
                {"from": "a", "to": "urn:x", "nature": "soft", "external": true, "group": true}
            ],
            "total": 9, "truncated": true, "truncated_because": "limit", "next": "n", "took_us": 12
        })
    );
    let read: AnswerBody<SubgraphBody> = from_bytes(&body).unwrap();
    assert_eq!(read.findings.edges.len(), 2);
    assert_eq!(read.next.as_deref(), Some("n"));
}

#[test]
fn a_piece_of_a_snapshot_keeps_its_bytes() {
    let offer = Offer {
        id: "1-22-3".to_owned(),
        digest: "0".repeat(64),
        time: Timestamp(3),
        chunks: 1,
        bytes: 256,
    };
    checked(
        "snapshot.begin.answer",
        &render_answer(&answer(Findings::Offer(offer)), "c", 0),
    );
    let bytes: Vec<u8> = (0..=255).collect();
    let piece = Piece {
        id: "1-22-3".to_owned(),
        index: 0,
        chunks: 1,
        total_bytes: 256,
        checksum: "f".repeat(64),
        bytes: bytes.clone(),
    };
    let body = render_answer(&answer(Findings::Piece(piece)), "c", 0);
    checked("snapshot.chunk.answer", &body);
    let read: AnswerBody<PieceBody> = from_bytes(&body).unwrap();
    assert_eq!(read.findings.data.0, bytes);
}

#[test]
fn every_answer_is_in_its_schema() {
    let hits = ["a", "b"].map(|text| Hit {
        key: EntityKey::environment(id(text)),
        kind: String::new(),
        name: "n".to_owned(),
        score: if text == "a" { 1.5 } else { f32::NAN },
        highlights: vec![Highlight {
            field: "name",
            text: "n".to_owned(),
            ranges: vec![(0, 1)],
        }],
        explanation: vec![Explained {
            term: "n".to_owned(),
            fields: vec!["name"],
            weight: 1.5,
        }],
    });
    let found = Hits {
        items: hits.into(),
        facets: vec![FacetCounts {
            facet: Facet::Tag("owner".to_owned()),
            values: vec![("shop".to_owned(), 2)],
            others: 1,
        }],
        understood: Some("n".to_owned()),
    };
    let body = render_answer(&answer(Findings::Hits(found)), "c", 0);
    assert_eq!(
        checked("search.answer", &body)["items"][0],
        json!({
            "entity": "environment", "id": "a", "name": "n", "score": 1.5,
            "highlights": [{"field": "name", "text": "n", "ranges": [[0, 1]]}],
            "explanation": [{"term": "n", "fields": ["name"], "weight": 1.5}]
        })
    );
    let read: AnswerBody<HitsBody> = from_bytes(&body).unwrap();
    assert_eq!(read.findings.items.len(), 2);

    let path = vec![
        node(Target::Resource(id("a")), 0),
        node(Target::Resource(id("b")), 1),
    ];
    let found = answer(Findings::Paths {
        paths: vec![path.clone()],
    });
    assert_eq!(
        checked("graph.path.answer", &render_answer(&found, "c", 0))["paths"][0][1]["id"],
        "b"
    );
    let found = answer(Findings::Cycles(vec![path]));
    assert_eq!(
        checked("graph.cycles.answer", &render_answer(&found, "c", 0))["cycles"][0][0]["id"],
        "a"
    );
    let dangling = Dangling {
        id: id("x"),
        dependents: vec![id("a")],
        total: 5,
    };
    let found = answer(Findings::Dangling(vec![dangling]));
    let body = checked("graph.dangling.answer", &render_answer(&found, "c", 0));
    assert_eq!(
        body["dangling"],
        json!([{"id": "x", "dependents": ["a"], "dependents_total": 5}])
    );
    let pong = Pong {
        instance: "i".to_owned(),
        role: crate::domain::Role::Primary,
        version: "0.1.0",
        cluster: "c".to_owned(),
        lag: 1,
        environments: 2,
        resources: 3,
        dependencies: 4,
    };
    let body = render_answer(&answer(Findings::Pong(pong)), "c", 0);
    assert_eq!(checked("ping.answer", &body)["role"], "primary");
    let read: AnswerBody<PongBody> = from_bytes(&body).unwrap();
    assert_eq!(read.findings.resources, 3);
}

#[test]
fn an_impact_is_told_with_its_reasons() {
    let mut hash = ImpactHash::default();
    hash.add(&id("a"));
    let found = ImpactFindings {
        causes: vec![node(Target::External("urn:x".to_owned()), 0)],
        affected: vec![Affected {
            node: node(Target::Resource(id("a")), 1),
            effect: Effect::CannotStart,
            why: vec!["urn:x".to_owned()],
        }],
        counts: [1, 2, 3],
        environments: vec![HitEnvironment {
            id: id("e"),
            name: "E".to_owned(),
            stops: 1,
            weakened: 2,
            resources: 7,
            entrypoints: vec![Entrypoint {
                name: String::new(),
                url: "https://e".to_owned(),
            }],
        }],
        environments_total: 4,
        hash,
    };
    let body = render_answer(&answer(Findings::Impact(found)), "c", 0);
    let json = checked("graph.impact.answer", &body);
    let affected = json!([{
        "id": "a", "registered": true, "kind": "vm", "distance": 1, "effect": "cannot-start", "why": ["urn:x"]
    }]);
    assert_eq!(json["affected"], affected);
    assert_eq!(
        json["counts"],
        json!({"stops": 1, "degraded": 2, "cannot_start": 3})
    );
    // As Python says it: sha256(b"a").digest()[:16].hex()
    assert_eq!(json["hash"], "ca978112ca1bbdcafac231b39a23dc4d");
    let environment = json!({
        "id": "e", "name": "E", "stops": 1, "weakened": 2, "resources": 7, "entrypoints": [{"url": "https://e"}]
    });
    assert_eq!(json["environments"], json!([environment]));
    let read: AnswerBody<ImpactBody> = from_bytes(&body).unwrap();
    assert_eq!(
        serde_json::to_value(&read.findings.environments).unwrap(),
        json["environments"]
    );
}

#[test]
fn an_order_is_told_with_what_it_does_not_keep() {
    let (a, b) = (Target::Resource(id("a")), Target::Resource(id("b")));
    let found = Order {
        waves: vec![vec![node(a.clone(), 0)], vec![node(b.clone(), 0)]],
        wave_count: 3,
        resources: 9,
        critical_path: vec![node(a.clone(), 0)],
        cycles: vec![vec![node(a.clone(), 0), node(b.clone(), 0)]],
        cycles_total: 2,
        broken: vec![Broken {
            from: a.clone(),
            to: b,
            nature: Nature::Startup,
            grouped: true,
        }],
        broken_total: 4,
        outside: vec![Outside {
            node: node(Target::External("urn:x".to_owned()), 0),
            resources: vec![id("a")],
            total: 21,
        }],
        outside_total: 5,
        is_cut: true,
    };
    let body = render_answer(&answer(Findings::Order(found)), "c", 0);
    let json = checked("graph.order.answer", &body);
    assert_eq!(json["waves"][1][0]["id"], "b");
    assert_eq!(
        json["broken"],
        json!([{"from": "a", "to": "b", "nature": "startup", "group": true}])
    );
    let outside = json!({"id": "urn:x", "registered": false, "external": true, "distance": 0, "resources": ["a"],
        "resources_total": 21});
    assert_eq!(json["outside"], json!([outside]));
    let totals = ["wave_count", "cycles_total", "broken_total", "outside_total"]
        .map(|key| json[key].as_u64().unwrap());
    assert_eq!(totals, [3, 2, 4, 5]);
    let read: AnswerBody<OrderBody> = from_bytes(&body).unwrap();
    assert_eq!(read.findings.critical_path.len(), 1);
}

/// What a history shows of one change.
fn past(fact: Fact) -> Value {
    let key = EntityKey::resource(id("db-1"));
    let found = answer(Findings::History(vec![change(key, fact, Vec::new())]));
    let body = render_answer(&found, "c", 0);
    let json = checked("history.answer", &body);
    let read: AnswerBody<HistoryBody> = from_bytes(&body).unwrap();
    assert_eq!(serde_json::to_value(&read.findings.items).unwrap(), json["items"]);
    json["items"][0].clone()
}

fn resource(json: &Value) -> Arc<Document> {
    document(EntityType::Resource, json)
}

#[test]
fn a_history_says_what_is_different() {
    let after = resource(
        &json!({"id": "db-1", "kind": "vm", "name": "n", "dependencies": [{"resource": "a"}],
        "attributes": {"list": [1, 2]}}),
    );
    let created = past(Fact::Created {
        after: Arc::clone(&after),
    });
    assert_eq!(
        (&created["type"], &created["revision"]),
        (&json!("resource.created"), &json!(3))
    );
    assert_eq!(
        (&created["actor"], &created["cause"]),
        (&json!("alice"), &json!("m-1"))
    );
    assert_eq!(created["diff_total"], 5);
    let pointers: Vec<&str> = created["diff"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers.len(), 5);
    assert!(
        created["diff"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one.get("from").is_none())
    );

    let before = resource(&json!({"id": "db-1", "kind": "vm", "tags": {"a/b": "x"},
        "dependencies": [{"resource": "b"}, {"resource": "a"}], "attributes": {"list": [2, 1]}, "description": "é".repeat(400)}));
    let back = Box::new(DocumentPatch::between(&after, &before).unwrap());
    let mut updated = past(Fact::Updated {
        after: Arc::clone(&after),
        before: back,
    })["diff"]
        .clone();
    let diff = updated.as_array_mut().unwrap();
    diff.sort_by_key(|one| one["pointer"].as_str().unwrap().to_owned());
    let expected = [
        json!({"pointer": "/attributes/list", "from": [2, 1], "to": [1, 2]}),
        // Of what is in both, in whichever order, nothing is said.
        json!({"pointer": "/dependencies", "from": [{"resource": "b"}]}),
        json!({"pointer": "/description", "from": "é".repeat(250), "shortened": true}),
        json!({"pointer": "/name", "to": "n"}),
        json!({"pointer": "/tags", "from": {"a/b": "x"}}),
    ];
    assert_eq!(*diff, expected);

    // Only the order is another.
    let one = resource(
        &json!({"id": "db-1", "kind": "vm", "dependencies": [{"resource": "a"}, {"resource": "b"}]}),
    );
    let other = resource(
        &json!({"id": "db-1", "kind": "vm", "dependencies": [{"resource": "b"}, {"resource": "a"}]}),
    );
    let back = Box::new(DocumentPatch::between(&one, &other).unwrap());
    let turned = past(Fact::Updated {
        after: one,
        before: back,
    });
    assert_eq!(
        turned["diff"][0]["to"],
        json!([{"resource": "a"}, {"resource": "b"}])
    );

    let removed = past(Fact::Removed {
        last: after,
        links: vec![id("e")],
    });
    assert!(
        removed["diff"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one.get("to").is_none())
    );
    let many: Vec<_> = (0..25).map(|n| id(&format!("r{n}"))).collect();
    let linked = past(Fact::Linked { resources: many });
    assert_eq!(
        (
            linked["resources"].as_array().unwrap().len(),
            &linked["resources_total"]
        ),
        (20, &json!(25))
    );
    assert_eq!(linked.get("diff"), None);

    let attributes: Map<String, Value> = (0..300).map(|n| (format!("k{n}"), json!(n))).collect();
    let wide = past(Fact::Created {
        after: resource(&json!({"id": "db-1", "kind": "vm", "attributes": {"a": 1}})),
    });
    assert_eq!(wide["diff_total"], 3);
    let before = resource(&json!({"id": "db-1", "kind": "vm", "attributes": {"k": 1}}));
    let after = resource(&json!({"id": "db-1", "kind": "vm", "attributes": attributes}));
    let back = Box::new(DocumentPatch::between(&after, &before).unwrap());
    let wide = past(Fact::Updated { after, before: back });
    assert_eq!(
        (wide["diff"].as_array().unwrap().len(), &wide["diff_total"]),
        (200, &json!(301))
    );
}

#[test]
fn lists_without_an_order_are_compared_by_what_is_in_them() {
    let between = |from: &Value, to: &Value| parted(Some(from), Some(to), "/status_endpoints").unwrap();
    let (a, b) = (json!({"url": "a", "name": "n"}), json!({"url": "b"}));
    let turned = json!({"name": "n", "url": "a"});
    assert_eq!(
        between(&json!([a, b, a, a]), &json!([b, turned, b])),
        (Some(json!([a, a])), Some(json!([b])))
    );

    // One by one against one by one would take hours, and the tests have minutes.
    let many = |from: u32, until: u32| -> Value { (from..until).collect::<Vec<_>>().into() };
    let parted = between(&many(0, 300_000), &many(150_000, 450_000));
    assert_eq!(parted, (Some(many(0, 150_000)), Some(many(300_000, 450_000))));
}

#[test]
fn a_comparison_says_what_is_different() {
    let side = |text: &str, name: &str| Environment {
        id: id(text),
        name: name.to_owned(),
        description: String::new(),
        tags: Tags::new(),
        entrypoints: Vec::new(),
        status_endpoints: Vec::new(),
    };
    let of = |json: &Value| -> Arc<Resource> { Arc::new(resource(json).as_resource().unwrap().clone()) };
    let found = Comparison {
        environments: (side("l", "Left"), side("r", "Right")),
        left_only: vec![of(&json!({"id": "a", "kind": "vm"}))],
        right_only: vec![],
        different: vec![Pair {
            left: of(&json!({"id": "l/db", "kind": "vm", "attributes": {"size": 1}})),
            right: of(&json!({"id": "r/db", "kind": "vm", "attributes": {"size": 2},
                "dependencies": [{"external": "urn:x"}]})),
        }],
        same: 3,
        shared: 4,
    };
    let body = render_answer(&answer(Findings::Comparison(Box::new(found))), "c", 0);
    let json = checked("compare.answer", &body);
    assert_eq!(
        json["environment"],
        json!([{"pointer": "/name", "from": "Left", "to": "Right"}])
    );
    assert_eq!(
        json["left_only"][0],
        json!({"id": "a", "registered": true, "kind": "vm", "distance": 0})
    );
    let mut pair = json["different"][0].clone();
    pair["diff"]
        .as_array_mut()
        .unwrap()
        .sort_by_key(|one| one["pointer"].as_str().unwrap().to_owned());
    let diff = json!([
        {"pointer": "/attributes/size", "from": 1, "to": 2},
        {"pointer": "/dependencies", "to": [{"external": "urn:x"}]},
    ]);
    assert_eq!(
        pair,
        json!({"left": "l/db", "right": "r/db", "diff": diff, "diff_total": 2})
    );
    assert_eq!((&json["same"], &json["shared"]), (&json!(3), &json!(4)));
    let read: AnswerBody<ComparisonBody> = from_bytes(&body).unwrap();
    assert_eq!(read.findings.different.len(), 1);
}
