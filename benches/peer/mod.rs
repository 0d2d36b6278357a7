//! The bare peers, without a line of domesday: what the client, the broker and lapin allow at most. Each runs in a
//! process of its own, as the server does, with two connections, as the server has.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "a part of a bench; each uses a part of it"
)]

pub mod client;

use std::future::Future;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};

use crate::bench::Failure;

/// Says to this program, started again by itself, which peer to be, on which broker, under which name.
pub const PEER: &str = "DOMESDAY_BENCH_PEER";
pub const URL: &str = "DOMESDAY_BENCH_PEER_URL";
pub const NAME: &str = "DOMESDAY_BENCH_PEER_NAME";

const PREFETCH: u16 = 1_000;
/// What an event holds beside the document that it carries.
const EVENT_BYTES: usize = 400;

/// Is a peer, where this process was started as one.
pub fn run_if_told() -> Option<Result<(), Failure>> {
    let peer = std::env::var(PEER).ok()?;
    Some(be(&peer))
}

fn be(peer: &str) -> Result<(), Failure> {
    let (url, name) = (std::env::var(URL)?, std::env::var(NAME)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match peer {
            "echo" => echo(&url, &name).await,
            _ => pass_through(&url, &name).await,
        }
    })
}

/// Consumes, publishes one event with confirm, replies, acknowledges; any number of messages at the same time.
async fn pass_through(url: &str, name: &str) -> Result<(), Failure> {
    let (consuming, publishing) = (connect(url).await?, connect(url).await?);
    let channel = consuming.create_channel().await?;
    declare_events(&channel, name).await?;
    let dead = format!("{name}.dead");
    let arguments = table(vec![
        ("x-queue-type", text("quorum")),
        ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ("x-delivery-limit", AMQPValue::LongLongInt(10)),
        ("x-dead-letter-exchange", text(&dead)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-max-length", AMQPValue::LongLongInt(1_000_000)),
        ("x-overflow", text("reject-publish")),
    ]);
    let mut consumer = consume(&channel, name, arguments).await?;
    let (events, replies) = (
        publishing.create_channel().await?,
        publishing.create_channel().await?,
    );
    events.confirm_select(ConfirmSelectOptions::default()).await?;
    let exchange = format!("{name}.events");
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery?;
        let (events, replies, exchange) = (events.clone(), replies.clone(), exchange.clone());
        let body = [delivery.data.as_slice(), &[b' '; EVENT_BYTES]].concat();
        let properties = delivery.properties.clone();
        let event = async move {
            let options = BasicPublishOptions {
                mandatory: true,
                ..BasicPublishOptions::default()
            };
            let key = "resource.created".into();
            let sent = events.basic_publish(exchange.into(), key, options, &body, persistent(&properties));
            sent.await?.await
        };
        in_order(event, move |confirmed| async move {
            confirmed?;
            reply(&replies, &delivery.properties, b"{\"outcome\":\"applied\"}").await?;
            delivery.ack(BasicAckOptions::default()).await?;
            Ok(())
        })
        .await;
    }
    Ok(())
}

/// Polls `first` once, so that what it sends is queued in the order of calls, and leaves the rest to a task.
async fn in_order<T, R>(
    first: impl Future<Output = T> + Send + 'static,
    then: impl FnOnce(T) -> R + Send + 'static,
) where
    T: Send + 'static,
    R: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let mut first = Box::pin(first);
    match futures_util::poll!(&mut first) {
        std::task::Poll::Ready(done) => drop(tokio::spawn(then(done))),
        std::task::Poll::Pending => drop(tokio::spawn(async move { then(first.await).await })),
    }
}

/// Sends every message back.
async fn echo(url: &str, name: &str) -> Result<(), Failure> {
    let (consuming, publishing) = (connect(url).await?, connect(url).await?);
    let channel = consuming.create_channel().await?;
    let mut consumer = consume(&channel, name, table(vec![("x-queue-type", text("classic"))])).await?;
    let replies = publishing.create_channel().await?;
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery?;
        reply(&replies, &delivery.properties, &delivery.data).await?;
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

pub async fn connect(url: &str) -> Result<Connection, Failure> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

async fn consume(channel: &Channel, name: &str, arguments: FieldTable) -> Result<Consumer, Failure> {
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(name.into(), durable, arguments).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let consumer = channel.basic_consume(
        name.into(),
        "peer".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    Ok(consumer.await?)
}

/// A topic exchange with a stream bound to it.
async fn declare_events(channel: &Channel, name: &str) -> Result<(), Failure> {
    let exchange = format!("{name}.events");
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(
            exchange.as_str().into(),
            ExchangeKind::Topic,
            durable,
            FieldTable::default(),
        )
        .await?;
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let changes = format!("{name}.changes");
    let arguments = table(vec![
        ("x-queue-type", text("stream")),
        ("x-max-length-bytes", AMQPValue::LongLongInt(5_000_000_000)),
    ]);
    channel
        .queue_declare(changes.as_str().into(), options, arguments)
        .await?;
    channel
        .queue_bind(
            changes.as_str().into(),
            exchange.as_str().into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    Ok(())
}

async fn reply(channel: &Channel, request: &BasicProperties, body: &[u8]) -> Result<(), Failure> {
    let (Some(queue), Some(id)) = (request.reply_to(), request.correlation_id()) else {
        return Err("a request has no way back".into());
    };
    let properties = BasicProperties::default()
        .with_correlation_id(id.clone())
        .with_content_type("application/json".into());
    let sent = channel.basic_publish(
        "".into(),
        queue.clone(),
        BasicPublishOptions::default(),
        body,
        properties,
    );
    sent.await?.await?;
    Ok(())
}

fn persistent(request: &BasicProperties) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(2);
    match request.message_id() {
        Some(id) => properties.with_message_id(id.clone()),
        None => properties,
    }
}

fn table(pairs: Vec<(&str, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in pairs {
        table.insert(key.into(), value);
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}
