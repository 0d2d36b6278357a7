//! `graph`: questions to the dependency graph, and the pictures of their answers.

pub mod args;
mod dot;
pub mod form;
mod graphml;
mod impact;
mod layout;
mod markup;
mod mermaid;
mod order;
mod picture;
mod standing;
mod svg;
mod tree;

#[cfg(test)]
mod drawn;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::{Moment, Nature};
use crate::wire;
use crate::wire::shape::{
    AnswerBody, CyclesArgs as Cycles, CyclesBody, DanglingArgs as Dangling, DanglingBody, MomentBody,
    NatureWord, NodeBody, PathArgs as Path, PathsBody, QuestionBody, ReachArgs as Reach, SubgraphBody,
};

use super::args::{CyclesArgs, DanglingArgs, GraphQuestion, PathArgs, ReachArgs};
use super::exit::{Exit, Failure};
use super::follow;
use super::output::{FAINT, Output, one_line};
use super::register::Register;
use super::search::footer;
use super::session::Answer;
use super::table::table;
use super::whole;

use args::GraphArgs;
use form::Form;
use picture::Picture;

/// Asks, and shows the answer.
///
/// # Errors
/// The register does not know what was asked about, or no answer came.
pub async fn run(args: &GraphArgs, register: &Register, output: &mut Output) -> Result<Exit, Failure> {
    if let Some((question, json)) = standing::standing(&args.question)? {
        if args.as_of.is_some() {
            return Err(Failure::usage(
                "what is past does not change: leave out --as-of or --follow",
            ));
        }
        return follow::run(question, json, register, output).await;
    }
    let asked = Asked {
        register,
        as_of: args.as_of.map(moment),
    };
    let register = &asked;
    match &args.question {
        GraphQuestion::Impact(args) => impact::run(args, register, output).await,
        GraphQuestion::Order(args) => order::run(args, register, output).await,
        GraphQuestion::Dependencies(args) => reach(args, Way::Dependencies, register, output).await,
        GraphQuestion::Dependents(args) => reach(args, Way::Dependents, register, output).await,
        GraphQuestion::Path(args) => path(args, register, output).await,
        GraphQuestion::Cycles(args) => cycles(args, register, output).await,
        GraphQuestion::Dangling(args) => dangling(args, register, output).await,
    }
}

/// Who is asked, and as of when.
struct Asked<'a> {
    register: &'a Register,
    as_of: Option<MomentBody>,
}

impl Asked<'_> {
    /// Asks the one question that there is.
    async fn question<A: Serialize + Sync, T: DeserializeOwned>(
        &self,
        kind: &str,
        mut question: QuestionBody<A>,
    ) -> Result<Answer<T>, Failure> {
        question.as_of.clone_from(&self.as_of);
        let answer = self.register.question(kind, &question).await?;
        self.register.close().await;
        Ok(answer)
    }
}

/// A moment as a question names it.
pub(super) fn moment(moment: Moment) -> MomentBody {
    match moment {
        Moment::Sequence(sequence) => MomentBody {
            sequence: Some(sequence),
            time: None,
        },
        Moment::Time(time) => MomentBody {
            sequence: None,
            time: Some(wire::format_time(time)),
        },
    }
}

/// Along dependencies, or against them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Dependencies,
    Dependents,
}

