//! What somebody may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `access.explain` asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ExplainArgs {
    /// A user of the broker; empty for a sender whom the broker does not vouch for.
    pub principal: String,
    /// The type of a command, a question or an order, such as `resource.remove`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about: the environment and the resource of this id. Where it is left out, something that is in no
    /// environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 200))]
    pub id: Option<String>,
}

/// What the rules say, on the instance that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RulingBody {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Whether everybody whom the broker lets in may do everything.
    pub open: bool,
    /// The rule that decides; without it, no rule allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RuleBody")]
    pub rule: Option<RuleBody>,
    /// The rules that allow it to this user in other environments.
    pub elsewhere: Vec<RuleBody>,
}

/// Which rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleBody {
    /// Its place among the rules; the first is 1.
    pub number: u64,
    /// What it is called; may be empty.
    pub name: String,
}
