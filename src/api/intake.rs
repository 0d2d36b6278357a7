//! Commands: from the queue to the engine, and its receipt back as the reply. The acknowledgement is the last step: a
//! crash before it means that the command comes again, and gets the receipt that it had.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::envelope::{ReturnAddress, incoming, text_headers};
use super::{Api, Fault, until_drained};
use crate::broker::{Delivery, PublishFault, Publisher, Session};
use crate::domain::{Outcome, Position, Problem, ProblemKind, Receipt};
use crate::engine::{Acknowledge, Point};
use crate::wire;

/// How often a reply that the broker refused is sent again before the session is given up.
const REPLY_TRIES: usize = 3;

/// Takes commands until the session breaks, or until draining begins and the last one in flight is answered.
pub(super) async fn run(
    api: &Arc<Api>,
    session: &Session,
    draining: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let queue = session.names().commands();
    let mut consumer = session.consume(&queue, api.prefetch_commands, "commands").await?;
    let publisher = session.publisher().await?;
    until_drained(&mut consumer, draining, async |delivery, answering| {
        take(api, &publisher, delivery, answering).await
    })
    .await
}

/// Hands one command to the engine, in the order of delivery, and leaves the answer to a task of its own. The broker's
/// prefetch bounds how many there are.
async fn take(
    api: &Arc<Api>,
    publisher: &Publisher,
    delivery: Delivery,
    answering: &mut JoinSet<Result<(), Fault>>,
) -> Result<(), Fault> {
    api.fail_at.pass(Point::Taken);
    let headers = text_headers(&delivery.message);
    let incoming = incoming(&delivery, &headers, (api.clock)());
    let parsed = wire::parse_command(&incoming, &api.bounds).and_then(|envelope| {
        // Who may do it nowhere costs no commit, and takes no place among the receipts of others.
        for kind in envelope.step.command.kinds() {
            api.reach(&envelope.actor, kind)?;
        }
        Ok(envelope)
    });
    let address = ReturnAddress::of(&delivery.message, incoming.trace());
    let (api, publisher) = (Arc::clone(api), publisher.clone());
    api.fail_at.pass(Point::Read);
    match parsed {
        Ok(envelope) => {
            let receipt = api.engine.submit(envelope).await?;
            answering.spawn(async move { answer(&api, &publisher, delivery, &address, receipt).await });
        }
        Err(problem) => {
            answering.spawn(async move { refuse(&api, &publisher, delivery, &address, &problem).await });
        }
    }
    Ok(())
}

async fn answer(
    api: &Api,
    publisher: &Publisher,
    delivery: Delivery,
    address: &ReturnAddress,
    receipt: oneshot::Receiver<Receipt>,
) -> Result<(), Fault> {
    // Without a receipt the engine has stopped; the command stays with the broker.
    let Ok(receipt) = receipt.await else {
        return Err(crate::engine::Stopped.into());
    };
    if api.acknowledge == Acknowledge::Confirmed && matches!(receipt.outcome, Outcome::Applied) {
        confirmed(api, receipt.position).await?;
    }
    api.fail_at.pass(Point::BeforeReply);
    let Some(queue) = &address.queue else {
        return match receipt.outcome.problem() {
            Some(problem) => park(publisher, delivery, problem).await,
            None => Ok(delivery.ack().await?),
        };
    };
    let cluster = api.engine.reads().cluster();
    let mut body = wire::render_reply(&receipt, cluster);
    let most = publisher.body_bytes_max();
    // Nothing happened, so it may as well be refused.
    if receipt.would.is_some() && body.len() > most {
        let problem = too_much_to_foretell(body.len(), most);
        body = wire::render_problem_reply(&problem, receipt.position, cluster);
    }
    reply(api, publisher, queue, address, body).await?;
    api.fail_at.pass(Point::Replied);
    delivery.ack().await?;
    api.fail_at.pass(Point::Acknowledged);
    Ok(())
}

fn too_much_to_foretell(bytes: usize, most: usize) -> Problem {
    let detail = format!("what the command would do takes {bytes} bytes to tell, the limit is {most}");
    Problem::new(ProblemKind::LimitExceeded, detail)
        .at("/dry_run")
        .hint("try a part of it: a smaller batch, or one command of it")
}

/// Answers what never became a command, or parks it where nobody waits for an answer.
async fn refuse(
    api: &Api,
    publisher: &Publisher,
    delivery: Delivery,
    address: &ReturnAddress,
    problem: &Problem,
) -> Result<(), Fault> {
    let Some(queue) = &address.queue else {
        return park(publisher, delivery, problem).await;
    };
    let position = *api.engine.committed().borrow();
    let body = wire::render_problem_reply(problem, position, api.engine.reads().cluster());
    reply(api, publisher, queue, address, body).await?;
    Ok(delivery.ack().await?)
}

pub(super) async fn park(publisher: &Publisher, delivery: Delivery, problem: &Problem) -> Result<(), Fault> {
    tracing::warn!(
        queue = delivery.queue(),
        kind = delivery.message.kind.as_deref().unwrap_or(&delivery.routing_key),
        message_id = delivery.message.message_id.as_deref().unwrap_or_default(),
        problem = %problem,
        "refused a message that nobody waits for; it is parked in the dead letters"
    );
    let reason = format!("{}: {problem}", problem.kind.slug());
    publisher
        .park(delivery, &reason)
        .await
        .map_err(|failed| failed.fault.into())
}

/// Waits until the broker has confirmed every change up to this position, as an event and for other instances.
async fn confirmed(api: &Api, position: Position) -> Result<(), Fault> {
    for mut mark in [api.engine.published(), api.engine.shipped()] {
        let reached = mark.wait_for(|sequence| *sequence >= position.sequence).await;
        reached.map_err(|_| crate::engine::Stopped)?;
    }
    Ok(())
}

async fn reply(
    api: &Api,
    publisher: &Publisher,
    queue: &str,
    address: &ReturnAddress,
    body: Vec<u8>,
) -> Result<(), Fault> {
    let message = address.reply(body, (api.clock)());
    let mut tries = 0;
    loop {
        tries += 1;
        let confirmation = publisher.send("", queue, &message, false).await?;
        match confirmation.wait().await {
            Err(PublishFault::Nacked) if tries < REPLY_TRIES => {}
            outcome => return Ok(outcome?),
        }
    }
}
