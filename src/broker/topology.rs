//! The exchanges and queues that a server owns: declared, and thereby checked against what is there.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use super::change_log::ChangeLog;
use super::config::{Config, Names};
use super::connection::within;
use super::fault::{Fault, FaultKind};
use super::message::short;

/// Questions that may wait. One that cannot be answered soon is better refused than kept.
const QUESTIONS_MAX_LENGTH: i64 = 10_000;

/// How often a message may be delivered that is only looked at, or whose reader crashed with it.
const UNCOUNTED_DELIVERIES: i64 = 1_000_000;

/// The routing key of what the instance that serves tells those that follow.
pub const CHANGES_KEY: &str = "changes";

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve the namespace: everything in it.
    Serve,
    /// To answer questions. There is no place for commands then, so that whoever sends one is told at once, instead of
    /// waiting for an instance that takes none.
    Answer,
}

impl Purpose {
    fn needs(self, names: &Names, queue: &str) -> bool {
        self == Self::Serve || queue == names.dead() || queue == names.questions()
    }
}

struct QueueSpec {
    name: String,
    /// The exchange that it is bound to.
    exchange: String,
    /// What it takes from there.
    binding: &'static str,
    /// Whether it outlives the broker.
    durable: bool,
    arguments: FieldTable,
}

/// Declares everything, in an order in which nothing can be lost. Declaring what is there already checks it.
pub(super) async fn declare(channel: &Channel, config: &Config, purpose: Purpose) -> Result<(), Fault> {
    let names = config.names()?;
    let limit = config.connect_timeout();
    for (name, kind) in exchanges(&names) {
        exchange(channel, &name, kind, limit).await?;
    }
    let all = queues(&names, config).into_iter().chain(changes(&names, config));
    for spec in all.filter(|spec| purpose.needs(&names, &spec.name)) {
        queue(channel, &spec, limit).await?;
    }
    Ok(())
}

fn exchanges(names: &Names) -> [(String, ExchangeKind); 5] {
    [
        (names.dead(), ExchangeKind::Fanout),
        (names.commands(), ExchangeKind::Topic),
        (names.questions(), ExchangeKind::Topic),
        (names.events(), ExchangeKind::Topic),
        (names.control(), ExchangeKind::Topic),
    ]
}

/// The queue of dead letters comes first: the queue of commands sends to it.
fn queues(names: &Names, config: &Config) -> [QueueSpec; 3] {
    [
        QueueSpec {
            name: names.dead(),
            exchange: names.dead(),
            binding: "#",
            durable: true,
            // When it is full the oldest letter goes: were new ones refused instead, they would pile up in
            // the queue of commands, which keeps each until it is taken, and commands would come to a halt.
            arguments: arguments([
                ("x-queue-type", text("quorum")),
                ("x-max-length", number(config.dead_max_length)),
                ("x-overflow", text("drop-head")),
                // To look at a letter counts as a delivery, and newer brokers drop what was delivered 20 times.
                ("x-delivery-limit", AMQPValue::LongLongInt(UNCOUNTED_DELIVERIES)),
            ]),
        },
        QueueSpec {
            name: names.commands(),
            exchange: names.commands(),
            binding: "#",
            durable: true,
            // At-least-once dead-lettering needs reject-publish, which is also what a client wants: a
            // refusal rather than a silent loss.
            arguments: arguments([
                ("x-queue-type", text("quorum")),
                ("x-single-active-consumer", AMQPValue::Boolean(true)),
                ("x-delivery-limit", number(config.delivery_limit)),
                ("x-dead-letter-exchange", text(&names.dead())),
                ("x-dead-letter-strategy", text("at-least-once")),
                ("x-max-length", number(config.commands_max_length)),
                ("x-overflow", text("reject-publish")),
            ]),
        },
        QueueSpec {
            name: names.questions(),
            exchange: names.questions(),
            binding: "#",
            // Questions need not survive the broker: who asks has a deadline and asks again. And a durable queue of this
            // type could not be declared while the node of a cluster is down that has it, so that nobody would serve.
            durable: false,
            arguments: arguments([
                ("x-queue-type", text("classic")),
                ("x-message-ttl", number(config.question_ttl_ms)),
                ("x-max-length", AMQPValue::LongLongInt(QUESTIONS_MAX_LENGTH)),
                ("x-overflow", text("reject-publish")),
            ]),
        },
    ]
}

