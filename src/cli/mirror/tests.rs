//! The copy against random registers: commands, syncs, duplicates, holes, refusals and crashes, in any interleaving.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;
use serde_json::{Value, json};

use super::copy::{Copy, Deed, News, Step};
use super::heard::{Change, Event, Fact, Heard};
use crate::domain::{Digest, EntityKey, EntityType, Id};
use crate::wire::shape::CursorBody;

/// An entity: its revision, its document, its members.
type Row = (u64, Value, BTreeSet<String>);

/// A register that is as simple as can be, and its log.
#[derive(Default)]
struct Register {
    rows: BTreeMap<EntityKey, Row>,
    /// Revisions go on after a removal.
    past: BTreeMap<EntityKey, u64>,
    log: Vec<Event>,
    epoch: u64,
    /// Events up to here are not there any more.
    trimmed: usize,
}

fn id(n: u8) -> Id {
    Id::parse(&format!("e{}", n % 5)).unwrap()
}

impl Register {
    fn at(&self) -> CursorBody {
        CursorBody {
            cluster: "c".to_owned(),
            epoch: self.epoch,
            sequence: self.log.len() as u64,
        }
    }

    fn digest(&self) -> String {
        let mut digest = Digest::default();
        for (key, row) in &self.rows {
            digest.add(key, row.0);
        }
        digest.to_string()
    }

    fn emit(&mut self, key: &EntityKey, revision: u64, kind: &str, fact: Fact) {
        let mut at = self.at();
        at.sequence += 1;
        self.log.push(Event {
            at,
            kind: format!("{}.{kind}", key.entity),
            change: Some(Change {
                key: key.clone(),
                revision,
                fact,
            }),
            bytes: 1,
        });
    }

    fn put(&mut self, entity: EntityType, n: u8, value: u8) {
        let key = EntityKey { entity, id: id(n) };
        let document = json!({"id": key.id.as_str(), "value": value});
        if let Some(row) = self.rows.get_mut(&key) {
            row.0 += 1;
            row.1 = document.clone();
            let revision = row.0;
            self.emit(&key, revision, "updated", Fact::Updated(document));
        } else {
            let revision = self.past.get(&key).copied().unwrap_or(0) + 1;
            self.rows
                .insert(key.clone(), (revision, document.clone(), BTreeSet::new()));
            self.emit(&key, revision, "created", Fact::Came(document));
        }
    }

    fn link(&mut self, n: u8, resource: u8) {
        let key = EntityKey::environment(id(n));
        let Some(row) = self.rows.get_mut(&key) else {
            return;
        };
        row.0 += 1;
        let revision = row.0;
        let member = id(resource).to_string();
        if row.2.insert(member.clone()) {
            self.emit(&key, revision, "linked", Fact::Linked(vec![member]));
        } else {
            row.2.remove(&member);
            self.emit(&key, revision, "unlinked", Fact::Unlinked(vec![member]));
        }
    }

    fn remove(&mut self, entity: EntityType, n: u8) {
        let key = EntityKey { entity, id: id(n) };
        if let Some((revision, ..)) = self.rows.remove(&key) {
            self.past.insert(key.clone(), revision + 1);
            self.emit(&key, revision + 1, "removed", Fact::Removed);
        }
    }

    /// Back to an older state under a new epoch, as after a restore from a backup.
    fn restore(&mut self) {
        self.epoch += 1;
        self.trimmed = self.log.len();
        for row in self.rows.values_mut() {
            row.0 = row.0.saturating_sub(1).max(1);
        }
        self.rows.pop_first();
    }

    fn sync(&self, cursor: Option<&CursorBody>) -> Vec<Heard> {
        let at = self.at();
        let resumed = cursor.filter(|cursor| {
            cursor.epoch == self.epoch
                && cursor.sequence >= self.trimmed as u64
                && cursor.sequence <= at.sequence
        });
        let mut messages = Vec::new();
        if let Some(cursor) = resumed {
            let missed = self.log.iter().skip(usize::try_from(cursor.sequence).unwrap());
            messages.extend(missed.cloned().map(Heard::Event));
        } else {
            for (key, (revision, document, members)) in &self.rows {
                messages.push(Heard::State {
                    at: at.clone(),
                    key: key.clone(),
                    revision: *revision,
                    document: document.clone(),
                });
                for member in members {
                    messages.push(Heard::Members {
                        at: at.clone(),
                        key: key.clone(),
                        revision: *revision,
                        resources: vec![member.clone()],
                    });
                }
            }
        }
        let begin = Heard::Begin {
            at: at.clone(),
            full: resumed.is_none(),
            count: messages.len() as u64,
        };
        messages.insert(0, begin);
        messages.push(Heard::End {
            at,
            digest: self.digest(),
        });
        messages
    }
}

/// The files, as steps leave them.
type Files = BTreeMap<EntityKey, Row>;

