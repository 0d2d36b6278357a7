//! Standing questions: answered now, and again whenever the answer changes.

use std::collections::BTreeSet;

use domesday::broker::{Client, Config, Consumer};
use lapin::options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::{TestClient, message};
use crate::harness::register::next;
use crate::harness::server::TestServer;
use crate::harness::{SOON, schemas};

/// Bookmarks so often that a test need not wait for them.
const OFTEN: &str = "api.bookmark_interval_ms = 200";

/// One who holds questions, with a queue of its own.
struct Holder {
    client: Client,
    questions: String,
    inbox: Consumer,
    /// What an answer must know at least: the index may be a little behind.
    at_least: u64,
}

/// A question that stands, and its answer as its holder knows it.
struct Held {
    subscription: String,
    items: BTreeSet<String>,
    changes: u64,
}

impl Holder {
    async fn connect(config: &Config) -> Self {
        let client = Client::connect(config, "test holder").await.unwrap();
        let inbox = client.inbox().await.unwrap();
        let questions = config.names().unwrap().questions();
        Self {
            client,
            questions,
            inbox,
            at_least: 0,
        }
    }

    /// Sends a subscribe, and gives its reply; what comes before is of other subscriptions.
    async fn ask(&mut self, args: &Value) -> Value {
        let queue = self.inbox.queue().to_owned();
        let mut question = message(
            "subscribe",
            &json!({"args": args, "at_least": {"epoch": 1, "sequence": self.at_least}}),
        );
        question.reply_to = Some(queue);
        question.persistent = false;
        let sent = self.client.publish(&self.questions, "subscribe", &question, SOON);
        sent.await.unwrap();
        loop {
            let (kind, body) = next(&mut self.inbox).await;
            if kind == "reply" {
                return body;
            }
        }
    }

    async fn subscribe(&mut self, kind: &str, args: Value) -> Held {
        let args = json!({"question": {"type": kind, "args": args, "limit": 100_000}});
        let reply = self.ask(&args).await;
        assert!(reply.get("problem").is_none(), "{reply:#}");
        schemas::check("subscribe.answer", &reply);
        schemas::check(&format!("{kind}.answer"), &reply);
        Held {
            subscription: reply["subscription"].as_str().unwrap().to_owned(),
            items: items(kind, &reply),
            changes: 0,
        }
    }

    /// The next change of a question, with every bookmark before it.
    async fn change(&mut self, held: &mut Held) -> Value {
        loop {
            let (kind, body) = next(&mut self.inbox).await;
            if body["subscription"] != held.subscription {
                continue;
            }
            match kind.as_str() {
                "answer.changed" => {
                    held.take(&body);
                    return body;
                }
                "answer.bookmark" => held.prove(&body),
                _ => panic!("{kind}: {body:#}"),
            }
        }
    }

    /// Takes what comes until a bookmark says that the answer stands as of this reply.
    async fn up_to(&mut self, held: &mut Held, reply: &Value) {
        loop {
            let (kind, body) = next(&mut self.inbox).await;
            if body["subscription"] != held.subscription {
                continue;
            }
            if kind == "answer.changed" {
                held.take(&body);
            } else {
                assert_eq!(kind, "answer.bookmark", "{body:#}");
                held.prove(&body);
                if body["as_of"]["sequence"].as_u64() >= reply["sequence"].as_u64() {
                    return;
                }
            }
        }
    }
}

impl Held {
    fn take(&mut self, body: &Value) {
        self.changes += 1;
        assert_eq!(body["change"], self.changes, "no change is lost");
        for item in body["removed"].as_array().unwrap() {
            assert!(self.items.remove(&name(item)), "it was there: {body:#}");
        }
        for item in body["added"].as_array().unwrap() {
            assert!(self.items.insert(name(item)), "it was not there: {body:#}");
        }
        assert_eq!(body["total"], self.items.len());
    }

    fn prove(&self, bookmark: &Value) {
        assert_eq!(bookmark["change"], self.changes);
        assert_eq!(bookmark["total"], self.items.len());
    }
}

