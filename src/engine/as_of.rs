//! The register as of one commit, to read at leisure while the engine goes on.

use super::Fault;
use crate::domain::{Change, Digest, EntityKey, Id, Live, Position};
use crate::store::Snapshot;

/// The register as of one commit. The pages that it reads stay in the data file for as long as it lives.
pub struct AsOf {
    snapshot: Snapshot,
    position: Position,
}

impl AsOf {
    pub(super) fn of(snapshot: Snapshot) -> Result<Self, Fault> {
        let position = snapshot.identity()?.position;
        Ok(Self { snapshot, position })
    }

    /// What it is true as of.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The sequence of the first event that the change log still has; zero where it has none.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn first_change(&self) -> Result<u64, Fault> {
        Ok(self
            .snapshot
            .changes(0, 1)?
            .first()
            .map_or(0, |change| change.sequence))
    }

    /// The changes from a sequence on, in order, at most so many.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn changes(&self, from: u64, most: usize) -> Result<Vec<Change>, Fault> {
        Ok(self.snapshot.changes(from, most)?)
    }

    /// Live entities after a key, or from the first: environments, then resources, each by id; at most so many.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn live_after(&self, after: Option<&EntityKey>, most: usize) -> Result<Vec<Live>, Fault> {
        Ok(self.snapshot.live_after(after, most)?)
    }

    /// The resources in one environment, by id.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn members(&self, environment: &Id) -> Result<Vec<Id>, Fault> {
        Ok(self.snapshot.members(environment)?)
    }

    /// How many entities a part of the register has, and their digest.
    ///
    /// # Errors
    /// [`Fault`] where the store cannot be read.
    pub fn survey(&self, takes: impl Fn(&Live) -> bool) -> Result<(u64, Digest), Fault> {
        let mut count = 0;
        let mut digest = Digest::default();
        for live in self.snapshot.all_live()? {
            let live = live?;
            if takes(&live) {
                count += 1;
                digest.add(&live.document.key(), live.revision);
            }
        }
        Ok((count, digest))
    }
}
