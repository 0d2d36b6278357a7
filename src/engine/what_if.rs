//! What a dry run would do to the graph: the events are taken into the model and taken back again, while nobody looks.

use std::sync::PoisonError;

use super::Fault;
use super::graph_answers::impact_findings;
use super::model::Model;
use super::writer::Writer;
use crate::domain::graph::{Beyond, GraphFull};
use crate::domain::{EntityType, Fact, Receipt, WhatIf};

/// Affected resources that the reply to a dry run names; it always says how many there are.
const AFFECTED_MAX: usize = 1_000;

impl Writer {
    /// Completes the receipts of dry runs, whose events were decided as of the state in memory.
    pub(super) fn try_out(&self, receipts: &mut [Receipt]) -> Result<(), Fault> {
        for would in receipts.iter_mut().filter_map(|receipt| receipt.would.as_mut()) {
            let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
            try_out(&mut model, would)?;
        }
        Ok(())
    }
}

fn try_out(model: &mut Model, would: &mut WhatIf) -> Result<(), GraphFull> {
    let removed = would.events.iter().filter(|event| {
        event.key.entity == EntityType::Resource && matches!(event.fact, Fact::Removed { .. })
    });
    // What the command itself makes and removes again is not there yet.
    let removed: Vec<&str> = removed
        .filter(|event| model.graph.contains(&event.key.id))
        .map(|event| event.key.id.as_str())
        .collect();
    if !removed.is_empty() {
        let impact = model.graph.impact(removed, Beyond::default()).ok();
        would.impact = impact.map(|impact| impact_findings(model, &impact, AFFECTED_MAX));
    }
    for event in &would.events {
        model.follow(event)?;
    }
    would.news = model.graph.settle();
    for event in would.events.iter().rev() {
        model.unfollow(event)?;
    }
    model.graph.settle();
    Ok(())
}
