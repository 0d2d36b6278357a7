//! The changes of an entity: all that the log has, and of what it forgot the first and the last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

use super::{BEGIN, PATIENCE, Running};
use crate::domain::{
    Change, Command, Document, EntityKey, EntityType, Environment, Expect, Findings, Id, Inquiry, Limits,
    Problem, ProblemKind, Question, Reach, RemoveMode, Standing, Step, Tags, Timestamp, strategies,
};
use crate::engine::{Config, Reads, Setup, read_only};
use crate::store;
use crate::store::archive::{Archive, Order, install};

fn key(text: &str) -> EntityKey {
    EntityKey::resource(Id::parse(text).unwrap())
}

/// One page: the changes, how many there are, and where the next page begins.
type Page = (Vec<Change>, usize, Option<String>);

fn page(
    reads: &Reads,
    key: &EntityKey,
    before: Option<u64>,
    limit: usize,
    cursor: Option<String>,
) -> Result<Page, Box<Problem>> {
    let question = Question::History {
        key: key.clone(),
        before,
    };
    let inquiry = Inquiry {
        question,
        at_least: None,
        limit,
        cursor,
        deadline: None,
        moment: None,
    };
    let answer = reads.answer(&inquiry, &Reach::Everything)?.unwrap();
    assert_eq!(answer.truncated.is_some(), answer.next.is_some());
    let Findings::History(changes) = answer.findings else {
        panic!("not a history")
    };
    Ok((changes, answer.total, answer.next))
}

fn all(reads: &Reads, key: &EntityKey) -> Vec<Change> {
    page(reads, key, None, 1_000, None).map_or_else(|_| Vec::new(), |(changes, ..)| changes)
}

fn keys() -> impl Iterator<Item = EntityKey> {
    let of = |entity| {
        ["a", "b", "c", "d"].map(|text| EntityKey {
            entity,
            id: Id::parse(text).unwrap(),
        })
    };
    EntityType::ALL.into_iter().flat_map(of)
}

/// Confirms all that there is, so that it may be forgotten.
fn confirm(running: &Running) {
    let last = running.engine.reads().totals().position.sequence;
    running.engine.confirm(last);
    running.engine.confirm_shipped(last);
}

