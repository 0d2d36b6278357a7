//! Questions about what was, and about what differs, and their answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::NodeBody;
use super::sync::EntityWord;
use super::text::{IdText, TimeText};

/// What happened to an entity.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct HistoryArgs {
    /// Which.
    #[schemars(with = "IdText")]
    pub id: String,
    /// Of which type; a resource where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EntityWord")]
    pub entity: Option<EntityWord>,
    /// Only changes before this sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub before: Option<u64>,
}

/// A moment in the past; either of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{"required": ["sequence"]}, {"required": ["time"]}]))]
pub struct MomentBody {
    /// After the event of this sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub sequence: Option<u64>,
    /// After the last event that was decided at this time or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TimeText")]
    pub time: Option<String>,
}

/// The changes of one entity.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HistoryBody {
    /// The latest first. Where older ones were forgotten, the creation and the last change are kept: the revisions show
    /// what is missing.
    pub items: Vec<PastBody>,
}

/// One change of an entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PastBody {
    /// Of the event.
    pub epoch: u64,
    /// Of the event.
    pub sequence: u64,
    /// When it was decided.
    #[schemars(with = "TimeText")]
    pub time: String,
    /// The type of the event, such as `resource.updated`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The revision after it.
    pub revision: u64,
    /// Who sent the command, as far as the broker vouches for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// The message id of the command.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// The trace of the command (W3C `traceparent`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub traceparent: String,
    /// What is different after it, at most 200 values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<DifferenceBody>,
    /// How many values are different.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub diff_total: u64,
    /// The resources that were linked or unlinked, at most 20 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<IdText>")]
    pub resources: Vec<String>,
    /// How many were linked or unlinked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resources_total: u64,
}

/// One value that differs. Of two lists of dependencies, entrypoints or status endpoints only those items are shown that
/// the other list lacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DifferenceBody {
    /// Where, as a JSON Pointer into the document.
    pub pointer: String,
    /// The value on the left, or before; left out where there is none. Where it has more than 500 bytes, its first ones
    /// as a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    pub from: Option<Value>,
    /// The value on the right, or after; in the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    pub to: Option<Value>,
    /// Whether a value is shortened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// In what two environments differ.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CompareArgs {
    /// The one environment.
    #[schemars(with = "IdText")]
    pub left: String,
    /// The other.
    #[schemars(with = "IdText")]
    pub right: String,
}

/// Two environments side by side. Resources are counterparts where the tag `role`, the kind and the name agree; the id
/// stands for a name that is missing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ComparisonBody {
    /// In what the environments themselves differ, beside their ids.
    pub environment: Vec<DifferenceBody>,
    /// What only the left one has; by id.
    pub left_only: Vec<NodeBody>,
    /// What only the right one has; by id.
    pub right_only: Vec<NodeBody>,
    /// Counterparts that differ; by the id on the left.
    pub different: Vec<PairBody>,
    /// How many counterparts differ in nothing but the id.
    pub same: u64,
    /// How many resources are in both.
    pub shared: u64,
}

/// Two counterparts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairBody {
    /// The id on the left.
    #[schemars(with = "IdText")]
    pub left: String,
    /// The id on the right.
    #[schemars(with = "IdText")]
    pub right: String,
    /// In what they differ, beside their ids, at most 200 values. What the right one needs is named by its counterpart where
    /// there is one: so its own things have the names of the left, and things of the left have those of the right.
    pub diff: Vec<DifferenceBody>,
    /// How many values differ.
    pub diff_total: u64,
}
