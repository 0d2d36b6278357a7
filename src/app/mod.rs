//! The `app` room: composition. Build, run, drain.

mod begin;
mod instance;
mod rules;
mod sessions;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::Config;
use crate::domain::{Access, Role, Standing, Timestamp};
use crate::engine::{self, AccessOfNow, Engine, FailAt, Looked, Schedule, Setup, UnknownPoint};
use crate::replica::{self, Lookout, Turn};
use crate::{api, broker};

pub use crate::replica::chain;

use instance::Instance;

/// Names the point at which a process of a test is to end, in builds that have such points.
const FAIL_AT: &str = "DOMESDAY_FAIL_AT";
/// Time between two ticks of the engine.
const TICK: Duration = Duration::from_secs(1);
/// Time between two looks at the snapshots: whether it is time for one, and whether one may go.
const SNAPSHOT_TICK: Duration = Duration::from_secs(30);
/// The wait after a snapshot that failed.
const SNAPSHOT_WAIT: Duration = Duration::from_mins(10);

/// Why a server ended.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The engine could not start.
    #[error("the register cannot be opened")]
    Start(#[source] engine::Fault),
    /// The engine stopped at a fault.
    #[error("the engine stopped at a fault; start the server again, and it recovers")]
    Engine(#[source] Arc<engine::Fault>),
    /// The broker cannot be used, or not for too long.
    #[error("the broker cannot be used")]
    Broker(#[from] broker::Fault),
    /// The planned failure is none that we know.
    #[error("{FAIL_AT} cannot be used")]
    FailAt(#[from] UnknownPoint),
    /// Another copy could not take the place of the register.
    #[error("the other copy of the register cannot be put in its place")]
    Install(#[source] engine::Fault),
    /// This register cannot go on from what was served before, or from what is served.
    #[error("this register does not fit to what was served")]
    Replica(#[source] replica::Fault),
    /// The process could not be set up.
    #[error("the process cannot be set up")]
    Process(#[from] std::io::Error),
}

impl Fault {
    /// Whether starting again is useless until a person has changed something.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Start(fault) => fault.is_permanent(),
            Self::Broker(fault) => fault.is_permanent(),
            Self::FailAt(_) => true,
            Self::Replica(fault) => fault.is_permanent(),
            Self::Engine(_) | Self::Install(_) | Self::Process(_) => false,
        }
    }
}

/// Why one session ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Api(#[from] api::Fault),
    #[error(transparent)]
    Replica(#[from] replica::Fault),
    #[error("the session with the broker failed")]
    Broker(#[from] broker::Fault),
    #[error("the register could not be handed over")]
    HandOver,
}

/// Runs an instance until it is told to stop (SIGTERM or SIGINT), and drains it. Who may do what is taken over from the
/// configuration file whenever that changes, where it is named.
///
/// # Errors
/// [`Fault`] where it could not start, or had to stop.
pub fn run(config: &Config, role: Role, access: Access, file: Option<PathBuf>) -> Result<(), Fault> {
    let fail_at = planned_failure()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (sender, access) = watch::channel(Arc::new(access));
        let rules = rules::keep(file, &sender);
        tokio::select! {
            served = serve(config, role, access, fail_at) => served,
            never = rules => match never {},
        }
    })
}

/// The one place that asks the clock of the machine what time it is.
#[expect(clippy::disallowed_methods, reason = "this is that place")]
fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
}

/// Where the environment says that this process is to end; a release build does not ask.
fn planned_failure() -> Result<FailAt, UnknownPoint> {
    if !FailAt::ACTIVE {
        return Ok(FailAt::default());
    }
    std::env::var(FAIL_AT).map_or_else(|_| Ok(FailAt::default()), |text| FailAt::parse(&text))
}

async fn serve(config: &Config, role: Role, access: AccessOfNow, fail_at: FailAt) -> Result<(), Fault> {
    let mut draining = listen_for_signals()?;
    let new_cluster = tokio::select! {
        named = begin::begin(config, role) => named?,
        _ = draining.wait_for(|draining| *draining) => return Ok(()),
    };
    loop {
        let life = live(config, role, &new_cluster, (&access, &fail_at), draining.clone());
        let (turn, standing, cluster) = Box::pin(life).await?;
        let Turn::Reseed { keep_old } = turn else {
            tracing::info!("stopped");
            return Ok(());
        };
        begin::install(config, &cluster, standing, keep_old).await?;
    }
}

/// From opening the register to closing it. Says what comes after, which standing another copy is to have, and of which
/// cluster it is to be.
async fn live(
    config: &Config,
    role: Role,
    new_cluster: &str,
    (access, fail_at): (&AccessOfNow, &FailAt),
    draining: watch::Receiver<bool>,
) -> Result<(Turn, Standing, String), Fault> {
    let setup = Setup {
        engine: config.engine.clone(),
        store: config.store.clone(),
        search: config.search.clone(),
        limits: config.limits.into(),
        new_cluster: new_cluster.to_owned(),
        new_instance: uuid::Uuid::now_v7().to_string(),
        access: access.clone(),
        clock: Arc::new(now),
        fail_at: fail_at.clone(),
    };
    let started = tokio::task::spawn_blocking(move || engine::start(setup)).await;
    let engine = started.map_err(std::io::Error::other)?.map_err(Fault::Start)?;
    let ticker = tokio::spawn(tick(engine.clone()));
    let schedule = Schedule::new(config.snapshots.clone(), Arc::clone(engine.reads()));
    let lookout = Arc::new(Lookout::default());
    let keeper = tokio::spawn(keep_snapshots(
        engine.clone(),
        schedule.map(Arc::new),
        Arc::clone(&lookout),
    ));
    let instance = Instance::new(config, &engine, (access, fail_at), lookout);
    let served = tokio::select! {
        served = instance.run(role, draining) => served,
        fault = engine.failed() => Err(Fault::Engine(fault)),
    };
    ticker.abort();
    keeper.abort();
    engine.drain().await;
    let (turn, standing) = served?;
    Ok((turn, standing, engine.reads().cluster().to_owned()))
}

async fn tick(engine: Engine) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        engine.tick();
    }
}

