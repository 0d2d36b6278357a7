//! How a query is refused: a problem with the position, what to do, and an example that works.

use super::Config;
use super::ast::GraphTerm;
use crate::domain::{Id, Problem, ProblemKind};

/// The fields that a term may name.
pub(super) const FIELDS: [&str; 12] = [
    "name",
    "description",
    "id",
    "kind",
    "type",
    "tag",
    "tag.KEY",
    "environment",
    "dependents-of",
    "dependencies-of",
    "impact-of",
    "has",
];

/// Fields of the contract that only later versions answer.
const LATER: [&str; 1] = ["status"];

/// A query that cannot be read, and where, in characters from zero.
pub(super) fn syntax(place: usize, detail: impl Into<String>, hint: &str, example: &str) -> Box<Problem> {
    let problem = Problem::new(ProblemKind::QuerySyntax, detail)
        .at("/args/query")
        .hint(hint)
        .fact("position", u64::try_from(place).unwrap_or(u64::MAX))
        .fact("example", example);
    Box::new(problem)
}

/// A query that is more than this instance wants to read.
pub(super) fn limit(what: &str, max: usize, setting: &str) -> Box<Problem> {
    let detail = format!("a query has at most {max} {what}");
    let problem = Problem::new(ProblemKind::LimitExceeded, detail)
        .at("/args/query")
        .hint(format!("ask for less, or raise {setting}"))
        .fact("limit", u64::try_from(max).unwrap_or(u64::MAX));
    Box::new(problem)
}

/// The text is longer than the limit.
pub(super) fn too_long(config: &Config) -> Box<Problem> {
    limit("bytes", config.query_bytes_max, "search.query_bytes_max")
}

/// A field that this version does not answer.
pub(super) fn unknown_field(place: usize, name: &str, rest: &str) -> Box<Problem> {
    let fields = FIELDS.join(", ");
    if LATER.contains(&name) {
        return syntax(
            place,
            format!("this version does not know `{name}:` yet"),
            &format!("the fields are {fields}"),
            "kind:postgres environment:lab-7",
        );
    }
    let as_text = format!("\"{name}:{rest}\"");
    let hint = match closest(name) {
        Some(field) => format!("did you mean `{field}:`? To search for it as text, write {as_text}"),
        None => format!("the fields are {fields}; to search for it as text, write {as_text}"),
    };
    syntax(
        place,
        format!("there is no field `{name}`"),
        &hint,
        "name:web tag.owner:payments",
    )
}

/// The field that was probably meant.
fn closest(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let starts = |field: &&&str| name.chars().count() > 1 && field.starts_with(name.as_str());
    if let Some(field) = FIELDS.iter().find(starts) {
        return Some(field);
    }
    FIELDS
        .iter()
        .map(|field| (strsim::damerau_levenshtein(field, &name), *field))
        .filter(|(distance, field)| *distance <= 2.min(field.len() / 2))
        .min()
        .map(|(_, field)| field)
}

/// A walk over the graph that starts at an id that nobody knows.
pub fn unknown_resource(term: &GraphTerm, id: &Id) -> Box<Problem> {
    let detail = format!("no resource has the id {id}, and none depends on it");
    let problem = Problem::new(ProblemKind::NotFound, detail)
        .at("/args/query")
        .hint(format!("look for it with the query `id:{id}`"))
        .fact("position", u64::try_from(term.place.0).unwrap_or(u64::MAX));
    Box::new(problem)
}
