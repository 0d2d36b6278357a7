//! `schema`: what messages look like, without a broker.

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::wire::{ENTRIES, Entry, Group, asyncapi_text, schema_text};

use super::exit::{Exit, Failure};
use super::output::{NAME, Output, STRONG};

/// What the `AsyncAPI` document is called here.
const ASYNCAPI: &str = "asyncapi";

/// Of `schema`.
#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {
    /// The type of the message, such as resource.put; asyncapi is the document over all [default:
    /// list them]
    #[arg(value_name = "TYPE", hide_possible_values = true, value_parser = names())]
    pub kind: Option<String>,
}

/// What can be named: completions list it, and a typing mistake is told what was meant.
fn names() -> PossibleValuesParser {
    let types = ENTRIES.iter().map(|entry| entry.name);
    PossibleValuesParser::new(types.chain([ASYNCAPI]))
}

/// Prints one schema, or lists all.
///
/// # Errors
/// Nobody reads any more.
pub fn run(args: &SchemaArgs, output: &mut Output) -> Result<Exit, Failure> {
    let text = match args.kind.as_deref() {
        None => list(),
        Some(ASYNCAPI) => asyncapi_text(),
        Some(name) => {
            let entry = Entry::named(name).ok_or_else(|| {
                Failure::usage(format!("no message has the type {name}")).hint("`domesday schema` lists them")
            })?;
            schema_text(&entry.schema())
        }
    };
    output.print(&text)?;
    Ok(Exit::Ok)
}

/// Every type with what it is, under the heading of its group.
fn list() -> String {
    let entries = Group::ALL.into_iter().flat_map(Group::entries);
    let width = entries.map(|entry| entry.name.len()).max().unwrap_or_default();
    let line = |name: &str, title: &str| format!("  {NAME}{name:width$}{NAME:#}  {title}");
    let mut lines = Vec::new();
    for group in Group::ALL {
        lines.push(format!("{STRONG}{}{STRONG:#}", group.heading()));
        lines.extend(group.entries().map(|entry| line(entry.name, entry.title)));
        lines.push(String::new());
    }
    lines.push(format!("{STRONG}All of them{STRONG:#}"));
    lines.push(line(ASYNCAPI, "The AsyncAPI document: who sends what where."));
    lines.join("\n")
}
