//! Questions: each is answered as of one position, by whichever instance it reached.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

use super::envelope::{ReturnAddress, incoming, text_headers};
use super::intake::park;
use super::{Api, Fault, sync, until_drained};
use crate::broker::{Delivery, Publisher, Session};
use crate::domain::{
    Answer, Findings, Inquiry, Pong, Position, Problem, ProblemKind, Question, Role, Timestamp,
};
use crate::wire;

/// What is kept of a deadline, at most, for the way of the answer to whoever asked.
const ANSWER_WAY: Duration = Duration::from_millis(250);

/// Takes questions until the session breaks, or until draining begins and the last one in flight is answered.
pub(super) async fn run(
    api: &Arc<Api>,
    session: &Session,
    draining: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let queue = session.names().questions();
    let mut consumer = session
        .consume(&queue, api.prefetch_questions, "questions")
        .await?;
    let publisher = session.publisher().await?;
    let syncs = Arc::new(Semaphore::new(api.config.syncs_max));
    let desk = Desk {
        api: Arc::clone(api),
        publisher,
        syncs,
        draining: draining.clone(),
    };
    until_drained(&mut consumer, draining, async |delivery, answering| {
        answering.spawn(desk.clone().take(delivery));
        Ok(())
    })
    .await
}

/// Where questions are answered.
#[derive(Clone)]
struct Desk {
    api: Arc<Api>,
    publisher: Publisher,
    syncs: Arc<Semaphore>,
    draining: watch::Receiver<bool>,
}

impl Desk {
    async fn take(self, delivery: Delivery) -> Result<(), Fault> {
        let started = Instant::now();
        let now = (self.api.clock)();
        let headers = text_headers(&delivery.message);
        let incoming = incoming(&delivery, &headers, now);
        let parsed = wire::parse_question(&incoming, &self.api.bounds);
        let address = ReturnAddress::of(&delivery.message, incoming.trace());
        let answered = match parsed {
            Ok(Inquiry {
                question: Question::Sync(request),
                ..
            }) => {
                match (self.syncs.clone().try_acquire_owned(), &address.queue) {
                    (Ok(_permit), Some(queue)) => {
                        // Acknowledged first: a sync may take long, and whoever misses its end asks again.
                        delivery.ack().await?;
                        return sync::run(
                            &self.api,
                            &self.publisher,
                            &address,
                            queue,
                            request,
                            self.draining,
                        )
                        .await;
                    }
                    (Ok(_), None) => Err(Box::new(nowhere_to_sync())),
                    (Err(_), _) => Err(Box::new(too_many_syncs(self.api.config.syncs_max))),
                }
            }
            Ok(inquiry) => answer(&self.api, inquiry, now).await?,
            Err(problem) => Err(problem),
        };
        let Some(queue) = &address.queue else {
            return match answered {
                Err(problem) => park(&self.publisher, delivery, &problem).await,
                Ok(_) => Ok(delivery.ack().await?),
            };
        };
        let cluster = self.api.engine.reads().cluster();
        let refused = |problem: &Problem| {
            wire::render_question_problem(problem, *self.api.engine.committed().borrow(), cluster)
        };
        let mut body = match answered {
            Ok(answer) => {
                let took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                wire::render_answer(&answer, cluster, took_us)
            }
            Err(problem) => refused(&problem),
        };
        let most = self.publisher.body_bytes_max();
        if body.len() > most {
            body = refused(&too_long(body.len(), most));
        }
        // A question may be asked again, so nobody waits for the confirm of its answer.
        drop(
            self.publisher
                .send("", queue, &address.reply(body, now), false)
                .await?,
        );
        Ok(delivery.ack().await?)
    }
}

fn nowhere_to_sync() -> Problem {
    Problem::new(ProblemKind::Invalid, "a sync needs a queue to go to")
        .hint("name the queue in the property reply_to, bound to the events already")
}

