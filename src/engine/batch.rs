//! One batch: what waits is decided, in order, and staged in one transaction.

use std::collections::{BTreeSet, HashMap};
use std::sync::RwLock;

use super::inbox::Inbox;
use super::model::{Model, read_model};
use super::{Fault, store};
use crate::domain::{
    Access, Change, Entity, EntityKey, Envelope, Event, GraphNews, Id, Outcome, Overlay, Position, Problem,
    ProblemKind, Receipt, Refusal, Rules, Timestamp, Transaction, View, ViewFault, Warrant, WhatIf, decide,
};
use crate::store::{Answered, ReceiptMark};

/// The committed state as decisions see it: documents from the transaction, the graph from memory.
pub(super) struct Committed<'a> {
    pub(super) disk: &'a store::Transaction<'a>,
    pub(super) model: &'a Model,
}

impl View for Committed<'_> {
    fn entity(&self, key: &EntityKey) -> Result<Entity, ViewFault> {
        self.disk.entity(key).map_err(|fault| ViewFault(Box::new(fault)))
    }

    fn exists(&self, key: &EntityKey) -> bool {
        self.model.contains(key)
    }

    fn dependents(&self, id: &Id) -> BTreeSet<Id> {
        self.model.graph.dependents(id).cloned().collect()
    }

    fn environments_of(&self, resource: &Id) -> BTreeSet<Id> {
        self.model
            .membership
            .environments_of(resource)
            .iter()
            .cloned()
            .collect()
    }

    fn members(&self, environment: &Id) -> BTreeSet<Id> {
        self.model.members(environment)
    }

    fn member_count(&self, environment: &Id) -> usize {
        self.model.member_count(environment)
    }

    fn is_member(&self, environment: &Id, resource: &Id) -> bool {
        self.model.membership.contains(environment, resource)
    }
}

/// What a batch came to, before the commit.
pub(super) struct Staged {
    /// The events, in order.
    pub(super) changes: Vec<Change>,
    /// One for each command, in order.
    pub(super) receipts: Vec<Receipt>,
    /// The places of the commands whose receipts are to be kept, in order.
    keep: Vec<usize>,
    /// The receipts that are kept.
    pub(super) marks: Vec<ReceiptMark>,
    /// The receipts below this number were forgotten.
    pub(super) forgotten_below: u64,
}

/// What a batch goes by.
pub(super) struct Staging<'a> {
    pub(super) access: &'a Access,
    pub(super) model: &'a RwLock<Model>,
    pub(super) inbox: &'a Inbox,
    pub(super) rules: Rules,
    pub(super) now: Timestamp,
    pub(super) position: Position,
    /// Changes at or below this sequence are confirmed by the broker as events.
    pub(super) published: u64,
    /// Changes at or below this sequence are confirmed by the broker for other instances.
    pub(super) shipped: u64,
    pub(super) changes_max: u64,
}

/// What changes in the store, gathered while deciding and written after.
pub(super) struct Gathered {
    entities: Vec<(EntityKey, Entity)>,
    memberships: Vec<(Id, Id, bool)>,
}

impl Gathered {
    pub(super) fn of(overlay: &Overlay<'_>) -> Self {
        Self {
            entities: overlay
                .touched()
                .map(|(key, entity)| (key.clone(), entity.clone()))
                .collect(),
            memberships: overlay
                .memberships()
                .map(|(e, r, linked)| (e.clone(), r.clone(), linked))
                .collect(),
        }
    }

    pub(super) fn write(&self, disk: &mut store::Transaction<'_>) -> Result<(), store::Fault> {
        for (key, entity) in &self.entities {
            disk.put_entity(key, entity)?;
        }
        for (environment, resource, linked) in &self.memberships {
            disk.set_member(environment, resource, *linked)?;
        }
        Ok(())
    }
}

