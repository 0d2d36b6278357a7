//! `graph order`: waves of resources to start or to stop.

use std::fmt::Write as _;

use crate::domain::Purpose;
use crate::wire::shape::{AnswerBody, OrderArgs as Order, OrderBody, PurposeWord, QuestionBody};

use super::super::exit::{Exit, Failure};
use super::super::output::{FAINT, NOTICE, Output, STRONG, one_line};
use super::super::table::table;
use super::args::OrderArgs;
use super::{Asked, ids, tell_end};

pub(super) async fn run(args: &OrderArgs, asked: &Asked<'_>, output: &mut Output) -> Result<Exit, Failure> {
    let ids = args.ids.iter().map(ToString::to_string).collect();
    let mut question = QuestionBody::new(Order {
        environment: args.environment.as_ref().map(ToString::to_string),
        ids: args.environment.is_none().then_some(ids),
        direction: match args.purpose {
            Purpose::Start => PurposeWord::Start,
            Purpose::Stop => PurposeWord::Stop,
        },
    });
    question.limit = Some(args.limit.into());
    let answer = asked
        .question::<_, AnswerBody<OrderBody>>("graph.order", question)
        .await?;
    if args.json {
        output.print(&answer.raw.to_string())?;
        return Ok(Exit::Ok);
    }
    output.print(&render(&answer.body.findings, args.purpose, output.width()))?;
    let waves = answer.body.findings.wave_count;
    let count = format!("{} resources in {waves} waves", answer.body.total);
    tell_end(&count, &answer.body, output);
    Ok(Exit::Ok)
}

pub(super) fn render(order: &OrderBody, purpose: Purpose, width: Option<u16>) -> String {
    let mut text = String::new();
    if !order.outside.is_empty() {
        let title = match purpose {
            Purpose::Start => "Check first; it is needed and not part of this:",
            Purpose::Stop => "Not part of this, and needs something of it:",
        };
        let rows = order.outside.iter().map(|outside| {
            let what = if outside.node.external {
                "external"
            } else if outside.node.registered {
                ""
            } else {
                "not registered"
            };
            let mut of = outside.resources.join(", ");
            let shown = u64::try_from(outside.resources.len()).unwrap_or(u64::MAX);
            let more = outside.resources_total.saturating_sub(shown);
            if more > 0 {
                let _ = write!(of, " and {more} more");
            }
            [outside.node.id.clone(), what.to_owned(), of]
        });
        let _ = write!(
            text,
            "{STRONG}{title}{STRONG:#}\n{}\n",
            table(["ID", "", "RESOURCES"], rows, width)
        );
    }
    for (number, wave) in (1..).zip(&order.waves) {
        let _ = writeln!(text, "{STRONG}{number:>3}{STRONG:#}  {}", ids(wave, "  "));
    }
    if order.critical_path.len() > 1 {
        let _ = writeln!(
            text,
            "\n{FAINT}critical path:{FAINT:#} {}",
            ids(&order.critical_path, " → ")
        );
    }
    for cycle in &order.cycles {
        let _ = writeln!(
            text,
            "{NOTICE}wait for each other:{NOTICE:#} {}",
            ids(cycle, ", ")
        );
    }
    for edge in &order.broken {
        let _ = writeln!(
            text,
            "{NOTICE}left out of account:{NOTICE:#} {} needs {}",
            one_line(&edge.from),
            one_line(&edge.to)
        );
    }
    text
}
