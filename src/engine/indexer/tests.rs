//! However changes are cut into jobs, and however late a job is done, the index ends as the register is.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use super::{Finding, IndexJob};
use crate::domain::tests::{EVERYBODY, State, tight_rules};
use crate::domain::{
    Change, Document, Entity, EntityKey, EntityType, Event, Id, Step, Timestamp, Transaction, View, decide,
    strategies,
};
use crate::engine::model::Model;

/// What an index finds, and where.
type Found = BTreeMap<EntityKey, (Document, Vec<Id>)>;

/// A committed batch, what it means for the index, and the state after it.
struct Committed {
    changes: Vec<Change>,
    job: IndexJob,
    state: State,
}

fn change(sequence: u64, event: Event) -> Change {
    Change {
        epoch: 1,
        sequence,
        time: Timestamp(0),
        actor: String::new(),
        cause: String::new(),
        trace: crate::domain::Trace::default(),
        transaction: Transaction {
            first: sequence,
            index: 0,
            count: 1,
        },
        event,
    }
}

fn commit<'a>(batches: impl Iterator<Item = &'a [Step]>, model: &mut Model) -> Vec<Committed> {
    let (mut state, mut sequence) = (State::default(), 0);
    let mut committed = Vec::new();
    for steps in batches {
        let mut changes = Vec::new();
        for step in steps {
            for event in decide(&state, step, &tight_rules(), EVERYBODY, Timestamp(0)).unwrap_or_default() {
                state.apply(&event, Timestamp(0));
                sequence += 1;
                changes.push(change(sequence, event));
            }
        }
        for change in &changes {
            model.apply(change).unwrap();
        }
        if !changes.is_empty() {
            let job = IndexJob::of(&changes, model);
            let state = state.clone();
            committed.push(Committed { changes, job, state });
        }
    }
    committed
}

/// Does a job as the index's thread does, when the store has come to this state.
fn apply(found: &mut Found, job: IndexJob, store: &State) {
    for key in &job.new {
        assert!(!found.contains_key(key), "{key} is there already");
    }
    for (key, finding) in job.changes {
        let entry = match finding {
            Finding::Gone => None,
            Finding::Document(document, environments) => Some((Arc::unwrap_or_clone(document), environments)),
            Finding::Stored(environments) => store
                .live(&key)
                .map(|live| ((*live.document).clone(), environments)),
        };
        match entry {
            Some(entry) => found.insert(key, entry),
            None => found.remove(&key),
        };
    }
}

/// What the index should find of a state.
fn truth(state: &State) -> Found {
    let mut found = Found::new();
    for (key, entity) in &state.entities {
        if let Entity::Live(live) = entity {
            let environments = match key.entity {
                EntityType::Resource => state.environments_of(&key.id).into_iter().collect(),
                EntityType::Environment => vec![key.id.clone()],
            };
            found.insert(key.clone(), ((*live.document).clone(), environments));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn jobs_taken_together_or_late_end_the_same(
        steps in strategies::steps(40), size in 1_usize..4, cuts in vec((any::<bool>(), 0_usize..4), 52),
    ) {
        let committed = commit(steps.chunks(size), &mut Model::default());
        let states: Vec<State> = committed.iter().map(|one| one.state.clone()).collect();
        let end = states.last().map(truth).unwrap_or_default();
        let mut found = Found::new();
        let mut waiting: Option<IndexJob> = None;
        for (i, one) in committed.into_iter().enumerate() {
            let position = one.job.position;
            let job = match waiting.take() {
                Some(mut earlier) => {
                    earlier.absorb(one.job);
                    earlier
                }
                None => one.job,
            };
            prop_assert_eq!(job.position, position);
            let (together, late) = cuts[i];
            if together && i + 1 < states.len() {
                waiting = Some(job);
            } else {
                // The store may have moved on by the time that the job is done.
                apply(&mut found, job, &states[(i + late).min(states.len() - 1)]);
            }
        }
        prop_assert_eq!(found, end);
    }

    #[test]
    fn an_index_that_is_behind_catches_up(
        steps in strategies::steps(40), size in 1_usize..4, behind in any::<usize>(), chunk in 1_usize..9,
    ) {
        let mut model = Model::default();
        let committed = commit(steps.chunks(size), &mut model);
        let behind = behind % (committed.len() + 1);
        let mut found = behind.checked_sub(1).map(|last| truth(&committed[last].state)).unwrap_or_default();
        let end = committed.last().map(|one| one.state.clone()).unwrap_or_default();
        let missing: Vec<Change> = committed[behind..].iter().flat_map(|one| one.changes.clone()).collect();
        for changes in missing.chunks(chunk) {
            let job = IndexJob::catch_up(changes, &model);
            prop_assert_eq!(job.position.sequence, changes.last().unwrap().sequence);
            apply(&mut found, job, &end);
        }
        prop_assert_eq!(found, truth(&end));
    }
}
