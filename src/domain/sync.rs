//! Sync: how a reader of events gets a copy, and how it goes on with the one it has.

use super::document::{Document, Environment, Resource, Tags};
use super::id::{EntityType, Id};
use super::question::Position;

/// What a reader asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncRequest {
    /// Which part of the register it keeps.
    pub filter: Filter,
    /// How far it has come; `None` where it has nothing yet.
    pub cursor: Option<Cursor>,
}

/// A part of the register; the default is all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only these types; empty for both.
    pub entities: Vec<EntityType>,
    /// Only these environments and what is in them; empty for all.
    pub environments: Vec<Id>,
    /// Only entities with all of these tags; an empty value stands for any.
    pub tags: Tags,
}

/// How far a reader has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The cluster whose events it has read.
    pub cluster: String,
    /// The last event that it has applied.
    pub position: Position,
}

/// What a reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The events that it missed.
    Ok,
    /// The whole state: the events that it missed are not all there any more, or its filter cannot be followed by events.
    Behind,
    /// The whole state: it has nothing, or what it has is of another cluster or epoch.
    Reset,
}

impl Verdict {
    /// The word that messages use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Behind => "behind",
            Self::Reset => "reset",
        }
    }
}

impl SyncRequest {
    /// What the reader gets from a cluster that is at `position` and whose change log begins at `first`; zero where the
    /// log is empty.
    pub fn verdict(&self, cluster: &str, position: Position, first: u64) -> Verdict {
        let Some(cursor) = &self.cursor else {
            return Verdict::Reset;
        };
        let Position { epoch, sequence } = cursor.position;
        if cursor.cluster != cluster || epoch != position.epoch || sequence > position.sequence {
            return Verdict::Reset;
        }
        let up_to_date = sequence == position.sequence;
        let logged = first != 0 && first <= sequence + 1;
        if self.filter.follows_events() && (up_to_date || logged) {
            Verdict::Ok
        } else {
            Verdict::Behind
        }
    }
}

impl Filter {
    /// Whether the events of the entities in the filter are enough to follow it. What an entity is in, or how it is tagged,
    /// can change and bring in entities that the reader has never seen.
    fn follows_events(&self) -> bool {
        self.environments.is_empty() && self.tags.is_empty()
    }

    /// Whether entities of this type are in it.
    pub fn takes(&self, entity: EntityType) -> bool {
        self.entities.is_empty() || self.entities.contains(&entity)
    }

    /// Whether an entity is in it; `is_in` says whether a resource is in one of the filter's environments.
    pub fn matches(&self, document: &Document, is_in: impl FnOnce(&Id) -> bool) -> bool {
        let (tags, placed) = match document {
            Document::Environment(Environment { id, tags, .. }) => (
                tags,
                self.environments.is_empty() || self.environments.contains(id),
            ),
            Document::Resource(Resource { id, tags, .. }) => {
                (tags, self.environments.is_empty() || is_in(id))
            }
        };
        let tagged = self.tags.iter().all(|(key, wanted)| {
            tags.get(key)
                .is_some_and(|value| wanted.is_empty() || value == wanted)
        });
        self.takes(document.entity()) && placed && tagged
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Filter, SyncRequest, Verdict};
    use crate::domain::{EntityType, Position, Tags};

    fn request(cluster: &str, epoch: u64, sequence: u64) -> SyncRequest {
        let position = Position { epoch, sequence };
        SyncRequest {
            cursor: Some(Cursor {
                cluster: cluster.to_owned(),
                position,
            }),
            filter: Filter::default(),
        }
    }

    #[test]
    fn the_verdict_says_what_can_be_gone_on_with() {
        let now = Position {
            epoch: 2,
            sequence: 50,
        };
        assert_eq!(SyncRequest::default().verdict("c", now, 1), Verdict::Reset);
        assert_eq!(request("c", 2, 50).verdict("c", now, 0), Verdict::Ok);
        assert_eq!(request("c", 2, 30).verdict("c", now, 31), Verdict::Ok);
        assert_eq!(request("c", 2, 29).verdict("c", now, 31), Verdict::Behind);
        assert_eq!(request("c", 2, 51).verdict("c", now, 1), Verdict::Reset);
        assert_eq!(request("c", 1, 30).verdict("c", now, 1), Verdict::Reset);
        assert_eq!(request("d", 2, 30).verdict("c", now, 1), Verdict::Reset);
    }

    #[test]
    fn a_filter_that_events_cannot_follow_gets_the_state() {
        let now = Position {
            epoch: 2,
            sequence: 50,
        };
        let mut by_type = request("c", 2, 30);
        by_type.filter.entities = vec![EntityType::Resource];
        assert_eq!(by_type.verdict("c", now, 1), Verdict::Ok);
        let mut by_tag = request("c", 2, 30);
        by_tag.filter.tags = Tags::from([("owner".to_owned(), String::new())]);
        assert_eq!(by_tag.verdict("c", now, 1), Verdict::Behind);
    }
}
