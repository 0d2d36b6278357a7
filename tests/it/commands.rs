//! Every command does what the contract says, once: replies, revisions, counts, and the events that follow.

use serde_json::{Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::client::TestClient;
use crate::harness::events::{Event, Events, distinct};
use crate::harness::server::TestServer;

/// A server, a client, and all events from its beginning.
async fn new() -> (TestBroker, TestServer, TestClient, Events) {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let events = Events::all(&broker).await;
    (broker, server, client, events)
}

/// The types and ids of the events of the transaction that ends with this reply.
async fn caused(events: &Events, reply: &Value) -> Vec<(String, String)> {
    let sequence = reply["sequence"].as_u64().unwrap();
    let all = events.up_to(sequence).await;
    let last = all.last().unwrap().body["transaction"]["id"].clone();
    all.iter()
        .filter(|event| event.counts() && event.body["transaction"]["id"] == last)
        .map(|event| (event.kind().to_owned(), event.id().to_owned()))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(kind, id): &(&str, &str)| ((*kind).to_owned(), (*id).to_owned());
    expected.iter().map(own).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_creates_then_replaces_and_then_changes_nothing() {
    let (_broker, _server, client, events) = new().await;
    for entity in ["resource", "environment"] {
        let put = format!("{entity}.put");
        let mut args = json!({"id": "a", "name": "A", "tags": {"owner": "roads", "label": ""}});
        if entity == "resource" {
            args["kind"] = json!("vm");
        }
        let key = format!("{entity}:a");
        let before = client.sequence().await;
        let reply = client.applied(&put, args.clone()).await;
        assert_eq!(reply["revisions"], json!({ &key: 1 }));
        assert_eq!(reply["counts"], json!({ format!("{entity}.created"): 1 }));
        assert_eq!(reply["duplicate"], false);
        assert_eq!(reply["sequence"], before + 1);
        assert_eq!(reply["epoch"], 1);

        args["name"] = json!("Another");
        let reply = client.applied(&put, args.clone()).await;
        assert_eq!(reply["revisions"], json!({ &key: 2 }));
        assert_eq!(reply["counts"], json!({ format!("{entity}.updated"): 1 }));
        let updated = events
            .up_to(before + 2)
            .await
            .iter()
            .rev()
            .nth(1)
            .unwrap()
            .clone();
        assert_eq!(updated.body["changed"], json!(["/name"]));
        assert_eq!(updated.body["before"], json!({"name": "A"}));
        assert_eq!(updated.body["data"]["name"], "Another");

        let reply = client.command(&put, json!({ "args": args })).await;
        assert_eq!(reply["outcome"], "unchanged");
        assert_eq!(reply["revisions"], json!({}));
        assert_eq!(reply["sequence"], before + 2);
    }
    assert_eq!(client.sequence().await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_changes_what_it_names_and_nothing_else() {
    let (_broker, _server, client, events) = new().await;
    client
        .applied(
            "resource.put",
            json!({"id": "db", "kind": "postgres", "name": "Ledger", "description": "d",
                "tags": {"owner": "roads", "zone": "a"}, "attributes": {"size": {"cpu": 4, "disk": 9}},
                "dependencies": [{"resource": "vm"}]}),
        )
        .await;
    let patch =
        json!({"name": null, "tags": {"zone": "b", "tier": "1"}, "attributes": {"size": {"disk": null}}});
    let args = json!({"id": "db", "patch": patch});
    let reply = client.applied("resource.patch", args.clone()).await;
    assert_eq!(reply["revisions"], json!({"resource:db": 2}));
    let all = distinct(&events.up_to(2).await);
    let updated = &all[1];
    assert_eq!(updated.body["type"], "resource.updated");
    let data = &updated.body["data"];
    assert_eq!(data["tags"], json!({"owner": "roads", "tier": "1", "zone": "b"}));
    assert_eq!(data["attributes"], json!({"size": {"cpu": 4}}));
    assert!(data.get("name").is_none(), "{data}");
    assert_eq!(data["dependencies"][0]["resource"], "vm");
    let before =
        json!({"name": "Ledger", "tags": {"zone": "a", "tier": null}, "attributes": {"size": {"disk": 9}}});
    assert_eq!(updated.body["before"], before);

    let again = client.command("resource.patch", json!({ "args": args })).await;
    assert_eq!(again["outcome"], "unchanged");

    client
        .applied("environment.put", json!({"id": "lab", "name": "Lab"}))
        .await;
    let args = json!({"id": "lab", "patch": {"description": "new", "resources": ["db"]}});
    let reply = client.applied("environment.patch", args.clone()).await;
    assert_eq!(reply["revisions"], json!({"environment:lab": 3}));
    let expected = [("environment.updated", "lab"), ("environment.linked", "lab")];
    assert_eq!(caused(&events, &reply).await, pairs(&expected));
    let again = client.command("environment.patch", json!({ "args": args })).await;
    assert_eq!(again["outcome"], "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_entity_can_be_restored_with_its_links() {
    let (_broker, _server, client, events) = new().await;
    client
        .applied("resource.put", json!({"id": "vm", "kind": "vm", "name": "VM"}))
        .await;
    client
        .applied(
            "resource.put",
            json!({"id": "db", "kind": "db", "dependencies": [{"resource": "vm"}]}),
        )
        .await;
    client
        .applied("environment.put", json!({"id": "lab", "resources": ["vm", "db"]}))
        .await;

    let reply = client
        .applied("resource.remove", json!({"id": "vm", "mode": "detach"}))
        .await;
    let expected = [("environment.unlinked", "lab"), ("resource.removed", "vm")];
    assert_eq!(caused(&events, &reply).await, pairs(&expected));
    let removed = distinct(&events.so_far()).pop().unwrap();
    assert_eq!(removed.body["data"]["name"], "VM", "the last state");
    let reply = client
        .command("resource.remove", json!({"args": {"id": "vm"}}))
        .await;
    assert_eq!(reply["outcome"], "unchanged", "it is gone already");
    let dangling = client.question("graph.dangling", json!({})).await;
    assert_eq!(dangling["dangling"][0]["id"], "vm");

    let reply = client.applied("resource.restore", json!({"id": "vm"})).await;
    assert_eq!(reply["revisions"]["resource:vm"], 3, "{reply}");
    let expected = [("resource.restored", "vm"), ("environment.linked", "lab")];
    assert_eq!(caused(&events, &reply).await, pairs(&expected));
    let reply = client
        .command("resource.restore", json!({"args": {"id": "vm"}}))
        .await;
    assert_eq!(reply["outcome"], "unchanged", "it is there already");
    assert_eq!(client.question("graph.dangling", json!({})).await["total"], 0);

    let reply = client
        .applied("environment.remove", json!({"id": "lab", "mode": "detach"}))
        .await;
    let expected = [("environment.unlinked", "lab"), ("environment.removed", "lab")];
    assert_eq!(caused(&events, &reply).await, pairs(&expected));
    let reply = client.applied("environment.restore", json!({"id": "lab"})).await;
    let expected = [("environment.restored", "lab"), ("environment.linked", "lab")];
    assert_eq!(caused(&events, &reply).await, pairs(&expected));
    let pong = client.question("ping", json!({})).await;
    assert_eq!(
        (&pong["environments"], &pong["resources"]),
        (&json!(1), &json!(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_id_that_is_put_again_goes_on_with_its_revisions() {
    let (_broker, _server, client, _events) = new().await;
    client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    let reply = client.applied("resource.remove", json!({"id": "a"})).await;
    assert_eq!(reply["revisions"], json!({"resource:a": 2}));
    let reply = client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    assert_eq!(reply["revisions"], json!({"resource:a": 3}));
    assert_eq!(reply["counts"], json!({"resource.created": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_count_once_and_only_where_they_change_something() {
    let (_broker, _server, client, events) = new().await;
    for id in ["a", "b", "c"] {
        client
            .applied("resource.put", json!({"id": id, "kind": "vm"}))
            .await;
    }
    client.applied("environment.put", json!({"id": "lab"})).await;
    let link = json!({"environment": "lab", "resources": ["b", "a", "b"]});
    let reply = client.applied("environment.link", link.clone()).await;
    assert_eq!(reply["revisions"], json!({"environment:lab": 2}));
    assert_eq!(reply["counts"], json!({"environment.linked": 1}));
    let linked = events.up_to(5).await.iter().rev().nth(1).unwrap().clone();
    assert_eq!(linked.body["data"], json!({"resources": ["a", "b"]}));

    let again = client.command("environment.link", json!({ "args": link })).await;
    assert_eq!(again["outcome"], "unchanged");
    let unlink = json!({"environment": "lab", "resources": ["a", "c"]});
    client.applied("environment.unlink", unlink.clone()).await;
    let unlinked = events.up_to(6).await.iter().rev().nth(1).unwrap().clone();
    assert_eq!(unlinked.kind(), "environment.unlinked");
    assert_eq!(unlinked.body["data"], json!({"resources": ["a"]}));
    let again = client
        .command("environment.unlink", json!({ "args": unlink }))
        .await;
    assert_eq!(again["outcome"], "unchanged");

    // A put with members makes the set exactly that; without, it leaves the set alone.
    let reply = client
        .applied("environment.put", json!({"id": "lab", "resources": ["c"]}))
        .await;
    assert_eq!(
        reply["counts"],
        json!({"environment.linked": 1, "environment.unlinked": 1})
    );
    let reply = client
        .command("environment.put", json!({"args": {"id": "lab"}}))
        .await;
    assert_eq!(reply["outcome"], "unchanged");
    let found = client.find("environment:lab type:resource", &reply).await;
    assert_eq!(found, ["c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_all_or_nothing_and_one_transaction() {
    let (_broker, _server, client, events) = new().await;
    let put = |id: &str| json!({"type": "resource.put", "args": {"id": id, "kind": "vm"}});
    let good = json!([
        put("a"),
        put("b"),
        {"type": "environment.put", "args": {"id": "lab", "resources": ["a", "b"]}},
        {"type": "resource.patch", "args": {"id": "a", "patch": {"name": "A"}}, "expect": {"revision": 1}},
    ]);
    let reply = client.applied("batch", json!({ "commands": good })).await;
    assert_eq!(reply["sequence"], 5);
    let revisions = json!({"environment:lab": 2, "resource:a": 2, "resource:b": 1});
    assert_eq!(reply["revisions"], revisions);
    let counts = json!({"environment.created": 1, "environment.linked": 1, "resource.created": 2, "resource.updated": 1});
    assert_eq!(reply["counts"], counts);
    let all = events.up_to(5).await;
    let places: Vec<Value> = all
        .iter()
        .filter(|e| e.counts())
        .map(|e| e.body["transaction"].clone())
        .collect();
    let expected: Vec<Value> = (0..5)
        .map(|index| json!({"id": "1-1", "index": index, "count": 5}))
        .collect();
    assert_eq!(places, expected);
    let committed = all.last().unwrap();
    assert_eq!(committed.kind(), "transaction.committed");
    assert_eq!(committed.body["counts"], counts);
    assert_eq!(committed.body["transaction"], json!({"id": "1-1", "count": 5}));
    assert_eq!(committed.sequence(), 5, "it carries the last one");

    let again = client
        .command("batch", json!({"args": {"commands": [put("b"), put("b")]}}))
        .await;
    assert_eq!(again["outcome"], "unchanged");

    let bad = json!([put("c"), {"type": "resource.remove", "args": {"id": "nobody"}}, put("d")]);
    let problem = client.refused("batch", json!({"args": {"commands": bad}})).await;
    assert_eq!(problem["type"], "urn:domesday:problem:not-found");
    assert_eq!(problem["pointer"], "/args/commands/1/args/id");
    assert_eq!(problem["command"], 1);
    assert_eq!(client.sequence().await, 5);
    let reply = client
        .applied("resource.put", json!({"id": "c", "kind": "vm"}))
        .await;
    assert_eq!(
        reply["revisions"],
        json!({"resource:c": 1}),
        "the batch left nothing of c"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_revision_of_an_entity_rises_by_one_with_each_of_its_events() {
    let (_broker, _server, client, events) = new().await;
    for n in 1..=5 {
        let args = json!({"id": "a", "kind": "vm", "name": n.to_string()});
        client.applied("resource.put", args).await;
    }
    client.applied("resource.remove", json!({"id": "a"})).await;
    client.applied("resource.restore", json!({"id": "a"})).await;
    let all = events.up_to(7).await;
    let own: Vec<&Event> = all.iter().filter(|event| event.counts()).collect();
    let numbers: Vec<(u64, u64)> = own
        .iter()
        .map(|event| (event.sequence(), event.body["revision"].as_u64().unwrap()))
        .collect();
    assert_eq!(numbers, (1..=7).map(|n| (n, n)).collect::<Vec<_>>());
}
