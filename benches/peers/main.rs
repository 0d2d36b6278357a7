//! Finding, as a client of the engine in this process asks for it: 200 queries of several sorts, the same with sets of the
//! graph, facets, highlights and explanations, who depends on libc6, and what stops with it.
//!
//! It also writes documents, dependencies and queries to `DOMESDAY_BENCH_PEERS` for the databases that are measured beside
//! it: see `script/bench peers`, and the SQL in this folder.

#![allow(missing_docs, clippy::print_stdout, reason = "a bench prints")]

#[path = "../bench/mod.rs"]
mod bench;

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bench::Failure;
use bench::manifest::{Manifest, engine, put};
use domesday::domain::graph::Beyond;
use domesday::domain::{
    Answer, Crew, Direction, Facet, Findings, Id, Inquiry, Natures, Purpose, Question, Reach, Resource,
    Search, Target,
};
use domesday::engine::Reads;

const LIMIT: usize = 20;
const QUERIES: usize = 200;
const ROUNDS: usize = 5;

fn main() -> Result<(), Failure> {
    let manifest = Manifest::load()?;
    println!("{}", manifest.describe());
    let asks = asks(&manifest);
    if let Some(folder) = std::env::var_os("DOMESDAY_BENCH_PEERS") {
        write_for_peers(Path::new(&folder), &manifest, &asks)?;
    }
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let engine = engine(folder.path())?;
    let began = Instant::now();
    runtime.block_on(async {
        let mut waiting = Vec::new();
        for (document, members) in manifest.documents.iter().cloned() {
            waiting.push(engine.submit(put(document, members)).await?);
            if waiting.len() >= 1_000 {
                for receipt in waiting.drain(..) {
                    receipt.await?;
                }
            }
        }
        for receipt in waiting {
            receipt.await?;
        }
        let wanted = *engine.committed().borrow();
        engine
            .reads()
            .indexed()
            .wait_for(|reached| *reached >= wanted)
            .await?;
        Ok::<(), Failure>(())
    })?;
    println!(
        "load, one durable command each, until found: {:.1?}",
        began.elapsed()
    );
    let reads = engine.reads();
    measure(reads, &asks)?;
    runtime.block_on(engine.drain());
    Ok(())
}

/// What is measured, one line each.
fn measure(reads: &Reads, asks: &[Ask]) -> Result<(), Failure> {
    let texts: Vec<String> = asks.iter().map(Ask::text).collect();
    let plain = |query: &str| Search {
        query: query.to_owned(),
        ..Search::default()
    };
    let facets = ["kind", "environment", "type", "tag:section"];
    let facets: Vec<Facet> = facets.iter().filter_map(|text| Facet::parse(text)).collect();
    let line = |what: &str, make: &dyn Fn(&str) -> Search| -> Result<(), Failure> {
        let mut times = Vec::new();
        for round in 0..=ROUNDS {
            for text in &texts {
                let (time, _) = timed(reads, Question::Search(make(text)), LIMIT)?;
                if round > 0 {
                    times.push(time);
                }
            }
        }
        print(what, times);
        Ok(())
    };
    line("the mix, best 20 and total", &plain)?;
    line("with highlights", &|text| Search {
        highlights: true,
        ..plain(text)
    })?;
    line("with four facets", &|text| Search {
        facets: facets.clone(),
        ..plain(text)
    })?;
    line("with explanations", &|text| Search {
        explain: true,
        ..plain(text)
    })?;
    line("and dependents-of:libc6", &|text| {
        plain(&format!("({text}) dependents-of:libc6"))
    })?;
    line("and not dependents-of:libc6", &|text| {
        plain(&format!("({text}) -dependents-of:libc6"))
    })?;
    line("and dependents-of:adduser~1", &|text| {
        plain(&format!("({text}) dependents-of:adduser~1"))
    })?;
    let libc = Id::parse("libc6")?;
    let one = |what: &str, limit: usize, question: Question| -> Result<(), Failure> {
        let mut times = Vec::new();
        let mut total = 0;
        for _ in 0..50 {
            let (time, answer) = timed(reads, question.clone(), limit)?;
            times.push(time);
            total = answer.total;
        }
        print(&format!("{what} ({total})"), times);
        Ok(())
    };
    let reach = Question::Reach {
        id: libc,
        direction: Direction::Dependents,
        depth: None,
        natures: Natures::ALL,
    };
    one("dependents of libc6, 1,000 shown", 1_000, reach.clone())?;
    one("dependents of libc6, 1 shown", 1, reach)?;
    let impact = Question::Impact {
        causes: vec!["libc6".to_owned()],
        beyond: Beyond::default(),
    };
    one("impact of libc6, 1 shown", 1, impact.clone())?;
    one("impact of libc6, 1,000 shown", 1_000, impact)?;
    let order = Question::Order {
        crew: Crew::Environment(Id::parse("debian")?),
        purpose: Purpose::Start,
    };
    one("order of debian, 1,000 shown", 1_000, order)?;
    one(
        "search impact-of:libc6",
        LIMIT,
        Question::Search(plain("impact-of:libc6")),
    )?;
    one(
        "search dependents-of:libc6",
        LIMIT,
        Question::Search(plain("dependents-of:libc6")),
    )?;
    one("search has:cycle", LIMIT, Question::Search(plain("has:cycle")))?;
    one(
        "search has:dangling",
        LIMIT,
        Question::Search(plain("has:dangling")),
    )?;
    let all = Search { facets, ..plain("*") };
    one("search * with four facets", LIMIT, Question::Search(all))?;
    Ok(())
}

