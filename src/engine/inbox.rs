//! The inbox in memory: which message ids have been answered, and under which number the receipt is kept.
//!
//! Receipts lie on disk in the order in which they were given, which costs little to write; this is the index over
//! them, rebuilt at start. It is bounded in number and in age.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::domain::Timestamp;
use crate::store::ReceiptMark;

/// The message ids of the receipts that are kept.
pub(super) struct Inbox {
    numbers: HashMap<Arc<str>, u64>,
    order: VecDeque<(u64, Arc<str>, Timestamp)>,
    next: u64,
    most: usize,
    keep_ms: u64,
}

impl Inbox {
    pub(super) fn new(most: usize, keep_ms: u64) -> Self {
        Self {
            numbers: HashMap::new(),
            order: VecDeque::new(),
            next: 1,
            most,
            keep_ms,
        }
    }

    /// The number that the next receipt will have.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn find(&self, message_id: &str) -> Option<u64> {
        self.numbers.get(message_id).copied()
    }

    /// Takes in a receipt that is on disk; their numbers rise.
    pub(super) fn add(&mut self, mark: ReceiptMark) {
        let message_id: Arc<str> = Arc::from(mark.message_id);
        self.numbers.insert(Arc::clone(&message_id), mark.number);
        self.order.push_back((mark.number, message_id, mark.time));
        self.next = mark.number + 1;
    }

    /// The number below which receipts are too old or too many, with room for `more` to come.
    pub(super) fn keep_from(&self, now: Timestamp, more: usize) -> u64 {
        let too_many = (self.order.len() + more).saturating_sub(self.most);
        let too_old = self
            .order
            .iter()
            .take_while(|(_, _, time)| time.plus_ms(self.keep_ms) < now)
            .count();
        self.order
            .get(too_many.max(too_old))
            .map_or(self.next, |(number, _, _)| *number)
    }

    /// Forgets what [`Inbox::keep_from`] said, once it is gone from disk too.
    pub(super) fn forget(&mut self, below: u64) {
        while let Some((number, _, _)) = self.order.front()
            && *number < below
        {
            if let Some((number, message_id, _)) = self.order.pop_front()
                && self.numbers.get(&message_id) == Some(&number)
            {
                self.numbers.remove(&message_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Inbox;
    use crate::domain::Timestamp;
    use crate::store::ReceiptMark;

    fn mark(number: u64, seconds: i64) -> ReceiptMark {
        ReceiptMark {
            number,
            message_id: format!("m-{number}"),
            time: Timestamp(seconds * 1_000_000),
        }
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_old() {
        let mut inbox = Inbox::new(3, 60_000);
        (1..=3).for_each(|n| inbox.add(mark(n, i64::try_from(n).unwrap())));
        assert_eq!(inbox.keep_from(Timestamp(4_000_000), 0), 1);
        assert_eq!(inbox.keep_from(Timestamp(4_000_000), 2), 3);
        assert_eq!(inbox.keep_from(Timestamp(62_500_000), 0), 3);
        inbox.forget(3);
        assert_eq!(
            (inbox.find("m-2"), inbox.find("m-3"), inbox.next()),
            (None, Some(3), 4)
        );
    }
}
