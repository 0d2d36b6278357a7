//! A drill: a secondary proves, without taking over, that it could.

use serde_json::{Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::events::Events;
use crate::harness::register::churn;
use crate::harness::server::TestServer;

async fn put(server: &TestServer, id: &str) -> Value {
    let client = server.client().await;
    client
        .applied(
            "resource.put",
            json!({"id": id, "kind": "vm", "dependencies": [{"resource": "hub"}]}),
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_answers_as_the_original_passes_and_says_so() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let primary = TestServer::start_with(&source, "replication.heartbeat_ms = 200").await;
    churn(&primary.client().await, 9, 120).await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.restart().await;
    let reply = put(&primary, "last").await;
    secondary.reached(&reply).await;
    let events = Events::all(&broker).await;
    let drilled = secondary.cli(&["drill", "--json"]).await.expect(0).json();
    assert_eq!(drilled["passed"], true, "{drilled:#}");
    assert_eq!(
        (&drilled["epoch"], &drilled["sequence"], &drilled["rpo_changes"]),
        (&reply["epoch"], &reply["sequence"], &json!(0))
    );
    assert!(drilled["canaries"].as_u64().unwrap() >= 4, "{drilled:#}");
    assert!(
        drilled["rto_ms"].is_u64() && drilled["rpo_ms"].is_u64(),
        "{drilled:#}"
    );
    events
        .until("it is told", |events| {
            events
                .iter()
                .any(|event| event.kind() == "drill.passed" && event.body["sequence"] == reply["sequence"])
        })
        .await;
    assert!(!secondary.data().join("drill").exists(), "nothing of it is left");
    // It follows, and is what it was.
    secondary.reached(&put(&primary, "later").await).await;
    let text = secondary.cli(&["drill"]).await.expect(0);
    assert!(text.out.starts_with("passed by test"), "{}", text.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_primary_there_is_nothing_to_compare_with_and_a_primary_has_no_use_for_it() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let mut primary = TestServer::start(&source).await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.restart().await;
    secondary.reached(&put(&primary, "a").await).await;
    let refused = primary.cli(&["drill", "test"]).await.expect(1);
    assert!(refused.err.contains("it serves"), "{}", refused.err);
    primary.kill9().await;
    let drill = secondary.verb(&["drill", "--timeout", "60s"], "");
    // Other requests are answered meanwhile.
    let status = secondary.cli(&["status", "--json"]).await.expect(0).json();
    assert_eq!(status["stage"], "following");
    let refused = drill.ended(crate::harness::SOON * 2).await.expect(75);
    assert!(
        refused.err.contains("no heartbeat came in time"),
        "{}",
        refused.err
    );
}
