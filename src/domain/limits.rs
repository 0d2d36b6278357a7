//! What a document may be: the numbers, and the check against them.
//!
//! Every refusal names the limit, so that nobody has to look for it.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;

use serde_json::{Map, Value};

use super::document::{Dependency, Document, Entrypoint, Needs, StatusEndpoint, Tags, Target};
use super::problem::Mistake;

/// The limits of an instance; each is a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Text in one document, in bytes, without its list of members.
    pub document_bytes_max: usize,
    /// A description, in bytes.
    pub description_bytes_max: usize,
    /// Tags of one document.
    pub tags_max: usize,
    /// Dependencies of one resource, members of groups included.
    pub dependencies_max: usize,
    /// Resources in one environment, and in one link or unlink command.
    pub members_max: usize,
    /// Commands in one batch.
    pub batch_commands_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes_max: 256 * 1024,
            description_bytes_max: 16 * 1024,
            tags_max: 64,
            dependencies_max: 1_000,
            members_max: 100_000,
            batch_commands_max: 10_000,
        }
    }
}

/// A name, a kind, a tag's key: bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// A tag's value: bytes.
pub(super) const TAG_VALUE_BYTES_MAX: usize = 1_000;
/// A URL or URI: bytes.
pub(super) const URL_BYTES_MAX: usize = 2_000;
/// Entrypoints of an environment, and status endpoints of a document.
pub(super) const ENDPOINTS_MAX: usize = 100;
/// Levels of objects and arrays in attributes.
pub(super) const ATTRIBUTES_DEPTH_MAX: usize = 32;
/// The shortest time between two polls: milliseconds.
pub(super) const INTERVAL_MS_MIN: u64 = 1_000;
/// The longest time between two polls, and the longest that one may take: milliseconds (a day).
pub(super) const INTERVAL_MS_MAX: u64 = 86_400_000;

/// Gathers mistakes with the pointer at which each stands.
struct Check<'a> {
    limits: &'a Limits,
    base: &'a str,
    mistakes: Vec<Mistake>,
}

/// Every mistake in a document; none means that it may be kept. `base` is the pointer to the document in its body.
pub fn check(document: &Document, limits: &Limits, base: &str) -> Vec<Mistake> {
    let mut check = Check {
        limits,
        base,
        mistakes: Vec::new(),
    };
    match document {
        Document::Environment(environment) => {
            check.shared(&environment.name, &environment.description, &environment.tags);
            check.entrypoints(&environment.entrypoints);
            check.status_endpoints(&environment.status_endpoints);
        }
        Document::Resource(resource) => {
            check.shared(&resource.name, &resource.description, &resource.tags);
            check.kind(&resource.kind);
            check.attributes(&resource.attributes);
            check.status_endpoints(&resource.status_endpoints);
            check.dependencies(&resource.dependencies);
        }
    }
    let bytes = text_bytes(document);
    if bytes > limits.document_bytes_max {
        let detail = format!(
            "the document has {bytes} bytes of text, the limit is {}",
            limits.document_bytes_max
        );
        check.note(
            "",
            detail,
            "keep large values elsewhere and point at them with a tag or an attribute",
        );
    }
    check.mistakes
}

