//! A graph that is a list of edges, and answers by trying everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Dependency, Direction, Id, Nature, Natures, Needs, Resource, Tags, Target};

/// One dependency between two nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) from: Target,
    pub(super) to: Target,
    pub(super) nature: Nature,
    pub(super) grouped: bool,
}

/// The registered resources, and nothing that is not derived from them on the spot.
#[derive(Debug, Default)]
pub(super) struct Brute {
    resources: BTreeMap<Id, Resource>,
}

/// A need of one thing.
pub(super) fn dependency(target: Target, nature: Nature) -> Dependency {
    Dependency {
        needs: Needs::One(target),
        nature,
        description: String::new(),
    }
}

/// A resource that needs these.
pub(super) fn resource(id: Id, needs: impl IntoIterator<Item = Target>, nature: Nature) -> Resource {
    Resource {
        id,
        kind: "vm".to_owned(),
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
        attributes: serde_json::Map::new(),
        status_endpoints: Vec::new(),
        dependencies: needs
            .into_iter()
            .map(|target| dependency(target, nature))
            .collect(),
    }
}

impl Brute {
    pub(super) fn put(&mut self, resource: &Resource) {
        self.resources.insert(resource.id.clone(), resource.clone());
    }

    pub(super) fn remove(&mut self, id: &Id) {
        self.resources.remove(id);
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values()
    }

    pub(super) fn resource(&self, node: &Target) -> Option<&Resource> {
        match node {
            Target::Resource(id) => self.resources.get(id),
            Target::External(_) => None,
        }
    }

    pub(super) fn edges(&self, natures: Natures) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for resource in self.resources() {
            for dependency in resource
                .dependencies
                .iter()
                .filter(|d| natures.contains(d.nature))
            {
                edges.extend(dependency.targets().iter().map(|target| Edge {
                    from: Target::Resource(resource.id.clone()),
                    to: target.clone(),
                    nature: dependency.nature,
                    grouped: dependency.is_group(),
                }));
            }
        }
        edges
    }

    pub(super) fn nodes(&self) -> BTreeSet<Target> {
        let registered = self.resources.keys().cloned().map(Target::Resource);
        registered
            .chain(self.edges(Natures::ALL).into_iter().map(|edge| edge.to))
            .collect()
    }

    pub(super) fn needs(&self, id: &Id) -> BTreeSet<(Target, Nature, bool)> {
        let own = self.edges(Natures::ALL).into_iter();
        own.filter(|edge| edge.from == Target::Resource(id.clone()))
            .map(|edge| (edge.to, edge.nature, edge.grouped))
            .collect()
    }

    pub(super) fn dependents(&self, id: &Id) -> BTreeSet<Id> {
        let needed = Target::Resource(id.clone());
        let dependent = |resource: &&Resource| resource.targets().any(|target| *target == needed);
        self.resources()
            .filter(dependent)
            .map(|resource| resource.id.clone())
            .collect()
    }

    /// Every node that can be reached, with the fewest steps that it takes: steps are made until nothing gets nearer.
    pub(super) fn reach(
        &self,
        id: &Id,
        direction: Direction,
        depth: Option<u32>,
        natures: Natures,
    ) -> Option<BTreeMap<Target, u32>> {
        let start = Target::Resource(id.clone());
        if !self.nodes().contains(&start) {
            return None;
        }
        let mut reached = BTreeMap::from([(start, 0)]);
        loop {
            let known = reached.clone();
            for edge in self.edges(natures) {
                let (from, to) = match direction {
                    Direction::Dependencies => (edge.from, edge.to),
                    Direction::Dependents => (edge.to, edge.from),
                };
                if let Some(steps) = known.get(&from).map(|steps| steps + 1)
                    && depth.is_none_or(|depth| steps <= depth)
                    && known.get(&to).is_none_or(|before| steps < *before)
                {
                    reached.insert(to, steps);
                }
            }
            if reached == known {
                return Some(reached);
            }
        }
    }

    pub(super) fn dangling(&self, among: &dyn Fn(&Id) -> bool) -> Vec<(Id, Vec<Id>)> {
        let mut dangling = Vec::new();
        for node in self.nodes() {
            if let Target::Resource(id) = node
                && !self.resources.contains_key(&id)
            {
                let dependents: Vec<Id> = self.dependents(&id).into_iter().filter(|id| among(id)).collect();
                if !dependents.is_empty() {
                    dangling.push((id, dependents));
                }
            }
        }
        dangling
    }

    /// Nodes that need themselves, each with all that it needs and that need it.
    pub(super) fn cycles(&self, natures: Natures, among: &dyn Fn(&Id) -> bool) -> BTreeSet<Vec<Target>> {
        let edges = self.edges(natures);
        // One step at least, so that a node is in its own cycle only by an edge.
        let beyond = |id: &Id| -> BTreeSet<Target> {
            let start = Target::Resource(id.clone());
            let next = edges.iter().filter(|edge| edge.from == start);
            next.flat_map(|edge| match &edge.to {
                Target::Resource(id) => self
                    .reach(id, Direction::Dependencies, None, natures)
                    .unwrap()
                    .into_keys()
                    .collect(),
                external @ Target::External(_) => vec![external.clone()],
            })
            .collect()
        };
        let mut sets = BTreeSet::new();
        for id in self.resources.keys() {
            let own = Target::Resource(id.clone());
            let reached = beyond(id);
            if reached.contains(&own) {
                let back = |id: &&Id| {
                    beyond(id).contains(&own) && reached.contains(&Target::Resource((*id).clone()))
                };
                let set: Vec<Id> = self.resources.keys().filter(back).cloned().collect();
                if set.iter().any(among) {
                    sets.insert(set.into_iter().map(Target::Resource).collect());
                }
            }
        }
        sets
    }

    /// Every path that visits no node twice.
    pub(super) fn paths(&self, from: &Id, to: &Id, natures: Natures) -> Option<BTreeSet<Vec<Target>>> {
        let (from, to) = (Target::Resource(from.clone()), Target::Resource(to.clone()));
        let nodes = self.nodes();
        if !nodes.contains(&from) || !nodes.contains(&to) {
            return None;
        }
        let edges = self.edges(natures);
        let mut open = vec![vec![from]];
        let mut found = BTreeSet::new();
        while let Some(path) = open.pop() {
            let last = path.last().unwrap();
            if *last == to {
                found.insert(path);
                continue;
            }
            for edge in edges
                .iter()
                .filter(|edge| edge.from == *last && !path.contains(&edge.to))
            {
                let mut longer = path.clone();
                longer.push(edge.to.clone());
                open.push(longer);
            }
        }
        Some(found)
    }
}
