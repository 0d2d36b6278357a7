//! Snapshots by the clock: one every so many hours, and fewer of them the older they are.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::ladder::Keep;
use super::shelf::{files_in, io_fault, remove};
use super::{Fault, Reads};
use crate::domain::Timestamp;
use crate::store::archive::{Archive, Manifest, UNFINISHED};

/// The beginning and the ending of the files that are ours.
const NAME: (&str, &str) = ("domesday-", ".snapshot");

/// Snapshots by the clock.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotConfig {
    /// Where they go; made when it is missing.
    pub directory: PathBuf,
    /// Time between two, in hours; none are made where it is 0.
    pub interval_hours: u64,
    /// Of how many hours the last one is kept.
    pub keep_hourly: usize,
    /// Of how many days the last one is kept.
    pub keep_daily: usize,
    /// Of how many weeks the last one is kept.
    pub keep_weekly: usize,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("domesday-snapshots"),
            interval_hours: 0,
            keep_hourly: 24,
            keep_daily: 7,
            keep_weekly: 5,
        }
    }
}

/// Makes snapshots when it is time for them.
pub struct Schedule {
    config: SnapshotConfig,
    reads: Arc<Reads>,
}

/// What a look at the snapshots came to.
#[derive(Debug, Default)]
pub struct Looked {
    /// The one that was made.
    pub made: Option<Manifest>,
    /// When the last one was made that is there.
    pub last: Option<Timestamp>,
}

/// A snapshot of this register in the directory.
struct Kept {
    time: Timestamp,
    path: PathBuf,
}

impl Schedule {
    /// A schedule; none where the settings say so.
    pub fn new(config: SnapshotConfig, reads: Arc<Reads>) -> Option<Self> {
        (config.interval_hours > 0).then_some(Self { config, reads })
    }

    /// Makes a snapshot if the last one is old enough, or is of a moment that is yet to come, and then removes those that
    /// the ladder has no use for. Where it fails, those that are there stay.
    ///
    /// # Errors
    /// [`Fault`] where the directory cannot be read, or the file cannot be written.
    pub fn run(&self, now: Timestamp) -> Result<Looked, Fault> {
        let directory = &self.config.directory;
        fs::create_dir_all(directory).map_err(|source| io_fault(directory, "made", source))?;
        let interval = self.config.interval_hours.saturating_mul(3_600_000);
        let last = self.kept()?.into_iter().map(|kept| kept.time).max();
        if last.is_some_and(|last| last > now.minus_ms(interval) && last < now.plus_ms(interval)) {
            return Ok(Looked { made: None, last });
        }
        let path = directory.join(format!("{}{}{}", NAME.0, moment(now), NAME.1));
        let manifest = self.reads.write_archive(&path, now)?;
        self.forget()?;
        Ok(Looked {
            made: Some(manifest),
            last: Some(now),
        })
    }

    fn forget(&self) -> Result<(), Fault> {
        let kept = self.kept()?;
        let times: Vec<Timestamp> = kept.iter().map(|kept| kept.time).collect();
        let keep = Keep {
            hourly: self.config.keep_hourly,
            daily: self.config.keep_daily,
            weekly: self.config.keep_weekly,
        };
        let gone = keep.superfluous(&times);
        kept.iter()
            .filter(|kept| gone.contains(&kept.time))
            .try_for_each(|kept| remove(&kept.path))
    }

    /// The snapshots of this register, by what they say of themselves: one that is damaged, or another's, is left alone.
    /// What a crash left half written goes.
    fn kept(&self) -> Result<Vec<Kept>, Fault> {
        let mut all = Vec::new();
        for path in files_in(&self.config.directory)? {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let Some(name) = name.strip_prefix(NAME.0) else {
                continue;
            };
            if name
                .strip_suffix(UNFINISHED)
                .is_some_and(|name| name.ends_with(NAME.1))
            {
                remove(&path)?;
                continue;
            }
            if let Ok(archive) = Archive::open(&path)
                && archive.manifest().cluster == self.reads.cluster()
            {
                let time = archive.manifest().header().time;
                all.push(Kept { time, path });
            }
        }
        Ok(all)
    }
}

/// A moment as part of a name that sorts by it: `20261013T024400Z`.
fn moment(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(time.0).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}
