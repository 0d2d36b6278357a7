//! What stops, and in which order: from the domain to the shapes.

use crate::domain::{Affected, Broken, Effect, HitEnvironment, Id, ImpactFindings, Order, Outside};
use crate::wire::shape::{
    AffectedBody, EdgeBody, EffectCounts, EffectWord, EntrypointDocument, HitEnvironmentBody, ImpactBody,
    NatureWord, NodeBody, OrderBody, OutsideBody,
};

use super::answer::{count, name_of, nodes};

impl From<&ImpactFindings> for ImpactBody {
    fn from(findings: &ImpactFindings) -> Self {
        let ImpactFindings {
            causes,
            affected,
            counts: [stops, degraded, cannot_start],
            environments,
            environments_total,
            hash,
        } = findings;
        Self {
            causes: nodes(causes),
            affected: affected.iter().map(AffectedBody::from).collect(),
            counts: EffectCounts {
                stops: count(*stops),
                degraded: count(*degraded),
                cannot_start: count(*cannot_start),
            },
            environments: environments.iter().map(HitEnvironmentBody::from).collect(),
            environments_total: count(*environments_total),
            hash: hash.to_string(),
        }
    }
}

impl From<&Affected> for AffectedBody {
    fn from(affected: &Affected) -> Self {
        let Affected { node, effect, why } = affected;
        Self {
            node: NodeBody::from(node),
            effect: EffectWord::from(*effect),
            why: why.clone(),
        }
    }
}

impl From<Effect> for EffectWord {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Stops => Self::Stops,
            Effect::Degraded => Self::Degraded,
            Effect::CannotStart => Self::CannotStart,
        }
    }
}

impl From<&HitEnvironment> for HitEnvironmentBody {
    fn from(hit: &HitEnvironment) -> Self {
        let HitEnvironment {
            id,
            name,
            stops,
            weakened,
            resources,
            entrypoints,
        } = hit;
        Self {
            id: id.to_string(),
            name: name.clone(),
            stops: count(*stops),
            weakened: count(*weakened),
            resources: count(*resources),
            entrypoints: entrypoints.iter().map(EntrypointDocument::from).collect(),
        }
    }
}

impl From<&Order> for OrderBody {
    fn from(order: &Order) -> Self {
        // How many resources there are is the total of the answer, and that it is cut is its `truncated`.
        let Order {
            waves,
            wave_count,
            resources: _,
            critical_path,
            cycles,
            cycles_total,
            broken,
            broken_total,
            outside,
            outside_total,
            is_cut: _,
        } = order;
        let all = |sets: &[Vec<_>]| sets.iter().map(|set| nodes(set)).collect();
        Self {
            waves: all(waves),
            wave_count: count(*wave_count),
            critical_path: nodes(critical_path),
            cycles: all(cycles),
            cycles_total: count(*cycles_total),
            broken: broken.iter().map(EdgeBody::from).collect(),
            broken_total: count(*broken_total),
            outside: outside.iter().map(OutsideBody::from).collect(),
            outside_total: count(*outside_total),
        }
    }
}

impl From<&Broken> for EdgeBody {
    fn from(broken: &Broken) -> Self {
        let Broken {
            from,
            to,
            nature,
            grouped,
        } = broken;
        let (from, _) = name_of(from);
        let (to, external) = name_of(to);
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            nature: NatureWord::from(*nature),
            external,
            group: *grouped,
        }
    }
}

impl From<&Outside> for OutsideBody {
    fn from(outside: &Outside) -> Self {
        let Outside {
            node,
            resources,
            total,
        } = outside;
        Self {
            node: NodeBody::from(node),
            resources: resources.iter().map(Id::to_string).collect(),
            resources_total: count(*total),
        }
    }
}
