//! What came of an apply so far: counts, rejections, and for a dry run the events.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::EntityKey;

use crate::wire::shape::GraphNewsBody;

use super::super::manifest::{Manifest, Place};
use super::super::output::{ALARM, FAINT, GOOD, NOTICE};

/// A document that the register does not take.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) key: EntityKey,
    pub(super) place: Place,
    pub(super) pointer: String,
    pub(super) detail: String,
    pub(super) hint: String,
}

/// What came of some documents, or of all.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Documents whose fate is known.
    pub(super) done: usize,
    /// Documents that changed nothing.
    pub(super) unchanged: usize,
    /// How many events of each type.
    pub(super) counts: BTreeMap<String, u64>,
    /// One for each mistake; `rejected` counts documents.
    pub(super) rejections: Vec<Rejection>,
    /// Documents that the register does not take.
    pub(super) rejected: usize,
    /// Type and id of each event that a dry run would cause.
    pub(super) events: Vec<(String, String)>,
    /// What each transaction of a dry run would do to the graph, as if it were the only one.
    pub(super) graphs: Vec<GraphNewsBody>,
}

/// Ends of event types and what the summary calls them, in its order.
const WORDS: [(&str, &str); 6] = [
    (".created", "created"),
    (".restored", "restored"),
    (".updated", "updated"),
    (".removed", "removed"),
    (".linked", "linked"),
    (".unlinked", "unlinked"),
];

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        let Self {
            done,
            unchanged,
            counts,
            rejections,
            rejected,
            events,
            graphs,
        } = other;
        self.done += done;
        self.unchanged += unchanged;
        self.rejected += rejected;
        self.rejections.extend(rejections);
        self.events.extend(events);
        self.graphs.extend(graphs);
        for (kind, count) in counts {
            *self.counts.entry(kind).or_default() += count;
        }
    }

    /// What a dry run would do to the graph; `None` where that would take several transactions, which do not know of each
    /// other.
    pub(super) fn graph(&self) -> Option<&GraphNewsBody> {
        match self.graphs.as_slice() {
            [graph] => Some(graph),
            _ => None,
        }
    }

    fn of(&self, end: &str) -> u64 {
        self.counts
            .iter()
            .filter(|(kind, _)| kind.ends_with(end))
            .map(|(_, count)| count)
            .sum()
    }

    /// One line for people.
    pub(super) fn summary(&self, total: usize, took: Duration, dry_run: bool) -> String {
        let mut parts = Vec::new();
        for (end, word) in WORDS {
            let count = self.of(end);
            if count > 0 || matches!(word, "created" | "updated") {
                let style = if count > 0 { GOOD } else { FAINT };
                parts.push(format!("{style}{count} {word}{style:#}"));
            }
        }
        parts.push(format!("{FAINT}{} unchanged{FAINT:#}", self.unchanged));
        let style = if self.rejected > 0 { ALARM } else { FAINT };
        parts.push(format!("{style}{} rejected{style:#}", self.rejected));
        let mut text = parts.join(", ");
        let seconds = took.as_secs_f64();
        let _ = write!(
            text,
            " {FAINT}({} documents in {seconds:.1} s, {:.0}/s){FAINT:#}",
            self.done,
            rate(self.done, took)
        );
        if dry_run {
            text = format!("{NOTICE}dry run, nothing changed:{NOTICE:#} {text}");
        }
        if self.done < total {
            let _ = write!(
                text,
                "\n{NOTICE}{} of {total} documents are not known to be applied; running it again does no harm{NOTICE:#}",
                total - self.done
            );
        }
        text.push('\n');
        text
    }

    /// The same for programs.
    pub(super) fn to_json(&self, manifest: &Manifest, took: Duration, dry_run: bool) -> Value {
        let mut body = json!({
            "dry_run": dry_run,
            "documents": manifest.definitions.len(),
            "done": self.done,
        });
        if let Some(fields) = body.as_object_mut() {
            for (end, word) in WORDS {
                fields.insert(word.to_owned(), self.of(end).into());
            }
            fields.insert("unchanged".to_owned(), self.unchanged.into());
            fields.insert("rejected".to_owned(), self.rejected.into());
            fields.insert("counts".to_owned(), json!(self.counts));
            fields.insert("seconds".to_owned(), took.as_secs_f64().into());
            fields.insert("per_second".to_owned(), rate(self.done, took).into());
            let rejections = self.rejections.iter().map(|rejection| {
                json!({
                    "type": rejection.key.entity.as_str(),
                    "id": rejection.key.id.as_str(),
                    "place": manifest.locate(rejection.place),
                    "pointer": rejection.pointer,
                    "detail": rejection.detail,
                    "hint": rejection.hint,
                })
            });
            fields.insert("rejections".to_owned(), rejections.collect());
            if dry_run {
                let events = self
                    .events
                    .iter()
                    .map(|(kind, id)| json!({"type": kind, "id": id}));
                fields.insert("events".to_owned(), events.collect());
                fields.extend(self.graph().map(|graph| ("graph".to_owned(), json!(graph))));
            }
        }
        body
    }
}

/// Documents per second.
pub(super) fn rate(done: usize, took: Duration) -> f64 {
    let done = u32::try_from(done).unwrap_or(u32::MAX);
    f64::from(done) / took.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::Tally;

    #[test]
    fn a_summary_says_what_happened() {
        let mut tally = Tally::default();
        tally.add(Tally {
            done: 5,
            unchanged: 1,
            counts: BTreeMap::from([
                ("resource.created".to_owned(), 2),
                ("environment.created".to_owned(), 1),
                ("environment.linked".to_owned(), 1),
            ]),
            rejected: 1,
            ..Tally::default()
        });
        let text = anstream::adapter::strip_str(&tally.summary(6, Duration::from_secs(2), false)).to_string();
        assert_eq!(
            text,
            "3 created, 0 updated, 1 linked, 1 unchanged, 1 rejected (5 documents in 2.0 s, 2/s)\n\
             1 of 6 documents are not known to be applied; running it again does no harm\n"
        );
    }
}
