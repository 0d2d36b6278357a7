//! What the engine says, as lines of text.

use std::fmt::Write;

use domesday::domain::{
    Answer, Change, Comparison, Edge, Event, Fact, Findings, Id, ImpactFindings, Node, Order, Outcome,
    Position, Problem, Receipt, Resource, Target, Trace, WhatIf,
};

use domesday::wire;
use serde_json::Value;

pub(crate) fn receipt(receipt: &Receipt) -> Vec<String> {
    let Receipt {
        outcome,
        position,
        revisions,
        counts,
        duplicate,
        would,
    } = receipt;
    let mut line = format!("{} at {}", outcome.as_str(), self::position(*position));
    if *duplicate {
        line += ", a duplicate";
    }
    if would.is_some() {
        line += ", a dry run";
    }
    if !revisions.is_empty() {
        let revisions = revisions
            .iter()
            .map(|(key, revision)| format!("{key}={revision}"));
        let counts = counts.iter().map(|(kind, count)| format!("{count} {kind}"));
        write!(line, ": {} ({})", join(revisions), join(counts)).unwrap();
    }
    let mut lines = vec![line];
    if let Outcome::Rejected(problem) | Outcome::Expired(problem) = outcome {
        lines.extend(self::problem(problem));
    }
    if let Some(would) = would {
        lines.extend(what_if(would));
    }
    lines
}

fn what_if(would: &WhatIf) -> Vec<String> {
    let WhatIf { events, news, impact } = would;
    let mut lines: Vec<String> = events
        .iter()
        .map(|event| format!("  would be {}", self::event(event)))
        .collect();
    let cycle = |what, cycle| format!("  cycle would {what}: {}", ids(cycle));
    lines.extend(news.cycles_cleared.iter().map(|ids| cycle("end", ids)));
    lines.extend(news.cycles_appeared.iter().map(|ids| cycle("begin", ids)));
    let cleared = news.dangling_cleared.iter();
    lines.extend(cleared.map(|id| format!("  {id} would not dangle any more")));
    lines.extend(news.dangling_appeared.iter().map(|reference| {
        let (id, total) = (&reference.id, reference.total);
        format!("  {id} would dangle for {total}: {}", join(&reference.dependents))
    }));
    if let Some(impact) = impact {
        let stopped = join(impact.affected.iter().map(|affected| node(&affected.node)));
        lines.push(format!("  {} would stop: {stopped}", impact.counts[0]));
    }
    lines
}

pub(crate) fn problem(problem: &Problem) -> Vec<String> {
    let Problem {
        kind,
        detail,
        pointer,
        hint,
        mistakes,
        facts,
    } = problem;
    let place = if pointer.is_empty() { "" } else { " at " };
    let mut lines = vec![format!("  {}{place}{pointer}: {detail}", kind.slug())];
    if !hint.is_empty() {
        lines.push(format!("  hint: {hint}"));
    }
    for mistake in mistakes.iter().skip(1) {
        lines.push(format!("  and at {}: {}", mistake.pointer, mistake.detail));
    }
    if !facts.is_empty() {
        lines.push(format!("  facts: {}", Value::Object(facts.clone())));
    }
    lines
}

pub(crate) fn change(change: &Change) -> String {
    let mut line = format!("  {} {}", change.sequence, event(&change.event));
    if change.transaction.count > 1 {
        write!(
            line,
            " [{}/{}]",
            change.transaction.index + 1,
            change.transaction.count
        )
        .unwrap();
    }
    line
}

