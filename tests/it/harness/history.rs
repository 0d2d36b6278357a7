//! What clients sent and were told, held against what the register says happened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use domesday::domain::{Change, Digest, EntityKey, EntityType, Id};
use domesday::store::{Config, Store};

use super::events::Event;

/// A place in the history: epoch and sequence.
pub(crate) type Place = (u64, u64);

/// A command that a client sent, which causes one event if it is carried out.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Its message id.
    pub(crate) id: String,
    /// When it was sent for the first time.
    pub(crate) at: Instant,
    /// The reply, if one came before the client gave it up.
    pub(crate) reply: Option<Told>,
}

/// A reply.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) at: Instant,
    pub(crate) place: Place,
    pub(crate) outcome: String,
}

/// An event, as a reader of the stream has it, or as a copy of the register has it on its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) place: Place,
    /// The message id of the command.
    pub(crate) cause: String,
    /// The type and the id of the entity.
    pub(crate) entity: (String, String),
    pub(crate) revision: u64,
}

impl From<&Event> for Happened {
    fn from(event: &Event) -> Self {
        let number = |name: &str| event.body[name].as_u64().expect("a number");
        let text = |name: &str| event.body[name].as_str().unwrap_or_default().to_owned();
        let entity = event.kind().split('.').next().unwrap_or_default();
        Self {
            place: (number("epoch"), number("sequence")),
            cause: text("cause"),
            entity: (entity.to_owned(), text("id")),
            revision: number("revision"),
        }
    }
}

