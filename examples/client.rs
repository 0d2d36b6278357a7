//! A client in Rust (lapin alone): a copy of the register that proves itself, a command and its reply, and events.
//!
//! `DOMESDAY_BROKER_URL=amqp://localhost cargo run --example client`

#![allow(clippy::print_stdout, reason = "to print is what an example is for")]
#![allow(
    clippy::indexing_slicing,
    reason = "serde_json gives null for what is not there"
)]

use std::collections::{BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions as Consume, BasicPublishOptions, BasicQosOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_mins(1);
const REPLIES: &str = "amq.rabbitmq.reply-to";

/// The copy: revision, document and members of each entity, by type and id; and how far it has come.
struct Register {
    channel: Channel,
    namespace: String,
    queue: String,
    messages: Consumer,
    replies: Consumer,
    held: HashMap<String, (u64, Value, BTreeSet<String>)>,
    cursor: Value,
}

impl Register {
    async fn connect(connection: &Connection, namespace: String) -> Outcome<Self> {
        let channel = connection.create_channel().await?;
        channel.basic_qos(256, BasicQosOptions::default()).await?;
        // Bound before anything is asked, so that nothing falls through in between.
        let exclusive = QueueDeclareOptions {
            exclusive: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel
            .queue_declare("".into(), exclusive, FieldTable::default())
            .await?;
        let (queue, events) = (queue.name().clone(), format!("{namespace}.events"));
        let bind = channel.queue_bind(
            queue.clone(),
            events.into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bind.await?;
        let direct = Consume {
            no_ack: true,
            ..Consume::default()
        };
        let replies = channel.basic_consume(REPLIES.into(), "replies".into(), direct, FieldTable::default());
        let messages = channel.basic_consume(
            queue.clone(),
            "events".into(),
            Consume::default(),
            FieldTable::default(),
        );
        let (replies, messages) = (replies.await?, messages.await?);
        let (queue, held, cursor) = (queue.to_string(), HashMap::new(), Value::Null);
        Ok(Self {
            channel,
            namespace,
            queue,
            messages,
            replies,
            held,
            cursor,
        })
    }

    async fn send(&self, exchange: &str, kind: &str, body: &Value, reply_to: &str) -> Outcome<()> {
        // A command that is sent again with the same id is not executed twice.
        let properties = BasicProperties::default()
            .with_type(kind.into())
            .with_message_id(uuid::Uuid::now_v7().to_string().into())
            .with_reply_to(reply_to.into())
            .with_content_type("application/json".into());
        let (exchange, body) = (format!("{}.{exchange}", self.namespace), body.to_string());
        let options = BasicPublishOptions::default();
        self.channel
            .basic_publish(exchange.into(), kind.into(), options, body.as_bytes(), properties)
            .await?;
        Ok(())
    }

    /// Sends a command; one at a time, so that the next reply is its own.
    async fn command(&mut self, kind: &str, args: Value) -> Outcome<Value> {
        self.send("commands", kind, &json!({ "args": args }), REPLIES)
            .await?;
        let reply = tokio::time::timeout(PATIENCE, self.replies.next()).await?;
        Ok(serde_json::from_slice(&reply.ok_or("no more replies")??.data)?)
    }

    async fn next(&mut self) -> Outcome<(String, Value)> {
        let message = tokio::time::timeout(PATIENCE, self.messages.next()).await?;
        let message = message.ok_or("the queue is gone")??;
        message.acker.ack(BasicAckOptions::default()).await?;
        let kind = message.properties.kind().clone().unwrap_or_default();
        Ok((kind.to_string(), serde_json::from_slice(&message.data)?))
    }

    /// The sum modulo 2^256 of the hashes, one byte after the other from the last.
    fn prove(&self, digest: &Value) -> Outcome<()> {
        let mut sum = [0_u8; 32];
        for (key, (revision, ..)) in &self.held {
            let mut carry = 0;
            let hash = Sha256::digest(format!("{key}\0{revision}"));
            for (digit, more) in sum.iter_mut().zip(hash).rev() {
                let total = u16::from(*digit) + u16::from(more) + carry;
                (*digit, carry) = (total.to_le_bytes()[0], total >> 8);
            }
        }
        let ours = sum
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        if *digest == ours {
            Ok(())
        } else {
            Err("the copy is not the register".into())
        }
    }

    async fn sync(&mut self) -> Outcome<()> {
        let args = if self.cursor.is_null() {
            json!({})
        } else {
            json!({ "cursor": self.cursor })
        };
        self.send("questions", "sync", &json!({ "args": args }), &self.queue)
            .await?;
        let (mut back, mut seen, mut begin) = (Vec::new(), HashSet::new(), Value::Null);
        loop {
            let (kind, body) = self.next().await?;
            let key = key(&kind, &body);
            match kind.as_str() {
                // `unavailable`: ask again in a few seconds
                "reply" => return Err(body["problem"]["detail"].to_string().into()),
                "sync.begin" => begin = body,
                "sync.end" => {
                    if begin["verdict"] != "ok" {
                        self.held.retain(|key, _| seen.contains(key));
                    }
                    self.cursor = json!({"cluster": body["cluster"], "epoch": body["epoch"], "sequence": body["sequence"]});
                    self.prove(&body["digest"])?;
                    break;
                }
                "environment.members.state" => self.held.entry(key).or_default().2.extend(members(&body)),
                "environment.state" | "resource.state" => {
                    seen.insert(key.clone());
                    let held = (number(&body, "revision"), body["data"].clone(), BTreeSet::new());
                    self.held.insert(key, held);
                }
                // A missed event of ours, or a live one, which has to wait: a state must not overwrite it.
                _ if begin["verdict"] == "ok" && number(&body, "sequence") <= number(&begin, "sequence") => {
                    self.apply(&body);
                }
                _ => back.push(body),
            }
        }
        for event in &back {
            if !self.event(event) {
                return Box::pin(self.sync()).await;
            }
        }
        Ok(())
    }

    /// Takes an event or a bookmark in; false where something was missed.
    fn event(&mut self, event: &Value) -> bool {
        let counts = u64::from(event.get("revision").is_some());
        let (ours, theirs) = (number(&self.cursor, "sequence"), number(event, "sequence"));
        if event["epoch"] != self.cursor["epoch"] || theirs > ours + counts {
            return false;
        }
        // What is not above is delivered again.
        if theirs > ours {
            self.apply(event);
        }
        true
    }

    fn apply(&mut self, event: &Value) {
        let Some(kind) = event.get("revision").and(event["type"].as_str()) else {
            return;
        };
        let key = key(kind, event);
        let held = self.held.entry(key.clone()).or_default();
        held.0 = number(event, "revision");
        match kind.rsplit('.').next() {
            Some("removed") => drop(self.held.remove(&key)),
            Some("linked") => held.2.extend(members(event)),
            Some("unlinked") => members(event).for_each(|id| _ = held.2.remove(&id)),
            _ => held.1 = event["data"].clone(),
        }
        self.cursor["sequence"] = event["sequence"].clone();
    }
}

fn key(kind: &str, body: &Value) -> String {
    let entity = kind.split('.').next().unwrap_or_default();
    format!("{entity}\0{}", body["id"].as_str().unwrap_or_default())
}

fn number(body: &Value, name: &str) -> u64 {
    body[name].as_u64().unwrap_or_default()
}

fn members(body: &Value) -> impl Iterator<Item = String> {
    let ids = body["data"]["resources"].as_array().into_iter().flatten();
    ids.filter_map(|id| id.as_str().map(str::to_owned))
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let url = variable("DOMESDAY_BROKER_URL", "amqp://localhost");
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let mut register = Register::connect(&connection, variable("DOMESDAY_NAMESPACE", "domesday")).await?;
    register.sync().await?;
    println!(
        "copy proved: {} entities at sequence {}",
        register.held.len(),
        register.cursor["sequence"]
    );
    let put =
        json!({"id": "example-rust", "kind": "example", "description": uuid::Uuid::now_v7().to_string()});
    let reply = register.command("resource.put", put).await?;
    println!("reply: {}", reply["outcome"].as_str().unwrap_or_default());
    let reply = register
        .command("resource.remove", json!({"id": "example-rust"}))
        .await?;
    println!("reply: {}", reply["outcome"].as_str().unwrap_or_default());
    loop {
        let (kind, body) = register.next().await?;
        if !register.event(&body) {
            register.sync().await?;
        } else if body.get("revision").is_some() {
            println!("event: {kind} {}", body["id"].as_str().unwrap_or_default());
        } else if kind == "bookmark"
            && body["sequence"] == register.cursor["sequence"]
            && number(&body, "sequence") >= number(&reply, "sequence")
        {
            register.prove(&body["digest"])?;
            println!("bookmark proved: {} entities", register.held.len());
            return Ok(());
        }
    }
}
