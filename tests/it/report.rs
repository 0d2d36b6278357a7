//! `domesday report` and `domesday graph --svg`: files of what the register holds, whole or not at all.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::harness::broker::TestBroker;
use crate::harness::client::text;
use crate::harness::register::{Reader, churn};
use crate::harness::server::TestServer;

/// The data in a page.
fn data(file: &Path) -> Value {
    let page = std::fs::read_to_string(file).unwrap();
    let (_, rest) = page.split_once("id=\"data\">").expect("a place for the data");
    let (json, _) = rest.split_once("</script>").expect("its end");
    serde_json::from_str(json).expect("JSON")
}

fn ids(data: &Value, list: &str) -> BTreeSet<String> {
    let items = data[list].as_array().unwrap();
    items.iter().map(|item| text(&item["id"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_holds_the_register() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    churn(&server.client().await, 5, 150).await;
    let register = Reader::connect(&broker.config()).await.state().await;
    let file = server.folder().join("register.html");
    let name = file.display().to_string();
    let ran = server.cli(&["report", &name]).await.expect(0);
    assert!(ran.err.contains("written to"), "{}", ran.err);

    let page = data(&file);
    let of = |entity: &str| -> BTreeSet<String> {
        let keys = register.keys().filter(|key| key.0 == entity);
        keys.map(|key| key.1.clone()).collect()
    };
    assert_eq!(ids(&page, "resources"), of("resource"));
    assert_eq!(ids(&page, "environments"), of("environment"));
    for environment in page["environments"].as_array().unwrap() {
        let (_, _, members) = &register[&("environment".to_owned(), text(&environment["id"]))];
        let shown = environment["resources"].as_array().unwrap().iter();
        let number = |number: &Value| usize::try_from(number.as_u64().unwrap()).unwrap();
        let shown: BTreeSet<String> = shown
            .map(|at| text(&page["resources"][number(at)]["id"]))
            .collect();
        assert_eq!(&shown, members);
    }

    // Nothing of this touches what is there.
    let before = std::fs::read(&file).unwrap();
    let few = server.cli(&["report", &name, "--limit", "3"]).await.expect(64);
    assert!(few.err.contains("--limit"), "{}", few.err);
    let absent = server
        .cli(&["report", &name, "--environment", "no-such-lab"])
        .await;
    assert!(absent.expect(1).err.contains("no-such-lab"));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let nowhere = server.folder().join("absent/register.html");
    let nowhere = nowhere.display().to_string();
    server.cli(&["report", &nowhere]).await.expect(65);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_written_or_there_is_a_reason() {
    let broker = TestBroker::get();
    let server = TestServer::start(&broker).await;
    let hub: Vec<String> = (0..600)
        .map(|i| format!("{{\"resource\": \"leaf-{i}\"}}"))
        .collect();
    let hub = format!(
        "{{\"type\": \"resource\", \"id\": \"hub\", \"kind\": \"vm\", \"dependencies\": [{}]}}",
        hub.join(",")
    );
    let manifest = server.folder().join("hub.json");
    std::fs::write(&manifest, hub).unwrap();
    server
        .cli(&["apply", "-f", &manifest.display().to_string()])
        .await
        .expect(0);

    let file = server.folder().join("hub.svg");
    let name = file.display().to_string();
    let ask = ["graph", "dependencies", "hub"];
    let many = server
        .cli(&[&ask[..], &["--svg", &name]].concat())
        .await
        .expect(64);
    assert!(
        many.err.contains("601 boxes") && many.err.contains("--limit 500"),
        "{}",
        many.err
    );
    assert!(!file.exists());
    let ran = server
        .cli(&[&ask[..], &["--svg", &name, "--limit", "20"]].concat())
        .await
        .expect(0);
    assert_eq!(ran.out, "");
    let picture = std::fs::read_to_string(&file).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains("What hub needs"));
    let graph = server.cli(&[&ask[..], &["--graphml"]].concat()).await.expect(0);
    assert_eq!(graph.out.matches("<node ").count(), 601);
    server
        .cli(&[&ask[..], &["--svg", &name, "--dot"]].concat())
        .await
        .expect(64);
}
