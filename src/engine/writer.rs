//! The engine's thread: take what is waiting, commit it, apply it, answer.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{mpsc, oneshot, watch};

use super::batch::Staging;
use super::inbox::Inbox;
use super::indexer::IndexJob;
use super::model::Model;
use super::{AccessOfNow, Clock, Config, Entry, FailAt, Fault, Job, Mark, Parcels, Point};
use crate::domain::{Change, Command, Envelope, Limits, Position, Receipt, Standing, Timestamp};
use crate::store::Store;

/// Time between two looks for tombstones that have had their time, in milliseconds: each reads all of them.
const TOMBSTONE_SWEEP_MS: u64 = 600_000;

/// Links that count as much as a command.
const LINKS_PER_COMMAND: usize = 100;

/// The only writer.
pub(super) struct Writer {
    pub(super) store: Arc<Store>,
    pub(super) model: Arc<RwLock<Model>>,
    pub(super) inbox: Inbox,
    pub(super) config: Config,
    pub(super) limits: Limits,
    pub(super) access: AccessOfNow,
    pub(super) clock: Clock,
    pub(super) fail_at: FailAt,
    pub(super) position: Position,
    pub(super) cluster: String,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) published: Arc<Mark>,
    pub(super) shipped: Arc<Mark>,
    /// What the store knows of `published` and `shipped`.
    pub(super) marks_on_disk: (u64, u64),
    pub(super) committed: watch::Sender<Position>,
    pub(super) index: SyncSender<IndexJob>,
    /// When tombstones are looked through again.
    pub(super) next_sweep: Timestamp,
}

/// What was waiting.
#[derive(Default)]
struct Waiting {
    commands: Vec<Envelope>,
    answers: Vec<oneshot::Sender<Receipt>>,
    parcels: Vec<Parcels>,
    weight: usize,
    entries: Vec<(Entry, oneshot::Sender<Position>)>,
    ticked: bool,
    draining: bool,
    /// The last command is a dry run, which says what it would do to the graph as it is after those before it.
    trying_out: bool,
}

impl Waiting {
    fn take(&mut self, job: Job) {
        match job {
            Job::Decide(envelope, answer) => {
                self.weight += weight(&envelope.step.command);
                self.trying_out = envelope.dry_run;
                self.commands.push(*envelope);
                self.answers.push(answer);
            }
            Job::Follow(parcels) => self.parcels.push(parcels),
            Job::Enter(entry, answer) => self.entries.push((entry, answer)),
            Job::Tick => self.ticked = true,
            Job::Drain => self.draining = true,
        }
    }
}

/// How much a command takes of what may share a commit. What it links is kept in memory until it can be found.
fn weight(command: &Command) -> usize {
    match command {
        Command::Batch { steps } => steps
            .iter()
            .map(|step| weight(&step.command))
            .sum::<usize>()
            .max(1),
        command => 1 + command.brings_in().0.len() / LINKS_PER_COMMAND,
    }
}

impl Writer {
    /// Works until it is told to drain, or until everybody who could send is gone.
    pub(super) fn run(mut self, jobs: mpsc::Receiver<Job>) -> Result<(), Fault> {
        match self.work(jobs) {
            // The index's thread says itself why it is gone; that it is gone says less.
            Err(Fault::Gone(_)) => Ok(()),
            done => done,
        }
    }

    fn work(&mut self, mut jobs: mpsc::Receiver<Job>) -> Result<(), Fault> {
        while let Some(first) = jobs.blocking_recv() {
            let mut waiting = Waiting::default();
            waiting.take(first);
            while waiting.weight < self.config.commit_commands_max
                && !waiting.trying_out
                && let Ok(job) = jobs.try_recv()
            {
                waiting.take(job);
            }
            if waiting.draining {
                jobs.close();
            }
            let ticked = waiting.ticked;
            for Parcels { bodies, answer } in std::mem::take(&mut waiting.parcels) {
                let followed = self.follow(&bodies)?;
                let _ = answer.send(followed);
            }
            for (entry, answer) in std::mem::take(&mut waiting.entries) {
                let _ = answer.send(self.enter(entry)?);
            }
            // Those that are dropped were not acknowledged: they stay with the broker.
            if !waiting.commands.is_empty() && !self.standing.borrow().forbids_writing() {
                self.commit(waiting)?;
            }
            if ticked {
                self.tick()?;
            }
        }
        self.fail_at.pass(Point::Finished);
        self.write_marks()
    }

