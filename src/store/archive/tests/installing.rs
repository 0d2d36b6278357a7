//! An installation leaves the old register or the new one, wherever it is interrupted.

use std::path::Path;

use redb::ReadableDatabase;

use super::{BATCHES, Scene, config};
use crate::domain::{Standing, Timestamp};
use crate::store::archive::install::{FILE_INSTALLED, FILE_REPLACED, Step, install_in_steps};
use crate::store::archive::rows::{Rows, Run, TABLES};
use crate::store::archive::writer::write;
use crate::store::archive::{Archive, ArchiveFault, Installed, Order, Stamp, install};
use crate::store::tables::HISTORY;
use crate::store::tests::story::Story;
use crate::store::{FILE, Fault, INDEX_FOLDER, Store};

const COPY: Order = Order {
    replace: true,
    raise_epoch: false,
    standing: Standing::Undecided,
};
const RESTORE: Order = Order {
    replace: false,
    raise_epoch: true,
    standing: Standing::Undecided,
};

/// What is in a data directory, by its story: one batch is the old register, all of them the new one.
fn batches(story: &Story, directory: &Path) -> usize {
    story.reached(&Store::open(&config(directory), "a new cluster").unwrap())
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_directory_gets_all_of_it() {
    for seed in 0..4 {
        let scene = Scene::new(seed);
        let (file, _) = scene.archive();
        let target = scene.path("target");
        let order = Order {
            replace: false,
            raise_epoch: false,
            standing: Standing::Undecided,
        };
        let installed = install(&Archive::open(&file).unwrap(), &config(&target), order).unwrap();
        assert_eq!(installed.kept, None);
        assert_eq!(batches(&scene.story, &target), BATCHES);
        assert_eq!(names(&target), [FILE]);
    }
}

#[test]
fn a_restore_is_of_the_next_epoch_and_has_nothing_left_to_publish() {
    let scene = Scene::new(1);
    let (file, manifest) = scene.archive();
    let target = scene.path("target");
    let Installed { position, .. } =
        install(&Archive::open(&file).unwrap(), &config(&target), RESTORE).unwrap();
    assert_eq!((position.epoch, position.sequence), (2, manifest.sequence));
    let store = Store::open(&config(&target), "a new cluster").unwrap();
    let identity = store.snapshot().unwrap().identity().unwrap();
    assert_eq!(
        (identity.position, identity.published),
        (position, manifest.sequence)
    );
    assert_eq!(identity.cluster, "test");
}

/// The records of the table `history`.
fn history(store: &Store) -> Run {
    let mut found = Run::new();
    let reading = store.database.begin_read().unwrap();
    HISTORY
        .each(&reading, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            Ok(())
        })
        .unwrap();
    found
}

/// An older program knew no such table: the change log has what is to be in it.
#[test]
fn an_archive_without_a_history_gets_that_of_its_change_log() {
    let scene = Scene::new(3);
    let file = scene.path("snapshot");
    let mut older = TABLES.to_vec();
    older.retain(|rows| rows.table() != HISTORY.table());
    let stamp = Stamp {
        time: Timestamp(1),
        program: "older",
    };
    let reading = scene.store.database.begin_read().unwrap();
    write(&reading, &older, &file, stamp, &|| true).unwrap();
    let archive = Archive::open(&file).unwrap();
    archive.verify().unwrap();

    let target = scene.path("target");
    install(&archive, &config(&target), COPY).unwrap();
    let store = Store::open(&config(&target), "a new cluster").unwrap();
    assert_eq!(scene.story.reached(&store), BATCHES);
    let found = history(&store);
    assert!(!found.is_empty());
    assert_eq!(found, history(&scene.store));
}