fn too_long(bytes: usize, most: usize) -> Problem {
    let detail = format!("the answer has {bytes} bytes, the limit is {most}");
    Problem::new(ProblemKind::LimitExceeded, detail)
        .at("/limit")
        .hint("ask for fewer with `limit`, or for less")
}

fn too_many_syncs(max: usize) -> Problem {
    let detail = format!("{max} readers are being served, and no more at the same time");
    Problem::new(ProblemKind::Unavailable, detail).hint("ask again in a few seconds")
}

async fn answer(
    api: &Arc<Api>,
    inquiry: Inquiry,
    now: Timestamp,
) -> Result<Result<Answer, Box<Problem>>, Fault> {
    if let Err(problem) = reached(api, &inquiry, now).await {
        return Ok(Err(problem));
    }
    if matches!(inquiry.question, Question::Ping) {
        return Ok(Ok(pong(api)));
    }
    let (reads, shelf) = (Arc::clone(api.engine.reads()), Arc::clone(api.engine.shelf()));
    let answered = tokio::task::spawn_blocking(move || match &inquiry.question {
        Question::SnapshotBegin { max_age_ms } => shelf.begin(now, *max_age_ms).map(Some),
        Question::SnapshotChunk { id, index } => shelf.chunk(id, *index).map(Some),
        _ => reads.answer(&inquiry),
    });
    let answered = answered.await?;
    Ok(answered.map(|answer| answer.unwrap_or_else(|| pong(api))))
}

/// Waits until the instance has applied what the question asks for, at most until its deadline.
async fn reached(api: &Api, inquiry: &Inquiry, now: Timestamp) -> Result<(), Box<Problem>> {
    let patience = inquiry
        .deadline
        .map_or(Duration::from_millis(api.config.question_wait_ms), |deadline| {
            let left = Duration::from_micros(u64::try_from(deadline.0.saturating_sub(now.0)).unwrap_or(0));
            // The answer needs some of it for its own way.
            left.saturating_sub((left / 10).min(ANSWER_WAY))
        });
    if patience.is_zero() {
        return Err(Box::new(Problem::new(
            ProblemKind::Expired,
            "the question came after its deadline",
        )));
    }
    let Some(wanted) = inquiry.at_least else {
        return Ok(());
    };
    let reads = api.engine.reads();
    // A search may combine what the index finds with sets of the graph: it needs both to be that far.
    let mut committed = reads.committed();
    let mut position = match inquiry.question {
        Question::Search(_) => reads.indexed(),
        _ => reads.committed(),
    };
    let both = async {
        committed.wait_for(|reached| *reached >= wanted).await.map(drop)?;
        position.wait_for(|reached| *reached >= wanted).await.map(drop)
    };
    let waited = tokio::time::timeout(patience, both).await;
    if matches!(waited, Ok(Ok(()))) {
        return Ok(());
    }
    let Position { epoch, sequence } = *position.borrow();
    let detail = format!(
        "the instance is at epoch {epoch}, sequence {sequence}, and did not reach epoch {}, sequence {} within {} ms",
        wanted.epoch,
        wanted.sequence,
        patience.as_millis()
    );
    let problem = Problem::new(ProblemKind::NotReached, detail)
        .at("/at_least")
        .hint("ask again, or ask for less");
    Err(Box::new(problem.fact("epoch", epoch).fact("sequence", sequence)))
}

fn pong(api: &Api) -> Answer {
    let reads = api.engine.reads();
    let totals = reads.totals();
    let published = *api.engine.published().borrow();
    let pong = Pong {
        instance: api.instance.clone(),
        role: api.role,
        version: env!("CARGO_PKG_VERSION"),
        cluster: reads.cluster().to_owned(),
        lag: match api.role {
            Role::Primary => totals.position.sequence.saturating_sub(published),
            Role::Secondary => (api.behind)(),
        },
        environments: totals.environments as u64,
        resources: totals.resources as u64,
        dependencies: totals.dependencies as u64,
    };
    Answer {
        as_of: totals.position,
        findings: Findings::Pong(pong),
        total: 1,
        truncated: None,
        next: None,
    }
}
