//! A connection anew, because the files that it was made with hold something else.
//!
//! What is new is tried before what is old is given up: only a connection that was made with it takes the place of the
//! other. Files are seldom replaced all at once, so that a change counts once two looks in a row have seen the same.

use std::time::Duration;

use tokio::time::Instant;

use super::access::Seen;
use super::client::Client;
use super::config::Config;
use super::fault::Fault;
use super::session::Session;
use super::topology::Purpose;

/// The longest wait between two tries with files that could not be used.
const TRY_AGAIN_MAX: Duration = Duration::from_mins(5);

impl Session {
    /// Waits until the files of the URL and the certificates hold something else, and gives a session that is made with
    /// that. What cannot be used is logged, and tried again. The lease is with this session until it is closed.
    pub async fn successor(&self, purpose: Purpose, config: &Config, connection_name: &str) -> Self {
        let open = async || {
            // A broker that blocks us lets nobody in properly.
            let mut blocked = self.blocked();
            let _ = blocked.wait_for(Option::is_none).await;
            Self::open_to(purpose, false, config, connection_name).await
        };
        successor(config, self.seen(), open).await
    }
}

impl Client {
    /// Waits until the files of the URL and the certificates hold something else, and gives a connection that is made with
    /// that. What cannot be used is logged, and tried again.
    pub async fn successor(&self, config: &Config, name: &str) -> Self {
        successor(config, self.seen(), async || Self::connect(config, name).await).await
    }
}

async fn successor<T>(config: &Config, seen: Seen, open: impl AsyncFn() -> Result<T, Fault>) -> T {
    let interval = config.reload_interval();
    let mut last = seen;
    let (mut pause, mut try_at) = (interval, Instant::now());
    loop {
        tokio::time::sleep(interval).await;
        let Ok(now) = Seen::now(config).await else {
            continue;
        };
        if now != last {
            (last, pause, try_at) = (now, interval, Instant::now());
            continue;
        }
        if now == seen || Instant::now() < try_at {
            continue;
        }
        match open().await {
            Ok(successor) => {
                tracing::info!(
                    "a connection is made with the new URL or certificates, and takes the place of the old one"
                );
                return successor;
            }
            Err(fault) => {
                tracing::error!(
                    fault = &fault as &dyn std::error::Error,
                    wait_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                    "the URL or the certificates have changed, and no connection can be made with the new ones; the old \
                     connection goes on for as long as it lasts"
                );
                try_at = Instant::now() + pause;
                pause = (pause * 2).min(TRY_AGAIN_MAX);
            }
        }
    }
}
