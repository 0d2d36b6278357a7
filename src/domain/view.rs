//! What a decision may look at: the state as committed, and over it what this batch has decided so far.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::document::{Document, Target};
use super::event::{Event, Fact};
use super::id::{EntityKey, EntityType, Id, Timestamp};

/// What the register knows of one key.
#[derive(Debug, Clone, PartialEq)]
pub enum Entity {
    /// Nothing, or nothing any more.
    Absent,
    /// It exists.
    Live(Live),
    /// It was removed, and can be restored while its tombstone lasts.
    Buried(Tombstone),
}

/// An entity that exists.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Its document.
    pub document: Arc<Document>,
    /// Rises by one per event of the entity.
    pub revision: u64,
}

/// What is left of an entity that was removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Tombstone {
    /// Its last document.
    pub document: Arc<Document>,
    /// The revision of the removal.
    pub revision: u64,
    /// When it was removed.
    pub removed: Timestamp,
    /// What it was linked with: the environments of a resource, the resources of an environment.
    pub links: Vec<Id>,
}

/// The state could not be read: a fault of the disk, not of the command.
#[derive(Debug, thiserror::Error)]
#[error("the register cannot be read")]
pub struct ViewFault(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What a decision may look at.
pub trait View {
    /// What is known of a key.
    ///
    /// # Errors
    /// [`ViewFault`] where the state cannot be read.
    fn entity(&self, key: &EntityKey) -> Result<Entity, ViewFault>;

    /// Whether there is a live entity of this key; cheaper than [`View::entity`].
    fn exists(&self, key: &EntityKey) -> bool;

    /// The resources that depend on this one, whether it is registered or not.
    fn dependents(&self, id: &Id) -> BTreeSet<Id>;

    /// The environments that a resource is in.
    fn environments_of(&self, resource: &Id) -> BTreeSet<Id>;

    /// The resources in an environment.
    fn members(&self, environment: &Id) -> BTreeSet<Id>;

    /// How many resources are in an environment.
    fn member_count(&self, environment: &Id) -> usize;

    /// Whether a resource is in an environment.
    fn is_member(&self, environment: &Id, resource: &Id) -> bool;
}

/// A view with decided, not yet committed, events over it.
///
/// The engine keeps one for its batch, and a batch command one over that, so that a batch that is refused half-way
/// leaves nothing behind.
pub struct Overlay<'a> {
    base: &'a dyn View,
    now: Timestamp,
    entities: HashMap<EntityKey, Entity>,
    /// Resource → environment → in it or not, and the same the other way round.
    environments: HashMap<Id, HashMap<Id, bool>>,
    members: HashMap<Id, HashMap<Id, bool>>,
    /// Target → resources that came to depend on it; whether they still do is asked of their document.
    dependents: HashMap<Id, HashSet<Id>>,
}

impl<'a> Overlay<'a> {
    /// Nothing decided yet. `now` is when removals happen.
    pub fn new(base: &'a dyn View, now: Timestamp) -> Self {
        Self {
            base,
            now,
            entities: HashMap::new(),
            environments: HashMap::new(),
            members: HashMap::new(),
            dependents: HashMap::new(),
        }
    }