/// Asserts that reads know what is to be known, given everything that ever happened.
fn check(reads: &Reads, happened: &BTreeMap<EntityKey, Vec<Change>>) {
    let oldest = reads
        .changes(0, 1)
        .unwrap()
        .first()
        .map_or(1, |change| change.sequence);
    for key in keys() {
        let Some(happened) = happened.get(&key) else {
            let problem = page(reads, &key, None, 10, None).unwrap_err();
            assert_eq!(
                (problem.kind, problem.pointer.as_str()),
                (ProblemKind::NotFound, "/args/id")
            );
            continue;
        };
        let known = all(reads, &key);
        // Nothing is made up, and nothing comes twice; the latest first.
        assert!(known.windows(2).all(|two| two[0].sequence > two[1].sequence));
        assert!(known.iter().all(|change| happened.contains(change)), "{known:?}");
        assert_eq!(
            (known.last(), known.first()),
            (happened.first(), happened.last()),
            "{key}"
        );
        let in_log = |change: &&Change| change.sequence >= oldest;
        assert!(
            happened
                .iter()
                .filter(in_log)
                .eq(known.iter().rev().filter(in_log)),
            "{key}"
        );
        let beyond = known.iter().filter(|change| !in_log(change)).count();
        assert!(beyond <= 2, "{beyond} of {key} are kept");
        // Pages are the same list.
        let (mut paged, mut cursor) = (Vec::new(), None);
        loop {
            let (some, total, next) = page(reads, &key, None, 2, cursor).unwrap();
            assert_eq!(total, known.len());
            paged.extend(some);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(paged, known);
        let middle = known[known.len() / 2].sequence;
        let (before, ..) = page(reads, &key, Some(middle), 1_000, None).unwrap();
        assert!(
            before
                .iter()
                .eq(known.iter().filter(|change| change.sequence < middle))
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_kept_of_a_history(steps in strategies::steps(30), changes_max in 0_u64..12) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let config = Config { changes_max, ..Config::default() };
        let mut running = Running::start(&data, &config);
        let mut happened: BTreeMap<EntityKey, Vec<Change>> = BTreeMap::new();
        let mut last = 0;
        for (n, step) in steps.iter().enumerate() {
            running.submit(&format!("m-{n}"), step).unwrap();
            for change in running.engine.reads().changes(last + 1, usize::MAX).unwrap() {
                last = change.sequence;
                prop_assert_eq!((change.actor.as_str(), change.cause.clone()), ("alice", format!("m-{n}")));
                happened.entry(change.event.key.clone()).or_default().push(change);
            }
            confirm(&running);
            check(running.engine.reads(), &happened);
        }

        // A snapshot carries it, and so does the data file.
        let file = folder.path().join("snapshot");
        running.engine.reads().write_archive(&file, BEGIN).unwrap();
        let copy = store::Config { directory: folder.path().join("copy"), ..store::Config::default() };
        let order = Order { replace: false, raise_epoch: false, standing: Standing::Undecided };
        install(&Archive::open(&file).unwrap(), &copy, order).unwrap();
        check(&read_only(&copy).unwrap(), &happened);
        running.crash();
        running = Running::start(&data, &config);
        check(running.engine.reads(), &happened);
        let known: Vec<Vec<Change>> = keys().map(|key| all(running.engine.reads(), &key)).collect();
        let oldest = running.engine.reads().changes(0, 1).unwrap().first().map_or(1, |change| change.sequence);
        running.drain();

        // A file of an older program has no such table: what its log has is found, and an entity that is there is known.
        let table: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("history");
        let database = redb::Database::open(data.join("domesday.redb")).unwrap();
        let writing = database.begin_write().unwrap();
        prop_assert!(writing.delete_table(table).unwrap());
        writing.commit().unwrap();
        drop(database);
        let running = Running::start(&data, &config);
        for (key, known) in keys().zip(known) {
            let in_log: Vec<Change> = known.into_iter().filter(|change| change.sequence >= oldest).collect();
            prop_assert_eq!(&all(running.engine.reads(), &key), &in_log);
            let is_there = super::super::model::read_model(&running.engine.reads().model).contains(&key);
            prop_assert_eq!(page(running.engine.reads(), &key, None, 1, None).is_ok(), is_there || !in_log.is_empty());
        }
    }
}

/// What is kept of an entity that is gone goes with its tombstone, once the log has forgotten it too.
#[test]
fn it_goes_with_the_tombstone() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicI64::new(BEGIN.0));
    let clock = Arc::clone(&now);
    let clock = Arc::new(move || Timestamp(clock.load(Ordering::SeqCst)));
    let config = Config {
        changes_max: 3,
        ..Config::default()
    };
    let running = Running::start_by(folder.path(), &config, clock);
    let remove = |message_id: &str, text: &str| {
        let command = Command::Remove {
            key: key(text),
            mode: RemoveMode::Restrict,
            expect_impact: None,
        };
        let expect = Expect::Anything;
        running.submit(message_id, &Step { command, expect }).unwrap();
        confirm(&running);
    };
    let put = |message_id: &str, text: &str| {
        running.put(message_id, text);
        confirm(&running);
    };
    put("m-1", "gone");
    remove("m-2", "gone");
    for n in 3..9 {
        put(&format!("m-{n}"), &format!("other-{n}"));
    }
    let kinds = |text: &str| -> Vec<&'static str> {
        all(running.engine.reads(), &key(text))
            .iter()
            .map(|change| change.event.kind())
            .collect()
    };
    assert_eq!(kinds("gone"), ["resource.removed", "resource.created"]);
    // One that is in the log when its tombstone goes is told until the log forgets it.
    remove("m-9", "other-3");
    now.fetch_add(31 * 86_400_000_000, Ordering::SeqCst);
    let deadline = Instant::now() + PATIENCE;
    while !kinds("gone").is_empty() {
        assert!(Instant::now() < deadline, "it is still there");
        running.engine.tick();
        std::thread::yield_now();
    }
    let problem = page(running.engine.reads(), &key("gone"), None, 10, None).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::NotFound);
    assert_eq!(kinds("other-3"), ["resource.removed"]);
    for n in 10..16 {
        put(&format!("m-{n}"), &format!("other-{n}"));
    }
    assert!(kinds("other-3").is_empty(), "{:?}", kinds("other-3"));
    assert_eq!(kinds("other-4"), ["resource.created"]);
    let problem = page(
        running.engine.reads(),
        &key("other-4"),
        None,
        10,
        Some("7x".to_owned()),
    )
    .unwrap_err();
    assert_eq!(
        (problem.kind, problem.pointer.as_str()),
        (ProblemKind::Invalid, "/cursor")
    );
}