pub(crate) fn event(event: &Event) -> String {
    let mut line = format!("{} {}={}", event.kind(), event.key.id, event.revision);
    match &event.fact {
        Fact::Created { .. } | Fact::Restored { .. } => {}
        Fact::Updated { .. } => {
            // What changed and how it was is shown as the message of the event shows it.
            let change = Change {
                epoch: 0,
                sequence: 0,
                time: domesday::domain::Timestamp(0),
                actor: String::new(),
                cause: String::new(),
                trace: Trace::default(),
                transaction: domesday::domain::Transaction {
                    first: 0,
                    index: 0,
                    count: 1,
                },
                event: event.clone(),
            };
            let body: Value = serde_json::from_slice(&wire::render_event(&change, "", "").body).unwrap();
            let changed = body["changed"]
                .as_array()
                .unwrap()
                .iter()
                .map(|at| at.as_str().unwrap());
            write!(line, " {} before {}", join(changed), body["before"]).unwrap();
        }
        Fact::Removed { links, .. } if links.is_empty() => {}
        Fact::Removed { links, .. } => write!(line, " was linked with {}", join(links)).unwrap(),
        Fact::Linked { resources } => write!(line, " + {}", join(resources)).unwrap(),
        Fact::Unlinked { resources } => write!(line, " - {}", join(resources)).unwrap(),
    }
    if event.environments.iter().any(|id| *id != event.key.id) {
        write!(line, " for {}", join(&event.environments)).unwrap();
    }
    line
}

pub(crate) fn position(position: Position) -> String {
    format!("{}:{}", position.epoch, position.sequence)
}

pub(crate) fn node(node: &Node) -> String {
    match (&node.target, node.registered) {
        (Target::Resource(id), true) => id.to_string(),
        (Target::Resource(id), false) => format!("{id}?"),
        (Target::External(uri), _) => format!("<{uri}>"),
    }
}

pub(crate) fn edge(nodes: &[Node], edge: Edge) -> String {
    let group = if edge.grouped { " group" } else { "" };
    let (from, to) = (node(&nodes[edge.from]), node(&nodes[edge.to]));
    format!("{from} -> {to} {}{group}", edge.nature.as_str())
}

pub(crate) fn answer(answer: &Answer) -> Vec<String> {
    let Answer {
        as_of,
        findings,
        total,
        truncated,
        next,
    } = answer;
    let mut lines = vec![format!("{total} as of {}", position(*as_of))];
    match findings {
        Findings::Hits(hits) => lines.extend(hits.items.iter().map(|hit| format!("  {}", hit.key))),
        Findings::Subgraph(graph) => {
            lines.extend(
                graph
                    .nodes
                    .iter()
                    .map(|n| format!("  {} {}", n.distance, node(n))),
            );
            let mut edges: Vec<String> = graph.edges.iter().map(|e| edge(&graph.nodes, *e)).collect();
            edges.sort_unstable();
            lines.extend(edges.into_iter().map(|edge| format!("  {edge}")));
        }
        Findings::Paths { paths } => lines.extend(paths.iter().map(|path| {
            let nodes: Vec<String> = path.iter().map(node).collect();
            format!("  {}", nodes.join(" -> "))
        })),
        Findings::Cycles(cycles) => {
            lines.extend(
                cycles
                    .iter()
                    .map(|cycle| format!("  {}", join(cycle.iter().map(node)))),
            );
        }
        Findings::Dangling(dangling) => lines.extend(dangling.iter().map(|reference| {
            format!(
                "  {} <- {} ({})",
                reference.id,
                join(&reference.dependents),
                reference.total
            )
        })),
        Findings::Impact(found) => lines.extend(impact(found)),
        Findings::Order(found) => lines.extend(order(found)),
        Findings::History(_) => lines.extend(history(answer)),
        Findings::Comparison(found) => lines.extend(comparison(answer, found)),
        Findings::Ruling(_)
        | Findings::Offer(_)
        | Findings::Piece(_)
        | Findings::Unsubscribed(_)
        | Findings::Pong(_) => {}
    }
    lines.extend(truncated.iter().map(|why| format!("  truncated: {why}")));
    if let (Findings::History(_), Some(next)) = (findings, next) {
        lines.push(format!("  next: {next}"));
    }
    lines
}

/// A list of the answer as it is sent.
fn body(answer: &Answer, key: &str) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&wire::render_answer(answer, "", 0)).unwrap();
    body[key].as_array().unwrap().clone()
}

