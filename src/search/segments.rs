//! What is kept in memory of each segment: the order of its keys, and what its hits show.
//!
//! A segment never changes, so what was read of it once stays right for as long as it lives, through any number
//! of commits. The order costs four bytes for each document, and makes a tie between scores a comparison of two
//! numbers. What hits show (key, kind and name) is read when a document is first a hit, and costs some 150
//! bytes from then on. The ids as text are read when a set of ids is first asked for, and cost some 30 bytes each.

use std::sync::{Arc, OnceLock};

use tantivy::columnar::StrColumn;
use tantivy::index::SegmentId;
use tantivy::schema::document::{DeserializeError, DocumentDeserialize, DocumentDeserializer};
use tantivy::{DocAddress, DocId, Searcher, SegmentReader};

use super::fault::Fault;
use super::fields::{Fields, KEY, RESOURCE_KEYS, read_key};
use super::sets::hash;
use crate::domain::EntityKey;

/// What is kept of the segments of one state.
pub(super) struct Segments {
    segments: Vec<Arc<Segment>>,
}

/// What is kept of one segment.
pub(super) struct Segment {
    id: SegmentId,
    /// The column of keys.
    pub(super) keys: StrColumn,
    /// For each document, the place of its key among the sorted keys.
    ordinals: Box<[u32]>,
    cards: Box<[OnceLock<Box<Card>>]>,
    names: OnceLock<Names>,
}

/// The ids of the resources of a segment.
pub(super) struct Names {
    /// All of them, one after the other in the order of the keys.
    text: Box<[u8]>,
    /// For each key, where its id ends and the hash of it; a key of another type has no text.
    each: Box<[(u32, u64)]>,
}

impl Names {
    /// The hash and the id of the resource whose key has this place among the sorted keys.
    pub(super) fn resource(&self, ordinal: u32) -> Option<(u64, &[u8])> {
        let number = place(ordinal);
        let (end, hash) = *self.each.get(number)?;
        let start = match number.checked_sub(1) {
            Some(before) => self.each.get(before)?.0,
            None => 0,
        };
        let id = self.text.get(place(start)..place(end))?;
        (!id.is_empty()).then_some((hash, id))
    }
}

/// What a hit shows.
pub(super) struct Card {
    pub(super) key: EntityKey,
    pub(super) kind: String,
    pub(super) name: String,
}

impl Segment {
    /// Reads the order of the keys.
    fn open(reader: &SegmentReader) -> Result<Self, Fault> {
        let keys = reader
            .fast_fields()
            .str(KEY)?
            .ok_or_else(|| Fault::unusable("a segment has no column of keys"))?;
        let ordinal = |doc: DocId| {
            let ordinal = keys
                .ords()
                .first(doc)
                .and_then(|ordinal| u32::try_from(ordinal).ok());
            ordinal.ok_or_else(|| Fault::unusable("an entry has no key"))
        };
        Ok(Self {
            id: reader.segment_id(),
            ordinals: (0..reader.max_doc()).map(ordinal).collect::<Result<_, _>>()?,
            cards: (0..reader.max_doc()).map(|_| OnceLock::new()).collect(),
            names: OnceLock::new(),
            keys,
        })
    }

    /// The ids of its resources, read at the first call.
    pub(super) fn names(&self) -> Result<&Names, Fault> {
        if let Some(names) = self.names.get() {
            return Ok(names);
        }
        let failed = |error: std::io::Error| Fault::of("read its keys")(error.into());
        let (mut text, mut each) = (Vec::new(), Vec::new());
        let mut keys = self.keys.dictionary().stream().map_err(failed)?;
        while keys.advance() {
            let id = keys
                .key()
                .strip_prefix(RESOURCE_KEYS.as_bytes())
                .unwrap_or_default();
            text.extend_from_slice(id);
            let end = u32::try_from(text.len()).map_err(|_| Fault::unusable("a segment is too large"))?;
            each.push((end, std::str::from_utf8(id).map_or(0, hash)));
        }
        let names = Names {
            text: text.into(),
            each: each.into(),
        };
        Ok(self.names.get_or_init(|| names))
    }

    /// The place of a document's key among the sorted keys.
    pub(super) fn ordinal(&self, doc: DocId) -> u32 {
        self.ordinals.get(place(doc)).copied().unwrap_or(u32::MAX)
    }
}

impl Segments {
    /// For the segments of a searcher; what is known of those that an earlier state had is kept.
    pub(super) fn new(searcher: &Searcher, earlier: Option<&Self>) -> Result<Self, Fault> {
        let known = |id: SegmentId| {
            let mut segments = earlier?.segments.iter();
            segments.find(|segment| segment.id == id).map(Arc::clone)
        };
        let segments = searcher
            .segment_readers()
            .iter()
            .map(|reader| match known(reader.segment_id()) {
                Some(segment) => Ok(segment),
                None => Segment::open(reader).map(Arc::new),
            });
        Ok(Self {
            segments: segments.collect::<Result<_, Fault>>()?,
        })
    }

    /// Each segment, in the order of the searcher's.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().map(AsRef::as_ref)
    }

    /// What one hit shows.
    pub(super) fn card(
        &self,
        searcher: &Searcher,
        fields: &Fields,
        address: DocAddress,
    ) -> Result<&Card, Fault> {
        let segment = self.segments.get(place(address.segment_ord));
        let slot = segment.and_then(|segment| segment.cards.get(place(address.doc_id)));
        let slot = slot.ok_or_else(|| Fault::unusable("a hit is outside of its segment"))?;
        if let Some(card) = slot.get() {
            return Ok(card);
        }
        let card = Box::new(searcher.doc::<Stored>(address)?.card(fields)?);
        Ok(slot.get_or_init(|| card))
    }
}

/// A number of the index as a place in memory.
fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The stored fields of a document.
struct Stored(Vec<(tantivy::schema::Field, String)>);

impl DocumentDeserialize for Stored {
    fn deserialize<'de, D>(mut document: D) -> Result<Self, DeserializeError>
    where
        D: DocumentDeserializer<'de>,
    {
        let mut fields = Vec::with_capacity(document.size_hint());
        while let Some(field) = document.next_field()? {
            fields.push(field);
        }
        Ok(Self(fields))
    }
}

impl Stored {
    /// What a hit shows of them.
    fn card(self, fields: &Fields) -> Result<Card, Fault> {
        let (mut key, mut kind, mut name) = (None, String::new(), String::new());
        for (field, text) in self.0 {
            if field == fields.key {
                key = read_key(&text);
            } else if field == fields.kind_shown {
                kind = text;
            } else if field == fields.name_shown {
                name = text;
            }
        }
        let key = key.ok_or_else(|| Fault::unusable("an entry has no key"))?;
        Ok(Card { key, kind, name })
    }
}
