//! `graph impact`: what stops if these stop.

use std::fmt::Write as _;

use crate::wire::shape::{
    AffectedBody, AnswerBody, EffectWord, ImpactArgs as Impact, ImpactBody, QuestionBody,
};

use super::super::exit::{Exit, Failure};
use super::super::output::{ALARM, FAINT, GOOD, NOTICE, Output, STRONG, one_line};
use super::super::table::table;
use super::args::ImpactArgs;
use super::{Asked, tell_end};

pub(super) async fn run(args: &ImpactArgs, asked: &Asked<'_>, output: &mut Output) -> Result<Exit, Failure> {
    let mut question = QuestionBody::new(Impact {
        ids: args.ids.clone(),
        include_soft: args.soft,
        include_startup: args.startup,
    });
    question.limit = Some(args.limit.into());
    let answer = asked
        .question::<_, AnswerBody<ImpactBody>>("graph.impact", question)
        .await?;
    if args.json {
        output.print(&answer.raw.to_string())?;
        return Ok(Exit::Ok);
    }
    output.print(&render(&answer.body.findings, output.width()))?;
    // A removal is of one resource, and of now.
    if let [cause] = answer.body.findings.causes.as_slice()
        && cause.registered
        && asked.as_of.is_none()
    {
        let hash = &answer.body.findings.hash;
        output.tell(&format!("{FAINT}hash {hash}, for --expect-impact{FAINT:#}"));
    }
    let count = match answer.body.total {
        1 => "1 resource".to_owned(),
        n => format!("{n} resources"),
    };
    tell_end(&count, &answer.body, output);
    Ok(Exit::Ok)
}

pub(super) fn render(impact: &ImpactBody, width: Option<u16>) -> String {
    let mut text = summary(impact);
    if !impact.environments.is_empty() {
        let rows = impact.environments.iter().map(|hit| {
            let doors: Vec<&str> = hit.entrypoints.iter().map(|door| door.url.as_str()).collect();
            [
                hit.id.clone(),
                format!("{} of {}", hit.stops, hit.resources),
                hit.weakened.to_string(),
                hit.name.clone(),
                doors.join(", "),
            ]
        });
        let header = ["ENVIRONMENT", "STOPS", "WEAKENED", "NAME", "ENTRYPOINTS"];
        let _ = write!(text, "\n{}", table(header, rows, width));
    }
    if !impact.affected.is_empty() {
        let rows = impact.affected.iter().map(|affected| {
            [
                effect(affected.effect).to_owned(),
                affected.node.id.clone(),
                affected.node.kind.clone(),
                affected.node.name.clone(),
                why(affected),
            ]
        });
        let header = ["EFFECT", "ID", "KIND", "NAME", "BECAUSE OF"];
        let _ = write!(text, "\n{}", table(header, rows, width));
    }
    text
}

fn summary(impact: &ImpactBody) -> String {
    let causes: Vec<String> = impact.causes.iter().map(|node| one_line(&node.id)).collect();
    let verb = if causes.len() == 1 { "stops" } else { "stop" };
    let counts = impact.counts;
    let mut text = format!("If {STRONG}{}{STRONG:#} {verb}: ", causes.join(", "));
    let _ = match counts.stops {
        0 => write!(text, "{GOOD}nothing else stops{GOOD:#}"),
        1 => write!(text, "{ALARM}1 resource stops{ALARM:#}"),
        n => write!(text, "{ALARM}{n} resources stop{ALARM:#}"),
    };
    if counts.degraded > 0 {
        let _ = write!(text, ", {NOTICE}{} degraded{NOTICE:#}", counts.degraded);
    }
    if counts.cannot_start > 0 {
        let _ = write!(
            text,
            ", {NOTICE}{} could not start again{NOTICE:#}",
            counts.cannot_start
        );
    }
    text.push('\n');
    text
}

const fn effect(word: EffectWord) -> &'static str {
    match word {
        EffectWord::Stops => "stops",
        EffectWord::Degraded => "degraded",
        EffectWord::CannotStart => "cannot start",
    }
}

/// The chain, from what is nearest back to the cause.
fn why(affected: &AffectedBody) -> String {
    let chain: Vec<&str> = affected.why.iter().rev().map(String::as_str).collect();
    chain.join(" ← ")
}
