//! The real binary as a process: started, waited for by a deadline, ended when the test ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::SOON;

/// How a run ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Panics unless it ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.out,
            self.err
        );
        self
    }

    /// Its standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON: {error}: {self:?}"))
    }
}

/// A process of ours. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    folder: TempDir,
}

impl Program {
    /// Starts the binary with these arguments and this standard input.
    pub(crate) fn start(arguments: &[&str], input: &str) -> Self {
        Self::start_in(arguments, input, &[])
    }

    /// The same, with variables in its environment.
    pub(crate) fn start_in(arguments: &[&str], input: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for its output");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("in"), input).unwrap();
        let child = binary()
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(File::open(path("in")).unwrap())
            .stdout(File::create(path("out")).unwrap())
            .stderr(File::create(path("err")).unwrap())
            .spawn()
            .expect("the binary runs");
        Self { child, folder }
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has said on standard output so far.
    pub(crate) fn out(&self) -> String {
        read(&self.folder.path().join("out"))
    }

    /// What it has said on standard error so far.
    pub(crate) fn err(&self) -> String {
        read(&self.folder.path().join("err"))
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self, limit: Duration) -> Ran {
        let status = wait(&mut self.child, limit)
            .await
            .unwrap_or_else(|| panic!("it goes on after {limit:?}: {}{}", self.out(), self.err()));
        Ran {
            status,
            out: self.out(),
            err: self.err(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary to its end.
pub(crate) async fn run(arguments: &[&str], input: &str) -> Ran {
    Program::start(arguments, input).ended(SOON * 2).await
}

/// The binary, without what the environment of the tests says to it.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_domesday"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("DOMESDAY_") || name.starts_with("RUST_LOG") {
            command.env_remove(&*name);
        }
    }
    command.env("NO_COLOR", "1");
    command
}

/// Waits until a child has ended; none where it has not within `limit`.
pub(crate) async fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return Some(status);
        }
        if Instant::now() > deadline {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends a signal to a child that has not been waited for, so that its number is still its own.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .stdin(Stdio::null())
        .status();
    assert!(sent.expect("kill runs").success(), "kill -s {name}");
}

/// A file as text; empty where there is none.
pub(crate) fn read(path: &Path) -> String {
    let bytes = std::fs::read(PathBuf::from(path)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
