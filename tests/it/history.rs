//! What was: histories, questions as of a moment, and environments side by side; over the broker, from a snapshot, on a
//! secondary, and from the command line.

use serde_json::{Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::client::{TestClient, at, ids, message, text};
use crate::harness::program::run;
use crate::harness::schemas;
use crate::harness::server::TestServer;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn history(client: &TestClient, args: Value) -> Vec<Value> {
    let answer = client.question("history", json!({ "args": args })).await;
    answer["items"].as_array().unwrap().clone()
}

/// A resource that was made, changed with a name and a trace, removed and restored.
async fn story(client: &TestClient) -> Value {
    client
        .applied(
            "resource.put",
            json!({"id": "db", "kind": "pg", "dependencies": [{"resource": "vm"}]}),
        )
        .await;
    let body = json!({"args": {"id": "db", "patch": {"name": "Ledger", "dependencies": [{"resource": "vm"},
        {"external": "urn:x"}]}}});
    let mut changing = message("resource.patch", &body);
    changing.user_id = Some("guest".to_owned());
    changing.message_id = Some("m-change".to_owned());
    changing.headers.insert(
        "traceparent".to_owned(),
        domesday::broker::Header::Text(TRACE.to_owned()),
    );
    let reply = client.send(changing).await;
    assert_eq!(reply["outcome"], "applied", "{reply}");
    client.applied("resource.remove", json!({"id": "db"})).await;
    client.applied("resource.restore", json!({"id": "db"})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_says_who_when_why_and_what() {
    let broker = TestBroker::get();
    let mut server = TestServer::start(&broker).await;
    let client = server.client().await;
    story(&client).await;
    let items = history(&client, json!({"id": "db"})).await;
    let kinds: Vec<String> = items.iter().map(|item| text(&item["type"])).collect();
    assert_eq!(
        kinds,
        [
            "resource.restored",
            "resource.removed",
            "resource.updated",
            "resource.created"
        ]
    );
    let change = &items[2];
    assert_eq!(
        (&change["actor"], &change["cause"]),
        (&json!("guest"), &json!("m-change"))
    );
    assert_eq!(change["traceparent"], TRACE);
    assert_eq!(
        (&change["revision"], &change["sequence"], &change["epoch"]),
        (&json!(2), &json!(2), &json!(1))
    );
    let mut diff = change["diff"].as_array().unwrap().clone();
    diff.sort_by_key(|one| text(&one["pointer"]));
    let expected = [
        json!({"pointer": "/dependencies", "to": [{"external": "urn:x"}]}),
        json!({"pointer": "/name", "to": "Ledger"}),
    ];
    assert_eq!(diff, expected);
    assert_eq!(
        history(&client, json!({"id": "db", "before": 3})).await,
        items[2..]
    );
    let page = client
        .question("history", json!({"args": {"id": "db"}, "limit": 3}))
        .await;
    assert_eq!((&page["total"], &page["truncated"]), (&json!(4), &json!(true)));
    let next = client
        .question("history", json!({"args": {"id": "db"}, "cursor": page["next"]}))
        .await;
    assert_eq!(next["items"].as_array().unwrap(), &items[3..]);
    let problem = client
        .no_answer("history", json!({"args": {"id": "nobody"}}))
        .await;
    assert_eq!(problem["type"], "urn:domesday:problem:not-found");

    // It is the same after a crash, and after the resource is gone.
    server.kill9().await;
    server.restart().await;
    let client = server.client().await;
    assert_eq!(history(&client, json!({"id": "db"})).await, items);
    client.applied("resource.remove", json!({"id": "db"})).await;
    assert_eq!(history(&client, json!({"id": "db"})).await[1..], items);

    let ran = server
        .cli(&["history", "resource", "db", "--limit", "4"])
        .await
        .expect(0);
    for words in [
        "resource.updated  revision 2, sequence 2 by guest, command m-change",
        "+ /name: Ledger",
        "+ /dependencies: [{\"external\":\"urn:x\"}]",
        "- /kind: pg",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    assert!(ran.err.contains("4 of 5 changes"), "{}", ran.err);
    let answer = server
        .cli(&["history", "resource", "db", "--json"])
        .await
        .expect(0)
        .json();
    schemas::check("history.answer", &answer);
    let ran = server.cli(&["history", "environment", "db"]).await.expect(1);
    assert!(
        ran.err.contains("nothing is known of the environment db") && ran.err.contains("hint:"),
        "{}",
        ran.err
    );
    server.cli(&["history", "thing", "db"]).await.expect(64);
    let ran = server
        .cli(&["history", "resource", "db", "--before", "1"])
        .await
        .expect(0);
    assert_eq!(ran.out, "", "no line of nothing");
    assert!(ran.err.starts_with("0 of 5 changes"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_tells_the_same_past() {
    let (source, broker) = (TestBroker::get(), TestBroker::get());
    let primary = TestServer::start(&source).await;
    let client = primary.client().await;
    let reply = story(&client).await;
    let mut secondary = TestServer::prepare_secondary(&broker, &source, "");
    secondary.launch();
    secondary.answers().await;
    secondary.reached(&reply).await;
    let there = secondary.client().await;
    assert_eq!(
        history(&there, json!({"id": "db"})).await,
        history(&client, json!({"id": "db"})).await
    );
    let then = json!({"args": {"ids": ["vm"]}, "as_of": {"sequence": 1}});
    let answer = there.question("graph.impact", then).await;
    assert_eq!(
        (ids(&answer["affected"]), &answer["as_of"]["sequence"]),
        (vec!["db".to_owned()], &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_as_of_a_moment_until_it_is_forgotten() {
    let broker = TestBroker::get();
    let server = TestServer::start_with(&broker, "[engine]\nchanges_max = 40\n").await;
    let client = server.client().await;
    let reply = story(&client).await;
    let as_of = async |moment: Value| {
        let body = json!({"args": {"id": "vm"}, "as_of": moment});
        ids(&client.question("graph.dependents", body).await["nodes"]).join(" ")
    };
    assert_eq!(as_of(json!({"sequence": 2})).await, "vm db");
    let body = json!({"args": {"id": "vm"}, "as_of": {"sequence": 3}});
    assert_eq!(
        client.no_answer("graph.dependents", body).await["type"],
        "urn:domesday:problem:not-found"
    );
    let removed = text(&history(&client, json!({"id": "db"})).await[1]["time"]);
    let body = json!({"args": {"query": "id:db"}, "as_of": {"time": removed}});
    assert_eq!(client.question("search", body).await["total"], 0);
    let body = json!({"args": {"query": "id:db"}, "as_of": {"sequence": 2}});
    assert_eq!(ids(&client.question("search", body).await["items"]), ["db"]);
    let ran = server
        .cli(&["graph", "dependents", "vm", "--as-of", "2"])
        .await
        .expect(0);
    assert!(
        ran.out.contains("db") && ran.err.contains("as of sequence 2"),
        "{} {}",
        ran.out,
        ran.err
    );
    let ran = server
        .cli(&["search", "id:db", "--as-of", &removed])
        .await
        .expect(1);
    assert!(ran.err.contains("nothing found, as of sequence 3"), "{}", ran.err);
    let ran = server.cli(&["search", "kind:pg", "--as-of", "2"]).await.expect(1);
    assert!(
        ran.err.contains("finds ids only") && ran.err.contains("hint:"),
        "{}",
        ran.err
    );

    // The log keeps forty, and what the broker has not confirmed yet.
    let mut last = reply;
    for n in 0..400 {
        last = client
            .applied("resource.put", json!({"id": format!("r-{n}"), "kind": "k"}))
            .await;
    }
    let body = json!({"args": {"id": "vm"}, "as_of": {"sequence": 2}, "at_least": at(&last)});
    let problem = client.no_answer("graph.dependents", body).await;
    assert_eq!(
        (&problem["type"], &problem["pointer"]),
        (&json!("urn:domesday:problem:forgotten"), &json!("/as_of"))
    );
    let oldest = problem["oldest"].as_u64().unwrap();
    assert!(oldest > 2 && oldest <= 404, "{oldest}");
    assert_eq!(as_of(json!({ "sequence": oldest })).await, "vm db");
    let ran = server
        .cli(&["graph", "impact", "vm", "--as-of", "2"])
        .await
        .expect(1);
    assert!(ran.err.contains("domesday open"), "{}", ran.err);
    // What the log forgot of an entity is in its history.
    let kinds: Vec<String> = history(&client, json!({"id": "db"}))
        .await
        .iter()
        .map(|item| text(&item["type"]))
        .collect();
    assert_eq!(kinds, ["resource.restored", "resource.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_are_compared_also_in_a_snapshot() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    for (side, size) in [("l", 1), ("r", 2)] {
        let db =
            json!({"id": format!("{side}/db"), "kind": "pg", "name": "Ledger", "attributes": {"size": size}});
        let web = json!({"id": format!("{side}/web"), "kind": "app", "name": "Web",
            "dependencies": [{"resource": format!("{side}/db")}]});
        let only = json!({"id": format!("{side}/only"), "kind": "app"});
        for args in [db, web, only] {
            client.applied("resource.put", args).await;
        }
        let members: Vec<String> = ["db", "web", "only"].map(|name| format!("{side}/{name}")).into();
        client
            .applied("environment.put", json!({"id": side, "resources": members}))
            .await;
    }
    let answer = client
        .question("compare", json!({"args": {"left": "l", "right": "r"}}))
        .await;
    assert_eq!(
        (ids(&answer["left_only"]), ids(&answer["right_only"])),
        (vec!["l/only".into()], vec!["r/only".into()])
    );
    let different = json!([{"left": "l/db", "right": "r/db", "diff_total": 1,
        "diff": [{"pointer": "/attributes/size", "from": 1, "to": 2}]}]);
    assert_eq!(
        (&answer["different"], &answer["same"], &answer["total"]),
        (&different, &json!(1), &json!(3))
    );
    let problem = client
        .no_answer("compare", json!({"args": {"left": "l", "right": "x"}}))
        .await;
    assert_eq!(problem["pointer"], "/args/right");

    let ran = server.cli(&["compare", "l", "r"]).await.expect(1);
    for words in [
        "l/db and r/db",
        "- /attributes/size: 1",
        "+ /attributes/size: 2",
        "only in l",
        "r/only",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    assert!(
        ran.err.contains("3 differences, 1 counterparts alike, 0 in both"),
        "{}",
        ran.err
    );
    let some = server.cli(&["compare", "l", "r", "--limit", "1"]).await.expect(1);
    assert!(some.err.contains("truncated: 1 of 3"), "{}", some.err);
    server.cli(&["compare", "l", "l"]).await.expect(0);
    server.cli(&["compare", "l", "nowhere"]).await.expect(1);

    let file = server.folder().join("a.snapshot").display().to_string();
    server.cli(&["snapshot", "save", &file]).await.expect(0);
    let opened = run(&["open", &file, "compare", "l", "r"], "").await.expect(1);
    assert_eq!(opened.out, ran.out);
    let served = server
        .cli(&["history", "resource", "l/db", "--json"])
        .await
        .expect(0)
        .json();
    let opened = run(&["open", &file, "history", "resource", "l/db", "--json"], "")
        .await
        .expect(0)
        .json();
    assert_eq!(opened["items"], served["items"]);
    let past = run(
        &["open", &file, "graph", "impact", "l/db", "--as-of", "2", "--json"],
        "",
    )
    .await
    .expect(0)
    .json();
    assert_eq!(
        (ids(&past["affected"]), &past["as_of"]["sequence"]),
        (vec!["l/web".to_owned()], &json!(2))
    );
}
