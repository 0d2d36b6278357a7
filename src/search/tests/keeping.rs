//! What survives: commits, positions, rebuilds and crashes.

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use super::{at, id, ids, index_of, line, resource};
use crate::domain::{Document, Id, Position};
use crate::search::{Config, Fault, Index, rebuild};

/// Documents for a rebuild.
fn documents(lines: &str) -> Vec<Result<(Document, Vec<Id>), Infallible>> {
    lines.lines().map(|text| Ok(line(text))).collect()
}

const OLD: &str = "old-1 | vm | | | |\nold-2 | vm | | | |";
const NEW: &str = "new-1 | vm | | | |\nnew-2 | vm | | | |";

#[test]
fn a_commit_is_seen_with_its_position_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    assert_eq!(index.reached(), Position::default());
    let mut writer = index.writer(&Config::default()).unwrap();
    writer.put(&resource("db-1", "postgres", "", ""), &[]).unwrap();
    assert_eq!(ids(&index, "*"), "");
    let position = Position {
        epoch: 3,
        sequence: 17,
    };
    writer.commit(position).unwrap();
    assert_eq!((index.reached(), ids(&index, "*").as_str()), (position, "db-1"));
    assert!(matches!(index.writer(&Config::default()), Err(Fault::Locked)));
    // What is put and not committed is gone with the writer; an empty commit moves the position.
    writer.put(&resource("db-2", "postgres", "", ""), &[]).unwrap();
    drop((writer, index));
    let index = Index::open(dir.path()).unwrap();
    assert_eq!((index.reached(), ids(&index, "*").as_str()), (position, "db-1"));
    let mut writer = index.writer(&Config::default()).unwrap();
    writer.commit(at(18)).unwrap();
    drop((writer, index));
    assert_eq!(Index::open(dir.path()).unwrap().reached(), at(18));
}

#[test]
fn putting_replaces_and_removing_removes_only_that_key() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(
        dir.path(),
        "a   | vm          | first | | |
         a.b | vm          |       | | |
         A   | vm          |       | | |
         a   | environment |       | | |",
    );
    assert_eq!(ids(&index, "*"), "a A a a.b");
    let mut writer = index.writer(&Config::default()).unwrap();
    writer
        .put(&resource("a", "vm", "second", ""), &[id("lab")])
        .unwrap();
    writer.put(&resource("a", "vm", "third", ""), &[]).unwrap();
    writer.commit(at(2)).unwrap();
    assert_eq!(ids(&index, "*"), "a A a a.b");
    assert_eq!(
        (ids(&index, "first"), ids(&index, "second")),
        (String::new(), String::new())
    );
    assert_eq!(ids(&index, "environment:lab"), "");
    assert_eq!(ids(&index, "third"), "a");
    writer.remove(&resource("a", "", "", "").key());
    writer.remove(&resource("never", "", "", "").key());
    writer.commit(at(3)).unwrap();
    assert_eq!(ids(&index, "type:resource"), "A a.b");
    assert_eq!(ids(&index, "type:environment"), "a");
}

#[test]
fn many_small_commits_stay_few_segments() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    let mut writer = index.writer(&Config::default()).unwrap();
    let mut most = 0;
    for round in 0..60_u64 {
        for number in 0..3 {
            let name = format!("n-{}", (round * 3 + number) % 50);
            writer.put(&resource(&name, "vm", "node", ""), &[]).unwrap();
        }
        writer.commit(at(round)).unwrap();
        most = most.max(index.segments());
    }
    assert_eq!(index.documents(), 50);
    assert!(most < 40, "{most} segments");
}

#[test]
fn what_a_crash_left_half_written_is_cleared_away() {
    let dir = tempfile::tempdir().unwrap();
    drop(index_of(dir.path(), OLD));
    let orphan = dir.path().join("0123456789abcdef0123456789abcdef.idx");
    let part = dir.path().join("meta.json.part");
    fs::write(&orphan, b"half").unwrap();
    fs::write(&part, b"half").unwrap();
    let index = Index::open(dir.path()).unwrap();
    let mut writer = index.writer(&Config::default()).unwrap();
    writer.put(&resource("old-3", "vm", "", ""), &[]).unwrap();
    writer.commit(at(2)).unwrap();
    assert!(!orphan.exists() && !part.exists());
    assert_eq!(ids(&index, "old"), "old-1 old-2 old-3");
}

/// Does something to a file.
type Damage = fn(&Path);

