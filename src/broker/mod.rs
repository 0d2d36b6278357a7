//! The `broker` room: bytes in, bytes out: AMQP connection, topology, consume, publish with confirms.
//!
//! A message's way through it: [`Session::open`] connects twice, once to publish and once to consume, and
//! declares the exchanges and queues. A [`Consumer`] hands over each [`Delivery`], a [`Message`] with where it
//! came from. When the work for it is done and the [`Publisher`]'s [`Confirmation`]s are there, the delivery is
//! acknowledged; if nobody can be answered for it, [`Publisher::park`] moves it to the dead letters.
//! When anything fails, [`Session::broken`] says so, and the owner opens a new session after the next wait of a
//! [`Backoff`]; what was not acknowledged comes again. [`Client`] is the other side: requests and replies.
//! What a connection is made with, the URL and the certificates, is read from its files each time; when they change,
//! [`Session::successor`] gives a session that is made with the new ones.
//!
//! Nothing here knows a command or an event, and nothing outside this room names lapin.

mod access;
mod backoff;
mod certificate;
mod change_log;
mod client;
mod config;
mod connection;
mod consumer;
mod dial;
mod expiry;
mod fault;
mod lease;
mod message;
mod park;
mod publisher;
mod renewal;
mod session;
mod subscribe;
mod tls;
mod topology;

pub use backoff::Backoff;
pub use certificate::{Certificate, Certificates};
pub use change_log::ChangeLog;
pub use client::Client;
pub use config::{Config, Names, redacted};
pub use consumer::{Consumer, Delivery, StreamOffset};
pub use fault::{Fault, FaultKind, PublishFault};
pub use lease::Lease;
pub use message::{Header, Message};
pub use park::{NotParked, Origin};
pub use publisher::{Confirmation, Publisher, confirmed_in_order};
pub use session::Session;
pub use tls::Tls;
pub use topology::{CHANGES_KEY, Purpose};
