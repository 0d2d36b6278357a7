//! Requests that survive a broken connection: the same message, with the same id, until an answer comes or
//! patience ends. The server recognises a repetition by the id, so that nothing is done twice.

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::broker::{self, Client, Fault, FaultKind, Header, Message, Names};
use crate::wire;
use crate::wire::shape::{OutcomeWord, ProblemBody, QuestionBody, ReplyBody};

use super::exit::{Exit, Failure};

/// How long one attempt at a command may take before the same is sent again.
const ATTEMPT: Duration = Duration::from_secs(20);
/// How long a first connection is tried for; later ones for as long as patience lasts.
const FIRST_CONNECTION: Duration = Duration::from_secs(5);

/// A connection that is made anew when it breaks.
pub struct Session {
    config: broker::Config,
    names: Names,
    name: String,
    patience: Duration,
    link: tokio::sync::Mutex<Slot>,
    progress: Mutex<Instant>,
    answered: AtomicBool,
}

/// The connection of now, and how many there were.
#[derive(Default)]
struct Slot {
    client: Option<Arc<Client>>,
    generation: u64,
}

/// A command that is ready to be sent, as often as it takes.
pub struct Order {
    /// Its type.
    pub kind: String,
    /// Its body.
    pub body: Vec<u8>,
    /// The same for every attempt.
    pub message_id: String,
    /// Whether the server must not execute it once we have given up.
    pub perishable: bool,
}

impl Order {
    /// An order with an id of its own.
    pub fn new(kind: impl Into<String>, body: Vec<u8>) -> Self {
        Self {
            kind: kind.into(),
            body,
            message_id: uuid::Uuid::now_v7().to_string(),
            perishable: false,
        }
    }

    /// The same order, which ends with our patience: nobody wants to see it executed later.
    #[must_use]
    pub fn perishable(mut self) -> Self {
        self.perishable = true;
        self
    }
}

/// An answer, and the same as it came.
pub struct Answer<T> {
    /// The answer.
    pub body: T,
    /// As it came.
    pub raw: Value,
}

impl Session {
    /// A session that is not connected yet. The broker shows it as `name`.
    ///
    /// # Errors
    /// A namespace that cannot be used.
    pub fn new(config: broker::Config, name: &str, patience: Duration) -> Result<Self, Failure> {
        let names = config.names().map_err(|fault| failure(&fault))?;
        Ok(Self {
            config,
            names,
            name: name.to_owned(),
            patience,
            link: tokio::sync::Mutex::default(),
            progress: Mutex::new(Instant::now()),
            answered: AtomicBool::new(false),
        })
    }

    /// The names of exchanges and queues.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// Sends a command until its reply comes.
    ///
    /// # Errors
    /// The broker cannot be reached, or patience ended.
    pub async fn command(&self, order: &Order) -> Result<Answer<ReplyBody>, Failure> {
        let mut waits = waits();
        loop {
            let raw = self
                .exchange(&self.names.commands(), order, false, Some(ATTEMPT))
                .await?;
            let body: ReplyBody = read(&raw)?;
            let busy = body.outcome == OutcomeWord::Rejected
                && body
                    .problem
                    .as_ref()
                    .is_some_and(|problem| problem.slug() == "unavailable");
            if busy && self.left() > Duration::ZERO {
                self.wait(&mut waits).await;
                continue;
            }
            self.touch();
            return Ok(Answer { body, raw });
        }
    }

    /// Asks a question until its answer comes.
    ///
    /// # Errors
    /// The register said no, the broker cannot be reached, or patience ended.
    pub async fn question<A: Serialize + Sync, T: DeserializeOwned>(
        &self,
        kind: &str,
        question: &QuestionBody<A>,
    ) -> Result<Answer<T>, Failure> {
        let order = Order::new(kind, wire::to_bytes(question));
        let raw = self.exchange(&self.names.questions(), &order, true, None).await?;
        if let Some(problem) = raw.get("problem") {
            let problem: ProblemBody = read(problem)?;
            return Err(refusal(&problem));
        }
        let body = read(&raw)?;
        Ok(Answer { body, raw })
    }

    /// Sends anything to the commands or the questions, and gives the reply as it came.
    ///
    /// # Errors
    /// The broker cannot be reached, or patience ended.
    pub async fn raw(&self, order: &Order, is_question: bool) -> Result<Value, Failure> {
        if is_question {
            self.exchange(&self.names.questions(), order, true, None).await
        } else {
            self.exchange(&self.names.commands(), order, false, Some(ATTEMPT))
                .await
        }
    }

    /// Asks a question that is answered at once, and asks it again when nothing comes: one that waited too long for
    /// a server was taken out of its queue, and nobody says so.
    ///
    /// # Errors
    /// The broker cannot be reached, or patience ended.
    pub async fn ask_again(&self, order: &Order) -> Result<Value, Failure> {
        self.exchange(&self.names.questions(), order, true, Some(ATTEMPT))
            .await
    }

    /// The connection of now, or a new one; and which one it is.
    ///
    /// # Errors
    /// The broker cannot be reached.
    pub async fn client(&self) -> Result<(Arc<Client>, u64), Failure> {
        let mut slot = self.link.lock().await;
        if let Some(client) = &slot.client {
            return Ok((Arc::clone(client), slot.generation));
        }
        let began = Instant::now();
        let is_first = slot.generation == 0;
        let mut waits = waits();
        loop {
            let fault = match Client::connect(&self.config, &self.name).await {
                Ok(client) => {
                    let client = Arc::new(client);
                    slot.client = Some(Arc::clone(&client));
                    slot.generation += 1;
                    return Ok((client, slot.generation));
                }
                Err(fault) => fault,
            };
            let too_long = is_first && began.elapsed() >= FIRST_CONNECTION.min(self.patience);
            if fault.is_permanent() || too_long || self.left().is_zero() {
                return Err(failure(&fault));
            }
            self.wait(&mut waits).await;
        }
    }

