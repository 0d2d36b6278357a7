//! The reply to a command, and problems.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::graph::ImpactBody;
use super::news::GraphNewsBody;
use super::text::IdText;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplyBody {
    /// What came of it.
    pub outcome: OutcomeWord,
    /// The identity of the cluster.
    pub cluster: String,
    /// Rises with each promotion or restore of the cluster.
    pub epoch: u64,
    /// The sequence that the reply is true as of.
    pub sequence: u64,
    /// The revision, after it, of each entity that it changed: `resource:db-1` to 4.
    #[serde(default)]
    pub revisions: BTreeMap<String, u64>,
    /// How many events of each type it caused.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// Whether this is the reply to an earlier delivery of the same command.
    #[serde(default)]
    pub duplicate: bool,
    /// Whether nothing was changed because the command was a dry run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// For a dry run: the events that it would cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<FactBody>")]
    pub events: Option<Vec<FactBody>>,
    /// For a dry run: what these events would do to the graph as a whole, as of `sequence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "GraphNewsBody")]
    pub graph: Option<GraphNewsBody>,
    /// For a dry run that would remove resources: what stops if these stop, as of `sequence`. The first 1,000 are named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ImpactBody")]
    pub impact: Option<ImpactBody>,
    /// Why it was not executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ProblemBody")]
    pub problem: Option<ProblemBody>,
}

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeWord {
    /// It changed something, or would have, in a dry run.
    Applied,
    /// All was already as it says.
    Unchanged,
    /// The register said no; `problem` says why.
    Rejected,
    /// Its deadline passed before it was executed.
    Expired,
}

/// An event that a dry run would cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FactBody {
    /// Its type, such as `resource.updated`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the entity.
    #[schemars(with = "IdText")]
    pub id: String,
    /// The revision that the entity would have.
    pub revision: u64,
    /// JSON Pointers into `data` to what would change.
    pub changed: Vec<String>,
    /// The JSON Merge Patch from `data` back to the document of now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Map<String, Value>")]
    pub before: Option<Map<String, Value>>,
    /// The document after; the last one for a removal; the resources for links.
    pub data: Value,
}

/// A refusal in the shape of RFC 9457, with fields of its own beside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemBody {
    /// A stable URN, such as `urn:domesday:problem:revision-mismatch`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short sentence, the same for every problem of this type.
    pub title: String,
    /// What happened this time.
    pub detail: String,
    /// Where in the body, as a JSON Pointer; empty for the body as a whole.
    #[serde(default)]
    pub pointer: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// Every mistake, where there is more than one; the first is also in `detail` and `pointer`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mistakes: Vec<MistakeBody>,
    /// Fields of its own, such as the actual revision.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
}

impl ProblemBody {
    /// What all problem types start with.
    pub const URN: &str = "urn:domesday:problem:";

    /// The end of the type: `revision-mismatch`.
    pub fn slug(&self) -> &str {
        self.kind.strip_prefix(Self::URN).unwrap_or(&self.kind)
    }
}

/// One mistake in what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MistakeBody {
    /// A JSON Pointer into the body.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}