impl Staging<'_> {
    /// Decides every command and writes what came of it into the transaction.
    pub(super) fn stage(
        &self,
        disk: &mut store::Transaction<'_>,
        commands: &[Envelope],
    ) -> Result<Staged, Fault> {
        let mut staged = Staged {
            changes: Vec::new(),
            receipts: Vec::with_capacity(commands.len()),
            keep: Vec::new(),
            marks: Vec::new(),
            forgotten_below: 0,
        };
        let gathered = {
            let model = read_model(self.model);
            let view = Committed { disk, model: &model };
            self.decide(&view, disk, commands, &mut staged)?
        };
        gathered.write(disk)?;
        for change in &staged.changes {
            disk.append_change(change)?;
        }
        self.keep_receipts(disk, commands, &mut staged)?;
        let sequence = self.position.sequence + staged.changes.len() as u64;
        disk.set_position(Position {
            sequence,
            ..self.position
        })?;
        disk.set_published(self.published)?;
        disk.set_shipped(self.shipped)?;
        self.forget_changes(disk, sequence, staged.changes.len())?;
        Ok(staged)
    }

    fn decide(
        &self,
        view: &Committed<'_>,
        disk: &store::Transaction<'_>,
        commands: &[Envelope],
        staged: &mut Staged,
    ) -> Result<Gathered, Fault> {
        let mut overlay = Overlay::new(view, self.now);
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (place, envelope) in commands.iter().enumerate() {
            let receipt = if let Some(known) = self.known(disk, envelope, &seen, commands, staged)? {
                known
            } else {
                if let Some(message_id) = envelope.message_id.as_deref().filter(|_| !envelope.dry_run) {
                    seen.insert(message_id, place);
                    staged.keep.push(place);
                }
                self.decide_one(&mut overlay, envelope, &mut staged.changes)?
            };
            staged.receipts.push(receipt);
        }
        Ok(Gathered::of(&overlay))
    }

    /// Decides one command that is new, and takes what comes of it as true for those after it.
    fn decide_one(
        &self,
        overlay: &mut Overlay<'_>,
        envelope: &Envelope,
        changes: &mut Vec<Change>,
    ) -> Result<Receipt, Fault> {
        let position = self.after(changes.len());
        if envelope.deadline.is_some_and(|deadline| deadline < self.now) {
            return Ok(expired(position));
        }
        let warrant = Warrant::new(self.access, &envelope.actor);
        match decide(overlay, &envelope.step, &self.rules, warrant, self.now) {
            Ok(events) if envelope.dry_run => Ok(Receipt {
                // What it would do to the graph is found once the graph has what was decided before.
                would: Some(Box::new(WhatIf {
                    events: events.clone(),
                    news: GraphNews::default(),
                    impact: None,
                })),
                ..settled(&events, position)
            }),
            Ok(events) => {
                for event in &events {
                    overlay.apply(event)?;
                }
                let receipt = settled(&events, self.after(changes.len() + events.len()));
                self.stamp(envelope, events, changes);
                Ok(receipt)
            }
            Err(Refusal::Problem(problem)) => Ok(answered(Outcome::Rejected(problem), position)),
            Err(Refusal::Fault(fault)) => Err(fault.into()),
        }
    }

    /// What a command gets whose message id was seen before, in an earlier batch or in this one: the receipt of then,
    /// or, where it is another command, a problem. Neither is kept: the id belongs to the first.
    fn known(
        &self,
        disk: &store::Transaction<'_>,
        envelope: &Envelope,
        seen: &HashMap<&str, usize>,
        commands: &[Envelope],
        staged: &Staged,
    ) -> Result<Option<Receipt>, Fault> {
        let Some(message_id) = envelope.message_id.as_deref() else {
            return Ok(None);
        };
        let earlier = if let Some(place) = seen.get(message_id) {
            let fingerprint = commands.get(*place).map(|earlier| earlier.fingerprint);
            fingerprint.zip(staged.receipts.get(*place).cloned())
        } else if let Some(number) = self.inbox.find(message_id) {
            disk.receipt(number)?
                .map(|(_, fingerprint, receipt)| (fingerprint, receipt))
        } else {
            None
        };
        Ok(earlier.map(|(fingerprint, receipt)| {
            if fingerprint == envelope.fingerprint {
                return Receipt {
                    duplicate: true,
                    ..receipt
                };
            }
            let detail = format!("the message id {message_id} was used before with another type or body");
            let problem =
                Problem::new(ProblemKind::IdReused, detail).hint("give every command an id of its own");
            let now = self.after(staged.changes.len());
            answered(Outcome::Rejected(Box::new(problem)), now)
        }))
    }

    /// Gives the events of one command their place in the change log.
    fn stamp(&self, envelope: &Envelope, events: Vec<Event>, changes: &mut Vec<Change>) {
        let first = self.after(changes.len()).sequence + 1;
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        for (index, event) in (0_u32..).zip(events) {
            changes.push(Change {
                epoch: self.position.epoch,
                sequence: first + u64::from(index),
                time: self.now,
                actor: envelope.actor.clone(),
                cause: envelope.message_id.clone().unwrap_or_default(),
                trace: envelope.trace.clone(),
                transaction: Transaction { first, index, count },
                event,
            });
        }
    }

    fn keep_receipts(
        &self,
        disk: &mut store::Transaction<'_>,
        commands: &[Envelope],
        staged: &mut Staged,
    ) -> Result<(), Fault> {
        let kept = staged.keep.iter().filter_map(|place| {
            let (envelope, receipt) = (commands.get(*place)?, staged.receipts.get(*place)?);
            Some((envelope, envelope.message_id.as_deref()?, receipt))
        });
        for (number, (envelope, message_id, receipt)) in (self.inbox.next()..).zip(kept) {
            let fingerprint = envelope.fingerprint;
            let answered = Answered {
                message_id,
                fingerprint,
                actor: &envelope.actor,
                time: self.now,
            };
            disk.append_receipt(number, answered, receipt)?;
            staged.marks.push(ReceiptMark {
                number,
                message_id: message_id.to_owned(),
                time: self.now,
            });
        }
        staged.forgotten_below = self.inbox.keep_from(self.now, staged.marks.len());
        disk.forget_receipts(staged.forgotten_below).map_err(Fault::from)
    }

    /// Trims the change log a little faster than it grows, and never what the broker has not confirmed.
    fn forget_changes(
        &self,
        disk: &mut store::Transaction<'_>,
        sequence: u64,
        new: usize,
    ) -> Result<(), Fault> {
        let confirmed = self.published.min(self.shipped);
        let below = sequence.saturating_sub(self.changes_max).min(confirmed);
        Ok(disk.forget_changes(below, new * 2 + 100)?)
    }

    /// The position after so many events of this batch.
    const fn after(&self, changes: usize) -> Position {
        Position {
            epoch: self.position.epoch,
            sequence: self.position.sequence + changes as u64,
        }
    }
}

