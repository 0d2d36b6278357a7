//! What a search may do at most.

use super::{id, index_of, query};
use crate::search::{Ask, Budget, Config, GraphSet, Sets};

#[test]
fn a_search_that_may_do_no_more_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let lines: String = (0..300)
        .map(|n| format!("n-{n} | vm | node | | |"))
        .collect::<Vec<_>>()
        .join("\n");
    let index = index_of(dir.path(), &lines);
    let visits = |max| Config {
        search_visits_max: max,
        ..Config::default()
    };
    let no_time = Config {
        search_ms_max: 0,
        ..Config::default()
    };
    for (config, text, hits, why) in [
        (
            visits(100),
            "*",
            10,
            "100 documents and nodes (search.search_visits_max)",
        ),
        (visits(100), "node", 10, "100 documents and nodes"),
        (visits(100), "kind:vm", 10, "100 documents and nodes"),
        (visits(0), "*", 0, "0 documents and nodes"),
        (no_time, "*", 0, "0 ms (search.search_ms_max)"),
    ] {
        let query = query(text);
        let ask = Ask {
            query: &query,
            sets: &Sets::default(),
            within: None,
            in_sight: None,
            limit: 10,
            after: None,
            facets: &[],
            explain: false,
        };
        let found = index.ask(&ask, &mut Budget::new(&config)).unwrap();
        let stopped = found.stopped.unwrap_or_else(|| panic!("{text}"));
        assert!(stopped.contains(why), "{text}: {stopped}");
        assert_eq!((found.hits.len(), found.next), (hits, None), "{text}");
        assert!(found.total >= hits && found.total <= 300, "{text}");
        let whole = index.ask(&ask, &mut Budget::new(&Config::default())).unwrap();
        assert_eq!((whole.total, whole.stopped), (300, None), "{text}");
    }
}

#[test]
fn what_explains_hits_counts_too() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..300).map(|n| format!("n-{n} | vm | node | | |")).collect();
    let index = index_of(dir.path(), &lines.join("\n"));
    let query = query("kind:vm");
    let ask = Ask {
        query: &query,
        sets: &Sets::default(),
        within: None,
        in_sight: None,
        limit: 10,
        after: None,
        facets: &[],
        explain: true,
    };
    let mut budget = Budget::new(&Config {
        search_visits_max: 305,
        ..Config::default()
    });
    let found = index.ask(&ask, &mut budget).unwrap();
    let explained: Vec<bool> = found.hits.iter().map(|hit| !hit.explanation.is_empty()).collect();
    assert_eq!(explained, [[true; 4].as_slice(), &[false; 6]].concat());
    assert!(budget.spent().is_some());
    // What was found is whole, so the next page goes on.
    assert_eq!(
        (found.total, found.stopped, found.next.is_some()),
        (300, None, true)
    );
}

#[test]
fn nodes_of_the_graph_count_too() {
    let config = Config {
        search_visits_max: 10,
        ..Config::default()
    };
    let mut budget = Budget::new(&config);
    assert!(budget.reach(9));
    assert!(!budget.reach(1));
    assert!(budget.spent().is_some());
    let mut sets = Sets::default();
    sets.insert(GraphSet::Cycle, vec![id("a")]);
    assert_eq!(format!("{sets:?}"), "Sets({Cycle: 1 ids})");
}
