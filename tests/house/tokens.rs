//! A small reader of Rust: enough to see what a file names, and nothing more.
//!
//! It knows words, `::`, single marks, comments, and how strings, characters and lifetimes look, so that a path in a
//! string or a comment is not taken for one in the code. From the words it reads `mod` blocks (for `super`), what
//! stands under `#[cfg(test)]`, and every path with `::`, `use` trees taken apart. It expands no macro, so a path that
//! a macro puts together is not seen; nobody here does that.

use std::collections::BTreeSet;

/// One piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// A name, a keyword, or the name of a lifetime.
    Word(String),
    /// `::`
    Path,
    /// Any other mark.
    Mark(char),
    /// A string, a character or a number.
    Literal,
}

#[derive(Debug, Clone)]
struct Token {
    piece: Piece,
    line: usize,
}

impl Token {
    fn word(&self) -> Option<&str> {
        match &self.piece {
            Piece::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// A comment: its line, and its text with the slashes.
#[derive(Debug)]
pub(crate) struct Comment {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A path that the file names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) line: usize,
    /// `crate`, `super`, a foreign crate or a local name; then the rest. A glob ends in `*`.
    pub(crate) path: Vec<String>,
    /// The modules that it stands in, within the file.
    pub(crate) within: Vec<String>,
    /// Whether it stands under `#[cfg(test)]`.
    pub(crate) test: bool,
}

/// What a file says, as far as the law asks.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) comments: Vec<Comment>,
    pub(crate) named: Vec<Named>,
    /// Macros that are called: line and name.
    pub(crate) macros: Vec<(usize, String)>,
    /// Modules in files of their own: name, and whether only for tests.
    pub(crate) modules: Vec<(String, bool)>,
    /// Lines under `#[cfg(test)]`.
    pub(crate) test_lines: BTreeSet<usize>,
}

/// Reads one file.
pub(crate) fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    let tokens = tokens(text, &mut reading.comments);
    Walk {
        tokens: &tokens,
        reading,
        scopes: Vec::new(),
        depth: 0,
        pending: None,
    }
    .run()
}

fn tokens(text: &str, comments: &mut Vec<Comment>) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut tokens, mut i, mut line) = (Vec::new(), 0, 1);
    while i < chars.len() {
        let (c, start, first) = (at(i), i, line);
        let piece = if c.is_whitespace() {
            i += 1;
            None
        } else if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
            let text = chars[start..i].iter().collect();
            comments.push(Comment { line, text });
            None
        } else if c == '/' && at(i + 1) == '*' {
            let mut open = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (open, i) = (open + 1, i + 2),
                    ('*', '/') => (open, i) = (open - 1, i + 2),
                    _ => i += 1,
                }
                if open == 0 || i >= chars.len() {
                    break;
                }
            }
            None
        } else if c.is_alphabetic() || c == '_' {
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            let word: String = chars[start..i].iter().collect();
            let hashes = chars[i..].iter().take_while(|c| **c == '#').count();
            if matches!(word.as_str(), "r" | "br" | "cr") && at(i + hashes) == '"' {
                let end: String = format!("\"{}", "#".repeat(hashes));
                i += hashes + 1;
                while i < chars.len() && !chars[i..].iter().take(hashes + 1).copied().eq(end.chars()) {
                    i += 1;
                }
                i += hashes + 1;
                Some(Piece::Literal)
            } else {
                Some(Piece::Word(word))
            }
        } else if c.is_ascii_digit() {
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            Some(Piece::Literal)
        } else if c == '"' || (c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'')) {
            i += 1;
            while i < chars.len() && at(i) != c {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
            Some(Piece::Literal)
        } else if c == ':' && at(i + 1) == ':' {
            i += 2;
            Some(Piece::Path)
        } else {
            i += 1;
            Some(Piece::Mark(c))
        };
        let end = i.min(chars.len());
        line += chars[start..end].iter().filter(|c| **c == '\n').count();
        tokens.extend(piece.map(|piece| Token { piece, line: first }));
    }
    tokens
}

/// A block that the walk is in.
struct Scope {
    depth: usize,
    module: Option<String>,
    test_from: Option<usize>,
}

/// `#[cfg(test)]` that waits for its item.
struct Pending {
    depth: usize,
    line: usize,
}

struct Walk<'a> {
    tokens: &'a [Token],
    reading: Reading,
    scopes: Vec<Scope>,
    depth: usize,
    pending: Option<Pending>,
}

