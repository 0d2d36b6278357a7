//! What is looked at after a fault: whether commands are answered again, and whether all that was answered is there.

use std::collections::BTreeSet;
use std::time::Duration;

use domesday::broker::Config;
use serde_json::{Value, json};

use super::SOON;
use super::broker::TestBroker;
use super::client::TestClient;
use super::events::{Event, change_log_until};
use super::history::{Happened, Held, Sent, check, digest};
use super::schedule::say;
use super::writers::Writer;

/// How long anything may take until commands are answered again.
pub(crate) const WELL_AGAIN: Duration = Duration::from_mins(1);
/// Waits until a command is answered that is sent now; gives the reply.
pub(crate) async fn answered(probe: &mut Writer) -> Value {
    let reply = tokio::time::timeout(WELL_AGAIN, probe.put(SOON, || false)).await;
    let reply = reply.unwrap_or_else(|_| panic!("no command is answered within {WELL_AGAIN:?}"));
    reply.expect("it is not given up")
}

/// What whoever answers a ping says of itself.
pub(crate) async fn pong(broker: &Config) -> Option<Value> {
    let client = TestClient::try_connect(broker).await.ok()?;
    let patience = Duration::from_secs(2);
    client.try_question("ping", &json!({}), patience).await.ok()
}

/// Holds what was sent against the stream of changes up to this reply, and gives the events that count.
pub(crate) async fn history_is_right(broker: &TestBroker, sent: &[Sent], last: &Value) -> Vec<Happened> {
    let place = |value: &Value| (value["epoch"].clone(), value["sequence"].clone());
    let is_last = |event: &Event| event.counts() && place(&event.body) == place(last);
    let stream = change_log_until(broker, is_last).await;
    let stream: Vec<Happened> = stream
        .iter()
        .filter(|event| event.counts())
        .map(Happened::from)
        .collect();
    let (wrong, log) = check(sent, &stream);
    let answered = sent.iter().filter(|sent| sent.reply.is_some()).count();
    let distinct: BTreeSet<_> = stream.iter().map(|event| event.place).collect();
    say(&format!(
        "{} commands, {answered} answered; {} events published, {} of them again, {} of an instance that was replaced",
        sent.len(),
        stream.len(),
        stream.len() - distinct.len(),
        distinct.len() - log.len(),
    ));
    assert!(wrong.is_empty(), "{wrong:#?}");
    log
}

/// Every copy is as the first, and what was published is what is on disk.
pub(crate) fn equal_and_right(held: &[Held], log: &[Happened]) {
    for copy in held {
        assert_eq!(copy, &held[0], "all copies are equal");
    }
    assert_eq!(held[0].log, log);
    assert_eq!(held[0].digest, digest(log));
}
