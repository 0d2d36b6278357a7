//! Requests of other instances to the one that serves.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::beside::Beside;
use super::letter::{Letter, changes};
use super::{Claim, Fault, PRIMARY_KEY, Replica};
use crate::broker::{Message, Publisher, Session};
use crate::wire::shape::HandOverBody;

/// How many instances may wait for a snapshot at a time; whoever comes later hears nothing, and asks again.
const WAITING_MAX: usize = 16;

/// Another instance asks this one to stop, and waits for the answer.
pub struct HandOver {
    /// Who asks, and what it holds.
    pub body: HandOverBody,
    /// The request as it came.
    pub request: Message,
}

/// Answers until the session breaks, one request after the other: there are few, and each is small. A snapshot that has to
/// be made is made beside, one at a time. Whoever asks this instance to stop is handed to `hand_overs`.
pub(super) async fn run(
    replica: &Arc<Replica>,
    session: &Session,
    hand_overs: &mpsc::Sender<HandOver>,
) -> Result<(), Fault> {
    let control = session.names().control();
    let mut requests = session.subscribe(&control, &[PRIMARY_KEY.to_owned()]).await?;
    let publisher = session.publisher().await?;
    let mut making = Beside::default();
    let mut waiting: Vec<Message> = Vec::new();
    loop {
        let delivery = tokio::select! {
            delivery = requests.next() => match delivery {
                Some(delivery) => delivery?,
                None => return Ok(()),
            },
            made = making.finished() => {
                let made: Option<Message> = made?;
                for request in waiting.drain(..) {
                    if let Some(answer) = &made {
                        reply(&publisher, &request, answer.clone()).await?;
                    }
                }
                continue;
            }
        };
        let request = delivery.message.clone();
        delivery.ack().await?;
        match Letter::read(&request) {
            Some(Letter::HandOver(body)) if replica.hands_over_to(&body) => {
                // One at a time: while it is done, whoever else asks hears nothing, and asks again.
                let _ = hand_overs.try_send(HandOver { body, request });
            }
            Some(Letter::SnapshotBegin) => {
                wait(&mut waiting, request);
                if making.is_free() {
                    making.begin(replica.hand_out(&Letter::SnapshotBegin));
                }
            }
            letter => {
                let answer = answer(replica, letter.as_ref()).await?;
                reply(&publisher, &request, answer).await?;
                if let Some(Letter::Claim(heartbeat)) = letter {
                    replica.weigh(Claim::of(&heartbeat))?;
                }
            }
        }
    }
}

/// Who asks while a snapshot is made gets that one; who asks again waits for the answer to the later request only.
fn wait(waiting: &mut Vec<Message>, request: Message) {
    waiting.retain(|earlier| earlier.reply_to != request.reply_to);
    if waiting.len() < WAITING_MAX {
        waiting.push(request);
    }
}

/// The changes that are asked for, or the piece of a snapshot; where there are none, and for anything else, where this
/// instance is.
async fn answer(replica: &Replica, asked: Option<&Letter>) -> Result<Message, Fault> {
    if let Some(Letter::ChangesGet(body)) = asked {
        let last = replica.engine.committed().borrow().sequence;
        if body.from <= last
            && let Some(parcel) = replica.parcel(body.from, last).await?
        {
            return Ok(changes(parcel));
        }
    }
    if let Some(asked) = asked
        && let Some(answer) = replica.hand_out(asked).await?
    {
        return Ok(answer);
    }
    Ok(replica.heartbeat().await?.message())
}

async fn reply(publisher: &Publisher, request: &Message, answer: Message) -> Result<(), Fault> {
    let Some(queue) = &request.reply_to else {
        return Ok(());
    };
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
