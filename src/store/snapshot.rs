//! Reading the state as of one commit, while others write.

use std::ops::Bound;

use redb::{ReadTransaction, TableError};

use super::record::{self, v1};
use super::tables::{
    BEGAN_KEY, CHAIN, CHANGES, CLUSTER_KEY, EPOCH_KEY, FORMAT_KEY, HISTORY, INSTANCE_KEY, LIVE, MEMBERS,
    NUMBERS, PUBLISHED_KEY, RECEIPTS, SEQUENCE_KEY, SHIPPED_KEY, STANDING_KEY, TEXTS, entity_key, members_of,
    read_member_key,
};
use super::{Fault, Identity, RecordFault};
use crate::domain::{Change, EntityKey, EntityType, Id, Live, Position, Standing, Timestamp};

type Table<K, V> = redb::ReadOnlyTable<K, V>;

/// The state as of one commit.
pub struct Snapshot {
    numbers: Table<&'static str, u64>,
    texts: Table<&'static str, &'static str>,
    live: Table<&'static [u8], &'static [u8]>,
    members: Table<&'static [u8], ()>,
    pub(super) changes: Table<u64, &'static [u8]>,
    pub(super) chain: Table<u64, [u8; 32]>,
    pub(super) history: Table<&'static [u8], &'static [u8]>,
    pub(super) receipts: Table<u64, &'static [u8]>,
}

/// What the inbox remembers of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptMark {
    /// The number that the receipt is kept under.
    pub number: u64,
    /// The message id of its command.
    pub message_id: String,
    /// When the command was decided.
    pub time: Timestamp,
}

fn read_standing(text: &str) -> Result<Standing, Fault> {
    Standing::parse(text).map_err(|_| Fault::Record {
        what: "text",
        key: STANDING_KEY.to_owned(),
        source: RecordFault::Meaning("a standing that this program does not know"),
    })
}

