//! Transcripts: commands in, receipts, events and state out, against a real engine in a directory of its own.
//!
//! A script is blocks with an empty line between them; a block is commands, `---`, and what they should say.
//! `DOMESDAY_UPDATE_SCRIPTS=1 cargo test --test scripts` writes what they do say; read the difference before
//! you commit it. Commands are those of the contract (`resource.put {ARGS} expect=absent id=m-1 deadline=5s dry`),
//! questions (`graph.path {ARGS}`, `search WORDS`), and those of [`stage`], which hold no JSON.

// A test may stop at the first surprise.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod copy;
mod request;
mod show;
mod stage;
mod upgrade;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use stage::Stage;

const UPDATE: &str = "DOMESDAY_UPDATE_SCRIPTS";

/// Commands, and what came of them.
struct Block {
    /// Where it begins in the file, from one.
    line: usize,
    commands: Vec<String>,
    expected: Vec<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let end = lines[at..]
            .iter()
            .position(|line| line.is_empty())
            .map_or(lines.len(), |n| at + n);
        if end > at {
            let mut parts = lines[at..end].splitn(2, |line| *line == "---");
            let own =
                |part: Option<&[&str]>| part.unwrap_or_default().iter().map(ToString::to_string).collect();
            blocks.push(Block {
                line: at + 1,
                commands: own(parts.next()),
                expected: own(parts.next()),
            });
        }
        at = end + 1;
    }
    blocks
}

/// Both texts as one, with what is missing and what is new marked.
fn difference(expected: &[String], actual: &[String]) -> String {
    let mut common = vec![vec![0_usize; actual.len() + 1]; expected.len() + 1];
    for i in (0..expected.len()).rev() {
        for j in (0..actual.len()).rev() {
            common[i][j] = if expected[i] == actual[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut text = String::new();
    while i < expected.len() || j < actual.len() {
        let (mark, line) = if i < expected.len() && j < actual.len() && expected[i] == actual[j] {
            (i, j) = (i + 1, j + 1);
            (' ', &expected[i - 1])
        } else if i < expected.len() && (j == actual.len() || common[i + 1][j] >= common[i][j + 1]) {
            i += 1;
            ('-', &expected[i - 1])
        } else {
            j += 1;
            ('+', &actual[j - 1])
        };
        writeln!(text, "  {mark} {line}").unwrap();
    }
    text
}

fn run(name: &str) {
    let path = folder().join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut stage = Stage::new();
    let (mut updated, mut differences) = (Vec::new(), String::new());
    for Block {
        line,
        commands,
        expected,
    } in blocks(&text)
    {
        let written: Vec<&str> = commands.iter().map(String::as_str).collect();
        let meant: Vec<&str> = written
            .iter()
            .copied()
            .filter(|line| !line.starts_with('#'))
            .collect();
        let actual = stage.play(&meant);
        if actual != expected {
            let difference = difference(&expected, &actual);
            write!(
                differences,
                "\n{}:{line}\n  {}\n  ---\n{difference}",
                path.display(),
                commands.join("\n  ")
            )
            .unwrap();
        }
        let mut block = written.join("\n");
        if !meant.is_empty() {
            block = format!("{block}\n---\n{}", actual.join("\n"));
        }
        updated.push(block);
    }
    stage.end();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, updated.join("\n\n") + "\n").unwrap();
    } else if !differences.is_empty() {
        panic!(
            "the script says otherwise (- as written, + as it is now):\n{differences}\n\
             If the new text is right, take it over with {UPDATE}=1 cargo test --test scripts {name}\n"
        );
    }
}

macro_rules! scripts {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*

        #[test]
        fn every_script_is_run() {
            let listed = BTreeSet::from([$(format!("{}.txt", stringify!($name))),*]);
            let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
            let texts: BTreeSet<String> = files
                .map(|name| name.into_string().unwrap())
                .filter(|name| Path::new(name).extension().is_some_and(|end| end == "txt"))
                .collect();
            assert_eq!(texts, listed);
        }
    };
}

scripts! {
    as_of, batch, compare, cycles, dangling, dry_run, expect, externals, groups, history, impact, inbox, limits, links,
    order, patch, put, questions, remove_environment, remove_resource, restart, restore, search, tombstones, together,
    upgrade_1, what_if,
}
