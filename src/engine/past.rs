//! The past: what happened to an entity, and the model as of an earlier moment.
//!
//! An earlier model is made from that of now, by taking back one change of the change log after the other. So it is true to
//! the last detail, costs what has happened since, and reaches as far back as the log does.

use std::sync::Arc;

use super::Fault;
use super::graph_answers::page;
use super::model::{Model, read_model};
use super::reads::Reads;
use crate::domain::{
    Answer, Comparison, Document, EntityKey, EntityType, Findings, Hit, Hits, Id, Inquiry, Moment, Position,
    Problem, ProblemKind, Side, compare,
};
use crate::search::{Field, Matcher, Query, Term};
use crate::store::Snapshot;

/// The most changes that are taken back for one question.
const TAKEN_BACK_MAX: usize = 200_000;
/// The most changes on one page of a history: each holds a document, or two.
const PAGE_MAX: usize = 1_000;
/// A page ends with the change with which it has so many bytes on disk.
const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The most resources of an environment that is compared.
const COMPARED_MAX: usize = 20_000;
/// The most bytes on disk that they may have: all of both environments is in memory at once.
const COMPARED_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The most ids that a search in the past may name.
const IDS_MAX: usize = 100;

/// Logs a fault and makes it a problem: who asks can do nothing about it.
fn unavailable(fault: &Fault) -> Box<Problem> {
    tracing::error!(
        fault = fault as &dyn std::error::Error,
        "the store could not be read"
    );
    Box::new(Problem::new(
        ProblemKind::Unavailable,
        "the store could not be read; the log of the server says why",
    ))
}

impl Reads {
    /// The model as of a moment. It takes as much memory as that of now: whoever asks sees to it that there are few.
    ///
    /// # Errors
    /// A problem: the moment is yet to come, before what the change log keeps, or too far back.
    pub(super) fn past(&self, moment: Moment) -> Result<Model, Box<Problem>> {
        let mut model = read_model(&self.model).clone();
        if let Moment::Sequence(wanted) = moment
            && wanted > model.position.sequence
        {
            let detail = format!(
                "the last event has sequence {}, not {wanted}",
                model.position.sequence
            );
            return Err(Box::new(
                Problem::new(ProblemKind::Invalid, detail).at("/as_of/sequence"),
            ));
        }
        let snapshot = self
            .store
            .snapshot()
            .map_err(|fault| unavailable(&fault.into()))?;
        take_back(&mut model, &snapshot, moment)?;
        Ok(model)
    }

    /// The changes of one entity.
    ///
    /// # Errors
    /// A problem where nothing is known of the entity, or the cursor is none.
    pub(super) fn history(
        &self,
        inquiry: &Inquiry,
        key: &EntityKey,
        before: Option<u64>,
    ) -> Result<Answer, Box<Problem>> {
        let before = match &inquiry.cursor {
            None => before,
            Some(cursor) => Some(cursor.parse().map_err(|_| {
                Problem::new(ProblemKind::Invalid, "this is not a cursor of a history")
                    .at("/cursor")
                    .hint("send the `next` of the page before as it is, or no cursor for the first page")
            })?),
        };
        let limit = inquiry.limit.min(PAGE_MAX);
        let read = || -> Result<_, Fault> {
            let snapshot = self.store.snapshot()?;
            let found = snapshot.history(key, before, limit, PAGE_BYTES_MAX)?;
            // What an older program forgot is not known; that the entity is there is.
            let is_there = snapshot.live(key)?.is_some();
            let total = snapshot.history_len(key)?;
            Ok((snapshot.identity()?.position, is_there, total, found))
        };
        let (as_of, is_there, total, (changes, more)) = read().map_err(|fault| unavailable(&fault))?;
        if total == 0 && !is_there {
            let detail = format!("nothing is known of the {} {}", key.entity, key.id);
            let problem = Problem::new(ProblemKind::NotFound, detail).at("/args/id");
            let hint = "look for it with the question `search`; what was removed long ago is forgotten";
            return Err(Box::new(problem.hint(hint)));
        }
        let last = changes.last().map(|change| change.sequence.to_string());
        let shown = changes.len();
        let why = if shown < limit {
            format!(", since a page ends at {} MiB", PAGE_BYTES_MAX >> 20)
        } else {
            String::new()
        };
        Ok(Answer {
            as_of,
            findings: Findings::History(changes),
            total,
            truncated: more.then(|| format!("{shown} of {total} are shown{why}")),
            next: last.filter(|_| more),
        })
    }

