//! What stops, against a set of what holds that shrinks until it holds.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::sample::{select, subsequence};
use sha2::{Digest as _, Sha256};

use super::{brute, id, ids};
use crate::domain::graph::{Beyond, Graph, Impact};
use crate::domain::{Affected, Dependency, Effect, Id, Nature, Needs, Resource, Target};

const EXTERNALS: [&str; 2] = ["urn:x", "urn:y"];

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        8 => id().prop_map(Target::Resource),
        1 => select(EXTERNALS.as_slice()).prop_map(|uri| Target::External(uri.to_owned())),
    ]
}

fn dependency() -> impl Strategy<Value = Dependency> {
    let group = btree_set(target(), 1..5).prop_flat_map(|members| {
        let most = u32::try_from(members.len()).unwrap();
        (Just(members), 1..=most).prop_map(|(members, at_least)| Needs::Group {
            members: members.into_iter().collect(),
            at_least,
        })
    });
    let needs = prop_oneof![1 => target().prop_map(Needs::One), 1 => group];
    // Mostly hard, or little would follow.
    let natures = [
        Nature::Hard,
        Nature::Hard,
        Nature::Hard,
        Nature::Soft,
        Nature::Startup,
    ];
    (needs, select(natures.to_vec())).prop_map(|(needs, nature)| Dependency {
        needs,
        nature,
        description: String::new(),
    })
}

/// Some of the ids, each with what it needs; the others are not registered.
pub(super) fn estate() -> impl Strategy<Value = Vec<Resource>> {
    let some = subsequence(ids().to_vec(), 3..=ids().len());
    (some, vec(vec(dependency(), 0..4), ids().len())).prop_map(|(some, needs)| {
        let resource = |(id, dependencies)| Resource {
            dependencies,
            ..brute::resource(id, [], Nature::Hard)
        };
        some.into_iter().zip(needs).map(resource).collect()
    })
}

pub(super) fn graph(resources: &[Resource]) -> Graph {
    let mut graph = Graph::default();
    for resource in resources {
        graph.put(resource).unwrap();
    }
    graph
}

/// Names of what there is: resources, ids that nobody registered, and things outside.
fn causes() -> impl Strategy<Value = BTreeSet<String>> {
    let names = ids()
        .map(|id| id.to_string())
        .into_iter()
        .chain(EXTERNALS.map(str::to_owned));
    btree_set(select(names.collect::<Vec<String>>()), 1..4)
}

fn name(target: &Target) -> &str {
    match target {
        Target::Resource(id) => id.as_str(),
        Target::External(uri) => uri,
    }
}

