//! Documents and patches: from the domain to the shapes.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::{
    AttributesPatch, Dependency, Document, DocumentPatch, Entrypoint, Environment, EnvironmentPatch, Nature,
    Needs, Resource, ResourcePatch, StatusEndpoint, TagsPatch, Target, escape,
};
use crate::wire::shape::{
    DependencyDocument, EntrypointDocument, EnvironmentDocument, NatureWord, ResourceDocument,
    StatusEndpointDocument, StatusExpectDocument, TargetDocument,
};

use super::text::format_duration;

/// A document as JSON, in its canonical form: what is as if it were left out is left out.
pub fn document_to_json(document: &Document) -> Value {
    let shape = match document {
        Document::Environment(environment) => serde_json::to_value(EnvironmentDocument::from(environment)),
        Document::Resource(resource) => serde_json::to_value(ResourceDocument::from(resource)),
    };
    // Text keys and plain values only: there is nothing in a document that JSON cannot hold.
    shape.unwrap_or_default()
}

impl From<&Environment> for EnvironmentDocument {
    fn from(environment: &Environment) -> Self {
        let Environment {
            id,
            name,
            description,
            tags,
            entrypoints,
            status_endpoints,
        } = environment;
        Self {
            id: id.to_string(),
            name: name.clone(),
            description: description.clone(),
            tags: tags.clone(),
            entrypoints: entrypoints.iter().map(EntrypointDocument::from).collect(),
            status_endpoints: status_endpoints
                .iter()
                .map(StatusEndpointDocument::from)
                .collect(),
            resources: None,
        }
    }
}

impl From<&Resource> for ResourceDocument {
    fn from(resource: &Resource) -> Self {
        let Resource {
            id,
            kind,
            name,
            description,
            tags,
            attributes,
            status_endpoints,
            dependencies,
        } = resource;
        Self {
            id: id.to_string(),
            kind: kind.clone(),
            name: name.clone(),
            description: description.clone(),
            tags: tags.clone(),
            attributes: attributes.clone(),
            status_endpoints: status_endpoints
                .iter()
                .map(StatusEndpointDocument::from)
                .collect(),
            dependencies: dependencies.iter().map(DependencyDocument::from).collect(),
        }
    }
}

impl From<&Entrypoint> for EntrypointDocument {
    fn from(entrypoint: &Entrypoint) -> Self {
        let Entrypoint { name, url } = entrypoint;
        Self {
            name: name.clone(),
            url: url.clone(),
        }
    }
}

impl From<&StatusEndpoint> for StatusEndpointDocument {
    fn from(endpoint: &StatusEndpoint) -> Self {
        let StatusEndpoint {
            name,
            url,
            interval_ms,
            timeout_ms,
            expect_status,
            expect_body,
        } = endpoint;
        let unless = |ms: u64, default: u64| (ms != default).then(|| format_duration(ms));
        Self {
            name: name.clone(),
            url: url.clone(),
            interval: unless(*interval_ms, StatusEndpoint::INTERVAL_MS),
            timeout: unless(*timeout_ms, StatusEndpoint::TIMEOUT_MS),
            expect: StatusExpectDocument {
                status: expect_status.clone(),
                body: expect_body.clone(),
            },
        }
    }
}

impl From<Nature> for NatureWord {
    fn from(nature: Nature) -> Self {
        match nature {
            Nature::Hard => Self::Hard,
            Nature::Soft => Self::Soft,
            Nature::Startup => Self::Startup,
        }
    }
}

impl From<&Dependency> for DependencyDocument {
    fn from(dependency: &Dependency) -> Self {
        let Dependency {
            needs,
            nature,
            description,
        } = dependency;
        let (nature, description) = (NatureWord::from(*nature), description.clone());
        match needs {
            Needs::One(Target::Resource(id)) => Self::Resource {
                resource: id.to_string(),
                nature,
                description,
            },
            Needs::One(Target::External(uri)) => Self::External {
                external: uri.clone(),
                nature,
                description,
            },
            Needs::Group { members, at_least } => Self::Group {
                group: members.iter().map(TargetDocument::from).collect(),
                at_least: *at_least,
                nature,
                description,
            },
        }
    }
}

impl From<&Target> for TargetDocument {
    fn from(target: &Target) -> Self {
        match target {
            Target::Resource(id) => Self::Resource {
                resource: id.to_string(),
            },
            Target::External(uri) => Self::External {
                external: uri.clone(),
            },
        }
    }
}

