//! The messages of a sync, which go to the queue that asked for it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::IdText;

/// A copy of the register, or what is missing to one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SyncArgs {
    /// Which part of the register; all of it where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "FilterBody")]
    pub filter: Option<FilterBody>,
    /// How far the reader has come; left out where it has nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CursorBody")]
    pub cursor: Option<CursorBody>,
}

/// A part of the register.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FilterBody {
    /// Only these types.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<EntityWord>")]
    pub entities: Vec<EntityWord>,
    /// Only these environments, and what is in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<IdText>")]
    pub environments: Vec<String>,
    /// Only entities with all of these tags; an empty value stands for any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A type of entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EntityWord {
    /// An environment.
    Environment,
    /// A resource.
    Resource,
}

/// How far a reader has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CursorBody {
    /// The cluster whose events it has read.
    pub cluster: String,
    /// The epoch of the last event that it has applied.
    pub epoch: u64,
    /// The sequence of the last event that it has applied.
    pub sequence: u64,
}

/// What the reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictWord {
    /// The events that it missed follow, no state.
    Ok,
    /// The whole state follows: not all missed events are there any more, or the filter cannot be followed by events.
    Behind,
    /// The whole state follows: the reader has nothing, or what it has is of another cluster or epoch.
    Reset,
}

/// A sync begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncBeginBody {
    /// The identity of the cluster.
    pub cluster: String,
    /// The epoch of the cluster.
    pub epoch: u64,
    /// What follows is true as of this sequence.
    pub sequence: u64,
    /// What the reader gets.
    pub verdict: VerdictWord,
    /// How many entities follow, or at most how many events.
    pub count: u64,
}

/// The state of one entity. A long list of members comes in several `environment.members.state` after its environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StateBody<D> {
    /// The identity of the cluster.
    pub cluster: String,
    /// The epoch of the cluster.
    pub epoch: u64,
    /// The state is true as of this sequence.
    pub sequence: u64,
    /// The type of the message: `resource.state`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the entity.
    #[schemars(with = "IdText")]
    pub id: String,
    /// Its revision.
    pub revision: u64,
    /// Its document, or some of its members.
    pub data: D,
}

/// A sync is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SyncEndBody {
    /// The identity of the cluster.
    pub cluster: String,
    /// The epoch of the cluster.
    pub epoch: u64,
    /// All of it is true as of this sequence.
    pub sequence: u64,
    /// The digest of what the reader has now: of the part that its filter says, or of all.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: String,
}
