//! Standing questions as they are held: whose they are, what their readers know, and what is due.
//!
//! They live in memory, and only as long as the session: whoever hears no bookmark any more asks again, and the answer
//! that comes first makes that safe. Nothing waits here for a slow reader: there is one message on its way to each, and
//! what changes meanwhile is found when that one is settled, as the difference to what the reader knows then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::envelope::ReturnAddress;
use crate::broker::PublishFault;
use crate::domain::{Items, Position, Problem, ProblemKind, Question};

/// Items of all answers together, beyond which no more questions are taken.
const KEPT_MAX: usize = 1_000_000;
/// The waits after the queue refused a message: the first, and the longest.
const REFUSED_WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How often in a row the queue may refuse a message; with the waits, about a minute.
const REFUSALS_MAX: u32 = 36;
/// How often in a row there may be no answer before the question is given up.
const FAILURES_MAX: u32 = 5;
/// The wait after there was no answer.
const FAILED_WAIT: Duration = Duration::from_secs(1);

/// How many there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) all: usize,
    pub(super) per_queue: usize,
    /// Time between two bookmarks.
    pub(super) pause: Duration,
}

/// Where messages of a subscription go.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) queue: String,
    /// Who asked, as far as the broker vouches for it; empty where it does not.
    pub(super) actor: String,
    pub(super) address: ReturnAddress,
}

/// What the reader of a subscription knows.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// As of when.
    pub(super) position: Position,
    pub(super) items: Arc<Items>,
    /// How many changes were told.
    pub(super) changes: u64,
}

/// A standing question, for as long as something is done for it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) id: String,
    pub(super) reader: Reader,
    pub(super) question: Arc<Question>,
    pub(super) known: Known,
}

/// One that is held.
struct Held {
    reader: Reader,
    question: Arc<Question>,
    known: Known,
    /// What the reader will know once the message on its way is there.
    told: Option<Known>,
    /// Whether the reader knows its name: nothing may come before that.
    begun: bool,
    bookmark: Instant,
    not_before: Instant,
    refusals: u32,
    failures: u32,
}

impl Held {
    fn is_free(&self, now: Instant) -> bool {
        self.begun && self.told.is_none() && self.not_before <= now
    }

    fn standing(&self, id: &str) -> Standing {
        Standing {
            id: id.to_owned(),
            reader: self.reader.clone(),
            question: Arc::clone(&self.question),
            known: self.known.clone(),
        }
    }
}

/// All that are held.
pub(super) struct Subscriptions {
    bounds: Bounds,
    held: Mutex<BTreeMap<String, Held>>,
    more: Notify,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Settled {
    /// The subscription goes on, or has ended meanwhile.
    Fine,
    /// Its queue is gone, or has no room for too long; it is forgotten.
    Gone { queue: String, fault: PublishFault },
}

impl Subscriptions {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            held: Mutex::default(),
            more: Notify::new(),
        }
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        // Each change of the map is one call, so a panic in between leaves it whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a question from now on, in the place of the same one for the same queue. Nothing is sent before
    /// [`Self::begin`].
    ///
    /// # Errors
    /// A problem where there are too many.
    pub(super) fn hold(&self, standing: Standing) -> Result<(), Box<Problem>> {
        let Bounds { all, per_queue, .. } = self.bounds;
        let Standing {
            id,
            reader,
            question,
            known,
        } = standing;
        let mut held = self.held();
        let same = held
            .iter()
            .find(|(_, other)| other.reader.queue == reader.queue && other.question == question)
            .map(|(id, _)| id.clone());
        let replaced = same.and_then(|same| held.remove_entry(&same));
        let of_queue = held
            .values()
            .filter(|other| other.reader.queue == reader.queue)
            .count();
        let kept: usize = held.values().map(|other| other.known.items.len()).sum();
        let problem = if of_queue >= per_queue {
            let what = format!("the queue {} has {of_queue} standing questions", reader.queue);
            Some(too_many(&what, per_queue, "api.subscriptions_per_queue_max"))
        } else if held.len() >= all {
            let what = format!("there are {} standing questions", held.len());
            Some(too_many(&what, all, "api.subscriptions_max"))
        } else if kept + known.items.len() > KEPT_MAX {
            let what = format!("the answers to all standing questions have {kept} items");
            Some(too_many(&what, KEPT_MAX, ""))
        } else {
            None
        };
        if let Some(problem) = problem {
            held.extend(replaced);
            return Err(problem);
        }
        let now = Instant::now();
        let fresh = Held {
            reader,
            question,
            known,
            told: None,
            begun: false,
            bookmark: now,
            not_before: now,
            refusals: 0,
            failures: 0,
        };
        held.insert(id, fresh);
        Ok(())
    }

