//! What instances tell each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::TimeText;

/// Where the instance that serves is. It goes where its changes go, after those that it covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeartbeatBody {
    /// The identity of the cluster.
    pub cluster: String,
    /// The epoch in which the instance serves.
    pub epoch: u64,
    /// The sequence of the last change.
    pub sequence: u64,
    /// The digest of all live entities, as 64 hex digits.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: String,
    /// The link of the chain of changes at the sequence, as 64 hex digits; empty where there is none.
    #[schemars(regex(pattern = "^([0-9a-f]{64})?$"))]
    pub link: String,
    /// The sequence up to which the broker has confirmed every event.
    pub published: u64,
    /// The name of the instance.
    pub instance: String,
    /// The name of its copy of the register, which no other has.
    pub writer: String,
    /// When it was written.
    #[schemars(with = "TimeText")]
    pub time: String,
}

/// Which changes an instance lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ChangesGetBody {
    /// The sequence of the first.
    pub from: u64,
}
