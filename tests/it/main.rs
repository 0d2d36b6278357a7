//! The one integration-test crate: the real thing against a real broker.

// A test may stop at the first surprise.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod access;
mod blocked;
mod broker;
mod broker_client;
mod broker_loss;
mod change_queues;
mod cli_apply;
mod cli_verbs;
mod clients;
mod commands;
mod crash;
mod data_directory;
mod dead;
mod dead_letters;
mod drain;
mod drill;
mod events;
mod expectations;
// A release build has no points to fail at.
#[cfg(debug_assertions)]
mod failures;
mod faults;
// A release build has no points to fail at.
#[cfg(debug_assertions)]
mod faults_of_both;
mod graph;
mod graph_news;
mod harness;
mod history;
mod hostile;
mod idempotency;
mod impact;
mod least_privilege;
mod mirror;
mod problems;
mod promotion;
mod refused_questions;
mod report;
mod search;
mod secondary;
mod seeding;
#[cfg(target_os = "linux")]
mod skew;
mod snapshot_problems;
mod snapshots;
mod standing_by;
mod subscribe;
mod sync;
mod tls;
mod topology;
mod violations;
