//! The messages of standing questions.

use serde::Serialize;

use crate::domain::{
    Answer, Because, Difference, EntityType, Findings, Item, Items, Label, Position, Problem, Reason,
};
use crate::wire::shape::{
    AnswerBookmarkBody, AnswerChangedBody, AnswerEndedBody, BecauseBody, CyclesBody, DanglingBody,
    DanglingItem, EffectWord, HitsBody, ImpactBody, ItemBody, ProblemBody, ReasonBody, StandingFindings,
    SubgraphBody, SubscribedBody,
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
    let subscribed = Subscribed {
        answer,
        subscription,
        bookmark_interval_ms,
        cluster,
        took_us,
    };
    match &answer.findings {
        Findings::Hits(hits) => subscribed.with(HitsBody::from(hits)),
        Findings::Subgraph(subgraph) => subscribed.with(SubgraphBody::from(subgraph)),
        Findings::Impact(impact) => subscribed.with(ImpactBody::from(impact)),
        Findings::Cycles(cycles) => subscribed.with(CyclesBody {
            cycles: cycles.iter().map(|cycle| nodes(cycle)).collect(),
        }),
        Findings::Dangling(dangling) => subscribed.with(DanglingBody {
            dangling: dangling.iter().map(DanglingItem::from).collect(),
        }),
        // No other question stands.
        _ => subscribed.with(StandingFindings {}),
    }
}

/// The reply to a question that stands, without what it found.
struct Subscribed<'a> {
    answer: &'a Answer,
    subscription: &'a str,
    bookmark_interval_ms: u64,
    cluster: &'a str,
    took_us: u64,
}

impl Subscribed<'_> {
    fn with<F: Serialize>(&self, findings: F) -> Vec<u8> {
        to_bytes(&SubscribedBody {
            answer: answer_body(self.answer, self.cluster, self.took_us, findings),
            subscription: self.subscription.to_owned(),
            bookmark_interval_ms: self.bookmark_interval_ms,
        })
    }
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
        Item::Entity(key) => (key.entity.as_str(), key.id.to_string()),
        Item::External(uri) => ("external", uri.clone()),
        Item::Affected(id, _) => (EntityType::Resource.as_str(), id.to_string()),
        Item::Cycle(ids) => ("cycle", ids.first().map(ToString::to_string).unwrap_or_default()),
    };
    let (effect, ids) = match item {
        Item::Affected(_, effect) => (Some(EffectWord::from(*effect)), Vec::new()),
        Item::Cycle(ids) => (None, ids.iter().map(ToString::to_string).collect()),
        Item::Entity(_) | Item::External(_) => (None, Vec::new()),
    };
    let Label { kind, name } = label;
    ItemBody {
        entity: entity.to_owned(),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Subscription, render_subscribed};
    use crate::domain::{
        Answer, Because, Difference, Effect, EntityKey, Findings, Id, Item, Label, Position, Problem,
        ProblemKind, Reason,
    };
    use crate::wire::{Entry, QueueMessage};

    fn id(text: &str) -> Id {
        Id::parse(text).unwrap()
    }

    /// The body of a message, which its schema takes.
    fn body(message: &QueueMessage) -> Value {
        checked(message.kind, &message.body)
    }

    fn checked(name: &str, body: &[u8]) -> Value {
        let body: Value = serde_json::from_slice(body).unwrap();
        let schema = jsonschema::draft202012::new(&Entry::named(name).unwrap().schema()).unwrap();
        assert!(schema.is_valid(&body), "{name}: {body:#}");
        body
    }

    fn subscription() -> Subscription<'static> {
        Subscription {
            id: "s-1",
            cluster: "c",
            position: Position {
                epoch: 2,
                sequence: 41,
            },
            changes: 3,
            total: 5,
        }
    }

    #[test]
    fn every_sort_of_item_has_the_same_shape() {
        let mut difference = Difference::default();
        let label = Label {
            kind: "postgres".to_owned(),
            name: "Ledger".to_owned(),
        };
        let environment = Item::Entity(EntityKey::environment(id("lab")));
        difference.added.add(environment, Label::default());
        difference
            .added
            .add(Item::Entity(EntityKey::resource(id("db-1"))), label);
        let outside = Item::External("urn:dns".to_owned());
        difference.added.add(outside, Label::default());
        let fallen = Item::Affected(id("web"), Effect::CannotStart);
        difference.removed.add(fallen, Label::default());
        let cycle = Item::Cycle(vec![id("a"), id("b")]);
        difference.removed.add(cycle, Label::default());
        let because = Because {
            from: 38,
            to: 41,
            events: vec![Reason {
                sequence: 40,
                kind: "resource.created",
                id: id("db-1"),
                actor: "alice".to_owned(),
                cause: "m-1".to_owned(),
            }],
        };
        let changed = body(&subscription().changed(&difference, &because));
        let as_of = json!({"cluster": "c", "epoch": 2, "sequence": 41});
        assert_eq!(
            changed,
            json!({
                "subscription": "s-1", "as_of": as_of, "change": 3, "total": 5,
                "added": [
                    {"entity": "environment", "id": "lab"},
                    {"entity": "resource", "id": "db-1", "kind": "postgres", "name": "Ledger"},
                    {"entity": "external", "id": "urn:dns"},
                ],
                "removed": [
                    {"entity": "resource", "id": "web", "effect": "cannot-start"},
                    {"entity": "cycle", "id": "a", "ids": ["a", "b"]},
                ],
                "because": {"from": 38, "to": 41, "total": 4, "events": [
                    {"sequence": 40, "type": "resource.created", "id": "db-1", "actor": "alice", "cause": "m-1"},
                ]},
            })
        );
    }

    #[test]
    fn what_comes_without_a_change_says_as_of_when_too() {
        let bookmark = body(&subscription().bookmark());
        assert_eq!((&bookmark["change"], &bookmark["total"]), (&json!(3), &json!(5)));
        assert_eq!(bookmark["as_of"]["sequence"], 41);
        let ended = body(&subscription().ended(&Problem::new(ProblemKind::LimitExceeded, "too many")));
        assert_eq!(ended["problem"]["type"], "urn:domesday:problem:limit-exceeded");
    }

    #[test]
    fn the_reply_is_the_answer_with_a_name_more() {
        let answer = Answer {
            as_of: Position::default(),
            findings: Findings::Cycles(Vec::new()),
            total: 0,
            truncated: None,
            next: None,
        };
        let reply = render_subscribed(&answer, "s-1", 10_000, "c", 7);
        let reply = checked("subscribe.answer", &reply);
        checked("graph.cycles.answer", reply.to_string().as_bytes());
        assert_eq!(reply["subscription"], "s-1");
        assert_eq!(reply["cycles"], json!([]));
    }
}
