//! Whole answers as sets of items, how they change, and what happened meanwhile: what keeps a question standing.

use std::collections::HashSet;

use super::Fault;
use super::graph_answers::graph_answer;
use super::model::Model;
use super::reads::Reads;
use super::searches::Unknown;
use crate::domain::{
    Answer, Because, Change, Difference, Effect, EntityKey, Fact, Findings, ITEMS_MAX, Id, Inquiry, Item,
    Items, Label, Position, Problem, ProblemKind, Question, Reach, Reason, Target,
};
use crate::search::Found;

/// The changes that are looked at to say what happened.
const READ_MAX: usize = 1_000;
/// The changes that are told.
const TOLD_MAX: usize = 20;

/// An answer as it was.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// What it was true as of.
    pub position: Position,
    /// What was in it.
    pub items: &'a Items,
}

/// An answer as it is now, and how it came to be another.
#[derive(Debug)]
pub struct Renewed {
    /// What it is true as of.
    pub position: Position,
    /// What is in it now.
    pub items: Items,
    /// What is in only one of them, and what happened; `None` where they are the same.
    pub change: Option<(Difference, Because)>,
}

impl Reads {
    /// Answers a question that is to stand, and gives every item of the same answer, also those that it does not show.
    ///
    /// # Errors
    /// A problem: that of the question itself, or an answer that is too large to be kept.
    pub fn stand(&self, inquiry: &Inquiry, reach: &Reach) -> Result<(Answer, Items), Box<Problem>> {
        if let Question::Search(search) = &inquiry.question {
            let mut searched = self.find(search, all(inquiry.limit), None, Unknown::Refused, reach)?;
            let items = hits(&searched.found)?;
            searched.found = searched.found.first_page(inquiry.limit);
            return Ok((self.show(search, searched, reach)?, items));
        }
        self.look(reach, |model| {
            let answer = graph_answer(model, inquiry)?;
            Ok((answer, items(model, &inquiry.question)?))
        })
    }

    /// The answer to a standing question as of now, and how it differs from the one before. Who or what is not there any
    /// more makes it empty, as nothing needs what is not there.
    ///
    /// # Errors
    /// A problem: an answer that is too large, or could not be found whole.
    pub fn renew(
        &self,
        question: &Question,
        before: Before<'_>,
        reach: &Reach,
    ) -> Result<Renewed, Box<Problem>> {
        let (position, items) = self.items(question, reach)?;
        let difference = Difference::between(before.items, &items);
        let change = if difference.is_empty() {
            None
        } else {
            let because = self.because(question, &difference, (before.position, position), reach);
            let because = because.map_err(|fault| {
                tracing::error!(
                    fault = &fault as &dyn std::error::Error,
                    "the change log could not be read"
                );
                Problem::new(ProblemKind::Unavailable, "the change log could not be read")
            })?;
            Some((difference, because))
        };
        Ok(Renewed {
            position,
            items,
            change,
        })
    }

    fn items(&self, question: &Question, reach: &Reach) -> Result<(Position, Items), Box<Problem>> {
        if let Question::Search(search) = question {
            let searched = self.find(search, all(0), None, Unknown::Empty, reach)?;
            return Ok((searched.as_of, hits(&searched.found)?));
        }
        self.look(reach, |model| match items(model, question) {
            Ok(items) => Ok((model.position, items)),
            Err(problem) if problem.kind == ProblemKind::NotFound => Ok((model.position, Items::default())),
            Err(problem) => Err(problem),
        })
    }

    /// What happened between two answers. Events about what came, what went and what the question names are told
    /// alone, where there are any.
    fn because(
        &self,
        question: &Question,
        difference: &Difference,
        (before, now): (Position, Position),
        reach: &Reach,
    ) -> Result<Because, Fault> {
        let (from, to) = (before.sequence + 1, now.sequence);
        let mut about: HashSet<&str> = question.names().into_iter().collect();
        for (item, _) in difference.added.iter().chain(difference.removed.iter()) {
            about.extend(item.ids().iter().map(Id::as_str));
        }
        let mut changes = self.changes(from, READ_MAX)?;
        let in_sight = self.in_sight(reach);
        changes.retain(|change| {
            let mut concerned = change.event.environments.iter();
            change.sequence <= to
                && in_sight
                    .as_ref()
                    .is_none_or(|in_sight| concerned.any(|id| in_sight.contains(id)))
        });
        let told: Vec<Reason> = changes
            .iter()
            .filter(|change| is_about(change, &about))
            .take(TOLD_MAX)
            .map(reason)
            .collect();
        let events = if told.is_empty() {
            changes.iter().take(TOLD_MAX).map(reason).collect()
        } else {
            told
        };
        Ok(Because { from, to, events })
    }
}

