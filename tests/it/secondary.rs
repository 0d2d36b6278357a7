//! A secondary: another namespace, which may be on another broker, with a copy that follows.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::{TestClient, message};
use crate::harness::program::run;
use crate::harness::server::TestServer;

const WAITING: &str = "no instance serves that this one could follow";

async fn put(client: &TestClient, id: &str) -> Value {
    client
        .applied(
            "resource.put",
            json!({"id": id, "kind": "vm", "dependencies": [{"resource": "hub"}]}),
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_a_primary_follows_it_and_answers() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.launch();
    secondary.says(WAITING).await;
    let mut primary = TestServer::start(&source).await;
    let client = primary.client().await;
    client
        .applied("environment.put", json!({"id": "lab", "resources": []}))
        .await;
    for n in 0..20 {
        put(&client, &format!("r-{n}")).await;
    }
    let resources: Vec<String> = (0..20).map(|n| format!("r-{n}")).collect();
    let reply = client
        .applied(
            "environment.link",
            json!({"environment": "lab", "resources": resources}),
        )
        .await;
    secondary.answers().await;
    let pong = secondary.reached(&reply).await;
    assert_eq!((&pong["role"], &pong["lag"]), (&json!("secondary"), &json!(0)));
    assert_eq!(
        pong["as_of"]["cluster"],
        client.question("ping", json!({})).await["as_of"]["cluster"]
    );
    let there = secondary.client().await;
    let asked = json!({"args": {"id": "hub"}});
    let (mut ours, mut theirs) = (
        client.question("graph.dependents", asked.clone()).await,
        there.question("graph.dependents", asked).await,
    );
    for answer in [&mut ours, &mut theirs] {
        answer["took_us"] = json!(0);
        // At the same distance they come in no order.
        for list in ["nodes", "edges"] {
            let items = answer[list].as_array_mut().unwrap();
            items.sort_by_key(ToString::to_string);
        }
    }
    assert_eq!(ours, theirs);
    let found = there
        .question(
            "search",
            json!({"args": {"query": "environment:lab AND kind:vm"}, "limit": 50,
            "at_least": {"epoch": 1, "sequence": reply["sequence"]}}),
        )
        .await;
    assert_eq!(found["total"], 20);

    // Crashes of either change nothing.
    secondary.kill9().await;
    put(&client, "while-away").await;
    primary.kill9().await;
    secondary.launch();
    primary.restart().await;
    let reply = put(&primary.client().await, "after").await;
    secondary.answers().await;
    let pong = secondary.reached(&reply).await;
    assert_eq!(pong["resources"], 22);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sent_to_it_has_nowhere_to_go() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let primary = TestServer::start(&source).await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.restart().await;
    let client = secondary.client().await;
    let put = message("resource.put", &json!({"args": {"id": "a", "kind": "vm"}}));
    let refused = client.try_send(put, SOON).await.expect_err("nobody takes it");
    assert!(refused.to_string().contains("NO_ROUTE"), "{refused}");
    assert_eq!(primary.client().await.sequence().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_back_after_its_private_broker_was_away() {
    let broker = TestBroker::get();
    let source = tokio::task::block_in_place(TestBroker::private);
    let mut primary = TestServer::start(&source).await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.restart().await;
    put(&primary.client().await, "a").await;
    tokio::task::block_in_place(|| source.stop());
    secondary.says("do not come").await;
    let answer = secondary.client().await.question("ping", json!({})).await;
    assert_eq!(answer["role"], "secondary", "it answers meanwhile");
    tokio::task::block_in_place(|| source.start());
    primary.answers().await;
    let reply = put(&primary.client().await, "b").await;
    eventually("it has caught up", SOON * 2, async || {
        let pong = secondary.client().await;
        let patience = Duration::from_secs(5);
        let pong = pong.try_question("ping", &json!({}), patience).await;
        pong.is_ok_and(|pong| pong["as_of"]["sequence"] == reply["sequence"])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_may_begin_with_a_snapshot_that_was_brought_to_it() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let primary = TestServer::start_with(&source, "engine.changes_max = 3").await;
    let client = primary.client().await;
    for n in 0..200 {
        put(&client, &format!("r-{n}")).await;
    }
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    let file = primary.folder().join("copy.snapshot").display().to_string();
    primary.cli(&["snapshot", "save", &file]).await.expect(0);
    let data = secondary.data().display().to_string();
    let arguments = ["snapshot", "restore", &file, "--data", &data, "--secondary"];
    let restored = run(&arguments, "").await.expect(0);
    assert!(restored.err.contains("it follows from there"), "{}", restored.err);
    secondary.restart().await;
    let reply = put(&primary.client().await, "later").await;
    let pong = secondary.reached(&reply).await;
    assert_eq!(
        (&pong["role"], &pong["resources"]),
        (&json!("secondary"), &json!(201))
    );
}
