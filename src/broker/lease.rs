//! The lease of a namespace: a queue that the broker lets one connection have, and takes back when that ends.

use std::sync::Arc;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use super::connection::{Health, Link, within};
use super::consumer::{Consumer, Subscription};
use super::fault::{Fault, FaultKind};
use super::message::short;
use super::publisher::Limits;

/// That this connection serves the namespace, and no other. It ends with the connection.
#[derive(Debug)]
pub struct Lease {
    consumer: Consumer,
}

impl Lease {
    /// Takes the lease, if no other connection has it.
    pub(super) async fn take(
        link: &Link,
        health: &Arc<Health>,
        limits: Limits,
        queue: &str,
    ) -> Result<Option<Self>, Fault> {
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        // A refusal ends the channel, and nothing but the channel.
        let channel = link.channel().await?;
        let declared = channel.queue_declare(short("a queue's name", queue)?, options, FieldTable::default());
        match within(
            limits.call,
            &format!("the declaration of queue `{queue}`"),
            declared,
        )
        .await
        {
            Ok(_) => {}
            Err(fault) if fault.kind() == FaultKind::Locked => return Ok(None),
            Err(fault) => return Err(fault),
        }
        // A consumer is told when somebody deletes the queue. Without one, the lease would be gone and nobody know it.
        let subscription = Subscription {
            queue,
            tag: "lease",
            prefetch: 1,
            from: None,
            no_ack: false,
        };
        let consumer = Consumer::start(channel, health, limits.call, &subscription).await?;
        Ok(Some(Self { consumer }))
    }

    /// Waits until the lease is lost: the connection has ended, or somebody deleted its queue.
    pub async fn lost(&mut self) -> Fault {
        loop {
            match self.consumer.next().await {
                // Nobody has a reason to write to it.
                Some(Ok(delivery)) => {
                    if let Err(fault) = delivery.ack().await {
                        return fault;
                    }
                }
                Some(Err(fault)) => return fault,
                None => return super::connection::closed(),
            }
        }
    }
}
