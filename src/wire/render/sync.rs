//! The messages of a sync.

use serde::Serialize;

use crate::domain::{Digest, Document, Id, Position, Verdict};
use crate::wire::shape::{LinksBody, StateBody, SyncBeginBody, SyncEndBody, VerdictWord};
use crate::wire::to_bytes;

use super::document::document_to_json;

/// A message to the queue of whoever asked: its type and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// The property `type`.
    pub kind: &'static str,
    /// The body: JSON.
    pub body: Vec<u8>,
}

/// Which cluster a sync is of, and as of when.
#[derive(Debug, Clone, Copy)]
pub struct SyncOf<'a> {
    /// The identity of the cluster.
    pub cluster: &'a str,
    /// What all of it is true as of.
    pub position: Position,
}

impl SyncOf<'_> {
    /// A sync begins; `count` entities or events follow.
    pub fn begin(self, verdict: Verdict, count: u64) -> QueueMessage {
        let Position { epoch, sequence } = self.position;
        let verdict = match verdict {
            Verdict::Ok => VerdictWord::Ok,
            Verdict::Behind => VerdictWord::Behind,
            Verdict::Reset => VerdictWord::Reset,
        };
        let body = SyncBeginBody {
            cluster: self.cluster.to_owned(),
            epoch,
            sequence,
            verdict,
            count,
        };
        QueueMessage {
            kind: "sync.begin",
            body: to_bytes(&body),
        }
    }

    /// The state of one entity.
    pub fn state(self, document: &Document, revision: u64) -> QueueMessage {
        let kind = match document {
            Document::Environment(_) => "environment.state",
            Document::Resource(_) => "resource.state",
        };
        self.message(kind, document.id(), revision, document_to_json(document))
    }

    /// Some of the resources in an environment.
    pub fn members(self, environment: &Id, revision: u64, resources: &[Id]) -> QueueMessage {
        let resources = resources.iter().map(Id::to_string).collect();
        self.message(
            "environment.members.state",
            environment,
            revision,
            LinksBody { resources },
        )
    }

    /// A sync is complete.
    pub fn end(self, digest: Digest) -> QueueMessage {
        let Position { epoch, sequence } = self.position;
        let body = SyncEndBody {
            cluster: self.cluster.to_owned(),
            epoch,
            sequence,
            digest: digest.to_string(),
        };
        QueueMessage {
            kind: "sync.end",
            body: to_bytes(&body),
        }
    }

    fn message<D: Serialize>(self, kind: &'static str, id: &Id, revision: u64, data: D) -> QueueMessage {
        let Position { epoch, sequence } = self.position;
        let body = StateBody {
            cluster: self.cluster.to_owned(),
            epoch,
            sequence,
            kind: kind.to_owned(),
            id: id.to_string(),
            revision,
            data,
        };
        QueueMessage {
            kind,
            body: to_bytes(&body),
        }
    }
}
