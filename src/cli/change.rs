//! `remove` and `restore`: one command for each id, one line for each reply.

use serde::Serialize;

use crate::domain::{EntityType, Id};
use crate::wire;
use crate::wire::shape::{
    CommandBody, OutcomeWord, ProblemBody, RemoveArgs as Remove, RemoveModeWord, ReplyBody,
    ResourceRemoveArgs as ResourceRemove, RestoreArgs as Restore,
};

use super::args::{RemoveArgs, RestoreArgs};
use super::exit::{Exit, Failure};
use super::output::{Output, visible};
use super::session::{Answer, Order, Session};
use super::would;

/// What the replies are told with.
struct Telling {
    entity: EntityType,
    json: bool,
    dry_run: bool,
    done: &'static str,
    not_needed: &'static str,
}

/// Removes each id.
///
/// # Errors
/// No reply came. A rejection is no error here: it is told, the others go on, and the exit code is 1.
pub async fn remove(args: &RemoveArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let mode = if args.detach {
        RemoveModeWord::Detach
    } else {
        RemoveModeWord::Restrict
    };
    if args.expect_impact.is_some() && (args.ids.len() > 1 || args.entity == EntityType::Environment) {
        let what = "--expect-impact is for the removal of a single resource";
        return Err(Failure::new(Exit::Usage, what.to_owned()));
    }
    let telling = Telling {
        entity: args.entity,
        json: args.json,
        dry_run: args.dry_run,
        done: "removed",
        not_needed: "was not there",
    };
    let mut exit = Exit::Ok;
    for id in &args.ids {
        let id_text = id.to_string();
        let body = match args.entity {
            EntityType::Environment => bytes(Remove { id: id_text, mode }, args.dry_run),
            EntityType::Resource => {
                let expect_impact = args.expect_impact.map(|hash| hash.to_string());
                let remove = ResourceRemove {
                    id: id_text,
                    mode,
                    expect_impact,
                };
                bytes(remove, args.dry_run)
            }
        };
        let kind = format!("{}.remove", args.entity);
        let order = Order::new(kind, body).perishable();
        let answer = session.command(&order).await?;
        exit = worst(exit, telling.tell(id, &answer, output)?);
    }
    session.close().await;
    Ok(exit)
}

/// Restores each id.
///
/// # Errors
/// No reply came. A rejection is no error here: it is told, the others go on, and the exit code is 1.
pub async fn restore(args: &RestoreArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let telling = Telling {
        entity: args.entity,
        json: args.json,
        dry_run: args.dry_run,
        done: "restored",
        not_needed: "is there already",
    };
    let mut exit = Exit::Ok;
    for id in &args.ids {
        let body = bytes(Restore { id: id.to_string() }, args.dry_run);
        let kind = format!("{}.restore", args.entity);
        let order = Order::new(kind, body).perishable();
        let answer = session.command(&order).await?;
        exit = worst(exit, telling.tell(id, &answer, output)?);
    }
    session.close().await;
    Ok(exit)
}

fn bytes<A: Serialize>(args: A, dry_run: bool) -> Vec<u8> {
    let mut body = CommandBody::new(args);
    body.dry_run = dry_run;
    wire::to_bytes(&body)
}

fn worst(one: Exit, other: Exit) -> Exit {
    if one.code() >= other.code() { one } else { other }
}

impl Telling {
    fn tell(&self, id: &Id, answer: &Answer<ReplyBody>, output: &mut Output) -> Result<Exit, Failure> {
        let reply = &answer.body;
        let exit = match reply.outcome {
            OutcomeWord::Applied | OutcomeWord::Unchanged => Exit::Ok,
            OutcomeWord::Rejected => Exit::Refused,
            OutcomeWord::Expired => Exit::TryAgain,
        };
        if self.json {
            output.print(&answer.raw.to_string())?;
            return Ok(exit);
        }
        let entity = self.entity;
        match reply.outcome {
            OutcomeWord::Applied => {
                let would = if self.dry_run { "would be " } else { "" };
                let revision = reply.revisions.get(&format!("{entity}:{id}"));
                let revision = revision.map_or_else(String::new, |n| format!(" (revision {n})"));
                let graph = would::lines(reply.graph.as_ref(), reply.impact.as_ref());
                output.print(&format!("{entity} {id} {would}{}{revision}\n{graph}", self.done))?;
            }
            OutcomeWord::Unchanged => {
                output.print(&format!("{entity} {id} {}\n", self.not_needed))?;
            }
            OutcomeWord::Rejected | OutcomeWord::Expired => {
                let (what, mut hint) = reply.problem.as_ref().map_or_else(
                    || ("the reply does not say why".to_owned(), ""),
                    |problem| (said(&problem.title, &problem.detail), problem.hint.as_str()),
                );
                if let Some("has-dependents" | "has-members") = reply.problem.as_ref().map(ProblemBody::slug)
                {
                    hint = "--detach removes it all the same";
                }
                output.tell_error(&format!("{entity} {id}: {what}"), hint);
            }
        }
        Ok(exit)
    }
}

/// Title and detail of a problem as one sentence.
pub fn said(title: &str, detail: &str) -> String {
    if detail.is_empty() {
        visible(title)
    } else {
        visible(&format!("{title}: {detail}"))
    }
}
