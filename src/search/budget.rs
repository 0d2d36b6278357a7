//! How much a search may do, so that no question holds a processor for long.

use std::time::{Duration, Instant};

use super::Config;

/// How many documents are visited between two looks at the clock.
const VISITS_BETWEEN_LOOKS: u64 = 4_096;

/// What is left of a search's time and visits.
#[derive(Debug)]
pub struct Budget {
    started: Instant,
    time: Duration,
    visits_max: u64,
    visits: u64,
    /// The number of visits at which there is something to check again.
    next_look: u64,
    spent: Option<String>,
}

impl Budget {
    /// The whole of it, from now on.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            started: Instant::now(),
            time: Duration::from_millis(config.search_ms_max),
            visits_max: config.search_visits_max,
            visits: 0,
            next_look: VISITS_BETWEEN_LOOKS.min(config.search_visits_max),
            spent: None,
        }
    }

    /// Counts a visit; false where there must be no other.
    #[inline]
    pub(super) fn visit(&mut self) -> bool {
        self.visits += 1;
        self.visits < self.next_look || self.look()
    }

    /// Counts nodes of the graph that were reached, or looks into a document; false where that was too much.
    pub fn reach(&mut self, nodes: usize) -> bool {
        self.visits = self
            .visits
            .saturating_add(u64::try_from(nodes).unwrap_or(u64::MAX));
        self.look()
    }

    /// Whether there is some left.
    pub fn look(&mut self) -> bool {
        if self.spent.is_some() {
            return false;
        }
        self.next_look = self
            .visits
            .saturating_add(VISITS_BETWEEN_LOOKS)
            .min(self.visits_max);
        if self.visits >= self.visits_max {
            self.spent = Some(format!(
                "the search stopped after {} documents and nodes (search.search_visits_max)",
                self.visits_max
            ));
        } else if self.started.elapsed() >= self.time {
            self.spent = Some(format!(
                "the search stopped after {} ms (search.search_ms_max)",
                self.time.as_millis()
            ));
        }
        self.spent.is_none()
    }

    /// Why it is spent, if it is.
    #[must_use]
    pub fn spent(&self) -> Option<&str> {
        self.spent.as_deref()
    }
}
