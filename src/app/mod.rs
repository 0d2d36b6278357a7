//! The `app` room: composition. Build, run, drain.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::api::{self, Api};
use crate::broker::{self, Session};
use crate::config::Config;
use crate::domain::Timestamp;
use crate::engine::{self, Engine, FailAt, Schedule, Setup, UnknownPoint};

/// A session that lasted this long was a good one: the waits between sessions start small again.
const GOOD_SESSION: Duration = Duration::from_secs(30);
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
            Self::Engine(_) | Self::Process(_) => false,
        }
    }
}

/// Runs a primary until it is told to stop (SIGTERM or SIGINT), and drains it.
///
/// # Errors
/// [`Fault`] where it could not start, or had to stop.
pub fn run(config: &Config) -> Result<(), Fault> {
    let fail_at = planned_failure()?;
    let engine = engine::start(Setup {
        engine: config.engine.clone(),
        store: config.store.clone(),
        search: config.search.clone(),
        limits: config.limits.into(),
        new_cluster: uuid::Uuid::now_v7().to_string(),
        clock: Arc::new(now),
        fail_at: fail_at.clone(),
    })
    .map_err(Fault::Start)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, engine, fail_at))
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

async fn serve(config: &Config, engine: Engine, fail_at: FailAt) -> Result<(), Fault> {
    let draining = listen_for_signals()?;
    let ticker = tokio::spawn(tick(engine.clone()));
    let schedule = Schedule::new(config.snapshots.clone(), Arc::clone(engine.reads()));
    let keeper = tokio::spawn(keep_snapshots(engine.clone(), schedule.map(Arc::new)));
    let api = Api {
        engine: engine.clone(),
        config: config.api.clone(),
        bounds: config.bounds(),
        acknowledge: config.engine.acknowledge,
        instance: config.instance.name.clone(),
        namespace: config.broker.namespace.clone(),
        prefetch_commands: config.broker.prefetch_commands,
        prefetch_questions: config.broker.prefetch_questions,
        clock: Arc::new(now),
        fail_at,
    };
    let served = tokio::select! {
        served = sessions(config, &api, draining) => served,
        fault = engine.failed() => Err(Fault::Engine(fault)),
    };
    ticker.abort();
    keeper.abort();
    engine.drain().await;
    if served.is_ok() {
        tracing::info!("stopped");
    }
    served
}

/// One session after the other, until draining is done or there is no use in going on.
async fn sessions(config: &Config, api: &Api, mut draining: watch::Receiver<bool>) -> Result<(), Fault> {
    let drain = Duration::from_secs(config.instance.drain_s);
    let mut backoff = config.broker.backoff();
    loop {
        let session = tokio::select! {
            session = Session::open_with_retry(&config.broker, &config.instance.name) => session?,
            _ = draining.wait_for(|draining| *draining) => return Ok(()),
        };
        let began = tokio::time::Instant::now();
        let ended = serve_session(config, api, &session, draining.clone(), drain).await;
        session.close().await;
        let fault = match ended {
            Ok(()) => return Ok(()),
            Err(api::Fault::Engine(fault)) => return Err(Fault::Engine(Arc::new(fault))),
            Err(api::Fault::Stopped(_)) => {
                return Err(Fault::Engine(api.engine.failed().await));
            }
            // Somebody took a permission away, or changed an object of ours: trying again is of no use.
            Err(api::Fault::Broker(fault)) if fault.is_permanent() => return Err(fault.into()),
            Err(fault) => fault,
        };
        if began.elapsed() >= GOOD_SESSION {
            backoff.reset();
        }
        let Some(wait) = backoff.next() else {
            return Err(match fault {
                api::Fault::Broker(fault) => fault.into(),
                other => std::io::Error::other(other).into(),
            });
        };
        tracing::warn!(
            fault = &fault as &dyn std::error::Error,
            wait_ms = wait.as_millis(),
            "the session ended"
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = draining.wait_for(|draining| *draining) => return Ok(()),
        }
    }
}

/// One session: waits for the lease of the namespace, and serves.
async fn serve_session(
    config: &Config,
    api: &Api,
    session: &Session,
    mut draining: watch::Receiver<bool>,
    drain: Duration,
) -> Result<(), api::Fault> {
    let mut lease = tokio::select! {
        lease = api.stand_by(session, &config.broker) => lease?,
        fault = session.broken() => return Err(fault.into()),
        _ = draining.wait_for(|draining| *draining) => return Ok(()),
    };
    tracing::info!(namespace = config.broker.namespace, "serving");
    api.run(session, &mut lease, draining, drain).await
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
async fn keep_snapshots(engine: Engine, schedule: Option<Arc<Schedule>>) {
    let mut interval = tokio::time::interval(SNAPSHOT_TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let (shelf, schedule) = (Arc::clone(engine.shelf()), schedule.clone());
        let looked = tokio::task::spawn_blocking(move || {
            shelf.sweep()?;
            schedule.map_or(Ok(None), |schedule| schedule.run(now()))
        });
        match looked.await {
            Ok(Ok(Some(manifest))) => {
                let sequence = manifest.sequence;
                tracing::info!(
                    sequence,
                    chunks = manifest.chunks.len(),
                    "a snapshot is made, by the clock"
                );
            }
            Ok(Ok(None)) => {}
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
