//! Commands about few entities with few values, so that they meet, repeat each other, and are refused now and then.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::near_id;
use crate::domain::{
    AttributesPatch, Command, Dependency, Document, DocumentPatch, EntityKey, EntityType, Environment,
    EnvironmentPatch, Expect, Id, Nature, Needs, RemoveMode, Resource, ResourcePatch, Step, Tags, TagsPatch,
    Target,
};

/// Commands in a row, after some that put what they are about: without those, most would find nothing.
pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let resources = vec(near_resource(), 4).prop_map(|resources| {
        resources
            .into_iter()
            .zip(["a", "b", "c", "d"])
            .map(|(mut resource, id)| {
                resource.id = Id::parse(id).unwrap();
                Document::Resource(resource)
            })
    });
    let environments =
        vec(near_environment(), 0..6).prop_map(|all| all.into_iter().map(Document::Environment));
    let first = (resources, environments).prop_map(|(resources, environments)| {
        let put = |document| Command::Put {
            document: Box::new(document),
            members: None,
        };
        let puts = resources.chain(environments).map(put).map(unconditional);
        puts.collect::<Vec<Step>>()
    });
    (first, vec(step(), most / 2..most)).prop_map(|(first, then)| [first, then].concat())
}

/// A command with its condition; one in some is a batch.
fn step() -> impl Strategy<Value = Step> {
    let batch = vec(command(), 0..5).prop_map(|steps| unconditional(Command::Batch { steps }));
    prop_oneof![5 => command(), 1 => batch]
}

fn unconditional(command: Command) -> Step {
    Step {
        command,
        expect: Expect::Anything,
    }
}

fn put() -> impl Strategy<Value = Command> {
    let put = prop_oneof![
        near_resource().prop_map(|resource| (Document::Resource(resource), None)),
        (near_environment(), members()).prop_map(|(e, members)| (Document::Environment(e), members)),
    ];
    put.prop_map(|(document, members)| Command::Put {
        document: Box::new(document),
        members,
    })
}

/// A command with its condition, but no batch.
fn command() -> impl Strategy<Value = Step> {
    let remove = (key(), any::<bool>()).prop_map(|(key, detach)| Command::Remove {
        expect_impact: None,
        key,
        mode: if detach {
            RemoveMode::Detach
        } else {
            RemoveMode::Restrict
        },
    });
    let links = (near_id(), vec(near_id(), 0..3), any::<bool>());
    let link = links.prop_map(|(environment, resources, link)| {
        if link {
            Command::Link {
                environment,
                resources,
            }
        } else {
            Command::Unlink {
                environment,
                resources,
            }
        }
    });
    let command = prop_oneof![
        6 => put(),
        2 => patch(),
        4 => remove,
        3 => key().prop_map(|key| Command::Restore { key }),
        5 => link,
    ];
    let expect = prop_oneof![
        20 => Just(Expect::Anything),
        1 => Just(Expect::Absent),
        1 => Just(Expect::Exists),
        1 => (1_u64..6).prop_map(Expect::Revision),
    ];
    (command, expect).prop_map(|(command, expect)| Step { command, expect })
}

/// A resource that is near, with dependencies on what is near; some have mistakes.
pub(crate) fn near_resource() -> impl Strategy<Value = Resource> {
    (near_id(), kind(), name(), tags(), vec(dependency(), 0..3)).prop_map(
        |(id, kind, name, tags, dependencies)| Resource {
            id,
            kind,
            name,
            description: String::new(),
            tags,
            attributes: serde_json::Map::new(),
            status_endpoints: Vec::new(),
            dependencies,
        },
    )
}

fn near_environment() -> impl Strategy<Value = Environment> {
    (near_id(), name(), tags()).prop_map(|(id, name, tags)| Environment {
        id,
        name,
        description: String::new(),
        tags,
        entrypoints: Vec::new(),
        status_endpoints: Vec::new(),
    })
}

fn patch() -> impl Strategy<Value = Command> {
    let resource = (
        option::of(kind()),
        option::of(name()),
        tag_edits(),
        option::of(vec(dependency(), 0..3)),
    )
        .prop_map(|(kind, name, tags, dependencies)| {
            DocumentPatch::Resource(ResourcePatch {
                kind,
                name,
                description: None,
                tags,
                attributes: AttributesPatch::default(),
                status_endpoints: None,
                dependencies,
            })
        });
    let environment = (option::of(name()), tag_edits()).prop_map(|(name, tags)| {
        DocumentPatch::Environment(EnvironmentPatch {
            name,
            tags,
            ..EnvironmentPatch::default()
        })
    });
    prop_oneof![
        4 => (near_id().prop_map(EntityKey::resource), resource, Just(None)),
        3 => (near_id().prop_map(EntityKey::environment), environment, members()),
        1 => (near_id().prop_map(EntityKey::resource), Just(DocumentPatch::Environment(EnvironmentPatch::default())), Just(None)),
    ]
    .prop_map(|(key, patch, members)| Command::Patch {
        key,
        patch: Box::new(patch),
        members,
    })
}

fn tag_edits() -> impl Strategy<Value = TagsPatch> {
    (any::<bool>(), btree_map("[a-c]", option::of(name()), 0..3))
        .prop_map(|(clear, edits)| TagsPatch { clear, edits })
}

fn members() -> impl Strategy<Value = Option<Vec<Id>>> {
    option::of(vec(near_id(), 0..4))
}

fn key() -> impl Strategy<Value = EntityKey> {
    (select(EntityType::ALL.as_slice()), near_id()).prop_map(|(entity, id)| EntityKey { entity, id })
}

fn name() -> impl Strategy<Value = String> {
    select(["", "x", "y"].as_slice()).prop_map(str::to_owned)
}

fn kind() -> impl Strategy<Value = String> {
    prop_oneof![10 => Just("vm"), 10 => Just("pod"), 1 => Just("two words")].prop_map(str::to_owned)
}

fn tags() -> impl Strategy<Value = Tags> {
    btree_map("[a-c]", name(), 0..3)
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        8 => near_id().prop_map(Target::Resource),
        1 => select(["urn:x", "urn:y"].as_slice()).prop_map(|uri| Target::External(uri.to_owned())),
    ]
}

fn dependency() -> impl Strategy<Value = Dependency> {
    let group = (vec(target(), 1..4), 1_u32..3).prop_map(|(mut members, at_least)| {
        members.sort_unstable();
        members.dedup();
        Needs::Group { members, at_least }
    });
    let needs = prop_oneof![3 => target().prop_map(Needs::One), 1 => group];
    (needs, select(Nature::ALL.as_slice())).prop_map(|(needs, nature)| Dependency {
        needs,
        nature,
        description: String::new(),
    })
}