/// Asks once.
fn timed(reads: &Reads, question: Question, limit: usize) -> Result<(Duration, Answer), Failure> {
    let inquiry = Inquiry {
        question,
        at_least: None,
        limit,
        cursor: None,
        moment: None,
        deadline: None,
    };
    let began = Instant::now();
    let answer = reads
        .answer(&inquiry, &Reach::Everything)
        .map_err(|problem| problem.to_string());
    let time = began.elapsed();
    let answer = answer?.ok_or("a question without an answer")?;
    if let (Some(why), Findings::Hits(_)) = (&answer.truncated, &answer.findings)
        && why.contains("stopped")
    {
        return Err(why.clone().into());
    }
    Ok((time, answer))
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| {
        times
            .get(times.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{what:<44} {:>6}  p50 {:>10.1?}  p99 {:>10.1?}",
        times.len(),
        at(50),
        at(99)
    );
}

/// One query of the mix.
struct Ask {
    sort: &'static str,
    one: String,
    two: String,
    section: String,
}

impl Ask {
    /// In the query language.
    fn text(&self) -> String {
        let Self {
            sort,
            one,
            two,
            section,
        } = self;
        match *sort {
            "and" => format!("{one} {two}"),
            "phrase" => format!("\"{one} {two}\""),
            "or" => format!("{one} OR {two}"),
            "not" => format!("{one} -{two}"),
            "section" => format!("{one} tag.section:\"{section}\""),
            "prefix" => format!("{one}*"),
            _ => one.clone(),
        }
    }
}

/// Queries over the words of the documents, the same each time.
fn asks(manifest: &Manifest) -> Vec<Ask> {
    let resources: Vec<&Resource> = manifest.resources().collect();
    let mut state = 0xD1B5_4A32_D192_ED03_u64;
    let mut roll = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap_or(0) % below.max(1)
    };
    let mut asks = Vec::new();
    while asks.len() < QUERIES && !resources.is_empty() {
        let Some(resource) = resources.get(roll(resources.len())) else {
            continue;
        };
        let words: Vec<String> = resource
            .description
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.len() > 3)
            .map(str::to_lowercase)
            .collect();
        let place = roll(words.len().saturating_sub(1));
        let (Some(one), Some(two)) = (words.get(place), words.get(place + 1)) else {
            continue;
        };
        let sort = match asks.len() % 20 {
            0..=6 => "word",
            7..=11 => "and",
            12 | 13 => "phrase",
            14 => "or",
            15 => "not",
            16 | 17 => "section",
            _ => "prefix",
        };
        let one = match sort {
            "prefix" => one.chars().take(4).collect(),
            _ => one.clone(),
        };
        asks.push(Ask {
            sort,
            one,
            two: two.clone(),
            section: resource.tags.get("section").cloned().unwrap_or_default(),
        });
    }
    asks
}

fn name(target: &Target) -> String {
    match target {
        Target::Resource(id) => id.to_string(),
        Target::External(uri) => uri.clone(),
    }
}

/// Tables as text, a line each with tabs between.
fn write_for_peers(folder: &Path, manifest: &Manifest, asks: &[Ask]) -> Result<(), Failure> {
    let plain = |text: &str| text.replace(['\t', '\n', '\r', '\\'], " ");
    let (mut documents, mut dependencies, mut queries) = (String::new(), String::new(), String::new());
    for resource in manifest.resources() {
        let tags: Vec<String> = resource
            .tags
            .iter()
            .map(|(key, value)| format!("{key} {value}"))
            .collect();
        let section = resource.tags.get("section").map_or("", String::as_str);
        writeln!(
            documents,
            "{}\t{}\t{}\t{}\t{}\t{}",
            resource.id,
            plain(&resource.kind),
            plain(&resource.name),
            plain(section),
            plain(&tags.join(" ")),
            plain(&resource.description)
        )?;
        let mut targets: Vec<String> = resource.targets().map(name).collect();
        targets.sort_unstable();
        targets.dedup();
        for target in targets {
            writeln!(dependencies, "{}\t{}", resource.id, plain(&target))?;
        }
    }
    for ask in asks {
        writeln!(
            queries,
            "{}\t{}\t{}\t{}",
            ask.sort,
            ask.one,
            ask.two,
            plain(&ask.section)
        )?;
    }
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("documents.tsv"), documents)?;
    std::fs::write(folder.join("dependencies.tsv"), dependencies)?;
    std::fs::write(folder.join("queries.tsv"), queries)?;
    Ok(())
}
