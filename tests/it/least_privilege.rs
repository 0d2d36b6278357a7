//! The permissions that the README gives to each role at the broker: enough for what the role does, and no more.

use std::path::Path;

use domesday::broker::{Client, Config, FaultKind, Names, StreamOffset};
use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use serde_json::json;

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::{TestClient, message};
use crate::harness::program::{Program, Ran, read};
use crate::harness::server::TestServer;

const PASSWORD: &str = "geheim";
const VIRTUAL_HOST: &str = "infra";

/// The commands of the README's section on permissions, as a shell would read them.
fn commands_of_the_readme() -> Vec<Vec<String>> {
    let readme = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let (_, section) = readme
        .split_once("## Permissions at the broker")
        .expect("a section");
    let (_, block) = section.split_once("```sh\n").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    block
        .replace("\\\n", " ")
        .lines()
        .filter(|line| line.starts_with("rabbitmqctl "))
        .map(|line| {
            let words = line.split_whitespace().skip(1);
            words.map(|word| word.trim_matches('\'').to_owned()).collect()
        })
        .collect()
}

/// A broker on which the README's commands were run, for its own namespace.
struct Roles(TestBroker);

impl Roles {
    fn set_up() -> Self {
        let broker = TestBroker::private();
        let namespace = format!("{}\\.", broker.config().namespace);
        for command in commands_of_the_readme() {
            let mut words: Vec<String> = command
                .iter()
                .map(|word| word.replace("domesday\\.", &namespace))
                .collect();
            if words[0] == "add_user" {
                words.push(PASSWORD.to_owned());
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            broker.rabbitmqctl(&words);
        }
        Self(broker)
    }

    /// The broker as a user of it sees it.
    fn of(&self, user: &str) -> TestBroker {
        self.0.seen_by(user, PASSWORD, VIRTUAL_HOST)
    }

    async fn client(&self, user: &str) -> TestClient {
        TestClient::connect(&self.of(user).config()).await
    }

    /// Runs a verb as somebody.
    async fn run(&self, user: &str, arguments: &[&str], input: &str) -> Ran {
        self.start(user, arguments, input).ended(SOON * 2).await
    }

    fn start(&self, user: &str, arguments: &[&str], input: &str) -> Program {
        let Config { url, namespace, .. } = self.of(user).config();
        let variables = [
            ("DOMESDAY_BROKER_URL", &*url),
            ("DOMESDAY_NAMESPACE", &*namespace),
        ];
        Program::start_in(arguments, input, &variables)
    }
}

async fn refuses(client: &TestClient, exchange: &str) {
    let message = message(
        "resource.put",
        &json!({"args": {"id": "not-allowed", "kind": "vm"}}),
    );
    let fault = client.try_send(message, SOON).await.expect_err("not permitted");
    assert_eq!(fault.kind(), FaultKind::Permission, "{fault}");
    assert!(fault.to_string().contains(exchange), "{fault}");
}

/// A service reads events into a queue of its own, and the stream of changes.
async fn reads_events(roles: &Roles, names: &Names, deployer: &TestClient) {
    let (_connection, channel) = roles.of("billing").amqp().await;
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let none = FieldTable::default;
    channel
        .queue_declare("billing.events".into(), durable, none())
        .await
        .expect("its own queue");
    let events = names.events();
    let bound = channel.queue_bind(
        "billing.events".into(),
        events.as_str().into(),
        "#".into(),
        QueueBindOptions::default(),
        none(),
    );
    bound.await.expect("a binding");
    let reader = Client::connect(&roles.of("billing").config(), "a reader")
        .await
        .unwrap();
    let mut queue = reader.consume("billing.events", 10).await.expect("its queue");
    let mut stream = reader
        .consume_stream(&names.changes(), 10, StreamOffset::First)
        .await
        .expect("the stream");
    deployer
        .applied("resource.put", json!({"id": "db-2", "kind": "postgres"}))
        .await;
    for consumer in [&mut queue, &mut stream] {
        let delivery = tokio::time::timeout(SOON, consumer.next())
            .await
            .expect("in time");
        delivery.expect("open").expect("an event");
    }
}

/// What nobody could be answered for waits in the dead letters.
async fn letter_dies(roles: &Roles, names: &Names) {
    let (_connection, channel) = roles.of("deployer").amqp().await;
    let commands = names.commands();
    let sent = channel.basic_publish(
        commands.as_str().into(),
        "resource.put".into(),
        BasicPublishOptions::default(),
        b"not JSON",
        BasicProperties::default().with_type("resource.put".into()),
    );
    sent.await.expect("sent");
    let server_view = roles.of("domesday");
    let is_dead = async || server_view.ready(&names.dead()).await == 1;
    eventually("it is in the dead letters", SOON, is_dead).await;
}

/// The command line does all that it can.
async fn does_all_verbs(roles: &Roles) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (copy, snapshot, report) = (file("copy"), file("lab.snapshot"), file("report.html"));
    let verbs: [&[&str]; 10] = [
        &["status"],
        &["graph", "impact", "db-1"],
        &["history", "resource", "db-1"],
        &["mirror", "--once", &copy],
        &["snapshot", "save", &snapshot],
        &["report", &report],
        &["remove", "resource", "db-2"],
        &["dead", "list"],
        &["dead", "retry", "--all", "--as-new"],
        &["dead", "drop", "--all", "--yes"],
    ];
    for verb in verbs {
        let ran = roles.run("operator", verb, "").await;
        assert_eq!(ran.status.code(), Some(0), "{verb:?}: {}{}", ran.out, ran.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_broker_with_the_permissions_of_the_readme_is_enough_for_each_role() {
    let roles = tokio::task::block_in_place(Roles::set_up);
    let names = roles.0.config().names().unwrap();
    let _server = TestServer::start(&roles.of("domesday")).await;

    // Who deploys commands and asks.
    let deployer = roles.client("deployer").await;
    let put = json!({"id": "db-1", "kind": "postgres"});
    let reply = deployer.applied("resource.put", put).await;
    assert_eq!(deployer.find("postgres", &reply).await, ["db-1"]);
    let ran = roles.run(
        "deployer",
        &["apply", "--file", "-"],
        "{\"type\": \"resource\", \"id\": \"web-1\", \"kind\": \"vm\"}",
    );
    ran.await.expect(0);

    // Who only asks does not command.
    let dashboard = roles.client("dashboard").await;
    dashboard
        .question("graph.dependents", json!({"args": {"id": "db-1"}}))
        .await;
    roles
        .run("dashboard", &["search", "postgres"], "")
        .await
        .expect(0);
    refuses(&dashboard, &names.commands()).await;

    reads_events(&roles, &names, &deployer).await;

    // A person who watches sees what happens.
    let watching = roles.start("watcher", &["watch", "--count", "1"], "");
    let seen = async || {
        deployer
            .applied("resource.put", json!({"id": "db-3", "kind": "postgres"}))
            .await;
        deployer.applied("resource.remove", json!({"id": "db-3"})).await;
        !watching.out().is_empty()
    };
    eventually("the watcher sees a change", SOON, seen).await;

    letter_dies(&roles, &names).await;
    does_all_verbs(&roles).await;

    // Another site follows with what its user may.
    let other = TestBroker::get();
    let mut secondary = TestServer::prepare_secondary(&other, &roles.of("site2"), "");
    secondary.restart().await;
    let reply = deployer
        .applied("resource.put", json!({"id": "last", "kind": "vm"}))
        .await;
    secondary.reached(&reply).await;
}
