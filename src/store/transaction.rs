//! The one write transaction of a batch: every table open, and the writes that the engine stages.

use redb::{ReadableTable, Table, WriteTransaction};

use super::record::{self, v1};
use super::tables::{
    BEGAN_KEY, CHAIN, CHANGES, CLUSTER_KEY, EPOCH_KEY, FORMAT_KEY, HISTORY, INSTANCE_KEY, LIVE, MEMBERS,
    NUMBERS, PUBLISHED_KEY, RECEIPTS, SEQUENCE_KEY, SHIPPED_KEY, STANDING_KEY, TEXTS, TOMBSTONES, entity_key,
    member_key,
};
use super::{Fault, RecordFault, chain};
use crate::domain::{Change, Entity, EntityKey, Id, Live, Position, Receipt, Standing, Timestamp, Tombstone};

/// A write transaction in progress; it becomes true when [`super::Store::transact`] commits it.
pub struct Transaction<'t> {
    numbers: Table<'t, &'static str, u64>,
    texts: Table<'t, &'static str, &'static str>,
    pub(super) live: Table<'t, &'static [u8], &'static [u8]>,
    pub(super) tombstones: Table<'t, &'static [u8], &'static [u8]>,
    members: Table<'t, &'static [u8], ()>,
    pub(super) changes: Table<'t, u64, &'static [u8]>,
    pub(super) history: Table<'t, &'static [u8], &'static [u8]>,
    chain: Table<'t, u64, [u8; 32]>,
    /// The last link of the chain.
    tip: [u8; 32],
    receipts: Table<'t, u64, &'static [u8]>,
}

/// What the inbox needs to know of a command beside its receipt.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The message id.
    pub message_id: &'a str,
    /// A hash of the type and the body.
    pub fingerprint: [u8; 32],
    /// Who sent it.
    pub actor: &'a str,
    /// When it was decided.
    pub time: Timestamp,
}

fn named<'a>(what: &'static str, key: impl ToString + 'a) -> impl FnOnce(RecordFault) -> Fault + 'a {
    move |source| Fault::Record {
        what,
        key: key.to_string(),
        source,
    }
}

impl<'t> Transaction<'t> {
    pub(super) fn open(writing: &'t WriteTransaction) -> Result<Self, Fault> {
        let chain = writing.open_table(CHAIN)?;
        let tip = chain.last()?.map_or([0; 32], |(_, link)| link.value());
        Ok(Self {
            numbers: writing.open_table(NUMBERS)?,
            texts: writing.open_table(TEXTS)?,
            live: writing.open_table(LIVE)?,
            tombstones: writing.open_table(TOMBSTONES)?,
            members: writing.open_table(MEMBERS)?,
            changes: writing.open_table(CHANGES)?,
            history: writing.open_table(HISTORY)?,
            chain,
            tip,
            receipts: writing.open_table(RECEIPTS)?,
        })
    }

    pub(super) fn initialise(&mut self, format: u64, cluster: &str) -> Result<(), Fault> {
        self.numbers.insert(FORMAT_KEY, format)?;
        self.numbers.insert(EPOCH_KEY, 1)?;
        self.texts.insert(CLUSTER_KEY, cluster)?;
        Ok(())
    }

    /// Gives this copy of the register a name, which no other has.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be written.
    pub fn name_instance(&mut self, name: &str) -> Result<(), Fault> {
        self.texts.insert(INSTANCE_KEY, name)?;
        Ok(())
    }

    /// What is known of an entity.
    ///
    /// # Errors
    /// [`Fault`] where the record is damaged or the file cannot be read.
    pub fn entity(&self, key: &EntityKey) -> Result<Entity, Fault> {
        let bytes = entity_key(key);
        if let Some(found) = self.live.get(bytes.as_slice())? {
            let live = record::decode::<v1::Live<'_>>(found.value()).and_then(Live::try_from);
            return live.map(Entity::Live).map_err(named("entity", key));
        }
        if let Some(found) = self.tombstones.get(bytes.as_slice())? {
            let tombstone = record::decode::<v1::Tombstone<'_>>(found.value()).and_then(Tombstone::try_from);
            return tombstone.map(Entity::Buried).map_err(named("tombstone", key));
        }
        Ok(Entity::Absent)
    }

    /// Writes what is known of an entity now.
    ///
    /// # Errors
    /// [`Fault`] where the record or the file cannot be written.
    pub fn put_entity(&mut self, key: &EntityKey, entity: &Entity) -> Result<(), Fault> {
        let place = entity_key(key);
        let place = place.as_slice();
        match entity {
            Entity::Live(live) => {
                let bytes = record::encode(&v1::Live::from(live)).map_err(named("entity", key))?;
                self.live.insert(place, bytes.as_slice())?;
                // Most entities have never had a tombstone; asking is cheaper than a removal that finds nothing.
                if self.tombstones.get(place)?.is_some() {
                    self.tombstones.remove(place)?;
                }
            }
            Entity::Buried(tombstone) => {
                let bytes =
                    record::encode(&v1::Tombstone::from(tombstone)).map_err(named("tombstone", key))?;
                self.tombstones.insert(place, bytes.as_slice())?;
                self.live.remove(place)?;
            }
            Entity::Absent => {
                self.live.remove(place)?;
                self.tombstones.remove(place)?;
            }
        }
        Ok(())
    }

    /// Puts a resource into an environment, or takes it out.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be written.
    pub fn set_member(&mut self, environment: &Id, resource: &Id, linked: bool) -> Result<(), Fault> {
        let key = member_key(environment, resource);
        if linked {
            self.members.insert(key.as_slice(), ())?;
        } else {
            self.members.remove(key.as_slice())?;
        }
        Ok(())
    }

