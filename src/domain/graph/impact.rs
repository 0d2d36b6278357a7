//! What stops if something stops.
//!
//! A resource stops when one thing that it needs has stopped, or when fewer members of a group are left than it needs. What
//! has stopped only grows, so the least set with that property is found by following each dependent once and counting the
//! members that each group has lost: a group inside a cycle of groups holds as long as nothing outside breaks it, which is
//! what the greatest set of things that hold says.

use std::collections::HashMap;

use fixedbitset::FixedBitSet;

use super::{Graph, is_grouped, nature_of};
use crate::domain::id::Id;
use crate::domain::impact::{Affected, Effect, ImpactHash};
use crate::domain::question::{Natures, Node};

/// How many steps of a reason an answer shows, those nearest to the affected resource.
const WHY_MAX: usize = 50;
/// How many steps all reasons of an answer have together; what is affected after that is shown without one.
const WHY_ALL_MAX: usize = 100_000;

/// What else an impact counts beside what stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Beyond {
    /// What works on with less: follow soft dependencies too, and groups that lost a member and hold.
    pub soft: bool,
    /// What runs on and could not be started again: follow startup dependencies too.
    pub startup: bool,
}

/// What one walk follows.
#[derive(Clone, Copy)]
struct Way {
    natures: Natures,
    /// Whether a group falls only when too few of its members are left, not with the first that it loses.
    groups_hold: bool,
}

/// What is affected when some nodes stop.
pub struct Impact<'a> {
    graph: &'a Graph,
    causes: Vec<u32>,
    stops: Walk,
    degraded: Walk,
    stuck: Walk,
}

/// One node that a walk came to.
#[derive(Clone, Copy)]
struct Step {
    node: u32,
    /// The place, in the same walk, of what made it fall; its own for a cause.
    because: usize,
    distance: u32,
}

/// What falls, in the order of falling; the causes first.
#[derive(Default)]
struct Walk {
    steps: Vec<Step>,
    /// The places of the steps that this walk says something new about.
    new: Vec<usize>,
}

impl Graph {
    /// What is affected when these stop, each the id of a resource or, where no resource has that id, the URI of something
    /// outside.
    ///
    /// # Errors
    /// The place of one that nothing in the graph is called.
    pub fn impact<'a>(
        &'a self,
        causes: impl IntoIterator<Item = &'a str>,
        beyond: Beyond,
    ) -> Result<Impact<'a>, usize> {
        let mut nodes = Vec::new();
        for (place, name) in causes.into_iter().enumerate() {
            let node = self.find_any(name).ok_or(place)?;
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        Ok(self.impact_of(nodes, beyond))
    }

    fn impact_of(&self, causes: Vec<u32>, beyond: Beyond) -> Impact<'_> {
        let hard = Natures {
            hard: true,
            soft: false,
            startup: false,
        };
        let stopping = Way {
            natures: hard,
            groups_hold: true,
        };
        let mut seen = FixedBitSet::with_capacity(self.slots.len());
        for cause in &causes {
            seen.insert(*cause as usize);
        }
        let mut walk = |way| {
            let mut walk = self.fall(&causes, way);
            let new = (0..).zip(&walk.steps);
            walk.new = new
                .filter(|(_, step)| !seen.put(step.node as usize))
                .map(|(place, _)| place)
                .collect();
            walk
        };
        let stops = walk(stopping);
        let degraded = if beyond.soft {
            walk(Way {
                natures: Natures { soft: true, ..hard },
                groups_hold: false,
            })
        } else {
            Walk::default()
        };
        // What needs something softly can be started without it, so soft dependencies have no part in this.
        let stuck = if beyond.startup {
            walk(Way {
                natures: Natures {
                    startup: true,
                    ..hard
                },
                ..stopping
            })
        } else {
            Walk::default()
        };
        Impact {
            graph: self,
            causes,
            stops,
            degraded,
            stuck,
        }
    }

    /// Follows what falls, nearest first.
    fn fall(&self, causes: &[u32], way: Way) -> Walk {
        let mut fallen = FixedBitSet::with_capacity(self.slots.len());
        let mut steps = Vec::with_capacity(causes.len());
        for (place, cause) in causes.iter().enumerate() {
            fallen.insert(*cause as usize);
            steps.push(Step {
                node: *cause,
                because: place,
                distance: 0,
            });
        }
        // How many members each group has lost, by its owner and its place among the owner's groups.
        let mut lost: HashMap<(u32, usize), usize> = HashMap::new();
        let mut place = 0;
        while let Some(&Step { node, distance, .. }) = steps.get(place) {
            for link in self.needed_by.of(node) {
                let (owner, nature) = (link.node(), nature_of(link.label()));
                if !way.natures.contains(nature) || fallen.contains(owner as usize) {
                    continue;
                }
                let breaks = !is_grouped(link.label()) || !way.groups_hold || {
                    let groups = self.groups.get(&owner).map(AsRef::as_ref).unwrap_or_default();
                    let hit = (0..).zip(groups).filter(|(_, group)| {
                        group.nature == nature && group.members.binary_search(&node).is_ok()
                    });
                    hit.fold(false, |broken, (number, group)| {
                        let lost = lost.entry((owner, number)).or_default();
                        *lost += 1;
                        broken || group.members.len() - *lost < group.at_least
                    })
                };
                if breaks {
                    fallen.insert(owner as usize);
                    steps.push(Step {
                        node: owner,
                        because: place,
                        distance: distance + 1,
                    });
                }
            }
            place += 1;
        }
        Walk {
            steps,
            new: Vec::new(),
        }
    }
}

