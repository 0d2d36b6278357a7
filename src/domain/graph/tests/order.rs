//! Orders, against what makes an order one.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::subsequence;

use super::impact::{estate, graph};
use super::{brute, ids, targets};
use crate::domain::graph::Graph;
use crate::domain::order::{Order, Purpose};
use crate::domain::{Id, Nature, Resource, Target};

/// A dependent and what it needs, by the strongest of the natures, and whether always as one of a group at that.
type Need = (Target, Target, Nature, bool);

/// What comes before what, among these: a hard dependency is stronger than one to start, and that than a soft one.
fn needs(resources: &[Resource], crew: &BTreeSet<Target>) -> BTreeSet<Need> {
    let mut strongest: BTreeMap<(Target, Target), (u8, bool)> = BTreeMap::new();
    for resource in resources {
        let from = Target::Resource(resource.id.clone());
        for need in &resource.dependencies {
            let rank = [Nature::Hard, Nature::Startup, Nature::Soft]
                .iter()
                .position(|n| *n == need.nature);
            let rank = (u8::try_from(rank.unwrap()).unwrap(), need.is_group());
            for to in need.targets() {
                if crew.contains(&from) && crew.contains(to) {
                    let known = strongest.entry((from.clone(), to.clone())).or_insert(rank);
                    *known = rank.min(*known);
                }
            }
        }
    }
    let nature = |rank: u8| [Nature::Hard, Nature::Startup, Nature::Soft][rank as usize];
    strongest
        .into_iter()
        .map(|((from, to), (rank, grouped))| (from, to, nature(rank), grouped))
        .collect()
}

/// The sets of those that need each other, by following every way.
fn circles_of(crew: &BTreeSet<Target>, needs: &BTreeSet<Need>) -> BTreeSet<BTreeSet<Target>> {
    let beyond = |from: &Target| {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![from.clone()];
        while let Some(at) = waiting.pop() {
            for (_, to, ..) in needs.iter().filter(|(from, ..)| *from == at) {
                if reached.insert(to.clone()) {
                    waiting.push(to.clone());
                }
            }
        }
        reached
    };
    let all: BTreeMap<&Target, BTreeSet<Target>> = crew.iter().map(|node| (node, beyond(node))).collect();
    let circle = |node: &Target| {
        all[node]
            .iter()
            .filter(|other| all[other].contains(node))
            .cloned()
            .collect()
    };
    crew.iter()
        .filter(|node| all[node].contains(node))
        .map(circle)
        .collect()
}

