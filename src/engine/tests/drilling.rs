//! A drill finds what another copy says differently.

use super::Running;
use crate::domain::{Standing, Timestamp};
use crate::engine::{Config, Entry};

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

#[test]
fn a_copy_passes_with_its_own_canaries_and_fails_with_those_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let one = Running::start(&folder.path().join("one"), &Config::default());
    for (message_id, id) in [("m-1", "db"), ("m-2", "web"), ("m-3", "zone")] {
        one.put(message_id, id);
    }
    let reads = one.engine.reads();
    let (bookmark, canaries) = reads.bookmark_with_canaries().unwrap();
    assert_eq!(bookmark.position, reads.totals().position);
    assert_eq!(canaries.len(), 3);
    let copy = reads.copy_for_drill(NOW).unwrap();
    assert_eq!(copy.position(), bookmark.position);
    let digest = bookmark.digest.to_string();
    assert_eq!(
        copy.try_out(&canaries, &digest).unwrap().differences,
        Vec::<String>::new()
    );
    drop(copy);
    let copy = reads.copy_for_drill(NOW).unwrap();
    let other = copy.try_out(&canaries, "").unwrap();
    assert_eq!(other.differences, ["the digests differ"]);

    drop(copy);
    let mut others = canaries.clone();
    others[1].hash = others[0].hash.clone();
    let copy = reads.copy_for_drill(NOW).unwrap();
    let differences = copy.try_out(&others, &digest).unwrap().differences;
    assert_eq!(differences, [format!("{}: the answers differ", others[1].key)]);

    one.put("m-4", "yet-another");
    let copy = reads.copy_for_drill(NOW).unwrap();
    let folder = folder.path().join("one/drill");
    std::fs::write(folder.join("copy.snapshot"), b"something else").unwrap();
    assert!(
        copy.try_out(&canaries, &digest).is_err(),
        "a damaged copy is none"
    );
    drop(copy);
    assert!(!folder.exists());
}

#[test]
fn one_that_was_fenced_takes_no_command_and_knows_it_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &Config::default());
    running.put("m-1", "before");
    let standing = Standing::Fenced {
        epoch: 2,
        sequence: 1,
    };
    let entry = Entry {
        standing: Some(standing),
        ..Entry::default()
    };
    let position = running.runtime.block_on(running.engine.enter(entry)).unwrap();
    assert_eq!((position.epoch, position.sequence), (1, 1));
    assert_eq!(running.engine.reads().unshared_above().unwrap(), 1);
    running.runtime.block_on(running.engine.drain());
    drop(running);
    let running = Running::start(folder.path(), &Config::default());
    assert_eq!(*running.engine.standing().borrow(), standing);
    assert_eq!(running.engine.reads().epoch_began().unwrap(), 0);
    let entry = Entry {
        epoch: 3,
        began: None,
        standing: Some(Standing::Promoted),
    };
    running.runtime.block_on(running.engine.enter(entry)).unwrap();
    assert_eq!(running.engine.reads().epoch_began().unwrap(), 1);
    running.put("m-2", "after");
    assert_eq!(running.engine.reads().totals().position.sequence, 2);
}
