//! From the domain to the newest records; nothing is copied but lists and JSON text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::v1;
use crate::domain::{
    Change, Dependency, Document, DocumentPatch, EntityType, Entrypoint, Fact, Id, Live, Mistake, Nature,
    Needs, Outcome, Problem, Receipt, StatusEndpoint, Tags, TagsPatch, Target, Timestamp, Tombstone,
};

pub(in crate::store) const fn entity_code(entity: EntityType) -> u8 {
    match entity {
        EntityType::Environment => 0,
        EntityType::Resource => 1,
    }
}

fn ids(ids: &[Id]) -> Vec<&str> {
    ids.iter().map(Id::as_str).collect()
}

fn tags(tags: &Tags) -> BTreeMap<&str, &str> {
    tags.iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

/// JSON text of an object; an empty one is an empty text.
fn json(object: &Map<String, Value>) -> Cow<'static, str> {
    if object.is_empty() {
        return Cow::Borrowed("");
    }
    // Text keys and plain values only: there is nothing in it that JSON cannot hold.
    Cow::Owned(serde_json::to_string(object).unwrap_or_default())
}

impl<'a> From<&'a Live> for v1::Live<'a> {
    fn from(live: &'a Live) -> Self {
        Self {
            revision: live.revision,
            document: (&*live.document).into(),
        }
    }
}

impl<'a> From<&'a Tombstone> for v1::Tombstone<'a> {
    fn from(tombstone: &'a Tombstone) -> Self {
        let Tombstone {
            document,
            revision,
            removed,
            links,
        } = tombstone;
        Self {
            revision: *revision,
            document: (&**document).into(),
            removed_us: removed.0,
            links: ids(links),
        }
    }
}

impl<'a> From<&'a Document> for v1::Document<'a> {
    fn from(document: &'a Document) -> Self {
        match document {
            Document::Environment(e) => Self::Environment(v1::Environment {
                id: e.id.as_str(),
                name: &e.name,
                description: &e.description,
                tags: tags(&e.tags),
                entrypoints: e.entrypoints.iter().map(Into::into).collect(),
                status_endpoints: e.status_endpoints.iter().map(Into::into).collect(),
            }),
            Document::Resource(r) => Self::Resource(v1::Resource {
                id: r.id.as_str(),
                kind: &r.kind,
                name: &r.name,
                description: &r.description,
                tags: tags(&r.tags),
                attributes: json(&r.attributes),
                status_endpoints: r.status_endpoints.iter().map(Into::into).collect(),
                dependencies: r.dependencies.iter().map(Into::into).collect(),
            }),
        }
    }
}

impl<'a> From<&'a Entrypoint> for v1::Entrypoint<'a> {
    fn from(entrypoint: &'a Entrypoint) -> Self {
        Self {
            name: &entrypoint.name,
            url: &entrypoint.url,
        }
    }
}

impl<'a> From<&'a StatusEndpoint> for v1::StatusEndpoint<'a> {
    fn from(endpoint: &'a StatusEndpoint) -> Self {
        let StatusEndpoint {
            name,
            url,
            interval_ms,
            timeout_ms,
            expect_status,
            expect_body,
        } = endpoint;
        Self {
            name,
            url,
            interval_ms: *interval_ms,
            timeout_ms: *timeout_ms,
            expect_status,
            expect_body,
        }
    }
}

impl<'a> From<&'a Dependency> for v1::Dependency<'a> {
    fn from(dependency: &'a Dependency) -> Self {
        let at_least = match dependency.needs {
            Needs::One(_) => None,
            Needs::Group { at_least, .. } => Some(at_least),
        };
        Self {
            targets: dependency.targets().iter().map(Into::into).collect(),
            at_least,
            nature: match dependency.nature {
                Nature::Hard => 0,
                Nature::Soft => 1,
                Nature::Startup => 2,
            },
            description: &dependency.description,
        }
    }
}

impl<'a> From<&'a Target> for v1::Target<'a> {
    fn from(target: &'a Target) -> Self {
        match target {
            Target::Resource(id) => Self::Resource(id.as_str()),
            Target::External(uri) => Self::External(uri),
        }
    }
}

