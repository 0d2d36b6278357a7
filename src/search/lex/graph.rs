//! Terms that stand for a set of resources: walks over the graph, and what a resource has.

use super::{Lexer, TokenKind};
use crate::domain::{Id, IdError, Problem};
use crate::search::ast::{GraphSet, GraphTerm, Place, ends_word};
use crate::search::refuse::syntax;

/// An example of a walk with a depth.
const EXAMPLE: &str = "kind:service dependents-of:db-1~2";

/// What such a term begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Dependents,
    Dependencies,
    Impact,
    Has,
}

impl Named {
    /// Reads the name before the colon, in lower case.
    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Dependents, Self::Dependencies, Self::Impact, Self::Has]
            .into_iter()
            .find(|named| named.as_str() == name)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Dependents => "dependents-of",
            Self::Dependencies => "dependencies-of",
            Self::Impact => "impact-of",
            Self::Has => "has",
        }
    }
}

impl Lexer<'_> {
    /// What follows the colon of such a term.
    pub(super) fn graph(&mut self, place: usize, named: Named) -> Result<TokenKind, Box<Problem>> {
        let start = self.place;
        let is_quoted = self.peek() == Some('"');
        let (text, depth) = if is_quoted {
            let text = self.quoted()?;
            let rest = self.take_while(|c| !ends_word(c));
            (text, rest)
        } else {
            let word = self.take_while(|c| !ends_word(c));
            let (text, depth) = word.split_at(word.find('~').unwrap_or(word.len()));
            (text.to_owned(), depth)
        };
        if text.is_empty() && depth.is_empty() && !is_quoted {
            return Err(nothing_follows(start, named));
        }
        let after = start + text.chars().count();
        let set = match named {
            Named::Has => has(start, &text, depth)?,
            Named::Impact if !depth.is_empty() => {
                let detail = "`impact-of:` goes as far as failures go, and takes no depth";
                let hint = "leave out what follows the id, or ask for `dependents-of:` with a depth";
                return Err(syntax(after, detail, hint, "impact-of:db-1"));
            }
            Named::Impact => GraphSet::Impact {
                id: id(start, &text)?,
            },
            Named::Dependents => GraphSet::Dependents {
                id: id(start, &text)?,
                depth: steps(after, depth)?,
            },
            Named::Dependencies => GraphSet::Dependencies {
                id: id(start, &text)?,
                depth: steps(after, depth)?,
            },
        };
        self.expand(1)?;
        Ok(TokenKind::Graph(GraphTerm {
            place: Place(place),
            set,
        }))
    }
}

fn nothing_follows(place: usize, named: Named) -> Box<Problem> {
    let detail = format!("nothing follows `{}:`", named.as_str());
    match named {
        Named::Has => syntax(
            place,
            detail,
            "write has:dangling, has:cycle or has:external",
            "has:cycle",
        ),
        _ => syntax(
            place,
            detail,
            "write the id of a resource right after the colon",
            EXAMPLE,
        ),
    }
}

/// The id of the resource that a walk starts from.
fn id(place: usize, text: &str) -> Result<Id, Box<Problem>> {
    Id::parse(text).map_err(|fault| {
        let shown: String = text.chars().take(80).collect();
        syntax(
            place,
            format!("`{shown}` is not an id: {fault}"),
            IdError::HINT,
            EXAMPLE,
        )
    })
}

/// How far a walk goes: `~2`, or nothing for all the way.
fn steps(place: usize, text: &str) -> Result<Option<u32>, Box<Problem>> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.strip_prefix('~').unwrap_or_default();
    let depth = digits.parse::<u32>().ok();
    match depth.filter(|depth| *depth > 0 && digits.chars().all(|c| c.is_ascii_digit())) {
        Some(depth) => Ok(Some(depth)),
        None => Err(syntax(
            place,
            format!(
                "after an id comes a tilde and how many steps to go, from 1 to {}",
                u32::MAX
            ),
            "write ~1 for direct dependencies only, or nothing to go all the way",
            EXAMPLE,
        )),
    }
}

/// What a resource has.
fn has(place: usize, text: &str, rest: &str) -> Result<GraphSet, Box<Problem>> {
    match (text.to_ascii_lowercase().as_str(), rest) {
        ("dangling", "") => Ok(GraphSet::Dangling),
        ("cycle", "") => Ok(GraphSet::Cycle),
        ("external", "") => Ok(GraphSet::External),
        _ => {
            let shown: String = text.chars().chain(rest.chars()).take(80).collect();
            Err(syntax(
                place,
                format!("`has:` does not know `{shown}`"),
                "write has:dangling, has:cycle or has:external",
                "kind:service has:dangling",
            ))
        }
    }
}
