//! Commands: what clients want to be true.

use std::collections::BTreeSet;

use super::document::Document;
use super::id::{EntityKey, EntityType, Id, Timestamp};
use super::impact::ImpactHash;
use super::patch::DocumentPatch;

/// A command with what came along with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The idempotency key; without it a redelivery cannot be recognised.
    pub message_id: Option<String>,
    /// A hash of the type and the body, to tell a repetition from a reuse of the id.
    pub fingerprint: [u8; 32],
    /// Who sent it, as far as the broker vouches for it; empty where it does not.
    pub actor: String,
    /// From when on it is not to be executed any more.
    pub deadline: Option<Timestamp>,
    /// The trace that it is part of.
    pub trace: Trace,
    /// Decide and answer, but change nothing.
    pub dry_run: bool,
    /// What to do.
    pub step: Step,
}

/// A W3C Trace Context, passed on as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// The header `traceparent`; empty where there was none.
    pub parent: String,
    /// The header `tracestate`; empty where there was none.
    pub state: String,
}

/// One command with its condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What to do.
    pub command: Command,
    /// What must be true of the entity before.
    pub expect: Expect,
}

/// What must be true of an entity before a command is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expect {
    /// Nothing in particular.
    #[default]
    Anything,
    /// It must not exist.
    Absent,
    /// It must exist.
    Exists,
    /// It must exist at this revision.
    Revision(u64),
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Create or replace.
    Put {
        /// The whole document.
        document: Box<Document>,
        /// For an environment: the complete set of its resources, or `None` to leave the set as it is.
        members: Option<Vec<Id>>,
    },
    /// Change what the patch names.
    Patch {
        /// Which entity.
        key: EntityKey,
        /// What to change.
        patch: Box<DocumentPatch>,
        /// For an environment: the complete set of its resources, or `None` to leave the set as it is.
        members: Option<Vec<Id>>,
    },
    /// Remove, leaving a tombstone.
    Remove {
        /// Which entity.
        key: EntityKey,
        /// What to do where others need it.
        mode: RemoveMode,
        /// Of a resource: what may stop with it, and nothing else.
        expect_impact: Option<ImpactHash>,
    },
    /// Undo a removal.
    Restore {
        /// Which entity.
        key: EntityKey,
    },
    /// Put resources into an environment.
    Link {
        /// Which environment.
        environment: Id,
        /// Which resources; those that are in it already stay.
        resources: Vec<Id>,
    },
    /// Take resources out of an environment.
    Unlink {
        /// Which environment.
        environment: Id,
        /// Which resources; those that are not in it are passed over.
        resources: Vec<Id>,
    },
    /// All or nothing, in order.
    Batch {
        /// The commands, none of them a batch.
        steps: Vec<Step>,
    },
}

impl Command {
    /// The type that messages give it.
    pub fn kind(&self) -> &'static str {
        let of = |entity, environment, resource| match entity {
            EntityType::Environment => environment,
            EntityType::Resource => resource,
        };
        match self {
            Self::Put { document, .. } => of(document.entity(), "environment.put", "resource.put"),
            Self::Patch { key, .. } => of(key.entity, "environment.patch", "resource.patch"),
            Self::Remove { key, .. } => of(key.entity, "environment.remove", "resource.remove"),
            Self::Restore { key } => of(key.entity, "environment.restore", "resource.restore"),
            Self::Link { .. } => "environment.link",
            Self::Unlink { .. } => "environment.unlink",
            Self::Batch { .. } => "batch",
        }
    }

    /// The types of all that it does: of a batch, those of the commands in it.
    pub fn kinds(&self) -> BTreeSet<&'static str> {
        match self {
            Self::Batch { steps } => steps.iter().map(|step| step.command.kind()).collect(),
            command => BTreeSet::from([command.kind()]),
        }
    }

    /// The entity that it is about, and where the body names it; `None` for a batch.
    pub fn about(&self) -> Option<(EntityKey, &'static str)> {
        match self {
            Self::Put { document, .. } => Some((document.key(), "/args/id")),
            Self::Patch { key, .. } | Self::Remove { key, .. } | Self::Restore { key } => {
                Some((key.clone(), "/args/id"))
            }
            Self::Link { environment, .. } | Self::Unlink { environment, .. } => {
                Some((EntityKey::environment(environment.clone()), "/args/environment"))
            }
            Self::Batch { .. } => None,
        }
    }

    /// The resources that it wants to be in an environment, and where the body names them.
    pub fn brings_in(&self) -> (&[Id], &'static str) {
        match self {
            Self::Put {
                members: Some(members),
                ..
            } => (members, "/args/resources"),
            Self::Patch {
                members: Some(members),
                ..
            } => (members, "/args/patch/resources"),
            Self::Link { resources, .. } => (resources, "/args/resources"),
            _ => (&[], ""),
        }
    }
}

/// What a removal does where others need the entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RemoveMode {
    /// It is refused.
    #[default]
    Restrict,
    /// It goes ahead: dependencies on it dangle, an environment lets go of its resources.
    Detach,
}
