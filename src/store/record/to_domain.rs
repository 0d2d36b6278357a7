//! From the newest records to the domain. A record that cannot mean anything is damage, never a panic.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{RecordFault, v1};
use crate::domain::{
    AttributesPatch, Change, Dependency, Document, DocumentPatch, EntityKey, EntityType, Entrypoint,
    Environment, EnvironmentPatch, Event, Fact, Id, Live, Mistake, Nature, Needs, Outcome, Position, Problem,
    ProblemKind, Receipt, Resource, ResourcePatch, StatusEndpoint, Tags, TagsPatch, Target, Timestamp,
    Tombstone, Trace, Transaction,
};

type Read<T> = Result<T, RecordFault>;

pub(in crate::store) const fn entity(code: u8) -> Read<EntityType> {
    match code {
        0 => Ok(EntityType::Environment),
        1 => Ok(EntityType::Resource),
        _ => Err(RecordFault::Meaning("no entity has this code")),
    }
}

fn id(text: &str) -> Read<Id> {
    Id::parse(text).map_err(|_| RecordFault::Meaning("an id is not one"))
}

fn ids(texts: Vec<&str>) -> Read<Vec<Id>> {
    texts.into_iter().map(id).collect()
}

fn object(text: &str) -> Read<Map<String, Value>> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(text).map_err(|_| RecordFault::Meaning("a JSON object is not one"))
}

fn tags(tags: std::collections::BTreeMap<&str, &str>) -> Tags {
    tags.into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn all<T, U: TryFrom<T, Error = RecordFault>>(list: Vec<T>) -> Read<Vec<U>> {
    list.into_iter().map(U::try_from).collect()
}

impl TryFrom<v1::Live<'_>> for Live {
    type Error = RecordFault;

    fn try_from(live: v1::Live<'_>) -> Read<Self> {
        Ok(Self {
            document: Arc::new(live.document.try_into()?),
            revision: live.revision,
        })
    }
}

impl TryFrom<v1::Tombstone<'_>> for Tombstone {
    type Error = RecordFault;

    fn try_from(tombstone: v1::Tombstone<'_>) -> Read<Self> {
        let v1::Tombstone {
            revision,
            document,
            removed_us,
            links,
        } = tombstone;
        Ok(Self {
            document: Arc::new(document.try_into()?),
            revision,
            removed: Timestamp(removed_us),
            links: ids(links)?,
        })
    }
}

impl TryFrom<v1::Document<'_>> for Document {
    type Error = RecordFault;

    fn try_from(document: v1::Document<'_>) -> Read<Self> {
        Ok(match document {
            v1::Document::Environment(e) => Self::Environment(Environment {
                id: id(e.id)?,
                name: e.name.to_owned(),
                description: e.description.to_owned(),
                tags: tags(e.tags),
                entrypoints: e.entrypoints.into_iter().map(Into::into).collect(),
                status_endpoints: e.status_endpoints.into_iter().map(Into::into).collect(),
            }),
            v1::Document::Resource(r) => Self::Resource(Resource {
                id: id(r.id)?,
                kind: r.kind.to_owned(),
                name: r.name.to_owned(),
                description: r.description.to_owned(),
                tags: tags(r.tags),
                attributes: object(&r.attributes)?,
                status_endpoints: r.status_endpoints.into_iter().map(Into::into).collect(),
                dependencies: all(r.dependencies)?,
            }),
        })
    }
}

impl From<v1::Entrypoint<'_>> for Entrypoint {
    fn from(entrypoint: v1::Entrypoint<'_>) -> Self {
        Self {
            name: entrypoint.name.to_owned(),
            url: entrypoint.url.to_owned(),
        }
    }
}

impl From<v1::StatusEndpoint<'_>> for StatusEndpoint {
    fn from(endpoint: v1::StatusEndpoint<'_>) -> Self {
        let v1::StatusEndpoint {
            name,
            url,
            interval_ms,
            timeout_ms,
            expect_status,
            expect_body,
        } = endpoint;
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            interval_ms,
            timeout_ms,
            expect_status: expect_status.to_owned(),
            expect_body: expect_body.to_owned(),
        }
    }
}

impl TryFrom<v1::Dependency<'_>> for Dependency {
    type Error = RecordFault;

    fn try_from(dependency: v1::Dependency<'_>) -> Read<Self> {
        let v1::Dependency {
            targets,
            at_least,
            nature,
            description,
        } = dependency;
        let mut members: Vec<Target> = all(targets)?;
        let needs = if let Some(at_least) = at_least {
            Needs::Group { members, at_least }
        } else {
            let one = members.pop().filter(|_| members.is_empty());
            Needs::One(one.ok_or(RecordFault::Meaning("a dependency has not exactly one target"))?)
        };
        let nature = match nature {
            0 => Nature::Hard,
            1 => Nature::Soft,
            2 => Nature::Startup,
            _ => return Err(RecordFault::Meaning("no nature has this code")),
        };
        Ok(Self {
            needs,
            nature,
            description: description.to_owned(),
        })
    }
}

impl TryFrom<v1::Target<'_>> for Target {
    type Error = RecordFault;

    fn try_from(target: v1::Target<'_>) -> Read<Self> {
        Ok(match target {
            v1::Target::Resource(text) => Self::Resource(id(text)?),
            v1::Target::External(uri) => Self::External(uri.to_owned()),
        })
    }
}

