//! Questions and their answers. Answers hold what finds and decides (ids, names, kinds, edges), never a record.

use super::access::Ruling;
use super::compare::Comparison;
use super::digest::Digest;
use super::document::{Nature, Target};
use super::event::Change;
use super::found::{Hits, Search};
use super::graph::Beyond;
use super::id::{EntityKey, Id, Timestamp};
use super::impact::ImpactFindings;
use super::offer::{Offer, Piece};
use super::order::{Crew, Order, Purpose};
use super::subscription::Subscribe;
use super::sync::SyncRequest;

/// A place in the history of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Rises with each promotion or restore.
    pub epoch: u64,
    /// Rises by one per event.
    pub sequence: u64,
}

/// A question with its conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Inquiry {
    /// What is asked.
    pub question: Question,
    /// Wait until the instance has applied this much.
    pub at_least: Option<Position>,
    /// How many items or nodes the answer may hold.
    pub limit: usize,
    /// Where the page before ended, as that answer's `next` said.
    pub cursor: Option<String>,
    /// From when on nobody waits for the answer any more.
    pub deadline: Option<Timestamp>,
    /// As of when; `None` for now.
    pub moment: Option<Moment>,
}

/// A question about what somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainAccess {
    /// Who: a user of the broker, or empty for a sender whom it does not vouch for.
    pub principal: String,
    /// With which type of command, question or order.
    pub kind: String,
    /// With which entities: all that have this id. `None` for what is in no environment.
    pub id: Option<Id>,
}

/// A moment in the history of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After the event of this sequence.
    Sequence(u64),
    /// After the last event that was decided at this time or before.
    Time(Timestamp),
}

/// Which dependencies a question follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Natures {
    /// Follow hard dependencies.
    pub hard: bool,
    /// Follow soft dependencies.
    pub soft: bool,
    /// Follow startup dependencies.
    pub startup: bool,
}

impl Natures {
    /// All of them.
    pub const ALL: Self = Self {
        hard: true,
        soft: true,
        startup: true,
    };

    /// Exactly these.
    pub fn of(natures: &[Nature]) -> Self {
        Self {
            hard: natures.contains(&Nature::Hard),
            soft: natures.contains(&Nature::Soft),
            startup: natures.contains(&Nature::Startup),
        }
    }

    /// Whether dependencies of this nature are followed.
    pub const fn contains(self, nature: Nature) -> bool {
        match nature {
            Nature::Hard => self.hard,
            Nature::Soft => self.soft,
            Nature::Startup => self.startup,
        }
    }
}

/// Along dependencies, or against them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a resource to what it needs.
    Dependencies,
    /// From a resource to what needs it.
    Dependents,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// Which entities match a text.
    Search(Search),
    /// What a resource needs, or what needs it, directly and indirectly.
    Reach {
        /// Where to start.
        id: Id,
        /// Which way.
        direction: Direction,
        /// How many steps; `None` for all.
        depth: Option<u32>,
        /// Which dependencies to follow.
        natures: Natures,
    },
    /// How one resource comes to need another.
    Path {
        /// Where to start.
        from: Id,
        /// Where to end.
        to: Id,
        /// All simple paths, not only a shortest.
        all: bool,
        /// Which dependencies to follow.
        natures: Natures,
    },
    /// What stops if these stop.
    Impact {
        /// Each the id of a resource or, where no resource has that id, the URI of something outside.
        causes: Vec<String>,
        /// What else to count.
        beyond: Beyond,
    },
    /// In which order to start or to stop resources.
    Order {
        /// Which.
        crew: Crew,
        /// What for.
        purpose: Purpose,
    },
    /// What happened to an entity.
    History {
        /// Which.
        key: EntityKey,
        /// Only changes before this sequence.
        before: Option<u64>,
    },
    /// In what two environments differ.
    Compare {
        /// The one.
        left: Id,
        /// The other.
        right: Id,
    },
    /// Which resources need themselves through others.
    Cycles {
        /// Only cycles that touch this environment.
        environment: Option<Id>,
        /// Which dependencies to follow.
        natures: Natures,
    },
    /// Which dependencies lead to a resource that is not registered.
    Dangling {
        /// Only those of resources in this environment.
        environment: Option<Id>,
    },
    /// What somebody may do.
    Explain(ExplainAccess),
    /// A copy of the register, or what is missing to one.
    Sync(SyncRequest),
    /// A question that is to be answered again whenever its answer changes.
    Subscribe(Subscribe),
    /// No more of that.
    Unsubscribe {
        /// Which, as the answer to [`Question::Subscribe`] named it.
        subscription: String,
    },
    /// A snapshot to be fetched: one that is there already, if it is young enough, or a new one.
    SnapshotBegin {
        /// How old it may be; one that was made after the question is always young enough.
        max_age_ms: u64,
    },
    /// A piece of a snapshot.
    SnapshotChunk {
        /// Of which, as it was offered.
        id: String,
        /// Which piece; the first is 0.
        index: u64,
    },
    /// Who is there.
    Ping,
}

