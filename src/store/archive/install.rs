//! Installing an archive: a data file made of it beside the one that is there, proved, and put in its place.
//!
//! Whatever happens on the way, the data directory holds the old register or the new one, and never neither: the new
//! file is whole and on disk before it takes the name of the old one, in one step; and the old one has a second name by
//! then, under which it stays.

use std::fs;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};

use super::fault::{ArchiveFault, io_fault};
use super::reader::Archive;
use super::rows::TABLES;
use super::writer::sync_folder_of;
use crate::domain::{Digest, Position, Standing};
use crate::store::tables::{
    BEGAN_KEY, EPOCH_KEY, INSTANCE_KEY, NUMBERS, PUBLISHED_KEY, SEQUENCE_KEY, SHIPPED_KEY, STANDING_KEY,
    TEXTS,
};
use crate::store::{Config, FILE, Fault, INDEX_FOLDER, Snapshot, Transaction, open_database};

/// The new data file in the making. A crash leaves it behind, and the next installation makes it anew.
pub(super) const FILE_INSTALLED: &str = "domesday.redb.restored";
/// What the old data file is called afterwards, with a number behind it.
pub(super) const FILE_REPLACED: &str = "domesday.redb.replaced";
/// How many old data files may be kept beside the new one.
const REPLACED_MAX: u32 = 1_000;

/// How an archive is to be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// A register that is there already is to be replaced; it is kept beside.
    pub replace: bool,
    /// The register is to be of an epoch above that of the archive, and that of the register that it replaces. A restore
    /// needs that: what the old register has told after the archive was made is unsaid, so readers have to begin anew.
    pub raise_epoch: bool,
    /// The place of the new register among its copies.
    pub standing: Standing,
}

/// What was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Where the register is now.
    pub position: Position,
    /// Where the old data file is, if there was one.
    pub kept: Option<PathBuf>,
}

/// What is done, each step after the other. Tests let the power go between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Built,
    Proved,
    IndexGone,
    OldKept,
    Swapped,
}

/// Makes a register out of an archive, in a data directory that no process has open. The text index that was there goes;
/// the engine builds it anew.
///
/// # Errors
/// [`ArchiveFault`] where a process has the directory open, a register is there that may not be replaced, the archive is
/// damaged, or the disk does not let us. The directory holds the register that it held before then.
pub fn install(archive: &Archive, config: &Config, order: Order) -> Result<Installed, ArchiveFault> {
    let installed = install_in_steps(archive, config, order, &mut |_| Ok(()));
    if installed.is_err() {
        // It is of no use; where even this fails, the next installation makes it anew.
        let _ = fs::remove_file(config.directory.join(FILE_INSTALLED));
    }
    installed
}

pub(super) fn install_in_steps(
    archive: &Archive,
    config: &Config,
    order: Order,
    done: &mut dyn FnMut(Step) -> Result<(), ArchiveFault>,
) -> Result<Installed, ArchiveFault> {
    let directory = &config.directory;
    fs::create_dir_all(directory).map_err(|source| Fault::Directory {
        directory: directory.clone(),
        source,
    })?;
    let file = directory.join(FILE);
    // Held to the end: nobody opens the old file while it is replaced.
    let old = hold(config, &file, order)?;
    let new = directory.join(FILE_INSTALLED);
    if new.exists() {
        fs::remove_file(&new).map_err(io_fault(&new, "removed"))?;
    }
    let database = open_database(config, &new)?;
    build(&database, archive)?;
    done(Step::Built)?;
    prove(&database, archive)?;
    done(Step::Proved)?;
    let position = take_over(&database, archive, order, old.epoch)?;
    drop(database);

    // Before the swap: an index that is missing is built anew, and one of another register would be believed.
    let index = directory.join(INDEX_FOLDER);
    if index.exists() {
        fs::remove_dir_all(&index).map_err(io_fault(&index, "removed"))?;
    }
    done(Step::IndexGone)?;
    let kept = keep(directory, &file, order)?;
    done(Step::OldKept)?;
    fs::rename(&new, &file).map_err(io_fault(&file, "written"))?;
    sync_folder_of(&file)?;
    drop(old);
    done(Step::Swapped)?;
    Ok(Installed { position, kept })
}

/// The register that is there, held so that nobody else opens it.
#[derive(Default)]
struct Old {
    _database: Option<Database>,
    /// Its epoch; zero where there is none, or none that can be read.
    epoch: u64,
}