/// However many are asked for, a page has a bound, and says where the next one begins.
#[test]
fn a_page_is_never_endless() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &Config::default());
    let mut waiting = Vec::new();
    for n in 0..1_005 {
        let mut step = super::putting("a");
        if let Command::Put { document, .. } = &mut step.command
            && let Document::Resource(resource) = document.as_mut()
        {
            resource.name = n.to_string();
        }
        waiting.push((format!("m-{n}"), step));
    }
    for some in waiting.chunks(500) {
        running.runtime.block_on(async {
            let mut receipts = Vec::new();
            for (message_id, step) in some {
                receipts.push(
                    running
                        .engine
                        .submit(super::envelope(message_id, step))
                        .await
                        .unwrap(),
                );
            }
            for receipt in receipts {
                receipt.await.unwrap();
            }
        });
    }
    let (first, total, next) = page(running.engine.reads(), &key("a"), None, usize::MAX, None).unwrap();
    assert_eq!((first.len(), total, next.as_deref()), (1_000, 1_005, Some("6")));
    let (rest, _, next) = page(running.engine.reads(), &key("a"), None, usize::MAX, next).unwrap();
    assert_eq!((rest.len(), next), (5, None));
}

/// A resource whose document has some 250 kB, another each time.
fn large(id: &str, n: usize) -> Step {
    let mut step = super::putting(id);
    if let Command::Put { document, .. } = &mut step.command
        && let Document::Resource(resource) = document.as_mut()
    {
        let text = format!("{n:06}").repeat(41_000);
        resource.attributes.insert("text".to_owned(), text.into());
    }
    step
}

/// Large documents make a page shorter, and none of them is left out.
#[test]
fn a_page_of_large_documents_ends_early() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path(), &Config::default());
    for n in 0..30 {
        running.submit(&format!("m-{n}"), &large("a", n)).unwrap();
    }
    let (mut sizes, mut sequences, mut cursor) = (Vec::new(), Vec::new(), None);
    loop {
        let (changes, total, next) = page(running.engine.reads(), &key("a"), None, 1_000, cursor).unwrap();
        assert_eq!(total, 30);
        sizes.push(changes.len());
        sequences.extend(changes.iter().map(|change| change.sequence));
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert!(sequences.into_iter().eq((1..=30).rev()), "{sizes:?}");
    // Each update holds two documents.
    assert_eq!(sizes, [18, 12]);
    let (one, ..) = page(running.engine.reads(), &key("a"), None, 1, None).unwrap();
    assert_eq!(one.len(), 1);
}

/// Both environments are in memory at once.
#[test]
fn environments_of_large_documents_are_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Running::setup(folder.path(), &Config::default());
    let limits = Limits::default();
    let running = Running::of(Setup { limits, ..setup });
    let environment = |id: &str, members: usize| {
        let environment = Environment {
            id: Id::parse(id).unwrap(),
            name: String::new(),
            description: String::new(),
            tags: Tags::default(),
            entrypoints: Vec::new(),
            status_endpoints: Vec::new(),
        };
        let members = (0..members).map(|n| Id::parse(&format!("r{n}")).unwrap());
        let command = Command::Put {
            document: Box::new(Document::Environment(environment)),
            members: Some(members.collect()),
        };
        let expect = Expect::Anything;
        running.submit(id, &Step { command, expect }).unwrap();
    };
    for n in 0..140 {
        running
            .submit(&format!("m-{n}"), &large(&format!("r{n}"), n))
            .unwrap();
    }
    environment("fits", 130);
    environment("is-too-large", 140);
    let compared = |left: &str, right: &str| {
        let question = Question::Compare {
            left: Id::parse(left).unwrap(),
            right: Id::parse(right).unwrap(),
        };
        let inquiry = Inquiry {
            question,
            at_least: None,
            limit: 10,
            cursor: None,
            deadline: None,
            moment: None,
        };
        running.engine.reads().answer(&inquiry, &Reach::Everything)
    };
    compared("fits", "fits").unwrap();
    let problem = compared("fits", "is-too-large").unwrap_err();
    assert_eq!(
        (problem.kind, problem.pointer.as_str()),
        (ProblemKind::LimitExceeded, "/args/right")
    );
    assert_eq!(
        problem.detail,
        "the resources of is-too-large have more than 33554432 bytes"
    );
}
