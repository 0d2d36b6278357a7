//! The stage: an engine, its directory and its clock, and what a script can do with them.
//!
//! `state` is what the change log tells, `graph` what the graph holds; `history FROM` is the log itself, `history {ARGS}` the question;
//! `advance 31d` moves the clock, `tick` tells the engine that time has passed, `confirm`
//! that the broker has all; `together` makes one commit of the
//! commands below it; `restart` ends the engine and starts it again, with new settings (`members_max=3`), `without-index`,
//! or after a `crash`; `keep NAME` puts the data file among the fixtures, where it is asked to and there is none, and
//! `open NAME` goes on with that one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domesday::domain::{
    Access, Envelope, Findings, Inquiry, Limits, Problem, Question, Reach, Receipt, Timestamp,
};
use domesday::engine::{self, Engine, Setup};
use domesday::store::{self, Store};
use domesday::wire::{self, Bounds};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::copy::Copy;
use crate::request::{Request, duration_ms};
use crate::{show, upgrade};

/// How long a script waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);
/// When every script begins: 2026-01-01T00:00:00Z.
const BEGIN: Timestamp = Timestamp(1_767_225_600_000_000);

/// A clock that stands still until it is moved, and that can be held so that the engine waits for it.
struct TestClock {
    now: Mutex<Timestamp>,
    asked: AtomicU64,
}

impl TestClock {
    fn read(&self) -> Timestamp {
        self.asked.fetch_add(1, Ordering::SeqCst);
        *self.now.lock().unwrap()
    }
}