    /// Adds an event to the end of the change log.
    ///
    /// # Errors
    /// [`Fault`] where the record or the file cannot be written.
    pub fn append_change(&mut self, change: &Change) -> Result<(), Fault> {
        let bytes = record::encode(&v1::Change::from(change)).map_err(named("change", change.sequence))?;
        self.append_record(&change.event.key, change.sequence, &bytes)
    }

    /// Adds the record of an event as another instance wrote it, byte for byte, and its link of the chain.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be written.
    pub(super) fn append_record(
        &mut self,
        key: &EntityKey,
        sequence: u64,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        self.tip = chain::link(self.tip, bytes);
        self.changes.insert(sequence, bytes)?;
        self.chain.insert(sequence, self.tip)?;
        self.note_history(&entity_key(key), sequence)
    }

    /// The hash of the last event and of all before it; zeros before the first.
    pub const fn chain_tip(&self) -> [u8; 32] {
        self.tip
    }

    /// Writes down the position after this batch.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be written.
    pub fn set_position(&mut self, position: Position) -> Result<(), Fault> {
        self.numbers.insert(EPOCH_KEY, position.epoch)?;
        self.numbers.insert(SEQUENCE_KEY, position.sequence)?;
        Ok(())
    }

    /// Writes down the sequence after which the epoch of the position began.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be written.
    pub fn set_began(&mut self, sequence: u64) -> Result<(), Fault> {
        self.numbers.insert(BEGAN_KEY, sequence)?;
        Ok(())
    }

    /// Writes down the place of this register among its copies.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be written.
    pub fn set_standing(&mut self, standing: Standing) -> Result<(), Fault> {
        self.texts.insert(STANDING_KEY, standing.to_string().as_str())?;
        Ok(())
    }

    /// Writes down how much of the change log the broker has confirmed.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be written.
    pub fn set_published(&mut self, sequence: u64) -> Result<(), Fault> {
        self.numbers.insert(PUBLISHED_KEY, sequence)?;
        Ok(())
    }

    /// Writes down how much of the change log other instances can have.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be written.
    pub fn set_shipped(&mut self, sequence: u64) -> Result<(), Fault> {
        self.numbers.insert(SHIPPED_KEY, sequence)?;
        Ok(())
    }

    /// Keeps the receipt of a command under a number of its own.
    ///
    /// # Errors
    /// [`Fault`] where the record or the file cannot be written.
    pub fn append_receipt(
        &mut self,
        number: u64,
        answered: Answered<'_>,
        receipt: &Receipt,
    ) -> Result<(), Fault> {
        let Answered {
            message_id,
            fingerprint,
            actor,
            time,
        } = answered;
        let record = record::receipt(message_id, fingerprint, actor, time, receipt);
        let bytes = record::encode(&record).map_err(named("receipt", number))?;
        self.append_receipt_record(number, &bytes)
    }

    pub(super) fn append_receipt_record(&mut self, number: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.receipts.insert(number, bytes)?;
        Ok(())
    }

    /// The receipt of this number, with the message id and the fingerprint of its command.
    ///
    /// # Errors
    /// [`Fault`] where the record is damaged or the file cannot be read.
    pub fn receipt(&self, number: u64) -> Result<Option<(String, [u8; 32], Receipt)>, Fault> {
        let Some(found) = self.receipts.get(number)? else {
            return Ok(None);
        };
        let read = || {
            let record = record::decode::<v1::Receipt<'_>>(found.value())?;
            Ok((
                record.message_id.to_owned(),
                record.fingerprint,
                Receipt::try_from(record)?,
            ))
        };
        read().map(Some).map_err(named("receipt", number))
    }

    /// Forgets the receipts below a number.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be written.
    pub fn forget_receipts(&mut self, below: u64) -> Result<(), Fault> {
        while self
            .receipts
            .first()?
            .is_some_and(|(number, _)| number.value() < below)
        {
            self.receipts.pop_first()?;
        }
        Ok(())
    }

    /// Forgets at most `most` of the changes below a sequence.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be written.
    pub fn forget_changes(&mut self, below: u64, most: usize) -> Result<(), Fault> {
        for _ in 0..most {
            let forgotten = match self.changes.first()? {
                Some((sequence, record)) if sequence.value() < below => {
                    (sequence.value(), record.value().to_vec())
                }
                _ => break,
            };
            self.changes.pop_first()?;
            self.keep_history(forgotten.0, &forgotten.1)?;
        }
        // The link before the oldest change stays: with it that change can be proved.
        let oldest = self
            .changes
            .first()?
            .map_or(below, |(sequence, _)| sequence.value());
        while self
            .chain
            .first()?
            .is_some_and(|(sequence, _)| sequence.value() + 1 < oldest)
        {
            self.chain.pop_first()?;
        }
        Ok(())
    }

    /// Forgets every tombstone of a removal before a moment, and says how many.
    ///
    /// # Errors
    /// [`Fault`] where a record is damaged or the file cannot be written.
    pub fn forget_tombstones(&mut self, before: Timestamp) -> Result<usize, Fault> {
        let mut expired = Vec::new();
        for entry in self.tombstones.iter()? {
            let (key, value) = entry?;
            let tombstone = record::decode::<v1::Tombstone<'_>>(value.value())
                .map_err(named("tombstone", String::from_utf8_lossy(key.value())))?;
            if tombstone.removed_us < before.0 {
                expired.push(key.value().to_vec());
            }
        }
        for key in &expired {
            self.tombstones.remove(key.as_slice())?;
            self.drop_history(key)?;
        }
        Ok(expired.len())
    }
}
