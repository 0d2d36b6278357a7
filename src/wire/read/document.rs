//! Documents: from JSON to the domain.
//!
//! Only the form is read here. What only the meaning shows (lengths, counts, URLs, groups that cannot hold) is
//! the domain's check, so that there is one place for it.

use serde_json::{Map, Value};

use crate::domain::{
    Dependency, Document, EntityType, Entrypoint, Environment, Id, Mistake, Nature, Needs, Resource,
    StatusEndpoint, Tags, Target,
};

use super::spot::{Fields, Notes, Spot};

pub(super) const ENVIRONMENT_FIELDS: [&str; 7] = [
    "id",
    "name",
    "description",
    "tags",
    "entrypoints",
    "status_endpoints",
    "resources",
];
pub(super) const RESOURCE_FIELDS: [&str; 8] = [
    "id",
    "kind",
    "name",
    "description",
    "tags",
    "attributes",
    "status_endpoints",
    "dependencies",
];
pub(super) const ENTRYPOINT_FIELDS: [&str; 2] = ["name", "url"];
pub(super) const STATUS_ENDPOINT_FIELDS: [&str; 5] = ["name", "url", "interval", "timeout", "expect"];
pub(super) const STATUS_EXPECT_FIELDS: [&str; 2] = ["status", "body"];
pub(super) const DEPENDENCY_FIELDS: [&str; 6] = [
    "resource",
    "external",
    "group",
    "at_least",
    "nature",
    "description",
];
pub(super) const TARGET_FIELDS: [&str; 2] = ["resource", "external"];

/// What a missing id is told.
const ID_MISSING: &str = "choose an id: it is the identity, and cannot change later";

/// Reads a document, and for an environment the set of its resources, where the document says it.
///
/// `base_pointer` is where the document stands in its body.
///
/// # Errors
/// Every mistake of the document's form. What only its meaning shows is left to the domain's check.
pub fn document_from_json(
    entity: EntityType,
    value: &Value,
    base_pointer: &str,
) -> Result<(Document, Option<Vec<Id>>), Vec<Mistake>> {
    let notes = Notes::default();
    let read = read_document(entity, &Spot::start(value, base_pointer, "the document", &notes));
    let mistakes = notes.into_mistakes();
    match read {
        Some(read) if mistakes.is_empty() => Ok(read),
        _ => Err(mistakes),
    }
}

/// A document, and the members that it names.
pub(super) fn read_document(entity: EntityType, spot: &Spot<'_>) -> Option<(Document, Option<Vec<Id>>)> {
    match entity {
        EntityType::Environment => {
            let fields = spot.fields(&ENVIRONMENT_FIELDS)?;
            let members = fields.optional("resources").and_then(|field| field.list(member));
            Some((Document::Environment(environment(&fields)?), members))
        }
        EntityType::Resource => {
            let hint = |key: &str| (key == "type").then_some("did you mean `kind`?");
            let fields = spot.fields_with(&RESOURCE_FIELDS, hint)?;
            Some((Document::Resource(resource(&fields)?), None))
        }
    }
}

fn environment(fields: &Fields<'_>) -> Option<Environment> {
    let id = fields.required("id", ID_MISSING).and_then(|field| field.id());
    let name = fields.text_or_empty("name");
    let description = fields.text_or_empty("description");
    let tags = fields
        .optional("tags")
        .and_then(|field| tags(&field))
        .unwrap_or_default();
    let entrypoints = fields.list_or_empty("entrypoints", entrypoint);
    let status_endpoints = fields.list_or_empty("status_endpoints", status_endpoint);
    Some(Environment {
        id: id?,
        name,
        description,
        tags,
        entrypoints,
        status_endpoints,
    })
}

fn resource(fields: &Fields<'_>) -> Option<Resource> {
    let id = fields.required("id", ID_MISSING).and_then(|field| field.id());
    let kind = fields
        .required("kind", "say what sort of thing it is, such as \"postgres\"")
        .and_then(|field| field.text());
    let name = fields.text_or_empty("name");
    let description = fields.text_or_empty("description");
    let tags = fields
        .optional("tags")
        .and_then(|field| tags(&field))
        .unwrap_or_default();
    let attributes = fields
        .optional("attributes")
        .and_then(|field| field.object().cloned());
    let status_endpoints = fields.list_or_empty("status_endpoints", status_endpoint);
    let dependencies = fields.list_or_empty("dependencies", dependency);
    Some(Resource {
        id: id?,
        kind: kind?.to_owned(),
        name,
        description,
        tags,
        attributes: attributes.unwrap_or_default(),
        status_endpoints,
        dependencies,
    })
}

pub(super) fn tags(spot: &Spot<'_>) -> Option<Tags> {
    let object: &Map<String, Value> = spot.object()?;
    let tag = |(key, value): (&String, &Value)| {
        let field = spot.at_key(key, value);
        match value {
            Value::String(text) => Some((key.clone(), text.clone())),
            Value::Null => {
                field.wrong_type("a string", "for a label without a value write \"\"");
                None
            }
            _ => {
                field.wrong_type("a string", "write the value of a tag in quotes");
                None
            }
        }
    };
    Some(object.iter().filter_map(tag).collect())
}

