//! The query language: tokens become a tree.
//!
//! ```text
//! or    = and { "OR" and }
//! and   = unary { [ "AND" ] unary }
//! unary = ( "NOT" | "-" ) unary | "(" or ")" | term
//! term  = [ field ":" ] ( word | "quoted text" | prefix* | fuzzy~1 | * )
//!       | ( "dependents-of:" | "dependencies-of:" ) id [ "~" depth ] | "impact-of:" id
//!       | "has:" ( "dangling" | "cycle" | "external" )
//! ```
//!
//! Words next to each other must all match, as in every search box of a code host or an issue tracker: adding
//! a word narrows what is found. Who wants more writes `OR`. The operators are capitals, so that `and` and
//! `or` stay words.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::Config;
use super::ast::Query;
use super::lex::{Token, TokenKind, lex};
use super::refuse::{limit, syntax, too_long};
use crate::domain::Problem;

/// Deeper than this no setting goes: the parser and everything after it recurse.
const DEPTH_CEILING: usize = 256;

/// Reads a query.
///
/// # Errors
/// A problem of kind `query-syntax` that says where (`position`, in characters from zero), what to do, and an
/// `example`; or of kind `limit-exceeded` where the query is longer, deeper or wider than the settings allow.
pub fn parse(text: &str, config: &Config) -> Result<Query, Box<Problem>> {
    if text.len() > config.query_bytes_max {
        return Err(too_long(config));
    }
    let tokens = lex(text, config)?;
    if tokens.is_empty() {
        return Err(syntax(
            0,
            "the query is empty",
            "write what to look for, or * for everything",
            "name:web kind:postgres",
        ));
    }
    let mut parser = Parser {
        end: text.chars().count(),
        tokens: tokens.into_iter().peekable(),
        depth: 0,
        depth_max: config.query_depth_max.min(DEPTH_CEILING),
    };
    let query = parser.or()?;
    match parser.tokens.next() {
        None => Ok(query),
        Some(token) => Err(syntax(
            token.place,
            "this parenthesis closes nothing",
            "remove it, or open one before it",
            "(web OR db) kind:postgres",
        )),
    }
}

/// The tokens that are left, and how deep we are.
struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    end: usize,
    depth: usize,
    depth_max: usize,
}

impl Parser {
    /// Terms of which one must match.
    fn or(&mut self) -> Result<Query, Box<Problem>> {
        let mut children = vec![self.and()?];
        while let Some(token) = self.tokens.next_if(|token| matches!(token.kind, TokenKind::Or)) {
            self.expect_operand("OR", token.place)?;
            children.push(self.and()?);
        }
        Ok(Query::or(children))
    }

    /// Terms that must all match.
    fn and(&mut self) -> Result<Query, Box<Problem>> {
        let mut children = vec![self.unary()?];
        while let Some(token) = self.tokens.peek() {
            match token.kind {
                TokenKind::Or | TokenKind::Close => break,
                TokenKind::And => {
                    let place = token.place;
                    self.tokens.next();
                    self.expect_operand("AND", place)?;
                }
                TokenKind::Open
                | TokenKind::Not
                | TokenKind::All
                | TokenKind::Term(_)
                | TokenKind::Graph(_) => {}
            }
            children.push(self.unary()?);
        }
        Ok(Query::and(children))
    }

    /// A term, a negation, or what is in parentheses.
    fn unary(&mut self) -> Result<Query, Box<Problem>> {
        let Some(token) = self.tokens.next() else {
            return Err(syntax(
                self.end,
                "something is missing at the end",
                "write what to look for",
                "(web OR db) kind:postgres",
            ));
        };
        match token.kind {
            TokenKind::Term(term) => Ok(Query::Term(term)),
            TokenKind::Graph(term) => Ok(Query::Graph(term)),
            TokenKind::All => Ok(Query::All),
            TokenKind::Not => {
                self.expect_operand("NOT", token.place)?;
                self.deeper()?;
                let inner = self.unary()?;
                self.depth -= 1;
                Ok(Query::Not(Box::new(inner)))
            }
            TokenKind::Open => {
                self.deeper()?;
                let inner = self.or()?;
                self.depth -= 1;
                match self.tokens.next_if(|next| matches!(next.kind, TokenKind::Close)) {
                    Some(_) => Ok(inner),
                    None => Err(syntax(
                        token.place,
                        "the parenthesis is never closed",
                        "close it, or quote it to search for it as text",
                        "(web OR db) kind:postgres",
                    )),
                }
            }
            TokenKind::Close => Err(syntax(
                token.place,
                "nothing stands before this parenthesis",
                "write what to look for between the parentheses",
                "(web OR db) kind:postgres",
            )),
            TokenKind::And => Err(no_operand("AND", token.place)),
            TokenKind::Or => Err(no_operand("OR", token.place)),
        }
    }

    /// Refuses an operator with nothing after it.
    fn expect_operand(&mut self, operator: &str, place: usize) -> Result<(), Box<Problem>> {
        match self.tokens.peek().map(|token| &token.kind) {
            None | Some(TokenKind::Close | TokenKind::And | TokenKind::Or) => {
                Err(no_operand(operator, place))
            }
            Some(_) => Ok(()),
        }
    }

    /// Goes one level down.
    fn deeper(&mut self) -> Result<(), Box<Problem>> {
        self.depth += 1;
        if self.depth > self.depth_max {
            return Err(limit(
                "levels of parentheses and negations",
                self.depth_max,
                "search.query_depth_max",
            ));
        }
        Ok(())
    }
}

/// An operator that has nothing on one of its sides.
fn no_operand(operator: &str, place: usize) -> Box<Problem> {
    let (detail, example) = match operator {
        "NOT" => ("nothing follows NOT".to_owned(), "web NOT kind:postgres"),
        _ => (
            format!("{operator} needs something on both sides"),
            "web AND db OR kind:postgres",
        ),
    };
    syntax(
        place,
        detail,
        &format!("write what to look for, or quote \"{operator}\" to search for the word"),
        example,
    )
}
