//! What a transaction did, or would do, to the graph as a whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::DanglingItem;
use super::event::TransactionRef;
use super::text::{IdText, TimeText};

/// Something came, or went, in the graph as a whole. It has no sequence of its own: it carries that of the last event of
/// the transaction that did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewsBody<T> {
    /// The identity of the cluster.
    pub cluster: String,
    /// Rises with each promotion or restore of the cluster.
    pub epoch: u64,
    /// The sequence of the last event of the transaction.
    pub sequence: u64,
    /// When it was decided.
    #[schemars(with = "TimeText")]
    pub time: String,
    /// Its type, such as `dependency.cycle.appeared`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who sent the command, as far as the broker vouches for it; empty where it does not.
    pub actor: String,
    /// The message id of the command; empty where it had none.
    pub cause: String,
    /// Which transaction.
    pub transaction: TransactionRef,
    /// What came or went.
    #[serde(flatten)]
    pub about: T,
}

/// A set of resources that need each other, or one that needs itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CycleBody {
    /// Its resources, sorted; the first 1,000 of them.
    #[schemars(with = "Vec<IdText>")]
    pub resources: Vec<String>,
    /// How many it has.
    pub resources_total: u64,
}

/// What a dry run would do to the graph as a whole. A cycle that would grow or shrink is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GraphNewsBody {
    /// The cycles that would be there and are not.
    pub cycles_appeared: Vec<CycleBody>,
    /// The cycles that are there and would not be.
    pub cycles_cleared: Vec<CycleBody>,
    /// The references to nothing that would be there and are not.
    pub dangling_appeared: Vec<DanglingItem>,
    /// The ids of which there are references to nothing, and would be none.
    #[schemars(with = "Vec<IdText>")]
    pub dangling_cleared: Vec<String>,
}

/// An id that is no dangling reference any more: it is registered, or nobody needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DanglingClearedBody {
    /// Which.
    #[schemars(with = "IdText")]
    pub id: String,
}
