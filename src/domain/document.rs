//! The documents that clients write: environments, resources, and what those are made of.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::id::{EntityKey, EntityType, Id};

/// Key to value; an empty value makes the tag a label.
pub type Tags = BTreeMap<String, String>;

/// A place where resources run together. Which resources are in it is kept apart: see [`super::Membership`].
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// The identity.
    pub id: Id,
    /// What people call it; may be empty.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Key to value.
    pub tags: Tags,
    /// Where people and programs enter.
    pub entrypoints: Vec<Entrypoint>,
    /// Where its state can be asked.
    pub status_endpoints: Vec<StatusEndpoint>,
}

/// A thing that exists, and what it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// The identity.
    pub id: Id,
    /// What sort of thing it is, such as `postgres`.
    pub kind: String,
    /// What people call it; may be empty.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Key to value.
    pub tags: Tags,
    /// Expected values: free JSON without nulls (a null would be a removal in a merge patch).
    pub attributes: Map<String, Value>,
    /// Where its state can be asked.
    pub status_endpoints: Vec<StatusEndpoint>,
    /// What it needs.
    pub dependencies: Vec<Dependency>,
}

/// A way into an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrypoint {
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub url: String,
}

/// A place where a state can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEndpoint {
    /// What people call it.
    pub name: String,
    /// `http://`, `https://` or `tcp://host:port`.
    pub url: String,
    /// Time between two polls, in milliseconds.
    pub interval_ms: u64,
    /// How long one poll may take, in milliseconds.
    pub timeout_ms: u64,
    /// The HTTP status codes that mean well, such as `200-299` or `200,204`; empty for the default of 200-299.
    pub expect_status: String,
    /// A text that the body must contain; empty for no such check.
    pub expect_body: String,
}

impl StatusEndpoint {
    /// Time between two polls where the document does not say, in milliseconds.
    pub const INTERVAL_MS: u64 = 30_000;
    /// How long one poll may take where the document does not say, in milliseconds.
    pub const TIMEOUT_MS: u64 = 5_000;
}

/// How strongly one thing needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Nature {
    /// It stops when the other stops.
    #[default]
    Hard,
    /// It works on, with less.
    Soft,
    /// It needs the other only to start.
    Startup,
}

impl Nature {
    /// All natures, strongest first.
    pub const ALL: [Self; 3] = [Self::Hard, Self::Soft, Self::Startup];

    /// The word that messages use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Startup => "startup",
        }
    }

    /// Reads the word that messages use.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|nature| nature.as_str() == text)
    }
}

/// What a dependency points at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A resource of this register, whether it is registered yet or not.
    Resource(Id),
    /// Something outside, named by a URI.
    External(String),
}

/// One need of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// What is needed.
    pub needs: Needs,
    /// How strongly.
    pub nature: Nature,
    /// Why; may be empty.
    pub description: String,
}

/// One thing, or enough of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// Exactly this.
    One(Target),
    /// Redundancy: the group holds while `at_least` of its members do.
    Group {
        /// The members, each once.
        members: Vec<Target>,
        /// How many of them must hold, from 1 to their number.
        at_least: u32,
    },
}

impl Dependency {
    /// Everything that this dependency points at: one target, or the members of the group.
    pub fn targets(&self) -> &[Target] {
        match &self.needs {
            Needs::One(target) => std::slice::from_ref(target),
            Needs::Group { members, .. } => members,
        }
    }

    /// The same, to be changed.
    pub fn targets_mut(&mut self) -> &mut [Target] {
        match &mut self.needs {
            Needs::One(target) => std::slice::from_mut(target),
            Needs::Group { members, .. } => members,
        }
    }

    /// Whether the target is one of several of which only some must hold.
    pub const fn is_group(&self) -> bool {
        matches!(self.needs, Needs::Group { .. })
    }
}

impl Resource {
    /// Whether some dependency, or a member of a group, is this resource.
    pub fn depends_on(&self, id: &Id) -> bool {
        self.targets()
            .any(|target| matches!(target, Target::Resource(other) if other == id))
    }

    /// Every target of every dependency; one that is named twice comes twice.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.dependencies.iter().flat_map(Dependency::targets)
    }
}

/// A document of either type.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// An environment.
    Environment(Environment),
    /// A resource.
    Resource(Resource),
}

impl Document {
    /// Environment or resource.
    pub const fn entity(&self) -> EntityType {
        match self {
            Self::Environment(_) => EntityType::Environment,
            Self::Resource(_) => EntityType::Resource,
        }
    }

    /// The id within its type.
    pub const fn id(&self) -> &Id {
        match self {
            Self::Environment(environment) => &environment.id,
            Self::Resource(resource) => &resource.id,
        }
    }

    /// Type and id.
    pub fn key(&self) -> EntityKey {
        EntityKey {
            entity: self.entity(),
            id: self.id().clone(),
        }
    }

    /// What people call it; may be empty.
    pub fn name(&self) -> &str {
        match self {
            Self::Environment(environment) => &environment.name,
            Self::Resource(resource) => &resource.name,
        }
    }

    /// The resource, where it is one.
    pub const fn as_resource(&self) -> Option<&Resource> {
        match self {
            Self::Resource(resource) => Some(resource),
            Self::Environment(_) => None,
        }
    }
}
