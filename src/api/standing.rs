//! Standing questions: after commits they are answered again, and whoever asked is told what is different.
//!
//! Answering again never costs more than a part of one processor, whatever is asked and however fast commits come:
//! after each piece of work comes a pause that is as long as the work was, several times over. Commits that come
//! meanwhile are taken together.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::subscriptions::{Bounds, Known, Reader, Settled, Standing, Subscriptions};
use super::{Api, Fault};
use crate::broker::{Confirmation, FaultKind, Message, PublishFault, Publisher};
use crate::domain::{Answer, Inquiry, Position, Problem, ProblemKind, Subscribe};
use crate::engine::Before;
use crate::wire::{self, QueueMessage, Subscription};

/// The work after which there is a pause.
const WORK_MAX: Duration = Duration::from_millis(10);
/// How many times as long as the work the pause after it is: a fifth of one processor is the most that all standing
/// questions together take.
const PAUSE_TIMES: u32 = 4;
/// The shortest pause: commits that are closer together are taken together.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// How long readers are told that the instance stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// What became of a message on its way.
type Outcome = (String, Result<(), PublishFault>);

/// Keeps questions standing for one session.
pub(super) struct Stand {
    api: Arc<Api>,
    publisher: Publisher,
    subscriptions: Subscriptions,
}

impl Stand {
    pub(super) fn new(api: &Arc<Api>, publisher: &Publisher) -> Self {
        let config = &api.config;
        Self {
            api: Arc::clone(api),
            publisher: publisher.clone(),
            subscriptions: Subscriptions::new(Bounds {
                all: config.subscriptions_max,
                per_queue: config.subscriptions_per_queue_max,
                pause: Duration::from_millis(config.bookmark_interval_ms),
            }),
        }
    }

    /// Answers a question for the first time, and holds it; nothing more is sent before [`Self::begin`].
    ///
    /// # Errors
    /// Within, a problem: that of the question, or there are too many.
    pub(super) async fn subscribe(
        &self,
        inquiry: &Inquiry,
        subscribe: &Subscribe,
        reader: Reader,
    ) -> Result<Result<(Answer, String), Box<Problem>>, Fault> {
        let inquiry = Inquiry {
            question: (*subscribe.question).clone(),
            ..inquiry.clone()
        };
        let question = Arc::new(inquiry.question.of_items());
        let reach = match self.api.reach(&reader.actor, question.kind()) {
            Ok(reach) => reach,
            Err(problem) => return Ok(Err(problem)),
        };
        let reads = Arc::clone(self.api.engine.reads());
        let answered = tokio::task::spawn_blocking(move || reads.stand(&inquiry, &reach)).await?;
        let (answer, items) = match answered {
            Ok(answered) => answered,
            // Its question is in there.
            Err(mut problem) => {
                if problem.pointer.starts_with("/args") {
                    problem.pointer.insert_str("/args".len(), "/question/args");
                }
                return Ok(Err(problem));
            }
        };
        let id = uuid::Uuid::now_v7().to_string();
        let held = self.subscriptions.hold(Standing {
            id: id.clone(),
            reader,
            question,
            known: Known {
                position: answer.as_of,
                items: Arc::new(items),
                changes: 0,
            },
        });
        Ok(held.map(|()| (answer, id)))
    }

    /// The reply to a question that is held.
    pub(super) fn render(&self, answer: &Answer, id: &str, took_us: u64) -> Vec<u8> {
        let cluster = self.api.engine.reads().cluster();
        let interval_ms = self.api.config.bookmark_interval_ms;
        wire::render_subscribed(answer, id, interval_ms, cluster, took_us)
    }

    /// The reader has the reply.
    pub(super) fn begin(&self, id: &str) {
        self.subscriptions.begin(id);
    }

    /// Holds a question no longer whose first answer does not reach its reader.
    pub(super) fn forget(&self, id: &str) {
        self.subscriptions.forget(id);
    }

    /// Holds a question no longer.
    ///
    /// # Errors
    /// A problem where it is not held here.
    pub(super) fn unsubscribe(&self, id: &str) -> Result<(), Box<Problem>> {
        if self.subscriptions.forget(id) {
            return Ok(());
        }
        let detail = "this instance has no such subscription";
        let hint =
            "another instance on this broker may have it: ask again, or delete the queue, which ends it too";
        let problem = Problem::new(ProblemKind::NotFound, detail).at("/args/subscription");
        Err(Box::new(problem.hint(hint)))
    }