impl Walk<'_> {
    fn run(mut self) -> Reading {
        let mut i = 0;
        while i < self.tokens.len() {
            i = self.step(i);
        }
        self.reading
    }

    fn mark(&self, i: usize, mark: char) -> bool {
        self.tokens
            .get(i)
            .is_some_and(|token| token.piece == Piece::Mark(mark))
    }

    fn word(&self, i: usize) -> Option<&str> {
        self.tokens.get(i).and_then(Token::word)
    }

    fn is_path(&self, i: usize) -> bool {
        self.tokens.get(i).is_some_and(|token| token.piece == Piece::Path)
    }

    fn line(&self, i: usize) -> usize {
        self.tokens.get(i).map_or(0, |token| token.line)
    }

    fn in_test(&self) -> bool {
        self.pending.is_some() || self.scopes.iter().any(|scope| scope.test_from.is_some())
    }

    /// Takes one token, or one path; says where to go on.
    fn step(&mut self, i: usize) -> usize {
        if self.is_cfg_test(i) {
            let line = self.line(i);
            self.pending = Some(Pending {
                depth: self.depth,
                line,
            });
            return i + 7;
        }
        match self.tokens[i].piece.clone() {
            Piece::Mark('{') => self.open(None),
            Piece::Mark('}') => self.close(i),
            Piece::Mark(';') => self.end_of_item(i),
            Piece::Word(word) if word == "mod" && self.word(i + 1).is_some() => return self.module(i),
            Piece::Word(word) if word == "use" => return self.path(i + 1, true),
            Piece::Word(word) => {
                let inner = i > 0 && (self.is_path(i - 1) || self.mark(i - 1, '.'));
                if self.is_path(i + 1) && !inner {
                    return self.path(i, false);
                }
                if self.mark(i + 1, '!') && !self.mark(i + 2, '=') {
                    self.reading.macros.push((self.line(i), word));
                }
            }
            Piece::Path | Piece::Mark(_) | Piece::Literal => {}
        }
        i + 1
    }

    /// `#[cfg(test)]`
    fn is_cfg_test(&self, i: usize) -> bool {
        let marks = [(0, '#'), (1, '['), (3, '('), (5, ')'), (6, ']')];
        marks.iter().all(|(n, mark)| self.mark(i + n, *mark))
            && self.word(i + 2) == Some("cfg")
            && self.word(i + 4) == Some("test")
    }

    fn open(&mut self, module: Option<String>) {
        let here = self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.depth == self.depth);
        let pending = if here { self.pending.take() } else { None };
        self.scopes.push(Scope {
            depth: self.depth,
            module,
            test_from: pending.map(|pending| pending.line),
        });
        self.depth += 1;
    }

    fn close(&mut self, i: usize) {
        self.depth = self.depth.saturating_sub(1);
        if let Some(scope) = self.scopes.pop()
            && let Some(from) = scope.test_from
        {
            debug_assert_eq!(scope.depth, self.depth);
            self.reading.test_lines.extend(from..=self.line(i));
        }
    }

    fn end_of_item(&mut self, i: usize) {
        if let Some(pending) = self.pending.take_if(|pending| pending.depth == self.depth) {
            self.reading.test_lines.extend(pending.line..=self.line(i));
        }
    }

    /// `mod name;` or `mod name {`
    fn module(&mut self, i: usize) -> usize {
        let name = self.word(i + 1).unwrap_or_default().to_owned();
        if self.mark(i + 2, ';') {
            self.reading.modules.push((name, self.in_test()));
            return i + 2;
        }
        if self.mark(i + 2, '{') {
            self.open(Some(name));
            return i + 3;
        }
        i + 1
    }

    /// Takes in a path, or a whole `use` tree.
    fn path(&mut self, i: usize, in_use: bool) -> usize {
        let start = if self.is_path(i) { i + 1 } else { i };
        let mut found = Vec::new();
        let end = self.tree(start, &[], in_use, &mut found);
        let within: Vec<String> = self
            .scopes
            .iter()
            .filter_map(|scope| scope.module.clone())
            .collect();
        let test = self.in_test();
        for (line, path) in found {
            let within = within.clone();
            self.reading.named.push(Named {
                line,
                path,
                within,
                test,
            });
        }
        end.max(i + 1)
    }

    fn tree(
        &self,
        mut i: usize,
        before: &[String],
        in_use: bool,
        found: &mut Vec<(usize, Vec<String>)>,
    ) -> usize {
        let mut path = before.to_vec();
        let line = self.line(i);
        loop {
            if let Some(word) = self.word(i) {
                path.push(word.to_owned());
                i += 1;
            } else if in_use && self.mark(i, '*') {
                path.push("*".to_owned());
                found.push((line, path));
                return i + 1;
            } else if in_use && self.mark(i, '{') {
                i += 1;
                while i < self.tokens.len() && !self.mark(i, '}') {
                    i = if self.mark(i, ',') {
                        i + 1
                    } else {
                        self.tree(i, &path, in_use, found)
                    };
                }
                return i + 1;
            } else {
                // `::<` of a generic, or something that is no path.
                break;
            }
            if !self.is_path(i) {
                break;
            }
            i += 1;
        }
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        if self.word(i) == Some("as") {
            i += 2;
        }
        found.push((line, path));
        i
    }
}

#[test]
fn a_path_is_seen_wherever_it_stands_and_only_there() {
    let text = r##"//! Names `crate::comment`.
use crate::{api, broker::{self, Config as C}};
use super::super::store as other;
fn f<'a>(x: &'a str) -> Vec<crate::wire::Bounds> {
    let _ = ("crate::string", 'c', r#"crate::raw "x" "#, x.crate_name::<u8>());
    panic!("{}", redb::Error::from(1) != 2)
}
mod inner {
    use super::super::engine;
}
#[cfg(test)]
mod far;
#[cfg(test)]
mod tests {
    use proptest::prelude::*;
}
"##;
    let reading = read(text);
    let paths: Vec<String> = reading.named.iter().map(|named| named.path.join("::")).collect();
    assert_eq!(
        paths,
        [
            "crate::api",
            "crate::broker",
            "crate::broker::Config",
            "super::super::store",
            "crate::wire::Bounds",
            "redb::Error::from",
            "super::super::engine",
            "proptest::prelude::*",
        ]
    );
    let inner: Vec<&[String]> = reading
        .named
        .iter()
        .map(|named| named.within.as_slice())
        .collect();
    assert_eq!((inner[6], inner[0].len()), (["inner".to_owned()].as_slice(), 0));
    assert!(reading.named[7].test && !reading.named[6].test);
    assert_eq!(reading.modules, [("far".to_owned(), true)]);
    assert_eq!(reading.macros, [(6, "panic".to_owned())]);
    assert_eq!(reading.test_lines.first(), Some(&11));
    assert!(!reading.test_lines.contains(&10) && reading.test_lines.contains(&16));
    assert_eq!(reading.comments.len(), 1);
}
