//! The `replica` room: a second copy of the register, and a third.
//!
//! The instance that serves ships what it commits (`ship`): parcels of its change log, and heartbeats, to the stream
//! `replica` on its broker. It answers those who lack something (`desk`). An instance that follows takes the parcels in by
//! the engine, proves its copy at each heartbeat, and asks for what it missed (`follow`). Before an instance serves, it
//! reads the end of the stream (`tail`): nobody may go on from less than what was promised to clients.

mod beside;
mod claim;
mod control;
mod desk;
mod drill;
mod follow;
mod handout;
mod letter;
mod lookout;
mod seed;
mod ship;
mod stand_by;
mod tail;
mod unshipped;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc;

use crate::broker::{self, Message, PublishFault, Session};
use crate::domain::Position;
use crate::engine::{self, AccessOfNow, Clock, Engine, Unfollowable};
use crate::wire::shape::HandedOverBody;

pub use control::{ALL_KEY, DRILL, PROMOTE, REFUSED, RESEED, STATUS, STATUS_GET, SWITCH_OVER, Turn, key_of};
pub use desk::HandOver;
pub use follow::Follower;
pub use letter::request;
pub use lookout::{Lookout, Stage};
pub use seed::fetch;
pub use unshipped::{Unshipped, export};

/// The routing key of requests to the instance that serves.
const PRIMARY_KEY: &str = "primary";

/// How changes reach other instances.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Time between two heartbeats, in milliseconds.
    pub heartbeat_ms: u64,
    /// Records in one parcel, in bytes; one transaction may be larger.
    pub parcel_bytes_max: usize,
    /// Parcels that are on their way to the broker without its confirm.
    pub parcels_in_flight_max: usize,
    /// What a secondary follows.
    pub source: Source,
}

/// Where the instance is that a secondary follows.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// The URL of its broker; empty for the broker that this instance uses itself.
    pub url: String,
    /// A file that holds that URL and nothing else; it replaces `url`.
    pub url_file: Option<PathBuf>,
    /// Certificates for that URL.
    pub tls: broker::Tls,
    /// Its namespace; empty for that of this instance.
    pub namespace: String,
}

impl std::fmt::Debug for Source {
    /// With the password of the URL hidden.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("url", &broker::redacted(&self.url))
            .field("url_file", &self.url_file)
            .field("tls", &self.tls)
            .field("namespace", &self.namespace)
            .finish()
    }
}

impl Source {
    /// Whether it is on another broker than this instance.
    pub fn has_url(&self) -> bool {
        !self.url.is_empty() || self.url_file.is_some()
    }

    /// How to reach it: as the broker of this instance, but for what is said otherwise. A URL of its own goes with
    /// certificates of its own, so that none is shown to a broker that it is not meant for.
    pub fn broker(&self, ours: &broker::Config) -> broker::Config {
        let mut theirs = ours.clone();
        if self.has_url() {
            theirs.url.clone_from(&self.url);
            theirs.url_file.clone_from(&self.url_file);
            theirs.tls.clone_from(&self.tls);
            theirs.section = "replication.source";
        }
        if !self.namespace.is_empty() {
            theirs.namespace.clone_from(&self.namespace);
        }
        theirs
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat_ms: 1_000,
            parcel_bytes_max: 1024 * 1024,
            parcels_in_flight_max: 64,
            source: Source::default(),
        }
    }
}

impl Config {
    fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms.max(1))
    }
}

/// Why shipping or following ended.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The broker or the way to it failed: open another session.
    #[error("the session with the broker failed")]
    Broker(#[from] broker::Fault),
    /// A message was not taken by the broker.
    #[error("the broker did not take a message")]
    Publish(#[from] PublishFault),
    /// The engine could not be read: the process must stop.
    #[error("the engine failed")]
    Engine(#[from] engine::Fault),
    /// The engine takes nothing any more: the process is about to stop.
    #[error(transparent)]
    Stopped(#[from] engine::Stopped),
    /// What comes cannot be followed, and trying again does not help.
    #[error("the changes of the instance that serves cannot be followed")]
    Unfollowable(#[from] Unfollowable),
    /// Changes are missing that nobody has any more.
    #[error("changes {from} to {to} are neither in the stream nor with an instance that serves")]
    Lost {
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// Another register was served here.
    #[error(
        "the namespace holds changes of cluster {theirs} up to sequence {sequence}, and this data directory is cluster {ours}: use the data directory that was served, or another namespace (broker.namespace); to begin anew in this one, delete the queues `changes` and `replica` of the namespace (rabbitmqctl delete_queue), and every reader begins anew too"
    )]
    OtherRegister {
        /// The cluster of this instance.
        ours: String,
        /// The cluster in the stream.
        theirs: String,
        /// How far that has come.
        sequence: u64,
    },
    /// The copy went another way than the original.
    #[error(
        "at sequence {sequence} the history of this copy is another than that of the original: what it did on its own was never answered to a client"
    )]
    Forked {
        /// Where they differ, at the latest.
        sequence: u64,
    },
    /// The copy differs from the original.
    #[error("at sequence {sequence} the digest of this copy is {ours}, and that of the original is {theirs}")]
    Diverged {
        /// Where both are.
        sequence: u64,
        /// The digest here.
        ours: String,
        /// The digest there.
        theirs: String,
    },
    /// Nobody gives another copy of the register.
    #[error("no instance gives another copy of the register: {0}")]
    NoCopy(String),
    /// An instance cannot give another copy of the register now.
    #[error("no instance gives another copy of the register yet: {0}")]
    NotYet(String),
    /// A piece of another copy came damaged on its way.
    #[error("piece {0} of the copy came damaged")]
    Damaged(u64),
    /// Another copy of the register cannot be written.
    #[error("another copy of the register cannot be written")]
    Copy(#[source] engine::Fault),
    /// Another register has taken the place of this one.
    #[error(
        "instance {} serves this register in epoch {}, which began after sequence {}: this one must not write any more",
        .0.instance, .0.epoch, .0.began
    )]
    Fenced(Box<Claim>),
    /// A file could not be written.
    #[error("{file} cannot be written")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A task was ended from outside or panicked.
    #[error("a task of the session was lost")]
    Task(#[from] tokio::task::JoinError),
}

impl Fault {
    /// Whether the copy is another than the original.
    pub const fn is_difference(&self) -> bool {
        matches!(
            self,
            Self::Diverged { .. } | Self::Forked { .. } | Self::Unfollowable(Unfollowable::Diverged { .. })
        )
    }

    /// Whether only a person can mend it.
    pub const fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Unfollowable(_)
                | Self::Lost { .. }
                | Self::OtherRegister { .. }
                | Self::Forked { .. }
                | Self::Diverged { .. }
        )
    }
}

