//! The example clients in other languages do what they say, against a real server.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::broker::TestBroker;
use crate::harness::register::churn;
use crate::harness::server::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_all_languages_prove_their_copies() {
    let broker = TestBroker::get();
    let server = TestServer::start_with(&broker, "api.bookmark_interval_ms = 500").await;
    churn(&server.client().await, 11, 80).await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The examples are built with the tests.
    let binary = Path::new(env!("CARGO_BIN_EXE_domesday"));
    let example = binary.parent().unwrap().join("examples/client");
    let mut script = Command::new(root.join("script/clients"));
    script
        .env("DOMESDAY_BROKER_URL", broker.url())
        .env("DOMESDAY_NAMESPACE", broker.config().namespace)
        .stdin(Stdio::null());
    if example.exists() {
        script.env("DOMESDAY_EXAMPLE_CLIENT", example);
    }
    let ran = tokio::task::spawn_blocking(move || script.output())
        .await
        .unwrap();
    let ran = ran.expect("script/clients runs");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert_eq!(said.matches("bookmark proved: ").count(), 3, "{said}");
}