fn answered(outcome: Outcome, position: Position) -> Receipt {
    Receipt {
        outcome,
        position,
        revisions: Vec::new(),
        counts: Vec::new(),
        duplicate: false,
        would: None,
    }
}

fn expired(position: Position) -> Receipt {
    let problem = Problem::new(ProblemKind::Expired, "the command came after its deadline")
        .hint("send it again with a later deadline, and look at the lag of the instance with `ping`");
    answered(Outcome::Expired(Box::new(problem)), position)
}

fn settled(events: &[Event], position: Position) -> Receipt {
    if events.is_empty() {
        return answered(Outcome::Unchanged, position);
    }
    let mut revisions: Vec<(EntityKey, u64)> = Vec::new();
    let mut places: HashMap<&EntityKey, usize> = HashMap::new();
    let mut counts: Vec<(String, u64)> = Vec::new();
    for event in events {
        let place = *places.entry(&event.key).or_insert(revisions.len());
        match revisions.get_mut(place) {
            Some((_, revision)) => *revision = event.revision,
            None => revisions.push((event.key.clone(), event.revision)),
        }
        match counts.iter_mut().find(|(kind, _)| kind == event.kind()) {
            Some((_, count)) => *count += 1,
            None => counts.push((event.kind().to_owned(), 1)),
        }
    }
    Receipt {
        revisions,
        counts,
        ..answered(Outcome::Applied, position)
    }
}
