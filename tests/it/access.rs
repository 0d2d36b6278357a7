//! Rules about who may do what, for users that a real broker has checked.

use domesday::broker::Client;
use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::{TestClient, ids};
use crate::harness::program::read;
use crate::harness::register::next;
use crate::harness::server::TestServer;

const PASSWORD: &str = "geheim";

/// The lab's bot works in `lab-*`, the dashboards look at what the lab owns, and guest does everything.
const RULES: &str = "
[[access.rules]]
name = 'operators'
principals = ['guest']
types = ['*']

[[access.rules]]
name = 'the lab'
principals = ['lab-*']
types = ['*']
environments = ['lab-*']

[[access.rules]]
principals = ['idle']
types = ['*']
environments = ['there-is-none']

[[access.rules]]
principals = ['dashboards']
types = ['search', 'graph.*', 'ping']
environment_tags = { owner = 'lab' }
";

struct Stage {
    broker: TestBroker,
    server: TestServer,
    operator: TestClient,
}

impl Stage {
    /// `lab-1` has `web` and `bus`; `prod` has `bus`, `db` and `vault`. `web` needs `bus`, that needs `db`, and `db` needs
    /// `vault`; `vault` needs `web`, so that all are a cycle. `secret` is in no environment, and needs `web`.
    async fn set() -> Self {
        let broker = tokio::task::block_in_place(TestBroker::private);
        for user in ["lab-bot", "dashboards", "idle", "stranger"] {
            broker.rabbitmqctl(&["add_user", user, PASSWORD]);
            broker.rabbitmqctl(&["set_permissions", user, ".*", ".*", ".*"]);
        }
        let server = TestServer::start_with(&broker, RULES).await;
        let operator = server.client().await;
        for (id, needs) in [
            ("db", json!([])),
            ("bus", json!([{"resource": "db"}])),
            ("web", json!([{"resource": "bus"}])),
            ("vault", json!([{"resource": "web"}])),
            ("secret", json!([{"resource": "web"}])),
        ] {
            let resource =
                json!({"id": id, "kind": "vm", "name": format!("the {id}"), "dependencies": needs});
            operator.applied("resource.put", resource).await;
        }
        let db = json!({"id": "db", "patch": {"dependencies": [{"resource": "vault"}]}});
        operator.applied("resource.patch", db).await;
        let lab = json!({"id": "lab-1", "tags": {"owner": "lab"}, "resources": ["web", "bus"]});
        operator.applied("environment.put", lab).await;
        let prod = json!({"id": "prod", "name": "not for the lab", "resources": ["bus", "db", "vault"]});
        let last = operator.applied("environment.put", prod).await;
        operator.find("vault", &last).await;
        Self {
            broker,
            server,
            operator,
        }
    }

    async fn client(&self, user: &str) -> TestClient {
        TestClient::connect(&self.broker.seen_by(user, PASSWORD, "%2f").config()).await
    }
}

fn forbidden(problem: &Value) {
    assert_eq!(problem["type"], "urn:domesday:problem:forbidden", "{problem:#}");
}

/// Fails where an answer tells of what is elsewhere.
fn tells_nothing_of_elsewhere(answer: &Value) {
    let text = answer.to_string();
    // The documents of the lab name `db`: that it is needed is no secret to them, what it is is.
    for hidden in ["prod", "vault", "secret", "not for the lab", "the db"] {
        assert!(!text.contains(hidden), "{hidden} is in {answer:#}");
    }
}

