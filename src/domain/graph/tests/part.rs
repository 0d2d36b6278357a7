//! A part of the graph is the graph that one would have that only knows that part.

use std::collections::BTreeSet;

use proptest::collection::btree_set;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

use super::{Graph, acts, id, ids, no_more_than, play};
use crate::domain::graph::Beyond;
use crate::domain::{Effect, Id, Natures};

fn stops(graph: &Graph, cause: &Id) -> Option<(BTreeSet<Id>, BTreeSet<Id>)> {
    let beyond = Beyond {
        soft: true,
        startup: true,
    };
    let impact = graph.impact([cause.as_str()], beyond).ok()?;
    let of = |effect| impact.ids(effect).cloned().collect();
    Some((of(Effect::Stops), of(Effect::Degraded)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_part_is_as_if_nothing_else_were_registered(acts in acts(40), chosen in btree_set(id(), 0..7)) {
        let (graph, mut brute) = play(&acts);
        let part = graph.part(&chosen).unwrap();
        for id in ids().iter().filter(|id| !chosen.contains(*id)) {
            brute.remove(id);
        }
        no_more_than(&part, &brute);
        let mut alone = Graph::default();
        for resource in brute.resources() {
            alone.put(resource).unwrap();
        }
        prop_assert_eq!(part.resource_count(), alone.resource_count());
        prop_assert_eq!(part.edge_count(), alone.edge_count());
        prop_assert_eq!(part.dangling(None), alone.dangling(None));
        prop_assert_eq!(part.cycles(Natures::ALL, None), alone.cycles(Natures::ALL, None));
        for id in ids() {
            prop_assert_eq!(stops(&part, &id), stops(&alone, &id));
        }
    }
}
