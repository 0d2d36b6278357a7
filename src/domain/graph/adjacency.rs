//! Adjacency made for traversal: every node's edges lie side by side in one pool.
//!
//! It is the compact (CSR) layout with room to change: a list that outgrows its place moves to the end of the pool
//! with twice the room, and the pool is packed anew when half of it is waste. Written by hand because a walk over
//! petgraph's own adjacency, linked lists of edges, is 3 to 14 times slower; the algorithms are still petgraph's,
//! through its visit traits. One edge takes 4 bytes in each direction.

use std::ops::Range;

/// The most nodes that an edge can name: 2^28.
pub(super) const NODES_MAX: usize = 1 << NODE_BITS;
const NODE_BITS: u32 = 28;
const NODE_MASK: u32 = (1 << NODE_BITS) - 1;

/// The other end of an edge, and the edge's label, in 4 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Link(u32);

impl Link {
    /// Packs a node, below [`NODES_MAX`], and a label, below 16.
    pub(super) const fn new(node: u32, label: u8) -> Self {
        Self((node & NODE_MASK) | ((label as u32) << NODE_BITS))
    }

    pub(super) const fn node(self) -> u32 {
        self.0 & NODE_MASK
    }

    pub(super) const fn label(self) -> u8 {
        (self.0 >> NODE_BITS) as u8
    }
}

/// Where the links of one node lie in the pool: 8 bytes, because a walk reads one for each node, in no order.
#[derive(Clone, Copy, Default)]
struct Span {
    start: u32,
    len: u32,
}

impl Span {
    const fn places(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// The links of every node, in one direction.
#[derive(Default, Clone)]
pub(super) struct Adjacency {
    spans: Vec<Span>,
    /// How many links each span has room for; only changes look at it.
    rooms: Vec<u32>,
    pool: Vec<Link>,
    waste: usize,
    overflowed: bool,
}

/// The most links that a pool has room for: the places that a span can name.
pub(super) const POOL_MAX: usize = u32::MAX as usize;

/// A pool smaller than this, in links, is never packed.
const PACK_MIN: usize = 4_096;

impl Adjacency {
    /// The links of a node; none for a node that has never had any.
    pub(super) fn of(&self, node: u32) -> &[Link] {
        let span = self.spans.get(node as usize).copied().unwrap_or_default();
        self.pool.get(span.places()).unwrap_or_default()
    }

    /// Whether links were left out because the pool had more than [`POOL_MAX`].
    pub(super) const fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// How many links there are in all.
    pub(super) fn len(&self) -> usize {
        self.spans.iter().map(|span| span.len as usize).sum()
    }

    /// Replaces the links of a node.
    pub(super) fn set(&mut self, node: u32, links: &[Link]) {
        if !self.make_room(node, links.len()) {
            return;
        }
        if let Some(span) = self.spans.get_mut(node as usize) {
            let start = span.start as usize;
            if let Some(place) = self.pool.get_mut(start..start + links.len()) {
                place.copy_from_slice(links);
                span.len = u32::try_from(links.len()).unwrap_or(u32::MAX);
            }
        }
        self.pack_if_wasteful();
    }

    /// Adds a link to a node; the same link may be there twice.
    pub(super) fn push(&mut self, node: u32, link: Link) {
        let len = self.of(node).len();
        if !self.make_room(node, len + 1) {
            return;
        }
        if let Some(span) = self.spans.get_mut(node as usize)
            && let Some(place) = self.pool.get_mut(span.start as usize + len)
        {
            *place = link;
            span.len += 1;
        }
        self.pack_if_wasteful();
    }

    /// Takes one link away from a node; the last takes its place.
    pub(super) fn remove(&mut self, node: u32, link: Link) {
        let Some(span) = self.spans.get_mut(node as usize) else {
            return;
        };
        let Some(links) = self.pool.get_mut(span.places()) else {
            return;
        };
        if let Some(place) = links.iter().position(|other| *other == link) {
            links.swap(place, links.len() - 1);
            span.len -= 1;
        }
    }

    /// Sees to it that a node has room for `wanted` links; moves its links where it has not. False where the pool has none.
    fn make_room(&mut self, node: u32, wanted: usize) -> bool {
        let node = node as usize;
        if node >= self.spans.len() {
            self.spans.resize(node + 1, Span::default());
            self.rooms.resize(node + 1, 0);
        }
        let (Some(span), Some(old_room)) = (self.spans.get_mut(node), self.rooms.get_mut(node)) else {
            return false;
        };
        if wanted <= *old_room as usize {
            return true;
        }
        // The first list of a node gets just its size: most never change.
        let room = if *old_room == 0 {
            wanted
        } else {
            wanted.next_power_of_two()
        };
        let start = self.pool.len();
        let (Ok(place), Ok(new_room), true) = (
            u32::try_from(start),
            u32::try_from(room),
            start + room <= POOL_MAX,
        ) else {
            self.overflowed = true;
            return false;
        };
        let old = span.places();
        self.waste += *old_room as usize;
        span.start = place;
        *old_room = new_room;
        self.pool.extend_from_within(old);
        self.pool.resize(start + room, Link::default());
        true
    }

    fn pack_if_wasteful(&mut self) {
        if self.pool.len() < PACK_MIN || self.waste * 2 < self.pool.len() {
            return;
        }
        let mut packed = Vec::with_capacity(self.pool.len() - self.waste);
        for (span, room) in self.spans.iter_mut().zip(&mut self.rooms) {
            let start = u32::try_from(packed.len()).unwrap_or(u32::MAX);
            packed.extend_from_slice(self.pool.get(span.places()).unwrap_or_default());
            span.start = start;
            *room = span.len;
        }
        self.pool = packed;
        self.waste = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::{Strategy, any, prop, proptest};

    use super::{Adjacency, Link};

    #[derive(Debug, Clone)]
    enum Act {
        Set(u32, Vec<(u32, u8)>),
        Push(u32, (u32, u8)),
        Remove(u32, usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        let node = 0_u32..12;
        let link = (0_u32..12, 0_u8..16);
        proptest::prop_oneof![
            (node.clone(), prop::collection::vec(link.clone(), 0..20)).prop_map(|(n, l)| Act::Set(n, l)),
            (node.clone(), link).prop_map(|(n, l)| Act::Push(n, l)),
            (node, any::<usize>()).prop_map(|(n, i)| Act::Remove(n, i)),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_a_map_of_lists(acts in prop::collection::vec(act(), 0..2_000)) {
            let mut adjacency = Adjacency::default();
            let mut model: HashMap<u32, Vec<Link>> = HashMap::new();
            for act in acts {
                match act {
                    Act::Set(node, links) => {
                        let links: Vec<Link> = links.into_iter().map(|(n, l)| Link::new(n, l)).collect();
                        adjacency.set(node, &links);
                        model.insert(node, links);
                    }
                    Act::Push(node, (other, label)) => {
                        adjacency.push(node, Link::new(other, label));
                        model.entry(node).or_default().push(Link::new(other, label));
                    }
                    Act::Remove(node, which) => {
                        let links = model.entry(node).or_default();
                        if !links.is_empty() {
                            let link = links[which % links.len()];
                            let first = links.iter().position(|other| *other == link).unwrap();
                            links.swap_remove(first);
                            adjacency.remove(node, link);
                        }
                    }
                }
            }
            for (node, links) in &model {
                assert!(adjacency.of(*node) == links.as_slice());
            }
            assert_eq!(adjacency.len(), model.values().map(Vec::len).sum::<usize>());
        }
    }
}
