//! Searches: the query language, paging, and reading one's own writes.

use serde_json::{Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::client::{TestClient, at, ids, text};
use crate::harness::server::TestServer;

/// A small estate; gives the reply after which all of it is there.
async fn estate() -> (TestBroker, TestServer, TestClient, Value) {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let resource = |id: &str, kind: &str, name: &str, description: &str, owner: &str| {
        let tags = json!({"owner": owner, "tier-1": ""});
        let args = json!({"id": id, "kind": kind, "name": name, "description": description, "tags": tags});
        json!({"type": "resource.put", "args": args})
    };
    let commands = json!([
        resource("pg-ledger", "postgres", "Ledger database", "holds the general ledger of payments", "payments"),
        resource("pg-orders", "postgres", "Orders database", "orders, and the ledger gateway", "shop"),
        resource("web-1", "nginx", "Storefront", "serves the payment gateway to the world", "shop"),
        resource("vm-9", "vm", "Machine nine", "an old machine", "roads"),
        {"type": "environment.put", "args": {"id": "lab-7", "name": "Lab seven", "description": "for payments",
            "resources": ["pg-ledger", "vm-9"]}},
        {"type": "environment.put", "args": {"id": "lab-8", "resources": ["pg-orders", "web-1", "vm-9"]}},
    ]);
    let reply = client.applied("batch", json!({ "commands": commands })).await;
    (broker, server, client, reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_finds_what_it_says() {
    let (_broker, _server, client, reply) = estate().await;
    let cases: [(&str, &[&str]); 27] = [
        ("ledger", &["pg-ledger", "pg-orders"]),
        ("LEDGER database", &["pg-ledger", "pg-orders"]),
        ("\"payment gateway\"", &["web-1"]),
        ("\"ledger gateway\"", &["pg-orders"]),
        ("\"gateway ledger\"", &[]),
        ("kind:postgres", &["pg-ledger", "pg-orders"]),
        ("kind:post", &[]),
        ("kind:post*", &["pg-ledger", "pg-orders"]),
        ("name:database", &["pg-ledger", "pg-orders"]),
        ("name:gateway", &[]),
        ("description:gateway", &["pg-orders", "web-1"]),
        ("id:vm-9", &["vm-9"]),
        ("tag.owner:shop", &["pg-orders", "web-1"]),
        ("tag.owner:shop tag:tier-1 orders", &["pg-orders"]),
        ("tag.owner:*", &["pg-ledger", "pg-orders", "vm-9", "web-1"]),
        ("store*", &["web-1"]),
        ("databse~1", &["pg-ledger", "pg-orders"]),
        ("dtbse~1", &[]),
        ("dtabse~2", &["pg-ledger", "pg-orders"]),
        ("storefront OR machine", &["vm-9", "web-1"]),
        ("kind:postgres AND NOT orders", &["pg-ledger"]),
        ("(storefront OR machine) AND tag.owner:roads", &["vm-9"]),
        ("-kind:postgres type:resource", &["vm-9", "web-1"]),
        ("type:environment", &["lab-7", "lab-8"]),
        ("environment:lab-7 type:resource", &["pg-ledger", "vm-9"]),
        ("environment:lab-7 environment:lab-8", &["vm-9"]),
        ("nothing-like-this", &[]),
    ];
    for (query, expected) in cases {
        let mut found = client.find(query, &reply).await;
        found.sort();
        assert_eq!(found, expected, "{query}");
    }
    let all = client.find("*", &reply).await;
    assert_eq!(all.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_says_enough_to_choose_and_the_best_comes_first() {
    let (_broker, _server, client, reply) = estate().await;
    let body = json!({"args": {"query": "ledger"}, "at_least": at(&reply)});
    let answer = client.question("search", body).await;
    assert_eq!(
        (&answer["total"], &answer["truncated"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(answer["as_of"]["sequence"], reply["sequence"]);
    assert_eq!(answer["as_of"]["cluster"], reply["cluster"]);
    let first = &answer["items"][0];
    assert_eq!(first["id"], "pg-ledger", "its name and id have the word too");
    assert_eq!(first["entity"], "resource");
    assert_eq!(
        (&first["kind"], &first["name"]),
        (&json!("postgres"), &json!("Ledger database"))
    );
    assert!(first["score"].as_f64() > answer["items"][1]["score"].as_f64());
    assert!(
        first.get("tags").is_none() && first.get("attributes").is_none(),
        "an answer is no record"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_within_an_environment_finds_nothing_outside() {
    let (_broker, _server, client, reply) = estate().await;
    for (environment, expected) in [
        ("lab-7", vec!["pg-ledger"]),
        ("lab-8", vec!["pg-orders"]),
        ("no", vec![]),
    ] {
        let body = json!({"args": {"query": "kind:postgres", "within": environment}, "at_least": at(&reply)});
        let answer = client.question("search", body).await;
        assert_eq!(ids(&answer["items"]), expected, "{environment}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_until_all_are_seen_once() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let commands: Vec<Value> = (0..25)
        .map(|n| json!({"type": "resource.put", "args": {"id": format!("r-{n:02}"), "kind": "vm", "name": "page me"}}))
        .collect();
    let reply = client.applied("batch", json!({ "commands": commands })).await;
    let mut body = json!({"args": {"query": "page"}, "limit": 10, "at_least": at(&reply)});
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let answer = client.question("search", body.clone()).await;
        assert_eq!(answer["total"], 25);
        let page = ids(&answer["items"]);
        sizes.push(page.len());
        seen.extend(page);
        let Some(next) = answer.get("next") else {
            assert_eq!(answer["truncated"], false);
            break;
        };
        assert_eq!(answer["truncated"], true);
        assert!(!text(&answer["truncated_because"]).is_empty());
        body["cursor"] = next.clone();
    }
    assert_eq!(sizes, [10, 10, 5]);
    seen.sort();
    let expected: Vec<String> = (0..25).map(|n| format!("r-{n:02}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_sees_a_change_right_after_its_reply() {
    let (_broker, _server, client, _reply) = estate().await;
    for n in 0..30 {
        let name = format!("word{n}");
        let args = json!({"id": "vm-9", "kind": "vm", "name": name});
        let reply = client.applied("resource.put", args).await;
        assert_eq!(client.find(&name, &reply).await, ["vm-9"]);
        if n > 0 {
            assert_eq!(client.find(&format!("word{}", n - 1), &reply).await, [""; 0]);
        }
    }
    let reply = client.applied("resource.remove", json!({"id": "vm-9"})).await;
    assert_eq!(client.find("id:vm-9", &reply).await, [""; 0]);
    let reply = client.applied("resource.restore", json!({"id": "vm-9"})).await;
    assert_eq!(client.find("id:vm-9 environment:lab-7", &reply).await, ["vm-9"]);
    let unlink = json!({"environment": "lab-7", "resources": ["vm-9"]});
    let reply = client.applied("environment.unlink", unlink).await;
    assert_eq!(client.find("id:vm-9 environment:lab-7", &reply).await, [""; 0]);
    let reply = client
        .applied("environment.remove", json!({"id": "lab-8", "mode": "detach"}))
        .await;
    assert_eq!(client.find("environment:lab-8", &reply).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_and_the_graph_answer_together() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let resource = |id: &str, kind: &str, owner: &str, needs: &[&str]| {
        let needs: Vec<Value> = needs.iter().map(|id| json!({ "resource": id })).collect();
        let args = json!({"id": id, "kind": kind, "description": "part of the payments platform",
            "tags": {"owner": owner}, "dependencies": needs});
        json!({"type": "resource.put", "args": args})
    };
    let commands = json!([
        resource("db-1", "postgres", "data", &[]),
        resource("api-1", "service", "shop", &["db-1"]),
        resource("web-1", "service", "shop", &["api-1", "cdn-9"]),
        resource("loop-a", "service", "roads", &["loop-b"]),
        resource("loop-b", "service", "roads", &["loop-a"]),
    ]);
    let reply = client.applied("batch", json!({ "commands": commands })).await;
    for (query, expected) in [
        ("dependents-of:db-1", vec!["api-1", "web-1"]),
        ("dependents-of:db-1~1", vec!["api-1"]),
        ("kind:service dependents-of:db-1 -has:dangling", vec!["api-1"]),
        ("dependencies-of:web-1", vec!["api-1", "db-1"]),
        ("dependents-of:cdn-9", vec!["web-1"]),
        ("has:cycle OR has:dangling", vec!["loop-a", "loop-b", "web-1"]),
        ("platform -dependents-of:db-1 -has:cycle", vec!["db-1"]),
        ("has:external", vec![]),
    ] {
        let mut found = client.find(query, &reply).await;
        found.sort();
        assert_eq!(found, expected, "{query}");
    }
    // The answer to a question right after a change knows it, in the index and in the graph.
    for n in 0..20 {
        let id = format!("extra-{n}");
        let args = json!({"id": id, "kind": "job", "dependencies": [{"resource": "db-1"}]});
        let reply = client.applied("resource.put", args).await;
        let found = client.find("kind:job dependents-of:db-1", &reply).await;
        assert_eq!(found.len(), n + 1);
    }
    let body = json!({"args": {"query": "payments kind:service", "facets": ["kind", "tag:owner"], "explain": true},
        "limit": 1, "at_least": at(&reply)});
    let answer = client.question("search", body).await;
    assert_eq!(answer["understood"], "payments AND kind:service");
    assert_eq!(
        answer["facets"][0]["values"],
        json!([{"value": "service", "count": 4}])
    );
    assert_eq!(
        answer["facets"][1]["values"][0],
        json!({"value": "roads", "count": 2})
    );
    let hit = &answer["items"][0];
    let highlight = hit["highlights"].as_array().unwrap().last().unwrap();
    assert_eq!(highlight["field"], "description");
    assert_eq!(highlight["ranges"], json!([[12, 20]]));
    assert_eq!(hit["explanation"][0]["fields"], json!(["description"]), "{hit}");

    let problem = client
        .no_answer(
            "search",
            json!({"args": {"query": "kind:vm dependents-of:nobody"}}),
        )
        .await;
    assert_eq!(problem["type"], "urn:domesday:problem:not-found");
    assert_eq!(problem["position"], 8);
    let body = json!({"args": {"query": "x", "facets": ["kind", "nmae"]}});
    let problem = client.no_answer("search", body).await;
    assert_eq!(problem["pointer"], "/args/facets/1");
}