impl From<&Change> for Happened {
    fn from(change: &Change) -> Self {
        let EntityKey { entity, id } = &change.event.key;
        Self {
            place: (change.epoch, change.sequence),
            cause: change.cause.clone(),
            entity: (entity.as_str().to_owned(), id.to_string()),
            revision: change.event.revision,
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A client was told that this command is carried out, and it is not.
    Lost(String),
    /// This command was carried out twice.
    Doubled(String),
    /// This command has a place before one whose reply had come when it was sent, or its epoch fell.
    Reordered(String),
    /// The reply to this command names another place than its event has.
    Misplaced(String),
    /// This command was answered, and not with `applied`.
    Refused(String, String),
    /// Nobody sent this command.
    Unknown(String),
    /// No event has this sequence.
    Hole(u64),
    /// Two events have this place.
    Ambiguous(Place),
    /// The entity's revision does not follow the one before.
    Revision(Place),
}

/// What counts of a stream of events: each once, in order, and without those that an instance published which was replaced
/// before another had them. An epoch begins after the last event of before that counts.
fn settled(stream: &[Happened], wrong: &mut Vec<Wrong>) -> Vec<Happened> {
    let mut by_place: BTreeMap<Place, &Happened> = BTreeMap::new();
    for event in stream {
        let known = by_place.entry(event.place).or_insert(event);
        if *known != event {
            wrong.push(Wrong::Ambiguous(event.place));
        }
    }
    let mut settled: Vec<Happened> = Vec::new();
    // From the highest epoch down, what is not below the first sequence of a later one is replaced.
    let mut below = u64::MAX;
    let mut epochs: Vec<u64> = by_place.keys().map(|(epoch, _)| *epoch).collect();
    epochs.dedup();
    for epoch in epochs.into_iter().rev() {
        let of_epoch = by_place.range((epoch, 0)..=(epoch, u64::MAX));
        let counts: Vec<_> = of_epoch.filter(|((_, sequence), _)| *sequence < below).collect();
        below = counts.first().map_or(below, |((_, sequence), _)| *sequence);
        settled.extend(counts.into_iter().rev().map(|(_, event)| (*event).clone()));
    }
    settled.reverse();
    settled
}

/// Holds what clients were told against the events; gives what is wrong, and the events that count.
pub(crate) fn check(sent: &[Sent], stream: &[Happened]) -> (Vec<Wrong>, Vec<Happened>) {
    let mut wrong = Vec::new();
    let log = settled(stream, &mut wrong);
    let mut expected = 1;
    let mut revisions: BTreeMap<&(String, String), u64> = BTreeMap::new();
    for event in &log {
        wrong.extend((expected..event.place.1).map(Wrong::Hole));
        expected = event.place.1 + 1;
        let before = revisions.insert(&event.entity, event.revision);
        if before.unwrap_or(0) + 1 != event.revision {
            wrong.push(Wrong::Revision(event.place));
        }
    }
    let mut places: BTreeMap<&str, Place> = BTreeMap::new();
    let known: BTreeSet<&str> = sent.iter().map(|sent| &*sent.id).collect();
    for event in &log {
        if places.insert(&event.cause, event.place).is_some() {
            wrong.push(Wrong::Doubled(event.cause.clone()));
        }
        if !known.contains(&*event.cause) {
            wrong.push(Wrong::Unknown(event.cause.clone()));
        }
    }
    for Sent { id, reply, .. } in sent {
        let Some(told) = reply else { continue };
        match places.get(&**id) {
            _ if told.outcome != "applied" => wrong.push(Wrong::Refused(id.clone(), told.outcome.clone())),
            None => wrong.push(Wrong::Lost(id.clone())),
            Some(place) if *place != told.place => wrong.push(Wrong::Misplaced(id.clone())),
            Some(_) => {}
        }
    }
    wrong.extend(reordered(sent));
    (wrong, log)
}

/// Whoever sends after a reply has come, to whichever client, gets a higher place.
fn reordered(sent: &[Sent]) -> Vec<Wrong> {
    let told = |sent: &Sent| sent.reply.as_ref().map(|told| (told.at, told.place));
    let mut replies: Vec<(Instant, Place)> = sent.iter().filter_map(told).collect();
    replies.sort();
    let mut answered: Vec<&Sent> = sent.iter().filter(|sent| sent.reply.is_some()).collect();
    answered.sort_by_key(|sent| sent.at);
    let mut before = replies.iter().peekable();
    let (mut epoch, mut sequence) = (0, 0);
    let mut wrong = Vec::new();
    for sent in answered {
        while let Some((_, place)) = before.next_if(|(at, _)| *at < sent.at) {
            (epoch, sequence) = (epoch.max(place.0), sequence.max(place.1));
        }
        let place = sent.reply.as_ref().map_or((0, 0), |told| told.place);
        if place.0 < epoch || place.1 <= sequence {
            wrong.push(Wrong::Reordered(sent.id.clone()));
        }
    }
    wrong
}

/// The digest of what the events come to, none of which removes anything.
pub(crate) fn digest(log: &[Happened]) -> String {
    let mut revisions = BTreeMap::new();
    for event in log {
        revisions.insert(&event.entity, event.revision);
    }
    let mut digest = Digest::default();
    for ((entity, id), revision) in revisions {
        let entity = EntityType::parse(entity).expect("a type");
        let id = Id::parse(id).expect("an id");
        digest.add(&EntityKey { entity, id }, revision);
    }
    digest.to_string()
}

/// A copy of the register as it lies on its disk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) place: Place,
    /// The last link of the chain of hashes over its history.
    pub(crate) link: Option<String>,
    /// Of the entities themselves, and not of the events.
    pub(crate) digest: String,
    pub(crate) log: Vec<Happened>,
}

impl Held {
    /// Reads the data directory of a server that does not run.
    pub(crate) fn read(directory: &Path) -> Self {
        let config = Config {
            directory: directory.to_owned(),
            ..Config::default()
        };
        let store = Store::open(&config, "none").expect("a register");
        let snapshot = store.snapshot().expect("a snapshot");
        let position = snapshot.identity().expect("an identity").position;
        let changes = snapshot.changes(1, usize::MAX).expect("the change log");
        let mut digest = Digest::default();
        for live in snapshot.all_live().expect("the entities") {
            let live = live.expect("an entity");
            digest.add(&live.document.key(), live.revision);
        }
        Self {
            place: (position.epoch, position.sequence),
            link: snapshot.link(position.sequence).expect("the chain"),
            digest: digest.to_string(),
            log: changes.iter().map(Happened::from).collect(),
        }
    }
}

mod tests {
    use std::time::{Duration, Instant};

    use super::{Happened, Sent, Told, Wrong, check};

    /// Three commands, one after the other, and a fourth that was given up.
    fn right() -> (Vec<Sent>, Vec<Happened>) {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let sent = |id: &str, ms, place: Option<(u64, u64)>| Sent {
            id: id.to_owned(),
            at: at(ms),
            reply: place.map(|place| Told {
                at: at(ms + 5),
                place,
                outcome: "applied".to_owned(),
            }),
        };
        let happened = |id: &str, place: (u64, u64)| Happened {
            place,
            cause: id.to_owned(),
            entity: ("resource".to_owned(), "x".to_owned()),
            revision: place.1,
        };
        let sent = vec![
            sent("a", 0, Some((1, 1))),
            sent("b", 10, Some((1, 2))),
            sent("c", 20, Some((2, 3))),
            sent("d", 30, None),
        ];
        let stream = vec![
            happened("a", (1, 1)),
            happened("b", (1, 2)),
            happened("c", (2, 3)),
        ];
        (sent, stream)
    }

