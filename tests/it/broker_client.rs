//! The client side of the `broker` room against a real broker: requests and subscriptions.

use std::sync::Arc;
use std::time::Duration;

use domesday::broker::{Client, FaultKind, Message, Session};

use crate::harness::broker::TestBroker;
use crate::harness::session::{SOON, message, next, open};

/// Answers each command with its own body, until it is aborted.
async fn echo(session: Arc<Session>) {
    let publisher = session.publisher().await.unwrap();
    let commands = session.names().commands();
    let mut consumer = session.consume(&commands, 1000, "echo").await.unwrap();
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery.unwrap();
        let asked = &delivery.message;
        let reply = Message {
            correlation_id: asked.correlation_id.clone(),
            ..message("", std::str::from_utf8(&asked.body).unwrap())
        };
        let to = asked.reply_to.clone().expect("somewhere to reply to");
        let confirmation = publisher.send("", &to, &reply, true).await.unwrap();
        tokio::spawn(async move {
            confirmation.wait().await.expect("the reply arrived");
            delivery.ack().await.unwrap();
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_matches_500_replies_to_their_requests() {
    let broker = TestBroker::get();
    let session = Arc::new(open(&broker).await);
    let commands = session.names().commands();
    let echo = tokio::spawn(echo(Arc::clone(&session)));
    let client = Client::connect(&broker.config(), "client").await.unwrap();
    let requests = (0..500).map(|n| {
        let (client, commands) = (&client, &commands);
        async move {
            let asked = Message {
                message_id: None,
                ..message("", &n.to_string())
            };
            let reply = client
                .request(commands, "resource.put", asked, SOON)
                .await
                .expect("a reply");
            assert_eq!(reply.body, n.to_string().into_bytes());
        }
    });
    futures_util::future::join_all(requests).await;

    // Nobody answers on the control exchange.
    let fault = client
        .request(&session.names().control(), "a", message("u", "x"), SOON)
        .await
        .expect_err("nobody there");
    assert_eq!(fault.kind(), FaultKind::Unroutable, "{fault}");

    // The change log takes an event, but does not reply.
    let (events, limit) = (session.names().events(), Duration::from_millis(200));
    let fault = client
        .request(&events, "a", message("t", "x"), limit)
        .await
        .expect_err("no reply");
    assert_eq!(fault.kind(), FaultKind::Deadline, "{fault}");

    // The same client still works.
    let reply = client.request(&commands, "a", message("z", "still"), SOON).await;
    assert_eq!(reply.expect("a reply").body, b"still");
    echo.abort();
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_tells_a_client_that_no_server_is_there() {
    let broker = TestBroker::get();
    let client = Client::connect(&broker.config(), "client").await.unwrap();
    let commands = broker.config().names().unwrap().commands();
    let expected = format!("exchange `{commands}` is missing: is a domesday server running");
    let fault = client
        .request(&commands, "a", message("m", "x"), SOON)
        .await
        .expect_err("no such exchange");
    assert_eq!(fault.kind(), FaultKind::Missing, "{fault}");
    assert!(fault.to_string().starts_with(&expected), "{fault}");
    let fault = client
        .subscribe(&commands, &["#".to_owned()])
        .await
        .expect_err("no such exchange");
    assert!(fault.to_string().starts_with(&expected), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_subscribes_to_what_is_bound() {
    let broker = TestBroker::get();
    let session = open(&broker).await;
    let events = session.names().events();
    let client = Client::connect(&broker.config(), "client").await.unwrap();
    let bindings = ["resource.#".to_owned(), "*.removed".to_owned()];
    let mut heard = client.subscribe(&events, &bindings).await.unwrap();
    let publisher = session.publisher().await.unwrap();
    for key in ["resource.updated", "environment.updated", "environment.removed"] {
        let sent = publisher.send(&events, key, &message(key, "x"), true).await;
        sent.unwrap().wait().await.unwrap();
    }
    for key in ["resource.updated", "environment.removed"] {
        let delivery = next(&mut heard).await;
        assert_eq!(delivery.routing_key, key);
        delivery.ack().await.unwrap();
    }
}
