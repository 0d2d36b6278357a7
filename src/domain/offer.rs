//! Snapshots as they are handed out: an offer, and the pieces that it is fetched in.

use super::id::Timestamp;

/// The bytes of a piece; the last one of a snapshot may have fewer. As text in a message a piece is a third larger.
pub const PIECE_BYTES: u64 = 1024 * 1024;

/// A snapshot that can be fetched. What it is true as of is said by the answer that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What to ask for it by.
    pub id: String,
    /// The digest of all live entities in it.
    pub digest: String,
    /// When it was made.
    pub time: Timestamp,
    /// In how many pieces it is fetched.
    pub chunks: u64,
    /// The bytes of the whole file.
    pub bytes: u64,
}

/// A piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Of which snapshot.
    pub id: String,
    /// Which piece; the first is 0.
    pub index: u64,
    /// How many there are.
    pub chunks: u64,
    /// The bytes of the whole file.
    pub total_bytes: u64,
    /// BLAKE3 of its bytes, as 64 hexadecimal digits.
    pub checksum: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}
