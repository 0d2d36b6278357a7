//! Environments and resources as they are written in messages, and the patches for them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::text::{DurationText, IdText};

/// A place where resources run together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EnvironmentDocument {
    /// The identity.
    #[schemars(with = "IdText")]
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Key to value; an empty value makes the tag a label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Where people and programs enter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoints: Vec<EntrypointDocument>,
    /// Where its state can be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status_endpoints: Vec<StatusEndpointDocument>,
    /// The complete set of the resources in it; leave it out to leave the set as it is. Events do not carry it:
    /// `environment.linked` and `environment.unlinked` do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<IdText>")]
    pub resources: Option<Vec<String>>,
}

/// A thing that exists, and what it needs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ResourceDocument {
    /// The identity.
    #[schemars(with = "IdText")]
    pub id: String,
    /// What sort of thing it is, such as `postgres`; one word.
    pub kind: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Key to value; an empty value makes the tag a label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The expected values: free JSON, without nulls outside of lists.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// Where its state can be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status_endpoints: Vec<StatusEndpointDocument>,
    /// What it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<DependencyDocument>,
}

/// A way into an environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EntrypointDocument {
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it is: a URI.
    pub url: String,
}

/// A place where a state can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StatusEndpointDocument {
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `http://…`, `https://…` or `tcp://host:port`.
    pub url: String,
    /// Time between two polls, from 1s to 24h; `30s` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DurationText")]
    pub interval: Option<String>,
    /// How long one poll may take, at most the interval; `5s` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DurationText")]
    pub timeout: Option<String>,
    /// What means well.
    #[serde(default, skip_serializing_if = "StatusExpectDocument::is_empty")]
    pub expect: StatusExpectDocument,
}

/// What an answer must be to mean well.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct StatusExpectDocument {
    /// HTTP status codes, such as `200-299` or `200,204`; 200-299 where it is left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// A text that the body must contain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

impl StatusExpectDocument {
    /// Whether nothing in particular is expected.
    pub const fn is_empty(&self) -> bool {
        self.status.is_empty() && self.body.is_empty()
    }
}

/// How strongly one thing needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NatureWord {
    /// It stops when the other stops.
    #[default]
    Hard,
    /// It works on, with less.
    Soft,
    /// It needs the other only to start.
    Startup,
}

impl NatureWord {
    /// Whether it is the nature of a dependency that does not say.
    pub const fn is_hard(&self) -> bool {
        matches!(self, Self::Hard)
    }
}

/// One need of a resource: a resource, something outside, or enough of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)]
pub enum DependencyDocument {
    /// On a resource of this register, whether it is registered yet or not.
    Resource {
        /// The id of the resource.
        #[schemars(with = "IdText")]
        resource: String,
        /// How strongly; hard where it is left out.
        #[serde(default, skip_serializing_if = "NatureWord::is_hard")]
        nature: NatureWord,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
    },
    /// On something outside.
    External {
        /// A URI that names it.
        external: String,
        /// How strongly; hard where it is left out.
        #[serde(default, skip_serializing_if = "NatureWord::is_hard")]
        nature: NatureWord,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
    },
    /// Redundancy: the group holds while `at_least` of its members do.
    Group {
        /// The members, each once.
        group: Vec<TargetDocument>,
        /// How many of them must hold; 1 where it is left out.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        at_least: u32,
        /// How strongly; hard where it is left out.
        #[serde(default, skip_serializing_if = "NatureWord::is_hard")]
        nature: NatureWord,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        description: String,
    },
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_one(at_least: &u32) -> bool {
    *at_least == 1
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)]
pub enum TargetDocument {
    /// A resource of this register, whether it is registered yet or not.
    Resource {
        /// The id of the resource.
        #[schemars(with = "IdText")]
        resource: String,
    },
    /// Something outside.
    External {
        /// A URI that names it.
        external: String,
    },
}

/// Changes to an environment, as a JSON Merge Patch (RFC 7396): what is left out stays, null clears.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EnvironmentPatchDocument {
    /// The new name.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<Option<String>>,
    /// The new description.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub description: Option<Option<String>>,
    /// Tags to set, or to remove with null; null for all removes all.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub tags: Option<Option<BTreeMap<String, Option<String>>>>,
    /// The new list, whole.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub entrypoints: Option<Option<Vec<EntrypointDocument>>>,
    /// The new list, whole.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub status_endpoints: Option<Option<Vec<StatusEndpointDocument>>>,
    /// The complete set of the resources in it; null lets go of all.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<Vec<IdText>>")]
    pub resources: Option<Option<Vec<String>>>,
}

/// Changes to a resource, as a JSON Merge Patch (RFC 7396): what is left out stays, null clears.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ResourcePatchDocument {
    /// The new kind; it cannot be cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub kind: Option<String>,
    /// The new name.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<Option<String>>,
    /// The new description.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub description: Option<Option<String>>,
    /// Tags to set, or to remove with null; null for all removes all.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub tags: Option<Option<BTreeMap<String, Option<String>>>>,
    /// Attributes to set, to merge (objects), or to remove with null; null for all removes all.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub attributes: Option<Option<Map<String, Value>>>,
    /// The new list, whole.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub status_endpoints: Option<Option<Vec<StatusEndpointDocument>>>,
    /// The new list, whole.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub dependencies: Option<Option<Vec<DependencyDocument>>>,
}

/// A field that is there, even as null; serde alone would take null for left out.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
