//! Questions about what stops and in which order, and their answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{EdgeBody, NodeBody};
use super::document::EntrypointDocument;
use super::text::IdText;

/// What stops if these stop.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ImpactArgs {
    /// Each the id of a resource or, where no resource has that id, the URI of something outside.
    #[schemars(length(min = 1, max = 1000), inner(length(min = 1, max = 2048)))]
    pub ids: Vec<String>,
    /// Say what works on with less, too: follow soft dependencies, and groups that lose a member and hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_soft: bool,
    /// Say what runs on and could not be started again, too: follow startup dependencies.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_startup: bool,
}

/// What happens to a resource when something that it needs stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EffectWord {
    /// It stops.
    Stops,
    /// It works on, with less: without something that it needs softly, or with what is left of a group.
    Degraded,
    /// It runs on, and could not be started again.
    CannotStart,
}

/// What stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImpactBody {
    /// What the question named.
    pub causes: Vec<NodeBody>,
    /// What is affected, without the causes: what stops, then what is degraded, then what could not be started; each
    /// nearest first.
    pub affected: Vec<AffectedBody>,
    /// How many are affected in each way.
    pub counts: EffectCounts,
    /// The environments that have some of them, or of the causes; by id, as many as `limit` allows.
    pub environments: Vec<HitEnvironmentBody>,
    /// How many such environments there are.
    #[serde(default)]
    pub environments_total: u64,
    /// What stops, as one number, for `expect_impact`: the sum modulo 2^128 of the first 16 bytes, big-endian, of SHA-256
    /// over the id of each resource that stops, without the causes; as 32 hex digits.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    pub hash: String,
}

/// How many resources are affected in each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EffectCounts {
    /// How many stop.
    pub stops: u64,
    /// How many work on with less; zero unless asked for.
    pub degraded: u64,
    /// How many run on and could not be started again; zero unless asked for.
    pub cannot_start: u64,
}

/// One affected resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AffectedBody {
    /// Which; `distance` is the number of steps from a cause.
    #[serde(flatten)]
    pub node: NodeBody,
    /// How.
    pub effect: EffectWord,
    /// How it comes to that: one chain from a cause to what it needs itself, at most the 50 steps next to it.
    pub why: Vec<String>,
}

/// An environment with affected resources in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HitEnvironmentBody {
    /// Which.
    #[schemars(with = "IdText")]
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// How many of its resources stop, the causes among them included.
    pub stops: u64,
    /// How many are affected otherwise.
    pub weakened: u64,
    /// How many resources it has.
    pub resources: u64,
    /// Where people and programs enter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoints: Vec<EntrypointDocument>,
}

/// In which order to start or to stop resources. Either `environment` or `ids` says which.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{"required": ["environment"]}, {"required": ["ids"]}]))]
pub struct OrderArgs {
    /// Those of this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IdText")]
    pub environment: Option<String>,
    /// These.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<IdText>", length(min = 1, max = 1000))]
    pub ids: Option<Vec<String>>,
    /// Whether what is needed comes first, or what needs others.
    pub direction: PurposeWord,
}

/// What an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PurposeWord {
    /// What is needed comes first.
    #[default]
    Start,
    /// What needs others comes first.
    Stop,
}

/// An order. Each of its lists has at most as many items as the question's `limit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderBody {
    /// What can be done at the same time, wave after wave; each by id.
    pub waves: Vec<Vec<NodeBody>>,
    /// How many waves there are, also those that are not shown: the length of the critical path.
    pub wave_count: u64,
    /// One chain of resources that no number of hands makes shorter: one of each wave, the first one first.
    pub critical_path: Vec<NodeBody>,
    /// Sets of resources that wait for each other, largest first.
    pub cycles: Vec<Vec<NodeBody>>,
    /// How many such sets there are, also those that are not shown.
    pub cycles_total: u64,
    /// The dependencies that the order does not keep, because there would be none otherwise.
    pub broken: Vec<EdgeBody>,
    /// How many there are, also those that are not shown.
    pub broken_total: u64,
    /// What is not in the order and has to do with it: of an order to start, what its resources need, to be checked first;
    /// of an order to stop, what needs them.
    pub outside: Vec<OutsideBody>,
    /// How many there are, also those that are not shown.
    pub outside_total: u64,
}

/// Something beside an order that its resources have to do with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutsideBody {
    /// What.
    #[serde(flatten)]
    pub node: NodeBody,
    /// Some of the resources that it has to do with, by id.
    #[schemars(with = "Vec<IdText>")]
    pub resources: Vec<String>,
    /// How many there are.
    pub resources_total: u64,
}
