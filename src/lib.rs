//! domesday: the register of environments and resources, and of what depends on what.
//!
//! One command walks through the house like this; each step is a room, and each room imports only what
//! ARCHITECTURE.md's table lets it import:
//!
//! ```text
//! bytes ─ Delivery ─ Envelope ─ Command ─ Decision ─ Committed ─┬─ graph, index
//!                                                               ├─ change log ─ relay ─ events
//!                                                               └─ Receipt ─ reply ─ ack
//! ```
//!
//! 1. [`broker`] hands over a delivery. 2. [`api`] asks [`wire`] to parse it into a command of the [`domain`].
//! 3. [`engine`], the only writer, takes what is waiting, and opens one transaction of the [`store`].
//! 4. The domain decides: events, or a problem. 5. The transaction commits, once for the batch.
//! 6. What was committed is applied to the graph and to [`search`]. 7. The relay publishes the change log in
//!    order. 8. The receipt becomes the reply. 9. The ack is last.

pub mod api;
pub mod app;
pub mod broker;
pub mod cli;
pub mod config;
pub mod domain;
pub mod engine;
pub mod replica;
pub mod search;
pub mod store;
pub mod telemetry;
pub mod wire;
