//! What a removal brings down, as the decision counts it: always what the graph would say in the same state.

use std::collections::BTreeSet;

use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use super::{EVERYBODY, State, tight_rules};
use crate::domain::graph::{Beyond, Graph};
use crate::domain::impact::stops_with;
use crate::domain::{
    Command, Effect, Entity, EntityKey, Expect, Id, ImpactHash, Limits, Overlay, ProblemKind, Refusal,
    RemoveMode, Rules, Step, Timestamp, View, decide, strategies,
};

const NOW: Timestamp = Timestamp(0);

fn graph(state: &State) -> Graph {
    let mut graph = Graph::default();
    for entity in state.entities.values() {
        if let Entity::Live(live) = entity
            && let Some(resource) = live.document.as_resource()
        {
            graph.put(resource).unwrap();
        }
    }
    graph
}

/// What the graph says that stops with a resource, and its hash.
fn told(state: &State, id: &Id) -> Option<(BTreeSet<Id>, ImpactHash)> {
    let graph = graph(state);
    let impact = graph.impact([id.as_str()], Beyond::default()).ok()?;
    Some((impact.ids(Effect::Stops).cloned().collect(), impact.hash()))
}

fn rules() -> Rules {
    Rules {
        limits: Limits::default(),
        ..tight_rules()
    }
}

fn play(state: &mut State, steps: &[Step]) {
    for step in steps {
        for event in decide(state, step, &rules(), EVERYBODY, NOW).unwrap_or_default() {
            state.apply(&event, NOW);
        }
    }
}

fn batch(steps: Vec<Step>) -> Step {
    let command = Command::Batch { steps };
    Step {
        command,
        expect: Expect::Anything,
    }
}

fn ids() -> [Id; 4] {
    ["a", "b", "c", "d"].map(|text| Id::parse(text).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_decision_counts_what_the_graph_tells(
        before in strategies::steps(12), then in strategies::steps(6), restrict in any::<bool>(), most in 0_usize..3,
    ) {
        let mut base = State::default();
        play(&mut base, &before);
        // The same steps once over the base, as within a batch, and once in it.
        let mut overlay = Overlay::new(&base, NOW);
        let (mut state, mut done) = (base.clone(), Vec::new());
        for step in &then {
            let Ok(events) = decide(&state, step, &rules(), EVERYBODY, NOW) else { continue };
            for event in &events {
                overlay.apply(event).unwrap();
                state.apply(event, NOW);
            }
            // A batch may not hold a batch.
            match &step.command {
                Command::Batch { steps } => done.extend(steps.clone()),
                _ => done.push(step.clone()),
            }
        }
        for id in ids() {
            let expected = told(&state, &id);
            let stops = expected.as_ref().map(|(stops, _)| stops.clone()).unwrap_or_default();
            for view in [&overlay as &dyn View, &state] {
                let mut looks = 1_000;
                prop_assert_eq!(stops_with(view, &id, 100, &mut looks, &|_| Ok(true)).unwrap(), Some(stops.clone()));
                let few = stops_with(view, &id, most, &mut 1_000, &|_| Ok(true)).unwrap();
                prop_assert_eq!(few.is_some(), stops.len() <= most);
                // Exactly as many looks as it took are enough, and not one less.
                let took = 1_000 - looks;
                prop_assert_eq!(stops_with(view, &id, 100, &mut { took }, &|_| Ok(true)).unwrap(), Some(stops.clone()));
                if took > 0 {
                    prop_assert_eq!(stops_with(view, &id, 100, &mut { took - 1 }, &|_| Ok(true)).unwrap(), None);
                }
            }
            let key = EntityKey::resource(id.clone());
            let Some((_, hash)) = expected.filter(|_| state.live(&key).is_some()) else { continue };
            let remove = |expect_impact| {
                let mode = if restrict { RemoveMode::Restrict } else { RemoveMode::Detach };
                let command = Command::Remove { key: key.clone(), mode, expect_impact };
                let mut steps = done.clone();
                steps.push(Step { command, expect: Expect::Anything });
                decide(&base, &batch(steps), &rules(), EVERYBODY, NOW)
            };
            let shown = |decided: Result<_, Refusal>| decided.map_err(|refusal| match refusal {
                Refusal::Problem(problem) => (problem.kind, problem.facts),
                Refusal::Fault(fault) => panic!("{fault}"),
            });
            prop_assert_eq!(shown(remove(Some(hash))), shown(remove(None)));
            let mut other = hash;
            other.add(&id);
            let (kind, facts) = shown(remove(Some(other))).unwrap_err();
            prop_assert_eq!(kind, ProblemKind::ImpactMismatch);
            prop_assert_eq!((&facts["impact"], &facts["stops"]), (&hash.to_string().into(), &stops.len().into()));
        }
    }

    #[test]
    fn a_hash_is_read_as_it_is_written(texts in proptest::collection::btree_set("[a-z]{1,4}", 0..5), junk in ".{0,40}") {
        let mut hash = ImpactHash::default();
        for text in &texts {
            hash.add(&Id::parse(text).unwrap());
        }
        let written = hash.to_string();
        prop_assert_eq!(ImpactHash::parse(&written), Some(hash));
        prop_assert_eq!(ImpactHash::parse(&written[1..]), None);
        prop_assert_eq!(ImpactHash::parse(&format!("+{}", &written[1..])), None);
        if let Some(read) = ImpactHash::parse(&junk) {
            prop_assert_eq!(read.to_string(), junk);
        }
    }
}
