//! The power goes before any of the operations on the disk. What is found afterwards is what some number of whole
//! batches left, and all that were acknowledged are among them. What a failed test prints is all that it takes to see it
//! fail again.

#![expect(clippy::print_stderr, reason = "a test that fails shows what it printed")]

use std::path::Path;

use redb::Database;

use super::disk::{Dice, Disk};
use super::story::Story;
use crate::store::{Fault, Store};

const BATCHES: usize = 8;

fn open(disk: &Disk) -> Result<Store, Fault> {
    let database = Database::builder()
        .set_cache_size(1 << 20)
        .create_with_backend(disk.clone());
    let database = database.map_err(|error| Fault::Database(error.into()))?;
    Store::over(database, Path::new("disk"), "test")
}

/// Opens the store, and commits what it has not had; says how many batches were acknowledged. Nothing is acknowledged
/// once something has failed.
fn go_on(disk: &Disk, story: &Story, from: usize) -> (usize, Result<(), Fault>) {
    let store = match open(disk) {
        Ok(store) => store,
        Err(fault) => return (from, Err(fault)),
    };
    for number in from..story.len() {
        if let Err(fault) = story.commit(&store, number) {
            assert!(story.commit(&store, number).is_err(), "a failed store went on");
            return (number, Err(fault));
        }
    }
    (story.len(), Ok(()))
}

/// A disk with a new store on it, as the move of a whole file into its place leaves it.
fn new_disk() -> Disk {
    let disk = Disk::default();
    open(&disk).unwrap();
    disk.power_cycle(&mut Dice(0))
}

/// How many operations it takes when nothing goes wrong.
fn operations(story: &Story) -> usize {
    let disk = new_disk();
    let (acknowledged, result) = go_on(&disk, story, 0);
    result.unwrap();
    assert_eq!(acknowledged, story.len());
    assert_eq!(story.reached(&open(&disk).unwrap()), story.len());
    disk.operations()
}

/// What is found after the power was gone, checked.
fn found(disk: &Disk, story: &Story, acknowledged: usize) -> usize {
    let store = open(disk).unwrap();
    let reached = story.reached(&store);
    assert!(
        reached == acknowledged || reached == acknowledged + 1,
        "{reached} batches of {acknowledged}"
    );
    reached
}

/// Runs until the power goes, and again until it goes again, and then to the end.
fn survive(story: &Story, first: usize, second: usize, seed: u64) {
    let dice = &mut Dice(seed);
    let disk = new_disk();
    disk.fail_before(first);
    let (acknowledged, _) = go_on(&disk, story, 0);
    let disk = disk.power_cycle(dice);
    // Looked at on a copy, so that the disk itself is still to be recovered.
    let reached = found(&disk.power_cycle(dice), story, acknowledged);

    // The power goes again, maybe while it recovers.
    disk.fail_before(second);
    let (acknowledged, _) = go_on(&disk, story, reached);
    let disk = disk.power_cycle(dice);
    let reached = found(&disk, story, acknowledged);

    go_on(&disk, story, reached).1.unwrap();
    assert_eq!(story.reached(&open(&disk).unwrap()), story.len());
}

#[test]
fn the_power_may_go_at_any_time() {
    let story = Story::tell(1, BATCHES);
    let operations = operations(&story);
    let mut dice = Dice(2);
    for first in 0..=operations {
        let (second, seed) = (dice.roll(operations as u64), dice.roll(u64::MAX));
        let second = usize::try_from(second).unwrap();
        eprintln!(
            "story 1, power gone before operation {first} and then {second} of {operations}, seed {seed}"
        );
        survive(&story, first, second, seed);
    }
}

#[test]
fn whatever_happens_in_between() {
    for seed in 100..130 {
        let story = Story::tell(seed, BATCHES);
        let operations = operations(&story) as u64;
        let mut dice = Dice(seed);
        let at = [dice.roll(operations), dice.roll(operations)].map(|at| usize::try_from(at).unwrap());
        eprintln!("story {seed}, power gone before operations {at:?} of {operations}");
        survive(&story, at[0], at[1], seed);
    }
}
