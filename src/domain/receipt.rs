//! Receipts: how a command ended. One is kept with every command's message id, so that a repetition gets the same.

use super::event::Event;
use super::id::EntityKey;
use super::impact::ImpactFindings;
use super::news::GraphNews;
use super::problem::Problem;
use super::question::Position;

/// How a command ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// What came of it.
    pub outcome: Outcome,
    /// The position after it.
    pub position: Position,
    /// The revision, after it, of each entity that it changed, in the order of the changes.
    pub revisions: Vec<(EntityKey, u64)>,
    /// How many events of each type it caused, in the order of their first appearance.
    pub counts: Vec<(String, u64)>,
    /// Whether this is the receipt of an earlier delivery of the same command.
    pub duplicate: bool,
    /// For a dry run: what it would do.
    pub would: Option<Box<WhatIf>>,
}

/// What a command would do, as of the position of its receipt.
#[derive(Debug, Clone, PartialEq)]
pub struct WhatIf {
    /// The events that it would cause.
    pub events: Vec<Event>,
    /// What these would do to the graph as a whole.
    pub news: GraphNews,
    /// What stops if the resources that it would remove stop; `None` where it would remove none.
    pub impact: Option<ImpactFindings>,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It changed something, or would have, in a dry run.
    Applied,
    /// All was already as it says.
    Unchanged,
    /// We said no.
    Rejected(Box<Problem>),
    /// Its deadline passed before it was executed.
    Expired(Box<Problem>),
}

impl Outcome {
    /// The word that replies use.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Rejected(_) => "rejected",
            Self::Expired(_) => "expired",
        }
    }

    /// The problem, where there is one.
    pub const fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Rejected(problem) | Self::Expired(problem) => Some(problem),
            Self::Applied | Self::Unchanged => None,
        }
    }
}
