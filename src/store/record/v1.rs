//! Version 1 of every record. Strings are borrowed both ways, so that a record costs no copies to write.

use std::borrow::Cow;
use std::collections::BTreeMap;

use minicbor::{CborLen, Decode, Encode};

use super::{First, Versioned};

macro_rules! first_version {
    ($($record:ident),*) => {$(
        impl<'b> Versioned<'b> for $record<'b> {
            const VERSION: u8 = 1;
            type Before = First;
        }

        impl From<First> for $record<'_> {
            fn from(nothing: First) -> Self {
                match nothing {}
            }
        }
    )*};
}

first_version!(Live, Tombstone, Change, Receipt);

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Live<'a> {
    #[n(0)]
    pub revision: u64,
    #[b(1)]
    pub document: Document<'a>,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Tombstone<'a> {
    #[n(0)]
    pub revision: u64,
    #[b(1)]
    pub document: Document<'a>,
    #[n(2)]
    pub removed_us: i64,
    #[b(3)]
    pub links: Vec<&'a str>,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) enum Document<'a> {
    #[n(0)]
    Environment(#[b(0)] Environment<'a>),
    #[n(1)]
    Resource(#[b(0)] Resource<'a>),
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Environment<'a> {
    #[b(0)]
    pub id: &'a str,
    #[b(1)]
    pub name: &'a str,
    #[b(2)]
    pub description: &'a str,
    #[b(3)]
    pub tags: BTreeMap<&'a str, &'a str>,
    #[b(4)]
    pub entrypoints: Vec<Entrypoint<'a>>,
    #[b(5)]
    pub status_endpoints: Vec<StatusEndpoint<'a>>,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Resource<'a> {
    #[b(0)]
    pub id: &'a str,
    #[b(1)]
    pub kind: &'a str,
    #[b(2)]
    pub name: &'a str,
    #[b(3)]
    pub description: &'a str,
    #[b(4)]
    pub tags: BTreeMap<&'a str, &'a str>,
    /// JSON text: an object.
    #[b(5)]
    pub attributes: Cow<'a, str>,
    #[b(6)]
    pub status_endpoints: Vec<StatusEndpoint<'a>>,
    #[b(7)]
    pub dependencies: Vec<Dependency<'a>>,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Entrypoint<'a> {
    #[b(0)]
    pub name: &'a str,
    #[b(1)]
    pub url: &'a str,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct StatusEndpoint<'a> {
    #[b(0)]
    pub name: &'a str,
    #[b(1)]
    pub url: &'a str,
    #[n(2)]
    pub interval_ms: u64,
    #[n(3)]
    pub timeout_ms: u64,
    #[b(4)]
    pub expect_status: &'a str,
    #[b(5)]
    pub expect_body: &'a str,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Dependency<'a> {
    /// One target, or the members of a group.
    #[b(0)]
    pub targets: Vec<Target<'a>>,
    /// Only for a group.
    #[n(1)]
    pub at_least: Option<u32>,
    /// 0 hard, 1 soft, 2 startup.
    #[n(2)]
    pub nature: u8,
    #[b(3)]
    pub description: &'a str,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) enum Target<'a> {
    #[n(0)]
    Resource(#[b(0)] &'a str),
    #[n(1)]
    External(#[b(0)] &'a str),
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Change<'a> {
    #[n(0)]
    pub epoch: u64,
    #[n(1)]
    pub sequence: u64,
    #[n(2)]
    pub time_us: i64,
    #[b(3)]
    pub actor: &'a str,
    #[b(4)]
    pub cause: &'a str,
    #[b(5)]
    pub traceparent: &'a str,
    #[n(6)]
    pub transaction_first: u64,
    #[n(7)]
    pub transaction_index: u32,
    #[n(8)]
    pub transaction_count: u32,
    /// 0 environment, 1 resource.
    #[n(9)]
    pub entity: u8,
    #[b(10)]
    pub id: &'a str,
    #[n(11)]
    pub revision: u64,
    #[b(12)]
    pub environments: Vec<&'a str>,
    #[b(13)]
    pub fact: Fact<'a>,
    #[b(14)]
    pub tracestate: Option<&'a str>,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) enum Fact<'a> {
    #[n(0)]
    Created(#[b(0)] Document<'a>),
    #[n(1)]
    Updated(#[b(0)] Document<'a>, #[b(1)] Box<Patch<'a>>),
    #[n(2)]
    Removed(#[b(0)] Document<'a>, #[b(1)] Vec<&'a str>),
    #[n(3)]
    Restored(#[b(0)] Document<'a>),
    #[n(4)]
    Linked(#[b(0)] Vec<&'a str>),
    #[n(5)]
    Unlinked(#[b(0)] Vec<&'a str>),
}

/// The fields of both types of patch: those that a type lacks are never set.
#[derive(Encode, Decode, CborLen, Default)]
pub(in crate::store) struct Patch<'a> {
    #[b(0)]
    pub kind: Option<&'a str>,
    #[b(1)]
    pub name: Option<&'a str>,
    #[b(2)]
    pub description: Option<&'a str>,
    #[n(3)]
    pub tags_clear: bool,
    #[b(4)]
    pub tags: BTreeMap<&'a str, Option<&'a str>>,
    #[n(5)]
    pub attributes_clear: bool,
    /// JSON text: an object.
    #[b(6)]
    pub attributes: Cow<'a, str>,
    #[b(7)]
    pub entrypoints: Option<Vec<Entrypoint<'a>>>,
    #[b(8)]
    pub status_endpoints: Option<Vec<StatusEndpoint<'a>>>,
    #[b(9)]
    pub dependencies: Option<Vec<Dependency<'a>>>,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Receipt<'a> {
    #[b(0)]
    pub message_id: &'a str,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub fingerprint: [u8; 32],
    #[n(2)]
    pub time_us: i64,
    #[b(3)]
    pub actor: &'a str,
    /// 0 applied, 1 unchanged, 2 rejected, 3 expired.
    #[n(4)]
    pub outcome: u8,
    #[b(5)]
    pub problem: Option<Problem<'a>>,
    #[n(6)]
    pub epoch: u64,
    #[n(7)]
    pub sequence: u64,
    #[b(8)]
    pub revisions: Vec<Revision<'a>>,
    #[b(9)]
    pub counts: Vec<Count<'a>>,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Revision<'a> {
    /// 0 environment, 1 resource.
    #[n(0)]
    pub entity: u8,
    #[b(1)]
    pub id: &'a str,
    #[n(2)]
    pub number: u64,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Count<'a> {
    #[b(0)]
    pub kind: &'a str,
    #[n(1)]
    pub count: u64,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Problem<'a> {
    #[b(0)]
    pub kind: &'a str,
    #[b(1)]
    pub detail: &'a str,
    #[b(2)]
    pub pointer: &'a str,
    #[b(3)]
    pub hint: &'a str,
    #[b(4)]
    pub mistakes: Vec<Mistake<'a>>,
    /// JSON text: an object.
    #[b(5)]
    pub facts: Cow<'a, str>,
}

#[derive(Encode, Decode, CborLen)]
pub(in crate::store) struct Mistake<'a> {
    #[b(0)]
    pub pointer: &'a str,
    #[b(1)]
    pub detail: &'a str,
    #[b(2)]
    pub hint: &'a str,
}
