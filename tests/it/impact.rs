//! What stops and in which order, over the broker and from the command line; and removals that are sure of it.

use serde_json::{Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::client::{TestClient, at, ids};
use crate::harness::schemas;
use crate::harness::server::TestServer;

/// web → api → {db-1 | db-2}, db-1 → disk, both → name service; report works without web; ring-a ⇄ ring-b (soft).
async fn estate() -> (TestBroker, TestServer, TestClient) {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let put = |id: &str, dependencies: Value| json!({"type": "resource.put", "args": {"id": id, "kind": "k", "dependencies": dependencies}});
    let dns = json!({"external": "https://dns.example/"});
    let commands = json!([
        put("disk", json!([])),
        put("db-1", json!([{"resource": "disk"}, dns])),
        put("db-2", json!([dns])),
        put("api", json!([{"group": [{"resource": "db-1"}, {"resource": "db-2"}]}])),
        put("web", json!([{"resource": "api"}])),
        put("report", json!([{"resource": "web", "nature": "soft"}])),
        put("job", json!([{"resource": "web", "nature": "startup"}])),
        put("ring-a", json!([{"resource": "ring-b"}])),
        put("ring-b", json!([{"resource": "ring-a", "nature": "soft"}])),
        {"type": "environment.put", "args": {"id": "lab", "entrypoints": [{"url": "https://lab.example/"}],
            "resources": ["disk", "db-1", "db-2", "api", "web"]}},
    ]);
    client.applied("batch", json!({ "commands": commands })).await;
    (broker, server, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impact_names_what_stops_and_why() {
    let (_broker, _server, client) = estate().await;
    let ask = async |args: Value| client.question("graph.impact", json!({ "args": args })).await;
    let one = ask(json!({"ids": ["disk"]})).await;
    assert_eq!(ids(&one["affected"]), ["db-1"], "the group holds");
    let both = ask(json!({"ids": ["disk", "db-2"]})).await;
    assert_eq!(ids(&both["affected"]), ["db-1", "api", "web"]);
    assert_eq!(both["affected"][2]["why"], json!(["disk", "db-1", "api"]));
    assert_eq!(
        (&both["affected"][2]["effect"], &both["affected"][2]["distance"]),
        (&json!("stops"), &json!(3))
    );
    let lab = json!([{"id": "lab", "stops": 5, "weakened": 0, "resources": 5,
        "entrypoints": [{"url": "https://lab.example/"}]}]);
    assert_eq!(both["environments"], lab);
    let all =
        ask(json!({"ids": ["https://dns.example/"], "include_soft": true, "include_startup": true})).await;
    assert_eq!(
        all["counts"],
        json!({"stops": 4, "degraded": 1, "cannot_start": 1})
    );
    assert_eq!(all["causes"][0]["external"], true);
    let some = client
        .question(
            "graph.impact",
            json!({"args": {"ids": ["disk", "db-2"]}, "limit": 1}),
        )
        .await;
    assert_eq!((&some["total"], &some["truncated"]), (&json!(3), &json!(true)));
    assert_eq!(some["hash"], both["hash"], "a limit is no part of it");
    let problem = client
        .no_answer("graph.impact", json!({"args": {"ids": ["disk", "nobody"]}}))
        .await;
    assert_eq!(
        (&problem["type"], &problem["pointer"]),
        (&json!("urn:domesday:problem:not-found"), &json!("/args/ids/1"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_with_another_impact_removes_nothing() {
    let (_broker, server, client) = estate().await;
    let impact = client
        .question("graph.impact", json!({"args": {"ids": ["api"]}}))
        .await;
    let hash = impact["hash"].as_str().unwrap().to_owned();
    // Somebody comes to need it between the look and the removal.
    let reply = client
        .applied(
            "resource.put",
            json!({"id": "late", "kind": "k", "dependencies": [{"resource": "api"}]}),
        )
        .await;
    let args = json!({"id": "api", "mode": "detach", "expect_impact": hash});
    let problem = client.refused("resource.remove", json!({ "args": args })).await;
    assert_eq!(problem["type"], "urn:domesday:problem:impact-mismatch");
    assert_eq!(
        (&problem["pointer"], &problem["stops"]),
        (&json!("/args/expect_impact"), &json!(2))
    );
    assert_eq!(
        client.sequence().await,
        reply["sequence"].as_u64().unwrap(),
        "nothing happened"
    );
    let ran = server
        .cli(&["remove", "resource", "api", "--detach", "--expect-impact", &hash])
        .await
        .expect(1);
    assert!(
        ran.err.contains("2 resources would stop") && ran.err.contains("hint: ask `graph.impact` again"),
        "{}",
        ran.err
    );
    // With the hash that the problem tells it goes.
    let now = problem["impact"].as_str().unwrap();
    let ran = server
        .cli(&["remove", "resource", "api", "--detach", "--expect-impact", now])
        .await
        .expect(0);
    assert!(ran.out.contains("resource api removed"), "{}", ran.out);
    for verb in [
        vec!["remove", "resource", "disk", "web", "--expect-impact", now],
        vec!["remove", "environment", "lab", "--expect-impact", now],
        vec!["remove", "resource", "disk", "--expect-impact", "7"],
    ] {
        server.cli(&verb).await.expect(64);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_waves_that_can_be_kept() {
    let (_broker, _server, client) = estate().await;
    let waves = |answer: &Value| -> Vec<String> {
        let waves = answer["waves"].as_array().unwrap();
        waves.iter().map(|wave| ids(wave).join(" ")).collect()
    };
    let ask = async |args: Value| client.question("graph.order", json!({ "args": args })).await;
    let start = ask(json!({"environment": "lab", "direction": "start"})).await;
    assert_eq!(waves(&start), ["db-2 disk", "db-1", "api", "web"]);
    assert_eq!(ids(&start["critical_path"]), ["disk", "db-1", "api", "web"]);
    assert_eq!(ids(&start["outside"]), ["https://dns.example/"]);
    assert_eq!((&start["wave_count"], &start["total"]), (&json!(4), &json!(5)));
    let stop = ask(json!({"environment": "lab", "direction": "stop"})).await;
    assert_eq!(waves(&stop), ["web", "api", "db-1 db-2", "disk"]);
    assert_eq!(ids(&stop["outside"]), ["job", "report"]);
    let ring = ask(json!({"ids": ["ring-a", "ring-b"], "direction": "start"})).await;
    assert_eq!(
        waves(&ring),
        ["ring-b", "ring-a"],
        "a hard dependency is kept before a soft one"
    );
    assert_eq!(ids(&ring["cycles"][0]), ["ring-a", "ring-b"]);
    assert_eq!(
        ring["broken"],
        json!([{"from": "ring-b", "to": "ring-a", "nature": "soft"}])
    );
    let some = client
        .question(
            "graph.order",
            json!({"args": {"environment": "lab", "direction": "start"}, "limit": 1}),
        )
        .await;
    assert_eq!(
        (waves(&some), &some["truncated"]),
        (vec!["db-2".to_owned()], &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_impacts_and_orders() {
    let (_broker, server, _client) = estate().await;
    let ran = server
        .cli(&["graph", "impact", "disk", "db-2", "--soft", "--startup"])
        .await
        .expect(0);
    for words in [
        "If disk, db-2 stop: 3 resources stop, 1 degraded, 1 could not start again",
        "5 of 5",
        "https://lab.example/",
        "api ← db-1 ← disk",
        "cannot start",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    assert!(
        !ran.err.contains("for --expect-impact") && ran.err.contains("5 resources, as of sequence"),
        "{}",
        ran.err
    );
    let ran = server.cli(&["graph", "impact", "db-1"]).await.expect(0);
    assert!(ran.out.contains("nothing else stops"), "{}", ran.out);
    assert!(ran.err.contains(", for --expect-impact"), "{}", ran.err);
    let answer = server
        .cli(&["graph", "impact", "disk", "--json"])
        .await
        .expect(0)
        .json();
    schemas::check("graph.impact.answer", &answer);
    let ran = server.cli(&["graph", "impact", "nobody"]).await.expect(1);
    assert!(
        ran.err.contains("nobody") && ran.err.contains("hint:"),
        "{}",
        ran.err
    );

    let ran = server
        .cli(&["graph", "order", "start", "--environment", "lab"])
        .await
        .expect(0);
    for words in [
        "Check first",
        "https://dns.example/",
        "  1  db-2  disk\n  2  db-1\n",
        "critical path: disk → db-1 → api → web",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    assert!(ran.err.contains("5 resources in 4 waves"), "{}", ran.err);
    let ran = server
        .cli(&["graph", "order", "stop", "ring-a", "ring-b"])
        .await
        .expect(0);
    for words in [
        "wait for each other: ring-a, ring-b",
        "left out of account: ring-b needs ring-a",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let answer = server
        .cli(&["graph", "order", "stop", "--environment", "lab", "--json"])
        .await
        .expect(0)
        .json();
    schemas::check("graph.order.answer", &answer);
    server.cli(&["graph", "order", "start"]).await.expect(64);
    server
        .cli(&["graph", "order", "sideways", "web"])
        .await
        .expect(64);
    server
        .cli(&["graph", "order", "start", "--environment", "nowhere"])
        .await
        .expect(1);
}

/// Ten megabytes of reasons: more than a message may have, and no reason for the server to stumble.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_long_is_refused_and_nothing_breaks() {
    let (_broker, mut server, client) = estate().await;
    let name = |n: usize| format!("{n:04}{}", "x".repeat(190));
    let commands: Vec<Value> = (0..1_200)
        .map(|n| {
            let dependencies = if n == 0 { json!([]) } else { json!([{"resource": name(n - 1)}]) };
            json!({"type": "resource.put", "args": {"id": name(n), "kind": "k", "dependencies": dependencies}})
        })
        .collect();
    let reply = client.applied("batch", json!({ "commands": commands })).await;
    let args = json!({"ids": [name(0)]});
    let body = json!({"args": args, "limit": 100_000, "at_least": at(&reply)});
    let problem = client.no_answer("graph.impact", body).await;
    assert_eq!(problem["type"], "urn:domesday:problem:limit-exceeded");
    assert_eq!(problem["pointer"], "/limit");
    let some = client
        .question("graph.impact", json!({"args": args, "limit": 100}))
        .await;
    assert_eq!(some["total"], 1_199);
    assert!(server.is_running());
    assert!(
        !server.log().contains("over the limit"),
        "the session did not end: {}",
        server.log()
    );
}
