//! What is kept in memory of the committed state: the graph, who is in which environment, and the position.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::Fault;
use super::news::News;
use crate::domain::graph::{Graph, GraphFull};
use crate::domain::{
    Change, Digest, Document, EntityKey, EntityType, Environment, Event, Fact, Id, Membership, Position,
};
use crate::store::Snapshot;

/// The committed state in memory.
#[derive(Default, Clone)]
pub struct Model {
    /// What depends on what.
    pub graph: Graph,
    /// Who is where.
    pub membership: Membership,
    pub(super) environments: HashMap<Id, Arc<Environment>>,
    /// The last event that is in it.
    pub position: Position,
    /// The digest of all live entities, as of the position.
    pub digest: Digest,
    /// What the last transactions did to the graph as a whole.
    pub(super) news: News,
}

impl Model {
    /// Builds the model of what is on disk.
    pub(super) fn load(snapshot: &Snapshot) -> Result<Self, Fault> {
        let mut model = Self {
            position: snapshot.identity()?.position,
            ..Self::default()
        };
        for live in snapshot.all_live()? {
            let live = live?;
            model.digest.add(&live.document.key(), live.revision);
            model.put(&live.document)?;
        }
        snapshot.each_member(|environment, resource| model.membership.link(&environment, &resource))?;
        model.graph.watch();
        model.news = News::after(model.position.sequence);
        Ok(model)
    }

    /// Takes a committed change in.
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), GraphFull> {
        self.follow(&change.event)?;
        self.position = Position {
            epoch: change.epoch,
            sequence: change.sequence,
        };
        if change.transaction.is_last() {
            let news = self.graph.settle();
            self.news.add(change.sequence, news);
        }
        Ok(())
    }

    /// Takes in what has happened to an entity, or would.
    pub(super) fn follow(&mut self, event: &Event) -> Result<(), GraphFull> {
        let Event { key, fact, .. } = event;
        match fact {
            Fact::Created { after } | Fact::Updated { after, .. } | Fact::Restored { after } => {
                self.put(after)?;
            }
            Fact::Removed { .. } => self.remove(key),
            Fact::Linked { resources } => {
                for resource in resources {
                    self.membership.link(&key.id, resource);
                }
            }
            Fact::Unlinked { resources } => {
                for resource in resources {
                    self.membership.unlink(&key.id, resource);
                }
            }
        }
        self.digest.follow(event);
        Ok(())
    }

    /// Takes back the last change that is in it; `before` is where the register was before that.
    pub(super) fn take_back(&mut self, change: &Change, before: Position) -> Result<(), GraphFull> {
        self.unfollow(&change.event)?;
        self.position = before;
        Ok(())
    }

    /// Takes back what was taken in last.
    pub(super) fn unfollow(&mut self, event: &Event) -> Result<(), GraphFull> {
        let Event { key, fact, .. } = event;
        match fact {
            Fact::Created { .. } | Fact::Restored { .. } => self.remove(key),
            Fact::Updated { after, before } => {
                if let Some(document) = before.applied_to(after) {
                    self.put(&document)?;
                }
            }
            Fact::Removed { last, .. } => self.put(last)?,
            Fact::Linked { resources } => {
                for resource in resources {
                    self.membership.unlink(&key.id, resource);
                }
            }
            Fact::Unlinked { resources } => {
                for resource in resources {
                    self.membership.link(&key.id, resource);
                }
            }
        }
        self.digest.take_back(event);
        Ok(())
    }

    fn put(&mut self, document: &Document) -> Result<(), GraphFull> {
        match document {
            Document::Resource(resource) => self.graph.put(resource)?,
            Document::Environment(environment) => {
                let environment = Arc::new(environment.clone());
                self.environments.insert(environment.id.clone(), environment);
            }
        }
        Ok(())
    }

    fn remove(&mut self, key: &EntityKey) {
        match key.entity {
            EntityType::Resource => self.graph.remove(&key.id),
            EntityType::Environment => {
                self.environments.remove(&key.id);
            }
        }
    }

    /// An environment.
    pub(super) fn environment(&self, id: &Id) -> Option<&Environment> {
        self.environments.get(id).map(AsRef::as_ref)
    }

    /// Whether the entity is there.
    pub fn contains(&self, key: &EntityKey) -> bool {
        match key.entity {
            EntityType::Resource => self.graph.contains(&key.id),
            EntityType::Environment => self.environments.contains_key(&key.id),
        }
    }

    /// How many environments there are.
    pub fn environment_count(&self) -> usize {
        self.environments.len()
    }

    /// The resources in an environment.
    pub(super) fn members(&self, environment: &Id) -> BTreeSet<Id> {
        self.membership.members(environment).cloned().unwrap_or_default()
    }

    /// How many resources are in an environment.
    pub(super) fn member_count(&self, environment: &Id) -> usize {
        self.membership.members(environment).map_or(0, BTreeSet::len)
    }

    /// The environments that an entity is found by: those it is in, or itself.
    pub(super) fn found_by(&self, key: &EntityKey) -> Vec<Id> {
        match key.entity {
            EntityType::Resource => self.membership.environments_of(&key.id).to_vec(),
            EntityType::Environment => vec![key.id.clone()],
        }
    }
}

/// Reads the model. A poisoned lock guards a whole model: only the engine's thread writes it, and stops at a fault.
pub(super) fn read_model(model: &RwLock<Model>) -> RwLockReadGuard<'_, Model> {
    model.read().unwrap_or_else(PoisonError::into_inner)
}
