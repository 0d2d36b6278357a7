//! The chain of hashes along the change log.

/// The link of a record: a BLAKE3 hash of the link before it and of its bytes.
pub(super) fn link(before: [u8; 32], record: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&before);
    hasher.update(record);
    *hasher.finalize().as_bytes()
}
