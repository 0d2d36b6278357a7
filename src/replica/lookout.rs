//! What an instance does, and what it has heard of the one that it follows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::Instant;

use super::drill::Caught;
use super::letter::Heartbeat;
use super::{Fault, chain};
use crate::domain::{Position, Timestamp};
use crate::wire::shape::DrilledBody;

/// Heartbeats that may wait for the copy to come as far as they say.
const AHEAD_MAX: usize = 1_024;

/// A time in whole milliseconds, as messages have it.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What an instance does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It waits for its broker, or for an instance that it could follow.
    Waiting,
    /// It follows the instance that serves its namespace, and takes over by itself.
    StandingBy,
    /// It follows an instance elsewhere, until it is promoted.
    Following,
    /// It takes commands.
    Serving,
    /// It fetches another copy.
    Seeding,
    /// Another has taken its place, and it follows nobody.
    Fenced,
    /// Its copy is not the same as the original; a person has to decide.
    Diverged(String),
    /// It cannot follow any more, for another reason; a person has to decide.
    Broken(String),
}

impl Stage {
    /// What is left of following, after a fault that only a person can mend.
    pub fn after(fault: &Fault) -> Self {
        let why = chain(fault);
        if fault.is_difference() {
            Self::Diverged(why)
        } else {
            Self::Broken(why)
        }
    }

    /// Why it does not go on by itself, where it does not.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Self::Diverged(why) | Self::Broken(why) => Some(why),
            _ => None,
        }
    }

    /// The stage as it is written.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::StandingBy => "standing-by",
            Self::Following => "following",
            Self::Serving => "serving",
            Self::Seeding => "seeding",
            Self::Fenced => "fenced",
            Self::Diverged(_) => "diverged",
            Self::Broken(_) => "broken",
        }
    }
}

/// What an instance does, and what it has heard.
pub struct Lookout {
    stage: watch::Sender<Stage>,
    heard: watch::Sender<Position>,
    seen: Mutex<Seen>,
    /// For one drill at a time.
    alone: Arc<Semaphore>,
    /// The drill that waits for canaries.
    drill: Mutex<Option<oneshot::Sender<Caught>>>,
    /// The last drill.
    drilled: watch::Sender<Option<DrilledBody>>,
}

#[derive(Default)]
struct Seen {
    /// The name of the instance that is followed, and when it was heard last.
    source: Option<(String, Instant)>,
    /// When this copy was last known to hold all that there was.
    whole: Option<Instant>,
    /// Where the source was at moments after that, in order.
    ahead: VecDeque<(u64, Instant)>,
    /// Where both copies were last found to be the same.
    proved: Option<u64>,
    /// When the last snapshot by the clock was made.
    snapshot: Option<Timestamp>,
}

/// What is known of the instance that is followed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    /// Its name, and the time since it was heard.
    pub(super) source: Option<(String, Duration)>,
    /// The time since this copy was last known to hold all.
    pub(super) whole: Option<Duration>,
    /// The last sequence at which the copies were found to be the same.
    pub(super) proved: Option<u64>,
}

impl Default for Lookout {
    fn default() -> Self {
        Self {
            stage: watch::Sender::new(Stage::Waiting),
            heard: watch::Sender::default(),
            seen: Mutex::default(),
            alone: Arc::new(Semaphore::new(1)),
            drill: Mutex::default(),
            drilled: watch::Sender::default(),
        }
    }
}

