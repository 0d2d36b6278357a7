//! Messages changed by chance, as many as one has patience for: whatever comes, the reader says something sensible.
//!
//! A valid message is changed in its structure (keys dropped, doubled, renamed; values of other types, huge, deep,
//! swapped), then sometimes in its bytes and in its properties. Nothing may panic, and `judge.rs` says what must hold.
//!
//! Ordinary test runs take 20,000 messages of a fixed seed. `script/fuzz` takes a million of a new one.
//! `DOMESDAY_FUZZ_COUNT`, `DOMESDAY_FUZZ_SEED` and `DOMESDAY_FUZZ_CASE` say how many, from which seed, and which alone.

// A test may stop at the first surprise.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod chance;
mod damage;
mod files;
mod judge;
mod mutate;
mod node;
mod queries;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use domesday::wire::COMMAND_TYPES;
use serde_json::Value;

use chance::Chance;
use judge::{Judge, Message, Verdict, received};
use mutate::Properties;
use node::Node;

const COUNT: u64 = 20_000;
const SEED: u64 = 1;

/// One message a line: its type, and its body.
fn seeds(text: &'static str) -> Vec<(&'static str, Node)> {
    let read = |line: &'static str| {
        let (kind, body) = line.split_once(' ').unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        (kind, Node::of(&body))
    };
    text.lines().map(read).collect()
}

struct Fuzz {
    requests: Vec<(&'static str, Node)>,
    received: Vec<(&'static str, Node)>,
    judge: Judge,
}

/// A message as it is sent, and who reads it.
struct Case {
    kind: &'static str,
    reader: Reader,
    properties: Properties,
    tree: Option<Node>,
    body: Vec<u8>,
    closely: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reader {
    Command,
    Question,
    Json,
    Client,
}

impl Fuzz {
    fn new() -> Self {
        Self {
            requests: seeds(include_str!("../../src/wire/read/tests/valid.txt")),
            received: seeds(include_str!("received.txt")),
            judge: Judge::new(),
        }
    }

    fn case(&self, seed: u64, case: u64) -> Case {
        let mut chance = Chance::of(seed, case);
        let is_client = chance.once_in(5);
        let seeds = if is_client { &self.received } else { &self.requests };
        let (kind, mut tree) = chance.pick(seeds).clone();
        let (_, other) = chance.pick(seeds);
        for _ in 0..chance.below(5) {
            mutate::structure(&mut tree, other, &mut chance);
        }
        let mut body = tree.write(&mut chance).into_bytes();
        let is_whole = !chance.once_in(6);
        if !is_whole {
            mutate::bytes(&mut body, &mut chance);
        }
        let mut properties = Properties::of(kind);
        if chance.once_in(6) {
            properties.mutate(&mut chance);
        }
        let reader = match (is_client, COMMAND_TYPES.contains(&kind)) {
            (true, _) => Reader::Client,
            _ if chance.once_in(12) => Reader::Json,
            (_, true) => Reader::Command,
            _ => Reader::Question,
        };
        Case {
            kind,
            reader,
            properties,
            tree: is_whole.then_some(tree),
            body,
            closely: chance.once_in(16),
        }
    }

    fn judge(&self, case: &Case) -> Verdict {
        let message = Message {
            properties: &case.properties,
            body: &case.body,
            tree: case.tree.as_ref(),
            closely: case.closely,
        };
        match case.reader {
            Reader::Command => self.judge.command(&message),
            Reader::Question => self.judge.question(&message),
            Reader::Json => Judge::json(&message),
            Reader::Client => received(case.kind, &case.body),
        }
    }

    /// Takes every `step`-th case from `first` on, and counts what came of them.
    fn run(&self, seed: u64, cases: impl Iterator<Item = u64>) -> BTreeMap<(Reader, Verdict), u64> {
        let mut counts = BTreeMap::new();
        for number in cases {
            let case = self.case(seed, number);
            let verdict = catch_unwind(AssertUnwindSafe(|| self.judge(&case))).unwrap_or_else(|_| {
                panic!(
                    "case {number} of seed {seed} failed, see above; again with \
                     DOMESDAY_FUZZ_SEED={seed} DOMESDAY_FUZZ_CASE={number}\n{} {:?} {}",
                    case.kind,
                    case.properties,
                    String::from_utf8_lossy(&case.body)
                )
            });
            *counts.entry((case.reader, verdict)).or_default() += 1;
        }
        counts
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text}, not a number")),
    )
}

/// The seed of this run, and its cases: so many where nothing else is said.
fn cases(count: u64) -> (u64, Range<u64>) {
    let seed = number("DOMESDAY_FUZZ_SEED").unwrap_or(SEED);
    let cases = match number("DOMESDAY_FUZZ_CASE") {
        Some(case) => case..case + 1,
        None => 0..number("DOMESDAY_FUZZ_COUNT").unwrap_or(count),
    };
    (seed, cases)
}

#[test]
fn every_seed_is_read_as_it_is() {
    let fuzz = Fuzz::new();
    for (kind, tree) in fuzz.requests.iter().chain(&fuzz.received) {
        let body = tree.write(&mut Chance::of(0, 0)).into_bytes();
        let is_client = fuzz.received.iter().any(|(name, _)| name == kind);
        let reader = match (is_client, COMMAND_TYPES.contains(kind)) {
            (true, _) => Reader::Client,
            (_, true) => Reader::Command,
            _ => Reader::Question,
        };
        let case = Case {
            kind,
            reader,
            properties: Properties::of(kind),
            tree: Some(tree.clone()),
            body,
            closely: true,
        };
        assert_eq!(fuzz.judge(&case), Verdict::Taken, "{kind}");
    }
}

#[test]
fn no_message_makes_the_reader_panic_or_say_what_is_not_so() {
    let fuzz = Fuzz::new();
    let seed = number("DOMESDAY_FUZZ_SEED").unwrap_or(SEED);
    if let Some(case) = number("DOMESDAY_FUZZ_CASE") {
        fuzz.run(seed, std::iter::once(case));
        return;
    }
    let count = number("DOMESDAY_FUZZ_COUNT").unwrap_or(COUNT);
    let began = Instant::now();
    let threads = if count > COUNT { 2 } else { 1 };
    let mut counts: BTreeMap<(Reader, Verdict), u64> = BTreeMap::new();
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|first| {
                let cases = (first..count).step_by(usize::try_from(threads).unwrap());
                scope.spawn(|| fuzz.run(seed, cases))
            })
            .collect();
        for part in parts {
            for (key, more) in part.join().expect("see above") {
                *counts.entry(key).or_default() += more;
            }
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    println!("{count} messages, seed {seed}, {seconds:.1} s");
    for ((reader, verdict), many) in &counts {
        println!("{many:>9}  {reader:?}: {verdict:?}");
    }
    assert_eq!(counts.values().sum::<u64>(), count);
    // A run in which everything is refused at the door would prove little.
    for reader in [Reader::Command, Reader::Question, Reader::Json, Reader::Client] {
        let taken = counts.get(&(reader, Verdict::Taken)).copied().unwrap_or_default();
        assert!(taken * 100 > count, "{reader:?} takes {taken} of {count}");
    }
}
