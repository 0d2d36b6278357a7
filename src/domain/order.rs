//! In which order to start or stop resources, as answers show it.

use super::document::{Nature, Target};
use super::id::Id;
use super::question::Node;

/// What an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// What is needed comes first.
    Start,
    /// What needs others comes first.
    Stop,
}

/// Which resources an order is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Crew {
    /// Those of an environment.
    Environment(Id),
    /// These.
    Resources(Vec<Id>),
}

/// An order of resources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// What can be done at the same time, wave after wave; each by id.
    pub waves: Vec<Vec<Node>>,
    /// How many waves there are, also those that are not shown.
    pub wave_count: usize,
    /// How many resources there are, also those that are not shown.
    pub resources: usize,
    /// One chain of resources that no number of hands makes shorter: one of each wave, the first one first.
    pub critical_path: Vec<Node>,
    /// Sets of resources that wait for each other, largest first.
    pub cycles: Vec<Vec<Node>>,
    /// How many such sets there are, also those that are not shown.
    pub cycles_total: usize,
    /// The dependencies that the order does not keep, because there would be none otherwise.
    pub broken: Vec<Broken>,
    /// How many there are, also those that are not shown.
    pub broken_total: usize,
    /// What is not in the order and has to do with it: what is needed, of an order to start; what needs something, of an
    /// order to stop.
    pub outside: Vec<Outside>,
    /// How many there are, also those that are not shown.
    pub outside_total: usize,
    /// Whether something of it is not shown.
    pub is_cut: bool,
}

/// A dependency that an order does not keep.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// The dependent.
    pub from: Target,
    /// What it needs.
    pub to: Target,
    /// How strongly.
    pub nature: Nature,
    /// Whether it is one of a group of which only some must hold.
    pub grouped: bool,
}

/// Something beside an order that its resources have to do with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// What.
    pub node: Node,
    /// Some of the resources that it has to do with, by id.
    pub resources: Vec<Id>,
    /// How many there are.
    pub total: usize,
}
