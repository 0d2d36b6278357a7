//! A server as a process of its own: the real binary, a real configuration, a data directory, and signals.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::SOON;
use super::broker::{TestBroker, eventually};
use super::client::{TestClient, at};
use super::program::{Program, Ran, binary, read, signal, wait};
use super::proxy::Proxy;

/// A running primary. Dropped, it is killed.
pub(crate) struct TestServer {
    folder: TempDir,
    child: Option<Child>,
    config: domesday::broker::Config,
    role: &'static [&'static str],
}

impl TestServer {
    /// Starts a primary on a new data directory, and waits until it answers.
    pub(crate) async fn start(broker: &TestBroker) -> Self {
        Self::start_with(broker, "").await
    }

    /// The same, with more settings: lines such as `limits.tags_max = 2`.
    pub(crate) async fn start_with(broker: &TestBroker, settings: &str) -> Self {
        let mut server = Self::prepare(broker, settings);
        server.restart().await;
        server
    }

    /// Writes the configuration, and starts nothing yet.
    pub(crate) fn prepare(broker: &TestBroker, settings: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("domesday-server-")
            .tempdir()
            .expect("a folder for the server");
        let config = broker.config();
        let unless_said = |key: &str, line: &'static str| if settings.contains(key) { "" } else { line };
        let name = unless_said("instance.name", "instance.name = 'test'");
        let heartbeat = unless_said("broker.heartbeat_s", "broker.heartbeat_s = 5");
        let open = unless_said("access", "access.open = true");
        let text = format!(
            "broker.url = '{}'\n\
             broker.namespace = '{}'\n\
             {heartbeat}\n\
             broker.reconnect_initial_ms = 50\n\
             broker.reconnect_max_ms = 500\n\
             store.directory = '{}'\n\
             {name}\n\
             {open}\n\
             {settings}\n",
            config.url,
            config.namespace,
            folder.path().join("data").display(),
        );
        std::fs::write(folder.path().join("domesday.toml"), text).expect("written");
        Self {
            folder,
            child: None,
            config,
            role: &["--primary"],
        }
    }

    /// The same, which reaches its broker by another URL.
    pub(crate) fn prepare_at(broker: &TestBroker, url: &str, settings: &str) -> Self {
        let server = Self::prepare(broker, settings);
        let text = read(Path::new(&server.config_file())).replace(broker.url(), url);
        std::fs::write(server.config_file(), text).expect("written");
        server
    }

    /// The same, of a secondary of the instance on `source`.
    pub(crate) fn prepare_secondary(broker: &TestBroker, source: &TestBroker, settings: &str) -> Self {
        let mut server = Self::prepare_beside(broker, source, settings);
        server.role = &[];
        server
    }

    /// The same, of a primary whose other side is on `source`.
    pub(crate) fn prepare_beside(broker: &TestBroker, source: &TestBroker, settings: &str) -> Self {
        let source = source.config();
        let settings = format!(
            "replication.source.url = '{}'\nreplication.source.namespace = '{}'\n{settings}",
            source.url, source.namespace
        );
        Self::prepare(broker, &settings)
    }

    /// Gives the server another broker and namespace, for its next start.
    pub(crate) fn move_to(&mut self, broker: &TestBroker) {
        let config = broker.config();
        let text = read(Path::new(&self.config_file()));
        let text = text
            .replace(&self.config.url, &config.url)
            .replace(&self.config.namespace, &config.namespace);
        std::fs::write(self.config_file(), text).expect("written");
        self.config = config;
    }

    /// Has the server reach a broker by this way, from its next start on.
    pub(crate) fn reach(&self, broker: &TestBroker, way: &Proxy) {
        let text = read(Path::new(&self.config_file()));
        let text = text.replace(broker.url(), way.url());
        std::fs::write(self.config_file(), text).expect("written");
    }

    /// Starts the process, and does not wait for it.
    pub(crate) fn launch(&mut self) {
        self.launch_with(&[]);
    }

    /// Starts the process so that it ends at a point of its way, at the first passing or at the n-th: `point:n`.
    #[cfg(debug_assertions)]
    pub(crate) fn launch_to_fail_at(&mut self, point: &str) {
        self.launch_with(&[("DOMESDAY_FAIL_AT", point)]);
    }

