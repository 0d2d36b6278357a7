//! Restarts, at any point and of any sort, change nothing.

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};

use super::Running;
use crate::domain::{Change, EntityKey, Hit, Id, Live, Step, strategies};
use crate::engine::{Config, Totals};
use crate::store::{self, Store};

#[derive(Debug, Clone, Copy)]
enum Index {
    /// As the engine left it.
    Left,
    /// Deleted.
    Gone,
    /// As it was at an earlier end.
    Old,
}

#[derive(Debug, Clone)]
enum Act {
    Command(Step),
    Restart { orderly: bool, index: Index },
}

/// Everything that can be asked of an engine.
#[derive(Debug, PartialEq)]
pub(super) struct Whole {
    pub(super) live: Vec<Live>,
    pub(super) members: Vec<(Id, Id)>,
    pub(super) changes: Vec<Change>,
    totals: Totals,
    pub(super) found: Vec<Vec<EntityKey>>,
}

impl Whole {
    /// Asks everything, and stops the engine.
    pub(super) fn of(running: Running, data: &Path) -> Self {
        let queries = [
            "kind:vm",
            "kind:pod",
            "x",
            "y",
            "environment:a",
            "environment:b",
            "environment:c",
            "environment:d",
        ];
        let keys = |hits: Vec<Hit>| {
            let mut keys: Vec<EntityKey> = hits.into_iter().map(|hit| hit.key).collect();
            keys.sort_unstable();
            keys
        };
        let found = queries.map(|query| keys(running.search(query))).into();
        let totals = running.engine.reads().totals();
        running.drain();
        let config = store::Config {
            directory: data.to_owned(),
            ..store::Config::default()
        };
        let store = Store::open(&config, "test").unwrap();
        let snapshot = store.snapshot().unwrap();
        let mut members = Vec::new();
        snapshot
            .each_member(|environment, resource| members.push((environment, resource)))
            .unwrap();
        for (environment, query) in ["a", "b", "c", "d"].iter().zip(4..) {
            let inside = members.iter().filter(|(home, _)| home.as_str() == *environment);
            let found: &Vec<Vec<EntityKey>> = &found;
            let resources = found[query]
                .iter()
                .filter(|key| **key == EntityKey::resource(key.id.clone()));
            assert!(
                resources
                    .map(|key| &key.id)
                    .eq(inside.map(|(_, resource)| resource))
            );
        }
        Whole {
            live: snapshot.all_live().unwrap().map(|live| live.unwrap()).collect(),
            members,
            changes: snapshot.changes(0, usize::MAX).unwrap(),
            totals,
            found,
        }
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let index = prop_oneof![3 => Just(Index::Left), 1 => Just(Index::Gone), 3 => Just(Index::Old)];
    let restart = (any::<bool>(), index).prop_map(|(orderly, index)| Act::Restart { orderly, index });
    (strategies::steps(30), vec((0_usize..42, restart), 1..6)).prop_map(|(steps, restarts)| {
        let mut acts: Vec<Act> = steps.into_iter().map(Act::Command).collect();
        for (place, restart) in restarts {
            acts.insert(place.min(acts.len()), restart);
        }
        acts
    })
}

/// Copies a folder in which a merge of segments, which the index's writer left to itself, may still be at work.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match fs::copy(entry.path(), to.join(entry.file_name())) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
    }
}

/// Moves a folder away.
fn lose(folder: &Path) {
    let lost = tempfile::tempdir_in(folder.parent().unwrap()).unwrap().keep();
    fs::rename(folder, lost).unwrap();
}

fn stop(running: Running, orderly: bool) {
    if orderly {
        running.drain();
    } else {
        running.crash();
    }
}

fn play(acts: &[Act], restarts: bool) -> Whole {
    let directory = tempfile::tempdir().unwrap();
    let (data, old) = (directory.path().join("data"), directory.path().join("old"));
    let index = data.join("index");
    let config = Config::default();
    let mut running = Running::start(&data, &config);
    let mut last = None;
    for (n, act) in acts.iter().enumerate() {
        match act {
            Act::Command(step) => {
                let message_id = format!("m-{n}");
                let receipt = running.submit(&message_id, step).unwrap();
                last = Some((message_id, step, receipt));
            }
            Act::Restart { orderly, index: lot } if restarts => {
                stop(running, *orderly);
                match lot {
                    Index::Left => {}
                    Index::Gone => lose(&index),
                    Index::Old if old.exists() => {
                        lose(&index);
                        copy(&old, &index);
                    }
                    Index::Old => copy(&index, &old),
                }
                running = Running::start(&data, &config);
                // Its answer may have been lost.
                if let Some((message_id, step, receipt)) = &last {
                    let again = running.submit(message_id, step).unwrap();
                    assert!(again.duplicate);
                    assert_eq!(
                        (&again.outcome, again.position),
                        (&receipt.outcome, receipt.position)
                    );
                    assert_eq!(
                        (&again.revisions, &again.counts),
                        (&receipt.revisions, &receipt.counts)
                    );
                }
            }
            Act::Restart { .. } => {}
        }
    }
    Whole::of(running, &data)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_restart_changes_nothing(acts in acts()) {
        assert_eq!(play(&acts, true), play(&acts, false));
    }
}

/// The data file of a backup beside the index of now: the index knows of a future that is not to be.
#[test]
fn an_index_that_is_ahead_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (data, backup) = (directory.path().join("data"), directory.path().join("backup"));
    let config = Config::default();
    let running = Running::start(&data, &config);
    running.put("m-1", "before");
    running.drain();
    fs::copy(data.join("domesday.redb"), &backup).unwrap();
    let running = Running::start(&data, &config);
    running.put("m-2", "after");
    assert_eq!(running.search("kind:vm").len(), 2);
    running.drain();
    fs::copy(&backup, data.join("domesday.redb")).unwrap();
    let running = Running::start(&data, &config);
    assert_eq!(running.search("kind:vm").len(), 1);
    running.drain();
}
