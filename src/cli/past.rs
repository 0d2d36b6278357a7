//! `history` and `compare`: what was, and what differs.

use std::fmt::Write as _;

use clap::Args;
use serde_json::Value;

use crate::domain::{EntityType, Id};
use crate::wire::shape::{
    AnswerBody, CompareArgs as Compare, ComparisonBody, DifferenceBody, EntityWord, HistoryArgs as History,
    HistoryBody, NodeBody, PastBody, QuestionBody,
};

use super::exit::{Exit, Failure};
use super::output::{ALARM, FAINT, GOOD, Output, STRONG, one_line};
use super::register::Register;
use super::search::footer;
use super::table::table;
use super::values::{entity, id};

/// Of `history`.
#[derive(Debug, Clone, Args)]
pub struct HistoryArgs {
    /// environment or resource
    #[arg(value_name = "TYPE", value_parser = entity)]
    pub entity: EntityType,
    /// Which
    #[arg(value_name = "ID", value_parser = id)]
    pub id: Id,
    /// Only changes before this sequence
    #[arg(long, value_name = "SEQUENCE")]
    pub before: Option<u64>,
    /// The most changes to show
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=1_000)
    )]
    pub limit: u32,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Of `compare`.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// The one environment
    #[arg(value_name = "LEFT", value_parser = id)]
    pub left: Id,
    /// The other
    #[arg(value_name = "RIGHT", value_parser = id)]
    pub right: Id,
    /// The most resources to show
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub limit: u32,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Shows the changes of one entity, the latest first.
///
/// # Errors
/// Nothing is known of the entity, or no answer came.
pub async fn history(args: &HistoryArgs, register: &Register, output: &mut Output) -> Result<Exit, Failure> {
    let mut question = QuestionBody::new(History {
        id: args.id.to_string(),
        entity: Some(match args.entity {
            EntityType::Environment => EntityWord::Environment,
            EntityType::Resource => EntityWord::Resource,
        }),
        before: args.before,
    });
    question.limit = Some(args.limit.into());
    let answer = register
        .question::<_, AnswerBody<HistoryBody>>("history", &question)
        .await?;
    register.close().await;
    if args.json {
        output.print(&answer.raw.to_string())?;
        return Ok(Exit::Ok);
    }
    let mut text = String::new();
    for past in &answer.body.findings.items {
        show_past(&mut text, past);
    }
    if !text.is_empty() {
        output.print(&text)?;
    }
    let shown = answer.body.findings.items.len();
    let count = format!("{shown} of {} changes", answer.body.total);
    output.tell(&footer(&count, &answer.body.as_of));
    // That there are more than were asked for is said already.
    let cut = u32::try_from(shown).is_ok_and(|shown| shown < args.limit);
    if let Some(why) = answer.body.truncated_because.filter(|_| cut) {
        tell_truncated(&why, output);
    }
    Ok(Exit::Ok)
}

fn show_past(text: &mut String, past: &PastBody) {
    let by = if past.actor.is_empty() {
        String::new()
    } else {
        format!(" by {}", one_line(&past.actor))
    };
    let cause = if past.cause.is_empty() {
        String::new()
    } else {
        format!(", command {}", one_line(&past.cause))
    };
    let _ = writeln!(
        text,
        "{STRONG}{}{STRONG:#}  {}  revision {}, sequence {}{by}{FAINT}{cause}{FAINT:#}",
        past.time,
        one_line(&past.kind),
        past.revision,
        past.sequence
    );
    show_differences(text, &past.diff, past.diff_total);
    if !past.resources.is_empty() {
        let shown = u64::try_from(past.resources.len()).unwrap_or(u64::MAX);
        let more = match past.resources_total.saturating_sub(shown) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let _ = writeln!(text, "    {}{more}", one_line(&past.resources.join(", ")));
    }
}

fn show_differences(text: &mut String, differences: &[DifferenceBody], total: u64) {
    for difference in differences {
        let pointer = one_line(&difference.pointer);
        if let Some(from) = &difference.from {
            let _ = writeln!(text, "    {ALARM}- {pointer}: {}{ALARM:#}", value(from));
        }
        if let Some(to) = &difference.to {
            let _ = writeln!(text, "    {GOOD}+ {pointer}: {}{GOOD:#}", value(to));
        }
    }
    let shown = u64::try_from(differences.len()).unwrap_or(u64::MAX);
    let more = total.saturating_sub(shown);
    if more > 0 {
        let _ = writeln!(text, "    {FAINT}and {more} more{FAINT:#}");
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) => one_line(text),
        other => one_line(&other.to_string()),
    }
}

/// Shows in what two environments differ. Exit code 1 where they do, as with `diff`.
///
/// # Errors
/// An environment is not there, or no answer came.
pub async fn compare(args: &CompareArgs, register: &Register, output: &mut Output) -> Result<Exit, Failure> {
    let mut question = QuestionBody::new(Compare {
        left: args.left.to_string(),
        right: args.right.to_string(),
    });
    question.limit = Some(args.limit.into());
    let answer = register
        .question::<_, AnswerBody<ComparisonBody>>("compare", &question)
        .await?;
    register.close().await;
    let found = &answer.body.findings;
    let same = answer.body.total == 0 && found.environment.is_empty();
    let exit = if same { Exit::Ok } else { Exit::Refused };
    if args.json {
        output.print(&answer.raw.to_string())?;
        return Ok(exit);
    }
    let mut text = String::new();
    if !found.environment.is_empty() {
        let _ = writeln!(text, "{STRONG}{} and {}{STRONG:#}", args.left, args.right);
        show_differences(&mut text, &found.environment, 0);
    }
    for pair in &found.different {
        let _ = writeln!(
            text,
            "{STRONG}{} and {}{STRONG:#}",
            one_line(&pair.left),
            one_line(&pair.right)
        );
        show_differences(&mut text, &pair.diff, pair.diff_total);
    }
    for (side, only) in [(&args.left, &found.left_only), (&args.right, &found.right_only)] {
        if !only.is_empty() {
            let _ = write!(
                text,
                "{STRONG}only in {side}{STRONG:#}\n{}",
                nodes(only, output.width())
            );
        }
    }
    if !text.is_empty() {
        output.print(&text)?;
    }
    let count = format!(
        "{} differences, {} counterparts alike, {} in both",
        answer.body.total, found.same, found.shared
    );
    output.tell(&footer(&count, &answer.body.as_of));
    if let Some(why) = &answer.body.truncated_because {
        tell_truncated(why, output);
    }
    Ok(exit)
}

fn tell_truncated(why: &str, output: &mut Output) {
    output.tell(&format!("{FAINT}truncated: {}{FAINT:#}", one_line(why)));
}

fn nodes(nodes: &[NodeBody], width: Option<u16>) -> String {
    let rows = nodes
        .iter()
        .map(|node| [node.id.clone(), node.kind.clone(), node.name.clone()]);
    table(["ID", "KIND", "NAME"], rows, width)
}
