//! Parcels: pieces of the change log, packed by one instance and taken in by another.

use minicbor::bytes::ByteSlice;
use minicbor::{CborLen, Decode, Encode};

use super::record::{self, First, Versioned, v1};
use super::snapshot::{ReceiptMark, Snapshot};
use super::transaction::Transaction;
use super::{Fault, RecordFault, chain};
use crate::domain::{Change, Parcel, Timestamp};

/// A parcel that was read.
#[derive(Debug)]
pub struct Unpacked {
    /// Whose changes they are.
    pub cluster: String,
    /// The epoch of the instance that shipped it.
    pub epoch: u64,
    /// The link of the chain before the first change.
    pub before: [u8; 32],
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// What is kept of the receipts.
    pub marks: Vec<ReceiptMark>,
    records: Vec<Vec<u8>>,
    receipts: Vec<Vec<u8>>,
}

#[derive(Encode, Decode, CborLen)]
struct Body<'a> {
    #[b(0)]
    cluster: &'a str,
    #[n(1)]
    epoch: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    before: [u8; 32],
    #[b(3)]
    changes: Vec<&'a ByteSlice>,
    #[b(4)]
    receipts: Vec<Numbered<'a>>,
}

#[derive(Encode, Decode, CborLen)]
struct Numbered<'a> {
    #[n(0)]
    number: u64,
    #[b(1)]
    receipt: &'a ByteSlice,
}

impl<'b> Versioned<'b> for Body<'b> {
    const VERSION: u8 = 1;
    type Before = First;
}

impl From<First> for Body<'_> {
    fn from(nothing: First) -> Self {
        match nothing {}
    }
}

fn damaged(source: RecordFault) -> Fault {
    Fault::Record {
        what: "parcel",
        key: String::new(),
        source,
    }
}

impl Snapshot {
    /// Packs the changes from one sequence to another, as many as `bytes_max` allows and one at least, with the receipts
    /// that belong to them. `None` where the first of them is not there, or no more.
    ///
    /// # Errors
    /// [`Fault`] where a record is damaged or the file cannot be read.
    pub fn parcel(&self, first: u64, until: u64, bytes_max: usize) -> Result<Option<Parcel>, Fault> {
        let Some(before) = self.link_before(first)? else {
            return Ok(None);
        };
        let (mut records, mut bytes, mut next, mut complete) = (Vec::new(), 0_usize, first, false);
        // Where the first transaction begins, whose receipt no parcel has brought yet, and where the last one ends that is
        // whole: those after it are true only with the next parcel.
        let (mut began, mut whole) = (first, first.saturating_sub(1));
        for entry in self.changes.range(first..=until.max(first))? {
            let (sequence, value) = entry?;
            if sequence.value() != next {
                break;
            }
            let record = value.value();
            bytes = bytes.saturating_add(record.len());
            // One that is cut off in the middle of a transaction is of no use before the next has come, so it is better
            // cut between two; but a transaction may be larger than any parcel.
            if bytes > bytes_max && !records.is_empty() {
                break;
            }
            let change = record::decode::<v1::Change<'_>>(record).map_err(damaged)?;
            began = began.min(change.transaction_first);
            complete = change.transaction_index.saturating_add(1) >= change.transaction_count;
            records.push(record.to_vec());
            if complete {
                whole = next;
            }
            next += 1;
        }
        if records.is_empty() {
            return Ok(None);
        }
        let last = next - 1;
        let receipts = self.receipts_between(began, whole)?;
        let identity = self.identity()?;
        let body = Body {
            cluster: &identity.cluster,
            epoch: identity.position.epoch,
            before,
            changes: records.iter().map(|record| record.as_slice().into()).collect(),
            receipts: receipts
                .iter()
                .map(|(number, receipt)| Numbered {
                    number: *number,
                    receipt: receipt.as_slice().into(),
                })
                .collect(),
        };
        let body = record::encode(&body).map_err(damaged)?;
        Ok(Some(Parcel {
            epoch: identity.position.epoch,
            cluster: identity.cluster,
            first,
            last,
            complete,
            body,
        }))
    }

