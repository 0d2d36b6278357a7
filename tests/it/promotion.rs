//! Changing places between two sites: promotion, switch-over, and what becomes of a primary that was replaced.

use serde_json::{Value, json};

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::client::{TestClient, message};
use crate::harness::events::Events;
use crate::harness::server::TestServer;

const IN_PLACE: &str = "a copy of the register is in its place";
const REPLACED: &str = "another instance has taken the place of this one";

/// Two sites: a primary, and a secondary that holds all that it does.
async fn two_sites(names: (&TestBroker, &TestBroker)) -> (TestServer, TestServer) {
    let mut primary = TestServer::prepare_beside(names.0, names.1, "replication.heartbeat_ms = 200");
    primary.restart().await;
    let mut secondary = TestServer::prepare_secondary(names.1, names.0, "");
    secondary.restart().await;
    (primary, secondary)
}

/// What an instance says of itself.
async fn status(server: &TestServer) -> Value {
    server.cli(&["status", "--json"]).await.expect(0).json()
}

async fn until_stage(server: &TestServer, stage: &str) -> Value {
    let mut last = Value::Null;
    eventually(stage, SOON * 2, async || {
        let ran = server.cli(&["status", "--json"]).await;
        if ran.status.code() == Some(0) {
            last = ran.json();
        }
        last["stage"] == stage
    })
    .await;
    last
}

/// Promotes a secondary as soon as its primary counts as gone.
pub(crate) async fn promote(secondary: &TestServer) {
    let mut said = String::new();
    eventually("the secondary is promoted", SOON, async || {
        let ran = secondary.cli(&["promote", "--yes"]).await;
        said = ran.out.clone() + &ran.err;
        assert!(ran.status.success() || said.contains("was heard"), "{said}");
        ran.status.success()
    })
    .await;
}