    /// Two environments side by side.
    ///
    /// # Errors
    /// A problem: an environment is not there, or is too large.
    pub(super) fn compare(&self, left: &Id, right: &Id, limit: usize) -> Result<Answer, Box<Problem>> {
        let snapshot = self
            .store
            .snapshot()
            .map_err(|fault| unavailable(&fault.into()))?;
        let as_of = snapshot
            .identity()
            .map_err(|fault| unavailable(&fault.into()))?
            .position;
        let Comparison {
            environments,
            mut left_only,
            mut right_only,
            mut different,
            same,
            shared,
        } = compare(
            side(&snapshot, left, "/args/left")?,
            side(&snapshot, right, "/args/right")?,
        );
        let total = left_only.len() + right_only.len() + different.len();
        // The limit goes to each list in turn.
        different.truncate(limit);
        left_only.truncate(limit - different.len());
        right_only.truncate(limit - different.len() - left_only.len());
        let shown = left_only.len() + right_only.len() + different.len();
        let comparison = Comparison {
            environments,
            left_only,
            right_only,
            different,
            same,
            shared,
        };
        Ok(page(
            as_of,
            Findings::Comparison(Box::new(comparison)),
            shown,
            total,
        ))
    }
}

fn take_back(model: &mut Model, snapshot: &Snapshot, moment: Moment) -> Result<(), Box<Problem>> {
    const CHUNK: u64 = 1_000;
    let mut taken = 0;
    while model.position.sequence > 0 {
        let last = model.position.sequence;
        if matches!(moment, Moment::Sequence(wanted) if wanted == last) {
            return Ok(());
        }
        // One more than is taken back, since it says where the register was before the first of them.
        let first = last.saturating_sub(CHUNK).max(1);
        let want = usize::try_from(last - first + 1).unwrap_or_default();
        let mut changes = snapshot
            .changes(first, want)
            .map_err(|fault| unavailable(&fault.into()))?;
        changes.retain(|change| change.sequence <= last);
        let whole = changes.first().is_some_and(|change| change.sequence == first);
        for (place, change) in changes.iter().enumerate().rev() {
            let reached = match moment {
                Moment::Sequence(wanted) => change.sequence <= wanted,
                Moment::Time(time) => change.time <= time,
            };
            if reached {
                return Ok(());
            }
            let earlier = place.checked_sub(1).and_then(|place| changes.get(place));
            let before = match earlier {
                Some(earlier) => Position {
                    epoch: earlier.epoch,
                    sequence: earlier.sequence,
                },
                None if change.sequence == 1 => Position {
                    epoch: 1,
                    sequence: 0,
                },
                // The next chunk has it, if it is there at all.
                None => break,
            };
            model
                .take_back(change, before)
                .map_err(|fault| unavailable(&fault.into()))?;
            taken += 1;
        }
        if !whole {
            return Err(forgotten(model.position.sequence));
        }
        if taken > TAKEN_BACK_MAX {
            let detail = format!("more than {TAKEN_BACK_MAX} events have been since");
            let problem = Problem::new(ProblemKind::Forgotten, detail).at("/as_of");
            return Err(Box::new(
                problem.hint("open a snapshot of that time with `domesday open`"),
            ));
        }
    }
    Ok(())
}

fn forgotten(oldest: u64) -> Box<Problem> {
    let detail = format!("the change log reaches back to sequence {oldest}");
    let problem = Problem::new(ProblemKind::Forgotten, detail).at("/as_of");
    let hint = "ask about a later moment, or open a snapshot of that time with `domesday open`";
    Box::new(problem.hint(hint).fact("oldest", oldest))
}

