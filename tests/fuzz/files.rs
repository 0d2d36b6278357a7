//! What is read from files, and from other instances, changed by chance: configurations, parcels of changes, and
//! snapshots. Each is read or refused with a reason, and what is read can be used.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use domesday::config::Config;
use domesday::domain::{Access, Timestamp};
use domesday::engine::{self, Engine, FailAt, Setup};
use domesday::store::archive::Archive;
use domesday::store::{self, Unpacked};
use domesday::wire::{self, Bounds, Incoming, parse_command};
use serde_json::json;
use tokio::sync::watch;

use super::chance::Chance;
use super::{cases, mutate};

const COUNT: u64 = 3_000;
/// Of the cases: a snapshot goes through a file, which takes a hundred times as long as the others.
const SNAPSHOTS_ONE_IN: usize = 100;

const RULES: &str = "
[[access.rules]]
name = 'the payments team'
principals = ['payments-*']
types = ['resource.*', 'graph.impact']
environments = ['pay-*']
environment_tags = { owner = 'payments' }
";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Configuration,
    Parcel,
    Snapshot,
}

/// What is changed.
pub(super) struct Seeds {
    configuration: Vec<u8>,
    parcel: Vec<u8>,
    snapshot: Vec<u8>,
}

impl Seeds {
    /// Of a register with a little of everything in it.
    pub(super) async fn new(folder: &Path) -> Self {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
        let engine = engine(&folder.join("data"));
        for (place, (kind, body)) in [
            (
                "resource.put",
                json!({"args": {"id": "db-1", "kind": "postgres", "attributes": {"size": [1, 2.5, null]}}}),
            ),
            (
                "resource.put",
                json!({"args": {
                    "id": "web-1", "kind": "web", "name": "größe", "tags": {"owner": "payments"},
                    "dependencies": [
                        {"resource": "db-1"}, {"external": "https://example.org", "nature": "soft"},
                        {"group": [{"resource": "a"}, {"resource": "b"}], "at_least": 1},
                    ],
                    "status_endpoints": [{"name": "up", "url": "http://web-1/up"}],
                }}),
            ),
            (
                "environment.put",
                json!({"args": {"id": "lab", "resources": ["db-1", "web-1"]}}),
            ),
            (
                "resource.patch",
                json!({"args": {"id": "web-1", "patch": {"tags": {"owner": null}}}}),
            ),
            ("resource.remove", json!({"args": {"id": "db-1"}})),
            (
                "resource.remove",
                json!({"args": {"id": "db-1", "mode": "detach"}}),
            ),
            ("resource.restore", json!({"args": {"id": "db-1"}})),
        ]
        .into_iter()
        .enumerate()
        {
            let (body, message_id) = (body.to_string(), format!("m-{place}"));
            let headers = BTreeMap::new();
            let incoming = Incoming {
                kind: Some(kind),
                routing_key: kind,
                message_id: Some(&message_id),
                content_type: Some(wire::CONTENT_TYPE),
                user_id: Some("guest"),
                expiration: None,
                headers: &headers,
                body: body.as_bytes(),
                received: Timestamp::default(),
            };
            let envelope = parse_command(&incoming, &Bounds::default()).unwrap();
            engine.submit(envelope).await.unwrap().await.unwrap();
        }
        let last = engine.reads().totals().position.sequence;
        assert!(last >= 6, "{last}");
        let parcel = engine.reads().parcel(1, last, usize::MAX).unwrap().unwrap();
        let file = folder.join("seed.snapshot");
        engine.reads().write_archive(&file, Timestamp::default()).unwrap();
        engine.drain().await;
        Self {
            configuration: (std::fs::read_to_string(example).unwrap() + RULES).into_bytes(),
            parcel: parcel.body,
            snapshot: std::fs::read(file).unwrap(),
        }
    }

    fn case(&self, seed: u64, case: u64) -> (Kind, Vec<u8>) {
        let mut chance = Chance::of(seed, case);
        let (kind, seed) = match chance.below(2 * SNAPSHOTS_ONE_IN) {
            0 | 1 => (Kind::Snapshot, &self.snapshot),
            even if even % 2 == 0 => (Kind::Configuration, &self.configuration),
            _ => (Kind::Parcel, &self.parcel),
        };
        let mut bytes = seed.clone();
        for _ in 0..chance.below(4) {
            if chance.once_in(3) {
                shuffle(&mut bytes, &mut chance);
            } else {
                mutate::bytes(&mut bytes, &mut chance);
            }
        }
        (kind, bytes)
    }
}

