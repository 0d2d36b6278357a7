//! Requests of other instances to the one that serves.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::letter::{Letter, changes};
use super::{Claim, Fault, PRIMARY_KEY, Replica};
use crate::broker::{Message, Publisher, Session};
use crate::wire::shape::HandOverBody;

/// Another instance asks this one to stop, and waits for the answer.
pub struct HandOver {
    /// Who asks, and what it holds.
    pub body: HandOverBody,
    /// The request as it came.
    pub request: Message,
}

/// Answers until the session breaks, one request after the other: there are few, and each is small. Whoever asks this
/// instance to stop is handed to `hand_overs`.
pub(super) async fn run(
    replica: &Arc<Replica>,
    session: &Session,
    hand_overs: &mpsc::Sender<HandOver>,
) -> Result<(), Fault> {
    let control = session.names().control();
    let mut requests = session.subscribe(&control, &[PRIMARY_KEY.to_owned()]).await?;
    let publisher = session.publisher().await?;
    while let Some(delivery) = requests.next().await {
        let delivery = delivery?;
        let letter = Letter::read(&delivery.message);
        if let Some(Letter::HandOver(body)) = &letter
            && replica.hands_over_to(body)
        {
            let request = delivery.message.clone();
            delivery.ack().await?;
            // One at a time: while it is done, whoever else asks hears nothing, and asks again.
            let _ = hand_overs.try_send(HandOver {
                body: body.clone(),
                request,
            });
            continue;
        }
        if let Some(queue) = delivery.message.reply_to.clone() {
            let answer = answer(replica, letter.as_ref()).await?;
            reply(&publisher, &queue, &delivery.message, answer).await?;
        }
        delivery.ack().await?;
        if let Some(Letter::Claim(heartbeat)) = letter {
            replica.weigh(Claim::of(&heartbeat))?;
        }
    }
    Ok(())
}

/// The changes that are asked for; where there are none, and for anything else, where this instance is.
async fn answer(replica: &Replica, asked: Option<&Letter>) -> Result<Message, Fault> {
    if let Some(Letter::ChangesGet(body)) = asked {
        let last = replica.engine.committed().borrow().sequence;
        if body.from <= last
            && let Some(parcel) = replica.parcel(body.from, last).await?
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

impl Replica {
    fn hands_over_to(&self, asked: &HandOverBody) -> bool {
        asked.cluster == self.engine.reads().cluster()
            && asked.epoch == self.engine.committed().borrow().epoch
    }
}
