//! `domesday apply`: all mistakes at once, nothing twice, in any order.

use serde_json::{Value, json};

use crate::harness::broker::TestBroker;
use crate::harness::events::Events;
use crate::harness::server::TestServer;

/// Writes files below a folder of the test; gives its path.
fn write(server: &TestServer, files: &[(&str, &str)]) -> String {
    let folder = server.folder().join("manifests");
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder.display().to_string()
}

/// An environment before its resources, resources that need each other, in three formats.
const LAB: [(&str, &str); 3] = [
    (
        "a-lab.yaml",
        "type: environment\nid: lab\nname: Lab\nresources: [db, vm, web]\n---\ntype: environment\nid: empty\n",
    ),
    (
        "b.json",
        r#"[{"type": "resource", "id": "db", "kind": "db", "dependencies": [{"resource": "web"}, {"resource": "vm"}]},
            {"type": "resource", "id": "vm", "kind": "vm", "tags": {"owner": "roads"}}]"#,
    ),
    (
        "c/d.jsonl",
        "{\"type\": \"resource\", \"id\": \"web\", \"kind\": \"nginx\", \"dependencies\": [{\"resource\": \"db\"}]}\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn files_are_applied_in_any_order_and_a_second_time_change_nothing() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let events = Events::all(&broker).await;
    let folder = write(&server, &LAB);
    let ran = server.cli(&["apply", "-f", &folder]).await.expect(0);
    assert!(
        ran.out
            .contains("5 created, 0 updated, 1 linked, 0 unchanged, 0 rejected"),
        "{}",
        ran.out
    );
    assert_eq!(client.sequence().await, 6);
    let pong = client.question("ping", json!({})).await;
    assert_eq!(
        (&pong["environments"], &pong["resources"]),
        (&json!(2), &json!(3))
    );
    let cycles = client.question("graph.cycles", json!({})).await;
    assert_eq!(cycles["total"], 1, "db and web need each other");

    let seen = events.up_to(6).await.len();
    for _ in 0..2 {
        let ran = server.cli(&["apply", "-f", &folder, "--json"]).await.expect(0);
        let said = ran.json();
        assert_eq!(
            (&said["unchanged"], &said["counts"]),
            (&json!(5), &json!({})),
            "{said:#}"
        );
    }
    client
        .applied("resource.put", json!({"id": "sentinel", "kind": "vm"}))
        .await;
    assert_eq!(events.up_to(7).await.len(), seen + 2, "not one event");
}

