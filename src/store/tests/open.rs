//! Which data directories are opened, and which are refused in what words.

use crate::store::{Config, FILE, FILE_NEW, FORMAT, Fault, Store, tables};

fn config(directory: &tempfile::TempDir) -> Config {
    Config {
        directory: directory.path().join("deep/inside"),
        ..Config::default()
    }
}

#[test]
fn a_new_directory_is_made_and_its_cluster_stays() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["first", "second"] {
        let store = Store::open(&config(&directory), name).unwrap();
        let identity = store.snapshot().unwrap().identity().unwrap();
        assert_eq!(identity.cluster, "first");
        assert_eq!((identity.position.epoch, identity.position.sequence), (1, 0));
    }
}

#[test]
fn one_process_has_it_open_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let _open = Store::open(&config(&directory), "test").unwrap();
    assert!(matches!(
        Store::open(&config(&directory), "test"),
        Err(Fault::InUse(_))
    ));
}

#[test]
fn something_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = config(&directory).directory.join(FILE);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let text = "not a database at all, but a letter to a friend\n".repeat(1_000);
    std::fs::write(&file, &text).unwrap();
    assert!(matches!(Store::open(&config(&directory), "test"), Err(Fault::Foreign(found)) if found == file));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_file_that_a_crash_left_half_made_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let folder = config(&directory).directory;
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(FILE_NEW), vec![0; 100_000]).unwrap();
    drop(Store::open(&config(&directory), "test").unwrap());
    let files = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(files.collect::<Vec<_>>(), [FILE]);
}

#[test]
fn a_newer_format_is_refused_before_anything_else_is_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let folder = config(&directory).directory;
    std::fs::create_dir_all(&folder).unwrap();
    {
        let database = redb::Database::create(folder.join(FILE)).unwrap();
        let writing = database.begin_write().unwrap();
        writing
            .open_table(tables::NUMBERS)
            .unwrap()
            .insert(tables::FORMAT_KEY, FORMAT + 1)
            .unwrap();
        // A table of ours, with other contents.
        let live: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("live");
        writing.open_table(live).unwrap().insert(1, 1).unwrap();
        writing.commit().unwrap();
    }
    let fault = Store::open(&config(&directory), "test").err().unwrap();
    assert!(matches!(fault, Fault::NewerFormat { found, .. } if found == FORMAT + 1));
    let database = redb::Database::create(folder.join(FILE)).unwrap();
    let tables: Vec<String> = redb::ReadableDatabase::begin_read(&database)
        .unwrap()
        .list_tables()
        .unwrap()
        .map(|table| redb::TableHandle::name(&table).to_owned())
        .collect();
    assert_eq!(tables, ["live", "numbers"]);
}

#[test]
fn what_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&config(&directory), "test").unwrap();
    let position = crate::domain::Position {
        epoch: 7,
        sequence: 9,
    };
    let failed = store.transact::<(), Fault>(|disk| {
        disk.set_position(position)?;
        Err(Fault::Foreign("nothing".into()))
    });
    assert!(failed.is_err());
    assert_ne!(store.snapshot().unwrap().identity().unwrap().position, position);
}
