//! Which changes each entity had, and what is kept of them when the change log forgets.
//!
//! The table `history` has a row for each change of each entity. While the change log has the record, the row is empty.
//! When the log forgets it, the record moves into the row where it is the first that is known of the entity, which most
//! often is its creation, or the last; otherwise the row goes. What is kept of an entity that is gone goes with its
//! tombstone.

use redb::{ReadableTable, ReadableTableMetadata};

use super::record::{self, v1};
use super::snapshot::{Snapshot, read_change};
use super::tables::{entity_key, history_key, history_of};
use super::transaction::Transaction;
use super::{Fault, RecordFault};
use crate::domain::{Change, EntityKey};

impl Transaction<'_> {
    /// Adds a row for a change that the change log has.
    pub(super) fn note_history(&mut self, entity: &[u8], sequence: u64) -> Result<(), Fault> {
        self.history
            .insert(history_key(entity, sequence).as_slice(), [].as_slice())?;
        Ok(())
    }

    /// Adds a row for each change of the log where there is none at all: an older program wrote the file, or the archive
    /// that it is made of.
    pub(super) fn note_all_history(&mut self) -> Result<(), Fault> {
        if !self.history.is_empty()? {
            return Ok(());
        }
        for entry in self.changes.iter()? {
            let (sequence, record) = entry?;
            let key = history_key(&entity_of(record.value(), sequence.value())?, sequence.value());
            self.history.insert(key.as_slice(), [].as_slice())?;
        }
        Ok(())
    }

    /// Keeps what is to be kept of a change that the log has just forgotten.
    pub(super) fn keep_history(&mut self, sequence: u64, record: &[u8]) -> Result<(), Fault> {
        let entity = entity_of(record, sequence)?;
        let (start, end) = history_of(&entity);
        let own = history_key(&entity, sequence);
        let is_gone =
            self.live.get(entity.as_slice())?.is_none() && self.tombstones.get(entity.as_slice())?.is_none();
        let is_last = self
            .history
            .range(own.as_slice()..end.as_slice())?
            .nth(1)
            .transpose()?
            .is_none();
        let mut earlier = Vec::new();
        for row in self.history.range(start.as_slice()..own.as_slice())? {
            earlier.push(row?.0.value().to_vec());
        }
        let is_first = earlier.is_empty();
        // The first stays; what was the last until this one came does not.
        let kept = usize::from(!is_gone);
        for key in earlier.iter().skip(kept) {
            self.history.remove(key.as_slice())?;
        }
        if (is_first || is_last) && !is_gone {
            self.history.insert(own.as_slice(), record)?;
        } else {
            self.history.remove(own.as_slice())?;
        }
        Ok(())
    }

    /// Drops what is kept of an entity whose tombstone went.
    pub(super) fn drop_history(&mut self, entity: &[u8]) -> Result<(), Fault> {
        let (start, end) = history_of(entity);
        self.history
            .retain_in(start.as_slice()..end.as_slice(), |_, record| record.is_empty())?;
        Ok(())
    }
}

impl Snapshot {
    /// The changes of one entity before a sequence, the latest first: at most so many, and no more after the one with
    /// which their records have so many bytes. Says whether there are more.
    ///
    /// # Errors
    /// [`Fault`] where a record is damaged or the file cannot be read.
    pub fn history(
        &self,
        key: &EntityKey,
        before: Option<u64>,
        most: usize,
        bytes_max: usize,
    ) -> Result<(Vec<Change>, bool), Fault> {
        let entity = entity_key(key);
        let (start, mut end) = history_of(&entity);
        if let Some(before) = before {
            end = history_key(&entity, before);
        }
        let mut changes = Vec::new();
        let mut bytes = 0;
        for row in self.history.range(start.as_slice()..end.as_slice())?.rev() {
            if changes.len() >= most || bytes >= bytes_max {
                return Ok((changes, true));
            }
            let (place, record) = row?;
            let sequence = sequence_of(place.value());
            let mut read = |record: &[u8]| {
                bytes += record.len();
                read_change(record, sequence)
            };
            let change = match record.value() {
                [] => self.changes.get(sequence)?.map(|record| read(record.value())),
                record => Some(read(record)),
            };
            changes.extend(change.transpose()?);
        }
        Ok((changes, false))
    }

    /// How many changes of one entity are known.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be read.
    pub fn history_len(&self, key: &EntityKey) -> Result<usize, Fault> {
        let (start, end) = history_of(&entity_key(key));
        Ok(self.history.range(start.as_slice()..end.as_slice())?.count())
    }
}

/// The last eight bytes of a row's key.
fn sequence_of(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The key of the entity that a change is about.
fn entity_of(record: &[u8], sequence: u64) -> Result<Vec<u8>, Fault> {
    let named = |source: RecordFault| Fault::Record {
        what: "change",
        key: sequence.to_string(),
        source,
    };
    let change = record::decode::<v1::Change<'_>>(record).map_err(named)?;
    Ok([&[change.entity], change.id.as_bytes()].concat())
}
