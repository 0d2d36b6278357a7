//! Strategies for property tests: any id, any document that the checks let pass, any two of one entity; commands about
//! few entities, and records of every sort.

mod commands;
mod records;

use std::collections::BTreeMap;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use serde_json::{Map, Value};

use super::{
    Dependency, Document, Entrypoint, Environment, Id, Nature, Needs, Resource, StatusEndpoint, Tags, Target,
};

pub(crate) use commands::{near_resource, steps};
pub(crate) use records::{change, receipt, tombstone};

/// Any id.
pub(crate) fn id() -> impl Strategy<Value = Id> {
    "[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,20}".prop_map(|text| Id::parse(&text).unwrap())
}

/// An id out of few, so that entities meet.
pub(crate) fn near_id() -> impl Strategy<Value = Id> {
    "[a-d]".prop_map(|text| Id::parse(&text).unwrap())
}

/// Any text, quotes and controls and everything beyond the first plane included.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z ]{1,10}", ".{0,10}"]
}

/// Tags with keys that the checks let pass; few keys, so that two sets meet.
pub(crate) fn tags() -> impl Strategy<Value = Tags> {
    btree_map("[a-c~/]{1,2}", text(), 0..4)
}

/// JSON as attributes may hold it: no null outside of lists, numbers that survive text.
pub(crate) fn attribute() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("JSON has no such number", |n| n
            .is_finite()
            .then(|| Value::from(n))),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(prop_oneof![inner.clone(), Just(Value::Null)], 0..4).prop_map(Value::from),
            btree_map("[a-c~/]{1,2}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Attributes; few keys, so that two sets meet.
pub(crate) fn attributes() -> impl Strategy<Value = Map<String, Value>> {
    btree_map("[a-c~/]{1,2}", attribute(), 0..4)
        .prop_map(|map: BTreeMap<String, Value>| map.into_iter().collect())
}

/// Any nature.
pub(crate) fn nature() -> impl Strategy<Value = Nature> {
    prop_oneof![Just(Nature::Hard), Just(Nature::Soft), Just(Nature::Startup)]
}

/// A resource that is near, or something outside.
pub(crate) fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        near_id().prop_map(Target::Resource),
        id().prop_map(Target::Resource),
        "https://[a-z]{1,8}/".prop_map(Target::External),
    ]
}

/// Any dependency: one target, or a group with as many as must hold.
pub(crate) fn dependency() -> impl Strategy<Value = Dependency> {
    let group = (btree_set(target(), 1..4), any::<u32>()).prop_map(|(members, n)| {
        let members: Vec<Target> = members.into_iter().collect();
        let at_least = 1 + n % u32::try_from(members.len()).unwrap();
        Needs::Group { members, at_least }
    });
    let needs = prop_oneof![3 => target().prop_map(Needs::One), 1 => group];
    (needs, nature(), text()).prop_map(|(needs, nature, description)| Dependency {
        needs,
        nature,
        description,
    })
}

/// Dependencies, each single target once.
pub(crate) fn dependencies() -> impl Strategy<Value = Vec<Dependency>> {
    vec(dependency(), 0..4).prop_map(|mut dependencies| {
        let mut seen = std::collections::HashSet::new();
        dependencies.retain(|dependency| match &dependency.needs {
            Needs::One(target) => seen.insert(target.clone()),
            Needs::Group { .. } => true,
        });
        dependencies
    })
}

/// Any status endpoint, with a timeout within its interval.
pub(crate) fn status_endpoint() -> impl Strategy<Value = StatusEndpoint> {
    let url = prop_oneof!["https?://[a-z]{1,8}/", "tcp://[a-z]{1,8}:[1-9][0-9]{0,3}"];
    let interval = prop_oneof![Just(StatusEndpoint::INTERVAL_MS), 1_000..=86_400_000_u64];
    let status = prop_oneof!["", "200-299", "200,204"];
    (
        text(),
        url,
        interval,
        option::of(1..=86_400_000_u64),
        status,
        text(),
    )
        .prop_map(
            |(name, url, interval_ms, timeout_ms, expect_status, expect_body)| StatusEndpoint {
                name,
                url,
                interval_ms,
                timeout_ms: timeout_ms.unwrap_or(StatusEndpoint::TIMEOUT_MS).min(interval_ms),
                expect_status,
                expect_body,
            },
        )
}

/// Any resource of this id.
pub(crate) fn resource_of(id: Id) -> impl Strategy<Value = Resource> {
    (
        "[a-z]{1,8}",
        text(),
        text(),
        tags(),
        attributes(),
        vec(status_endpoint(), 0..3),
        dependencies(),
    )
        .prop_map(
            move |(kind, name, description, tags, attributes, status_endpoints, dependencies)| Resource {
                id: id.clone(),
                kind,
                name,
                description,
                tags,
                attributes,
                status_endpoints,
                dependencies,
            },
        )
}

/// Any environment of this id.
pub(crate) fn environment_of(id: Id) -> impl Strategy<Value = Environment> {
    let entrypoint = (text(), "[a-z]{1,5}://[a-z]{1,8}").prop_map(|(name, url)| Entrypoint { name, url });
    (
        text(),
        text(),
        tags(),
        vec(entrypoint, 0..3),
        vec(status_endpoint(), 0..3),
    )
        .prop_map(
            move |(name, description, tags, entrypoints, status_endpoints)| Environment {
                id: id.clone(),
                name,
                description,
                tags,
                entrypoints,
                status_endpoints,
            },
        )
}

/// Any document.
pub(crate) fn document() -> impl Strategy<Value = Document> {
    prop_oneof![
        id().prop_flat_map(resource_of).prop_map(Document::Resource),
        id().prop_flat_map(environment_of).prop_map(Document::Environment),
    ]
}

/// Two documents of one entity.
pub(crate) fn two_documents() -> impl Strategy<Value = (Document, Document)> {
    prop_oneof![
        id().prop_flat_map(|id| (resource_of(id.clone()), resource_of(id)))
            .prop_map(|(a, b)| (Document::Resource(a), Document::Resource(b))),
        id().prop_flat_map(|id| (environment_of(id.clone()), environment_of(id)))
            .prop_map(|(a, b)| (Document::Environment(a), Document::Environment(b))),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::proptest;

    use super::{document, two_documents};
    use crate::domain::{DocumentPatch, Limits, check};

    proptest! {
        #[test]
        fn every_document_passes_the_checks(document in document()) {
            assert_eq!(check(&document, &Limits::default(), ""), []);
        }

        #[test]
        fn a_patch_between_two_documents_leads_from_one_to_the_other((from, to) in two_documents()) {
            let patch = DocumentPatch::between(&from, &to).unwrap();
            assert_eq!(patch.applied_to(&from), Some(to));
        }
    }
}
