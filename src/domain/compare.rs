//! Two environments side by side: what one has and the other lacks, and what both have and is not the same.
//!
//! A resource that is in both is the same as itself. Of the others, two are each other's counterparts where role, kind and
//! name agree: the role is the tag `role`, and where a resource has no name its id stands for it. Where several agree they
//! are paired in the order of their ids.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::{Dependency, Environment, Nature, Needs, Resource, Target};
use super::id::Id;

/// The tag that says what a resource is for.
const ROLE: &str = "role";

/// What a comparison compares: an environment with its resources.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The environment.
    pub environment: Environment,
    /// What is in it, by id.
    pub resources: Vec<Arc<Resource>>,
}

/// Two environments side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The environments themselves.
    pub environments: (Environment, Environment),
    /// What only the left one has.
    pub left_only: Vec<Arc<Resource>>,
    /// What only the right one has.
    pub right_only: Vec<Arc<Resource>>,
    /// Counterparts that differ.
    pub different: Vec<Pair>,
    /// How many counterparts are the same in everything but the id.
    pub same: usize,
    /// How many resources are in both.
    pub shared: usize,
}

/// Two counterparts.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The one on the left.
    pub left: Arc<Resource>,
    /// The one on the right; what it needs is named by its counterpart, so that its own things have the names of the left,
    /// and things of the left have those of the right.
    pub right: Arc<Resource>,
}

/// Compares two environments.
pub fn compare(left: Side, right: Side) -> Comparison {
    let on_both = |resource: &Arc<Resource>, side: &Side| {
        let found = side
            .resources
            .binary_search_by(|other| other.id.cmp(&resource.id));
        found.is_ok()
    };
    let shared = left
        .resources
        .iter()
        .filter(|resource| on_both(resource, &right))
        .count();
    let own = |side: &Side, other: &Side| -> Vec<Arc<Resource>> {
        let own = side.resources.iter().filter(|resource| !on_both(resource, other));
        own.cloned().collect()
    };
    let (left_own, right_own) = (own(&left, &right), own(&right, &left));
    let mut waiting: BTreeMap<(String, String, String), Vec<Arc<Resource>>> = BTreeMap::new();
    // The last of a list is taken first, so the lists are filled from the end.
    for resource in right_own.iter().rev() {
        waiting
            .entry(likeness(resource))
            .or_default()
            .push(Arc::clone(resource));
    }
    let (mut left_only, mut pairs) = (Vec::new(), Vec::new());
    for resource in left_own {
        match waiting.get_mut(&likeness(&resource)).and_then(Vec::pop) {
            Some(counterpart) => pairs.push((resource, counterpart)),
            None => left_only.push(resource),
        }
    }
    let mut right_only: Vec<Arc<Resource>> = waiting.into_values().flatten().collect();
    right_only.sort_by(|a, b| a.id.cmp(&b.id));
    // Both ways, or what needs its own and what needs that of the other environment would look alike.
    let names: BTreeMap<&Id, &Id> = pairs
        .iter()
        .flat_map(|(left, right)| [(&right.id, &left.id), (&left.id, &right.id)])
        .collect();
    let all = pairs.len();
    let different: Vec<Pair> = pairs
        .iter()
        .filter_map(|(left, right)| {
            let (left, right) = (renamed(left, &BTreeMap::new()), renamed(right, &names));
            let same = Resource {
                id: left.id.clone(),
                ..right.clone()
            } == left;
            (!same).then(|| Pair {
                left: Arc::new(left),
                right: Arc::new(right),
            })
        })
        .collect();
    Comparison {
        left_only,
        right_only,
        same: all - different.len(),
        different,
        shared,
        environments: (left.environment, right.environment),
    }
}

/// What makes two resources counterparts.
fn likeness(resource: &Resource) -> (String, String, String) {
    let name = if resource.name.is_empty() {
        resource.id.as_str()
    } else {
        &resource.name
    };
    let role = resource.tags.get(ROLE).cloned().unwrap_or_default();
    (role, resource.kind.clone(), name.to_owned())
}

/// A resource that needs, by their names on the other side, what it needs here; its dependencies, and the members of a
/// group, in the order of what they point at, since the order in which they are written means nothing.
fn renamed(resource: &Resource, names: &BTreeMap<&Id, &Id>) -> Resource {
    let mut renamed = resource.clone();
    for dependency in &mut renamed.dependencies {
        for target in dependency.targets_mut() {
            if let Target::Resource(id) = target
                && let Some(other) = names.get(id)
            {
                *id = (*other).clone();
            }
        }
        dependency.targets_mut().sort_unstable();
    }
    renamed.dependencies.sort_by(|a, b| rank(a).cmp(&rank(b)));
    renamed
}

/// All that there is of a dependency, so that two that are equal here are equal.
fn rank(dependency: &Dependency) -> (&[Target], Nature, u32, &str) {
    let at_least = match &dependency.needs {
        Needs::One(_) => 0,
        Needs::Group { at_least, .. } => *at_least,
    };
    (
        dependency.targets(),
        dependency.nature,
        at_least,
        &dependency.description,
    )
}
