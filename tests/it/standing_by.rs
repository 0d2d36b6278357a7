//! Two servers on one namespace: one serves, the other says so and waits.

use serde_json::json;

use crate::harness::broker::TestBroker;
use crate::harness::events::{Events, distinct};
use crate::harness::server::TestServer;

const STANDING_BY: &str = "another instance serves the namespace; standing by";
const NOT_TAKING_OVER: &str = "so it does not take over";

#[tokio::test(flavor = "multi_thread")]
async fn the_second_says_so_and_touches_nothing() {
    let broker = TestBroker::get();
    let first = TestServer::start(&broker).await;
    let events = Events::all(&broker).await;
    let client = first.client().await;
    client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    let mut second = TestServer::prepare(&broker, "");
    second.launch();
    second.says(STANDING_BY).await;
    let cluster = client.question("ping", json!({})).await["as_of"]["cluster"].clone();
    for number in 0..50 {
        let reply = client
            .applied("resource.put", json!({"id": format!("r-{number}"), "kind": "vm"}))
            .await;
        assert_eq!(reply["sequence"], number + 2);
        let pong = client.question("ping", json!({})).await;
        assert_eq!(pong["as_of"]["cluster"], cluster, "only the first answers");
    }
    let seen = events.up_to(51).await;
    assert_eq!(distinct(&seen).len(), 51);
    assert!(seen.iter().all(|event| event.body["cluster"] == cluster));
    assert_eq!(second.terminate().await.code(), Some(0), "{}", second.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_register_does_not_take_over_when_the_first_is_gone() {
    let broker = TestBroker::get();
    let mut first = TestServer::start(&broker).await;
    let client = first.client().await;
    client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    let mut second = TestServer::prepare(&broker, "");
    second.launch();
    second.says(STANDING_BY).await;
    first.kill9().await;
    second.says(NOT_TAKING_OVER).await;
    first.restart().await;
    let client = first.client().await;
    client
        .applied("resource.put", json!({"id": "b", "kind": "vm"}))
        .await;
    assert_eq!(client.sequence().await, 2, "the first goes on with what it had");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_register_takes_over() {
    let broker = TestBroker::get();
    let mut first = TestServer::start(&broker).await;
    let client = first.client().await;
    client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    assert_eq!(first.terminate().await.code(), Some(0));
    let mut second = TestServer::prepare(&broker, "");
    std::fs::create_dir(second.data()).unwrap();
    std::fs::copy(
        first.data().join("domesday.redb"),
        second.data().join("domesday.redb"),
    )
    .unwrap();
    first.restart().await;
    second.launch();
    second.says(STANDING_BY).await;
    first.kill9().await;
    second.answers().await;
    let client = second.client().await;
    client
        .applied("resource.put", json!({"id": "b", "kind": "vm"}))
        .await;
    assert_eq!(client.sequence().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_register_does_not_take_over() {
    let broker = TestBroker::get();
    let mut first = TestServer::start(&broker).await;
    assert_eq!(first.terminate().await.code(), Some(0));
    let mut second = TestServer::prepare(&broker, "");
    std::fs::create_dir(second.data()).unwrap();
    std::fs::copy(
        first.data().join("domesday.redb"),
        second.data().join("domesday.redb"),
    )
    .unwrap();
    first.restart().await;
    let client = first.client().await;
    client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    second.launch();
    second.says(STANDING_BY).await;
    first.kill9().await;
    second.says(NOT_TAKING_OVER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_the_lease_away() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let lease = broker.config().names().unwrap().lease();
    let (_connection, channel) = broker.amqp().await;
    let options = lapin::options::QueueDeleteOptions::default();
    let refused = channel.queue_delete(lease.as_str().into(), options).await;
    let said = refused.expect_err("it is not ours").to_string();
    assert!(said.contains("RESOURCE_LOCKED"), "{said}");
    server.answers().await;
}
