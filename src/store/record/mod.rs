//! Records on disk: one version byte, then CBOR with indexed fields.
//!
//! Fields may be added to a record without a new version: readers skip what they do not know, and a missing optional
//! field reads as its default. Anything else makes a new version, whose type names its predecessor and says how to come
//! from it, so that whatever an older program wrote is read by going along the chain.

mod from_domain;
#[cfg(test)]
mod tests;
mod to_domain;
pub(super) mod v1;

use minicbor::{CborLen, Decode, Encode};

pub(super) use from_domain::{entity_code, receipt};

/// Bytes on disk that are not the record they should be.
#[derive(Debug, thiserror::Error)]
pub enum RecordFault {
    /// The record has no bytes at all.
    #[error("the record is empty")]
    Empty,
    /// A newer program wrote the record.
    #[error(
        "the record has version {found}, this program knows up to {known}: use the program that wrote it, or a newer one"
    )]
    Newer {
        /// The version of the record.
        found: u8,
        /// The newest version that this program reads.
        known: u8,
    },
    /// The version was never written.
    #[error("the record has version {0}, which was never written: the file is damaged")]
    Unknown(u8),
    /// The bytes after the version are not the record.
    #[error("the record is damaged")]
    Damaged(#[from] minicbor::decode::Error),
    /// A value cannot be written as a record.
    #[error("the record cannot be written: {0}")]
    Unwritable(String),
    /// A value is not what it can be.
    #[error("the record is damaged: {0}")]
    Meaning(&'static str),
}

/// One version of a record, and the one before.
pub(super) trait Versioned<'b>: Sized + Encode<()> + Decode<'b, ()> + CborLen<()> {
    /// The byte that the record starts with; rises by one per version.
    const VERSION: u8;
    /// What an older program wrote; [`First`] where there is no older version.
    type Before: Chain<'b> + Into<Self>;
}

/// A record that reads its own version and every one before it.
pub(super) trait Chain<'b>: Sized {
    /// Reads the body of a record of some version, the first byte taken off.
    fn read(version: u8, body: &'b [u8]) -> Result<Self, RecordFault>;
}

/// The end of a chain: nothing was written before the first version.
pub(super) enum First {}

impl Chain<'_> for First {
    fn read(version: u8, _: &[u8]) -> Result<Self, RecordFault> {
        Err(RecordFault::Unknown(version))
    }
}

impl<'b, T: Versioned<'b>> Chain<'b> for T {
    fn read(version: u8, body: &'b [u8]) -> Result<Self, RecordFault> {
        if version > T::VERSION {
            return Err(RecordFault::Newer {
                found: version,
                known: T::VERSION,
            });
        }
        if version == T::VERSION {
            return Ok(minicbor::decode(body)?);
        }
        T::Before::read(version, body).map(Into::into)
    }
}

/// Reads a record of any version.
pub(super) fn decode<'b, T: Versioned<'b>>(bytes: &'b [u8]) -> Result<T, RecordFault> {
    let (version, body) = bytes.split_first().ok_or(RecordFault::Empty)?;
    T::read(*version, body)
}

/// Writes a record in its newest version.
pub(super) fn encode<'b, T: Versioned<'b>>(record: &T) -> Result<Vec<u8>, RecordFault> {
    let mut bytes = Vec::with_capacity(1 + minicbor::len(record));
    bytes.push(T::VERSION);
    minicbor::encode(record, &mut bytes).map_err(|error| RecordFault::Unwritable(error.to_string()))?;
    Ok(bytes)
}
