//! What the answer to a search says where the search could not do all that was asked.

use super::Running;
use crate::domain::{Findings, Hit, Search};
use crate::engine::{Config, Setup};
use crate::search;

/// To find and to complete are bounded together; what is found by then is a page like any other.
#[test]
fn hits_that_could_not_be_completed_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let search = search::Config {
        search_visits_max: 35,
        ..search::Config::default()
    };
    let setup = Running::setup(folder.path(), &Config::default());
    let running = Running::of(Setup { search, ..setup });
    let ids: Vec<String> = (0..30).map(|n| format!("r-{n}")).collect();
    running.put_all(&ids);
    let mut asked = Search {
        query: "kind:vm".to_owned(),
        highlights: true,
        ..Search::default()
    };
    let why = "the search stopped after 35 documents and nodes (search.search_visits_max)";
    let bare = format!("not all hits say where they match, or what their score is made of: {why}");
    let ask = |asked: &Search| {
        let answer = running.ask(asked.clone(), 10);
        let Findings::Hits(hits) = answer.findings else {
            panic!("not the answer to a search")
        };
        assert_eq!((hits.items.len(), answer.total), (10, 30));
        assert!(answer.next.is_some());
        (hits.items, answer.truncated.unwrap())
    };
    let highlighted = |hit: &Hit| !hit.highlights.is_empty();
    let (hits, truncated) = ask(&asked);
    assert_eq!(
        (hits.iter().filter(|hit| highlighted(hit)).count(), truncated),
        (4, bare.clone())
    );
    asked.highlights = false;
    assert_eq!(ask(&asked).1, "10 of 30 are shown");
    asked.explain = true;
    let (hits, truncated) = ask(&asked);
    let explained = |hit: &Hit| !hit.explanation.is_empty();
    assert_eq!(
        (hits.iter().filter(|hit| explained(hit)).count(), truncated),
        (4, bare)
    );
}
