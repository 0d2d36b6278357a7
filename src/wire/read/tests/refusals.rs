//! What is refused, and what is said about it.

use std::collections::BTreeMap;

use serde_json::json;

use super::{command, incoming};
use crate::domain::{MISTAKES_MAX, ProblemKind};
use crate::wire::read::{Bounds, COMMAND_TYPES};
use crate::wire::{parse_command, parse_question};

#[test]
fn a_search_as_of_the_past_is_asked_for_no_more_than_it_can_do() {
    let none = BTreeMap::new();
    let parsed = |body: serde_json::Value| {
        let bytes = body.to_string();
        parse_question(&incoming("search", &none, bytes.as_bytes()), &Bounds::default())
    };
    let moment = json!({"sequence": 7});
    let all =
        json!({"query": "id:a", "within": "e", "facets": ["kind"], "explain": true, "highlights": true});
    let problem = parsed(json!({"args": all, "cursor": "1", "as_of": moment})).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Invalid);
    let told = problem.mistakes.iter().map(|mistake| {
        assert_eq!(mistake.hint, "leave it out, or leave `as_of` out");
        (mistake.pointer.as_str(), mistake.detail.as_str())
    });
    let expected = [
        ("/cursor", "a search as of the past has no pages"),
        ("/args/facets", "a search as of the past has no facets"),
        ("/args/explain", "a search as of the past has no explain"),
        ("/args/highlights", "a search as of the past has no highlights"),
    ];
    assert!(told.eq(expected), "{:?}", problem.mistakes);

    let nothing =
        json!({"query": "id:a", "within": "e", "facets": [], "explain": false, "highlights": false});
    parsed(json!({"args": nothing, "limit": 5, "as_of": moment})).unwrap();
    parsed(json!({"args": all, "cursor": "1"})).unwrap();
}

#[test]
fn twenty_mistakes_are_told_at_once() {
    let body = json!({
        "args": {
            "id": "a b",
            "name": 7,
            "desription": "typo",
            "tags": {"a": 1, "b/c": null},
            "attributes": [],
            "status_endpoints": [
                {"interval": "soon"},
                {"url": 1, "timeout": 5, "expect": {"status": 200, "boddy": "x"}}
            ],
            "dependencies": [
                "vm-1",
                {},
                {"resource": "-", "nature": "weak"},
                {"resource": "a", "external": "b:c"},
                {"resource": "a", "at_least": 2},
                {"group": [{"resource": "a"}, {"nature": "hard"}], "at_least": "two"}
            ]
        },
        "expect": "present",
        "dryrun": true
    });
    let problem = command("resource.put", &body).unwrap_err();
    let pointers: Vec<&str> = problem
        .mistakes
        .iter()
        .map(|mistake| mistake.pointer.as_str())
        .collect();
    let expected = [
        "/dryrun",
        "/expect",
        "/args/desription",
        "/args/id",
        "/args/kind",
        "/args/name",
        "/args/tags/a",
        "/args/tags/b~1c",
        "/args/attributes",
        "/args/status_endpoints/0/url",
        "/args/status_endpoints/0/interval",
        "/args/status_endpoints/1/url",
        "/args/status_endpoints/1/timeout",
        "/args/status_endpoints/1/expect/boddy",
        "/args/status_endpoints/1/expect/status",
        "/args/dependencies/0",
        "/args/dependencies/1",
        "/args/dependencies/2/nature",
        "/args/dependencies/2/resource",
        "/args/dependencies/3",
        "/args/dependencies/4/at_least",
        "/args/dependencies/5/group/1/nature",
        "/args/dependencies/5/group/1",
        "/args/dependencies/5/at_least",
    ];
    assert_eq!(pointers, expected);
    assert_eq!(problem.pointer, "/dryrun");
    assert!(
        problem.detail.ends_with("(and 23 more mistakes)"),
        "{}",
        problem.detail
    );
    let said = |pointer: &str| {
        let mistake = problem
            .mistakes
            .iter()
            .find(|mistake| mistake.pointer == pointer)
            .unwrap();
        (mistake.detail.as_str(), mistake.hint.as_str())
    };
    assert_eq!(
        said("/dryrun"),
        ("`dryrun` is not a field here", "did you mean `dry_run`?")
    );
    assert_eq!(
        said("/args/desription"),
        ("`desription` is not a field here", "did you mean `description`?")
    );
    assert_eq!(said("/args/name").0, "`name` must be a string, not a number");
    assert_eq!(
        said("/args/id").0,
        "`a b` is not an id: character ' ' at position 1 is not allowed in an id"
    );
    assert_eq!(said("/args/kind").0, "`kind` is missing");
    assert_eq!(
        said("/args/status_endpoints/0/interval").0,
        "`soon` is not a duration"
    );
    assert_eq!(
        said("/args/dependencies/0").0,
        "item 0 of `dependencies` must be an object, not a string"
    );
    assert_eq!(said("/args/dependencies/0").1, "write {\"resource\": \"vm-1\"}");
    assert_eq!(
        said("/args/dependencies/2/nature").0,
        "`weak` is not one of hard, soft, startup"
    );
}