/// An error with what caused it, down to the root.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// An instance, as the others know it.
#[derive(Clone)]
pub struct Replica {
    /// The engine.
    pub engine: Engine,
    /// The room's settings.
    pub config: Config,
    /// The name of the instance.
    pub instance: String,
    /// Who may do what, as of now.
    pub access: AccessOfNow,
    /// What tells the time.
    pub clock: Clock,
    /// What the instance does, and what it has heard.
    pub lookout: Arc<Lookout>,
}

/// That an instance serves in an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The identity of its cluster.
    pub cluster: String,
    /// The epoch.
    pub epoch: u64,
    /// The sequence after which that epoch began.
    pub began: u64,
    /// The name of the instance.
    pub instance: String,
    /// The name of its copy of the register.
    pub writer: String,
}

impl Claim {
    fn of(heartbeat: &letter::Heartbeat) -> Self {
        let body = &heartbeat.body;
        Self {
            cluster: body.cluster.clone(),
            epoch: body.epoch,
            began: body.began,
            instance: body.instance.clone(),
            writer: body.writer.clone(),
        }
    }
}

/// What is served somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The identity of the cluster.
    pub cluster: String,
    /// The last change.
    pub position: Position,
}

/// Asks whoever serves which register that is; `None` where nobody does.
///
/// # Errors
/// [`Fault::Broker`] where the broker cannot be used.
pub async fn who_serves(source: &broker::Config, name: &str) -> Result<Option<Served>, Fault> {
    let served = follow::who_serves(source, name).await?;
    Ok(served.map(|heartbeat| Served {
        position: heartbeat.position(),
        cluster: heartbeat.body.cluster,
    }))
}

impl Replica {
    /// Changes that this instance has heard of and does not hold.
    pub fn lacks(&self) -> u64 {
        let heard = self.lookout.heard().borrow().sequence;
        heard.saturating_sub(self.engine.committed().borrow().sequence)
    }

    /// Fails where this copy has another history than one with this link of the chain at a sequence. What is not kept any
    /// more is taken for the same.
    async fn agrees(&self, sequence: u64, link: &str) -> Result<(), Fault> {
        let reads = Arc::clone(self.engine.reads());
        let ours = tokio::task::spawn_blocking(move || reads.link(sequence)).await??;
        if ours.is_some_and(|ours| !link.is_empty() && ours != link) {
            return Err(Fault::Forked { sequence });
        }
        Ok(())
    }

    /// Takes what is committed for shipped: the broker has no streams, and no other instance can follow this one.
    ///
    /// # Errors
    /// [`Fault::Stopped`] where the engine is gone.
    pub async fn serve_alone(&self) -> Result<(), Fault> {
        let mut committed = self.engine.committed();
        loop {
            let sequence = committed.borrow_and_update().sequence;
            self.engine.confirm_shipped(sequence);
            committed.changed().await.map_err(|_| engine::Stopped)?;
        }
    }

    /// Ships what is committed, and answers who lacks something, until the session breaks. Whoever asks this instance to
    /// stop is handed to `hand_overs`; where another side is named, it is told the epoch of this instance.
    ///
    /// # Errors
    /// [`Fault`] where the session or the engine failed.
    pub async fn serve(
        &self,
        session: &Session,
        other_side: Option<&broker::Config>,
        hand_overs: &mpsc::Sender<HandOver>,
    ) -> Result<(), Fault> {
        let replica = Arc::new(self.clone());
        let claiming = async {
            match other_side {
                Some(source) => self.claim(source).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(
            ship::run(&replica, session),
            desk::run(&replica, session, hand_overs),
            claiming
        )
        .map(|_| ())
    }

    /// Stops serving, for an instance that has asked for it, and tells it where. Everything that was answered has been
    /// shipped by now.
    ///
    /// # Errors
    /// [`Fault`] where the session or the engine failed.
    pub async fn hand_over(&self, session: &Session, asked: &HandOver) -> Result<(), Fault> {
        let Position { epoch, sequence } = *self.engine.committed().borrow();
        let reads = Arc::clone(self.engine.reads());
        let link = tokio::task::spawn_blocking(move || reads.link(sequence)).await??;
        self.fence(session, epoch + 1, sequence).await?;
        tracing::warn!(
            epoch,
            sequence,
            to = asked.body.instance,
            "this instance has stopped serving, and hands over"
        );
        if let Some(queue) = &asked.request.reply_to {
            let answer = Message {
                correlation_id: asked.request.correlation_id.clone(),
                ..letter::handed_over(&HandedOverBody {
                    epoch,
                    sequence,
                    link: link.unwrap_or_default(),
                })
            };
            let publisher = session.publisher().await?;
            publisher.send("", queue, &answer, false).await?.wait().await?;
        }
        Ok(())
    }
}
