//! What was, and what differs: from the domain to the shapes.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::domain::{
    Change, Comparison, Document, Environment, Fact, Id, Node, Pair, Resource, Target, escape,
};
use crate::wire::shape::{ComparisonBody, DifferenceBody, NodeBody, PairBody, PastBody};

use super::answer::count;
use super::document::document_to_json;
use super::text::format_time;

/// The most differences that are shown of two documents; it is always said how many there are.
const DIFFERENCES_MAX: usize = 200;
/// The lists of a document in which the order means nothing.
const UNORDERED: [&str; 3] = ["/dependencies", "/entrypoints", "/status_endpoints"];
/// The longest value that is shown whole, in bytes of JSON.
const VALUE_BYTES_MAX: usize = 500;
/// The most linked resources that are shown of one change.
const RESOURCES_MAX: usize = 20;

impl From<&Change> for PastBody {
    fn from(change: &Change) -> Self {
        let event = &change.event;
        let (from, to, resources): (Value, Value, &[Id]) = match &event.fact {
            Fact::Created { after } | Fact::Restored { after } => (nothing(), document_to_json(after), &[]),
            Fact::Updated { after, before } => {
                let was = before.applied_to(after).as_ref().map(document_to_json);
                (was.unwrap_or_else(nothing), document_to_json(after), &[])
            }
            Fact::Removed { last, links: _ } => (document_to_json(last), nothing(), &[]),
            Fact::Linked { resources } | Fact::Unlinked { resources } => (nothing(), nothing(), resources),
        };
        let (diff, diff_total) = differences(&from, &to);
        Self {
            epoch: change.epoch,
            sequence: change.sequence,
            time: format_time(change.time),
            kind: event.kind().to_owned(),
            revision: event.revision,
            actor: change.actor.clone(),
            cause: change.cause.clone(),
            traceparent: change.trace.parent.clone(),
            diff,
            diff_total,
            resources: resources.iter().take(RESOURCES_MAX).map(Id::to_string).collect(),
            resources_total: count(resources.len()),
        }
    }
}

impl From<&Comparison> for ComparisonBody {
    fn from(comparison: &Comparison) -> Self {
        let Comparison {
            environments: (left, right),
            left_only,
            right_only,
            different,
            same,
            shared,
        } = comparison;
        // That they have different ids is how they were asked for.
        let right = Environment {
            id: left.id.clone(),
            ..right.clone()
        };
        let json = |environment: &Environment| document_to_json(&Document::Environment(environment.clone()));
        let (environment, _) = differences(&json(left), &json(&right));
        let nodes = |resources: &[std::sync::Arc<Resource>]| resources.iter().map(|r| node(r)).collect();
        Self {
            environment,
            left_only: nodes(left_only),
            right_only: nodes(right_only),
            different: different.iter().map(PairBody::from).collect(),
            same: count(*same),
            shared: count(*shared),
        }
    }
}

impl From<&Pair> for PairBody {
    fn from(pair: &Pair) -> Self {
        let Pair { left, right } = pair;
        let renamed = Resource {
            id: left.id.clone(),
            ..Resource::clone(right)
        };
        let json = |resource: Resource| document_to_json(&Document::Resource(resource));
        let (diff, diff_total) = differences(&json(Resource::clone(left)), &json(renamed));
        Self {
            left: left.id.to_string(),
            right: right.id.to_string(),
            diff,
            diff_total,
        }
    }
}

/// A resource as answers about the graph show it.
fn node(resource: &Resource) -> NodeBody {
    NodeBody::from(&Node {
        target: Target::Resource(resource.id.clone()),
        registered: true,
        kind: resource.kind.clone(),
        name: resource.name.clone(),
        distance: 0,
    })
}

/// The document of what is not there.
fn nothing() -> Value {
    Value::Object(Map::new())
}

/// In what two documents differ, by pointer, and how many differences there are.
fn differences(from: &Value, to: &Value) -> (Vec<DifferenceBody>, u64) {
    let mut all = Vec::new();
    let mut total = 0;
    collect(Some(from), Some(to), "", &mut all, &mut total);
    (all, total)
}

/// Goes into objects, as deep as documents may be nested, and takes anything else as one value.
fn collect(
    from: Option<&Value>,
    to: Option<&Value>,
    pointer: &str,
    all: &mut Vec<DifferenceBody>,
    total: &mut u64,
) {
    if let (Some(Value::Object(from)), Some(Value::Object(to))) = (from, to) {
        let new = to.keys().filter(|key| !from.contains_key(*key));
        for key in from.keys().chain(new) {
            let pointer = format!("{pointer}/{}", escape(key));
            collect(from.get(key), to.get(key), &pointer, all, total);
        }
        return;
    }
    if from == to {
        return;
    }
    *total += 1;
    if all.len() < DIFFERENCES_MAX {
        let parted = parted(from, to, pointer);
        let (from, to) = match &parted {
            Some((from, to)) => (from.as_ref(), to.as_ref()),
            None => (from, to),
        };
        let (from, from_cut) = from.map(shown).unzip();
        let (to, to_cut) = to.map(shown).unzip();
        all.push(DifferenceBody {
            pointer: pointer.to_owned(),
            from,
            to,
            shortened: from_cut.unwrap_or_default() || to_cut.unwrap_or_default(),
        });
    }
}

/// Of two lists in which the order means nothing, what only the one has, and what only the other; `None` where that says
/// nothing.
pub(super) fn parted(
    from: Option<&Value>,
    to: Option<&Value>,
    pointer: &str,
) -> Option<(Option<Value>, Option<Value>)> {
    let (Some(Value::Array(from)), Some(Value::Array(to))) = (from, to) else {
        return None;
    };
    if !UNORDERED.contains(&pointer) {
        return None;
    }
    let beyond = |own: &[Value], other: &[Value]| {
        let mut others: HashMap<&Value, usize> = HashMap::new();
        for item in other {
            *others.entry(item).or_default() += 1;
        }
        let own = own.iter().filter(|item| match others.get_mut(item) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        });
        let own: Vec<Value> = own.cloned().collect();
        (!own.is_empty()).then_some(Value::Array(own))
    };
    let parted = (beyond(from, to), beyond(to, from));
    (parted != (None, None)).then_some(parted)
}

/// A value, or its beginning as a text.
fn shown(value: &Value) -> (Value, bool) {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.len() <= VALUE_BYTES_MAX {
        return (value.clone(), false);
    }
    let end = text.floor_char_boundary(VALUE_BYTES_MAX);
    let start = text.get(..end).unwrap_or_default();
    (Value::String(start.to_owned()), true)
}
