//! `status`, `promote`, `switch-over` and `secondary reseed` and `drill`: the instances of a namespace, and their changing places.

pub mod args;
mod order;
mod roll;
mod status;

pub use order::{drill, promote, reseed, switch_over};
pub use status::status;
