//! Clients that send commands one after the other, whatever happens to the servers, and write down what they were told.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use domesday::broker::{Config, Message};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::client::{TestClient, message};
use super::dice::Dice;
use super::history::{Sent, Told};

/// How long a client waits for a reply before it sends the command again.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two commands of one client, and before it tries again: enough to leave the machine to the servers.
const PACE: Duration = Duration::from_millis(25);
/// Entities that one client writes to in turn.
const ENTITIES: usize = 8;
/// A client gives a command up at every so manieth failure.
const GIVES_UP: u64 = 3;

/// What all clients of a test have sent.
pub(crate) type History = Arc<Mutex<Vec<Sent>>>;

/// One client.
pub(crate) struct Writer {
    number: usize,
    config: Config,
    client: Option<TestClient>,
    history: History,
    count: usize,
}

impl Writer {
    pub(crate) fn new(number: usize, config: &Config, history: &History) -> Self {
        Self {
            number,
            config: config.clone(),
            client: None,
            history: Arc::clone(history),
            count: 0,
        }
    }

    /// Sends a command again and again, with one message id, until it is answered; gives the reply. It is given up where
    /// `gives_up` says so after it was sent to no avail.
    pub(crate) async fn put(
        &mut self,
        patience: Duration,
        mut gives_up: impl FnMut() -> bool,
    ) -> Option<Value> {
        self.count += 1;
        let id = format!("w{}-{}", self.number, self.count % ENTITIES);
        let args = json!({"id": id, "kind": "vm", "name": format!("n{}", self.count)});
        let message = message("resource.put", &json!({ "args": args }));
        let id = message.message_id.clone().expect("an id");
        let at = {
            let mut history = self.history.lock().unwrap();
            history.push(Sent {
                id,
                at: Instant::now(),
                reply: None,
            });
            history.len() - 1
        };
        loop {
            if let Some(client) = self.connected().await {
                // It is the same command; only the reply is waited for under another name.
                let again = Message {
                    correlation_id: Some(Uuid::now_v7().to_string()),
                    ..message.clone()
                };
                if let Ok(reply) = client.try_send(again, patience).await {
                    self.history.lock().unwrap()[at].reply = Some(told(&reply));
                    return Some(reply);
                }
                if gives_up() {
                    return None;
                }
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// A connection that holds.
    async fn connected(&mut self) -> Option<&TestClient> {
        if !self.client.as_ref().is_some_and(TestClient::is_well) {
            self.client = TestClient::try_connect(&self.config).await.ok();
        }
        self.client.as_ref()
    }
}

fn told(reply: &Value) -> Told {
    let number = |name: &str| reply[name].as_u64().expect("a number");
    Told {
        at: Instant::now(),
        place: (number("epoch"), number("sequence")),
        outcome: reply["outcome"].as_str().expect("a text").to_owned(),
    }
}

/// Several clients at work.
pub(crate) struct Writers {
    history: History,
    stop: watch::Sender<bool>,
    at_work: JoinSet<()>,
}

impl Writers {
    /// Starts so many clients of this broker and namespace.
    pub(crate) fn start(count: usize, config: &Config, seed: u64) -> Self {
        let history = History::default();
        let (stop, stopping) = watch::channel(false);
        let mut at_work = JoinSet::new();
        for number in 1..=count {
            let mut writer = Writer::new(number, config, &history);
            let mut dice = Dice::new(seed + number as u64);
            let stopping = stopping.clone();
            at_work.spawn(async move {
                while !*stopping.borrow() {
                    writer.put(PATIENCE, || dice.below(GIVES_UP) == 0).await;
                    tokio::time::sleep(PACE).await;
                }
            });
        }
        Self {
            history,
            stop,
            at_work,
        }
    }

    /// One more client, which sends only when it is told to.
    pub(crate) fn another(&self, config: &Config) -> Writer {
        Writer::new(0, config, &self.history)
    }

    /// Lets each client finish its last command.
    pub(crate) async fn stop(&mut self) {
        self.stop.send_replace(true);
        while let Some(done) = self.at_work.join_next().await {
            done.expect("a client that met nothing unexpected");
        }
    }

    /// All that was sent so far.
    pub(crate) fn history(&self) -> Vec<Sent> {
        self.history.lock().unwrap().clone()
    }
}
