//! The text of a query as tokens. Nothing here recurses, and the number of terms is bounded here.

mod graph;

use super::ast::{Field, GraphTerm, Matcher, Place, Term, ends_word};
use super::refuse::{limit, syntax, unknown_field};
use super::{Config, text};
use crate::domain::{EntityType, Problem};

/// One token, and where it starts in characters.
#[derive(Debug, Clone)]
pub(super) struct Token {
    /// Where it starts.
    pub(super) place: usize,
    /// What it is.
    pub(super) kind: TokenKind,
}

/// What a token is.
#[derive(Debug, Clone)]
pub(super) enum TokenKind {
    /// `(`
    Open,
    /// `)`
    Close,
    /// `AND`
    And,
    /// `OR`
    Or,
    /// `NOT`, or a leading `-`
    Not,
    /// A lone `*`
    All,
    /// A term
    Term(Term),
    /// A set of the graph
    Graph(GraphTerm),
}

/// Reads a whole query.
pub(super) fn lex(query: &str, config: &Config) -> Result<Vec<Token>, Box<Problem>> {
    let mut lexer = Lexer {
        rest: query,
        place: 0,
        expansions: 0,
        quote_ended_at: 0,
        config,
    };
    let mut tokens = Vec::new();
    let mut terms = 0;
    while let Some(token) = lexer.token()? {
        if matches!(token.kind, TokenKind::Term(_) | TokenKind::Graph(_)) {
            terms += 1;
            if terms > config.query_terms_max {
                return Err(limit("terms", config.query_terms_max, "search.query_terms_max"));
            }
        }
        tokens.push(token);
    }
    Ok(tokens)
}

/// What is left to read, and where we are.
struct Lexer<'a> {
    rest: &'a str,
    place: usize,
    expansions: usize,
    quote_ended_at: usize,
    config: &'a Config,
}

