//! A crash at each step of a command's way: whatever step it is, every command is carried out once and answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use domesday::broker::Message;
use domesday::engine::{FailAt, Point};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::{TestClient, message};
use crate::harness::events::{Event, Events, change_log, distinct};
use crate::harness::server::TestServer;

/// Commands of one round, each with the number of events that it causes, whatever their order.
fn round(prefix: &str) -> Vec<(Message, usize)> {
    let id = |name: &str| format!("{prefix}-{name}");
    let put = |name: &str, title: &str| json!({"id": id(name), "kind": "vm", "name": title});
    let step = |name: &str| json!({"type": "resource.put", "args": put(name, "of the batch")});
    let steps = ["b", "c", "d"].map(step);
    [
        ("resource.put", put("a", "first"), 1),
        ("batch", json!({ "commands": steps }), 3),
        ("resource.put", put("a", "second"), 1),
        ("resource.remove", json!({"id": id("missing")}), 0),
        ("resource.put", put("e", "last"), 1),
    ]
    .map(|(kind, args, events)| (message(kind, &json!({ "args": args })), events))
    .into()
}

/// What the rounds of a test come to.
const EVENTS: u64 = 6;
const RESOURCES: u64 = 5;

/// The same command as a client sends it that got no reply: all as before, but for what it waits under.
fn again(message: &Message) -> Message {
    Message {
        correlation_id: Some(Uuid::now_v7().to_string()),
        ..message.clone()
    }
}

/// A reply without the field that tells a repetition.
fn plain(mut reply: Value) -> Value {
    reply["duplicate"] = json!(null);
    reply
}

/// Whatever was sent, with the replies by message id.
type Replies = BTreeMap<String, Value>;

fn id(message: &Message) -> String {
    message.message_id.clone().expect("an id")
}

/// Sends all at once, and waits for the replies.
fn send_together(client: &Arc<TestClient>, commands: &[(Message, usize)]) -> JoinHandle<Replies> {
    let mut sending = JoinSet::new();
    for (message, _) in commands {
        let (client, message) = (Arc::clone(client), again(message));
        sending.spawn(async move { (id(&message), client.try_send(message, SOON * 2).await) });
    }
    tokio::spawn(async move {
        let replies = sending.join_all().await.into_iter();
        replies.map(|(id, reply)| (id, reply.expect("a reply"))).collect()
    })
}

/// Sends one after the other's reply.
fn send_in_turn(client: &Arc<TestClient>, commands: &[(Message, usize)]) -> JoinHandle<Replies> {
    let client = Arc::clone(client);
    let messages: Vec<Message> = commands.iter().map(|(message, _)| again(message)).collect();
    tokio::spawn(async move {
        let mut replies = Replies::new();
        for message in messages {
            let reply = client.try_send(message.clone(), SOON * 2).await;
            replies.insert(id(&message), reply.expect("a reply"));
        }
        replies
    })
}

/// A server with an event behind it, and what is needed to see what it does.
struct Stage {
    broker: TestBroker,
    server: TestServer,
    client: Arc<TestClient>,
    events: Events,
    rounds: Vec<Vec<(Message, usize)>>,
}

impl Stage {
    async fn set() -> Self {
        let broker = TestBroker::get();
        let mut server = TestServer::start(&broker).await;
        let client = Arc::new(server.client().await);
        let events = Events::all(&broker).await;
        let seed = json!({"id": "seed", "kind": "vm"});
        client.applied("resource.put", seed).await;
        assert!(server.terminate().await.success());
        Self {
            broker,
            server,
            client,
            events,
            rounds: Vec::new(),
        }
    }

    /// The commands of the next round.
    fn round(&mut self) -> Vec<(Message, usize)> {
        let commands = round(&format!("r{}", self.rounds.len()));
        self.rounds.push(commands.clone());
        commands
    }

    /// Waits until the server has ended at the point.
    async fn fails_at(&mut self, point: Point) {
        let status = self.server.ended().await;
        assert_eq!(
            status.code(),
            Some(FailAt::EXIT_CODE),
            "{}: {status}:\n{}",
            point.name(),
            self.server.log()
        );
        let log = self.server.log();
        let says = |line: &str| line.contains("a planned failure") && line.contains(point.name());
        // Another thread may have had time for a line or two.
        assert!(log.lines().rev().take(5).any(says), "{log}");
    }

    /// Every command is carried out once, its events tell of it once, and it has one reply for all times.
    async fn is_whole(&mut self, replies: &Replies) {
        let rounds = self.rounds.len() as u64;
        let sequence = 1 + EVENTS * rounds;
        let pong = self.client.question("ping", json!({})).await;
        assert_eq!(pong["as_of"]["sequence"], sequence, "{pong:#}");
        assert_eq!(pong["resources"], 1 + RESOURCES * rounds);
        let live = distinct(&self.events.up_to(sequence).await);
        let log = distinct(&change_log(&self.broker, sequence).await);
        for events in [&live, &log] {
            assert_eq!(events.len() as u64, sequence);
            for (message, count) in self.rounds.iter().flatten() {
                let of = |event: &&Event| event.body["cause"] == id(message);
                assert_eq!(events.iter().filter(of).count(), *count, "{message:?}");
            }
        }
        let commands = self.rounds.last().expect("a round").clone();
        for (message, count) in &commands {
            let reply = &replies[&id(message)];
            let outcome = if *count > 0 { "applied" } else { "rejected" };
            assert_eq!(reply["outcome"], outcome, "{reply:#}");
            let repeated = self.client.send(again(message)).await;
            assert_eq!(repeated["duplicate"], true, "{repeated:#}");
            assert_eq!(plain(repeated), plain(reply.clone()));
        }
        let pong = self.client.question("ping", json!({})).await;
        assert_eq!(
            pong["as_of"]["sequence"], sequence,
            "a repetition changes nothing"
        );
        let names = self.broker.config().names().unwrap();
        assert_eq!(self.broker.ready(&names.dead()).await, 0);
    }