/// A patch as JSON Merge Patch (RFC 7396) in canonical form: what it empties is null.
pub(super) fn patch_to_json(patch: &DocumentPatch) -> Map<String, Value> {
    let mut json = Map::new();
    match patch {
        DocumentPatch::Environment(patch) => {
            let EnvironmentPatch {
                name,
                description,
                tags,
                entrypoints,
                status_endpoints,
            } = patch;
            put_text(&mut json, "name", name.as_deref());
            put_text(&mut json, "description", description.as_deref());
            put_tags(&mut json, tags);
            put_list::<_, EntrypointDocument>(&mut json, "entrypoints", entrypoints.as_deref());
            put_list::<_, StatusEndpointDocument>(&mut json, "status_endpoints", status_endpoints.as_deref());
        }
        DocumentPatch::Resource(patch) => {
            let ResourcePatch {
                kind,
                name,
                description,
                tags,
                attributes,
                status_endpoints,
                dependencies,
            } = patch;
            put_text(&mut json, "kind", kind.as_deref());
            put_text(&mut json, "name", name.as_deref());
            put_text(&mut json, "description", description.as_deref());
            put_tags(&mut json, tags);
            put_attributes(&mut json, attributes);
            put_list::<_, StatusEndpointDocument>(&mut json, "status_endpoints", status_endpoints.as_deref());
            put_list::<_, DependencyDocument>(&mut json, "dependencies", dependencies.as_deref());
        }
    }
    json
}

fn put_text(json: &mut Map<String, Value>, field: &str, text: Option<&str>) {
    if let Some(text) = text {
        let value = if text.is_empty() {
            Value::Null
        } else {
            Value::from(text)
        };
        json.insert(field.to_owned(), value);
    }
}

fn put_list<'a, T, S>(json: &mut Map<String, Value>, field: &str, list: Option<&'a [T]>)
where
    S: From<&'a T> + Serialize,
{
    if let Some(list) = list {
        let shapes: Vec<S> = list.iter().map(S::from).collect();
        let value = if shapes.is_empty() {
            Value::Null
        } else {
            serde_json::to_value(shapes).unwrap_or_default()
        };
        json.insert(field.to_owned(), value);
    }
}

fn put_tags(json: &mut Map<String, Value>, tags: &TagsPatch) {
    let TagsPatch { clear, edits } = tags;
    if *clear && edits.is_empty() {
        json.insert("tags".to_owned(), Value::Null);
    } else if !edits.is_empty() {
        let edits: Map<String, Value> = edits
            .iter()
            .map(|(key, value)| (key.clone(), Value::from(value.clone())))
            .collect();
        json.insert("tags".to_owned(), Value::Object(edits));
    }
}

fn put_attributes(json: &mut Map<String, Value>, attributes: &AttributesPatch) {
    let AttributesPatch { clear, edits } = attributes;
    if *clear && edits.is_empty() {
        json.insert("attributes".to_owned(), Value::Null);
    } else if !edits.is_empty() {
        json.insert("attributes".to_owned(), Value::Object(edits.clone()));
    }
}

/// JSON Pointers into a document to what a merge patch, applied to it, would change: into objects, not into lists.
pub(super) fn changed_pointers(patch: &Map<String, Value>, document: &Value) -> Vec<String> {
    let mut pointers = Vec::new();
    let none = Map::new();
    for (field, value) in patch {
        let place = format!("/{field}");
        match value {
            // Tags or attributes; a document that has none leaves the field out.
            Value::Object(edits) => {
                let present = document.get(field).and_then(Value::as_object).unwrap_or(&none);
                collect_pointers(edits, present, &place, &mut pointers);
            }
            _ => pointers.push(place),
        }
    }
    pointers
}

fn collect_pointers(
    edits: &Map<String, Value>,
    present: &Map<String, Value>,
    place: &str,
    pointers: &mut Vec<String>,
) {
    for (key, value) in edits {
        let pointer = format!("{place}/{}", escape(key));
        match (value, present.get(key)) {
            (Value::Object(edits), Some(Value::Object(present))) if !edits.is_empty() => {
                collect_pointers(edits, present, &pointer, pointers);
            }
            _ => pointers.push(pointer),
        }
    }
}