async fn looks_as_if_there_were_nothing_else(bot: &TestClient) {
    for (kind, args, total) in [
        (
            "search",
            json!({"query": "*", "facets": ["environment", "kind"]}),
            3,
        ),
        (
            "search",
            json!({"query": "the", "highlights": true, "explain": true}),
            2,
        ),
        ("search", json!({"query": "environment:prod"}), 0),
        ("search", json!({"query": "environment:pr*"}), 0),
        ("search", json!({"query": "kind:vm AND NOT environment:prod"}), 2),
        ("search", json!({"query": "kind:vm", "within": "prod"}), 0),
        ("search", json!({"query": "kind:vm", "within": "lab-1"}), 2),
        ("search", json!({"query": "impact-of:bus"}), 1),
        ("search", json!({"query": "dependents-of:db"}), 2),
        ("search", json!({"query": "has:cycle"}), 0),
        ("search", json!({"query": "has:dangling"}), 1),
        ("graph.dependents", json!({"id": "web"}), 0),
        ("graph.dependencies", json!({"id": "web"}), 2),
        ("graph.impact", json!({"ids": ["bus"]}), 1),
        ("graph.impact", json!({"ids": ["db"]}), 2),
        ("graph.cycles", json!({}), 0),
        ("graph.dangling", json!({}), 1),
        (
            "graph.order",
            json!({"environment": "lab-1", "direction": "start"}),
            2,
        ),
        ("ping", json!({}), 1),
    ] {
        let answer = bot.question(kind, json!({"args": args})).await;
        assert_eq!(answer["total"], total, "{kind} {args}: {answer:#}");
        tells_nothing_of_elsewhere(&answer);
    }
    let pong = bot.question("ping", json!({})).await;
    assert_eq!(
        (&pong["resources"], &pong["environments"]),
        (&json!(2), &json!(1))
    );
    for (kind, args) in [
        ("graph.dependents", json!({"id": "vault"})),
        ("graph.path", json!({"from": "vault", "to": "web"})),
        ("graph.impact", json!({"ids": ["vault"]})),
        (
            "graph.order",
            json!({"environment": "prod", "direction": "start"}),
        ),
        ("history", json!({"entity": "resource", "id": "db"})),
        ("compare", json!({"left": "lab-1", "right": "prod"})),
        ("search", json!({"query": "dependents-of:vault"})),
    ] {
        let there = bot.no_answer(kind, json!({"args": args})).await;
        let absent = args
            .to_string()
            .replace("prod", "none")
            .replace("vault", "none")
            .replace("\"db\"", "\"none\"");
        let absent: Value = serde_json::from_str(&absent).unwrap();
        let none = bot.no_answer(kind, json!({"args": absent})).await;
        assert_eq!(
            there["type"], "urn:domesday:problem:not-found",
            "{kind}: {there:#}"
        );
        let same = there
            .to_string()
            .replace("prod", "none")
            .replace("vault", "none")
            .replace(" db\"", " none\"");
        assert_eq!(
            serde_json::from_str::<Value>(&same).unwrap()["detail"],
            none["detail"],
            "{kind}"
        );
    }
    let past = json!({"args": {"ids": ["bus"]}, "as_of": {"sequence": bot.sequence().await}});
    assert_eq!(bot.question("graph.impact", past).await["total"], 1);
    forbidden(&bot.no_answer("snapshot.begin", json!({})).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_works_in_some_environments_finds_and_changes_nothing_elsewhere() {
    let stage = Stage::set().await;
    let bot = stage.client("lab-bot").await;
    looks_as_if_there_were_nothing_else(&bot).await;

    for (kind, args) in [
        ("resource.put", json!({"id": "db", "kind": "vm"})),
        ("resource.put", json!({"id": "alone", "kind": "vm"})),
        ("resource.remove", json!({"id": "vault"})),
        ("resource.remove", json!({"id": "nothing"})),
        (
            "environment.link",
            json!({"environment": "lab-1", "resources": ["db"]}),
        ),
        ("environment.put", json!({"id": "prod-2"})),
    ] {
        forbidden(&bot.refused(kind, json!({"args": args})).await);
    }
    let both = json!({"commands": [
        {"type": "resource.put", "args": {"id": "cache", "kind": "vm"}},
        {"type": "environment.link", "args": {"environment": "lab-1", "resources": ["cache"]}},
    ]});
    bot.applied("batch", both).await;
    let dry = json!({"args": {"id": "bus", "mode": "detach"}, "dry_run": true});
    let would = bot.command("resource.remove", dry).await;
    assert_eq!(would["outcome"], "applied", "{would:#}");
    assert_eq!(would["impact"]["counts"]["stops"], 1, "{would:#}");
    tells_nothing_of_elsewhere(&would["impact"]);
    assert!(!would["events"].to_string().contains("prod"), "{would:#}");
    let kept = bot
        .refused("resource.remove", json!({"args": {"id": "web"}}))
        .await;
    tells_nothing_of_elsewhere(&kept);

    let idle = stage.client("idle").await;
    for question in [
        json!({"query": "*", "facets": ["kind"]}),
        json!({"query": "environment:lab-1"}),
    ] {
        assert_eq!(
            idle.question("search", json!({"args": question})).await["total"],
            0
        );
    }
    assert_eq!(idle.question("ping", json!({})).await["resources"], 0);

    let stranger = stage.client("stranger").await;
    forbidden(
        &stranger
            .no_answer("search", json!({"args": {"query": "web"}}))
            .await,
    );
    forbidden(
        &stranger
            .refused("resource.remove", json!({"args": {"id": "web"}}))
            .await,
    );
    let dashboards = stage.client("dashboards").await;
    let found = dashboards
        .question("search", json!({"args": {"query": "kind:vm"}}))
        .await;
    assert_eq!(ids(&found["items"]), ["bus", "cache", "web"]);
    forbidden(
        &dashboards
            .refused("resource.remove", json!({"args": {"id": "web"}}))
            .await,
    );
    let everything = stage
        .operator
        .question("search", json!({"args": {"query": "kind:vm"}}))
        .await;
    assert_eq!(everything["total"], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_and_a_standing_question_hold_only_what_may_be_seen() {
    let stage = Stage::set().await;
    let url = stage.broker.seen_by("lab-bot", PASSWORD, "%2f").config().url;
    let folder = stage.server.folder().join("copy");
    let copy = folder.display().to_string();
    let ran = stage
        .server
        .cli(&["mirror", "--once", "--broker", &url, &copy])
        .await
        .expect(0);
    assert!(
        ran.err.contains("proved") || ran.out.contains("proved"),
        "{} {}",
        ran.out,
        ran.err
    );
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    for hidden in ["prod", "vault", "secret", "db"] {
        assert!(!files.iter().any(|file| file.contains(hidden)), "{files:?}");
    }
    assert!(files.iter().any(|file| file.contains("web")), "{files:?}");

    let bot = stage.client("lab-bot").await;
    let config = stage.broker.seen_by("lab-bot", PASSWORD, "%2f").config();
    let reader = Client::connect(&config, "a reader").await.unwrap();
    let mut told = reader.inbox().await.unwrap();
    let question = json!({"type": "search", "args": {"query": "kind:vm"}});
    let asked = json!({"args": {"question": question, "queue": told.queue()}});
    let first = bot.question("subscribe", asked).await;
    assert_eq!(ids(&first["items"]), ["bus", "web"]);
    stage
        .operator
        .applied("resource.put", json!({"id": "hidden", "kind": "vm"}))
        .await;
    let both = ["prod", "lab-1"].map(|environment| {
        json!({"type": "environment.link", "args": {"environment": environment, "resources": ["secret"]}})
    });
    stage.operator.applied("batch", json!({"commands": both})).await;
    let change = loop {
        let (kind, body) = next(&mut told).await;
        if kind == "answer.changed" {
            break body;
        }
    };
    assert_eq!(change["added"][0]["id"], "secret", "{change:#}");
    for elsewhere in ["hidden", "prod"] {
        assert!(!change.to_string().contains(elsewhere), "{change:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_explained_and_taken_up_while_the_server_runs() {
    let mut stage = Stage::set().await;
    let explain = async |user: &str, kind: &str, id: &str| {
        let arguments = ["access", "explain", "--as", user, "--type", kind, "--id", id];
        stage.server.cli(&arguments).await
    };
    let ran = explain("lab-bot", "resource.remove", "web").await.expect(0);
    assert!(
        ran.out
            .contains("rule 2 (the lab) lets lab-bot do resource.remove on web"),
        "{}",
        ran.out
    );
    let ran = explain("lab-bot", "resource.remove", "vault").await.expect(1);
    assert!(
        ran.out.contains("refused") && ran.out.contains("not for vault"),
        "{}",
        ran.out
    );
    let ran = explain("stranger", "search", "web").await.expect(1);
    assert!(ran.out.contains("no rule lets stranger do search"), "{}", ran.out);

    let file = stage.server.config_file();
    let before = read(std::path::Path::new(&file));
    let stranger = stage.client("stranger").await;
    std::fs::write(&file, before.replace("'dashboards'", "'dashboards', 'stranger'")).unwrap();
    stage.server.says("taken up").await;
    let web = json!({"args": {"query": "kind:vm"}});
    assert_eq!(stranger.question("search", web.clone()).await["total"], 2);
    std::fs::write(&file, before.replace("types = ['*']", "types = ['serch']")).unwrap();
    stage.server.says("who may do what stays as it is").await;
    assert!(
        stage.server.log().contains("did you mean"),
        "{}",
        stage.server.log()
    );
    assert_eq!(stranger.question("search", web.clone()).await["total"], 2);
    std::fs::write(&file, &before).unwrap();
    let refused = async || {
        let answer = stranger.ask("search", web.clone()).await;
        answer["problem"]["type"] == "urn:domesday:problem:forbidden"
    };
    eventually("the stranger is out again", SOON, refused).await;

    let url = stage.broker.seen_by("stranger", PASSWORD, "%2f").config().url;
    let ran = stage.server.cli(&["status", "--broker", &url]).await.expect(1);
    assert!(
        ran.err.contains("user stranger may not do instance.status"),
        "{}",
        ran.err
    );
    assert!(stage.server.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_may_use_does_not_start() {
    let broker = TestBroker::get();
    let mut server = TestServer::prepare(&broker, "access.rules = []");
    server.launch();
    assert_eq!(server.ended().await.code(), Some(64));
    assert!(
        server.log().contains("nobody may do anything"),
        "{}",
        server.log()
    );
    let open = TestServer::start(&broker).await;
    assert!(open.log().contains("ACCESS IS OPEN"), "{}", open.log());
}