/// What keeps the events: bound before anything is published, so that there is always a place for them.
fn changes(names: &Names, config: &Config) -> Vec<QueueSpec> {
    let most = AMQPValue::LongLongInt(i64::try_from(config.changes_max_bytes).unwrap_or(i64::MAX));
    let spec = |name: String, arguments: FieldTable| QueueSpec {
        name,
        exchange: names.events(),
        binding: "#",
        durable: true,
        arguments,
    };
    match config.change_log {
        ChangeLog::Stream => {
            let stream = arguments([
                ("x-queue-type", text("stream")),
                ("x-max-age", text(&config.changes_max_age)),
                ("x-max-length-bytes", most),
            ]);
            vec![
                spec(names.changes(), stream.clone()),
                QueueSpec {
                    name: names.replica(),
                    exchange: names.control(),
                    binding: CHANGES_KEY,
                    durable: true,
                    arguments: stream,
                },
            ]
        }
        ChangeLog::Queues => {
            let queue = |reader: &String| {
                let arguments = arguments([
                    ("x-queue-type", text("quorum")),
                    ("x-max-length-bytes", most.clone()),
                    // Were the newest refused instead, one reader that is away would hold up the register for all. What
                    // is dropped is a hole, which its reader notices and heals by a sync.
                    ("x-overflow", text("drop-head")),
                    // A second consumer would break the order; so it stands by.
                    ("x-single-active-consumer", AMQPValue::Boolean(true)),
                    ("x-delivery-limit", AMQPValue::LongLongInt(UNCOUNTED_DELIVERIES)),
                ]);
                spec(names.change_queue(reader), arguments)
            };
            config.change_queues.iter().map(queue).collect()
        }
    }
}

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind, limit: Duration) -> Result<(), Fault> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let called = short("an exchange's name", name)?;
    let declared = channel.exchange_declare(called, kind, options, FieldTable::default());
    let doing = format!("the declaration of exchange `{name}`");
    within(limit, &doing, declared)
        .await
        .map_err(|fault| mismatch(fault, "exchange", name, "delete it"))
}

async fn queue(channel: &Channel, spec: &QueueSpec, limit: Duration) -> Result<(), Fault> {
    let name = &spec.name;
    let options = QueueDeclareOptions {
        durable: spec.durable,
        ..QueueDeclareOptions::default()
    };
    let called = short("a queue's name", name)?;
    let declared = channel.queue_declare(called.clone(), options, spec.arguments.clone());
    let doing = format!("the declaration of queue `{name}`");
    let remedy = format!("delete it when it is empty (rabbitmqctl delete_queue {name})");
    within(limit, &doing, declared)
        .await
        .map_err(|fault| mismatch(fault, "queue", name, &remedy))?;
    let bound = channel.queue_bind(
        called,
        short("an exchange's name", &spec.exchange)?,
        spec.binding.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    let doing = format!("the binding of queue `{name}` to exchange `{}`", spec.exchange);
    within(limit, &doing, bound).await
}

/// Takes away what binds the queue of commands to its exchange; the queue stays, with what is in it.
pub(super) async fn unbind_commands(channel: &Channel, names: &Names, limit: Duration) -> Result<(), Fault> {
    let name = names.commands();
    let unbound = channel.queue_unbind(
        short("a queue's name", &name)?,
        short("an exchange's name", &name)?,
        "#".into(),
        FieldTable::default(),
    );
    within(
        limit,
        &format!("taking queue `{name}` from its exchange"),
        unbound,
    )
    .await
}

/// Says more of a declaration that the broker found at odds with what is there.
fn mismatch(fault: Fault, what: &str, name: &str, remedy: &str) -> Fault {
    let said = fault.to_string();
    // A durable queue whose members are not up. It mostly comes back, so trying again can help. But a stream
    // of 3.10 whose broker was killed within minutes of its first start does not.
    if fault.kind() == FaultKind::Missing {
        let hint = format!("if it stays down while the broker is up, {remedy}");
        return Fault::new(FaultKind::Missing, format!("{said}: {hint}"));
    }
    // The broker ends the connection over it, as if trying again could help.
    if said.contains("feature flag is disabled") {
        return Fault::new(FaultKind::Mismatch, without_feature(what, name, &said));
    }
    if fault.kind() != FaultKind::Mismatch {
        return fault;
    }
    if !said.contains("inequivalent") {
        let hint = "domesday needs RabbitMQ 3.10 or later with all stable feature flags enabled";
        return Fault::new(FaultKind::Mismatch, format!("{said}: {hint}"));
    }
    Fault::new(
        FaultKind::Mismatch,
        format!(
            "{what} `{name}` exists with other settings: {said}: {remedy}, or set broker.namespace to another name"
        ),
    )
}

/// What to do where the broker could make such a queue and is told not to.
fn without_feature(what: &str, name: &str, said: &str) -> String {
    if said.contains("rabbit_stream_queue") {
        return format!(
            "{what} `{name}` cannot be made, since the broker has its streams switched off: enable them \
             (rabbitmqctl enable_feature_flag stream_queue), or set broker.change_log to \"queues\" and name the readers \
             of events in broker.change_queues: {said}"
        );
    }
    format!(
        "{what} `{name}` cannot be made, since the broker has a feature switched off: enable all stable ones \
         (rabbitmqctl enable_feature_flag all): {said}"
    )
}

fn arguments<const N: usize>(pairs: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in pairs {
        table.insert(key.into(), value);
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn number(value: u32) -> AMQPValue {
    AMQPValue::LongLongInt(i64::from(value))
}
