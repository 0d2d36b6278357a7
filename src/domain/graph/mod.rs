//! The dependency graph in memory: nodes by id, edges packed for traversal, and the walks over them.
//!
//! Nodes are the registered resources, the resources that others need and nobody registered (*dangling*), and the
//! external things that resources need. A dangling node turns into a registered one, in place, when its id appears.

mod adjacency;
mod cycles;
mod impact;
mod members;
mod order;
mod paths;
mod reach;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use adjacency::{Adjacency, Link, NODES_MAX, POOL_MAX};
use watch::Watch;

use super::document::{Nature, Needs, Resource, Target};
use super::id::Id;
use super::question::{Dangling, Direction, Natures, Node};

pub use impact::{Beyond, Impact};
pub use paths::Paths;

/// The most dependents that one dangling reference names; it always says how many there are.
const DANGLING_DEPENDENTS_MAX: usize = 20;

/// The dependency graph.
#[derive(Default, Clone)]
pub struct Graph {
    slots: Vec<Slot>,
    free: Vec<u32>,
    resources: HashMap<Id, u32>,
    externals: HashMap<Arc<str>, u32>,
    kinds: HashSet<Arc<str>>,
    needs: Adjacency,
    needed_by: Adjacency,
    /// The groups of each resource that has some; most have none.
    groups: HashMap<u32, Box<[Group]>>,
    registered: usize,
    watch: Option<Box<Watch>>,
}

/// Several nodes of which enough must hold.
#[derive(Clone)]
struct Group {
    nature: Nature,
    at_least: usize,
    /// Sorted, each once.
    members: Box<[u32]>,
}

/// One node. A slot in the free list is an unregistered external without links.
#[derive(Clone)]
struct Slot {
    name: NodeName,
    kind: Arc<str>,
    title: Box<str>,
    registered: bool,
}

#[derive(Clone)]
enum NodeName {
    Resource(Id),
    External(Arc<str>),
}

/// A graph can hold no more nodes or edges; its limits are 2^28 and, with the room between them, 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the graph is full: at most {NODES_MAX} nodes, and {POOL_MAX} places for edges")]
pub struct GraphFull;

/// The label of an edge: its nature, and whether it is one of a group.
const fn label(nature: Nature, grouped: bool) -> u8 {
    let nature = match nature {
        Nature::Hard => 0,
        Nature::Soft => 1,
        Nature::Startup => 2,
    };
    nature | if grouped { 4 } else { 0 }
}

const fn nature_of(label: u8) -> Nature {
    match label & 3 {
        0 => Nature::Hard,
        1 => Nature::Soft,
        _ => Nature::Startup,
    }
}

/// The labels that edges of these natures have, a bit for each: a walk tests one bit for an edge.
const fn labels_of(natures: Natures) -> u16 {
    let mut labels = 0;
    let mut label = 0;
    while label < 16 {
        if natures.contains(nature_of(label)) {
            labels |= 1 << label;
        }
        label += 1;
    }
    labels
}

const fn is_grouped(label: u8) -> bool {
    label & 4 != 0
}

