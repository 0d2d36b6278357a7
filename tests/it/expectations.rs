//! Conditions and trials: what `expect` and `dry_run` do to every command.

use serde_json::{Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::client::message;
use crate::harness::events::Events;
use crate::harness::server::TestServer;

/// Every command that is about one entity, with arguments that would change the `lab` and the `vm` of [`seed`].
fn commands() -> Vec<(&'static str, Value)> {
    vec![
        ("resource.put", json!({"id": "vm", "kind": "vm", "name": "other"})),
        ("resource.patch", json!({"id": "vm", "patch": {"name": "third"}})),
        ("resource.remove", json!({"id": "vm", "mode": "detach"})),
        ("environment.put", json!({"id": "lab", "name": "other"})),
        (
            "environment.patch",
            json!({"id": "lab", "patch": {"name": "third"}}),
        ),
        (
            "environment.link",
            json!({"environment": "lab", "resources": ["vm"]}),
        ),
        (
            "environment.unlink",
            json!({"environment": "lab", "resources": ["db"]}),
        ),
        ("environment.remove", json!({"id": "lab", "mode": "detach"})),
    ]
}

const SEED: u64 = 6;

async fn seed(server: &TestServer) -> crate::harness::client::TestClient {
    let client = server.client().await;
    let commands = json!([
        {"type": "resource.put", "args": {"id": "vm", "kind": "vm"}},
        {"type": "resource.put", "args": {"id": "db", "kind": "db", "dependencies": [{"resource": "vm"}]}},
        {"type": "environment.put", "args": {"id": "lab", "resources": ["db"]}},
        {"type": "resource.put", "args": {"id": "gone", "kind": "vm"}},
        {"type": "resource.remove", "args": {"id": "gone"}},
    ]);
    let reply = client.applied("batch", json!({ "commands": commands })).await;
    assert_eq!(reply["sequence"], SEED);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expectation_that_does_not_hold_refuses_every_command() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = seed(&server).await;
    for (kind, args) in commands() {
        let revision = if kind.starts_with("resource") { 1 } else { 2 };
        let body = json!({"args": args, "expect": "absent"});
        let problem = client.refused(kind, body).await;
        assert_eq!(problem["type"], "urn:domesday:problem:already-exists", "{kind}");
        assert_eq!(problem["pointer"], "/expect");
        assert_eq!(problem["revision"], revision, "{kind}");
        let body = json!({"args": args, "expect": {"revision": 7}});
        let problem = client.refused(kind, body).await;
        assert_eq!(
            problem["type"], "urn:domesday:problem:revision-mismatch",
            "{kind}"
        );
        assert_eq!(problem["revision"], revision, "{kind}: the real one");
        assert!(problem["hint"].is_string());
    }
    for kind in [
        "resource.put",
        "resource.patch",
        "resource.remove",
        "resource.restore",
    ] {
        let args = match kind {
            "resource.put" => json!({"id": "gone", "kind": "vm"}),
            "resource.patch" => json!({"id": "gone", "patch": {}}),
            _ => json!({"id": "gone"}),
        };
        for expect in [json!("exists"), json!({"revision": 2})] {
            let problem = client
                .refused(kind, json!({"args": args, "expect": expect}))
                .await;
            assert_eq!(
                problem["type"], "urn:domesday:problem:not-found",
                "{kind} {expect}"
            );
            assert_eq!(problem["pointer"], "/expect");
        }
    }
    assert_eq!(client.sequence().await, SEED);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expectation_that_holds_lets_every_command_through() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = seed(&server).await;
    let mut revisions = json!({"resource:vm": 1, "environment:lab": 2});
    for (kind, args) in commands() {
        let key = if kind.starts_with("resource") {
            "resource:vm"
        } else {
            "environment:lab"
        };
        let expect = json!({"revision": revisions[key]});
        let reply = client
            .command(kind, json!({"args": args, "expect": expect}))
            .await;
        assert_eq!(reply["outcome"], "applied", "{kind}: {reply}");
        for (key, revision) in reply["revisions"].as_object().unwrap() {
            revisions[key] = revision.clone();
        }
        if kind == "resource.remove" {
            let body = json!({"args": {"id": "vm"}, "expect": "absent"});
            let reply = client.command("resource.restore", body).await;
            assert_eq!(reply["outcome"], "applied", "{reply}");
        }
    }
    let body = json!({"args": {"id": "lab"}, "expect": "absent"});
    let reply = client.command("environment.restore", body).await;
    assert_eq!(reply["outcome"], "applied");
    let body = json!({"args": {"id": "lab", "patch": {"name": "last"}}, "expect": "exists"});
    assert_eq!(
        client.command("environment.patch", body).await["outcome"],
        "applied"
    );
    let body = json!({"args": {"id": "gone", "kind": "vm"}, "expect": "absent"});
    assert_eq!(client.command("resource.put", body).await["outcome"], "applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_the_events_and_changes_nothing() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = seed(&server).await;
    let events = Events::all(&broker).await;
    let mut trials = commands();
    trials.push(("resource.restore", json!({"id": "gone"})));
    let all: Vec<Value> = commands()
        .into_iter()
        .map(|(kind, args)| json!({"type": kind, "args": args}))
        .take(2)
        .collect();
    trials.push(("batch", json!({ "commands": all })));
    for (kind, args) in trials {
        let trial = client.command(kind, json!({"args": args, "dry_run": true})).await;
        assert_eq!(trial["outcome"], "applied", "{kind}: {trial:#}");
        assert_eq!(trial["dry_run"], true);
        assert_eq!(trial["sequence"], SEED, "it is true as of now");
        let told = trial["events"].as_array().unwrap();
        assert!(!told.is_empty(), "{kind}");
        let count: u64 = trial["counts"]
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_u64)
            .sum();
        assert_eq!(told.len() as u64, count, "{kind}");
    }
    let trial = client
        .command(
            "resource.patch",
            json!({"args": {"id": "vm", "patch": {"name": "n"}}, "dry_run": true}),
        )
        .await;
    let told = &trial["events"][0];
    assert_eq!(told["type"], "resource.updated");
    assert_eq!((&told["id"], &told["revision"]), (&json!("vm"), &json!(2)));
    assert_eq!(told["changed"], json!(["/name"]));
    assert_eq!(told["data"]["name"], "n");

    let body = json!({"args": {"id": "vm", "kind": "vm"}, "dry_run": true});
    let trial = client.command("resource.put", body).await;
    assert_eq!(
        (&trial["outcome"], &trial["events"]),
        (&json!("unchanged"), &json!([]))
    );
    let body = json!({"args": {"id": "vm"}, "dry_run": true});
    let problem = client.refused("resource.remove", body).await;
    assert_eq!(problem["type"], "urn:domesday:problem:has-dependents");

    // A real command after all that is the first event.
    let reply = client
        .applied("resource.patch", json!({"id": "vm", "patch": {"name": "n"}}))
        .await;
    assert_eq!(reply["revisions"], json!({"resource:vm": 2}));
    let seen = events.up_to(SEED + 1).await;
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_does_not_use_up_its_message_id() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let args = json!({"id": "a", "kind": "vm"});
    let trial = message("resource.put", &json!({"args": args, "dry_run": true}));
    let mut real = message("resource.put", &json!({ "args": args }));
    real.message_id.clone_from(&trial.message_id);
    assert_eq!(client.send(trial).await["dry_run"], true);
    let reply = client.send(real).await;
    assert_eq!(
        (&reply["outcome"], &reply["duplicate"]),
        (&json!("applied"), &json!(false))
    );
}
