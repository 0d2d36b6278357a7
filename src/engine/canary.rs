//! Canaries: some entities, and what the register says of each, so that a copy can be asked the same.
//!
//! Which entities is read off the state: those of the last changes, and the next one after each of some ids that are spread
//! over the alphabet. So both sides choose the same at the same position, and what is asked changes with what is written.

use std::collections::BTreeSet;

use super::model::{Model, read_model};
use super::{Fault, Reads};
use crate::domain::{
    Bookmark, Canary, Direction, EntityKey, EntityType, Findings, Id, Inquiry, Natures, Question, Target,
};
use crate::store::Snapshot;

/// The entities of so many last changes are asked for.
const LAST_CHANGES: u64 = 4;
/// And the resource after each of these.
const SPREAD: [&str; 4] = ["0", "g", "m", "s"];
/// How often the state on disk and that in memory may be of different commits before there are no canaries this time.
const TRIES: u32 = 50;
/// Hits that a search for one id may have; it must be among them.
const HITS: usize = 20;

impl Reads {
    /// Where the register is, with the proof of a whole copy, and canaries as of the same position; none where commits came
    /// too fast to catch both. Takes some milliseconds, and the writer waits for a part of them.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn bookmark_with_canaries(&self) -> Result<(Bookmark, Vec<Canary>), Fault> {
        for _ in 0..TRIES {
            let snapshot = self.store.snapshot()?;
            let model = read_model(&self.model);
            if model.position == snapshot.identity()?.position {
                let mut canaries = Vec::new();
                for key in choose(&snapshot, model.position.sequence)? {
                    let hash = hash(&model, &snapshot, &key)?;
                    canaries.push(Canary { key, hash });
                }
                let floor = snapshot
                    .changes(0, 1)?
                    .first()
                    .map_or(model.position.sequence, |first| first.sequence - 1);
                let bookmark = Bookmark {
                    position: model.position,
                    digest: model.digest,
                    floor,
                };
                return Ok((bookmark, canaries));
            }
            drop(model);
            std::thread::yield_now();
        }
        Ok((self.bookmark()?, Vec::new()))
    }

    /// Asks this copy what others were asked; says which answers differ. A live resource must be found by its id, too.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn compare_canaries(&self, canaries: &[Canary]) -> Result<Vec<String>, Fault> {
        let snapshot = self.store.snapshot()?;
        let mut differences = Vec::new();
        for Canary { key, hash: theirs } in canaries {
            let ours = hash(&read_model(&self.model), &snapshot, key)?;
            if ours != *theirs {
                differences.push(format!("{key}: the answers differ"));
            } else if snapshot.live(key)?.is_some() && !self.finds(&key.id) {
                differences.push(format!("{key}: a search does not find it"));
            }
        }
        Ok(differences)
    }

    fn finds(&self, id: &Id) -> bool {
        let inquiry = Inquiry {
            question: Question::Search {
                query: format!("\"{id}\""),
                within: None,
            },
            at_least: None,
            limit: HITS,
            cursor: None,
            deadline: None,
        };
        match self.answer(&inquiry).ok().flatten().map(|answer| answer.findings) {
            Some(Findings::Hits(hits)) => hits.iter().any(|hit| hit.key.id == *id),
            _ => false,
        }
    }
}

fn choose(snapshot: &Snapshot, sequence: u64) -> Result<BTreeSet<EntityKey>, Fault> {
    let mut chosen = BTreeSet::new();
    let last = snapshot.changes(
        (sequence + 1).saturating_sub(LAST_CHANGES),
        usize::try_from(LAST_CHANGES).unwrap_or(0),
    )?;
    chosen.extend(last.into_iter().map(|change| change.event.key));
    for start in SPREAD {
        let after = Id::parse(start).ok().map(EntityKey::resource);
        let next = snapshot.live_after(after.as_ref(), 1)?;
        chosen.extend(next.iter().map(|live| live.document.key()));
    }
    Ok(chosen)
}

/// What the register says of an entity: its revision and its name, what it needs with all that those need, who needs it
/// directly, and where it is.
fn hash(model: &Model, snapshot: &Snapshot, key: &EntityKey) -> Result<String, Fault> {
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &str| {
        hasher.update(part.as_bytes());
        // No id and no name has it, so that no two lists of parts are one text.
        hasher.update(&[0]);
    };
    add(&key.to_string());
    if let Some(live) = snapshot.live(key)? {
        add(&live.revision.to_string());
        add(live.document.name());
    }
    match key.entity {
        EntityType::Environment => {
            for member in model.members(&key.id) {
                add(member.as_str());
            }
        }
        EntityType::Resource => {
            let needed = model
                .graph
                .reach(&key.id, Direction::Dependencies, None, Natures::ALL, usize::MAX);
            let needed = needed.map(|(subgraph, _)| subgraph.nodes).unwrap_or_default();
            let needed: BTreeSet<&str> = needed.iter().map(|node| text(&node.target)).collect();
            let dependents: BTreeSet<&Id> = model.graph.dependents(&key.id).collect();
            let environments: BTreeSet<&Id> = model.membership.environments_of(&key.id).iter().collect();
            for id in needed {
                add(id);
            }
            add("");
            for id in dependents {
                add(id.as_str());
            }
            add("");
            for id in environments {
                add(id.as_str());
            }
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn text(target: &Target) -> &str {
    match target {
        Target::Resource(id) => id.as_str(),
        Target::External(uri) => uri,
    }
}
