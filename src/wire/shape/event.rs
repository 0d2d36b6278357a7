//! The bodies of events. Readers must ignore fields that they do not know.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::instance::DrilledBody;
use super::text::{IdText, TimeText};

/// What became true of one entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventBody<D> {
    /// The identity of the cluster.
    pub cluster: String,
    /// Rises with each promotion or restore of the cluster.
    pub epoch: u64,
    /// Rises by one per event of the cluster, without holes.
    pub sequence: u64,
    /// When it was decided.
    #[schemars(with = "TimeText")]
    pub time: String,
    /// The type of the event, which is its routing key too: `resource.updated`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the entity.
    #[schemars(with = "IdText")]
    pub id: String,
    /// The revision of the entity after the event; rises by one per event of the entity.
    pub revision: u64,
    /// Who sent the command, as far as the broker vouches for it; empty where it does not.
    pub actor: String,
    /// The message id of the command; empty where it had none.
    pub cause: String,
    /// Which events became true together.
    pub transaction: TransactionBody,
    /// JSON Pointers into `data` to what changed; only updates have any.
    pub changed: Vec<String>,
    /// The JSON Merge Patch (RFC 7396) from `data` back to the document before; only updates have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Map<String, Value>")]
    pub before: Option<Map<String, Value>>,
    /// The document after; the last one for a removal; the resources for links.
    pub data: D,
}

/// The place of an event among those of its command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionBody {
    /// `<epoch>-<sequence of the first event>`.
    pub id: String,
    /// The place of this event, from zero.
    pub index: u32,
    /// How many events the command caused.
    pub count: u32,
}

/// Which resources were put into an environment, or taken out of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LinksBody {
    /// Their ids.
    #[schemars(with = "Vec<IdText>")]
    pub resources: Vec<String>,
}

/// All events of one command are out. It has no sequence of its own: it carries that of the last of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionEventBody {
    /// The identity of the cluster.
    pub cluster: String,
    /// Rises with each promotion or restore of the cluster.
    pub epoch: u64,
    /// The sequence of the last event of the transaction.
    pub sequence: u64,
    /// When it was decided.
    #[schemars(with = "TimeText")]
    pub time: String,
    /// `transaction.committed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who sent the command, as far as the broker vouches for it; empty where it does not.
    pub actor: String,
    /// The message id of the command; empty where it had none.
    pub cause: String,
    /// Which transaction.
    pub transaction: TransactionRef,
    /// How many events of each type it has.
    pub counts: BTreeMap<String, u64>,
}

/// A transaction as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransactionRef {
    /// `<epoch>-<sequence of the first event>`.
    pub id: String,
    /// How many events it has.
    pub count: u32,
}

/// Where the register is, and the proof of a whole copy. It has no sequence of its own: it carries that of the last
/// event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BookmarkBody {
    /// The identity of the cluster.
    pub cluster: String,
    /// Rises with each promotion or restore of the cluster.
    pub epoch: u64,
    /// The sequence of the last event.
    pub sequence: u64,
    /// When it was taken.
    #[schemars(with = "TimeText")]
    pub time: String,
    /// `bookmark`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The sum modulo 2^256 of SHA-256 over `type NUL id NUL revision` for each live entity, as 64 hex digits.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: String,
    /// A reader whose last sequence is at least this can resume; an older one gets the state.
    pub tombstone_floor: u64,
}

/// An instance has begun an epoch: another served before, or a register was restored. It has no sequence of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EpochStartedBody {
    /// The identity of the cluster.
    pub cluster: String,
    /// The epoch that has begun.
    pub epoch: u64,
    /// The last sequence of the epoch before.
    pub sequence: u64,
    /// When it was told.
    #[schemars(with = "TimeText")]
    pub time: String,
    /// `epoch.started`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of the instance that serves in it.
    pub instance: String,
}

/// The copy of an instance is not the same as the original; it does not follow any more. It has no sequence of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DivergedBody {
    /// The identity of the cluster.
    pub cluster: String,
    /// The epoch of the copy.
    pub epoch: u64,
    /// The last sequence of the copy.
    pub sequence: u64,
    /// When it was found.
    #[schemars(with = "TimeText")]
    pub time: String,
    /// `secondary.diverged`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of the instance that holds the copy.
    pub instance: String,
    /// What differs.
    pub detail: String,
}

/// A secondary has proved that it could take over, or could not. It has no sequence of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DrillEventBody {
    /// The identity of the cluster.
    pub cluster: String,
    /// When it was told.
    #[schemars(with = "TimeText")]
    pub time: String,
    /// `drill.passed` or `drill.failed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What came of it.
    #[serde(flatten)]
    pub drilled: DrilledBody,
}
