//! The law of the house: which room may import which, which foreign crate lives where, and the small habits.
//!
//! ARCHITECTURE.md says the same for people; the tables there and here have to agree, which is checked too. A change of
//! the law is a change of both, in the same commit. Whether `schemas/` is what the code says is checked beside the
//! code that makes them, in `src/wire/schema.rs`.

// A test may stop at the first surprise.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod papers;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use papers::table;
use tokens::{Named, Reading};

/// A room: the floor that it is on, its name, and the rooms that it may import.
type Room = (u8, &'static str, &'static [&'static str]);

const ROOMS: &[Room] = &[
    (0, "domain", &[]),
    (1, "wire", &["domain"]),
    (1, "store", &["domain"]),
    (1, "search", &["domain"]),
    (1, "broker", &[]),
    (1, "telemetry", &[]),
    (2, "engine", &["domain", "store", "search"]),
    (3, "api", &["domain", "wire", "broker", "engine"]),
    (3, "replica", &["domain", "wire", "broker", "engine"]),
    (
        4,
        "config",
        &[
            "domain",
            "wire",
            "store",
            "search",
            "broker",
            "telemetry",
            "engine",
            "api",
            "replica",
        ],
    ),
    (
        5,
        "app",
        &["domain", "broker", "engine", "api", "replica", "config"],
    ),
    (
        6,
        "cli",
        &[
            "domain",
            "wire",
            "store",
            "broker",
            "telemetry",
            "engine",
            "replica",
            "config",
            "app",
        ],
    ),
    (7, "main", &["cli"]),
];

/// A foreign crate, and the rooms (or the part of a room) that may name it outside tests.
type Foreign = (&'static str, &'static [&'static str]);

const FOREIGN: &[Foreign] = &[
    ("anstream", &["cli"]),
    ("anstyle", &["cli"]),
    ("backon", &["broker", "cli"]),
    ("base64", &["wire", "cli"]),
    ("blake3", &["store", "engine", "cli"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("comfy-table", &["cli"]),
    ("fixedbitset", &["domain/graph"]),
    ("futures-util", &["broker", "cli"]),
    ("indicatif", &["cli"]),
    ("jiff", &["wire", "engine", "cli"]),
    ("lapin", &["broker"]),
    ("minicbor", &["store"]),
    ("petgraph", &["domain/graph"]),
    ("redb", &["store"]),
    ("rust-sugiyama", &["cli"]),
    ("rustls", &["broker"]),
    ("ruzstd", &["store"]),
    ("saphyr-parser", &["cli"]),
    ("schemars", &["wire"]),
    (
        "serde",
        &[
            "wire",
            "store",
            "search",
            "broker",
            "telemetry",
            "engine",
            "api",
            "replica",
            "config",
            "cli",
        ],
    ),
    ("serde_json", &["domain", "wire", "store", "search", "cli"]),
    ("sha2", &["domain", "wire", "cli"]),
    ("strsim", &["wire", "search", "config"]),
    ("tantivy", &["search"]),
    (
        "thiserror",
        &[
            "domain",
            "wire",
            "store",
            "search",
            "broker",
            "telemetry",
            "engine",
            "api",
            "replica",
            "config",
            "app",
            "cli",
        ],
    ),
    ("tokio", &["broker", "engine", "api", "replica", "app", "cli"]),
    ("toml", &["config", "cli"]),
    ("tracing", &["broker", "engine", "api", "replica", "app"]),
    ("tracing-subscriber", &["telemetry"]),
    ("uuid", &["broker", "api", "replica", "app", "cli"]),
    ("x509-parser", &["broker"]),
];

/// All that the domain may name of `serde_json`: the vocabulary of free JSON, and no way to read or write it.
const FREE_JSON: [&str; 2] = ["Value", "Map"];
/// What the pure rooms never name of the standard library.
const IMPURE: [&str; 7] = ["env", "fs", "io", "net", "process", "thread", "time"];
const PURE_ROOMS: [&str; 2] = ["domain", "wire"];

const LINES_MAX: usize = 600;
const NAMES_OF_NOTHING: [&str; 9] = [
    "util", "utils", "common", "helper", "helpers", "manager", "misc", "prelude", "stuff",
];

/// The folder of the project.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under a folder, by name, what is hidden or built left out.
fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            found.extend(files_under(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// One file of `src`.
struct Source {
    /// Its path below `src`, such as `engine/batch.rs`.
    place: String,
    text: String,
    reading: Reading,
}

impl Source {
    /// The modules that the file is: `["engine", "batch"]`.
    fn module(&self) -> Vec<String> {
        let stem = self.place.trim_end_matches(".rs");
        let stem = stem.strip_suffix("/mod").unwrap_or(stem);
        if stem == "lib" || stem == "main" {
            return Vec::new();
        }
        stem.split('/').map(str::to_owned).collect()
    }

    fn room(&self) -> &str {
        let first = self.place.split('/').next().unwrap();
        first.trim_end_matches(".rs")
    }

    fn says(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("src/{}:{line}: {what}", self.place)
    }
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let rust = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "rs");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        Source {
            place: path.strip_prefix(&src).unwrap().to_string_lossy().into_owned(),
            reading: tokens::read(&text),
            text,
        }
    };
    files_under(&src).into_iter().filter(rust).map(read).collect()
}

/// Files that are modules for tests only, and what lies below them.
fn test_modules(sources: &[Source]) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for source in sources {
        for (name, _) in source.reading.modules.iter().filter(|(_, test)| *test) {
            let mut module = source.module();
            module.push(name.clone());
            found.insert(module);
        }
    }
    found
}

fn is_test(source: &Source, named: &Named, test_modules: &BTreeSet<Vec<String>>) -> bool {
    let module = source.module();
    named.test || test_modules.iter().any(|tests| module.starts_with(tests))
}

/// The path from the root of the crate; none for a path that is foreign or local.
fn from_root(source: &Source, named: &Named) -> Option<Vec<String>> {
    let mut here = source.module();
    here.extend(named.within.iter().cloned());
    let mut rest = named.path.as_slice();
    match rest.first()?.as_str() {
        "crate" => here.clear(),
        "domesday" if source.place == "main.rs" => here.clear(),
        "self" => {}
        "super" => {
            while rest.get(1).is_some_and(|next| next == "super") {
                here.pop();
                rest = &rest[1..];
            }
            here.pop();
        }
        _ => return None,
    }
    here.extend(rest[1..].iter().cloned());
    Some(here)
}

fn assert_lawful(breaches: &[String]) {
    assert!(
        breaches.is_empty(),
        "{} breaches:\n{}",
        breaches.len(),
        breaches.join("\n")
    );
}

#[test]
fn a_room_imports_only_what_its_row_names() {
    let allowed: BTreeMap<&str, &[&str]> = ROOMS.iter().map(|(_, name, may)| (*name, *may)).collect();
    let mut breaches = Vec::new();
    for source in sources().iter().filter(|source| source.place != "lib.rs") {
        let Some(may) = allowed.get(source.room()) else {
            breaches.push(source.says(1, "its room is not in the table"));
            continue;
        };
        for named in &source.reading.named {
            let Some(path) = from_root(source, named) else {
                continue;
            };
            let other = path.first().map_or("the whole crate", String::as_str);
            if other != source.room() && !may.contains(&other) {
                let room = source.room();
                breaches.push(source.says(named.line, format!("{room} may not import {other}")));
            }
        }
    }
    assert_lawful(&breaches);
}

#[test]
fn imports_point_down() {
    let floor: BTreeMap<&str, u8> = ROOMS.iter().map(|(floor, name, _)| (*name, *floor)).collect();
    for (own, name, may) in ROOMS {
        for other in *may {
            assert!(
                floor[other] < *own,
                "{name} is on floor {own}, and {other} is not below it"
            );
        }
    }
}

#[test]
fn the_table_has_every_room_and_no_other() {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let declared: BTreeSet<String> = tokens::read(&text)
        .modules
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let on_disk: BTreeSet<String> = std::fs::read_dir(root().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .filter(|name| name != "lib" && name != "main")
        .collect();
    let table: BTreeSet<String> = ROOMS
        .iter()
        .map(|(_, name, _)| (*name).to_owned())
        .filter(|name| name != "main")
        .collect();
    assert_eq!(declared, table, "src/lib.rs against the table");
    assert_eq!(on_disk, table, "the folders in src against the table");
}

#[test]
fn a_foreign_crate_stays_in_its_rooms() {
    let sources = sources();
    let test_modules = test_modules(&sources);
    let homes: BTreeMap<String, &[&str]> = FOREIGN
        .iter()
        .map(|(name, rooms)| (name.replace('-', "_"), *rooms))
        .collect();
    let mut breaches = Vec::new();
    for source in &sources {
        for named in &source.reading.named {
            let Some(rooms) = named.path.first().and_then(|head| homes.get(head)) else {
                continue;
            };
            if is_test(source, named, &test_modules) {
                continue;
            }
            let at_home = |room: &&str| {
                let rest = source.place.strip_prefix(*room);
                rest.is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
            };
            if !rooms.iter().any(at_home) {
                let what = format!("{} belongs to {}", named.path[0], rooms.join(", "));
                breaches.push(source.says(named.line, what));
            }
        }
    }
    assert_lawful(&breaches);
}

#[test]
fn the_table_has_every_dependency_and_no_other() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let declared: BTreeSet<&str> = manifest["dependencies"]
        .as_table()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let table: BTreeSet<&str> = FOREIGN.iter().map(|(name, _)| *name).collect();
    assert_eq!(declared, table, "Cargo.toml against the table");
}

#[test]
fn the_domain_and_the_wire_are_pure() {
    let sources = sources();
    let test_modules = test_modules(&sources);
    let mut breaches = Vec::new();
    for source in sources
        .iter()
        .filter(|source| PURE_ROOMS.contains(&source.room()))
    {
        for named in &source.reading.named {
            let path: Vec<&str> = named.path.iter().map(String::as_str).collect();
            let bad = match path.as_slice() {
                ["std", part, ..] => IMPURE.contains(part),
                ["serde_json", item, ..] => source.room() == "domain" && !FREE_JSON.contains(item),
                _ => false,
            };
            if bad && !is_test(source, named, &test_modules) {
                breaches
                    .push(source.says(named.line, format!("{} names {}", source.room(), path.join("::"))));
            }
        }
    }
    assert_lawful(&breaches);
}

#[test]
fn architecture_md_has_the_same_tables() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let names = |cell: &str| -> Vec<String> {
        let parts = cell.split(',').map(|part| part.trim().trim_matches('`'));
        parts
            .filter(|part| !part.is_empty() && *part != "–")
            .map(str::to_owned)
            .collect()
    };
    let rooms: Vec<(String, Vec<String>, Vec<String>)> = table(&text, "Rooms")
        .into_iter()
        .map(|row| (row[0].clone(), names(&row[1]), names(&row[3])))
        .collect();
    let law: Vec<(String, Vec<String>, Vec<String>)> = ROOMS
        .iter()
        .map(|(floor, name, may)| {
            let may = may.iter().map(|room| (*room).to_owned()).collect();
            (floor.to_string(), vec![(*name).to_owned()], may)
        })
        .collect();
    assert_eq!(rooms, law, "the rooms");
    let foreign: Vec<(Vec<String>, Vec<String>)> = table(&text, "Foreign crates")
        .into_iter()
        .map(|row| (names(&row[0]), names(&row[1])))
        .collect();
    let law: Vec<(Vec<String>, Vec<String>)> = FOREIGN
        .iter()
        .map(|(name, rooms)| {
            (
                vec![(*name).to_owned()],
                rooms.iter().map(|room| (*room).to_owned()).collect(),
            )
        })
        .collect();
    assert_eq!(foreign, law, "the foreign crates");
}

#[test]
fn every_file_says_what_it_is_for_and_has_a_name_that_means_something() {
    let mut breaches = Vec::new();
    for path in ["src", "tests", "benches", "examples"]
        .iter()
        .flat_map(|folder| files_under(&root().join(folder)))
    {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        for part in &path.strip_prefix(root()).unwrap().with_extension("") {
            if NAMES_OF_NOTHING.iter().any(|name| part == *name) {
                breaches.push(format!("{shown}: {} says nothing", part.display()));
            }
        }
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        if !text
            .lines()
            .next()
            .is_some_and(|line| line.starts_with("//! ") && line.len() > 8)
        {
            breaches.push(format!(
                "{shown}:1: the first line does not start with `//!`, or says nothing"
            ));
        }
        let reading = tokens::read(&text);
        for named in reading
            .named
            .iter()
            .filter(|named| named.path.last().is_some_and(|last| last == "*"))
        {
            breaches.push(format!("{shown}:{}: a glob import", named.line));
        }
        for (line, name) in &reading.macros {
            if ["todo", "unimplemented", "dbg"].contains(&name.as_str()) {
                breaches.push(format!("{shown}:{line}: {name}!"));
            }
        }
        for comment in &reading.comments {
            let unfinished = ["TODO", "FIXME", "XXX", "HACK"]
                .iter()
                .any(|word| comment.text.contains(word));
            if unfinished || is_code(&comment.text) {
                breaches.push(format!("{shown}:{}: {}", comment.line, comment.text));
            }
        }
    }
    assert_lawful(&breaches);
}

/// Whether a comment looks like code that somebody left behind. Examples in documentation are none.
fn is_code(comment: &str) -> bool {
    if comment.starts_with("///") || comment.starts_with("//!") {
        return false;
    }
    let text = comment.trim_start_matches('/').trim();
    let statement = ["let ", "use ", "fn ", "pub ", "return ", "if ", "match "];
    text == "}"
        || text.ends_with(");")
        || text.ends_with("};")
        || (text.ends_with([';', '{']) && statement.iter().any(|start| text.starts_with(start)))
}

#[test]
fn a_file_can_be_read_in_one_sitting() {
    let mut breaches = Vec::new();
    let sources = sources();
    let test_modules = test_modules(&sources);
    for source in &sources {
        let module = source.module();
        if test_modules.iter().any(|tests| module.starts_with(tests)) {
            continue;
        }
        let lines = source.text.lines().count() - source.reading.test_lines.len();
        if lines > LINES_MAX {
            breaches.push(source.says(
                1,
                format!("{lines} lines without tests, the limit is {LINES_MAX}"),
            ));
        }
    }
    assert_lawful(&breaches);
}
