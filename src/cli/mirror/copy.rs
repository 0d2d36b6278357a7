//! The copy as a state machine: messages in, steps on files out. It knows no file and no broker.
//!
//! ```text
//!            Asked ── sync.begin ok ──────────► Resuming ─┐
//!   start ─►   ▲  └── sync.begin behind, reset ► Filling ─┤ sync.end, digest equal
//!              └──── a hole, a difference ◄──── Following ◄┘
//! ```
//!
//! Live events may come at any time. While a sync is under way those above its sequence are held back, up to a bound;
//! what is beyond the bound is let go of, since the hole that it leaves is noticed and filled by the next sync. So a
//! state can never overwrite something newer, and nothing needs to be remembered of what was removed meanwhile.
//! Nothing is deleted before the digest has proved that the state which lacks it is complete.

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde_json::Value;

use crate::domain::{Digest, EntityKey, EntityType};
use crate::wire::shape::CursorBody;

use super::heard::{Change, Event, Fact, Heard};

/// Live events that are held back during a sync: how many, and about how many bytes.
const HELD_BACK_MAX: (usize, usize) = (10_000, 32 * 1024 * 1024);
/// How often in a row resuming may end short of what was promised before the whole state is asked for.
const FUTILE_MAX: u32 = 3;

/// One thing to do to one file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// Whose file.
    pub(super) key: EntityKey,
    /// What to do.
    pub(super) deed: Deed,
    /// The type of the message that wants it.
    pub(super) kind: String,
    /// Its sequence.
    pub(super) sequence: u64,
}

/// What to do to a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Deed {
    /// Write it whole.
    Write {
        /// The revision of the entity.
        revision: u64,
        /// Its document.
        document: Value,
        /// The members of an environment; none keeps those that the file has.
        members: Option<BTreeSet<String>>,
    },
    /// Put resources into an environment, or take them out.
    Link {
        /// The revision of the environment.
        revision: u64,
        /// Which resources.
        resources: Vec<String>,
        /// Whether they are in it now.
        linked: bool,
    },
    /// Delete it.
    Delete,
}

/// What a message meant beside its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// A sync has begun.
    Began {
        /// Whether it brings the whole state.
        full: bool,
        /// How many entities or events it brings.
        count: u64,
        /// As of which sequence.
        sequence: u64,
    },
    /// The sync is complete and what is live is followed.
    Following,
    /// The copy equals the register as of this sequence.
    Proved {
        /// As of which sequence.
        sequence: u64,
    },
    /// Ask for a sync, with [`Copy::cursor`].
    Ask(Why),
    /// The whole state does not have the digest that it should have, again.
    Hopeless {
        /// As of which sequence.
        sequence: u64,
    },
}

/// Why a sync is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Events were missed.
    Hole,
    /// The events are of another cluster or epoch.
    Elsewhere,
    /// The digest of the copy is not that of the register.
    Differs,
    /// A file was changed by others, or is not there.
    Damaged,
}

/// What is held of one entity.
#[derive(Debug, Clone, Copy)]
struct Held {
    revision: u64,
    /// In which full sync it was last seen.
    pass: u32,
}

/// How far the copy is.
#[derive(Debug)]
enum Phase {
    Asked,
    Resuming { at: CursorBody },
    Filling(Filling),
    Following,
}

/// A full sync under way.
#[derive(Debug)]
struct Filling {
    at: CursorBody,
    /// Of what was seen.
    digest: Digest,
    /// An environment whose members still come.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    key: EntityKey,
    revision: u64,
    document: Value,
    members: BTreeSet<String>,
}

/// The copy. It holds a revision for each entity; the documents are in the files.
#[derive(Debug)]
pub(super) struct Copy {
    held: HashMap<EntityKey, Held>,
    digest: Digest,
    position: Option<CursorBody>,
    phase: Phase,
    pass: u32,
    back: VecDeque<Event>,
    back_bytes: usize,
    repairing: bool,
    futile: u32,
}

