//! How one node comes to need another.

use std::collections::VecDeque;

use fixedbitset::FixedBitSet;

use super::Graph;
use crate::domain::id::Id;
use crate::domain::question::{Direction, Natures, Node};

/// How many links a search for all simple paths may look at, those of the paths that it found counted again: there can be
/// exponentially many paths, and each is to be kept and shown.
const STEPS_MAX: usize = 500_000;
const UNREACHED: u32 = u32::MAX;

/// Paths from one node to another, shortest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paths {
    /// Each from the first node to the last.
    pub paths: Vec<Vec<Node>>,
    /// Whether there are, or may be, more than these.
    pub more: bool,
}

/// A search for simple paths of one length.
struct Walk<'a> {
    graph: &'a Graph,
    natures: Natures,
    /// Steps from each node to the end; the walk never goes where the end is too far.
    left: &'a [u32],
    steps: usize,
    /// Whether some branch was cut because it needs a longer path.
    cut: bool,
}

impl Graph {
    /// A shortest path along dependencies, or all simple ones up to `limit`; none where there is none. `None` where one
    /// of the ids is no node.
    pub fn paths(&self, from: &Id, to: &Id, all: bool, natures: Natures, limit: usize) -> Option<Paths> {
        let (from, to) = (self.find(from)?, self.find(to)?);
        let left = self.steps_to(to, natures);
        let shortest = left.get(from as usize).copied().unwrap_or(UNREACHED);
        if shortest == UNREACHED {
            return Some(Paths::default());
        }
        let limit = if all { limit } else { 1 };
        let mut walk = Walk {
            graph: self,
            natures,
            left: &left,
            // The one shortest is walked straight.
            steps: if all { STEPS_MAX } else { usize::MAX },
            cut: false,
        };
        let mut found: Vec<Vec<u32>> = Vec::new();
        let longest = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let mut more = false;
        // One length after the other, so that the shortest come first whatever the limit.
        for length in shortest..longest.max(shortest + 1) {
            walk.cut = false;
            walk.of_length(from, to, length, limit + usize::from(all), &mut found);
            more = found.len() > limit || walk.steps == 0;
            if !all || more || !walk.cut {
                break;
            }
        }
        found.truncate(limit);
        let show = |path: Vec<u32>| {
            (0..)
                .zip(path)
                .filter_map(|(i, node)| self.show(node, i))
                .collect()
        };
        Some(Paths {
            paths: found.into_iter().map(show).collect(),
            more,
        })
    }

    /// The number of steps from every node to `end`.
    fn steps_to(&self, end: u32, natures: Natures) -> Vec<u32> {
        let mut steps = vec![UNREACHED; self.slots.len()];
        if let Some(own) = steps.get_mut(end as usize) {
            *own = 0;
        }
        let mut queue = VecDeque::from([(end, 0)]);
        while let Some((node, distance)) = queue.pop_front() {
            for link in self.links(node, Direction::Dependents, natures) {
                if let Some(other) = steps.get_mut(link.node() as usize)
                    && *other == UNREACHED
                {
                    *other = distance + 1;
                    queue.push_back((link.node(), distance + 1));
                }
            }
        }
        steps
    }
}

impl Walk<'_> {
    /// Adds the simple paths of exactly this many steps, until `found` holds `limit`. Depth first with a stack of its
    /// own, so that a long path cannot overflow the thread's.
    fn of_length(&mut self, from: u32, to: u32, length: u32, limit: usize, found: &mut Vec<Vec<u32>>) {
        let mut path = vec![from];
        let mut on_path = FixedBitSet::with_capacity(self.left.len());
        on_path.insert(from as usize);
        if from == to {
            found.push(path);
            return;
        }
        let mut branches = vec![self.next_nodes(from, length)];
        while let Some(branch) = branches.last_mut() {
            if found.len() >= limit || self.steps == 0 {
                return;
            }
            let Some(node) = branch.pop() else {
                branches.pop();
                if let Some(done) = path.pop() {
                    on_path.remove(done as usize);
                }
                continue;
            };
            let remaining = length - u32::try_from(path.len()).unwrap_or(length);
            if node == to {
                if remaining == 0 {
                    self.steps = self.steps.saturating_sub(path.len());
                    let mut whole = path.clone();
                    whole.push(to);
                    found.push(whole);
                }
            } else if !on_path.contains(node as usize) {
                path.push(node);
                on_path.insert(node as usize);
                branches.push(self.next_nodes(node, remaining));
            }
        }
    }

    /// Where a walk with this many steps left can go on; in descending order, since the last is taken first.
    fn next_nodes(&mut self, node: u32, remaining: u32) -> Vec<u32> {
        let mut nodes = Vec::new();
        for link in self.graph.links(node, Direction::Dependencies, self.natures) {
            self.steps = self.steps.saturating_sub(1);
            let left = self.left.get(link.node() as usize).copied().unwrap_or(UNREACHED);
            if left < remaining {
                nodes.push(link.node());
            } else if left != UNREACHED {
                self.cut = true;
            }
        }
        nodes.sort_unstable_by(|a, b| b.cmp(a));
        nodes.dedup();
        nodes
    }
}
