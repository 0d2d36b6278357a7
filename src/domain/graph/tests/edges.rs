//! An answer has no more edges than it may, whatever its limit.

use super::brute::resource;
use crate::domain::graph::Graph;
use crate::domain::{Direction, Id, Nature, Natures, Target};

#[test]
fn nodes_with_too_many_edges_are_left_out() {
    let ids: Vec<Id> = (0..400).map(|n| Id::parse(&format!("r-{n}")).unwrap()).collect();
    let mut graph = Graph::default();
    for id in &ids {
        let others = ids
            .iter()
            .filter(|other| *other != id)
            .cloned()
            .map(Target::Resource);
        graph.put(&resource(id.clone(), others, Nature::Hard)).unwrap();
    }
    let ask = |limit| {
        graph
            .reach(&ids[0], Direction::Dependencies, None, Natures::ALL, limit)
            .unwrap()
    };
    let (whole, total) = ask(100);
    assert_eq!(
        (whole.nodes.len(), whole.edges.len(), total),
        (101, 101 * 100, 399)
    );
    let (cut, total) = ask(1_000);
    assert!(cut.edges.len() <= super::super::reach::EDGES_MAX);
    assert_eq!(total, 399);
    let shown = cut.nodes.len();
    assert!((200..300).contains(&shown), "{shown}");
    assert_eq!(
        cut.edges.len(),
        shown * (shown - 1),
        "every edge between those that are shown"
    );
}
