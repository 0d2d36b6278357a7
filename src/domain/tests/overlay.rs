//! What is decided but not committed must look just like what is committed.

use proptest::prelude::{ProptestConfig, proptest};

use super::{EVERYBODY, State, tight_rules};
use crate::domain::{
    Entity, EntityKey, Event, Id, Overlay, Problem, Refusal, Rules, Step, Timestamp, View, decide, strategies,
};

fn decided(view: &dyn View, step: &Step, rules: &Rules, now: Timestamp) -> Result<Vec<Event>, Box<Problem>> {
    decide(view, step, rules, EVERYBODY, now).map_err(|refusal| match refusal {
        Refusal::Problem(problem) => problem,
        Refusal::Fault(fault) => panic!("{fault}"),
    })
}

/// Both views say the same, whatever they are asked.
fn compare(view: &dyn View, state: &State) {
    let ids: Vec<Id> = ["a", "b", "c", "d"].map(|text| Id::parse(text).unwrap()).into();
    for id in &ids {
        for key in [
            EntityKey::environment(id.clone()),
            EntityKey::resource(id.clone()),
        ] {
            assert_eq!(view.entity(&key).unwrap(), state.entity(&key).unwrap());
            assert_eq!(view.exists(&key), state.exists(&key));
        }
        assert_eq!(view.dependents(id), state.dependents(id));
        assert_eq!(view.environments_of(id), state.environments_of(id));
        assert_eq!(view.members(id), state.members(id));
        assert_eq!(view.member_count(id), state.member_count(id));
        for other in &ids {
            assert_eq!(view.is_member(id, other), state.is_member(id, other));
        }
    }
}

/// Writes down what an overlay says that it touched, as the engine does.
fn written(mut state: State, overlay: &Overlay<'_>) -> State {
    for (key, entity) in overlay.touched() {
        assert_ne!(*entity, Entity::Absent);
        state.entities.insert(key.clone(), entity.clone());
    }
    for (environment, resource, linked) in overlay.memberships() {
        let pair = (environment.clone(), resource.clone());
        if linked {
            state.members.insert(pair);
        } else {
            state.members.remove(&pair);
        }
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_overlay_is_a_view_of_the_state_to_come(
        before in strategies::steps(10),
        first in strategies::steps(8),
        second in strategies::steps(8),
    ) {
        let (rules, now) = (tight_rules(), Timestamp(0));
        let mut base = State::default();
        for step in &before {
            for event in decided(&base, step, &rules, now).unwrap_or_default() {
                base.apply(&event, now);
            }
        }
        let mut state = base.clone();
        let mut play = |overlay: &mut Overlay<'_>, steps: &[Step]| {
            for step in steps {
                let events = decided(overlay, step, &rules, now);
                assert_eq!(events, decided(&state, step, &rules, now));
                for event in events.unwrap_or_default() {
                    overlay.apply(&event).unwrap();
                    state.apply(&event, now);
                }
                compare(overlay, &state);
            }
            state.clone()
        };
        let mut lower = Overlay::new(&base, now);
        let middle = play(&mut lower, &first);
        assert_eq!(written(base.clone(), &lower), middle);
        // A batch command has one of its own over that of the engine.
        let mut upper = Overlay::new(&lower, now);
        let end = play(&mut upper, &second);
        assert_eq!(written(middle, &upper), end);
    }
}
