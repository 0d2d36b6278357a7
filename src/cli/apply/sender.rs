//! Batches on their way: each until its reply comes, and where it is rejected, document by document.

use std::collections::BTreeMap;

use crate::domain::EntityType;
use crate::wire::shape::{OutcomeWord, ProblemBody, ReplyBody};

use super::super::change::said;
use super::super::exit::{Exit, Failure};
use super::super::manifest::Definition;
use super::super::session::{Order, Session};
use super::chunk::{command, culprit};
use super::tally::{Rejection, Tally};

/// How often a batch is sent again without those that the register pointed at, before each goes alone.
const RETRIES_MAX: usize = 8;

/// Sends batches of one manifest.
pub(super) struct Sender<'a> {
    pub(super) session: &'a Session,
    pub(super) definitions: &'a [Definition],
    pub(super) dry_run: bool,
}

/// What is wrong with one document: pointer, detail, hint.
type Complaint = (String, String, String);

impl Sender<'_> {
    /// Sends the documents at `places` in one transaction. Where the register rejects it, those that it points at
    /// are told, and the others go again; each document's fate is known at the end.
    ///
    /// # Errors
    /// No reply came.
    pub(super) async fn send(&self, mut places: Vec<usize>) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        for _ in 0..=RETRIES_MAX {
            if places.is_empty() {
                return Ok(tally);
            }
            let Some(problem) = self.once(&places, &mut tally).await? else {
                return Ok(tally);
            };
            if let [place] = places.as_slice() {
                self.reject(*place, complaints_of_one(&problem), &mut tally);
                return Ok(tally);
            }
            let blamed = blamed(&problem, places.len());
            if blamed.is_empty() {
                break;
            }
            let mut kept = Vec::with_capacity(places.len());
            let mut blamed = blamed;
            for (i, place) in places.into_iter().enumerate() {
                match blamed.remove(&i) {
                    Some(complaints) => self.reject(place, complaints, &mut tally),
                    None => kept.push(place),
                }
            }
            places = kept;
        }
        for place in places {
            if let Some(problem) = self.once(&[place], &mut tally).await? {
                self.reject(place, complaints_of_one(&problem), &mut tally);
            }
        }
        Ok(tally)
    }

    /// Sends the documents as one command; the problem, where there is one.
    async fn once(&self, places: &[usize], tally: &mut Tally) -> Result<Option<ProblemBody>, Failure> {
        let documents: Vec<(EntityType, &str)> = places
            .iter()
            .filter_map(|place| self.definitions.get(*place))
            .map(|definition| (definition.key.entity, &*definition.body))
            .collect();
        let (kind, body) = command(&documents, self.dry_run);
        let order = Order::new(kind, body);
        let reply = self.session.command(&order).await?.body;
        match reply.outcome {
            OutcomeWord::Applied | OutcomeWord::Unchanged => {
                self.take(places, reply, tally);
                Ok(None)
            }
            OutcomeWord::Rejected | OutcomeWord::Expired => match reply.problem {
                Some(problem) => Ok(Some(problem)),
                None => Err(Failure::new(
                    Exit::Internal,
                    "the register rejected a command and does not say why",
                )),
            },
        }
    }

    fn take(&self, places: &[usize], reply: ReplyBody, tally: &mut Tally) {
        tally.done += places.len();
        tally.unchanged += places
            .iter()
            .filter_map(|place| self.definitions.get(*place))
            .filter(|definition| !reply.revisions.contains_key(&definition.key.to_string()))
            .count();
        for (kind, count) in reply.counts {
            *tally.counts.entry(kind).or_default() += count;
        }
        tally.graphs.extend(reply.graph);
        let events = reply.events.unwrap_or_default();
        tally
            .events
            .extend(events.into_iter().map(|event| (event.kind, event.id)));
    }

    fn reject(&self, place: usize, complaints: Vec<Complaint>, tally: &mut Tally) {
        tally.done += 1;
        tally.rejected += 1;
        let Some(definition) = self.definitions.get(place) else {
            return;
        };
        for (pointer, detail, hint) in complaints {
            tally.rejections.push(Rejection {
                key: definition.key.clone(),
                place: definition.place,
                pointer,
                detail,
                hint,
            });
        }
    }
}

/// The complaints about the one document of a put.
fn complaints_of_one(problem: &ProblemBody) -> Vec<Complaint> {
    let inner = |pointer: &str| pointer.strip_prefix("/args").unwrap_or(pointer).to_owned();
    if problem.mistakes.is_empty() {
        return vec![(
            inner(&problem.pointer),
            said(&problem.title, &problem.detail),
            problem.hint.clone(),
        )];
    }
    problem
        .mistakes
        .iter()
        .map(|mistake| {
            (
                inner(&mistake.pointer),
                mistake.detail.clone(),
                mistake.hint.clone(),
            )
        })
        .collect()
}

/// The complaints about each command of a batch that the problem points at.
fn blamed(problem: &ProblemBody, count: usize) -> BTreeMap<usize, Vec<Complaint>> {
    let mut blamed: BTreeMap<usize, Vec<Complaint>> = BTreeMap::new();
    let mut blame = |pointer: &str, detail: String, hint: &str| {
        if let Some((index, pointer)) = culprit(pointer)
            && index < count
        {
            let complaint = (pointer.to_owned(), detail, hint.to_owned());
            blamed.entry(index).or_default().push(complaint);
        }
    };
    for mistake in &problem.mistakes {
        blame(&mistake.pointer, mistake.detail.clone(), &mistake.hint);
    }
    if problem.mistakes.is_empty() {
        let detail = said(&problem.title, &problem.detail);
        blame(&problem.pointer, detail, &problem.hint);
    }
    blamed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::wire::shape::ProblemBody;

    use super::{blamed, complaints_of_one};

    fn problem(value: serde_json::Value) -> ProblemBody {
        serde_json::from_value(value).expect("a problem")
    }

    #[test]
    fn a_problem_of_a_batch_blames_the_commands_that_it_points_at() {
        let problem = problem(json!({
            "type": "urn:domesday:problem:invalid", "title": "The message has mistakes",
            "detail": "x (and 2 more mistakes)", "pointer": "/args/commands/1/args/kind",
            "mistakes": [
                {"pointer": "/args/commands/1/args/kind", "detail": "x", "hint": "h"},
                {"pointer": "/args/commands/1/args/name", "detail": "y"},
                {"pointer": "/args/commands/3/args/id", "detail": "z"},
                {"pointer": "/args/commands/9/args/id", "detail": "not ours"},
            ],
        }));
        let blamed = blamed(&problem, 5);
        assert_eq!(blamed.keys().copied().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(blamed.get(&1).map(Vec::len), Some(2));
    }

    #[test]
    fn a_problem_of_a_put_points_into_the_document() {
        let problem = problem(json!({
            "type": "urn:domesday:problem:not-found", "title": "There is no such entity",
            "detail": "resource x", "pointer": "/args/resources/0",
        }));
        assert_eq!(
            complaints_of_one(&problem),
            [(
                "/resources/0".to_owned(),
                "There is no such entity: resource x".to_owned(),
                String::new()
            )]
        );
        assert!(blamed(&problem, 3).is_empty());
    }
}
