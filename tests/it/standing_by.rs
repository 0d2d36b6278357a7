//! Several instances on one namespace: one serves; the others follow it, answer questions, and take over.

use serde_json::json;

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::TestClient;
use crate::harness::events::{Events, distinct};
use crate::harness::server::TestServer;

const FOLLOWING: &str = "standing by, and following it";
const ANOTHER_REGISTER: &str = "another instance serves another register in the namespace";
const TAKEN_OVER: &str = "this instance has taken over";

async fn put(client: &TestClient, id: &str) -> serde_json::Value {
    client
        .applied("resource.put", json!({"id": id, "kind": "vm"}))
        .await
}

/// Waits until a client gets its command through, whoever serves.
async fn put_through(broker: &TestBroker, id: &str) -> serde_json::Value {
    let mut reply = None;
    let message = crate::harness::client::message("resource.put", &json!({"args": {"id": id, "kind": "vm"}}));
    eventually("a command is executed", SOON, async || {
        let Ok(client) = TestClient::try_connect(&broker.config()).await else {
            return false;
        };
        reply = client.try_send(message.clone(), SOON).await.ok();
        reply.is_some()
    })
    .await;
    let reply = reply.unwrap();
    assert_eq!(reply["outcome"], "applied", "{reply:#}");
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_follows_and_takes_over_with_all_that_was_answered() {
    let broker = TestBroker::get();
    let mut first = TestServer::start(&broker).await;
    let events = Events::all(&broker).await;
    let client = first.client().await;
    put(&client, "before").await;
    let mut second = TestServer::prepare(&broker, "");
    second.launch();
    second.says(FOLLOWING).await;
    for number in 0..50 {
        let reply = put(&client, &format!("r-{number}")).await;
        assert_eq!(reply["sequence"], number + 2);
        assert_eq!(reply["epoch"], 1);
    }
    first.kill9().await;
    second.says(TAKEN_OVER).await;
    let reply = put_through(&broker, "after").await;
    assert_eq!((&reply["epoch"], &reply["sequence"]), (&json!(2), &json!(52)));
    let client = second.client().await;
    let found = client
        .question(
            "search",
            json!({"args": {"query": "kind:vm"}, "limit": 100, "at_least": {"epoch": 2, "sequence": 52}}),
        )
        .await;
    assert_eq!(found["total"], 52);
    assert_eq!(distinct(&events.up_to(52).await).len(), 52);

    // The one that was killed comes back, and follows the one that took over.
    first.launch();
    first.says(FOLLOWING).await;
    put(&client, "later").await;
    second.kill9().await;
    let reply = put_through(&broker, "last").await;
    assert_eq!((&reply["epoch"], &reply["sequence"]), (&json!(3), &json!(54)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_answers_questions() {
    let broker = TestBroker::get();
    let first = TestServer::start(&broker).await;
    let client = first.client().await;
    let mut second = TestServer::prepare(&broker, "instance.name = 'second'");
    second.launch();
    second.says(FOLLOWING).await;
    let at = put(&client, "a").await;
    let at = json!({"epoch": at["epoch"], "sequence": at["sequence"]});
    eventually("both answer", SOON, async || {
        let pong = client.question("ping", json!({"at_least": at})).await;
        pong["role"] == "secondary" && pong["instance"] == "second" && pong["as_of"]["sequence"] == 1
    })
    .await;
    assert_eq!(second.terminate().await.code(), Some(0), "{}", second.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_register_does_not_take_over() {
    let (broker, other) = (TestBroker::get(), TestBroker::get());
    let mut second = TestServer::start(&other).await;
    put(&second.client().await, "x").await;
    assert_eq!(second.terminate().await.code(), Some(0));
    let mut first = TestServer::start(&broker).await;
    put(&first.client().await, "a").await;
    second.move_to(&broker);
    second.launch();
    second.says(ANOTHER_REGISTER).await;
    first.kill9().await;
    first.restart().await;
    let reply = put(&first.client().await, "b").await;
    assert_eq!((&reply["epoch"], &reply["sequence"]), (&json!(1), &json!(2)));

    // Nor does it serve where the other is gone: readers would take its changes for those of the other.
    second.kill9().await;
    first.kill9().await;
    second.launch();
    assert_eq!(second.ended().await.code(), Some(64), "{}", second.log());
    assert!(
        second.log().contains("the namespace holds changes of cluster"),
        "{}",
        second.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_takes_in_what_was_served_before_it_serves() {
    let broker = TestBroker::get();
    let mut first = TestServer::start(&broker).await;
    assert_eq!(first.terminate().await.code(), Some(0));
    let mut second = TestServer::prepare(&broker, "");
    std::fs::create_dir(second.data()).unwrap();
    let copy = second.data().join("domesday.redb");
    std::fs::copy(first.data().join("domesday.redb"), copy).unwrap();
    first.restart().await;
    let client = first.client().await;
    for id in ["a", "b", "c"] {
        put(&client, id).await;
    }
    first.kill9().await;
    second.restart().await;
    let reply = put(&second.client().await, "d").await;
    assert_eq!((&reply["epoch"], &reply["sequence"]), (&json!(2), &json!(4)));
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
