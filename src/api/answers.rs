//! Questions: each is answered as of one position, by whichever instance it reached.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};

use super::envelope::{ReturnAddress, incoming, text_headers};
use super::intake::park;
use super::standing::Stand;
use super::subscriptions::Reader;
use super::{Api, Fault, sync, until_drained};
use crate::broker::{Delivery, Publisher, Session};
use crate::domain::{
    Answer, Environment, ExplainAccess, Findings, Inquiry, Pong, Position, Problem, ProblemKind, Question,
    Reach, Role, Subscribe, Timestamp,
};
use crate::wire;

/// How the name of a queue begins that is none: of direct replies, which nobody can be missed at.
const DIRECT_REPLY: &str = "amq.rabbitmq.reply-to";
/// The questions about the past that are answered at a time: each takes as much memory as the whole model.
const LOOKING_BACK_MAX: usize = 1;
/// How long a question about the past waits for its turn.
const LOOKING_BACK_WAIT: Duration = Duration::from_secs(2);
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
    let stand = Arc::new(Stand::new(api, &publisher));
    let desk = Desk {
        api: Arc::clone(api),
        publisher,
        syncs,
        looking_back: Arc::new(Semaphore::new(LOOKING_BACK_MAX)),
        stand: Arc::clone(&stand),
        draining: draining.clone(),
    };
    let answering = until_drained(&mut consumer, draining, async |delivery, answering| {
        answering.spawn(desk.clone().take(delivery));
        Ok(())
    });
    tokio::select! {
        ended = answering => ended?,
        broken = stand.run() => broken?,
    }
    stand.farewell().await;
    Ok(())
}