impl Copy {
    /// A copy as it was found: what it holds, and how far it had come.
    pub(super) fn new(
        held: impl IntoIterator<Item = (EntityKey, u64)>,
        position: Option<CursorBody>,
    ) -> Self {
        let mut copy = Self {
            held: HashMap::new(),
            digest: Digest::default(),
            position,
            phase: Phase::Asked,
            pass: 0,
            back: VecDeque::new(),
            back_bytes: 0,
            repairing: false,
            futile: 0,
        };
        for (key, revision) in held {
            copy.hold(&key, revision);
        }
        copy
    }

    /// How far it has come; none where only the whole state helps.
    pub(super) const fn cursor(&self) -> Option<&CursorBody> {
        self.position.as_ref()
    }

    /// How many entities it holds.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// The digest of what it holds.
    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    /// A sync is asked for, and what an earlier one has not brought will not come.
    pub(super) fn ask(&mut self) {
        self.phase = Phase::Asked;
    }

    /// The file of this entity is not as it was left: only the whole state helps.
    pub(super) fn damaged(&mut self, key: &EntityKey) -> News {
        // No entity has this revision, so no digest can prove it.
        self.hold(key, 0);
        self.position = None;
        self.ask();
        News::Ask(Why::Damaged)
    }

    /// Takes one message in.
    pub(super) fn hear(&mut self, heard: Heard, steps: &mut Vec<Step>, news: &mut Vec<News>) {
        match heard {
            Heard::Begin { at, full, count } => {
                let sequence = at.sequence;
                self.begin(at, full);
                news.push(News::Began {
                    full,
                    count,
                    sequence,
                });
            }
            Heard::State {
                at,
                key,
                revision,
                document,
            } => self.state(&at, &key, revision, document, steps),
            Heard::Members {
                at,
                key,
                revision,
                resources,
            } => self.members(&at, &key, revision, resources, steps),
            Heard::End { at, digest } => self.end(&at, &digest, steps, news),
            Heard::Event(event) => self.event(event, steps, news),
            Heard::Bookmark { at, digest } => self.bookmark(&at, &digest, news),
            Heard::Refused(_) | Heard::Other => {}
        }
    }

    fn begin(&mut self, at: CursorBody, full: bool) {
        if full {
            // Until its end there is no sequence that the copy is true as of.
            self.position = None;
            self.pass += 1;
            self.phase = Phase::Filling(Filling {
                at,
                digest: Digest::default(),
                open: None,
            });
        } else {
            self.phase = Phase::Resuming { at };
        }
    }

    fn state(
        &mut self,
        at: &CursorBody,
        key: &EntityKey,
        revision: u64,
        document: Value,
        steps: &mut Vec<Step>,
    ) {
        self.close(steps);
        let Phase::Filling(filling) = &mut self.phase else {
            return;
        };
        if filling.at != *at {
            return;
        }
        // A message that comes twice must not count twice.
        if let Some(before) = self.held.get(key)
            && before.pass == self.pass
        {
            filling.digest.subtract(key, before.revision);
        }
        filling.digest.add(key, revision);
        if key.entity == EntityType::Environment {
            filling.open = Some(Open {
                key: key.clone(),
                revision,
                document,
                members: BTreeSet::new(),
            });
        } else {
            let deed = Deed::Write {
                revision,
                document,
                members: None,
            };
            steps.push(step(key, deed, "resource.state", at));
        }
        self.hold(key, revision);
    }

    /// Members come after their environment. Where the queue refused a message for a while, some come once more, later.
    fn members(
        &mut self,
        at: &CursorBody,
        key: &EntityKey,
        revision: u64,
        resources: Vec<String>,
        steps: &mut Vec<Step>,
    ) {
        let Phase::Filling(filling) = &mut self.phase else {
            return;
        };
        let seen = self
            .held
            .get(key)
            .is_some_and(|held| held.pass == self.pass && held.revision == revision);
        if filling.at != *at || !seen {
            return;
        }
        if let Some(open) = filling.open.as_mut().filter(|open| open.key == *key) {
            open.members.extend(resources);
            return;
        }
        let deed = Deed::Link {
            revision,
            resources,
            linked: true,
        };
        steps.push(step(key, deed, "environment.state", at));
    }

