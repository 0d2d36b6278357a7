//! `report`: the register as one page that opens in a browser, without a server and without a network.
//!
//! The page is the files beside this one, put together with the data. It is told by a content security policy
//! that it may load nothing at all, and run and apply only its own script and style, which are named by their hashes.

mod data;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

use crate::domain::Id;

use super::exit::{Exit, Failure};
use super::mirror::take::take;
use super::output::{FAINT, Output};
use super::session::Session;
use super::values::id;
use super::whole;
use data::Data;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// The parts of the script, in the order in which they need each other.
const SCRIPTS: [&str; 6] = [
    include_str!("model.js"),
    include_str!("parts.js"),
    include_str!("table.js"),
    include_str!("place.js"),
    include_str!("graph.js"),
    include_str!("page.js"),
];

/// Of `report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// The page to write; one of this name is replaced
    #[arg(value_name = "FILE.html")]
    pub file: PathBuf,
    /// Only this environment, what its resources need, and what needs them
    #[arg(long, value_name = "ID", value_parser = id)]
    pub environment: Option<Id>,
    /// The most environments and resources that the register may hold
    #[arg(
        long,
        value_name = "N",
        default_value_t = 20_000,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000)
    )]
    pub limit: u64,
}

/// Takes a copy of the register and writes the page.
///
/// # Errors
/// The register cannot be copied, there is no such environment, or the file cannot be written.
pub async fn run(args: &ReportArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let taken = take(session, args.limit).await?;
    session.close().await;
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let data = Data::new(&taken, args.environment.as_ref(), time)?;
    let page = render(&data)?;
    whole::write(&args.file, page.as_bytes())?;
    output.tell(&format!(
        "{FAINT}{}, as of sequence {} (epoch {}); written to {}{FAINT:#}",
        data.counts(),
        taken.at.sequence,
        taken.at.epoch,
        args.file.display()
    ));
    Ok(Exit::Ok)
}

/// The page with its style, its script and its data.
fn render(data: &impl Serialize) -> Result<String, Failure> {
    let json = serde_json::to_string(data).map_err(|error| {
        Failure::new(
            Exit::Internal,
            format!("the data cannot be written as JSON: {error}"),
        )
    })?;
    let script = format!("\"use strict\";\n{}", SCRIPTS.join("\n"));
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        hash(&script),
        hash(STYLE)
    );
    let parts = [
        ("{policy}", policy.as_str()),
        ("{style}", STYLE),
        ("{data}", &embeddable(&json)),
        ("{script}", script.as_str()),
    ];
    // Each part is put in once, from the start to the end, so that nothing inside a part is taken for a place.
    let mut page = String::with_capacity(PAGE.len() + script.len() + json.len() * 2);
    let mut rest = PAGE;
    for (place, part) in parts {
        let (before, after) = rest.split_once(place).unwrap_or((rest, ""));
        page.push_str(before);
        page.push_str(part);
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// JSON with everything escaped that HTML could take for the end of the element that it stands in.
fn embeddable(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // None of these stands in JSON but within a string, where an escape means the same.
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            c => escaped.push(c),
        }
    }
    escaped
}
