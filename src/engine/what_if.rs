//! What a dry run would do to the graph: the events are taken into the model and taken back again, while nobody looks.

use std::sync::PoisonError;

use super::Fault;
use super::graph_answers::impact_findings;
use super::model::Model;
use super::writer::Writer;
use crate::domain::graph::{Beyond, GraphFull};
use crate::domain::{Access, EntityType, Envelope, Fact, Reach, Receipt, WhatIf};

/// The question whose answer a dry run anticipates: what it tells of the graph is what that would.
const LOOKS: &str = "graph.impact";
/// Affected resources that the reply to a dry run names; it always says how many there are.
const AFFECTED_MAX: usize = 1_000;

impl Writer {
    /// Completes the receipts of dry runs, whose events were decided as of the state in memory. Whoever may not look at
    /// all of the graph is told what they would do to the part that they may look at.
    pub(super) fn try_out(
        &self,
        access: &Access,
        commands: &[Envelope],
        receipts: &mut [Receipt],
    ) -> Result<(), Fault> {
        for (envelope, receipt) in commands.iter().zip(receipts) {
            let Some(would) = receipt.would.as_mut() else {
                continue;
            };
            let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
            let reach = access.reach(&envelope.actor, LOOKS);
            if reach == Some(Reach::Everything) {
                try_out(&mut model, would)?;
                continue;
            }
            let reach = reach.unwrap_or(Reach::Within(Vec::new()));
            let mut part = model.part(&model.in_sight(&reach))?;
            part.graph.watch();
            let touches = envelope.step.command.kinds();
            let touches: Vec<Reach> = touches
                .into_iter()
                .filter_map(|kind| access.reach(&envelope.actor, kind))
                .collect();
            would.events.retain(|event| {
                let environment = match event.key.entity {
                    EntityType::Environment => model.environment(&event.key.id),
                    EntityType::Resource => None,
                };
                environment.is_none_or(|environment| touches.iter().any(|reach| reach.holds(environment)))
            });
            try_out(&mut part, would)?;
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
