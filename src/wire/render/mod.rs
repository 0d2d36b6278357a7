//! Rendering what the register says: replies, answers, events.

mod answer;
mod document;
mod event;
mod found;
mod graph;
mod history;
mod news;
mod reply;
mod subscription;
mod sync;
mod text;

pub use answer::{render_answer, render_question_problem};
pub use document::document_to_json;
pub use event::{
    CC_ENVIRONMENTS_MAX, Outgoing, render_bookmark, render_diverged, render_drilled, render_epoch_started,
    render_event, render_transaction,
};
pub use news::render_news;
pub use reply::{render_problem_reply, render_reply};
pub use subscription::{Subscription, render_subscribed};
pub use sync::{QueueMessage, SyncOf};
pub use text::{format_duration, format_time};

#[cfg(test)]
mod tests;