impl TryFrom<v1::Change<'_>> for Change {
    type Error = RecordFault;

    fn try_from(change: v1::Change<'_>) -> Read<Self> {
        let key = EntityKey {
            entity: entity(change.entity)?,
            id: id(change.id)?,
        };
        let fact = fact(key.entity, change.fact)?;
        Ok(Self {
            epoch: change.epoch,
            sequence: change.sequence,
            time: Timestamp(change.time_us),
            actor: change.actor.to_owned(),
            cause: change.cause.to_owned(),
            trace: Trace {
                parent: change.traceparent.to_owned(),
                state: change.tracestate.unwrap_or_default().to_owned(),
            },
            transaction: Transaction {
                first: change.transaction_first,
                index: change.transaction_index,
                count: change.transaction_count,
            },
            event: Event {
                key,
                revision: change.revision,
                fact,
                environments: ids(change.environments)?,
            },
        })
    }
}

fn fact(entity: EntityType, fact: v1::Fact<'_>) -> Read<Fact> {
    let document = |document: v1::Document<'_>| document.try_into().map(Arc::new);
    Ok(match fact {
        v1::Fact::Created(after) => Fact::Created {
            after: document(after)?,
        },
        v1::Fact::Updated(after, before) => Fact::Updated {
            after: document(after)?,
            before: Box::new(patch(entity, *before)?),
        },
        v1::Fact::Removed(last, links) => Fact::Removed {
            last: document(last)?,
            links: ids(links)?,
        },
        v1::Fact::Restored(after) => Fact::Restored {
            after: document(after)?,
        },
        v1::Fact::Linked(resources) => Fact::Linked {
            resources: ids(resources)?,
        },
        v1::Fact::Unlinked(resources) => Fact::Unlinked {
            resources: ids(resources)?,
        },
    })
}

fn patch(entity: EntityType, patch: v1::Patch<'_>) -> Read<DocumentPatch> {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let edits = patch
        .tags
        .into_iter()
        .map(|(key, value)| (key.to_owned(), text(value)))
        .collect();
    let tags = TagsPatch {
        clear: patch.tags_clear,
        edits,
    };
    let status_endpoints = patch
        .status_endpoints
        .map(|list| list.into_iter().map(Into::into).collect());
    Ok(match entity {
        EntityType::Environment => DocumentPatch::Environment(EnvironmentPatch {
            name: text(patch.name),
            description: text(patch.description),
            tags,
            entrypoints: patch
                .entrypoints
                .map(|list| list.into_iter().map(Into::into).collect()),
            status_endpoints,
        }),
        EntityType::Resource => DocumentPatch::Resource(ResourcePatch {
            kind: text(patch.kind),
            name: text(patch.name),
            description: text(patch.description),
            tags,
            attributes: AttributesPatch {
                clear: patch.attributes_clear,
                edits: object(&patch.attributes)?,
            },
            status_endpoints,
            dependencies: patch.dependencies.map(all).transpose()?,
        }),
    })
}

impl TryFrom<v1::Receipt<'_>> for Receipt {
    type Error = RecordFault;

    fn try_from(receipt: v1::Receipt<'_>) -> Read<Self> {
        let problem = receipt.problem.map(Problem::try_from).transpose()?.map(Box::new);
        let outcome = match (receipt.outcome, problem) {
            (0, None) => Outcome::Applied,
            (1, None) => Outcome::Unchanged,
            (2, Some(problem)) => Outcome::Rejected(problem),
            (3, Some(problem)) => Outcome::Expired(problem),
            _ => return Err(RecordFault::Meaning("no outcome has this code")),
        };
        let revisions = receipt.revisions.into_iter().map(|revision| {
            Ok((
                EntityKey {
                    entity: entity(revision.entity)?,
                    id: id(revision.id)?,
                },
                revision.number,
            ))
        });
        Ok(Self {
            outcome,
            position: Position {
                epoch: receipt.epoch,
                sequence: receipt.sequence,
            },
            revisions: revisions.collect::<Read<_>>()?,
            counts: receipt
                .counts
                .into_iter()
                .map(|count| (count.kind.to_owned(), count.count))
                .collect(),
            duplicate: false,
            would: None,
        })
    }
}

impl TryFrom<v1::Problem<'_>> for Problem {
    type Error = RecordFault;

    fn try_from(problem: v1::Problem<'_>) -> Read<Self> {
        let v1::Problem {
            kind,
            detail,
            pointer,
            hint,
            mistakes,
            facts,
        } = problem;
        Ok(Self {
            kind: ProblemKind::parse(kind).ok_or(RecordFault::Meaning("no problem has this slug"))?,
            detail: detail.to_owned(),
            pointer: pointer.to_owned(),
            hint: hint.to_owned(),
            mistakes: mistakes.into_iter().map(Into::into).collect(),
            facts: object(&facts)?,
        })
    }
}

impl From<v1::Mistake<'_>> for Mistake {
    fn from(mistake: v1::Mistake<'_>) -> Self {
        Self {
            pointer: mistake.pointer.to_owned(),
            detail: mistake.detail.to_owned(),
            hint: mistake.hint.to_owned(),
        }
    }
}
