//! The shelf of snapshots as a reader sees it, and snapshots by the clock.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::program::run;
use crate::harness::register::fill;
use crate::harness::server::TestServer;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_the_shelf_is_a_problem_with_a_way_on() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    fill(&client, 50).await;
    let offer = client.question("snapshot.begin", json!({})).await;
    let id = offer["id"].as_str().unwrap();
    let chunk = |id: &str, index: u64| json!({"args": {"id": id, "index": index}});
    let piece = client.question("snapshot.chunk", chunk(id, 0)).await;
    assert_eq!(
        (&piece["chunks"], &piece["bytes"]),
        (&offer["chunks"], &offer["bytes"])
    );

    let problem = client.no_answer("snapshot.chunk", chunk(id, 1)).await;
    assert_eq!(problem["type"], "urn:domesday:problem:invalid", "{problem:#}");
    assert_eq!(problem["pointer"], "/args/index");
    for unknown in ["1-2-3", "../../etc/passwd", "", "01-50-7"] {
        let problem = client.no_answer("snapshot.chunk", chunk(unknown, 0)).await;
        assert_eq!(problem["type"], "urn:domesday:problem:not-found", "{problem:#}");
        assert!(
            problem["hint"].as_str().unwrap().contains("snapshot.begin"),
            "{problem:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_young_snapshot_is_taken_again_and_there_are_never_many() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    fill(&client, 10).await;
    let first = client.question("snapshot.begin", json!({})).await;
    let young = client
        .question("snapshot.begin", json!({"args": {"max_age": "10m"}}))
        .await;
    assert_eq!(first["id"], young["id"]);
    client
        .applied("resource.put", json!({"id": "more", "kind": "vm"}))
        .await;
    let now = client.question("snapshot.begin", json!({})).await;
    assert_ne!(first["id"], now["id"]);
    assert_eq!(now["as_of"]["sequence"], 11);

    let shelf = server.data().join("snapshots");
    for _ in 0..5 {
        client.question("snapshot.begin", json!({})).await;
    }
    assert_eq!(files(&shelf).len(), 4);

    // What was half made goes, what is whole can be fetched after a restart, and what is not ours is not handed out.
    let last = client
        .question("snapshot.begin", json!({"args": {"max_age": "10m"}}))
        .await;
    server.kill9().await;
    std::fs::write(shelf.join("new.part"), "half").unwrap();
    std::fs::write(shelf.join("1-1-1.snapshot"), "no snapshot").unwrap();
    server.restart().await;
    let client = server.client().await;
    let piece = client
        .question("snapshot.chunk", json!({"args": {"id": last["id"], "index": 0}}))
        .await;
    assert_eq!(piece["as_of"], last["as_of"]);
    assert_eq!(files(&shelf).len(), 4);
    assert!(!shelf.join("new.part").exists() && !shelf.join("1-1-1.snapshot").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_a_snapshot_get_the_same_one() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    fill(&client, 4_000).await;
    let begin = || client.question("snapshot.begin", json!({}));
    let offers = tokio::join!(begin(), begin(), begin(), begin(), begin(), begin());
    let mut ids: Vec<String> = [offers.0, offers.1, offers.2, offers.3, offers.4, offers.5]
        .iter()
        .map(|offer| offer["id"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert!(
        ids.len() <= 2,
        "the first has its own, those who waited share one: {ids:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_makes_snapshots_by_the_clock() {
    let broker = TestBroker::get();
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "snapshots.interval_hours = 1\nsnapshots.directory = '{}'",
        folder.path().join("backups").display()
    );
    let mut server = TestServer::start_with(&broker, &settings).await;
    server.says("a snapshot is made, by the clock").await;
    let made = files(&folder.path().join("backups"));
    assert_eq!(made.len(), 1, "{made:?}");
    run(&["snapshot", "verify", &made[0].display().to_string()], "")
        .await
        .expect(0);

    // It is not time for the next one after a restart.
    assert!(server.terminate().await.success());
    std::fs::write(folder.path().join("backups/domesday-x.snapshot.part"), "half").unwrap();
    server.restart().await;
    eventually("what a crash left is gone", SOON, async || {
        files(&folder.path().join("backups")) == made
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_cannot_be_written_is_logged_and_no_more() {
    let broker = TestBroker::get();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "in the way").unwrap();
    let settings = format!(
        "snapshots.interval_hours = 1\nsnapshots.directory = '{}'",
        folder.path().join("file/backups").display()
    );
    let mut server = TestServer::start_with(&broker, &settings).await;
    server
        .says("a snapshot by the clock failed; those that are there stay")
        .await;
    server
        .client()
        .await
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    assert!(server.terminate().await.success());
}