fn apply(files: &mut Files, step: Step) -> Result<(), EntityKey> {
    let Step { key, deed, .. } = step;
    match deed {
        Deed::Delete => drop(files.remove(&key)),
        Deed::Write {
            revision,
            document,
            members,
        } => {
            let members = match members {
                Some(members) => members,
                None if key.entity == EntityType::Resource => BTreeSet::new(),
                None => files.get(&key).ok_or(key.clone())?.2.clone(),
            };
            files.insert(key, (revision, document, members));
        }
        Deed::Link {
            revision,
            resources,
            linked,
        } => {
            let row = files.get_mut(&key).ok_or(key)?;
            row.0 = revision;
            for resource in resources {
                if linked {
                    row.2.insert(resource);
                } else {
                    row.2.remove(&resource);
                }
            }
        }
    }
    Ok(())
}

/// A reader with its files, its two queues, and the cursor that was written last.
struct Reader {
    copy: Copy,
    files: Files,
    saved: Option<CursorBody>,
    /// The files as they were when somebody put them into a repository.
    older: Files,
    live: VecDeque<Heard>,
    inbox: VecDeque<Heard>,
    asking: bool,
    proved: Option<u64>,
    asked: u32,
}

impl Reader {
    fn new() -> Self {
        Self {
            copy: Copy::new([], None),
            files: Files::new(),
            saved: None,
            older: Files::new(),
            live: VecDeque::new(),
            inbox: VecDeque::new(),
            asking: true,
            proved: None,
            asked: 0,
        }
    }

    fn ask(&mut self, register: &Register) {
        if std::mem::take(&mut self.asking) {
            self.copy.ask();
            self.inbox = register.sync(self.copy.cursor()).into();
            self.asked += 1;
        }
    }

    fn hear(&mut self, heard: Heard) {
        let (mut steps, mut news) = (Vec::new(), Vec::new());
        self.copy.hear(heard, &mut steps, &mut news);
        if matches!(news.first(), Some(News::Began { full: true, .. })) {
            self.saved = None;
        }
        for step in steps {
            if let Err(key) = apply(&mut self.files, step) {
                news = vec![self.copy.damaged(&key)];
                break;
            }
        }
        for news in news {
            match news {
                News::Ask(_) => self.asking = true,
                News::Proved { sequence } => {
                    self.proved = Some(sequence);
                    self.saved = self.copy.cursor().cloned();
                }
                News::Following => self.inbox.clear(),
                News::Began { .. } => {}
                News::Hopeless { sequence } => panic!("hopeless at {sequence}"),
            }
        }
    }

    fn crash(&mut self) {
        let held: Vec<_> = self.files.iter().map(|(key, row)| (key.clone(), row.0)).collect();
        self.copy = Copy::new(held, self.saved.clone());
        self.inbox.clear();
        self.live.clear();
        self.asking = true;
    }
}

#[derive(Debug, Clone)]
enum Action {
    Put(EntityType, u8, u8),
    Link(u8, u8),
    Remove(EntityType, u8),
    Bookmark,
    HearLive,
    HearSync,
    Duplicate,
    Lose,
    /// The inbox refuses a message, takes those after it, and all come again.
    Refuse(u8),
    Save,
    Crash,
    Trim,
    Restore,
    /// Somebody deletes a file while the reader is not looking, or edits it into nothing.
    Damage(u8),
    /// Somebody puts the files into a repository.
    Keep,
    /// Somebody takes a file out of a repository, as it was before.
    Rewind(u8),
}

fn action() -> impl Strategy<Value = Action> {
    let entity = || prop_oneof![Just(EntityType::Environment), Just(EntityType::Resource)];
    prop_oneof![
        6 => (entity(), any::<u8>(), any::<u8>()).prop_map(|(entity, n, v)| Action::Put(entity, n, v)),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(n, m)| Action::Link(n, m)),
        3 => (entity(), any::<u8>()).prop_map(|(entity, n)| Action::Remove(entity, n)),
        2 => Just(Action::Bookmark),
        12 => Just(Action::HearLive),
        16 => Just(Action::HearSync),
        2 => Just(Action::Duplicate),
        1 => Just(Action::Lose),
        1 => any::<u8>().prop_map(Action::Refuse),
        2 => Just(Action::Save),
        1 => Just(Action::Crash),
        1 => Just(Action::Trim),
        1 => Just(Action::Restore),
        1 => any::<u8>().prop_map(Action::Damage),
        1 => Just(Action::Keep),
        2 => any::<u8>().prop_map(Action::Rewind),
    ]
}

