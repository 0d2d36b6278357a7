//! What is written for people has to be true: links, commands, settings, and the list of problems.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Parser;
use domesday::cli::args::Cli;
use domesday::config::Config;
use domesday::domain::ProblemKind;
use domesday::engine::Point;

use super::{assert_lawful, files_under, root};

/// The rows of the first table under a heading, each a list of cells.
pub(crate) fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let mut lines = text
        .lines()
        .skip_while(|line| line.trim_start_matches('#').trim() != heading);
    assert!(lines.next().is_some(), "there is no heading {heading:?}");
    let rows = lines
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'));
    // The header, and the line below it.
    rows.skip(2)
        .map(|row| {
            row.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect()
}

/// Every document, and its text.
fn documents() -> Vec<(PathBuf, String)> {
    let markdown = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    };
    files_under(&root())
        .into_iter()
        .filter(markdown)
        .map(read)
        .collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// The lines of a document: number, text, and whether it stands in a block of code.
fn lines(text: &str) -> Vec<(usize, &str, bool)> {
    let mut in_code = false;
    let mut found = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        found.push((i + 1, line, in_code));
    }
    found
}

/// How a heading is named in a link: lower case, blanks to hyphens, and nothing but letters, digits, `-` and `_`.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = lines(text)
        .into_iter()
        .filter(|(_, line, in_code)| !in_code && line.starts_with('#'));
    headings.map(|(_, line, _)| anchor(line)).collect()
}

