//! Start-up: open the store, rebuild what is kept in memory, bring the index up to date, start the threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, RwLock};
use std::thread::Builder;

use tokio::sync::{mpsc, watch};

use super::drill;
use super::inbox::Inbox;
use super::indexer::{IndexJob, Indexer, WAITING_MAX};
use super::model::Model;
use super::reads::Reads;
use super::shelf::Shelf;
use super::sight::Parts;
use super::writer::Writer;
use super::{AccessOfNow, Clock, Config, Engine, FailAt, Fault, Mark, Point, Threads};
use crate::domain::{Limits, Position, Timestamp};
use crate::search::{self, Index};
use crate::store::{self, INDEX_FOLDER, Snapshot, Store};

/// Changes that are read at once while the index catches up.
const CATCH_UP_CHANGES: usize = 10_000;

/// What the engine is started with.
pub struct Setup {
    /// The engine's own settings.
    pub engine: Config,
    /// The store's.
    pub store: store::Config,
    /// The index's.
    pub search: search::Config,
    /// What a document may be.
    pub limits: Limits,
    /// The name of a new cluster, in case that the data directory is new.
    pub new_cluster: String,
    /// The name of this copy of the register, in case that it has none yet; no other copy may have it.
    pub new_instance: String,
    /// Who may do what, as of now.
    pub access: AccessOfNow,
    /// What tells the time.
    pub clock: Clock,
    /// Where a test lets it end.
    pub fail_at: FailAt,
}

/// Whether there is no register in the data directory yet.
pub fn is_new(config: &store::Config) -> bool {
    !Store::is_there(config)
}

/// Opens the data directory and starts the engine on it.
///
/// # Errors
/// [`Fault`] where the data directory is in use, damaged or of a newer format, or a thread cannot be started.
pub fn start(setup: Setup) -> Result<Engine, Fault> {
    guarded(|| begin(setup))
}

/// The database gives an error for most damage to its file, and panics at some.
fn guarded<T>(read: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(Err(Fault::Store(store::Fault::Unreadable)))
}

fn begin(setup: Setup) -> Result<Engine, Fault> {
    let Setup {
        engine: config,
        store: store_config,
        search: search_config,
        limits,
        new_cluster,
        new_instance,
        access,
        clock,
        fail_at,
    } = setup;
    let store = Arc::new(Store::open(&store_config, &new_cluster)?);
    if let Err(fault) = drill::clear(&store_config.directory.join(drill::FOLDER)) {
        // It is in nobody's way but that of the next drill, which says so.
        tracing::warn!(
            fault = &fault as &dyn std::error::Error,
            "what a drill left could not be removed"
        );
    }
    let snapshot = store.snapshot()?;
    let identity = snapshot.identity()?;
    let instance = if let Some(known) = identity.instance {
        known
    } else {
        store.transact::<_, Fault>(|disk| Ok(disk.name_instance(&new_instance)?))?;
        new_instance
    };
    let model = Model::load(&snapshot)?;
    let inbox = load_inbox(&config, &snapshot)?;
    fail_at.pass(Point::Loaded);
    let (index, indexer) = open_index(
        &store_config.directory.join(INDEX_FOLDER),
        &search_config,
        &store,
        &snapshot,
        &model,
    )?;
    drop(snapshot);
    fail_at.pass(Point::CaughtUp);
    tracing::info!(
        cluster = identity.cluster,
        epoch = identity.position.epoch,
        sequence = identity.position.sequence,
        environments = model.environment_count(),
        resources = model.graph.resource_count(),
        dependencies = model.graph.edge_count(),
        "register loaded"
    );
    let model = Arc::new(RwLock::new(model));
    let published = Arc::new(Mark::new(identity.published));
    let shipped = Arc::new(Mark::new(identity.shipped));
    let committed = watch::Sender::new(identity.position);
    let standing = watch::Sender::new(identity.standing);
    let stands = standing.subscribe();
    let reads = Arc::new(Reads {
        cluster: identity.cluster.clone(),
        directory: store_config.directory.clone(),
        instance,
        model: Arc::clone(&model),
        index,
        search: search_config,
        store: Arc::clone(&store),
        committed: committed.subscribe(),
        indexed: indexer.reached.subscribe(),
        parts: Parts::default(),
        stopping: AtomicBool::new(false),
    });
    let shelf = Shelf::open(&store_config.directory, Arc::clone(&reads), Arc::clone(&clock));
    let (index_sender, index_jobs) = sync_channel(WAITING_MAX);
    let (jobs, job_receiver) = mpsc::channel(config.queue_commands_max.max(1));
    let writer = Writer {
        store,
        model,
        inbox,
        config,
        limits,
        access,
        clock,
        fail_at,
        position: identity.position,
        cluster: identity.cluster,
        standing,
        published: Arc::clone(&published),
        shipped: Arc::clone(&shipped),
        marks_on_disk: (identity.published, identity.shipped),
        committed,
        index: index_sender,
        next_sweep: Timestamp::default(),
    };
    let threads = run_threads(move || writer.run(job_receiver), move || indexer.run(&index_jobs))?;
    Ok(Engine {
        jobs,
        reads,
        shelf: Arc::new(shelf),
        published,
        shipped,
        standing: stands,
        threads,
    })
}

