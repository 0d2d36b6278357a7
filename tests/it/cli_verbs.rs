//! The client verbs as a person and a script use them: output, exit codes, and words when it does not work.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::program::{Program, run};
use crate::harness::schemas;
use crate::harness::server::TestServer;

/// web → db → vm, all in `lab`, and a dependency on `lost`.
async fn estate() -> (TestBroker, TestServer) {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let commands = json!([
        {"type": "resource.put", "args": {"id": "vm", "kind": "vm", "name": "Machine"}},
        {"type": "resource.put", "args": {"id": "db", "kind": "postgres", "name": "Ledger", "dependencies": [{"resource": "vm"}]}},
        {"type": "resource.put", "args": {"id": "web", "kind": "nginx",
            "dependencies": [{"resource": "db"}, {"resource": "lost", "nature": "soft"}]}},
        {"type": "environment.put", "args": {"id": "lab", "resources": ["db", "vm", "web"]}},
    ]);
    let client = server.client().await;
    client.applied("batch", json!({ "commands": commands })).await;
    (broker, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_of_what_is_needed_is_refused_and_names_who_needs_it() {
    let (_broker, server) = estate().await;
    let ran = server.cli(&["remove", "resource", "vm"]).await.expect(1);
    assert!(
        ran.err.contains("resource vm: Others depend on it") && ran.err.contains(": db"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("hint:"), "{}", ran.err);
    let ran = server
        .cli(&["remove", "environment", "lab", "--json"])
        .await
        .expect(1);
    let reply = ran.json();
    schemas::check("reply", &reply);
    assert_eq!(reply["problem"]["resources"], json!(["db", "vm", "web"]));
    assert_eq!(server.client().await.sequence().await, 5);

    let ran = server
        .cli(&["remove", "resource", "vm", "--detach", "--dry-run"])
        .await
        .expect(0);
    assert!(ran.out.contains("resource vm would be removed"), "{}", ran.out);
    let ran = server
        .cli(&["remove", "resource", "web", "vm", "--detach"])
        .await
        .expect(0);
    assert!(
        ran.out.contains("resource web removed") && ran.out.contains("resource vm removed"),
        "{}",
        ran.out
    );
    let ran = server.cli(&["remove", "resource", "vm"]).await.expect(0);
    assert!(ran.out.contains("resource vm was not there"), "{}", ran.out);
    let ran = server
        .cli(&["restore", "resource", "vm", "web", "db"])
        .await
        .expect(0);
    assert!(
        ran.out.contains("resource vm restored") && ran.out.contains("db is there already"),
        "{}",
        ran.out
    );
    let ran = server.cli(&["restore", "resource", "nobody"]).await.expect(1);
    assert!(ran.err.contains("nobody"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn search_prints_hits_and_as_json_the_answer_itself() {
    let (_broker, server) = estate().await;
    let client = server.client().await;
    let done = json!({"epoch": 1, "sequence": 5});
    client.find("*", &done).await;
    let ran = server.cli(&["search", "kind:postgres", "ledger"]).await.expect(0);
    assert!(
        ran.out.contains("db") && ran.out.contains("Ledger") && !ran.out.contains("web"),
        "{}",
        ran.out
    );
    let answer = server
        .cli(&["search", "*", "--within", "lab", "--limit", "2", "--json"])
        .await
        .expect(0)
        .json();
    schemas::check("search.answer", &answer);
    assert_eq!(answer["items"].as_array().unwrap().len(), 2);
    let ran = server.cli(&["search", "kind:(postgres"]).await.expect(1);
    assert!(
        ran.err.starts_with("error: The search cannot be read"),
        "{}",
        ran.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn graph_has_a_picture_for_everyone() {
    let (_broker, server) = estate().await;
    let tree = server.cli(&["graph", "dependencies", "web"]).await.expect(0);
    let place = |text: &str| {
        tree.out
            .find(text)
            .unwrap_or_else(|| panic!("{text} is not in {}", tree.out))
    };
    assert!(
        place("web") < place("db") && place("db") < place("vm"),
        "{}",
        tree.out
    );
    assert!(tree.err.contains("3 dependencies"), "{}", tree.err);
    let table = server
        .cli(&["graph", "dependents", "vm", "--table"])
        .await
        .expect(0);
    assert!(
        table.out.contains("STEPS") && table.out.contains("nginx"),
        "{}",
        table.out
    );
    assert!(table.err.contains("2 dependents"), "{}", table.err);
    let dot = server
        .cli(&["graph", "dependencies", "web", "--dot"])
        .await
        .expect(0)
        .out;
    assert!(
        dot.starts_with("digraph") && dot.trim_end().ends_with('}') && dot.contains("->"),
        "{dot}"
    );
    let mermaid = server
        .cli(&["graph", "dependencies", "web", "--mermaid"])
        .await
        .expect(0)
        .out;
    assert!(
        mermaid.starts_with("flowchart") || mermaid.starts_with("graph"),
        "{mermaid}"
    );
    for (question, kind) in [
        (vec!["dependencies", "web"], "graph.dependencies"),
        (vec!["dependents", "vm", "--depth", "1"], "graph.dependents"),
        (vec!["path", "web", "vm", "--all"], "graph.path"),
        (vec!["cycles"], "graph.cycles"),
        (vec!["dangling", "--environment", "lab"], "graph.dangling"),
    ] {
        let mut arguments = vec!["graph"];
        arguments.extend(&question);
        server.cli(&arguments).await.expect(0);
        arguments.push("--json");
        let answer = server.cli(&arguments).await.expect(0).json();
        schemas::check(&format!("{kind}.answer"), &answer);
    }
    let path = server.cli(&["graph", "path", "web", "vm"]).await.expect(0);
    assert_eq!(path.out, "web → db → vm\n");
    let none = server.cli(&["graph", "path", "vm", "web"]).await.expect(1);
    assert!(none.err.contains("vm does not need web"), "{}", none.err);
    let dangling = server.cli(&["graph", "dangling"]).await.expect(0);
    assert!(
        dangling.out.contains("lost") && dangling.out.contains("web"),
        "{}",
        dangling.out
    );
    let unknown = server.cli(&["graph", "dependents", "nobody"]).await.expect(1);
    assert!(unknown.err.contains("nobody"), "{}", unknown.err);
}

/// Waits until a `watch` says that it has its queue.
async fn watching(watch: &Program) {
    eventually("the watch to begin", SOON, async || {
        watch.err().contains("watching")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_as_many_events_as_it_was_asked_for() {
    let (_broker, server) = estate().await;
    let watch = server.verb(&["watch", "--json", "--count", "3"], "");
    let lab = server.verb(
        &["watch", "resource.*", "--environment", "lab", "--count", "3"],
        "",
    );
    let nothing = server.verb(&["watch", "*.removed", "--count", "1"], "");
    watching(&watch).await;
    watching(&lab).await;
    watching(&nothing).await;
    let client = server.client().await;
    for n in 0..3 {
        let args = json!({"id": "vm", "patch": {"name": n.to_string()}});
        client.applied("resource.patch", args).await;
    }
    let ran = watch.ended(SOON).await.expect(0);
    let events: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), 3);
    for event in &events {
        schemas::check("resource.updated", event);
    }
    let ran = lab.ended(SOON).await.expect(0);
    assert_eq!(ran.out.lines().count(), 3);
    assert!(
        ran.out
            .lines()
            .all(|line| line.contains("resource.updated") && line.contains(" vm r")),
        "{}",
        ran.out
    );
    nothing.signal("INT");
    nothing.ended(SOON).await.expect(130);
    let ran = server
        .cli(&["watch", "--count", "1", "--timeout", "200ms"])
        .await
        .expect(75);
    assert_eq!(ran.out, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn ping_tells_who_is_there_and_what_to_do_when_nobody_is() {
    let (broker, mut server) = estate().await;
    let ran = server.cli(&["ping"]).await.expect(0);
    assert!(ran.out.starts_with("primary test, version "), "{}", ran.out);
    assert!(ran.out.contains("resources     3"), "{}", ran.out);
    let pong = server.cli(&["ping", "--json"]).await.expect(0).json();
    schemas::check("ping.answer", &pong);

    // The queues are there, and nobody answers.
    assert!(server.terminate().await.success());
    let ran = server.cli(&["ping", "--timeout", "300ms"]).await.expect(75);
    assert!(ran.err.contains("is a domesday server consuming?"), "{}", ran.err);
    assert!(ran.err.contains("--timeout"), "{}", ran.err);

    // Not even the queues are there.
    let ran = run(
        &["ping", "--broker", broker.url(), "--namespace", "t-nowhere"],
        "",
    )
    .await
    .expect(69);
    assert!(
        ran.err.contains("exchange `t-nowhere.questions` is missing"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("start `domesday server`"), "{}", ran.err);

    // There is no broker.
    let url = "amqp://guest:geheim@127.0.0.1:9";
    let ran = run(&["ping", "--broker", url, "--timeout", "300ms"], "")
        .await
        .expect(69);
    assert!(
        ran.err.contains("127.0.0.1:9") && ran.err.contains("is the broker up?"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("geheim"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_found_through_the_environment_too() {
    let (broker, _server) = estate().await;
    let namespace = broker.config().namespace;
    let variables = [
        ("DOMESDAY_BROKER_URL", broker.url()),
        ("DOMESDAY_NAMESPACE", namespace.as_str()),
    ];
    let program = Program::start_in(&["ping"], "", &variables);
    program.ended(SOON).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn send_prints_the_reply_as_it_came() {
    let (_broker, server) = estate().await;
    let body = r#"{"args": {"id": "new", "kind": "vm"}}"#;
    let sent = async || {
        let program = server.verb(
            &["send", "resource.put", "--body", "-", "--message-id", "m-1"],
            body,
        );
        program.ended(SOON).await.expect(0).json()
    };
    let reply = sent().await;
    schemas::check("reply", &reply);
    assert_eq!(
        (&reply["outcome"], &reply["duplicate"]),
        (&json!("applied"), &json!(false))
    );
    assert_eq!(sent().await["duplicate"], true);
    let answer = server.cli(&["send", "ping", "--question"]).await.expect(0).json();
    schemas::check("ping.answer", &answer);
    let refused = server.cli(&["send", "resource.putt"]).await.expect(1).json();
    assert_eq!(refused["problem"]["type"], "urn:domesday:problem:unknown-type");
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_prints_what_is_in_the_folder_of_schemas() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let list = run(&["schema"], "").await.expect(0).out;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let printed = run(&["schema", &name], "").await.expect(0);
        assert!(printed.out.as_bytes() == std::fs::read(&path).unwrap(), "{name}");
        assert_eq!(printed.err, "");
        let line = list
            .lines()
            .find(|line| line.split_whitespace().next() == Some(&name));
        let line = line.unwrap_or_else(|| panic!("{name} is not in {list}"));
        assert!(
            line.split_whitespace().count() > 2,
            "{line} does not say what it is"
        );
        names.push(name);
    }
    assert!(names.contains(&"asyncapi".to_owned()) && names.len() > 40);
    let indented = list.lines().filter(|line| line.starts_with("  ")).count();
    assert_eq!(indented, names.len(), "more is listed than there is");
    let wrong = run(&["schema", "resource.putt"], "").await.expect(64);
    assert!(
        wrong.err.contains("'resource.put'") && wrong.out.is_empty(),
        "{}",
        wrong.err
    );
    let script = run(&["completions", "bash"], "").await.expect(0).out;
    assert!(
        script.contains("schema") && script.contains("environment.members.state"),
        "{script}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_line_or_a_configuration_that_cannot_be_used_ends_with_64() {
    for arguments in [
        &["frobnicate"][..],
        &["apply"],
        &["remove", "thing", "x"],
        &["remove", "resource", "-no-id"],
        &["graph", "dependents", "a", "--depth", "0"],
        &["ping", "--timeout", "5"],
        &["server", "--primary", "--config", "/nowhere/at/all.toml"],
    ] {
        let ran = run(arguments, "").await.expect(64);
        assert!(!ran.err.is_empty() && ran.out.is_empty(), "{arguments:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("domesday.toml");
    std::fs::write(&file, "[engine]\nreceipt_max = 5\n").unwrap();
    let file = file.display().to_string();
    for arguments in [
        ["config", "check", &file].as_slice(),
        &["server", "--primary", "--config", &file],
    ] {
        let ran = run(arguments, "").await.expect(64);
        assert!(
            ran.err.contains("did you mean `receipts_max`?") && ran.err.contains("line 2"),
            "{}",
            ran.err
        );
    }
    let example = format!("{}/config.example.toml", env!("CARGO_MANIFEST_DIR"));
    run(&["config", "check", &example], "").await.expect(0);
    for fine in [["--help"], ["--version"]] {
        assert!(!run(&fine, "").await.expect(0).out.is_empty());
    }
}