#[test]
fn a_register_is_replaced_only_when_it_may_be_and_is_kept() {
    let scene = Scene::new(2);
    let (file, _) = scene.archive();
    let archive = Archive::open(&file).unwrap();
    let target = scene.path("target");
    let old = Store::open(&config(&target), "old").unwrap();
    let in_use = install(&archive, &config(&target), COPY);
    assert!(
        matches!(in_use, Err(ArchiveFault::Store(Fault::InUse(_)))),
        "{in_use:?}"
    );
    drop(old);
    let refused = install(&archive, &config(&target), RESTORE);
    assert!(matches!(refused, Err(ArchiveFault::Occupied(_))), "{refused:?}");
    assert_eq!(names(&target), [FILE], "nothing is left of either");

    std::fs::create_dir_all(target.join(INDEX_FOLDER)).unwrap();
    let kept = install(&archive, &config(&target), COPY).unwrap().kept.unwrap();
    assert_eq!(kept, target.join(format!("{FILE_REPLACED}-1")));
    assert_eq!(names(&target), [FILE, &format!("{FILE_REPLACED}-1")]);
    assert_eq!(batches(&scene.story, &target), BATCHES);
    std::fs::rename(&kept, target.join(FILE)).unwrap();
    let old = Store::open(&config(&target), "new").unwrap();
    assert_eq!(old.snapshot().unwrap().identity().unwrap().cluster, "old");
}

#[test]
fn a_register_that_cannot_be_opened_any_more_can_be_replaced() {
    let scene = Scene::new(3);
    let (file, _) = scene.archive();
    let target = scene.path("target");
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(target.join(FILE), "broken ".repeat(1_000)).unwrap();
    let archive = Archive::open(&file).unwrap();
    assert!(matches!(
        install(&archive, &config(&target), RESTORE),
        Err(ArchiveFault::Occupied(_))
    ));
    install(&archive, &config(&target), COPY).unwrap();
    assert_eq!(batches(&scene.story, &target), BATCHES);
}

#[test]
fn a_damaged_archive_changes_nothing() {
    let scene = Scene::new(4);
    let (file, manifest) = scene.archive();
    let target = scene.path("target");
    drop(Store::open(&config(&target), "old").unwrap());
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[usize::try_from(manifest.chunks[0].offset).unwrap() + 9] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let fault = install(&Archive::open(&file).unwrap(), &config(&target), COPY).unwrap_err();
    assert!(matches!(fault, ArchiveFault::Chunk { .. }), "{fault}");
    assert_eq!(names(&target), [FILE]);
}

#[test]
fn a_crash_leaves_the_old_register_or_the_new_one() {
    let scene = Scene::new(5);
    let (file, _) = scene.archive();
    let archive = Archive::open(&file).unwrap();
    for last in [
        Step::Built,
        Step::Proved,
        Step::IndexGone,
        Step::OldKept,
        Step::Swapped,
    ] {
        let target = scene.path(&format!("{last:?}"));
        {
            let old = Store::open(&config(&target), "test").unwrap();
            scene.story.commit(&old, 0).unwrap();
        }
        let crashed = install_in_steps(&archive, &config(&target), COPY, &mut |step| {
            if step == last {
                return Err(ArchiveFault::Stopped);
            }
            Ok(())
        });
        assert!(crashed.is_err());
        let expected = if last == Step::Swapped { BATCHES } else { 1 };
        assert_eq!(batches(&scene.story, &target), expected, "{last:?}");
        if last == Step::OldKept {
            assert!(names(&target).contains(&format!("{FILE_REPLACED}-1")));
        }

        // What the crash left is no hindrance to the next one.
        install(&archive, &config(&target), COPY).unwrap();
        assert_eq!(batches(&scene.story, &target), BATCHES, "{last:?}");
        assert!(!names(&target).contains(&FILE_INSTALLED.to_owned()));
    }
}

#[test]
fn a_new_file_that_a_crash_left_half_written_is_made_anew() {
    let scene = Scene::new(6);
    let (file, _) = scene.archive();
    let target = scene.path("target");
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(target.join(FILE_INSTALLED), vec![0; 100_000]).unwrap();
    install(&Archive::open(&file).unwrap(), &config(&target), COPY).unwrap();
    assert_eq!(batches(&scene.story, &target), BATCHES);
    assert_eq!(names(&target), [FILE]);
}
