//! The graph against one that is asked by trying everything.

mod brute;
mod edges;
mod impact;
mod order;
mod part;
mod watch;

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;

use self::brute::Brute;
use super::Graph;
use crate::domain::{Direction, Id, Nature, Natures, Node, Resource, Target, strategies};

#[derive(Debug, Clone)]
enum Act {
    Put(Box<Resource>),
    Remove(Id),
}

fn id() -> impl Strategy<Value = Id> {
    select(ids().as_slice().to_vec())
}

/// A resource that is near, with a few more dependencies on what is a little further away.
fn resource() -> impl Strategy<Value = Resource> {
    let needs = vec((id(), select(Nature::ALL.as_slice())), 0..3);
    (id(), strategies::near_resource(), needs).prop_map(|(id, mut resource, needs)| {
        resource.id = id;
        let more = needs
            .into_iter()
            .map(|(id, nature)| brute::dependency(Target::Resource(id), nature));
        resource.dependencies.extend(more);
        resource
    })
}

fn acts(most: usize) -> impl Strategy<Value = Vec<Act>> {
    vec(
        prop_oneof![4 => resource().prop_map(|resource| Act::Put(Box::new(resource))), 1 => id().prop_map(Act::Remove)],
        0..most,
    )
}

fn play(acts: &[Act]) -> (Graph, Brute) {
    let (mut graph, mut brute) = (Graph::default(), Brute::default());
    for act in acts {
        match act {
            Act::Put(resource) => {
                graph.put(resource).unwrap();
                brute.put(resource);
            }
            Act::Remove(id) => {
                graph.remove(id);
                brute.remove(id);
            }
        }
    }
    (graph, brute)
}

fn ids() -> [Id; 7] {
    ["a", "b", "c", "d", "e", "f", "g"].map(|text| Id::parse(text).unwrap())
}

/// Every choice of natures that is one.
fn natures() -> impl Strategy<Value = Natures> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(hard, soft, startup)| Natures {
        hard,
        soft,
        startup,
    })
}

fn targets(nodes: &[Node]) -> Vec<Target> {
    nodes.iter().map(|node| node.target.clone()).collect()
}

