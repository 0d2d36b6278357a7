//! Records: there and back, along the chain of versions, and what damage comes to.

mod fixtures;

use std::sync::Arc;

use minicbor::{CborLen, Decode, Encode};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use super::{First, RecordFault, Versioned, decode, encode, receipt, v1};
use crate::domain::{Change, Live, Receipt, Timestamp, Tombstone, strategies};

#[derive(Debug, PartialEq, Encode, Decode, CborLen)]
struct Old {
    #[n(0)]
    name: String,
}

#[derive(Debug, PartialEq, Encode, Decode, CborLen)]
struct New {
    #[n(0)]
    names: Vec<String>,
}

impl Versioned<'_> for Old {
    const VERSION: u8 = 1;
    type Before = First;
}

impl From<First> for Old {
    fn from(nothing: First) -> Self {
        match nothing {}
    }
}

impl Versioned<'_> for New {
    const VERSION: u8 = 2;
    type Before = Old;
}

impl From<Old> for New {
    fn from(old: Old) -> Self {
        Self {
            names: vec![old.name],
        }
    }
}

#[test]
fn a_record_of_an_older_version_is_read_along_the_chain() {
    let bytes = encode(&Old {
        name: "db-1".to_owned(),
    })
    .unwrap();
    assert_eq!(
        decode::<New>(&bytes).unwrap(),
        New {
            names: vec!["db-1".to_owned()]
        }
    );
}

#[test]
fn a_record_of_a_newer_version_is_refused_with_both_numbers() {
    let bytes = encode(&New { names: Vec::new() }).unwrap();
    assert!(matches!(
        decode::<Old>(&bytes),
        Err(RecordFault::Newer { found: 2, known: 1 })
    ));
}

#[test]
fn damage_is_told_apart() {
    assert!(matches!(decode::<New>(&[]), Err(RecordFault::Empty)));
    assert!(matches!(decode::<New>(&[0, 1]), Err(RecordFault::Unknown(0))));
    assert!(matches!(decode::<New>(&[2, 0xff]), Err(RecordFault::Damaged(_))));
}

type Read<T> = Result<T, RecordFault>;

fn live(bytes: &[u8]) -> Read<Live> {
    decode::<v1::Live<'_>>(bytes).and_then(Live::try_from)
}

fn tombstone(bytes: &[u8]) -> Read<Tombstone> {
    decode::<v1::Tombstone<'_>>(bytes).and_then(Tombstone::try_from)
}

fn change(bytes: &[u8]) -> Read<Change> {
    decode::<v1::Change<'_>>(bytes).and_then(Change::try_from)
}

/// A receipt with what is kept beside it.
fn answered(bytes: &[u8]) -> Read<(String, [u8; 32], String, Timestamp, Receipt)> {
    let record = decode::<v1::Receipt<'_>>(bytes)?;
    let (message_id, fingerprint) = (record.message_id.to_owned(), record.fingerprint);
    let (actor, time) = (record.actor.to_owned(), Timestamp(record.time_us));
    Ok((message_id, fingerprint, actor, time, record.try_into()?))
}

/// The bytes lead back to the value, and no part of them to any value.
fn there_and_back<T: PartialEq + std::fmt::Debug>(bytes: &[u8], value: &T, read: fn(&[u8]) -> Read<T>) {
    assert_eq!(read(bytes).as_ref().unwrap(), value);
    for end in 0..bytes.len() {
        assert!(
            read(&bytes[..end]).is_err(),
            "{end} of {} bytes are no record",
            bytes.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn an_entity_goes_there_and_back(document in strategies::document(), revision in any::<u64>()) {
        let value = Live { document: Arc::new(document), revision };
        there_and_back(&encode(&v1::Live::from(&value)).unwrap(), &value, live);
    }

    #[test]
    fn a_tombstone_goes_there_and_back(value in strategies::tombstone()) {
        there_and_back(&encode(&v1::Tombstone::from(&value)).unwrap(), &value, tombstone);
    }

    #[test]
    fn a_change_goes_there_and_back(value in strategies::change()) {
        there_and_back(&encode(&v1::Change::from(&value)).unwrap(), &value, change);
    }

    #[test]
    fn a_receipt_goes_there_and_back(
        value in strategies::receipt(), id in ".{0,9}", actor in ".{0,9}", time in any::<i64>(), print in any::<[u8; 32]>(),
    ) {
        let time = Timestamp(time);
        let bytes = encode(&receipt(&id, print, &actor, time, &value)).unwrap();
        there_and_back(&bytes, &(id, print, actor, time, value), answered);
    }

    #[test]
    fn damage_is_never_a_panic(value in strategies::change(), hits in vec((any::<usize>(), any::<u8>()), 1..4)) {
        let mut bytes = encode(&v1::Change::from(&value)).unwrap();
        let length = bytes.len();
        for (place, byte) in hits {
            bytes[place % length] = byte;
        }
        // Some damage makes another record; that is what the checksums of the file are for.
        if let Ok(other) = change(&bytes) {
            let again = encode(&v1::Change::from(&other)).unwrap();
            prop_assert_eq!(change(&again).unwrap(), other);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_the_bytes_they_are_never_a_panic(version in 0_u8..4, body in vec(any::<u8>(), 0..200)) {
        let bytes = [vec![version], body].concat();
        let _ = (live(&bytes).is_ok(), tombstone(&bytes).is_ok(), answered(&bytes).is_ok());
        let read = change(&bytes);
        if version > 1 {
            let newer = matches!(read, Err(RecordFault::Newer { known: 1, .. }));
            prop_assert!(newer);
        }
    }
}

/// Attributes are JSON inside of CBOR: neither may be nested so deep that reading them overflows the stack.
#[test]
fn nesting_without_end_is_damage() {
    for bottomless in [
        vec![0x81; 1_000_000],
        vec![0xd8; 1_000_000],
        vec![0x9f; 1_000_000],
    ] {
        assert!(change(&[vec![1], bottomless].concat()).is_err());
    }
    let attributes = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let resource = v1::Resource {
        id: "a",
        kind: "vm",
        name: "",
        description: "",
        tags: std::collections::BTreeMap::new(),
        attributes: attributes.into(),
        status_endpoints: Vec::new(),
        dependencies: Vec::new(),
    };
    let record = v1::Live {
        revision: 1,
        document: v1::Document::Resource(resource),
    };
    assert!(matches!(
        live(&encode(&record).unwrap()),
        Err(RecordFault::Meaning(_))
    ));
}
