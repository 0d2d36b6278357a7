//! Searches: words from the index, sets from the graph, and what the documents of the hits show.

use super::Fault;
use super::model::Model;
use super::reads::Reads;
use crate::domain::graph::Beyond;
use crate::domain::{
    Answer, Direction, Effect, EntityKey, Findings, Hit, Hits, Id, Natures, Position, Problem, ProblemKind,
    Reach, Search,
};
use crate::search::{self, Ask, Budget, Found, GraphSet, GraphTerm, Query, SearchError, Sets};

/// How many hits of a page are completed from their documents.
const COMPLETED_MAX: usize = 1_000;

/// What becomes of a set of the graph around an id that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// The search is refused: the id may be misspelt.
    Refused,
    /// The set is empty: the id was known when the question was first asked.
    Empty,
}

/// What a search found, and what it has left.
pub(super) struct Searched {
    pub(super) found: Found,
    /// What both the index and the graph have reached, where it asked both.
    pub(super) as_of: Position,
    query: Query,
    budget: Budget,
}

impl Reads {
    /// Answers a search: as of what both the index and the graph have reached, where it asks both.
    pub(super) fn search(
        &self,
        search: &Search,
        limit: usize,
        cursor: Option<&str>,
        reach: &Reach,
    ) -> Result<Answer, Box<Problem>> {
        let searched = self.find(search, limit, cursor, Unknown::Refused, reach)?;
        self.show(search, searched, reach)
    }

    /// What a search finds.
    pub(super) fn find(
        &self,
        search: &Search,
        limit: usize,
        cursor: Option<&str>,
        unknown: Unknown,
        reach: &Reach,
    ) -> Result<Searched, Box<Problem>> {
        let query = search::parse(&search.query, &self.search)?;
        let mut budget = Budget::new(&self.search);
        let (sets, graph_position) = self.sets(&query, &mut budget, unknown, reach)?;
        let in_sight = self.in_sight(reach);
        let ask = Ask {
            query: &query,
            sets: &sets,
            within: search.within.as_ref(),
            in_sight: in_sight.as_ref(),
            limit,
            after: cursor,
            facets: &search.facets,
            explain: search.explain,
        };
        let found = self.index.ask(&ask, &mut budget).map_err(|error| match error {
            SearchError::Problem(problem) => problem,
            SearchError::Fault(fault) => unavailable(&fault, "the index could not be searched"),
        })?;
        Ok(Searched {
            as_of: graph_position.map_or(found.as_of, |position| position.min(found.as_of)),
            query,
            budget,
            found,
        })
    }

    /// The answer to a search, with what its hits show.
    pub(super) fn show(
        &self,
        search: &Search,
        searched: Searched,
        reach: &Reach,
    ) -> Result<Answer, Box<Problem>> {
        let Searched {
            query,
            mut budget,
            found,
            as_of,
        } = searched;
        let Found {
            mut hits,
            total,
            next,
            as_of: _,
            facets,
            stopped,
        } = found;
        if (search.highlights || search.explain) && stopped.is_none() {
            let mut complete = |still: &dyn Fn(&EntityKey) -> bool| {
                self.complete(&mut hits, &query, search.highlights, &mut budget, still)
                    .map_err(|fault| unavailable(&fault, "the documents of the hits could not be read"))
            };
            match reach {
                Reach::Everything => complete(&|_| true)?,
                // The documents are those of now, and what is in them may have gone out of sight since.
                Reach::Within(_) => self.look(reach, |part| complete(&|key| part.contains(key)))?,
            }
        }
        // The hits themselves are all there, so the page after them goes on.
        let bare = budget
            .spent()
            .map(|why| format!("not all hits say where they match, or what their score is made of: {why}"));
        let shown = hits.len();
        let more = next.as_ref().map(|_| format!("{shown} of {total} are shown"));
        Ok(Answer {
            as_of,
            findings: Findings::Hits(Hits {
                items: hits,
                facets,
                understood: search.explain.then(|| query.to_string()),
            }),
            total,
            truncated: stopped.or(bare).or(more),
            next,
        })
    }

    /// What is in each set of the graph that a query names, all as of one position.
    fn sets(
        &self,
        query: &Query,
        budget: &mut Budget,
        unknown: Unknown,
        reach: &Reach,
    ) -> Result<(Sets, Option<Position>), Box<Problem>> {
        let mut sets = Sets::default();
        let terms = query.graph_terms();
        if terms.is_empty() {
            return Ok((sets, None));
        }
        self.look(reach, |model| {
            for term in terms {
                let ids = match members(model, term) {
                    // What nobody knows needs nothing, and nothing needs it.
                    Err(problem) if unknown == Unknown::Empty && problem.kind == ProblemKind::NotFound => {
                        Vec::new()
                    }
                    found => found?,
                };
                if !budget.reach(ids.len()) {
                    return Err(too_much(term, budget));
                }
                sets.insert(term.set.clone(), ids);
            }
            Ok((sets, Some(model.position)))
        })
    }

    /// Completes hits from their documents as they are now.
    fn complete(
        &self,
        hits: &mut [Hit],
        query: &Query,
        highlights: bool,
        budget: &mut Budget,
        still: &dyn Fn(&EntityKey) -> bool,
    ) -> Result<(), Fault> {
        let snapshot = self.store.snapshot()?;
        for hit in hits.iter_mut().take(COMPLETED_MAX) {
            if !budget.reach(1) {
                break;
            }
            if still(&hit.key)
                && let Some(live) = snapshot.live(&hit.key)?
            {
                search::complete(hit, query, &live.document, highlights);
            }
        }
        Ok(())
    }
}

/// The resources in a set of the graph.
fn members(model: &Model, term: &GraphTerm) -> Result<Vec<Id>, Box<Problem>> {
    let graph = &model.graph;
    let walk = |id: &Id, direction, depth| {
        graph
            .reached(id, direction, depth, Natures::ALL)
            .ok_or_else(|| search::unknown_resource(term, id))
    };
    match &term.set {
        GraphSet::Dependents { id, depth } => walk(id, Direction::Dependents, *depth),
        GraphSet::Dependencies { id, depth } => walk(id, Direction::Dependencies, *depth),
        GraphSet::Impact { id } => {
            let impact = graph.impact([id.as_str()], Beyond::default());
            let impact = impact.map_err(|_| search::unknown_resource(term, id))?;
            Ok(impact.ids(Effect::Stops).cloned().collect())
        }
        GraphSet::Dangling => Ok(graph.with_dangling()),
        GraphSet::Cycle => Ok(graph.in_cycles(Natures::ALL)),
        GraphSet::External => Ok(graph.with_external()),
    }
}

/// A walk that has used up the budget of its search: a set of which a part is missing would make a `NOT` wrong.
fn too_much(term: &GraphTerm, budget: &Budget) -> Box<Problem> {
    let why = budget.spent().unwrap_or_default();
    let detail = format!("`{}` is more than a search may walk: {why}", term.set);
    let problem = Problem::new(ProblemKind::LimitExceeded, detail)
        .at("/args/query")
        .hint("walk fewer steps, such as dependents-of:db-1~2, or ask the graph itself")
        .fact("position", u64::try_from(term.place.0).unwrap_or(u64::MAX));
    Box::new(problem)
}

fn unavailable(fault: &(dyn std::error::Error + 'static), what: &'static str) -> Box<Problem> {
    tracing::error!(error = fault, "{what}");
    Box::new(Problem::new(ProblemKind::Unavailable, what))
}