/// Nothing is left of what is not needed any more, and what is left is what there is.
fn no_more_than(graph: &Graph, brute: &Brute) {
    let nodes = brute.nodes();
    assert_eq!(graph.slots.len() - graph.free.len(), nodes.len());
    assert_eq!(graph.resources.len() + graph.externals.len(), nodes.len());
    let free: BTreeSet<u32> = graph.free.iter().copied().collect();
    assert_eq!(free.len(), graph.free.len(), "a slot is free once");
    for node in nodes {
        let slot = match &node {
            Target::Resource(id) => graph.resources[id],
            Target::External(uri) => graph.externals[uri.as_str()],
        };
        assert!(!free.contains(&slot));
        let shown = graph.show(slot, 0).unwrap();
        let known = brute.resource(&node);
        assert_eq!(shown.registered, known.is_some());
        assert_eq!(shown.kind, known.map_or("", |resource| &resource.kind));
        assert_eq!(shown.name, known.map_or("", |resource| &resource.name));
        assert_eq!(shown.target, node);
    }
    assert_eq!(graph.needs.len(), brute.edges(Natures::ALL).len());
    assert_eq!(graph.needed_by.len(), graph.needs.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_holds_what_it_was_told_and_no_more(acts in acts(40)) {
        let (mut graph, brute) = play(&acts);
        no_more_than(&graph, &brute);
        prop_assert_eq!(graph.resource_count(), brute.resources().count());
        prop_assert_eq!(graph.edge_count(), brute.edges(Natures::ALL).len());
        for id in ids() {
            prop_assert_eq!(graph.contains(&id), brute.resource(&Target::Resource(id.clone())).is_some());
            let dependents: BTreeSet<Id> = graph.dependents(&id).cloned().collect();
            prop_assert_eq!(dependents, brute.dependents(&id));
        }
        for id in ids() {
            graph.remove(&id);
        }
        no_more_than(&graph, &Brute::default());
    }

    #[test]
    fn it_is_the_same_however_it_came_to_be(acts in acts(40)) {
        let (graph, brute) = play(&acts);
        let mut anew = Graph::default();
        for resource in brute.resources() {
            anew.put(resource).unwrap();
        }
        for graph in [&graph, &anew] {
            no_more_than(graph, &brute);
            for id in ids() {
                let (reached, total) = match graph.reach(&id, Direction::Dependencies, Some(1), Natures::ALL, 100) {
                    Some((reached, total)) => (reached, Some(total)),
                    None => Default::default(),
                };
                let own: BTreeSet<_> = reached
                    .edges
                    .iter()
                    .filter(|edge| edge.from == 0)
                    .map(|edge| (reached.nodes[edge.to].target.clone(), edge.nature, edge.grouped))
                    .collect();
                prop_assert_eq!(own, brute.needs(&id));
                prop_assert_eq!(total.is_some(), brute.nodes().contains(&Target::Resource(id)));
            }
        }
    }

    #[test]
    fn a_walk_reaches_what_can_be_reached(
        acts in acts(20),
        natures in natures(),
        depth in proptest::option::of(0_u32..4),
        limit in 0_usize..8,
        back in any::<bool>(),
    ) {
        let (graph, brute) = play(&acts);
        let direction = if back { Direction::Dependents } else { Direction::Dependencies };
        for id in ids() {
            let expected = brute.reach(&id, direction, depth, natures);
            let Some((found, total)) = graph.reach(&id, direction, depth, natures, limit) else {
                prop_assert_eq!(expected, None);
                continue;
            };
            let expected = expected.unwrap();
            prop_assert_eq!(total, expected.len() - 1);
            prop_assert_eq!(found.nodes.len(), expected.len().min(limit + 1));
            prop_assert_eq!(&found.nodes[0].target, &Target::Resource(id.clone()));
            prop_assert!(found.nodes.is_sorted_by_key(|node| node.distance), "nearest first");
            for node in &found.nodes {
                prop_assert_eq!(expected.get(&node.target), Some(&node.distance));
            }
            let shown: BTreeSet<Target> = targets(&found.nodes).into_iter().collect();
            prop_assert_eq!(shown.len(), found.nodes.len());
            let among = brute.edges(natures).into_iter().filter(|e| shown.contains(&e.from) && shown.contains(&e.to));
            let edges: Vec<_> = found
                .edges
                .iter()
                .map(|edge| (&found.nodes[edge.from].target, &found.nodes[edge.to].target, edge.nature, edge.grouped))
                .collect();
            let all: BTreeSet<_> = edges.iter().map(|(from, to, nature, grouped)| {
                ((*from).clone(), (*to).clone(), *nature, *grouped)
            }).collect();
            prop_assert_eq!(all.len(), edges.len(), "each edge once");
            prop_assert_eq!(all, among.map(|e| (e.from, e.to, e.nature, e.grouped)).collect());
            prop_assert_eq!(
                graph.reach_count(&id, direction, natures).unwrap(),
                brute.reach(&id, direction, None, natures).unwrap().len() - 1
            );
        }
    }

    #[test]
    fn what_nobody_registered_dangles(acts in acts(20), among in proptest::option::of("[a-g]")) {
        let (graph, brute) = play(&acts);
        let asked = |id: &Id| among.as_deref().is_some_and(|text| id.as_str() <= text);
        let found = graph.dangling(among.as_ref().map(|_| &asked as &dyn Fn(&Id) -> bool));
        let expected = brute.dangling(&|id| among.is_none() || asked(id));
        prop_assert_eq!(found.iter().map(|d| (d.id.clone(), d.dependents.clone())).collect::<Vec<_>>(), expected);
        prop_assert!(found.iter().all(|dangling| dangling.total == dangling.dependents.len()));
    }

    #[test]
    fn cycles_are_the_sets_that_need_each_other(
        acts in acts(20), natures in natures(), among in proptest::option::of("[a-g]"),
    ) {
        let (graph, brute) = play(&acts);
        let asked = |id: &Id| among.as_deref().is_some_and(|text| id.as_str() == text);
        let found = graph.cycles(natures, among.as_ref().map(|_| &asked as &dyn Fn(&Id) -> bool));
        let found: Vec<Vec<Target>> = found.iter().map(|set| targets(set)).collect();
        prop_assert!(found.is_sorted_by_key(|set| (std::cmp::Reverse(set.len()), set.first().cloned())));
        prop_assert_eq!(
            found.into_iter().collect::<BTreeSet<_>>(),
            brute.cycles(natures, &|id| among.is_none() || asked(id))
        );
    }

    #[test]
    fn paths_are_found_shortest_first(acts in acts(20), natures in natures(), limit in 0_usize..6) {
        let (graph, brute) = play(&acts);
        for (from, to) in ids().into_iter().flat_map(|from| ids().map(|to| (from.clone(), to))) {
            let Some(expected) = brute.paths(&from, &to, natures) else {
                prop_assert_eq!(graph.paths(&from, &to, true, natures, limit), None);
                continue;
            };
            let all = graph.paths(&from, &to, true, natures, 10_000).unwrap();
            let found: BTreeSet<Vec<Target>> = all.paths.iter().map(|path| targets(path)).collect();
            prop_assert_eq!(found.len(), all.paths.len(), "each path once");
            prop_assert_eq!(&found, &expected);
            prop_assert!(all.paths.is_sorted_by_key(Vec::len) && !all.more);
            for path in &all.paths {
                prop_assert!((0..).zip(path).all(|(i, node)| node.distance == i));
            }
            let some = graph.paths(&from, &to, true, natures, limit).unwrap();
            prop_assert_eq!(&some.paths, &all.paths[..limit.min(all.paths.len())]);
            prop_assert_eq!(some.more, limit < all.paths.len());
            let one = graph.paths(&from, &to, false, natures, limit).unwrap();
            prop_assert_eq!(&one.paths, &all.paths[..all.paths.len().min(1)]);
            prop_assert!(!one.more);
        }
    }
}

/// A ladder of diamonds has two to the power of its length paths.
#[test]
fn too_many_paths_are_not_all_looked_for() {
    let id = |text: String| Id::parse(&text).unwrap();
    let mut graph = Graph::default();
    let rungs = 40;
    for rung in 0..rungs {
        let mut add = |name: String, needs: Vec<String>| {
            let needs = needs.into_iter().map(|name| Target::Resource(id(name)));
            graph
                .put(&brute::resource(id(name), needs, Nature::Hard))
                .unwrap();
        };
        add(format!("n{rung}"), vec![format!("l{rung}"), format!("r{rung}")]);
        for side in ["l", "r"] {
            add(format!("{side}{rung}"), vec![format!("n{}", rung + 1)]);
        }
    }
    let (from, to) = (id("n0".to_owned()), id(format!("n{rungs}")));
    let found = graph.paths(&from, &to, true, Natures::ALL, 100).unwrap();
    assert_eq!((found.paths.len(), found.more), (100, true));
    let found = graph
        .paths(&from, &to, true, Natures::ALL, usize::MAX - 1)
        .unwrap();
    let nodes: usize = found.paths.iter().map(Vec::len).sum();
    assert!(found.more && found.paths.len() > 100 && nodes < 1_000_000);
    // A way that ends nowhere near must not be walked at all.
    assert_eq!(
        graph
            .paths(&to, &from, true, Natures::ALL, 100)
            .unwrap()
            .paths
            .len(),
        0
    );
}

/// Deep enough to overflow a stack, were anything recursive.
#[test]
fn a_long_chain_is_walked_without_recursion() {
    let id = |n: usize| Id::parse(&format!("n{n}")).unwrap();
    let mut graph = Graph::default();
    let length = 100_000;
    for n in 0..length {
        let needs = [Target::Resource(id((n + 1) % length))];
        graph.put(&brute::resource(id(n), needs, Nature::Hard)).unwrap();
    }
    assert_eq!(graph.cycles(Natures::ALL, None)[0].len(), length);
    assert_eq!(
        graph.reach_count(&id(0), Direction::Dependents, Natures::ALL),
        Some(length - 1)
    );
    let paths = graph.paths(&id(1), &id(0), true, Natures::ALL, 10).unwrap();
    assert_eq!(
        (paths.paths.len(), paths.paths[0].len(), paths.more),
        (1, length, false)
    );
}
