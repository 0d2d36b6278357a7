//! `search`: find environments and resources by words.

use std::fmt::Write as _;

use crate::wire::shape::{
    AnswerBody, AsOf, FacetBody, HighlightBody, HitBody, HitsBody, QuestionBody, SearchArgs as Query,
    StandingBody,
};

use super::args::SearchArgs;
use super::exit::{Exit, Failure};
use super::follow;
use super::graph::moment;
use super::output::{FAINT, NOTICE, Output, STRONG, one_line};
use super::register::Register;
use super::table::table;

/// Asks, and prints the hits, best first. Nothing found is exit code 1, as with `grep`.
///
/// # Errors
/// The query cannot be read, or no answer came.
pub async fn run(args: &SearchArgs, register: &Register, output: &mut Output) -> Result<Exit, Failure> {
    if args.follow.follow {
        let query = Query {
            query: args.query.join(" "),
            within: args.within.as_ref().map(ToString::to_string),
            highlights: Some(false),
            ..Query::default()
        };
        let question = StandingBody::Search {
            args: query,
            limit: Some(follow::LIMIT),
        };
        return follow::run(question, args.json, register, output).await;
    }
    let is_for_people = output.width().is_some();
    let mut question = QuestionBody::new(Query {
        query: args.query.join(" "),
        within: args.within.as_ref().map(ToString::to_string),
        facets: args.facets.clone(),
        explain: args.explain,
        // A pipe gets rows only, so there is nothing to do for them.
        highlights: (!is_for_people && !args.json).then_some(false),
    });
    question.limit = Some(args.limit.into());
    question.as_of = args.as_of.map(moment);
    let answer = register
        .question::<_, AnswerBody<HitsBody>>("search", &question)
        .await?;
    register.close().await;
    let AnswerBody {
        as_of,
        findings,
        total,
        truncated_because,
        next,
        ..
    } = answer.body;
    let exit = if total == 0 { Exit::Refused } else { Exit::Ok };
    if args.json {
        output.print(&answer.raw.to_string())?;
        return Ok(exit);
    }
    if let Some(understood) = &findings.understood {
        output.tell(&format!(
            "{FAINT}understood as: {}{FAINT:#}",
            one_line(understood)
        ));
    }
    let shown = findings.items.len();
    if shown > 0 {
        output.print(&hits(&findings.items, output.width()))?;
    }
    for facet in &findings.facets {
        output.print(&counts(facet))?;
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
    if let (Some(why), None) = (truncated_because, next) {
        output.tell(&format!("{NOTICE}this is not all:{NOTICE:#} {}", one_line(&why)));
    }
    Ok(exit)
}

/// The hits as a table; under each what its score is made of, and for people where it matches beside what the table has.
fn hits(items: &[HitBody], width: Option<u16>) -> String {
    let rows = items
        .iter()
        .map(|hit| [&hit.entity, &hit.id, &hit.kind, &hit.name].map(Clone::clone));
    let rows = table(["TYPE", "ID", "KIND", "NAME"], rows, width);
    let mut text = String::new();
    // The first line is the heading, and every row has a line.
    let under = std::iter::once(None).chain(items.iter().map(Some));
    for (line, hit) in rows.lines().zip(under) {
        let _ = writeln!(text, "{line}");
        let Some(hit) = hit else {
            continue;
        };
        let fields = hit.highlights.iter();
        for highlight in fields.filter(|highlight| matches!(&*highlight.field, "tags" | "description")) {
            if width.is_some() {
                let _ = writeln!(text, "    {}", marked(highlight));
            }
        }
        for part in &hit.explanation {
            let fields = match part.fields.as_slice() {
                [] => String::new(),
                fields => format!(" in {}", fields.join(", ")),
            };
            let term = one_line(&part.term);
            let _ = writeln!(text, "    {FAINT}{:>8.3}  {term}{fields}{FAINT:#}", part.weight);
        }
    }
    text
}

/// A fragment, with what matches in bold.
fn marked(highlight: &HighlightBody) -> String {
    let starts = |place: u64| highlight.ranges.iter().any(|[from, _]| *from == place);
    let ends = |place: u64| highlight.ranges.iter().any(|[_, to]| *to == place);
    let mut text = String::new();
    // One line has as many characters as the text, so places stay what they are.
    for (place, character) in (0..).zip(one_line(&highlight.text).chars()) {
        if ends(place) {
            let _ = write!(text, "{STRONG:#}");
        }
        if starts(place) {
            let _ = write!(text, "{STRONG}");
        }
        text.push(character);
    }
    let _ = write!(text, "{STRONG:#}");
    text
}

/// The values of a facet, with how often each is there.
fn counts(facet: &FacetBody) -> String {
    let mut text = format!("\n{FAINT}{:>8}  {}{FAINT:#}\n", "COUNT", one_line(&facet.facet));
    for value in &facet.values {
        let shown = if value.value.is_empty() {
            "(empty)"
        } else {
            &value.value
        };
        let _ = writeln!(text, "{:>8}  {}", value.count, one_line(shown));
    }
    if facet.others > 0 {
        let _ = writeln!(
            text,
            "{FAINT}{:>8}  and {} other values{FAINT:#}",
            "", facet.others
        );
    }
    text
}

/// The last line of an answer: how many, and as of when. It goes to standard error, so that a pipe gets rows only.
pub fn footer(count: &str, as_of: &AsOf) -> String {
    format!(
        "{FAINT}{count}, as of sequence {} (epoch {}){FAINT:#}",
        as_of.sequence, as_of.epoch
    )
}

#[cfg(test)]
mod tests {
    use super::{counts, hits};
    use crate::wire::shape::{ExplainedBody, FacetBody, FacetValue, HighlightBody, HitBody};

    fn plain(text: &str) -> String {
        let text = anstream::adapter::strip_str(text).to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }

    #[test]
    fn under_a_hit_is_where_and_why() {
        let hit = HitBody {
            entity: "resource".to_owned(),
            id: "db-1".to_owned(),
            kind: "postgres".to_owned(),
            name: "Ledger".to_owned(),
            score: 2.5,
            highlights: [("name", "Ledger"), ("description", "the\nledger")]
                .map(|(field, text)| HighlightBody {
                    field: field.to_owned(),
                    text: text.to_owned(),
                    ranges: vec![[4, 10]],
                })
                .into(),
            explanation: vec![ExplainedBody {
                term: "ledger".to_owned(),
                fields: vec!["name".to_owned(), "description".to_owned()],
                weight: 2.5,
            }],
        };
        let text = hits(std::slice::from_ref(&hit), Some(80));
        assert_eq!(
            plain(&text),
            "TYPE      ID    KIND      NAME\n\
             resource  db-1  postgres  Ledger\n    the ledger\n       2.500  ledger in name, description"
        );
        assert!(text.contains("the \u{1b}[1mledger\u{1b}[0m"), "{text:?}");
        assert!(!hits(&[hit], None).contains("the"), "a pipe gets no fragments");
    }

    #[test]
    fn a_facet_is_a_list_of_counts() {
        let facet = FacetBody {
            facet: "tag:owner".to_owned(),
            values: vec![
                FacetValue {
                    value: "shop".to_owned(),
                    count: 12,
                },
                FacetValue {
                    value: String::new(),
                    count: 1,
                },
            ],
            others: 3,
        };
        assert_eq!(
            plain(&counts(&facet)),
            "\n   COUNT  tag:owner\n      12  shop\n       1  (empty)\n          and 3 other values"
        );
    }
}
