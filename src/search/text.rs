//! How text becomes words, the same way for documents and for queries.
//!
//! Words are the runs of letters and digits, in lower case and without accents. Where a script has no spaces between
//! words, each character is a word of its own, so that any part of a text is found. There is no stemming and there
//! are no stop words: most of what is searched here is ids, names and versions, where `news` is not `new` and
//! a host may well be called `the`.

use std::borrow::Cow;

use tantivy::tokenizer::{
    AsciiFoldingFilter, LowerCaser, RawTokenizer, RemoveLongFilter, TextAnalyzer, Token, TokenStream,
    Tokenizer, TokenizerManager,
};

/// The name of the analyzer that splits text into words.
pub(super) const WORDS: &str = "domesday-words";
/// The name of the analyzer that keeps a text whole.
pub(super) const WHOLE: &str = "domesday-whole";
/// Longer words are not indexed; an id has at most 200 characters.
const WORD_BYTES_MAX: usize = 256;

/// Whether a character is a word by itself: Chinese and Japanese have no spaces between words.
const fn is_word(c: char) -> bool {
    matches!(
        c,
        '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

/// Splits text where a word ends.
#[derive(Clone)]
struct Splitter;

impl Tokenizer for Splitter {
    type TokenStream<'a> = Split<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Split<'a> {
        Split {
            text,
            place: 0,
            token: Token::default(),
        }
    }
}

/// The words of a text, one after the other.
struct Split<'a> {
    text: &'a str,
    /// Where the next word is looked for.
    place: usize,
    token: Token,
}

impl TokenStream for Split<'_> {
    fn advance(&mut self) -> bool {
        let rest = self.text.get(self.place..).unwrap_or_default();
        let Some((before, first)) = rest.char_indices().find(|(_, c)| c.is_alphanumeric()) else {
            self.place = self.text.len();
            return false;
        };
        let start = self.place + before;
        let mut end = start + first.len_utf8();
        if !is_word(first) {
            let rest = self.text.get(end..).unwrap_or_default();
            let goes_on = |c: char| c.is_alphanumeric() && !is_word(c);
            end += rest.find(|c| !goes_on(c)).unwrap_or(rest.len());
        }
        self.place = end;
        self.token.position = self.token.position.wrapping_add(1);
        (self.token.offset_from, self.token.offset_to) = (start, end);
        self.token.text.clear();
        self.token
            .text
            .push_str(self.text.get(start..end).unwrap_or_default());
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// Splits text into words.
pub(super) fn words_analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(Splitter)
        .filter(RemoveLongFilter::limit(WORD_BYTES_MAX))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build()
}

/// Keeps text whole, in lower case and without accents.
pub(super) fn whole_analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(RawTokenizer::default())
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build()
}

/// Makes the analyzers known to an index.
pub(super) fn register(tokenizers: &TokenizerManager) {
    tokenizers.register(WORDS, words_analyzer());
    tokenizers.register(WHOLE, whole_analyzer());
}

/// Whether a character is an accent on the one before.
const fn is_combining(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Text without combining marks: an accent that is written as a character of its own must not split a word.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.contains(is_combining) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !is_combining(*c)).collect())
}

/// The words of a text, each with its position.
pub(super) fn words(text: &str) -> Vec<(usize, String)> {
    let text = plain(text);
    let mut analyzer = words_analyzer();
    let mut stream = analyzer.token_stream(&text);
    let mut words = Vec::new();
    while stream.advance() {
        let token = stream.token();
        words.push((token.position, token.text.clone()));
    }
    words
}

/// The text as a whole, as the index holds it.
pub(super) fn whole(text: &str) -> String {
    let text = plain(text);
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut analyzer = whole_analyzer();
    let mut stream = analyzer.token_stream(&text);
    let mut whole = String::new();
    while stream.advance() {
        whole.push_str(&stream.token().text);
    }
    whole
}

/// How many words a text has, at most: what bounds the work of a term before it is done.
pub(super) fn words_max(text: &str) -> usize {
    let mut stream = Splitter;
    let mut stream = stream.token_stream(text);
    let mut count = 0;
    while stream.advance() {
        count += 1;
    }
    count
}

/// A word, and where it stands: in characters of the text, from zero.
pub(super) struct Spot {
    pub(super) word: String,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The words of a text with their places in it.
pub(super) fn spots(text: &str) -> Vec<Spot> {
    let folded = plain(text);
    // The places of the characters that `plain` keeps, and of its end.
    let mut kept = text
        .chars()
        .enumerate()
        .filter(|(_, c)| !is_combining(*c))
        .map(|(place, c)| (place, c.len_utf8()));
    let (mut bytes, mut next) = (0, kept.next());
    let mut place = |offset: usize| {
        while bytes < offset
            && let Some((_, len)) = next
        {
            bytes += len;
            next = kept.next();
        }
        next.map(|(place, _)| place)
    };
    let last = text.chars().count();
    let mut analyzer = words_analyzer();
    let mut stream = analyzer.token_stream(&folded);
    let mut spots = Vec::new();
    while stream.advance() {
        let token = stream.token();
        let start = place(token.offset_from).unwrap_or(last);
        let end = place(token.offset_to).unwrap_or(last);
        let word = token.text.clone();
        spots.push(Spot { word, start, end });
    }
    spots
}