/// What can happen to a file.
const DAMAGES: [(&str, Damage); 5] = [
    ("a flipped bit", |file| {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 0x40;
        }
        fs::write(file, bytes).unwrap();
    }),
    ("zeros", |file| {
        let bytes = fs::read(file).unwrap();
        fs::write(file, vec![0; bytes.len()]).unwrap();
    }),
    ("half a file", |file| {
        let bytes = fs::read(file).unwrap();
        fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    }),
    ("an empty file", |file| fs::write(file, b"").unwrap()),
    ("a missing file", |file| fs::remove_file(file).unwrap()),
];

#[test]
fn a_damaged_index_is_unusable_or_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let mut unusable = 0;
    for (what, damage) in DAMAGES {
        let mut number = 0;
        loop {
            let _ = fs::remove_dir_all(&path);
            drop(index_of(&path, OLD));
            let mut files: Vec<_> = fs::read_dir(&path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            files.sort_by_key(|file| file.extension().map(ToOwned::to_owned));
            let Some(file) = files.get(number) else {
                break;
            };
            number += 1;
            damage(file);
            match Index::open(&path) {
                Ok(index) => {
                    assert_eq!(
                        (ids(&index, "old"), index.reached()),
                        ("old-1 old-2".to_owned(), at(1))
                    );
                }
                Err(Fault::Unusable { .. }) => unusable += 1,
                Err(other) => panic!("{what} of {}: {other:?}", file.display()),
            }
        }
    }
    assert!(unusable > 30, "{unusable}");
}

#[test]
fn what_is_unusable_can_be_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    drop(index_of(&path, OLD));
    let meta = path.join("meta.json");
    let text = fs::read_to_string(&meta).unwrap();
    for changed in [
        text.replace("format=2 ", "format=1 "),
        text.replace("format=2 ", ""),
        text.replace("\"words\"", "\"text\""),
        "{}".to_owned(),
    ] {
        assert_ne!(changed, text);
        fs::write(&meta, changed).unwrap();
        let opened = Index::open(&path);
        assert!(matches!(opened, Err(Fault::Unusable { .. })), "{opened:?}");
    }
    let count = rebuild(&path, &Config::default(), documents(NEW), at(5)).unwrap();
    let index = Index::open(&path).unwrap();
    assert_eq!(
        (count, ids(&index, "*").as_str(), index.reached()),
        (2, "new-1 new-2", at(5))
    );
}

#[test]
fn a_rebuilt_index_takes_the_place_of_one_that_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let old = index_of(&path, OLD);
    rebuild(&path, &Config::default(), documents(NEW), at(7)).unwrap();
    assert_eq!(ids(&old, "*"), "old-1 old-2");
    let new = Index::open(&path).unwrap();
    assert_eq!((ids(&new, "*").as_str(), new.reached()), ("new-1 new-2", at(7)));
    let mut writer = new.writer(&Config::default()).unwrap();
    writer.put(&resource("new-3", "vm", "", ""), &[]).unwrap();
    writer.commit(at(8)).unwrap();
    assert_eq!(ids(&new, "*"), "new-1 new-2 new-3");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn documents_that_fail_leave_the_old_index() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    drop(index_of(&path, OLD));
    let failing = vec![Ok(line("new-1 | vm | | | |")), Err(std::io::Error::other("torn"))];
    assert!(rebuild(&path, &Config::default(), failing, at(7)).is_err());
    let index = Index::open(&path).unwrap();
    assert_eq!(
        (ids(&index, "*").as_str(), index.reached()),
        ("old-1 old-2", at(1))
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_crash_during_a_rebuild_leaves_one_or_the_other() {
    // Which of DIR, DIR.new and DIR.old a crash left, and what an open finds then.
    let table: [(&[&str], &str); 4] = [
        (&["index", "index.new"], "old"),
        (&["index.new", "index.old"], "new"),
        (&["index", "index.old"], "old"),
        (&["index.old"], "old"),
    ];
    for (left, expected) in table {
        let dir = tempfile::tempdir().unwrap();
        for name in left {
            let lines = if *name == "index.new" { NEW } else { OLD };
            drop(index_of(&dir.path().join("made"), lines));
            fs::rename(dir.path().join("made"), dir.path().join(name)).unwrap();
        }
        let index = Index::open(&dir.path().join("index")).unwrap();
        assert_eq!(ids(&index, "*"), format!("{expected}-1 {expected}-2"), "{left:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{left:?}");
    }
}