impl<'a> From<&'a DocumentPatch> for v1::Patch<'a> {
    fn from(patch: &'a DocumentPatch) -> Self {
        fn tag_edits(patch: &TagsPatch) -> BTreeMap<&str, Option<&str>> {
            patch
                .edits
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_deref()))
                .collect()
        }
        match patch {
            DocumentPatch::Environment(p) => Self {
                name: p.name.as_deref(),
                description: p.description.as_deref(),
                tags_clear: p.tags.clear,
                tags: tag_edits(&p.tags),
                entrypoints: p
                    .entrypoints
                    .as_ref()
                    .map(|list| list.iter().map(Into::into).collect()),
                status_endpoints: p
                    .status_endpoints
                    .as_ref()
                    .map(|l| l.iter().map(Into::into).collect()),
                ..Self::default()
            },
            DocumentPatch::Resource(p) => Self {
                kind: p.kind.as_deref(),
                name: p.name.as_deref(),
                description: p.description.as_deref(),
                tags_clear: p.tags.clear,
                tags: tag_edits(&p.tags),
                attributes_clear: p.attributes.clear,
                attributes: json(&p.attributes.edits),
                entrypoints: None,
                status_endpoints: p
                    .status_endpoints
                    .as_ref()
                    .map(|l| l.iter().map(Into::into).collect()),
                dependencies: p
                    .dependencies
                    .as_ref()
                    .map(|l| l.iter().map(Into::into).collect()),
            },
        }
    }
}

impl<'a> From<&'a Change> for v1::Change<'a> {
    fn from(change: &'a Change) -> Self {
        let Change {
            epoch,
            sequence,
            time,
            actor,
            cause,
            trace,
            transaction,
            event,
        } = change;
        Self {
            epoch: *epoch,
            sequence: *sequence,
            time_us: time.0,
            actor,
            cause,
            traceparent: &trace.parent,
            tracestate: Some(trace.state.as_str()).filter(|state| !state.is_empty()),
            transaction_first: transaction.first,
            transaction_index: transaction.index,
            transaction_count: transaction.count,
            entity: entity_code(event.key.entity),
            id: event.key.id.as_str(),
            revision: event.revision,
            environments: ids(&event.environments),
            fact: (&event.fact).into(),
        }
    }
}

impl<'a> From<&'a Fact> for v1::Fact<'a> {
    fn from(fact: &'a Fact) -> Self {
        match fact {
            Fact::Created { after } => Self::Created((&**after).into()),
            Fact::Updated { after, before } => Self::Updated((&**after).into(), Box::new((&**before).into())),
            Fact::Removed { last, links } => Self::Removed((&**last).into(), ids(links)),
            Fact::Restored { after } => Self::Restored((&**after).into()),
            Fact::Linked { resources } => Self::Linked(ids(resources)),
            Fact::Unlinked { resources } => Self::Unlinked(ids(resources)),
        }
    }
}

/// A receipt with what the inbox needs to know of its command.
pub(in crate::store) fn receipt<'a>(
    message_id: &'a str,
    fingerprint: [u8; 32],
    actor: &'a str,
    time: Timestamp,
    receipt: &'a Receipt,
) -> v1::Receipt<'a> {
    // A repetition and a dry run leave no receipt of their own, so these two are not kept.
    let Receipt {
        outcome,
        position,
        revisions,
        counts,
        duplicate: _,
        would: _,
    } = receipt;
    let revision = |(key, revision): &'a (crate::domain::EntityKey, u64)| v1::Revision {
        entity: entity_code(key.entity),
        id: key.id.as_str(),
        number: *revision,
    };
    v1::Receipt {
        message_id,
        fingerprint,
        time_us: time.0,
        actor,
        outcome: match outcome {
            Outcome::Applied => 0,
            Outcome::Unchanged => 1,
            Outcome::Rejected(_) => 2,
            Outcome::Expired(_) => 3,
        },
        problem: outcome.problem().map(Into::into),
        epoch: position.epoch,
        sequence: position.sequence,
        revisions: revisions.iter().map(revision).collect(),
        counts: counts
            .iter()
            .map(|(kind, count)| v1::Count { kind, count: *count })
            .collect(),
    }
}

impl<'a> From<&'a Problem> for v1::Problem<'a> {
    fn from(problem: &'a Problem) -> Self {
        let Problem {
            kind,
            detail,
            pointer,
            hint,
            mistakes,
            facts,
        } = problem;
        Self {
            kind: kind.slug(),
            detail,
            pointer,
            hint,
            mistakes: mistakes.iter().map(Into::into).collect(),
            facts: json(facts),
        }
    }
}

impl<'a> From<&'a Mistake> for v1::Mistake<'a> {
    fn from(mistake: &'a Mistake) -> Self {
        Self {
            pointer: &mistake.pointer,
            detail: &mistake.detail,
            hint: &mistake.hint,
        }
    }
}
