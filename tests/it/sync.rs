//! Sync: a reader gets everything, or what it missed, in one piece, and the digest proves it.

use std::collections::BTreeSet;

use domesday::broker::Client;
use lapin::options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::text;
use crate::harness::events::Events;
use crate::harness::register::{Reader, churn, digest, fill, next};
use crate::harness::server::TestServer;

/// A queue that holds few messages and refuses more.
async fn narrow(channel: &lapin::Channel, most: i64) -> String {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(most));
    arguments.insert(
        "x-overflow".into(),
        AMQPValue::LongString("reject-publish".into()),
    );
    let options = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel.queue_declare("".into(), options, arguments).await;
    queue.unwrap().name().to_string()
}

/// How many messages wait in a queue of this connection.
async fn waiting(channel: &lapin::Channel, queue: &str) -> u32 {
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel.queue_declare(queue.into(), passive, FieldTable::default());
    queue.await.unwrap().message_count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_gets_everything_and_then_what_it_missed() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let reader = Reader::connect(&broker.config()).await;
    let empty = reader.sync(json!({})).await;
    assert_eq!(
        (&empty.begin["verdict"], &empty.begin["count"]),
        (&json!("reset"), &json!(0))
    );
    assert_eq!(empty.end["digest"], "0".repeat(64));

    for seed in 0..3 {
        churn(&client, seed, 60).await;
        let sync = reader.sync(json!({})).await;
        let state = sync.state();
        assert_eq!(sync.begin["verdict"], "reset");
        assert_eq!(sync.begin["count"], state.len());
        assert_eq!(sync.end["sequence"], client.sequence().await);
        assert_eq!(
            sync.end["digest"],
            digest(&state),
            "the state has the digest of the end"
        );

        let again = reader.sync(json!({"cursor": sync.cursor()})).await;
        assert_eq!((&again.begin["verdict"], again.messages.len()), (&json!("ok"), 0));
        assert_eq!(again.end["digest"], sync.end["digest"]);

        churn(&client, seed + 100, 20).await;
        let missed = reader.sync(json!({"cursor": sync.cursor()})).await;
        assert_eq!(missed.begin["verdict"], "ok");
        let first = sync.end["sequence"].as_u64().unwrap() + 1;
        let sequences: Vec<u64> = missed
            .messages
            .iter()
            .map(|(_, body)| body["sequence"].as_u64().unwrap())
            .collect();
        let expected: Vec<u64> = (first..=missed.end["sequence"].as_u64().unwrap()).collect();
        assert_eq!(sequences, expected, "each missed event once and in order");
        assert_eq!(missed.end["digest"], digest(&reader.state().await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_cannot_be_gone_on_with_gets_the_state() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    churn(&server.client().await, 7, 30).await;
    let reader = Reader::connect(&broker.config()).await;
    let cursor = reader.sync(json!({})).await.cursor();
    let with = |field: &str, value: Value| {
        let mut cursor = cursor.clone();
        cursor[field] = value;
        json!({ "cursor": cursor })
    };
    let mut tagged = with("sequence", json!(1));
    tagged["filter"] = json!({"tags": {"owner": ""}});
    for (args, verdict) in [
        (with("cluster", json!("another")), "reset"),
        (with("epoch", json!(99)), "reset"),
        (with("sequence", json!(1_000_000)), "reset"),
        (with("sequence", json!(1)), "ok"),
        (tagged, "behind"),
    ] {
        let sync = reader.sync(args.clone()).await;
        assert_eq!(sync.begin["verdict"], verdict, "{args}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_before_what_the_log_keeps_gets_the_state() {
    let broker = TestBroker::get();
    let mut server = TestServer::start_with(&broker, "engine.changes_max = 40").await;
    let client = server.client().await;
    churn(&client, 31, 40).await;
    let reader = Reader::connect(&broker.config()).await;
    let early = reader.sync(json!({})).await.cursor();
    churn(&client, 32, 200).await;
    let last = client.sequence().await;
    assert!(early["sequence"].as_u64().unwrap() + 40 < last, "{last}");
    for _ in 0..2 {
        let sync = reader.sync(json!({ "cursor": early })).await;
        let state = sync.state();
        assert_eq!(sync.begin["verdict"], "behind");
        assert_eq!(
            (&sync.begin["sequence"], &sync.begin["count"]),
            (&json!(last), &json!(state.len()))
        );
        assert_eq!(
            sync.end["digest"],
            digest(&state),
            "the whole state, and it proves itself"
        );
        assert_eq!(state, reader.state().await);
        assert!(!state.is_empty());
        // What is in the log is gone on with.
        let mut late = early.clone();
        late["sequence"] = json!(last - 20);
        let sync = reader.sync(json!({ "cursor": late })).await;
        assert_eq!((&sync.begin["verdict"], sync.messages.len()), (&json!("ok"), 20));
        // And it is the same after a crash.
        server.kill9().await;
        server.restart().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_says_which_part() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    for (id, owner) in [("a", "red"), ("b", "blue"), ("c", "red")] {
        let args = json!({"id": id, "kind": "vm", "tags": {"owner": owner}});
        client.applied("resource.put", args).await;
    }
    client
        .applied("environment.put", json!({"id": "lab", "resources": ["a", "b"]}))
        .await;
    client.applied("environment.put", json!({"id": "other"})).await;
    let reader = Reader::connect(&broker.config()).await;
    for (filter, expected) in [
        (json!({}), vec!["a", "b", "c", "lab", "other"]),
        (json!({"entities": ["resource"]}), vec!["a", "b", "c"]),
        (json!({"environments": ["lab"]}), vec!["a", "b", "lab"]),
        (json!({"tags": {"owner": "red"}}), vec!["a", "c"]),
        (
            json!({"environments": ["lab"], "entities": ["resource"], "tags": {"owner": ""}}),
            vec!["a", "b"],
        ),
    ] {
        let sync = reader.sync(json!({"filter": filter})).await;
        let state = sync.state();
        let ids: BTreeSet<&str> = state.keys().map(|(_, id)| id.as_str()).collect();
        assert_eq!(ids, expected.into_iter().collect(), "{filter}");
        assert_eq!(sync.begin["count"], state.len());
        assert_eq!(
            sync.end["digest"],
            digest(&state),
            "the digest of the part: {filter}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_refuses_slows_the_sync_down_and_loses_nothing() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    fill(&server.client().await, 40).await;
    let reader = Reader::connect(&broker.config()).await;
    let (_connection, channel) = broker.amqp().await;
    let queue = narrow(&channel, 20).await;
    reader.ask(&json!({}), &queue).await;
    eventually("the queue is full", SOON, async || {
        waiting(&channel, &queue).await >= 20
    })
    .await;
    let mut ids = BTreeSet::new();
    let mut kinds = Vec::new();
    eventually("the end of the sync", SOON * 2, async || {
        let got = channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
        if let Some(message) = got.await.unwrap() {
            message
                .delivery
                .acker
                .ack(BasicAckOptions::default())
                .await
                .unwrap();
            let kind = message.delivery.properties.kind().clone().unwrap().to_string();
            let body: Value = serde_json::from_slice(&message.delivery.data).unwrap();
            if kind == "resource.state" {
                ids.insert(text(&body["id"]));
            }
            kinds.push(kind);
        }
        kinds.last().is_some_and(|kind| kind == "sync.end")
    })
    .await;
    assert_eq!(ids.len(), 40, "all of it is there before the end says so");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_its_sync_and_no_other() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    fill(&server.client().await, 300).await;
    let reader = Reader::connect(&broker.config()).await;
    let (_connection, channel) = broker.amqp().await;
    let queue = narrow(&channel, 10).await;
    reader.ask(&json!({}), &queue).await;
    eventually("it has begun", SOON, async || waiting(&channel, &queue).await > 0).await;
    channel
        .queue_delete(queue.as_str().into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    eventually("the server gives it up", SOON, async || {
        server.log().contains("a sync ended: its reader is gone")
    })
    .await;
    assert_eq!(reader.state().await.len(), 300, "the next one is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sync_too_many_is_asked_to_come_again() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    fill(&server.client().await, 300).await;
    let reader = Reader::connect(&broker.config()).await;
    let (connection, channel) = broker.amqp().await;
    for _ in 0..4 {
        let queue = narrow(&channel, 5).await;
        reader.ask(&json!({}), &queue).await;
        eventually("it has begun", SOON, async || waiting(&channel, &queue).await > 0).await;
    }
    let fifth = Client::connect(&broker.config(), "fifth").await.unwrap();
    let mut inbox = fifth.inbox().await.unwrap();
    reader.ask(&json!({}), inbox.queue()).await;
    let (kind, body) = next(&mut inbox).await;
    assert_eq!(kind, "reply");
    assert_eq!(
        body["problem"]["type"], "urn:domesday:problem:unavailable",
        "{body:#}"
    );
    // With the connection go the four queues, and with them their syncs.
    connection.close(200, "done".into()).await.unwrap();
    eventually("there is room again", SOON, async || {
        reader.ask(&json!({}), inbox.queue()).await;
        next(&mut inbox).await.0 == "sync.begin"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_has_the_digest_of_what_was_published_before_it() {
    let broker = TestBroker::get();
    let server = TestServer::start_with(&broker, "api.bookmark_interval_ms = 200").await;
    let bookmarks = Events::of(&broker, &["bookmark"]).await;
    churn(&server.client().await, 42, 80).await;
    let reader = Reader::connect(&broker.config()).await;
    let sync = reader.sync(json!({})).await;
    let there = |event: &crate::harness::events::Event| event.body["sequence"] == sync.end["sequence"];
    let seen = bookmarks
        .until("a bookmark of now", |events| events.iter().any(there))
        .await;
    let last = seen.iter().find(|event| there(event)).unwrap();
    assert_eq!(last.body["digest"], digest(&sync.state()));
}