fn differences(of: &Value) -> String {
    let one = |one: &Value| {
        let side = |key: &str| one.get(key).map_or("-".to_owned(), ToString::to_string);
        format!(
            "{} {} => {}",
            one["pointer"].as_str().unwrap(),
            side("from"),
            side("to")
        )
    };
    let all: Vec<String> = of["diff"].as_array().into_iter().flatten().map(one).collect();
    all.join("; ")
}

/// With commas between them.
pub(crate) fn join<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

pub(crate) fn ids<'a>(ids: impl IntoIterator<Item = &'a Id>) -> String {
    join(ids)
}

fn impact(found: &ImpactFindings) -> Vec<String> {
    let mut lines = Vec::new();

    lines.push(format!("  of {}", join(found.causes.iter().map(node))));
    lines.extend(found.affected.iter().map(|affected| {
        let (effect, why) = (affected.effect.as_str(), affected.why.join(" > "));
        format!("  {} {effect}: {why}", node(&affected.node))
    }));
    lines.extend(found.environments.iter().map(|hit| {
        let (stops, weakened, of) = (hit.stops, hit.weakened, hit.resources);
        let doors = hit.entrypoints.iter().map(|door| format!(" {}", door.url));
        format!(
            "  in {}: {stops} + {weakened} of {of}{}",
            hit.id,
            doors.collect::<String>()
        )
    }));
    lines.push(format!("  hash {}", found.hash));

    lines
}

fn order(order: &Order) -> Vec<String> {
    let mut lines = Vec::new();

    let waves = (1..).zip(&order.waves);
    lines.extend(waves.map(|(n, wave)| format!("  {n}: {}", join(wave.iter().map(node)))));
    let critical: Vec<String> = order.critical_path.iter().map(node).collect();
    lines.push(format!("  critical {}", critical.join(" > ")));
    let ring = |cycle: &Vec<Node>| format!("  cycle {}", join(cycle.iter().map(node)));
    lines.extend(order.cycles.iter().map(ring));
    lines.extend(order.broken.iter().map(|one| {
        let name = |target: &Target| match target {
            Target::Resource(id) => id.to_string(),
            Target::External(uri) => format!("<{uri}>"),
        };
        let group = if one.grouped { " group" } else { "" };
        format!(
            "  not kept: {} -> {} {}{group}",
            name(&one.from),
            name(&one.to),
            one.nature.as_str()
        )
    }));
    lines.extend(order.outside.iter().map(|one| {
        format!(
            "  outside {} of {} ({})",
            node(&one.node),
            join(&one.resources),
            one.total
        )
    }));

    lines
}

/// What differs is shown as the message shows it.
fn history(answer: &Answer) -> Vec<String> {
    body(answer, "items")
        .iter()
        .map(|past| {
            let text = |key: &str| past[key].as_str().unwrap_or("-").to_owned();
            let (kind, time) = (text("type"), text("time"));
            let (by, cause) = (text("actor"), text("cause"));
            format!(
                "  {} {time} {kind}={} by {by} for {cause}: {}{}",
                past["sequence"],
                past["revision"],
                differences(past),
                join(
                    past["resources"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .map(|id| id.as_str().unwrap())
                )
            )
        })
        .collect()
}

fn comparison(answer: &Answer, comparison: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();

    let only = |side: &str, resources: &[std::sync::Arc<Resource>]| {
        let ids = join(resources.iter().map(|resource| &resource.id));
        format!("  only {side}: {ids}")
    };
    let whole: Value = serde_json::from_slice(&wire::render_answer(answer, "", 0)).unwrap();
    lines.push(format!(
        "  {} alike, {} in both",
        comparison.same, comparison.shared
    ));
    lines.push(format!(
        "  themselves: {}",
        differences(&serde_json::json!({"diff": whole["environment"]}))
    ));
    lines.push(only("left", &comparison.left_only));
    lines.push(only("right", &comparison.right_only));
    let pair = |pair: &Value| {
        format!(
            "  {} is not {}: {}",
            pair["left"],
            pair["right"],
            differences(pair)
        )
    };
    lines.extend(body(answer, "different").iter().map(pair));

    lines
}
