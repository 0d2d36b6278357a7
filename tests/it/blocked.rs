//! A crash between the commit and the publication: the broker takes no message meanwhile, so the server has committed,
//! told nobody, and is killed.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use redb::{Database, ReadableDatabase, TableDefinition};
use serde_json::json;

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::events::{change_log, distinct};
use crate::harness::server::TestServer;

const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");
const COUNT: u64 = 50;

/// What the data file says of a number.
fn number(server: &TestServer, key: &str) -> u64 {
    let database = Database::open(server.data().join("domesday.redb")).expect("the file");
    let reading = database.begin_read().unwrap();
    let numbers = reading.open_table(NUMBERS).unwrap();
    numbers.get(key).unwrap().map_or(0, |number| number.value())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_and_not_published_is_published_after_the_crash_by_a_private_broker() {
    let broker = tokio::task::block_in_place(TestBroker::private);
    let ctl = |arguments: &[&str]| tokio::task::block_in_place(|| broker.rabbitmqctl(arguments));
    let mut server = TestServer::start(&broker).await;
    assert!(server.terminate().await.success());
    let names = broker.config().names().unwrap();
    send(&broker, &names.commands()).await;

    ctl(&["set_vm_memory_high_watermark", "0.00001"]);
    server.launch();
    let taken = format!("{}\t0\t{COUNT}", names.commands());
    eventually("all commands with the server", SOON, async || {
        let queues = ctl(&[
            "list_queues",
            "-q",
            "name",
            "messages_ready",
            "messages_unacknowledged",
        ]);
        queues.lines().any(|line| line == taken)
    })
    .await;
    server.kill9().await;
    // With the server, and committed by it a moment later: give it another chance where the kill came between.
    for _ in 0..3 {
        if number(&server, "sequence") == COUNT {
            break;
        }
        server.launch();
        eventually("all commands with the server", SOON, async || {
            let queues = ctl(&[
                "list_queues",
                "-q",
                "name",
                "messages_ready",
                "messages_unacknowledged",
            ]);
            queues.lines().any(|line| line == taken)
        })
        .await;
        server.kill9().await;
    }
    assert_eq!(number(&server, "sequence"), COUNT, "committed");
    assert_eq!(number(&server, "published"), 0, "and nobody was told");

    ctl(&["set_vm_memory_high_watermark", "0.8"]);
    server.restart().await;
    let log = change_log(&broker, COUNT).await;
    assert_eq!(distinct(&log).len() as u64, COUNT);
    // The broker blocks a connection over what it sends first, so the first of them may have got through before.
    assert!(
        log.len() as u64 <= 2 * COUNT + 2,
        "nearly all of them for the first time: {}",
        log.len()
    );
    // The commands came again, were recognised, and are done with: one that comes after them is answered.
    let client = server.client().await;
    client
        .applied("resource.put", json!({"id": "after", "kind": "vm"}))
        .await;
    assert!(server.terminate().await.success());
    for queue in [names.commands(), names.dead()] {
        assert_eq!(broker.ready(&queue).await, 0, "{queue}");
    }
    assert_eq!(number(&server, "sequence"), COUNT + 1);
    assert_eq!(
        number(&server, "published"),
        COUNT + 1,
        "a good stop takes it down"
    );
}

async fn send(broker: &TestBroker, exchange: &str) {
    let (_connection, channel) = broker.amqp().await;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    for n in 0..COUNT {
        let body = json!({"args": {"id": format!("r-{n}"), "kind": "vm"}}).to_string();
        let properties = lapin::BasicProperties::default()
            .with_type("resource.put".into())
            .with_message_id(format!("m-{n}").into())
            .with_content_type("application/json".into())
            .with_delivery_mode(2);
        let confirm = channel
            .basic_publish(
                exchange.into(),
                "resource.put".into(),
                BasicPublishOptions::default(),
                body.as_bytes(),
                properties,
            )
            .await
            .unwrap();
        assert!(confirm.await.unwrap().is_ack());
    }
}
