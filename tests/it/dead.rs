//! `domesday dead`: looked at without being moved, sent again as they were, thrown away.

use domesday::broker::{Client, Message};
use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::message;
use crate::harness::server::TestServer;

async fn listed(server: &TestServer) -> Vec<Value> {
    let ran = server.cli(&["dead", "list", "--json"]).await.expect(0);
    let lines = ran.out.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_looked_at_sent_again_and_thrown_away() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let config = broker.config();
    let names = config.names().unwrap();
    let sender = Client::connect(&config, "sender").await.unwrap();
    // Nobody waits for an answer, and the environment is not there.
    let dead = names.dead();
    for (parked, id) in (1..).zip(["one", "two", "three"]) {
        let args = json!({"args": {"environment": id, "resources": ["db-1"]}});
        let refused = Message {
            message_id: Some(format!("m-{id}")),
            expiration: Some("600000".to_owned()),
            ..message("environment.link", &args)
        };
        let commands = names.commands();
        let sent = sender.publish(&commands, "environment.link", &refused, SOON);
        sent.await.unwrap();
        // One after another: messages that are refused at the same time are parked in any order.
        eventually("it is parked", SOON, async || {
            sender.waiting(&dead).await.unwrap() == parked
        })
        .await;
    }
    for _ in 0..3 {
        let letters = listed(&server).await;
        let ids: Vec<&Value> = letters.iter().map(|letter| &letter["message_id"]).collect();
        assert_eq!(
            ids,
            ["m-one", "m-two", "m-three"],
            "the newest last, and none is moved"
        );
        assert_eq!(letters[0]["queue"], names.commands());
        assert!(
            letters[0]["reason"].as_str().unwrap().starts_with("not-found"),
            "{letters:#?}"
        );
    }
    let table = server.cli(&["dead", "list"]).await.expect(0);
    assert!(
        table.out.contains("m-two") && table.err.contains("3 dead letters"),
        "{table:?}"
    );
    for id in ["2", "m-two"] {
        let shown = server.cli(&["dead", "show", id]).await.expect(0).out;
        assert!(
            shown.contains("\"environment\": \"two\"") && shown.contains("domesday-reason"),
            "{shown}"
        );
    }
    server.cli(&["dead", "show", "4"]).await.expect(1);
    server.cli(&["dead", "drop", "--all"]).await.expect(64);

    // What was missing is there now: sent again, it is done.
    let client = server.client().await;
    client
        .applied("resource.put", json!({"id": "db-1", "kind": "vm"}))
        .await;
    client.applied("environment.put", json!({"id": "two"})).await;
    let before = client.sequence().await;
    server
        .cli(&["dead", "retry", "m-two", "--as-new"])
        .await
        .expect(0);
    eventually("it is carried out", SOON, async || {
        client.sequence().await == before + 1
    })
    .await;
    let ids = |letters: Vec<Value>| -> Vec<Value> {
        letters
            .into_iter()
            .map(|letter| letter["message_id"].clone())
            .collect()
    };
    assert_eq!(ids(listed(&server).await), ["m-one", "m-three"]);

    // What is still refused comes back.
    server.cli(&["dead", "retry", "1"]).await.expect(0);
    eventually("it is parked again", SOON, async || {
        sender.waiting(&dead).await.unwrap() == 2
    })
    .await;
    let shown = server.cli(&["dead", "show", "m-one"]).await.expect(0).out;
    assert!(
        shown.contains("domesday-expiration: 600000"),
        "its properties came along: {shown}"
    );
    server.cli(&["dead", "drop", "m-one", "--yes"]).await.expect(0);
    assert_eq!(ids(listed(&server).await), ["m-three"]);
    server.cli(&["dead", "drop", "--all", "--yes"]).await.expect(0);
    assert_eq!(listed(&server).await.len(), 0);
}
