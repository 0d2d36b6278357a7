//! The server dies in the middle of its work, and nothing is lost, done twice or told wrongly.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::message;
use crate::harness::events::{Events, change_log, distinct};
use crate::harness::server::TestServer;
use crate::harness::{SOON, bulk};

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_outlives_three_crashes_of_the_server() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let events = Events::all(&broker).await;
    let mut apply = bulk::apply(&server, 10, 8);
    for enough in [300, 1_100, 2_000] {
        let what = format!("{enough} events");
        events.until(&what, |events| events.len() >= enough).await;
        assert!(apply.is_running(), "too late to kill: {}", apply.err());
        server.kill9().await;
        server.restart().await;
    }
    bulk::went_through(apply.ended(SOON * 2).await);
    let client = server.client().await;
    let seen = events.up_to(bulk::COUNT).await;
    bulk::is_there_once(&client, &seen, 10).await;
    bulk::is_unchanged_again(&server, &client).await;
    let more = events.up_to(bulk::COUNT + 1).await;
    assert_eq!(
        more.len(),
        seen.len() + 2,
        "the second apply yields not one event"
    );
    let log = change_log(&broker, bulk::COUNT + 1).await;
    assert_eq!(distinct(&log).len() as u64, bulk::COUNT + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_events_are_published_again_and_are_the_same() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let mut expected = 0;
    for round in 0..5 {
        // The replies say that the broker has the events; what is not on disk yet is that it has.
        let client = Arc::new(server.client().await);
        let mut sent = JoinSet::new();
        for n in 0..20 {
            let client = Arc::clone(&client);
            let args = json!({"id": format!("r-{round}-{n}"), "kind": "vm"});
            sent.spawn(async move { client.applied("resource.put", args).await });
        }
        sent.join_all().await;
        server.kill9().await;
        server.restart().await;
        expected += 20;
        assert_eq!(client.sequence().await, expected);
    }
    let log = change_log(&broker, expected).await;
    assert_eq!(distinct(&log).len() as u64, expected);
    let again = log.len() as u64 - 2 * expected;
    assert!(
        again > 0,
        "a crash right after the confirm publishes again what it does not know to be out"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_that_a_crash_cuts_short_is_answered_to_the_last_command() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = Arc::new(server.client().await);
    let events = Events::all(&broker).await;
    let mut sent = JoinSet::new();
    for n in 0..400 {
        let client = Arc::clone(&client);
        let body = json!({"args": {"id": format!("r-{}", n % 200), "kind": "vm"}});
        sent.spawn(async move { client.send(message("resource.put", &body)).await });
    }
    events.until("the first event", |events| !events.is_empty()).await;
    server.kill9().await;
    server.restart().await;
    let replies = sent.join_all().await;
    let count = |outcome: &str| replies.iter().filter(|reply| reply["outcome"] == outcome).count();
    assert_eq!((count("applied"), count("unchanged")), (200, 200));
    assert_eq!(client.sequence().await, 200);
    let seen = events.up_to(200).await;
    assert_eq!(distinct(&seen).len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_searches_and_the_graph_are_as_complete_as_before() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    for n in 0..50 {
        let args = json!({"id": format!("r-{n}"), "kind": "vm", "name": "findme", "dependencies": [{"resource": "hub"}]});
        let reply = client.applied("resource.put", args).await;
        if n % 10 == 9 {
            server.kill9().await;
            server.restart().await;
            let found = client.find("findme", &reply).await;
            assert_eq!(found.len(), n + 1);
            let body = json!({"args": {"id": "hub"}});
            let dependents = client.question("graph.dependents", body).await;
            assert_eq!(dependents["total"], n + 1);
        }
    }
}

/// Applies while the broker goes away, in this way. Small steps, since the broker takes its time to go.
async fn apply_without_broker(lose: fn(&TestBroker)) {
    let broker = tokio::task::block_in_place(TestBroker::private);
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    let mut apply = bulk::apply(&server, 10, 2);
    eventually("the middle of the work", SOON, async || {
        client.sequence().await >= 100
    })
    .await;
    // It stands still while the broker goes: that takes a while, in which all would be done.
    apply.signal("STOP");
    tokio::task::block_in_place(|| lose(&broker));
    assert!(apply.is_running(), "too late: {}{}", apply.out(), apply.err());
    apply.signal("CONT");
    tokio::task::block_in_place(|| broker.start());
    bulk::went_through(apply.ended(SOON * 3).await);

    server.answers().await;
    let client = server.client().await;
    let log = change_log(&broker, bulk::COUNT).await;
    bulk::is_there_once(&client, &log, 10).await;
    bulk::is_unchanged_again(&server, &client).await;
    let log = change_log(&broker, bulk::COUNT + 1).await;
    assert_eq!(distinct(&log).len() as u64, bulk::COUNT + 1);
    assert!(server.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_outlives_a_restart_of_a_private_broker() {
    apply_without_broker(TestBroker::stop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_outlives_a_crash_of_a_private_broker() {
    apply_without_broker(TestBroker::kill).await;
}
