//! What is found, and in which order.

use super::{id, ids, index_of, line, query};
use crate::domain::EntityType;
use crate::search::{Config, SearchError};

const CORPUS: &str = "
lab-7              | environment |                   | The seventh lab, for payments   | stage=test                  |
prod               | environment | Production        |                                 | stage=prod critical         |
db-1               | postgres    | Payments database | Holds the ledger                | owner=payments critical     | lab-7 prod
db-10              | postgres    | Users database    | Holds accounts, not payments    | owner=identity              | prod
db-1-replica       | postgres    |                   | Read copy of db-1               | owner=payments              | lab-7
aws_instance.web-0 | vm          | Web shop          | Serves the shop                 | owner=shop                  | lab-7
aws_instance.web-1 | vm          | Web shop          | Serves the shop                 | owner=shop                  | prod
postgresql-15      | package     | PostgreSQL        | An object-relational database   | section=database            |
libc6              | package     | GNU C Library     | Shared libraries                | section=libs                |
libc6-dev          | package     |                   | Headers for libc6               | section=libdevel            |
payments           | service     | Payment service   | Takes money                     | owner=Payments-Team         | lab-7
cafe               | Service     | Café Größe        | Ein Gedicht: naïve résumé       |                             |
queue              | rabbitmq    | payments          |                                 | owner=payments              | lab-7
";

