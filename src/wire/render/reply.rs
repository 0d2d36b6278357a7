//! Replies to commands, and problems.

use crate::domain::{Event, Mistake, Outcome, Position, Problem, Receipt};
use crate::wire::shape::{
    FactBody, GraphNewsBody, ImpactBody, MistakeBody, OutcomeWord, ProblemBody, ReplyBody,
};
use crate::wire::to_bytes;

use super::event::FactParts;

/// The fields of a problem that its facts cannot replace.
const PROBLEM_FIELDS: [&str; 6] = ["type", "title", "detail", "pointer", "hint", "mistakes"];

/// The reply to a command.
pub fn render_reply(receipt: &Receipt, cluster: &str) -> Vec<u8> {
    let Receipt {
        outcome,
        position,
        revisions,
        counts,
        duplicate,
        would,
    } = receipt;
    to_bytes(&ReplyBody {
        outcome: OutcomeWord::from(outcome),
        cluster: cluster.to_owned(),
        epoch: position.epoch,
        sequence: position.sequence,
        revisions: revisions
            .iter()
            .map(|(key, revision)| (key.to_string(), *revision))
            .collect(),
        counts: counts.iter().cloned().collect(),
        duplicate: *duplicate,
        dry_run: would.is_some(),
        events: would
            .as_ref()
            .map(|would| would.events.iter().map(FactBody::from).collect()),
        graph: would.as_ref().map(|would| GraphNewsBody::from(&would.news)),
        impact: would
            .as_ref()
            .and_then(|would| would.impact.as_ref())
            .map(ImpactBody::from),
        problem: outcome.problem().map(ProblemBody::from),
    })
}

/// The reply to a message that never became a command.
pub fn render_problem_reply(problem: &Problem, position: Position, cluster: &str) -> Vec<u8> {
    let receipt = Receipt {
        outcome: Outcome::Rejected(Box::new(problem.clone())),
        position,
        revisions: Vec::new(),
        counts: Vec::new(),
        duplicate: false,
        would: None,
    };
    render_reply(&receipt, cluster)
}

impl From<&Outcome> for OutcomeWord {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Applied => Self::Applied,
            Outcome::Unchanged => Self::Unchanged,
            Outcome::Rejected(_) => Self::Rejected,
            Outcome::Expired(_) => Self::Expired,
        }
    }
}

impl From<&Event> for FactBody {
    fn from(event: &Event) -> Self {
        let FactParts {
            changed,
            before,
            data,
        } = FactParts::of(event);
        Self {
            kind: event.kind().to_owned(),
            id: event.key.id.to_string(),
            revision: event.revision,
            changed,
            before,
            data,
        }
    }
}

impl From<&Problem> for ProblemBody {
    fn from(problem: &Problem) -> Self {
        let Problem {
            kind,
            detail,
            pointer,
            hint,
            mistakes,
            facts,
        } = problem;
        let listed = if mistakes.len() > 1 {
            mistakes.as_slice()
        } else {
            &[]
        };
        Self {
            kind: format!("{}{}", Self::URN, kind.slug()),
            title: kind.title().to_owned(),
            detail: detail.clone(),
            pointer: pointer.clone(),
            hint: hint.clone(),
            mistakes: listed.iter().map(MistakeBody::from).collect(),
            facts: facts
                .iter()
                .filter(|(name, _)| !PROBLEM_FIELDS.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        }
    }
}

impl From<&Mistake> for MistakeBody {
    fn from(mistake: &Mistake) -> Self {
        let Mistake {
            pointer,
            detail,
            hint,
        } = mistake;
        Self {
            pointer: pointer.clone(),
            detail: detail.clone(),
            hint: hint.clone(),
        }
    }
}
