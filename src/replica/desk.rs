//! Requests of other instances to the one that serves.

use std::sync::Arc;

use super::letter::{CHANGES_GET, changes};
use super::{Fault, PRIMARY_KEY, Replica};
use crate::broker::{Message, Publisher, Session};
use crate::wire;
use crate::wire::shape::ChangesGetBody;

/// Answers until the session breaks, one request after the other: there are few, and each is small.
pub(super) async fn run(replica: &Arc<Replica>, session: &Session) -> Result<(), Fault> {
    let control = session.names().control();
    let mut requests = session.subscribe(&control, &[PRIMARY_KEY.to_owned()]).await?;
    let publisher = session.publisher().await?;
    while let Some(delivery) = requests.next().await {
        let delivery = delivery?;
        if let Some(queue) = delivery.message.reply_to.clone() {
            let answer = answer(replica, &delivery.message).await?;
            reply(&publisher, &queue, &delivery.message, answer).await?;
        }
        delivery.ack().await?;
    }
    Ok(())
}

/// The changes that are asked for; where there are none, and for anything else, where this instance is.
async fn answer(replica: &Replica, request: &Message) -> Result<Message, Fault> {
    if request.kind.as_deref() == Some(CHANGES_GET)
        && let Ok(ChangesGetBody { from }) = wire::from_bytes(&request.body)
    {
        let last = replica.engine.committed().borrow().sequence;
        if from <= last
            && let Some(parcel) = replica.parcel(from, last).await?
        {
            return Ok(changes(parcel));
        }
    }
    Ok(replica.heartbeat().await?.message())
}

async fn reply(publisher: &Publisher, queue: &str, request: &Message, answer: Message) -> Result<(), Fault> {
    let answer = Message {
        correlation_id: request.correlation_id.clone(),
        persistent: false,
        ..answer
    };
    // Whoever asked asks again where it gets no answer.
    drop(publisher.send("", queue, &answer, false).await?);
    Ok(())
}
