//! JSON to documents: one document, an array of them, or one on each line.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::place::{Slip, Spot, clamp};
use super::tree::unescape;

/// One document and where it begins.
pub(super) struct Piece<'a> {
    /// The text of the document.
    pub(super) text: &'a str,
    /// Where it begins in the file.
    pub(super) spot: Spot,
}

/// Splits a text that is one JSON value into documents: the items of an array, or the one value.
pub(super) fn split(text: &str, mut take: impl FnMut(Piece<'_>)) -> Result<(), Slip> {
    check(text, Spot::START)?;
    let mut skim = Skim::new(text);
    skim.blank();
    let mut spot = Spot::START.after(skim.text(0, skim.at));
    if skim.peek() != Some(b'[') {
        let text = text.trim_ascii();
        take(Piece { text, spot });
        return Ok(());
    }
    let mut seen = skim.at;
    skim.at += 1;
    loop {
        skim.blank();
        if matches!(skim.peek(), Some(b']') | None) {
            return Ok(());
        }
        let start = skim.at;
        spot = spot.after(skim.text(seen, start));
        skim.value();
        seen = start;
        let text = skim.text(start, skim.at);
        take(Piece { text, spot });
        skim.blank();
        if skim.peek() == Some(b',') {
            skim.at += 1;
        }
    }
}

/// Whether a text is one JSON value; says where it is not.
pub(super) fn check(text: &str, start: Spot) -> Result<(), Slip> {
    let mut reader = serde_json::Deserializer::from_str(text);
    IgnoredAny::deserialize(&mut reader)
        .and_then(|_| reader.end())
        .map_err(|error| slip(text, start, &error))
}

/// The value of a piece.
pub(super) fn value(piece: &Piece<'_>) -> Result<Value, Slip> {
    serde_json::from_str(piece.text).map_err(|error| slip(piece.text, piece.spot, &error))
}

/// An error of the parser as a slip; its line and column are seen from where the text begins.
fn slip(text: &str, start: Spot, error: &serde_json::Error) -> Slip {
    let line = clamp(error.line().max(1));
    let column = if line == 1 {
        start
            .column
            .saturating_add(clamp(error.column().saturating_sub(1)))
    } else {
        clamp(error.column().max(1))
    };
    let spot = Spot {
        line: start.line.saturating_add(line - 1),
        column,
    };
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let hint = if text.contains("//") || text.contains("/*") || text.contains('\'') {
        "JSON has no comments and no single quotes"
    } else if said.contains("trailing comma") {
        "take the last comma away"
    } else {
        ""
    };
    Slip::new(spot, format!("this is not JSON: {said}"), hint)
}

/// Keys that an object of the piece has twice.
pub(super) fn repeated_keys(piece: &Piece<'_>) -> Vec<Slip> {
    let mut skim = Skim::new(piece.text);
    let mut slips = Vec::new();
    // For each open object the keys that it has, for each open array nothing.
    let mut open: Vec<Option<std::collections::HashSet<&str>>> = Vec::new();
    loop {
        skim.blank();
        match skim.peek() {
            None => return slips,
            Some(b'{') => open.push(Some(std::collections::HashSet::new())),
            Some(b'[') => open.push(None),
            Some(b'}' | b']') => {
                open.pop();
            }
            Some(b'"') => {
                let start = skim.at;
                skim.string();
                let text = skim.text(start, skim.at);
                skim.blank();
                if skim.peek() == Some(b':')
                    && let Some(Some(keys)) = open.last_mut()
                    && !keys.insert(text)
                {
                    let spot = piece.spot.after(skim.text(0, start));
                    let detail = format!("the key {text} is here twice");
                    slips.push(Slip::new(spot, detail, "keep one of them"));
                }
                continue;
            }
            Some(_) => {}
        }
        skim.at += 1;
    }
}

/// Where the value of a JSON Pointer stands in a piece: at its key, or at its item of an array. Where the pointer
/// leads to nothing, it is the last thing on the way that is there.
pub(super) fn spot_of(piece: &Piece<'_>, pointer: &str) -> Spot {
    let mut skim = Skim::new(piece.text);
    skim.blank();
    let mut found = skim.at;
    for token in pointer.split('/').skip(1) {
        let entered = match skim.peek() {
            Some(b'{') => skim.enter_object(&unescape(token)),
            Some(b'[') => token.parse().ok().and_then(|index| skim.enter_array(index)),
            _ => None,
        };
        match entered {
            Some(at) => found = at,
            None => break,
        }
    }
    piece.spot.after(skim.text(0, found))
}

/// Walks over JSON that is known to be well formed; over anything else it ends somewhere, but it ends.
struct Skim<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Skim<'a> {
    const fn new(source: &'a str) -> Self {
        Self { source, at: 0 }
    }

    fn text(&self, from: usize, to: usize) -> &'a str {
        self.source.get(from..to).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Over a string, from its first quote to behind its last.
    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return,
                b'\\' => self.at += 1,
                _ => {}
            }
        }
    }

    /// Over a whole value.
    fn value(&mut self) {
        let mut depth = 0_usize;
        loop {
            self.blank();
            match self.peek() {
                None => return,
                Some(b'"') => self.string(),
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                Some(b',' | b':') => self.at += 1,
                Some(_) => {
                    while !matches!(
                        self.peek(),
                        None | Some(b',' | b':' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')
                    ) {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// From the brace of an object to the value of a key; where the key stands.
    fn enter_object(&mut self, wanted: &str) -> Option<usize> {
        self.at += 1;
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return None;
            }
            let start = self.at;
            self.string();
            let key: String = serde_json::from_str(self.text(start, self.at)).ok()?;
            self.blank();
            self.at += 1;
            self.blank();
            if key == wanted {
                return Some(start);
            }
            self.value();
            self.blank();
            self.at += 1;
        }
    }

    /// From the bracket of an array to an item, which is where it stands.
    fn enter_array(&mut self, index: usize) -> Option<usize> {
        self.at += 1;
        for _ in 0..index {
            self.blank();
            if matches!(self.peek(), Some(b']') | None) {
                return None;
            }
            self.value();
            self.blank();
            self.at += 1;
        }
        self.blank();
        (!matches!(self.peek(), Some(b']') | None)).then_some(self.at)
    }
}
