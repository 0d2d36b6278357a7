//! Records as version 1 wrote them, in `tests/upgrade/records-1`: bytes in hexadecimal. They are read for ever, by every
//! later version. Never write one anew; a file that is missing is written by `DOMESDAY_NEW_FIXTURES=1`.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::{answered, change, live, tombstone};
use crate::domain::{
    AttributesPatch, Change, Dependency, Document, DocumentPatch, EntityKey, Entrypoint, Environment,
    EnvironmentPatch, Event, Fact, Id, Live, Mistake, Nature, Needs, Outcome, Position, Problem, ProblemKind,
    Receipt, Resource, ResourcePatch, StatusEndpoint, TagsPatch, Target, Timestamp, Tombstone, Trace,
    Transaction,
};
use crate::store::record::{encode, receipt, v1};

/// The bytes of a fixture. What this version writes is the fixture where there is none yet.
fn fixture(name: &str, written: &[u8]) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade/records-1");
    let path = folder.join(format!("{name}.hex"));
    if !path.exists() && std::env::var_os("DOMESDAY_NEW_FIXTURES").is_some() {
        let mut text = String::new();
        for line in written.chunks(32) {
            for byte in line {
                write!(text, "{byte:02x}").unwrap();
            }
            text.push('\n');
        }
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let text: String = std::fs::read_to_string(&path)
        .unwrap()
        .split_whitespace()
        .collect();
    let byte = |place| u8::from_str_radix(&text[place..place + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

fn endpoint() -> StatusEndpoint {
    StatusEndpoint {
        name: "ready".to_owned(),
        url: "https://db-1/ready".to_owned(),
        interval_ms: 10_000,
        timeout_ms: 500,
        expect_status: "200-299".to_owned(),
        expect_body: "ok".to_owned(),
    }
}

fn resource() -> Resource {
    let attributes = json!({"size": {"cpu": 4, "ratio": 0.1}, "zones": ["a", null], "on": true});
    Resource {
        id: id("db-1"),
        kind: "postgres".to_owned(),
        name: "Ledger".to_owned(),
        description: "holds the ledger – all of it".to_owned(),
        tags: [("critical", ""), ("owner", "payments")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        attributes: attributes.as_object().unwrap().clone(),
        status_endpoints: vec![endpoint()],
        dependencies: vec![
            Dependency {
                needs: Needs::One(Target::Resource(id("vm-1"))),
                nature: Nature::Hard,
                description: "runs on".to_owned(),
            },
            Dependency {
                needs: Needs::One(Target::External("https://dns.example/".to_owned())),
                nature: Nature::Soft,
                description: String::new(),
            },
            Dependency {
                needs: Needs::Group {
                    members: vec![Target::Resource(id("a")), Target::External("urn:b".to_owned())],
                    at_least: 1,
                },
                nature: Nature::Startup,
                description: String::new(),
            },
        ],
    }
}

fn environment() -> Environment {
    Environment {
        id: id("lab-7"),
        name: "Laboratory".to_owned(),
        description: "where it is tried".to_owned(),
        tags: [("floor".to_owned(), "3".to_owned())].into(),
        entrypoints: vec![Entrypoint {
            name: "door".to_owned(),
            url: "https://lab-7/".to_owned(),
        }],
        status_endpoints: vec![endpoint()],
    }
}

fn at(sequence: u64, key: EntityKey, fact: Fact) -> Change {
    Change {
        epoch: 2,
        sequence,
        time: Timestamp(1_767_225_600_123_456),
        actor: "alice".to_owned(),
        cause: "m-1".to_owned(),
        trace: Trace {
            parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            state: String::new(),
        },
        transaction: Transaction {
            first: 41,
            index: 1,
            count: 3,
        },
        event: Event {
            key,
            revision: 3,
            fact,
            environments: vec![id("lab-7"), id("prod")],
        },
    }
}

fn changes() -> Vec<(&'static str, Change)> {
    let tags = TagsPatch {
        clear: true,
        edits: [("a".to_owned(), None), ("b".to_owned(), Some("1".to_owned()))].into(),
    };
    let resource_patch = ResourcePatch {
        kind: Some("mysql".to_owned()),
        name: Some(String::new()),
        description: Some("before".to_owned()),
        tags: tags.clone(),
        attributes: AttributesPatch {
            clear: true,
            edits: json!({"size": {"cpu": null}}).as_object().unwrap().clone(),
        },
        status_endpoints: Some(Vec::new()),
        dependencies: Some(resource().dependencies),
    };
    let environment_patch = EnvironmentPatch {
        name: Some("Lab".to_owned()),
        description: None,
        tags,
        entrypoints: Some(environment().entrypoints),
        status_endpoints: None,
    };
    let db = || EntityKey::resource(id("db-1"));
    let lab = || EntityKey::environment(id("lab-7"));
    let after = || Arc::new(Document::Resource(resource()));
    let home = || Arc::new(Document::Environment(environment()));
    let updated = Fact::Updated {
        after: after(),
        before: Box::new(DocumentPatch::Resource(resource_patch)),
    };
    let moved = Fact::Updated {
        after: home(),
        before: Box::new(DocumentPatch::Environment(environment_patch)),
    };
    let removed = Fact::Removed {
        last: after(),
        links: vec![id("lab-7")],
    };
    let resources = || vec![id("db-1"), id("web")];
    vec![
        ("change-created", at(42, lab(), Fact::Created { after: home() })),
        ("change-updated-resource", at(43, db(), updated)),
        ("change-updated-environment", at(44, lab(), moved)),
        ("change-removed", at(45, db(), removed)),
        ("change-restored", at(46, db(), Fact::Restored { after: after() })),
        (
            "change-linked",
            at(
                47,
                lab(),
                Fact::Linked {
                    resources: resources(),
                },
            ),
        ),
        (
            "change-unlinked",
            at(
                48,
                lab(),
                Fact::Unlinked {
                    resources: resources(),
                },
            ),
        ),
    ]
}

#[test]
fn entities_of_version_1() {
    let documents = [
        ("live-resource", Document::Resource(resource())),
        ("live-environment", Document::Environment(environment())),
    ];
    for (name, document) in documents {
        let value = Live {
            document: Arc::new(document),
            revision: 7,
        };
        let written = encode(&v1::Live::from(&value)).unwrap();
        assert_eq!(live(&fixture(name, &written)).unwrap(), value, "{name}");
    }
}

#[test]
fn tombstones_of_version_1() {
    let value = Tombstone {
        document: Arc::new(Document::Resource(resource())),
        revision: 8,
        removed: Timestamp(1_767_225_600_123_456),
        links: vec![id("lab-7"), id("prod")],
    };
    let written = encode(&v1::Tombstone::from(&value)).unwrap();
    assert_eq!(tombstone(&fixture("tombstone", &written)).unwrap(), value);
}

#[test]
fn changes_of_version_1() {
    for (name, value) in changes() {
        let written = encode(&v1::Change::from(&value)).unwrap();
        assert_eq!(change(&fixture(name, &written)).unwrap(), value, "{name}");
    }
}

#[test]
fn receipts_of_version_1() {
    let mistake = |n: u8| Mistake {
        pointer: format!("/args/tags/{n}"),
        detail: format!("mistake {n}"),
        hint: "mend it".to_owned(),
    };
    let problem =
        Problem::of_mistakes(ProblemKind::Invalid, vec![mistake(1), mistake(2)]).fact("revision", 4);
    let outcomes = [
        ("receipt-applied", Outcome::Applied),
        ("receipt-unchanged", Outcome::Unchanged),
        ("receipt-rejected", Outcome::Rejected(Box::new(problem.clone()))),
        ("receipt-expired", Outcome::Expired(Box::new(problem))),
    ];
    for (name, outcome) in outcomes {
        let value = Receipt {
            outcome,
            position: Position {
                epoch: 2,
                sequence: 43,
            },
            revisions: vec![
                (EntityKey::resource(id("db-1")), 3),
                (EntityKey::environment(id("lab-7")), 4),
            ],
            counts: vec![
                ("resource.updated".to_owned(), 1),
                ("environment.linked".to_owned(), 2),
            ],
            duplicate: false,
            would: None,
        };
        let time = Timestamp(1_767_225_600_123_456);
        let written = encode(&receipt("m-1", [0xab; 32], "alice", time, &value)).unwrap();
        let expected = ("m-1".to_owned(), [0xab; 32], "alice".to_owned(), time, value);
        assert_eq!(answered(&fixture(name, &written)).unwrap(), expected, "{name}");
    }
}