impl Question {
    /// The type that messages give it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Search(_) => "search",
            Self::Reach {
                direction: Direction::Dependencies,
                ..
            } => "graph.dependencies",
            Self::Reach {
                direction: Direction::Dependents,
                ..
            } => "graph.dependents",
            Self::Path { .. } => "graph.path",
            Self::Impact { .. } => "graph.impact",
            Self::Order { .. } => "graph.order",
            Self::Cycles { .. } => "graph.cycles",
            Self::Dangling { .. } => "graph.dangling",
            Self::History { .. } => "history",
            Self::Compare { .. } => "compare",
            Self::Explain(_) => "access.explain",
            Self::Sync(_) => "sync",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe { .. } => "unsubscribe",
            Self::SnapshotBegin { .. } => "snapshot.begin",
            Self::SnapshotChunk { .. } => "snapshot.chunk",
            Self::Ping => "ping",
        }
    }
}

/// An answer: as of when, what, and whether that is all.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What the answer is true as of.
    pub as_of: Position,
    /// What was found.
    pub findings: Findings,
    /// How many there are in all, also those that the answer leaves out.
    pub total: usize,
    /// Why the answer leaves something out; `None` where it is whole.
    pub truncated: Option<String>,
    /// The cursor of the next page, where there is one.
    pub next: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Findings {
    /// Of a search, best first.
    Hits(Hits),
    /// Of a walk over the graph, nearest first.
    Subgraph(Subgraph),
    /// Paths, shortest first.
    Paths {
        /// Each from the first to the last node.
        paths: Vec<Vec<Node>>,
    },
    /// What stops.
    Impact(ImpactFindings),
    /// Waves of resources.
    Order(Order),
    /// The changes of one entity, the latest first.
    History(Vec<Change>),
    /// Two environments side by side.
    Comparison(Box<Comparison>),
    /// Strongly connected sets, largest first.
    Cycles(Vec<Vec<Node>>),
    /// Missing resources, by id.
    Dangling(Vec<Dangling>),
    /// What the rules say.
    Ruling(Ruling),
    /// A snapshot that can be fetched.
    Offer(Offer),
    /// A piece of a snapshot.
    Piece(Piece),
    /// The subscription that has ended.
    Unsubscribed(String),
    /// Of a ping.
    Pong(Pong),
}

/// Part of the graph: nodes, and every edge between them that the question follows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Subgraph {
    /// Nearest first, the start itself at distance zero.
    pub nodes: Vec<Node>,
    /// As positions into `nodes`.
    pub edges: Vec<Edge>,
}

/// One node of the graph, as answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The id of a resource, or the URI of something outside.
    pub target: Target,
    /// Whether a resource is registered; false for dangling ones and for everything outside.
    pub registered: bool,
    /// Its kind; empty where it is not registered.
    pub kind: String,
    /// Its name; may be empty.
    pub name: String,
    /// Steps from the start; zero where the question has none.
    pub distance: u32,
}

/// One dependency between nodes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// The dependent, as a position into the nodes.
    pub from: usize,
    /// What it needs, as a position into the nodes.
    pub to: usize,
    /// How strongly.
    pub nature: Nature,
    /// Whether it is one of a group.
    pub grouped: bool,
}

/// A resource that others need and that is not registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dangling {
    /// The id that is not registered.
    pub id: Id,
    /// Some of those that need it.
    pub dependents: Vec<Id>,
    /// How many need it.
    pub total: usize,
}

/// What an instance is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It serves: it takes commands.
    Primary,
    /// It follows one that serves.
    Secondary,
}

impl Role {
    /// The role as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }
}

/// Who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pong {
    /// The name of the instance.
    pub instance: String,
    /// Whether it serves.
    pub role: Role,
    /// The version of the program.
    pub version: &'static str,
    /// The identity of the cluster.
    pub cluster: String,
    /// Events committed and not yet confirmed by the broker.
    pub lag: u64,
    /// Live environments.
    pub environments: u64,
    /// Live resources.
    pub resources: u64,
    /// Dependencies between nodes of the graph.
    pub dependencies: u64,
}

/// What a reader compares its copy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bookmark {
    /// The last event that the digest knows.
    pub position: Position,
    /// The digest of all live entities.
    pub digest: Digest,
    /// The oldest sequence whose successors are all in the change log: a reader that is at it, or later, can go on from
    /// there.
    pub floor: u64,
}