#[test]
fn a_mistake_in_a_batch_has_its_place_in_the_batch() {
    let body = json!({"args": {"commands": [
        {"type": "resource.restore", "args": {"id": "a"}},
        {"type": "resource.putt", "args": {}},
        {"type": "batch", "args": {"commands": []}, "dry_run": true},
        {"type": "resource.put", "args": {"id": "!", "kind": "vm"}}
    ]}});
    let problem = command("batch", &body).unwrap_err();
    let told: Vec<(&str, &str)> = problem
        .mistakes
        .iter()
        .map(|mistake| (mistake.pointer.as_str(), mistake.hint.as_str()))
        .collect();
    assert_eq!(told[0], ("/args/commands/1/type", "did you mean `resource.put`?"));
    assert_eq!(told[1].0, "/args/commands/2/dry_run");
    assert_eq!(told[2].0, "/args/commands/2/type");
    assert_eq!(told[3].0, "/args/commands/3/args/id");
    assert_eq!(told.len(), 4);
}

#[test]
fn a_flood_of_mistakes_is_counted_not_listed() {
    let resources = vec![json!("-"); 100_000];
    let body = json!({"args": {"environment": "e", "resources": resources}});
    let problem = command("environment.link", &body).unwrap_err();
    assert_eq!(problem.mistakes.len(), MISTAKES_MAX);
    assert_eq!(problem.facts["mistakes_total"], 100_000);
}

#[test]
fn what_is_no_command_is_refused_with_what_would_be() {
    let refused = |kind: &str, content_type: Option<&str>, body: &[u8], bounds: &Bounds| {
        let none = BTreeMap::new();
        let mut delivery = incoming(kind, &none, body);
        delivery.content_type = content_type;
        *parse_command(&delivery, bounds).unwrap_err()
    };
    let (json_type, bounds) = (Some("application/json"), Bounds::default());
    let problem = refused("resource.pat", json_type, b"{}", &bounds);
    assert_eq!(problem.kind, ProblemKind::UnknownType);
    assert_eq!(
        problem.facts["types"].as_array().unwrap().len(),
        COMMAND_TYPES.len()
    );
    assert!(
        problem.hint.starts_with("did you mean `resource.p"),
        "{}",
        problem.hint
    );
    assert!(
        refused("search", json_type, b"{}", &bounds)
            .hint
            .contains("this is a question")
    );
    assert!(
        refused("frobnicate", json_type, b"{}", &bounds)
            .hint
            .starts_with("known here: environment.put")
    );
    assert_eq!(
        refused("", json_type, b"{}", &bounds).detail,
        "the message has no type"
    );
    for content_type in [
        None,
        Some(""),
        Some("text/plain"),
        Some("application/json; charset=latin1"),
    ] {
        let problem = refused("batch", content_type, b"{}", &bounds);
        assert_eq!(
            problem.kind,
            ProblemKind::UnsupportedContentType,
            "{content_type:?}"
        );
    }
    let small = Bounds {
        body_bytes_max: 10,
        batch_commands_max: 1,
        ..bounds
    };
    assert_eq!(
        refused("batch", json_type, &[b' '; 11], &small).kind,
        ProblemKind::LimitExceeded
    );
    let small = Bounds {
        batch_commands_max: 1,
        ..bounds
    };
    let problem = refused("batch", json_type, br#"{"args": {"commands": [1, 2]}}"#, &small);
    assert_eq!(
        (problem.kind, problem.pointer.as_str()),
        (ProblemKind::LimitExceeded, "/args/commands")
    );
    assert_eq!(
        refused("batch", json_type, b"[]", &bounds).kind,
        ProblemKind::Malformed
    );
}

#[test]
fn a_deadline_that_cannot_be_read_is_refused() {
    let headers = BTreeMap::from([("deadline".to_owned(), "tomorrow".to_owned())]);
    let delivery = incoming("ping", &headers, b"");
    assert!(
        parse_question(&delivery, &Bounds::default())
            .unwrap_err()
            .detail
            .contains("`tomorrow`")
    );
    let none = BTreeMap::new();
    let mut delivery = incoming("ping", &none, b"");
    delivery.expiration = Some("-1");
    assert!(
        parse_question(&delivery, &Bounds::default())
            .unwrap_err()
            .detail
            .contains("expiration")
    );
}