    fn commit(&mut self, waiting: Waiting) -> Result<(), Fault> {
        self.fail_at.pass(Point::Gathered);
        let access = Arc::clone(&self.access.borrow());
        let staging = Staging {
            access: &access,
            model: &self.model,
            inbox: &self.inbox,
            rules: super::rules(&self.config, self.limits),
            now: (self.clock)(),
            position: self.position,
            published: self.published.get(),
            shipped: self.shipped.get(),
            changes_max: self.config.changes_max,
        };
        let marks = (staging.published, staging.shipped);
        let mut staged = self
            .store
            .transact(|disk| {
                let staged = staging.stage(disk, &waiting.commands)?;
                self.fail_at.pass(Point::Staged);
                Ok::<_, Fault>(staged)
            })?
            .into_inner();
        self.fail_at.pass(Point::Committed);
        self.marks_on_disk = marks;
        for mark in staged.marks {
            self.inbox.add(mark);
        }
        self.inbox.forget(staged.forgotten_below);
        self.apply(&staged.changes)?;
        self.fail_at.pass(Point::Applied);
        self.try_out(&access, &waiting.commands, &mut staged.receipts)?;
        for (answer, receipt) in waiting.answers.into_iter().zip(staged.receipts) {
            // Nobody waits any more when the connection is gone; the command will come again and find its receipt.
            let _ = answer.send(receipt);
        }
        Ok(())
    }

    /// Takes committed changes into memory, hands them to the index, and says that they are there.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Result<(), Fault> {
        let Some(last) = changes.last() else { return Ok(()) };
        // What is shipped again after a promotion is of the epoch in which it happened.
        let position = Position {
            epoch: last.epoch.max(self.position.epoch),
            sequence: last.sequence,
        };
        let published = self.published.get();
        let job = {
            let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
            for change in changes {
                model.apply(change)?;
            }
            model.position = position;
            model.news.forget(published);
            IndexJob::of(changes, &model)
        };
        self.arrive(position, job)
    }

    /// Says that a position is on disk and in memory, the index first.
    pub(super) fn arrive(&mut self, position: Position, job: IndexJob) -> Result<(), Fault> {
        self.position = position;
        self.index.send(job).map_err(|_| Fault::Gone("index"))?;
        self.committed.send_replace(position);
        Ok(())
    }

    fn tick(&mut self) -> Result<(), Fault> {
        self.write_marks()?;
        let now = (self.clock)();
        if now < self.next_sweep {
            return Ok(());
        }
        self.next_sweep = now.plus_ms(TOMBSTONE_SWEEP_MS);
        let before = now.minus_ms(super::rules(&self.config, self.limits).tombstone_ms);
        let forgotten = self
            .store
            .transact::<_, Fault>(|disk| Ok(disk.forget_tombstones(before)?))?
            .into_inner();
        if forgotten > 0 {
            tracing::info!(tombstones = forgotten, "tombstones have had their time");
        }
        Ok(())
    }

    /// Writes down how far the broker has confirmed, so that less is published again after a crash.
    fn write_marks(&mut self) -> Result<(), Fault> {
        let (published, shipped) = (self.published.get(), self.shipped.get());
        if (published, shipped) != self.marks_on_disk {
            self.store.transact::<_, Fault>(|disk| {
                disk.set_published(published)?;
                Ok(disk.set_shipped(shipped)?)
            })?;
            self.marks_on_disk = (published, shipped);
        }
        Ok(())
    }
}
