//! Tests of the room, from the outside: the language, what is found in which order, and what survives.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod bounds;
mod finding;
mod graph;
mod keeping;
mod language;
mod showing;
mod typing;

use std::path::Path;

use super::{Config, Index, Query, parse};
use crate::domain::{Document, Environment, Id, Position, Resource, Tags};

/// An id.
fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

/// A position of the first epoch.
fn at(sequence: u64) -> Position {
    Position { epoch: 1, sequence }
}

/// A query that is right.
fn query(text: &str) -> Query {
    parse(text, &Config::default()).unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

/// Tags from `owner=payments critical`.
fn tags(text: &str) -> Tags {
    text.split_whitespace()
        .map(|tag| {
            let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

/// A resource with little in it.
fn resource(name_of_id: &str, kind: &str, name: &str, description: &str) -> Document {
    Document::Resource(Resource {
        id: id(name_of_id),
        kind: kind.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        tags: Tags::new(),
        attributes: serde_json::Map::new(),
        status_endpoints: Vec::new(),
        dependencies: Vec::new(),
    })
}

/// One line of a corpus: `id | kind | name | description | tags | environments`; the kind `environment` makes an
/// environment.
fn line(text: &str) -> (Document, Vec<Id>) {
    let parts: Vec<&str> = text.split('|').map(str::trim).collect();
    let [own, kind, name, description, tag_text, environments] = parts.as_slice() else {
        panic!("six columns: {text}");
    };
    let environments = environments.split_whitespace().map(id).collect();
    let mut document = if *kind == "environment" {
        Document::Environment(Environment {
            id: id(own),
            name: (*name).to_owned(),
            description: (*description).to_owned(),
            tags: Tags::new(),
            entrypoints: Vec::new(),
            status_endpoints: Vec::new(),
        })
    } else {
        resource(own, kind, name, description)
    };
    match &mut document {
        Document::Environment(environment) => environment.tags = tags(tag_text),
        Document::Resource(resource) => resource.tags = tags(tag_text),
    }
    (document, environments)
}

/// An index over some lines, all in one commit.
fn index_of(dir: &Path, lines: &str) -> Index {
    let index = Index::open(dir).unwrap();
    let mut writer = index.writer(&Config::default()).unwrap();
    for text in lines.lines().filter(|text| !text.trim().is_empty()) {
        let (document, environments) = line(text);
        writer.put(&document, &environments).unwrap();
    }
    writer.commit(at(1)).unwrap();
    writer.finish().unwrap();
    index
}

/// The ids that a query finds, best first.
fn ids(index: &Index, text: &str) -> String {
    let found = index.search(&query(text), None, 50, None).unwrap();
    assert_eq!(found.total, found.hits.len(), "{text}");
    let ids: Vec<&str> = found.hits.iter().map(|hit| hit.key.id.as_str()).collect();
    ids.join(" ")
}