/// Where questions are answered.
#[derive(Clone)]
struct Desk {
    api: Arc<Api>,
    publisher: Publisher,
    syncs: Arc<Semaphore>,
    looking_back: Arc<Semaphore>,
    stand: Arc<Stand>,
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
        let took_us = move || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let cluster = self.api.engine.reads().cluster();
        let actor = delivery.message.user_id.clone().unwrap_or_default();
        let parsed = parsed.and_then(|inquiry| {
            let reach = self.api.reach(&actor, inquiry.question.kind())?;
            Ok((inquiry, reach))
        });
        // The name of a subscription that begins with this reply.
        let mut begins = None;
        let answered = match parsed {
            Ok((
                Inquiry {
                    question: Question::Sync(request),
                    ..
                },
                reach,
            )) => {
                match (self.syncs.clone().try_acquire_owned(), &address.queue) {
                    (Ok(_permit), Some(queue)) => {
                        // Acknowledged first: a sync may take long, and whoever misses its end asks again.
                        delivery.ack().await?;
                        return sync::run(
                            &self.api,
                            &self.publisher,
                            &address,
                            queue,
                            (request, &reach),
                            self.draining,
                        )
                        .await;
                    }
                    (Ok(_), None) => Err(Box::new(nowhere_to_sync())),
                    (Err(_), _) => Err(Box::new(too_many_syncs(self.api.config.syncs_max))),
                }
            }
            Ok((inquiry, reach)) => match &inquiry.question {
                Question::Subscribe(subscribe) => {
                    let reader = Reader {
                        queue: String::new(),
                        actor,
                        address: address.clone(),
                    };
                    let subscribed = self.subscribe(&inquiry, subscribe, reader, now).await?;
                    subscribed.map(|(answer, id)| {
                        let body = self.stand.render(&answer, &id, took_us());
                        begins = Some(id);
                        body
                    })
                }
                Question::Explain(asked) => {
                    let answer = explain(&self.api, asked, &reach);
                    Ok(wire::render_answer(&answer, cluster, took_us()))
                }
                Question::SnapshotBegin { .. } | Question::SnapshotChunk { .. } => {
                    match self.api.everywhere(&actor, inquiry.question.kind()) {
                        Ok(()) => self.answer(inquiry, reach, now, took_us).await?,
                        Err(problem) => Err(problem),
                    }
                }
                Question::Unsubscribe { subscription } => self
                    .unsubscribe(subscription)
                    .map(|answer| wire::render_answer(&answer, cluster, took_us())),
                _ => self.answer(inquiry, reach, now, took_us).await?,
            },
            Err(problem) => Err(problem),
        };
        let Some(queue) = &address.queue else {
            return match answered {
                Err(problem) => park(&self.publisher, delivery, &problem).await,
                Ok(_) => Ok(delivery.ack().await?),
            };
        };
        let refused = |problem: &Problem| {
            wire::render_question_problem(problem, *self.api.engine.committed().borrow(), cluster)
        };
        let mut body = answered.unwrap_or_else(|problem| refused(&problem));
        let most = self.publisher.body_bytes_max();
        if body.len() > most {
            body = refused(&too_long(body.len(), most));
            if let Some(id) = begins.take() {
                // A reader that does not know the first answer can make nothing of how it changes.
                self.stand.forget(&id);
            }
        }
        // A question may be asked again, so nobody waits for the confirm of its answer.
        drop(
            self.publisher
                .send("", queue, &address.reply(body, now), false)
                .await?,
        );
        if let Some(id) = begins {
            self.stand.begin(&id);
        }
        Ok(delivery.ack().await?)
    }

    /// Answers a question for the first time, and holds it from then on.
    async fn subscribe(
        &self,
        inquiry: &Inquiry,
        subscribe: &Subscribe,
        reader: Reader,
        now: Timestamp,
    ) -> Result<Result<(Answer, String), Box<Problem>>, Fault> {
        let queue = subscribe.queue.as_ref().or(reader.address.queue.as_ref());
        let Some(queue) = queue.filter(|queue| !queue.starts_with(DIRECT_REPLY)).cloned() else {
            return Ok(Err(Box::new(nowhere_to_tell())));
        };
        if let Err(problem) = reached(&self.api, inquiry, now).await {
            return Ok(Err(problem));
        }
        self.stand
            .subscribe(inquiry, subscribe, Reader { queue, ..reader })
            .await
    }

    /// The body of the answer: to find it and to write it down may both take long, so both are done off the async threads.
    async fn answer(
        &self,
        inquiry: Inquiry,
        reach: Reach,
        now: Timestamp,
        took_us: impl Fn() -> u64 + Send + 'static,
    ) -> Result<Result<Vec<u8>, Box<Problem>>, Fault> {
        if let Err(problem) = reached(&self.api, &inquiry, now).await {
            return Ok(Err(problem));
        }
        let rendered = move |api: &Api, answer: &Answer| {
            wire::render_answer(answer, api.engine.reads().cluster(), took_us())
        };
        if matches!(inquiry.question, Question::Ping) {
            return Ok(pong(&self.api, &reach).map(|answer| rendered(&self.api, &answer)));
        }
        let _turn = if inquiry.moment.is_some() {
            let turn = tokio::time::timeout(LOOKING_BACK_WAIT, self.looking_back.acquire());
            match turn.await {
                Ok(turn) => turn.ok(),
                Err(_) => return Ok(Err(Box::new(too_many_look_back()))),
            }
        } else {
            None
        };
        let api = Arc::clone(&self.api);
        let answered = tokio::task::spawn_blocking(move || {
            let shelf = api.engine.shelf();
            let answer = match &inquiry.question {
                Question::SnapshotBegin { max_age_ms } => shelf.begin(now, *max_age_ms).map(Some),
                Question::SnapshotChunk { id, index } => shelf.chunk(id, *index).map(Some),
                _ => api.engine.reads().answer(&inquiry, &reach),
            };
            match answer? {
                Some(answer) => Ok(rendered(&api, &answer)),
                None => pong(&api, &reach).map(|answer| rendered(&api, &answer)),
            }
        });
        Ok(match answered.await {
            // One question is no reason to end the session of all: it may have met damage that only it looks at.
            Err(lost) if lost.is_panic() => {
                tracing::error!("answering a question panicked; see what was written before this");
                let detail = "the instance failed at this question";
                Err(Box::new(
                    Problem::new(ProblemKind::Unavailable, detail).hint("ask another instance"),
                ))
            }
            answered => answered?,
        })
    }

    fn unsubscribe(&self, subscription: &str) -> Result<Answer, Box<Problem>> {
        self.stand.unsubscribe(subscription)?;
        Ok(Answer {
            as_of: *self.api.engine.committed().borrow(),
            findings: Findings::Unsubscribed(subscription.to_owned()),
            total: 1,
            truncated: None,
            next: None,
        })
    }
}

fn nowhere_to_tell() -> Problem {
    let detail = "a standing question needs a queue for what changes";
    Problem::new(ProblemKind::Invalid, detail)
        .at("/args/queue")
        .hint("declare a queue of your own, and name it in the property reply_to or in `queue`")
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

fn too_many_look_back() -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "other questions about the past are being answered",
    )
    .hint("ask again in a few seconds, or about now: leave `as_of` out")
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
    let mut position = if inquiry.question.needs_index() {
        reads.indexed()
    } else {
        reads.committed()
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

/// What the rules say to somebody, as far as whoever asks may look.
fn explain(api: &Api, asked: &ExplainAccess, reach: &Reach) -> Answer {
    let mut environments = match &asked.id {
        Some(id) => api.engine.reads().environments_around(id),
        None => Vec::new(),
    };
    environments.retain(|environment| reach.holds(environment));
    let environments: Vec<&Environment> = environments.iter().map(Arc::as_ref).collect();
    let ruling = api
        .access
        .borrow()
        .explain(&asked.principal, &asked.kind, &environments);
    Answer {
        as_of: *api.engine.committed().borrow(),
        findings: Findings::Ruling(ruling),
        total: 1,
        truncated: None,
        next: None,
    }
}

fn pong(api: &Api, reach: &Reach) -> Result<Answer, Box<Problem>> {
    let reads = api.engine.reads();
    let totals = reads.totals_within(reach)?;
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
    Ok(Answer {
        as_of: totals.position,
        findings: Findings::Pong(pong),
        total: 1,
        truncated: None,
        next: None,
    })
}
