//! Patches: what changes between two documents of one entity.
//!
//! A patch is a JSON Merge Patch (RFC 7396) with its types known. Commands carry one to say what to change, and
//! events carry one, `before`, that leads back to the document as it was.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::document::{Dependency, Document, Entrypoint, Environment, Resource, StatusEndpoint, Tags};

/// Changes to a resource; a field that is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResourcePatch {
    /// The new kind.
    pub kind: Option<String>,
    /// The new name; empty to clear it.
    pub name: Option<String>,
    /// The new description; empty to clear it.
    pub description: Option<String>,
    /// Changes to single tags.
    pub tags: TagsPatch,
    /// Changes to attributes.
    pub attributes: AttributesPatch,
    /// The new list, whole.
    pub status_endpoints: Option<Vec<StatusEndpoint>>,
    /// The new list, whole.
    pub dependencies: Option<Vec<Dependency>>,
}

/// Changes to an environment; a field that is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EnvironmentPatch {
    /// The new name; empty to clear it.
    pub name: Option<String>,
    /// The new description; empty to clear it.
    pub description: Option<String>,
    /// Changes to single tags.
    pub tags: TagsPatch,
    /// The new list, whole.
    pub entrypoints: Option<Vec<Entrypoint>>,
    /// The new list, whole.
    pub status_endpoints: Option<Vec<StatusEndpoint>>,
}

/// A patch for a document of either type.
#[derive(Debug, Clone, PartialEq)]
pub enum DocumentPatch {
    /// For an environment.
    Environment(EnvironmentPatch),
    /// For a resource.
    Resource(ResourcePatch),
}

/// Changes to tags: `None` removes a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagsPatch {
    /// Remove all tags first (`"tags": null`).
    pub clear: bool,
    /// Key to new value, or `None` to remove the key.
    pub edits: BTreeMap<String, Option<String>>,
}

/// Changes to attributes, as in RFC 7396: null removes, objects merge, anything else replaces.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AttributesPatch {
    /// Remove all attributes first (`"attributes": null`).
    pub clear: bool,
    /// The merge patch.
    pub edits: Map<String, Value>,
}

impl TagsPatch {
    fn apply(&self, tags: &mut Tags) {
        if self.clear {
            tags.clear();
        }
        for (key, value) in &self.edits {
            match value {
                Some(value) => tags.insert(key.clone(), value.clone()),
                None => tags.remove(key),
            };
        }
    }

    fn between(from: &Tags, to: &Tags) -> Self {
        let gone = from
            .keys()
            .filter(|key| !to.contains_key(*key))
            .map(|key| (key.clone(), None));
        let set = to
            .iter()
            .filter(|(key, value)| from.get(*key) != Some(value))
            .map(|(key, value)| (key.clone(), Some(value.clone())));
        Self {
            clear: false,
            edits: gone.chain(set).collect(),
        }
    }
}

impl AttributesPatch {
    fn apply(&self, attributes: &mut Map<String, Value>) {
        if self.clear {
            attributes.clear();
        }
        merge(attributes, &self.edits);
    }

    fn between(from: &Map<String, Value>, to: &Map<String, Value>) -> Self {
        Self {
            clear: false,
            edits: merge_patch(from, to),
        }
    }
}

/// RFC 7396 (section 2) for an object. Recursion ends with the depth that [`super::Limits`] allows.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.shift_remove(key);
            }
            Value::Object(inner) => {
                let entry = target.entry(key.clone()).or_insert(Value::Null);
                if !entry.is_object() {
                    *entry = Value::Object(Map::new());
                }
                if let Value::Object(object) = entry {
                    merge(object, inner);
                }
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

/// The merge patch that leads from one object to another. Neither holds a null outside an array, so it exists.
fn merge_patch(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, new) in to {
        match (from.get(key), new) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                patch.insert(key.clone(), Value::Object(merge_patch(old, new)));
            }
            (_, new) => {
                patch.insert(key.clone(), new.clone());
            }
        }
    }
    patch
}

fn changed<T: PartialEq + Clone>(from: &T, to: &T) -> Option<T> {
    (from != to).then(|| to.clone())
}

fn set<T: Clone>(field: &mut T, new: Option<&T>) {
    if let Some(new) = new {
        field.clone_from(new);
    }
}

impl ResourcePatch {
    /// The patch that leads from one document of a resource to another.
    pub fn between(from: &Resource, to: &Resource) -> Self {
        Self {
            kind: changed(&from.kind, &to.kind),
            name: changed(&from.name, &to.name),
            description: changed(&from.description, &to.description),
            tags: TagsPatch::between(&from.tags, &to.tags),
            attributes: AttributesPatch::between(&from.attributes, &to.attributes),
            status_endpoints: changed(&from.status_endpoints, &to.status_endpoints),
            dependencies: changed(&from.dependencies, &to.dependencies),
        }
    }

    /// Changes the document in place.
    pub fn apply(&self, resource: &mut Resource) {
        let Self {
            kind,
            name,
            description,
            tags,
            attributes,
            status_endpoints,
            dependencies,
        } = self;
        set(&mut resource.kind, kind.as_ref());
        set(&mut resource.name, name.as_ref());
        set(&mut resource.description, description.as_ref());
        tags.apply(&mut resource.tags);
        attributes.apply(&mut resource.attributes);
        set(&mut resource.status_endpoints, status_endpoints.as_ref());
        set(&mut resource.dependencies, dependencies.as_ref());
    }
}

impl EnvironmentPatch {
    /// The patch that leads from one document of an environment to another.
    pub fn between(from: &Environment, to: &Environment) -> Self {
        Self {
            name: changed(&from.name, &to.name),
            description: changed(&from.description, &to.description),
            tags: TagsPatch::between(&from.tags, &to.tags),
            entrypoints: changed(&from.entrypoints, &to.entrypoints),
            status_endpoints: changed(&from.status_endpoints, &to.status_endpoints),
        }
    }

    /// Changes the document in place.
    pub fn apply(&self, environment: &mut Environment) {
        let Self {
            name,
            description,
            tags,
            entrypoints,
            status_endpoints,
        } = self;
        set(&mut environment.name, name.as_ref());
        set(&mut environment.description, description.as_ref());
        tags.apply(&mut environment.tags);
        set(&mut environment.entrypoints, entrypoints.as_ref());
        set(&mut environment.status_endpoints, status_endpoints.as_ref());
    }
}

impl DocumentPatch {
    /// The patch that leads from one document to another of the same type; `None` where the types differ.
    pub fn between(from: &Document, to: &Document) -> Option<Self> {
        match (from, to) {
            (Document::Environment(from), Document::Environment(to)) => {
                Some(Self::Environment(EnvironmentPatch::between(from, to)))
            }
            (Document::Resource(from), Document::Resource(to)) => {
                Some(Self::Resource(ResourcePatch::between(from, to)))
            }
            _ => None,
        }
    }

    /// The document after the patch; `None` where it is for the other type.
    #[must_use]
    pub fn applied_to(&self, document: &Document) -> Option<Document> {
        let mut after = document.clone();
        match (self, &mut after) {
            (Self::Environment(patch), Document::Environment(environment)) => patch.apply(environment),
            (Self::Resource(patch), Document::Resource(resource)) => patch.apply(resource),
            _ => return None,
        }
        Some(after)
    }
}
