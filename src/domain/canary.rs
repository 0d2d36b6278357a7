//! Canaries: questions whose answers two copies of a register can compare.

use super::id::EntityKey;

/// One of them: an entity, and a hash of what a register says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// The entity.
    pub key: EntityKey,
    /// BLAKE3 of the answers, as 64 hexadecimal digits.
    pub hash: String,
}
