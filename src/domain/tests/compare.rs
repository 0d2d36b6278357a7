//! Environments side by side, against what the words mean.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use crate::domain::{
    Comparison, Dependency, Environment, Id, Nature, Needs, Resource, Side, Tags, Target, compare,
};

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

/// What an environment may have; the side is put before the id, but where it is shared.
#[derive(Debug, Clone)]
struct Plan {
    role: Option<&'static str>,
    name: &'static str,
    size: u8,
    shared: bool,
    /// The places in the plan of what it needs; alone, or as a group.
    needs: Vec<(Vec<usize>, Nature)>,
}

fn plan() -> impl Strategy<Value = Vec<Plan>> {
    let needs = vec((vec(0_usize..5, 1..3), select(Nature::ALL.as_slice())), 0..3);
    let one = (
        option::of(select(["db", "web"].as_slice())),
        select(["", "one", "two"].as_slice()),
        0_u8..2,
        proptest::bool::weighted(0.2),
        needs,
    );
    let one = one.prop_map(|(role, name, size, shared, needs)| Plan {
        role,
        name,
        size,
        shared,
        needs,
    });
    vec(one, 0..5)
}

fn name_in(side: &str, plans: &[Plan], place: usize) -> Target {
    match plans.get(place) {
        Some(plan) if plan.shared => Target::Resource(id(&format!("s{place}"))),
        Some(_) => Target::Resource(id(&format!("{side}{place}"))),
        None => Target::External(format!("urn:{place}")),
    }
}

/// Two plans in which what is shared is one resource. Some of the right are of the left by mistake.
fn two_plans() -> impl Strategy<Value = (Vec<Plan>, Vec<Plan>)> {
    (plan(), plan()).prop_map(|(mut left, mut right)| {
        for (place, own) in left.iter_mut().enumerate() {
            match right.get_mut(place) {
                Some(other) if own.shared => other.clone_from(own),
                Some(other) => other.shared = false,
                None => own.shared = false,
            }
        }
        let common = left.len().min(right.len());
        right.iter_mut().skip(common).for_each(|plan| plan.shared = false);
        (left, right)
    })
}

/// Builds one side. With `turned` everything is written in another order.
fn side(side: &str, plans: &[Plan], turned: bool) -> Side {
    let mut resources = Vec::new();
    for (place, plan) in plans.iter().enumerate() {
        let Target::Resource(own) = name_in(side, plans, place) else {
            unreachable!()
        };
        let mut dependencies: Vec<Dependency> = Vec::new();
        for (targets, nature) in &plan.needs {
            // What is shared needs the same on both sides, and so does what needs something of the left.
            let named = |place: &usize| match (plan.shared, place) {
                (true, place) => Target::Resource(id(&format!("s{place}"))),
                (false, 4) => Target::Resource(id("l0")),
                (false, place) => name_in(side, plans, *place),
            };
            let mut targets: Vec<Target> = targets.iter().map(named).collect();
            targets.sort_unstable();
            targets.dedup();
            if turned {
                targets.reverse();
            }
            let needs = match targets.as_slice() {
                [one] => Needs::One(one.clone()),
                _ => Needs::Group {
                    members: targets,
                    at_least: 1,
                },
            };
            let dependency = Dependency {
                needs,
                nature: *nature,
                description: String::new(),
            };
            if !dependencies.contains(&dependency) {
                dependencies.push(dependency);
            }
        }
        if turned {
            dependencies.reverse();
        }
        let role = plan.role.map(|role| ("role".to_owned(), role.to_owned()));
        resources.push(Arc::new(Resource {
            id: own,
            kind: "vm".to_owned(),
            name: plan.name.to_owned(),
            description: String::new(),
            tags: role.into_iter().collect(),
            attributes: [("size".to_owned(), plan.size.into())].into_iter().collect(),
            status_endpoints: Vec::new(),
            dependencies,
        }));
    }
    resources.sort_by(|a, b| a.id.cmp(&b.id));
    let environment = Environment {
        id: id(side),
        name: String::new(),
        description: String::new(),
        tags: Tags::new(),
        entrypoints: Vec::new(),
        status_endpoints: Vec::new(),
    };
    Side {
        environment,
        resources,
    }
}

fn ids(resources: &[Arc<Resource>]) -> Vec<Id> {
    resources.iter().map(|resource| resource.id.clone()).collect()
}

fn likeness(resource: &Resource) -> (Option<&String>, &str, &str) {
    let name = if resource.name.is_empty() {
        resource.id.as_str()
    } else {
        &resource.name
    };
    (resource.tags.get("role"), &resource.kind, name)
}

