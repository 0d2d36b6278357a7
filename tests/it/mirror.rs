//! `domesday mirror`: the files are the register, whatever happens to the mirror, the server or the files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::text;
use crate::harness::program::Program;
use crate::harness::register::{Reader, State, churn, fill};
use crate::harness::server::TestServer;

const BOOKMARKS: &str = "api.bookmark_interval_ms = 200";

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_under(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// What the files say; none while one of them is being replaced.
fn copy(directory: &Path) -> Option<State> {
    let mut state = State::new();
    for entity in ["environment", "resource"] {
        for path in files_under(&directory.join(entity)) {
            let content = std::fs::read(&path).ok()?;
            assert!(content.ends_with(b"}\n"), "{}", path.display());
            let page: Value = serde_json::from_slice(&content).expect("never half a file");
            let members: BTreeSet<String> = page["resources"]
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect();
            let key = (entity.to_owned(), text(&page["document"]["id"]));
            state.insert(
                key,
                (
                    page["revision"].as_u64().unwrap(),
                    page["document"].clone(),
                    members,
                ),
            );
        }
    }
    Some(state)
}

async fn becomes_the_register(directory: &Path, reader: &Reader) {
    let register = reader.state().await;
    eventually("the files are the register", SOON, async || {
        copy(directory).is_some_and(|copy| copy == register)
    })
    .await;
}

fn start(server: &TestServer, directory: &Path) -> Program {
    server.verb(&["mirror", &directory.display().to_string()], "")
}

async fn proves(mirror: &mut Program) {
    eventually("it proves itself", SOON, async || {
        assert!(mirror.is_running(), "{}", mirror.err());
        mirror.err().contains("proved at sequence")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn once_is_a_proved_copy_and_repairs_what_was_done_to_it() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    churn(&server.client().await, 1, 120).await;
    let reader = Reader::connect(&broker.config()).await;
    let directory = server.folder().join("copy");
    let arguments = ["mirror", &directory.display().to_string(), "--once"];
    let first = server.cli(&arguments).await.expect(0);
    assert!(first.err.contains("all of it"), "{}", first.err);
    let register = reader.state().await;
    assert_eq!(copy(&directory), Some(register.clone()));
    let second = server.cli(&arguments).await.expect(0);
    assert!(second.err.contains(": 0 missed events"), "{}", second.err);

    let files = files_under(&directory.join("resource"));
    let edit = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        std::fs::write(path, text.replace("\"kind\": \"vm\"", "\"kind\": \"pet\"")).unwrap();
    };
    std::fs::remove_file(&files[0]).unwrap();
    edit(&files[1]);
    std::fs::write(&files[2], "").unwrap();
    std::fs::write(directory.join("resource/gone.json"), "{}").unwrap();
    std::fs::write(directory.join("README"), "not ours").unwrap();
    let third = server.cli(&arguments).await.expect(0);
    assert!(third.err.contains("differs"), "{}", third.err);
    assert_eq!(copy(&directory), Some(register));
    assert!(
        directory.join("README").exists(),
        "what is not ours is left alone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_and_goes_on_after_a_crash_where_it_was() {
    let broker = TestBroker::get();
    let server = TestServer::start_with(&broker, BOOKMARKS).await;
    let client = server.client().await;
    let reader = Reader::connect(&broker.config()).await;
    let directory = server.folder().join("copy");
    churn(&client, 2, 40).await;
    let mut mirror = start(&server, &directory);
    proves(&mut mirror).await;
    churn(&client, 3, 60).await;
    becomes_the_register(&directory, &reader).await;

    let path = directory.display().to_string();
    let other = server.cli(&["mirror", &path, "--once"]).await.expect(75);
    assert!(other.err.contains("another mirror"), "{}", other.err);

    mirror.signal("KILL");
    drop(mirror);
    churn(&client, 4, 60).await;
    let mut mirror = start(&server, &directory);
    proves(&mut mirror).await;
    becomes_the_register(&directory, &reader).await;
    assert!(
        !mirror.err().contains("all of it"),
        "it resumed: {}",
        mirror.err()
    );
    churn(&client, 5, 30).await;
    becomes_the_register(&directory, &reader).await;
    mirror.signal("TERM");
    mirror.ended(SOON).await.expect(0);
    let once = server.cli(&["mirror", &path, "--once"]).await.expect(0);
    assert!(
        once.err.contains(": 0 missed events"),
        "the end was written down: {}",
        once.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_the_server() {
    let broker = TestBroker::get();
    let mut server = TestServer::start_with(&broker, BOOKMARKS).await;
    let reader = Reader::connect(&broker.config()).await;
    let directory = server.folder().join("copy");
    let mut mirror = start(&server, &directory);
    proves(&mut mirror).await;
    for seed in 0..3 {
        churn(&server.client().await, seed, 40).await;
        server.kill9().await;
        server.restart().await;
        churn(&server.client().await, seed + 50, 20).await;
        becomes_the_register(&directory, &reader).await;
        assert!(mirror.is_running(), "{}", mirror.err());
    }
    assert!(!mirror.err().contains("differs"), "{}", mirror.err());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_a_private_broker() {
    let broker = TestBroker::private();
    let server = TestServer::start_with(&broker, BOOKMARKS).await;
    let client = server.client().await;
    let directory = server.folder().join("copy");
    churn(&client, 9, 40).await;
    let mut mirror = start(&server, &directory);
    proves(&mut mirror).await;
    broker.kill();
    broker.start();
    let client = loop {
        // The server is back when it answers; until then the connection of a client may break too.
        let client = server.client().await;
        let nothing = serde_json::json!({});
        let limit = std::time::Duration::from_secs(1);
        if client.try_question("ping", &nothing, limit).await.is_ok() {
            break client;
        }
    };
    churn(&client, 10, 40).await;
    let reader = Reader::connect(&broker.config()).await;
    becomes_the_register(&directory, &reader).await;
    assert!(mirror.is_running(), "{}", mirror.err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_under_load_misses_nothing() {
    let broker = TestBroker::get();
    let server = TestServer::start_with(&broker, BOOKMARKS).await;
    let client = server.client().await;
    fill(&client, 2_000).await;
    let reader = Reader::connect(&broker.config()).await;
    let directory = server.folder().join("copy");
    let _mirror = start(&server, &directory);
    churn(&client, 6, 200).await;
    becomes_the_register(&directory, &reader).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_for_each_change() {
    let broker = TestBroker::get();
    let server = TestServer::start_with(&broker, BOOKMARKS).await;
    let client = server.client().await;
    fill(&client, 3).await;
    let directory = server.folder().join("copy");
    let heard = server.folder().join("heard");
    let command = format!(
        "test -e \"$DOMESDAY_FILE\" && echo \"$DOMESDAY_EVENT $DOMESDAY_TYPE $DOMESDAY_ID\" >> '{}'",
        heard.display()
    );
    let path = directory.display().to_string();
    let mut mirror = server.verb(&["mirror", &path, "--exec", &command], "");
    proves(&mut mirror).await;
    let put = serde_json::json!({"id": "r-1", "kind": "lxc"});
    client.applied("resource.put", put).await;
    let remove = serde_json::json!({"id": "r-0"});
    client.applied("resource.remove", remove).await;
    eventually("the failure is told", SOON, async || {
        mirror
            .err()
            .contains("--exec for resource.removed resource:r-0: ended with")
    })
    .await;
    let heard = std::fs::read_to_string(heard).unwrap();
    let expected = "resource.state resource r-0\nresource.state resource r-1\nresource.state resource r-2\n\
                    resource.updated resource r-1\n";
    assert_eq!(heard, expected);
    drop(mirror);

    let slow = [
        "mirror",
        &path,
        "--once",
        "--exec",
        "sleep 600 & wait",
        "--exec-timeout",
        "1s",
    ];
    let late = serde_json::json!({"id": "late", "kind": "vm"});
    client.applied("resource.put", late).await;
    let ran = server.cli(&slow).await.expect(0);
    assert!(ran.err.contains("took longer than 1 s"), "{}", ran.err);
}