/// Opens a data directory to ask questions of it and nothing else: no thread, no command, and what a snapshot holds stays
/// as it was.
///
/// # Errors
/// [`Fault`] where the data directory is in use, damaged or of a newer format.
pub fn read_only(config: &store::Config) -> Result<Reads, Fault> {
    guarded(|| open_to_read(config))
}

fn open_to_read(config: &store::Config) -> Result<Reads, Fault> {
    let search_config = search::Config::default();
    // It is there already; a new one would have no name, and nothing in it.
    let store = Arc::new(Store::open(config, "")?);
    let snapshot = store.snapshot()?;
    let model = Model::load(&snapshot)?;
    let folder = config.directory.join(INDEX_FOLDER);
    let (index, indexer) = open_index(&folder, &search_config, &store, &snapshot, &model)?;
    let (committed, indexed) = (watch::Sender::new(model.position), indexer.reached);
    indexer.writer.finish()?;
    Ok(Reads {
        cluster: snapshot.identity()?.cluster,
        directory: config.directory.clone(),
        instance: String::new(),
        model: Arc::new(RwLock::new(model)),
        index,
        search: search_config,
        store,
        committed: committed.subscribe(),
        indexed: indexed.subscribe(),
        parts: Parts::default(),
        stopping: AtomicBool::new(false),
    })
}

fn load_inbox(config: &Config, snapshot: &Snapshot) -> Result<Inbox, Fault> {
    let keep_ms = config.receipts_keep_hours.saturating_mul(3_600_000);
    let mut inbox = Inbox::new(config.receipts_max, keep_ms);
    snapshot.each_receipt(|mark| inbox.add(mark))?;
    Ok(inbox)
}

/// Opens the index and brings it to the position of the store, by the change log where that reaches back far enough, or
/// by rebuilding it beside and swapping.
fn open_index(
    folder: &Path,
    config: &search::Config,
    store: &Arc<Store>,
    snapshot: &Snapshot,
    model: &Model,
) -> Result<(Index, Indexer), Fault> {
    let index = match Index::open(folder) {
        Ok(index) if can_catch_up(index.reached(), snapshot, model.position)? => index,
        Ok(index) => {
            tracing::info!(
                reached = index.reached().sequence,
                "the index cannot catch up and is rebuilt"
            );
            drop(index);
            rebuild(folder, config, snapshot, model)?
        }
        Err(search::Fault::Unusable { why }) => {
            tracing::warn!(why, "the index is unusable and is rebuilt");
            rebuild(folder, config, snapshot, model)?
        }
        Err(fault) => return Err(fault.into()),
    };
    let reached = watch::Sender::new(index.reached());
    let mut indexer = Indexer {
        writer: index.writer(config)?,
        store: Arc::clone(store),
        reached,
    };
    while index.reached().sequence < model.position.sequence {
        let changes = snapshot.changes(index.reached().sequence + 1, CATCH_UP_CHANGES)?;
        if changes.is_empty() {
            break;
        }
        tracing::info!(changes = changes.len(), "the index catches up");
        indexer.apply(IndexJob::catch_up(&changes, model))?;
    }
    // That of a new data directory has nothing to catch up with, but has not heard of the epoch.
    if index.reached() != model.position {
        indexer.apply(IndexJob::catch_up(&[], model))?;
    }
    Ok((index, indexer))
}

fn can_catch_up(reached: Position, snapshot: &Snapshot, position: Position) -> Result<bool, Fault> {
    // The index of a new data directory has no position yet, and neither has anything to be found in it.
    if reached == position || position.sequence == 0 {
        return Ok(true);
    }
    if reached.epoch != position.epoch || reached.sequence > position.sequence {
        return Ok(false);
    }
    let first = snapshot.changes(reached.sequence + 1, 1)?;
    Ok(first
        .first()
        .is_some_and(|change| change.sequence == reached.sequence + 1))
}

fn rebuild(
    folder: &Path,
    config: &search::Config,
    snapshot: &Snapshot,
    model: &Model,
) -> Result<Index, Fault> {
    let documents = snapshot.all_live()?.map(|live| {
        live.map(|live| {
            let environments = model.found_by(&live.document.key());
            (Arc::unwrap_or_clone(live.document), environments)
        })
    });
    search::rebuild(folder, config, documents, model.position)?;
    Ok(Index::open(folder)?)
}

/// Starts both threads; the receiver learns when each is done, and how the first to fail did.
fn run_threads(
    writer: impl FnOnce() -> Result<(), Fault> + Send + 'static,
    indexer: impl FnOnce() -> Result<(), Fault> + Send + 'static,
) -> Result<watch::Receiver<Threads>, Fault> {
    let (sender, receiver) = watch::channel(Threads {
        running: 2,
        fault: None,
    });
    run_thread("engine", sender.clone(), writer)?;
    run_thread("index", sender, indexer)?;
    Ok(receiver)
}

fn run_thread(
    name: &'static str,
    threads: watch::Sender<Threads>,
    work: impl FnOnce() -> Result<(), Fault> + Send + 'static,
) -> Result<(), Fault> {
    let run = move || {
        // A panic is a defect of ours. What it leaves in memory is not used: the process stops and recovers from disk.
        let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::Gone(name)));
        threads.send_modify(|threads| {
            threads.running -= 1;
            if let Err(fault) = done {
                threads.fault.get_or_insert(Arc::new(fault));
            }
        });
    };
    Builder::new()
        .name(format!("domesday-{name}"))
        .spawn(run)
        .map(|_| ())
        .map_err(Fault::Thread)
}
