//! Batches of commands, and what the store must hold after each: told in advance, from a seed.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::domain::tests::{EVERYBODY, State, tight_rules};
use crate::domain::{
    Change, Entity, EntityKey, Id, Outcome, Overlay, Position, Receipt, Timestamp, Trace, Transaction, View,
    decide, strategies,
};
use crate::store::{Answered, Fault, Store};

/// What one batch writes.
struct Batch {
    entities: Vec<(EntityKey, Entity)>,
    memberships: Vec<(Id, Id, bool)>,
    changes: Vec<Change>,
}

/// What happens, batch by batch.
pub(in crate::store) struct Story {
    batches: Vec<Batch>,
    /// The state before the first batch, after it, and so on.
    states: Vec<State>,
}

impl Story {
    pub(in crate::store) fn tell(seed: u64, batches: usize) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut story = Self {
            batches: Vec::new(),
            states: vec![State::default()],
        };
        let mut sequence = 0;
        let steps = strategies::steps(3 * batches)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        for steps in (0..batches).map(|batch| steps.iter().skip(batch).step_by(batches)) {
            let before = story.states.last().unwrap();
            let mut overlay = Overlay::new(before, Timestamp(0));
            let (mut state, mut events) = (before.clone(), Vec::new());
            for step in steps {
                for event in
                    decide(&overlay, step, &tight_rules(), EVERYBODY, Timestamp(0)).unwrap_or_default()
                {
                    overlay.apply(&event).unwrap();
                    state.apply(&event, Timestamp(0));
                    events.push(event);
                }
            }
            let (first, count) = (sequence + 1, u32::try_from(events.len()).unwrap());
            let changes = events.into_iter().zip(0..).map(|(event, index)| Change {
                epoch: 1,
                sequence: first + u64::from(index),
                time: Timestamp(0),
                actor: String::new(),
                cause: String::new(),
                trace: Trace::default(),
                transaction: Transaction { first, index, count },
                event,
            });
            let batch = Batch {
                entities: overlay
                    .touched()
                    .map(|(key, entity)| (key.clone(), entity.clone()))
                    .collect(),
                memberships: overlay
                    .memberships()
                    .map(|(e, r, linked)| (e.clone(), r.clone(), linked))
                    .collect(),
                changes: changes.collect(),
            };
            sequence += u64::from(count);
            story.batches.push(batch);
            story.states.push(state);
        }
        story
    }

    pub(in crate::store) fn len(&self) -> usize {
        self.batches.len()
    }

    fn position(&self, batches: usize) -> Position {
        let changes: usize = self
            .batches
            .iter()
            .take(batches)
            .map(|batch| batch.changes.len())
            .sum();
        Position {
            epoch: 1,
            sequence: changes as u64,
        }
    }

    /// Commits one batch.
    pub(in crate::store) fn commit(&self, store: &Store, number: usize) -> Result<(), Fault> {
        let batch = &self.batches[number];
        let position = self.position(number + 1);
        let committed = store.transact(|disk| {
            for (key, entity) in &batch.entities {
                disk.put_entity(key, entity)?;
            }
            for (environment, resource, linked) in &batch.memberships {
                disk.set_member(environment, resource, *linked)?;
            }
            for change in &batch.changes {
                disk.append_change(change)?;
            }
            let message_id = format!("m-{number}");
            let answered = Answered {
                message_id: &message_id,
                fingerprint: [7; 32],
                actor: "alice",
                time: Timestamp(0),
            };
            disk.append_receipt(number as u64, answered, &receipt(position))?;
            disk.set_published(position.sequence / 2)?;
            disk.set_position(position)
        });
        committed.map(super::super::Committed::into_inner)
    }

    /// How many batches the store has had. Every part of it must say the same.
    pub(in crate::store) fn reached(&self, store: &Store) -> usize {
        let snapshot = store.snapshot().unwrap();
        let mut receipts = 0;
        snapshot
            .each_receipt(|mark| {
                assert_eq!(
                    (mark.number, &mark.message_id),
                    (receipts, &format!("m-{receipts}"))
                );
                receipts += 1;
            })
            .unwrap();
        let reached = usize::try_from(receipts).unwrap();
        let position = self.position(reached);
        let identity = snapshot.identity().unwrap();
        assert_eq!((identity.cluster.as_str(), identity.position), ("test", position));
        assert_eq!(identity.published, position.sequence / 2);
        let changes: Vec<Change> = self
            .batches
            .iter()
            .take(reached)
            .flat_map(|batch| batch.changes.iter().cloned())
            .collect();
        assert_eq!(snapshot.changes(0, usize::MAX).unwrap(), changes);

        let state = &self.states[reached];
        let mut members = std::collections::BTreeSet::new();
        snapshot
            .each_member(|environment, resource| {
                members.insert((environment, resource));
            })
            .unwrap();
        assert_eq!(members, state.members);
        let keys: Vec<EntityKey> = snapshot
            .all_live()
            .unwrap()
            .map(|live| live.unwrap().document.key())
            .collect();
        let live = state
            .entities
            .iter()
            .filter(|(_, entity)| matches!(entity, Entity::Live(_)));
        assert_eq!(keys, live.map(|(key, _)| key.clone()).collect::<Vec<_>>());
        store
            .transact::<_, Fault>(|disk| {
                for key in self.states.last().unwrap().entities.keys() {
                    assert_eq!(disk.entity(key)?, state.entity(key).unwrap());
                }
                for number in 0..receipts {
                    let (message_id, fingerprint, found) = disk.receipt(number)?.unwrap();
                    let position = self.position(usize::try_from(number).unwrap() + 1);
                    assert_eq!(
                        (message_id, fingerprint, found),
                        (format!("m-{number}"), [7; 32], receipt(position))
                    );
                }
                assert_eq!(disk.receipt(receipts)?, None);
                Ok(())
            })
            .unwrap();
        reached
    }
}

fn receipt(position: Position) -> Receipt {
    Receipt {
        outcome: Outcome::Unchanged,
        position,
        revisions: Vec::new(),
        counts: Vec::new(),
        duplicate: false,
        would: None,
    }
}
