//! What a transaction did to the graph as a whole: events, and what the reply to a dry run says.

use schemars::JsonSchema;
use serde::Serialize;

use super::event::{Outgoing, change_headers, source, transaction_id};
use super::text::format_time;
use crate::domain::{Change, EntityKey, GraphNews, Id};
use crate::wire::shape::{
    CycleBody, DanglingClearedBody, DanglingItem, GraphNewsBody, NewsBody, TransactionRef,
};
use crate::wire::to_bytes;

/// Resources that one cycle names.
const CYCLE_RESOURCES_MAX: usize = 1_000;

const CYCLE_APPEARED: &str = "dependency.cycle.appeared";
const CYCLE_CLEARED: &str = "dependency.cycle.cleared";
const DANGLING_APPEARED: &str = "dependency.dangling.appeared";
const DANGLING_CLEARED: &str = "dependency.dangling.cleared";

/// The messages that say what a transaction did to the graph as a whole; `last` is its last event. The same news make the
/// same messages.
pub fn render_news(last: &Change, news: &GraphNews, cluster: &str, namespace: &str) -> Vec<Outgoing> {
    let GraphNews {
        cycles_appeared,
        cycles_cleared,
        dangling_appeared,
        dangling_cleared,
    } = news;
    let mut paper = Paper {
        last,
        cluster,
        namespace,
        messages: Vec::new(),
    };
    // What is over comes first: a cycle that has grown is never there twice.
    for (kind, cycles) in [(CYCLE_CLEARED, cycles_cleared), (CYCLE_APPEARED, cycles_appeared)] {
        for cycle in cycles {
            if let Some(first) = cycle.first() {
                paper.print(kind, first, CycleBody::from(cycle.as_slice()));
            }
        }
    }
    for id in dangling_cleared {
        paper.print(DANGLING_CLEARED, id, DanglingClearedBody { id: id.to_string() });
    }
    for reference in dangling_appeared {
        paper.print(DANGLING_APPEARED, &reference.id, DanglingItem::from(reference));
    }
    paper.messages
}

struct Paper<'a> {
    last: &'a Change,
    cluster: &'a str,
    namespace: &'a str,
    messages: Vec<Outgoing>,
}

impl Paper<'_> {
    fn print<T: Serialize + JsonSchema>(&mut self, kind: &str, about: &Id, body: T) {
        let last = self.last;
        let body = NewsBody {
            cluster: self.cluster.to_owned(),
            epoch: last.epoch,
            sequence: last.sequence,
            time: format_time(last.time),
            kind: kind.to_owned(),
            actor: last.actor.clone(),
            cause: last.cause.clone(),
            transaction: TransactionRef {
                id: transaction_id(last),
                count: last.transaction.count,
            },
            about: body,
        };
        let message_id = format!("{}-{}-{kind}-{}", last.epoch, last.sequence, self.messages.len());
        let subject = EntityKey::resource(about.clone()).to_string();
        let source = source(self.namespace, self.cluster);
        self.messages.push(Outgoing {
            kind: kind.to_owned(),
            routing_key: kind.to_owned(),
            correlation_id: last.cause.clone(),
            headers: change_headers(last, kind, &message_id, &subject, &source),
            message_id,
            cc: Vec::new(),
            body: to_bytes(&body),
        });
    }
}

impl From<&[Id]> for CycleBody {
    fn from(cycle: &[Id]) -> Self {
        let named = cycle.iter().take(CYCLE_RESOURCES_MAX);
        Self {
            resources: named.map(Id::to_string).collect(),
            resources_total: cycle.len() as u64,
        }
    }
}

impl From<&GraphNews> for GraphNewsBody {
    fn from(news: &GraphNews) -> Self {
        let cycles = |cycles: &[Vec<Id>]| {
            cycles
                .iter()
                .map(|cycle| CycleBody::from(cycle.as_slice()))
                .collect()
        };
        Self {
            cycles_appeared: cycles(&news.cycles_appeared),
            cycles_cleared: cycles(&news.cycles_cleared),
            dangling_appeared: news.dangling_appeared.iter().map(DanglingItem::from).collect(),
            dangling_cleared: news.dangling_cleared.iter().map(Id::to_string).collect(),
        }
    }
}
