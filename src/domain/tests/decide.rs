//! Decisions, command by command, against what the commands mean.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, proptest};

use super::naive::execute;
use super::{EVERYBODY, State, tight_rules};
use crate::domain::{
    Command, Document, Entity, EntityKey, Environment, Event, Expect, Fact, Id, LINKS_PER_EVENT, Limits,
    Live, Refusal, RemoveMode, Resource, Rules, Step, Tags, Timestamp, View, decide, strategies,
};

/// Takes the event in as a consumer, and checks what an event promises.
fn take(consumer: &mut State, event: &Event, now: Timestamp) {
    assert_eq!(event.revision, consumer.revision(&event.key) + 1, "{event:?}");
    let known = consumer.live(&event.key).map(|live| Arc::clone(&live.document));
    match &event.fact {
        Fact::Created { .. } | Fact::Restored { .. } => assert_eq!(known, None),
        Fact::Updated { after, before } => {
            assert_ne!(known.as_ref(), Some(after));
            assert_eq!(
                before.applied_to(after).map(Arc::new),
                known,
                "`before` leads back"
            );
        }
        Fact::Removed { last, .. } => assert_eq!(known.as_ref(), Some(last)),
        Fact::Linked { resources } | Fact::Unlinked { resources } => {
            assert!(!resources.is_empty() && resources.is_sorted());
        }
    }
    let environments: Vec<Id> = match (
        &event.fact,
        event.key == EntityKey::resource(event.key.id.clone()),
    ) {
        (_, false) => vec![event.key.id.clone()],
        // It was let go of just before.
        (Fact::Removed { links, .. }, true) => links.clone(),
        (_, true) => consumer.environments_of(&event.key.id).into_iter().collect(),
    };
    assert_eq!(event.environments, environments, "{event:?}");
    consumer.apply(event, now);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_decision_is_what_the_command_means(steps in strategies::steps(60), delays in vec(0_u64..3_000, 70)) {
        let rules = tight_rules();
        let mut state = State::default();
        let mut now = Timestamp(0);
        for (step, delay) in steps.into_iter().zip(delays) {
            now = now.plus_ms(delay);
            let meant = execute(&state, &step, &rules, now);
            match decide(&state, &step, &rules, EVERYBODY, now) {
                Ok(events) => {
                    let meant = meant.unwrap();
                    assert_eq!(events.is_empty(), meant == state, "{step:?}");
                    for event in &events {
                        take(&mut state, event, now);
                    }
                    assert_eq!(state, meant, "{step:?}");
                }
                Err(Refusal::Problem(problem)) => {
                    let no = meant.unwrap_err();
                    assert_eq!(problem.kind, no.kind, "{step:?}");
                    let place = no.step.map_or("/".to_owned(), |i| format!("/args/commands/{i}/"));
                    assert!(problem.pointer.starts_with(&place), "{}", problem.pointer);
                    assert!(problem.mistakes.iter().all(|mistake| mistake.pointer.starts_with(&place)));
                }
                Err(Refusal::Fault(fault)) => panic!("{fault}"),
            }
        }
    }
}

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

/// A laboratory, and so many resources that are not in it yet.
fn crowd(count: usize) -> (State, Vec<Id>) {
    let environment = Environment {
        id: id("lab"),
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
        entrypoints: Vec::new(),
        status_endpoints: Vec::new(),
    };
    let resource = |id: &Id| Resource {
        id: id.clone(),
        kind: "vm".to_owned(),
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
        attributes: serde_json::Map::new(),
        status_endpoints: Vec::new(),
        dependencies: Vec::new(),
    };
    let resources: Vec<Id> = (0..count).map(|n| id(&format!("r{n}"))).collect();
    let documents = resources.iter().map(|id| Document::Resource(resource(id)));
    let mut state = State::default();
    for document in documents.chain([Document::Environment(environment)]) {
        let live = Live {
            document: Arc::new(document),
            revision: 1,
        };
        state.entities.insert(live.document.key(), Entity::Live(live));
    }
    (state, resources)
}

#[test]
fn many_links_are_several_events() {
    let count = 2 * LINKS_PER_EVENT + 1;
    let (mut state, resources) = crowd(count);
    let rules = Rules {
        limits: Limits::default(),
        tombstone_ms: 1,
    };
    let mut run = |command| {
        let step = Step {
            command,
            expect: Expect::Anything,
        };
        let events = decide(&state, &step, &rules, EVERYBODY, Timestamp(0)).unwrap();
        for event in &events {
            take(&mut state, event, Timestamp(0));
        }
        let members = state.member_count(&id("lab"));
        (
            events
                .iter()
                .map(|event| (event.kind(), event.revision))
                .collect::<Vec<_>>(),
            members,
        )
    };
    let (events, members) = run(Command::Link {
        environment: id("lab"),
        resources,
    });
    assert_eq!(
        events,
        [
            ("environment.linked", 2),
            ("environment.linked", 3),
            ("environment.linked", 4)
        ]
    );
    assert_eq!(members, count);
    let key = EntityKey::environment(id("lab"));
    let mode = RemoveMode::Detach;
    let (events, members) = run(Command::Remove {
        key,
        mode,
        expect_impact: None,
    });
    let unlinked = |revision| ("environment.unlinked", revision);
    assert_eq!(
        events,
        [unlinked(5), unlinked(6), unlinked(7), ("environment.removed", 8)]
    );
    assert_eq!(members, 0);
}
