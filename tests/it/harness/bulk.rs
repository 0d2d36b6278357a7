//! A large manifest, and the proof that it arrived: every resource once, every event once, no hole.

use std::collections::BTreeSet;

use serde_json::json;

use super::client::TestClient;
use super::events::{Event, distinct};
use super::program::{Program, Ran};
use super::server::TestServer;

/// Resources of the manifest.
pub(crate) const COUNT: u64 = 3_000;

/// Writes the manifest and starts to apply it, in transactions of this size, so many at a time.
pub(crate) fn apply(server: &TestServer, batch: u64, in_flight: u64) -> Program {
    let path = server.folder().join("bulk.jsonl");
    let lines: Vec<String> = (0..COUNT)
        .map(|n| {
            let needs = json!([{"resource": format!("r-{}", n / 2)}]);
            json!({"type": "resource", "id": format!("r-{n}"), "kind": "vm", "dependencies": needs})
                .to_string()
        })
        .collect();
    std::fs::write(&path, lines.join("\n")).expect("written");
    let path = path.display().to_string();
    let (batch, in_flight) = (batch.to_string(), in_flight.to_string());
    let arguments = [
        "apply",
        "-f",
        &path,
        "--json",
        "--batch",
        &batch,
        "--in-flight",
        &in_flight,
    ];
    server.verb(&arguments, "")
}

/// The register holds each resource once, and `events` tell of each once, once what came twice is dropped.
pub(crate) async fn is_there_once(client: &TestClient, events: &[Event], batch: u64) {
    let pong = client.question("ping", json!({})).await;
    assert_eq!(pong["resources"], COUNT);
    assert_eq!(pong["dependencies"], COUNT);
    assert_eq!(pong["as_of"]["sequence"], COUNT, "as many events as resources");
    let events = distinct(events);
    assert_eq!(events.len() as u64, COUNT);
    let ids: BTreeSet<&str> = events.iter().map(Event::id).collect();
    assert_eq!(ids.len() as u64, COUNT);
    for event in &events {
        assert_eq!(
            (event.kind(), &event.body["revision"]),
            ("resource.created", &json!(1))
        );
        let transaction = &event.body["transaction"];
        assert_eq!(transaction["count"], batch);
        let first = event.sequence() - transaction["index"].as_u64().unwrap();
        assert_eq!(transaction["id"], format!("1-{first}"));
    }
}

/// The apply that went through it all says that it did.
pub(crate) fn went_through(ran: Ran) {
    let said = ran.expect(0).json();
    assert_eq!(
        (&said["done"], &said["rejected"]),
        (&json!(COUNT), &json!(0)),
        "{said:#}"
    );
}

/// A second apply changes nothing: the event after it has the next sequence.
pub(crate) async fn is_unchanged_again(server: &TestServer, client: &TestClient) {
    let said = apply(server, 100, 16)
        .ended(super::SOON * 2)
        .await
        .expect(0)
        .json();
    assert_eq!(
        (&said["unchanged"], &said["created"]),
        (&json!(COUNT), &json!(0)),
        "{said:#}"
    );
    let reply = client
        .applied("resource.put", json!({"id": "sentinel", "kind": "vm"}))
        .await;
    assert_eq!(reply["sequence"], COUNT + 1);
}
