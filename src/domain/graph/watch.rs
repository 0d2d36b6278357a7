//! What is kept up to date of the graph as a whole: its cycles, and the references to nothing.
//!
//! A cycle that is new has a resource in it whose own dependencies have changed, or is what is left of one that had; a
//! cycle that is gone had such a resource, or is part of a new one. So the search after a transaction begins at those
//! resources, and goes no further than the nearer of two ends: all that a resource needs, or all that needs it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use fixedbitset::FixedBitSet;

use super::Graph;
use crate::domain::id::Id;
use crate::domain::news::GraphNews;
use crate::domain::question::{Direction, Natures};

/// What is known of the graph as a whole, and what has been touched since.
#[derive(Clone, Default)]
pub(super) struct Watch {
    /// The cycle that a resource is in, sorted.
    cycle_of: HashMap<Id, Arc<[Id]>>,
    dangling: HashSet<Id>,
    /// Resources whose own dependencies have changed.
    changed: HashSet<Id>,
    /// Resources that others have begun or ceased to need, or that came or went.
    referred: HashSet<Id>,
}

impl Watch {
    /// Takes down that the dependencies of a resource have changed.
    pub(super) fn note_changed(&mut self, id: &Id) {
        self.changed.insert(id.clone());
    }

    /// Takes down that a resource may be a dangling reference now, or not any more.
    pub(super) fn note_referred(&mut self, id: &Id) {
        self.referred.insert(id.clone());
    }

    fn dangling_news(&mut self, graph: &Graph, news: &mut GraphNews) {
        let mut referred: Vec<Id> = self.referred.drain().collect();
        referred.sort_unstable();
        for id in referred {
            if !graph.is_dangling(&id) {
                if self.dangling.remove(&id) {
                    news.dangling_cleared.push(id);
                }
            } else if !self.dangling.contains(&id) {
                // Only what is new is looked at whole: one that stays may have very many dependents.
                news.dangling_appeared.extend(graph.dangling_reference(&id, None));
                self.dangling.insert(id);
            }
        }
    }

    fn cycle_news(&mut self, graph: &Graph, news: &mut GraphNews) {
        let mut seeds: BTreeSet<Id> = self.changed.drain().collect();
        if seeds.is_empty() {
            return;
        }
        let mut before: BTreeSet<Arc<[Id]>> = BTreeSet::new();
        before.extend(seeds.iter().filter_map(|id| self.cycle_of.get(id).cloned()));
        seeds.extend(before.iter().flat_map(|cycle| cycle.iter().cloned()));
        let now = graph.cycles_around(&seeds);
        // Those that a new one has swallowed.
        let members = now.iter().flat_map(|cycle| cycle.iter());
        before.extend(members.filter_map(|id| self.cycle_of.get(id).cloned()));
        for id in before.iter().flat_map(|cycle| cycle.iter()) {
            self.cycle_of.remove(id);
        }
        for cycle in &now {
            for id in cycle.iter() {
                self.cycle_of.insert(id.clone(), Arc::clone(cycle));
            }
        }
        news.cycles_appeared = now.difference(&before).map(|cycle| cycle.to_vec()).collect();
        news.cycles_cleared = before.difference(&now).map(|cycle| cycle.to_vec()).collect();
    }
}

impl Graph {
    /// From now on, keeps the cycles and the dangling references up to date. Takes as long as to look for all of them.
    pub fn watch(&mut self) {
        let mut watch = Watch::default();
        for cycle in self.all_cycles() {
            for id in cycle.iter() {
                watch.cycle_of.insert(id.clone(), Arc::clone(&cycle));
            }
        }
        let dangling = self.dangling(None);
        watch.dangling = dangling.into_iter().map(|reference| reference.id).collect();
        self.watch = Some(Box::new(watch));
    }

    /// What came and went since this was asked last, or since the watch began; nothing where there is no watch.
    pub fn settle(&mut self) -> GraphNews {
        let mut news = GraphNews::default();
        if let Some(mut watch) = self.watch.take() {
            watch.dangling_news(self, &mut news);
            watch.cycle_news(self, &mut news);
            self.watch = Some(watch);
        }
        news
    }