/// Which natures bring something down, and whether a group is down with its first member.
type Law = (&'static [Nature], bool);

const STOPS: Law = (&[Nature::Hard], false);
const DEGRADED: Law = (&[Nature::Hard, Nature::Soft], true);
const STUCK: Law = (&[Nature::Hard, Nature::Startup], false);

/// The names of what goes with the causes: those beside the greatest set in which everything has what it needs.
fn gone(resources: &[Resource], causes: &BTreeSet<String>, (natures, strict): Law) -> BTreeSet<String> {
    let mut gone = causes.clone();
    loop {
        let holds = |need: &Dependency| {
            let left = need
                .targets()
                .iter()
                .filter(|target| !gone.contains(name(target)))
                .count();
            match &need.needs {
                Needs::One(_) => left == 1,
                Needs::Group { members, .. } if strict => left == members.len(),
                Needs::Group { at_least, .. } => left >= *at_least as usize,
            }
        };
        let falls = resources.iter().find(|resource| {
            let mut needs = resource
                .dependencies
                .iter()
                .filter(|need| natures.contains(&need.nature));
            !gone.contains(resource.id.as_str()) && !needs.all(holds)
        });
        match falls {
            Some(resource) => gone.insert(resource.id.to_string()),
            None => return gone,
        };
    }
}

/// Everything that the graph has a name for.
fn known(resources: &[Resource]) -> BTreeSet<String> {
    let own = resources.iter().map(|resource| resource.id.to_string());
    let needed = resources
        .iter()
        .flat_map(Resource::targets)
        .map(|target| name(target).to_owned());
    own.chain(needed).collect()
}

fn of_effect(impact: &Impact<'_>, effect: Effect) -> BTreeSet<String> {
    impact.ids(effect).map(ToString::to_string).collect()
}

/// Asserts that a reason is one: it begins with a cause, each step needs the one before, and is affected too.
fn is_reason(
    resources: &[Resource],
    affected: &Affected,
    causes: &BTreeSet<String>,
    all: &BTreeSet<String>,
    law: Law,
) {
    assert!(causes.contains(&affected.why[0]), "{affected:?}");
    let own = name(&affected.node.target).to_owned();
    let chain: Vec<&String> = affected.why.iter().chain([&own]).collect();
    assert_eq!(
        affected.node.distance as usize,
        affected.why.len(),
        "{affected:?}"
    );
    for step in chain.windows(2) {
        let later = resources
            .iter()
            .find(|resource| resource.id.as_str() == step[1])
            .unwrap();
        let mut needs = later
            .dependencies
            .iter()
            .filter(|need| law.0.contains(&need.nature));
        let needed = needs.any(|need| need.targets().iter().any(|target| name(target) == step[0]));
        assert!(needed && all.contains(step[1]), "{step:?} in {affected:?}");
    }
    assert_eq!(
        chain.iter().collect::<BTreeSet<_>>().len(),
        chain.len(),
        "{affected:?}"
    );
}

/// The sum modulo 2^128 of the first 16 bytes of SHA-256 over each id, byte by byte as at school.
fn sum(ids: &BTreeSet<String>) -> String {
    let mut sum = [0_u8; 16];
    for id in ids {
        let mut carry = 0;
        for (place, byte) in Sha256::digest(id.as_bytes())[..16].iter().enumerate().rev() {
            let digit = u16::from(sum[place]) + u16::from(*byte) + carry;
            sum[place] = u8::try_from(digit % 256).unwrap();
            carry = digit / 256;
        }
    }
    format!("{:032x}", u128::from_be_bytes(sum))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn what_goes_is_what_does_not_hold(
        resources in estate(), causes in causes(), soft in any::<bool>(), startup in any::<bool>(), limit in 0_usize..9,
    ) {
        let graph = graph(&resources);
        let known = known(&resources);
        let impact = match graph.impact(causes.iter().map(String::as_str), Beyond { soft, startup }) {
            Ok(impact) => impact,
            Err(place) => {
                prop_assert_eq!(causes.iter().position(|cause| !known.contains(cause)), Some(place));
                return Ok(());
            }
        };
        prop_assert!(causes.is_subset(&known));
        let shown = impact.causes();
        prop_assert_eq!(shown.iter().map(|node| name(&node.target).to_owned()).collect::<BTreeSet<_>>(), causes.clone());
        let nothing = BTreeSet::new();
        let stops = gone(&resources, &causes, STOPS);
        let degraded = if soft { gone(&resources, &causes, DEGRADED) } else { nothing.clone() };
        let stuck = if startup { gone(&resources, &causes, STUCK) } else { nothing };
        // Each is told once, under the worst that happens to it.
        let only_stops = &stops - &causes;
        let only_degraded = &degraded - &stops;
        let only_stuck = &(&stuck - &stops) - &degraded;
        prop_assert_eq!(of_effect(&impact, Effect::Stops), only_stops.clone());
        prop_assert_eq!(of_effect(&impact, Effect::Degraded), only_degraded.clone());
        prop_assert_eq!(of_effect(&impact, Effect::CannotStart), only_stuck.clone());
        let counts = Effect::ALL.map(|effect| impact.count(effect));
        prop_assert_eq!(counts, [only_stops.len(), only_degraded.len(), only_stuck.len()]);
        prop_assert_eq!(impact.total(), counts.iter().sum::<usize>());
        prop_assert_eq!(impact.hash().to_string(), sum(&only_stops));

        let affected = impact.affected(usize::MAX);
        prop_assert_eq!(affected.len(), impact.total());
        prop_assert!(affected.is_sorted_by_key(|one| (one.effect, one.node.distance)), "the worst, the nearest first");
        for one in &affected {
            let (all, law) = match one.effect {
                Effect::Stops => (&stops, STOPS),
                Effect::Degraded => (&degraded, DEGRADED),
                Effect::CannotStart => (&stuck, STUCK),
            };
            is_reason(&resources, one, &causes, all, law);
        }
        prop_assert_eq!(impact.affected(limit), &affected[..limit.min(affected.len())]);
        let own: BTreeSet<&str> = impact.cause_ids().map(Id::as_str).collect();
        prop_assert_eq!(own, causes.iter().map(String::as_str).filter(|cause| !cause.starts_with("urn:")).collect());
    }
}

fn need(members: &[&str], at_least: u32) -> Dependency {
    let members = members
        .iter()
        .map(|text| Target::Resource(Id::parse(text).unwrap()))
        .collect();
    Dependency {
        needs: Needs::Group { members, at_least },
        nature: Nature::Hard,
        description: String::new(),
    }
}

fn with(text: &str, dependencies: Vec<Dependency>) -> Resource {
    Resource {
        dependencies,
        ..brute::resource(Id::parse(text).unwrap(), [], Nature::Hard)
    }
}

/// Two that keep each other up go on until what is outside of both breaks one of them.
#[test]
fn groups_in_a_circle_hold_each_other_up() {
    let resources = [
        with("a", vec![need(&["b", "x"], 1)]),
        with("b", vec![need(&["a", "y"], 1)]),
        with("x", vec![]),
        with("y", vec![]),
    ];
    let graph = graph(&resources);
    let stops = |causes: &[&str]| {
        let impact = graph.impact(causes.iter().copied(), Beyond::default()).unwrap();
        of_effect(&impact, Effect::Stops).into_iter().collect::<Vec<_>>()
    };
    assert!(stops(&["x"]).is_empty() && stops(&["y"]).is_empty());
    assert!(stops(&["x", "y"]).is_empty(), "a has b, and b has a");
    assert_eq!(stops(&["x", "a"]), [] as [&str; 0]);
    assert_eq!(stops(&["y", "a"]), ["b"]);
    assert_eq!(
        stops(&["a", "a"]),
        [] as [&str; 0],
        "the same cause twice counts once"
    );
}

/// Deep enough to overflow a stack, were anything recursive; and a reason of a length that one can read.
#[test]
fn a_long_chain_falls_without_recursion() {
    let id = |n: usize| Id::parse(&format!("n{n}")).unwrap();
    let mut graph = Graph::default();
    let length = 100_000;
    for n in 1..length {
        let needs = [Target::Resource(id(n - 1))];
        graph.put(&brute::resource(id(n), needs, Nature::Hard)).unwrap();
    }
    let impact = graph
        .impact(
            ["n0"],
            Beyond {
                soft: true,
                startup: true,
            },
        )
        .unwrap();
    assert_eq!(impact.total(), length - 1);
    let all = impact.affected(usize::MAX);
    let last = &all.last().unwrap().node;
    assert_eq!(
        (last.distance as usize, &last.target),
        (length - 1, &Target::Resource(id(length - 1)))
    );
    let nearest: Vec<String> = (950..1_000).map(|n| id(n).to_string()).collect();
    assert_eq!(all[999].why, nearest, "the steps nearest to it");
    assert_eq!(
        all.iter().map(|one| one.why.len()).sum::<usize>(),
        100_000,
        "and not more in all"
    );
}