    /// An environment is complete when something else comes: its file is written once, with all its members.
    fn close(&mut self, steps: &mut Vec<Step>) {
        if let Phase::Filling(filling) = &mut self.phase
            && let Some(open) = filling.open.take()
        {
            let deed = Deed::Write {
                revision: open.revision,
                document: open.document,
                members: Some(open.members),
            };
            steps.push(step(&open.key, deed, "environment.state", &filling.at));
        }
    }

    fn end(&mut self, at: &CursorBody, digest: &str, steps: &mut Vec<Step>, news: &mut Vec<News>) {
        self.close(steps);
        match &self.phase {
            Phase::Filling(filling) if filling.at == *at => {
                if filling.digest.to_string() != digest {
                    return self.differs(at.sequence, news);
                }
                self.let_go(at, steps);
                self.position = Some(at.clone());
            }
            Phase::Resuming { at: promised } if promised == at => {
                if self.position.as_ref() != Some(at) {
                    return self.fell_short(news);
                }
                if self.digest.to_string() != digest {
                    return self.differs(at.sequence, news);
                }
            }
            _ => return,
        }
        self.phase = Phase::Following;
        self.futile = 0;
        self.repairing = false;
        news.push(News::Proved {
            sequence: at.sequence,
        });
        news.push(News::Following);
        self.back_bytes = 0;
        for event in std::mem::take(&mut self.back) {
            self.event(event, steps, news);
        }
    }

    /// What the complete state did not hold is gone.
    fn let_go(&mut self, at: &CursorBody, steps: &mut Vec<Step>) {
        let pass = self.pass;
        let gone = self.held.iter().filter(|(_, held)| held.pass != pass);
        let mut gone: Vec<EntityKey> = gone.map(|(key, _)| key.clone()).collect();
        gone.sort();
        for key in gone {
            self.drop_held(&key);
            let kind = format!("{}.removed", key.entity);
            steps.push(step(&key, Deed::Delete, &kind, at));
        }
    }

    fn differs(&mut self, sequence: u64, news: &mut Vec<News>) {
        self.position = None;
        self.ask();
        if self.repairing {
            news.push(News::Hopeless { sequence });
        } else {
            self.repairing = true;
            news.push(News::Ask(Why::Differs));
        }
    }

    fn fell_short(&mut self, news: &mut Vec<News>) {
        self.futile += 1;
        if self.futile >= FUTILE_MAX {
            self.position = None;
        }
        self.ask();
        news.push(News::Ask(Why::Hole));
    }

    fn bookmark(&mut self, at: &CursorBody, digest: &str, news: &mut Vec<News>) {
        let (Phase::Following, Some(position)) = (&self.phase, &self.position) else {
            return;
        };
        match order(position, at) {
            Order::Past => {}
            Order::Here if self.digest.to_string() == digest => news.push(News::Proved {
                sequence: at.sequence,
            }),
            Order::Here => self.differs(at.sequence, news),
            // It comes after the events that it covers: some were missed.
            Order::Next | Order::Later => self.miss(Why::Hole, news),
            Order::Elsewhere => self.miss(Why::Elsewhere, news),
        }
    }

    fn miss(&mut self, why: Why, news: &mut Vec<News>) {
        self.ask();
        news.push(News::Ask(why));
    }

    fn event(&mut self, event: Event, steps: &mut Vec<Step>, news: &mut Vec<News>) {
        let position = self.position.as_ref();
        match &self.phase {
            Phase::Following => match position.map(|position| order(position, &event.at)) {
                Some(Order::Past | Order::Here) => {}
                Some(Order::Next) => self.apply(event, steps, news),
                Some(Order::Later) | None => {
                    self.hold_back(event);
                    self.miss(Why::Hole, news);
                }
                Some(Order::Elsewhere) => self.miss(Why::Elsewhere, news),
            },
            Phase::Resuming { at } => match (order(at, &event.at), position) {
                (Order::Next | Order::Later, _) => self.hold_back(event),
                // Out of its turn: where the queue refused a message for a while, all after it come again.
                (Order::Past | Order::Here, Some(position)) if order(position, &event.at) == Order::Next => {
                    self.apply(event, steps, news);
                }
                _ => {}
            },
            Phase::Filling(filling) => {
                if matches!(order(&filling.at, &event.at), Order::Next | Order::Later) {
                    self.hold_back(event);
                }
            }
            Phase::Asked => self.hold_back(event),
        }
    }