/// The order to start these, as dependents and what they need; the same the other way round for an order to stop.
fn pairs(order: &Order) -> BTreeSet<Need> {
    let broken = order.broken.iter();
    broken
        .map(|one| (one.from.clone(), one.to.clone(), one.nature, one.grouped))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_order_keeps_what_can_be_kept(
        resources in estate(), crew in subsequence(ids().to_vec(), 0..=7), stop in any::<bool>(), limit in 0_usize..6,
    ) {
        let graph = graph(&resources);
        let purpose = if stop { Purpose::Stop } else { Purpose::Start };
        let order = graph.order(&crew, purpose, usize::MAX);
        let registered = |id: &&Id| graph.contains(id);
        let crew: BTreeSet<Target> = crew.iter().filter(registered).cloned().map(Target::Resource).collect();
        let needs = needs(&resources, &crew);

        // Everything once, and each wave by id.
        let waves: Vec<Vec<Target>> = order.waves.iter().map(|wave| targets(wave)).collect();
        let flat: Vec<Target> = waves.iter().flatten().cloned().collect();
        prop_assert_eq!(flat.iter().cloned().collect::<BTreeSet<_>>(), crew.clone());
        prop_assert_eq!((flat.len(), order.resources), (crew.len(), crew.len()));
        prop_assert_eq!(order.wave_count, waves.len());
        prop_assert!(waves.iter().all(|wave| !wave.is_empty() && wave.is_sorted()));

        // What is not kept is within circles, and is what was written; all else is kept.
        let circles = circles_of(&crew, &needs);
        let found: Vec<BTreeSet<Target>> = order.cycles.iter().map(|set| targets(set).into_iter().collect()).collect();
        prop_assert!(order.cycles.is_sorted_by_key(|set| (std::cmp::Reverse(set.len()), targets(set))));
        prop_assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), circles.clone());
        prop_assert_eq!(found.len(), circles.len());
        let broken = pairs(&order);
        prop_assert_eq!(broken.len(), order.broken.len());
        prop_assert!(broken.is_subset(&needs), "{broken:?} of {needs:?}");
        prop_assert_eq!(broken.is_empty(), circles.is_empty());
        for (from, to, ..) in &broken {
            prop_assert!(circles.iter().any(|circle| circle.contains(from) && circle.contains(to)));
        }
        // A dependency goes only where no weaker one would do.
        for (from, to, nature, _) in &broken {
            let strong = [Nature::Hard, Nature::Startup, Nature::Soft];
            let rank = |of: &Nature| strong.iter().position(|one| one == of);
            let strong: BTreeSet<Need> = needs.iter().filter(|need| rank(&need.2) <= rank(nature)).cloned().collect();
            let around = circles_of(&crew, &strong);
            prop_assert!(around.iter().any(|circle| circle.contains(from) && circle.contains(to)), "{from:?} {to:?}");
        }
        let other = if stop { Purpose::Start } else { Purpose::Stop };
        prop_assert_eq!(pairs(&graph.order(ids_of(&crew).iter(), other, usize::MAX)), broken.clone());
        let wave: BTreeMap<&Target, usize> =
            waves.iter().enumerate().flat_map(|(n, wave)| wave.iter().map(move |node| (node, n))).collect();
        let kept: Vec<(&Target, &Target)> = needs.difference(&broken).map(|(from, to, ..)| {
            if stop { (from, to) } else { (to, from) }
        }).collect();
        for (first, then) in &kept {
            prop_assert!(wave[first] < wave[then], "{first:?} before {then:?}");
        }

        // No wave is later than it must be: each has, but for the first, something in the wave before.
        for node in &flat {
            let latest = kept.iter().filter(|(_, then)| *then == node).map(|(first, _)| wave[first] + 1).max();
            prop_assert_eq!(wave[node], latest.unwrap_or(0), "{:?}", node);
        }
        let path = targets(&order.critical_path);
        prop_assert_eq!(path.len(), waves.len());
        for (n, node) in path.iter().enumerate() {
            prop_assert_eq!(wave[node], n);
            prop_assert!(n == 0 || kept.contains(&(&path[n - 1], node)));
        }

        // What is beside it: of an order to start what is needed, of one to stop who needs it.
        let mut outside: BTreeMap<Target, BTreeSet<Id>> = BTreeMap::new();
        for resource in &resources {
            let own = Target::Resource(resource.id.clone());
            for target in resource.targets() {
                let (inner, outer) = if stop { (target, &own) } else { (&own, target) };
                if let Target::Resource(id) = inner && crew.contains(inner) && !crew.contains(outer) {
                    outside.entry(outer.clone()).or_default().insert(id.clone());
                }
            }
        }
        let said: Vec<(Target, BTreeSet<Id>)> = order.outside.iter().map(|one| {
            assert_eq!(one.total, one.resources.len());
            (one.node.target.clone(), one.resources.iter().cloned().collect())
        }).collect();
        prop_assert_eq!(said, outside.into_iter().collect::<Vec<_>>());
        prop_assert!(!order.is_cut);

        // A limit cuts each list, and it can be seen.
        let some = graph.order(ids_of(&crew).iter(), purpose, limit);
        prop_assert_eq!(some.waves.iter().flat_map(|wave| targets(wave)).collect::<Vec<_>>(), &flat[..limit.min(flat.len())]);
        prop_assert_eq!((some.wave_count, some.resources), (order.wave_count, order.resources));
        prop_assert_eq!(&some.critical_path, &order.critical_path[..limit.min(path.len())]);
        prop_assert_eq!(&some.broken, &order.broken[..limit.min(order.broken.len())]);
        prop_assert_eq!(&some.outside, &order.outside[..limit.min(order.outside.len())]);
        let totals = (some.cycles_total, some.broken_total, some.outside_total);
        prop_assert_eq!(totals, (order.cycles.len(), order.broken.len(), order.outside.len()));
        prop_assert!(some.cycles.iter().map(Vec::len).sum::<usize>() <= limit);
        let nodes = order.cycles.iter().map(Vec::len).sum::<usize>();
        let longest = flat.len().max(order.broken.len()).max(order.outside.len()).max(nodes);
        prop_assert_eq!(some.is_cut, limit < longest);
    }
}