/// How many hits are looked for: one more than may be kept, so that too many are noticed.
fn all(limit: usize) -> usize {
    limit.max(ITEMS_MAX + 1)
}

/// The items of a search.
fn hits(found: &Found) -> Result<Items, Box<Problem>> {
    if let Some(why) = &found.stopped {
        let detail = format!("a standing question needs its whole answer, and {why}");
        let problem = Problem::new(ProblemKind::LimitExceeded, detail);
        return Err(Box::new(problem.hint("ask for less")));
    }
    few(found.total)?;
    let mut items = Items::default();
    for hit in &found.hits {
        let label = Label {
            kind: hit.kind.clone(),
            name: hit.name.clone(),
        };
        items.add(Item::from(hit), label);
    }
    Ok(items)
}

/// The items of a question about the graph.
fn items(model: &Model, question: &Question) -> Result<Items, Box<Problem>> {
    let mut items = Items::default();
    match question {
        Question::Reach {
            id,
            direction,
            depth,
            natures,
        } => {
            let found = model.graph.reach(id, *direction, *depth, *natures, ITEMS_MAX);
            let (subgraph, total) = found.ok_or_else(|| Problem::new(ProblemKind::NotFound, ""))?;
            few(total)?;
            // The first is the start itself.
            for node in subgraph.nodes.iter().skip(1) {
                items.add(Item::from(node), Label::from(node));
            }
        }
        Question::Impact { causes, beyond } => {
            let mut causes: Vec<&str> = causes.iter().map(String::as_str).collect();
            let impact = loop {
                match model.graph.impact(causes.iter().copied(), *beyond) {
                    Ok(impact) => break impact,
                    // What is not there cannot stop.
                    Err(place) => drop(causes.remove(place)),
                }
            };
            few(impact.total())?;
            for effect in Effect::ALL {
                for id in impact.ids(effect) {
                    let label = model.graph.node(id).as_ref().map(Label::from);
                    items.add(Item::Affected(id.clone(), effect), label.unwrap_or_default());
                }
            }
        }
        Question::Cycles { .. } | Question::Dangling { .. } => {
            let inquiry = Inquiry {
                question: question.clone(),
                at_least: None,
                limit: usize::MAX,
                cursor: None,
                deadline: None,
                moment: None,
            };
            match graph_answer(model, &inquiry)?.findings {
                Findings::Cycles(cycles) => {
                    few(cycles.iter().map(Vec::len).sum())?;
                    for cycle in cycles {
                        let ids = cycle.into_iter().filter_map(|node| match node.target {
                            Target::Resource(id) => Some(id),
                            Target::External(_) => None,
                        });
                        items.add(Item::Cycle(ids.collect()), Label::default());
                    }
                }
                Findings::Dangling(dangling) => {
                    few(dangling.len())?;
                    for missing in dangling {
                        items.add(Item::Entity(EntityKey::resource(missing.id)), Label::default());
                    }
                }
                _ => {}
            }
        }
        _ => {
            let problem = Problem::new(ProblemKind::Invalid, "the answer to this question is no set");
            return Err(Box::new(problem.at("/args/question/type")));
        }
    }
    Ok(items)
}

/// Refuses an answer of which too much would have to be kept.
fn few(total: usize) -> Result<(), Box<Problem>> {
    if total <= ITEMS_MAX {
        return Ok(());
    }
    let detail = format!("the answer has {total} items, and a standing question may have {ITEMS_MAX}");
    let problem = Problem::new(ProblemKind::LimitExceeded, detail).hint("ask for less");
    Err(Box::new(problem.fact("limit", ITEMS_MAX).fact("items", total)))
}

fn is_about(change: &Change, about: &HashSet<&str>) -> bool {
    let linked = match &change.event.fact {
        Fact::Linked { resources } | Fact::Unlinked { resources } => resources.as_slice(),
        _ => &[],
    };
    let mut ids = std::iter::once(&change.event.key.id).chain(linked);
    ids.any(|id| about.contains(id.as_str()))
}

fn reason(change: &Change) -> Reason {
    Reason {
        sequence: change.sequence,
        kind: change.event.kind(),
        id: change.event.key.id.clone(),
        actor: change.actor.clone(),
        cause: change.cause.clone(),
    }
}