impl Lookout {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        // No code that holds the lock can leave it half changed.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what the instance does from now on.
    pub fn enter(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Follows what the instance does.
    pub fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Watches the last change that was heard of.
    pub fn heard(&self) -> watch::Receiver<Position> {
        self.heard.subscribe()
    }

    /// Forgets whom it followed: from now on it follows another, or nobody.
    pub fn reset(&self) {
        let mut seen = self.seen();
        *seen = Seen {
            snapshot: seen.snapshot,
            ..Seen::default()
        };
        drop(seen);
        self.heard.send_replace(Position::default());
    }

    pub(super) fn hear(&self, position: Position) {
        self.heard.send_modify(|heard| *heard = (*heard).max(position));
    }

    /// Takes down that the source said where it is.
    pub(super) fn hear_heartbeat(&self, heartbeat: &Heartbeat, now: Instant) {
        self.hear(heartbeat.position());
        let mut seen = self.seen();
        seen.source = Some((heartbeat.body.instance.clone(), now));
        if seen.ahead.len() < AHEAD_MAX {
            seen.ahead.push_back((heartbeat.body.sequence, now));
        }
    }

    /// Takes down that both copies are the same at a sequence.
    pub(super) fn prove(&self, sequence: u64) {
        self.seen().proved = Some(sequence);
    }

    /// The right to a drill, for one at a time; it ends when it is dropped.
    pub(super) fn begin_drill(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.alone).try_acquire_owned().ok()
    }

    /// Asks whoever follows for a copy where there are canaries. One at a time: who asked before gets none.
    pub(super) fn wait_for_canaries(&self) -> oneshot::Receiver<Caught> {
        let (sender, caught) = oneshot::channel();
        *self.drill.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        caught
    }

    /// The drill that waits, if there is one.
    pub(super) fn drill(&self) -> Option<oneshot::Sender<Caught>> {
        let waiting = self.drill.lock().unwrap_or_else(PoisonError::into_inner).take();
        waiting.filter(|waiting| !waiting.is_closed())
    }

    /// Says what came of a drill.
    pub(super) fn tell_drilled(&self, drilled: DrilledBody) {
        self.drilled.send_replace(Some(drilled));
    }

    /// Follows what comes of drills.
    pub fn drilled(&self) -> watch::Receiver<Option<DrilledBody>> {
        self.drilled.subscribe()
    }

    /// Takes down when the last snapshot by the clock was made.
    pub fn keep_snapshot(&self, time: Option<Timestamp>) {
        self.seen().snapshot = time;
    }

    /// When the last snapshot by the clock was made.
    pub(super) fn snapshot(&self) -> Option<Timestamp> {
        self.seen().snapshot
    }

    /// What is known now, where the copy holds all up to `held`.
    pub(super) fn view(&self, held: u64, now: Instant) -> View {
        let mut seen = self.seen();
        while let Some((sequence, at)) = seen.ahead.front().copied()
            && sequence <= held
        {
            seen.whole = Some(at);
            seen.ahead.pop_front();
        }
        View {
            source: seen
                .source
                .as_ref()
                .map(|(name, at)| (name.clone(), now.saturating_duration_since(*at))),
            whole: seen.whole.map(|at| now.saturating_duration_since(at)),
            proved: seen.proved,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Lookout;
    use crate::replica::letter::Heartbeat;
    use crate::wire::shape::HeartbeatBody;

    fn heartbeat(sequence: u64) -> Heartbeat {
        Heartbeat {
            body: HeartbeatBody {
                cluster: "c".to_owned(),
                epoch: 1,
                sequence,
                began: 0,
                digest: String::new(),
                link: String::new(),
                published: 0,
                instance: "one".to_owned(),
                writer: String::new(),
                time: String::new(),
                canaries: Vec::new(),
            },
        }
    }

    #[test]
    fn a_copy_is_whole_as_of_the_last_heartbeat_that_it_has_come_as_far_as() {
        let (lookout, began) = (Lookout::default(), Instant::now());
        let at = |s| began + Duration::from_secs(s);
        assert_eq!(lookout.view(0, at(9)).whole, None);
        lookout.hear_heartbeat(&heartbeat(10), at(1));
        lookout.hear_heartbeat(&heartbeat(20), at(2));
        lookout.hear_heartbeat(&heartbeat(30), at(3));
        assert_eq!(lookout.view(9, at(4)).whole, None);
        assert_eq!(lookout.view(25, at(4)).whole, Some(Duration::from_secs(2)));
        assert_eq!(lookout.view(30, at(9)).whole, Some(Duration::from_secs(6)));
        assert_eq!(
            lookout.view(30, at(9)).source,
            Some(("one".to_owned(), Duration::from_secs(6)))
        );
        lookout.reset();
        assert_eq!(lookout.view(30, at(9)), super::View::default());
    }
}
