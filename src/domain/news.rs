//! What a transaction did to the graph as a whole, beside what it did to each resource.

use super::id::Id;
use super::question::Dangling;

/// Cycles and dangling references that came, and that went.
///
/// A cycle is a set of resources that need each other, sorted, or one that needs itself. One that grows or shrinks is
/// another: the old one is cleared and the new one appears.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GraphNews {
    /// The cycles that are there now and were not before.
    pub cycles_appeared: Vec<Vec<Id>>,
    /// The cycles that were there before and are not now.
    pub cycles_cleared: Vec<Vec<Id>>,
    /// The resources that others need now and nobody registered, as far as that was not so before.
    pub dangling_appeared: Vec<Dangling>,
    /// The resources of which that was so before and is not now: they are registered, or nobody needs them any more.
    pub dangling_cleared: Vec<Id>,
}

impl GraphNews {
    /// Whether nothing came and nothing went.
    pub const fn is_empty(&self) -> bool {
        self.cycles_appeared.is_empty()
            && self.cycles_cleared.is_empty()
            && self.dangling_appeared.is_empty()
            && self.dangling_cleared.is_empty()
    }
}