/// One environment with its resources.
fn side(snapshot: &Snapshot, id: &Id, place: &str) -> Result<Side, Box<Problem>> {
    let key = EntityKey::environment(id.clone());
    let read = || -> Result<_, Fault> { Ok((snapshot.live(&key)?, snapshot.members(id)?)) };
    let (live, members) = read().map_err(|fault| unavailable(&fault))?;
    let Some(Document::Environment(environment)) = live.map(|live| Document::clone(&live.document)) else {
        let detail = format!("there is no environment {id}");
        return Err(Box::new(Problem::new(ProblemKind::NotFound, detail).at(place)));
    };
    let too_large = |detail: String| {
        let problem = Problem::new(ProblemKind::LimitExceeded, detail).at(place);
        Box::new(problem.hint("compare smaller environments, or a copy of each that `sync` brings"))
    };
    if members.len() > COMPARED_MAX {
        let count = members.len();
        return Err(too_large(format!(
            "{id} has {count} resources, the limit is {COMPARED_MAX}"
        )));
    }
    let mut resources = Vec::with_capacity(members.len());
    let mut bytes = 0;
    for member in members {
        let live = snapshot.live_and_bytes(&EntityKey::resource(member));
        let Some((live, its_bytes)) = live.map_err(|fault| unavailable(&fault.into()))? else {
            continue;
        };
        bytes += its_bytes;
        if bytes > COMPARED_BYTES_MAX {
            return Err(too_large(format!(
                "the resources of {id} have more than {COMPARED_BYTES_MAX} bytes"
            )));
        }
        if let Some(resource) = live.document.as_resource() {
            resources.push(Arc::new(resource.clone()));
        }
    }
    Ok(Side {
        environment,
        resources,
    })
}

/// What a search for ids found in a model of the past: there is no index of it.
pub(super) fn found_by_id(
    model: &Model,
    query: &Query,
    within: Option<&Id>,
    limit: usize,
) -> Result<Answer, Box<Problem>> {
    let ids = ids_of(query).filter(|ids| ids.len() <= IDS_MAX).ok_or_else(|| {
        let detail = format!("in the past, a search finds ids only, at most {IDS_MAX} of them");
        let problem = Problem::new(ProblemKind::Invalid, detail).at("/args/query");
        problem.hint("write such as id:db-1, or id:db-1 OR id:db-2, or leave `as_of` out")
    })?;
    let mut hits = Vec::new();
    for id in ids {
        for entity in EntityType::ALL {
            let key = EntityKey {
                entity,
                id: id.clone(),
            };
            let found = match entity {
                EntityType::Environment => model.environment(&id).map(|e| (String::new(), e.name.clone())),
                EntityType::Resource => model.graph.node(&id).map(|node| (node.kind, node.name)),
            };
            let inside = within.is_none_or(|environment| {
                entity == EntityType::Resource && model.membership.contains(environment, &id)
            });
            if let Some((kind, name)) = found.filter(|_| inside) {
                hits.push(Hit {
                    key,
                    kind,
                    name,
                    score: 1.0,
                    highlights: Vec::new(),
                    explanation: Vec::new(),
                });
            }
        }
    }
    let total = hits.len();
    hits.truncate(limit);
    let shown = hits.len();
    let found = Hits {
        items: hits,
        ..Hits::default()
    };
    Ok(page(model.position, Findings::Hits(found), shown, total))
}

/// The ids that a query names, where it does nothing else.
fn ids_of(query: &Query) -> Option<Vec<Id>> {
    match query {
        Query::Term(Term {
            field: Field::Id,
            matcher: Matcher::Word(text) | Matcher::Phrase(text),
            ..
        }) => Some(Id::parse(text).into_iter().collect()),
        Query::Or(children) => {
            let mut ids = Vec::new();
            for child in children {
                ids.extend(ids_of(child)?);
            }
            ids.sort_unstable();
            ids.dedup();
            Some(ids)
        }
        _ => None,
    }
}