    fn all_cycles(&self) -> BTreeSet<Arc<[Id]>> {
        let sets = self.cycle_sets(Natures::ALL).into_iter();
        sets.map(|set| self.sorted_ids(&set)).collect()
    }

    fn sorted_ids(&self, nodes: &[u32]) -> Arc<[Id]> {
        let ids = nodes.iter().filter_map(|node| self.resource_id(*node));
        let mut ids: Vec<Id> = ids.cloned().collect();
        ids.sort_unstable();
        ids.into()
    }

    /// The cycles that these resources are in; all cycles, where to look for all is the shorter way.
    fn cycles_around(&self, seeds: &BTreeSet<Id>) -> BTreeSet<Arc<[Id]>> {
        let mut cycles = BTreeSet::new();
        let mut done = FixedBitSet::with_capacity(self.slots.len());
        let mut around = Around::new(self);
        for node in seeds.iter().filter_map(|id| self.find(id)) {
            if done.contains(node as usize) {
                continue;
            }
            let set = around.set_of(node);
            if around.spent > self.slots.len() + self.needs.len() {
                return self.all_cycles();
            }
            done.extend(set.iter().map(|node| *node as usize));
            if self.is_cycle(&set, Natures::ALL) {
                cycles.insert(self.sorted_ids(&set));
            }
        }
        cycles
    }
}

/// A search for the strongly connected set around one node after the other.
struct Around<'a> {
    graph: &'a Graph,
    dependencies: Side,
    dependents: Side,
    /// The edges that were followed.
    spent: usize,
}

/// All that one direction leads to, as far as it was followed.
struct Side {
    direction: Direction,
    seen: FixedBitSet,
    found: Vec<u32>,
    /// The place of the first that was found and not followed.
    next: usize,
    spent: usize,
}

impl Side {
    fn new(direction: Direction, nodes: usize) -> Self {
        Self {
            direction,
            seen: FixedBitSet::with_capacity(nodes),
            found: Vec::new(),
            next: 0,
            spent: 0,
        }
    }

    fn begin(&mut self, node: u32) {
        for node in self.found.drain(..) {
            self.seen.set(node as usize, false);
        }
        (self.next, self.spent) = (0, 0);
        self.visit(node);
    }

    fn visit(&mut self, node: u32) {
        if !self.seen.put(node as usize) {
            self.found.push(node);
        }
    }

    /// Follows one more node; says whether there was one. With `among`, only to nodes that the other side has seen.
    fn step(&mut self, graph: &Graph, among: Option<&Self>) -> bool {
        let Some(&node) = self.found.get(self.next) else {
            return false;
        };
        self.next += 1;
        for link in graph.links(node, self.direction, Natures::ALL) {
            self.spent += 1;
            if among.is_none_or(|side| side.seen.contains(link.node() as usize)) {
                self.visit(link.node());
            }
        }
        true
    }
}

impl<'a> Around<'a> {
    fn new(graph: &'a Graph) -> Self {
        let nodes = graph.slots.len();
        Self {
            graph,
            dependencies: Side::new(Direction::Dependencies, nodes),
            dependents: Side::new(Direction::Dependents, nodes),
            spent: 0,
        }
    }

    /// The nodes that need this one and that it needs, itself included.
    fn set_of(&mut self, node: u32) -> Vec<u32> {
        let (mut near, mut far) = (&mut self.dependencies, &mut self.dependents);
        near.begin(node);
        far.begin(node);
        // The two take turns, so that the whole costs twice the shorter way.
        while near.step(self.graph, None) {
            if near.spent > far.spent {
                std::mem::swap(&mut near, &mut far);
            }
        }
        // All that is near is known. What of it leads back is found without leaving it.
        let first = far.spent;
        far.begin(node);
        while far.step(self.graph, Some(near)) {}
        self.spent += near.spent + first + far.spent;
        far.found.clone()
    }
}
