//! How text becomes words, the same way for documents and for queries.
//!
//! Words are the runs of letters and digits, in lower case and without accents. There is no stemming and there
//! are no stop words: most of what is searched here is ids, names and versions, where `news` is not `new` and
//! a host may well be called `the`.

use std::borrow::Cow;

use tantivy::tokenizer::{
    AsciiFoldingFilter, LowerCaser, RawTokenizer, RemoveLongFilter, SimpleTokenizer, TextAnalyzer,
    TokenizerManager,
};

/// The name of the analyzer that splits text into words.
pub(super) const WORDS: &str = "domesday-words";
/// The name of the analyzer that keeps a text whole.
pub(super) const WHOLE: &str = "domesday-whole";
/// Longer words are not indexed; an id has at most 200 characters.
const WORD_BYTES_MAX: usize = 256;

/// Splits text into words.
pub(super) fn words_analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
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

/// Text without combining marks: an accent that is written as a character of its own must not split a word.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let combining = |c: char| matches!(c, '\u{300}'..='\u{36f}');
    if text.is_ascii() || !text.contains(combining) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !combining(*c)).collect())
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
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .count()
}