    fn wrong(change: impl FnOnce(&mut Vec<Sent>, &mut Vec<Happened>)) -> Vec<Wrong> {
        let (mut sent, mut stream) = right();
        change(&mut sent, &mut stream);
        check(&sent, &stream).0
    }

    #[test]
    fn a_history_that_is_right_is_found_right() {
        assert_eq!(wrong(|_, _| {}), []);
        let published_again = wrong(|_, stream| stream.extend_from_within(1..));
        assert_eq!(published_again, []);
        let given_up_and_carried_out = wrong(|_, stream| {
            let last = stream[2].clone();
            stream.push(Happened {
                place: (2, 4),
                cause: "d".to_owned(),
                revision: 4,
                ..last
            });
        });
        assert_eq!(given_up_and_carried_out, []);
        let replaced = wrong(|_, stream| {
            let last = stream[2].clone();
            for sequence in [3, 4] {
                let place = (1, sequence);
                let cause = "d".to_owned();
                let last = last.clone();
                stream.insert(2, Happened { place, cause, ..last });
            }
        });
        assert_eq!(replaced, [], "nobody was told of what a replaced instance did");
    }

    #[test]
    fn what_is_lost_is_found() {
        let gone = wrong(|_, stream| drop(stream.pop()));
        assert_eq!(gone, [Wrong::Lost("c".to_owned())]);
        let hole = wrong(|_, stream| drop(stream.remove(1)));
        assert!(hole.contains(&Wrong::Lost("b".to_owned())) && hole.contains(&Wrong::Hole(2)));
        let replaced = wrong(|sent, stream| {
            // It was answered by an instance that was replaced, as the fourth command was carried out in its place.
            stream[1].place = (1, 3);
            stream[2].place = (2, 2);
            stream[2].revision = 2;
            sent.truncate(3);
        });
        assert!(replaced.contains(&Wrong::Lost("b".to_owned())), "{replaced:?}");
    }

    #[test]
    fn what_is_done_twice_is_found() {
        let doubled = wrong(|_, stream| {
            let last = stream[2].clone();
            let place = (2, 4);
            let (cause, revision) = ("a".to_owned(), 4);
            stream.push(Happened {
                place,
                cause,
                revision,
                ..last
            });
        });
        assert!(doubled.contains(&Wrong::Doubled("a".to_owned())), "{doubled:?}");
        let ambiguous = wrong(|_, stream| {
            let mut again = stream[0].clone();
            again.cause = "d".to_owned();
            stream.push(again);
        });
        assert_eq!(ambiguous, [Wrong::Ambiguous((1, 1))]);
    }

    #[test]
    fn what_changes_places_is_found() {
        let reordered = wrong(|sent, stream| {
            for (at, place) in [(0, (1, 2)), (1, (1, 1))] {
                stream[at].cause = sent[1 - at].id.clone();
                sent[at].reply.as_mut().unwrap().place = place;
            }
        });
        assert_eq!(reordered, [Wrong::Reordered("b".to_owned())]);
        let misplaced = wrong(|sent, _| sent[2].reply.as_mut().unwrap().place = (2, 7));
        assert_eq!(misplaced, [Wrong::Misplaced("c".to_owned())]);
        let epoch_fell = wrong(|sent, stream| {
            sent[2].reply.as_mut().unwrap().place = (0, 3);
            stream[2].place = (0, 3);
        });
        assert!(
            epoch_fell.contains(&Wrong::Reordered("c".to_owned())),
            "{epoch_fell:?}"
        );
    }

    #[test]
    fn what_nobody_sent_and_what_is_refused_is_found() {
        let unknown = wrong(|sent, stream| {
            stream[2].cause = "e".to_owned();
            sent[2].reply = None;
        });
        assert_eq!(unknown, [Wrong::Unknown("e".to_owned())]);
        let refused = wrong(|sent, _| sent[2].reply.as_mut().unwrap().outcome = "rejected".to_owned());
        assert_eq!(refused, [Wrong::Refused("c".to_owned(), "rejected".to_owned())]);
        let skipped = wrong(|_, stream| stream[2].revision = 4);
        assert_eq!(skipped, [Wrong::Revision((2, 3))]);
    }
}