    /// Starts the process with a clock that is so far off: `+1h`, `-1h`. Its waits are as long as ever.
    #[cfg(target_os = "linux")]
    pub(crate) fn launch_with_clock(&mut self, offset: &str) {
        let library = faketime().expect("libfaketime: script/install-deps clock");
        self.launch_with(&[
            ("LD_PRELOAD", &library),
            ("FAKETIME", offset),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ]);
    }

    fn launch_with(&mut self, variables: &[(&str, &str)]) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        let child = binary()
            .arg("server")
            .args(self.role)
            .args(["--config", &self.config_file()])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log again"))
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        self.child = Some(child);
    }

    /// Starts the process on the data directory that is there, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        self.launch();
        self.answers().await;
    }

    /// Waits until the server answers a ping; gives the answer.
    pub(crate) async fn answers(&mut self) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait().expect("a child of ours")
            {
                panic!("the server ended with {status}:\n{}", self.log());
            }
            if let Ok(client) = TestClient::try_connect(&self.config).await {
                while client.is_well() && Instant::now() < deadline {
                    let patience = Duration::from_millis(500);
                    if let Ok(answer) = client.try_question("ping", &json!({}), patience).await {
                        return answer;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            assert!(
                Instant::now() < deadline,
                "the server does not answer:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A client of its own.
    pub(crate) async fn client(&self) -> TestClient {
        TestClient::connect(&self.config).await
    }

    /// Puts a resource of kind `vm`; gives the reply.
    pub(crate) async fn put(&self, id: &str) -> Value {
        let client = self.client().await;
        client
            .applied("resource.put", json!({"id": id, "kind": "vm"}))
            .await
    }

    /// Waits until it has come as far as a reply says; gives its answer to a ping.
    pub(crate) async fn reached(&self, reply: &Value) -> Value {
        let client = self.client().await;
        client.question("ping", json!({"at_least": at(reply)})).await
    }

    /// SIGKILL, as a crash would be.
    pub(crate) async fn kill9(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("killed");
        wait(&mut child, SOON).await.expect("it is gone");
    }

    /// SIGTERM, and how the process ended.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Sends the process a signal, and does not wait.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.as_ref().expect("it runs"), name);
    }

    /// Whether it was started and has not ended by itself.
    pub(crate) fn is_running(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| child.try_wait().expect("a child of ours").is_none())
    }

    /// Waits until the process has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("it runs");
        let ended = wait(child, SOON).await;
        let status = ended.unwrap_or_else(|| panic!("the server goes on:\n{}", read(&self.log_file())));
        self.child = None;
        status
    }

    /// The most memory that the process has had at once, in bytes.
    pub(crate) fn memory_peak(&self) -> u64 {
        let child = self.child.as_ref().expect("it runs");
        let status = read(Path::new(&format!("/proc/{}/status", child.id())));
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<u64>().ok()).expect("Linux tells") * 1024
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for files of the test.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The path of the configuration, which client verbs read too.
    pub(crate) fn config_file(&self) -> String {
        self.folder.path().join("domesday.toml").display().to_string()
    }

    /// What it has logged, over all its runs.
    pub(crate) fn log(&self) -> String {
        read(&self.log_file())
    }

    /// Waits until it has logged these words.
    pub(crate) async fn says(&self, words: &str) {
        eventually(words, SOON, async || self.log().contains(words)).await;
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Starts a client verb that talks to this server.
    pub(crate) fn verb(&self, arguments: &[&str], input: &str) -> Program {
        let file = self.config_file();
        let mut all = arguments.to_vec();
        all.extend(["--config", &file]);
        Program::start(&all, input)
    }

    /// Runs a client verb that talks to this server to its end.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Ran {
        self.verb(arguments, "").ended(SOON * 2).await
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended, and then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            tell(&self.log());
        }
    }
}

/// The last of the log beside the failure of the test.
#[allow(clippy::print_stderr)] // The test runner shows it, and only for a test that failed.
fn tell(log: &str) {
    let lines: Vec<&str> = log.lines().collect();
    let last = lines.iter().skip(lines.len().saturating_sub(40));
    eprintln!("--- the end of the server's log");
    last.for_each(|line| eprintln!("{line}"));
}

/// Where the library is that gives a process another clock.
#[cfg(target_os = "linux")]
fn faketime() -> Option<String> {
    let folders = std::fs::read_dir("/usr/lib")
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = folders.collect();
    folders.extend([PathBuf::from("/usr/lib"), PathBuf::from("/usr/lib64")]);
    let files = folders
        .iter()
        .map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    files
        .filter(|file| file.exists())
        .map(|file| file.display().to_string())
        .next()
}
