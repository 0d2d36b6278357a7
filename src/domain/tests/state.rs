//! The register as two plain sets, that takes events in as a consumer does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{
    Entity, EntityKey, Event, Fact, Id, Live, Target, Timestamp, Tombstone, View, ViewFault,
};

/// Everything that is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    /// What exists, and what is left of what did.
    pub(crate) entities: BTreeMap<EntityKey, Entity>,
    /// Environment and resource.
    pub(crate) members: BTreeSet<(Id, Id)>,
}

impl State {
    /// Takes an event in, going by nothing but what it says.
    pub(crate) fn apply(&mut self, event: &Event, now: Timestamp) {
        let revision = event.revision;
        let entity = match &event.fact {
            Fact::Created { after } | Fact::Updated { after, .. } | Fact::Restored { after } => {
                Entity::Live(Live {
                    document: Arc::clone(after),
                    revision,
                })
            }
            Fact::Removed { last, links } => Entity::Buried(Tombstone {
                document: Arc::clone(last),
                revision,
                removed: now,
                links: links.clone(),
            }),
            Fact::Linked { resources } | Fact::Unlinked { resources } => {
                for resource in resources {
                    let pair = (event.key.id.clone(), resource.clone());
                    let moved = match &event.fact {
                        Fact::Linked { .. } => self.members.insert(pair),
                        _ => self.members.remove(&pair),
                    };
                    assert!(moved, "{resource} is named without a change: {event:?}");
                }
                let live = self.live(&event.key).unwrap();
                Entity::Live(Live {
                    document: Arc::clone(&live.document),
                    revision,
                })
            }
        };
        self.entities.insert(event.key.clone(), entity);
    }

    pub(crate) fn live(&self, key: &EntityKey) -> Option<&Live> {
        match self.entities.get(key) {
            Some(Entity::Live(live)) => Some(live),
            _ => None,
        }
    }

    /// The revision of what exists or existed; zero where nothing did.
    pub(crate) fn revision(&self, key: &EntityKey) -> u64 {
        match self.entities.get(key) {
            Some(Entity::Live(live)) => live.revision,
            Some(Entity::Buried(tombstone)) => tombstone.revision,
            Some(Entity::Absent) | None => 0,
        }
    }
}

impl View for State {
    fn entity(&self, key: &EntityKey) -> Result<Entity, ViewFault> {
        Ok(self.entities.get(key).cloned().unwrap_or(Entity::Absent))
    }

    fn exists(&self, key: &EntityKey) -> bool {
        self.live(key).is_some()
    }

    fn dependents(&self, id: &Id) -> BTreeSet<Id> {
        let needed = Target::Resource(id.clone());
        let resources = self.entities.values().filter_map(|entity| match entity {
            Entity::Live(live) => live.document.as_resource(),
            _ => None,
        });
        resources
            .filter(|resource| resource.targets().any(|target| *target == needed))
            .map(|resource| resource.id.clone())
            .collect()
    }

    fn environments_of(&self, resource: &Id) -> BTreeSet<Id> {
        let own = self.members.iter().filter(|(_, member)| member == resource);
        own.map(|(environment, _)| environment.clone()).collect()
    }

    fn members(&self, environment: &Id) -> BTreeSet<Id> {
        let own = self.members.iter().filter(|(home, _)| home == environment);
        own.map(|(_, member)| member.clone()).collect()
    }

    fn member_count(&self, environment: &Id) -> usize {
        self.members(environment).len()
    }

    fn is_member(&self, environment: &Id, resource: &Id) -> bool {
        self.members.contains(&(environment.clone(), resource.clone()))
    }
}
