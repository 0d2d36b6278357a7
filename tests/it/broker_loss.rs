//! The `broker` room when things break: closed connections, a broker that stops or blocks.

use std::time::Duration;

use domesday::broker::{Config, FaultKind, PublishFault, Purpose, Session, StreamOffset};

use crate::harness::broker::{TestBroker, eventually};
use crate::harness::session::{SOON, message, next, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_private_broker_names_the_queue_that_is_not_permitted() {
    let broker = TestBroker::private();
    broker.rabbitmqctl(&["add_user", "meek", "geheim"]);
    broker.rabbitmqctl(&["set_permissions", "meek", "^$", ".*", ".*"]);
    let config = Config {
        url: broker.url().replace("guest:guest", "meek:geheim"),
        ..broker.config()
    };
    let fault = Session::open(&config, "test").await.expect_err("no permission");
    assert_eq!(fault.kind(), FaultKind::Permission, "{fault}");
    let text = fault.to_string();
    assert!(fault.is_permanent());
    assert!(text.contains(&config.names().unwrap().dead()), "{text}");
    assert!(
        text.contains("user 'meek'") && text.contains("set_permissions"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_is_noticed() {
    let broker = TestBroker::get();
    let session = open(&broker).await;
    let questions = session.names().questions();
    let mut consumer = session.consume(&questions, 10, "q").await.unwrap();
    let (_connection, channel) = broker.amqp().await;
    channel
        .queue_delete(
            questions.as_str().into(),
            lapin::options::QueueDeleteOptions::default(),
        )
        .await
        .unwrap();
    let ended = tokio::time::timeout(SOON, consumer.next())
        .await
        .expect("in time");
    assert!(ended.expect("an error").is_err());
    assert!(consumer.next().await.is_none());
    let fault = tokio::time::timeout(SOON, session.broken())
        .await
        .expect("in time");
    assert!(fault.to_string().contains(&questions), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_close_by_a_private_broker_is_noticed() {
    let broker = TestBroker::private();
    let session = open(&broker).await;
    let publisher = session.publisher().await.unwrap();
    let names = session.names().clone();
    let mut consumer = session.consume(&names.commands(), 10, "c").await.unwrap();
    broker.rabbitmqctl(&["close_all_connections", "a test"]);
    let fault = tokio::time::timeout(SOON, session.broken())
        .await
        .expect("in time");
    assert_eq!(fault.kind(), FaultKind::Connection, "{fault}");
    assert!(
        tokio::time::timeout(SOON, consumer.next())
            .await
            .expect("in time")
            .unwrap()
            .is_err()
    );
    let lost = match publisher
        .send(&names.events(), "a", &message("m", "x"), true)
        .await
    {
        Ok(confirmation) => confirmation.wait().await.map_err(|fault| fault.to_string()),
        Err(fault) => Err(fault.to_string()),
    };
    assert!(lost.is_err());
    let session = open(&broker).await;
    let publisher = session.publisher().await.unwrap();
    let sent = publisher
        .send(&names.events(), "a", &message("m", "x"), true)
        .await;
    sent.unwrap().wait().await.expect("confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_broker_comes_back_and_nothing_confirmed_is_lost() {
    let broker = TestBroker::private();
    let config = Config {
        reconnect_max_ms: 500,
        ..broker.config()
    };
    let mut confirmed = Vec::new();
    let mut n = 0_u32;
    for round in 0..3_u32 {
        let session = tokio::time::timeout(
            Duration::from_mins(1),
            Session::open_with_retry(Purpose::Serve, &config, "test"),
        )
        .await
        .expect("in time")
        .expect("a session");
        let publisher = session.publisher().await.unwrap();
        let names = session.names().clone();
        let commands = names.commands();
        if round == 2 {
            let mut consumer = session.consume(&commands, 1000, "c").await.unwrap();
            let mut missing: std::collections::HashSet<String> = confirmed.drain(..).collect();
            assert!(missing.len() >= 400);
            let mut changes = session
                .consume_stream(&names.changes(), 100, "s", StreamOffset::First)
                .await
                .unwrap();
            for round in 0..2_u32 {
                let event = next(&mut changes).await;
                assert_eq!(event.message.message_id, Some(round.to_string()));
                event.ack().await.unwrap();
            }
            while !missing.is_empty() {
                let delivery = next(&mut consumer).await;
                missing.remove(delivery.message.message_id.as_deref().unwrap());
                delivery.ack().await.unwrap();
            }
            break;
        }
        let event = publisher
            .send(&names.events(), "a", &message(round, "x"), true)
            .await;
        event.unwrap().wait().await.expect("confirmed");
        let mut sent = Vec::new();
        for _ in 0..300 {
            n += 1;
            let message = message(n, "x");
            sent.push((n, publisher.send(&commands, "a", &message, true).await.unwrap()));
        }
        let rest = sent.split_off(200);
        for (n, confirmation) in sent {
            confirmation.wait().await.expect("confirmed");
            confirmed.push(n.to_string());
        }
        if round == 0 {
            broker.kill();
        } else {
            broker.stop();
        }
        for (n, confirmation) in rest {
            match confirmation.wait().await {
                Ok(()) => confirmed.push(n.to_string()),
                Err(PublishFault::Lost(_) | PublishFault::Nacked) => {}
                Err(fault) => panic!("{fault}"),
            }
        }
        tokio::time::timeout(SOON, session.broken())
            .await
            .expect("in time");
        let reopening = tokio::spawn({
            let config = config.clone();
            async move { Session::open_with_retry(Purpose::Serve, &config, "early").await }
        });
        // Let it fail a few times before the broker is back.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(!reopening.is_finished(), "it goes on trying");
        tokio::task::block_in_place(|| broker.start());
        let early = tokio::time::timeout(Duration::from_secs(30), reopening).await;
        early.expect("in time").unwrap().expect("a session").close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_broker_that_blocks_is_waited_for_and_nothing_is_lost() {
    let broker = TestBroker::private();
    let config = Config {
        confirm_timeout_ms: 2000,
        ..broker.config()
    };
    let session = Session::open(&config, "test").await.unwrap();
    let names = session.names().clone();
    let publisher = session.publisher().await.unwrap();
    let mut blocked = session.blocked();
    let waiting = publisher
        .send(&names.commands(), "a", &message("before", "x"), true)
        .await;
    waiting.unwrap().wait().await.expect("confirmed");
    broker.rabbitmqctl(&["set_vm_memory_high_watermark", "0.00001"]);
    // The broker tells a connection only when it publishes.
    let mut sent = Vec::new();
    let mut n = 0;
    eventually("the block", SOON, async || {
        let message = message(n, "x");
        sent.push(
            publisher
                .send(&names.commands(), "a", &message, true)
                .await
                .unwrap(),
        );
        n += 1;
        blocked.borrow_and_update().is_some()
    })
    .await;
    let publishing = tokio::spawn(async move {
        for confirmation in sent {
            confirmation.wait().await.expect("confirmed after the block");
        }
    });
    // Deliveries and their acknowledgements go on meanwhile, and beyond the limit of a confirm.
    let mut consumer = session.consume(&names.commands(), 10, "c").await.unwrap();
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.message.message_id.as_deref(), Some("before"));
    delivery.ack().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!publishing.is_finished(), "nothing has failed");
    assert!(session.blocked().borrow().is_some());
    broker.rabbitmqctl(&["set_vm_memory_high_watermark", "0.8"]);
    tokio::time::timeout(SOON, publishing)
        .await
        .expect("in time")
        .expect("all confirmed");
    eventually("the end of the block", SOON, async || {
        session.blocked().borrow().is_none()
    })
    .await;
    for expected in 0..n {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.message.message_id, Some(expected.to_string()));
        delivery.ack().await.unwrap();
    }
}