impl Impact<'_> {
    /// What the question named, once each.
    pub fn causes(&self) -> Vec<Node> {
        let shown = self.causes.iter().map(|node| self.graph.show(*node, 0));
        shown.flatten().collect()
    }

    /// How many resources are affected in this way, without the causes.
    pub fn count(&self, effect: Effect) -> usize {
        self.walk(effect).new.len()
    }

    /// How many resources are affected in any way, without the causes.
    pub fn total(&self) -> usize {
        Effect::ALL.iter().map(|effect| self.count(*effect)).sum()
    }

    /// The resources that are affected in this way, without the causes.
    pub fn ids(&self, effect: Effect) -> impl Iterator<Item = &Id> {
        let walk = self.walk(effect);
        let nodes = walk.new.iter().filter_map(|place| walk.steps.get(*place));
        nodes.filter_map(|step| self.graph.resource_id(step.node))
    }

    /// The resources among the causes.
    pub fn cause_ids(&self) -> impl Iterator<Item = &Id> {
        self.causes
            .iter()
            .filter_map(|node| self.graph.resource_id(*node))
    }

    /// What stops, as one number: see [`ImpactHash`].
    pub fn hash(&self) -> ImpactHash {
        let mut hash = ImpactHash::default();
        for id in self.ids(Effect::Stops) {
            hash.add(id);
        }
        hash
    }

    /// The affected resources: what stops, then what is degraded, then what could not be started; each nearest first; at
    /// most `limit`, and the last of them without a reason where the reasons are very long.
    pub fn affected(&self, limit: usize) -> Vec<Affected> {
        let mut left = WHY_ALL_MAX;
        let all = Effect::ALL.iter().flat_map(|effect| {
            let walk = self.walk(*effect);
            walk.new.iter().map(move |place| (*effect, walk, *place))
        });
        all.take(limit)
            .filter_map(|(effect, walk, place)| {
                let step = walk.steps.get(place)?;
                let why = self.why(walk, step, left.min(WHY_MAX));
                left -= why.len();
                Some(Affected {
                    node: self.graph.show(step.node, step.distance)?,
                    effect,
                    why,
                })
            })
            .collect()
    }

    /// The chain from a cause to what a step fell with, that included; its last `most` steps.
    fn why(&self, walk: &Walk, step: &Step, most: usize) -> Vec<String> {
        let mut chain = Vec::new();
        let mut place = step.because;
        while chain.len() < most
            && let Some(step) = walk.steps.get(place)
        {
            chain.extend(self.graph.name(step.node).map(str::to_owned));
            if step.because == place {
                break;
            }
            place = step.because;
        }
        chain.reverse();
        chain
    }

    const fn walk(&self, effect: Effect) -> &Walk {
        match effect {
            Effect::Stops => &self.stops,
            Effect::Degraded => &self.degraded,
            Effect::CannotStart => &self.stuck,
        }
    }
}
