//! Cycles and dangling references are told as they come and go, once each, and a dry run says which would.

use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::{TestClient, message};
use crate::harness::events::{Event, Events, change_log, distinct};
use crate::harness::server::TestServer;

fn resource(id: &str, needs: &[&str]) -> Value {
    let dependencies: Vec<Value> = needs.iter().map(|id| json!({"resource": id})).collect();
    json!({"id": id, "kind": "vm", "dependencies": dependencies})
}

/// The news among events, each as its type and what it is about.
fn news(events: &[Event]) -> Vec<String> {
    let news = events
        .iter()
        .filter(|event| event.kind().starts_with("dependency."));
    let line = |event: &Event| {
        let about = match &event.body["resources"] {
            Value::Array(ids) => ids
                .iter()
                .map(|id| id.as_str().unwrap())
                .collect::<Vec<_>>()
                .join(" "),
            _ => event.body["id"].as_str().unwrap().to_owned(),
        };
        format!("{} {about} at {}", event.kind(), event.sequence())
    };
    news.map(line).collect()
}

/// A web that needs a database, which nobody registered, and then the three things that may become of that.
async fn story(client: &TestClient) {
    client.applied("resource.put", resource("web", &["db"])).await;
    client.applied("resource.put", resource("db", &["web"])).await;
    client
        .applied("resource.put", resource("db", &["disk", "web"]))
        .await;
    let remove = json!({"id": "web", "mode": "detach"});
    client.applied("resource.remove", remove).await;
}

const STORY: [&str; 6] = [
    "dependency.dangling.appeared db at 1",
    "dependency.dangling.cleared db at 2",
    "dependency.cycle.appeared db web at 2",
    "dependency.dangling.appeared disk at 3",
    "dependency.cycle.cleared db web at 4",
    "dependency.dangling.appeared web at 4",
];

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

