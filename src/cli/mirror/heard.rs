//! What a reader of events hears, read from messages: events, bookmarks, and the messages of a sync.

use serde::Deserialize;
use serde_json::Value;

use crate::broker::Message;
use crate::domain::{EntityKey, EntityType, Id};
use crate::wire::shape::{BookmarkBody, CursorBody, LinksBody, ProblemBody, StateBody, SyncEndBody};
use crate::wire::{self, ShapeFault};

/// One message, as far as a copy is concerned.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// A sync begins.
    Begin {
        /// All of it is true as of this.
        at: CursorBody,
        /// Whether the whole state follows, or only the events that were missed.
        full: bool,
        /// How many entities, or events, follow.
        count: u64,
    },
    /// The state of one entity.
    State {
        /// The state is true as of this.
        at: CursorBody,
        /// Which entity.
        key: EntityKey,
        /// Its revision.
        revision: u64,
        /// Its document.
        document: Value,
    },
    /// Some of the resources in an environment.
    Members {
        /// The state is true as of this.
        at: CursorBody,
        /// Which environment.
        key: EntityKey,
        /// Its revision.
        revision: u64,
        /// The ids of some of its resources.
        resources: Vec<String>,
    },
    /// A sync is complete.
    End {
        /// All of it is true as of this.
        at: CursorBody,
        /// The digest of all entities.
        digest: String,
    },
    /// Something became true.
    Event(Event),
    /// Where the register is, and its digest.
    Bookmark {
        /// Where it is.
        at: CursorBody,
        /// The digest of all entities.
        digest: String,
    },
    /// Our question was refused.
    Refused(Box<ProblemBody>),
    /// Nothing that a copy needs to know.
    Other,
}

/// An event: it takes a sequence of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// Its place among all events.
    pub(super) at: CursorBody,
    /// Its type.
    pub(super) kind: String,
    /// About which entity, and what happened to it; none for a type that we do not know, which takes a sequence all
    /// the same.
    pub(super) change: Option<Change>,
    /// About how large it was as a message.
    pub(super) bytes: usize,
}

/// What happened to one entity.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    /// Which entity.
    pub(super) key: EntityKey,
    /// Its revision after the event.
    pub(super) revision: u64,
    /// What happened to it.
    pub(super) fact: Fact,
}

/// What happened to an entity.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    /// It is there now: created, or restored. Its members follow as links.
    Came(Value),
    /// It is different now.
    Updated(Value),
    /// It is gone.
    Removed,
    /// These resources are in the environment now.
    Linked(Vec<String>),
    /// These resources are not in the environment any more.
    Unlinked(Vec<String>),
}

impl Heard {
    /// Reads a message.
    ///
    /// # Errors
    /// It is not of the shape that its type has.
    pub(super) fn read(message: &Message) -> Result<Self, ShapeFault> {
        let body = &message.body;
        match message.kind.as_deref().unwrap_or_default() {
            "sync.begin" => {
                let Begin { at, verdict, count } = wire::from_bytes(body)?;
                let full = verdict != "ok";
                Ok(Self::Begin { at, full, count })
            }
            "sync.end" => {
                let SyncEndBody {
                    cluster,
                    epoch,
                    sequence,
                    digest,
                } = wire::from_bytes(body)?;
                let at = place(cluster, epoch, sequence);
                Ok(Self::End { at, digest })
            }
            "bookmark" => {
                let bookmark: BookmarkBody = wire::from_bytes(body)?;
                Ok(Self::Bookmark {
                    at: place(bookmark.cluster, bookmark.epoch, bookmark.sequence),
                    digest: bookmark.digest,
                })
            }
            "environment.members.state" => members(body),
            kind @ ("environment.state" | "resource.state") => state(kind, body),
            "reply" => refusal(body),
            kind => event(kind, body),
        }
    }
}

/// A verdict that we do not know means a full state.
#[derive(Deserialize)]
struct Begin {
    #[serde(flatten)]
    at: CursorBody,
    verdict: String,
    count: u64,
}

const fn place(cluster: String, epoch: u64, sequence: u64) -> CursorBody {
    CursorBody {
        cluster,
        epoch,
        sequence,
    }
}

fn key(entity: EntityType, id: &str) -> Option<EntityKey> {
    Id::parse(id).ok().map(|id| EntityKey { entity, id })
}

fn state(kind: &str, body: &[u8]) -> Result<Heard, ShapeFault> {
    let state: StateBody<Value> = wire::from_bytes(body)?;
    let entity = if kind == "environment.state" {
        EntityType::Environment
    } else {
        EntityType::Resource
    };
    Ok(key(entity, &state.id).map_or(Heard::Other, |key| Heard::State {
        at: place(state.cluster, state.epoch, state.sequence),
        key,
        revision: state.revision,
        document: state.data,
    }))
}

fn members(body: &[u8]) -> Result<Heard, ShapeFault> {
    let state: StateBody<LinksBody> = wire::from_bytes(body)?;
    Ok(
        key(EntityType::Environment, &state.id).map_or(Heard::Other, |key| Heard::Members {
            at: place(state.cluster, state.epoch, state.sequence),
            key,
            revision: state.revision,
            resources: state.data.resources,
        }),
    )
}

fn refusal(body: &[u8]) -> Result<Heard, ShapeFault> {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        problem: Option<ProblemBody>,
    }
    let Refusal { problem } = wire::from_bytes(body)?;
    Ok(problem.map_or(Heard::Other, |problem| Heard::Refused(Box::new(problem))))
}

/// The part of an event that a copy needs. What has no revision has no sequence of its own either.
#[derive(Deserialize)]
struct Body {
    cluster: String,
    epoch: u64,
    sequence: u64,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    revision: Option<u64>,
    #[serde(default)]
    data: Value,
}

fn event(kind: &str, body: &[u8]) -> Result<Heard, ShapeFault> {
    let body_bytes = body.len();
    let Body {
        cluster,
        epoch,
        sequence,
        id,
        revision,
        data,
    } = wire::from_bytes(body)?;
    let (Some(id), Some(revision)) = (id, revision) else {
        return Ok(Heard::Other);
    };
    let change = match kind.split_once('.') {
        Some((entity, verb)) => EntityType::parse(entity)
            .and_then(|entity| key(entity, &id))
            .zip(fact(verb, data)?)
            .map(|(key, fact)| Change { key, revision, fact }),
        None => None,
    };
    Ok(Heard::Event(Event {
        at: place(cluster, epoch, sequence),
        kind: kind.to_owned(),
        change,
        bytes: body_bytes,
    }))
}

fn fact(verb: &str, data: Value) -> Result<Option<Fact>, ShapeFault> {
    let links = |data| -> Result<Vec<String>, ShapeFault> {
        Ok(serde_json::from_value::<LinksBody>(data)?.resources)
    };
    Ok(Some(match verb {
        "created" | "restored" => Fact::Came(data),
        "updated" => Fact::Updated(data),
        "removed" => Fact::Removed,
        "linked" => Fact::Linked(links(data)?),
        "unlinked" => Fact::Unlinked(links(data)?),
        _ => return Ok(None),
    }))
}