    /// Lets go of a connection that broke, unless that was done already.
    pub async fn drop_client(&self, generation: u64) {
        let mut slot = self.link.lock().await;
        if slot.generation == generation {
            slot.client = None;
        }
    }

    /// Closes the connection, if there is one.
    pub async fn close(&self) {
        let client = self.link.lock().await.client.take();
        if let Some(client) = client.and_then(Arc::into_inner) {
            client.close().await;
        }
    }

    /// Counts patience anew: something went ahead.
    pub fn touch(&self) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// What is left of our patience.
    pub(super) fn left(&self) -> Duration {
        let progress = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        self.patience.saturating_sub(progress.elapsed())
    }

    async fn wait(&self, waits: &mut impl Iterator<Item = Duration>) {
        let wait = waits.next().unwrap_or(Duration::from_secs(5));
        tokio::time::sleep(wait.min(self.left())).await;
    }

    async fn exchange(
        &self,
        exchange: &str,
        order: &Order,
        is_question: bool,
        attempt: Option<Duration>,
    ) -> Result<Value, Failure> {
        let mut waits = waits();
        loop {
            let (client, generation) = self.client().await?;
            let left = self.left().max(Duration::from_millis(1));
            let wait = attempt.map_or(left, |attempt| attempt.min(left));
            let message = message(order, is_question, if is_question { wait } else { left });
            let fault = match client.request(exchange, &order.kind, message, wait).await {
                Ok(reply) => {
                    self.answered.store(true, Ordering::Relaxed);
                    return serde_json::from_slice(&reply.body).map_err(|error| unreadable(&error));
                }
                Err(fault) => fault,
            };
            drop(client);
            if self.is_final(&fault) || self.left().is_zero() {
                return Err(failure(&fault));
            }
            if !matches!(
                fault.kind(),
                FaultKind::Deadline | FaultKind::Refused | FaultKind::Unroutable
            ) {
                self.drop_client(generation).await;
            }
            self.wait(&mut waits).await;
        }
    }

    /// Whether waiting cannot help. Queues that were there and are not now may come back with their server.
    fn is_final(&self, fault: &Fault) -> bool {
        let absent = matches!(fault.kind(), FaultKind::Missing | FaultKind::Unroutable);
        fault.is_permanent()
            || fault.kind() == FaultKind::Message
            || (absent && !self.answered.load(Ordering::Relaxed))
    }
}

/// The waits between tries.
pub(super) fn waits() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_jitter()
        .without_max_times()
        .build()
}

fn message(order: &Order, is_question: bool, left: Duration) -> Message {
    let mut message = Message {
        body: order.body.clone(),
        kind: Some(order.kind.clone()),
        message_id: Some(order.message_id.clone()),
        content_type: Some(wire::CONTENT_TYPE.to_owned()),
        app_id: Some(concat!("domesday/", env!("CARGO_PKG_VERSION")).to_owned()),
        persistent: !is_question,
        ..Message::default()
    };
    if is_question {
        message.expiration = Some(left.as_millis().max(1).to_string());
    } else if order.perishable
        && let Ok(left) = jiff::SignedDuration::try_from(left)
        && let Ok(deadline) = jiff::Timestamp::now().checked_add(left)
    {
        let deadline = Header::Text(format!("{deadline:.3}"));
        message.headers.insert("deadline".to_owned(), deadline);
    }
    message
}

/// A reply in one of the shapes.
///
/// # Errors
/// It has another shape, which only another version of the server can have sent.
pub fn read<T: DeserializeOwned>(raw: &Value) -> Result<T, Failure> {
    T::deserialize(raw).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::new(Exit::Internal, format!("the reply cannot be read: {error}")).hint(
        "client and server may be of different versions: compare `domesday --version` with `domesday ping`",
    )
}

/// A problem as the end of a run.
pub fn refusal(problem: &ProblemBody) -> Failure {
    let mut what = format!("{}: {}", problem.title, problem.detail);
    for mistake in problem.mistakes.iter().skip(1) {
        let _ = write!(what, "\n  {}: {}", mistake.pointer, mistake.detail);
    }
    let exit = match problem.slug() {
        "unavailable" | "not-reached" | "expired" => Exit::TryAgain,
        _ => Exit::Refused,
    };
    Failure::new(exit, what).hint(problem.hint.clone())
}

/// A fault of the broker as the end of a run.
pub fn failure(fault: &Fault) -> Failure {
    let mut what = fault.to_string();
    let mut source = fault.source();
    while let Some(cause) = source {
        let _ = write!(what, ": {cause}");
        source = cause.source();
    }
    let (exit, hint) = match fault.kind() {
        FaultKind::Setting | FaultKind::Message => (Exit::Usage, ""),
        FaultKind::Credentials => (
            Exit::Unavailable,
            "user and password are part of DOMESDAY_BROKER_URL, or of the file that url_file names",
        ),
        FaultKind::Connection => (
            Exit::Unavailable,
            "is the broker up? its address is in DOMESDAY_BROKER_URL, --broker or [broker] of --config",
        ),
        FaultKind::Missing | FaultKind::Unroutable => (
            Exit::Unavailable,
            "start `domesday server`, or name its namespace with --namespace",
        ),
        FaultKind::Deadline => (Exit::TryAgain, "--timeout waits longer"),
        _ => (Exit::Unavailable, ""),
    };
    Failure::new(exit, what).hint(hint)
}