impl Snapshot {
    /// The format of a file; `None` where it is new.
    pub(super) fn format(reading: &ReadTransaction) -> Result<Option<u64>, TableError> {
        match reading.open_table(NUMBERS) {
            Ok(numbers) => Ok(numbers.get(FORMAT_KEY)?.map(|format| format.value())),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn open(reading: &ReadTransaction) -> Result<Self, Fault> {
        Ok(Self {
            numbers: reading.open_table(NUMBERS)?,
            texts: reading.open_table(TEXTS)?,
            live: reading.open_table(LIVE)?,
            members: reading.open_table(MEMBERS)?,
            changes: reading.open_table(CHANGES)?,
            chain: reading.open_table(CHAIN)?,
            history: reading.open_table(HISTORY)?,
            receipts: reading.open_table(RECEIPTS)?,
        })
    }

    /// Whose data it is, and how far it has come.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be read.
    pub fn identity(&self) -> Result<Identity, Fault> {
        let number = |key| Ok::<u64, Fault>(self.numbers.get(key)?.map_or(0, |number| number.value()));
        let text = |key| Ok::<_, Fault>(self.texts.get(key)?.map(|text| text.value().to_owned()));
        let position = Position {
            epoch: number(EPOCH_KEY)?,
            sequence: number(SEQUENCE_KEY)?,
        };
        Ok(Identity {
            cluster: text(CLUSTER_KEY)?.unwrap_or_default(),
            instance: text(INSTANCE_KEY)?,
            position,
            began: number(BEGAN_KEY)?,
            standing: text(STANDING_KEY)?.map_or(Ok(Standing::default()), |text| read_standing(&text))?,
            published: number(PUBLISHED_KEY)?,
            shipped: number(SHIPPED_KEY)?,
        })
    }

    /// One live entity.
    ///
    /// # Errors
    /// [`Fault`] where the record is damaged or the file cannot be read.
    pub fn live(&self, key: &EntityKey) -> Result<Option<Live>, Fault> {
        Ok(self.live_and_bytes(key)?.map(|(live, _)| live))
    }

    /// The same, and how many bytes it has in the file.
    ///
    /// # Errors
    /// [`Fault`] where its record is damaged or the file cannot be read.
    pub fn live_and_bytes(&self, key: &EntityKey) -> Result<Option<(Live, usize)>, Fault> {
        let Some(found) = self.live.get(entity_key(key).as_slice())? else {
            return Ok(None);
        };
        let record = found.value();
        Ok(Some((read_live(record, key)?, record.len())))
    }

    /// Every live entity, environments first, each type by id.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be read; each item, where its record is damaged.
    pub fn all_live(&self) -> Result<impl Iterator<Item = Result<Live, Fault>>, Fault> {
        let entries = self.live.range::<&[u8]>(..)?;
        Ok(entries.map(|entry| {
            let (key, value) = entry?;
            read_live(value.value(), &String::from_utf8_lossy(key.value()))
        }))
    }

    /// The first and the last live resource, in the order of their ids; `None` where there is none.
    ///
    /// # Errors
    /// [`Fault`] where a record is damaged or the file cannot be read.
    pub fn first_and_last(&self) -> Result<Option<(EntityKey, EntityKey)>, Fault> {
        let code = record::entity_code(EntityType::Resource);
        let (from, to) = ([code], [code + 1]);
        let mut resources = self.live.range::<&[u8]>(from.as_slice()..to.as_slice())?;
        let key = |entry: Option<Result<_, redb::StorageError>>| {
            let Some(entry) = entry else { return Ok(None) };
            let (key, value): (redb::AccessGuard<'_, &[u8]>, redb::AccessGuard<'_, &[u8]>) = entry?;
            let name = String::from_utf8_lossy(key.value()).into_owned();
            read_live(value.value(), &name).map(|live| Some(live.document.key()))
        };
        let first = key(resources.next())?;
        let last = key(resources.next_back())?;
        Ok(first.map(|first| (first.clone(), last.unwrap_or(first))))
    }

    /// Live entities after a key, or from the first; in the order of [`Snapshot::all_live`], at most so many.
    ///
    /// # Errors
    /// [`Fault`] where a record is damaged or the file cannot be read.
    pub fn live_after(&self, after: Option<&EntityKey>, most: usize) -> Result<Vec<Live>, Fault> {
        let from = after.map(entity_key);
        let start = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.live.range::<&[u8]>((start, Bound::Unbounded))?.take(most);
        entries
            .map(|entry| {
                let (key, value) = entry?;
                read_live(value.value(), &String::from_utf8_lossy(key.value()))
            })
            .collect()
    }

    /// The resources in one environment, by id.
    ///
    /// # Errors
    /// [`Fault`] where a key is damaged or the file cannot be read.
    pub fn members(&self, environment: &Id) -> Result<Vec<Id>, Fault> {
        let (start, end) = members_of(environment);
        let entries = self.members.range::<&[u8]>(start.as_slice()..end.as_slice())?;
        entries
            .map(|entry| read_member(entry?.0.value()).map(|(_, resource)| resource))
            .collect()
    }

    /// Shows every membership: environment, then resource.
    ///
    /// # Errors
    /// [`Fault`] where a key is damaged or the file cannot be read.
    pub fn each_member(&self, mut visit: impl FnMut(Id, Id)) -> Result<(), Fault> {
        for entry in self.members.range::<&[u8]>(..)? {
            let (environment, resource) = read_member(entry?.0.value())?;
            visit(environment, resource);
        }
        Ok(())
    }

    /// The changes from a sequence on, in order, at most so many. Fewer at the end, and where the first ones were
    /// forgotten already the answer starts later: look at the first sequence.
    ///
    /// # Errors
    /// [`Fault`] where a record is damaged or the file cannot be read.
    pub fn changes(&self, from: u64, most: usize) -> Result<Vec<Change>, Fault> {
        let mut changes = Vec::new();
        for entry in self.changes.range(from..)?.take(most) {
            let (sequence, value) = entry?;
            changes.push(read_change(value.value(), sequence.value())?);
        }
        Ok(changes)
    }

    /// Shows every receipt, oldest first.
    ///
    /// # Errors
    /// [`Fault`] where a record is damaged or the file cannot be read.
    pub fn each_receipt(&self, mut visit: impl FnMut(ReceiptMark)) -> Result<(), Fault> {
        for entry in self.receipts.range::<u64>(..)? {
            let (number, value) = entry?;
            let number = number.value();
            let receipt =
                record::decode::<v1::Receipt<'_>>(value.value()).map_err(|source| Fault::Record {
                    what: "receipt",
                    key: number.to_string(),
                    source,
                })?;
            let message_id = receipt.message_id.to_owned();
            visit(ReceiptMark {
                number,
                message_id,
                time: Timestamp(receipt.time_us),
            });
        }
        Ok(())
    }
}

fn read_member(key: &[u8]) -> Result<(Id, Id), Fault> {
    read_member_key(key).ok_or_else(|| Fault::Record {
        what: "membership",
        key: String::from_utf8_lossy(key).into_owned(),
        source: RecordFault::Meaning("the key is not two ids"),
    })
}

pub(super) fn read_change(bytes: &[u8], sequence: u64) -> Result<Change, Fault> {
    record::decode::<v1::Change<'_>>(bytes)
        .and_then(Change::try_from)
        .map_err(|source| Fault::Record {
            what: "change",
            key: sequence.to_string(),
            source,
        })
}

pub(super) fn read_live(bytes: &[u8], key: &dyn std::fmt::Display) -> Result<Live, Fault> {
    record::decode::<v1::Live<'_>>(bytes)
        .and_then(Live::try_from)
        .map_err(|source| Fault::Record {
            what: "entity",
            key: key.to_string(),
            source,
        })
}
