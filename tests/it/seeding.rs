//! A secondary that cannot follow from where it is gets another copy: a snapshot of the instance that it follows.

use serde_json::json;

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::message;
use crate::harness::register::{Reader, churn, noise};
use crate::harness::server::TestServer;

const IN_PLACE: &str = "a copy of the register is in its place";
const ON_ITS_WAY: &str = "a copy of the register is on its way";
const GOING_ON: &str = "going on with the copy";
const PIECE: u64 = 1024 * 1024;

/// Keeps few changes, so that nobody can follow from the beginning.
const FORGETFUL: &str = "engine.changes_max = 5";

/// How much of the copy has come, in bytes.
fn come(secondary: &TestServer) -> u64 {
    let part = secondary.data().join("domesday.copy.part");
    std::fs::metadata(part).map_or(0, |found| found.len())
}

fn said(server: &TestServer, words: &str) -> usize {
    server.log().matches(words).count()
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
    secondary.reached(&primary.put("after").await).await;
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
    secondary.reached(&primary.put("early").await).await;
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
    secondary.reached(&primary.put("late").await).await;
    are_the_same(&primary, &secondary, (&source, &broker)).await;
    let left: Vec<String> = std::fs::read_dir(secondary.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("replaced") || name.contains("part"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_goes_on_with_the_missing_piece_when_the_primary_was_killed() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let mut primary = TestServer::start(&source).await;
    noise(&primary.client().await, 40).await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.launch();
    // It stands still while something breaks, so that it is in the middle for sure.
    eventually("a piece has come", SOON * 2, async || come(&secondary) > PIECE).await;
    secondary.signal("STOP");
    assert_eq!(said(&secondary, IN_PLACE), 0, "it is not done yet");
    primary.kill9().await;
    primary.restart().await;
    secondary.signal("CONT");
    let reply = primary.put("later").await;
    secondary.answers().await;
    secondary.reached(&reply).await;
    are_the_same(&primary, &secondary, (&source, &broker)).await;
    assert_eq!(said(&secondary, ON_ITS_WAY), 1, "it did not begin anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_begins_anew_when_its_snapshot_is_gone() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let primary = TestServer::start(&source).await;
    let client = primary.client().await;
    noise(&client, 20).await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.launch();
    eventually("a piece has come", SOON * 2, async || come(&secondary) > PIECE).await;
    secondary.kill9().await;
    assert_eq!(said(&secondary, IN_PLACE), 0, "it is not done yet");
    // Newer ones push it off the shelf.
    for _ in 0..4 {
        client.question("snapshot.begin", json!({})).await;
    }
    secondary.launch();
    let reply = primary.put("later").await;
    secondary.answers().await;
    secondary.reached(&reply).await;
    are_the_same(&primary, &secondary, (&source, &broker)).await;
    assert!(said(&secondary, GOING_ON) > 0);
    assert_eq!(said(&secondary, ON_ITS_WAY), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_comes_from_the_one_that_serves_and_not_from_whoever_answers_questions() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let primary = TestServer::start(&source).await;
    noise(&primary.client().await, 12).await;
    let mut other = TestServer::prepare(&source, "");
    other.launch();
    other.says("standing by, and following it").await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.restart().await;
    let reply = primary.put("later").await;
    secondary.reached(&reply).await;
    are_the_same(&primary, &secondary, (&source, &broker)).await;
    assert_eq!(said(&secondary, ON_ITS_WAY), 1);
    assert_eq!(said(&other, "a snapshot is made"), 0);
}
