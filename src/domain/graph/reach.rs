//! What can be reached from a node, level by level.

use fixedbitset::FixedBitSet;

use super::{Graph, is_grouped, nature_of};
use crate::domain::document::Nature;
use crate::domain::id::Id;
use crate::domain::question::{Direction, Edge, Natures, Node, Subgraph};

/// The most edges between the nodes that a walk shows.
pub(super) const EDGES_MAX: usize = 100_000;

/// The nodes that a walk reached, nearest first, and where each level of distance begins.
pub(super) struct Levels {
    pub(super) nodes: Vec<u32>,
    starts: Vec<usize>,
}

impl Graph {
    /// What a resource needs, or what needs it, within `depth` steps, nearest first; at most `limit` nodes of it, and fewer
    /// where they have too many edges, with every edge between them that the natures allow. The number is how many there are in all, without the start.
    /// `None` where no node has the id.
    pub fn reach(
        &self,
        id: &Id,
        direction: Direction,
        depth: Option<u32>,
        natures: Natures,
        limit: usize,
    ) -> Option<(Subgraph, usize)> {
        let start = self.find(id)?;
        let levels = self.levels(start, direction, depth, natures);
        let total = levels.nodes.len() - 1;
        let shown = levels.nodes.get(..=limit).unwrap_or(&levels.nodes);
        let shown = self.within(shown, natures, EDGES_MAX);
        Some((self.induced(&levels, natures, shown), total))
    }

    /// How many nodes, from the first on, have no more edges than this together; at least one.
    fn within(&self, nodes: &[u32], natures: Natures, edges: usize) -> usize {
        let sums = nodes.iter().scan(0, |sum, node| {
            *sum += self.links(*node, Direction::Dependencies, natures).count();
            Some(*sum)
        });
        sums.take_while(|sum| *sum <= edges).count().max(1)
    }

    /// A breadth-first walk. Written by hand: petgraph's has no levels and no depth.
    pub(super) fn levels(
        &self,
        start: u32,
        direction: Direction,
        depth: Option<u32>,
        natures: Natures,
    ) -> Levels {
        let mut seen = FixedBitSet::with_capacity(self.slots.len());
        seen.insert(start as usize);
        let mut levels = Levels {
            nodes: vec![start],
            starts: vec![0],
        };
        let mut level = 0..1;
        while !level.is_empty() && depth.is_none_or(|depth| levels.starts.len() <= depth as usize) {
            for place in level.clone() {
                let Some(&node) = levels.nodes.get(place) else {
                    break;
                };
                for link in self.links(node, direction, natures) {
                    if !seen.put(link.node() as usize) {
                        levels.nodes.push(link.node());
                    }
                }
            }
            level = level.end..levels.nodes.len();
            levels.starts.push(level.start);
        }
        levels
    }

    /// The first nodes of a walk and the edges between them.
    fn induced(&self, levels: &Levels, natures: Natures, limit: usize) -> Subgraph {
        const OUTSIDE: u32 = u32::MAX;
        let mut places = vec![OUTSIDE; self.slots.len()];
        let mut nodes: Vec<Node> = Vec::with_capacity(levels.nodes.len().min(limit));
        let mut distance = 0;
        for (place, node) in levels.nodes.iter().take(limit).enumerate() {
            while levels
                .starts
                .get(distance as usize + 1)
                .is_some_and(|next| *next <= place)
            {
                distance += 1;
            }
            nodes.extend(self.show(*node, distance));
            if let Some(slot) = places.get_mut(*node as usize) {
                *slot = u32::try_from(place).unwrap_or(OUTSIDE);
            }
        }
        let mut edges = Vec::new();
        for (from, node) in levels.nodes.iter().take(limit).enumerate() {
            for link in self.links(*node, Direction::Dependencies, natures) {
                let to = places.get(link.node() as usize).copied().unwrap_or(OUTSIDE);
                if to != OUTSIDE {
                    let nature: Nature = nature_of(link.label());
                    edges.push(Edge {
                        from,
                        to: to as usize,
                        nature,
                        grouped: is_grouped(link.label()),
                    });
                }
            }
        }
        Subgraph { nodes, edges }
    }

    /// How many nodes a walk reaches, without the start: the walk alone, as benchmarks and budgets measure it.
    pub fn reach_count(&self, id: &Id, direction: Direction, natures: Natures) -> Option<usize> {
        let start = self.find(id)?;
        Some(self.levels(start, direction, None, natures).nodes.len() - 1)
    }
}