async fn reach(
    args: &ReachArgs,
    way: Way,
    register: &Asked<'_>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let kind = match way {
        Way::Dependencies => "graph.dependencies",
        Way::Dependents => "graph.dependents",
    };
    let mut question = QuestionBody::new(Reach {
        id: args.id.to_string(),
        depth: args.depth,
        natures: natures(&args.natures),
    });
    question.limit = Some(args.limit.into());
    let answer = register
        .question::<_, AnswerBody<SubgraphBody>>(kind, question)
        .await?;
    let form = args.form.form();
    if form == Form::Json {
        output.print(&answer.raw.to_string())?;
        return Ok(Exit::Ok);
    }
    let truncated = truncated(&answer.body);
    let AnswerBody {
        as_of,
        findings,
        total,
        ..
    } = answer.body;
    let picture = Picture::new(findings, truncated);
    if let Some(file) = &args.form.svg {
        let footer = footer(&counted(way, total), &as_of);
        return draw(file, &picture, args, way, &footer, output);
    }
    match form {
        Form::Tree => output.print(&tree::render(&picture, args.id.as_str(), way))?,
        Form::Table => output.print(&nodes(picture.nodes(), output.width()))?,
        Form::Dot => output.print(&dot::render(&picture))?,
        Form::Mermaid => output.print(&mermaid::render(&picture))?,
        Form::Graphml => output.print(&graphml::render(&picture))?,
        Form::Json => {}
    }
    if matches!(form, Form::Tree | Form::Table) {
        output.tell(&footer(&counted(way, total), &as_of));
    }
    if let Some(reason) = picture.truncated()
        && form != Form::Tree
    {
        output.tell(&format!("{FAINT}truncated: {reason}{FAINT:#}"));
    }
    Ok(Exit::Ok)
}

/// Draws the picture into its file.
fn draw(
    file: &std::path::Path,
    picture: &Picture,
    args: &ReachArgs,
    way: Way,
    footer: &str,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let count = picture.nodes().len();
    if count > svg::NODES_MAX {
        let what = format!(
            "the picture would have {count} boxes, and nobody can read one of more than {}: {} is not written",
            svg::NODES_MAX,
            file.display()
        );
        return Err(Failure::usage(what).hint(format!(
            "--depth goes fewer steps, --limit {} draws only the nearest; --dot and --graphml have no such bound",
            svg::NODES_MAX
        )));
    }
    let title = match way {
        Way::Dependencies => format!("What {} needs", args.id),
        Way::Dependents => format!("What needs {}", args.id),
    };
    let mut note = anstream::adapter::strip_str(footer).to_string();
    if let Some(reason) = picture.truncated() {
        let _ = write!(note, "; truncated: {reason}");
    }
    let text = svg::render(picture, &title, &note, way).map_err(|fault| {
        Failure::usage(format!("there is no picture: {fault}; {} is not written", file.display()))
            .hint("--depth goes fewer steps, --limit draws only the nearest; --dot and --graphml have no such bound")
    })?;
    whole::write(file, text.as_bytes())?;
    output.tell(&format!("{footer}{FAINT}; drawn to {}{FAINT:#}", file.display()));
    if let Some(reason) = picture.truncated() {
        output.tell(&format!("{FAINT}truncated: {reason}{FAINT:#}"));
    }
    Ok(Exit::Ok)
}

fn counted(way: Way, total: u64) -> String {
    let what = match (way, total) {
        (Way::Dependencies, 1) => "dependency",
        (Way::Dependencies, _) => "dependencies",
        (Way::Dependents, 1) => "dependent",
        (Way::Dependents, _) => "dependents",
    };
    format!("{total} {what}")
}

fn natures(natures: &[Nature]) -> Option<Vec<NatureWord>> {
    let word = |nature: &Nature| match nature {
        Nature::Hard => NatureWord::Hard,
        Nature::Soft => NatureWord::Soft,
        Nature::Startup => NatureWord::Startup,
    };
    (!natures.is_empty()).then(|| natures.iter().map(word).collect())
}

fn truncated<F>(answer: &AnswerBody<F>) -> Option<String> {
    answer.truncated.then(|| {
        answer
            .truncated_because
            .as_deref()
            .map_or_else(|| "the answer leaves something out".to_owned(), one_line)
    })
}

/// One line for each node.
fn nodes(nodes: &[NodeBody], width: Option<u16>) -> String {
    let rows = nodes.iter().map(|node| {
        let note = if node.external {
            "external"
        } else if node.registered {
            ""
        } else {
            "not registered"
        };
        [
            node.distance.to_string(),
            node.id.clone(),
            node.kind.clone(),
            node.name.clone(),
            note.to_owned(),
        ]
    });
    table(["STEPS", "ID", "KIND", "NAME", ""], rows, width)
}

