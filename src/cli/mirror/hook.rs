//! What is run for each change: one command at a time, with a limit.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::copy::{Deed, Step};

/// A command of the user's.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    /// What the shell is to run.
    pub(super) command: String,
    /// How long it may take.
    pub(super) limit: Duration,
}

impl Hook {
    /// Runs the command for one change; says what went wrong, if anything did.
    pub(super) async fn run(&self, step: &Step, file: &Path) -> Option<String> {
        let mut command = Command::new("sh");
        let (sequence, revision) = (step.sequence.to_string(), revision(step));
        let variables: [(&str, &OsStr); 6] = [
            ("DOMESDAY_EVENT", step.kind.as_ref()),
            ("DOMESDAY_TYPE", step.key.entity.as_str().as_ref()),
            ("DOMESDAY_ID", step.key.id.as_str().as_ref()),
            ("DOMESDAY_FILE", file.as_ref()),
            ("DOMESDAY_SEQUENCE", sequence.as_ref()),
            ("DOMESDAY_REVISION", revision.as_ref()),
        ];
        command
            .args(["-c", &self.command])
            .envs(variables)
            .stdin(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Some(format!("cannot be run: {error}")),
        };
        match tokio::time::timeout(self.limit, child.wait()).await {
            Ok(Ok(status)) if status.success() => None,
            Ok(Ok(status)) => Some(format!("ended with {status}")),
            Ok(Err(error)) => Some(format!("was lost: {error}")),
            Err(_) => {
                end(&mut child).await;
                Some(format!(
                    "took longer than {} s, and was ended",
                    self.limit.as_secs()
                ))
            }
        }
    }
}

/// Ends the command with all that it has started.
async fn end(child: &mut Child) {
    if let Some(id) = child.id() {
        let group = format!("-{id}");
        let kill = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
        // Where the group cannot be ended, its first process can.
        drop(kill.await);
    }
    drop(child.kill().await);
}

/// The revision after the change; empty for a removal.
fn revision(step: &Step) -> String {
    match &step.deed {
        Deed::Write { revision, .. } | Deed::Link { revision, .. } => revision.to_string(),
        Deed::Delete => String::new(),
    }
}