/// Puts a piece of it in another place, in the place of what is there or beside it; or a number where it may be a length.
fn shuffle(bytes: &mut Vec<u8>, chance: &mut Chance) {
    if bytes.is_empty() {
        return;
    }
    let (from, to) = (chance.below(bytes.len()), chance.below(bytes.len()));
    let length = chance.below(64).min(bytes.len() - from);
    let piece = bytes[from..from + length].to_vec();
    match chance.below(3) {
        0 => drop(bytes.splice(to..to, piece)),
        1 => drop(bytes.splice(to..(to + length).min(bytes.len()), piece)),
        _ => {
            let number = *chance.pick(&[
                0x00, 0x01, 0x17, 0x18, 0x1b, 0x3b, 0x5b, 0x5f, 0x7b, 0x9b, 0x9f, 0xbb, 0xfb, 0xff,
            ]);
            bytes[to] = number;
        }
    }
}

fn engine(directory: &Path) -> Engine {
    let setup = Setup {
        engine: engine::Config::default(),
        store: store::Config {
            directory: directory.to_owned(),
            ..store::Config::default()
        },
        search: domesday::search::Config::default(),
        limits: domesday::domain::Limits::default(),
        new_cluster: "fuzz".to_owned(),
        new_instance: "fuzz".to_owned(),
        access: watch::Sender::new(Arc::new(Access::Open)).subscribe(),
        clock: Arc::new(|| Timestamp(1_767_225_600_000_000)),
        fail_at: FailAt::default(),
    };
    engine::start(setup).unwrap()
}

/// Whether it can be read; a refusal says why.
fn reads(kind: Kind, bytes: &[u8], file: &Path) -> bool {
    let refused = |fault: &dyn std::error::Error| {
        assert!(!fault.to_string().is_empty());
        false
    };
    match kind {
        Kind::Configuration => {
            std::fs::write(file, bytes).unwrap();
            match Config::load(file) {
                Ok(config) => {
                    // What was checked can be used.
                    let access = config.access();
                    assert!(access.is_ok() || config.access.rules.is_empty(), "{access:?}");
                    true
                }
                Err(fault) => refused(&fault),
            }
        }
        Kind::Parcel => match Unpacked::read(bytes) {
            Ok(mut parcel) => {
                parcel.skip(3);
                true
            }
            Err(fault) => refused(&fault),
        },
        Kind::Snapshot => {
            std::fs::write(file, bytes).unwrap();
            match Archive::open(file).and_then(|archive| archive.verify()) {
                Ok(()) => true,
                Err(fault) => refused(&fault),
            }
        }
    }
}

#[test]
fn no_file_and_no_parcel_makes_a_reader_panic() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let seeds = runtime.block_on(Seeds::new(folder.path()));
    let file = folder.path().join("case");
    for (kind, bytes) in [
        (Kind::Configuration, &seeds.configuration),
        (Kind::Parcel, &seeds.parcel),
        (Kind::Snapshot, &seeds.snapshot),
    ] {
        assert!(reads(kind, bytes, &file), "{kind:?} as it is");
    }
    let (seed, cases) = cases(COUNT);
    let count = cases.end - cases.start;
    let began = Instant::now();
    let mut counts: BTreeMap<(Kind, bool), u64> = BTreeMap::new();
    for case in cases {
        let (kind, bytes) = seeds.case(seed, case);
        let is_read = catch_unwind(AssertUnwindSafe(|| reads(kind, &bytes, &file))).unwrap_or_else(|_| {
            panic!(
                "{kind:?} {case} of seed {seed} failed, see above: {}",
                bytes.escape_ascii()
            )
        });
        *counts.entry((kind, is_read)).or_default() += 1;
    }
    println!(
        "{count} files and parcels, seed {seed}, {:.1} s",
        began.elapsed().as_secs_f64()
    );
    for ((kind, is_read), many) in &counts {
        println!(
            "{many:>9}  {kind:?}: {}",
            if *is_read { "read" } else { "refused" }
        );
    }
}
