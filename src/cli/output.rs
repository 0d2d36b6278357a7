//! The one place that prints: standard output for answers, standard error for everything about them.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use super::args::Color;
use super::exit::Failure;

/// Bold: headings.
pub const STRONG: Style = Style::new().bold();
/// Dim: what may be passed over.
pub const FAINT: Style = Style::new().dimmed();
/// Red and bold: errors.
pub const ALARM: Style = AnsiColor::Red.on_default().bold();
/// Yellow: warnings, soft things.
pub const NOTICE: Style = AnsiColor::Yellow.on_default();
/// Green: what went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Cyan: ids.
pub const NAME: Style = AnsiColor::Cyan.on_default();

/// The handles of standard output and standard error; styles are dropped where they would be in the way.
pub struct Output {
    out: AutoStream<io::Stdout>,
    err: AutoStream<io::Stderr>,
    width: Option<u16>,
    err_is_terminal: bool,
}

impl Output {
    /// Takes hold of both. `NO_COLOR` and the like count where `color` is `auto`.
    pub fn new(color: Color) -> Self {
        let choice = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let (out, err) = (io::stdout(), io::stderr());
        let width = if out.is_terminal() {
            comfy_table::Table::new().width()
        } else {
            None
        };
        Self {
            width,
            err_is_terminal: err.is_terminal(),
            out: AutoStream::new(out, choice),
            err: AutoStream::new(err, choice),
        }
    }

    /// Columns of the terminal that reads our output; none where it is a file or a pipe, which is never clipped.
    pub const fn width(&self) -> Option<u16> {
        self.width
    }

    /// Whether a person watches standard error.
    pub const fn is_watched(&self) -> bool {
        self.err_is_terminal
    }

    /// Prints an answer and sees to it that it is out.
    ///
    /// # Errors
    /// [`Failure::ClosedPipe`] where nobody reads any more.
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            self.out.write_all(b"\n")?;
        }
        self.out.flush()?;
        Ok(())
    }

    /// Tells something about the answer, or about the wait for it. A reader who has gone is no reason to stop.
    pub fn tell(&mut self, text: &str) {
        let line_end = if text.ends_with('\n') { "" } else { "\n" };
        let told = self
            .err
            .write_all(text.as_bytes())
            .and_then(|()| self.err.write_all(line_end.as_bytes()))
            .and_then(|()| self.err.flush());
        drop(told);
    }

    /// Tells what is not as it should be, and no reason to stop.
    pub fn tell_warning(&mut self, what: &str) {
        self.tell(&format!("{NOTICE}warning:{NOTICE:#} {}", visible(what)));
    }

    /// Tells an error and what to do about it.
    pub fn tell_error(&mut self, what: &str, hint: &str) {
        self.tell(&format!("{ALARM}error:{ALARM:#} {}", visible(what)));
        if !hint.is_empty() {
            self.tell(&format!("  {FAINT}hint:{FAINT:#} {}", visible(hint)));
        }
    }
}

/// The text without control characters, which could otherwise drive the terminal of whoever reads a foreign name.
pub fn visible(text: &str) -> String {
    if text.chars().any(|c| c.is_control() && c != '\n') {
        text.chars()
            .map(|c| {
                if c.is_control() && c != '\n' {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect()
    } else {
        text.to_owned()
    }
}

/// The text on one line: line breaks become spaces, control characters a replacement.
pub fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}
