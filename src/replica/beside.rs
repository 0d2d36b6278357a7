//! One request that takes its time, answered beside those that do not.

use std::pin::Pin;

/// Room for one piece of work that goes on while others are done.
pub(super) struct Beside<'a, T>(Option<Pin<Box<dyn Future<Output = T> + Send + 'a>>>);

impl<T> Default for Beside<'_, T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'a, T> Beside<'a, T> {
    /// Whether it has room.
    pub(super) const fn is_free(&self) -> bool {
        self.0.is_none()
    }

    /// Begins; what was there before ends unfinished.
    pub(super) fn begin(&mut self, work: impl Future<Output = T> + Send + 'a) {
        self.0 = Some(Box::pin(work));
    }

    /// Waits until the work is done, and has room again; for ever where there is none. To drop this future leaves the work
    /// where it is.
    pub(super) async fn finished(&mut self) -> T {
        let done = match &mut self.0 {
            Some(work) => work.await,
            None => std::future::pending().await,
        };
        self.0 = None;
        done
    }
}
