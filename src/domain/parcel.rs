//! Changes on their way to another instance.

/// A piece of the change log as another instance takes it in: records of consecutive changes, byte for byte, and the
/// receipts of the commands that caused them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Whose changes they are.
    pub cluster: String,
    /// The epoch of the instance that ships it.
    pub epoch: u64,
    /// The sequence of its first change.
    pub first: u64,
    /// The sequence of its last change.
    pub last: u64,
    /// Whether the last change ends its transaction. Where it does not, the next parcel goes on with it, and nothing of
    /// it is true before its end is there.
    pub complete: bool,
    /// The records, in a form that only the store reads.
    pub body: Vec<u8>,
}
