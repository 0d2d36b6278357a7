//! A broker without streams: it is told what to do, and durable queues for named readers do instead of the stream.

use domesday::broker::{Client, Consumer};
use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::TestBroker;
use crate::harness::client::TestClient;
use crate::harness::events::{Event, distinct};
use crate::harness::program::Program;
use crate::harness::register::{Reader, churn, digest};
use crate::harness::server::TestServer;

const QUEUES: &str = "broker.change_log = 'queues'\n\
                      broker.change_queues = ['dr-1', 'reporting']\n\
                      api.bookmark_interval_ms = 300";

/// A reader of one of the queues, which may go away and come back.
async fn open(broker: &TestBroker, reader: &str) -> (Client, Consumer) {
    let config = broker.config();
    let client = Client::connect(&config, "test reader").await.expect("a client");
    let queue = config.names().unwrap().change_queue(reader);
    let consumer = client.consume(&queue, 100).await.expect("the queue is there");
    (client, consumer)
}

/// Takes events up to the end of the transaction that reaches this sequence.
async fn read(consumer: &mut Consumer, sequence: u64) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    while events
        .last()
        .is_none_or(|event| event.counts() || event.sequence() < sequence)
    {
        let delivery = tokio::time::timeout(SOON, consumer.next())
            .await
            .expect("in time");
        let delivery = delivery.expect("an open queue").expect("a delivery");
        let mut message = delivery.message.clone();
        // The broker's own count.
        message.headers.remove("x-delivery-count");
        let event = Event::read(delivery.routing_key.clone(), message);
        if event.kind() != "bookmark" {
            events.push(event);
        }
        delivery.ack().await.expect("acknowledged");
    }
    events
}

async fn put(client: &TestClient, n: u64) -> Value {
    let args = json!({"id": format!("r-{n}"), "kind": "vm", "description": "x".repeat(500)});
    client.applied("resource.put", args).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_broker_without_streams_is_told_and_queues_do_instead() {
    let broker = tokio::task::block_in_place(TestBroker::without_streams);
    let stream = TestServer::prepare(&broker, "");
    let file = stream.config_file();
    let ran = Program::start(&["server", "--primary", "--config", &file], "").ended(SOON);
    let ran = ran.await.expect(64);
    let changes = broker.config().names().unwrap().changes();
    for said in [
        changes.as_str(),
        "streams switched off",
        "enable_feature_flag stream_queue",
        "broker.change_log",
        "broker.change_queues",
    ] {
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }

    let mut server = TestServer::start_with(&broker, QUEUES).await;
    let client = server.client().await;
    churn(&client, 21, 40).await;
    let middle = client.sequence().await;
    let (first, mut consumer) = open(&broker, "dr-1").await;
    let mut early = read(&mut consumer, middle).await;
    drop((first, consumer));
    // The reader is away; the server and the broker fail meanwhile.
    churn(&client, 22, 20).await;
    server.kill9().await;
    tokio::task::block_in_place(|| {
        broker.stop();
        broker.start();
    });
    server.restart().await;
    let client = server.client().await;
    churn(&client, 23, 20).await;
    let last = client.sequence().await;
    let (_client, mut consumer) = open(&broker, "dr-1").await;
    early.extend(read(&mut consumer, last).await);
    let events = distinct(&early);
    assert_eq!(events.len() as u64, last, "each event, in order");
    let (_client, mut consumer) = open(&broker, "reporting").await;
    assert_eq!(distinct(&read(&mut consumer, last).await), events);

    let reader = Reader::connect(&broker.config()).await;
    let directory = server.folder().join("copy").display().to_string();
    let ran = server.cli(&["mirror", &directory, "--once"]).await.expect(0);
    let ours = digest(&reader.state().await);
    let again = server.cli(&["mirror", &directory, "--once"]).await.expect(0);
    assert!(ran.err.contains("all of it"), "{}", ran.err);
    assert!(again.err.contains(": 0 missed events"), "{}", again.err);
    assert_eq!(reader.sync(json!({})).await.end["digest"], ours);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stays_away_holds_nobody_up_and_heals() {
    let broker = TestBroker::get();
    let settings = format!("{QUEUES}\nbroker.changes_max_bytes = 30000");
    let server = TestServer::start_with(&broker, &settings).await;
    let client = server.client().await;
    let began = std::time::Instant::now();
    for n in 0..100 {
        put(&client, n).await;
    }
    assert!(began.elapsed() < SOON, "nobody waits for the reader");
    let (_client, mut consumer) = open(&broker, "dr-1").await;
    let events = read(&mut consumer, 100).await;
    let sequences: Vec<u64> = events
        .iter()
        .filter(|event| event.counts())
        .map(Event::sequence)
        .collect();
    let first = *sequences.first().expect("the newest are kept");
    assert!(first > 1, "the oldest are gone");
    assert_eq!(
        sequences,
        (first..=100).collect::<Vec<_>>(),
        "and there is no other hole"
    );
    // What a reader does that sees the hole.
    let reader = Reader::connect(&broker.config()).await;
    let mut cursor = reader.sync(json!({})).await.cursor();
    cursor["sequence"] = json!(0);
    let sync = reader.sync(json!({ "cursor": cursor })).await;
    assert_eq!(sync.begin["verdict"], "ok");
    assert_eq!(sync.messages.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_without_a_name_end_the_start_before_anything_is_made() {
    let broker = TestBroker::get();
    for (settings, said) in [
        ("broker.change_log = 'queues'", "name at least one reader"),
        ("broker.change_queues = ['dr-1']", "while broker.change_log is"),
        (
            "broker.change_log = 'queues'\nbroker.change_queues = ['dr 1']",
            "`dr 1`",
        ),
        ("broker.change_log = 'table'", "`stream` or `queues`"),
    ] {
        let server = TestServer::prepare(&broker, settings);
        let file = server.config_file();
        for arguments in [
            ["config", "check", &file].as_slice(),
            &["server", "--primary", "--config", &file],
        ] {
            let ran = Program::start(arguments, "").ended(SOON).await.expect(64);
            assert!(ran.err.contains(said), "{settings}: {}", ran.err);
        }
        assert!(!server.data().exists());
    }
}
