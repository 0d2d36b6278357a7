//! The decision and the view, against models that are too simple to be wrong.

mod access;
mod compare;
mod decide;
mod impact;
mod naive;
mod overlay;
mod state;

pub(crate) use state::State;

use super::{Access, Limits, Rules, Warrant};

/// Whoever may do everything.
pub(crate) const EVERYBODY: Warrant<'static> = Warrant::new(&Access::Open, "");

/// Few of everything, so that limits are met.
pub(crate) fn tight_rules() -> Rules {
    Rules {
        limits: Limits {
            tags_max: 2,
            dependencies_max: 3,
            members_max: 3,
            batch_commands_max: 4,
            ..Limits::default()
        },
        tombstone_ms: 60_000,
    }
}