/// Tells how many there were, and why not all are shown.
fn tell_end<F>(count: &str, answer: &AnswerBody<F>, output: &mut Output) {
    output.tell(&footer(count, &answer.as_of));
    if let Some(reason) = truncated(answer) {
        output.tell(&format!("{FAINT}truncated: {reason}{FAINT:#}"));
    }
}

async fn path(args: &PathArgs, register: &Asked<'_>, output: &mut Output) -> Result<Exit, Failure> {
    let mut question = QuestionBody::new(Path {
        from: args.from.to_string(),
        to: args.to.to_string(),
        all: args.all,
        natures: natures(&args.natures),
    });
    question.limit = Some(args.limit.into());
    let answer = register
        .question::<_, AnswerBody<PathsBody>>("graph.path", question)
        .await?;
    let paths = &answer.body.findings.paths;
    let exit = if paths.is_empty() { Exit::Refused } else { Exit::Ok };
    if args.json {
        output.print(&answer.raw.to_string())?;
        return Ok(exit);
    }
    let mut text = String::new();
    for path in paths {
        text.push_str(&ids(path, " → "));
        text.push('\n');
    }
    if !text.is_empty() {
        output.print(&text)?;
    }
    let count = match paths.len() {
        0 => format!("{} does not need {}", args.from, args.to),
        1 => "1 path".to_owned(),
        n => format!("{n} paths"),
    };
    tell_end(&count, &answer.body, output);
    Ok(exit)
}

async fn cycles(args: &CyclesArgs, register: &Asked<'_>, output: &mut Output) -> Result<Exit, Failure> {
    let mut question = QuestionBody::new(Cycles {
        environment: args.environment.as_ref().map(ToString::to_string),
        natures: natures(&args.natures),
    });
    question.limit = Some(args.limit.into());
    let answer = register
        .question::<_, AnswerBody<CyclesBody>>("graph.cycles", question)
        .await?;
    if args.json {
        output.print(&answer.raw.to_string())?;
        return Ok(Exit::Ok);
    }
    let cycles = &answer.body.findings.cycles;
    if !cycles.is_empty() {
        let rows = cycles
            .iter()
            .map(|cycle| [cycle.len().to_string(), ids(cycle, ", ")]);
        output.print(&table(["SIZE", "RESOURCES"], rows, output.width()))?;
    }
    let count = match answer.body.total {
        0 => "no cycles".to_owned(),
        1 => "1 cycle".to_owned(),
        n => format!("{n} cycles"),
    };
    tell_end(&count, &answer.body, output);
    Ok(Exit::Ok)
}

fn ids(nodes: &[NodeBody], between: &str) -> String {
    nodes
        .iter()
        .map(|node| one_line(&node.id))
        .collect::<Vec<_>>()
        .join(between)
}

async fn dangling(args: &DanglingArgs, register: &Asked<'_>, output: &mut Output) -> Result<Exit, Failure> {
    let mut question = QuestionBody::new(Dangling {
        environment: args.environment.as_ref().map(ToString::to_string),
    });
    question.limit = Some(args.limit.into());
    let answer = register
        .question::<_, AnswerBody<DanglingBody>>("graph.dangling", question)
        .await?;
    if args.json {
        output.print(&answer.raw.to_string())?;
        return Ok(Exit::Ok);
    }
    let items = &answer.body.findings.dangling;
    if !items.is_empty() {
        let rows = items.iter().map(|item| {
            let mut by = item.dependents.join(", ");
            let unnamed = item
                .dependents_total
                .saturating_sub(u64::try_from(item.dependents.len()).unwrap_or(u64::MAX));
            if unnamed > 0 {
                let _ = write!(by, " and {unnamed} more");
            }
            [item.id.clone(), by]
        });
        output.print(&table(["NOT REGISTERED", "NEEDED BY"], rows, output.width()))?;
    }
    let count = match answer.body.total {
        0 => "nothing dangles".to_owned(),
        1 => "1 id is needed and not registered".to_owned(),
        n => format!("{n} ids are needed and not registered"),
    };
    tell_end(&count, &answer.body, output);
    Ok(Exit::Ok)
}
