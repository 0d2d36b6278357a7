//! Asking a person before something is done that cannot be undone.

use std::io::{self, BufRead as _, IsTerminal as _};

use super::exit::{Exit, Failure};
use super::output::Output;

/// Asks, and goes on only after a yes; `otherwise` says what a no means.
///
/// # Errors
/// The answer is no, or nobody is there to be asked.
pub(super) fn confirm(question: &str, otherwise: &str, output: &mut Output) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !output.is_watched() {
        return Err(Failure::usage("nobody is there to be asked").hint("--yes goes on without asking"));
    }
    output.tell(&format!("{question} [y/N]"));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, otherwise))
}
