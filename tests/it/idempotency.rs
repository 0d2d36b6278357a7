//! The same command twice is one command: the message id decides.

use std::sync::Arc;

use domesday::broker::Message;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::harness::broker::TestBroker;
use crate::harness::client::message;
use crate::harness::events::Events;
use crate::harness::server::TestServer;

fn put(id: &str, message_id: &str) -> Message {
    Message {
        message_id: Some(message_id.to_owned()),
        ..message("resource.put", &json!({"args": {"id": id, "kind": "vm"}}))
    }
}

/// The same command as a client sends it that got no reply: all as before, but for what it waits under.
fn again(message: &Message) -> Message {
    Message {
        correlation_id: Some(Uuid::now_v7().to_string()),
        ..message.clone()
    }
}

/// A reply without the field that tells a repetition.
fn plain(mut reply: Value) -> Value {
    reply["duplicate"] = json!(null);
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_command_gets_its_reply_again_and_causes_no_event() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let events = Events::all(&broker).await;
    let command = put("a", "m-1");
    let first = client.send(command.clone()).await;
    assert_eq!(first["duplicate"], false);
    // Whatever has happened since, it is the reply of then.
    client.applied("resource.remove", json!({"id": "a"})).await;
    for _ in 0..3 {
        let reply = client.send(again(&command)).await;
        assert_eq!(reply["duplicate"], true);
        assert_eq!(plain(reply), plain(first.clone()));
    }
    let seen = events.up_to(2).await;
    assert_eq!(client.sequence().await, 2);
    let reply = client
        .applied("resource.put", json!({"id": "b", "kind": "vm"}))
        .await;
    let more = events.up_to(reply["sequence"].as_u64().unwrap()).await;
    assert_eq!(more.len(), seen.len() + 2, "nothing came between");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_repeated_too() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let command = message("resource.remove", &json!({"args": {"id": "a"}}));
    let first = client.send(command.clone()).await;
    assert_eq!(first["problem"]["type"], "urn:domesday:problem:not-found");
    client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    let reply = client.send(again(&command)).await;
    assert_eq!(
        (&reply["outcome"], &reply["duplicate"]),
        (&json!("rejected"), &json!(true))
    );
    assert_eq!(client.sequence().await, 1, "a was not removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_with_the_same_id_in_one_burst_are_one() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = Arc::new(server.client().await);
    let mut sent = JoinSet::new();
    for n in 0..300 {
        let client = Arc::clone(&client);
        sent.spawn(async move { client.send(put("a", &format!("m-{}", n % 3))).await });
    }
    let replies = sent.join_all().await;
    let of = |outcome: &str, duplicate: bool| {
        let like = |reply: &&Value| reply["outcome"] == outcome && reply["duplicate"] == duplicate;
        replies.iter().filter(like).count()
    };
    assert_eq!(of("applied", false), 1);
    assert_eq!(of("unchanged", false), 2);
    assert_eq!(of("applied", true), 99);
    assert_eq!(of("unchanged", true), 198);
    assert_eq!(client.sequence().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_recognised_after_a_restart_and_after_a_crash() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    let command = put("a", "m-1");
    let first = client.send(command.clone()).await;
    assert!(server.terminate().await.success());
    server.restart().await;
    let second = client.send(again(&command)).await;
    server.kill9().await;
    server.restart().await;
    let third = client.send(again(&command)).await;
    for reply in [second, third] {
        assert_eq!(reply["duplicate"], true);
        assert_eq!(plain(reply), plain(first.clone()));
    }
    assert_eq!(client.sequence().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_id_with_another_body_or_type_is_rejected() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    client.send(put("a", "m-1")).await;
    let other = message("resource.remove", &json!({"args": {"id": "a", "kind": "vm"}}));
    let mut other_type = message("resource.restore", &json!({"args": {"id": "a"}}));
    other_type.message_id = Some("m-2".to_owned());
    client.send(other_type.clone()).await;
    let mut same_body = Message {
        kind: Some("resource.remove".to_owned()),
        ..again(&other_type)
    };
    for reused in [put("b", "m-1"), same_body.clone()] {
        let reply = client.send(reused).await;
        assert_eq!(reply["outcome"], "rejected");
        assert_eq!(reply["problem"]["type"], "urn:domesday:problem:id-reused");
        assert!(reply["problem"]["hint"].is_string());
    }
    // The first owner of the id is still recognised, and a new id does what the old one could not.
    assert_eq!(client.send(put("a", "m-1")).await["duplicate"], true);
    same_body.message_id = other.message_id;
    same_body.correlation_id = other.correlation_id;
    assert_eq!(client.send(same_body).await["outcome"], "applied");
    assert_eq!(client.sequence().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_without_an_id_are_executed_each_time() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let events = Events::all(&broker).await;
    // The client of these tests gives every command an id, so a bare channel sends them.
    let (_connection, channel) = broker.amqp().await;
    let exchange = broker.config().names().unwrap().commands();
    for n in 0..2 {
        let body = json!({"args": {"id": "a", "kind": "vm", "name": n.to_string()}}).to_string();
        let properties = lapin::BasicProperties::default()
            .with_type("resource.put".into())
            .with_content_type("application/json".into());
        channel
            .basic_publish(
                exchange.as_str().into(),
                "resource.put".into(),
                lapin::options::BasicPublishOptions::default(),
                body.as_bytes(),
                properties,
            )
            .await
            .unwrap();
    }
    let seen = events.up_to(2).await;
    assert_eq!(seen[0].body["cause"], "");
    assert_eq!(seen[0].message.correlation_id, None);
    assert_eq!(client.sequence().await, 2);
}
