//! Standing questions: how they are asked, and what comes while they stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::{AnswerBody, AsOf};
use super::graph::{EffectWord, ImpactArgs};
use super::question::{CyclesArgs, DanglingArgs, PositionBody, ReachArgs, SearchArgs};
use super::reply::ProblemBody;

/// The body of `subscribe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SubscribeBody {
    /// Which question is to stand.
    pub args: SubscribeArgs,
    /// Wait until the answering instance has applied this much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PositionBody")]
    pub at_least: Option<PositionBody>,
}

/// A question that is answered now, and then again whenever its answer changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SubscribeArgs {
    /// Which question.
    pub question: StandingBody,
    /// Where changes go, a queue of the client's own; where it is left out, to the queue of `reply_to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 255))]
    pub queue: Option<String>,
}

/// A question whose answer is a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
#[schemars(deny_unknown_fields)]
pub enum StandingBody {
    /// Which entities match a text.
    #[serde(rename = "search")]
    Search {
        /// What is looked for.
        args: SearchArgs,
        /// How many items the answer of now may hold; all of them stand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "u64", range(min = 1))]
        limit: Option<u64>,
    },
    /// What a resource needs.
    #[serde(rename = "graph.dependencies")]
    Dependencies {
        /// Which resource.
        args: ReachArgs,
        /// How many nodes the answer of now may hold; all of them stand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "u64", range(min = 1))]
        limit: Option<u64>,
    },
    /// What needs a resource.
    #[serde(rename = "graph.dependents")]
    Dependents {
        /// Which resource.
        args: ReachArgs,
        /// How many nodes the answer of now may hold; all of them stand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "u64", range(min = 1))]
        limit: Option<u64>,
    },
    /// What stops if these stop.
    #[serde(rename = "graph.impact")]
    Impact {
        /// What stops.
        args: ImpactArgs,
        /// How many resources the answer of now may hold; all of them stand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "u64", range(min = 1))]
        limit: Option<u64>,
    },
    /// Which resources need themselves through others.
    #[serde(rename = "graph.cycles")]
    Cycles {
        /// Which cycles.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "CyclesArgs")]
        args: Option<CyclesArgs>,
        /// How many cycles the answer of now may hold; all of them stand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "u64", range(min = 1))]
        limit: Option<u64>,
    },
    /// Which needed resources are not registered.
    #[serde(rename = "graph.dangling")]
    Dangling {
        /// Which of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "DanglingArgs")]
        args: Option<DanglingArgs>,
        /// How many of them the answer of now may hold; all of them stand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "u64", range(min = 1))]
        limit: Option<u64>,
    },
}

/// The end of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct UnsubscribeArgs {
    /// Which, as the answer to `subscribe` named it.
    pub subscription: String,
}

/// The answer of now to a standing question, with the name of the subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubscribedBody<F> {
    /// The same answer as to the question itself.
    #[serde(flatten)]
    pub answer: AnswerBody<F>,
    /// The name of the subscription: each of its messages has it.
    pub subscription: String,
    /// Time between two messages, at most, in milliseconds. After several times as much without one it is gone.
    pub bookmark_interval_ms: u64,
}

/// What a standing question finds: as the answer to the question itself has it, and its schema says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StandingFindings {}

/// A subscription that has ended because its client said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnsubscribedBody {
    /// Its name.
    pub subscription: String,
}

/// The answer to a standing question has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerChangedBody {
    /// The name of the subscription.
    pub subscription: String,
    /// What the answer is true as of now.
    pub as_of: AsOf,
    /// Counts the changes of this subscription from 1: a hole means that one was lost.
    pub change: u64,
    /// What is in the answer now and was not before.
    pub added: Vec<ItemBody>,
    /// What was in the answer before and is not now.
    pub removed: Vec<ItemBody>,
    /// How many items the whole answer has now.
    pub total: u64,
    /// What happened in between.
    pub because: BecauseBody,
}

/// The answer to a standing question is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerBookmarkBody {
    /// The name of the subscription.
    pub subscription: String,
    /// What the answer is true as of.
    pub as_of: AsOf,
    /// How many changes there were: the `change` of the last one.
    pub change: u64,
    /// How many items the whole answer has.
    pub total: u64,
}

/// A subscription has ended, and not because its client said so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnswerEndedBody {
    /// Its name.
    pub subscription: String,
    /// What the answer was last true as of.
    pub as_of: AsOf,
    /// Why.
    pub problem: ProblemBody,
}

/// One item of an answer: what makes it the same one, and what people call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemBody {
    /// `environment`; `resource`, registered or only needed; `external`, something outside; or `cycle`, resources that
    /// need each other.
    pub entity: String,
    /// The id of an entity, the URI of something outside, the first id of a cycle.
    pub id: String,
    /// How an impact reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EffectWord")]
    pub effect: Option<EffectWord>,
    /// The ids of a cycle, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// The kind of a resource.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// What happened between two answers. It is no proof of what caused the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BecauseBody {
    /// The first event that the answer before did not know.
    pub from: u64,
    /// The last event that the answer of now knows.
    pub to: u64,
    /// How many events there are from the first to the last.
    pub total: u64,
    /// The first 20 of those about what came, what went, and what the question names; of all, where there are none of
    /// those.
    pub events: Vec<ReasonBody>,
}

/// One event, as far as it says who did what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReasonBody {
    /// Its sequence.
    pub sequence: u64,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the entity.
    pub id: String,
    /// Who sent the command, as far as the broker vouches for it.
    pub actor: String,
    /// The message id of the command; empty where it had none.
    pub cause: String,
}
