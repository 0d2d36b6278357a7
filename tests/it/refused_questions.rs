//! Questions that get no answer, and what is told instead.

use std::time::Duration;

use domesday::broker::Message;
use serde_json::{Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::client::{TestClient, message};
use crate::harness::server::TestServer;

const SEED: u64 = 1;

async fn seeded(settings: &str) -> (TestBroker, TestServer, TestClient) {
    let broker = TestBroker::get();
    let server = TestServer::start_with(&broker, settings).await;
    let client = server.client().await;
    client
        .applied("resource.put", json!({"id": "vm", "kind": "vm"}))
        .await;
    (broker, server, client)
}

fn hint(problem: &Value) -> &str {
    problem["hint"]
        .as_str()
        .unwrap_or_else(|| panic!("no hint: {problem:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_beyond_is_not_reached_and_says_where_we_are() {
    let (_broker, _server, client) = seeded("api.question_wait_ms = 100").await;
    // A search is true as of what the index has reached, which may be a little behind on a busy machine.
    let indexed = Message {
        expiration: Some("20000".to_owned()),
        ..message(
            "search",
            &json!({"args": {"query": "a"}, "at_least": {"epoch": 1, "sequence": SEED}}),
        )
    };
    let answer = client.try_ask(indexed, Duration::from_secs(20)).await.unwrap();
    assert_eq!(answer["as_of"]["sequence"], SEED, "{answer:#}");
    for kind in ["search", "graph.cycles", "ping"] {
        let args = if kind == "search" {
            json!({"query": "a"})
        } else {
            json!({})
        };
        let body = json!({"args": args, "at_least": {"epoch": 1, "sequence": SEED + 1}});
        let problem = client.no_answer(kind, body).await;
        assert_eq!(problem["type"], "urn:domesday:problem:not-reached");
        assert_eq!(
            (&problem["epoch"], &problem["sequence"]),
            (&json!(1), &json!(SEED))
        );
        assert_eq!(problem["pointer"], "/at_least");
    }
    let body = json!({"args": {}, "at_least": {"epoch": 1, "sequence": SEED}});
    client.question("ping", body).await;
    // A deadline of the question's own goes before the setting.
    let asked = Message {
        expiration: Some("700".to_owned()),
        ..message("ping", &json!({"at_least": {"epoch": 2, "sequence": 0}}))
    };
    let answer = client.try_ask(asked, Duration::from_secs(20)).await.unwrap();
    assert_eq!(answer["problem"]["type"], "urn:domesday:problem:not-reached");
    // A tenth of it is kept for the way of the answer.
    let detail = answer["problem"]["detail"].as_str().unwrap();
    assert!(detail.ends_with("within 630 ms"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_cannot_be_read_is_told_with_position_and_example() {
    let (_broker, _server, client) = seeded("").await;
    for (query, position) in [
        ("vm AND", 3),
        ("(vm", 0),
        ("nme:x", 0),
        ("a OR kimd:x", 5),
        ("\"open", 0),
    ] {
        let problem = client
            .no_answer("search", json!({"args": {"query": query}}))
            .await;
        assert_eq!(
            problem["type"], "urn:domesday:problem:query-syntax",
            "{query}: {problem:#}"
        );
        assert_eq!(problem["position"], position, "{query}: {problem:#}");
        assert_eq!(problem["pointer"], "/args/query");
        assert!(!problem["example"].as_str().unwrap().is_empty());
    }
    let problem = client
        .no_answer("search", json!({"args": {"query": "nme:x"}}))
        .await;
    assert!(hint(&problem).contains("name"), "{problem:#}");
    let long = "x".repeat(3000);
    let problem = client.no_answer("search", json!({"args": {"query": long}})).await;
    assert_eq!(problem["type"], "urn:domesday:problem:limit-exceeded");
    assert_eq!(problem["limit"], 2000);
    let problem = client
        .no_answer("search", json!({"args": {"query": "vm"}, "cursor": "garbage"}))
        .await;
    assert_eq!(problem["type"], "urn:domesday:problem:invalid", "{problem:#}");
    assert_eq!(problem["pointer"], "/cursor");
    let problem = client
        .no_answer("search", json!({"args": {"query": "vm"}, "limit": 0}))
        .await;
    assert_eq!(problem["pointer"], "/limit");
}
