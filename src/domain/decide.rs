//! The decision: a view and a command in, events or a refusal out. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::command::{Command, Expect, RemoveMode, Step};
use super::document::Document;
use super::event::{Event, Fact, LINKS_PER_EVENT};
use super::id::{EntityKey, EntityType, Id, Timestamp};
use super::impact::{ImpactHash, stops_with};
use super::limits::{Limits, check};
use super::patch::DocumentPatch;
use super::problem::{Mistake, Problem, ProblemKind};
use super::view::{Entity, Live, Overlay, Tombstone, View, ViewFault};
use super::warrant::{Checked, Warrant};

/// The most ids that a problem lists; it always says how many there are.
const LISTED_MAX: usize = 20;

/// The most resources that a removal is willing to count; each is read from the disk.
const IMPACT_MAX: usize = 10_000;
/// The most documents that one command, or all of a batch, has read to count those.
const IMPACT_LOOKS_MAX: usize = 20_000;

/// What a decision goes by, beside the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What a document may be.
    pub limits: Limits,
    /// How long a removal can be undone, in milliseconds.
    pub tombstone_ms: u64,
}

/// Why a command causes no events.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// We say no.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// We could not look.
    #[error(transparent)]
    Fault(#[from] ViewFault),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

/// Decides one command on somebody's behalf: the events that it causes, none where all is already as it says.
///
/// # Errors
/// [`Refusal::Problem`] where the command is refused, with pointers into its body; [`Refusal::Fault`] where the
/// view cannot be read. Either way nothing happened.
pub fn decide(
    view: &dyn View,
    step: &Step,
    rules: &Rules,
    warrant: Warrant<'_>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let mut deciding = Deciding {
        view: Overlay::new(view, now),
        checked: Checked::new(warrant, view),
        rules: *rules,
        now,
        events: Vec::new(),
        looks: IMPACT_LOOKS_MAX,
    };
    deciding.step(step, None)?;
    deciding.checked.after(&deciding.view)?;
    Ok(deciding.events)
}

struct Deciding<'a> {
    view: Overlay<'a>,
    checked: Checked<'a>,
    rules: Rules,
    now: Timestamp,
    events: Vec<Event>,
    /// How many documents may still be looked at for `expect_impact`.
    looks: usize,
}

