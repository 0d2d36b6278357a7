//! Questions to the graph: what needs what, how, in circles, and what is missing.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::client::{TestClient, at, ids};
use crate::harness::server::TestServer;

/// web → app → db → vm ⇄ net, web → db (soft), app → {cache-1 | cache-2}, db → `https://dns.example/`, net → gone (startup).
async fn estate() -> (TestBroker, TestServer, TestClient) {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let put = |id: &str, dependencies: Value| {
        let args = json!({"id": id, "kind": "k", "name": id.to_uppercase(), "dependencies": dependencies});
        json!({"type": "resource.put", "args": args})
    };
    let commands = json!([
        put("web", json!([{"resource": "app"}, {"resource": "db", "nature": "soft"}])),
        put("app", json!([{"resource": "db"}, {"group": [{"resource": "cache-1"}, {"resource": "cache-2"}], "at_least": 1}])),
        put("db", json!([{"resource": "vm"}, {"external": "https://dns.example/"}])),
        put("vm", json!([{"resource": "net"}])),
        put("net", json!([{"resource": "vm"}, {"resource": "gone", "nature": "startup"}])),
        put("cache-1", json!([])),
        put("cache-2", json!([])),
        put("self", json!([{"resource": "self", "nature": "soft"}, {"resource": "lost"}])),
        {"type": "environment.put", "args": {"id": "lab", "resources": ["web", "self"]}},
    ]);
    client.applied("batch", json!({ "commands": commands })).await;
    (broker, server, client)
}

