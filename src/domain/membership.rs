//! Which resources are in which environments, looked at from both sides.

use std::collections::{BTreeSet, HashMap};

use super::id::Id;

/// Many to many, in memory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Membership {
    members: HashMap<Id, BTreeSet<Id>>,
    /// Sorted; most resources are in one or two environments.
    environments: HashMap<Id, Vec<Id>>,
}

impl Membership {
    /// Puts a resource into an environment; nothing happens where it is in it.
    pub fn link(&mut self, environment: &Id, resource: &Id) {
        self.members
            .entry(environment.clone())
            .or_default()
            .insert(resource.clone());
        let environments = self.environments.entry(resource.clone()).or_default();
        if let Err(place) = environments.binary_search(environment) {
            environments.insert(place, environment.clone());
        }
    }

    /// Takes a resource out of an environment; nothing happens where it is not in it.
    pub fn unlink(&mut self, environment: &Id, resource: &Id) {
        if let Some(members) = self.members.get_mut(environment) {
            members.remove(resource);
            if members.is_empty() {
                self.members.remove(environment);
            }
        }
        if let Some(environments) = self.environments.get_mut(resource) {
            environments.retain(|other| other != environment);
            if environments.is_empty() {
                self.environments.remove(resource);
            }
        }
    }

    /// The resources in an environment, by id; `None` where there are none.
    pub fn members(&self, environment: &Id) -> Option<&BTreeSet<Id>> {
        self.members.get(environment)
    }

    /// The environments that a resource is in, by id.
    pub fn environments_of(&self, resource: &Id) -> &[Id] {
        self.environments
            .get(resource)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Whether a resource is in an environment.
    pub fn contains(&self, environment: &Id, resource: &Id) -> bool {
        self.environments_of(resource).binary_search(environment).is_ok()
    }
}
