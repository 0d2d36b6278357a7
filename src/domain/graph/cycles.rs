//! Which resources need themselves through others: strongly connected sets, by petgraph over our layout.

use fixedbitset::FixedBitSet;
use petgraph::Direction as Way;
use petgraph::visit::{
    GraphBase, GraphRef, IntoNeighbors, IntoNeighborsDirected, IntoNodeIdentifiers, Visitable,
};

use super::Graph;
use crate::domain::id::Id;
use crate::domain::question::{Direction, Natures, Node};

/// The graph as petgraph sees it: only some natures, and only nodes that can be in a cycle.
#[derive(Clone, Copy)]
struct Followed<'a> {
    graph: &'a Graph,
    natures: Natures,
    nodes: &'a FixedBitSet,
}

impl GraphBase for Followed<'_> {
    type NodeId = u32;
    type EdgeId = (u32, u32);
}

impl GraphRef for Followed<'_> {}

impl Visitable for Followed<'_> {
    type Map = FixedBitSet;

    fn visit_map(&self) -> FixedBitSet {
        FixedBitSet::with_capacity(self.graph.slots.len())
    }

    fn reset_map(&self, map: &mut FixedBitSet) {
        map.clear();
        map.grow(self.graph.slots.len());
    }
}

impl<'a> IntoNeighbors for Followed<'a> {
    type Neighbors = Box<dyn Iterator<Item = u32> + 'a>;

    fn neighbors(self, node: u32) -> Self::Neighbors {
        self.neighbors_directed(node, Way::Outgoing)
    }
}

impl<'a> IntoNeighborsDirected for Followed<'a> {
    type NeighborsDirected = Box<dyn Iterator<Item = u32> + 'a>;

    fn neighbors_directed(self, node: u32, way: Way) -> Self::NeighborsDirected {
        let direction = match way {
            Way::Outgoing => Direction::Dependencies,
            Way::Incoming => Direction::Dependents,
        };
        let links = self.graph.links(node, direction, self.natures);
        Box::new(
            links
                .map(super::Link::node)
                .filter(move |node| self.nodes.contains(*node as usize)),
        )
    }
}

impl<'a> IntoNodeIdentifiers for Followed<'a> {
    type NodeIdentifiers = Box<dyn Iterator<Item = u32> + 'a>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        Box::new(self.nodes.ones().filter_map(|node| u32::try_from(node).ok()))
    }
}

impl Graph {
    /// Every set of resources that need each other, largest first; a resource that needs itself is a set of one. With
    /// `among`, only sets that have such a resource.
    pub fn cycles(&self, natures: Natures, among: Option<&dyn Fn(&Id) -> bool>) -> Vec<Vec<Node>> {
        let mut sets: Vec<Vec<Node>> = self
            .cycle_sets(natures)
            .into_iter()
            .filter(|set| {
                let mut ids = set.iter().filter_map(|node| self.resource_id(*node));
                among.is_none_or(|among| ids.any(among))
            })
            .map(|set| set.into_iter().filter_map(|node| self.show(node, 0)).collect())
            .collect();
        for set in &mut sets {
            set.sort_unstable_by(|a, b| a.target.cmp(&b.target));
        }
        sets.sort_unstable_by(|a, b| {
            let first = |set: &[Node]| set.first().map(|node| node.target.clone());
            b.len().cmp(&a.len()).then_with(|| first(a).cmp(&first(b)))
        });
        sets
    }

    /// Every set of nodes that need each other, in no order.
    pub(super) fn cycle_sets(&self, natures: Natures) -> Vec<Vec<u32>> {
        let nodes = self.cyclic_core(natures);
        let followed = Followed {
            graph: self,
            natures,
            nodes: &nodes,
        };
        // Kosaraju and not Tarjan: petgraph's Tarjan recurses, and a long chain would overflow the stack.
        let mut sets = petgraph::algo::kosaraju_scc(followed);
        sets.retain(|set| self.is_cycle(set, natures));
        sets
    }

    /// Whether nodes that are all connected with each other are a cycle: one alone must need itself.
    pub(super) fn is_cycle(&self, set: &[u32], natures: Natures) -> bool {
        match set {
            [node] => self
                .links(*node, Direction::Dependencies, natures)
                .any(|link| link.node() == *node),
            _ => true,
        }
    }

    /// The nodes that are left when those that need nothing, and those that nobody needs, are taken away until there are
    /// none. Most graphs are nearly acyclic, so the expensive algorithm sees little of them.
    fn cyclic_core(&self, natures: Natures) -> FixedBitSet {
        let mut core = FixedBitSet::with_capacity(self.slots.len());
        core.insert_range(..);
        for direction in [Direction::Dependencies, Direction::Dependents] {
            self.strip(&mut core, direction, natures);
        }
        core
    }

    /// Takes away every node that has no link this way, again and again.
    fn strip(&self, core: &mut FixedBitSet, direction: Direction, natures: Natures) {
        let back = match direction {
            Direction::Dependencies => Direction::Dependents,
            Direction::Dependents => Direction::Dependencies,
        };
        let mut degrees = vec![0_u32; self.slots.len()];
        let mut bare = Vec::new();
        for (node, degree) in (0_u32..).zip(&mut degrees) {
            if core.contains(node as usize) {
                let links = self.links(node, direction, natures);
                *degree = links.fold(0, |n, link| n + u32::from(core.contains(link.node() as usize)));
                if *degree == 0 {
                    bare.push(node);
                }
            }
        }
        while let Some(node) = bare.pop() {
            core.set(node as usize, false);
            for link in self.links(node, back, natures) {
                if let Some(degree) = degrees.get_mut(link.node() as usize)
                    && core.contains(link.node() as usize)
                {
                    *degree -= 1;
                    if *degree == 0 {
                        bare.push(link.node());
                    }
                }
            }
        }
    }
}
