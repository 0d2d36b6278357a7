//! What the server finds at the broker: its own objects, or those of somebody else, or a closed door.

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use serde_json::json;

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::message;
use crate::harness::program::{Program, Ran};
use crate::harness::server::TestServer;

/// Runs a server that must not come up.
async fn refused(server: &TestServer, more: &[&str]) -> Ran {
    let file = server.config_file();
    let mut arguments = vec!["server", "--primary", "--config", &file];
    arguments.extend(more);
    Program::start(&arguments, "").ended(SOON).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_another_type_ends_the_start_with_its_name() {
    for name in ["commands", "questions", "changes", "dead"] {
        let broker = TestBroker::get();
        let (_connection, channel) = broker.amqp().await;
        let queue = format!("{}.{name}", broker.config().namespace);
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(queue.as_str().into(), options, FieldTable::default())
            .await
            .unwrap();
        let server = TestServer::prepare(&broker, "");
        let ran = refused(&server, &[]).await.expect(64);
        assert!(
            ran.err
                .contains(&format!("queue `{queue}` exists with other settings")),
            "{}",
            ran.err
        );
        assert!(ran.err.contains("broker.namespace"), "what to do: {}", ran.err);
        assert!(!ran.err.contains("panicked"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_of_another_type_ends_the_start_with_its_name() {
    let broker = TestBroker::get();
    let (_connection, channel) = broker.amqp().await;
    let exchange = broker.config().names().unwrap().events();
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(
            exchange.as_str().into(),
            lapin::ExchangeKind::Direct,
            options,
            FieldTable::default(),
        )
        .await
        .unwrap();
    let server = TestServer::prepare(&broker, "");
    let ran = refused(&server, &[]).await.expect(64);
    assert!(
        ran.err
            .contains(&format!("exchange `{exchange}` exists with other settings")),
        "{}",
        ran.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_without_the_password() {
    let broker = TestBroker::get();
    let server = TestServer::prepare(&broker, "");
    let host = broker.url().rsplit('@').next().unwrap();
    let url = format!("amqp://guest:geheim@{host}");
    for ran in [
        refused(&server, &["--broker", &url]).await.expect(64),
        server.cli(&["ping", "--broker", &url]).await.expect(69),
    ] {
        assert!(ran.err.contains("refused user `guest`"), "{}", ran.err);
        assert!(
            !ran.err.contains("geheim") && !ran.out.contains("geheim"),
            "{ran:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_is_waited_for_as_long_as_it_is_told() {
    let broker = TestBroker::get();
    let mut server = TestServer::prepare(&broker, "broker.reconnect_give_up_s = 1");
    // Port 9 is nobody's.
    let ran = refused(&server, &["--broker", "amqp://guest:geheim@127.0.0.1:9"])
        .await
        .expect(69);
    assert!(ran.err.contains("127.0.0.1:9"), "{}", ran.err);
    assert!(!ran.err.contains("geheim"), "{}", ran.err);
    server.restart().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_under_the_server_is_made_again() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let client = server.client().await;
    client
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    let (_connection, channel) = broker.amqp().await;
    let names = broker.config().names().unwrap();
    for queue in [names.questions(), names.commands(), names.changes()] {
        let options = lapin::options::QueueDeleteOptions::default();
        channel
            .queue_delete(queue.as_str().into(), options)
            .await
            .unwrap();
        // Until the server has noticed there may be nowhere for the command to go, and then nothing has happened. It
        // is the same command each time, so it is carried out once.
        let put = json!({"args": {"id": "a", "kind": "vm", "name": queue}});
        let command = message("resource.put", &put);
        eventually(&format!("{queue} is back"), SOON, async || {
            let reply = client.try_send(command.clone(), SOON).await;
            reply.is_ok_and(|reply| reply["outcome"] == "applied")
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_namespaces_on_one_broker_do_not_meet() {
    let (one, other) = (TestBroker::get(), TestBroker::get());
    let first = TestServer::start(&one).await;
    let second = TestServer::start(&other).await;
    first
        .client()
        .await
        .applied("resource.put", json!({"id": "a", "kind": "vm"}))
        .await;
    assert_eq!(first.client().await.sequence().await, 1);
    assert_eq!(second.client().await.sequence().await, 0);
}
