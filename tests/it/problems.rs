//! Every sort of refusal, with what it tells: kind, place, hint and numbers. After each the register is as it was.

use std::time::Duration;

use domesday::broker::Message;
use serde_json::{Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::client::{TestClient, ids, message, raw, with_header};
use crate::harness::server::TestServer;

/// A server with an environment `lab` that has `db`, which needs `vm`.
async fn seeded(settings: &str) -> (TestBroker, TestServer, TestClient) {
    let broker = TestBroker::get();
    let server = TestServer::start_with(&broker, settings).await;
    let client = server.client().await;
    let commands = json!([
        {"type": "resource.put", "args": {"id": "vm", "kind": "vm"}},
        {"type": "resource.put", "args": {"id": "db", "kind": "db", "dependencies": [{"resource": "vm"}]}},
        {"type": "environment.put", "args": {"id": "lab", "resources": ["db"]}},
    ]);
    client.applied("batch", json!({ "commands": commands })).await;
    (broker, server, client)
}

const SEED: u64 = 4;

/// Sends what must be refused, and gives the problem, whose kind must be this one.
async fn problem(client: &TestClient, message: Message, slug: &str) -> Value {
    let reply = client.send(message).await;
    assert_eq!(reply["outcome"], "rejected", "{reply:#}");
    let problem = reply["problem"].clone();
    assert_eq!(
        problem["type"],
        format!("urn:domesday:problem:{slug}"),
        "{problem:#}"
    );
    for field in ["title", "detail"] {
        assert!(!problem[field].as_str().unwrap().is_empty(), "{field}");
    }
    assert_eq!(reply["sequence"], SEED, "nothing has changed");
    assert_eq!((&reply["revisions"], &reply["counts"]), (&json!({}), &json!({})));
    problem
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap()
}

fn hint(problem: &Value) -> &str {
    problem["hint"]
        .as_str()
        .unwrap_or_else(|| panic!("no hint: {problem:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_json_is_malformed() {
    let (_broker, _server, client) = seeded("").await;
    let cases: [(&[u8], &str, &str); 8] = [
        (b"not json", "the body is not JSON", ""),
        (b"{\"args\":", "the body is not JSON", ""),
        (b"{\"args\": {}} x", "the body is not JSON", ""),
        (b"\xff\xfe{}", "the body is not UTF-8 from byte 0 on", ""),
        (
            b"{\"args\": {\"id\": \"a\", \"id\": \"b\"}}",
            "the key `id` is there twice",
            "/args/id",
        ),
        (b"", "the body is empty", ""),
        (b" \n", "the body is empty", ""),
        (b"[1]", "the body must be a JSON object", ""),
    ];
    for (body, said, pointer) in cases {
        let problem = problem(&client, raw("resource.put", body), "malformed").await;
        assert!(detail(&problem).contains(said), "{problem:#}");
        assert_eq!(problem["pointer"], pointer, "{problem:#}");
        hint(&problem);
    }
    let problem = problem(&client, raw("resource.put", b"{\"args\":\n {]}"), "malformed").await;
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(3)));
    assert_eq!(client.sequence().await, SEED);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_content_type_is_refused() {
    let (_broker, _server, client) = seeded("").await;
    let good = message("resource.restore", &json!({"args": {"id": "vm"}}));
    for other in [
        "text/plain",
        "application/cbor",
        "application/json; charset=latin1",
        "",
    ] {
        let mut sent = message("resource.restore", &json!({"args": {"id": "vm"}}));
        sent.content_type = Some(other.to_owned());
        let problem = problem(&client, sent, "unsupported-content-type").await;
        assert!(detail(&problem).contains(other), "{problem:#}");
        assert!(hint(&problem).contains("application/json"));
    }
    let sent = Message {
        content_type: Some("Application/JSON; charset=utf-8".to_owned()),
        ..good
    };
    assert_eq!(client.send(sent).await["outcome"], "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_type_is_refused_with_the_one_that_was_meant() {
    let (_broker, _server, client) = seeded("").await;
    let body = json!({"args": {"id": "vm", "kind": "vm"}});
    let first = problem(&client, message("resource.putt", &body), "unknown-type").await;
    assert!(detail(&first).contains("resource.putt"));
    assert!(hint(&first).contains("resource.put"), "{first:#}");
    assert!(first["types"].as_array().unwrap().contains(&json!("batch")));
    let second = problem(&client, message("search", &body), "unknown-type").await;
    assert!(hint(&second).contains("question"), "{second:#}");
    let third = client
        .no_answer("graph.dependants", json!({"args": {"id": "vm"}}))
        .await;
    assert_eq!(third["type"], "urn:domesday:problem:unknown-type");
    assert!(hint(&third).contains("graph.dependents"), "{third:#}");
    let fourth = client.no_answer("resource.put", body).await;
    assert!(hint(&fourth).contains("command"), "{fourth:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_of_a_document_is_told_with_its_place() {
    let (_broker, _server, client) = seeded("").await;
    let args = json!({
        "id": "-x", "kind": 7, "desription": "typo", "tags": {"a b": "x", "n": 5},
        "dependencies": [{"resource": "vm", "nature": "strong"}, {"extern": "x"}],
        "status_endpoints": [{"url": "ftp://h", "interval": "often"}],
    });
    let sent = message("resource.put", &json!({"args": args, "expected": "absent"}));
    let problem = problem(&client, sent, "invalid").await;
    let mistakes = problem["mistakes"].as_array().unwrap();
    let places: Vec<&str> = mistakes.iter().filter_map(|m| m["pointer"].as_str()).collect();
    for place in [
        "/expected",
        "/args/id",
        "/args/kind",
        "/args/desription",
        "/args/tags/n",
        "/args/dependencies/0/nature",
        "/args/dependencies/1/extern",
        "/args/status_endpoints/0/interval",
    ] {
        assert!(places.contains(&place), "{place} is not in {places:?}");
    }
    let of = |place: &str| mistakes.iter().find(|m| m["pointer"] == place).unwrap();
    assert!(of("/expected")["hint"].as_str().unwrap().contains("expect"));
    assert!(
        of("/args/desription")["hint"]
            .as_str()
            .unwrap()
            .contains("description")
    );
    assert!(
        of("/args/id")["hint"]
            .as_str()
            .unwrap()
            .contains("letter or digit")
    );
    assert!(
        of("/args/kind")["detail"]
            .as_str()
            .unwrap()
            .contains("must be a string, not")
    );
    assert_eq!(
        problem["pointer"], mistakes[0]["pointer"],
        "the first is the problem's own"
    );
    assert!(detail(&problem).contains("more mistakes"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_told_with_its_number() {
    let settings = "limits.tags_max = 2\nlimits.description_bytes_max = 100\nlimits.dependencies_max = 3\n\
        limits.document_bytes_max = 1000\nlimits.batch_commands_max = 5\napi.body_bytes_max = 5000\nlimits.members_max = 2";
    let (_broker, _server, client) = seeded(settings).await;
    let long = "x".repeat(250);
    let needs: Vec<Value> = (0..4).map(|n| json!({"resource": format!("r{n}")})).collect();
    let cases = [
        (
            json!({"tags": {"a": "", "b": "", "c": ""}}),
            "/args/tags",
            "limit is 2",
        ),
        (json!({"description": long}), "/args/description", "limit is 100"),
        (json!({"name": long}), "/args/name", "limit is 200"),
        (json!({"dependencies": needs}), "/args/dependencies", "limit is 3"),
        (
            json!({"attributes": {"a": "x".repeat(2000)}}),
            "/args",
            "limit is 1000",
        ),
        (json!({"id": long}), "/args/id", "at most 200"),
    ];
    for (fields, pointer, said) in cases {
        let mut args = json!({"id": "a", "kind": "vm"});
        for (key, value) in fields.as_object().unwrap() {
            args[key] = value.clone();
        }
        let sent = message("resource.put", &json!({ "args": args }));
        let problem = problem(&client, sent, "invalid").await;
        assert_eq!(problem["pointer"], pointer, "{problem:#}");
        assert!(detail(&problem).contains(said), "{problem:#}");
    }
    let command = json!({"type": "resource.restore", "args": {"id": "vm"}});
    let sent = message("batch", &json!({"args": {"commands": vec![command; 6]}}));
    let first = problem(&client, sent, "limit-exceeded").await;
    assert_eq!(
        (&first["pointer"], &first["limit"]),
        (&json!("/args/commands"), &json!(5))
    );
    assert!(detail(&first).contains("6 commands, the limit is 5"));

    let sent = message("resource.restore", &json!({"args": {"id": "x".repeat(6000)}}));
    let second = problem(&client, sent, "limit-exceeded").await;
    assert!(detail(&second).contains("the limit is 5000"), "{second:#}");

    let sent = message(
        "environment.link",
        &json!({"args": {"environment": "lab", "resources": ["vm", "db", "x"]}}),
    );
    let third = problem(&client, sent, "limit-exceeded").await;
    assert!(detail(&third).contains("the limit is 2"), "{third:#}");

    let deep = format!("{{\"args\":{}1{}}}", "[".repeat(70), "]".repeat(70));
    let fourth = problem(&client, raw("resource.put", deep.as_bytes()), "limit-exceeded").await;
    assert_eq!(fourth["limit"], 64, "{fourth:#}");
    assert_eq!(client.sequence().await, SEED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_says_who_stands_in_the_way() {
    let (_broker, _server, client) = seeded("").await;
    let sent = message("resource.remove", &json!({"args": {"id": "vm"}}));
    let first = problem(&client, sent, "has-dependents").await;
    assert_eq!(first["resources"], json!(["db"]));
    assert_eq!(first["total"], 1);
    assert_eq!(first["pointer"], "/args/id");
    assert!(detail(&first).contains("db") && hint(&first).contains("detach"));
    let sent = message("environment.remove", &json!({"args": {"id": "lab"}}));
    let second = problem(&client, sent, "has-members").await;
    assert_eq!(second["resources"], json!(["db"]));
    assert!(hint(&second).contains("detach"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let (_broker, _server, client) = seeded("").await;
    let cases = [
        ("resource.patch", json!({"id": "no", "patch": {}}), "/args/id"),
        ("resource.remove", json!({"id": "no"}), "/args/id"),
        ("resource.restore", json!({"id": "no"}), "/args/id"),
        (
            "environment.link",
            json!({"environment": "no", "resources": ["vm"]}),
            "/args/environment",
        ),
        (
            "environment.link",
            json!({"environment": "lab", "resources": ["vm", "no"]}),
            "/args/resources/1",
        ),
        (
            "environment.unlink",
            json!({"environment": "no", "resources": []}),
            "/args/environment",
        ),
        (
            "environment.put",
            json!({"id": "new", "resources": ["no"]}),
            "/args/resources/0",
        ),
        (
            "environment.patch",
            json!({"id": "lab", "patch": {"resources": ["no"]}}),
            "/args/patch/resources/0",
        ),
    ];
    for (kind, args, pointer) in cases {
        let sent = message(kind, &json!({ "args": args }));
        let problem = problem(&client, sent, "not-found").await;
        assert_eq!(problem["pointer"], pointer, "{kind}");
        assert!(detail(&problem).contains("no"));
        hint(&problem);
    }
    for (kind, args, pointer) in [
        ("graph.dependencies", json!({"id": "no"}), "/args/id"),
        ("graph.path", json!({"from": "db", "to": "no"}), "/args/to"),
        ("graph.path", json!({"from": "no", "to": "db"}), "/args/from"),
        ("graph.cycles", json!({"environment": "no"}), "/args/environment"),
        (
            "graph.dangling",
            json!({"environment": "no"}),
            "/args/environment",
        ),
    ] {
        let problem = client.no_answer(kind, json!({ "args": args })).await;
        assert_eq!(problem["type"], "urn:domesday:problem:not-found", "{kind}");
        assert_eq!(problem["pointer"], pointer, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_after_its_deadline_is_expired_and_never_executed() {
    let (_broker, _server, client) = seeded("").await;
    let put = || message("resource.put", &json!({"args": {"id": "late", "kind": "vm"}}));
    let late = with_header(put(), "deadline", "2020-01-01T00:00:00Z");
    let reply = client.send(late.clone()).await;
    assert_eq!(reply["outcome"], "expired");
    assert_eq!(reply["problem"]["type"], "urn:domesday:problem:expired");
    // The same again is answered the same, even though its time would not come any sooner.
    assert_eq!(client.send(late).await["duplicate"], true);
    // An expiration counts from the arrival. The broker takes out what has expired in the queue, so that a command comes
    // to its turn too late only where it waits for the engine; one that has arrived in time is executed.
    let mut trial = put();
    trial.expiration = Some("60000".to_owned());
    trial.body = json!({"args": {"id": "late", "kind": "vm"}, "dry_run": true})
        .to_string()
        .into_bytes();
    assert_eq!(client.send(trial).await["outcome"], "applied");
    let in_time = with_header(put(), "deadline", "2999-01-01T00:00:00+02:00");
    let mut trial = in_time.clone();
    trial.body = json!({"args": {"id": "late", "kind": "vm"}, "dry_run": true})
        .to_string()
        .into_bytes();
    assert_eq!(client.send(trial).await["outcome"], "applied");
    let sent = with_header(put(), "deadline", "tomorrow");
    assert!(detail(&problem(&client, sent, "invalid").await).contains("deadline"));
    assert_eq!(client.sequence().await, SEED);
    let found = client
        .question("search", json!({"args": {"query": "id:late"}}))
        .await;
    assert_eq!(ids(&found["items"]), [""; 0]);
    let asked = with_header(message("ping", &json!({})), "deadline", "2020-01-01T00:00:00Z");
    let answer = client.try_ask(asked, Duration::from_secs(20)).await.unwrap();
    assert_eq!(answer["problem"]["type"], "urn:domesday:problem:expired");
}
