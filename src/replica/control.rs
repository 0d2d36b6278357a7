//! What operators ask of one instance, or of all: how it is, and to change places.
//!
//! Whoever may write to the exchange `control` of a namespace, and is allowed to by a rule, may do this. Each request goes to the queue of one
//! instance, which answers it with its own connection. What it is to do next it begins once it has answered.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::beside::Beside;
use super::letter::{Letter, hand_over};
use super::lookout::{Stage, View, millis};
use super::tail::Tail;
use super::{Fault, Follower, PRIMARY_KEY, Replica};
use crate::broker::{Certificate, Certificates, Client, Message, Publisher, Session};
use crate::domain::{Position, Problem, ProblemKind, Reach, Role, Standing, Timestamp, Warrant};
use crate::engine::{Entry, Stopped};
use crate::wire;
use crate::wire::shape::{
    CertificateBody, DrillBody, HandedOverBody, LagBody, PromoteBody, PromotedBody, RefusedBody, ReseedBody,
    ReseedingBody, StatusBody, SwitchOverBody,
};

/// The routing key of what every instance is asked.
pub const ALL_KEY: &str = "instances";
/// The type of the question how an instance is.
pub const STATUS_GET: &str = "status.get";
/// The type of its answer.
pub const STATUS: &str = "status";
/// The type of the order to take the place of the instance that serves.
pub const PROMOTE: &str = "promote";
/// The type of its answer.
const PROMOTED: &str = "promoted";
/// The type of the order to take the place of the instance that serves, once that has stopped.
pub const SWITCH_OVER: &str = "switch-over";
/// The type of the order to get another copy.
pub const RESEED: &str = "reseed";
/// The type of its answer.
const RESEEDING: &str = "reseeding";
/// The type of the order to prove that the instance could take over.
pub const DRILL: &str = "drill";
/// The type of its answer.
const DRILLED: &str = "drilled";
/// The type of an answer that says no.
pub const REFUSED: &str = "refused";

/// An instance that was not heard for this many heartbeats, and for [`SILENT`], does not serve any more, as far as one can
/// know.
const SILENT_HEARTBEATS: u32 = 5;
const SILENT: Duration = Duration::from_secs(5);
/// How long the broker of the source may take to say what the last change in its stream is, at a promotion.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How long the copy may then take for what it lacks.
const LAST_CHANGES: Duration = Duration::from_secs(10);
/// A day, in microseconds.
const DAY_US: i64 = 86_400_000_000;
/// How long the instance that serves has to finish what is in flight, and to say where it has stopped.
const HAND_OVER: Duration = Duration::from_mins(1);
/// How long the copy may then take for what it lacks.
const CATCH_UP: Duration = Duration::from_mins(1);
/// Changes that a copy may lack when it asks to take over, so that the pause is short.
const LACKED_MAX: u64 = 10_000;

/// What an instance does next, after the request that says so was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: the process ends.
    Done,
    /// It serves.
    Serve,
    /// It follows.
    Follow,
    /// Another copy takes the place of this one.
    Reseed {
        /// Whether the old one stays beside it.
        keep_old: bool,
    },
}

/// The routing key of what one instance is asked.
pub fn key_of(copy: &str) -> String {
    format!("instance.{copy}")
}

/// An answer, and what comes after it.
struct Answer {
    kind: &'static str,
    body: Vec<u8>,
    turn: Option<Turn>,
}

impl Answer {
    fn new(kind: &'static str, body: &impl Serialize) -> Self {
        Self {
            kind,
            body: wire::to_bytes(body),
            turn: None,
        }
    }

    fn then(self, turn: Turn) -> Self {
        Self {
            turn: Some(turn),
            ..self
        }
    }

    fn refused(replica: &Replica, problem: &Problem) -> Self {
        let body = RefusedBody {
            instance: replica.instance.clone(),
            problem: problem.into(),
        };
        Self::new(REFUSED, &body)
    }
}