/// What makes an item the same: its id and its effect, or the ids of a cycle.
fn name(item: &Value) -> String {
    match (item["entity"].as_str().unwrap(), item["effect"].as_str()) {
        ("cycle", _) => {
            let ids: Vec<&str> = item["ids"]
                .as_array()
                .unwrap()
                .iter()
                .map(|id| id.as_str().unwrap())
                .collect();
            assert_eq!(item["id"], ids[0]);
            ids.join("+")
        }
        (_, Some(effect)) => format!("{} {effect}", item["id"].as_str().unwrap()),
        _ => item["id"].as_str().unwrap().to_owned(),
    }
}

/// The items of an answer, by the same names.
fn items(kind: &str, answer: &Value) -> BTreeSet<String> {
    let list = |key: &str| answer[key].as_array().unwrap().clone();
    let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
    let names: Vec<String> = match kind {
        "search" => list("items").iter().map(id).collect(),
        "graph.dangling" => list("dangling").iter().map(id).collect(),
        "graph.impact" => list("affected")
            .iter()
            .map(|item| format!("{} {}", id(item), item["effect"].as_str().unwrap()))
            .collect(),
        "graph.cycles" => list("cycles")
            .iter()
            .map(|cycle| {
                let ids: Vec<String> = cycle.as_array().unwrap().iter().map(id).collect();
                ids.join("+")
            })
            .collect(),
        _ => list("nodes").iter().skip(1).map(id).collect(),
    };
    names.into_iter().collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(name).collect()
}

async fn put(client: &TestClient, id: &str, dependencies: Value) -> Value {
    let args = json!({"id": id, "kind": "vm", "name": id.to_uppercase(), "dependencies": dependencies});
    client.applied("resource.put", args).await
}

