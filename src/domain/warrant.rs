//! Whether somebody may do what a command does: asked before each step of it, and of what comes of all of them.
//!
//! Whoever may work in some environments only may touch what is in one of them before the command, and must leave it in
//! one of them. What a command makes itself has no before: so a new resource is put and linked in one batch. What is not
//! there is out of reach like what is elsewhere, so that a refusal does not tell the one from the other.

use std::borrow::Cow;

use super::access::{Access, Reach};
use super::command::Command;
use super::decide::Refusal;
use super::document::Document;
use super::id::{EntityKey, EntityType, Id};
use super::problem::{Problem, ProblemKind};
use super::view::{Entity, Tombstone, View, ViewFault};

/// On whose behalf a command is decided.
#[derive(Debug, Clone, Copy)]
pub struct Warrant<'a> {
    access: &'a Access,
    principal: &'a str,
}

/// What a command has touched so far that must be within reach at its end.
pub(super) struct Checked<'a> {
    warrant: Warrant<'a>,
    /// As it was before the command.
    base: &'a dyn View,
    touched: Vec<Touched>,
}

struct Touched {
    key: EntityKey,
    kind: &'static str,
    /// In a batch, the place of the command.
    place: Option<usize>,
}

impl<'a> Warrant<'a> {
    /// For a user of the broker; empty where the broker does not vouch for the sender.
    pub const fn new(access: &'a Access, principal: &'a str) -> Self {
        Self { access, principal }
    }

    /// How far messages of a type may go.
    ///
    /// # Errors
    /// A problem, where nowhere.
    pub fn reach(&self, kind: &str) -> Result<Reach, Box<Problem>> {
        let reach = self.access.reach(self.principal, kind);
        reach.ok_or_else(|| Box::new(self.refuse(kind, None)))
    }

    /// Why something is not done: whose message, of which type, about what.
    pub fn refuse(&self, kind: &str, key: Option<&EntityKey>) -> Problem {
        let principal = self.principal;
        let who = match principal {
            "" => Cow::Borrowed("a sender whom the broker does not vouch for"),
            _ => Cow::Owned(format!("user {principal}")),
        };
        let about = key.map(|key| format!(" on {key}")).unwrap_or_default();
        let id = key.map(|key| format!(" --id {}", key.id)).unwrap_or_default();
        let hint = if principal.is_empty() {
            "set the property user_id to the user that you are at the broker".to_owned()
        } else {
            format!(
                "`domesday access explain --as {principal} --type {kind}{id}`, as an operator, says which rules there are"
            )
        };
        Problem::new(ProblemKind::Forbidden, format!("{who} may not do {kind}{about}")).hint(hint)
    }
}

impl<'a> Checked<'a> {
    pub(super) const fn new(warrant: Warrant<'a>, base: &'a dyn View) -> Self {
        Self {
            warrant,
            base,
            touched: Vec::new(),
        }
    }

    /// Asks whether a command may begin; `now` is what came of those before it.
    pub(super) fn before(
        &mut self,
        command: &Command,
        place: Option<usize>,
        now: &dyn View,
    ) -> Result<(), Refusal> {
        // Each command in a batch is asked about by itself.
        if *self.warrant.access == Access::Open || matches!(command, Command::Batch { .. }) {
            return Ok(());
        }
        let kind = command.kind();
        let reach = self.warrant.reach(kind).map_err(Refusal::Problem)?;
        let Some((key, pointer)) = command.about().filter(|_| reach != Reach::Everything) else {
            return Ok(());
        };
        let makes = matches!(command, Command::Put { .. });
        if !self.may_touch(&reach, &key, makes, now)? {
            return Err(self.warrant.refuse(kind, Some(&key)).at(pointer).into());
        }
        let (resources, pointer) = command.brings_in();
        for (index, id) in resources.iter().enumerate() {
            let resource = EntityKey::resource(id.clone());
            // What is in it already stays in it.
            if !now.is_member(&key.id, id) && !self.may_touch(&reach, &resource, false, now)? {
                let refused = self.warrant.refuse(kind, Some(&resource));
                return Err(refused.at(format!("{pointer}/{index}")).into());
            }
        }
        self.touched.push(Touched { key, kind, place });
        Ok(())
    }

    /// Asks whether all that was touched, and is there, is still within reach.
    pub(super) fn after(&self, now: &dyn View) -> Result<(), Refusal> {
        for Touched { key, kind, place } in &self.touched {
            let reach = self.warrant.reach(kind).map_err(Refusal::Problem)?;
            if !now.exists(key) || holds(&reach, now, key)? {
                continue;
            }
            let refused = self.warrant.refuse(kind, Some(key));
            let problem = refused.hint(match key.entity {
                EntityType::Resource => {
                    "put it, and link it with an environment that you may change, in one batch".to_owned()
                }
                EntityType::Environment => {
                    "you may change some environments only, and this would not be one of them".to_owned()
                }
            });
            return Err(match place {
                Some(place) => problem
                    .under(&format!("/args/commands/{place}"))
                    .fact("command", *place),
                None => problem,
            }
            .into());
        }
        Ok(())
    }

    /// Whether a question of this type would tell of a resource.
    pub(super) fn may_see(&self, kind: &str, id: &Id, now: &dyn View) -> Result<bool, ViewFault> {
        match self.warrant.access.reach(self.warrant.principal, kind) {
            None => Ok(false),
            Some(Reach::Everything) => Ok(true),
            Some(reach) => holds(&reach, now, &EntityKey::resource(id.clone())),
        }
    }

    /// Whether a command may touch an entity that it finds, or one that it makes.
    fn may_touch(
        &self,
        reach: &Reach,
        key: &EntityKey,
        makes: bool,
        now: &dyn View,
    ) -> Result<bool, ViewFault> {
        match self.base.entity(key)? {
            Entity::Live(_) => holds(reach, self.base, key),
            _ if now.exists(key) => Ok(true),
            Entity::Absent => Ok(makes),
            // It is where it was: it would come back there, or could not any more.
            Entity::Buried(Tombstone { document, links, .. }) => match &*document {
                Document::Environment(environment) => Ok(reach.holds(environment)),
                Document::Resource(_) => holds_any(reach, self.base, links),
            },
        }
    }
}

/// Whether an entity is in an environment within reach, or is one.
fn holds(reach: &Reach, view: &dyn View, key: &EntityKey) -> Result<bool, ViewFault> {
    match key.entity {
        EntityType::Environment => holds_any(reach, view, [key.id.clone()]),
        EntityType::Resource => holds_any(reach, view, view.environments_of(&key.id)),
    }
}

fn holds_any(
    reach: &Reach,
    view: &dyn View,
    environments: impl IntoIterator<Item = Id>,
) -> Result<bool, ViewFault> {
    for id in environments {
        if let Entity::Live(live) = view.entity(&EntityKey::environment(id))?
            && let Document::Environment(environment) = &*live.document
            && reach.holds(environment)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
