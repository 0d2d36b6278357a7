//! A primary ends at each step of a command's way, and its secondary is killed at the same time.

use std::time::Duration;

use domesday::engine::{FailAt, Point};
use serde_json::{Value, json};

use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::message;
use crate::harness::history::Held;
use crate::harness::server::TestServer;
use crate::harness::witness::{WELL_AGAIN, answered, equal_and_right, history_is_right, pong};
use crate::harness::writers::Writers;

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_that_is_killed_where_its_primary_fails_is_equal_again() {
    let source = TestBroker::get();
    let beside = TestBroker::at(source.url());
    let mut primary = TestServer::start(&source).await;
    let mut secondary = TestServer::prepare_secondary(&beside, &source, "");
    secondary.restart().await;
    let mut writers = Writers::start(2, &source.config(), 1);
    let mut probe = writers.another(&source.config());
    answered(&mut probe).await;
    for point in Point::ALL {
        primary.kill9().await;
        primary.launch_to_fail_at(&format!("{}:{}", point.name(), nth(point)));
        if matches!(point, Point::Answered | Point::Finished) {
            answered(&mut probe).await;
            primary.signal("TERM");
        }
        let status = primary.ended().await;
        assert_eq!(status.code(), Some(FailAt::EXIT_CODE), "{}", point.name());
        secondary.kill9().await;
        secondary.launch();
        primary.launch();
        answered(&mut probe).await;
    }
    writers.stop().await;
    let last = answered(&mut probe).await;
    eventually("the secondary has all", WELL_AGAIN, async || {
        let pong = pong(&beside.config()).await.unwrap_or_default();
        pong["as_of"]["sequence"] == last["sequence"]
    })
    .await;
    let log = history_is_right(&source, &writers.history(), &last).await;
    let mut held = Vec::new();
    for server in [&mut secondary, &mut primary] {
        assert!(server.terminate().await.success());
        held.push(Held::read(&server.data()));
    }
    equal_and_right(&held, &log);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_that_is_promoted_where_its_primary_failed_has_all_that_was_answered_once() {
    for point in Point::ALL {
        if matches!(
            point,
            Point::Loaded | Point::CaughtUp | Point::Answered | Point::Finished
        ) {
            // Nothing is under way there.
            continue;
        }
        let (source, beside) = (TestBroker::get(), TestBroker::get());
        let mut primary = TestServer::prepare(&source, "");
        primary.launch_to_fail_at(&format!("{}:{}", point.name(), nth(point)));
        primary.answers().await;
        let mut secondary = TestServer::prepare_secondary(&beside, &source, "");
        secondary.restart().await;
        let client = primary.client().await;
        let mut sent = Vec::new();
        for number in 0.. {
            let put = json!({"args": {"id": format!("r-{number}"), "kind": "vm"}});
            let put = message("resource.put", &put);
            let reply = client.try_send(put.clone(), Duration::from_secs(2)).await;
            let is_last = reply.is_err();
            sent.push((put, reply.ok()));
            if is_last {
                break;
            }
        }
        assert_eq!(
            primary.ended().await.code(),
            Some(FailAt::EXIT_CODE),
            "{}",
            point.name()
        );
        let order = ["promote", "--yes", "--force", "--reason", "a test"];
        secondary.cli(&order).await.expect(0);
        let there = secondary.client().await;
        let count = sent.len();
        for (put, reply) in sent {
            let again = there.send(put).await;
            if let Some(reply) = reply {
                let place = |reply: &Value| (reply["sequence"].clone(), reply["revisions"].clone());
                assert_eq!(
                    (&again["duplicate"], place(&again)),
                    (&json!(true), place(&reply)),
                    "{}",
                    point.name()
                );
            }
        }
        let pong = there.question("ping", json!({})).await;
        assert_eq!(pong["resources"], count, "{}", point.name());
        assert_eq!(pong["as_of"]["sequence"], count, "each once: {}", point.name());
    }
}

/// At which passing: in the middle of the work, where there is one.
const fn nth(point: Point) -> u64 {
    match point {
        Point::Loaded | Point::CaughtUp | Point::Answered | Point::Finished => 1,
        _ => 10,
    }
}