pub(crate) struct Stage {
    directory: tempfile::TempDir,
    clock: Arc<TestClock>,
    settings: engine::Config,
    limits: Limits,
    runtime: Runtime,
    engine: Option<Engine>,
    copy: Copy,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let mut stage = Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::new(TestClock {
                now: Mutex::new(BEGIN),
                asked: AtomicU64::new(0),
            }),
            settings: engine::Config::default(),
            limits: Limits::default(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap(),
            engine: None,
            copy: Copy::default(),
        };
        stage.start();
        stage
    }

    /// Does what the lines of one block say.
    pub(crate) fn play(&mut self, lines: &[&str]) -> Vec<String> {
        match lines {
            ["together", commands @ ..] => self.together(commands),
            lines => lines.iter().flat_map(|line| self.line(line)).collect(),
        }
    }

    /// Stops the engine, and compares what it leaves on disk with what its log said.
    pub(crate) fn end(mut self) {
        self.stop(true);
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    fn now(&self) -> Timestamp {
        *self.clock.now.lock().unwrap()
    }

    fn line(&mut self, line: &str) -> Vec<String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "state" => self.state(),
            "graph" => self.graph(),
            "history" if !rest.starts_with('{') => self.log(rest),
            "restart" => self.restart(rest),
            "keep" => self.keep(rest),
            "open" => self.open(rest),
            "advance" => {
                self.clock.now.lock().unwrap().0 += 1_000 * duration_ms(rest);
                vec![wire::format_time(self.now())]
            }
            "confirm" => {
                let last = self.engine().reads().totals().position.sequence;
                self.engine().confirm(last);
                self.engine().confirm_shipped(last);
                vec!["confirmed".to_owned()]
            }
            "tick" => {
                self.engine().tick();
                self.idle();
                vec!["ticked".to_owned()]
            }
            "search" if !rest.starts_with('{') => {
                let args = serde_json::json!({"query": rest});
                self.ask(&format!("search {args}"))
            }
            verb if wire::QUESTION_TYPES.contains(&verb) => self.ask(line),
            _ => match self.envelope(line) {
                Ok(envelope) => {
                    let receipt = self.decide(envelope);
                    self.told(&[receipt])
                }
                Err(lines) => lines,
            },
        }
    }

    fn envelope(&self, line: &str) -> Result<Envelope, Vec<String>> {
        let request = Request::parse(line, self.now());
        wire::parse_command(&request.incoming(), &Bounds::default()).map_err(|problem| unread(&problem))
    }

    fn decide(&self, envelope: Envelope) -> Receipt {
        let engine = self.engine();
        self.runtime
            .block_on(async { engine.submit(envelope).await.unwrap().await.unwrap() })
    }

    /// Returns once the engine has done all that it was told.
    fn idle(&self) {
        let nothing = r#"resource.restore {"id":"nothing"} dry"#;
        self.decide(self.envelope(nothing).unwrap());
    }

    /// Hands the commands over while the engine waits for its clock, so that it finds them all at once.
    fn together(&mut self, lines: &[&str]) -> Vec<String> {
        let envelopes: Vec<Envelope> = lines.iter().map(|line| self.envelope(line).unwrap()).collect();
        let nothing = self.envelope(r#"resource.restore {"id":"nothing"} dry"#).unwrap();
        let asked = self.clock.asked.load(Ordering::SeqCst);
        let held = self.clock.now.lock().unwrap();
        let engine = self.engine();
        let submit = |envelope| self.runtime.block_on(engine.submit(envelope)).unwrap();
        let first = submit(nothing);
        while self.clock.asked.load(Ordering::SeqCst) == asked {
            std::thread::yield_now();
        }
        let waiting: Vec<_> = envelopes.into_iter().map(submit).collect();
        drop(held);
        self.runtime.block_on(first).unwrap();
        let receipts: Vec<Receipt> = waiting
            .into_iter()
            .map(|receipt| self.runtime.block_on(receipt).unwrap())
            .collect();
        self.told(&receipts)
    }

    /// The receipts, and the events since the ones before.
    fn told(&mut self, receipts: &[Receipt]) -> Vec<String> {
        let mut lines: Vec<String> = receipts.iter().flat_map(show::receipt).collect();
        for change in self
            .engine()
            .reads()
            .changes(self.copy.sequence + 1, usize::MAX)
            .unwrap()
        {
            self.copy.apply(&change);
            assert_eq!(change.time, self.now());
            lines.push(show::change(&change));
        }
        let totals = self.engine().reads().totals();
        assert_eq!(totals.position.sequence, self.copy.sequence);
        assert_eq!(totals.environments + totals.resources, self.copy.live.len());
        lines
    }

    fn state(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "at {}",
            show::position(self.engine().reads().totals().position)
        )];
        for (key, (document, revision)) in &self.copy.live {
            let mut json = wire::document_to_json(document);
            json.as_object_mut().unwrap().remove("id");
            lines.push(format!("  {key}={revision} {json}"));
        }
        for (environment, members) in &self.copy.members {
            lines.push(format!("  in {environment}: {}", show::ids(members)));
        }
        lines
    }

    fn graph(&self) -> Vec<String> {
        let totals = self.engine().reads().totals();
        let mut lines = vec![format!(
            "{} environments, {} resources, {} edges",
            totals.environments, totals.resources, totals.dependencies
        )];
        for key in self
            .copy
            .live
            .keys()
            .filter(|key| key.entity == domesday::domain::EntityType::Resource)
        {
            let args = serde_json::json!({"id": key.id.as_str(), "depth": 1});
            let inquiry = self.inquiry(&format!("graph.dependencies {args}")).unwrap();
            let answer = self
                .engine()
                .reads()
                .answer(&inquiry, &Reach::Everything)
                .unwrap()
                .unwrap();
            let Findings::Subgraph(graph) = answer.findings else {
                panic!("not a subgraph")
            };
            let own = graph.edges.iter().filter(|edge| edge.from == 0);
            let mut edges: Vec<String> = own.map(|edge| show::edge(&graph.nodes, *edge)).collect();
            edges.sort_unstable();
            lines.extend(edges.into_iter().map(|edge| format!("  {edge}")));
        }
        lines
    }

    fn log(&self, from: &str) -> Vec<String> {
        let from = from.parse().unwrap_or(1);
        let line = |change: &domesday::domain::Change| {
            let cause = if change.cause.is_empty() {
                "-"
            } else {
                &change.cause
            };
            format!(
                "{} {} by {} for {cause}",
                show::change(change),
                wire::format_time(change.time),
                change.actor
            )
        };
        self.engine()
            .reads()
            .changes(from, usize::MAX)
            .unwrap()
            .iter()
            .map(line)
            .collect()
    }

    fn inquiry(&self, line: &str) -> Result<Inquiry, Box<Problem>> {
        let request = Request::parse(line, self.now());
        wire::parse_question(&request.incoming(), &Bounds::default())
    }

    fn ask(&self, line: &str) -> Vec<String> {
        let inquiry = match self.inquiry(line) {
            Ok(inquiry) => inquiry,
            Err(problem) => return unread(&problem),
        };
        let reads = self.engine().reads();
        if matches!(inquiry.question, Question::Search { .. }) {
            let wanted = reads.totals().position;
            let mut indexed = reads.indexed();
            let reached = indexed.wait_for(|reached| *reached >= wanted);
            let reached = self
                .runtime
                .block_on(async { tokio::time::timeout(PATIENCE, reached).await.map(drop) });
            reached.expect("the index does not come as far as the register");
        }
        match reads.answer(&inquiry, &Reach::Everything) {
            Ok(answer) => show::answer(&answer.unwrap()),
            Err(problem) => [vec!["no answer".to_owned()], show::problem(&problem)].concat(),
        }
    }

    fn restart(&mut self, options: &str) -> Vec<String> {
        let words: Vec<&str> = options.split_whitespace().collect();
        self.stop(!words.contains(&"crash"));
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, "0"));
            let number: usize = value.parse().unwrap();
            let wide = number as u64;
            match name {
                "crash" => {}
                "without-index" => self.lose_index(),
                "document_bytes_max" => self.limits.document_bytes_max = number,
                "description_bytes_max" => self.limits.description_bytes_max = number,
                "tags_max" => self.limits.tags_max = number,
                "dependencies_max" => self.limits.dependencies_max = number,
                "members_max" => self.limits.members_max = number,
                "batch_commands_max" => self.limits.batch_commands_max = number,
                "commit_commands_max" => self.settings.commit_commands_max = number,
                "changes_max" => self.settings.changes_max = wide,
                "receipts_max" => self.settings.receipts_max = number,
                "receipts_keep_hours" => self.settings.receipts_keep_hours = wide,
                "tombstones_keep_days" => self.settings.tombstones_keep_days = wide,
                _ => panic!("no setting is called {name}"),
            }
        }
        self.start();
        let position = self.engine().reads().totals().position;
        vec![format!("started at {}", show::position(position))]
    }

    /// Moved away and not deleted: a merge of segments that the writer left to itself may still be making a file.
    fn lose_index(&self) {
        let lost = tempfile::tempdir_in(self.directory.path()).unwrap().keep();
        std::fs::rename(self.directory.path().join("index"), lost).unwrap();
    }

    fn keep(&mut self, name: &str) -> Vec<String> {
        self.stop(true);
        upgrade::keep(name, self.directory.path());
        self.start();
        vec!["kept".to_owned()]
    }

    /// Goes on with the data file of an earlier version, of which nothing is known but what it says.
    fn open(&mut self, name: &str) -> Vec<String> {
        self.stop(true);
        self.directory = tempfile::tempdir().unwrap();
        upgrade::restore(name, self.directory.path());
        self.start();
        self.copy = Copy::default();
        for change in self.engine().reads().changes(1, usize::MAX).unwrap() {
            self.copy.apply(&change);
        }
        let position = self.engine().reads().totals().position;
        vec![format!("started at {}", show::position(position))]
    }

    fn start(&mut self) {
        let clock = Arc::clone(&self.clock);
        let engine = engine::start(Setup {
            engine: self.settings.clone(),
            store: self.store(),
            search: domesday::search::Config::default(),
            limits: self.limits,
            new_cluster: "test".to_owned(),
            new_instance: "test".to_owned(),
            access: watch::Sender::new(Arc::new(Access::Open)).subscribe(),
            clock: Arc::new(move || clock.read()),
            fail_at: engine::FailAt::default(),
        });
        self.engine = Some(engine.unwrap());
    }

    fn store(&self) -> store::Config {
        store::Config {
            directory: self.directory.path().to_owned(),
            ..store::Config::default()
        }
    }

    fn stop(&mut self, orderly: bool) {
        let engine = self.engine.take().unwrap();
        if orderly {
            self.runtime.block_on(engine.drain());
            drop(engine);
        } else {
            // Nobody can send any more; the threads notice, and let go of the directory.
            let (mut committed, mut indexed) = (engine.committed(), engine.reads().indexed());
            drop(engine);
            self.runtime.block_on(async {
                while committed.changed().await.is_ok() {}
                while indexed.changed().await.is_ok() {}
            });
        }
        let store = Store::open(&self.store(), "another").unwrap();
        self.copy.compare(&store.snapshot().unwrap());
        assert_eq!(store.snapshot().unwrap().identity().unwrap().cluster, "test");
    }
}

fn unread(problem: &Problem) -> Vec<String> {
    [vec!["cannot be read".to_owned()], show::problem(problem)].concat()
}