/// The ids of the nodes with their distances, nearest first and then by id.
fn distances(answer: &Value) -> Vec<(u64, String)> {
    let nodes = answer["nodes"].as_array().unwrap();
    let mut all: Vec<(u64, String)> = nodes
        .iter()
        .map(|node| {
            (
                node["distance"].as_u64().unwrap(),
                node["id"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert!(all.is_sorted_by_key(|(distance, _)| *distance), "nearest first");
    all.sort();
    all
}

fn far(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected
        .iter()
        .map(|(distance, id)| (*distance, (*id).to_owned()))
        .collect()
}

fn paths(answer: &Value) -> Vec<Vec<String>> {
    answer["paths"].as_array().unwrap().iter().map(ids).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dependencies_are_told_with_distance_and_every_edge_between_them() {
    let (_broker, _server, client) = estate().await;
    let answer = client
        .question("graph.dependencies", json!({"args": {"id": "web"}}))
        .await;
    let expected = [
        (0, "web"),
        (1, "app"),
        (1, "db"),
        (2, "cache-1"),
        (2, "cache-2"),
        (2, "https://dns.example/"),
        (2, "vm"),
        (3, "net"),
        (4, "gone"),
    ];
    assert_eq!(distances(&answer), far(&expected));
    assert_eq!(
        (&answer["total"], &answer["truncated"]),
        (&json!(8), &json!(false))
    );
    let edges = answer["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 10, "{edges:#?}");
    let edge = |from: &str, to: &str| {
        let found = edges.iter().find(|edge| edge["from"] == from && edge["to"] == to);
        found.unwrap_or_else(|| panic!("no edge {from} → {to}")).clone()
    };
    assert_eq!(
        edge("web", "app"),
        json!({"from": "web", "to": "app", "nature": "hard"})
    );
    assert_eq!(edge("web", "db")["nature"], "soft");
    assert_eq!(edge("net", "gone")["nature"], "startup");
    assert_eq!(edge("app", "cache-1")["group"], true);
    assert_eq!(edge("db", "https://dns.example/")["external"], true);
    edge("net", "vm");
    let node = |id: &str| {
        let nodes = answer["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["id"] == id).unwrap().clone()
    };
    assert_eq!(node("gone")["registered"], false);
    assert_eq!(node("https://dns.example/")["external"], true);
    let db = json!({"id": "db", "registered": true, "kind": "k", "name": "DB", "distance": 1});
    assert_eq!(node("db"), db);
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_and_natures_bound_a_walk() {
    let (_broker, _server, client) = estate().await;
    let ask =
        async |kind: &str, args: Value| distances(&client.question(kind, json!({ "args": args })).await);
    let two = ask("graph.dependents", json!({"id": "vm", "depth": 2})).await;
    assert_eq!(
        two,
        far(&[(0, "vm"), (1, "db"), (1, "net"), (2, "app"), (2, "web")])
    );
    let one = ask("graph.dependents", json!({"id": "vm", "depth": 1})).await;
    assert_eq!(one, far(&[(0, "vm"), (1, "db"), (1, "net")]));
    let hard = ask("graph.dependents", json!({"id": "db", "natures": ["hard"]})).await;
    assert_eq!(hard, far(&[(0, "db"), (1, "app"), (2, "web")]));
    let soft = ask("graph.dependents", json!({"id": "db", "natures": ["soft"]})).await;
    assert_eq!(soft, far(&[(0, "db"), (1, "web")]));
    let dangling = ask("graph.dependents", json!({"id": "gone", "depth": 1})).await;
    assert_eq!(
        dangling,
        far(&[(0, "gone"), (1, "net")]),
        "who needs what is not there"
    );
    let startup = ask("graph.dependencies", json!({"id": "net", "natures": ["startup"]})).await;
    assert_eq!(startup, far(&[(0, "net"), (1, "gone")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_leaves_out_the_farthest_and_says_so() {
    let (_broker, _server, client) = estate().await;
    let body = json!({"args": {"id": "web"}, "limit": 4});
    let answer = client.question("graph.dependencies", body).await;
    let shown = distances(&answer);
    assert!(shown.iter().all(|(distance, _)| *distance <= 2), "{shown:?}");
    assert_eq!(shown.len(), 1 + 4, "the start does not count");
    assert_eq!(
        (&answer["total"], &answer["truncated"]),
        (&json!(8), &json!(true))
    );
    assert!(answer["truncated_because"].as_str().unwrap().contains("limit"));
    let inside: BTreeSet<&String> = shown.iter().map(|(_, id)| id).collect();
    for edge in answer["edges"].as_array().unwrap() {
        for end in ["from", "to"] {
            let id = edge[end].as_str().unwrap().to_owned();
            assert!(inside.contains(&id), "{id} is not in the answer");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_the_shortest_unless_all_are_asked_for() {
    let (_broker, _server, client) = estate().await;
    let ask = async |body: Value| client.question("graph.path", body).await;
    let shortest = ask(json!({"args": {"from": "web", "to": "vm"}})).await;
    assert_eq!(paths(&shortest), [["web", "db", "vm"]]);
    let all = ask(json!({"args": {"from": "web", "to": "vm", "all": true}})).await;
    assert_eq!(
        paths(&all),
        [vec!["web", "db", "vm"], vec!["web", "app", "db", "vm"]]
    );
    assert_eq!((&all["total"], &all["truncated"]), (&json!(2), &json!(false)));
    let one = ask(json!({"args": {"from": "web", "to": "vm", "all": true}, "limit": 1})).await;
    assert_eq!(paths(&one), [["web", "db", "vm"]]);
    assert_eq!(one["truncated"], true);
    let hard = ask(json!({"args": {"from": "web", "to": "vm", "natures": ["hard"]}})).await;
    assert_eq!(paths(&hard), [["web", "app", "db", "vm"]]);
    let none = ask(json!({"args": {"from": "vm", "to": "web"}})).await;
    assert_eq!((paths(&none).len(), &none["total"]), (0, &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn circles_are_told_and_go_away_when_they_are_broken() {
    let (_broker, _server, client) = estate().await;
    let cycles = async |args: Value| {
        let answer = client.question("graph.cycles", json!({ "args": args })).await;
        let sets = answer["cycles"].as_array().unwrap();
        sets.iter()
            .map(|set| {
                ids(set)
                    .into_iter()
                    .collect::<BTreeSet<_>>()
                    .into_iter()
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(cycles(json!({})).await, ["net vm", "self"]);
    assert_eq!(cycles(json!({"environment": "lab"})).await, ["self"]);
    assert_eq!(cycles(json!({"natures": ["hard"]})).await, ["net vm"]);
    let limited = client.question("graph.cycles", json!({"limit": 1})).await;
    assert_eq!(
        (&limited["total"], &limited["truncated"]),
        (&json!(2), &json!(true))
    );
    client
        .applied(
            "resource.patch",
            json!({"id": "net", "patch": {"dependencies": []}}),
        )
        .await;
    assert_eq!(cycles(json!({})).await, ["self"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_until_it_appears() {
    let (_broker, _server, client) = estate().await;
    let dangling = async |body: Value| client.question("graph.dangling", body).await["dangling"].clone();
    let all = json!([
        {"id": "gone", "dependents": ["net"], "dependents_total": 1},
        {"id": "lost", "dependents": ["self"], "dependents_total": 1},
    ]);
    assert_eq!(dangling(json!({})).await, all);
    assert_eq!(
        ids(&dangling(json!({"args": {"environment": "lab"}})).await),
        ["lost"]
    );
    let reply = client
        .applied("resource.put", json!({"id": "gone", "kind": "k"}))
        .await;
    assert_eq!(ids(&dangling(json!({"at_least": at(&reply)})).await), ["lost"]);
    let answer = client.question("graph.dangling", json!({"limit": 1})).await;
    assert_eq!(
        (&answer["total"], &answer["truncated"]),
        (&json!(1), &json!(false))
    );
    client
        .applied("resource.remove", json!({"id": "vm", "mode": "detach"}))
        .await;
    assert_eq!(ids(&dangling(json!({})).await), ["lost", "vm"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_counts_what_is_there() {
    let (_broker, _server, client) = estate().await;
    let pong = client.question("ping", json!({})).await;
    assert_eq!(pong["instance"], "test");
    assert_eq!(pong["role"], "primary");
    assert_eq!(pong["version"], env!("CARGO_PKG_VERSION"));
    let counts =
        ["environments", "resources", "dependencies", "lag"].map(|field| pong[field].as_u64().unwrap());
    assert_eq!(counts, [1, 8, 12, 0]);
    assert_eq!(
        (&pong["as_of"]["epoch"], &pong["as_of"]["sequence"]),
        (&json!(1), &json!(10))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graph_sees_a_change_right_after_its_reply() {
    let (_broker, _server, client) = estate().await;
    for n in 0..20 {
        let id = format!("new-{n}");
        let args = json!({"id": id, "kind": "k", "dependencies": [{"resource": "db"}]});
        let reply = client.applied("resource.put", args).await;
        let body = json!({"args": {"id": id}, "at_least": at(&reply)});
        let answer = client.question("graph.dependencies", body).await;
        assert!(answer["as_of"]["sequence"].as_u64() >= reply["sequence"].as_u64());
        assert!(distances(&answer).contains(&(1, "db".to_owned())));
    }
}