    /// Answers again what stands, until the session breaks.
    pub(super) async fn run(&self) -> Result<(), Fault> {
        let reads = self.api.engine.reads();
        let (mut committed, mut indexed) = (reads.committed(), reads.indexed());
        let mut on_their_way = JoinSet::new();
        loop {
            while let Some(outcome) = on_their_way.try_join_next() {
                self.settle(outcome?);
            }
            for standing in self.subscriptions.silent(Instant::now()) {
                self.bookmark(&standing, &mut on_their_way).await?;
            }
            let (graph, index) = (*committed.borrow_and_update(), *indexed.borrow_and_update());
            let worked = self.work(graph, index, &mut on_their_way).await?;
            if !worked.is_zero() {
                tokio::time::sleep((worked * PAUSE_TIMES).max(PAUSE_MIN)).await;
                continue;
            }
            let next = self.subscriptions.next_due(Instant::now());
            tokio::select! {
                Ok(()) = committed.changed() => {}
                Ok(()) = indexed.changed() => {}
                Some(outcome) = on_their_way.join_next(), if !on_their_way.is_empty() => self.settle(outcome?),
                () = self.subscriptions.more() => {}
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }

    /// Tells every reader that there will be no more, since the instance stops.
    pub(super) async fn farewell(&self) {
        let problem = Problem::new(ProblemKind::Unavailable, "the instance stops")
            .hint("subscribe again; another instance may answer");
        let tell = async {
            let mut on_their_way = Vec::new();
            for standing in self.subscriptions.forget_all() {
                on_their_way.extend(self.tell_end(&standing, &problem).await?);
            }
            // The session is about to be closed, and what is on its way would go with it.
            for confirmation in on_their_way {
                confirmation.wait().await?;
            }
            Ok::<_, Fault>(())
        };
        // Whoever is not told will hear no bookmark.
        if let Ok(Err(fault)) = tokio::time::timeout(FAREWELL, tell).await {
            tracing::debug!(
                fault = &fault as &dyn std::error::Error,
                "not every reader was told"
            );
        }
    }

    /// Answers again what is behind, until it is time for a pause; says how long that took.
    async fn work(
        &self,
        graph: Position,
        index: Position,
        on_their_way: &mut JoinSet<Outcome>,
    ) -> Result<Duration, Fault> {
        let mut worked = Duration::ZERO;
        while worked < WORK_MAX
            && let Some(standing) = self.subscriptions.behind(Instant::now(), graph, index)
        {
            // The rules may be others than when it was asked.
            let reach = match self.api.reach(&standing.reader.actor, standing.question.kind()) {
                Ok(reach) => reach,
                Err(problem) => {
                    self.end(&standing, &problem).await?;
                    continue;
                }
            };
            let reads = Arc::clone(self.api.engine.reads());
            let (question, known) = (Arc::clone(&standing.question), standing.known.clone());
            let answering = tokio::task::spawn_blocking(move || {
                let began = Instant::now();
                let before = Before {
                    position: known.position,
                    items: &known.items,
                };
                (reads.renew(&question, before, &reach), began.elapsed())
            });
            let (renewed, took) = answering.await?;
            // However short it was, there was some.
            worked += took.max(Duration::from_nanos(1));
            match renewed {
                Ok(renewed) => match renewed.change {
                    None => self.subscriptions.stands(&standing.id, renewed.position),
                    Some((difference, because)) => {
                        let told = Known {
                            position: renewed.position,
                            items: Arc::new(renewed.items),
                            changes: standing.known.changes + 1,
                        };
                        let message = self.subscription(&standing, &told).changed(&difference, &because);
                        self.send(&standing, message, told, on_their_way).await?;
                    }
                },
                Err(problem) => {
                    if self.subscriptions.fails(&standing.id, Instant::now()) {
                        self.end(&standing, &problem).await?;
                    }
                }
            }
        }
        Ok(worked)
    }

    async fn bookmark(&self, standing: &Standing, on_their_way: &mut JoinSet<Outcome>) -> Result<(), Fault> {
        let message = self.subscription(standing, &standing.known).bookmark();
        self.send(standing, message, standing.known.clone(), on_their_way)
            .await
    }

    /// What a message says of a subscription, whose reader then knows this.
    fn subscription<'a>(&'a self, standing: &'a Standing, known: &Known) -> Subscription<'a> {
        Subscription {
            id: &standing.id,
            cluster: self.api.engine.reads().cluster(),
            position: known.position,
            changes: known.changes,
            total: known.items.len(),
        }
    }

    async fn send(
        &self,
        standing: &Standing,
        message: QueueMessage,
        told: Known,
        on_their_way: &mut JoinSet<Outcome>,
    ) -> Result<(), Fault> {
        let message = self.message(&standing.reader, message);
        let sent = self.publisher.send("", &standing.reader.queue, &message, true);
        match sent.await {
            Ok(confirmation) => {
                self.subscriptions.tells(&standing.id, told);
                let id = standing.id.clone();
                on_their_way.spawn(async move { (id, confirmation.wait().await) });
                Ok(())
            }
            Err(fault) if fault.kind() == FaultKind::Message => {
                let detail = format!("what changed is too large to be sent: {fault}");
                self.end(standing, &Problem::new(ProblemKind::LimitExceeded, detail))
                    .await
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Ends a subscription that cannot go on.
    async fn end(&self, standing: &Standing, problem: &Problem) -> Result<(), Fault> {
        self.subscriptions.forget(&standing.id);
        tracing::info!(
            queue = standing.reader.queue,
            detail = problem.detail,
            "a standing question ended: it has no answer any more"
        );
        // Whoever misses it will hear no bookmark.
        drop(self.tell_end(standing, problem).await?);
        Ok(())
    }

    async fn tell_end(&self, standing: &Standing, problem: &Problem) -> Result<Option<Confirmation>, Fault> {
        let message = self.subscription(standing, &standing.known).ended(problem);
        let message = self.message(&standing.reader, message);
        let sent = self.publisher.send("", &standing.reader.queue, &message, false);
        match sent.await {
            Ok(confirmation) => Ok(Some(confirmation)),
            Err(fault) if fault.kind() == FaultKind::Message => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    fn message(&self, reader: &Reader, QueueMessage { kind, body }: QueueMessage) -> Message {
        Message {
            kind: Some(kind.to_owned()),
            ..reader.address.reply(body, (self.api.clock)())
        }
    }

    fn settle(&self, (id, outcome): Outcome) {
        if let Settled::Gone { queue, fault } = self.subscriptions.settle(&id, outcome, Instant::now()) {
            tracing::info!(
                queue,
                fault = &fault as &dyn std::error::Error,
                "a standing question ended: its reader is gone or too slow"
            );
        }
    }
}
