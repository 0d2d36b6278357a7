//! The register as a reader of events sees it: a sync and its messages, and commands at random to fill it.

use std::collections::{BTreeMap, BTreeSet};

use domesday::broker::{Client, Config, Consumer};
use domesday::domain::{Digest, EntityKey, EntityType, Id};
use serde_json::{Value, json};

use super::client::{TestClient, message, text};
use super::{SOON, schemas};

/// Entities by type and id: revision, document, members.
pub(crate) type State = BTreeMap<(String, String), (u64, Value, BTreeSet<String>)>;

/// One who asks for syncs.
pub(crate) struct Reader {
    client: Client,
    questions: String,
}

/// The messages of one sync, each held against its schema.
pub(crate) struct Sync {
    pub(crate) begin: Value,
    pub(crate) messages: Vec<(String, Value)>,
    pub(crate) end: Value,
}

impl Reader {
    pub(crate) async fn connect(config: &Config) -> Self {
        Self {
            client: Client::connect(config, "test reader").await.expect("a client"),
            questions: config.names().unwrap().questions(),
        }
    }

    /// Asks for a sync to a queue.
    pub(crate) async fn ask(&self, args: &Value, queue: &str) {
        let mut question = message("sync", &json!({ "args": args }));
        question.reply_to = Some(queue.to_owned());
        question.persistent = false;
        let sent = self.client.publish(&self.questions, "sync", &question, SOON);
        sent.await.expect("the broker has the question");
    }

    /// Asks, and gathers what comes.
    pub(crate) async fn sync(&self, args: Value) -> Sync {
        let mut inbox = self.client.inbox().await.expect("an inbox");
        self.ask(&args, inbox.queue()).await;
        gather(&mut inbox).await
    }

    /// The whole register as of now.
    pub(crate) async fn state(&self) -> State {
        self.sync(json!({})).await.state()
    }
}

/// Takes the messages of one sync up to its end.
pub(crate) async fn gather(inbox: &mut Consumer) -> Sync {
    let mut begin = None;
    let mut messages = Vec::new();
    loop {
        let (kind, body) = next(inbox).await;
        match kind.as_str() {
            "sync.begin" => begin = Some(body),
            "sync.end" => {
                let begin = begin.expect("a beginning before the end");
                let end = body;
                return Sync { begin, messages, end };
            }
            _ => messages.push((kind, body)),
        }
    }
}

/// The next message: its type and its body.
pub(crate) async fn next(inbox: &mut Consumer) -> (String, Value) {
    let delivery = tokio::time::timeout(SOON, inbox.next())
        .await
        .expect("a message in time")
        .expect("an open queue")
        .expect("a delivery");
    let kind = delivery.message.kind.clone().expect("a type");
    let body: Value = serde_json::from_slice(&delivery.message.body).expect("JSON");
    if kind != "reply" {
        schemas::check(&kind, &body);
    }
    delivery.ack().await.expect("acknowledged");
    (kind, body)
}

impl Sync {
    /// The state that the messages say.
    pub(crate) fn state(&self) -> State {
        let mut state = State::new();
        for (kind, body) in &self.messages {
            let key = (kind.split('.').next().unwrap().to_owned(), text(&body["id"]));
            if kind == "environment.members.state" {
                let members = body["data"]["resources"].as_array().unwrap().iter().map(text);
                state
                    .get_mut(&key)
                    .expect("its environment first")
                    .2
                    .extend(members);
            } else {
                let revision = body["revision"].as_u64().unwrap();
                state.insert(key, (revision, body["data"].clone(), BTreeSet::new()));
            }
        }
        state
    }

    /// The cursor that its end is.
    pub(crate) fn cursor(&self) -> Value {
        json!({
            "cluster": self.end["cluster"],
            "epoch": self.end["epoch"],
            "sequence": self.end["sequence"],
        })
    }
}

/// The digest of a state, as the contract says it.
pub(crate) fn digest(state: &State) -> String {
    let mut digest = Digest::default();
    for ((entity, id), (revision, ..)) in state {
        let entity = EntityType::parse(entity).unwrap();
        let id = Id::parse(id).unwrap();
        digest.add(&EntityKey { entity, id }, *revision);
    }
    digest.to_string()
}

/// Fills the register with so many resources, in one transaction.
pub(crate) async fn fill(client: &TestClient, count: usize) {
    let commands: Vec<Value> = (0..count)
        .map(|n| {
            json!({"type": "resource.put", "args": {
                "id": format!("r-{n}"), "kind": "vm", "description": "x".repeat(200),
            }})
        })
        .collect();
    client.applied("batch", json!({ "commands": commands })).await;
}

/// Sends commands that meet each other; those that are refused change nothing, which is fine.
pub(crate) async fn churn(client: &TestClient, mut seed: u64, count: usize) {
    let mut pick = |below: u64| {
        // A linear congruence is random enough, and the same on every machine.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let ids = ["db-1", "web/1", "a:b@c+d", "x", "y", "long-".repeat(39).leak()];
    for n in 0..count {
        let id = ids[usize::try_from(pick(6)).unwrap()];
        let environment = ["lab", "lab/7"][usize::try_from(pick(2)).unwrap()];
        let (kind, args) = match pick(10) {
            0..4 => (
                "resource.put",
                json!({"id": id, "kind": "vm", "name": format!("n{n}"), "attributes": {"z": n, "a": pick(9)}}),
            ),
            4 => (
                "environment.put",
                json!({"id": environment, "name": format!("n{n}")}),
            ),
            5 => ("environment.put", json!({"id": environment, "resources": []})),
            6..8 => (
                "environment.link",
                json!({"environment": environment, "resources": [id]}),
            ),
            8 => ("resource.remove", json!({"id": id, "mode": "detach"})),
            _ => ("resource.restore", json!({"id": id})),
        };
        client.command(kind, json!({ "args": args })).await;
    }
}

/// Documents of noise, which does not shrink: each makes the snapshot larger by about half a megabyte.
pub(crate) async fn noise(client: &TestClient, documents: usize) {
    let mut random = 7_u64;
    for n in 0..documents {
        let mut text = String::new();
        while text.len() < 240_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push(char::from(b'!' + u8::try_from((random >> 40) % 90).unwrap()));
        }
        let args = json!({"id": format!("noise-{n}"), "kind": "vm", "attributes": {"noise": text}});
        client.applied("resource.put", args).await;
    }
}
