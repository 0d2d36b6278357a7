//! Everything that is kept, with anything in it.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::{attributes, document, id, text, two_documents};
use crate::domain::{
    Change, DocumentPatch, EntityKey, EntityType, Event, Fact, Id, Mistake, Outcome, Position, Problem,
    ProblemKind, Receipt, Timestamp, Tombstone, Trace, Transaction,
};

fn ids() -> impl Strategy<Value = Vec<Id>> {
    vec(id(), 0..4)
}

fn key() -> impl Strategy<Value = EntityKey> {
    (select(EntityType::ALL.as_slice()), id()).prop_map(|(entity, id)| EntityKey { entity, id })
}

/// What is left of any entity.
pub(crate) fn tombstone() -> impl Strategy<Value = Tombstone> {
    (document(), any::<u64>(), any::<i64>(), ids()).prop_map(|(document, revision, removed, links)| {
        Tombstone {
            document: Arc::new(document),
            revision,
            removed: Timestamp(removed),
            links,
        }
    })
}

fn fact() -> impl Strategy<Value = (EntityKey, Fact)> {
    // Boxed: by value, so many strategies of documents would fill the stack of a test.
    let one = || document().prop_map(Arc::new).boxed();
    prop_oneof![
        one().prop_map(|after| (after.key(), Fact::Created { after })),
        one().prop_map(|after| (after.key(), Fact::Restored { after })),
        (one(), ids()).prop_map(|(last, links)| (last.key(), Fact::Removed { last, links })),
        two_documents().boxed().prop_map(|(from, to)| {
            let before = Box::new(DocumentPatch::between(&to, &from).unwrap());
            let after = Arc::new(to);
            (after.key(), Fact::Updated { after, before })
        }),
        (id(), ids()).prop_map(|(id, resources)| (EntityKey::environment(id), Fact::Linked { resources })),
        (id(), ids()).prop_map(|(id, resources)| (EntityKey::environment(id), Fact::Unlinked { resources })),
    ]
}

/// Any entry of the change log.
pub(crate) fn change() -> impl Strategy<Value = Change> {
    let place = (any::<u64>(), any::<u64>(), any::<i64>());
    let transaction = (any::<u64>(), any::<u32>(), any::<u32>());
    (
        place,
        (text(), text(), text(), text()),
        transaction,
        (fact(), any::<u64>(), ids()),
    )
        .prop_map(
            |(
                (epoch, sequence, time),
                (actor, cause, parent, state),
                (first, index, count),
                (fact, revision, environments),
            )| {
                Change {
                    epoch,
                    sequence,
                    time: Timestamp(time),
                    actor,
                    cause,
                    trace: Trace { parent, state },
                    transaction: Transaction { first, index, count },
                    event: Event {
                        key: fact.0,
                        revision,
                        fact: fact.1,
                        environments,
                    },
                }
            },
        )
}

fn problem() -> impl Strategy<Value = Box<Problem>> {
    let mistake = (text(), text(), text()).prop_map(|(pointer, detail, hint)| Mistake {
        pointer,
        detail,
        hint,
    });
    let texts = (text(), text(), text());
    (
        select(ProblemKind::ALL.as_slice()),
        texts,
        vec(mistake, 0..3),
        attributes(),
    )
        .prop_map(|(kind, (detail, pointer, hint), mistakes, facts)| {
            Box::new(Problem {
                kind,
                detail,
                pointer,
                hint,
                mistakes,
                facts,
            })
        })
}

/// Any receipt that can be kept: neither that of a repetition nor that of a dry run.
pub(crate) fn receipt() -> impl Strategy<Value = Receipt> {
    let outcome = prop_oneof![
        Just(Outcome::Applied),
        Just(Outcome::Unchanged),
        problem().prop_map(Outcome::Rejected),
        problem().prop_map(Outcome::Expired),
    ];
    let position = (any::<u64>(), any::<u64>()).prop_map(|(epoch, sequence)| Position { epoch, sequence });
    let (revisions, counts) = (
        vec((key(), any::<u64>()), 0..4),
        vec((text(), any::<u64>()), 0..4),
    );
    (outcome, position, revisions, counts).prop_map(|(outcome, position, revisions, counts)| Receipt {
        outcome,
        position,
        revisions,
        counts,
        duplicate: false,
        would: None,
    })
}
