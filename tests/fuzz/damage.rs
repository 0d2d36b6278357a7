//! A data file and an index that are damaged at a place of chance's choice: they are opened and read, or refused with a
//! reason. What is found in them then is another matter: a copy proves itself by its digest, and a file does not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use domesday::engine;
use domesday::store;

use super::chance::Chance;
use super::files::Seeds;
use super::{cases, mutate};

const COUNT: u64 = 200;
/// The most cases of a run: each opens a register.
const COUNT_MAX: u64 = 20_000;

/// Every file in a folder and in those in it.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort_unstable();
    files
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    }
}

fn damage(folder: &Path, chance: &mut Chance) -> String {
    let files: Vec<_> = files(folder)
        .into_iter()
        .filter(|file| std::fs::metadata(file).unwrap().len() > 0)
        .collect();
    let file = chance.pick(&files);
    let mut bytes = std::fs::read(file).unwrap();
    match chance.below(4) {
        0 => {
            // Where something is: most of a data file is room.
            let used: Vec<usize> = (0..bytes.len()).filter(|place| bytes[*place] != 0).collect();
            for _ in 0..=chance.below(8) {
                let place = *chance.pick(&used);
                bytes[place] ^= 1 << chance.below(8);
            }
        }
        1 => {
            let start = chance.below(bytes.len());
            let end = (start + 4_096).min(bytes.len());
            bytes[start..end].fill(u8::try_from(chance.below(256)).unwrap());
        }
        2 => bytes.truncate(chance.below(bytes.len())),
        _ => mutate::bytes(&mut bytes, chance),
    }
    std::fs::write(file, bytes).unwrap();
    file.strip_prefix(folder).unwrap().display().to_string()
}

/// Opens a register, for which all that is live is read; a refusal says why.
fn read(folder: &Path) -> bool {
    let config = store::Config {
        directory: folder.to_owned(),
        ..store::Config::default()
    };
    let opened = engine::read_only(&config);
    if let Err(fault) = &opened {
        assert!(!fault.to_string().is_empty());
    }
    let is_read = opened.is_ok();
    // The database may panic over damage when it is closed, which is when all has been answered.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(opened)));
    is_read
}

#[test]
fn no_damage_makes_a_register_panic() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(Seeds::new(folder.path()));
    let whole = folder.path().join("data");
    assert!(read(&whole), "as it is");
    let (seed, mut cases) = cases(COUNT);
    cases.end = cases.end.min(cases.start + COUNT_MAX);
    let count = cases.end - cases.start;
    let began = Instant::now();
    let mut survived = 0;
    for case in cases {
        let mut chance = Chance::of(seed, case);
        let damaged = folder.path().join("damaged");
        if damaged.exists() {
            std::fs::remove_dir_all(&damaged).unwrap();
        }
        copy(&whole, &damaged);
        let file = damage(&damaged, &mut chance);
        let is_read = catch_unwind(AssertUnwindSafe(|| read(&damaged)))
            .unwrap_or_else(|_| panic!("damage {case} of seed {seed} to {file} made it panic, see above"));
        survived += u64::from(is_read);
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{count} damaged registers, seed {seed}, {survived} of them read, {seconds:.1} s");
}