    /// The reader has been told the name.
    pub(super) fn begin(&self, id: &str) {
        if let Some(held) = self.held().get_mut(id) {
            held.begun = true;
        }
        self.more.notify_one();
    }

    /// Forgets one; `false` where there is none of that name.
    pub(super) fn forget(&self, id: &str) -> bool {
        self.held().remove(id).is_some()
    }

    /// Forgets all, and says which they were.
    pub(super) fn forget_all(&self) -> Vec<Standing> {
        let held = std::mem::take(&mut *self.held());
        let begun = held.iter().filter(|(_, held)| held.begun);
        begun.map(|(id, held)| held.standing(id)).collect()
    }

    /// Those whose time for a bookmark has come.
    pub(super) fn silent(&self, now: Instant) -> Vec<Standing> {
        let held = self.held();
        let due = held
            .iter()
            .filter(|(_, held)| held.is_free(now) && held.bookmark <= now);
        due.map(|(id, held)| held.standing(id)).collect()
    }

    /// The one that has been behind for longest, of those that are not as of these positions.
    pub(super) fn behind(&self, now: Instant, committed: Position, indexed: Position) -> Option<Standing> {
        let held = self.held();
        let reached = |held: &Held| {
            if held.question.needs_index() {
                indexed
            } else {
                committed
            }
        };
        let behind = held
            .iter()
            .filter(|(_, held)| held.is_free(now) && held.known.position < reached(held));
        let last = behind.min_by_key(|(_, held)| held.known.position);
        last.map(|(id, held)| held.standing(id))
    }

    /// When something is due that no commit brings about.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let held = self.held();
        let waiting = held.values().filter(|held| held.begun && held.told.is_none());
        waiting
            .map(|held| {
                if held.not_before > now {
                    held.not_before
                } else {
                    held.bookmark
                }
            })
            .min()
    }

    /// Waits until there is another one.
    pub(super) async fn more(&self) {
        self.more.notified().await;
    }

    /// The answer is the same as before, as of now.
    pub(super) fn stands(&self, id: &str, position: Position) {
        if let Some(held) = self.held().get_mut(id) {
            held.known.position = position;
            held.failures = 0;
        }
    }

    /// A message that says this is on its way.
    pub(super) fn tells(&self, id: &str, told: Known) {
        if let Some(held) = self.held().get_mut(id) {
            if told.changes > held.known.changes {
                held.failures = 0;
            }
            held.told = Some(told);
        }
    }

    /// There was no answer; whether that happened too often.
    pub(super) fn fails(&self, id: &str, now: Instant) -> bool {
        let mut all = self.held();
        let Some(held) = all.get_mut(id) else {
            return false;
        };
        held.failures += 1;
        held.not_before = now + FAILED_WAIT;
        held.failures >= FAILURES_MAX
    }

    /// Takes down what became of the message on its way.
    pub(super) fn settle(&self, id: &str, outcome: Result<(), PublishFault>, now: Instant) -> Settled {
        let mut all = self.held();
        let Some(held) = all.get_mut(id) else {
            return Settled::Fine;
        };
        let told = held.told.take();
        match outcome {
            Ok(()) => {
                if let Some(told) = told {
                    held.known = told;
                }
                held.refusals = 0;
                held.bookmark = now + self.bounds.pause;
                Settled::Fine
            }
            Err(PublishFault::Nacked) if held.refusals < REFUSALS_MAX => {
                // What was refused is not kept: the next message says what is different then.
                let (first, longest) = REFUSED_WAIT;
                held.not_before = now + first.saturating_mul(1 << held.refusals.min(10)).min(longest);
                held.refusals += 1;
                Settled::Fine
            }
            Err(fault) => {
                let queue = held.reader.queue.clone();
                all.remove(id);
                Settled::Gone { queue, fault }
            }
        }
    }
}

fn too_many(what: &str, max: usize, setting: &str) -> Box<Problem> {
    let problem = Problem::new(
        ProblemKind::LimitExceeded,
        format!("{what}, and the limit is {max}"),
    );
    let raise = if setting.is_empty() {
        String::new()
    } else {
        format!(", or raise {setting}")
    };
    let hint = format!("end some with `unsubscribe`, or delete their queue{raise}");
    Box::new(problem.hint(hint).fact("limit", max))
}
