//! What somebody may see of the register: a model of its own, as if nothing else were registered.
//!
//! So no answer can tell of what is out of sight: not by a count, a reason, or a path through it. What somebody sees needs
//! something that they do not see is a dangling reference to them, as their own copy of the documents would have it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::model::{Model, read_model};
use super::reads::Reads;
use crate::domain::graph::GraphFull;
use crate::domain::{EntityKey, Environment, Id, Position, Problem, ProblemKind, Reach};

/// Parts that are kept for the next question: each takes as much memory as what is in it.
const KEPT_MAX: usize = 4;

/// The parts that were last looked at.
#[derive(Default)]
pub(super) struct Parts(Mutex<VecDeque<Kept>>);

struct Kept {
    /// The environments in sight.
    environments: BTreeSet<Id>,
    part: Arc<Model>,
}

impl Parts {
    fn find(&self, position: Position, environments: &BTreeSet<Id>) -> Option<Arc<Model>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = kept.iter();
        let same = kept.find(|kept| kept.part.position == position && kept.environments == *environments);
        same.map(|kept| Arc::clone(&kept.part))
    }

    fn keep(&self, environments: BTreeSet<Id>, part: Arc<Model>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One of the same environments is of an earlier position.
        kept.retain(|old| old.environments != environments);
        kept.push_front(Kept { environments, part });
        kept.truncate(KEPT_MAX);
    }
}

impl Reads {
    /// Looks at what is in sight as of now.
    pub(super) fn look<T>(
        &self,
        reach: &Reach,
        look: impl FnOnce(&Model) -> Result<T, Box<Problem>>,
    ) -> Result<T, Box<Problem>> {
        match reach {
            Reach::Everything => look(&read_model(&self.model)),
            Reach::Within(_) => look(&*self.part(reach)?),
        }
    }

    /// What is in sight as of now.
    fn part(&self, reach: &Reach) -> Result<Arc<Model>, Box<Problem>> {
        let model = read_model(&self.model);
        let environments = model.in_sight(reach);
        if let Some(part) = self.parts.find(model.position, &environments) {
            return Ok(part);
        }
        let part = Arc::new(model.part(&environments).map_err(too_much)?);
        drop(model);
        self.parts.keep(environments, Arc::clone(&part));
        Ok(part)
    }

    /// The environments in sight; `None` where that is the whole register.
    pub fn in_sight(&self, reach: &Reach) -> Option<BTreeSet<Id>> {
        match reach {
            Reach::Everything => None,
            Reach::Within(_) => Some(read_model(&self.model).in_sight(reach)),
        }
    }

    /// The environments of that id, or with a resource of that id in them.
    pub fn environments_around(&self, id: &Id) -> Vec<Arc<Environment>> {
        let model = read_model(&self.model);
        let around = model.membership.environments_of(id).iter().chain([id]);
        around
            .filter_map(|id| model.environments.get(id).cloned())
            .collect()
    }

    /// Fails where an entity is not in sight, as it does where there is none.
    pub(super) fn must_see(&self, reach: &Reach, key: &EntityKey, place: &str) -> Result<(), Box<Problem>> {
        if *reach == Reach::Everything {
            return Ok(());
        }
        self.look(reach, |part| {
            if part.contains(key) {
                return Ok(());
            }
            let detail = format!("there is no {} {}", key.entity, key.id);
            Err(Box::new(Problem::new(ProblemKind::NotFound, detail).at(place)))
        })
    }
}

/// A part of a past model, or the whole.
pub(super) fn part_of(model: Model, reach: &Reach) -> Result<Model, Box<Problem>> {
    match reach {
        Reach::Everything => Ok(model),
        Reach::Within(_) => model.part(&model.in_sight(reach)).map_err(too_much),
    }
}

fn too_much(fault: GraphFull) -> Box<Problem> {
    Box::new(Problem::new(ProblemKind::LimitExceeded, fault.to_string()))
}

impl Model {
    /// The environments within reach.
    pub(super) fn in_sight(&self, reach: &Reach) -> BTreeSet<Id> {
        let all = self.environments.values();
        let held = all.filter(|environment| reach.holds(environment));
        held.map(|environment| environment.id.clone()).collect()
    }

    /// The model as it would be if only these environments, and what is in them, were registered.
    pub(super) fn part(&self, environments: &BTreeSet<Id>) -> Result<Self, GraphFull> {
        let mut part = Self {
            position: self.position,
            ..Self::default()
        };
        let mut resources = BTreeSet::new();
        for id in environments {
            let environment = self.environments.get(id).map(Arc::clone);
            part.environments
                .extend(environment.map(|environment| (id.clone(), environment)));
            for resource in self.membership.members(id).into_iter().flatten() {
                part.membership.link(id, resource);
                resources.insert(resource);
            }
        }
        part.graph = self.graph.part(resources)?;
        Ok(part)
    }
}