/// web → app → {db-1 | db-2, one of them}, app → gone.
async fn estate(settings: &str) -> (TestBroker, TestServer, TestClient, Holder) {
    let broker = TestBroker::get();
    let server = TestServer::start_with(&broker, settings).await;
    let client = server.client().await;
    for id in ["db-1", "db-2"] {
        put(&client, id, json!([])).await;
    }
    let group = json!({"group": [{"resource": "db-1"}, {"resource": "db-2"}], "at_least": 1});
    put(
        &client,
        "app",
        json!([group, {"resource": "gone", "nature": "soft"}]),
    )
    .await;
    put(&client, "web", json!([{"resource": "app"}])).await;
    client
        .applied("environment.put", json!({"id": "lab", "resources": ["web"]}))
        .await;
    let mut holder = Holder::connect(&broker.config()).await;
    holder.at_least = client.sequence().await;
    (broker, server, client, holder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_answered_now_and_when_it_changes() {
    let (_broker, _server, client, mut holder) = estate("").await;
    let mut held = holder
        .subscribe("search", json!({"query": "kind:vm", "within": "lab"}))
        .await;
    assert_eq!(held.items, set(&["web"]));
    let link = json!({"environment": "lab", "resources": ["app", "db-1"]});
    let reply = client.applied("environment.link", link).await;
    let change = holder.change(&mut held).await;
    assert_eq!(names(&change["added"]), ["app", "db-1"]);
    assert_eq!(change["as_of"]["sequence"], reply["sequence"]);
    let added = &change["added"][0];
    assert_eq!(
        (&added["entity"], &added["kind"], &added["name"]),
        (&json!("resource"), &json!("vm"), &json!("APP"))
    );
    client
        .applied("resource.patch", json!({"id": "app", "patch": {"kind": "pod"}}))
        .await;
    let change = holder.change(&mut held).await;
    assert_eq!(
        (names(&change["added"]), names(&change["removed"])),
        (vec![], vec!["app".to_owned()])
    );
    assert_eq!(held.items, set(&["db-1", "web"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_names_a_set_of_the_graph_changes_with_the_graph() {
    let (_broker, _server, client, mut holder) = estate("").await;
    let query = json!({"query": "kind:vm AND dependents-of:gone"});
    let mut held = holder.subscribe("search", query).await;
    assert_eq!(held.items, set(&["app", "web"]));
    put(&client, "web", json!([])).await;
    let change = holder.change(&mut held).await;
    assert_eq!(names(&change["removed"]), ["web"]);
    // Then nobody knows `gone` any more, and nothing needs it.
    put(&client, "app", json!([])).await;
    holder.change(&mut held).await;
    assert_eq!(held.items, set(&[]));
    put(&client, "db-2", json!([{"resource": "gone"}])).await;
    holder.change(&mut held).await;
    assert_eq!(held.items, set(&["db-2"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn dependents_come_and_go_and_the_command_is_named() {
    let (_broker, _server, client, mut holder) = estate("").await;
    let mut held = holder.subscribe("graph.dependents", json!({"id": "db-1"})).await;
    assert_eq!(held.items, set(&["app", "web"]));
    // In one transaction, so that both are seen at once.
    let commands = json!([
        {"type": "resource.put", "args": {"id": "unrelated", "kind": "vm"}},
        {"type": "resource.put", "args": {"id": "api", "kind": "vm", "dependencies": [{"resource": "app"}]}},
    ]);
    let order = message("batch", &json!({"args": {"commands": commands}}));
    let cause = order.message_id.clone().unwrap();
    let reply = client.send(order).await;
    assert_eq!(reply["outcome"], "applied");
    let change = holder.change(&mut held).await;
    assert_eq!(names(&change["added"]), ["api"]);
    let because = &change["because"];
    assert_eq!(
        (&because["to"], &because["total"]),
        (&reply["sequence"], &json!(2))
    );
    let told = because["events"].as_array().unwrap();
    assert_eq!(told.len(), 1, "only what is about it: {because:#}");
    assert_eq!(
        told[0],
        json!({"sequence": reply["sequence"], "type": "resource.created", "id": "api",
            "actor": told[0]["actor"], "cause": cause})
    );
    // Without the one in the middle nothing leads there any more, and without any nobody knows it.
    client
        .applied("resource.remove", json!({"id": "app", "mode": "detach"}))
        .await;
    let change = holder.change(&mut held).await;
    assert_eq!(names(&change["removed"]), ["api", "app", "web"]);
    client.applied("resource.remove", json!({"id": "db-1"})).await;
    let nothing = client
        .no_answer("graph.dependents", json!({"args": {"id": "db-1"}}))
        .await;
    assert_eq!(nothing["type"], "urn:domesday:problem:not-found");
    put(&client, "late", json!([{"resource": "db-1"}])).await;
    holder.change(&mut held).await;
    assert_eq!(held.items, set(&["late"]), "it stands even so");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impact_changes_with_the_groups_that_hold() {
    let (_broker, _server, client, mut holder) = estate("").await;
    let args = json!({"ids": ["db-1"], "include_soft": true});
    let mut held = holder.subscribe("graph.impact", args).await;
    let weakened = ["app degraded", "web degraded"];
    assert_eq!(held.items, set(&weakened), "the group holds, with less");
    let both = json!({"group": [{"resource": "db-1"}, {"resource": "db-2"}], "at_least": 2});
    put(&client, "app", json!([both])).await;
    let change = holder.change(&mut held).await;
    assert_eq!(names(&change["added"]), ["app stops", "web stops"]);
    assert_eq!(names(&change["removed"]), weakened);
    put(&client, "web", json!([{"resource": "app", "nature": "soft"}])).await;
    let change = holder.change(&mut held).await;
    assert_eq!(names(&change["removed"]), ["web stops"]);
    assert_eq!(names(&change["added"]), ["web degraded"]);
    assert_eq!(held.items, set(&["app stops", "web degraded"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn dependencies_cycles_and_what_is_missing_come_to_one_queue() {
    let (_broker, _server, client, mut holder) = estate("").await;
    let mut needs = holder.subscribe("graph.dependencies", json!({"id": "web"})).await;
    let mut cycles = holder.subscribe("graph.cycles", json!({})).await;
    let mut dangling = holder
        .subscribe("graph.dangling", json!({"environment": "lab"}))
        .await;
    assert_eq!(needs.items, set(&["app", "db-1", "db-2", "gone"]));
    assert_eq!((&cycles.items, &dangling.items), (&set(&[]), &set(&[])));
    let outside = json!([{"resource": "web"}, {"external": "https://dns.example/"}]);
    put(&client, "db-1", outside).await;
    for (held, added) in [
        (&mut needs, ["https://dns.example/", "web"].as_slice()),
        (&mut cycles, &["app+db-1+web"]),
    ] {
        // Whichever is told first: the other waits in the queue of another connection, so each has its turn.
        let mut seen = Vec::new();
        while seen.is_empty() {
            let (kind, body) = next(&mut holder.inbox).await;
            if kind == "answer.changed" && body["subscription"] == held.subscription {
                seen = names(&body["added"]);
            } else if kind == "answer.changed" {
                later(&mut holder, &body).await;
            }
        }
        let wanted: Vec<&str> = added.iter().copied().filter(|id| *id != "web").collect();
        let seen: Vec<&str> = seen
            .iter()
            .map(String::as_str)
            .filter(|id| *id != "web")
            .collect();
        assert_eq!(seen, wanted);
    }
    client
        .applied(
            "environment.link",
            json!({"environment": "lab", "resources": ["app"]}),
        )
        .await;
    let change = holder.change(&mut dangling).await;
    assert_eq!(names(&change["added"]), ["gone"]);
    put(&client, "gone", json!([])).await;
    let change = holder.change(&mut dangling).await;
    assert_eq!(names(&change["removed"]), ["gone"]);
}

/// Puts a message that is not looked for yet back at the end of the queue.
async fn later(holder: &mut Holder, body: &Value) {
    let queue = holder.inbox.queue().to_owned();
    let again = message("answer.changed", body);
    holder.client.publish("", &queue, &again, SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_commits_ends_in_exactly_the_difference() {
    let (_broker, server, client, mut holder) = estate(OFTEN).await;
    let questions = [
        ("search", json!({"query": "kind:vm NOT id:web"})),
        ("graph.dependents", json!({"id": "db-1"})),
        ("graph.impact", json!({"ids": ["db-1"], "include_soft": true})),
    ];
    for (kind, args) in questions {
        holder.at_least = client.sequence().await;
        let mut held = holder.subscribe(kind, args.clone()).await;
        let others: Vec<TestClient> = vec![server.client().await, server.client().await];
        let burst = async |client: &TestClient, half: usize| {
            for n in 0..60 {
                let id = format!("b-{}", n * 2 % 14 + half);
                let needs = match n % 5 {
                    3 => json!([]),
                    n if n % 2 == 0 => json!([{"resource": "db-1"}]),
                    _ => json!([{"resource": "db-1", "nature": "soft"}]),
                };
                // One that changes nothing, or is refused, is fine.
                if n % 5 == 4 {
                    let args = json!({"id": id, "mode": "detach"});
                    client.command("resource.remove", json!({ "args": args })).await;
                } else {
                    let args = json!({"id": id, "kind": "vm", "dependencies": needs});
                    client.command("resource.put", json!({ "args": args })).await;
                }
            }
        };
        tokio::join!(burst(&others[0], 0), burst(&others[1], 1));
        let reply = put(&client, &format!("last-{kind}"), json!([{"resource": "db-1"}])).await;
        holder.up_to(&mut held, &reply).await;
        let body =
            json!({"args": args, "limit": 100_000, "at_least": {"epoch": 1, "sequence": reply["sequence"]}});
        let fresh = client.question(kind, body).await;
        assert_eq!(fresh["as_of"]["sequence"], reply["sequence"]);
        assert_eq!(held.items, items(kind, &fresh), "{kind}");
        assert!(held.items.iter().any(|item| item.starts_with("last")), "{kind}");
        assert!(held.changes > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_says_as_of_when_the_answer_stands() {
    let (_broker, mut server, client, mut holder) = estate(OFTEN).await;
    let mut held = holder.subscribe("search", json!({"query": "kind:nothing"})).await;
    for id in ["x", "y"] {
        let reply = put(&client, id, json!([])).await;
        holder.up_to(&mut held, &reply).await;
    }
    assert_eq!(held.changes, 0);
    // And when it does not any more.
    assert!(server.terminate().await.success());
    let mut last = String::new();
    while last != "answer.ended" {
        last = next(&mut holder.inbox).await.0;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_gone_ends_what_was_held_for_it() {
    let (broker, server, client, _holder) =
        estate("api.bookmark_interval_ms = 200\napi.subscriptions_max = 1").await;
    let (_connection, channel) = broker.amqp().await;
    let queue = narrow(&channel, 1_000).await;
    let question = json!({"type": "graph.dependents", "args": {"id": "db-1"}});
    let mut first = Holder::connect(&broker.config()).await;
    let reply = first.ask(&json!({"question": question, "queue": queue})).await;
    assert!(reply["subscription"].is_string(), "{reply:#}");
    let refused = first.ask(&json!({"question": question})).await;
    let problem = &refused["problem"];
    assert_eq!(
        problem["type"], "urn:domesday:problem:limit-exceeded",
        "{problem:#}"
    );
    assert_eq!(problem["limit"], 1);
    let deleted = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
    deleted.await.unwrap();
    eventually("there is room again", SOON, async || {
        let reply = first.ask(&json!({"question": question})).await;
        reply["subscription"].is_string()
    })
    .await;
    assert!(
        server
            .log()
            .contains("a standing question ended: its reader is gone")
    );
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_has_so_many_and_the_same_one_only_once() {
    let (_broker, _server, client, mut holder) = estate("api.subscriptions_per_queue_max = 2").await;
    let first = holder.subscribe("search", json!({"query": "kind:vm"})).await;
    let mut again = holder
        .subscribe("search", json!({"query": "kind:vm", "highlights": false}))
        .await;
    assert_ne!(first.subscription, again.subscription);
    holder.subscribe("graph.cycles", json!({})).await;
    let question = json!({"type": "graph.dangling"});
    let refused = holder.ask(&json!({ "question": question })).await;
    let problem = &refused["problem"];
    assert_eq!(
        problem["type"], "urn:domesday:problem:limit-exceeded",
        "{problem:#}"
    );
    assert_eq!(problem["limit"], 2);
    // The first is not told any more, the one in its place is.
    put(&client, "new", json!([])).await;
    let (mut of_first, mut changed) = (0, false);
    while !changed {
        let (kind, body) = next(&mut holder.inbox).await;
        of_first += u32::from(kind == "answer.changed" && body["subscription"] == first.subscription);
        changed = kind == "answer.changed" && body["subscription"] == again.subscription;
        if changed {
            again.take(&body);
        }
    }
    assert_eq!(of_first, 0);
    // One that is given back makes room.
    let ended = client
        .question(
            "unsubscribe",
            json!({"args": {"subscription": again.subscription}}),
        )
        .await;
    assert_eq!(ended["subscription"], again.subscription);
    let reply = holder.ask(&json!({ "question": question })).await;
    assert!(reply["subscription"].is_string(), "{reply:#}");
    let problem = client
        .no_answer(
            "unsubscribe",
            json!({"args": {"subscription": again.subscription}}),
        )
        .await;
    assert_eq!(problem["type"], "urn:domesday:problem:not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_stand_is_refused() {
    let (_broker, _server, client, mut holder) = estate("").await;
    let question = json!({"type": "graph.cycles"});
    for (args, pointer, words) in [
        (
            json!({"question": {"type": "ping"}}),
            "/args/question/type",
            "graph.dangling",
        ),
        (
            json!({"question": {"type": "graph.path", "args": {"from": "web", "to": "db-1"}}}),
            "/args/question/type",
            "cannot stand",
        ),
        (
            json!({"question": {"type": "graph.cycles", "as_of": {"sequence": 1}}}),
            "/args/question/as_of",
            "not a field",
        ),
        (
            json!({"question": {"type": "graph.dependents", "args": {"id": "nobody"}}}),
            "/args/question/args/id",
            "no resource",
        ),
        (
            json!({"question": question, "queue": "amq.rabbitmq.reply-to"}),
            "/args/queue",
            "needs a queue",
        ),
    ] {
        let refused = holder.ask(&args).await;
        let problem = &refused["problem"];
        assert_eq!(problem["pointer"], pointer, "{args}: {problem:#}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem:#}");
    }
    // A direct reply is no queue.
    let problem = client
        .no_answer("subscribe", json!({"args": {"question": question}}))
        .await;
    assert_eq!(problem["pointer"], "/args/queue", "{problem:#}");
    // Too many to be kept.
    for half in 0..2 {
        let put =
            |n| json!({"type": "resource.put", "args": {"id": format!("m-{half}-{n}"), "kind": "many"}});
        let commands: Vec<Value> = (0..5_001).map(put).collect();
        client.applied("batch", json!({ "commands": commands })).await;
    }
    let at_least = json!({"epoch": 1, "sequence": client.sequence().await});
    client
        .question("search", json!({"args": {"query": "a"}, "at_least": at_least}))
        .await;
    let question = json!({"type": "search", "args": {"query": "kind:many"}});
    let refused = holder.ask(&json!({ "question": question })).await;
    let problem = &refused["problem"];
    assert_eq!(
        problem["type"], "urn:domesday:problem:limit-exceeded",
        "{problem:#}"
    );
    assert_eq!(
        (&problem["limit"], &problem["items"]),
        (&json!(10_000), &json!(10_002))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_grows_too_large_ends_with_a_word() {
    let (_broker, _server, client, mut holder) = estate("").await;
    let held = holder.subscribe("search", json!({"query": "kind:many"})).await;
    for half in 0..2 {
        let put =
            |n| json!({"type": "resource.put", "args": {"id": format!("m-{half}-{n}"), "kind": "many"}});
        let commands: Vec<Value> = (0..5_001).map(put).collect();
        client.applied("batch", json!({ "commands": commands })).await;
    }
    loop {
        let (kind, body) = next(&mut holder.inbox).await;
        if kind == "answer.ended" {
            assert_eq!(body["subscription"], held.subscription);
            assert_eq!(body["problem"]["type"], "urn:domesday:problem:limit-exceeded");
            return;
        }
    }
}

/// A queue that holds few messages and refuses more.
async fn narrow(channel: &lapin::Channel, most: i64) -> String {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(most));
    arguments.insert(
        "x-overflow".into(),
        AMQPValue::LongString("reject-publish".into()),
    );
    let options = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = channel.queue_declare("".into(), options, arguments).await;
    queue.unwrap().name().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_the_latest_difference_and_no_queue_of_them() {
    let (broker, _server, client, mut holder) = estate(OFTEN).await;
    let (_connection, channel) = broker.amqp().await;
    let queue = narrow(&channel, 1).await;
    let question = json!({"type": "graph.dependents", "args": {"id": "db-1"}});
    let reply = holder.ask(&json!({"question": question, "queue": queue})).await;
    assert!(reply["subscription"].is_string(), "{reply:#}");
    // The first bookmark fills the queue, so that nothing of what follows has room.
    eventually("a bookmark", SOON, async || {
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default());
        queue.await.unwrap().message_count() == 1
    })
    .await;
    let mut last = json!(null);
    for n in 0..40 {
        last = put(&client, &format!("s-{n}"), json!([{"resource": "db-1"}])).await;
        if n % 2 == 0 {
            let gone = json!({"id": format!("s-{n}")});
            client.applied("resource.remove", gone).await;
        }
    }
    let mut held = Held {
        subscription: reply["subscription"].as_str().unwrap().to_owned(),
        items: items("graph.dependents", &reply),
        changes: 0,
    };
    let mut reached = false;
    eventually("all of it", SOON, async || {
        let got = channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
        if let Some(message) = got.await.unwrap() {
            let ack = message.delivery.acker.ack(BasicAckOptions::default());
            ack.await.unwrap();
            let kind = message.delivery.properties.kind().clone().unwrap().to_string();
            let body: Value = serde_json::from_slice(&message.delivery.data).unwrap();
            schemas::check(&kind, &body);
            if kind == "answer.changed" {
                held.take(&body);
            }
            reached = body["as_of"]["sequence"].as_u64() >= last["sequence"].as_u64();
        }
        reached
    })
    .await;
    let expected: BTreeSet<String> = (0..40)
        .filter(|n| n % 2 == 1)
        .map(|n| format!("s-{n}"))
        .chain(["app".to_owned(), "web".to_owned()])
        .collect();
    assert_eq!(held.items, expected);
    assert!(held.changes <= 3, "{} changes for 60 commits", held.changes);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_follows_keeps_questions_too_and_says_when_it_stops() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let primary = TestServer::start(&source).await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, OFTEN);
    secondary.launch();
    let client = primary.client().await;
    let reply = put(&client, "db-1", json!([])).await;
    secondary.answers().await;
    secondary.reached(&reply).await;
    let mut holder = Holder::connect(&broker.config()).await;
    holder.at_least = 1;
    let mut needed = holder.subscribe("graph.dependents", json!({"id": "db-1"})).await;
    let mut found = holder.subscribe("search", json!({"query": "kind:vm"})).await;
    put(&client, "app", json!([{"resource": "db-1"}])).await;
    let mut left = 2;
    while left > 0 {
        let (kind, body) = next(&mut holder.inbox).await;
        for held in [&mut needed, &mut found] {
            if kind == "answer.changed" && body["subscription"] == held.subscription {
                held.take(&body);
                left -= 1;
            }
        }
    }
    assert_eq!(needed.items, set(&["app"]));
    assert!(found.items.contains("app"));
    assert!(secondary.terminate().await.success());
    let mut ended = BTreeSet::new();
    while ended.len() < 2 {
        let (kind, body) = next(&mut holder.inbox).await;
        if kind == "answer.ended" {
            assert_eq!(body["problem"]["type"], "urn:domesday:problem:unavailable");
            ended.insert(body["subscription"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(ended, BTreeSet::from([needed.subscription, found.subscription]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_follows_an_answer_even_over_a_restart() {
    let (_broker, mut server, client, _holder) = estate(OFTEN).await;
    let shown = server.verb(&["graph", "dependents", "db-1", "--follow"], "");
    let json = server.verb(&["search", "kind:vm", "--follow", "--json"], "");
    let has = async |words: &str| {
        eventually(words, SOON, async || shown.out().contains(words)).await;
    };
    has("resource    app").await;
    eventually("an answer", SOON, async || {
        json.out().contains("\"subscription\"")
    })
    .await;
    put(&client, "api", json!([{"resource": "app"}])).await;
    has("+ resource    api").await;
    eventually("a change", SOON, async || json.out().contains("\"added\"")).await;
    for line in json.out().lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    // What happens while nobody keeps the question is told with the next answer.
    server.kill9().await;
    server.restart().await;
    let client = server.client().await;
    put(&client, "web", json!([])).await;
    has("- resource    web").await;
    assert!(
        !shown.out().contains("+ resource    app"),
        "what stayed is not told again"
    );
    shown.signal("INT");
    shown.ended(SOON).await.expect(0);
    json.signal("INT");
    json.ended(SOON).await.expect(0);
    let past = ["graph", "cycles", "--follow", "--as-of", "1"];
    server.cli(&past).await.expect(64);
    server
        .cli(&["search", "a", "--follow", "--limit", "5"])
        .await
        .expect(64);
}
