//! One engine follows another by its parcels, and is the same in the end.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};

use super::Running;
use super::recovery::Whole;
use crate::domain::{Parcel, Position, Step, strategies};
use crate::engine::{Config, Entry, Stopped, Unfollowable};

impl Running {
    /// What it would ship after a sequence, in parcels of about so many bytes.
    fn parcels(&self, held: u64, bytes: usize) -> Vec<Parcel> {
        let last = self.engine.reads().totals().position.sequence;
        let mut parcels: Vec<Parcel> = Vec::new();
        loop {
            let next = parcels.last().map_or(held, |parcel| parcel.last) + 1;
            if next > last {
                return parcels;
            }
            let parcel = self.engine.reads().parcel(next, last, bytes).unwrap();
            parcels.push(parcel.unwrap());
        }
    }

    fn follow(&self, parcels: &[Parcel]) -> Result<Result<Position, Unfollowable>, Stopped> {
        let bodies = parcels.iter().map(|parcel| parcel.body.clone()).collect();
        self.runtime.block_on(self.engine.follow(bodies))
    }

    fn enter(&self, epoch: u64) -> Position {
        self.runtime
            .block_on(self.engine.enter(Entry {
                epoch,
                ..Entry::default()
            }))
            .unwrap()
    }

    fn position(&self) -> Position {
        self.engine.reads().totals().position
    }
}

fn start(folder: &Path, name: &str) -> Running {
    Running::start(&folder.join(name), &Config::default())
}

/// Plays steps, each with a message id.
fn play(leader: &Running, steps: &[Step]) {
    for (n, step) in steps.iter().enumerate() {
        leader.submit(&format!("m-{n}"), step).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_follower_is_the_same_in_the_end(
        steps in strategies::steps(30),
        bytes in 1_usize..4_000,
        groups in vec((1_usize..5, any::<bool>(), any::<bool>()), 40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (leader, mut follower) = (start(folder.path(), "leader"), start(folder.path(), "follower"));
        play(&leader, &steps);
        let parcels = leader.parcels(0, bytes);
        let mut rest = parcels.as_slice();
        let mut groups = groups.into_iter().cycle();
        while !rest.is_empty() {
            let (size, twice, crash) = groups.next().unwrap();
            // Only what ends with a whole transaction can be taken in.
            let whole = rest.iter().position(|parcel| parcel.complete).unwrap() + 1;
            let (now, later) = rest.split_at(size.max(whole).min(rest.len()));
            if now.last().is_some_and(|parcel| !parcel.complete) {
                continue;
            }
            follower.follow(now).unwrap().unwrap();
            if twice {
                follower.follow(now).unwrap().unwrap();
            }
            if crash {
                follower.crash();
                follower = start(folder.path(), "follower");
            }
            rest = later;
        }
        assert_eq!(follower.position(), leader.position());
        assert_eq!(
            follower.engine.reads().bookmark().unwrap().digest,
            leader.engine.reads().bookmark().unwrap().digest
        );
        let (ours, theirs) = (follower.position(), follower.enter(2));
        assert_eq!((theirs.epoch, theirs.sequence), (2, ours.sequence));
        for (n, step) in steps.iter().enumerate() {
            let (id, before) = (format!("m-{n}"), follower.position());
            let (again, first) = (follower.submit(&id, step).unwrap(), leader.submit(&id, step).unwrap());
            // The last commands may have changed nothing since the last parcel: those receipts are not there.
            if again.duplicate {
                assert_eq!(again, first);
            }
            assert_eq!(follower.position(), before, "nothing is done twice: {id} {step:?} {first:?} {again:?}");
        }
        follower.crash();
        let follower = start(folder.path(), "follower");
        assert_eq!(follower.position().epoch, 2);
        let follower = Whole::of(follower, &folder.path().join("follower"));
        let leader = Whole::of(leader, &folder.path().join("leader"));
        assert_eq!(
            (follower.live, follower.members, follower.changes, follower.found),
            (leader.live, leader.members, leader.changes, leader.found)
        );
    }
}

#[test]
fn what_does_not_go_on_from_here_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let leader = start(folder.path(), "leader");
    let (follower, other) = (start(folder.path(), "follower"), start(folder.path(), "other"));
    for id in ["a", "b", "c"] {
        leader.put(id, id);
    }
    let parcels = leader.parcels(0, 1);
    assert_eq!(parcels.len(), 3, "one event each");

    let hole = follower.follow(&parcels[1..]).unwrap();
    assert!(
        matches!(hole, Err(Unfollowable::Hole { ours: 0, first: 2 })),
        "{hole:?}"
    );
    let mut broken = parcels.clone();
    broken[2].body.truncate(70);
    let unreadable = follower.follow(&broken).unwrap();
    assert!(
        matches!(unreadable, Err(Unfollowable::Unreadable(_))),
        "{unreadable:?}"
    );
    // Of a leader that is a version ahead, in a form that this one does not know.
    let mut newer = parcels.clone();
    newer[1].body[0] = u8::MAX;
    let unreadable = follower.follow(&newer).unwrap();
    assert!(format!("{unreadable:?}").contains("Newer"), "{unreadable:?}");
    assert_eq!(follower.position().sequence, 0, "all of them or none");

    // Another history of the same cluster, as one that a restored backup goes on with.
    other.put("x", "x");
    let diverged = other.follow(&parcels[1..]).unwrap();
    assert!(
        matches!(diverged, Err(Unfollowable::Diverged { sequence: 2 })),
        "{diverged:?}"
    );
    assert_eq!(other.position().sequence, 1);

    follower.follow(&parcels[..2]).unwrap().unwrap();
    follower.enter(3);
    let replaced = follower.follow(&parcels[2..]).unwrap();
    assert!(
        matches!(replaced, Err(Unfollowable::Replaced { ours: 3, theirs: 1 })),
        "{replaced:?}"
    );
    assert_eq!(follower.position().sequence, 2);
}
