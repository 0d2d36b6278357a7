//! Where something stands in a file, and what is wrong there.

/// A line and a column, both from one; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The line, from one.
    pub line: u32,
    /// The column, from one.
    pub column: u32,
}

impl Spot {
    /// Where a file begins.
    pub const START: Self = Self { line: 1, column: 1 };

    /// Where one is after reading `text` from here.
    #[must_use]
    pub fn after(self, text: &str) -> Self {
        let lines = text.bytes().filter(|byte| *byte == b'\n').count();
        let last = text.rsplit('\n').next().unwrap_or_default().chars().count();
        let column = if lines == 0 { self.column } else { 1 };
        Self {
            line: self.line.saturating_add(clamp(lines)),
            column: column.saturating_add(clamp(last)),
        }
    }
}

/// Files are refused long before a count of lines could be this large.
pub(super) fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A file, by its number in the manifest, and a spot in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The position of the file's name in [`super::Manifest::files`].
    pub file: u32,
    /// Where in the file.
    pub spot: Spot,
}

/// Something wrong at a spot of the file that is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slip {
    /// Where.
    pub spot: Spot,
    /// The JSON Pointer into the document; empty for the document as a whole.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Slip {
    /// A slip that has no pointer.
    pub fn new(spot: Spot, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            spot,
            pointer: String::new(),
            detail: detail.into(),
            hint: hint.into(),
        }
    }
}