/// The targets of `[text](target)` in a line; what stands between backticks is no link.
fn targets(line: &str) -> Vec<&str> {
    let prose = line.split('`').step_by(2);
    prose
        .flat_map(|piece| piece.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut breaches = Vec::new();
    for (path, text) in documents() {
        for (number, line, _) in lines(&text).into_iter().filter(|(_, _, in_code)| !in_code) {
            for target in targets(line) {
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
                let leads_to = if file.is_empty() {
                    path.clone()
                } else {
                    path.parent().unwrap().join(file)
                };
                let there = leads_to.exists()
                    && (fragment.is_empty()
                        || anchors(&std::fs::read_to_string(&leads_to).unwrap_or_default())
                            .contains(fragment));
                if !there {
                    breaches.push(format!("{}:{number}: {target} leads nowhere", shown(&path)));
                }
            }
        }
    }
    assert_lawful(&breaches);
}

#[test]
fn documents_keep_to_120_columns() {
    let mut breaches = Vec::new();
    for (path, text) in documents() {
        for (number, line) in text.lines().enumerate() {
            // A table's row cannot be broken, and neither can what a program printed.
            let is_whole = line.starts_with('|') || line.starts_with("error: ");
            if line.chars().count() > 120 && !is_whole {
                breaches.push(format!(
                    "{}:{}: more than 120 characters",
                    shown(&path),
                    number + 1
                ));
            }
        }
    }
    assert_lawful(&breaches);
}

#[test]
fn every_script_that_a_document_names_is_there() {
    let mut breaches = Vec::new();
    let mut seen = 0;
    for (path, text) in documents() {
        for (number, line, _) in lines(&text) {
            let words = line.split(|c: char| !(c.is_alphanumeric() || "./_-".contains(c)));
            let scripts = words
                .map(|word| word.trim_start_matches("./").trim_end_matches(['.', '/']))
                .filter(|word| word.starts_with("script/") || *word == ".ci/run");
            for script in scripts {
                seen += 1;
                let mode = std::fs::metadata(root().join(script)).map(|meta| meta.permissions().mode());
                if !mode.is_ok_and(|mode| mode & 0o100 != 0) {
                    breaches.push(format!(
                        "{}:{number}: {script} is not there, or cannot be run",
                        shown(&path)
                    ));
                }
            }
        }
    }
    assert!(seen > 0, "no document names a script");
    assert_lawful(&breaches);
}

/// The words of a command line in a document, up to a comment, a pipe or a redirection; none where quotes are open.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut open) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (open, c) {
            (Some(quote), c) if c == quote => open = None,
            (None, '\'' | '"') => {
                open = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (None, '|' | '>' | '<' | '&' | ';') => break,
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    open.is_none().then_some(words)
}

#[test]
fn every_domesday_command_in_a_document_is_one() {
    let mut breaches = Vec::new();
    let mut seen = 0;
    for (path, text) in documents() {
        for (number, line, _) in lines(&text).into_iter().filter(|(_, _, in_code)| *in_code) {
            let command = line.trim_start().trim_start_matches("$ ");
            // What comes before a pipe, or an assignment for one command, is not ours to judge.
            let Some(place) = command.find("domesday ").filter(|place| {
                let before = command[..*place].trim_end();
                before.is_empty() || before.ends_with('|') || before.ends_with("target/debug/")
            }) else {
                continue;
            };
            let Some(words) = words(&command[place..]) else {
                breaches.push(format!("{}:{number}: a quote is left open", shown(&path)));
                continue;
            };
            seen += 1;
            if let Err(error) = Cli::try_parse_from(&words)
                && error.use_stderr()
            {
                breaches.push(format!("{}:{number}: {words:?}: {error}", shown(&path)));
            }
        }
    }
    assert!(
        seen > 10,
        "the documents have {seen} commands: are they looked for in the right way?"
    );
    assert_lawful(&breaches);
}

#[test]
fn every_problem_is_explained() {
    let text = std::fs::read_to_string(root().join("docs/problems.md")).unwrap();
    let explained: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## `"))
        .filter_map(|rest| rest.strip_suffix('`'))
        .map(str::to_owned)
        .collect();
    let known: BTreeSet<String> = ProblemKind::ALL
        .iter()
        .map(|kind| kind.slug().to_owned())
        .collect();
    assert_eq!(
        explained, known,
        "the headings of docs/problems.md against the code"
    );
}

#[test]
fn every_failure_point_is_explained() {
    let text = std::fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let rows = table(&text, "Failure points");
    let explained: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(
        explained,
        Point::ALL.map(Point::name),
        "the table of docs/reliability.md against the code"
    );
}

fn example() -> String {
    std::fs::read_to_string(root().join("config.example.toml")).unwrap()
}

#[test]
fn the_example_configuration_says_the_defaults() {
    let config = Config::load(&root().join("config.example.toml")).unwrap();
    assert_eq!(format!("{config:#?}"), format!("{:#?}", Config::default()));
}

/// The keys that a place in the configuration knows. The refusal of a key that nobody knows lists them.
fn known_keys(section: Option<&str>) -> Vec<String> {
    let text = match section {
        Some(section) => format!("[{section}]\nno-such-key = 1\n"),
        None => "no-such-key = 1\n".to_owned(),
    };
    let refusal = toml::from_str::<Config>(&text).unwrap_err();
    let (_, listed) = refusal
        .message()
        .split_once("expected")
        .expect("a list of the known keys");
    listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_example_configuration_lists_every_key() {
    let text = example();
    let table: toml::Table = text.parse().unwrap();
    let mut missing = Vec::new();
    let sections = known_keys(None);
    assert!(sections.len() > 5, "{sections:?}");
    for section in sections {
        let present = table.get(&section).and_then(toml::Value::as_table);
        // A key whose default is not to be set stands there as a comment, in its section.
        let commented = text
            .split_once(&format!("[{section}]"))
            .and_then(|(_, rest)| rest.split("\n[").next())
            .unwrap_or_default();
        for key in known_keys(Some(&section)) {
            let is_set = present.is_some_and(|present| present.contains_key(&key));
            let is_shown = commented.lines().any(|line| {
                line.starts_with(&format!("# {key} = ")) || line == format!("# [[{section}.{key}]]")
            });
            if !is_set && !is_shown {
                missing.push(format!("{section}.{key}"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "config.example.toml lacks {}",
        missing.join(", ")
    );
}