fn busy() -> No {
    let detail = "this instance is at a switch or a drill already";
    let problem = Problem::new(ProblemKind::Unavailable, detail).hint("wait for that one to end");
    Box::new(problem).into()
}

/// Why a request is not done.
pub(super) enum No {
    Problem(Box<Problem>),
    Fault(Fault),
}

impl From<Box<Problem>> for No {
    fn from(problem: Box<Problem>) -> Self {
        Self::Problem(problem)
    }
}

impl<E: Into<Fault>> From<E> for No {
    fn from(fault: E) -> Self {
        Self::Fault(fault.into())
    }
}

impl Replica {
    /// Answers requests until one says what the instance is to do next, or the session breaks. One that takes its time is
    /// answered beside the others, and only one at a time. `follower` is there where the instance follows another
    /// namespace, and can be promoted.
    ///
    /// # Errors
    /// [`Fault`] where the session or the engine failed.
    pub async fn obey(&self, session: &Session, follower: Option<&Follower>) -> Result<Turn, Fault> {
        let keys = [ALL_KEY.to_owned(), key_of(self.engine.reads().instance())];
        let mut requests = session.subscribe(&session.names().control(), &keys).await?;
        let publisher = session.publisher().await?;
        let mut slow = Beside::default();
        loop {
            let (request, answer) = tokio::select! {
                delivery = requests.next() => {
                    let Some(delivery) = delivery else {
                        // The session says itself why there is nothing more.
                        return Err(session.broken().await.into());
                    };
                    let delivery = delivery?;
                    let request = delivery.message.clone();
                    delivery.ack().await?;
                    let is_slow = matches!(request.kind.as_deref(), Some(SWITCH_OVER | DRILL));
                    if is_slow && !slow.is_free() {
                        (request, Err(busy()))
                    } else {
                        let answering = async move {
                            let answer = self.answer(session, &request, follower).await;
                            (request, answer)
                        };
                        if is_slow {
                            slow.begin(answering);
                            continue;
                        }
                        answering.await
                    }
                }
                answered = slow.finished() => answered,
            };
            if let Some(turn) = self.reply(&publisher, request, answer).await? {
                return Ok(turn);
            }
        }
    }

