//! The system under test: the broker, the server, and the peers, each a process that ends with its handle.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "a part of a bench; each uses a part of it"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::manifest::Manifest;
use crate::bench::{Failure, folder};
use crate::peer::client::{Client, Request};
use crate::peer::{NAME, PEER, URL};

/// What the namespace of the other site is called behind the name of the first.
const OTHER_SITE: &str = "-two";

/// The longest wait for a server to come to something, and for one try.
const PATIENCE: Duration = Duration::from_mins(5);
const TRY: Duration = Duration::from_millis(500);

/// Runs a bench on the documents and the broker that there are, or a bare peer where this process is to be one.
pub fn main(bench: impl AsyncFnOnce(&Manifest, &Broker) -> Result<(), Failure>) -> ExitCode {
    match run(bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("the bench failed: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(bench: impl AsyncFnOnce(&Manifest, &Broker) -> Result<(), Failure>) -> Result<(), Failure> {
    if let Some(done) = crate::peer::run_if_told() {
        return done;
    }
    let manifest = Manifest::load()?;
    let Some(broker) = Broker::get()? else {
        println!("skipped: there is no RabbitMQ on this machine");
        return Ok(());
    };
    println!("\n{}; {}\n", manifest.describe(), broker.describe());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(bench(&manifest, &broker))
}

/// The exit code of `script/broker` where there is no `RabbitMQ`.
const NOT_INSTALLED: i32 = 3;

/// A broker, and a namespace on it that nobody else uses.
pub struct Broker {
    pub url: String,
    namespace: String,
    node: Option<TempDir>,
}

impl Broker {
    /// That of `DOMESDAY_TEST_BROKER_URL`, or a private node; none where `RabbitMQ` is not installed.
    pub fn get() -> Result<Option<Self>, Failure> {
        let namespace = format!("bench-{}", uuid::Uuid::now_v7().simple());
        if let Ok(url) = std::env::var("DOMESDAY_TEST_BROKER_URL") {
            return Ok(Some(Self {
                url,
                namespace,
                node: None,
            }));
        }
        let node = folder()?;
        let output = script("start", node.path(), &[])?;
        if output.status.code() == Some(NOT_INSTALLED) {
            return Ok(None);
        }
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(Some(Self {
            url: String::from_utf8(output.stdout)?.trim().to_owned(),
            namespace,
            node: Some(node),
        }))
    }

    /// Another namespace on the same broker.
    pub fn beside(&self) -> Self {
        Self {
            url: self.url.clone(),
            namespace: format!("{}-beside", self.namespace),
            node: None,
        }
    }

    /// Which `RabbitMQ` it is.
    pub fn describe(&self) -> String {
        let version = self.node.as_ref().and_then(|node| {
            let output = script("ctl", node.path(), &["version", "-q"]).ok()?;
            String::from_utf8(output.stdout).ok()
        });
        match version {
            Some(version) => format!("a private RabbitMQ {}", version.trim()),
            None => "the broker of DOMESDAY_TEST_BROKER_URL".to_owned(),
        }
    }

    /// Sends a request again and again, until its answer is enough; gives a client.
    pub async fn until(
        &self,
        request: impl Fn() -> Request,
        enough: impl Fn(&Value) -> bool,
    ) -> Result<Client, Failure> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            // Each with a channel of its own: publishing to an exchange that is not there yet closes it.
            let client = Client::connect(&self.url).await?;
            while let Ok(answer) = client.ask(request(), TRY).await {
                if enough(&answer) {
                    return Ok(client);
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        Err("no such answer came in time".into())
    }

    /// Its number among the processes, where it is ours; that of none where it is not.
    pub fn process(&self) -> String {
        let file = self.node.as_ref().map(|node| node.path().join("pid"));
        let number = file.and_then(|file| std::fs::read_to_string(file).ok());
        number.unwrap_or_default().trim().to_owned()
    }

    fn clean(&self) -> Result<(), Failure> {
        let names =
            ["", "-echo", "-pass-through", OTHER_SITE].map(|peer| format!("{}{peer}", self.namespace));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let connection = crate::peer::connect(&self.url).await?;
            let channel = connection.create_channel().await?;
            for name in names {
                for part in [
                    "",
                    ".commands",
                    ".questions",
                    ".events",
                    ".changes",
                    ".control",
                    ".replica",
                    ".dead",
                ] {
                    // Deleting what is not there succeeds.
                    let name = format!("{name}{part}");
                    let queue = channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default());
                    queue.await?;
                    let exchange =
                        channel.exchange_delete(name.as_str().into(), ExchangeDeleteOptions::default());
                    exchange.await?;
                }
            }
            Ok(())
        })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // What cannot be tidied up must not hide how the bench went.
        let _ = match &self.node {
            Some(node) => script("stop", node.path(), &[]).map(drop),
            None => std::thread::scope(|scope| scope.spawn(|| self.clean()).join().unwrap_or(Ok(()))),
        };
    }
}

