//! What nobody can be answered for is parked with its reason, and never stands in the way of what comes after.

use std::time::Duration;

use domesday::broker::{FaultKind, Message, Session};
use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::message;
use crate::harness::server::TestServer;

/// Publishes to an exchange as a client does that waits for nothing.
async fn publish(broker: &TestBroker, exchange: &str, kind: &str, body: &[u8], reply_to: Option<&str>) {
    let (_connection, channel) = broker.amqp().await;
    let options = lapin::options::ConfirmSelectOptions::default();
    channel.confirm_select(options).await.unwrap();
    let mut properties = lapin::BasicProperties::default()
        .with_type(kind.into())
        .with_message_id("m-1".into())
        .with_content_type("application/json".into());
    if let Some(queue) = reply_to {
        properties = properties.with_reply_to(queue.into());
    }
    let confirm = channel
        .basic_publish(
            exchange.into(),
            kind.into(),
            BasicPublishOptions::default(),
            body,
            properties,
        )
        .await
        .unwrap();
    assert!(confirm.await.unwrap().is_ack());
}

async fn letters(broker: &TestBroker, count: usize) -> Vec<Message> {
    let session = Session::open(&broker.config(), "test dead letters")
        .await
        .unwrap();
    let queue = session.names().dead();
    let mut dead = session.consume(&queue, 100, "dead").await.unwrap();
    let mut letters = Vec::new();
    while letters.len() < count {
        let delivery = tokio::time::timeout(SOON, dead.next())
            .await
            .expect("a dead letter in time");
        let delivery = delivery.unwrap().unwrap();
        letters.push(delivery.message.clone());
        delivery.ack().await.unwrap();
    }
    letters
}

fn reasons(letters: &[Message]) -> Vec<&str> {
    letters
        .iter()
        .map(|letter| letter.text_header("domesday-reason").expect("a reason"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_command_without_a_reply_address_is_parked_with_the_reason() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    let names = broker.config().names().unwrap();
    publish(&broker, &names.commands(), "resource.put", b"not json", None).await;
    publish(
        &broker,
        &names.commands(),
        "resource.remove",
        b"{\"args\": {\"id\": \"no\"}}",
        None,
    )
    .await;
    publish(&broker, &names.questions(), "serch", b"{\"args\": {}}", None).await;
    // It is not in the way of what comes after.
    client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;

    let letters = letters(&broker, 3).await;
    let mut reasons = reasons(&letters);
    reasons.sort_unstable();
    assert!(reasons[0].starts_with("malformed: "), "{reasons:?}");
    assert!(reasons[1].starts_with("not-found: "), "{reasons:?}");
    assert!(reasons[2].starts_with("unknown-type: "), "{reasons:?}");
    let first = letters.iter().find(|letter| letter.body == b"not json").unwrap();
    assert_eq!(
        first.text_header("domesday-queue"),
        Some(names.commands().as_str())
    );
    assert_eq!(first.message_id.as_deref(), Some("m-1"));

    // All were acknowledged: with the server gone, nothing comes back to the queues.
    assert!(server.terminate().await.success());
    for queue in [names.commands(), names.questions(), names.dead()] {
        assert_eq!(broker.ready(&queue).await, 0, "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_command_without_a_reply_address_is_executed_in_silence() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    let names = broker.config().names().unwrap();
    let body = json!({"args": {"id": "a", "kind": "vm"}}).to_string();
    publish(&broker, &names.commands(), "resource.put", body.as_bytes(), None).await;
    eventually("the resource", SOON, async || client.sequence().await == 1).await;
    // The routing key says the type where the property does not.
    let mut untyped = message("resource.remove", &json!({"args": {"id": "a"}}));
    untyped.kind = Some(String::new());
    assert_eq!(
        client.send(untyped).await["problem"]["type"],
        "urn:domesday:problem:unknown-type"
    );
    assert!(server.terminate().await.success());
    for queue in [names.commands(), names.dead()] {
        assert_eq!(broker.ready(&queue).await, 0, "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_address_that_is_gone_loses_the_reply_and_nothing_else() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    let commands = broker.config().names().unwrap().commands();
    let body = json!({"args": {"id": "a", "kind": "vm"}}).to_string();
    publish(
        &broker,
        &commands,
        "resource.put",
        body.as_bytes(),
        Some("nobody-here"),
    )
    .await;
    publish(&broker, &commands, "resource.put", b"{", Some("nobody-here")).await;
    let reply = client
        .applied("resource.put", json!({"id": "b", "kind": "vm"}))
        .await;
    assert_eq!(reply["sequence"], 2);
    assert!(server.terminate().await.success(), "{}", server.log());
    assert_eq!(broker.ready(&commands).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_goes_to_any_queue_of_the_clients_choice() {
    let broker = TestBroker::get();
    let _server = TestServer::start(&broker).await;
    let commands = broker.config().names().unwrap().commands();
    let (_connection, channel) = broker.amqp().await;
    let options = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(10));
    let queue = channel
        .queue_declare("".into(), options, arguments)
        .await
        .unwrap();
    let name = queue.name().as_str().to_owned();
    let body = json!({"args": {"id": "a", "kind": "vm"}}).to_string();
    publish(&broker, &commands, "resource.put", body.as_bytes(), Some(&name)).await;
    let mut reply = None;
    eventually("the reply", SOON, async || {
        let options = lapin::options::BasicGetOptions { no_ack: true };
        reply = channel.basic_get(name.as_str().into(), options).await.unwrap();
        reply.is_some()
    })
    .await;
    let reply = reply.unwrap();
    let body: Value = serde_json::from_slice(&reply.delivery.data).unwrap();
    crate::harness::schemas::check("reply", &body);
    assert_eq!(body["outcome"], "applied");
    let correlation = reply.delivery.properties.correlation_id().as_ref().unwrap();
    assert_eq!(
        correlation.as_str(),
        "m-1",
        "the message id stands in for a correlation id"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_expires_in_its_queue_is_never_executed_and_not_lost() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    assert!(server.terminate().await.success());
    let mut late = message("resource.put", &json!({"args": {"id": "a", "kind": "vm"}}));
    late.expiration = Some("1".to_owned());
    // Somebody waits for the answer, and nobody gives one: it is the broker that takes the command out.
    let patience = Duration::from_secs(3);
    let unanswered = client.try_send(late.clone(), patience).await;
    assert_eq!(unanswered.expect_err("no reply").kind(), FaultKind::Deadline);
    let names = broker.config().names().unwrap();
    eventually("the broker has moved it", SOON, async || {
        broker.ready(&names.dead()).await == 1
    })
    .await;
    server.restart().await;
    assert_eq!(server.client().await.sequence().await, 0);
    let listed = server.cli(&["dead", "list", "--json"]).await.expect(0);
    let letter: Value = serde_json::from_str(&listed.out).expect("one letter");
    assert_eq!(letter["reason"], "expired");
    assert_eq!(letter["queue"], names.commands());
    assert_eq!(letter["message_id"], json!(late.message_id));
    let table = server.cli(&["dead", "list"]).await.expect(0);
    assert!(table.out.contains("expired"), "{}", table.out);
    // Whoever finds it can still have it done: without its expiration, which the broker has taken off.
    server.cli(&["dead", "retry", "1"]).await.expect(0);
    eventually("it is carried out", SOON, async || client.sequence().await == 1).await;
}