/// Twenty mistakes: file, line, and what is said of it.
const MISTAKES: [(&str, &str, u32, &str); 20] = [
    ("01.yaml", "type: resource\nid: a1\n", 1, "kind"),
    ("02.yaml", "type: resource\nid: -a2\nkind: vm\n", 2, "not an id"),
    (
        "03.yaml",
        "type: resource\nid: a3\nkind: vm\ndesription: x\n",
        4,
        "desription",
    ),
    (
        "04.yaml",
        "type: resource\nid: a4\nkind: [vm]\n",
        3,
        "must be a string",
    ),
    (
        "05.yaml",
        "type: resorce\nid: a5\nkind: vm\n",
        1,
        "not a type of document",
    ),
    ("06.yaml", "id: a6\nkind: vm\n", 1, "no type"),
    (
        "07.yaml",
        "type: resource\nid: a7\nkind: vm\ntags:\n  owner: 7\n",
        5,
        "owner",
    ),
    (
        "08.yaml",
        "type: resource\nid: a8\nkind: vm\ndependencies:\n  - vm-1\n",
        5,
        "dependencies",
    ),
    (
        "09.yaml",
        "type: resource\nid: a9\nkind: vm\ndependencies:\n  - resource: x\n    nature: strong\n",
        6,
        "strong",
    ),
    (
        "10.yaml",
        "type: resource\nid: b1\nkind: vm\nstatus_endpoints:\n  - url: ftp://h/\n",
        5,
        "cannot be polled",
    ),
    (
        "11.yaml",
        "type: resource\nid: b2\nkind: vm\nkind: vm\n",
        4,
        "kind",
    ),
    ("12.yaml", "type: resource\nid: b3\n\tkind: vm\n", 2, "not YAML"),
    (
        "13.yaml",
        "type: environment\nid: e1\nentrypoints:\n  - name: web\n",
        4,
        "url",
    ),
    (
        "14.yaml",
        "type: environment\nid: e2\nresources: [ok, 'no good']\n",
        3,
        "no good",
    ),
    (
        "15.json",
        "{\"type\": \"resource\", \"id\": \"b4\",\n \"kind\": \"vm\",}\n",
        2,
        "JSON",
    ),
    (
        "16.json",
        "{\"type\": \"resource\",\n \"id\": \"b5\", \"kind\": \"vm\",\n \"attributes\": {\"a\": null}}\n",
        3,
        "null",
    ),
    (
        "17.jsonl",
        "{\"type\": \"resource\", \"id\": \"b6\", \"kind\": \"vm\"}\n{\"type\": \"resource\", \"id\": \"b6\", \"kind\": \"vm\"}\n",
        2,
        "defined twice",
    ),
    (
        "18.jsonl",
        "{\"type\": \"resource\", \"id\": \"b7\", \"kind\": \"vm\"}\nnonsense\n",
        2,
        "JSON",
    ),
    ("19.yaml", "- 5\n", 1, "a set of fields"),
    (
        "20.yaml",
        "type: resource\nid: b8\nkind: !secret vm\n",
        3,
        "not supported",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn twenty_mistakes_are_told_at_once_with_file_and_line_and_nothing_is_sent() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    let files: Vec<(&str, &str)> = MISTAKES.iter().map(|(name, text, _, _)| (*name, *text)).collect();
    write(&server, &files);
    let folder = write(&server, &LAB);
    let ran = server.cli(&["apply", "-f", &folder]).await.expect(65);
    let told: Vec<&str> = ran
        .err
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    for (name, _, line, what) in MISTAKES {
        let place = format!("/{name}:{line}:");
        let found = told
            .iter()
            .any(|told| told.contains(&place) && told.contains(what));
        assert!(found, "{place} … {what} is not told:\n{}", ran.err);
    }
    assert_eq!(told.len(), 20, "{}", ran.err);
    assert!(ran.err.contains("20 mistakes; nothing was sent"), "{}", ran.err);
    assert!(ran.out.is_empty());
    assert_eq!(client.sequence().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_read_as_whatever_it_is() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let inputs = [
        "type: resource\nid: a\nkind: vm\n",
        r#"{"type": "resource", "id": "b", "kind": "vm"}"#,
        "{\"type\": \"resource\", \"id\": \"c\", \"kind\": \"vm\"}\n{\"type\": \"resource\", \"id\": \"d\", \"kind\": \"vm\"}\n",
    ];
    for input in inputs {
        server
            .verb(&["apply", "-f", "-"], input)
            .ended(crate::harness::SOON)
            .await
            .expect(0);
    }
    assert_eq!(server.client().await.sequence().await, 4);
    for nothing in ["", "---\n"] {
        let ran = server
            .verb(&["apply", "-f", "-"], nothing)
            .ended(crate::harness::SOON)
            .await
            .expect(65);
        assert!(ran.err.contains("no documents"), "{}", ran.err);
    }
    let ran = server.cli(&["apply", "-f", "nowhere.yaml"]).await.expect(65);
    assert!(ran.err.contains("nowhere.yaml cannot be read"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_register_rejects_is_told_with_its_line_and_the_rest_is_applied() {
    let broker = TestBroker::get();
    let server = TestServer::start_with(&broker, "limits.tags_max = 1").await;
    let folder = write(
        &server,
        &[(
            "all.yaml",
            "type: resource\nid: a\nkind: vm\n---\ntype: resource\nid: b\nkind: vm\ntags: {x: '', y: ''}\n---\n\
             type: environment\nid: lab\nresources: [a]\n---\ntype: environment\nid: dark\nresources: [nobody]\n",
        )],
    );
    let ran = server.cli(&["apply", "-f", &folder]).await.expect(1);
    assert!(
        ran.err.contains("all.yaml:5:1: resource:b: /tags: ") && ran.err.contains("2 tags, the limit is 1"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("all.yaml:14:1: environment:dark: /resources/0"),
        "{}",
        ran.err
    );
    assert!(
        ran.out.contains("2 created") && ran.out.contains("2 rejected"),
        "{}",
        ran.out
    );
    let said = server
        .cli(&["apply", "-f", &folder, "--json"])
        .await
        .expect(1)
        .json();
    assert_eq!((&said["unchanged"], &said["rejected"]), (&json!(2), &json!(2)));
    let places: Vec<&str> = said["rejections"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["place"].as_str())
        .collect();
    assert!(places[0].ends_with("all.yaml:5:1"), "{places:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_happen_and_nothing_does() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let folder = write(&server, &LAB);
    let ran = server.cli(&["apply", "-f", &folder, "--dry-run"]).await.expect(0);
    assert!(ran.out.contains("dry run, nothing changed"), "{}", ran.out);
    assert_eq!(ran.out.matches("would:").count(), 7, "{}", ran.out);
    assert!(ran.out.contains("would: make a cycle db, web"), "{}", ran.out);
    let said = server
        .cli(&["apply", "-f", &folder, "--dry-run", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!((&said["dry_run"], &said["created"]), (&json!(true), &json!(5)));
    let told = said["events"].as_array().unwrap();
    let would = |kind: &str, id: &str| told.contains(&json!({"type": kind, "id": id}));
    assert!(
        would("resource.created", "db") && would("environment.linked", "lab"),
        "{told:?}"
    );
    assert_eq!(server.client().await.sequence().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_project_can_be_applied() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let examples = format!("{}/examples", env!("CARGO_MANIFEST_DIR"));
    let (lab, debian) = (
        format!("{examples}/lab"),
        format!("{examples}/debian-sample.jsonl"),
    );
    let first: Value = server
        .cli(&["apply", "-f", &lab, &debian, "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(first["rejected"], 0);
    let second: Value = server
        .cli(&["apply", "-f", &lab, "-f", &debian, "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(
        (&second["counts"], &second["unchanged"]),
        (&json!({}), &first["documents"])
    );
}