/// A command goes nowhere: its sender is told at once.
async fn takes_no_commands(server: &TestServer) {
    let client = server.client().await;
    let put = message("resource.put", &json!({"args": {"id": "late", "kind": "vm"}}));
    let refused = client.try_send(put, SOON).await.expect_err("nobody takes it");
    assert!(refused.to_string().contains("NO_ROUTE"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_takes_the_place_of_a_primary_that_is_gone_and_keeps_it() {
    let (one, two) = (TestBroker::get(), TestBroker::get());
    let (mut primary, mut secondary) = two_sites((&one, &two)).await;
    let events = Events::all(&two).await;
    let command = message("resource.put", &json!({"args": {"id": "a", "kind": "vm"}}));
    let first = primary.client().await.send(command.clone()).await;
    secondary.reached(&primary.put("b").await).await;

    let alive = secondary.cli(&["promote", "--yes"]).await.expect(1);
    assert!(alive.err.contains("was heard"), "{}", alive.err);
    let forced = secondary.cli(&["promote", "--yes", "--force"]).await.expect(64);
    assert!(forced.err.contains("--reason"), "{}", forced.err);
    let serves = primary.cli(&["promote", "test", "--yes"]).await.expect(1);
    assert!(serves.err.contains("it serves"), "{}", serves.err);

    primary.kill9().await;
    promote(&secondary).await;
    let now = status(&secondary).await;
    assert_eq!((&now["role"], &now["epoch"]), (&json!("primary"), &json!(2)));
    let again = secondary.client().await.send(command).await;
    assert_eq!(
        (&again["duplicate"], &again["sequence"]),
        (&json!(true), &first["sequence"])
    );
    let reply = secondary.put("c").await;
    assert_eq!((&reply["epoch"], &reply["sequence"]), (&json!(2), &json!(3)));
    let told = events
        .until("the epoch and its first event", |events| {
            events
                .iter()
                .any(|event| event.kind() == "resource.created" && event.id() == "c")
        })
        .await;
    let started = told.iter().position(|event| event.kind() == "epoch.started");
    let created = told.iter().position(|event| event.id() == "c");
    assert!(started.is_some() && started < created, "{started:?} {created:?}");

    // The command line said `secondary`, and a restart does not undo the promotion.
    secondary.kill9().await;
    secondary.restart().await;
    assert_eq!(secondary.put("d").await["epoch"], 2);

    // The old primary comes back, and hears of it before it serves; a restart changes nothing. It follows.
    for id in ["e", "f"] {
        primary.launch();
        let now = until_stage(&primary, "following").await;
        assert_eq!(now["role"], "secondary");
        primary.reached(&secondary.put(id).await).await;
        takes_no_commands(&primary).await;
        primary.kill9().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_primary_puts_what_only_it_has_into_a_file() {
    let (one, two) = (TestBroker::get(), TestBroker::get());
    let (mut primary, mut secondary) = two_sites((&one, &two)).await;
    secondary.reached(&primary.put("both").await).await;
    secondary.kill9().await;
    for id in ["x", "y", "z"] {
        primary.put(id).await;
    }
    primary.kill9().await;
    // As if the site had burnt with what was on its way.
    let (_connection, channel) = one.amqp().await;
    let names = one.config().names().unwrap();
    channel
        .queue_delete(
            names.replica().as_str().into(),
            lapin::options::QueueDeleteOptions::default(),
        )
        .await
        .unwrap();
    secondary.restart().await;
    promote(&secondary).await;
    secondary.put("after").await;

    let events = Events::all(&one).await;
    primary.launch();
    primary.says(REPLACED).await;
    let file = primary.data().join("unshipped-1-2-4.jsonl");
    let exported = std::fs::read_to_string(&file).unwrap();
    let ids: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
        .collect();
    assert_eq!(ids, ["x", "y", "z"]);
    takes_no_commands(&primary).await;
    // Its history is another now, so it does not follow by itself.
    let now = until_stage(&primary, "diverged").await;
    assert_eq!(now["sequence"], 4);
    assert!(now["fault"].as_str().unwrap().contains("history"), "{now:#}");

    events
        .until("it is told", |events| {
            events.iter().any(|event| event.kind() == "secondary.diverged")
        })
        .await;

    // An operator decides: the copy of the other site, and the old one beside it.
    primary.cli(&["secondary", "reseed", "--yes"]).await.expect(0);
    primary.says(IN_PLACE).await;
    let kept = primary.data().join("domesday.redb.replaced-1");
    assert!(kept.exists());
    let reply = secondary.put("last").await;
    primary.answers().await;
    primary.reached(&reply).await;
    assert_eq!(
        until_stage(&primary, "following").await["sequence"],
        reply["sequence"]
    );

    primary.kill9().await;
    std::fs::rename(kept, primary.data().join("domesday.redb")).unwrap();
    let again = primary.folder().join("again.jsonl").display().to_string();
    let data = primary.data().display().to_string();
    let ran = primary
        .cli(&["tail", "export", &again, "--data", &data])
        .await
        .expect(0);
    assert!(ran.out.contains("3 changes, from sequence 2 to 4"), "{}", ran.out);
    assert_eq!(std::fs::read_to_string(again).unwrap(), exported);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_loses_nothing_and_can_be_undone() {
    let (one, two) = (TestBroker::get(), TestBroker::get());
    let (primary, secondary) = two_sites((&one, &two)).await;
    secondary.reached(&primary.put("hub").await).await;
    let mut epoch = 1;
    for round in 0..2 {
        let (from, to) = if round == 0 {
            (&primary, &secondary)
        } else {
            (&secondary, &primary)
        };
        let writing = write_until_refused(from.client().await, round);
        let switching = async {
            eventually("some writes", SOON, async || {
                to.client().await.sequence().await > 20
            })
            .await;
            to.cli(&["switch-over", "--yes"]).await.expect(0)
        };
        let (acknowledged, ran) = tokio::join!(writing, switching);
        epoch += 1;
        assert!(ran.out.contains(&format!("epoch {epoch}")), "{}", ran.out);
        assert!(ran.out.contains("0 changes lost"), "{}", ran.out);
        let last = to.put(&format!("after-{round}")).await;
        assert_eq!(last["epoch"], epoch);
        let found = to.client().await;
        for id in &acknowledged {
            let args = json!({"args": {"id": id}});
            let answer = found.question("graph.dependencies", args).await;
            assert_eq!(answer["nodes"][0]["id"], json!(id), "{id} was acknowledged");
        }
        takes_no_commands(from).await;
        until_stage(from, "following").await;
        from.reached(&last).await;
    }
}

/// Puts one resource after the other, until the register is no more there; gives those that were acknowledged.
async fn write_until_refused(client: TestClient, round: u32) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let id = format!("w-{round}-{number}");
        let put = message("resource.put", &json!({"args": {"id": id, "kind": "vm"}}));
        match client.try_send(put, SOON).await {
            Ok(reply) if reply["outcome"] == "applied" => acknowledged.push(id),
            _ => break,
        }
    }
    acknowledged
}
