//! A client in Rust (lapin alone): a copy of the register that proves itself, a command and its reply, and events.
//!
//! `DOMESDAY_BROKER_URL=amqp://localhost cargo run --example client`

#![allow(clippy::print_stdout, clippy::indexing_slicing)] // It prints, and JSON gives null for what is not there.

use std::{collections::HashMap, env, error::Error, time::Duration};

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions};
use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties, types::FieldTable};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Default)]
struct Copy {
    /// What the register holds, by type and id: `revision`, `document`, `members`.
    held: HashMap<String, Value>,
    /// The epoch and the sequence of the last event that was taken in; none until a sync has ended.
    place: Option<[u64; 2]>,
    /// Live events that wait for the end of the sync: no state may overwrite them.
    waiting: Vec<Value>,
}

impl Copy {
    /// Takes in a message of a sync, an event or a bookmark; false where something was missed.
    fn take(&mut self, kind: &str, body: Value) -> bool {
        let theirs = place(&body);
        match (kind, self.place) {
            ("sync.begin", _) => self.held.clear(),
            ("sync.end", _) => {
                self.prove("copy", &body);
                self.place = Some(theirs);
                let mut waiting = std::mem::take(&mut self.waiting).into_iter();
                return waiting.all(|event| self.take("", event));
            }
            _ if kind.rsplit('.').next() == Some("state") => self.apply(kind, &body),
            (_, None) => self.waiting.push(body),
            (_, Some([epoch, sequence])) => {
                let counts = body.get("revision").is_some();
                if theirs[0] != epoch || theirs[1] > sequence + u64::from(counts) {
                    return false;
                }
                // What is not above was taken in before: it is delivered again.
                if counts && theirs[1] > sequence {
                    self.place = Some(theirs);
                    self.apply(text(&body["type"]), &body);
                    println!("event: {} {}", text(&body["type"]), text(&body["id"]));
                }
            }
        }
        true
    }

    fn apply(&mut self, kind: &str, body: &Value) {
        let (entity, what) = kind.split_once('.').unwrap_or_default();
        let key = format!("{entity}\0{}", text(&body["id"]));
        if what == "removed" {
            return drop(self.held.remove(&key));
        }
        let one = self.held.entry(key).or_default();
        one["revision"] = body["revision"].clone();
        match body["data"]["resources"].as_array() {
            Some(ids) => ids
                .iter()
                .for_each(|id| one["members"][text(id)] = json!(what != "unlinked")),
            None => one["document"] = body["data"].clone(),
        }
    }

    /// The digest is the sum of the hashes modulo 2^256, here in two halves.
    fn prove(&self, what: &str, body: &Value) {
        let half = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        let (mut high, mut low) = (0_u128, 0_u128);
        for (key, one) in &self.held {
            let hash = Sha256::digest(format!("{key}\0{}", one["revision"]));
            let carried;
            (low, carried) = low.overflowing_add(half(&hash[16..]));
            high = high.wrapping_add(half(&hash[..16])).wrapping_add(carried.into());
        }
        assert_eq!(body["digest"], format!("{high:032x}{low:032x}"), "of {what}");
        println!("{what} proved: {} entities", self.held.len());
    }
}

/// The epoch and the sequence.
fn place(body: &Value) -> [u64; 2] {
    ["epoch", "sequence"].map(|name| body[name].as_u64().unwrap_or_default())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let namespace = env::var("DOMESDAY_NAMESPACE").unwrap_or_else(|_| "domesday".to_owned());
    let url = env::var("DOMESDAY_BROKER_URL").unwrap_or_else(|_| "amqp://localhost".to_owned());
    let uri: lapin::uri::AMQPUri = url.parse()?;
    let user = uri.authority.userinfo.username.clone();
    let connection = Connection::connect_uri(uri, ConnectionProperties::default()).await?;
    let (channel, none) = (connection.create_channel().await?, FieldTable::default);
    // One queue for events, syncs and replies. Bound before anything is asked, so that nothing falls through.
    let declared = channel.queue_declare("".into(), QueueDeclareOptions::exclusive(), none());
    let (queue, bind) = (declared.await?.name().clone(), QueueBindOptions::default());
    let events = format!("{namespace}.events").into();
    let bound = channel.queue_bind(queue.clone(), events, "#".into(), bind, none());
    bound.await?;
    let consuming = channel.basic_consume(queue.clone(), "".into(), BasicConsumeOptions::default(), none());
    let mut messages = consuming.await?;
    let send = async |exchange: &str, kind: &str, args: Value| {
        let properties = BasicProperties::default()
            .with_type(kind.into())
            // A command that is sent again with the same id is not executed twice.
            .with_message_id(uuid::Uuid::now_v7().to_string().into())
            .with_reply_to(queue.clone())
            // The broker checks who we are, and rules about who may do what go by it.
            .with_user_id(user.clone().into())
            .with_content_type("application/json".into());
        let (to, options) = (format!("{namespace}.{exchange}"), BasicPublishOptions::default());
        let body = json!({ "args": args }).to_string();
        let sent = channel.basic_publish(to.into(), kind.into(), options, body.as_bytes(), properties);
        sent.await
    };
    let put = json!({"id": "example-rust", "kind": "example", "description": queue.as_str()});
    let (remove, mut copy, mut last) = (json!({"id": "example-rust"}), Copy::default(), None);
    let mut commands = [("resource.put", put), ("resource.remove", remove)].into_iter();
    send("questions", "sync", json!({})).await?;
    loop {
        let message = tokio::time::timeout(Duration::from_mins(1), messages.next()).await?;
        let message = message.ok_or("the queue is gone")??;
        message.acker.ack(BasicAckOptions::default()).await?;
        let kind = message.properties.kind().clone().unwrap_or_default();
        let (kind, body) = (kind.as_str(), serde_json::from_slice::<Value>(&message.data)?);
        let (is_next, here) = (kind == "reply" || kind == "sync.end", place(&body));
        if kind == "reply" {
            // To the sync it has no outcome, but a problem: ask again in a few seconds.
            println!("reply: {}", body["outcome"].as_str().ok_or("no sync now")?);
            last = Some(here);
        } else if kind == "bookmark" && copy.place == Some(here) && last.is_some_and(|last| here >= last) {
            copy.prove("bookmark", &body);
            return Ok(());
        } else if !copy.take(kind, body) {
            copy.place = None;
            send("questions", "sync", json!({})).await?;
        }
        if is_next && let Some((kind, args)) = commands.next() {
            last = None;
            send("commands", kind, args).await?;
        }
    }
}
