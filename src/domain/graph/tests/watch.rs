//! What is kept up to date, against what is found by looking at everything.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

use super::{Act, acts, brute};
use crate::domain::graph::Graph;
use crate::domain::{Id, Nature, Natures, Target};

/// The cycles and the dangling references of a graph, by looking at everything.
fn whole(graph: &Graph) -> (Vec<Vec<Id>>, BTreeMap<Id, Vec<Id>>) {
    let cycles = graph.cycles(Natures::ALL, None).into_iter().map(|cycle| {
        let ids = cycle.into_iter().map(|node| match node.target {
            Target::Resource(id) => id,
            Target::External(uri) => panic!("{uri} needs nothing"),
        });
        ids.collect::<Vec<Id>>()
    });
    let mut cycles: Vec<Vec<Id>> = cycles.collect();
    cycles.sort_unstable();
    let dangling = graph.dangling(None).into_iter();
    let dangling = dangling.map(|reference| (reference.id, reference.dependents));
    (cycles, dangling.collect())
}

fn act(graph: &mut Graph, act: &Act) {
    match act {
        Act::Put(resource) => graph.put(resource).unwrap(),
        Act::Remove(id) => graph.remove(id),
    }
}

/// Each needs the next, and the last needs the first.
fn ring(names: &[&str]) -> Vec<Act> {
    let ids = ids(names);
    let next = ids.iter().cycle().skip(1);
    let resources = ids.iter().zip(next).map(|(id, next)| {
        let needs = [Target::Resource(next.clone())];
        Act::Put(Box::new(brute::resource(id.clone(), needs, Nature::Hard)))
    });
    resources.collect()
}

fn ids(names: &[&str]) -> Vec<Id> {
    names.iter().map(|name| Id::parse(name).unwrap()).collect()
}

#[test]
fn a_cycle_that_grows_is_another() {
    let mut graph = Graph::default();
    graph.watch();
    for step in ring(&["a", "b"]) {
        act(&mut graph, &step);
    }
    assert_eq!(graph.settle().cycles_appeared, [ids(&["a", "b"])]);
    // b needs c now, which needs a: neither of them is told apart from the other two.
    for step in ring(&["a", "b", "c"]) {
        act(&mut graph, &step);
    }
    let news = graph.settle();
    assert_eq!(news.cycles_cleared, [ids(&["a", "b"])]);
    assert_eq!(news.cycles_appeared, [ids(&["a", "b", "c"])]);
    graph.remove(&ids(&["c"])[0]);
    let news = graph.settle();
    assert_eq!(news.cycles_cleared, [ids(&["a", "b", "c"])]);
    assert!(news.cycles_appeared.is_empty());
    assert_eq!(news.dangling_appeared[0].id, ids(&["c"])[0]);
    assert!(graph.settle().is_empty(), "what is settled is no news");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_news_lead_from_what_was_to_what_is(
        before in acts(15),
        transactions in vec(acts(6), 0..12),
    ) {
        let mut graph = Graph::default();
        for step in &before {
            act(&mut graph, step);
        }
        graph.watch();
        let (mut cycles, mut dangling) = whole(&graph);
        for transaction in transactions {
            let was = whole(&graph);
            for step in &transaction {
                act(&mut graph, step);
            }
            let news = graph.settle();
            for cleared in &news.cycles_cleared {
                let place = cycles.iter().position(|cycle| cycle == cleared);
                cycles.remove(place.unwrap());
            }
            for appeared in &news.cycles_appeared {
                prop_assert!(!cycles.contains(appeared));
                prop_assert!(!was.0.contains(appeared), "what was there is no news");
                cycles.push(appeared.clone());
            }
            cycles.sort_unstable();
            for cleared in &news.dangling_cleared {
                prop_assert!(dangling.remove(cleared).is_some());
            }
            for appeared in &news.dangling_appeared {
                let new = dangling.insert(appeared.id.clone(), appeared.dependents.clone());
                prop_assert!(new.is_none());
            }
            let now = whole(&graph);
            prop_assert_eq!(&cycles, &now.0);
            let ids: Vec<&Id> = dangling.keys().collect();
            prop_assert_eq!(ids, now.1.keys().collect::<Vec<_>>());
            for appeared in &news.dangling_appeared {
                prop_assert_eq!(&appeared.dependents, &now.1[&appeared.id]);
            }
        }
    }
}