impl<'a> Lexer<'a> {
    /// The next character, without taking it.
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes one character.
    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let character = chars.next()?;
        self.rest = chars.as_str();
        self.place += 1;
        Some(character)
    }

    /// Takes characters for as long as they fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.place += taken.chars().count();
        taken
    }

    /// The next token.
    fn token(&mut self) -> Result<Option<Token>, Box<Problem>> {
        self.take_while(char::is_whitespace);
        let place = self.place;
        let Some(first) = self.peek() else {
            return Ok(None);
        };
        let kind = match first {
            '(' | ')' => {
                self.take();
                if first == '(' {
                    TokenKind::Open
                } else {
                    TokenKind::Close
                }
            }
            '"' => self.quoted_term(place, Field::Any)?,
            '-' => {
                self.take();
                if self.peek().is_none_or(|next| next.is_whitespace() || next == ')') {
                    return Err(syntax(
                        place,
                        "nothing follows the minus",
                        "write the minus right before what must not match, or quote it",
                        "web -kind:postgres",
                    ));
                }
                TokenKind::Not
            }
            _ => self.bare(place)?,
        };
        Ok(Some(Token { place, kind }))
    }

    /// A word, a keyword, or a field with its value.
    fn bare(&mut self, place: usize) -> Result<TokenKind, Box<Problem>> {
        let word = self.take_while(|c| !ends_word(c) && c != ':');
        if word == "tag." && self.peek() == Some('"') {
            let key = self.quoted()?;
            return self.tag(place, &key);
        }
        if self.peek() != Some(':') {
            return match word {
                "AND" => Ok(TokenKind::And),
                "OR" => Ok(TokenKind::Or),
                "NOT" => Ok(TokenKind::Not),
                "*" => Ok(TokenKind::All),
                _ => match word.strip_prefix("tag.") {
                    Some(key) => self.tag(place, key),
                    None => self.bare_term(place, Field::Any, word),
                },
            };
        }
        let name = word.to_ascii_lowercase();
        if let Some(set) = graph::Named::of(&name) {
            self.take();
            return self.graph(place, set);
        }
        let field = match name.as_str() {
            "name" => Field::Name,
            "description" => Field::Description,
            "id" => Field::Id,
            "kind" => Field::Kind,
            "type" => Field::Type,
            "tag" => Field::Tag,
            "environment" => Field::Environment,
            "" => {
                return Err(syntax(
                    place,
                    "there is no field before the colon",
                    "quote text that starts with a colon",
                    "name:web",
                ));
            }
            other => {
                if let Some(key) = word.strip_prefix("tag.") {
                    return self.tag(place, key);
                }
                let rest = self.rest.get(1..).unwrap_or_default();
                let rest = rest.split(ends_word).next().unwrap_or_default();
                return Err(unknown_field(place, other, rest));
            }
        };
        self.take();
        self.value(place, field, word)
    }

    /// A tag with a key: its value, or whether it is there.
    fn tag(&mut self, place: usize, key: &str) -> Result<TokenKind, Box<Problem>> {
        let example = "tag.owner:payments";
        if key.is_empty() {
            return Err(syntax(
                place,
                "the key of the tag is missing",
                "name the key after the dot",
                example,
            ));
        }
        // A quoted key may hold anything, a bare one may not: `tag.own*` would look like a prefix.
        if key.contains('*') && !self.is_after_quote() {
            return Err(syntax(
                place,
                "the key of a tag is matched as a whole",
                "name the whole key, or quote a key that has an asterisk",
                example,
            ));
        }
        let field = Field::TagKey(key.to_owned());
        if self.peek() == Some(':') {
            self.take();
            return self.value(place, field, &format!("tag.{key}"));
        }
        Ok(term(place, field, Matcher::Present))
    }

    /// Whether what was read last was in quotes; only asked right after a key.
    const fn is_after_quote(&self) -> bool {
        self.quote_ended_at == self.place && self.place > 0
    }

    /// What follows the colon of a field.
    fn value(&mut self, place: usize, field: Field, name: &str) -> Result<TokenKind, Box<Problem>> {
        match self.peek() {
            Some('"') => self.quoted_term(place, field),
            Some(next) if !ends_word(next) => {
                let start = self.place;
                let text = self.take_while(|c| !ends_word(c));
                if field == Field::Type {
                    return entity_type(place, start, text);
                }
                self.bare_term(place, field, text)
            }
            _ => Err(syntax(
                self.place,
                format!("nothing follows `{name}:`"),
                "write the value right after the colon; * finds any value",
                "name:web kind:*",
            )),
        }
    }

    /// A term that is not quoted: a word, a prefix, a fuzzy word, or any value.
    fn bare_term(&mut self, place: usize, field: Field, word: &str) -> Result<TokenKind, Box<Problem>> {
        if word == "*" {
            return Ok(term(place, field, Matcher::Present));
        }
        let matcher = if let Some(start) = word.strip_suffix('*') {
            self.prefix(place, start)?
        } else if let Some((text, digits)) = fuzzy_parts(word) {
            self.fuzzy(place, &field, text, digits)?
        } else {
            Matcher::Word(word.to_owned())
        };
        let text = match &matcher {
            Matcher::Word(text) | Matcher::Prefix(text) | Matcher::Fuzzy { text, .. } => text,
            Matcher::Phrase(_) | Matcher::Present => word,
        };
        if text.contains('*') {
            return Err(syntax(
                place,
                format!("the asterisk stands inside `{word}`"),
                "an asterisk stands at the end of a word, for any ending",
                "post*",
            ));
        }
        check_text(place, &field, text)?;
        Ok(term(place, field, matcher))
    }

    /// A prefix: long enough that it is not half the dictionary.
    fn prefix(&mut self, place: usize, start: &str) -> Result<Matcher, Box<Problem>> {
        if start.chars().filter(|c| c.is_alphanumeric()).count() < 2 {
            return Err(syntax(
                place,
                "a prefix needs at least two letters or digits",
                "write more of the word before the asterisk",
                "post*",
            ));
        }
        self.expand(1)?;
        Ok(Matcher::Prefix(start.to_owned()))
    }

    /// A fuzzy word.
    fn fuzzy(
        &mut self,
        place: usize,
        field: &Field,
        text: &str,
        digits: &str,
    ) -> Result<Matcher, Box<Problem>> {
        let example = "postgrs~1";
        let distance = match digits {
            "0" => 0,
            "1" => 1,
            "2" => 2,
            _ => {
                return Err(syntax(
                    place,
                    "the tilde says how many edits are allowed: 0, 1 or 2",
                    "write ~1 or ~2 after the word",
                    example,
                ));
            }
        };
        if matches!(field, Field::TagKey(_) | Field::Environment) {
            return Err(syntax(
                place,
                format!("`{field}:` is matched as a whole and cannot be fuzzy"),
                "write the value without the tilde, or a prefix with an asterisk",
                "tag.owner:pay*",
            ));
        }
        let chars = text.chars().filter(|c| c.is_alphanumeric()).count();
        if chars < usize::from(distance) + 2 {
            return Err(syntax(
                place,
                format!(
                    "with ~{distance} a word needs at least {} characters",
                    distance + 2
                ),
                "allow fewer edits, or write more of the word",
                example,
            ));
        }
        if distance > 0 {
            self.expand(text::words_max(text).max(1))?;
        }
        Ok(Matcher::Fuzzy {
            text: text.to_owned(),
            distance,
        })
    }

    /// Counts walks, over the dictionary and over the graph.
    fn expand(&mut self, walks: usize) -> Result<(), Box<Problem>> {
        self.expansions += walks;
        let max = self.config.query_expansions_max;
        if self.expansions > max {
            return Err(limit(
                "prefixes, fuzzy words and sets of the graph",
                max,
                "search.query_expansions_max",
            ));
        }
        Ok(())
    }

    /// A term in quotes.
    fn quoted_term(&mut self, place: usize, field: Field) -> Result<TokenKind, Box<Problem>> {
        let start = self.place;
        let text = self.quoted()?;
        if let Some(next @ ('*' | '~' | ':')) = self.peek() {
            return Err(syntax(
                self.place,
                format!("`{next}` cannot follow a closing quote"),
                "prefixes, fuzzy words and field names are written without quotes",
                "\"payments database\" post*",
            ));
        }
        if field == Field::Type {
            return entity_type(place, start, &text);
        }
        check_text(place, &field, &text)?;
        Ok(term(place, field, Matcher::Phrase(text)))
    }

    /// Text in quotes: `\"` is a quote, `\\` a backslash; any other backslash is itself.
    fn quoted(&mut self) -> Result<String, Box<Problem>> {
        let place = self.place;
        self.take();
        let mut text = String::new();
        while let Some(character) = self.take() {
            match (character, self.peek()) {
                ('"', _) => {
                    self.quote_ended_at = self.place;
                    return Ok(text);
                }
                ('\\', Some(next @ ('"' | '\\'))) => {
                    self.take();
                    text.push(next);
                }
                (other, _) => text.push(other),
            }
        }
        Err(syntax(
            place,
            "the quote is never closed",
            "close it, or write \\\" for a quote inside quotes",
            "\"payments database\"",
        ))
    }
}

