//! What an answer shows beside its hits: where they match, what is counted, and why they score as they do.

use super::{index_of, line, query};
use crate::domain::{EntityKey, Facet, FacetCounts, Hit};
use crate::search::{Ask, Budget, Config, Found, Index, Sets, complete};

/// Where a document matches, as `field: text with [matches]`.
fn shown(document: &str, text: &str) -> Vec<String> {
    let (document, _) = line(document);
    let mut hit = Hit {
        key: EntityKey { ..document.key() },
        kind: String::new(),
        name: String::new(),
        score: 1.0,
        highlights: Vec::new(),
        explanation: Vec::new(),
    };
    complete(&mut hit, &query(text), &document, true);
    let marked = |highlight: &crate::domain::Highlight| {
        assert!(highlight.text.chars().count() <= 160, "{}", highlight.text);
        let mut marked = String::new();
        for (place, c) in highlight.text.chars().enumerate() {
            if highlight.ranges.iter().any(|(from, _)| *from == place) {
                marked.push('[');
            }
            marked.push(c);
            if highlight.ranges.iter().any(|(_, to)| *to == place + 1) {
                marked.push(']');
            }
        }
        format!("{}: {marked}", highlight.field)
    };
    hit.highlights.iter().map(marked).collect()
}

#[test]
fn highlights_say_where() {
    let document = "pay-db.1 | Postgres | Zahlungen: Größe | the payments ledger, not payments-old | owner=Payments tier-1 |";
    let table: [(&str, &[&str]); 17] = [
        ("pay", &["id: [pay]-db.1"]),
        ("pay-db.1", &["id: [pay-db.1]"]),
        ("db-1", &["id: pay-[db.1]"]),
        ("grösse", &["name: Zahlungen: [Größe]"]),
        ("Gro\u{308}sse", &["name: Zahlungen: [Größe]"]),
        ("name:zahl*", &["name: [Zahlungen]: Größe"]),
        (
            "payments",
            &[
                "tags: owner=[Payments]",
                "description: the [payments] ledger, not [payments]-old",
            ],
        ),
        ("tag.owner:payments", &["tags: owner=[Payments]"]),
        ("tag.owner:pay*", &["tags: owner=[Payments]"]),
        ("tag.tier-1", &["tags: [tier-1]"]),
        ("tag.owner", &["tags: [owner=Payments]"]),
        ("kind:postgres", &["kind: [Postgres]"]),
        ("kind:postgrse~1", &["kind: [Postgres]"]),
        (
            "ledgre~1",
            &["description: the payments [ledger], not payments-old"],
        ),
        (
            "\"payments ledger\" -owner OR zahlungen",
            &[
                "name: [Zahlungen]: Größe",
                "description: the [payments ledger], not payments-old",
            ],
        ),
        ("-zahlungen", &[]),
        ("*", &[]),
    ];
    for (text, expected) in table {
        assert_eq!(shown(document, text), expected, "{text}");
    }
}

#[test]
fn a_long_text_is_cut_around_its_match() {
    let long = format!(
        "{} the needle stands here {}",
        "before ".repeat(100),
        "after ".repeat(100)
    );
    let found = shown(&format!("a | vm | | {long} | |"), "needle");
    let [fragment] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(fragment.starts_with("description: …before "), "{fragment}");
    assert!(
        fragment.contains(" the [needle] stands here after "),
        "{fragment}"
    );
    assert!(fragment.ends_with("after…"), "{fragment}");
    // No spaces at all, in a script of three bytes to a character, with a combining mark that is no word.
    let long = format!("{}針{}", "あ".repeat(500), "e\u{301}".repeat(500));
    let found = shown(&format!("a | vm | | {long} | |"), "針");
    assert!(found.len() == 1 && found[0].contains("あ[針]e"), "{found:?}");
    let found = shown(&format!("a | vm | | {} | |", "x ".repeat(500)), "x");
    assert_eq!(found[0].matches('[').count(), 16);
}

const CORPUS: &str = "
lab  | environment | Lab  |               | owner=ops         |
prod | environment |      |               | owner=ops         |
a    | vm          | web  | a web machine | owner=shop        | lab prod
b    | vm          | web  |               | owner=shop critical | lab
c    | postgres    | web  |               | owner             | prod
d    | Postgres    | db   |               | ownership=x       |
";

fn ask(index: &Index, text: &str, facets: &[Facet], explain: bool) -> Found {
    let query = query(text);
    let ask = Ask {
        query: &query,
        sets: &Sets::default(),
        within: None,
        in_sight: None,
        limit: 1,
        after: None,
        facets,
        explain,
    };
    index.ask(&ask, &mut Budget::new(&Config::default())).unwrap()
}

