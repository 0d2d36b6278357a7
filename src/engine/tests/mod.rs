//! The engine as a whole, in a directory of its own: how it ends, and what it is when it begins again.

mod drilling;
mod ending;
mod following;
mod history;
mod news;
mod past;
mod recovery;
mod searching;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::{Config, Engine, FailAt, Setup, Stopped, start};
use crate::domain::tests::tight_rules;
use crate::domain::{
    Access, Answer, Command, Dependency, Document, Envelope, Expect, Findings, Hit, Id, Inquiry, Nature,
    Needs, Question, Reach, Receipt, Resource, Search, Step, Tags, Target, Timestamp,
};
use crate::{search, store};

/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// When every test begins.
const BEGIN: Timestamp = Timestamp(1_767_225_600_000_000);

/// A running engine, and how to talk to it.
struct Running {
    engine: Engine,
    runtime: Runtime,
}

fn envelope(message_id: &str, step: &Step) -> Envelope {
    let mut fingerprint = [0; 32];
    fingerprint[0] = u8::try_from(message_id.len()).unwrap();
    Envelope {
        message_id: Some(message_id.to_owned()),
        fingerprint,
        actor: "alice".to_owned(),
        deadline: None,
        trace: crate::domain::Trace::default(),
        dry_run: false,
        step: step.clone(),
    }
}

fn putting(id: &str) -> Step {
    putting_with(id, Vec::new())
}

/// As [`putting`], of a resource that needs these.
fn putting_with(id: &str, needs: Vec<Id>) -> Step {
    let needing = |id| Dependency {
        needs: Needs::One(Target::Resource(id)),
        nature: Nature::Hard,
        description: String::new(),
    };
    let resource = Resource {
        id: Id::parse(id).unwrap(),
        kind: "vm".to_owned(),
        name: String::new(),
        description: String::new(),
        tags: Tags::default(),
        attributes: serde_json::Map::default(),
        status_endpoints: Vec::new(),
        dependencies: needs.into_iter().map(needing).collect(),
    };
    let command = Command::Put {
        document: Box::new(Document::Resource(resource)),
        members: None,
    };
    let expect = Expect::Anything;
    Step { command, expect }
}

impl Running {
    fn start(directory: &Path, config: &Config) -> Self {
        Self::start_by(directory, config, Arc::new(|| BEGIN))
    }

    /// Starts by a clock.
    fn start_by(directory: &Path, config: &Config, clock: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        let setup = Self::setup(directory, config);
        Self::of(Setup { clock, ..setup })
    }

    fn setup(directory: &Path, config: &Config) -> Setup {
        Setup {
            engine: config.clone(),
            store: store::Config {
                directory: directory.to_owned(),
                ..store::Config::default()
            },
            search: search::Config::default(),
            limits: tight_rules().limits,
            new_cluster: "test".to_owned(),
            new_instance: "test".to_owned(),
            access: watch::Sender::new(Arc::new(Access::Open)).subscribe(),
            clock: Arc::new(|| BEGIN),
            fail_at: FailAt::default(),
        }
    }

    fn of(setup: Setup) -> Self {
        Self {
            engine: start(setup).unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap(),
        }
    }

    fn submit(&self, message_id: &str, step: &Step) -> Result<Receipt, Stopped> {
        let envelope = envelope(message_id, step);
        self.runtime.block_on(async {
            let receipt = self.engine.submit(envelope).await?;
            receipt.await.map_err(|_| Stopped)
        })
    }

    /// Puts a resource of kind `vm`.
    fn put(&self, message_id: &str, id: &str) {
        self.submit(message_id, &putting(id)).unwrap();
    }

    /// Puts resources of kind `vm`, with few commits.
    fn put_all(&self, ids: &[String]) {
        self.submit_all(ids.iter().map(|id| (id.clone(), putting(id))));
    }

    /// Submits steps, each with its message id, before the first is answered.
    fn submit_all(&self, steps: impl Iterator<Item = (String, Step)>) {
        self.runtime.block_on(async {
            let mut waiting = Vec::new();
            for (id, step) in steps {
                waiting.push(self.engine.submit(envelope(&id, &step)).await.unwrap());
            }
            for receipt in waiting {
                receipt.await.unwrap();
            }
        });
    }

    /// What a search finds, once the index has come as far as the register.
    fn ask(&self, search: Search, limit: usize) -> Answer {
        let reads = self.engine.reads();
        let wanted = reads.totals().position;
        let mut indexed = reads.indexed();
        let reached = indexed.wait_for(|reached| *reached >= wanted);
        let reached = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, reached).await.map(drop) });
        reached.unwrap();
        let inquiry = Inquiry {
            question: Question::Search(search),
            at_least: None,
            limit,
            cursor: None,
            moment: None,
            deadline: None,
        };
        reads.answer(&inquiry, &Reach::Everything).unwrap().unwrap()
    }

    /// Every hit.
    fn search(&self, query: &str) -> Vec<Hit> {
        let search = Search {
            query: query.to_owned(),
            ..Search::default()
        };
        match self.ask(search, 1_000).findings {
            Findings::Hits(hits) => hits.items,
            other => panic!("{other:?}"),
        }
    }

    fn drain(self) {
        self.runtime.block_on(self.engine.drain());
    }

    /// Lets go of the engine without a word, and waits until its threads have noticed.
    fn crash(self) {
        let Self { engine, runtime } = self;
        let (mut committed, mut indexed) = (engine.committed(), engine.reads().indexed());
        drop(engine);
        runtime.block_on(async {
            while committed.changed().await.is_ok() {}
            while indexed.changed().await.is_ok() {}
        });
    }
}
