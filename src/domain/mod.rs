//! The `domain` room: meaning. Documents, commands, events, problems, and the decision between them.
//!
//! Nothing in it knows a clock, a disk or a network. Time is a parameter; what is known already comes through
//! [`View`]; and [`decide`] is a function of those two and the command.

mod access;
mod canary;
mod command;
mod compare;
mod decide;
mod digest;
mod document;
mod event;
mod found;
pub mod graph;
mod id;
mod impact;
mod limits;
mod membership;
mod news;
mod offer;
mod order;
mod parcel;
mod patch;
mod problem;
mod question;
mod receipt;
mod standing;
#[cfg(test)]
pub(crate) mod strategies;
mod subscription;
mod sync;
#[cfg(test)]
pub(crate) mod tests;
mod view;
mod warrant;

pub use access::{Access, Pattern, Reach, Rule, Ruling, Scope};
pub use canary::Canary;
pub use command::{Command, Envelope, Expect, RemoveMode, Step, Trace};
pub use compare::{Comparison, Pair, Side, compare};
pub use decide::{Refusal, Rules, decide};
pub use digest::Digest;
pub use document::{
    Dependency, Document, Entrypoint, Environment, Nature, Needs, Resource, StatusEndpoint, Tags, Target,
};
pub use event::{Change, Event, Fact, LINKS_PER_EVENT, Transaction};
pub use found::{Explained, Facet, FacetCounts, Highlight, Hit, Hits, Search};
pub use id::{EntityKey, EntityType, ID_CHARS_MAX, Id, IdError, Timestamp};
pub use impact::{Affected, Effect, HitEnvironment, ImpactFindings, ImpactHash};
pub use limits::{Limits, NAME_BYTES_MAX, check, escape};
pub use membership::Membership;
pub use news::GraphNews;
pub use offer::{Offer, PIECE_BYTES, Piece};
pub use order::{Broken, Crew, Order, Outside, Purpose};
pub use parcel::Parcel;
pub use patch::{AttributesPatch, DocumentPatch, EnvironmentPatch, ResourcePatch, TagsPatch};
pub use problem::{MISTAKES_MAX, Mistake, Problem, ProblemKind};
pub use question::{
    Answer, Bookmark, Dangling, Direction, Edge, ExplainAccess, Findings, Inquiry, Moment, Natures, Node,
    Pong, Position, Question, Role, Subgraph,
};
pub use receipt::{Outcome, Receipt, WhatIf};
pub use standing::{NoStanding, Standing};
pub use subscription::{Because, Difference, ITEMS_MAX, Item, Items, Label, Reason, Subscribe};
pub use sync::{Cursor, Filter, SyncRequest, Verdict};
pub use view::{Entity, Live, Overlay, Tombstone, View, ViewFault};
pub use warrant::Warrant;
