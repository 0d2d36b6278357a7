//! Waves of resources that can be started, or stopped, at the same time.
//!
//! A dependency of any nature puts what is needed before what needs it; a group waits for all of its members. Where
//! resources wait for each other there is no such order, so some dependencies are left out of account, and said. Of hard
//! ones only such as are in a circle of hard ones; then of those to start only such as are in a circle with what is kept;
//! then of soft ones. In each set of resources that need each other, the one with the fewest of them within the set goes
//! first, again and again. To stop is the same the other way round, and keeps the same.

use std::collections::BTreeMap;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;

use super::{Graph, is_grouped, nature_of};
use crate::domain::document::Nature;
use crate::domain::id::Id;
use crate::domain::order::{Broken, Order, Outside, Purpose};
use crate::domain::question::{Direction, Natures, Node};

/// The most resources that one thing outside names; it always says how many there are.
const OUTSIDE_RESOURCES_MAX: usize = 20;
/// How many links the search for what to leave out may look at. Beyond it, what is left of a set is put in the order of
/// ids: far more than a set that people made.
const BREAKING_MAX: usize = 5_000_000;

/// One thing that must come before a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wait {
    /// Its place in the crew.
    first: usize,
    /// How strongly it is waited for.
    nature: Nature,
    /// Whether it is only one of a group.
    grouped: bool,
}

/// What must come before a resource, by their places in the crew.
type Before = Vec<Wait>;

/// How much an order loses that does not keep a dependency: one to start most of all, after a hard one.
const fn strength(nature: Nature) -> u8 {
    match nature {
        Nature::Soft => 0,
        Nature::Startup => 1,
        Nature::Hard => 2,
    }
}

/// The resources of an order, and what waits for what.
struct Crew<'a> {
    graph: &'a Graph,
    /// By id.
    nodes: Vec<u32>,
    before: Vec<Before>,
    outside: BTreeMap<u32, Vec<u32>>,
    /// What is not kept, and who waits for it.
    broken: Vec<(usize, Wait)>,
}

impl Graph {
    /// The order to start or stop these resources; those that are not registered are left out. At most `limit` of them
    /// are shown, and of each other list as many.
    pub fn order<'a>(&self, ids: impl IntoIterator<Item = &'a Id>, purpose: Purpose, limit: usize) -> Order {
        let mut crew = Crew::of(self, ids, purpose);
        let cycles = crew.break_cycles();
        if purpose == Purpose::Stop {
            crew.turn();
        }
        let waves = crew.waves();
        let critical = crew.critical_path(&waves);
        let (waves_shown, cycles_shown) = (crew.shown(&waves, limit), crew.shown(&cycles, limit));
        let (mut broken, mut outside) = (crew.shown_broken(), crew.shown_outside());
        let (broken_total, outside_total) = (broken.len(), outside.len());
        let in_cycles = cycles.iter().map(Vec::len).sum();
        let longest = [crew.nodes.len(), in_cycles, broken_total, outside_total];
        broken.truncate(limit);
        outside.truncate(limit);
        Order {
            waves: waves_shown,
            wave_count: waves.len(),
            resources: crew.nodes.len(),
            critical_path: crew.shown(&[critical], limit).pop().unwrap_or_default(),
            cycles: cycles_shown,
            cycles_total: cycles.len(),
            broken,
            broken_total,
            outside,
            outside_total,
            is_cut: longest.iter().any(|length| *length > limit),
        }
    }
}

