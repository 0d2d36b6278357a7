//! A broker for a test: a shared one with a namespace of the test's own, or a private node.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use domesday::broker::Config;
use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use tempfile::TempDir;
use uuid::Uuid;

use super::certificates::{Identity, free_port};

/// The URL of a broker that the tests may share; unset, each test starts its own.
const SHARED: &str = "DOMESDAY_TEST_BROKER_URL";

/// A broker, and a namespace on it that nobody else uses. Dropped, it leaves nothing behind.
pub(crate) struct TestBroker {
    url: String,
    namespace: String,
    node: Option<TempDir>,
    /// Whether another cleans up.
    is_view: bool,
}

impl TestBroker {
    /// The shared broker if there is one, else a private node.
    pub(crate) fn get() -> Self {
        match std::env::var(SHARED) {
            Ok(url) => Self::at(&url),
            Err(_) => Self::private(),
        }
    }

    /// A node of this test's own, which it may stop, kill and starve.
    pub(crate) fn private() -> Self {
        Self::private_with(&[])
    }

    /// The same, without streams: the flags that a node enables at its first start are all but theirs.
    pub(crate) fn without_streams() -> Self {
        let flags = "quorum_queue,implicit_default_bindings,virtual_host_metadata,maintenance_mode_status,user_limits";
        Self::private_with(&[("RABBITMQ_FEATURE_FLAGS", flags)])
    }

    /// A node of this test's own that speaks TLS on another port, with the certificate of `broker`, asks clients for one
    /// of `ca`, and lets in by password and by certificate. Gives the node, and the URL of that port without a user.
    pub(crate) fn private_with_tls(ca: &Path, broker: &Identity) -> (Self, String) {
        let port = free_port();
        let (certificate, key) = (&broker.certificate, &broker.key);
        let settings = format!(
            "loopback_users.guest = true\n\
             listeners.ssl.1 = 127.0.0.1:{port}\n\
             ssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\n\
             ssl_options.verify = verify_peer\n\
             ssl_options.fail_if_no_peer_cert = false\n\
             auth_mechanisms.1 = PLAIN\n\
             auth_mechanisms.2 = EXTERNAL\n\
             ssl_cert_login_from = common_name\n",
            ca.display(),
            certificate.display(),
            key.display()
        );
        let files = [
            ("rabbitmq.conf", settings.as_str()),
            ("enabled_plugins", "[rabbitmq_auth_mechanism_ssl].\n"),
        ];
        let node = Self::private_from(&files, &[]);
        (node, format!("amqps://localhost:{port}/%2f"))
    }

    /// A namespace on a broker that somebody else started and ends.
    pub(crate) fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            namespace: namespace(),
            node: None,
            is_view: false,
        }
    }

    /// The same broker and namespace as another user reaches them.
    pub(crate) fn seen_by(&self, user: &str, password: &str, virtual_host: &str) -> Self {
        let (_, place) = self.url.split_once('@').expect("a user in the URL");
        let (place, _) = place.rsplit_once('/').expect("a virtual host in the URL");
        Self {
            url: format!("amqp://{user}:{password}@{place}/{virtual_host}"),
            namespace: self.namespace.clone(),
            node: None,
            is_view: true,
        }
    }

    fn private_with(variables: &[(&str, &str)]) -> Self {
        Self::private_from(&[], variables)
    }

    fn private_from(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        let node = tempfile::Builder::new()
            .prefix("domesday-broker-")
            .tempdir()
            .expect("a folder for the node");
        for (name, content) in files {
            std::fs::write(node.path().join(name), content).expect("written");
        }
        let url = run_in("start", node.path(), &[], variables).unwrap_or_else(|failure| panic!("{failure}"));
        Self {
            url,
            namespace: namespace(),
            node: Some(node),
            is_view: false,
        }
    }

    /// Settings for this broker and namespace. The heartbeat is short: a test has no time for silence.
    pub(crate) fn config(&self) -> Config {
        Config {
            url: self.url.clone(),
            namespace: self.namespace.clone(),
            heartbeat_s: 5,
            ..Config::default()
        }
    }

    /// Its URL, with user and password.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Stops the node in good order.
    pub(crate) fn stop(&self) {
        script("stop", self.folder(), &[]);
    }

    /// Ends the node as a crash would.
    pub(crate) fn kill(&self) {
        script("kill", self.folder(), &[]);
    }

    /// Starts the node again, on the same port, with what it stored.
    pub(crate) fn start(&self) {
        assert_eq!(script("start", self.folder(), &[]), self.url);
    }

    /// Runs rabbitmqctl on the node and gives its output.
    pub(crate) fn rabbitmqctl(&self, arguments: &[&str]) -> String {
        script("ctl", self.folder(), arguments)
    }

    /// A bare AMQP channel, for what a domesday never does, and its connection, which must outlive it.
    pub(crate) async fn amqp(&self) -> (lapin::Connection, lapin::Channel) {
        let connection = lapin::Connection::connect(&self.url, lapin::ConnectionProperties::default())
            .await
            .expect("a bare connection");
        let channel = connection.create_channel().await.expect("a bare channel");
        (connection, channel)
    }

    /// How many messages lie in a queue and are with nobody.
    pub(crate) async fn ready(&self, queue: &str) -> u32 {
        let (_connection, channel) = self.amqp().await;
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let found = channel.queue_declare(queue.into(), passive, FieldTable::default());
        found.await.expect("the queue is there").message_count()
    }

    fn folder(&self) -> &Path {
        let node = self.node.as_ref();
        node.expect("only a private node can be operated").path()
    }

    async fn delete_all(&self) {
        let (_connection, channel) = self.amqp().await;
        let mut names = vec!["commands", "questions", "events", "changes", "control", "dead"];
        // Those of the tests that have no stream.
        names.extend(["changes.dr-1", "changes.reporting"]);
        for name in names {
            let name = format!("{}.{name}", self.namespace);
            // Deleting what is not there succeeds.
            let _ = channel
                .queue_delete(name.as_str().into(), QueueDeleteOptions::default())
                .await;
            let _ = channel
                .exchange_delete(name.as_str().into(), ExchangeDeleteOptions::default())
                .await;
        }
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        if let Some(node) = &self.node {
            // A failed stop must not hide why the test failed.
            let _ = run("stop", node.path(), &[]);
            return;
        }
        if self.is_view {
            return;
        }
        // Another thread, since the test's own is within a runtime.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let limit = Duration::from_secs(10);
                if let Ok(runtime) = runtime {
                    let _ = runtime.block_on(async { tokio::time::timeout(limit, self.delete_all()).await });
                }
            });
        });
    }
}

/// Waits until `condition` holds, at most `limit`.
pub(crate) async fn eventually(what: &str, limit: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn namespace() -> String {
    format!("t-{}", Uuid::now_v7().simple())
}

pub(super) fn script(action: &str, folder: &Path, arguments: &[&str]) -> String {
    run(action, folder, arguments).unwrap_or_else(|failure| panic!("{failure}"))
}

pub(super) fn run(action: &str, folder: &Path, arguments: &[&str]) -> Result<String, String> {
    run_in(action, folder, arguments, &[])
}

fn run_in(
    action: &str,
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<String, String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("script/broker");
    let output = Command::new(path)
        .arg(action)
        .arg(folder)
        .args(arguments)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("script/broker did not run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!(
        "script/broker {action} failed with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}