/// A facet as `value=count … +others`.
fn counts(counts: &FacetCounts) -> String {
    let values: Vec<String> = counts
        .values
        .iter()
        .map(|(value, n)| format!("{value}={n}"))
        .collect();
    format!("{}: {} +{}", counts.facet, values.join(" "), counts.others)
}

#[test]
fn facets_count_all_that_matches() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), CORPUS);
    let facets =
        ["kind", "type", "environment", "tag:owner", "tag:none"].map(|text| Facet::parse(text).unwrap());
    let told = |text: &str| {
        let found = ask(&index, text, &facets, false);
        (found.total, found.facets.iter().map(counts).collect::<Vec<_>>())
    };
    let (total, told_of_all) = told("*");
    assert_eq!(total, 6);
    assert_eq!(
        told_of_all,
        [
            "kind: vm=2 Postgres=1 postgres=1 +0",
            "type: resource=4 environment=2 +0",
            "environment: lab=3 prod=3 +0",
            "tag:owner: ops=2 shop=2 =1 +0",
            "tag:none:  +0",
        ]
    );
    // One word, which is otherwise counted without a visit.
    let (total, told_of_web) = told("web");
    assert_eq!((total, told_of_web[0].as_str()), (3, "kind: vm=2 postgres=1 +0"));
    assert_eq!(told("absent").1[0], "kind:  +0");
    for wrong in ["", "kinds", "tag:", "tag", "name"] {
        assert_eq!(Facet::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn facets_are_put_together_over_segments_and_cut() {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path()).unwrap();
    let mut writer = index.writer(&Config::default()).unwrap();
    for round in 0..3_u64 {
        for number in 0..50 {
            let owner = if number < 30 { number } else { 0 };
            let text = format!("n-{round}-{number} | vm | | | owner=o{owner:02} |");
            let (document, within) = line(&text);
            writer.put(&document, &within).unwrap();
        }
        writer.commit(super::at(round)).unwrap();
    }
    writer.remove(&line("n-0-5 | vm | | | |").0.key());
    writer.commit(super::at(3)).unwrap();
    let found = ask(&index, "*", &[Facet::Tag("owner".to_owned())], false);
    let [owners] = found.facets.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(owners.values.len(), 20);
    assert_eq!(owners.others, 10);
    assert_eq!(owners.values[0], ("o00".to_owned(), 63));
    assert_eq!(owners.values[1], ("o01".to_owned(), 3));
    assert_eq!(owners.values[5], ("o06".to_owned(), 3), "one of o05 was removed");
}

#[test]
fn an_explanation_adds_up_to_the_score() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(dir.path(), CORPUS);
    for text in [
        "web",
        "a",
        "web kind:vm",
        "web machine",
        "web OR kind:vm OR machine",
        "we*",
        "webb~1 -kind:postgres",
        "name:web",
        "\"web machine\"",
        "*",
        "-kind:postgres",
        "tag.owner:shop (web OR db) id:a",
    ] {
        let found = ask(&index, text, &[], true);
        let hit = &found.hits[0];
        let sum: f32 = hit.explanation.iter().map(|part| part.weight).sum();
        assert!((sum - hit.score).abs() < 0.001 * hit.score, "{text}: {hit:?}");
    }
    let mut found = ask(&index, "web machine", &[], true);
    let (document, _) = line("a | vm | web | a web machine | owner=shop | lab prod");
    complete(&mut found.hits[0], &query("web machine"), &document, false);
    assert!(found.hits[0].highlights.is_empty());
    let told: Vec<String> = found.hits[0]
        .explanation
        .iter()
        .map(|part| format!("{}: {}", part.term, part.fields.join(" ")))
        .collect();
    assert_eq!(told, ["machine: description", "web: name description"]);
}

#[test]
fn an_explanation_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(
        dir.path(),
        &format!(
            "a | vm | | {} | |",
            (0..60).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ")
        ),
    );
    let text: Vec<String> = (0..60).map(|n| format!("w{n}")).collect();
    let found = ask(&index, &text.join(" OR "), &[], true);
    let explanation = &found.hits[0].explanation;
    assert_eq!(explanation.len(), 12);
    assert_eq!(explanation.last().unwrap().term, "49 more");
    let found = ask(&index, &format!("w1 OR \"{}\"", "w2 ".repeat(100)), &[], true);
    assert!(
        found.hits[0]
            .explanation
            .iter()
            .all(|part| part.term.chars().count() <= 80)
    );
}