/// A term as a token.
fn term(place: usize, field: Field, matcher: Matcher) -> TokenKind {
    TokenKind::Term(Term {
        place: Place(place),
        field,
        matcher,
    })
}

/// Splits `word~1` where the end looks like a number of edits; `a~b` is a word.
fn fuzzy_parts(word: &str) -> Option<(&str, &str)> {
    let (text, digits) = word.rsplit_once('~')?;
    (!text.is_empty() && digits.chars().all(|c| c.is_ascii_digit())).then_some((text, digits))
}

/// `type:` takes one of two words.
fn entity_type(place: usize, start: usize, text: &str) -> Result<TokenKind, Box<Problem>> {
    if text == "*" {
        return Ok(term(place, Field::Type, Matcher::Present));
    }
    let lower = text.to_ascii_lowercase();
    if EntityType::parse(&lower).is_some() {
        return Ok(term(place, Field::Type, Matcher::Word(lower)));
    }
    Err(syntax(
        start,
        format!("there is no type `{text}`"),
        "the types are environment and resource; what sort of resource it is says kind:",
        "type:resource kind:postgres",
    ))
}

/// Refuses text in which there is nothing to find.
fn check_text(place: usize, field: &Field, text: &str) -> Result<(), Box<Problem>> {
    let found = match field {
        Field::Any | Field::Name | Field::Description | Field::Id | Field::Tag => {
            text.chars().any(char::is_alphanumeric)
        }
        Field::Kind | Field::Type | Field::TagKey(_) | Field::Environment => !text.is_empty(),
    };
    if found {
        return Ok(());
    }
    Err(syntax(
        place,
        format!("there is no letter or digit to search for in `{text}`"),
        "leave it out",
        "web",
    ))
}
