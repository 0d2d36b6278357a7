//! The digest of a register: equal digests prove equal copies.
//!
//! It is the sum modulo 2^256 of SHA-256 over `type NUL id NUL revision` for each live entity. A sum does not depend on
//! the order, so it is kept up with one addition and one subtraction a change, and a reader of the events computes the
//! same over its copy in ten lines of any language.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::event::{Event, Fact};
use super::id::EntityKey;

/// A sum of hashes; as text 64 hex digits, the most significant first.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// The least significant first.
    limbs: [u64; 4],
}

impl Digest {
    /// Takes an entity in.
    pub fn add(&mut self, key: &EntityKey, revision: u64) {
        let mut carry = false;
        for (limb, more) in self.limbs.iter_mut().zip(hash(key, revision)) {
            let (sum, over) = limb.overflowing_add(more);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = over || over_again;
        }
    }

    /// Takes an entity out.
    pub fn subtract(&mut self, key: &EntityKey, revision: u64) {
        let mut borrow = false;
        for (limb, less) in self.limbs.iter_mut().zip(hash(key, revision)) {
            let (rest, under) = limb.overflowing_sub(less);
            let (rest, under_again) = rest.overflowing_sub(u64::from(borrow));
            *limb = rest;
            borrow = under || under_again;
        }
    }

    /// Takes one event back, the last one that was followed.
    pub fn take_back(&mut self, event: &Event) {
        let Event {
            key,
            revision,
            fact,
            environments: _,
        } = event;
        match fact {
            Fact::Created { .. } | Fact::Restored { .. } => self.subtract(key, *revision),
            Fact::Removed { .. } => self.add(key, revision.saturating_sub(1)),
            Fact::Updated { .. } | Fact::Linked { .. } | Fact::Unlinked { .. } => {
                self.subtract(key, *revision);
                self.add(key, revision.saturating_sub(1));
            }
        }
    }

    /// Follows one event: the revision before it goes, the one after it comes.
    pub fn follow(&mut self, event: &Event) {
        let Event {
            key,
            revision,
            fact,
            environments: _,
        } = event;
        match fact {
            Fact::Created { .. } | Fact::Restored { .. } => self.add(key, *revision),
            Fact::Removed { .. } => self.subtract(key, revision.saturating_sub(1)),
            Fact::Updated { .. } | Fact::Linked { .. } | Fact::Unlinked { .. } => {
                self.subtract(key, revision.saturating_sub(1));
                self.add(key, *revision);
            }
        }
    }
}

/// The hash of one entity as a number of 256 bits, in limbs, the least significant first.
fn hash(key: &EntityKey, revision: u64) -> [u64; 4] {
    let text = format!("{}\0{}\0{revision}", key.entity, key.id);
    let bytes: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mut limbs = [0; 4];
    for (limb, part) in limbs.iter_mut().zip(bytes.rchunks_exact(8)) {
        *limb = part.iter().fold(0, |limb, byte| (limb << 8) | u64::from(*byte));
    }
    limbs
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limbs
            .iter()
            .rev()
            .try_for_each(|limb| write!(f, "{limb:016x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::Digest;
    use crate::domain::{EntityKey, Id};

    fn key(id: &str) -> EntityKey {
        EntityKey::resource(Id::parse(id).unwrap())
    }

    #[test]
    fn it_is_what_ten_lines_of_python_say() {
        // sum(int.from_bytes(sha256(f"resource\0{id}\0{revision}".encode()).digest(), "big")) % 2**256, as %064x
        let mut digest = Digest::default();
        assert_eq!(digest.to_string(), "0".repeat(64));
        digest.add(&key("db-1"), 3);
        digest.add(&key("web-1"), 1);
        digest.add(&key("web-2"), 70);
        assert_eq!(digest.to_string(), PYTHON);
    }

    const PYTHON: &str = "df45c6d960d547c9f5697abd6d4056b0c5d497255c73e565f91bf0e2ee48b969";

    proptest! {
        #[test]
        fn the_order_does_not_matter_and_what_was_added_can_be_subtracted(
            entities in prop::collection::vec(("[a-z]{1,5}", 1_u64..9), 0..40),
            gone in prop::collection::vec(("[a-z]{1,5}", 1_u64..9), 0..40),
        ) {
            let mut forward = Digest::default();
            let mut backward = Digest::default();
            for (id, revision) in &entities {
                forward.add(&key(id), *revision);
            }
            for (id, revision) in gone.iter().chain(entities.iter().rev()) {
                backward.add(&key(id), *revision);
            }
            for (id, revision) in &gone {
                backward.subtract(&key(id), *revision);
            }
            assert_eq!(forward, backward);
        }
    }
}