#[test]
fn queries_find_in_this_order() {
    let table = [
        // An exact id, an exact name, then words of the id, the name, tags, the kind and the description.
        ("payments", "payments queue db-1 db-1-replica lab-7 db-10"),
        ("queue", "queue"),
        ("libc6", "libc6 libc6-dev"),
        ("LIBC6", "libc6 libc6-dev"),
        ("\"payments database\"", "db-1"),
        ("payments database", "db-1 db-10"),
        ("database payments", "db-1 db-10"),
        // Parts of ids, as people type them.
        ("web-0", "aws_instance.web-0"),
        ("aws_instance.web-0", "aws_instance.web-0"),
        ("aws_instance", "aws_instance.web-0 aws_instance.web-1"),
        ("instance web", "aws_instance.web-0 aws_instance.web-1"),
        ("db-1", "db-1 db-1-replica"),
        ("postgresql", "postgresql-15"),
        ("15", "postgresql-15"),
        ("postgres", "db-1-replica db-10 db-1"),
        // Fields.
        ("name:database", "db-1 db-10"),
        ("name:payments", "queue db-1"),
        ("description:payments", "db-10 lab-7"),
        ("id:db", "db-1 db-10 db-1-replica"),
        ("id:db-1", "db-1 db-1-replica"),
        ("kind:postgres", "db-1 db-1-replica db-10"),
        ("kind:SERVICE", "cafe payments"),
        ("kind:pack*", "libc6 libc6-dev postgresql-15"),
        ("kind:postgrse~1", "db-1 db-1-replica db-10"),
        ("type:environment", "lab-7 prod"),
        ("tag.owner:payments", "db-1 db-1-replica queue"),
        ("tag.owner:pay*", "db-1 db-1-replica payments queue"),
        ("tag.critical", "prod db-1"),
        ("tag.owner:* kind:vm", "aws_instance.web-0 aws_instance.web-1"),
        ("tag:team", "payments"),
        (
            "environment:lab-7",
            "lab-7 aws_instance.web-0 db-1 db-1-replica payments queue",
        ),
        ("environment:lab-* kind:postgres", "db-1 db-1-replica"),
        ("kind:postgres -environment:prod", "db-1-replica"),
        ("type:resource -environment:* -kind:package", "cafe"),
        ("name:* kind:package", "libc6 postgresql-15"),
        ("type:resource -name:*", "db-1-replica libc6-dev"),
        // Operators.
        ("ledger OR accounts", "db-10 db-1"),
        ("(ledger OR accounts) -tag.critical", "db-10"),
        ("database NOT postgresql", "db-10 db-1"),
        ("-type:resource -prod", "lab-7"),
        ("-*", ""),
        ("absent", ""),
        // Prefixes and fuzzy words.
        ("libc*", "libc6 libc6-dev"),
        ("postg*", "postgresql-15 db-1 db-1-replica db-10"),
        ("web-*", "aws_instance.web-0 aws_instance.web-1"),
        ("aws_inst*", "aws_instance.web-0 aws_instance.web-1"),
        ("paymnts~1", "queue payments db-1 db-1-replica lab-7 db-10"),
        ("postgersql~1", "postgresql-15"),
        ("postgersql-15~1", "postgresql-15"),
        ("qeueu~2", "queue"),
        // Accents, however they are written.
        ("grosse", "cafe"),
        ("GRÖSSE", "cafe"),
        ("Größe", "cafe"),
        ("cafe", "cafe"),
        ("CAFÉ", "cafe"),
        ("cafe\u{301}", "cafe"),
        ("resume", "cafe"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), CORPUS);
    let mut wrong = Vec::new();
    for (text, expected) in table {
        let found = ids(&index, text);
        if found != expected {
            wrong.push(format!("{text}\n    expected {expected}\n    found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_hit_shows_what_the_document_says() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), CORPUS);
    let found = index.search(&query("größe"), None, 10, None).unwrap();
    let [hit] = found.hits.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(hit.key.entity, EntityType::Resource);
    assert_eq!((hit.kind.as_str(), hit.name.as_str()), ("Service", "Café Größe"));
    assert!(hit.score > 0.0);
    assert_eq!(found.as_of, super::at(1));
}

#[test]
fn within_an_environment_are_its_resources() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), CORPUS);
    let within = |text: &str, environment: &str| {
        let found = index
            .search(&query(text), Some(&id(environment)), 50, None)
            .unwrap();
        let ids: Vec<String> = found.hits.iter().map(|hit| hit.key.id.to_string()).collect();
        assert_eq!(found.total, ids.len());
        ids.join(" ")
    };
    assert_eq!(within("payments", "lab-7"), "payments queue db-1 db-1-replica");
    assert_eq!(within("*", "prod"), "aws_instance.web-1 db-1 db-10");
    assert_eq!(within("-kind:vm", "prod"), "db-1 db-10");
    assert_eq!(within("payments", "elsewhere"), "");
}

/// A corpus of many that score the same, over several segments, with some replaced and removed.
fn many(dir: &std::path::Path) -> crate::search::Index {
    let index = crate::search::Index::open(dir).unwrap();
    let mut writer = index.writer(&Config::default()).unwrap();
    for round in 0..5 {
        for number in 0..40 {
            let (document, within) = line(&format!(
                "n-{:03} | vm | {} node | a node of round {round} | rack={} |",
                number * 5 + round,
                if number % 3 == 0 { "big" } else { "small" },
                number % 4,
            ));
            writer.put(&document, &within).unwrap();
        }
        writer.commit(super::at(round)).unwrap();
    }
    writer.remove(&line("n-007 | vm | | | |").0.key());
    writer.commit(super::at(9)).unwrap();
    assert!(index.segments() > 1, "this is about several segments");
    index
}

#[test]
fn pages_put_together_are_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let index = many(dir.path());
    for text in [
        "node",
        "big",
        "*",
        "node big",
        "no*",
        "kind:vm",
        "nodes~1",
        "node OR big",
        "-big",
        "tag.rack:1",
    ] {
        let query = query(text);
        let whole = index.search(&query, None, 1_000, None).unwrap();
        assert!(whole.next.is_none());
        assert_eq!(whole.total, whole.hits.len(), "{text}");
        for limit in [1, 7, 50] {
            let (mut pages, mut after) = (Vec::new(), None);
            loop {
                let page = index.search(&query, None, limit, after.as_deref()).unwrap();
                assert_eq!(page.total, whole.total, "{text}");
                pages.extend(page.hits);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(pages, whole.hits, "{text} by {limit}");
        }
    }
    let count = index.search(&query("node"), None, 0, None).unwrap();
    assert_eq!((count.total, count.hits.len(), count.next), (199, 0, None));
}

#[test]
fn what_scores_the_same_comes_by_type_and_id() {
    let dir = tempfile::tempdir().unwrap();
    let index = many(dir.path());
    let found = index.search(&query("kind:vm"), None, 200, None).unwrap();
    let ids: Vec<&str> = found.hits.iter().map(|hit| hit.key.id.as_str()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    assert!(!ids.contains(&"n-007"));
}

#[test]
fn a_cursor_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), CORPUS);
    for cursor in [
        "",
        "x",
        "7fc00000.resource:a",
        "3f800000.thing:a",
        "3f800000.resource:",
        "ü.é",
    ] {
        let refused = index.search(&query("db"), None, 10, Some(cursor));
        assert!(matches!(refused, Err(SearchError::Problem(_))), "{cursor}");
    }
}