/// Takes hold of the register that is there, if there is one. One that cannot be opened may be what the archive is
/// wanted for, so only somebody else who has it open is a reason to stop.
fn hold(config: &Config, file: &Path, order: Order) -> Result<Old, ArchiveFault> {
    if !file.exists() {
        return Ok(Old::default());
    }
    let opened = open_database(config, file);
    if let Err(fault @ Fault::InUse(_)) = opened {
        return Err(fault.into());
    }
    if !order.replace {
        return Err(ArchiveFault::Occupied(config.directory.clone()));
    }
    let Ok(database) = opened else {
        return Ok(Old::default());
    };
    let identity = database
        .begin_read()
        .map_err(Fault::from)
        .and_then(|reading| Snapshot::open(&reading)?.identity());
    Ok(Old {
        epoch: identity.map_or(0, |identity| identity.position.epoch),
        _database: Some(database),
    })
}

fn build(database: &Database, archive: &Archive) -> Result<(), ArchiveFault> {
    let mut writing = database.begin_write()?;
    writing.set_two_phase_commit(true);
    writing.set_quick_repair(true);
    // A table without records is there, too.
    for rows in TABLES {
        rows.put(&writing, &[])?;
    }
    archive.each_run(&mut |table, records| put(&writing, archive, table, &records))?;
    writing.commit()?;
    Ok(())
}

fn put(
    writing: &WriteTransaction,
    archive: &Archive,
    table: usize,
    records: &[(Vec<u8>, Vec<u8>)],
) -> Result<(), ArchiveFault> {
    let Some(rows) = TABLES.get(table) else {
        return Ok(());
    };
    if rows.put(writing, records)? {
        return Ok(());
    }
    Err(archive.contradiction(format!(
        "table {} has a record that cannot be one of its own",
        rows.table()
    )))
}

/// Reads what was built, as the engine will, and holds it against the manifest.
fn prove(database: &Database, archive: &Archive) -> Result<(), ArchiveFault> {
    let reading = database.begin_read()?;
    let manifest = archive.manifest();
    for rows in TABLES {
        let mut records = 0;
        rows.each(&reading, &mut |_, _| {
            records += 1;
            Ok(())
        })?;
        if records != manifest.records(rows.table()) {
            let what = format!("table {} has other records than it should", rows.table());
            return Err(archive.contradiction(what));
        }
    }
    let snapshot = Snapshot::open(&reading)?;
    let mut digest = Digest::default();
    for live in snapshot.all_live()? {
        let live = live?;
        digest.add(&live.document.key(), live.revision);
    }
    if digest.to_string() != manifest.digest {
        return Err(archive.contradiction("the register made of it has another digest"));
    }
    snapshot.each_member(|_, _| {})?;
    snapshot.each_receipt(|_| {})?;
    Ok(())
}

/// Writes down the epoch that the register goes on with. Nothing of the old epoch is to be published any more: readers
/// of the new one begin anew. What an older program left out of the archive is added.
fn take_over(
    database: &Database,
    archive: &Archive,
    order: Order,
    old_epoch: u64,
) -> Result<Position, ArchiveFault> {
    let manifest = archive.manifest();
    let mut position = manifest.header().position;
    let mut writing = database.begin_write()?;
    writing.set_two_phase_commit(true);
    writing.set_quick_repair(true);
    Transaction::open(&writing)?.note_all_history()?;
    // It is another copy of the register than the one that it was taken from.
    {
        let mut texts = writing.open_table(TEXTS)?;
        texts.remove(INSTANCE_KEY)?;
        texts.insert(STANDING_KEY, order.standing.to_string().as_str())?;
    }
    if order.raise_epoch {
        position.epoch = position.epoch.max(old_epoch).saturating_add(1);
        let mut numbers = writing.open_table(NUMBERS)?;
        let sequence = numbers.get(SEQUENCE_KEY)?.map_or(0, |number| number.value());
        numbers.insert(EPOCH_KEY, position.epoch)?;
        numbers.insert(BEGAN_KEY, sequence)?;
        numbers.insert(PUBLISHED_KEY, sequence)?;
        numbers.insert(SHIPPED_KEY, sequence)?;
    }
    writing.commit()?;
    Ok(position)
}

/// Gives the old data file a second name, which it keeps when the first one is taken from it.
fn keep(directory: &Path, file: &Path, order: Order) -> Result<Option<PathBuf>, ArchiveFault> {
    if !file.exists() {
        return Ok(None);
    }
    if !order.replace {
        return Err(ArchiveFault::Occupied(directory.to_owned()));
    }
    let free = (1..=REPLACED_MAX)
        .map(|number| directory.join(format!("{FILE_REPLACED}-{number}")))
        .find(|kept| !kept.exists());
    let Some(kept) = free else {
        let full = std::io::Error::other("too many old data files are kept there already");
        return Err(io_fault(directory, "added to")(full));
    };
    // Not every file system has second names.
    fs::hard_link(file, &kept)
        .or_else(|_| fs::copy(file, &kept).map(|_| ()))
        .map_err(io_fault(&kept, "written"))?;
    Ok(Some(kept))
}