    /// The link of the chain at a change, as 64 hex digits; `None` where the chain does not reach back that far.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be read.
    pub fn link(&self, sequence: u64) -> Result<Option<String>, Fault> {
        let link = self
            .chain
            .get(sequence)?
            .map(|link| blake3::Hash::from_bytes(link.value()));
        Ok(link.map(|link| link.to_hex().to_string()))
    }

    /// The link before a change; `None` where the chain does not reach back that far.
    fn link_before(&self, sequence: u64) -> Result<Option<[u8; 32]>, Fault> {
        match sequence.checked_sub(1) {
            None => Ok(None),
            Some(0) => Ok(Some([0; 32])),
            Some(before) => Ok(self.chain.get(before)?.map(|link| link.value())),
        }
    }

    /// The receipts of commands that were decided after the change before `first`, and not after `last`. Those that
    /// changed nothing are as of the change before them, which may have gone out already: so that one is looked at too.
    fn receipts_between(&self, first: u64, last: u64) -> Result<Vec<(u64, Vec<u8>)>, Fault> {
        let mut receipts = Vec::new();
        for entry in self.receipts.range::<u64>(..)?.rev() {
            let (number, value) = entry?;
            let receipt = record::decode::<v1::Receipt<'_>>(value.value()).map_err(damaged)?;
            if receipt.sequence < first.saturating_sub(1) {
                break;
            }
            if receipt.sequence <= last {
                receipts.push((number.value(), value.value().to_vec()));
            }
        }
        receipts.reverse();
        Ok(receipts)
    }
}

impl Unpacked {
    /// Reads the body of a parcel.
    ///
    /// # Errors
    /// [`Fault::Record`] where it is damaged, or a newer program wrote it.
    pub fn read(body: &[u8]) -> Result<Self, Fault> {
        let body = record::decode::<Body<'_>>(body).map_err(damaged)?;
        let mut unpacked = Self {
            cluster: body.cluster.to_owned(),
            epoch: body.epoch,
            before: body.before,
            changes: Vec::with_capacity(body.changes.len()),
            marks: Vec::with_capacity(body.receipts.len()),
            records: Vec::with_capacity(body.changes.len()),
            receipts: Vec::with_capacity(body.receipts.len()),
        };
        for record in body.changes {
            let change = record::decode::<v1::Change<'_>>(record).and_then(Change::try_from);
            unpacked.changes.push(change.map_err(damaged)?);
            unpacked.records.push(record.to_vec());
        }
        for Numbered { number, receipt } in body.receipts {
            let read = record::decode::<v1::Receipt<'_>>(receipt).map_err(damaged)?;
            unpacked.marks.push(ReceiptMark {
                number,
                message_id: read.message_id.to_owned(),
                time: Timestamp(read.time_us),
            });
            unpacked.receipts.push(receipt.to_vec());
        }
        Ok(unpacked)
    }

    /// Takes away the changes that are held already, up to a sequence.
    pub fn skip(&mut self, held: u64) {
        let known = self
            .changes
            .iter()
            .take_while(|change| change.sequence <= held)
            .count();
        self.changes.drain(..known);
        for record in self.records.drain(..known) {
            self.before = chain::link(self.before, &record);
        }
    }
}

impl Transaction<'_> {
    /// Adds the records of a parcel to the change log and to the receipts, as they are.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be written.
    pub fn append_parcel(&mut self, parcel: &Unpacked) -> Result<(), Fault> {
        for (change, record) in parcel.changes.iter().zip(&parcel.records) {
            self.append_record(&change.event.key, change.sequence, record)?;
        }
        for (mark, receipt) in parcel.marks.iter().zip(&parcel.receipts) {
            self.append_receipt_record(mark.number, receipt)?;
        }
        Ok(())
    }
}
