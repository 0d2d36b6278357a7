//! Sets of resources that a property of the graph describes, as searches combine them with words.

use super::{Graph, NodeName};
use crate::domain::document::Target;
use crate::domain::id::Id;
use crate::domain::question::{Direction, Natures};

impl Graph {
    /// The resources that a walk reaches within `depth` steps, registered or not, without the start; in no order.
    /// `None` where no node has the id.
    pub fn reached(
        &self,
        id: &Id,
        direction: Direction,
        depth: Option<u32>,
        natures: Natures,
    ) -> Option<Vec<Id>> {
        let start = self.find(id)?;
        let levels = self.levels(start, direction, depth, natures);
        let others = levels.nodes.iter().skip(1);
        Some(
            others
                .filter_map(|node| self.resource_id(*node))
                .cloned()
                .collect(),
        )
    }

    /// The resources that need one that is not registered.
    pub fn with_dangling(&self) -> Vec<Id> {
        self.that_need(|slot| !slot.registered && matches!(slot.name, NodeName::Resource(_)))
    }

    /// The resources that need something outside.
    pub fn with_external(&self) -> Vec<Id> {
        self.that_need(|slot| matches!(slot.name, NodeName::External(_)))
    }

    /// The resources that need themselves, through others or directly.
    pub fn in_cycles(&self, natures: Natures) -> Vec<Id> {
        let sets = self.cycles(natures, None).into_iter().flatten();
        let ids = sets.filter_map(|node| match node.target {
            Target::Resource(id) => Some(id),
            Target::External(_) => None,
        });
        ids.collect()
    }

    /// The registered resources with a dependency on such a node.
    fn that_need(&self, such: impl Fn(&super::Slot) -> bool) -> Vec<Id> {
        let mut found = Vec::new();
        for (node, slot) in (0_u32..).zip(&self.slots) {
            let NodeName::Resource(id) = &slot.name else {
                continue;
            };
            let mut needs = self.needs.of(node).iter();
            if needs.any(|link| self.slots.get(link.node() as usize).is_some_and(&such)) {
                found.push(id.clone());
            }
        }
        found
    }
}
