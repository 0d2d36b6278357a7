//! Who may do what, taken over from the configuration file while the server runs.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::{self, Config};
use crate::domain::Access;

/// Time between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at the file for ever. What it says counts once two looks in a row have seen the same, since files are seldom
/// written at once; what cannot be used is logged, and the rules stay as they are.
pub(super) async fn keep(file: Option<PathBuf>, access: &watch::Sender<Arc<Access>>) -> Infallible {
    tell(&access.borrow());
    let Some(file) = file else {
        return std::future::pending().await;
    };
    let mut taken = read(&file).await;
    let mut before = taken.clone();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = read(&file).await;
        if now == before && now != taken {
            match rules(&file).await {
                Ok(rules) if rules == **access.borrow() => {}
                Ok(rules) => {
                    tracing::info!(file = %file.display(), "who may do what has changed in the file, and is taken up");
                    tell(&rules);
                    access.send_replace(Arc::new(rules));
                }
                Err(fault) => tracing::error!(
                    fault = &fault as &dyn std::error::Error,
                    file = %file.display(),
                    "the configuration file has changed and cannot be used: who may do what stays as it is"
                ),
            }
            taken.clone_from(&now);
        }
        before = now;
    }
}

/// What the file holds; nothing where it cannot be read, which is something to be seen, too.
async fn read(file: &Path) -> Option<Vec<u8>> {
    tokio::fs::read(file).await.ok()
}

async fn rules(file: &Path) -> Result<Access, config::Fault> {
    let file = file.to_owned();
    let loading = tokio::task::spawn_blocking(move || Config::load(&file)?.access());
    loading
        .await
        .unwrap_or_else(|lost| Err(config::Fault::Lost(lost.to_string())))
}

fn tell(access: &Access) {
    match access {
        Access::Open => tracing::warn!(
            "ACCESS IS OPEN: whoever the broker lets in may change and find everything, since access.open says so; write \
             rules into [access] for more than a trial"
        ),
        Access::Rules(rules) => tracing::info!(rules = rules.len(), "who may do what is said by rules"),
    }
}
