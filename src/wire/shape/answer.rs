//! The answers to questions.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::document::NatureWord;
use super::reply::ProblemBody;
use super::text::IdText;

/// An answer: as of when, what, and whether that is all. What was found depends on the question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerBody<F> {
    /// What the answer is true as of.
    pub as_of: AsOf,
    /// What was found.
    #[serde(flatten)]
    pub findings: F,
    /// How many there are in all, also those that the answer leaves out.
    pub total: u64,
    /// Whether the answer leaves something out.
    pub truncated: bool,
    /// Why it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub truncated_because: Option<String>,
    /// The cursor of the next page, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub next: Option<String>,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QuestionProblemBody {
    /// What the instance had reached.
    pub as_of: AsOf,
    /// Why.
    pub problem: ProblemBody,
}

/// A place in the history of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AsOf {
    /// The identity of the cluster.
    pub cluster: String,
    /// Rises with each promotion or restore.
    pub epoch: u64,
    /// Rises by one per event.
    pub sequence: u64,
}

/// What a search found, best first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HitsBody {
    /// The entities.
    pub items: Vec<HitBody>,
    /// One for each facet that was asked for, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facets: Vec<FacetBody>,
    /// The query as it was understood, where an explanation was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub understood: Option<String>,
}

/// How often each value is there, over all that matches and not only over the items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FacetBody {
    /// What was counted, as it was asked for.
    pub facet: String,
    /// The 20 most frequent values, most first; as often, in the order of the values.
    pub values: Vec<FacetValue>,
    /// How many other values there are.
    pub others: u64,
}

/// A value of a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FacetValue {
    /// The value; empty for a tag without one.
    pub value: String,
    /// How many entities have it.
    pub count: u64,
}

/// One entity that a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HitBody {
    /// `environment` or `resource`.
    pub entity: String,
    /// The id within that.
    #[schemars(with = "IdText")]
    pub id: String,
    /// The kind of a resource.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// How well it matches; only comparable within one answer.
    #[serde(deserialize_with = "finite")]
    pub score: f32,
    /// Where it matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub highlights: Vec<HighlightBody>,
    /// What its score is made of, most first, where an explanation was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explanation: Vec<ExplainedBody>,
}

/// A field of a hit that matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HighlightBody {
    /// `id`, `name`, `kind`, `tags` or `description`.
    pub field: String,
    /// Its text, or the part of it around what matches, at most 160 characters; a tag is `key=value`.
    pub text: String,
    /// What matches in that: from one character to before another, counted from zero.
    pub ranges: Vec<[u64; 2]>,
}

/// A part of a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedBody {
    /// A term of the query, or what else counts.
    pub term: String,
    /// The fields that match it, where that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// What it adds to the score.
    #[serde(deserialize_with = "finite")]
    pub weight: f32,
}

/// A number that is one: what `f32` cannot hold would be read as infinite, which JSON cannot write.
fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let number = f32::deserialize(deserializer)?;
    if number.is_finite() {
        Ok(number)
    } else {
        Err(D::Error::custom("number out of range"))
    }
}

/// Part of the graph: nodes, and every edge between them that the question follows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SubgraphBody {
    /// Nearest first, the start itself at distance zero.
    pub nodes: Vec<NodeBody>,
    /// The dependencies between them.
    pub edges: Vec<EdgeBody>,
}

/// One node of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeBody {
    /// The id of a resource, or the URI of something outside.
    pub id: String,
    /// Whether a resource is registered; false for dangling ones and for everything outside.
    pub registered: bool,
    /// Whether it is something outside, named by a URI.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
    /// The kind of a registered resource.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Steps from the start; zero where the question has none.
    pub distance: u32,
}

/// One dependency between nodes of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EdgeBody {
    /// The dependent: the id of a resource.
    pub from: String,
    /// What it needs: the id of a resource, or a URI.
    pub to: String,
    /// How strongly.
    pub nature: NatureWord,
    /// Whether what it needs is outside, so that `to` is a URI.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub external: bool,
    /// Whether it is one of a group of which only some must hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub group: bool,
}

/// How one resource comes to need another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PathsBody {
    /// Shortest first, each from the first node to the last.
    pub paths: Vec<Vec<NodeBody>>,
}

/// Resources that need themselves through others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CyclesBody {
    /// Strongly connected sets, largest first.
    pub cycles: Vec<Vec<NodeBody>>,
}

/// Resources that others need and that are not registered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DanglingBody {
    /// By id.
    pub dangling: Vec<DanglingItem>,
}

/// A resource that others need and that is not registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DanglingItem {
    /// The id that is not registered.
    #[schemars(with = "IdText")]
    pub id: String,
    /// Some of those that need it.
    #[schemars(with = "Vec<IdText>")]
    pub dependents: Vec<String>,
    /// How many need it.
    pub dependents_total: u64,
}

/// Who is there. The position that the instance has reached is in `as_of`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PongBody {
    /// The name of the instance.
    pub instance: String,
    /// `primary` or `secondary`.
    pub role: String,
    /// The version of the program.
    pub version: String,
    /// Events committed and not yet confirmed by the broker.
    pub lag: u64,
    /// Live environments.
    pub environments: u64,
    /// Live resources.
    pub resources: u64,
    /// Dependencies between nodes of the graph.
    pub dependencies: u64,
}

#[cfg(test)]
mod tests {
    use super::HitBody;
    use crate::wire::from_bytes;

    #[test]
    fn a_score_is_a_number_that_can_be_written_again() {
        let hit = |score: &str| format!(r#"{{"entity": "resource", "id": "a", "score": {score}}}"#);
        assert!(from_bytes::<HitBody>(hit("1.5").as_bytes()).is_ok());
        for score in ["1e308", "-1e39", "1e999", "null"] {
            assert!(from_bytes::<HitBody>(hit(score).as_bytes()).is_err(), "{score}");
        }
    }
}
