//! The tables as an archive sees them: raw keys and raw values, whatever they mean.

use redb::{Key, ReadTransaction, ReadableTable, TableDefinition, TableHandle, Value, WriteTransaction};

use super::ArchiveFault;
use crate::store::tables::{CHAIN, CHANGES, HISTORY, LIVE, MEMBERS, NUMBERS, RECEIPTS, TEXTS, TOMBSTONES};

/// Every table of the data file, in the order in which archives hold them. A new table is one more name here.
pub(super) const TABLES: [&dyn Rows; 9] = [
    &NUMBERS,
    &TEXTS,
    &LIVE,
    &TOMBSTONES,
    &MEMBERS,
    &CHANGES,
    &CHAIN,
    &HISTORY,
    &RECEIPTS,
];

/// Some records, key and value.
pub(super) type Run = Vec<(Vec<u8>, Vec<u8>)>;

/// What is done with each record, key and value.
pub(super) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), ArchiveFault> + 'a;

/// A table, whatever is in it.
pub(super) trait Rows: Sync {
    /// Its name.
    fn table(&self) -> &str;

    /// Shows every record, in the order of the keys.
    fn each(&self, reading: &ReadTransaction, visit: &mut Visit<'_>) -> Result<(), ArchiveFault>;

    /// Writes some records. `false` where a key or a value is not of the table's type.
    fn put(&self, writing: &WriteTransaction, records: &[(Vec<u8>, Vec<u8>)]) -> Result<bool, ArchiveFault>;
}

/// The bytes of a type that are one of its values. The data file takes that for granted, and an archive cannot.
trait Column: Value + 'static {
    fn fits(bytes: &[u8]) -> bool;
}

impl Column for u64 {
    fn fits(bytes: &[u8]) -> bool {
        bytes.len() == size_of::<Self>()
    }
}

impl Column for [u8; 32] {
    fn fits(bytes: &[u8]) -> bool {
        bytes.len() == size_of::<Self>()
    }
}

impl Column for &'static str {
    fn fits(bytes: &[u8]) -> bool {
        std::str::from_utf8(bytes).is_ok()
    }
}

impl Column for &'static [u8] {
    fn fits(_: &[u8]) -> bool {
        true
    }
}

impl Column for () {
    fn fits(bytes: &[u8]) -> bool {
        bytes.is_empty()
    }
}

impl<K: Column + Key + Sync, V: Column + Sync> Rows for TableDefinition<'static, K, V> {
    fn table(&self) -> &str {
        self.name()
    }

    fn each(&self, reading: &ReadTransaction, visit: &mut Visit<'_>) -> Result<(), ArchiveFault> {
        let table = reading.open_table(*self)?;
        for entry in table.iter()? {
            let (key, value) = entry?;
            visit(
                K::as_bytes(&key.value()).as_ref(),
                V::as_bytes(&value.value()).as_ref(),
            )?;
        }
        Ok(())
    }

    fn put(&self, writing: &WriteTransaction, records: &[(Vec<u8>, Vec<u8>)]) -> Result<bool, ArchiveFault> {
        let mut table = writing.open_table(*self)?;
        for (key, value) in records {
            if !K::fits(key) || !V::fits(value) {
                return Ok(false);
            }
            table.insert(K::from_bytes(key), V::from_bytes(value))?;
        }
        Ok(true)
    }
}