fn script(action: &str, folder: &Path, arguments: &[&str]) -> Result<std::process::Output, Failure> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("script/broker");
    let output = Command::new(path)
        .arg(action)
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    Ok(output)
}

/// The real server, on a data directory of its own.
pub struct Server {
    child: Child,
    url: String,
    namespace: String,
    _folder: TempDir,
}

impl Server {
    /// A primary.
    pub fn start(broker: &Broker) -> Result<Self, Failure> {
        Self::start_as(broker, "", &["--primary"], "")
    }

    /// A secondary of the primary, in a namespace of its own.
    pub fn start_secondary(broker: &Broker) -> Result<Self, Failure> {
        let source = format!("[replication.source]\nnamespace = {:?}\n", broker.namespace);
        Self::start_as(broker, OTHER_SITE, &[], &source)
    }

    fn start_as(broker: &Broker, site: &str, flags: &[&str], settings: &str) -> Result<Self, Failure> {
        let namespace = format!("{}{site}", broker.namespace);
        let folder = folder()?;
        let file = folder.path().join("config.toml");
        let text = format!(
            "[broker]\nurl = {url:?}\nnamespace = {namespace:?}\n[store]\ndirectory = \"{directory}\"\n\
             [engine]\nacknowledge = \"confirmed\"\n[telemetry]\nlevel = \"error\"\n\
             [access]\nopen = true\n{settings}",
            url = broker.url,
            directory = folder.path().join("data").display(),
        );
        std::fs::write(&file, text)?;
        let child = program()
            .args(["server", "--config"])
            .arg(&file)
            .args(flags)
            .spawn()?;
        Ok(Self {
            child,
            url: broker.url.clone(),
            namespace,
            _folder: folder,
        })
    }

    /// Its number among the processes.
    pub fn process(&self) -> String {
        self.child.id().to_string()
    }

    /// SIGKILL, as a crash would be.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// A request to the instances of its namespace, or to one of them.
    pub fn control(&self, key: &str, kind: &str, body: &Value) -> Request {
        Request {
            exchange: format!("{}.control", self.namespace),
            routing_key: key.to_owned(),
            kind: kind.to_owned(),
            body: body.to_string().into_bytes(),
            persistent: false,
            is_command: false,
        }
    }

    /// Runs `domesday apply`, and gives what it says.
    pub async fn apply(&self, file: &Path) -> Result<String, Failure> {
        let mut command = program();
        command
            .arg("apply")
            .arg("-f")
            .arg(file)
            .env("DOMESDAY_BROKER_URL", &self.url)
            .env("DOMESDAY_NAMESPACE", &self.namespace);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    pub fn command(&self, kind: &str, body: Vec<u8>) -> Request {
        Request {
            exchange: format!("{}.commands", self.namespace),
            routing_key: kind.to_owned(),
            kind: kind.to_owned(),
            body,
            persistent: true,
            is_command: true,
        }
    }

    pub fn question(&self, kind: &str, args: &Value) -> Request {
        self.question_with(kind, &json!({ "args": args }))
    }

    pub fn question_with(&self, kind: &str, body: &Value) -> Request {
        Request {
            exchange: format!("{}.questions", self.namespace),
            routing_key: kind.to_owned(),
            kind: kind.to_owned(),
            body: body.to_string().into_bytes(),
            persistent: false,
            is_command: false,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_domesday"));
    command.stdin(Stdio::null()).env_remove("DOMESDAY_CONFIG");
    command
}

fn end(child: &mut Child) {
    // Either fails only where it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// A bare peer in a process of its own.
pub struct Peer {
    child: Child,
    name: String,
    is_echo: bool,
}

impl Peer {
    pub fn start(peer: &str, broker: &Broker) -> Result<Self, Failure> {
        let name = format!("{}-{peer}", broker.namespace);
        let child = Command::new(std::env::current_exe()?)
            .env(PEER, peer)
            .env(URL, &broker.url)
            .env(NAME, &name)
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            name,
            is_echo: peer == "echo",
        })
    }

    /// Its number among the processes.
    pub fn process(&self) -> String {
        self.child.id().to_string()
    }

    /// Waits until it answers.
    pub async fn ready(&self, client: &Client) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let asked = client.ask(self.request(b"{}".to_vec()), Duration::from_millis(500));
            if asked.await.is_ok() {
                return Ok(());
            }
        }
        Err(format!("{} does not answer", self.name).into())
    }

    pub fn request(&self, body: Vec<u8>) -> Request {
        Request {
            exchange: String::new(),
            routing_key: self.name.clone(),
            kind: "request".to_owned(),
            body,
            persistent: !self.is_echo,
            is_command: false,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
