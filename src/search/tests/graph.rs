//! Sets of the graph among words: exactly what set algebra says, and in pages.

use std::collections::BTreeSet;

use super::{id, index_of, line, query};
use crate::domain::{EntityKey, EntityType, Id};
use crate::search::{Ask, Budget, Config, Found, GraphSet, Index, Query, Sets};

/// Asks with sets.
fn ask(index: &Index, query: &Query, sets: &Sets, limit: usize, after: Option<&str>) -> Found {
    let ask = Ask {
        query,
        sets,
        within: None,
        in_sight: None,
        limit,
        after,
        facets: &[],
        explain: false,
    };
    index.ask(&ask, &mut Budget::new(&Config::default())).unwrap()
}

fn dependents(of: &str) -> GraphSet {
    GraphSet::Dependents {
        id: id(of),
        depth: None,
    }
}

#[test]
fn a_set_is_a_term_like_others() {
    let dir = tempfile::tempdir().unwrap();
    let index = index_of(
        dir.path(),
        "
        a     | vm          | web | |  | lab
        b     | vm          | web | |  |
        c     | postgres    | db  | |  | lab
        same  | vm          |     | |  |
        same  | environment | web | |  |
        ",
    );
    let mut sets = Sets::default();
    // An id that nothing has, an id twice, and one that is also the id of an environment.
    let ids = ["a", "c", "gone", "a", "same"].map(id);
    sets.insert(dependents("x"), ids.to_vec());
    sets.insert(GraphSet::Cycle, vec![id("b")]);
    sets.insert(GraphSet::Dangling, Vec::new());
    let find = |text: &str| {
        let found = ask(&index, &query(text), &sets, 50, None);
        assert_eq!(found.total, found.hits.len(), "{text}");
        let mut keys: Vec<String> = found.hits.iter().map(|hit| hit.key.to_string()).collect();
        keys.sort();
        keys.join(" ")
            .replace("resource:", "")
            .replace("environment:", "env:")
    };
    let table = [
        ("dependents-of:x", "a c same"),
        ("-dependents-of:x", "env:same b"),
        ("dependents-of:x kind:vm", "a same"),
        ("dependents-of:x web", "a"),
        ("has:cycle OR dependents-of:x", "a b c same"),
        ("has:cycle dependents-of:x", ""),
        ("web -dependents-of:x", "env:same b"),
        ("NOT (has:cycle OR dependents-of:x)", "env:same"),
        ("has:dangling", ""),
        ("-has:dangling type:resource", "a b c same"),
        // A set that nobody filled is empty.
        ("has:external", ""),
        ("dependents-of:x environment:lab", "a c"),
    ];
    for (text, expected) in table {
        assert_eq!(find(text), expected, "{text}");
    }
}

/// Many that score the same, over several segments, some of them replaced and removed.
fn many(dir: &std::path::Path, count: usize) -> Index {
    let index = Index::open(dir).unwrap();
    let mut writer = index.writer(&Config::default()).unwrap();
    for round in 0..4 {
        for number in (round..count).step_by(4).chain(0..20) {
            let (document, within) = line(&format!("n-{number:04} | vm | node | same | |"));
            writer.put(&document, &within).unwrap();
        }
        writer.commit(super::at(u64::try_from(round).unwrap())).unwrap();
    }
    writer.remove(&EntityKey::resource(id("n-0007")));
    writer.commit(super::at(9)).unwrap();
    assert!(index.segments() > 1, "this is about several segments");
    index
}

#[test]
fn pages_over_equal_scores_neither_lose_nor_double() {
    let dir = tempfile::tempdir().unwrap();
    let index = many(dir.path(), 1_200);
    let every_other: Vec<Id> = (0..1_200).step_by(2).map(|n| id(&format!("n-{n:04}"))).collect();
    let mut sets = Sets::default();
    sets.insert(dependents("x"), every_other);
    for (text, expected) in [
        ("*", 1_199),
        ("kind:vm", 1_199),
        // The name as a whole, too: two lists whose best are sought together.
        ("node", 1_199),
        ("same", 1_199),
        ("dependents-of:x", 600),
        ("node dependents-of:x", 600),
        ("node -dependents-of:x", 599),
        ("dependents-of:x OR node", 1_199),
    ] {
        let query = query(text);
        for limit in [1_000, 333, 97] {
            let (mut seen, mut after, mut count) = (BTreeSet::new(), None, 0);
            loop {
                let page = ask(&index, &query, &sets, limit, after.as_deref());
                assert_eq!(page.total, expected, "{text}");
                count += page.hits.len();
                seen.extend(page.hits.into_iter().map(|hit| hit.key));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!((count, seen.len()), (expected, expected), "{text} by {limit}");
            assert!(seen.iter().all(|key| key.entity == EntityType::Resource));
        }
    }
}
