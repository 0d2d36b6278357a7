//! Messages meant to hurt: far too large, endless in their mistakes, numbers that nothing holds. The server answers
//! each with little, keeps its memory, and goes on as the same process.

use std::time::Duration;

use domesday::broker::{Config, Message};
use lapin::options::BasicPublishOptions;
use lapin::protocol::basic::AMQPProperties;
use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::{TestClient, raw};
use crate::harness::server::TestServer;

/// The largest message that a broker takes as it is installed.
const BROKER_MAX: usize = 128 * 1024 * 1024;
/// More than any reply to a mistake may weigh.
const REPLY_BYTES_MAX: usize = 512 * 1024;

/// A client that may send as much as the broker takes.
async fn generous(broker: &TestBroker) -> TestClient {
    let config = Config {
        message_bytes_max: BROKER_MAX,
        ..broker.config()
    };
    TestClient::connect(&config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_as_large_as_the_broker_takes_is_refused_and_the_memory_stays_bounded() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = generous(&broker).await;
    let body = vec![b' '; BROKER_MAX];
    let patience = Duration::from_mins(2);
    let reply = client.try_send(raw("resource.put", &body), patience).await;
    let reply = reply.expect("an answer");
    assert_eq!(reply["problem"]["type"], "urn:domesday:problem:limit-exceeded");
    assert_eq!(reply["problem"]["limit"], 8 * 1024 * 1024);
    let answer = client.try_ask(raw("search", &body), patience).await;
    assert_eq!(
        answer.expect("an answer")["problem"]["type"],
        "urn:domesday:problem:limit-exceeded"
    );
    drop(body);
    let peak = server.memory_peak();
    assert!(peak < 1024 * 1024 * 1024, "the server has taken {peak} bytes");
    assert_eq!(client.sequence().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_and_that_nobody_waits_for_is_parked() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let (_connection, channel) = broker.amqp().await;
    let namespace = broker.config().namespace;
    let properties = AMQPProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(2);
    let body = vec![b'['; 9 * 1024 * 1024];
    channel
        .basic_publish(
            format!("{namespace}.commands").as_str().into(),
            "resource.put".into(),
            BasicPublishOptions::default(),
            &body,
            properties,
        )
        .await
        .unwrap();
    let dead = format!("{namespace}.dead");
    eventually("the letter to be parked", SOON, async || {
        broker.ready(&dead).await == 1
    })
    .await;
    assert_eq!(server.client().await.sequence().await, 0);
}

/// Sends what must be refused with little, and gives the problem.
async fn small_refusal(client: &TestClient, kind: &str, body: &[u8], slug: &str) -> Value {
    let reply = client.send(raw(kind, body)).await;
    assert_eq!(reply["outcome"], "rejected");
    let bytes = reply.to_string().len();
    assert!(bytes < REPLY_BYTES_MAX, "a reply of {bytes} bytes");
    let problem = reply["problem"].clone();
    assert_eq!(problem["type"], format!("urn:domesday:problem:{slug}"));
    assert_eq!(reply["sequence"], 0);
    problem
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_without_end_get_an_answer_that_has_one() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let put = |fields: Value| {
        let mut args = json!({"id": "a", "kind": "vm"});
        args.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        json!({ "args": args }).to_string()
    };
    let mib = 1024 * 1024;
    let tags: serde_json::Map<String, Value> = (0..50_000).map(|n| (format!("a b{n}"), json!("x"))).collect();
    let long_key = format!("{}/~", "k".repeat(2 * mib));
    let wrong: serde_json::Map<String, Value> = (0..1000)
        .map(|n| (format!("{long_key:.4000}{n}"), json!(5)))
        .collect();
    let nulls = json!({ &long_key: {"a": null} });
    let endpoints = vec![json!({"url": format!("x\u{1}{}", "\u{1}".repeat(10_000))}); 100];
    let unknown: serde_json::Map<String, Value> = (0..50_000).map(|n| (format!("f{n}"), json!(0))).collect();
    let cases = [
        ("bad tags", put(json!({ "tags": tags }))),
        (
            "a tag with a key without end",
            put(json!({"tags": {&long_key: 5}})),
        ),
        ("wrong tags with long keys", put(json!({ "tags": wrong }))),
        (
            "a null under a key without end",
            put(json!({ "attributes": nulls })),
        ),
        (
            "a URL that grows when it is quoted",
            put(json!({"status_endpoints": [{"url": "\u{1}".repeat(mib)}]})),
        ),
        ("many of those", put(json!({ "status_endpoints": endpoints }))),
        (
            "a status that is none",
            put(
                json!({"status_endpoints": [{"url": "http://a", "expect": {"status": "\u{1}".repeat(mib)}}]}),
            ),
        ),
        ("unknown fields", put(Value::Object(unknown))),
        ("a kind without end", put(json!({"kind": " ".repeat(7 * mib)}))),
    ];
    for (what, body) in cases {
        assert!(body.len() < 8 * mib, "{what}: {}", body.len());
        let problem = small_refusal(&client, "resource.put", body.as_bytes(), "invalid").await;
        let listed = problem["mistakes"].as_array().map_or(0, Vec::len);
        assert!(listed <= 100, "{what}: {listed} mistakes are listed");
        assert!(
            problem["pointer"].as_str().unwrap().starts_with("/args"),
            "{what}"
        );
    }
    let twice = format!("{{\"{long_key}\": 1, \"{long_key}\": 2}}");
    small_refusal(&client, "resource.put", twice.as_bytes(), "malformed").await;
    assert_eq!(client.sequence().await, 0);
    assert!(!server.log().contains("over the limit of"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_no_reader_likes_are_refused_for_commands_and_questions() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let args = |text: &str| format!("{{\"args\": {text}}}").into_bytes();
    let nines = "9".repeat(400);
    let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "a number out of range",
            args("{\"id\": \"a\", \"n\": 1e999}"),
            "malformed",
        ),
        ("400 digits", args(&format!("{{\"id\": {nines}}}")), "malformed"),
        (
            "a number with 400 decimals",
            args(&format!("{{\"id\": 0.{nines}}}")),
            "invalid",
        ),
        ("a level too deep", deep(65), "limit-exceeded"),
        ("a hundred thousand levels", deep(100_000), "limit-exceeded"),
        ("levels without an end", vec![b'['; 100_000], "limit-exceeded"),
        ("a key twice", args("{\"id\": \"a\", \"id\": \"a\"}"), "malformed"),
        ("half a surrogate", args("{\"id\": \"\\ud800\"}"), "malformed"),
        ("NUL in an id", args("{\"id\": \"a\\u0000\"}"), "invalid"),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec(), "malformed"),
        ("an overlong form", b"{\"a\": \"\xc0\x80\"}".to_vec(), "malformed"),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec(), "malformed"),
        ("cut off", b"{\"args\": {\"id\": \"a".to_vec(), "malformed"),
        ("a text", b"\"args\"".to_vec(), "malformed"),
        ("null", b"null".to_vec(), "malformed"),
    ];
    for (what, body, slug) in cases {
        small_refusal(&client, "resource.restore", &body, slug).await;
        let answer = client.try_ask(raw("graph.dependents", &body), SOON).await;
        let problem = answer.unwrap()["problem"].clone();
        assert_eq!(problem["type"], format!("urn:domesday:problem:{slug}"), "{what}");
    }
    // What problems.rs says of commands is true of questions too.
    for (message, slug) in [
        (raw("search", b""), "malformed"),
        (raw("graph.path", b" "), "malformed"),
        (
            Message {
                content_type: Some("text/plain".to_owned()),
                ..raw("ping", b"{}")
            },
            "unsupported-content-type",
        ),
        (
            Message {
                content_type: None,
                ..raw("search", b"{}")
            },
            "unsupported-content-type",
        ),
    ] {
        let answer = client.try_ask(message, SOON).await.unwrap();
        assert_eq!(answer["problem"]["type"], format!("urn:domesday:problem:{slug}"));
    }
    assert_eq!(client.sequence().await, 0);
}
