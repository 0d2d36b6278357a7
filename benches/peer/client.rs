//! The load: one connection, one channel, direct reply-to; so many requests in flight, or so many a second.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, Consumer};
use serde_json::Value;
use tokio::sync::Mutex;

use super::connect;
use crate::bench::{Failure, Samples};

const REPLIES: &str = "amq.rabbitmq.reply-to";
/// No reply for so long ends the bench.
const SILENCE: Duration = Duration::from_secs(30);

/// A message to send, and where.
#[derive(Debug, Clone)]
pub struct Request {
    pub exchange: String,
    pub routing_key: String,
    pub kind: String,
    pub body: Vec<u8>,
    /// Whether it must survive the broker, as a command must.
    pub persistent: bool,
    /// Whether its reply says that something was applied, or else the bench is wrong.
    pub is_command: bool,
}

/// How one or several rounds went.
#[derive(Debug, Clone, Default)]
pub struct Round {
    pub per_second: Samples,
    pub latency_ms: Samples,
}

impl Round {
    pub fn append(&mut self, other: &Self) {
        self.per_second.append(&other.per_second);
        self.latency_ms.append(&other.latency_ms);
    }
}

/// One who sends requests and awaits the replies.
pub struct Client {
    _connection: Connection,
    channel: Channel,
    replies: Mutex<Consumer>,
    number: Arc<AtomicU64>,
    name: String,
}

impl Client {
    pub async fn connect(url: &str) -> Result<Self, Failure> {
        let connection = connect(url).await?;
        let channel = connection.create_channel().await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let replies = channel
            .basic_consume(REPLIES.into(), "".into(), options, FieldTable::default())
            .await?;
        Ok(Self {
            _connection: connection,
            channel,
            replies: Mutex::new(replies),
            number: Arc::default(),
            name: uuid::Uuid::now_v7().simple().to_string(),
        })
    }

    /// Sends, without waiting for the socket; gives the id that the reply will have.
    fn send(&self, request: Request) -> String {
        let id = format!("{}-{}", self.name, self.number.fetch_add(1, Ordering::Relaxed));
        let Request {
            exchange,
            routing_key,
            kind,
            body,
            persistent,
            is_command: _,
        } = request;
        let properties = BasicProperties::default()
            .with_type(kind.into())
            .with_message_id(id.as_str().into())
            .with_correlation_id(id.as_str().into())
            .with_reply_to(REPLIES.into())
            .with_content_type("application/json".into())
            .with_delivery_mode(if persistent { 2 } else { 1 });
        let channel = self.channel.clone();
        tokio::spawn(async move {
            let options = BasicPublishOptions::default();
            // A failed send shows as a reply that does not come.
            let _ = channel
                .basic_publish(exchange.into(), routing_key.into(), options, &body, properties)
                .await;
        });
        id
    }

    /// Sends one request and awaits its reply.
    pub async fn ask(&self, request: Request, patience: Duration) -> Result<Value, Failure> {
        let mut replies = self.replies.lock().await;
        let id = self.send(request);
        let awaited = async {
            loop {
                let (of, body) = next(&mut replies).await?;
                if of == id {
                    return Ok(serde_json::from_slice(&body)?);
                }
            }
        };
        tokio::time::timeout(patience, awaited)
            .await
            .map_err(|_| "no reply in time")?
    }

    /// Sends all of them, with so many in flight.
    pub async fn run(&self, requests: Vec<Request>, in_flight: usize) -> Result<Round, Failure> {
        let mut replies = self.replies.lock().await;
        let count = requests.len();
        let mut requests = requests.into_iter();
        let mut sent: HashMap<String, (Instant, bool)> = HashMap::with_capacity(in_flight);
        let mut round = Round::default();
        let began = Instant::now();
        while round.latency_ms.len() < count {
            while sent.len() < in_flight
                && let Some(request) = requests.next()
            {
                let (now, is_command) = (Instant::now(), request.is_command);
                sent.insert(self.send(request), (now, is_command));
            }
            let reply = tokio::time::timeout(SILENCE, next(&mut replies)).await;
            let (of, body) = reply.map_err(|_| "no reply in time")??;
            let Some((at, is_command)) = sent.remove(&of) else {
                continue;
            };
            round.latency_ms.add_ms(at.elapsed());
            if is_command && !contains(&body, b"\"applied\"") || contains(&body, b"\"problem\"") {
                return Err(format!("not what was asked for: {}", String::from_utf8_lossy(&body)).into());
            }
        }
        round.per_second.add(count as f64 / began.elapsed().as_secs_f64());
        Ok(round)
    }

    /// Sends so many a second, whether there are replies or not.
    pub async fn paced(&self, requests: Vec<Request>, per_second: u32) {
        let mut replies = self.replies.lock().await;
        let every = Duration::from_secs(1) / per_second;
        let began = Instant::now();
        let mut next_reply = Box::pin(replies.next());
        for (number, request) in (0_u32..).zip(requests) {
            let at = began + every * number;
            loop {
                let wait = tokio::time::sleep_until(at.into());
                tokio::select! {
                    () = wait => break,
                    _ = &mut next_reply => {}
                }
                drop(next_reply);
                next_reply = Box::pin(replies.next());
            }
            self.send(request);
        }
    }
}

async fn next(replies: &mut Consumer) -> Result<(String, Vec<u8>), Failure> {
    let delivery = replies.next().await.ok_or("the connection ended")??;
    let id = delivery.properties.correlation_id().as_ref();
    Ok((id.map(ToString::to_string).unwrap_or_default(), delivery.data))
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}
