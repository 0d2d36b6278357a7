//! Patches: JSON Merge Patches (RFC 7396) whose types are known.
//!
//! Null clears a field; a list replaces the list; tags and attributes merge.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::{
    AttributesPatch, DocumentPatch, EntityType, EnvironmentPatch, Id, ResourcePatch, TagsPatch,
};

use super::document::{ENVIRONMENT_FIELDS, RESOURCE_FIELDS, dependency, entrypoint, member, status_endpoint};
use super::spot::{Fields, Spot};

/// A patch, and the members that it names.
pub(super) fn read_patch(entity: EntityType, spot: &Spot<'_>) -> Option<(DocumentPatch, Option<Vec<Id>>)> {
    let hint = |key: &str| match (key, entity) {
        ("id", _) => {
            Some("the id beside `patch` says which; it cannot change: put a new entity and remove this one")
        }
        ("type", EntityType::Resource) => Some("did you mean `kind`?"),
        _ => None,
    };
    match entity {
        EntityType::Environment => {
            let fields = spot.fields_with(but_id(&ENVIRONMENT_FIELDS), hint)?;
            let members = list(&fields, "resources", member);
            Some((DocumentPatch::Environment(environment(&fields)), members))
        }
        EntityType::Resource => {
            let fields = spot.fields_with(but_id(&RESOURCE_FIELDS), hint)?;
            Some((DocumentPatch::Resource(resource(&fields)), None))
        }
    }
}

/// The fields of a document that can change; the id is the first of them all.
fn but_id<'a>(fields: &'a [&'a str]) -> &'a [&'a str] {
    fields.split_first().map_or(fields, |(_, rest)| rest)
}

fn environment(fields: &Fields<'_>) -> EnvironmentPatch {
    EnvironmentPatch {
        name: text(fields, "name"),
        description: text(fields, "description"),
        tags: fields
            .optional("tags")
            .map(|field| tags(&field))
            .unwrap_or_default(),
        entrypoints: list(fields, "entrypoints", entrypoint),
        status_endpoints: list(fields, "status_endpoints", status_endpoint),
    }
}

fn resource(fields: &Fields<'_>) -> ResourcePatch {
    let kind = fields.optional("kind").and_then(|field| {
        if field.is_null() {
            field.wrong_type("a string", "every resource has a kind: leave it out to keep it");
            return None;
        }
        field.text().map(str::to_owned)
    });
    ResourcePatch {
        kind,
        name: text(fields, "name"),
        description: text(fields, "description"),
        tags: fields
            .optional("tags")
            .map(|field| tags(&field))
            .unwrap_or_default(),
        attributes: fields
            .optional("attributes")
            .map(|field| attributes(&field))
            .unwrap_or_default(),
        status_endpoints: list(fields, "status_endpoints", status_endpoint),
        dependencies: list(fields, "dependencies", dependency),
    }
}

/// A text, or null to clear it.
fn text<'a>(fields: &Fields<'a>, key: &'a str) -> Option<String> {
    let field = fields.optional(key)?;
    if field.is_null() {
        return Some(String::new());
    }
    field.text().map(str::to_owned)
}

/// A list, or null to clear it.
fn list<'a, T>(fields: &Fields<'a>, key: &'a str, item: impl Fn(&Spot<'_>) -> Option<T>) -> Option<Vec<T>> {
    let field = fields.optional(key)?;
    if field.is_null() {
        return Some(Vec::new());
    }
    field.list(item)
}

fn tags(spot: &Spot<'_>) -> TagsPatch {
    let Some(object) = object_or_null(spot) else {
        return TagsPatch {
            clear: true,
            edits: BTreeMap::new(),
        };
    };
    let edit = |(key, value): (&String, &Value)| match value {
        Value::String(text) => Some((key.clone(), Some(text.clone()))),
        Value::Null => Some((key.clone(), None)),
        _ => {
            let hint = "write the value of a tag in quotes, or null to remove the tag";
            spot.at_key(key, value).wrong_type("a string or null", hint);
            None
        }
    };
    TagsPatch {
        clear: false,
        edits: object.iter().filter_map(edit).collect(),
    }
}

fn attributes(spot: &Spot<'_>) -> AttributesPatch {
    match object_or_null(spot) {
        Some(object) => AttributesPatch {
            clear: false,
            edits: object.clone(),
        },
        None => AttributesPatch {
            clear: true,
            edits: Map::new(),
        },
    }
}

fn object_or_null<'a>(spot: &Spot<'a>) -> Option<&'a Map<String, Value>> {
    if spot.is_null() {
        return None;
    }
    let object = spot.value.as_object();
    if object.is_none() {
        spot.wrong_type("an object or null", "");
    }
    object
}
