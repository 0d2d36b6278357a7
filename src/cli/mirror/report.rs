//! What a person hears of a mirror: a line that moves on a terminal, a line now and then in a log.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::output::{FAINT, GOOD, NOTICE, Output};

/// The time between two lines in a log that say nothing but that all is well.
const EVERY: Duration = Duration::from_mins(1);

/// What was told so far.
pub(super) struct Report {
    line: ProgressBar,
    watched: bool,
    /// Proofs since the last that was told.
    proofs: u64,
    told: Option<(Instant, u64)>,
}

impl Report {
    pub(super) fn new(output: &Output) -> Self {
        let watched = output.is_watched();
        let target = if watched {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let line = ProgressBar::with_draw_target(None, target);
        Self {
            line,
            watched,
            proofs: 0,
            told: None,
        }
    }

    pub(super) fn began(&mut self, full: bool, count: u64, sequence: u64, output: &mut Output) {
        let what = if full {
            "entities: all of it"
        } else {
            "missed events"
        };
        self.tell(
            &format!("{FAINT}sync as of sequence {sequence}: {count} {what}{FAINT:#}"),
            output,
        );
        self.told = None;
        self.line.set_length(count);
        self.line.set_position(0);
        self.style("{wide_bar} {human_pos}/{human_len}  {per_sec} ");
    }

    pub(super) fn advance(&self) {
        self.line.inc(1);
    }

    /// Proofs are told when they say something new, and not too often.
    pub(super) fn proved(&mut self, sequence: u64, entities: usize, output: &mut Output) {
        self.proofs += 1;
        let again = self.proofs;
        self.style("{msg}");
        self.line.set_message(format!(
            "following: sequence {sequence}, {entities} entities, proved {again} times"
        ));
        let due = self
            .told
            .is_none_or(|(when, last)| last != sequence && (when.elapsed() >= EVERY));
        if due {
            self.told = Some((Instant::now(), sequence));
            self.tell(
                &format!("{GOOD}proved{GOOD:#} at sequence {sequence}: {entities} entities"),
                output,
            );
        }
    }

    pub(super) fn notice(&self, text: &str, output: &mut Output) {
        self.tell(&format!("{NOTICE}{text}{NOTICE:#}"), output);
    }

    pub(super) fn finish(&self) {
        self.line.finish_and_clear();
    }

    fn tell(&self, text: &str, output: &mut Output) {
        self.line.suspend(|| output.tell(text));
    }

    fn style(&self, template: &str) {
        if self.watched
            && let Ok(style) = ProgressStyle::with_template(template)
        {
            self.line.set_style(style);
        }
    }
}
