//! The bodies of questions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::NatureWord;
use super::history::MomentBody;
use super::text::{FacetText, IdText};

/// The body of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct QuestionBody<A> {
    /// What is asked about.
    pub args: A,
    /// Wait until the answering instance has applied this much: read your own writes, on any instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PositionBody")]
    pub at_least: Option<PositionBody>,
    /// How many items or nodes the answer may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", range(min = 1))]
    pub limit: Option<u64>,
    /// Where the page before ended: the `next` of its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub cursor: Option<String>,
    /// As of a moment in the past, where the question is about the graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "MomentBody")]
    pub as_of: Option<MomentBody>,
}

impl<A> QuestionBody<A> {
    /// A question without conditions.
    pub const fn new(args: A) -> Self {
        Self {
            args,
            at_least: None,
            limit: None,
            cursor: None,
            as_of: None,
        }
    }
}

/// A place in the history of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PositionBody {
    /// Rises with each promotion or restore.
    pub epoch: u64,
    /// Rises by one per event.
    pub sequence: u64,
}

/// Which entities match a text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SearchArgs {
    /// In the query language: words, "phrases", `kind:postgres`, `tag.owner:payments`, `dependents-of:db-1`,
    /// `AND OR NOT ( )`, …
    pub query: String,
    /// Only resources of this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IdText")]
    pub within: Option<String>,
    /// What to count over all that matches: `kind`, `type`, `environment` or `tag:KEY`; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<FacetText>", length(max = 10))]
    pub facets: Vec<String>,
    /// Say how the query was understood, and what the score of each hit is made of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explain: bool,
    /// Say where each hit matches; so it is where this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub highlights: Option<bool>,
}

/// What a resource needs, or what needs it, directly and indirectly.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ReachArgs {
    /// Where to start.
    #[schemars(with = "IdText")]
    pub id: String,
    /// How many steps; all where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1))]
    pub depth: Option<u32>,
    /// Which dependencies to follow; all where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<NatureWord>", length(min = 1))]
    pub natures: Option<Vec<NatureWord>>,
}

/// How one resource comes to need another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PathArgs {
    /// Where to start.
    #[schemars(with = "IdText")]
    pub from: String,
    /// Where to end.
    #[schemars(with = "IdText")]
    pub to: String,
    /// All simple paths, not only a shortest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Which dependencies to follow; all where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<NatureWord>", length(min = 1))]
    pub natures: Option<Vec<NatureWord>>,
}

/// Which resources need themselves through others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CyclesArgs {
    /// Only cycles that touch this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IdText")]
    pub environment: Option<String>,
    /// Which dependencies to follow; all where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<NatureWord>", length(min = 1))]
    pub natures: Option<Vec<NatureWord>>,
}

/// Which dependencies lead to a resource that is not registered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DanglingArgs {
    /// Only those of resources in this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IdText")]
    pub environment: Option<String>,
}

/// Who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct PingArgs {}
