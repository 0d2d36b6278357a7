//! Texts with a form: ids, durations, moments. They are plain strings in the shapes; these types carry the schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::domain::ID_CHARS_MAX;

/// The schema of an id.
#[derive(Debug, Clone, Copy)]
pub struct IdText;

/// The schema of a duration, such as `30s`.
#[derive(Debug, Clone, Copy)]
pub struct DurationText;

/// The schema of a moment, RFC 3339.
#[derive(Debug, Clone, Copy)]
pub struct TimeText;

/// The schema of what a search counts by.
#[derive(Debug, Clone, Copy)]
pub struct FacetText;

impl JsonSchema for FacetText {
    fn schema_name() -> Cow<'static, str> {
        "Facet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What to count by: kinds, types, environments, or the values of a tag.",
            "type": "string",
            "pattern": "^(kind|type|environment|tag:[\\s\\S]+)$",
            "examples": ["kind", "tag:owner"]
        })
    }
}

impl JsonSchema for IdText {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An id chosen by the client. It is the identity; the name may change.",
            "type": "string",
            "minLength": 1,
            "maxLength": ID_CHARS_MAX,
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$"
        })
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number and its unit: ms, s, m or h.",
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h)$",
            "examples": ["30s", "500ms", "5m"]
        })
    }
}

impl JsonSchema for TimeText {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A moment in UTC (RFC 3339), to the microsecond.",
            "type": "string",
            "format": "date-time"
        })
    }
}
