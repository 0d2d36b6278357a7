//! How far an apply has come: a bar for a person who watches, a line now and then for a log.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::output::Output;
use super::tally::rate;

/// The time between two lines in a log.
const EVERY: Duration = Duration::from_secs(10);

/// How far it has come.
pub(super) struct Progress {
    bar: ProgressBar,
    watched: bool,
    total: usize,
    done: usize,
    began: Instant,
    told: Instant,
}

impl Progress {
    pub(super) fn new(total: usize, output: &Output) -> Self {
        let watched = output.is_watched();
        let target = if watched {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let length = u64::try_from(total).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(length), target);
        if let Ok(style) =
            ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len}  {per_sec}  {eta} left ")
        {
            bar.set_style(style);
        }
        let now = Instant::now();
        Self {
            bar,
            watched,
            total,
            done: 0,
            began: now,
            told: now,
        }
    }

    pub(super) fn advance(&mut self, count: usize, output: &mut Output) {
        self.done += count;
        self.bar.inc(u64::try_from(count).unwrap_or(u64::MAX));
        if !self.watched && self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            let pace = rate(self.done, self.began.elapsed());
            output.tell(&format!("{} of {} documents, {pace:.0}/s", self.done, self.total));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
