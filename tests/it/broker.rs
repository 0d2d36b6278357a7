//! The `broker` room against a real broker: topology, publishing, consuming.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domesday::broker::{Config, FaultKind, Header, PublishFault, Purpose, Session, StreamOffset};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;

use crate::harness::broker::TestBroker;
use crate::harness::session::{SOON, message, next, open};

#[tokio::test(flavor = "multi_thread")]
async fn broker_declares_its_topology_and_finds_it_again() {
    let broker = TestBroker::get();
    let session = open(&broker).await;
    let names = session.names().clone();
    let (_connection, channel) = broker.amqp().await;
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    for queue in [names.commands(), names.questions(), names.changes(), names.dead()] {
        channel
            .queue_declare(queue.as_str().into(), passive, FieldTable::default())
            .await
            .expect("the queue is there");
    }
    open(&broker).await.close().await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_names_the_queue_that_has_other_settings() {
    let broker = TestBroker::get();
    open(&broker).await.close().await;
    let good = broker.config();
    let cases = [
        (
            Config {
                delivery_limit: 3,
                ..good.clone()
            },
            "commands",
        ),
        (
            Config {
                commands_max_length: 7,
                ..good.clone()
            },
            "commands",
        ),
        (
            Config {
                question_ttl_ms: 7,
                ..good.clone()
            },
            "questions",
        ),
        (
            Config {
                changes_max_age: "1h".to_owned(),
                ..good.clone()
            },
            "changes",
        ),
        (
            Config {
                changes_max_bytes: 7_000_000,
                ..good.clone()
            },
            "changes",
        ),
        (
            Config {
                dead_max_length: 7,
                ..good.clone()
            },
            "dead",
        ),
    ];
    for (config, queue) in cases {
        let fault = Session::open(&config, "test").await.expect_err(queue);
        assert_eq!(fault.kind(), FaultKind::Mismatch, "{fault}");
        let name = format!("queue `{}.{queue}` exists with other settings", good.namespace);
        assert!(fault.to_string().starts_with(&name), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_refuses_a_queue_of_another_type_for_good() {
    let broker = TestBroker::get();
    let names = broker.config().names().unwrap();
    let (_connection, channel) = broker.amqp().await;
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(names.commands().as_str().into(), durable, FieldTable::default())
        .await
        .expect("a classic queue");
    let fault = Session::open(&broker.config(), "test")
        .await
        .expect_err("another type");
    assert!(fault.is_permanent());
    let text = fault.to_string();
    for part in [
        format!("queue `{}` exists with other settings", names.commands()),
        "inequivalent arg".to_owned(),
        format!("rabbitmqctl delete_queue {}", names.commands()),
        "broker.namespace".to_owned(),
    ] {
        assert!(text.contains(&part), "{part:?} is not in {text:?}");
    }
    // A permanent fault is not tried again.
    let config = broker.config();
    let retried = tokio::time::timeout(SOON, Session::open_with_retry(Purpose::Serve, &config, "test"));
    assert!(retried.await.expect("at once").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_says_who_was_refused_and_never_the_password() {
    let broker = TestBroker::get();
    let refused = async |url: String| {
        let config = Config {
            url,
            ..broker.config()
        };
        let fault = Session::open(&config, "test").await.expect_err("refused");
        assert!(!fault.to_string().contains("geheim"), "{fault}");
        fault
    };
    let host = broker.url().rsplit('@').next().unwrap();
    let fault = refused(format!("amqp://nobody:geheim@{host}")).await;
    assert_eq!(fault.kind(), FaultKind::Credentials, "{fault}");
    assert!(fault.to_string().contains("refused user `nobody`"), "{fault}");

    let authority = broker.url().rsplit_once('/').unwrap().0;
    let fault = refused(format!("{authority}/nowhere")).await;
    assert_eq!(fault.kind(), FaultKind::Credentials, "{fault}");
    assert!(fault.to_string().contains("virtual host `nowhere`"), "{fault}");

    // Port 9 is nobody's. The broker may yet come up: this is not for good.
    let fault = refused("amqp://guest:geheim@127.0.0.1:9".to_owned()).await;
    assert_eq!(fault.kind(), FaultKind::Connection, "{fault}");
    assert!(!fault.is_permanent());

    let fault = refused("http://guest:geheim@h".to_owned()).await;
    assert_eq!(fault.kind(), FaultKind::Setting, "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_gives_up_on_a_host_that_is_silent() {
    // It takes the connection and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Config {
        url: format!("amqp://{}", silent.local_addr().unwrap()),
        connect_timeout_ms: 300,
        reconnect_initial_ms: 10,
        reconnect_max_ms: 20,
        reconnect_give_up_s: 1,
        ..Config::default()
    };
    let began = Instant::now();
    let fault = Session::open(&config, "test").await.expect_err("silence");
    assert_eq!(fault.kind(), FaultKind::Deadline, "{fault}");
    assert!(began.elapsed() < Duration::from_secs(3));
    let retried = tokio::time::timeout(SOON, Session::open_with_retry(Purpose::Serve, &config, "test"));
    assert!(retried.await.expect("every retry has an end").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_confirms_an_event_that_is_in_the_stream() {
    let broker = TestBroker::get();
    let session = open(&broker).await;
    let names = session.names().clone();
    let publisher = session.publisher().await.unwrap();
    let mut sent = Vec::new();
    for n in 0..100 {
        let event = message(n, "event");
        let confirmation = publisher
            .send(&names.events(), "resource.updated", &event, true)
            .await
            .unwrap();
        sent.push(confirmation);
    }
    for confirmation in sent {
        confirmation.wait().await.expect("confirmed");
    }
    let mut all = session
        .consume_stream(&names.changes(), 100, "all", StreamOffset::First)
        .await
        .unwrap();
    for n in 0..100 {
        let delivery = next(&mut all).await;
        assert_eq!(delivery.stream_offset, Some(n));
        assert_eq!(delivery.message.message_id, Some(n.to_string()), "in order");
        assert_eq!(delivery.routing_key, "resource.updated");
        delivery.ack().await.unwrap();
    }
    let mut some = session
        .consume_stream(&names.changes(), 100, "some", StreamOffset::Offset(90))
        .await
        .unwrap();
    assert_eq!(next(&mut some).await.message.message_id.as_deref(), Some("90"));
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_tells_returned_messages_from_others_in_flight() {
    let broker = TestBroker::get();
    let session = open(&broker).await;
    let names = session.names().clone();
    let publisher = session.publisher().await.unwrap();
    // Nothing is bound to the control exchange. The broker acknowledges many at once, in which lapin mixes up
    // whose a returned message is.
    for round in 0..20 {
        let mut sent = Vec::new();
        for n in 0..400 {
            let lost = n % 3 == 0 || n % 7 == 0;
            let exchange = if lost { names.control() } else { names.events() };
            let message = message(format!("{round}-{n}").as_str(), "x");
            let confirmation = publisher.send(&exchange, "a.b", &message, true).await.unwrap();
            sent.push((n, lost, confirmation));
        }
        for (n, lost, confirmation) in sent {
            match confirmation.wait().await {
                Ok(()) => assert!(!lost, "{n} is nowhere, yet confirmed"),
                Err(PublishFault::Returned { code, .. }) => {
                    assert_eq!(code, 312);
                    assert!(lost, "{n} is in the stream, yet reported as returned");
                }
                Err(fault) => panic!("{n}: {fault}"),
            }
        }
    }
    // Without `mandatory` an unroutable message vanishes without a word.
    let confirmation = publisher
        .send(&names.control(), "a.b", &message("v", "x"), false)
        .await
        .unwrap();
    confirmation.wait().await.expect("confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_nacks_commands_beyond_the_limit() {
    let broker = TestBroker::get();
    let config = Config {
        commands_max_length: 5,
        ..broker.config()
    };
    let session = Session::open(&config, "test").await.unwrap();
    let commands = session.names().commands();
    let publisher = session.publisher().await.unwrap();
    let (mut taken, mut refused) = (0, 0);
    for n in 0..50 {
        let confirmation = publisher
            .send(&commands, "resource.put", &message(n, "x"), true)
            .await
            .unwrap();
        match confirmation.wait().await {
            Ok(()) => taken += 1,
            Err(PublishFault::Nacked) => refused += 1,
            Err(fault) => panic!("{fault}"),
        }
    }
    assert!(taken >= 5, "{taken} taken, {refused} refused");
    assert!(refused >= 1, "{taken} taken, {refused} refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_refuses_to_send_what_cannot_be_sent() {
    let broker = TestBroker::get();
    let config = Config {
        message_bytes_max: 1000,
        ..broker.config()
    };
    let session = Session::open(&config, "test").await.unwrap();
    let events = session.names().events();
    let publisher = session.publisher().await.unwrap();
    let large = message("l", &"x".repeat(1001));
    let long = message("i".repeat(256).as_str(), "x");
    let mut wide = message("w", "x");
    for n in 0..200 {
        let text = Header::Text("x".repeat(1000));
        wide.headers.insert(format!("h{n}"), text);
    }
    for bad in [large, long, wide] {
        let fault = publisher.send(&events, "a", &bad, true).await.expect_err("bad");
        assert_eq!(fault.kind(), FaultKind::Message, "{fault}");
    }
    // And the channel is none the worse for it.
    let confirmation = publisher.send(&events, "a", &message("g", "x"), true).await;
    confirmation.unwrap().wait().await.expect("confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_parks_a_message_with_its_reason() {
    let broker = TestBroker::get();
    let session = open(&broker).await;
    let names = session.names().clone();
    let publisher = session.publisher().await.unwrap();
    let mut sent = message("m-1", "not json");
    sent.user_id = Some("guest".to_owned());
    sent.expiration = Some("60000".to_owned());
    sent.headers = BTreeMap::from([("traceparent".to_owned(), Header::Text("00-1".to_owned()))]);
    let confirmation = publisher
        .send(&names.commands(), "resource.put", &sent, true)
        .await;
    confirmation.unwrap().wait().await.unwrap();

    let mut commands = session.consume(&names.commands(), 10, "c").await.unwrap();
    let delivery = next(&mut commands).await;
    assert_eq!(delivery.message, sent);
    publisher
        .park(delivery, "the body is not JSON")
        .await
        .expect("parked");

    let mut dead = session.consume(&names.dead(), 10, "d").await.unwrap();
    let letter = next(&mut dead).await;
    assert_eq!(letter.message.body, sent.body);
    assert_eq!(letter.message.message_id, sent.message_id);
    assert_eq!(letter.message.user_id, None);
    assert_eq!(letter.message.expiration, None);
    for (name, value) in [
        ("domesday-reason", "the body is not JSON"),
        ("domesday-queue", names.commands().as_str()),
        ("domesday-exchange", names.commands().as_str()),
        ("domesday-routing-key", "resource.put"),
        ("domesday-user-id", "guest"),
        ("domesday-expiration", "60000"),
        ("traceparent", "00-1"),
    ] {
        assert_eq!(letter.message.text_header(name), Some(value), "{name}");
    }
    letter.ack().await.unwrap();

    // It was acknowledged: with the channel gone, nothing comes back.
    drop(commands);
    let mut commands = session.consume(&names.commands(), 10, "c").await.unwrap();
    let silence = tokio::time::timeout(Duration::from_millis(300), commands.next()).await;
    assert!(silence.is_err(), "the parked message came back: {silence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_moves_a_rejected_command_to_the_dead_letters() {
    let broker = TestBroker::get();
    let session = open(&broker).await;
    let names = session.names().clone();
    let publisher = session.publisher().await.unwrap();
    let sent = publisher
        .send(&names.commands(), "a", &message("m", "x"), true)
        .await;
    sent.unwrap().wait().await.unwrap();
    let mut commands = session.consume(&names.commands(), 10, "c").await.unwrap();
    next(&mut commands).await.reject().await.unwrap();
    let mut dead = session.consume(&names.dead(), 10, "d").await.unwrap();
    let letter = next(&mut dead).await;
    assert_eq!(letter.message.message_id.as_deref(), Some("m"));
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_counts_deliveries_and_ends_a_poisonous_command() {
    let broker = TestBroker::get();
    let config = Config {
        delivery_limit: 2,
        ..broker.config()
    };
    let session = Session::open(&config, "test").await.unwrap();
    let names = session.names().clone();
    let publisher = session.publisher().await.unwrap();
    let sent = publisher
        .send(&names.commands(), "a", &message("m", "x"), true)
        .await;
    sent.unwrap().wait().await.unwrap();
    for before in 0..3 {
        let mut commands = session.consume(&names.commands(), 10, "c").await.unwrap();
        let delivery = next(&mut commands).await;
        assert_eq!(delivery.deliveries, before);
        assert_eq!(delivery.redelivered, before > 0);
        // The channel ends with the consumer and the delivery, as in a crash.
    }
    let mut dead = session.consume(&names.dead(), 10, "d").await.unwrap();
    assert_eq!(next(&mut dead).await.message.message_id.as_deref(), Some("m"));
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_drains_after_a_cancel() {
    let broker = TestBroker::get();
    let session = open(&broker).await;
    let commands = session.names().commands();
    let publisher = session.publisher().await.unwrap();
    let publish = async |n: u32| {
        let sent = publisher.send(&commands, "a", &message(n, "x"), true).await;
        sent.unwrap().wait().await.unwrap();
    };
    for n in 0..10 {
        publish(n).await;
    }
    let mut consumer = session.consume(&commands, 100, "c").await.unwrap();
    next(&mut consumer).await.ack().await.unwrap();
    consumer.cancel().await;
    publish(99).await;
    let mut drained = 0;
    while let Some(delivery) = tokio::time::timeout(SOON, consumer.next()).await.unwrap() {
        let delivery = delivery.unwrap();
        assert_ne!(delivery.message.message_id.as_deref(), Some("99"));
        delivery.ack().await.unwrap();
        drained += 1;
    }
    assert!(drained <= 9);
    drop(consumer);
    let mut consumer = session.consume(&commands, 100, "c").await.unwrap();
    for _ in drained..10 {
        next(&mut consumer).await.ack().await.unwrap();
    }
    let healthy = tokio::time::timeout(Duration::from_millis(100), session.broken()).await;
    assert!(healthy.is_err(), "a cancel is no failure: {healthy:?}");
}