/// Everything that counts of a resource, with what it needs by the names of the other side, in no order.
fn essence(resource: &Resource, names: &BTreeMap<Id, Id>) -> (Resource, BTreeSet<String>) {
    let mut needs = BTreeSet::new();
    for dependency in &resource.dependencies {
        let named = |target: &Target| match target {
            Target::Resource(id) => format!("{}", names.get(id).unwrap_or(id)),
            Target::External(uri) => uri.clone(),
        };
        let targets: BTreeSet<String> = dependency.targets().iter().map(named).collect();
        let at_least = match &dependency.needs {
            Needs::One(_) => 0,
            Needs::Group { at_least, .. } => *at_least,
        };
        needs.insert(format!(
            "{targets:?} {at_least} {:?} {}",
            dependency.nature, dependency.description
        ));
    }
    let bare = Resource {
        id: id("same"),
        dependencies: Vec::new(),
        ..resource.clone()
    };
    (bare, needs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn counterparts_agree_in_role_kind_and_name((left, right) in two_plans()) {
        let (left, right) = (side("l", &left, false), side("r", &right, false));
        let found = compare(left.clone(), right.clone());
        let both: BTreeSet<Id> = ids(&left.resources).into_iter().filter(|id| ids(&right.resources).contains(id)).collect();
        prop_assert_eq!(found.shared, both.len());

        // Pairs in the order of ids, by trying every other.
        let mut free: Vec<&Arc<Resource>> = right.resources.iter().filter(|one| !both.contains(&one.id)).collect();
        let (mut alone, mut pairs) = (Vec::new(), Vec::new());
        for own in left.resources.iter().filter(|one| !both.contains(&one.id)) {
            match free.iter().position(|other| likeness(other) == likeness(own)) {
                Some(place) => pairs.push((own, free.remove(place))),
                None => alone.push(own.id.clone()),
            }
        }
        prop_assert_eq!(ids(&found.left_only), alone);
        prop_assert_eq!(ids(&found.right_only), free.iter().map(|one| one.id.clone()).collect::<Vec<_>>());
        let names: BTreeMap<Id, Id> = pairs.iter().flat_map(|(own, other)| {
            [(other.id.clone(), own.id.clone()), (own.id.clone(), other.id.clone())]
        }).collect();
        let nobody = BTreeMap::new();
        let differ = |(own, other): &&(&Arc<Resource>, &Arc<Resource>)| essence(own, &nobody) != essence(other, &names);
        let different: Vec<(Id, Id)> =
            pairs.iter().filter(differ).map(|(own, other)| (own.id.clone(), other.id.clone())).collect();
        let said: Vec<(Id, Id)> =
            found.different.iter().map(|pair| (pair.left.id.clone(), pair.right.id.clone())).collect();
        prop_assert_eq!(&said, &different);
        prop_assert_eq!(found.same, pairs.len() - different.len());
        for pair in &found.different {
            let original = right.resources.iter().find(|one| one.id == pair.right.id).unwrap();
            prop_assert_eq!(essence(&pair.right, &nobody), essence(original, &names), "it is shown by the names on the left");
        }
    }

    #[test]
    fn the_other_way_round_it_says_the_same((left, right) in two_plans()) {
        let (left, right) = (side("l", &left, false), side("r", &right, false));
        let found = compare(left.clone(), right.clone());
        let turned = compare(right, left);
        prop_assert_eq!((found.shared, found.same), (turned.shared, turned.same));
        prop_assert_eq!(ids(&found.left_only), ids(&turned.right_only));
        prop_assert_eq!(ids(&found.right_only), ids(&turned.left_only));
        let pairs = |found: &Comparison, swap: bool| {
            let pair = |pair: &crate::domain::Pair| {
                let (left, right) = (pair.left.id.clone(), pair.right.id.clone());
                if swap { (right, left) } else { (left, right) }
            };
            found.different.iter().map(pair).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(pairs(&found, false), pairs(&turned, true));
    }

    #[test]
    fn how_it_is_written_makes_no_difference(plans in plan(), turned in any::<bool>()) {
        let distinct: Vec<Plan> = plans.iter().enumerate().map(|(n, plan)| Plan {
            name: ["one", "two", "three", "four", "five"][n],
            needs: plan.needs.iter().filter(|(targets, _)| !targets.contains(&4)).cloned().collect(),
            ..plan.clone()
        }).collect();
        let found = compare(side("l", &distinct, false), side("r", &distinct, turned));
        prop_assert!(found.different.is_empty(), "{:?}", found.different);
        prop_assert!(found.left_only.is_empty() && found.right_only.is_empty());
        prop_assert_eq!(found.same + found.shared, plans.len());
    }
}