impl<'a> Crew<'a> {
    fn of<'i>(graph: &'a Graph, ids: impl IntoIterator<Item = &'i Id>, purpose: Purpose) -> Self {
        let mut named: Vec<(&Id, u32)> = ids
            .into_iter()
            .filter(|id| graph.contains(id))
            .filter_map(|id| Some((id, graph.find(id)?)))
            .collect();
        named.sort_unstable();
        named.dedup();
        let nodes: Vec<u32> = named.into_iter().map(|(_, node)| node).collect();
        let places: BTreeMap<u32, usize> = nodes.iter().copied().zip(0..).collect();
        let mut outside: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut before = Vec::with_capacity(nodes.len());
        for node in &nodes {
            let mut firsts: BTreeMap<usize, Wait> = BTreeMap::new();
            for link in graph.links(*node, Direction::Dependencies, Natures::ALL) {
                let Some(&first) = places.get(&link.node()) else {
                    continue;
                };
                let wait = Wait {
                    first,
                    nature: nature_of(link.label()),
                    grouped: is_grouped(link.label()),
                };
                let known = firsts.entry(first).or_insert(wait);
                // Of several dependencies on one thing the strongest counts, and one on it alone before one of a group.
                let weight = |wait: &Wait| (strength(wait.nature), !wait.grouped);
                if weight(known) < weight(&wait) {
                    *known = wait;
                }
            }
            before.push(firsts.into_values().collect());
            let direction = match purpose {
                Purpose::Start => Direction::Dependencies,
                Purpose::Stop => Direction::Dependents,
            };
            let links = graph.links(*node, direction, Natures::ALL);
            for link in links.filter(|link| !places.contains_key(&link.node())) {
                outside.entry(link.node()).or_default().push(*node);
            }
        }
        Self {
            graph,
            nodes,
            before,
            outside,
            broken: Vec::new(),
        }
    }

    /// Leaves out dependencies until nothing waits for itself. The sets of resources that waited for each other, largest
    /// first.
    fn break_cycles(&mut self) -> Vec<Vec<usize>> {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        let mut budget = BREAKING_MAX;
        let mut cycles = self.cyclic_sets(&all, Nature::Soft, &mut budget);
        cycles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        for weakest in [Nature::Hard, Nature::Startup, Nature::Soft] {
            let mut sets = Vec::new();
            for cycle in &cycles {
                sets.extend(self.cyclic_sets(cycle, weakest, &mut budget));
            }
            while let Some(set) = sets.pop() {
                if budget == 0 {
                    // What is stronger is in no circle any more, so without the rest there is none.
                    let out = |first, then| weakest != Nature::Hard || first >= then;
                    self.leave_out(&set, weakest, out);
                    continue;
                }
                let next = set
                    .iter()
                    .copied()
                    .min_by_key(|place| self.weight(*place, weakest, &set));
                if let Some(next) = next {
                    self.leave_out(&set, weakest, |_, then| then == next);
                }
                sets.extend(self.cyclic_sets(&set, weakest, &mut budget));
            }
        }
        cycles
    }

    /// The sets of these resources that wait for each other, and only through each other, by dependencies that are not
    /// weaker; sorted within.
    fn cyclic_sets(&self, among: &[usize], weakest: Nature, budget: &mut usize) -> Vec<Vec<usize>> {
        let mut waits: DiGraph<(), ()> = DiGraph::with_capacity(among.len(), 0);
        let nodes: Vec<_> = among.iter().map(|_| waits.add_node(())).collect();
        let node = |place: &usize| nodes.get(among.binary_search(place).ok()?).copied();
        let mut own = Vec::new();
        for place in among {
            let before = self.before.get(*place).into_iter().flatten();
            for wait in before.filter(|wait| strength(wait.nature) >= strength(weakest)) {
                *budget = budget.saturating_sub(1);
                if wait.first == *place {
                    own.push(*place);
                } else if let (Some(first), Some(then)) = (node(&wait.first), node(place)) {
                    waits.add_edge(first, then, ());
                }
            }
        }
        let place = |node: &petgraph::graph::NodeIndex| among.get(node.index()).copied();
        kosaraju_scc(&waits)
            .into_iter()
            .map(|set| {
                let mut set: Vec<usize> = set.iter().filter_map(place).collect();
                set.sort_unstable();
                set
            })
            .filter(|set| match set.as_slice() {
                [single] => own.contains(single),
                _ => true,
            })
            .collect()
    }

    /// How many stronger dependencies, and how many of this nature, a resource has within a set.
    fn weight(&self, place: usize, nature: Nature, set: &[usize]) -> (usize, usize) {
        let within = |wait: &&Wait| set.binary_search(&wait.first).is_ok();
        let mut weight = (0, 0);
        for wait in self.before.get(place).into_iter().flatten().filter(within) {
            if strength(wait.nature) > strength(nature) {
                weight.0 += 1;
            } else if wait.nature == nature {
                weight.1 += 1;
            }
        }
        weight
    }

    /// Leaves out what is waited for within a set by dependencies of a nature.
    fn leave_out(&mut self, set: &[usize], nature: Nature, which: impl Fn(usize, usize) -> bool) {
        for then in set {
            let Some(before) = self.before.get_mut(*then) else {
                continue;
            };
            before.retain(|wait| {
                let within = wait.nature == nature && set.binary_search(&wait.first).is_ok();
                let out = within && which(wait.first, *then);
                if out {
                    self.broken.push((*then, *wait));
                }
                !out
            });
        }
    }

    /// From what must be started before what to what must be stopped before what.
    fn turn(&mut self) {
        let mut turned: Vec<Before> = vec![Vec::new(); self.before.len()];
        for (then, before) in self.before.iter().enumerate() {
            for wait in before {
                if let Some(before) = turned.get_mut(wait.first) {
                    before.push(Wait { first: then, ..*wait });
                }
            }
        }
        self.before = turned;
    }

    /// Wave after wave; each has what waits only for waves before it.
    fn waves(&self) -> Vec<Vec<usize>> {
        let mut unmet: Vec<usize> = self.before.iter().map(Vec::len).collect();
        let mut after: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (then, before) in self.before.iter().enumerate() {
            for Wait { first, .. } in before {
                if let Some(after) = after.get_mut(*first) {
                    after.push(then);
                }
            }
        }
        let mut waves = Vec::new();
        let mut wave: Vec<usize> = (0..)
            .zip(&unmet)
            .filter(|(_, n)| **n == 0)
            .map(|(i, _)| i)
            .collect();
        while !wave.is_empty() {
            let mut next = Vec::new();
            for then in wave.iter().filter_map(|first| after.get(*first)).flatten() {
                if let Some(unmet) = unmet.get_mut(*then) {
                    *unmet -= 1;
                    if *unmet == 0 {
                        next.push(*then);
                    }
                }
            }
            next.sort_unstable();
            waves.push(std::mem::replace(&mut wave, next));
        }
        waves
    }

    /// A longest chain: from the last wave back, always to something in the wave before.
    fn critical_path(&self, waves: &[Vec<usize>]) -> Vec<usize> {
        let mut level = vec![0; self.nodes.len()];
        for (number, wave) in waves.iter().enumerate() {
            for place in wave {
                if let Some(level) = level.get_mut(*place) {
                    *level = number;
                }
            }
        }
        let mut path = Vec::new();
        let mut at = waves.last().and_then(|wave| wave.first().copied());
        while let Some(place) = at {
            path.push(place);
            let own = level.get(place).copied().unwrap_or_default();
            let mut before = self.before.get(place).into_iter().flatten();
            let next = before.find(|wait| level.get(wait.first).is_some_and(|level| level + 1 == own));
            at = next.map(|wait| wait.first);
        }
        path.reverse();
        path
    }

    /// The first of some lists of places, as answers show them: at most `limit` nodes in all.
    fn shown(&self, lists: &[Vec<usize>], limit: usize) -> Vec<Vec<Node>> {
        let show = |place: &usize| self.graph.show(*self.nodes.get(*place)?, 0);
        let mut left = limit;
        let mut shown = Vec::new();
        for list in lists {
            if left == 0 {
                break;
            }
            let some: Vec<Node> = list.iter().take(left).filter_map(show).collect();
            left -= some.len();
            shown.push(some);
        }
        shown
    }

    fn shown_broken(&self) -> Vec<Broken> {
        let target = |place: usize| Some(self.graph.show(*self.nodes.get(place)?, 0)?.target);
        let broken = self.broken.iter().filter_map(|(then, wait)| {
            Some(Broken {
                from: target(*then)?,
                to: target(wait.first)?,
                nature: wait.nature,
                grouped: wait.grouped,
            })
        });
        let mut broken: Vec<Broken> = broken.collect();
        broken.sort_unstable();
        broken
    }

    fn shown_outside(&self) -> Vec<Outside> {
        let shown = self.outside.iter().filter_map(|(node, resources)| {
            let ids = resources.iter().filter_map(|node| self.graph.resource_id(*node));
            let mut ids: Vec<Id> = ids.cloned().collect();
            ids.sort_unstable();
            ids.dedup();
            let total = ids.len();
            ids.truncate(OUTSIDE_RESOURCES_MAX);
            Some(Outside {
                node: self.graph.show(*node, 0)?,
                resources: ids,
                total,
            })
        });
        let mut outside: Vec<Outside> = shown.collect();
        outside.sort_unstable_by(|a, b| a.node.target.cmp(&b.node.target));
        outside
    }
}
