//! What the integration tests stand on.

pub(crate) mod broker;
pub(crate) mod bulk;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod dice;
pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod register;
pub(crate) mod schedule;
pub(crate) mod schemas;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod witness;
pub(crate) mod writers;

use std::time::Duration;

/// The deadline of everything that should happen at once, on a machine that is busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(30);