impl Check<'_> {
    fn note(&mut self, place: impl Display, detail: impl Into<String>, hint: &str) {
        let pointer = format!("{}{place}", self.base);
        self.mistakes.push(Mistake {
            pointer,
            detail: detail.into(),
            hint: hint.to_owned(),
        });
    }

    fn length(&mut self, place: impl Display, what: &str, text: &str, max: usize) {
        if text.len() > max {
            self.note(
                place,
                format!("{what} has {} bytes, the limit is {max}", text.len()),
                "shorten it",
            );
        }
    }

    fn count(&mut self, place: &str, what: &str, count: usize, max: usize) {
        if count > max {
            self.note(place, format!("{count} {what}, the limit is {max}"), "");
        }
    }

    fn shared(&mut self, name: &str, description: &str, tags: &Tags) {
        self.length("/name", "the name", name, NAME_BYTES_MAX);
        self.length(
            "/description",
            "the description",
            description,
            self.limits.description_bytes_max,
        );
        self.count("/tags", "tags", tags.len(), self.limits.tags_max);
        for (key, value) in tags {
            let place = format!("/tags/{}", escape(key));
            if key.is_empty()
                || key
                    .chars()
                    .any(|c| c.is_whitespace() || c.is_control() || c == ':')
            {
                let hint =
                    "a tag's key has no white space and no colon; the part after the colon is its value";
                self.note(&place, format!("{key:?} cannot be the key of a tag"), hint);
            }
            self.length(&place, "the key of the tag", key, NAME_BYTES_MAX);
            self.length(&place, "the value of the tag", value, TAG_VALUE_BYTES_MAX);
        }
    }

    fn kind(&mut self, kind: &str) {
        self.length("/kind", "the kind", kind, NAME_BYTES_MAX);
        if kind.is_empty() || kind.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.note(
                "/kind",
                "the kind must be one word",
                "such as `postgres` or `virtual-machine`",
            );
        }
    }

    fn entrypoints(&mut self, entrypoints: &[Entrypoint]) {
        self.count("/entrypoints", "entrypoints", entrypoints.len(), ENDPOINTS_MAX);
        for (i, entrypoint) in entrypoints.iter().enumerate() {
            self.length(
                format!("/entrypoints/{i}/name"),
                "the name",
                &entrypoint.name,
                NAME_BYTES_MAX,
            );
            self.url(&format!("/entrypoints/{i}/url"), &entrypoint.url, &[]);
        }
    }

    fn status_endpoints(&mut self, endpoints: &[StatusEndpoint]) {
        self.count(
            "/status_endpoints",
            "status endpoints",
            endpoints.len(),
            ENDPOINTS_MAX,
        );
        for (i, endpoint) in endpoints.iter().enumerate() {
            let place = format!("/status_endpoints/{i}");
            self.length(
                format!("{place}/name"),
                "the name",
                &endpoint.name,
                NAME_BYTES_MAX,
            );
            self.url(&format!("{place}/url"), &endpoint.url, &["http", "https", "tcp"]);
            self.status_codes(&format!("{place}/expect/status"), &endpoint.expect_status);
            self.length(
                format!("{place}/expect/body"),
                "the expected text",
                &endpoint.expect_body,
                TAG_VALUE_BYTES_MAX,
            );
            if !(INTERVAL_MS_MIN..=INTERVAL_MS_MAX).contains(&endpoint.interval_ms) {
                self.note(
                    format!("{place}/interval"),
                    "the interval must be from 1s to 24h",
                    "such as \"30s\"",
                );
            }
            if endpoint.timeout_ms == 0 || endpoint.timeout_ms > endpoint.interval_ms {
                let hint = "a poll that outlasts its interval would overtake itself";
                self.note(
                    format!("{place}/timeout"),
                    "the timeout must be above zero and within the interval",
                    hint,
                );
            }
        }
    }

    /// Any absolute URI where `schemes` is empty, else one of those.
    fn url(&mut self, place: &str, url: &str, schemes: &[&str]) {
        self.length(place, "the URL", url, URL_BYTES_MAX);
        let scheme = url.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        });
        let rest = scheme
            .and_then(|scheme| url.get(scheme.len() + 1..))
            .unwrap_or_default();
        if scheme.is_none() || rest.is_empty() || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.note(
                place,
                format!("{url:?} is not a URI"),
                "a URI starts with its scheme, as in https://host/path",
            );
            return;
        }
        let host = rest.strip_prefix("//").unwrap_or_default();
        let known = schemes.is_empty() || scheme.is_some_and(|scheme| schemes.contains(&scheme));
        if !known || (!schemes.is_empty() && host.is_empty()) {
            self.note(
                place,
                format!("{url:?} cannot be polled"),
                "use http://, https:// or tcp://host:port",
            );
        } else if scheme == Some("tcp") {
            let port = host
                .rsplit_once(':')
                .and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                self.note(place, format!("{url:?} has no port"), "write tcp://host:port");
            }
        }
    }

    fn status_codes(&mut self, place: &str, text: &str) {
        let code = |text: &str| text.parse::<u16>().ok().filter(|code| (100..600).contains(code));
        let range = |part: &str| match part.split_once('-') {
            Some((low, high)) => code(low).zip(code(high)).is_some_and(|(low, high)| low <= high),
            None => code(part).is_some(),
        };
        if !text.is_empty() && !text.split(',').all(range) {
            self.note(
                place,
                format!("{text:?} is not a set of HTTP status codes"),
                "such as \"200-299\" or \"200,204\"",
            );
        }
    }

    fn attributes(&mut self, attributes: &Map<String, Value>) {
        for (key, value) in attributes {
            let place = format!("/attributes/{}", escape(key));
            if deeper_than(value, ATTRIBUTES_DEPTH_MAX) {
                self.note(
                    &place,
                    format!("attributes are nested more than {ATTRIBUTES_DEPTH_MAX} levels deep"),
                    "",
                );
            } else if let Some(null) = null_in(value) {
                let hint = "leave the key out: in a patch, null removes it";
                self.note(format!("{place}{null}"), "an attribute cannot be null", hint);
            }
        }
    }

    fn dependencies(&mut self, dependencies: &[Dependency]) {
        let targets: usize = dependencies
            .iter()
            .map(|dependency| dependency.targets().len())
            .sum();
        self.count(
            "/dependencies",
            "dependencies",
            targets,
            self.limits.dependencies_max,
        );
        let mut first: BTreeMap<&Target, usize> = BTreeMap::new();
        for (i, dependency) in dependencies.iter().enumerate() {
            let place = format!("/dependencies/{i}");
            self.length(
                format!("{place}/description"),
                "the description",
                &dependency.description,
                self.limits.description_bytes_max,
            );
            match &dependency.needs {
                Needs::One(target) => {
                    self.target(&place, target);
                    if let Some(earlier) = first.insert(target, i) {
                        let hint = "name each target once, with the strongest nature";
                        self.note(
                            &place,
                            format!("this is the same target as dependency {earlier}"),
                            hint,
                        );
                    }
                }
                Needs::Group { members, at_least } => self.group(&place, members, *at_least),
            }
        }
    }

    fn target(&mut self, place: &str, target: &Target) {
        if let Target::External(uri) = target {
            self.url(&format!("{place}/external"), uri, &[]);
        }
    }

    fn group(&mut self, place: &str, members: &[Target], at_least: u32) {
        let count = members.len();
        if count == 0 {
            self.note(format!("{place}/group"), "a group has at least one member", "");
        } else if at_least == 0 || usize::try_from(at_least).is_ok_and(|n| n > count) {
            let detail = format!("at_least is {at_least}, the group has {count} members");
            self.note(
                format!("{place}/at_least"),
                detail,
                "say how many must hold, from 1 to all of them",
            );
        }
        let mut seen = HashSet::new();
        for (i, member) in members.iter().enumerate() {
            let place = format!("{place}/group/{i}");
            self.target(&place, member);
            if !seen.insert(member) {
                self.note(
                    &place,
                    "this member is in the group already",
                    "a member that counts twice is no redundancy",
                );
            }
        }
    }
}

