//! What each command means, said a second time: without events, without a view over a view, on two plain sets.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::State;
use crate::domain::{
    Command, Document, DocumentPatch, Entity, EntityKey, EntityType, Expect, Id, Live, ProblemKind,
    RemoveMode, Rules, Step, Timestamp, Tombstone, View, check,
};

/// A refusal, and the command of a batch that it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct No {
    pub(super) kind: ProblemKind,
    pub(super) step: Option<usize>,
}

impl From<ProblemKind> for No {
    fn from(kind: ProblemKind) -> Self {
        Self { kind, step: None }
    }
}

type Done = Result<(), No>;

/// One command at work.
struct Work<'a> {
    state: &'a mut State,
    rules: &'a Rules,
    now: Timestamp,
}

/// The state after a command.
pub(super) fn execute(before: &State, step: &Step, rules: &Rules, now: Timestamp) -> Result<State, No> {
    let mut state = before.clone();
    let mut work = Work {
        state: &mut state,
        rules,
        now,
    };
    work.step(step)?;
    Ok(state)
}

impl Work<'_> {
    fn step(&mut self, step: &Step) -> Done {
        match &step.command {
            Command::Batch { steps } => {
                if steps.len() > self.rules.limits.batch_commands_max {
                    return Err(ProblemKind::LimitExceeded.into());
                }
                for (i, step) in steps.iter().enumerate() {
                    self.step(step).map_err(|no| No { step: Some(i), ..no })?;
                }
                Ok(())
            }
            Command::Put { document, members } => {
                self.permitted(document)?;
                let key = document.key();
                self.expected(&key, step.expect)?;
                self.write(&key, document);
                self.members(&key.id, members.as_deref())
            }
            Command::Patch { key, patch, members } => {
                self.expected(key, step.expect)?;
                let Some(live) = self.state.live(key) else {
                    return Err(ProblemKind::NotFound.into());
                };
                let fits = matches!(
                    (key.entity, &**patch),
                    (EntityType::Resource, DocumentPatch::Resource(_))
                        | (EntityType::Environment, DocumentPatch::Environment(_))
                );
                if !fits {
                    return Err(ProblemKind::Invalid.into());
                }
                let after = patch.applied_to(&live.document).unwrap();
                self.permitted(&after)?;
                self.write(key, &after);
                self.members(&key.id, members.as_deref())
            }
            Command::Remove {
                key,
                mode,
                expect_impact: _,
            } => {
                self.expected(key, step.expect)?;
                self.remove(key, *mode)
            }
            Command::Restore { key } => {
                self.expected(key, step.expect)?;
                self.restore(key)
            }
            Command::Link {
                environment,
                resources,
            } => {
                let key = self.home(environment, step.expect)?;
                self.few(resources.len())?;
                self.registered(resources)?;
                let mut all = self.state.members(environment);
                all.extend(resources.iter().cloned());
                let nothing_new = all.len() == self.state.member_count(environment);
                if !nothing_new || all.len() > self.rules.limits.members_max {
                    self.few(all.len())?;
                }
                self.set(&key, &all);
                Ok(())
            }
            Command::Unlink {
                environment,
                resources,
            } => {
                let key = self.home(environment, step.expect)?;
                self.few(resources.len())?;
                let mut all = self.state.members(environment);
                all.retain(|member| !resources.contains(member));
                self.set(&key, &all);
                Ok(())
            }
        }
    }

    fn remove(&mut self, key: &EntityKey, mode: RemoveMode) -> Done {
        let Some(live) = self.state.live(key).cloned() else {
            return match self.state.entities.get(key) {
                Some(_) => Ok(()),
                None => Err(ProblemKind::NotFound.into()),
            };
        };
        let links = match key.entity {
            EntityType::Resource => {
                let others = self.state.dependents(&key.id).into_iter().any(|id| id != key.id);
                if others && mode == RemoveMode::Restrict {
                    return Err(ProblemKind::HasDependents.into());
                }
                let homes = self.state.environments_of(&key.id);
                for home in &homes {
                    let mut rest = self.state.members(home);
                    rest.remove(&key.id);
                    self.set(&EntityKey::environment(home.clone()), &rest);
                }
                homes
            }
            EntityType::Environment => {
                let members = self.state.members(&key.id);
                if !members.is_empty() && mode == RemoveMode::Restrict {
                    return Err(ProblemKind::HasMembers.into());
                }
                self.set(key, &BTreeSet::new());
                members
            }
        };
        let tombstone = Tombstone {
            document: live.document,
            revision: self.state.revision(key) + 1,
            removed: self.now,
            links: links.into_iter().collect(),
        };
        self.state.entities.insert(key.clone(), Entity::Buried(tombstone));
        Ok(())
    }

    fn restore(&mut self, key: &EntityKey) -> Done {
        let tombstone = match self.state.entities.get(key) {
            Some(Entity::Buried(tombstone)) => tombstone.clone(),
            Some(Entity::Live(_)) => return Ok(()),
            Some(Entity::Absent) | None => return Err(ProblemKind::NotFound.into()),
        };
        let age_us = self.now.0 - tombstone.removed.0;
        if age_us > i64::try_from(self.rules.tombstone_ms).unwrap() * 1_000 {
            return Err(ProblemKind::TombstoneExpired.into());
        }
        self.write(key, &tombstone.document);
        match key.entity {
            EntityType::Resource => {
                for home in tombstone.links.into_iter().map(EntityKey::environment) {
                    if self.state.exists(&home) {
                        let mut all = self.state.members(&home.id);
                        all.insert(key.id.clone());
                        self.set(&home, &all);
                    }
                }
            }
            EntityType::Environment => {
                let mut all: BTreeSet<Id> = tombstone.links.into_iter().collect();
                all.retain(|id| self.state.exists(&EntityKey::resource(id.clone())));
                self.set(key, &all);
            }
        }
        Ok(())
    }

    /// Makes the document what it is, one revision on where that is a change.
    fn write(&mut self, key: &EntityKey, document: &Document) {
        let live = self.state.live(key);
        if live.is_some_and(|live| *live.document == *document) {
            return;
        }
        let live = Live {
            document: Arc::new(document.clone()),
            revision: self.state.revision(key) + 1,
        };
        self.state.entities.insert(key.clone(), Entity::Live(live));
    }

    fn members(&mut self, environment: &Id, members: Option<&[Id]>) -> Done {
        let Some(members) = members else { return Ok(()) };
        self.few(members.len())?;
        self.registered(members)?;
        let wanted = members.iter().cloned().collect();
        self.set(&EntityKey::environment(environment.clone()), &wanted);
        Ok(())
    }

    /// Makes the members these: a revision where some go, and another where some come.
    fn set(&mut self, environment: &EntityKey, wanted: &BTreeSet<Id>) {
        let present = self.state.members(&environment.id);
        let steps = u64::from(!present.is_subset(wanted)) + u64::from(!wanted.is_subset(&present));
        self.state.members.retain(|(home, _)| *home != environment.id);
        let pairs = wanted.iter().map(|id| (environment.id.clone(), id.clone()));
        self.state.members.extend(pairs);
        if let Some(Entity::Live(live)) = self.state.entities.get_mut(environment) {
            live.revision += steps;
        }
    }

    fn home(&self, environment: &Id, expect: Expect) -> Result<EntityKey, No> {
        let key = EntityKey::environment(environment.clone());
        self.expected(&key, expect)?;
        if self.state.exists(&key) {
            Ok(key)
        } else {
            Err(ProblemKind::NotFound.into())
        }
    }

    fn expected(&self, key: &EntityKey, expect: Expect) -> Done {
        match (expect, self.state.live(key)) {
            (Expect::Absent, Some(_)) => Err(ProblemKind::AlreadyExists.into()),
            (Expect::Exists | Expect::Revision(_), None) => Err(ProblemKind::NotFound.into()),
            (Expect::Revision(wanted), Some(live)) if live.revision != wanted => {
                Err(ProblemKind::RevisionMismatch.into())
            }
            _ => Ok(()),
        }
    }

    fn permitted(&self, document: &Document) -> Done {
        if check(document, &self.rules.limits, "").is_empty() {
            Ok(())
        } else {
            Err(ProblemKind::Invalid.into())
        }
    }

    fn registered(&self, resources: &[Id]) -> Done {
        let known = |id: &Id| self.state.exists(&EntityKey::resource(id.clone()));
        if resources.iter().all(known) {
            Ok(())
        } else {
            Err(ProblemKind::NotFound.into())
        }
    }

    fn few(&self, count: usize) -> Done {
        if count <= self.rules.limits.members_max {
            Ok(())
        } else {
            Err(ProblemKind::LimitExceeded.into())
        }
    }
}