pub(super) fn entrypoint(spot: &Spot<'_>) -> Option<Entrypoint> {
    let fields = spot.fields(&ENTRYPOINT_FIELDS)?;
    let name = fields.text_or_empty("name");
    let url = fields
        .required("url", "say where it is")
        .and_then(|field| field.text())?;
    Some(Entrypoint {
        name,
        url: url.to_owned(),
    })
}

pub(super) fn status_endpoint(spot: &Spot<'_>) -> Option<StatusEndpoint> {
    let fields = spot.fields(&STATUS_ENDPOINT_FIELDS)?;
    let name = fields.text_or_empty("name");
    let url = fields
        .required("url", "use http://, https:// or tcp://host:port")
        .and_then(|field| field.text());
    let duration = |key, default| {
        let field = fields.optional(key);
        field.and_then(|field| field.duration_ms()).unwrap_or(default)
    };
    let interval_ms = duration("interval", StatusEndpoint::INTERVAL_MS);
    let timeout_ms = duration("timeout", StatusEndpoint::TIMEOUT_MS);
    let (expect_status, expect_body) = match fields.optional("expect") {
        Some(field) => status_expect(&field),
        None => (String::new(), String::new()),
    };
    Some(StatusEndpoint {
        name,
        url: url?.to_owned(),
        interval_ms,
        timeout_ms,
        expect_status,
        expect_body,
    })
}

fn status_expect(spot: &Spot<'_>) -> (String, String) {
    let Some(fields) = spot.fields(&STATUS_EXPECT_FIELDS) else {
        return (String::new(), String::new());
    };
    let status = fields.optional("status").and_then(|field| {
        if field.value.is_number() {
            field.wrong_type(
                "a string",
                "write the codes in quotes, such as \"200\" or \"200-299\"",
            );
            return None;
        }
        field.text()
    });
    (
        status.unwrap_or_default().to_owned(),
        fields.text_or_empty("body"),
    )
}

pub(super) fn dependency(spot: &Spot<'_>) -> Option<Dependency> {
    if let Value::String(text) = spot.value {
        spot.wrong_type("an object", &format!("write {{\"resource\": {text:.60?}}}"));
        return None;
    }
    let fields = spot.fields(&DEPENDENCY_FIELDS)?;
    let nature = fields
        .optional("nature")
        .and_then(|field| nature(&field))
        .unwrap_or_default();
    let description = fields.text_or_empty("description");
    let at_least = fields.optional("at_least");
    let needs = match [
        fields.optional("resource"),
        fields.optional("external"),
        fields.optional("group"),
    ] {
        [Some(id), None, None] => id.id().map(|id| Needs::One(Target::Resource(id))),
        [None, Some(uri), None] => uri.text().map(|uri| Needs::One(Target::External(uri.to_owned()))),
        [None, None, Some(members)] => {
            let members = members.list(target);
            let at_least = at_least.map_or(Some(1), |field| field.small_count(0));
            members
                .zip(at_least)
                .map(|(members, at_least)| Needs::Group { members, at_least })
        }
        [None, None, None] => {
            let hint = "write {\"resource\": id}, {\"external\": uri} or {\"group\": [...], \"at_least\": n}";
            spot.note(
                "a dependency needs one of `resource`, `external` and `group`",
                hint,
            );
            None
        }
        _ => {
            let hint = "write one dependency for each, or a `group` of which `at_least` so many must hold";
            spot.note(
                "a dependency has only one of `resource`, `external` and `group`",
                hint,
            );
            None
        }
    };
    if let Some(at_least) = at_least.filter(|_| fields.optional("group").is_none()) {
        at_least.note(
            "`at_least` is for a `group` only",
            "leave it out, or name the members as a `group`",
        );
        return None;
    }
    Some(Dependency {
        needs: needs?,
        nature,
        description,
    })
}

fn target(spot: &Spot<'_>) -> Option<Target> {
    if let Value::String(text) = spot.value {
        spot.wrong_type("an object", &format!("write {{\"resource\": {text:.60?}}}"));
        return None;
    }
    let hint = |key: &str| match key {
        "nature" | "description" => Some("say it of the group as a whole, beside `group`"),
        "group" => Some("a group cannot hold a group"),
        _ => None,
    };
    let fields = spot.fields_with(&TARGET_FIELDS, hint)?;
    match (fields.optional("resource"), fields.optional("external")) {
        (Some(id), None) => id.id().map(Target::Resource),
        (None, Some(uri)) => uri.text().map(|uri| Target::External(uri.to_owned())),
        _ => {
            let hint = "write {\"resource\": id} or {\"external\": uri}";
            spot.note(
                "a member of a group is either a `resource` or an `external`",
                hint,
            );
            None
        }
    }
}

/// The id of a resource in a list of them.
pub(super) fn member(spot: &Spot<'_>) -> Option<Id> {
    spot.id()
}

pub(super) fn nature(spot: &Spot<'_>) -> Option<Nature> {
    spot.word(&Nature::ALL.map(Nature::as_str), Nature::parse)
}