/// Escapes one token of a JSON Pointer (RFC 6901, section 3).
pub fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// Whether a value is nested more than `max` levels deep.
fn deeper_than(value: &Value, max: usize) -> bool {
    let inner = |child: &Value| max.checked_sub(1).is_none_or(|left| deeper_than(child, left));
    match value {
        Value::Array(items) => items.iter().any(inner),
        Value::Object(fields) => fields.values().any(inner),
        _ => false,
    }
}

/// The pointer to the first null outside of arrays.
fn null_in(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Object(fields) => fields
            .iter()
            .find_map(|(key, value)| null_in(value).map(|rest| format!("/{}{rest}", escape(key)))),
        _ => None,
    }
}

/// Bytes of text that a document holds: what it costs to keep and to send, near enough for a limit.
fn text_bytes(document: &Document) -> usize {
    fn tags(tags: &Tags) -> usize {
        tags.iter().map(|(key, value)| key.len() + value.len()).sum()
    }
    fn endpoints(endpoints: &[StatusEndpoint]) -> usize {
        endpoints
            .iter()
            .map(|e| e.name.len() + e.url.len() + e.expect_status.len() + e.expect_body.len())
            .sum()
    }
    fn target(target: &Target) -> usize {
        match target {
            Target::Resource(id) => id.as_str().len(),
            Target::External(uri) => uri.len(),
        }
    }
    match document {
        Document::Environment(e) => {
            let entrypoints: usize = e.entrypoints.iter().map(|e| e.name.len() + e.url.len()).sum();
            e.name.len() + e.description.len() + tags(&e.tags) + entrypoints + endpoints(&e.status_endpoints)
        }
        Document::Resource(r) => {
            let attributes: usize = r
                .attributes
                .iter()
                .map(|(key, value)| key.len() + value_bytes(value))
                .sum();
            let dependencies: usize = r.dependencies.iter().map(|d| d.description.len()).sum::<usize>()
                + r.targets().map(target).sum::<usize>();
            r.kind.len()
                + r.name.len()
                + r.description.len()
                + tags(&r.tags)
                + attributes
                + dependencies
                + endpoints(&r.status_endpoints)
        }
    }
}

/// Recursion is bounded by the parser, which refuses more than 128 levels.
fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| value_bytes(item) + 1).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| key.len() + value_bytes(value) + 1)
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}
