//! What an impact is made of, as answers and commands show it.

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::document::{Dependency, Entrypoint, Nature, Needs, Target};
use super::id::{EntityKey, Id};
use super::question::Node;
use super::view::{Entity, View, ViewFault};

/// What happens to a resource when something that it needs stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It stops.
    Stops,
    /// It works on, with less: without something that it needs softly, or with what is left of a group.
    Degraded,
    /// It runs on, and could not be started again.
    CannotStart,
}

impl Effect {
    /// All of them, the worst first.
    pub const ALL: [Self; 3] = [Self::Stops, Self::Degraded, Self::CannotStart];

    /// The word that messages use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stops => "stops",
            Self::Degraded => "degraded",
            Self::CannotStart => "cannot-start",
        }
    }
}

/// One affected resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// Which.
    pub node: Node,
    /// How.
    pub effect: Effect,
    /// How it comes to that: from a cause to what it needs itself.
    pub why: Vec<String>,
}

/// An environment with affected resources in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HitEnvironment {
    /// Which.
    pub id: Id,
    /// What people call it; may be empty.
    pub name: String,
    /// How many of its resources stop, the causes among them included.
    pub stops: usize,
    /// How many are affected otherwise.
    pub weakened: usize,
    /// How many resources it has.
    pub resources: usize,
    /// Where people and programs enter.
    pub entrypoints: Vec<Entrypoint>,
}

/// What stops if some things stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImpactFindings {
    /// What the question named.
    pub causes: Vec<Node>,
    /// What is affected: the worst first, then the nearest; without the causes.
    pub affected: Vec<Affected>,
    /// How many are affected in each way, in the order of [`Effect::ALL`].
    pub counts: [usize; 3],
    /// The environments that have some of them, or of the causes, by id, as many as were asked for.
    pub environments: Vec<HitEnvironment>,
    /// How many such environments there are.
    pub environments_total: usize,
    /// What stops, as one number.
    pub hash: ImpactHash,
}

/// A set of resources as one number: the sum modulo 2^128 of the first 16 bytes, big-endian, of SHA-256 over each id.
///
/// Two sets with the same number are the same, as far as nobody makes ids to deceive himself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImpactHash(u128);

impl ImpactHash {
    /// Takes a resource in.
    pub fn add(&mut self, id: &Id) {
        let digest: [u8; 32] = Sha256::digest(id.as_str().as_bytes()).into();
        let first = digest
            .first_chunk()
            .map_or(0, |bytes| u128::from_be_bytes(*bytes));
        self.0 = self.0.wrapping_add(first);
    }

    /// Reads 32 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = hex.then(|| u128::from_str_radix(text, 16).ok())?;
        number.map(Self)
    }
}

impl fmt::Display for ImpactHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What stops with a resource, without it: the same set as that of the graph, found through a view, so that it is right in
/// the middle of a batch too. `None` where more than `most` stop, or where `looks` ran out: one is taken for each dependent
/// that is looked at. What does not count is passed over, as if it were not registered.
///
/// # Errors
/// [`ViewFault`] where a document cannot be read.
pub(super) fn stops_with(
    view: &dyn View,
    id: &Id,
    most: usize,
    looks: &mut usize,
    counts: &dyn Fn(&Id) -> Result<bool, ViewFault>,
) -> Result<Option<BTreeSet<Id>>, ViewFault> {
    let mut fallen = BTreeSet::from([id.clone()]);
    let mut waiting = vec![id.clone()];
    while let Some(cause) = waiting.pop() {
        for dependent in view.dependents(&cause) {
            let Some(left) = looks.checked_sub(1) else {
                return Ok(None);
            };
            *looks = left;
            if fallen.contains(&dependent) || !counts(&dependent)? {
                continue;
            }
            let Entity::Live(live) = view.entity(&EntityKey::resource(dependent.clone()))? else {
                continue;
            };
            let needs = live
                .document
                .as_resource()
                .map(|resource| resource.dependencies.as_slice());
            if needs
                .unwrap_or_default()
                .iter()
                .any(|need| is_broken(need, &fallen))
            {
                // Itself is among them.
                if fallen.len() > most {
                    return Ok(None);
                }
                fallen.insert(dependent.clone());
                waiting.push(dependent);
            }
        }
    }
    fallen.remove(id);
    Ok(Some(fallen))
}

/// Whether a resource with this dependency stops when these have.
fn is_broken(dependency: &Dependency, fallen: &BTreeSet<Id>) -> bool {
    let holds = |target: &&Target| match target {
        Target::Resource(id) => !fallen.contains(id),
        Target::External(_) => true,
    };
    let holding = dependency.targets().iter().filter(holds).count();
    let wanted = match &dependency.needs {
        Needs::One(_) => 1,
        Needs::Group { at_least, .. } => *at_least as usize,
    };
    dependency.nature == Nature::Hard && holding < wanted
}
