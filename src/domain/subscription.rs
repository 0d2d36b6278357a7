//! Standing questions: those that are answered once, and then whenever their answer changes.

use std::collections::BTreeMap;

use super::document::Target;
use super::found::Hit;
use super::id::{EntityKey, EntityType, Id};
use super::impact::Effect;
use super::question::{Node, Question};

/// The most items that the answer to a standing question may have.
pub const ITEMS_MAX: usize = 10_000;

/// A question that is to stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    /// What is asked.
    pub question: Box<Question>,
    /// Where changes go; `None` for where the reply goes.
    pub queue: Option<String>,
}

/// What makes an item of an answer the same one in the next answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A hit, a resource of the graph, or one that is missing.
    Entity(EntityKey),
    /// Something outside.
    External(String),
    /// A resource that an impact reaches, and how; the same resource with another effect is another item.
    Affected(Id, Effect),
    /// A set of resources that need each other, by id.
    Cycle(Vec<Id>),
}

impl Item {
    /// The entities that it is about.
    pub fn ids(&self) -> &[Id] {
        match self {
            Self::Entity(key) => std::slice::from_ref(&key.id),
            Self::External(_) => &[],
            Self::Affected(id, _) => std::slice::from_ref(id),
            Self::Cycle(ids) => ids,
        }
    }
}

/// What people call an item; the item is the same whatever they do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Label {
    /// The kind of a resource; empty where there is none.
    pub kind: String,
    /// The name; may be empty.
    pub name: String,
}

/// Every item of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Items(BTreeMap<Item, Label>);

impl Items {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one in.
    pub fn add(&mut self, item: Item, label: Label) {
        self.0.insert(item, label);
    }

    /// Those that are not in another answer.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let rest = self.0.iter().filter(|(item, _)| !other.0.contains_key(*item));
        Self(rest.map(|(item, label)| (item.clone(), label.clone())).collect())
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Item, &Label)> {
        self.0.iter()
    }
}

impl From<&Hit> for Item {
    fn from(hit: &Hit) -> Self {
        Self::Entity(hit.key.clone())
    }
}

impl From<&Node> for Item {
    fn from(node: &Node) -> Self {
        match &node.target {
            Target::Resource(id) => Self::Entity(EntityKey {
                entity: EntityType::Resource,
                id: id.clone(),
            }),
            Target::External(uri) => Self::External(uri.clone()),
        }
    }
}

impl From<&Node> for Label {
    fn from(node: &Node) -> Self {
        Self {
            kind: node.kind.clone(),
            name: node.name.clone(),
        }
    }
}

/// How an answer is another than before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// What is in it now.
    pub added: Items,
    /// What is not in it any more.
    pub removed: Items,
}

impl Difference {
    /// Between an answer and the one before.
    pub fn between(before: &Items, now: &Items) -> Self {
        Self {
            added: now.without(before),
            removed: before.without(now),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// What happened between two answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// The first event after the answer before.
    pub from: u64,
    /// The last event that the answer knows.
    pub to: u64,
    /// Some of the events in between, in order.
    pub events: Vec<Reason>,
}

/// One event, as far as it says who did what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its place in the change log.
    pub sequence: u64,
    /// Its type.
    pub kind: &'static str,
    /// Of which entity.
    pub id: Id,
    /// Who sent the command.
    pub actor: String,
    /// The message id of the command.
    pub cause: String,
}

impl Question {
    /// Whether it is answered by the index, or the question in it.
    pub fn needs_index(&self) -> bool {
        match self {
            Self::Search(_) => true,
            Self::Subscribe(subscribe) => subscribe.question.needs_index(),
            _ => false,
        }
    }

    /// The same question, as far as it says which items are in its answer.
    #[must_use]
    pub fn of_items(&self) -> Self {
        let mut question = self.clone();
        if let Self::Search(search) = &mut question {
            search.facets.clear();
            search.explain = false;
            search.highlights = false;
        }
        question
    }

    /// The names in it that an event may be about.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Search(search) => search.within.iter().map(Id::as_str).collect(),
            Self::Reach { id, .. } => vec![id.as_str()],
            Self::Impact { causes, .. } => causes.iter().map(String::as_str).collect(),
            Self::Cycles { environment, .. } | Self::Dangling { environment } => {
                environment.iter().map(Id::as_str).collect()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Difference, Item, Items, Label};
    use crate::domain::{Effect, Id};

    fn items(all: &[(&str, Effect, &str)]) -> Items {
        let mut items = Items::default();
        for (id, effect, name) in all {
            let label = Label {
                kind: String::new(),
                name: (*name).to_owned(),
            };
            items.add(Item::Affected(Id::parse(id).unwrap(), *effect), label);
        }
        items
    }

    #[test]
    fn another_effect_is_another_item_and_another_name_is_not() {
        let before = items(&[("a", Effect::Stops, "A"), ("b", Effect::Stops, "B")]);
        let now = items(&[("a", Effect::Stops, "new name"), ("b", Effect::Degraded, "B")]);
        let difference = Difference::between(&before, &now);
        assert_eq!(difference.added, items(&[("b", Effect::Degraded, "B")]));
        assert_eq!(difference.removed, items(&[("b", Effect::Stops, "B")]));
        assert!(Difference::between(&before, &before).is_empty());
    }
}
