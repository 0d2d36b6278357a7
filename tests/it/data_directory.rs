//! The data directory: one process at a time, of our format, and an index that can be made anew.

use std::path::{Path, PathBuf};

use redb::{Database, TableDefinition};
use serde_json::json;

use crate::harness::SOON;
use crate::harness::broker::TestBroker;
use crate::harness::client::{TestClient, at};
use crate::harness::program::Program;
use crate::harness::server::TestServer;

const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("numbers");

/// Runs the server, which must refuse to start; gives what it says.
async fn refusal(server: &TestServer, code: i32) -> String {
    let file = server.config_file();
    let ran = Program::start(&["server", "--primary", "--config", &file], "")
        .ended(SOON)
        .await
        .expect(code);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran.err
}

/// A server that has known something, and is stopped; and the reply that says how much.
async fn stopped(broker: &TestBroker) -> (TestServer, TestClient, serde_json::Value) {
    let mut server = TestServer::start(broker).await;
    let client = server.client().await;
    let commands: Vec<serde_json::Value> = (0..30)
        .map(|n| json!({"type": "resource.put", "args": {"id": format!("r-{n}"), "kind": "vm", "name": "findme"}}))
        .collect();
    client.applied("batch", json!({ "commands": commands })).await;
    let reply = client
        .applied(
            "environment.put",
            json!({"id": "lab", "resources": ["r-1", "r-2"]}),
        )
        .await;
    client
        .question(
            "search",
            json!({"args": {"query": "findme"}, "at_least": at(&reply)}),
        )
        .await;
    assert!(server.terminate().await.success());
    (server, client, reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_directory_is_refused() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let said = refusal(&server, 64).await;
    let data = server.data().display().to_string();
    assert!(
        said.contains(&format!("the data directory {data} is in use by another process")),
        "{said}"
    );
    assert!(said.contains("store.directory"), "what to do: {said}");
    let client = server.client().await;
    client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_format_is_refused_and_can_be_opened_by_its_own_program_still() {
    let broker = TestBroker::get();
    let (mut server, client, _) = stopped(&broker).await;
    let file = server.data().join("domesday.redb");
    set_format(&file, 99);
    let said = refusal(&server, 64).await;
    assert!(
        said.contains("has format 99, this program knows up to 1"),
        "{said}"
    );
    set_format(&file, 1);
    server.restart().await;
    assert_eq!(client.sequence().await, 32);
}

fn set_format(file: &Path, format: u64) {
    let database = Database::open(file).expect("the file");
    let writing = database.begin_write().unwrap();
    writing
        .open_table(NUMBERS)
        .unwrap()
        .insert("format", format)
        .unwrap();
    writing.commit().unwrap();
}

/// What the tables of a file are called.
fn tables(file: &Path) -> Vec<String> {
    use redb::{ReadableDatabase, TableHandle};
    let database = Database::open(file).expect("the file");
    let reading = database.begin_read().unwrap();
    let mut names: Vec<String> = reading
        .list_tables()
        .unwrap()
        .map(|table| table.name().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let broker = TestBroker::get();
    let server = TestServer::prepare(&broker, "");
    let file = server.data().join("domesday.redb");
    std::fs::create_dir_all(server.data()).unwrap();
    let page = vec![0xAB; 1 << 20];
    for foreign in [b"this is a letter to my aunt\n".as_slice(), &page, &[0; 4096]] {
        std::fs::write(&file, foreign).unwrap();
        let said = refusal(&server, 64).await;
        let name = file.display().to_string();
        assert!(
            said.contains(&format!("{name} is not a domesday data file")),
            "{said}"
        );
        assert_eq!(std::fs::read(&file).unwrap(), foreign, "it is as it was");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    const OTHER: TableDefinition<u64, u64> = TableDefinition::new("recipes");
    let broker = TestBroker::get();
    let server = TestServer::prepare(&broker, "");
    std::fs::create_dir_all(server.data()).unwrap();
    let file = server.data().join("domesday.redb");
    let database = Database::create(&file).unwrap();
    let writing = database.begin_write().unwrap();
    writing.open_table(OTHER).unwrap().insert(1, 2).unwrap();
    writing.commit().unwrap();
    drop(database);
    let said = refusal(&server, 64).await;
    assert!(said.contains("is not a domesday data file"), "{said}");
    assert_eq!(tables(&file), ["recipes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_made_is_told() {
    let broker = TestBroker::get();
    let server = TestServer::prepare(&broker, "");
    std::fs::write(server.data(), "a file where the directory should be").unwrap();
    let said = refusal(&server, 64).await;
    assert!(said.contains(&server.data().display().to_string()), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_deleted_is_made_anew() {
    let broker = TestBroker::get();
    let (mut server, client, reply) = stopped(&broker).await;
    std::fs::remove_dir_all(server.data().join("index")).unwrap();
    server.restart().await;
    assert_eq!(client.find("findme", &reply).await.len(), 30);
    assert_eq!(client.find("findme environment:lab", &reply).await.len(), 2);
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| self::files(folder)));
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_damaged_in_any_way_is_made_anew() {
    type Damage = fn(&Path, &[u8]);
    let damages: [(&str, Damage); 4] = [
        ("emptied", |path, _| std::fs::write(path, b"").unwrap()),
        ("cut", |path, bytes| {
            std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("flipped", |path, bytes| {
            let mut bytes = bytes.to_vec();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 0x55;
            }
            std::fs::write(path, bytes).unwrap();
        }),
        ("deleted", |path, _| std::fs::remove_file(path).unwrap()),
    ];
    let broker = TestBroker::get();
    let (mut server, client, reply) = stopped(&broker).await;
    for (what, damage) in damages {
        for path in files(&server.data().join("index")) {
            // Whoever holds a lock writes nothing into its file.
            if path.extension().is_some_and(|extension| extension == "lock") {
                continue;
            }
            damage(&path, &std::fs::read(&path).unwrap());
        }
        server.restart().await;
        assert_eq!(client.find("findme", &reply).await.len(), 30, "{what}");
        assert!(server.terminate().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_the_past_catches_up() {
    let broker = TestBroker::get();
    let (mut server, client, _) = stopped(&broker).await;
    let (index, kept) = (server.data().join("index"), server.folder().join("kept"));
    copy(&index, &kept);
    server.restart().await;
    client
        .applied(
            "resource.put",
            json!({"id": "later", "kind": "vm", "name": "findme"}),
        )
        .await;
    client.applied("resource.remove", json!({"id": "r-1"})).await;
    let reply = client
        .applied(
            "resource.put",
            json!({"id": "r-2", "kind": "vm", "name": "renamed"}),
        )
        .await;
    assert!(server.terminate().await.success());
    std::fs::remove_dir_all(&index).unwrap();
    copy(&kept, &index);
    server.restart().await;
    assert_eq!(client.find("findme", &reply).await.len(), 29);
    assert_eq!(client.find("renamed environment:lab", &reply).await, ["r-2"]);
    assert!(server.log().contains("the index catches up"));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&path, target).unwrap();
    }
}
