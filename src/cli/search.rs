//! `search`: find environments and resources by words.

use crate::wire::shape::{AnswerBody, AsOf, HitsBody, QuestionBody, SearchArgs as Query};

use super::args::SearchArgs;
use super::exit::{Exit, Failure};
use super::output::{FAINT, Output};
use super::register::Register;
use super::table::table;

/// Asks, and prints the hits, best first. Nothing found is exit code 1, as with `grep`.
///
/// # Errors
/// The query cannot be read, or no answer came.
pub async fn run(args: &SearchArgs, register: &Register, output: &mut Output) -> Result<Exit, Failure> {
    let mut question = QuestionBody::new(Query {
        query: args.query.join(" "),
        within: args.within.as_ref().map(ToString::to_string),
        facets: args.facets.clone(),
        explain: args.explain,
        highlights: None,
    });
    question.limit = Some(args.limit.into());
    let answer = register
        .question::<_, AnswerBody<HitsBody>>("search", &question)
        .await?;
    register.close().await;
    let AnswerBody {
        as_of,
        findings,
        total,
        ..
    } = answer.body;
    let exit = if total == 0 { Exit::Refused } else { Exit::Ok };
    if args.json {
        output.print(&answer.raw.to_string())?;
        return Ok(exit);
    }
    let shown = findings.items.len();
    if shown > 0 {
        let rows = findings
            .items
            .into_iter()
            .map(|hit| [hit.entity, hit.id, hit.kind, hit.name]);
        output.print(&table(["TYPE", "ID", "KIND", "NAME"], rows, output.width()))?;
    }
    let count = match (shown, total) {
        (_, 0) => "nothing found".to_owned(),
        (_, 1) => "1 hit".to_owned(),
        (shown, total) if u64::try_from(shown).is_ok_and(|shown| shown < total) => {
            format!("{shown} of {total} hits, --limit shows more")
        }
        (_, total) => format!("{total} hits"),
    };
    output.tell(&footer(&count, &as_of));
    Ok(exit)
}

/// The last line of an answer: how many, and as of when. It goes to standard error, so that a pipe gets rows only.
pub fn footer(count: &str, as_of: &AsOf) -> String {
    format!(
        "{FAINT}{count}, as of sequence {} (epoch {}){FAINT:#}",
        as_of.sequence, as_of.epoch
    )
}
