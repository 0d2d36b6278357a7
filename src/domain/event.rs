//! Events: what became true. Each is one step of one entity, with a sequence that has no holes.

use std::sync::Arc;

use super::command::Trace;
use super::document::Document;
use super::id::{EntityKey, EntityType, Id, Timestamp};
use super::patch::DocumentPatch;

/// The most resources that one link or unlink event names; a larger change is several events.
pub const LINKS_PER_EVENT: usize = 1_000;

/// What a decision says will be true of one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Which entity.
    pub key: EntityKey,
    /// Its revision after this event; rises by one per event of the entity.
    pub revision: u64,
    /// What happened.
    pub fact: Fact,
    /// The environments that the entity was in when it happened; for an environment, itself.
    pub environments: Vec<Id>,
}

/// What happened to an entity.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// It is there now.
    Created {
        /// The document.
        after: Arc<Document>,
    },
    /// It is different now.
    Updated {
        /// The document, whole.
        after: Arc<Document>,
        /// The patch that leads back to the document before.
        before: Box<DocumentPatch>,
    },
    /// It is gone, and a tombstone keeps its last state.
    Removed {
        /// The last document.
        last: Arc<Document>,
        /// What it was linked with: the environments of a resource, the resources of an environment.
        links: Vec<Id>,
    },
    /// It is there again, as it was.
    Restored {
        /// The document.
        after: Arc<Document>,
    },
    /// Resources are in the environment now.
    Linked {
        /// Which; at most [`LINKS_PER_EVENT`].
        resources: Vec<Id>,
    },
    /// Resources are not in the environment any more.
    Unlinked {
        /// Which; at most [`LINKS_PER_EVENT`].
        resources: Vec<Id>,
    },
}

impl Fact {
    /// The word that the type of the event ends with.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Updated { .. } => "updated",
            Self::Removed { .. } => "removed",
            Self::Restored { .. } => "restored",
            Self::Linked { .. } => "linked",
            Self::Unlinked { .. } => "unlinked",
        }
    }
}

impl Event {
    /// The type of the event, which is its routing key too: `resource.updated`.
    pub const fn kind(&self) -> &'static str {
        match (self.key.entity, &self.fact) {
            (EntityType::Environment, Fact::Created { .. }) => "environment.created",
            (EntityType::Environment, Fact::Updated { .. }) => "environment.updated",
            (EntityType::Environment, Fact::Removed { .. }) => "environment.removed",
            (EntityType::Environment, Fact::Restored { .. }) => "environment.restored",
            (EntityType::Resource, Fact::Created { .. }) => "resource.created",
            (EntityType::Resource, Fact::Updated { .. }) => "resource.updated",
            (EntityType::Resource, Fact::Removed { .. }) => "resource.removed",
            (EntityType::Resource, Fact::Restored { .. }) => "resource.restored",
            (_, Fact::Linked { .. }) => "environment.linked",
            (_, Fact::Unlinked { .. }) => "environment.unlinked",
        }
    }
}

/// An event in its place in the change log.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Rises with each promotion or restore of the cluster.
    pub epoch: u64,
    /// Rises by one per event of the cluster.
    pub sequence: u64,
    /// When it was decided.
    pub time: Timestamp,
    /// Who sent the command, as far as the broker vouches for it.
    pub actor: String,
    /// The message id of the command; empty where it had none.
    pub cause: String,
    /// The trace of the command.
    pub trace: Trace,
    /// Which events became true together.
    pub transaction: Transaction,
    /// What happened.
    pub event: Event,
}

/// The place of an event among those of its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    /// The sequence of the first event of the command, which names the transaction within its epoch.
    pub first: u64,
    /// The place of this event, from zero.
    pub index: u32,
    /// How many events the command caused.
    pub count: u32,
}

impl Transaction {
    /// Whether this event is the last of its command.
    pub const fn is_last(&self) -> bool {
        self.index + 1 >= self.count
    }
}
