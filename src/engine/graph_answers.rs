//! Questions about the graph, answered from a model: that of now, or one of the past.

use std::collections::BTreeMap;

use super::model::Model;
use crate::domain::graph::{Beyond, Impact};
use crate::domain::{
    Answer, Crew, Effect, EntityKey, Findings, HitEnvironment, Id, ImpactFindings, Inquiry, Position,
    Problem, ProblemKind, Purpose, Question,
};

/// Answers a question about the graph.
///
/// # Errors
/// A problem: an id that nobody knows, or a question that is not about the graph.
pub(super) fn graph_answer(model: &Model, inquiry: &Inquiry) -> Result<Answer, Box<Problem>> {
    let limit = inquiry.limit;
    match &inquiry.question {
        Question::Reach {
            id,
            direction,
            depth,
            natures,
        } => {
            let (subgraph, total) = model
                .graph
                .reach(id, *direction, *depth, *natures, limit)
                .ok_or_else(|| unknown(id, "/args/id"))?;
            let shown = subgraph.nodes.len().saturating_sub(1);
            let mut answer = page(model.position, Findings::Subgraph(subgraph), shown, total);
            if shown < limit.min(total) {
                answer.truncated = Some(format!(
                    "{shown} of {total} are shown, since more have too many edges: ask for a smaller depth"
                ));
            }
            Ok(answer)
        }
        Question::Path {
            from,
            to,
            all,
            natures,
        } => {
            let found = model
                .graph
                .paths(from, to, *all, *natures, limit)
                .ok_or_else(|| {
                    let known = model.graph.dependents(from).next().is_some() || model.graph.contains(from);
                    if known {
                        unknown(to, "/args/to")
                    } else {
                        unknown(from, "/args/from")
                    }
                })?;
            let total = found.paths.len();
            let mut answer = page(
                model.position,
                Findings::Paths { paths: found.paths },
                total,
                total,
            );
            if *all && found.more {
                answer.truncated = Some(format!("there are more paths than the {total} shown"));
            }
            Ok(answer)
        }
        Question::Cycles { environment, natures } => {
            let among = environment.as_ref().map(|id| member_of(model, id)).transpose()?;
            let cycles = model
                .graph
                .cycles(*natures, among.as_ref().map(|f| f as &dyn Fn(&Id) -> bool));
            Ok(first(model.position, cycles, limit, Findings::Cycles))
        }
        Question::Dangling { environment } => {
            let among = environment.as_ref().map(|id| member_of(model, id)).transpose()?;
            let dangling = model
                .graph
                .dangling(among.as_ref().map(|f| f as &dyn Fn(&Id) -> bool));
            Ok(first(model.position, dangling, limit, Findings::Dangling))
        }
        Question::Impact { causes, beyond } => impact(model, causes, *beyond, limit),
        Question::Order { crew, purpose } => order(model, crew, *purpose, limit),
        Question::Search { .. }
        | Question::History { .. }
        | Question::Compare { .. }
        | Question::Sync(_)
        | Question::Subscribe(_)
        | Question::Unsubscribe { .. }
        | Question::SnapshotBegin { .. }
        | Question::SnapshotChunk { .. }
        | Question::Explain(_)
        | Question::Ping => {
            let detail = "this question is not about the graph";
            Err(Box::new(Problem::new(ProblemKind::Invalid, detail)))
        }
    }
}

fn impact(model: &Model, causes: &[String], beyond: Beyond, limit: usize) -> Result<Answer, Box<Problem>> {
    let impact = model
        .graph
        .impact(causes.iter().map(String::as_str), beyond)
        .map_err(|place| {
            let name = causes.get(place).map(String::as_str).unwrap_or_default();
            let detail = format!("nothing in the graph is called {name}");
            Problem::new(ProblemKind::NotFound, detail)
                .at(format!("/args/ids/{place}"))
                .hint("look for it with the question `search`; something outside is named by its whole URI")
        })?;
    let findings = impact_findings(model, &impact, limit);
    let (shown, total) = (findings.affected.len(), impact.total());
    let (environments, all) = (findings.environments.len(), findings.environments_total);
    let reasons = findings.affected.iter().filter(|one| !one.why.is_empty()).count();
    let mut answer = page(model.position, Findings::Impact(findings), shown, total);
    if answer.truncated.is_none() && environments < all {
        answer.truncated = Some(format!("{environments} of {all} environments are shown"));
    }
    if reasons < shown {
        let cut =
            format!("the reasons of {reasons} of {shown} are shown: ask about less, or with a smaller limit");
        answer.truncated = Some(cut);
    }
    Ok(answer)
}

