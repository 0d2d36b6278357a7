//! What instances tell each other, and what operators ask of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reply::ProblemBody;
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
    /// The sequence after which the epoch began.
    #[serde(default)]
    pub began: u64,
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
    /// Now and then: what the instance says of some entities as of the sequence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canaries: Vec<CanaryBody>,
}

/// What a register says of an entity, so that two copies can be compared in what they answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CanaryBody {
    /// `environment` or `resource`.
    #[serde(rename = "type")]
    pub entity: String,
    /// Its id.
    pub id: String,
    /// BLAKE3 of the answers, as 64 hex digits.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub hash: String,
}

/// Which changes an instance lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ChangesGetBody {
    /// The sequence of the first.
    pub from: u64,
}

/// A question to every instance, or to one: how is it?
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StatusGetBody {}

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusBody {
    /// The name of the instance.
    pub instance: String,
    /// The name of its copy of the register, which no other has: what it is asked by, alone.
    pub copy: String,
    /// `primary` or `secondary`.
    pub role: String,
    /// What it does: `waiting`, `standing-by`, `following`, `serving`,
    /// `seeding`, `fenced`, `diverged` or `broken`.
    pub stage: String,
    /// Why it does not go on by itself, where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub fault: Option<String>,
    /// The version of the program.
    pub version: String,
    /// The identity of the cluster.
    pub cluster: String,
    /// The epoch.
    pub epoch: u64,
    /// The sequence of the last change that it holds.
    pub sequence: u64,
    /// The sequence up to which the broker has confirmed every event.
    pub published: u64,
    /// What it lacks of the instance that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LagBody")]
    pub lag: Option<LagBody>,
    /// Where its copy was last proved to be the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub proved: Option<u64>,
    /// Its last snapshot by the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TimeText")]
    pub last_snapshot: Option<String>,
    /// The certificates of its connection to the broker, where that is encrypted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateBody>,
}

/// A certificate of a connection to the broker, whose end would be that of the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateBody {
    /// Who shows it: `instance` or `broker`.
    pub shown_by: String,
    /// Whose it is, such as `CN=broker`.
    pub subject: String,
    /// Until when it is valid.
    #[schemars(with = "TimeText")]
    pub valid_until: String,
    /// Whole days until then; below zero where it has expired.
    pub days_left: i64,
}

/// What an instance lacks of the one that it follows, as far as it has heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LagBody {
    /// The name of the instance that it follows; empty before it was heard.
    pub source: String,
    /// Changes that it has heard of and not taken in.
    pub changes: u64,
    /// Time since the copy was last known to hold all, in milliseconds; about one heartbeat where all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub whole_ms_ago: Option<u64>,
    /// Time since the instance that it follows was last heard, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub heard_ms_ago: Option<u64>,
}

/// Which register the sender means, so that nothing is done to another one, or a second time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PromoteBody {
    /// The identity of the cluster.
    pub cluster: String,
    /// The epoch that the instance holds.
    pub epoch: u64,
    /// Whether to do it although the instance that serves was heard a moment ago.
    #[serde(default)]
    pub force: bool,
    /// Why, for the log; with `force` it must be said.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub reason: String,
}

/// An instance has begun an epoch, and is about to serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromotedBody {
    /// The epoch that has begun.
    pub epoch: u64,
    /// The sequence after which it began.
    pub sequence: u64,
    /// Changes that it had heard of and does not hold.
    pub lost: u64,
}

/// Hands the register over from the instance that serves to the one that is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SwitchOverBody {
    /// The identity of the cluster.
    pub cluster: String,
    /// The epoch that both hold.
    pub epoch: u64,
}

/// One instance asks the one that serves to stop, and to say where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HandOverBody {
    /// The identity of the cluster.
    pub cluster: String,
    /// The epoch that both hold.
    pub epoch: u64,
    /// The sequence that the asking instance holds.
    pub sequence: u64,
    /// The name of the asking instance.
    pub instance: String,
}

/// The instance that served has stopped, at this sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandedOverBody {
    /// The epoch in which it served.
    pub epoch: u64,
    /// The sequence of its last change.
    pub sequence: u64,
    /// The link of the chain of changes there, as 64 hex digits; empty where there is none.
    #[schemars(regex(pattern = "^([0-9a-f]{64})?$"))]
    pub link: String,
}

/// An instance is to throw its copy away, and get another from the one that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ReseedBody {
    /// The identity of the cluster.
    pub cluster: String,
}

/// An instance is about to fetch another copy; the old one is kept beside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReseedingBody {
    /// The epoch of the copy that goes.
    pub epoch: u64,
    /// Its last sequence.
    pub sequence: u64,
}

/// An instance does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedBody {
    /// The name of the instance.
    pub instance: String,
    /// Why.
    pub problem: ProblemBody,
}

/// A secondary is to prove that it could take over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DrillBody {
    /// The identity of the cluster.
    pub cluster: String,
}

/// What came of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DrilledBody {
    /// The name of the instance.
    pub instance: String,
    /// Whether the copy could be opened, and answered as the original.
    pub passed: bool,
    /// The epoch of the copy.
    pub epoch: u64,
    /// The sequence that it was true as of.
    pub sequence: u64,
    /// Changes that the instance had heard of and did not hold: what a promotion would have lost then (RPO).
    pub rpo_changes: u64,
    /// Time since the copy was last known to hold all, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub rpo_ms: Option<u64>,
    /// Time to open the copy, build graph and index, and answer, in milliseconds (RTO).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub rto_ms: Option<u64>,
    /// Entities that were asked for.
    pub canaries: u64,
    /// What was not right; empty where all was.
    pub detail: String,
}