    /// From now on removals happen at `now`.
    pub fn at(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Takes one decided event as true.
    ///
    /// # Errors
    /// [`ViewFault`] where the environment of a link cannot be read.
    pub fn apply(&mut self, event: &Event) -> Result<(), ViewFault> {
        match &event.fact {
            Fact::Created { after } | Fact::Updated { after, .. } | Fact::Restored { after } => {
                if let Some(resource) = after.as_resource() {
                    for target in resource.targets() {
                        if let Target::Resource(id) = target {
                            self.dependents
                                .entry(id.clone())
                                .or_default()
                                .insert(resource.id.clone());
                        }
                    }
                }
                let live = Live {
                    document: Arc::clone(after),
                    revision: event.revision,
                };
                self.entities.insert(event.key.clone(), Entity::Live(live));
            }
            Fact::Removed { last, links } => {
                let tombstone = Tombstone {
                    document: Arc::clone(last),
                    revision: event.revision,
                    removed: self.now,
                    links: links.clone(),
                };
                self.entities.insert(event.key.clone(), Entity::Buried(tombstone));
            }
            Fact::Linked { resources } => self.link(event, resources, true)?,
            Fact::Unlinked { resources } => self.link(event, resources, false)?,
        }
        Ok(())
    }

    fn link(&mut self, event: &Event, resources: &[Id], linked: bool) -> Result<(), ViewFault> {
        let environment = &event.key.id;
        for resource in resources {
            self.environments
                .entry(resource.clone())
                .or_default()
                .insert(environment.clone(), linked);
            self.members
                .entry(environment.clone())
                .or_default()
                .insert(resource.clone(), linked);
        }
        // A link is a step of the environment: its revision moves, its document stays.
        if let Entity::Live(live) = self.entity(&event.key)? {
            let live = Live {
                document: live.document,
                revision: event.revision,
            };
            self.entities.insert(event.key.clone(), Entity::Live(live));
        }
        Ok(())
    }

    /// The final state of every entity that the events touched.
    pub fn touched(&self) -> impl Iterator<Item = (&EntityKey, &Entity)> {
        self.entities.iter()
    }

    /// Every membership that the events touched: environment, resource, in it or not.
    pub fn memberships(&self) -> impl Iterator<Item = (&Id, &Id, bool)> {
        self.members.iter().flat_map(|(environment, resources)| {
            resources
                .iter()
                .map(move |(resource, linked)| (environment, resource, *linked))
        })
    }
}

/// The committed set with the decided changes in it.
fn changed(mut set: BTreeSet<Id>, changes: Option<&HashMap<Id, bool>>) -> BTreeSet<Id> {
    for (id, present) in changes.into_iter().flatten() {
        if *present {
            set.insert(id.clone());
        } else {
            set.remove(id);
        }
    }
    set
}

impl View for Overlay<'_> {
    fn entity(&self, key: &EntityKey) -> Result<Entity, ViewFault> {
        match self.entities.get(key) {
            Some(entity) => Ok(entity.clone()),
            None => self.base.entity(key),
        }
    }

    fn exists(&self, key: &EntityKey) -> bool {
        match self.entities.get(key) {
            Some(entity) => matches!(entity, Entity::Live(_)),
            None => self.base.exists(key),
        }
    }

    fn dependents(&self, id: &Id) -> BTreeSet<Id> {
        let mut all = self.base.dependents(id);
        all.extend(self.dependents.get(id).into_iter().flatten().cloned());
        all.retain(|dependent| {
            let key = EntityKey {
                entity: EntityType::Resource,
                id: dependent.clone(),
            };
            match self.entities.get(&key) {
                Some(Entity::Live(live)) => live.document.as_resource().is_some_and(|r| r.depends_on(id)),
                Some(Entity::Absent | Entity::Buried(_)) => false,
                None => true,
            }
        });
        all
    }

    fn environments_of(&self, resource: &Id) -> BTreeSet<Id> {
        changed(
            self.base.environments_of(resource),
            self.environments.get(resource),
        )
    }

    fn members(&self, environment: &Id) -> BTreeSet<Id> {
        changed(self.base.members(environment), self.members.get(environment))
    }

    fn member_count(&self, environment: &Id) -> usize {
        let committed = self.base.member_count(environment);
        let changes = self.members.get(environment).into_iter().flatten();
        changes.fold(committed, |count, (resource, linked)| {
            match (self.base.is_member(environment, resource), linked) {
                (false, true) => count + 1,
                (true, false) => count.saturating_sub(1),
                _ => count,
            }
        })
    }

    fn is_member(&self, environment: &Id, resource: &Id) -> bool {
        let decided = self
            .members
            .get(environment)
            .and_then(|resources| resources.get(resource));
        decided
            .copied()
            .unwrap_or_else(|| self.base.is_member(environment, resource))
    }
}