/// An impact as answers show it, with at most `limit` of the affected resources, and of the environments.
pub(super) fn impact_findings(model: &Model, impact: &Impact<'_>, limit: usize) -> ImpactFindings {
    let (environments, environments_total) = hit_environments(model, impact, limit);
    ImpactFindings {
        causes: impact.causes(),
        affected: impact.affected(limit),
        counts: Effect::ALL.map(|effect| impact.count(effect)),
        environments,
        environments_total,
        hash: impact.hash(),
    }
}

/// The environments that have affected resources, or causes, with where people enter them: at most `limit`, and how many
/// there are.
fn hit_environments(model: &Model, impact: &Impact<'_>, limit: usize) -> (Vec<HitEnvironment>, usize) {
    let mut hits: BTreeMap<&Id, (usize, usize)> = BTreeMap::new();
    let weakened = [Effect::Degraded, Effect::CannotStart].map(|effect| impact.ids(effect));
    let causes = impact.cause_ids().filter(|id| model.graph.contains(id));
    for id in causes.chain(impact.ids(Effect::Stops)) {
        for environment in model.membership.environments_of(id) {
            hits.entry(environment).or_default().0 += 1;
        }
    }
    for id in weakened.into_iter().flatten() {
        for environment in model.membership.environments_of(id) {
            hits.entry(environment).or_default().1 += 1;
        }
    }
    let total = hits.len();
    let shown = hits.into_iter().filter_map(|(id, (stops, weakened))| {
        let environment = model.environment(id)?;
        Some(HitEnvironment {
            id: id.clone(),
            name: environment.name.clone(),
            stops,
            weakened,
            resources: model.member_count(id),
            entrypoints: environment.entrypoints.clone(),
        })
    });
    (shown.take(limit).collect(), total)
}

fn order(model: &Model, crew: &Crew, purpose: Purpose, limit: usize) -> Result<Answer, Box<Problem>> {
    let order = match crew {
        Crew::Environment(id) => {
            drop(member_of(model, id)?);
            let members = model.membership.members(id).into_iter().flatten();
            model.graph.order(members, purpose, limit)
        }
        Crew::Resources(ids) => {
            let missing = (0..).zip(ids).find(|(_, id)| !model.graph.contains(id));
            if let Some((place, id)) = missing {
                return Err(unknown(id, &format!("/args/ids/{place}")));
            }
            model.graph.order(ids, purpose, limit)
        }
    };
    let shown = order.waves.iter().map(Vec::len).sum();
    let (total, is_cut) = (order.resources, order.is_cut);
    let mut answer = page(model.position, Findings::Order(order), shown, total);
    if is_cut && answer.truncated.is_none() {
        answer.truncated =
            Some("not all that belongs to it is shown: raise the limit to see more".to_owned());
    }
    Ok(answer)
}

fn unknown(id: &Id, place: &str) -> Box<Problem> {
    let detail = format!("no resource has the id {id}, and none depends on it");
    Box::new(
        Problem::new(ProblemKind::NotFound, detail)
            .at(place)
            .hint("look for it with the question `search`"),
    )
}

/// A test for being in an environment that must exist.
fn member_of<'a>(model: &'a Model, environment: &'a Id) -> Result<impl Fn(&Id) -> bool + 'a, Box<Problem>> {
    if !model.contains(&EntityKey::environment(environment.clone())) {
        let detail = format!("there is no environment {environment}");
        return Err(Box::new(
            Problem::new(ProblemKind::NotFound, detail).at("/args/environment"),
        ));
    }
    Ok(move |resource: &Id| model.membership.contains(environment, resource))
}

pub(super) fn page(as_of: Position, findings: Findings, shown: usize, total: usize) -> Answer {
    let truncated =
        (shown < total).then(|| format!("{shown} of {total} are shown: raise the limit to see more"));
    Answer {
        as_of,
        findings,
        total,
        truncated,
        next: None,
    }
}

fn first<T>(as_of: Position, mut all: Vec<T>, limit: usize, findings: fn(Vec<T>) -> Findings) -> Answer {
    let total = all.len();
    all.truncate(limit);
    let shown = all.len();
    page(as_of, findings(all), shown, total)
}