fn ids_of(crew: &BTreeSet<Target>) -> Vec<Id> {
    let id = |target: &Target| match target {
        Target::Resource(id) => Some(id.clone()),
        Target::External(_) => None,
    };
    crew.iter().filter_map(id).collect()
}

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

/// A circle is opened where it loses least.
#[test]
fn the_weakest_dependency_goes_first() {
    let broken = |natures: [&[Nature]; 3]| {
        let mut graph = Graph::default();
        for (from, to, natures) in [
            ("a", "b", natures[0]),
            ("b", "c", natures[1]),
            ("c", "a", natures[2]),
        ] {
            let mut resource = brute::resource(id(from), [], Nature::Hard);
            let target = Target::Resource(id(to));
            let needs = natures
                .iter()
                .map(|nature| brute::dependency(target.clone(), *nature));
            resource.dependencies = needs.collect();
            graph.put(&resource).unwrap();
        }
        let order = graph.order(&["a", "b", "c"].map(id), Purpose::Start, 10);
        let [one] = order.broken.as_slice() else {
            panic!("{order:?}")
        };
        (one.from.clone(), one.nature)
    };
    let (hard, soft, startup) = (Nature::Hard, Nature::Soft, Nature::Startup);
    let of = |text, nature| (Target::Resource(id(text)), nature);
    assert_eq!(broken([&[hard], &[startup], &[soft]]), of("c", soft));
    assert_eq!(broken([&[hard], &[startup], &[hard]]), of("b", startup));
    // One that is soft and to start is one to start, which an order is about.
    assert_eq!(
        broken([&[soft, startup], &[startup, soft], &[soft]]),
        of("c", soft)
    );
    assert_eq!(
        broken([&[soft, startup], &[hard], &[hard, soft]]),
        of("a", startup)
    );
}

/// A set in which all need all is opened in a time that one can wait for, and what is kept is an order.
#[test]
fn a_thick_circle_is_opened_soon() {
    let (size, needs) = (1_000_usize, 300_usize);
    let mut graph = Graph::default();
    let name = |n: usize| id(&format!("n{n:04}"));
    for n in 0..size {
        let needs = (1..=needs).map(|step| Target::Resource(name((n + step * step) % size)));
        let distinct: BTreeSet<Target> = needs.collect();
        graph
            .put(&brute::resource(name(n), distinct, Nature::Hard))
            .unwrap();
    }
    let all: Vec<Id> = (0..size).map(name).collect();
    let order = graph.order(&all, Purpose::Start, usize::MAX);
    assert_eq!(order.waves.iter().map(Vec::len).sum::<usize>(), size);
    assert_eq!(order.cycles.len(), 1);
    let wave: BTreeMap<Target, usize> = order
        .waves
        .iter()
        .enumerate()
        .flat_map(|(n, wave)| targets(wave).into_iter().map(move |node| (node, n)))
        .collect();
    let kept = graph.edge_count() - order.broken.len();
    assert!(kept >= graph.edge_count() / 3, "{kept} of {}", graph.edge_count());
    let out: BTreeSet<(&Target, &Target)> = order.broken.iter().map(|one| (&one.from, &one.to)).collect();
    for n in 0..size {
        let from = Target::Resource(name(n));
        for step in 1..=needs {
            let to = Target::Resource(name((n + step * step) % size));
            assert!(out.contains(&(&from, &to)) || wave[&to] < wave[&from]);
        }
    }
}
