//! The waits between tries to connect: they grow, they differ between instances, and they end.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

/// A series of waits. It starts with the first [`Backoff::next`] and ends once its time to give up has come.
#[derive(Debug)]
pub struct Backoff {
    policy: ExponentialBuilder,
    waits: ExponentialBackoff,
    max: Duration,
    give_up: Duration,
    began: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(initial: Duration, max: Duration, give_up: Duration) -> Self {
        let policy = ExponentialBuilder::new()
            .with_min_delay(initial)
            .with_max_delay(max)
            .without_max_times()
            .with_jitter();
        Self {
            policy,
            waits: policy.build(),
            max,
            give_up,
            began: None,
        }
    }

    /// The next wait, or none when it is time to give up.
    #[allow(clippy::should_implement_trait)] // It reads the clock: an iterator would promise more.
    pub fn next(&mut self) -> Option<Duration> {
        let began = *self.began.get_or_insert_with(Instant::now);
        if began.elapsed() >= self.give_up {
            return None;
        }
        // The jitter comes on top of the wait, so that it could pass the limit.
        self.waits.next().map(|wait| wait.min(self.max))
    }

    /// Starts over: to be called once a connection works.
    pub fn reset(&mut self) {
        self.waits = self.policy.build();
        self.began = None;
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::unwrap_used)]
mod tests {
    use super::{Backoff, Duration};

    #[tokio::test]
    async fn waits_grow_to_the_limit_and_end() {
        let limit = Duration::from_millis(80);
        let mut backoff = Backoff::new(Duration::from_millis(10), limit, Duration::from_millis(5));
        let first = backoff.next().expect("a first wait");
        assert!(first >= Duration::from_millis(10) && first <= Duration::from_millis(20));
        let last = (0..10).map_while(|_| backoff.next()).last();
        assert_eq!(last, Some(limit));
        tokio::time::sleep(Duration::from_millis(6)).await;
        assert_eq!(backoff.next(), None);
        backoff.reset();
        assert!(backoff.next().is_some());
    }
}
