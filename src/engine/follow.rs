//! Following: taking in what another instance has committed, by the same steps, without a decision.

use std::sync::{Arc, PoisonError};

use super::batch::{Committed, Gathered};
use super::indexer::IndexJob;
use super::model::read_model;
use super::writer::Writer;
use super::{Entry, Fault, store};
use crate::domain::{Change, Overlay, Position, Timestamp};
use crate::store::{ReceiptMark, Transaction, Unpacked};

/// Why an instance cannot take in what it was sent. Nothing of it was taken in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unfollowable {
    /// Something is missing in between.
    #[error("changes from {ours} on are held up to there, and those that came begin with {first}")]
    Hole {
        /// The last change that is held.
        ours: u64,
        /// The first that came.
        first: u64,
    },
    /// Somebody who was replaced sent it.
    #[error("it is of epoch {theirs}, and epoch {ours} has begun")]
    Replaced {
        /// The epoch of this instance.
        ours: u64,
        /// That of the sender.
        theirs: u64,
    },
    /// It does not continue what is held.
    #[error("change {sequence} does not continue what is held here: the two histories differ before it")]
    Diverged {
        /// The first change that came.
        sequence: u64,
    },
    /// It is of another register.
    #[error("it is of cluster {theirs}, and this is cluster {ours}")]
    Foreign {
        /// The cluster of this instance.
        ours: String,
        /// That of the sender.
        theirs: String,
    },
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] Arc<store::Fault>),
}

/// How taking in can end early.
enum Stop {
    Refused(Unfollowable),
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl Writer {
    /// Takes in parcels, all of them or none, in one transaction; gives the position after them.
    pub(super) fn follow(&mut self, bodies: &[Vec<u8>]) -> Result<Result<Position, Unfollowable>, Fault> {
        let parcels = match self.unpack(bodies) {
            Ok(parcels) => parcels,
            Err(refused) => return Ok(Err(refused)),
        };
        let Some(last) = parcels.iter().rev().find_map(|parcel| parcel.changes.last()) else {
            return Ok(Ok(self.position));
        };
        let position = Position {
            epoch: last.epoch.max(self.position.epoch),
            sequence: last.sequence,
        };
        // Those that were held already came with changes that were.
        let next = self.inbox.next();
        let marks = parcels.iter().flat_map(|parcel| &parcel.marks);
        let new: Vec<ReceiptMark> = marks.filter(|mark| mark.number >= next).cloned().collect();
        let forget_below = self.inbox.keep_from((self.clock)(), new.len());
        let taken_in = self
            .store
            .transact(|disk| self.take_in(disk, &parcels, position, forget_below));
        match taken_in {
            Ok(committed) => committed.into_inner(),
            Err(Stop::Refused(refused)) => return Ok(Err(refused)),
            Err(Stop::Fault(fault)) => return Err(fault),
        }
        self.shipped.raise(position.sequence);
        for mark in new {
            self.inbox.add(mark);
        }
        self.inbox.forget(forget_below);
        let changes: Vec<Change> = parcels.into_iter().flat_map(|parcel| parcel.changes).collect();
        self.apply(&changes)?;
        Ok(Ok(self.position))
    }

    /// Reads the parcels, and sees to it that they go on from here without a hole.
    fn unpack(&self, bodies: &[Vec<u8>]) -> Result<Vec<Unpacked>, Unfollowable> {
        let mut held = self.position.sequence;
        let mut parcels = Vec::with_capacity(bodies.len());
        for body in bodies {
            let mut parcel =
                Unpacked::read(body).map_err(|fault| Unfollowable::Unreadable(Arc::new(fault)))?;
            if parcel.cluster != self.cluster {
                return Err(Unfollowable::Foreign {
                    ours: self.cluster.clone(),
                    theirs: parcel.cluster,
                });
            }
            if parcel.epoch < self.position.epoch {
                return Err(Unfollowable::Replaced {
                    ours: self.position.epoch,
                    theirs: parcel.epoch,
                });
            }
            parcel.skip(held);
            let (Some(first), Some(last)) = (parcel.changes.first(), parcel.changes.last()) else {
                continue;
            };
            if first.sequence != held + 1 {
                return Err(Unfollowable::Hole {
                    ours: held,
                    first: first.sequence,
                });
            }
            held = last.sequence;
            parcels.push(parcel);
        }
        Ok(parcels)
    }

    fn take_in(
        &self,
        disk: &mut Transaction<'_>,
        parcels: &[Unpacked],
        position: Position,
        forget_below: u64,
    ) -> Result<(), Stop> {
        for parcel in parcels {
            if let Some(first) = parcel.changes.first()
                && disk.chain_tip() != parcel.before
            {
                let sequence = first.sequence;
                return Err(Stop::Refused(Unfollowable::Diverged { sequence }));
            }
            disk.append_parcel(parcel)?;
        }
        let gathered = {
            let model = read_model(&self.model);
            let view = Committed { disk, model: &model };
            let mut overlay = Overlay::new(&view, Timestamp::default());
            let changes = parcels.iter().flat_map(|parcel| &parcel.changes);
            for Change { time, event, .. } in changes {
                overlay.at(*time);
                overlay.apply(event).map_err(Fault::from)?;
            }
            Gathered::of(&overlay)
        };
        gathered.write(disk)?;
        disk.set_position(position)?;
        if position.epoch > self.position.epoch {
            let mut changes = parcels.iter().flat_map(|parcel| &parcel.changes);
            let first = changes.find(|change| change.epoch == position.epoch);
            disk.set_began(first.map_or(position.sequence, |change| change.sequence - 1))?;
        }
        disk.set_published(self.published.get())?;
        disk.set_shipped(position.sequence)?;
        let new: usize = parcels.iter().map(|parcel| parcel.changes.len()).sum();
        let below = position.sequence.saturating_sub(self.config.changes_max);
        disk.forget_changes(below.min(self.published.get()), new * 2 + 100)?;
        disk.forget_receipts(forget_below)?;
        Ok(())
    }

    /// Takes a place among the copies of the register, on disk before anything of it is seen. An epoch that has begun
    /// already does not begin again.
    pub(super) fn enter(&mut self, entry: Entry) -> Result<Position, Fault> {
        let Entry {
            epoch,
            began,
            standing,
        } = entry;
        let position = Position {
            epoch: epoch.max(self.position.epoch),
            ..self.position
        };
        let begins = position != self.position;
        if begins || standing.is_some() {
            self.store.transact::<_, Fault>(|disk| {
                if begins {
                    disk.set_position(position)?;
                    disk.set_began(began.unwrap_or(position.sequence))?;
                }
                Ok(standing.map_or(Ok(()), |standing| disk.set_standing(standing))?)
            })?;
        }
        if let Some(standing) = standing {
            self.standing.send_replace(standing);
        }
        if begins {
            let job = {
                let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
                model.position = position;
                IndexJob::of(&[], &model)
            };
            self.arrive(position, job)?;
        }
        Ok(position)
    }
}