    /// Ends the run in good order: nothing comes back to the queue of commands.
    async fn stops(&mut self) {
        assert!(self.server.terminate().await.success());
        let names = self.broker.config().names().unwrap();
        assert_eq!(self.broker.ready(&names.commands()).await, 0);
    }
}

/// Crashes while commands are on their way: first all at once, then one by one at a later passing, then with the client
/// gone and another one asking again.
async fn crashes_at(point: Point) {
    let mut stage = Stage::set().await;

    // The broker delivers again what was not acknowledged; the client waits for its reply and does nothing.
    let commands = stage.round();
    stage.server.launch_to_fail_at(point.name());
    stage.server.answers().await;
    let sending = send_together(&stage.client, &commands);
    stage.fails_at(point).await;
    stage.server.restart().await;
    let replies = sending.await.unwrap();
    stage.is_whole(&replies).await;
    stage.stops().await;

    let commands = stage.round();
    stage.server.launch_to_fail_at(&format!("{}:3", point.name()));
    stage.server.answers().await;
    let sending = send_in_turn(&stage.client, &commands);
    stage.fails_at(point).await;
    stage.server.restart().await;
    let replies = sending.await.unwrap();
    stage.is_whole(&replies).await;
    stage.stops().await;

    // Those of a client that is gone are carried out all the same, and its successor's are the same commands.
    let commands = stage.round();
    stage.server.launch_to_fail_at(point.name());
    stage.server.answers().await;
    let gone = Arc::new(stage.server.client().await);
    let sending = send_together(&gone, &commands);
    stage.fails_at(point).await;
    sending.abort();
    drop(gone);
    let sending = send_together(&stage.client, &commands);
    stage.server.restart().await;
    let replies = sending.await.unwrap();
    stage.is_whole(&replies).await;
    stage.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_when_a_command_is_taken_loses_nothing() {
    crashes_at(Point::Taken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_when_a_command_is_read_loses_nothing() {
    crashes_at(Point::Read).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_when_a_batch_is_gathered_loses_nothing() {
    crashes_at(Point::Gathered).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_commit_loses_nothing() {
    crashes_at(Point::Staged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_commit_loses_nothing() {
    crashes_at(Point::Committed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_when_a_batch_is_applied_loses_nothing() {
    crashes_at(Point::Applied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_when_an_event_is_sent_loses_nothing() {
    crashes_at(Point::EventSent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_when_an_event_is_confirmed_loses_nothing() {
    crashes_at(Point::EventConfirmed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_reply_loses_nothing() {
    crashes_at(Point::BeforeReply).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_reply_and_acknowledgement_loses_nothing() {
    crashes_at(Point::Replied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_acknowledgement_loses_nothing() {
    crashes_at(Point::Acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_during_recovery_is_recovered_from() {
    let mut stage = Stage::set().await;
    let commands = stage.round();
    // The batch is on disk, the index is behind, and nothing of it is answered or published.
    stage
        .server
        .launch_to_fail_at(&format!("{}:2", Point::Committed.name()));
    stage.server.answers().await;
    let sending = send_in_turn(&stage.client, &commands);
    stage.fails_at(Point::Committed).await;
    for point in [Point::Loaded, Point::CaughtUp, Point::Loaded] {
        stage.server.launch_to_fail_at(point.name());
        stage.fails_at(point).await;
    }
    stage.server.restart().await;
    let replies = sending.await.unwrap();
    stage.is_whole(&replies).await;
    let last = &replies[&id(&commands[4].0)];
    assert_eq!(
        stage.client.find("id:r0-*", last).await.len(),
        5,
        "the index has all"
    );
    stage.stops().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_a_drain_loses_nothing() {
    let mut stage = Stage::set().await;
    for point in [Point::Answered, Point::Finished] {
        let commands = stage.round();
        stage.server.launch_to_fail_at(point.name());
        stage.server.answers().await;
        let before = stage.events.so_far().len();
        let sending = send_together(&stage.client, &commands);
        stage
            .events
            .until("the first event", |events| events.len() > before)
            .await;
        stage.server.signal("TERM");
        stage.fails_at(point).await;
        stage.server.restart().await;
        let replies = sending.await.unwrap();
        stage.is_whole(&replies).await;
        stage.stops().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_that_is_none_ends_the_start_with_the_names() {
    let broker = TestBroker::get();
    let mut server = TestServer::prepare(&broker, "");
    server.launch_to_fail_at("nowhere");
    assert_eq!(server.ended().await.code(), Some(64));
    let log = server.log();
    assert!(
        log.contains("DOMESDAY_FAIL_AT cannot be used") && log.contains("event-confirmed"),
        "{log}"
    );
    // It leaves nothing behind that would be in the way.
    server.restart().await;
    eventually("it serves", SOON, async || server.log().contains("serving")).await;
}
