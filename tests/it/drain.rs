//! A stop in good order: what is in flight is finished or comes again, and nothing is lost.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::broker::TestBroker;
use crate::harness::events::{Events, distinct};
use crate::harness::server::TestServer;
use crate::harness::{SOON, bulk};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_work_stops_at_once_and_comes_back_with_what_it_knew() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    for n in 0..5_u64 {
        let id = format!("vm-{n}");
        client
            .applied("resource.put", json!({"id": id, "kind": "vm"}))
            .await;
        let status = server.terminate().await;
        assert!(status.success(), "{status}: {}", server.log());
        server.restart().await;
        assert_eq!(client.sequence().await, n + 1);
    }
    assert_eq!(server.log().matches(" stopped").count(), 5);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_an_apply_loses_nothing() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let events = Events::all(&broker).await;
    let mut apply = bulk::apply(&server, 10, 8);
    for enough in [300, 1_500] {
        let what = format!("{enough} events");
        events.until(&what, |events| events.len() >= enough).await;
        assert!(apply.is_running(), "too late to stop: {}", apply.err());
        let status = server.terminate().await;
        assert!(status.success(), "{status}: {}", server.log());
        server.restart().await;
    }
    bulk::went_through(apply.ended(SOON * 2).await);
    let client = server.client().await;
    let seen = events.up_to(bulk::COUNT).await;
    bulk::is_there_once(&client, &seen, 10).await;
    let of_commands = seen.iter().filter(|event| event.counts() || event.closes());
    assert_eq!(
        of_commands.count() as u64,
        bulk::COUNT / 10 * 11,
        "and after a good stop nothing comes twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_in_flight_at_a_stop_is_answered() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = Arc::new(server.client().await);
    let events = Events::all(&broker).await;
    let mut sent = JoinSet::new();
    for n in 0..500 {
        let client = Arc::clone(&client);
        let args = json!({"id": format!("r-{n}"), "kind": "vm"});
        sent.spawn(async move { client.applied("resource.put", args).await });
    }
    events.until("the first event", |events| !events.is_empty()).await;
    let status = server.terminate().await;
    assert!(status.success(), "{status}: {}", server.log());
    server.restart().await;
    assert_eq!(sent.join_all().await.len(), 500);
    assert_eq!(client.sequence().await, 500);
    assert_eq!(distinct(&events.up_to(500).await).len(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_private_broker_is_gone_stops_all_the_same() {
    let broker = tokio::task::block_in_place(TestBroker::private);
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    tokio::task::block_in_place(|| broker.kill());
    let status = server.terminate().await;
    assert!(status.success(), "{status}: {}", server.log());
}
