//! Clocks that are wrong: the order of events, what a copy holds and who may serve do not depend on them.

use serde_json::{Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::client::TestClient;
use crate::harness::server::TestServer;
use crate::promotion::promote;

async fn put(client: &TestClient, id: &str) -> Value {
    client
        .applied("resource.put", json!({"id": id, "kind": "vm"}))
        .await
}

/// A primary and a secondary with clocks of their own: it follows, follows again after a crash with changes in between,
/// and takes over.
async fn follows(primary_clock: &str, secondary_clock: &str) {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let mut primary = TestServer::prepare(&source, "");
    primary.launch_with_clock(primary_clock);
    primary.answers().await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.launch_with_clock(secondary_clock);
    let client = primary.client().await;
    let mut reply = json!(null);
    for n in 0..20 {
        reply = put(&client, &format!("r-{n}")).await;
    }
    secondary.answers().await;
    secondary.reached(&reply).await;

    secondary.kill9().await;
    for n in 20..40 {
        reply = put(&client, &format!("r-{n}")).await;
    }
    secondary.launch_with_clock(secondary_clock);
    secondary.answers().await;
    let pong = secondary.reached(&reply).await;
    assert_eq!(pong["lag"], 0);
    let status = secondary.cli(&["status", "--json"]).await.expect(0).json();
    // An hour of one clock against the other is no lag.
    let whole = status["lag"]["whole_ms_ago"].as_u64();
    assert!(whole.is_some_and(|ms| ms < 600_000), "{status:#}");

    primary.kill9().await;
    promote(&secondary).await;
    let there = secondary.client().await;
    let reply = put(&there, "after").await;
    assert_eq!((&reply["epoch"], &reply["sequence"]), (&json!(2), &json!(41)));
    assert_eq!(there.find("id:r-39", &reply).await, ["r-39"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_behind_a_primary_of_the_future_follows_and_takes_over() {
    follows("+1h", "+0s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_behind_a_primary_of_the_past_follows_and_takes_over() {
    follows("-1h", "+0s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_future_follows_and_takes_over() {
    follows("+0s", "+1h").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_past_follows_and_takes_over() {
    follows("+0s", "-1h").await;
}