/// Makes snapshots when it is time for them, and lets go of those that were handed out. What fails is logged, and tried
/// again after a while: each try may fill a disk that the register needs, too.
async fn keep_snapshots(engine: Engine, schedule: Option<Arc<Schedule>>, lookout: Arc<Lookout>) {
    let mut interval = tokio::time::interval(SNAPSHOT_TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let (shelf, schedule) = (Arc::clone(engine.shelf()), schedule.clone());
        let looked = tokio::task::spawn_blocking(move || {
            shelf.sweep()?;
            schedule.map_or_else(|| Ok(Looked::default()), |schedule| schedule.run(now()))
        });
        match looked.await {
            Ok(Ok(Looked { made, last })) => {
                lookout.keep_snapshot(last);
                let Some(manifest) = made else { continue };
                let sequence = manifest.sequence;
                tracing::info!(
                    sequence,
                    chunks = manifest.chunks.len(),
                    "a snapshot is made, by the clock"
                );
            }
            Ok(Err(fault)) => {
                tracing::error!(
                    fault = &fault as &dyn std::error::Error,
                    wait_ms = SNAPSHOT_WAIT.as_millis(),
                    "a snapshot by the clock failed; those that are there stay"
                );
                tokio::time::sleep(SNAPSHOT_WAIT).await;
            }
            Err(error) => {
                tracing::error!(
                    fault = &error as &dyn std::error::Error,
                    "a snapshot by the clock was lost"
                );
            }
        }
    }
}

/// Turns true at the first SIGTERM or SIGINT; the second ends the process at once.
fn listen_for_signals() -> Result<watch::Receiver<bool>, std::io::Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is in flight is finished first; a second signal stops at once");
        sender.send_replace(true);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(receiver)
}