impl Deciding<'_> {
    /// One command; `place` is where it stands in a batch.
    fn step(&mut self, step: &Step, place: Option<usize>) -> Result<(), Refusal> {
        self.checked.before(&step.command, place, &self.view)?;
        match &step.command {
            Command::Put { document, members } => self.put(document, members.as_deref(), step.expect),
            Command::Patch { key, patch, members } => self.patch(key, patch, members.as_deref(), step.expect),
            Command::Remove {
                key,
                mode,
                expect_impact,
            } => self.remove(key, *mode, *expect_impact, step.expect),
            Command::Restore { key } => self.restore(key, step.expect),
            Command::Link {
                environment,
                resources,
            } => self.link(environment, resources, step.expect, true),
            Command::Unlink {
                environment,
                resources,
            } => self.link(environment, resources, step.expect, false),
            Command::Batch { steps } => self.batch(steps),
        }
    }

    fn batch(&mut self, steps: &[Step]) -> Result<(), Refusal> {
        let max = self.rules.limits.batch_commands_max;
        if steps.len() > max {
            let detail = format!("the batch has {} commands, the limit is {max}", steps.len());
            let problem = Problem::new(ProblemKind::LimitExceeded, detail).at("/args/commands");
            return Err(problem.hint("send several batches").into());
        }
        for (i, step) in steps.iter().enumerate() {
            let place = format!("/args/commands/{i}");
            let located = |problem: Problem| problem.under(&place).fact("command", i);
            if matches!(step.command, Command::Batch { .. }) {
                let problem = Problem::new(ProblemKind::Invalid, "a batch cannot hold a batch").at("/type");
                return Err(located(problem).into());
            }
            self.step(step, Some(i)).map_err(|refusal| match refusal {
                Refusal::Problem(problem) => located(*problem).into(),
                fault @ Refusal::Fault(_) => fault,
            })?;
        }
        Ok(())
    }

    fn put(&mut self, document: &Document, members: Option<&[Id]>, expect: Expect) -> Result<(), Refusal> {
        refuse_mistakes(check(document, &self.rules.limits, "/args"))?;
        let key = document.key();
        let entity = self.view.entity(&key)?;
        require(&key, &entity, expect)?;
        match entity {
            Entity::Live(live) => self.update(&key, &live, document.clone())?,
            Entity::Absent => self.create(&key, 0, document)?,
            Entity::Buried(tombstone) => self.create(&key, tombstone.revision, document)?,
        }
        self.set_members(&key, members, "/args/resources")
    }

    fn patch(
        &mut self,
        key: &EntityKey,
        patch: &DocumentPatch,
        members: Option<&[Id]>,
        expect: Expect,
    ) -> Result<(), Refusal> {
        let live = self.live(key, expect, "/args/id")?;
        let Some(after) = patch.applied_to(&live.document) else {
            let detail = format!("the patch is not one for a {}", key.entity);
            return Err(Problem::new(ProblemKind::Invalid, detail)
                .at("/args/patch")
                .into());
        };
        refuse_mistakes(check(&after, &self.rules.limits, "/args/patch"))?;
        self.update(key, &live, after)?;
        self.set_members(key, members, "/args/patch/resources")
    }

    fn remove(
        &mut self,
        key: &EntityKey,
        mode: RemoveMode,
        expect_impact: Option<ImpactHash>,
        expect: Expect,
    ) -> Result<(), Refusal> {
        let entity = self.view.entity(key)?;
        require(key, &entity, expect)?;
        let live = match entity {
            Entity::Live(live) => live,
            Entity::Buried(_) => return Ok(()),
            Entity::Absent => return Err(not_found(key, "/args/id").into()),
        };
        if let Some(expected) = expect_impact {
            self.refuse_other_impact(&key.id, expected)?;
        }
        if mode == RemoveMode::Restrict {
            self.refuse_while_needed(key)?;
        }
        let links = match key.entity {
            EntityType::Resource => {
                let environments = self.view.environments_of(&key.id);
                for environment in &environments {
                    self.set_links(environment, std::slice::from_ref(&key.id), false)?;
                }
                environments
            }
            EntityType::Environment => {
                let members = self.view.members(&key.id);
                let all: Vec<Id> = members.iter().cloned().collect();
                self.set_links(&key.id, &all, false)?;
                members
            }
        };
        // Letting go of the members moved the revision of an environment.
        let revision = match self.view.entity(key)? {
            Entity::Live(now) => now.revision,
            Entity::Absent | Entity::Buried(_) => live.revision,
        };
        let links: Vec<Id> = links.into_iter().collect();
        let environments = match key.entity {
            EntityType::Environment => vec![key.id.clone()],
            EntityType::Resource => links.clone(),
        };
        let fact = Fact::Removed {
            last: live.document,
            links,
        };
        self.emit(Event {
            key: key.clone(),
            revision: revision + 1,
            fact,
            environments,
        })
    }

    fn refuse_other_impact(&mut self, id: &Id, expected: ImpactHash) -> Result<(), Refusal> {
        let counts = |id: &Id| self.checked.may_see("graph.impact", id, &self.view);
        let Some(stops) = stops_with(&self.view, id, IMPACT_MAX, &mut self.looks, &counts)? else {
            let detail = format!(
                "too much to compare: more than {IMPACT_MAX} resources would stop, or more than {IMPACT_LOOKS_MAX} \
                 that need something would have to be looked at, in all of the command"
            );
            let problem = Problem::new(ProblemKind::LimitExceeded, detail).at("/args/expect_impact");
            return Err(problem
                .hint("remove what needs it first, send smaller batches, or leave `expect_impact` out")
                .into());
        };
        let mut actual = ImpactHash::default();
        for id in &stops {
            actual.add(id);
        }
        if actual == expected {
            return Ok(());
        }
        let detail = format!(
            "{} would stop, and not those that are expected",
            counted(stops.len(), "resource")
        );
        Err(Problem::new(ProblemKind::ImpactMismatch, detail)
            .at("/args/expect_impact")
            .hint("ask `graph.impact` again, look at what is new, and send the command with the hash of now")
            .fact("impact", actual.to_string())
            .fact("stops", stops.len())
            .into())
    }

    fn refuse_while_needed(&self, key: &EntityKey) -> Result<(), Refusal> {
        let (kind, needed_by, what) = match key.entity {
            EntityType::Resource => {
                let mut dependents = self.view.dependents(&key.id);
                dependents.remove(&key.id);
                (ProblemKind::HasDependents, dependents, "is needed by")
            }
            EntityType::Environment => (ProblemKind::HasMembers, self.view.members(&key.id), "holds"),
        };
        if needed_by.is_empty() {
            return Ok(());
        }
        let mut visible = Vec::new();
        for id in &needed_by {
            if self.checked.may_see("graph.dependents", id, &self.view)? {
                visible.push(id.as_str());
            }
        }
        let total = visible.len();
        let detail = if total == 0 {
            format!("{key} {what} what you may not see")
        } else {
            let listed = visible.get(..LISTED_MAX).unwrap_or(&visible);
            format!(
                "{key} {what} {}: {}",
                counted(total, "resource"),
                enumerate(listed, total)
            )
        };
        visible.truncate(LISTED_MAX);
        Err(Problem::new(kind, detail)
            .at("/args/id")
            .hint("remove those first, or send \"mode\": \"detach\"")
            .fact("resources", visible)
            .fact("total", total)
            .into())
    }

    fn restore(&mut self, key: &EntityKey, expect: Expect) -> Result<(), Refusal> {
        let entity = self.view.entity(key)?;
        require(key, &entity, expect)?;
        let tombstone = match entity {
            Entity::Buried(tombstone) => tombstone,
            Entity::Live(_) => return Ok(()),
            Entity::Absent => return Err(not_found(key, "/args/id").into()),
        };
        if tombstone.removed.plus_ms(self.rules.tombstone_ms) < self.now {
            let days = usize::try_from(self.rules.tombstone_ms / 86_400_000).unwrap_or(usize::MAX);
            let detail = format!("{key} was removed more than {} ago", counted(days, "day"));
            let problem = Problem::new(ProblemKind::TombstoneExpired, detail).at("/args/id");
            return Err(problem.hint("put it again").into());
        }
        let Tombstone {
            document,
            revision,
            removed: _,
            links,
        } = tombstone;
        let environments = self.environments(key);
        let fact = Fact::Restored { after: document };
        self.emit(Event {
            key: key.clone(),
            revision: revision + 1,
            fact,
            environments,
        })?;
        self.relink(key, links)
    }

    /// What was linked with a restored entity is linked again, as far as it still exists.
    fn relink(&mut self, key: &EntityKey, links: Vec<Id>) -> Result<(), Refusal> {
        match key.entity {
            EntityType::Environment => {
                let there = |id: &Id| self.view.exists(&EntityKey::resource(id.clone()));
                let resources: Vec<Id> = links.into_iter().filter(there).collect();
                self.set_links(&key.id, &resources, true)
            }
            EntityType::Resource => {
                for environment in links {
                    if self.view.exists(&EntityKey::environment(environment.clone())) {
                        self.set_links(&environment, std::slice::from_ref(&key.id), true)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn link(
        &mut self,
        environment: &Id,
        resources: &[Id],
        expect: Expect,
        linked: bool,
    ) -> Result<(), Refusal> {
        let key = EntityKey::environment(environment.clone());
        self.live(&key, expect, "/args/environment")?;
        self.refuse_too_many(resources, "/args/resources")?;
        if linked {
            self.refuse_unregistered(resources, "/args/resources")?;
        }
        let distinct: BTreeSet<&Id> = resources.iter().collect();
        let changed: Vec<Id> = distinct
            .into_iter()
            .filter(|resource| self.view.is_member(environment, resource) != linked)
            .cloned()
            .collect();
        if linked {
            self.refuse_crowd(environment, changed.len())?;
        }
        self.set_links(environment, &changed, linked)
    }

    /// Makes the members of an environment exactly these.
    fn set_members(&mut self, key: &EntityKey, members: Option<&[Id]>, place: &str) -> Result<(), Refusal> {
        let Some(members) = members else { return Ok(()) };
        self.refuse_too_many(members, place)?;
        self.refuse_unregistered(members, place)?;
        let wanted: BTreeSet<Id> = members.iter().cloned().collect();
        let present = self.view.members(&key.id);
        let gone: Vec<Id> = present.difference(&wanted).cloned().collect();
        let new: Vec<Id> = wanted.difference(&present).cloned().collect();
        self.set_links(&key.id, &gone, false)?;
        self.set_links(&key.id, &new, true)
    }

    fn refuse_too_many(&self, members: &[Id], place: &str) -> Result<(), Refusal> {
        let max = self.rules.limits.members_max;
        if members.len() <= max {
            return Ok(());
        }
        let detail = format!("{}, the limit is {max}", counted(members.len(), "resource"));
        Err(Problem::new(ProblemKind::LimitExceeded, detail).at(place).into())
    }

    fn refuse_crowd(&self, environment: &Id, more: usize) -> Result<(), Refusal> {
        let max = self.rules.limits.members_max;
        let total = self.view.member_count(environment) + more;
        if total <= max {
            return Ok(());
        }
        let detail = format!("{environment} would have {total} resources, the limit is {max}");
        Err(Problem::new(ProblemKind::LimitExceeded, detail)
            .at("/args/resources")
            .into())
    }

    fn refuse_unregistered(&self, resources: &[Id], place: &str) -> Result<(), Refusal> {
        let unregistered = |(i, id): (usize, &Id)| {
            (!self.view.exists(&EntityKey::resource(id.clone()))).then(|| Mistake {
                pointer: format!("{place}/{i}"),
                detail: format!("there is no resource {id}"),
                hint: "put the resource first, or in the same batch before this".to_owned(),
            })
        };
        let mistakes: Vec<Mistake> = resources
            .iter()
            .enumerate()
            .filter_map(unregistered)
            .take(LISTED_MAX)
            .collect();
        if mistakes.is_empty() {
            return Ok(());
        }
        Err(Problem::of_mistakes(ProblemKind::NotFound, mistakes).into())
    }

    fn create(&mut self, key: &EntityKey, past: u64, document: &Document) -> Result<(), Refusal> {
        let environments = self.environments(key);
        let fact = Fact::Created {
            after: Arc::new(document.clone()),
        };
        self.emit(Event {
            key: key.clone(),
            revision: past + 1,
            fact,
            environments,
        })
    }

    fn update(&mut self, key: &EntityKey, live: &Live, after: Document) -> Result<(), Refusal> {
        if *live.document == after {
            return Ok(());
        }
        let Some(before) = DocumentPatch::between(&after, &live.document) else {
            let detail = format!("{key} is not a {}", after.entity());
            return Err(Problem::new(ProblemKind::Invalid, detail).into());
        };
        let environments = self.environments(key);
        let fact = Fact::Updated {
            after: Arc::new(after),
            before: Box::new(before),
        };
        self.emit(Event {
            key: key.clone(),
            revision: live.revision + 1,
            fact,
            environments,
        })
    }

    fn set_links(&mut self, environment: &Id, resources: &[Id], linked: bool) -> Result<(), Refusal> {
        let key = EntityKey::environment(environment.clone());
        for some in resources.chunks(LINKS_PER_EVENT) {
            let Entity::Live(live) = self.view.entity(&key)? else {
                return Ok(());
            };
            let resources = some.to_vec();
            let fact = if linked {
                Fact::Linked { resources }
            } else {
                Fact::Unlinked { resources }
            };
            let environments = vec![environment.clone()];
            self.emit(Event {
                key: key.clone(),
                revision: live.revision + 1,
                fact,
                environments,
            })?;
        }
        Ok(())
    }

    /// The environments that an event of this entity concerns.
    fn environments(&self, key: &EntityKey) -> Vec<Id> {
        match key.entity {
            EntityType::Environment => vec![key.id.clone()],
            EntityType::Resource => self.view.environments_of(&key.id).into_iter().collect(),
        }
    }

    fn live(&self, key: &EntityKey, expect: Expect, place: &str) -> Result<Live, Refusal> {
        let entity = self.view.entity(key)?;
        require(key, &entity, expect)?;
        match entity {
            Entity::Live(live) => Ok(live),
            Entity::Absent | Entity::Buried(_) => Err(not_found(key, place).into()),
        }
    }

    fn emit(&mut self, event: Event) -> Result<(), Refusal> {
        self.view.apply(&event)?;
        self.events.push(event);
        Ok(())
    }
}

fn refuse_mistakes(mistakes: Vec<Mistake>) -> Result<(), Refusal> {
    if mistakes.is_empty() {
        return Ok(());
    }
    Err(Problem::of_mistakes(ProblemKind::Invalid, mistakes).into())
}

fn require(key: &EntityKey, entity: &Entity, expect: Expect) -> Result<(), Refusal> {
    let actual = match entity {
        Entity::Live(live) => Some(live.revision),
        Entity::Absent | Entity::Buried(_) => None,
    };
    let problem = match (expect, actual) {
        (Expect::Anything, _) | (Expect::Absent, None) | (Expect::Exists, Some(_)) => return Ok(()),
        (Expect::Revision(wanted), Some(actual)) if wanted == actual => return Ok(()),
        (Expect::Absent, Some(actual)) => Problem::new(
            ProblemKind::AlreadyExists,
            format!("{key} exists at revision {actual}"),
        )
        .fact("revision", actual),
        (Expect::Revision(wanted), Some(actual)) => {
            let detail = format!("{key} is at revision {actual}, not {wanted}");
            Problem::new(ProblemKind::RevisionMismatch, detail)
                .hint("look at what changed since, then send the command with the revision of now")
                .fact("revision", actual)
        }
        (Expect::Exists | Expect::Revision(_), None) => {
            Problem::new(ProblemKind::NotFound, format!("{key} does not exist"))
        }
    };
    Err(problem.at("/expect").into())
}

fn not_found(key: &EntityKey, place: &str) -> Problem {
    let detail = format!("there is no {} {}", key.entity, key.id);
    Problem::new(ProblemKind::NotFound, detail)
        .at(place)
        .hint("look for it with the question `search`")
}

/// `1 resource`, `2 resources`
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `a, b, c and 7 more`
fn enumerate(listed: &[&str], total: usize) -> String {
    let names = listed.join(", ");
    match total.saturating_sub(listed.len()) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}
