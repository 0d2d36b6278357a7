//! A client that sends whatever it is told to, and holds every reply against its schema.

use std::time::Duration;

use domesday::broker::{Client, Config, Fault, Header, Message, Names};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{SOON, schemas};

/// A connection that commands and questions go over.
pub(crate) struct TestClient {
    client: Client,
    names: Names,
}

impl TestClient {
    pub(crate) async fn connect(config: &Config) -> Self {
        Self::try_connect(config).await.expect("a connection")
    }

    pub(crate) async fn try_connect(config: &Config) -> Result<Self, Fault> {
        Ok(Self {
            client: Client::connect(config, "test client").await?,
            names: config.names()?,
        })
    }

    /// Whether the connection still holds.
    pub(crate) fn is_well(&self) -> bool {
        use futures_util::FutureExt;
        self.client.broken().now_or_never().is_none()
    }

    /// Sends a command, and gives its reply.
    pub(crate) async fn command(&self, kind: &str, body: Value) -> Value {
        self.send(message(kind, &body)).await
    }

    /// Sends a command that must be executed, and gives its reply.
    pub(crate) async fn applied(&self, kind: &str, args: Value) -> Value {
        let reply = self.command(kind, json!({ "args": args })).await;
        assert_eq!(reply["outcome"], "applied", "{kind} {args}: {reply:#}");
        reply
    }

    /// Sends a command that must be refused, and gives the problem.
    pub(crate) async fn refused(&self, kind: &str, body: Value) -> Value {
        let reply = self.command(kind, body).await;
        assert_eq!(reply["outcome"], "rejected", "{reply:#}");
        reply["problem"].clone()
    }

    /// Sends any message to the commands, and gives the reply.
    pub(crate) async fn send(&self, message: Message) -> Value {
        self.try_send(message, SOON).await.expect("a reply")
    }

    /// Sends any message to the commands, and gives the reply if there is one in time.
    pub(crate) async fn try_send(&self, message: Message, patience: Duration) -> Result<Value, Fault> {
        let (kind, correlation) = (message.kind.clone(), message.correlation_id.clone());
        let key = kind.as_deref().unwrap_or("command");
        let exchange = self.names.commands();
        let reply = self.client.request(&exchange, key, message, patience).await?;
        if correlation.is_some() {
            assert_eq!(reply.correlation_id, correlation);
        }
        let body = reply_body(&reply);
        schemas::check("reply", &body);
        if let Some(problem) = body.get("problem") {
            schemas::check("problem", problem);
        }
        Ok(body)
    }

    /// Asks, and gives the answer, which must be one.
    pub(crate) async fn question(&self, kind: &str, body: Value) -> Value {
        let answer = self.ask(kind, body).await;
        assert!(answer.get("problem").is_none(), "{answer:#}");
        answer
    }

    /// Asks what must be refused, and gives the problem.
    pub(crate) async fn no_answer(&self, kind: &str, body: Value) -> Value {
        let answer = self.ask(kind, body).await;
        let problem = answer.get("problem").cloned();
        problem.unwrap_or_else(|| panic!("this is an answer: {answer:#}"))
    }

    /// Asks, and gives the answer or the problem as it came.
    pub(crate) async fn ask(&self, kind: &str, body: Value) -> Value {
        self.try_ask(message(kind, &body), SOON).await.expect("an answer")
    }

    pub(crate) async fn try_question(
        &self,
        kind: &str,
        body: &Value,
        patience: Duration,
    ) -> Result<Value, Fault> {
        let message = Message {
            expiration: Some(patience.as_millis().to_string()),
            ..message(kind, body)
        };
        self.try_ask(message, patience).await
    }

    /// Sends any message to the questions.
    pub(crate) async fn try_ask(&self, message: Message, patience: Duration) -> Result<Value, Fault> {
        let kind = message.kind.clone().unwrap_or_default();
        let exchange = self.names.questions();
        let reply = self.client.request(&exchange, &kind, message, patience).await?;
        let body = reply_body(&reply);
        if let Some(problem) = body.get("problem") {
            schemas::check("question.problem", &body);
            schemas::check("problem", problem);
        } else {
            schemas::check(&format!("{kind}.answer"), &body);
        }
        Ok(body)
    }

    /// The sequence that the server has reached.
    pub(crate) async fn sequence(&self) -> u64 {
        let answer = self.question("ping", json!({})).await;
        answer["as_of"]["sequence"].as_u64().expect("a number")
    }

    /// A search that sees all that was answered up to `reply`, with the ids of what was found.
    pub(crate) async fn find(&self, query: &str, reply: &Value) -> Vec<String> {
        let body = json!({"args": {"query": query}, "at_least": at(reply), "limit": 1000});
        let answer = self.question("search", body).await;
        ids(&answer["items"])
    }
}

/// The position of a reply, as `at_least` takes it.
pub(crate) fn at(reply: &Value) -> Value {
    json!({"epoch": reply["epoch"], "sequence": reply["sequence"]})
}

/// The ids of a list of items.
pub(crate) fn ids(items: &Value) -> Vec<String> {
    let items = items.as_array().expect("a list");
    items.iter().map(|item| text(&item["id"])).collect()
}

/// A value that must be a text.
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not a text"))
        .to_owned()
}

/// A message as a client sends it, with ids of its own.
pub(crate) fn message(kind: &str, body: &Value) -> Message {
    raw(kind, body.to_string().as_bytes())
}

/// The same with any bytes as its body.
pub(crate) fn raw(kind: &str, body: &[u8]) -> Message {
    Message {
        body: body.to_vec(),
        kind: Some(kind.to_owned()),
        message_id: Some(Uuid::now_v7().to_string()),
        correlation_id: Some(Uuid::now_v7().to_string()),
        content_type: Some("application/json".to_owned()),
        persistent: true,
        ..Message::default()
    }
}

/// The same message with a header more.
pub(crate) fn with_header(mut message: Message, name: &str, value: &str) -> Message {
    let value = Header::Text(value.to_owned());
    message.headers.insert(name.to_owned(), value);
    message
}

fn reply_body(reply: &Message) -> Value {
    assert_eq!(reply.kind.as_deref(), Some("reply"));
    assert_eq!(reply.content_type.as_deref(), Some("application/json"));
    assert!(reply.message_id.is_some(), "every reply has an id of its own");
    serde_json::from_slice(&reply.body).expect("JSON")
}
