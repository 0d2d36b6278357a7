//! Snapshots as a person uses them: saved from a server that goes on, looked at, asked, and brought back.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::message;
use crate::harness::program::{Program, Ran, run};
use crate::harness::register::{Reader, churn, digest, noise};
use crate::harness::server::TestServer;

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Saves a snapshot, and gives what `inspect` says of it.
async fn saved(server: &TestServer, file: &Path) -> Value {
    let file = shown(file);
    server.cli(&["snapshot", "save", &file]).await.expect(0);
    run(&["snapshot", "verify", &file], "").await.expect(0);
    run(&["snapshot", "inspect", &file, "--json"], "")
        .await
        .expect(0)
        .json()
}

/// A second server whose data directory is made of a snapshot; it is not started yet.
async fn restored(broker: &TestBroker, file: &Path, settings: &str) -> TestServer {
    let server = TestServer::prepare(broker, settings);
    let ran = restore(file, &server.data(), &[]).await.expect(0);
    assert!(
        ran.err.contains("next: start `domesday server --primary`"),
        "{}",
        ran.err
    );
    server
}

async fn restore(file: &Path, data: &Path, more: &[&str]) -> Ran {
    let (file, data) = (shown(file), shown(data));
    let mut arguments = vec!["snapshot", "restore", &file, "--data", &data];
    arguments.extend(more);
    run(&arguments, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_saved_while_others_write_is_of_one_moment() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    churn(&client, 1, 60).await;
    noise(&client, 4).await;
    let file = server.folder().join("moment.snapshot");
    let writing = async {
        for seed in 2..8 {
            churn(&client, seed, 40).await;
        }
    };
    let before = client.sequence().await;
    let (said, ()) = tokio::join!(saved(&server, &file), writing);
    let sequence = said["sequence"].as_u64().unwrap();
    assert!(sequence >= before && said["epoch"] == 1, "{said:#}");
    assert!(sequence < client.sequence().await, "others went on writing");
    assert!(server.terminate().await.success());

    // What the snapshot says of itself is what a reader of the restored register finds in it.
    let mut second = restored(&broker, &file, "").await;
    second.restart().await;
    let sync = Reader::connect(&broker.config()).await.sync(json!({})).await;
    assert_eq!(sync.begin["sequence"], said["sequence"]);
    assert_eq!(digest(&sync.state()), said["digest"]);
    assert_eq!(said["tables"]["live"], sync.state().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_register_goes_on_in_the_next_epoch_with_all_it_knew() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    churn(&client, 3, 80).await;
    let put = message(
        "resource.put",
        &json!({"args": {"id": "kept", "kind": "vm", "name": "findme"}}),
    );
    let answered = client.send(put.clone()).await;
    client
        .applied(
            "resource.put",
            json!({"id": "gone", "kind": "vm", "name": "buried"}),
        )
        .await;
    client.applied("resource.remove", json!({"id": "gone"})).await;
    let state = Reader::connect(&broker.config()).await.state().await;
    let file = server.folder().join("backup.snapshot");
    let said = saved(&server, &file).await;
    // What comes after it is lost by the restore, which is why the epoch rises.
    client
        .applied("resource.put", json!({"id": "late", "kind": "vm"}))
        .await;
    assert!(server.terminate().await.success());

    let mut second = restored(&broker, &file, "").await;
    second.restart().await;
    let client = second.client().await;
    assert_eq!(Reader::connect(&broker.config()).await.state().await, state);
    let again = client.send(put).await;
    assert_eq!(again["duplicate"], true, "{again:#}");
    assert_eq!(again["sequence"], answered["sequence"]);
    let restored = client.applied("resource.restore", json!({"id": "gone"})).await;
    assert_eq!(restored["epoch"], 2);
    assert_eq!(restored["sequence"], said["sequence"].as_u64().unwrap() + 1);
    assert_eq!(client.find("buried", &restored).await, ["gone"]);
    assert_eq!(client.find("findme", &restored).await, ["kept"]);
    let log = second.log();
    assert!(log.contains("the index cannot catch up and is rebuilt"), "{log}");

    // A second restore over the first is of an epoch that nobody has seen.
    assert!(second.terminate().await.success());
    let ran = restore(&file, &second.data(), &["--replace"]).await.expect(0);
    assert!(ran.out.contains("which is now of epoch 3"), "{}", ran.out);
    assert!(ran.err.contains("domesday.redb.replaced-1"), "{}", ran.err);
    assert!(second.data().join("domesday.redb.replaced-1").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_named_and_nothing_is_made_of_it() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    noise(&server.client().await, 6).await;
    let file = server.folder().join("good.snapshot");
    let said = saved(&server, &file).await;
    let chunks = said["chunks"].as_array().unwrap();
    assert!(chunks.len() > 1, "{said:#}");
    let whole = std::fs::read(&file).unwrap();
    let bad = server.folder().join("bad.snapshot");

    let mut bytes = whole.clone();
    bytes[usize::try_from(chunks[1]["offset"].as_u64().unwrap()).unwrap() + 1_000] ^= 32;
    std::fs::write(&bad, &bytes).unwrap();
    let ran = run(&["snapshot", "verify", &shown(&bad)], "").await.expect(65);
    let expected = format!("chunk 1 of {}", chunks.len());
    assert!(
        ran.err.contains(&expected) && ran.err.contains("checksum"),
        "{}",
        ran.err
    );
    let data = server.folder().join("new-data");
    let ran = restore(&bad, &data, &[]).await.expect(65);
    assert!(ran.err.contains(&expected), "{}", ran.err);
    assert_eq!(
        std::fs::read_dir(&data).unwrap().count(),
        0,
        "nothing is made of it"
    );
    let ran = run(&["open", &shown(&bad), "search", "x"], "").await.expect(65);
    assert!(ran.err.contains(&expected), "{}", ran.err);

    std::fs::write(&bad, &whole[..whole.len() - 10]).unwrap();
    let ran = run(&["snapshot", "verify", &shown(&bad)], "").await.expect(65);
    assert!(ran.err.contains("is cut short"), "{}", ran.err);
    std::fs::write(&bad, "Dear friend").unwrap();
    let ran = run(&["snapshot", "inspect", &shown(&bad)], "").await.expect(65);
    assert!(ran.err.contains("is not a snapshot"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_leaves_alone_what_it_may_not_replace() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    churn(&server.client().await, 5, 20).await;
    let file = server.folder().join("a.snapshot");
    saved(&server, &file).await;
    for more in [&[][..], &["--replace"]] {
        let ran = restore(&file, &server.data(), more).await.expect(64);
        assert!(ran.err.contains("is in use by another process"), "{}", ran.err);
        assert!(ran.err.contains("stop the server first"), "{}", ran.err);
    }
    let sequence = server.client().await.sequence().await;
    assert!(server.terminate().await.success());
    let ran = restore(&file, &server.data(), &[]).await.expect(1);
    assert!(
        ran.err.contains("there is a register in") && ran.err.contains("--replace"),
        "{}",
        ran.err
    );
    let pong = {
        server.restart().await;
        server.client().await.question("ping", json!({})).await
    };
    assert_eq!(
        (&pong["as_of"]["epoch"], &pong["as_of"]["sequence"]),
        (&json!(1), &json!(sequence))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_snapshot_answers_as_its_server_did() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let commands = json!([
        {"type": "resource.put", "args": {"id": "vm", "kind": "vm", "name": "Machine"}},
        {"type": "resource.put", "args": {"id": "db", "kind": "postgres", "name": "Ledger", "dependencies": [{"resource": "vm"}]}},
        {"type": "resource.put", "args": {"id": "web", "kind": "nginx",
            "dependencies": [{"resource": "db"}, {"resource": "lost", "nature": "soft"}]}},
        {"type": "environment.put", "args": {"id": "lab", "resources": ["db", "vm"]}},
    ]);
    let client = server.client().await;
    let reply = client.applied("batch", json!({ "commands": commands })).await;
    client.find("ledger", &reply).await;
    let file = server.folder().join("lab.snapshot");
    saved(&server, &file).await;
    let questions: [&[&str]; 7] = [
        &["search", "ledger OR kind:nginx"],
        &["search", "kind:postgres", "--within", "lab"],
        &["graph", "dependents", "vm"],
        &["graph", "dependencies", "web", "--table"],
        &["graph", "path", "web", "vm"],
        &["graph", "dangling"],
        &["graph", "cycles"],
    ];
    let mut served = Vec::new();
    for question in questions {
        served.push(server.cli(question).await);
    }
    assert!(server.terminate().await.success());
    let scratch = server.folder().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let open = async |separator: &[&str], question: &[&str]| {
        let file = shown(&file);
        let arguments = [&["open", &file], separator, question].concat();
        let temporary = [("TMPDIR", scratch.to_str().unwrap())];
        Program::start_in(&arguments, "", &temporary).ended(SOON).await
    };
    for (question, served) in questions.iter().zip(served) {
        let opened = open(&[], question).await;
        assert_eq!(
            (opened.status, opened.out, opened.err),
            (served.status, served.out, served.err),
            "{question:?}"
        );
    }
    let ran = open(&["--"], &["graph", "dependents", "vm", "--json"])
        .await
        .expect(0);
    assert_eq!(ran.json()["as_of"]["epoch"], 1);
    let ran = open(&[], &["search", "no-such-word"]).await.expect(1);
    assert!(ran.err.contains("nothing found"), "{}", ran.err);
    let ran = open(&[], &["graph", "dependents", "nobody"]).await.expect(1);
    assert!(ran.err.contains("no resource has the id nobody"), "{}", ran.err);
    let ran = open(&[], &["remove", "resource", "vm"]).await.expect(64);
    assert!(ran.err.contains("unrecognized subcommand"), "{}", ran.err);
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "it cleans up");
}

/// How much of a snapshot has come so far.
fn come(file: &Path) -> u64 {
    let part = format!("{}.part", file.display());
    std::fs::metadata(part).map_or(0, |found| found.len())
}

const PIECE: u64 = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_is_killed_goes_on_where_it_was() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    noise(&server.client().await, 24).await;
    let file = server.folder().join("large.snapshot");
    let arguments = ["snapshot", "save", &shown(&file)];
    let saving = server.verb(&arguments, "");
    eventually("some pieces have come", SOON * 2, async || {
        come(&file) > 2 * PIECE
    })
    .await;
    saving.signal("KILL");
    assert!(!saving.ended(SOON).await.status.success());
    assert!(!file.exists());
    let had = come(&file);

    let ran = server.cli(&arguments).await.expect(0);
    assert!(
        ran.err.contains(&format!("at piece {}", (had - 1) / PIECE)),
        "{}",
        ran.err
    );
    assert!(ran.out.contains("proved"), "{}", ran.out);
    run(&["snapshot", "verify", &shown(&file)], "").await.expect(0);
    assert_eq!(come(&file), 0);
    let made = server.log().matches("a snapshot is made").count();
    assert_eq!(made, 1, "the second run took the snapshot of the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_outlives_a_broken_connection_and_a_server_that_is_killed() {
    let broker = TestBroker::private();
    let mut server = TestServer::start(&broker).await;
    noise(&server.client().await, 24).await;
    let file = server.folder().join("large.snapshot");
    let arguments = ["snapshot", "save", &shown(&file)];
    let saving = server.verb(&arguments, "");
    // It stands still while something breaks, so that it is in the middle for sure.
    eventually("a piece has come", SOON * 2, async || come(&file) > PIECE).await;
    saving.signal("STOP");
    let had = come(&file);
    broker.rabbitmqctl(&["close_all_connections", "test"]);
    saving.signal("CONT");
    eventually("another piece has come", SOON * 2, async || come(&file) > had).await;
    saving.signal("STOP");
    assert!(come(&file) > had && !file.exists(), "it is not done yet");
    server.kill9().await;
    server.restart().await;
    saving.signal("CONT");
    saving.ended(SOON * 3).await.expect(0);
    run(&["snapshot", "verify", &shown(&file)], "").await.expect(0);
    assert_eq!(server.log().matches("a snapshot is made").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_begins_anew_when_the_server_has_let_go_of_its_snapshot() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    noise(&client, 6).await;
    let file = server.folder().join("a.snapshot");
    saved(&server, &file).await;
    let part = server.folder().join("a.snapshot.part");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&part, &bytes[..usize::try_from(PIECE).unwrap() + 7]).unwrap();
    // Newer ones push it off the shelf.
    for _ in 0..4 {
        client.question("snapshot.begin", json!({})).await;
    }
    let ran = server.cli(&["snapshot", "save", &shown(&file)]).await.expect(0);
    assert!(ran.err.contains("beginning a new one"), "{}", ran.err);
    run(&["snapshot", "verify", &shown(&file)], "").await.expect(0);
}
