//! The store as a whole: what it refuses to open, and what is left of it when the power goes.

mod crash;
mod disk;
mod open;
pub(super) mod story;
