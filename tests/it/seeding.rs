//! A secondary that cannot follow from where it is gets another copy: a snapshot of the instance that it follows.

use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::message;
use crate::harness::register::{Reader, churn};
use crate::harness::server::TestServer;

const IN_PLACE: &str = "a copy of the register is in its place";

/// Keeps few changes, so that nobody can follow from the beginning.
const FORGETFUL: &str = "engine.changes_max = 5";

async fn put(server: &TestServer, id: &str) -> Value {
    let client = server.client().await;
    client
        .applied("resource.put", json!({"id": id, "kind": "vm"}))
        .await
}

/// Waits until the secondary has come as far as a reply says.
async fn reached(secondary: &TestServer, reply: &Value) {
    let at_least = json!({"epoch": reply["epoch"], "sequence": reply["sequence"]});
    let client = secondary.client().await;
    client.question("ping", json!({"at_least": at_least})).await;
}

/// Both answer the same.
async fn are_the_same(primary: &TestServer, secondary: &TestServer, brokers: (&TestBroker, &TestBroker)) {
    let (ours, theirs) = (
        Reader::connect(&brokers.0.config()).await.state().await,
        Reader::connect(&brokers.1.config()).await.state().await,
    );
    assert!(!ours.is_empty());
    assert_eq!(ours, theirs);
    assert_eq!(
        primary.client().await.sequence().await,
        secondary.client().await.sequence().await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secondary_gets_all_that_its_primary_does_not_tell_any_more() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let mut primary = TestServer::start_with(&source, FORGETFUL).await;
    let client = primary.client().await;
    let command = message("resource.put", &json!({"args": {"id": "first", "kind": "vm"}}));
    let first = client.send(command.clone()).await;
    churn(&client, 3, 200).await;
    client
        .applied("resource.put", json!({"id": "gone", "kind": "vm"}))
        .await;
    client
        .applied("resource.remove", json!({"id": "gone", "mode": "detach"}))
        .await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.restart().await;
    assert!(secondary.log().contains(IN_PLACE), "{}", secondary.log());
    reached(&secondary, &put(&primary, "after").await).await;
    are_the_same(&primary, &secondary, (&source, &broker)).await;

    // What a promotion needs has come too: receipts and tombstones.
    primary.kill9().await;
    eventually("the secondary is promoted", SOON, async || {
        secondary.cli(&["promote", "--yes"]).await.status.success()
    })
    .await;
    let client = secondary.client().await;
    let again = client.send(command).await;
    assert_eq!(
        (&again["duplicate"], &again["sequence"]),
        (&json!(true), &first["sequence"])
    );
    client.applied("resource.restore", json!({"id": "gone"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_away_too_long_gets_another_copy_and_keeps_none_of_the_old_one() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let primary = TestServer::start_with(&source, FORGETFUL).await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.restart().await;
    reached(&secondary, &put(&primary, "early").await).await;
    secondary.kill9().await;
    churn(&primary.client().await, 5, 100).await;
    // What is in the stream would do; it is gone.
    let (_connection, channel) = source.amqp().await;
    let names = source.config().names().unwrap();
    let delete = lapin::options::QueueDeleteOptions::default();
    channel
        .queue_delete(names.replica().as_str().into(), delete)
        .await
        .unwrap();
    secondary.launch();
    secondary.says("gets another copy, since it cannot follow").await;
    secondary.says(IN_PLACE).await;
    reached(&secondary, &put(&primary, "late").await).await;
    are_the_same(&primary, &secondary, (&source, &broker)).await;
    let left: Vec<String> = std::fs::read_dir(secondary.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("replaced") || name.contains("part"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}
