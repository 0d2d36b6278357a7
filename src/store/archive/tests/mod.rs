//! Archives: what goes in comes out, what is damaged is found and named, and an installation is all or nothing.

mod damage;
mod installing;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Archive, ArchiveFault, Manifest, Order, Stamp, install};
use crate::domain::{Document, Entity, EntityKey, Environment, Id, Standing, Tags, Timestamp, Tombstone};
use crate::store::tests::story::Story;
use crate::store::{Config, Fault, Store};

const BATCHES: usize = 12;

/// A store with a story in it, and a folder for what is made of it.
struct Scene {
    story: Story,
    store: Store,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(seed: u64) -> Self {
        Self::with(seed, BATCHES)
    }

    /// So many batches of the story are told already.
    fn with(seed: u64, batches: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&config(&folder.path().join("source")), "test").unwrap();
        let story = Story::tell(seed, BATCHES);
        for number in 0..batches {
            story.commit(&store, number).unwrap();
        }
        Self { story, store, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn archive(&self) -> (PathBuf, Manifest) {
        let file = self.path("snapshot");
        let manifest = archive(&self.store, &file).unwrap();
        (file, manifest)
    }
}

fn archive(store: &Store, file: &Path) -> Result<Manifest, ArchiveFault> {
    let stamp = Stamp {
        time: Timestamp(1_760_000_000_000_000),
        program: "test",
    };
    store.archive(file, stamp, &|| true)
}

fn config(directory: &Path) -> Config {
    Config {
        directory: directory.to_owned(),
        cache_bytes: 1 << 20,
    }
}

/// Tombstones that do not shrink, so that there is more than one chunk. They come before most tables in an archive.
fn fill(store: &Store, megabytes: usize) {
    let mut random = 1_u64;
    let mut noise = || {
        let mut text = String::new();
        while text.len() < 100_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let _ = write!(text, "{random:x}");
        }
        text
    };
    store
        .transact::<_, Fault>(|disk| {
            for number in 0..megabytes * 20 {
                let id = Id::parse(&format!("noise-{number}")).unwrap();
                let environment = Environment {
                    id: id.clone(),
                    name: String::new(),
                    description: noise(),
                    tags: Tags::default(),
                    entrypoints: Vec::new(),
                    status_endpoints: Vec::new(),
                };
                let buried = Entity::Buried(Tombstone {
                    document: Arc::new(Document::Environment(environment)),
                    revision: 2,
                    removed: Timestamp(0),
                    links: Vec::new(),
                });
                disk.put_entity(&EntityKey::environment(id), &buried)?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_goes_in_comes_out() {
    for seed in 0..5 {
        let scene = Scene::new(seed);
        let (file, manifest) = scene.archive();
        let archive = Archive::open(&file).unwrap();
        archive.verify().unwrap();
        assert_eq!(archive.manifest(), &manifest);
        let identity = scene.store.snapshot().unwrap().identity().unwrap();
        assert_eq!(manifest.header().position, identity.position);
        assert_eq!(
            (manifest.cluster.as_str(), manifest.records("receipts")),
            ("test", BATCHES as u64)
        );
        assert_eq!(manifest.records("changes"), identity.position.sequence);
        let files: Vec<_> = std::fs::read_dir(scene.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(!files.iter().any(|name| name.contains(".part")), "{files:?}");
    }
}

#[test]
fn it_is_of_one_moment_while_others_write() {
    let scene = Scene::with(7, BATCHES / 2);
    fill(&scene.store, 2);
    let file = scene.path("snapshot");
    let stamp = Stamp {
        time: Timestamp(1),
        program: "test",
    };
    // Each time that the archive asks whether to go on, another batch is committed.
    let next = std::cell::Cell::new(BATCHES / 2);
    scene
        .store
        .archive(&file, stamp, &|| {
            if next.get() < BATCHES {
                scene.story.commit(&scene.store, next.get()).unwrap();
                next.set(next.get() + 1);
            }
            true
        })
        .unwrap();
    assert!(next.get() > BATCHES / 2, "others wrote");
    let archive = Archive::open(&file).unwrap();
    archive.verify().unwrap();
    let target = scene.path("target");
    let order = Order {
        replace: false,
        raise_epoch: false,
        standing: Standing::Undecided,
    };
    install(&archive, &config(&target), order).unwrap();
    let store = Store::open(&config(&target), "a new cluster").unwrap();
    assert_eq!(scene.story.reached(&store), BATCHES / 2);
}

#[test]
fn one_that_is_told_to_stop_leaves_nothing() {
    let scene = Scene::new(8);
    fill(&scene.store, 2);
    let stamp = Stamp {
        time: Timestamp(1),
        program: "test",
    };
    let stopped = scene.store.archive(&scene.path("snapshot"), stamp, &|| false);
    assert!(matches!(stopped, Err(ArchiveFault::Stopped)), "{stopped:?}");
    let left = std::fs::read_dir(scene.folder.path()).unwrap().count();
    assert_eq!(left, 1, "only the store itself");
}

#[test]
fn every_table_of_the_store_is_in_it() {
    let scene = Scene::new(9);
    let reading = redb::ReadableDatabase::begin_read(&scene.store.database).unwrap();
    let mut there: Vec<String> = reading
        .list_tables()
        .unwrap()
        .map(|table| redb::TableHandle::name(&table).to_owned())
        .collect();
    let mut listed: Vec<String> = super::rows::TABLES
        .iter()
        .map(|rows| rows.table().to_owned())
        .collect();
    there.sort();
    listed.sort();
    assert_eq!(there, listed);
}
