//! TLS to the broker, logging in by certificate, and a new certificate or password without a restart.

use std::path::{Path, PathBuf};

use domesday::broker::{Client, Config, FaultKind, Tls};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::SOON;
use crate::harness::broker::{TestBroker, eventually};
use crate::harness::certificates::{Authority, Identity, replace};
use crate::harness::client::TestClient;
use crate::harness::program::{Program, Ran};
use crate::harness::server::TestServer;
use crate::harness::witness::{answered, history_is_right};
use crate::harness::writers::Writers;

/// A broker that speaks TLS, its CA, and clients that it knows.
struct Place {
    files: TempDir,
    authority: Authority,
    ca: PathBuf,
    broker: TestBroker,
    url: String,
}

impl Place {
    fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let authority = Authority::new("CA of the test");
        let ca = authority.write(files.path().join("ca.pem"));
        let own = authority.server(&["localhost"], &files.path().join("broker"));
        let (broker, url) = TestBroker::private_with_tls(&ca, &own);
        // Whom the broker knows by the common name of a certificate; nobody has a password for it.
        broker.rabbitmqctl(&["add_user", "site-1", "unused"]);
        broker.rabbitmqctl(&["set_permissions", "site-1", ".*", ".*", ".*"]);
        Self {
            files,
            authority,
            ca,
            broker,
            url,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// The URL with a user, or for one who shows a certificate.
    fn url(&self, user: &str) -> String {
        self.url.replace("amqps://", &format!("amqps://{user}@"))
    }

    fn external(&self) -> String {
        format!("{}?auth_mechanism=external", self.url)
    }

    fn config(&self, url: String, tls: Tls) -> Config {
        Config {
            url,
            tls,
            ..self.broker.config()
        }
    }

    fn tls(&self, identity: Option<&Identity>) -> Tls {
        Tls {
            ca_file: Some(self.ca.clone()),
            certificate_file: identity.map(|identity| identity.certificate.clone()),
            key_file: identity.map(|identity| identity.key.clone()),
            server_name: None,
        }
    }

    /// The settings of a server that shows a certificate.
    fn settings(&self, identity: &Identity) -> String {
        format!(
            "broker.tls = {{ ca_file = '{}', certificate_file = '{}', key_file = '{}' }}\n\
             broker.reload_interval_ms = 200\n",
            self.ca.display(),
            identity.certificate.display(),
            identity.key.display()
        )
    }
}

async fn connects(config: &Config) {
    Client::connect(config, "test")
        .await
        .expect("a connection")
        .close()
        .await;
}

/// It does not connect, and says why in these words.
async fn refuses(config: &Config, kind: FaultKind, words: &[&str]) {
    let Err(fault) = Client::connect(config, "test").await else {
        panic!("it connects: {words:?}");
    };
    let text = fault.to_string();
    assert_eq!(fault.kind(), kind, "{text}");
    assert!(fault.is_permanent(), "{text}");
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_broker_with_tls_lets_in_whom_it_knows_and_every_refusal_says_what_to_do() {
    let place = tokio::task::block_in_place(Place::new);
    let client = place.authority.client("site-1", 400, &place.file("site-1"));
    let guest = place.url("guest:guest");

    connects(&place.config(guest.clone(), place.tls(None))).await;
    connects(&place.config(guest.clone(), place.tls(Some(&client)))).await;
    connects(&place.config(place.external(), place.tls(Some(&client)))).await;

    whom_we_do_not_trust(&place, &guest).await;
    whom_it_does_not_trust(&place, &client).await;
    files_that_are_wrong(&place, &guest, &client).await;

    // The right port for the wrong way of speaking, both ways.
    let plain = place.broker.url().replace("amqp://", "amqps://");
    let words = ["does not speak TLS", "amqp:// instead of amqps://"];
    refuses(&place.config(plain, place.tls(None)), FaultKind::Tls, &words).await;
    let tls_port = guest.replace("amqps://", "amqp://");
    let words = ["does not speak AMQP in the clear", "amqps:// instead of amqp://"];
    refuses(
        &place.config(tls_port.clone(), Tls::default()),
        FaultKind::Tls,
        &words,
    )
    .await;
    let words = ["broker.tls is set", "amqps://"];
    refuses(
        &place.config(tls_port, place.tls(None)),
        FaultKind::Setting,
        &words,
    )
    .await;
}

/// Brokers that are not who they should be.
async fn whom_we_do_not_trust(place: &Place, guest: &str) {
    let stranger = Authority::new("stranger").write(place.file("stranger.pem"));
    let mut tls = place.tls(None);
    tls.ca_file = Some(stranger);
    let words = ["is not signed by the CA in", "stranger.pem", "--tls-ca"];
    refuses(&place.config(guest.to_owned(), tls), FaultKind::Tls, &words).await;
    let words = ["is not signed by a CA that this system trusts", "tls.ca_file"];
    refuses(
        &place.config(guest.to_owned(), Tls::default()),
        FaultKind::Tls,
        &words,
    )
    .await;

    let elsewhere = guest.replace("localhost", "127.0.0.1");
    let words = ["is for `localhost`, and not for `127.0.0.1`", "--tls-server-name"];
    refuses(
        &place.config(elsewhere.clone(), place.tls(None)),
        FaultKind::Tls,
        &words,
    )
    .await;
    let named = Tls {
        server_name: Some("localhost".to_owned()),
        ..place.tls(None)
    };
    connects(&place.config(elsewhere, named)).await;
}

/// Clients that the broker does not let in.
async fn whom_it_does_not_trust(place: &Place, client: &Identity) {
    let external = place.external();
    let nobody = place.authority.client("nobody", 400, &place.file("nobody"));
    let words = [
        "knows no user for our certificate",
        "CN=nobody",
        "rabbitmqctl add_user",
    ];
    let config = place.config(external.clone(), place.tls(Some(&nobody)));
    refuses(&config, FaultKind::Credentials, &words).await;

    let expired = place.authority.client("site-1", -2, &place.file("expired"));
    let forged = Authority::new("forger").client("site-1", 400, &place.file("forged"));
    for identity in [expired, forged] {
        let config = place.config(external.clone(), place.tls(Some(&identity)));
        let Err(fault) = Client::connect(&config, "test").await else {
            panic!("it connects with {}", identity.certificate.display());
        };
        // Whether the broker's own words arrive depends on who is faster.
        let kind = fault.kind();
        assert!(matches!(kind, FaultKind::Tls | FaultKind::Connection), "{fault}");
        assert!(
            fault.to_string().contains("our certificate, `CN=site-1`"),
            "{fault}"
        );
    }

    let words = ["auth_mechanism=external", "tls.certificate_file", "--tls-cert"];
    refuses(
        &place.config(external, place.tls(None)),
        FaultKind::Setting,
        &words,
    )
    .await;
    let words = ["refused user `guest`", "password"];
    let config = place.config(place.url("guest:wrong"), place.tls(Some(client)));
    refuses(&config, FaultKind::Credentials, &words).await;
}

/// Files that cannot be used are named with what to do, and nothing of a key is told.
async fn files_that_are_wrong(place: &Place, guest: &str, client: &Identity) {
    let other = place.authority.client("other", 400, &place.file("other"));
    let with = |certificate: &Path, key: &Path| Tls {
        certificate_file: Some(certificate.to_owned()),
        key_file: Some(key.to_owned()),
        ..place.tls(None)
    };
    let text = place.file("text");
    std::fs::write(&text, "no certificate at all").unwrap();
    let missing = place.file("missing");
    let cases: [(Tls, [&str; 2]); 5] = [
        (
            with(&client.certificate, &other.key),
            ["does not belong to the certificate", "other.key"],
        ),
        (
            with(&text, &client.key),
            ["holds no certificate in PEM form", "broker.tls.certificate_file"],
        ),
        (
            with(&client.certificate, &client.certificate),
            ["holds no private key in PEM form", "broker.tls.key_file"],
        ),
        (
            with(&client.certificate, &missing),
            ["cannot be read", "broker.tls.key_file"],
        ),
        (
            Tls {
                key_file: None,
                ..with(&client.certificate, &client.key)
            },
            ["broker.tls.key_file is missing", "--tls-key"],
        ),
    ];
    for (tls, words) in cases {
        refuses(&place.config(guest.to_owned(), tls), FaultKind::Setting, &words).await;
    }
}

/// Runs a verb with certificates on its command line.
async fn verb(place: &Place, identity: &Identity, arguments: &[&str]) -> Ran {
    let name = |path: &Path| path.display().to_string();
    let (ca, certificate, key) = (name(&place.ca), name(&identity.certificate), name(&identity.key));
    let namespace = place.broker.config().namespace;
    let flags = [
        "--namespace",
        &namespace,
        "--tls-ca",
        &ca,
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ];
    let arguments: Vec<&str> = arguments.iter().chain(&flags).copied().collect();
    let variables = [("DOMESDAY_BROKER_URL", &*place.external())];
    Program::start_in(&arguments, "", &variables).ended(SOON).await
}

/// Who is known by a certificate, and named in the URL, is who did it.
async fn is_named_in_the_history(place: &Place, identity: &Identity) {
    let named = place.external().replace("amqps://", "amqps://site-1@");
    let client = TestClient::connect(&place.config(named, place.tls(Some(identity)))).await;
    client
        .applied("resource.put", json!({"id": "by-site-1", "kind": "vm"}))
        .await;
    let asked = json!({"args": {"entity": "resource", "id": "by-site-1"}});
    let history = client.question("history", asked).await;
    assert_eq!(history["items"][0]["actor"], "site-1", "{history:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_broker_sees_the_new_certificate_of_a_server_that_loses_and_doubles_nothing() {
    let place = tokio::task::block_in_place(Place::new);
    let first = place.authority.client("site-1", 20, &place.file("site-1"));
    let mut server = TestServer::prepare_at(&place.broker, &place.external(), &place.settings(&first));
    server.launch();
    server.says("serving").await;
    // It ends in 20 days, and they are told.
    server.says("expires in 19 days").await;
    let status = verb(&place, &first, &["status"]).await.expect(0);
    let told = "its certificate, CN=site-1, expires in 19 days";
    assert!(status.out.contains(told), "{}", status.out);
    assert!(
        !status.out.contains("of its broker"),
        "that one lasts: {}",
        status.out
    );
    verb(&place, &first, &["ping"]).await.expect(0);
    let serials = || {
        let listed = place
            .broker
            .rabbitmqctl(&["-q", "list_connections", "user", "peer_cert_validity"]);
        let ours = listed.lines().filter(|line| line.starts_with("site-1"));
        ours.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = serials();
    assert!(!before.is_empty());

    let mut writers = Writers::start(3, &place.broker.config(), 1);
    let mut probe = writers.another(&place.broker.config());
    answered(&mut probe).await;

    // What cannot be used is told, and changes nothing.
    let good = std::fs::read_to_string(&first.certificate).unwrap();
    replace(&first.certificate, "half a file");
    server.says("no connection can be made with the new ones").await;
    answered(&mut probe).await;
    assert_eq!(serials(), before);
    replace(&first.certificate, &good);

    let second = place.authority.client("site-1", 400, &place.file("site-1"));
    assert_eq!(second.certificate, first.certificate);
    eventually("the broker sees the new certificate only", SOON, async || {
        let now = serials();
        !now.is_empty() && now.iter().all(|line| !before.contains(line))
    })
    .await;
    answered(&mut probe).await;
    writers.stop().await;
    let last = answered(&mut probe).await;
    history_is_right(&place.broker, &writers.history(), &last).await;
    is_named_in_the_history(&place, &second).await;
    assert!(server.is_running());
    assert!(!server.log().contains("the session ended"), "{}", server.log());
    assert!(server.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_broker_takes_the_new_password_from_the_file_without_a_restart() {
    let broker = tokio::task::block_in_place(TestBroker::private);
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("url");
    broker.rabbitmqctl(&["add_user", "server", "first"]);
    broker.rabbitmqctl(&["set_permissions", "server", ".*", ".*", ".*"]);
    let url = |password: &str| broker.url().replace("guest:guest", &format!("server:{password}"));
    replace(&file, &url("first"));
    let settings = format!(
        "broker.url_file = '{}'\nbroker.reload_interval_ms = 200\n",
        file.display()
    );
    let mut server = TestServer::start_with(&broker, &settings).await;
    let mut writers = Writers::start(3, &broker.config(), 2);
    let mut probe = writers.another(&broker.config());
    answered(&mut probe).await;

    // A wrong one is told, without it, and the old connection goes on.
    replace(&file, &url("wrong-secret"));
    server.says("refused user `server`").await;
    answered(&mut probe).await;
    broker.rabbitmqctl(&["change_password", "server", "second"]);
    replace(&file, &url("second"));
    server.says("takes the place of the old one").await;
    answered(&mut probe).await;
    writers.stop().await;
    let last = answered(&mut probe).await;
    history_is_right(&broker, &writers.history(), &last).await;
    let log = server.log();
    for secret in ["first", "second", "wrong-secret"] {
        assert!(!log.contains(&format!(":{secret}@")), "{log}");
    }
    assert!(!log.contains("the session ended"), "{log}");
    assert!(server.terminate().await.success());
}
