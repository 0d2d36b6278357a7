//! The tables of the data file, and how their keys are written.

use redb::TableDefinition;

use super::record::entity_code;
use crate::domain::{EntityKey, Id};

pub(super) const NUMBERS_NAME: &str = "numbers";
pub(super) const TEXTS_NAME: &str = "texts";
pub(super) const LIVE_NAME: &str = "live";

/// Numbers about the file itself.
pub(super) const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new(NUMBERS_NAME);
/// Texts about the file itself.
pub(super) const TEXTS: TableDefinition<&str, &str> = TableDefinition::new(TEXTS_NAME);
/// Entity → its document and revision.
pub(super) const LIVE: TableDefinition<&[u8], &[u8]> = TableDefinition::new(LIVE_NAME);
/// Entity → what is left of it.
pub(super) const TOMBSTONES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("tombstones");
/// Environment and resource → nothing: the resource is in the environment.
pub(super) const MEMBERS: TableDefinition<&[u8], ()> = TableDefinition::new("members");
/// Sequence → the event: the change log, and the outbox.
pub(super) const CHANGES: TableDefinition<u64, &[u8]> = TableDefinition::new("changes");
/// Sequence → the hash of the event's record and of the hash before it, so that two logs that agree in one hash agree in
/// all that led to it.
pub(super) const CHAIN: TableDefinition<u64, [u8; 32]> = TableDefinition::new("chain");
/// Entity and sequence → nothing while the change log has that change, and then its record: see `history`.
pub(super) const HISTORY: TableDefinition<&[u8], &[u8]> = TableDefinition::new("history");
/// Number → how a command ended: the inbox.
pub(super) const RECEIPTS: TableDefinition<u64, &[u8]> = TableDefinition::new("receipts");

pub(super) const FORMAT_KEY: &str = "format";
pub(super) const EPOCH_KEY: &str = "epoch";
pub(super) const SEQUENCE_KEY: &str = "sequence";
pub(super) const PUBLISHED_KEY: &str = "published";
pub(super) const SHIPPED_KEY: &str = "shipped";
pub(super) const BEGAN_KEY: &str = "began";
pub(super) const CLUSTER_KEY: &str = "cluster";
pub(super) const INSTANCE_KEY: &str = "instance";
pub(super) const STANDING_KEY: &str = "standing";

/// One byte for the type, then the id.
pub(super) fn entity_key(key: &EntityKey) -> Vec<u8> {
    let id = key.id.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(1 + id.len());
    bytes.push(entity_code(key.entity));
    bytes.extend_from_slice(id);
    bytes
}

/// The entity, a zero byte (which no id has), the sequence.
pub(super) fn history_key(entity: &[u8], sequence: u64) -> Vec<u8> {
    [entity, &[0], &sequence.to_be_bytes()].concat()
}

/// The first key of an entity's history, and the first after it.
pub(super) fn history_of(entity: &[u8]) -> (Vec<u8>, Vec<u8>) {
    ([entity, &[0]].concat(), [entity, &[1]].concat())
}

/// The environment, a zero byte (which no id has), the resource.
pub(super) fn member_key(environment: &Id, resource: &Id) -> Vec<u8> {
    [
        environment.as_str().as_bytes(),
        &[0],
        resource.as_str().as_bytes(),
    ]
    .concat()
}

/// The environment and the resource of a member's key.
pub(super) fn read_member_key(key: &[u8]) -> Option<(Id, Id)> {
    let mut parts = key.splitn(2, |byte| *byte == 0);
    let mut id = || Id::parse(std::str::from_utf8(parts.next()?).ok()?).ok();
    Some((id()?, id()?))
}

/// The first key of an environment's members, and the first after them.
pub(super) fn members_of(environment: &Id) -> (Vec<u8>, Vec<u8>) {
    let id = environment.as_str().as_bytes();
    ([id, &[0]].concat(), [id, &[1]].concat())
}
