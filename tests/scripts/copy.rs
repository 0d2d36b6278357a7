//! A consumer's copy, made of nothing but the change log; it checks what the contract promises on the way.

use std::collections::{BTreeMap, BTreeSet};

use domesday::domain::{Change, Document, EntityKey, Fact, Id};
use domesday::store::Snapshot;

/// What a consumer knows.
#[derive(Default)]
pub(crate) struct Copy {
    pub(crate) sequence: u64,
    pub(crate) live: BTreeMap<EntityKey, (Document, u64)>,
    pub(crate) members: BTreeMap<Id, BTreeSet<Id>>,
    /// The last revision of everything that ever was.
    revisions: BTreeMap<EntityKey, u64>,
}

impl Copy {
    /// Takes the next change in.
    pub(crate) fn apply(&mut self, change: &Change) {
        let event = &change.event;
        assert_eq!(change.sequence, self.sequence + 1, "the log has no holes");
        let place = change.transaction.first + u64::from(change.transaction.index);
        assert_eq!(change.sequence, place, "a transaction is in one piece");
        self.sequence = change.sequence;
        let last = self
            .revisions
            .insert(event.key.clone(), event.revision)
            .unwrap_or(0);
        // A tombstone that has had its time takes the revision with it.
        let anew = event.revision == 1 && matches!(event.fact, Fact::Created { .. });
        assert!(
            event.revision == last + 1 || anew,
            "{} goes from {last} to {}",
            event.key,
            event.revision
        );
        let known = self.live.get(&event.key).map(|(document, _)| document.clone());
        match &event.fact {
            Fact::Created { after } | Fact::Restored { after } => {
                assert_eq!(known, None, "{} comes into being once", event.key);
                self.live
                    .insert(event.key.clone(), ((**after).clone(), event.revision));
            }
            Fact::Updated { after, before } => {
                assert_eq!(before.applied_to(after), known, "`before` leads back");
                self.live
                    .insert(event.key.clone(), ((**after).clone(), event.revision));
            }
            Fact::Removed { last, .. } => {
                assert_eq!(known.as_ref(), Some(&**last), "the last state is the last state");
                assert!(!self.members.contains_key(&event.key.id) || is_resource(&event.key));
                self.live.remove(&event.key);
            }
            Fact::Linked { resources } => {
                for resource in resources {
                    let key = EntityKey::resource(resource.clone());
                    assert!(self.live.contains_key(&key), "only what exists is linked");
                    let members = self.members.entry(event.key.id.clone()).or_default();
                    assert!(members.insert(resource.clone()), "{resource} is linked once");
                }
                self.live.get_mut(&event.key).unwrap().1 = event.revision;
            }
            Fact::Unlinked { resources } => {
                let members = self.members.get_mut(&event.key.id).unwrap();
                for resource in resources {
                    assert!(members.remove(resource), "{resource} is unlinked once");
                }
                if members.is_empty() {
                    self.members.remove(&event.key.id);
                }
                self.live.get_mut(&event.key).unwrap().1 = event.revision;
            }
        }
    }

    /// Stops where the disk holds anything else.
    pub(crate) fn compare(&self, disk: &Snapshot) {
        let live: BTreeMap<EntityKey, (Document, u64)> = disk
            .all_live()
            .unwrap()
            .map(|live| live.unwrap())
            .map(|live| (live.document.key(), ((*live.document).clone(), live.revision)))
            .collect();
        assert!(
            live == self.live,
            "the disk has {live:#?}, the log says {:#?}",
            self.live
        );
        let mut members: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
        disk.each_member(|environment, resource| {
            members.entry(environment).or_default().insert(resource);
        })
        .unwrap();
        assert_eq!(members, self.members, "disk, log");
        assert_eq!(disk.identity().unwrap().position.sequence, self.sequence);
    }
}

fn is_resource(key: &EntityKey) -> bool {
    *key == EntityKey::resource(key.id.clone())
}