impl Graph {
    /// Registers a resource, or replaces what is known of it.
    ///
    /// # Errors
    /// [`GraphFull`] where a new node or edge would be one too many; the graph then lacks some edges and must be dropped.
    pub fn put(&mut self, resource: &Resource) -> Result<(), GraphFull> {
        let node = self.resource_node(&resource.id)?;
        let kind = self.kind(&resource.kind);
        if let Some(slot) = self.slots.get_mut(node as usize) {
            if !slot.registered
                && let Some(watch) = &mut self.watch
            {
                watch.note_referred(&resource.id);
            }
            self.registered += usize::from(!slot.registered);
            slot.registered = true;
            slot.kind = kind;
            slot.title = resource.name.as_str().into();
        }
        let mut links = Vec::with_capacity(resource.dependencies.len());
        let mut groups = Vec::new();
        for dependency in &resource.dependencies {
            let label = label(dependency.nature, dependency.is_group());
            let first = links.len();
            for target in dependency.targets() {
                links.push(Link::new(self.target_node(target)?, label));
            }
            if let Needs::Group { at_least, .. } = &dependency.needs {
                let own = links.get(first..).unwrap_or_default();
                let mut members: Vec<u32> = own.iter().map(|link| link.node()).collect();
                members.sort_unstable();
                members.dedup();
                groups.push(Group {
                    nature: dependency.nature,
                    at_least: *at_least as usize,
                    members: members.into_boxed_slice(),
                });
            }
        }
        if groups.is_empty() {
            self.groups.remove(&node);
        } else {
            self.groups.insert(node, groups.into_boxed_slice());
        }
        links.sort_unstable();
        links.dedup();
        self.set_needs(node, &links);
        if self.needs.overflowed() || self.needed_by.overflowed() {
            return Err(GraphFull);
        }
        Ok(())
    }

