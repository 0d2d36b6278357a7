//! `access explain`: what somebody may do, and which rule says so.

use clap::{Args, Subcommand};

use crate::domain::Id;
use crate::wire::shape::{AnswerBody, ExplainArgs as Explain, QuestionBody, RuleBody, RulingBody};

use super::exit::{Exit, Failure};
use super::output::{ALARM, GOOD, Output, one_line};
use super::search::footer;
use super::session::Session;
use super::values::id;

/// Of `access`.
#[derive(Debug, Subcommand)]
pub enum AccessAction {
    /// Say what somebody may do, and which rule decides
    Explain(ExplainArgs),
}

/// Of `access explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Who: a user of the broker
    #[arg(long = "as", value_name = "USER")]
    pub principal: String,
    /// With which command, question or order, such as resource.remove
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: String,
    /// With which environment or resource; else with what is in no environment
    #[arg(long, value_name = "ID", value_parser = id)]
    pub id: Option<Id>,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Asks an instance by which rule it would decide.
///
/// # Errors
/// The register said no, or cannot be reached.
pub async fn run(action: &AccessAction, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let AccessAction::Explain(args) = action;
    let question = QuestionBody::new(Explain {
        principal: args.principal.clone(),
        kind: args.kind.clone(),
        id: args.id.as_ref().map(ToString::to_string),
    });
    let answer = session
        .question::<_, AnswerBody<RulingBody>>("access.explain", &question)
        .await?;
    session.close().await;
    let ruling = &answer.body.findings;
    let exit = if ruling.allowed { Exit::Ok } else { Exit::Refused };
    if args.json {
        output.print(&answer.raw.to_string())?;
        return Ok(exit);
    }
    output.print(&told(args, ruling))?;
    output.tell(&footer(&count(ruling), &answer.body.as_of));
    Ok(exit)
}

fn told(args: &ExplainArgs, ruling: &RulingBody) -> String {
    let about = match &args.id {
        Some(id) => format!("{} on {id}", args.kind),
        None => args.kind.clone(),
    };
    let who = one_line(&args.principal);
    match &ruling.rule {
        _ if ruling.open => {
            format!("{GOOD}allowed{GOOD:#}: access is open, and everybody may do everything\n")
        }
        Some(rule) => format!("{GOOD}allowed{GOOD:#}: {} lets {who} do {about}\n", named(rule)),
        None if ruling.elsewhere.is_empty() => {
            format!("{ALARM}refused{ALARM:#}: no rule lets {who} do {}\n", args.kind)
        }
        None => {
            let rules: Vec<String> = ruling.elsewhere.iter().map(named).collect();
            let where_to = match &args.id {
                Some(id) => format!("not for {id}, which is not registered or in no environment of theirs"),
                None => "only in some environments: say which thing with --id".to_owned(),
            };
            format!(
                "{ALARM}refused{ALARM:#}: {} {who} do {}, {where_to}\n",
                if rules.len() == 1 {
                    format!("{} lets", rules.join(""))
                } else {
                    format!("{} let", rules.join(", "))
                },
                args.kind
            )
        }
    }
}

fn named(rule: &RuleBody) -> String {
    match rule.name.as_str() {
        "" => format!("rule {}", rule.number),
        name => format!("rule {} ({})", rule.number, one_line(name)),
    }
}

fn count(ruling: &RulingBody) -> String {
    let rules = ruling.elsewhere.len() + usize::from(ruling.rule.is_some());
    match rules {
        1 => "1 rule for this user and type".to_owned(),
        rules => format!("{rules} rules for this user and type"),
    }
}
