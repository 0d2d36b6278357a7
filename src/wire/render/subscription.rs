//! The messages of standing questions.

use crate::domain::{
    Answer, Because, Difference, EntityType, Findings, Item, Items, Label, Position, Problem, Reason,
};
use crate::wire::shape::{
    AnswerBookmarkBody, AnswerChangedBody, AnswerEndedBody, BecauseBody, CyclesBody, DanglingBody,
    DanglingItem, EffectWord, HitsBody, ImpactBody, ItemBody, ItemWord, ProblemBody, ReasonBody,
    StandingFindings, SubgraphBody, SubscribedBody,
};
use crate::wire::to_bytes;

use super::answer::{answer_body, as_of, count, nodes};
use super::sync::QueueMessage;

/// The answer of now to a standing question, with the name of the subscription.
pub fn render_subscribed(
    answer: &Answer,
    subscription: &str,
    bookmark_interval_ms: u64,
    cluster: &str,
    took_us: u64,
) -> Vec<u8> {
    let findings = match &answer.findings {
        Findings::Hits(hits) => StandingFindings::Hits(HitsBody::from(hits)),
        Findings::Subgraph(subgraph) => StandingFindings::Subgraph(SubgraphBody::from(subgraph)),
        Findings::Impact(impact) => StandingFindings::Impact(Box::new(ImpactBody::from(impact))),
        Findings::Dangling(dangling) => StandingFindings::Dangling(DanglingBody {
            dangling: dangling.iter().map(DanglingItem::from).collect(),
        }),
        Findings::Cycles(cycles) => StandingFindings::Cycles(CyclesBody {
            cycles: cycles.iter().map(|cycle| nodes(cycle)).collect(),
        }),
        // No other question stands.
        _ => StandingFindings::Cycles(CyclesBody { cycles: Vec::new() }),
    };
    to_bytes(&SubscribedBody {
        answer: answer_body(answer, cluster, took_us, findings),
        subscription: subscription.to_owned(),
        bookmark_interval_ms,
    })
}

/// A subscription, and what its reader knows once it has the message.
#[derive(Debug, Clone, Copy)]
pub struct Subscription<'a> {
    /// Its name.
    pub id: &'a str,
    /// The identity of the cluster.
    pub cluster: &'a str,
    /// What the answer is true as of.
    pub position: Position,
    /// How many changes there were.
    pub changes: u64,
    /// How many items the whole answer has.
    pub total: usize,
}

impl Subscription<'_> {
    /// The answer has changed.
    pub fn changed(self, difference: &Difference, because: &Because) -> QueueMessage {
        let body = AnswerChangedBody {
            subscription: self.id.to_owned(),
            as_of: as_of(self.position, self.cluster),
            change: self.changes,
            added: items(&difference.added),
            removed: items(&difference.removed),
            total: count(self.total),
            because: BecauseBody::from(because),
        };
        QueueMessage {
            kind: "answer.changed",
            body: to_bytes(&body),
        }
    }

    /// The answer is the same.
    pub fn bookmark(self) -> QueueMessage {
        let body = AnswerBookmarkBody {
            subscription: self.id.to_owned(),
            as_of: as_of(self.position, self.cluster),
            change: self.changes,
            total: count(self.total),
        };
        QueueMessage {
            kind: "answer.bookmark",
            body: to_bytes(&body),
        }
    }

    /// There will be no more.
    pub fn ended(self, problem: &Problem) -> QueueMessage {
        let body = AnswerEndedBody {
            subscription: self.id.to_owned(),
            as_of: as_of(self.position, self.cluster),
            problem: ProblemBody::from(problem),
        };
        QueueMessage {
            kind: "answer.ended",
            body: to_bytes(&body),
        }
    }
}

fn items(items: &Items) -> Vec<ItemBody> {
    items.iter().map(|(item, label)| item_body(item, label)).collect()
}

fn item_body(item: &Item, label: &Label) -> ItemBody {
    let (entity, id) = match item {
        Item::Entity(key) => {
            let word = match key.entity {
                EntityType::Environment => ItemWord::Environment,
                EntityType::Resource => ItemWord::Resource,
            };
            (word, key.id.to_string())
        }
        Item::External(uri) => (ItemWord::External, uri.clone()),
        Item::Affected(id, _) => (ItemWord::Resource, id.to_string()),
        Item::Cycle(ids) => (
            ItemWord::Cycle,
            ids.first().map(ToString::to_string).unwrap_or_default(),
        ),
    };
    let (effect, ids) = match item {
        Item::Affected(_, effect) => (Some(EffectWord::from(*effect)), Vec::new()),
        Item::Cycle(ids) => (None, ids.iter().map(ToString::to_string).collect()),
        Item::Entity(_) | Item::External(_) => (None, Vec::new()),
    };
    let Label { kind, name } = label;
    ItemBody {
        entity,
        id,
        effect,
        ids,
        kind: kind.clone(),
        name: name.clone(),
    }
}

impl From<&Because> for BecauseBody {
    fn from(because: &Because) -> Self {
        let Because { from, to, events } = because;
        Self {
            from: *from,
            to: *to,
            // Sequences have no holes.
            total: (to + 1).saturating_sub(*from),
            events: events.iter().map(ReasonBody::from).collect(),
        }
    }
}

impl From<&Reason> for ReasonBody {
    fn from(reason: &Reason) -> Self {
        let Reason {
            sequence,
            kind,
            id,
            actor,
            cause,
        } = reason;
        Self {
            sequence: *sequence,
            kind: (*kind).to_owned(),
            id: id.to_string(),
            actor: actor.clone(),
            cause: cause.clone(),
        }
    }
}
