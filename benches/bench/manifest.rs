//! The documents that the benches work on: the manifest of a Debian index, or a small one that is in the tree.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use domesday::domain::{
    Access, Command, Document, EntityType, Envelope, Expect, Id, Limits, Resource, Step, Timestamp, Trace,
};
use domesday::engine::{Clock, Engine, FailAt, Setup};
use domesday::wire;
use tokio::sync::watch;

use super::Failure;

/// What the documents are, and where they come from.
pub struct Manifest {
    pub file: PathBuf,
    pub documents: Vec<(Document, Option<Vec<Id>>)>,
}

impl Manifest {
    /// Reads the file that `DOMESDAY_BENCH_MANIFEST` names, or else the sample in the tree.
    pub fn load() -> Result<Self, Failure> {
        let sample = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/debian-sample.jsonl");
        let file = match std::env::var_os("DOMESDAY_BENCH_MANIFEST") {
            Some(file) if !super::is_rehearsal() => PathBuf::from(file),
            _ => sample,
        };
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let documents: Result<Vec<_>, Failure> = text.lines().map(read).collect();
        Ok(Self {
            documents: documents?,
            file,
        })
    }

    pub fn resources(&self) -> impl Iterator<Item = &Resource> + Clone {
        self.documents
            .iter()
            .filter_map(|(document, _)| document.as_resource())
    }

    /// The resources, again and again with other ids, until there are so many.
    pub fn many(&self, count: usize) -> Vec<Resource> {
        let copies = (0..).flat_map(|copy| self.resources().map(move |resource| (copy, resource)));
        let named = copies.map(|(copy, resource)| {
            let mut resource = resource.clone();
            if copy > 0
                && let Ok(id) = Id::parse(&format!("{}.{copy}", resource.id))
            {
                resource.id = id;
            }
            resource
        });
        named.take(count).collect()
    }

    /// What it is, in a sentence.
    pub fn describe(&self) -> String {
        let resources = self.resources().count();
        let edges: usize = self.resources().map(|resource| resource.targets().count()).sum();
        let small = if resources < 10_000 {
            "; a small set, name a large one in DOMESDAY_BENCH_MANIFEST for figures that mean something"
        } else {
            ""
        };
        format!("{resources} resources, {edges} dependencies{small}")
    }
}

fn read(line: &str) -> Result<(Document, Option<Vec<Id>>), Failure> {
    let mut value = wire::parse_json(line.as_bytes()).map_err(|problem| problem.to_string())?;
    let kind = value
        .as_object_mut()
        .and_then(|fields| fields.shift_remove("type"));
    let entity = kind
        .as_ref()
        .and_then(|kind| kind.as_str())
        .and_then(EntityType::parse);
    let entity = entity.ok_or("a line of the manifest has no type")?;
    wire::document_from_json(entity, &value, "")
        .map_err(|mistakes| format!("a line of the manifest is no document: {mistakes:?}").into())
}

static NUMBER: AtomicU64 = AtomicU64::new(1);

/// A command that puts this document, with a message id of its own.
pub fn put(document: Document, members: Option<Vec<Id>>) -> Envelope {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut fingerprint = [0; 32];
    for (place, byte) in fingerprint.iter_mut().zip(number.to_be_bytes()) {
        *place = byte;
    }
    Envelope {
        message_id: Some(format!("019ab3c4-0000-7000-8000-{number:012}")),
        fingerprint,
        actor: "bench".to_owned(),
        deadline: None,
        trace: Trace::default(),
        dry_run: false,
        step: Step {
            command: Command::Put {
                document: Box::new(document),
                members,
            },
            expect: Expect::Anything,
        },
    }
}

/// A clock that starts at a moment of our choice: what the time is does not matter here.
fn clock() -> Clock {
    let began = Instant::now();
    Arc::new(move || {
        let elapsed = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
        Timestamp(1_795_000_000_000_000_i64.saturating_add(elapsed))
    })
}

/// Starts an engine on a folder, with the settings that a server has by default.
pub fn engine(folder: &std::path::Path) -> Result<Engine, Failure> {
    let store = domesday::store::Config {
        directory: folder.to_owned(),
        ..domesday::store::Config::default()
    };
    let engine = domesday::engine::start(Setup {
        engine: domesday::engine::Config::default(),
        store,
        search: domesday::search::Config::default(),
        limits: Limits::default(),
        new_cluster: "bench".to_owned(),
        new_instance: "bench".to_owned(),
        access: watch::Sender::new(Arc::new(Access::Open)).subscribe(),
        clock: clock(),
        fail_at: FailAt::default(),
    })?;
    Ok(engine)
}