    /// The graph as it would be if only these resources were registered; those that are not are passed over.
    ///
    /// # Errors
    /// [`GraphFull`], as for [`Self::put`].
    pub fn part<'a>(&self, resources: impl IntoIterator<Item = &'a Id>) -> Result<Self, GraphFull> {
        let mut part = Self::default();
        for id in resources {
            let Some(node) = self.find(id) else { continue };
            let Some(slot) = self.slots.get(node as usize).filter(|slot| slot.registered) else {
                continue;
            };
            let own = part.named_node(&slot.name)?;
            let kind = part.kind(&slot.kind);
            if let Some(place) = part.slots.get_mut(own as usize) {
                part.registered += usize::from(!place.registered);
                place.registered = true;
                place.kind = kind;
                place.title.clone_from(&slot.title);
            }
            let mut links = Vec::new();
            for link in self.needs.of(node) {
                links.push(Link::new(part.same_node(self, link.node())?, link.label()));
            }
            links.sort_unstable();
            part.set_needs(own, &links);
            if let Some(groups) = self.groups.get(&node) {
                let groups = groups.iter().map(|group| {
                    let members = group.members.iter().map(|member| part.same_node(self, *member));
                    let mut members = members.collect::<Result<Box<[u32]>, _>>()?;
                    members.sort_unstable();
                    Ok(Group { members, ..*group })
                });
                let groups = groups.collect::<Result<_, _>>()?;
                part.groups.insert(own, groups);
            }
            if part.needs.overflowed() || part.needed_by.overflowed() {
                return Err(GraphFull);
            }
        }
        Ok(part)
    }

    /// The node that is called as one of another graph.
    fn same_node(&mut self, other: &Self, node: u32) -> Result<u32, GraphFull> {
        // A link always leads to a node.
        let slot = other.slots.get(node as usize).ok_or(GraphFull)?;
        self.named_node(&slot.name)
    }

    fn named_node(&mut self, name: &NodeName) -> Result<u32, GraphFull> {
        match name {
            NodeName::Resource(id) => self.resource_node(id),
            NodeName::External(uri) => self.external_node(uri),
        }
    }

    /// Takes a resource out; where others still need it, it stays as a dangling reference.
    pub fn remove(&mut self, id: &Id) {
        let Some(&node) = self.resources.get(id) else {
            return;
        };
        let nothing = self.kind("");
        if let Some(slot) = self.slots.get_mut(node as usize) {
            if slot.registered
                && let Some(watch) = &mut self.watch
            {
                watch.note_referred(id);
            }
            self.registered -= usize::from(slot.registered);
            slot.registered = false;
            slot.kind = nothing;
            slot.title = Box::default();
        }
        self.groups.remove(&node);
        self.set_needs(node, &[]);
        self.release(node);
    }

    /// Whether a resource of this id is registered.
    pub fn contains(&self, id: &Id) -> bool {
        self.resources
            .get(id)
            .and_then(|node| self.slots.get(*node as usize))
            .is_some_and(|s| s.registered)
    }

    /// How many resources are registered.
    pub const fn resource_count(&self) -> usize {
        self.registered
    }

    /// How many edges there are, those to dangling and external nodes included.
    pub fn edge_count(&self) -> usize {
        self.needs.len()
    }

    /// The resources that depend directly on this one, whether it is registered or not.
    pub fn dependents(&self, id: &Id) -> impl Iterator<Item = &Id> {
        let links = self
            .resources
            .get(id)
            .map(|node| self.needed_by.of(*node))
            .unwrap_or_default();
        links.iter().filter_map(|link| self.resource_id(link.node()))
    }

    /// Every resource that others need and nobody registered, by id; with `among`, only as far as one of those
    /// resources needs it.
    pub fn dangling(&self, among: Option<&dyn Fn(&Id) -> bool>) -> Vec<Dangling> {
        let unregistered = self.slots.iter().filter(|slot| !slot.registered);
        let mut all: Vec<Dangling> = unregistered
            .filter_map(|slot| match &slot.name {
                NodeName::Resource(id) => self.dangling_reference(id, among),
                NodeName::External(_) => None,
            })
            .collect();
        all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// Whether others need this resource, and nobody registered it.
    fn is_dangling(&self, id: &Id) -> bool {
        !self.contains(id) && self.dependents(id).next().is_some()
    }

    /// A resource that others need and nobody registered; with `among`, only as far as one of those resources needs it.
    fn dangling_reference(&self, id: &Id, among: Option<&dyn Fn(&Id) -> bool>) -> Option<Dangling> {
        if self.contains(id) {
            return None;
        }
        let dependents = self.dependents(id);
        let mut dependents: Vec<Id> = dependents
            .filter(|dependent| among.is_none_or(|among| among(dependent)))
            .cloned()
            .collect();
        dependents.sort_unstable();
        dependents.dedup();
        let total = dependents.len();
        dependents.truncate(DANGLING_DEPENDENTS_MAX);
        (total > 0).then(|| Dangling {
            id: id.clone(),
            dependents,
            total,
        })
    }

    /// A registered resource, as answers show it.
    pub fn node(&self, id: &Id) -> Option<Node> {
        let node = self.find(id).and_then(|node| self.show(node, 0));
        node.filter(|node| node.registered)
    }

    /// The node of a resource, registered or dangling.
    fn find(&self, id: &Id) -> Option<u32> {
        self.resources.get(id).copied()
    }

    /// The node of a resource or, where there is none of that id, of something outside.
    fn find_any(&self, name: &str) -> Option<u32> {
        let resource = self.resources.get(name).copied();
        resource.or_else(|| self.externals.get(name).copied())
    }

    /// What a node is called: the id of a resource, or a URI.
    fn name(&self, node: u32) -> Option<&str> {
        Some(match &self.slots.get(node as usize)?.name {
            NodeName::Resource(id) => id.as_str(),
            NodeName::External(uri) => uri,
        })
    }

    fn resource_id(&self, node: u32) -> Option<&Id> {
        match &self.slots.get(node as usize)?.name {
            NodeName::Resource(id) => Some(id),
            NodeName::External(_) => None,
        }
    }

    /// A node as answers show it.
    fn show(&self, node: u32, distance: u32) -> Option<Node> {
        let slot = self.slots.get(node as usize)?;
        let target = match &slot.name {
            NodeName::Resource(id) => Target::Resource(id.clone()),
            NodeName::External(uri) => Target::External(uri.to_string()),
        };
        Some(Node {
            target,
            registered: slot.registered,
            kind: slot.kind.to_string(),
            name: slot.title.to_string(),
            distance,
        })
    }

    /// The links of a node one way, as far as the natures allow.
    fn links(&self, node: u32, direction: Direction, natures: Natures) -> impl Iterator<Item = Link> {
        let links = match direction {
            Direction::Dependencies => self.needs.of(node),
            Direction::Dependents => self.needed_by.of(node),
        };
        let wanted = labels_of(natures);
        links
            .iter()
            .copied()
            .filter(move |link| wanted & (1 << link.label()) != 0)
    }

    fn set_needs(&mut self, node: u32, links: &[Link]) {
        let old: Vec<Link> = self.needs.of(node).to_vec();
        // Both lists are sorted, so what is in one only is found by a binary search.
        let added = links.iter().filter(|link| old.binary_search(link).is_err());
        let dropped = old.iter().filter(|link| links.binary_search(link).is_err());
        self.note(node, added.clone().chain(dropped.clone()));
        for link in added {
            self.needed_by.push(link.node(), Link::new(node, link.label()));
        }
        self.needs.set(node, links);
        for link in dropped {
            self.needed_by.remove(link.node(), Link::new(node, link.label()));
            self.release(link.node());
        }
    }

    /// Has the watch know that a node has, or had, these links and did not, or does not any more.
    fn note<'a>(&mut self, node: u32, links: impl Iterator<Item = &'a Link>) {
        let Some(mut watch) = self.watch.take() else {
            return;
        };
        for link in links {
            if let Some(owner) = self.resource_id(node) {
                watch.note_changed(owner);
            }
            if let Some(target) = self.resource_id(link.node()) {
                watch.note_referred(target);
            }
        }
        self.watch = Some(watch);
    }

    fn resource_node(&mut self, id: &Id) -> Result<u32, GraphFull> {
        if let Some(node) = self.resources.get(id) {
            return Ok(*node);
        }
        let node = self.new_node(NodeName::Resource(id.clone()))?;
        self.resources.insert(id.clone(), node);
        Ok(node)
    }

    fn target_node(&mut self, target: &Target) -> Result<u32, GraphFull> {
        match target {
            Target::Resource(id) => self.resource_node(id),
            Target::External(uri) => match self.externals.get(uri.as_str()) {
                Some(node) => Ok(*node),
                None => self.external_node(&Arc::from(uri.as_str())),
            },
        }
    }

    fn external_node(&mut self, uri: &Arc<str>) -> Result<u32, GraphFull> {
        if let Some(node) = self.externals.get(uri) {
            return Ok(*node);
        }
        let node = self.new_node(NodeName::External(Arc::clone(uri)))?;
        self.externals.insert(Arc::clone(uri), node);
        Ok(node)
    }

    fn new_node(&mut self, name: NodeName) -> Result<u32, GraphFull> {
        let slot = Slot {
            name,
            kind: self.kind(""),
            title: Box::default(),
            registered: false,
        };
        if let Some(node) = self.free.pop()
            && let Some(place) = self.slots.get_mut(node as usize)
        {
            *place = slot;
            return Ok(node);
        }
        let node = u32::try_from(self.slots.len()).map_err(|_| GraphFull)?;
        if self.slots.len() >= NODES_MAX {
            return Err(GraphFull);
        }
        self.slots.push(slot);
        Ok(node)
    }

    /// Gives a node back that nobody needs and that is nothing of its own.
    fn release(&mut self, node: u32) {
        let Some(slot) = self.slots.get_mut(node as usize) else {
            return;
        };
        if slot.registered || !self.needed_by.of(node).is_empty() || !self.needs.of(node).is_empty() {
            return;
        }
        let nobody = NodeName::External(Arc::from(""));
        let forgotten = match std::mem::replace(&mut slot.name, nobody) {
            NodeName::Resource(id) => self.resources.remove(&id),
            NodeName::External(uri) => self.externals.remove(&uri),
        };
        // A node that is free already has no name that could be forgotten, and must not be freed twice.
        if forgotten.is_some() {
            self.free.push(node);
        }
    }

    /// One shared text for each kind: there are few kinds and many resources.
    fn kind(&mut self, kind: &str) -> Arc<str> {
        if let Some(known) = self.kinds.get(kind) {
            return Arc::clone(known);
        }
        let kind: Arc<str> = Arc::from(kind);
        self.kinds.insert(Arc::clone(&kind));
        kind
    }
}
