//! Canaries: some entities, and what the register says of each, so that a copy can be asked the same.
//!
//! Which entities is read off the state: those of the last changes, and some that are spread over the resources in the order
//! of their ids. So both sides choose the same at the same position, and what is asked changes with what is written.

use std::collections::BTreeSet;

use super::model::{Model, read_model};
use super::reads::bookmark;
use super::{Fault, Reads};
use crate::domain::{
    Bookmark, Canary, Direction, EntityKey, EntityType, Findings, Id, Inquiry, Natures, Question, Reach,
    Search, Target,
};
use crate::store::Snapshot;

/// The entities of so many last changes are asked for.
const LAST_CHANGES: usize = 4;
/// And those that lie between the first and the last in so many even parts.
const SPREAD: u32 = 8;
/// How many steps of dependencies are followed, so that the writer does not wait for long.
const STEPS: u32 = 2;
/// Members of an environment that are looked at.
const MEMBERS: usize = 1_000;
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
                let first = snapshot.changes(0, 1)?.pop();
                return Ok((bookmark(&model, first.as_ref()), canaries));
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
            question: Question::Search(Search {
                query: format!("\"{id}\""),
                ..Search::default()
            }),
            at_least: None,
            limit: HITS,
            cursor: None,
            deadline: None,
            moment: None,
        };
        match self
            .answer(&inquiry, &Reach::Everything)
            .ok()
            .flatten()
            .map(|answer| answer.findings)
        {
            Some(Findings::Hits(hits)) => hits.items.iter().any(|hit| hit.key.id == *id),
            _ => false,
        }
    }
}

fn choose(snapshot: &Snapshot, sequence: u64) -> Result<BTreeSet<EntityKey>, Fault> {
    let mut chosen = BTreeSet::new();
    let from = (sequence + 1).saturating_sub(LAST_CHANGES as u64);
    let last = snapshot.changes(from, LAST_CHANGES)?;
    chosen.extend(last.into_iter().map(|change| change.event.key));
    if let Some((first, last)) = snapshot.first_and_last()? {
        for start in between(first.id.as_str(), last.id.as_str()) {
            let after = Id::parse(&start).ok().map(EntityKey::resource);
            let next = snapshot.live_after(after.as_ref(), 1)?;
            chosen.extend(next.iter().map(|live| live.document.key()));
        }
        chosen.extend([first, last]);
    }
    Ok(chosen)
}

/// Texts that are evenly spread between two: they begin alike, and go on with a character between theirs.
fn between(first: &str, last: &str) -> impl Iterator<Item = String> {
    let alike: String = first
        .chars()
        .zip(last.chars())
        .take_while(|(one, other)| one == other)
        .map(|(one, _)| one)
        .collect();
    let next = |text: &str| {
        text.chars()
            .nth(alike.chars().count())
            .map_or(u32::from('0'), u32::from)
    };
    let (low, high) = (next(first), next(last));
    (1..SPREAD).filter_map(move |part| {
        let character = char::from_u32(low + high.saturating_sub(low) * part / SPREAD)?;
        Some(format!("{alike}{character}"))
    })
}

/// What the register says of an entity: its document, what it needs in two steps, who needs it directly, and where it is.
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
        if let Some(resource) = live.document.as_resource() {
            add(&resource.kind);
            add(&resource.description);
            add(&resource.dependencies.len().to_string());
            for (name, value) in &resource.attributes {
                add(name);
                add(&value.to_string());
            }
        }
    }
    match key.entity {
        EntityType::Environment => {
            let members = model.membership.members(&key.id);
            add(&members.map_or(0, BTreeSet::len).to_string());
            for member in members.into_iter().flatten().take(MEMBERS) {
                add(member.as_str());
            }
        }
        EntityType::Resource => {
            let needed = model.graph.reach(
                &key.id,
                Direction::Dependencies,
                Some(STEPS),
                Natures::ALL,
                usize::MAX,
            );
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
