//! The instances of a namespace: who is there, and one of them.

use std::time::Duration;

use crate::broker::Message;
use crate::replica::{ALL_KEY, REFUSED, STATUS, STATUS_GET, key_of, request};
use crate::wire;
use crate::wire::shape::{RefusedBody, StatusBody, StatusGetBody};

use super::super::exit::{Exit, Failure};
use super::super::session::{Session, failure, refusal};

/// How long the first instance may take to answer.
const FIRST: Duration = Duration::from_secs(5);
/// How long nothing more may come before those that came are taken for all.
const QUIET: Duration = Duration::from_millis(700);

/// The instances that answer, by name.
///
/// # Errors
/// The broker cannot be reached, nobody answers, or those that answer say no.
pub(super) async fn call(session: &Session) -> Result<Vec<StatusBody>, Failure> {
    let (client, _) = session.client().await?;
    let mut inbox = client.inbox().await.map_err(|fault| failure(&fault))?;
    let request = Message {
        reply_to: Some(inbox.queue().to_owned()),
        ..request(STATUS_GET, wire::to_bytes(&StatusGetBody {}), FIRST)
    };
    let control = session.names().control();
    let sent = client.publish(&control, ALL_KEY, &request, FIRST).await;
    sent.map_err(|fault| failure(&fault))?;
    let (mut all, mut refused) = (Vec::new(), None);
    let mut wait = FIRST;
    while let Ok(Some(delivery)) = tokio::time::timeout(wait, inbox.next()).await {
        let delivery = delivery.map_err(|fault| failure(&fault))?;
        match delivery.message.kind.as_deref() {
            Some(STATUS) => all.push(read::<StatusBody>(&delivery.message)?),
            Some(REFUSED) => refused = Some(read::<RefusedBody>(&delivery.message)?),
            _ => {}
        }
        delivery.ack().await.map_err(|fault| failure(&fault))?;
        wait = QUIET;
    }
    if all.is_empty() {
        if let Some(refused) = refused {
            return Err(refusal(&refused.problem));
        }
        return Err(
            Failure::new(Exit::TryAgain, "no instance of this namespace answers")
                .hint("start `domesday server`, or name its namespace with --namespace"),
        );
    }
    all.sort_by(|one, other| (&one.instance, &one.copy).cmp(&(&other.instance, &other.copy)));
    Ok(all)
}

/// The instance of that name, or the only one that is not serving.
///
/// # Errors
/// There is none, or more than one.
pub(super) async fn find(session: &Session, name: Option<&str>) -> Result<StatusBody, Failure> {
    let all = call(session).await?;
    let named = |status: &&StatusBody| match name {
        Some(name) => status.instance == name || status.copy == name,
        None => status.role == "secondary",
    };
    let mut found = all.iter().filter(named);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => {
            let there: Vec<String> = all
                .iter()
                .map(|status| format!("{} ({})", status.instance, status.role))
                .collect();
            let what = match name {
                Some(name) => format!("no instance is called {name}; there is {}", there.join(", ")),
                None => format!("there is no secondary here, only {}", there.join(", ")),
            };
            Err(Failure::new(Exit::Refused, what).hint(
                "a secondary answers in its own namespace, on its own broker: --namespace and --broker",
            ))
        }
        (Some(_), Some(_)) => Err(Failure::usage("more than one instance could be meant")
            .hint("name one, or its copy: `domesday status --json` shows both")),
    }
}

/// Asks one instance, and gives its answer.
///
/// # Errors
/// The broker cannot be reached, the instance does not answer in time, or it says no.
pub(super) async fn ask<T: serde::de::DeserializeOwned>(
    session: &Session,
    copy: &str,
    kind: &str,
    body: Vec<u8>,
    patience: Duration,
) -> Result<T, Failure> {
    let (client, _) = session.client().await?;
    let (control, key) = (session.names().control(), key_of(copy));
    let answer = client.request(&control, &key, request(kind, body, patience), patience);
    let answer = answer.await.map_err(|fault| failure(&fault))?;
    if answer.kind.as_deref() == Some(REFUSED) {
        let refused: RefusedBody = read(&answer)?;
        return Err(refusal(&refused.problem));
    }
    read(&answer)
}

fn read<T: serde::de::DeserializeOwned>(message: &Message) -> Result<T, Failure> {
    wire::from_bytes(&message.body).map_err(|fault| {
        Failure::new(
            Exit::Internal,
            format!("the answer of an instance cannot be read: {fault}"),
        )
        .hint("client and server may be of different versions: compare `domesday --version`")
    })
}