fn expected() -> Vec<String> {
    sorted(STORY.map(str::to_owned).to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_is_told_with_its_cause() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let events = Events::all(&broker).await;
    story(&client).await;
    let mut last = message("resource.put", &json!({"args": resource("web", &["web"])}));
    last.message_id = Some("cause-5".to_owned());
    client.send(last).await;
    let all = events.up_to(5).await;
    let mut expected = expected();
    expected.push("dependency.cycle.appeared db web at 5".to_owned());
    expected.retain(|line| !line.ends_with("at 5"));
    expected.extend([
        "dependency.cycle.appeared web at 5".to_owned(),
        "dependency.dangling.cleared web at 5".to_owned(),
    ]);
    assert_eq!(sorted(news(&all)), sorted(expected));
    let told: Vec<&Event> = all
        .iter()
        .filter(|event| event.body["cause"] == "cause-5")
        .collect();
    for one in &told {
        assert_eq!(one.message.correlation_id.as_deref(), Some("cause-5"));
        assert_eq!(one.body["transaction"]["id"], "1-5");
    }
    // What a transaction did to the graph comes after its events, and before the message that closes it.
    assert!(told.first().unwrap().counts());
    assert!(told.last().unwrap().closes());
    assert_eq!(told.len(), 4);
    let appeared = all
        .iter()
        .find(|event| event.kind() == "dependency.dangling.appeared");
    assert_eq!(appeared.unwrap().body["dependents"], json!(["web"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_before_they_were_told_they_are_told_all_the_same() {
    let broker = TestBroker::get();
    let mut server = TestServer::prepare(&broker, "engine.acknowledge = \"committed\"");
    // Committed and answered, and the first event is all that leaves.
    server.launch_to_fail_at("event-sent:3");
    server.answers().await;
    let events = Events::all(&broker).await;
    let client = server.client().await;
    client.applied("resource.put", resource("web", &["db"])).await;
    client.applied("resource.put", resource("db", &["web"])).await;
    let sent = client.try_send(
        message("resource.put", &json!({"args": resource("db", &["disk", "web"])})),
        SOON,
    );
    let restarted = async {
        server.ended().await;
        server.restart().await;
    };
    let (_, ()) = tokio::join!(sent, restarted);
    let client = server.client().await;
    client
        .applied("resource.remove", json!({"id": "web", "mode": "detach"}))
        .await;
    eventually("the news", SOON, async || {
        let log = change_log(&broker, 4).await;
        distinct(&log);
        let mut told = sorted(news(&log));
        told.dedup();
        told == expected()
    })
    .await;
    // Each that came twice has the same id.
    let log = events.up_to(4).await;
    let mut ids: Vec<(String, String)> = log
        .iter()
        .filter(|event| event.kind().starts_with("dependency."))
        .map(|event| (event.message_id().to_owned(), event.body.to_string()))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), STORY.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_come_and_go_and_stop() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    client.applied("resource.put", resource("db", &["disk"])).await;
    client.applied("resource.put", resource("web", &["db"])).await;
    let ask =
        async |kind: &str, args: Value| client.command(kind, json!({"args": args, "dry_run": true})).await;
    let reply = ask("resource.put", resource("db", &["web"])).await;
    assert_eq!(reply["sequence"], 2, "{reply:#}");
    assert_eq!(
        reply["graph"],
        json!({
            "cycles_appeared": [{"resources": ["db", "web"], "resources_total": 2}], "cycles_cleared": [],
            "dangling_appeared": [], "dangling_cleared": ["disk"]
        })
    );
    assert_eq!(reply.get("impact"), None);
    let reply = ask("resource.remove", json!({"id": "db", "mode": "detach"})).await;
    assert_eq!(reply["impact"]["affected"][0]["id"], "web");
    let hash = reply["impact"]["hash"].clone();
    // What the dry run said holds as long as nothing has changed, and so does its hash.
    client.applied("resource.put", resource("mail", &["db"])).await;
    let remove = json!({"id": "db", "mode": "detach", "expect_impact": hash});
    let problem = client.refused("resource.remove", json!({"args": remove})).await;
    assert_eq!(problem["type"], "urn:domesday:problem:impact-mismatch");
    let reply = ask("resource.remove", json!({"id": "db", "mode": "detach"})).await;
    let remove = json!({"id": "db", "mode": "detach", "expect_impact": reply["impact"]["hash"]});
    client.applied("resource.remove", remove).await;
    let answer = client.question("graph.dangling", json!({})).await;
    assert_eq!(answer["dangling"][0]["id"], "db");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_would_be_and_watches_what_is() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    client.applied("resource.put", resource("db", &["disk"])).await;
    client.applied("resource.put", resource("web", &["db"])).await;
    let ran = server
        .cli(&["remove", "resource", "db", "--detach", "--dry-run"])
        .await
        .expect(0);
    assert!(
        ran.out
            .contains("would: leave a dangling reference db, which web would need"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("would: stop web"), "{}", ran.out);
    let mut document = resource("disk", &["web"]);
    document["type"] = json!("resource");
    let document = document.to_string();
    let apply = server.verb(&["apply", "-f", "-", "--dry-run"], &document);
    let ran = apply.ended(SOON).await.expect(0);
    assert!(
        ran.out.contains("would: make a cycle db, disk, web"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("would: end the dangling reference disk"),
        "{}",
        ran.out
    );
    let watch = server.verb(&["watch", "dependency.#", "--count", "2"], "");
    eventually("the watch to begin", SOON, async || {
        watch.err().contains("watching")
    })
    .await;
    client.applied("resource.put", resource("disk", &["web"])).await;
    let ran = watch.ended(SOON).await.expect(0);
    assert!(
        ran.out.contains("dependency.cycle.appeared db, disk, web"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("dependency.dangling.cleared disk"),
        "{}",
        ran.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_with_too_much_to_tell_is_refused_and_the_command_itself_is_not() {
    let broker = TestBroker::get();
    let server = TestServer::start_with(
        &broker,
        "api.body_bytes_max = 1572864\nbroker.message_bytes_max = 1572864",
    )
    .await;
    let client = server.client().await;
    let ids = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for id in ids {
        let args = json!({"id": id, "kind": "vm", "attributes": {"long": "x".repeat(250_000)}});
        client.applied("resource.put", args).await;
    }
    let remove = |id| json!({"type": "resource.remove", "args": {"id": id}});
    let commands = ids.map(remove);
    let args = json!({"commands": commands});
    let problem = client
        .refused("batch", json!({"args": args, "dry_run": true}))
        .await;
    assert_eq!(problem["type"], "urn:domesday:problem:limit-exceeded");
    assert_eq!(problem["pointer"], "/dry_run");
    client.applied("batch", args).await;
}