fn act(action: &Action, register: &mut Register, reader: &mut Reader) {
    let known = register.log.len();
    match *action {
        Action::Put(entity, n, value) => register.put(entity, n, value),
        Action::Link(n, resource) => register.link(n, resource),
        Action::Remove(entity, n) => register.remove(entity, n),
        Action::Bookmark => reader.live.push_back(Heard::Bookmark {
            at: register.at(),
            digest: register.digest(),
        }),
        Action::HearLive => {
            if let Some(heard) = reader.live.pop_front() {
                reader.hear(heard);
            }
        }
        Action::HearSync => {
            if let Some(heard) = reader.inbox.pop_front() {
                reader.hear(heard);
            }
        }
        Action::Duplicate => {
            if let Some(heard) = reader.live.front().cloned() {
                reader.live.push_front(heard);
            }
        }
        Action::Lose => drop(reader.live.pop_front()),
        Action::Refuse(n) => {
            // The end is sent only when all before it is there.
            let end = reader.inbox.pop_back();
            let from = usize::from(n) % reader.inbox.len().max(1);
            let again: Vec<Heard> = reader.inbox.iter().skip(from).cloned().collect();
            if !again.is_empty() {
                reader.inbox.remove(from);
            }
            reader.inbox.extend(again);
            reader.inbox.extend(end);
        }
        Action::Save => reader.saved = reader.copy.cursor().cloned(),
        Action::Keep => {
            // Revisions of another epoch could be mistaken for those of this one.
            let cursor = reader.copy.cursor();
            if cursor.is_some_and(|at| at.epoch == register.epoch) {
                reader.older = reader.files.clone();
            }
        }
        Action::Crash => reader.crash(),
        Action::Trim => register.trimmed = register.log.len(),
        Action::Restore => {
            register.restore();
            reader.older.clear();
        }
        Action::Damage(n) => {
            let key = reader.files.keys().nth(usize::from(n) % 7).cloned();
            if let Some(key) = key {
                reader.files.remove(&key);
                reader.crash();
            }
        }
        Action::Rewind(n) => {
            let row = reader.older.iter().nth(usize::from(n) % 7);
            if let Some((key, row)) = row.map(|(key, row)| (key.clone(), row.clone())) {
                reader.files.insert(key, row);
                reader.crash();
            }
        }
    }
    for event in register.log.iter().skip(known) {
        reader.live.push_back(Heard::Event(event.clone()));
    }
    reader.ask(register);
}

proptest! {
    #![proptest_config(Config { cases: 300, ..Config::default() })]

    #[test]
    fn the_copy_becomes_the_register(actions in vec(action(), 0..200)) {
        let mut register = Register { epoch: 1, ..Register::default() };
        let mut reader = Reader::new();
        reader.ask(&register);
        for action in &actions {
            act(action, &mut register, &mut reader);
        }
        // Peace: all that is on its way arrives, and a bookmark after it.
        let asked = reader.asked;
        for _ in 0..8 {
            act(&Action::Bookmark, &mut register, &mut reader);
            while !reader.live.is_empty() || !reader.inbox.is_empty() {
                act(&Action::HearSync, &mut register, &mut reader);
                act(&Action::HearLive, &mut register, &mut reader);
            }
        }
        assert_eq!(reader.proved, Some(register.log.len() as u64), "proved in the end");
        assert_eq!(&reader.files, &register.rows, "the files are the register");
        assert_eq!(reader.copy.digest().to_string(), register.digest());
        assert!(reader.asked - asked <= 4, "{} syncs in peace", reader.asked - asked);
    }

    /// One queue for both, as the contract has it, instead of two.
    #[test]
    fn a_sync_may_come_through_the_queue_of_the_events(
        before in vec(action(), 0..40),
        during in vec(action(), 1..40),
        places in vec(any::<u8>(), 1..40),
    ) {
        let mut register = Register { epoch: 1, ..Register::default() };
        let mut reader = Reader::new();
        for action in &before {
            if matches!(action, Action::Put(..) | Action::Link(..) | Action::Remove(..)) {
                act(action, &mut register, &mut reader);
            }
        }
        reader.live.clear();
        reader.asking = true;
        reader.ask(&register);
        let sync: Vec<Heard> = reader.inbox.drain(..).collect();
        for action in &during {
            if matches!(action, Action::Put(..) | Action::Link(..) | Action::Remove(..)) {
                act(action, &mut register, &mut reader);
            }
        }
        let mut live: VecDeque<Heard> = reader.live.drain(..).collect();
        let mut places = places.iter().cycle();
        for heard in sync {
            for _ in 0..places.next().unwrap() % 3 {
                if let Some(event) = live.pop_front() {
                    reader.hear(event);
                }
            }
            reader.hear(heard);
        }
        for event in live {
            reader.hear(event);
        }
        assert!(!reader.asking, "nothing was missed");
        reader.hear(Heard::Bookmark { at: register.at(), digest: register.digest() });
        assert_eq!(reader.proved, Some(register.log.len() as u64));
        assert_eq!(&reader.files, &register.rows);
    }
}
