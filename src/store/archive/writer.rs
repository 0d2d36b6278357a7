//! Writing an archive of a store while others write to the store.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use redb::{ReadTransaction, ReadableDatabase};

use super::fault::{ArchiveFault, io_fault};
use super::manifest::{Header, Manifest, TableCount, write_trailer};
use super::rows::{Rows, TABLES};
use super::stream::{Kind, Packer};
use super::{RECORD_MAX, UNFINISHED};
use crate::domain::{Digest, Timestamp};
use crate::store::snapshot::read_live;
use crate::store::{FORMAT, Snapshot, Store, tables};

/// What an archive says of its making.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// When.
    pub time: Timestamp,
    /// By which version of the program.
    pub program: &'a str,
}

impl Store {
    /// Writes an archive of what is committed now to a file, which appears under its name once it is whole. Others may
    /// write to the store meanwhile; the pages that the archive reads stay until it is done. `go_on` is asked now and
    /// then.
    ///
    /// # Errors
    /// [`ArchiveFault`] where the file cannot be written, the store cannot be read, or `go_on` said no. Nothing is left of it
    /// then.
    pub fn archive(
        &self,
        file: &Path,
        stamp: Stamp<'_>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Manifest, ArchiveFault> {
        let part = unfinished(file);
        let reading = self.database.begin_read()?;
        let made = write(&reading, &TABLES, &part, stamp, go_on).and_then(|manifest| {
            fs::rename(&part, file)
                .map_err(io_fault(file, "written"))
                .map(|()| manifest)
        });
        if made.is_err() {
            // What is left of it is of no use; where even this fails, the next one writes over it.
            let _ = fs::remove_file(&part);
        }
        let manifest = made?;
        sync_folder_of(file)?;
        Ok(manifest)
    }
}

/// The name that a file has until it is whole.
pub(super) fn unfinished(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

/// Sees to it that the name of a file is on disk, too.
pub(super) fn sync_folder_of(file: &Path) -> Result<(), ArchiveFault> {
    if cfg!(unix) {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(io_fault(folder, "synced"))?;
    }
    Ok(())
}

pub(super) fn write(
    reading: &ReadTransaction,
    tables: &[&'static dyn Rows],
    part: &Path,
    stamp: Stamp<'_>,
    go_on: &dyn Fn() -> bool,
) -> Result<Manifest, ArchiveFault> {
    let identity = Snapshot::open(reading)?.identity()?;
    let header = Header {
        position: identity.position,
        time: stamp.time,
    };
    let unable = || io_fault(part, "written");
    let mut out = BufWriter::new(File::create(part).map_err(unable())?);
    let head = header.write();
    out.write_all(&head).map_err(unable())?;
    let mut packer = Packer::new(out, head.len() as u64);
    let mut digest = Digest::default();
    let mut counts = Vec::with_capacity(tables.len());
    for &rows in tables {
        packer
            .put(Kind::Table, rows.table().as_bytes(), &[])
            .map_err(unable())?;
        let records = write_table(rows, reading, &mut packer, part, &mut digest, go_on)?;
        counts.push(TableCount {
            name: rows.table().to_owned(),
            records,
        });
    }
    let (chunks, mut out) = packer.finish().map_err(unable())?;
    let manifest = Manifest {
        cluster: identity.cluster,
        epoch: identity.position.epoch,
        sequence: identity.position.sequence,
        digest: digest.to_string(),
        time_us: stamp.time.0,
        program: stamp.program.to_owned(),
        format: FORMAT,
        tables: counts,
        chunks,
    };
    let bytes = minicbor::to_vec(&manifest).map_err(|error| ArchiveFault::Io {
        file: part.to_owned(),
        doing: "written",
        source: std::io::Error::other(error.to_string()),
    })?;
    out.write_all(&bytes).map_err(unable())?;
    out.write_all(&write_trailer(&bytes)).map_err(unable())?;
    let file = out
        .into_inner()
        .map_err(|error| io_fault(part, "written")(error.into_error()))?;
    file.sync_all().map_err(unable())?;
    Ok(manifest)
}

/// Writes one table, and says how many records it has; takes every live entity into the digest.
fn write_table<W: Write>(
    rows: &'static dyn Rows,
    reading: &ReadTransaction,
    packer: &mut Packer<W>,
    part: &Path,
    digest: &mut Digest,
    go_on: &dyn Fn() -> bool,
) -> Result<u64, ArchiveFault> {
    let is_live = rows.table() == tables::LIVE_NAME;
    let mut records = 0;
    let mut asked_at = packer.chunks();
    rows.each(reading, &mut |key, value| {
        let bytes = key.len().saturating_add(value.len());
        if bytes > RECORD_MAX {
            return Err(ArchiveFault::Oversized {
                table: rows.table(),
                bytes,
            });
        }
        if packer.chunks() != asked_at {
            asked_at = packer.chunks();
            if !go_on() {
                return Err(ArchiveFault::Stopped);
            }
        }
        if is_live {
            let live = read_live(value, &String::from_utf8_lossy(key))?;
            digest.add(&live.document.key(), live.revision);
        }
        records += 1;
        packer
            .put(Kind::Record, key, value)
            .map_err(io_fault(part, "written"))
    })?;
    Ok(records)
}