    /// Sends an answer, and says what comes after it.
    async fn reply(
        &self,
        publisher: &Publisher,
        request: Message,
        answer: Result<Answer, No>,
    ) -> Result<Option<Turn>, Fault> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(No::Problem(problem)) => Answer::refused(self, &problem),
            Err(No::Fault(fault)) => return Err(fault),
        };
        if let Some(queue) = &request.reply_to {
            let message = Message {
                kind: Some(answer.kind.to_owned()),
                body: answer.body,
                content_type: Some(wire::CONTENT_TYPE.to_owned()),
                correlation_id: request.correlation_id.or(request.message_id),
                ..Message::default()
            };
            let sent = publisher.send("", queue, &message, false).await?;
            if answer.turn.is_some() {
                // Whoever asked may be gone, and what was asked is done all the same.
                drop(sent.wait().await);
            }
        }
        Ok(answer.turn)
    }

    async fn answer(
        &self,
        session: &Session,
        request: &Message,
        follower: Option<&Follower>,
    ) -> Result<Answer, No> {
        self.may(request)?;
        match request.kind.as_deref() {
            Some(STATUS_GET) => Ok(Answer::new(STATUS, &self.status(session.certificates()))),
            Some(PROMOTE) => self.promote(&read(request)?, follower).await,
            Some(SWITCH_OVER) => self.switch_over(&read(request)?, follower).await,
            Some(RESEED) => self.reseed(&read(request)?, follower),
            Some(DRILL) => {
                let DrillBody { cluster } = read(request)?;
                self.can_take_over(follower)?;
                self.is_meant(&cluster, None)?;
                Ok(Answer::new(DRILLED, &self.drill().await?))
            }
            other => {
                let what = other.unwrap_or_default();
                let detail = format!("no request to an instance has the type `{what}`");
                Err(Box::new(Problem::new(ProblemKind::UnknownType, detail)).into())
            }
        }
    }

    /// Fails where no rule allows the sender to ask this of an instance.
    fn may(&self, request: &Message) -> Result<(), Box<Problem>> {
        let kind = match request.kind.as_deref() {
            Some(STATUS_GET) => "instance.status",
            Some(PROMOTE) => "instance.promote",
            Some(SWITCH_OVER) => "instance.switch-over",
            Some(RESEED) => "instance.reseed",
            Some(DRILL) => "instance.drill",
            _ => return Ok(()),
        };
        let access = self.access.borrow();
        let warrant = Warrant::new(&access, request.user_id.as_deref().unwrap_or_default());
        match warrant.reach(kind)? {
            Reach::Everything => Ok(()),
            Reach::Within(_) => Err(Box::new(warrant.refuse(kind, None))),
        }
    }

    /// How this instance is.
    fn status(&self, certificates: &Certificates) -> StatusBody {
        let engine = &self.engine;
        let stage = self.lookout.stage().borrow().clone();
        let held = *engine.committed().borrow();
        let View {
            source,
            whole,
            proved,
        } = self.lookout.view(held.sequence, Instant::now());
        let role = match stage {
            Stage::Serving => Role::Primary,
            _ => Role::Secondary,
        };
        let lag = (role == Role::Secondary).then(|| LagBody {
            source: source.as_ref().map_or_else(String::new, |(name, _)| name.clone()),
            changes: self.lacks(),
            whole_ms_ago: whole.map(millis),
            heard_ms_ago: source.map(|(_, ago)| millis(ago)),
        });
        StatusBody {
            instance: self.instance.clone(),
            copy: engine.reads().instance().to_owned(),
            role: role.as_str().to_owned(),
            fault: stage.fault().map(str::to_owned),
            stage: stage.as_str().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: engine.reads().cluster().to_owned(),
            epoch: held.epoch,
            sequence: held.sequence,
            published: *engine.published().borrow(),
            lag,
            proved,
            last_snapshot: self.lookout.snapshot().map(wire::format_time),
            certificates: self.shown(certificates),
        }
    }

    /// The certificates of a connection, with how long they last.
    fn shown(&self, certificates: &Certificates) -> Vec<CertificateBody> {
        let now = (self.clock)();
        let each = [("instance", &certificates.ours), ("broker", &certificates.theirs)];
        let shown = each.into_iter().filter_map(|(shown_by, certificate)| {
            let Certificate { subject, not_after } = certificate.as_ref()?;
            let end = Timestamp(not_after.saturating_mul(1_000_000));
            Some(CertificateBody {
                shown_by: shown_by.to_owned(),
                subject: subject.clone(),
                valid_until: wire::format_time(end),
                days_left: end.0.saturating_sub(now.0).div_euclid(DAY_US),
            })
        });
        shown.collect()
    }

    /// Takes the place of an instance that is gone.
    async fn promote(&self, order: &PromoteBody, follower: Option<&Follower>) -> Result<Answer, No> {
        let follower = self.can_take_over(follower)?;
        self.is_meant(&order.cluster, Some(order.epoch))?;
        let held = self.engine.committed().borrow().sequence;
        if let Some((name, ago)) = self.lookout.view(held, Instant::now()).source
            && ago < SILENT.max(self.config.heartbeat() * SILENT_HEARTBEATS)
        {
            if !order.force {
                let detail = format!("{name} was heard {:.1} s ago", ago.as_secs_f64());
                let hint = "switch over without a loss, or stop that instance first; where it must be, promote with \
                            force and a reason";
                return Err(Box::new(Problem::new(ProblemKind::PrimaryAlive, detail).hint(hint)).into());
            }
            if order.reason.trim().is_empty() {
                let detail = "a promotion by force needs a reason, for the log";
                return Err(Box::new(Problem::new(ProblemKind::Invalid, detail).at("/reason")).into());
            }
        }
        self.take_what_is_there(follower).await?;
        let heard = *self.lookout.heard().borrow();
        let position = self.claim_epoch(heard.epoch).await?;
        let lost = heard.sequence.saturating_sub(position.sequence);
        tracing::warn!(
            epoch = position.epoch,
            sequence = position.sequence,
            lost,
            force = order.force,
            reason = order.reason,
            "this instance is promoted"
        );
        Ok(promoted(position, lost))
    }

    /// Waits until this copy has come as far as a sequence; false where it does not in time.
    async fn reaches(&self, sequence: u64, limit: Duration) -> Result<bool, Fault> {
        let mut committed = self.engine.committed();
        let reached = committed.wait_for(|position| position.sequence >= sequence);
        match tokio::time::timeout(limit, reached).await {
            Ok(reached) => Ok(reached.map(|_| true).map_err(|_| Stopped)?),
            Err(_) => Ok(false),
        }
    }

    /// Waits until this copy has all that the broker of the source has, where that can be reached: whoever served has
    /// answered for it.
    async fn take_what_is_there(&self, follower: &Follower) -> Result<(), Fault> {
        let name = format!("{}/tail", self.instance);
        let tail = tokio::time::timeout(LAST_LOOK, Tail::read(follower.source(), &name)).await;
        let Ok(Ok(Some(tail))) = tail else {
            return Ok(());
        };
        if tail.cluster == self.engine.reads().cluster() {
            self.lookout.hear(tail.position);
            // What does not come is counted as lost.
            self.reaches(tail.position.sequence, LAST_CHANGES).await?;
        }
        Ok(())
    }

    /// Takes the place of the instance that serves, once it has stopped and this one holds all that it held.
    async fn switch_over(&self, order: &SwitchOverBody, follower: Option<&Follower>) -> Result<Answer, No> {
        let follower = self.can_take_over(follower)?;
        self.is_meant(&order.cluster, Some(order.epoch))?;
        let held = *self.engine.committed().borrow();
        let lacked = self.lacks();
        if lacked > LACKED_MAX {
            let detail = format!("this instance lacks {lacked} changes, so that the pause would be long");
            let hint = format!("wait until `domesday status` says at most {LACKED_MAX}");
            return Err(Box::new(Problem::new(ProblemKind::Unavailable, detail).hint(hint)).into());
        }
        let end = self.ask_to_stop(follower, held).await?;
        let goal = Position {
            epoch: end.epoch,
            sequence: end.sequence,
        };
        if !self.reaches(goal.sequence, CATCH_UP).await? {
            let detail = format!(
                "the instance that served has stopped at sequence {}, and the last changes did not come in time",
                goal.sequence
            );
            let hint = "look at `domesday status`; once the copy has them, promote it";
            return Err(Box::new(Problem::new(ProblemKind::NotReached, detail).hint(hint)).into());
        }
        self.agrees(goal.sequence, &end.link).await?;
        let position = self.claim_epoch(goal.epoch).await?;
        tracing::warn!(
            epoch = position.epoch,
            sequence = position.sequence,
            "this instance has taken over by a switch"
        );
        Ok(promoted(position, 0))
    }

    async fn ask_to_stop(&self, follower: &Follower, held: Position) -> Result<HandedOverBody, No> {
        let source = follower.source();
        let client = Client::connect(source, &format!("{}/switch-over", self.instance)).await;
        let client = client.map_err(|fault| not_asked(&fault.to_string()))?;
        let control = source.names()?.control();
        let request = hand_over(self.engine.reads().cluster(), held, &self.instance, HAND_OVER);
        let answer = client.request(&control, PRIMARY_KEY, request, HAND_OVER).await;
        client.close().await;
        match answer.as_ref().map(Letter::read) {
            Ok(Some(Letter::HandedOver(end))) => Ok(end),
            Ok(Some(Letter::Heartbeat(heartbeat))) => Err(not_asked(&format!(
                "{} serves cluster {} in epoch {}, and does not stop for this instance",
                heartbeat.body.instance, heartbeat.body.cluster, heartbeat.body.epoch
            ))
            .into()),
            Ok(_) => Err(not_asked("it answered something else").into()),
            Err(fault) => Err(not_asked(&fault.to_string()).into()),
        }
    }

    fn reseed(&self, order: &ReseedBody, follower: Option<&Follower>) -> Result<Answer, No> {
        self.can_take_over(follower)?;
        self.is_meant(&order.cluster, None)?;
        let Position { epoch, sequence } = *self.engine.committed().borrow();
        tracing::warn!(
            epoch,
            sequence,
            "this copy is to be replaced by another, on an operator's order"
        );
        let answer = Answer::new(RESEEDING, &ReseedingBody { epoch, sequence });
        Ok(answer.then(Turn::Reseed { keep_old: true }))
    }

    /// Begins the epoch after every one that was heard of, on disk before anything of it is seen.
    async fn claim_epoch(&self, heard: u64) -> Result<Position, Fault> {
        let before = match *self.engine.standing().borrow() {
            Standing::Fenced { epoch, .. } => epoch,
            _ => 0,
        };
        let held = self.engine.committed().borrow().epoch;
        let entry = Entry {
            epoch: held.max(heard).max(before) + 1,
            began: None,
            standing: Some(Standing::Promoted),
        };
        Ok(self.engine.enter(entry).await?)
    }

    fn can_take_over<'a>(&self, follower: Option<&'a Follower>) -> Result<&'a Follower, Box<Problem>> {
        follower.ok_or_else(|| {
            let stage = self.lookout.stage().borrow().clone();
            let (detail, hint) = match stage {
                Stage::Serving => ("it serves", "`domesday status` lists who follows"),
                _ => (
                    "it follows an instance of its own namespace",
                    "it takes over by itself as soon as that one stops",
                ),
            };
            Box::new(Problem::new(ProblemKind::NotSecondary, detail).hint(hint))
        })
    }

    /// Fails where the sender means another register, or an epoch that has passed.
    fn is_meant(&self, cluster: &str, epoch: Option<u64>) -> Result<(), Box<Problem>> {
        let ours = self.engine.reads().cluster();
        if cluster != ours {
            let detail = format!("this is cluster {ours}, and not {cluster}");
            return Err(Box::new(
                Problem::new(ProblemKind::Invalid, detail).at("/cluster"),
            ));
        }
        let held = self.engine.committed().borrow().epoch;
        if epoch.is_some_and(|epoch| epoch != held) {
            let detail = format!("this instance holds epoch {held}");
            let hint = "look at `domesday status`, and decide again";
            return Err(Box::new(
                Problem::new(ProblemKind::Invalid, detail).at("/epoch").hint(hint),
            ));
        }
        Ok(())
    }
}

fn promoted(Position { epoch, sequence }: Position, lost: u64) -> Answer {
    let body = PromotedBody {
        epoch,
        sequence,
        lost,
    };
    Answer::new(PROMOTED, &body).then(Turn::Serve)
}

fn not_asked(why: &str) -> Box<Problem> {
    let detail = format!("the instance that serves could not be asked to stop: {why}");
    let hint = "look at `domesday status` of both; where that instance is gone, promote this one";
    Box::new(Problem::new(ProblemKind::Unavailable, detail).hint(hint))
}

fn read<T: DeserializeOwned>(request: &Message) -> Result<T, Box<Problem>> {
    wire::from_bytes(&request.body).map_err(|fault| {
        let cause = std::error::Error::source(&fault)
            .map(ToString::to_string)
            .unwrap_or_default();
        let detail = format!("the request cannot be read: {cause}");
        Box::new(Problem::new(ProblemKind::Invalid, detail))
    })
}
