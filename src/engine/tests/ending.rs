//! How it ends: by a drain, or by a fault.

use futures_util::FutureExt;

use super::{PATIENCE, Running};
use crate::domain::{Command, Document, Expect, Id, Resource, Step, Tags};
use crate::engine::{Config, Fault, Stopped};
use crate::store::{self, Store};

fn put(id: &str) -> Step {
    let resource = Resource {
        id: Id::parse(id).unwrap(),
        kind: "vm".to_owned(),
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
        attributes: serde_json::Map::new(),
        status_endpoints: Vec::new(),
        dependencies: Vec::new(),
    };
    Step {
        command: Command::Put {
            document: Box::new(Document::Resource(resource)),
            members: None,
        },
        expect: Expect::Anything,
    }
}

#[test]
fn a_drain_is_an_end_and_no_fault() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), &Config::default());
    running.submit("m-1", &put("a")).unwrap();
    running.engine.confirm(1);
    let (one, other) = (running.engine.clone(), running.engine.clone());
    running.runtime.block_on(async {
        let ended = tokio::time::timeout(PATIENCE, async {
            tokio::join!(one.drain(), other.drain());
            one.drain().await;
        });
        ended.await.unwrap();
        assert!(running.engine.failed().now_or_never().is_none());
    });
    assert_eq!(running.submit("m-2", &put("b")), Err(Stopped));
    drop((one, other, running));
    let config = store::Config {
        directory: directory.path().to_owned(),
        ..store::Config::default()
    };
    let store = Store::open(&config, "test").unwrap();
    let identity = store.snapshot().unwrap().identity().unwrap();
    assert_eq!((identity.position.sequence, identity.published), (1, 1));
}

#[test]
fn what_waits_when_a_drain_begins_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), &Config::default());
    let receipts = running.runtime.block_on(async {
        let submit = |n: usize| {
            let envelope = crate::domain::Envelope {
                message_id: None,
                fingerprint: [0; 32],
                actor: String::new(),
                deadline: None,
                trace: crate::domain::Trace::default(),
                dry_run: false,
                step: put(&format!("r{n}")),
            };
            running.engine.submit(envelope)
        };
        let mut receipts = Vec::new();
        for n in 0..200 {
            receipts.push(submit(n).await.unwrap());
        }
        running.engine.drain().await;
        receipts
    });
    for receipt in receipts {
        receipt.blocking_recv().unwrap();
    }
    assert_eq!(running.engine.reads().totals().resources, 200);
}

#[test]
fn the_fault_of_the_index_is_what_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), &Config::default());
    std::fs::rename(directory.path().join("index"), directory.path().join("lost")).unwrap();
    let mut n = 0;
    while running.submit(&format!("m-{n}"), &put(&format!("r{n}"))).is_ok() {
        n += 1;
        assert!(n < 1_000, "nobody noticed that the index is gone");
    }
    let fault = running.runtime.block_on(running.engine.failed());
    assert!(matches!(&*fault, Fault::Index(_)), "{fault:?}");
    running.drain();

    // Everything that was committed is found, in a new index.
    let running = Running::start(directory.path(), &Config::default());
    let resources = running.engine.reads().totals().resources;
    assert!(resources >= n);
    assert_eq!(running.search("kind:vm").len(), resources);
    running.drain();
}

#[test]
fn the_change_log_keeps_what_the_broker_has_not_confirmed() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        changes_max: 5,
        ..Config::default()
    };
    let running = Running::start(directory.path(), &config);
    let first = |running: &Running| running.engine.reads().changes(0, 1).unwrap()[0].sequence;
    let many = |prefix: &str| {
        for n in 0..10 {
            running
                .submit(&format!("m-{prefix}{n}"), &put(&format!("{prefix}{n}")))
                .unwrap();
        }
    };
    many("a");
    assert_eq!(first(&running), 1);
    running.engine.confirm(7);
    many("a2");
    assert_eq!(first(&running), 1, "other instances cannot have it yet");
    running.engine.confirm_shipped(40);
    many("b");
    assert_eq!(first(&running), 7);
    running.engine.confirm(30);
    running.engine.confirm(3);
    many("c");
    assert_eq!(first(&running), 30);
    running.engine.confirm(50);
    many("d");
    assert_eq!(first(&running), 40);
    running.engine.confirm_shipped(50);
    running.submit("m-last", &put("last")).unwrap();
    let kept = running.engine.reads().changes(0, 100).unwrap();
    // The five of the setting, and the one that they came after.
    assert_eq!(kept.first().map(|change| change.sequence), Some(46));
    assert_eq!(kept.len(), 6);
    running.drain();
}
