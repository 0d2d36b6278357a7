//! What an event looks like on the wire, and who gets it.

use std::collections::BTreeMap;

use domesday::broker::Header;
use serde_json::json;

use crate::harness::broker::TestBroker;
use crate::harness::client::{message, with_header};
use crate::harness::events::{Events, change_log, distinct};
use crate::harness::server::TestServer;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_carries_the_attributes_of_cloudevents_and_its_cause() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let events = Events::all(&broker).await;
    let mut command = message("resource.put", &json!({"args": {"id": "db-1", "kind": "db"}}));
    command.message_id = Some("cause-1".to_owned());
    command.user_id = Some("guest".to_owned());
    let reply = client.send(with_header(command, "traceparent", TRACE)).await;
    let all = events.up_to(1).await;
    let (event, closing) = (&all[0], &all[1]);
    assert_eq!(all.len(), 2);
    let cluster = event.body["cluster"].as_str().unwrap();
    assert_eq!(reply["cluster"], cluster);
    assert_eq!(event.message_id(), "1-1");
    assert_eq!(event.routing_key, "resource.created");
    for one in [event, closing] {
        assert_eq!(one.message.correlation_id.as_deref(), Some("cause-1"));
        assert_eq!(one.body["cause"], "cause-1");
        assert_eq!(one.body["actor"], "guest");
        assert!(one.message.timestamp.is_some());
    }
    let source = format!("/{}/{cluster}", broker.config().namespace);
    let time = event.body["time"].as_str().unwrap();
    let header = |name: &str, value: &str| (name.to_owned(), Header::Text(value.to_owned()));
    let expected = BTreeMap::from([
        header("cloudEvents_specversion", "1.0"),
        header("cloudEvents_id", "1-1"),
        header("cloudEvents_source", &source),
        header("cloudEvents_type", "resource.created"),
        header("cloudEvents_subject", "resource:db-1"),
        header("cloudEvents_time", time),
        header("cloudEvents_sequence", "00000000000000000001"),
        header("traceparent", TRACE),
    ]);
    assert_eq!(event.message.headers, expected);
    assert_eq!(closing.message_id(), "1-1-transaction");
    assert_eq!(
        closing.message.text_header("cloudEvents_type"),
        Some("transaction.committed")
    );
    assert_eq!(closing.message.text_header("cloudEvents_subject"), Some("1-1"));
    assert_eq!(closing.body["counts"], json!({"resource.created": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_in_the_dress_of_cloudevents_is_understood() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let events = Events::all(&broker).await;
    let mut command = message("x", &json!({"args": {"id": "a", "kind": "vm"}}));
    command.kind = Some(String::new());
    let command = with_header(command, "cloudEvents_type", "resource.put");
    let id = command.message_id.clone().unwrap();
    let reply = client
        .send(with_header(command, "cloudEvents_id", "ignored"))
        .await;
    assert_eq!(reply["outcome"], "applied", "{reply:#}");
    assert_eq!(
        events.up_to(1).await[0].body["cause"],
        *id,
        "the property goes before the header"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_bound_to_an_environment_gets_each_of_its_events_once() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let lab = Events::of(&broker, &["*.*.environment.lab-7"]).await;
    let both = Events::of(
        &broker,
        &["resource.*", "*.*.environment.lab-7", "#.environment.lab-8"],
    )
    .await;
    let put = |id: &str, name: &str| json!({"id": id, "kind": "vm", "name": name});
    client.applied("resource.put", put("a", "1")).await;
    client.applied("resource.put", put("b", "1")).await;
    client
        .applied("environment.put", json!({"id": "lab-7", "resources": ["a"]}))
        .await;
    client
        .applied("environment.put", json!({"id": "lab-8", "resources": ["a"]}))
        .await;
    client.applied("resource.put", put("a", "2")).await;
    client.applied("resource.put", put("b", "2")).await;
    client.applied("resource.remove", json!({"id": "a"})).await;
    client.applied("environment.remove", json!({"id": "lab-7"})).await;

    let seen = lab.until("the removal of the lab", |events| {
        events
            .last()
            .is_some_and(|event| event.kind() == "environment.removed")
    });
    let told: Vec<String> = seen
        .await
        .iter()
        .map(|event| format!("{} {}", event.kind(), event.id()))
        .collect();
    let expected = [
        "environment.created lab-7",
        "environment.linked lab-7",
        "resource.updated a",
        "environment.unlinked lab-7",
        "resource.removed a",
        "environment.removed lab-7",
    ];
    assert_eq!(told, expected);

    let sequence = client.sequence().await;
    let seen = both.until("the last event", |events| {
        events.last().is_some_and(|event| event.sequence() == sequence)
    });
    let mut once: Vec<String> = seen
        .await
        .iter()
        .map(|event| event.message_id().to_owned())
        .collect();
    let all = once.len();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), all, "an event that several bindings match comes once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_change_log_holds_all_events_in_order_without_holes() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let events = Events::all(&broker).await;
    let mut sent = tokio::task::JoinSet::new();
    let client = std::sync::Arc::new(client);
    for n in 0..200 {
        let client = std::sync::Arc::clone(&client);
        sent.spawn(async move {
            let name = format!("{}", n % 7);
            let args = json!({"id": format!("vm-{}", n % 50), "kind": "vm", "name": name});
            client.command("resource.put", json!({ "args": args })).await
        });
    }
    let replies = sent.join_all().await;
    let count = client.sequence().await;
    let applied = replies
        .iter()
        .filter(|reply| reply["outcome"] == "applied")
        .count();
    assert_eq!(
        count, applied as u64,
        "one event for each command that changed something"
    );
    let seen = events.up_to(count).await;
    assert_eq!(distinct(&seen).len() as u64, count);
    assert_eq!(seen.len() as u64, count * 2, "and the end of each transaction");
    let log = change_log(&broker, count).await;
    assert_eq!(log, seen, "the stream has what the exchange gave out");
}