    /// Keeps an event for after the sync. Without room it goes, and leaves a hole that is noticed.
    fn hold_back(&mut self, event: Event) {
        let (count, bytes) = HELD_BACK_MAX;
        if self.back.len() < count && self.back_bytes < bytes {
            self.back_bytes += event.bytes;
            self.back.push_back(event);
        }
    }

    fn apply(&mut self, event: Event, steps: &mut Vec<Step>, news: &mut Vec<News>) {
        let Event { at, kind, change, .. } = event;
        if let Some(change) = change {
            let Change { key, revision, fact } = change;
            let before = self.held.get(&key).map(|held| held.revision);
            // What was applied before a crash comes again, since the cursor is written after the files.
            if before.is_none_or(|before| before < revision) {
                let whole = matches!(fact, Fact::Came(_) | Fact::Removed);
                let partial = key.entity == EntityType::Environment && !whole;
                match before {
                    // Not there: it was removed since, or the digest will say that it is missing.
                    None if partial => {}
                    Some(before) if partial && before + 1 != revision => {
                        let damaged = self.damaged(&key);
                        return news.push(damaged);
                    }
                    _ => self.change(&key, revision, fact, (&kind, &at), steps),
                }
            }
        }
        self.position = Some(at);
    }

    fn change(
        &mut self,
        key: &EntityKey,
        revision: u64,
        fact: Fact,
        (kind, at): (&str, &CursorBody),
        steps: &mut Vec<Step>,
    ) {
        let deed = match fact {
            Fact::Came(document) => Deed::Write {
                revision,
                document,
                members: (key.entity == EntityType::Environment).then(BTreeSet::new),
            },
            Fact::Updated(document) => Deed::Write {
                revision,
                document,
                members: None,
            },
            Fact::Linked(resources) => Deed::Link {
                revision,
                resources,
                linked: true,
            },
            Fact::Unlinked(resources) => Deed::Link {
                revision,
                resources,
                linked: false,
            },
            Fact::Removed => Deed::Delete,
        };
        if matches!(deed, Deed::Delete) {
            if !self.drop_held(key) {
                return;
            }
        } else {
            self.hold(key, revision);
        }
        steps.push(step(key, deed, kind, at));
    }

    fn hold(&mut self, key: &EntityKey, revision: u64) {
        let pass = self.pass;
        if let Some(before) = self.held.insert(key.clone(), Held { revision, pass }) {
            self.digest.subtract(key, before.revision);
        }
        self.digest.add(key, revision);
    }

    fn drop_held(&mut self, key: &EntityKey) -> bool {
        let Some(before) = self.held.remove(key) else {
            return false;
        };
        self.digest.subtract(key, before.revision);
        true
    }
}

fn step(key: &EntityKey, deed: Deed, kind: &str, at: &CursorBody) -> Step {
    Step {
        key: key.clone(),
        deed,
        kind: kind.to_owned(),
        sequence: at.sequence,
    }
}

/// Where something is, seen from a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Past,
    Here,
    Next,
    Later,
    /// Another cluster, or another epoch, whose sequences cannot be compared.
    Elsewhere,
}

fn order(position: &CursorBody, other: &CursorBody) -> Order {
    if position.cluster != other.cluster || other.epoch > position.epoch {
        return Order::Elsewhere;
    }
    if other.epoch < position.epoch || other.sequence < position.sequence {
        return Order::Past;
    }
    match other.sequence - position.sequence {
        0 => Order::Here,
        1 => Order::Next,
        _ => Order::Later,
    }
}
