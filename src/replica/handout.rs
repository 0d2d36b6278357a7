//! Handing out a copy of the register: a snapshot, to an instance that needs one. The questions for it are those of
//! clients; but here the instance that serves answers all of them, and not one after the other of those that could.

use std::sync::Arc;
use std::time::Instant;

use super::letter::Letter;
use super::{Fault, Replica};
use crate::broker::Message;
use crate::wire;

impl Replica {
    /// Answers what is asked about a snapshot; `None` for any other letter. To make one takes seconds for a large register.
    pub(super) async fn hand_out(&self, asked: &Letter) -> Result<Option<Message>, Fault> {
        let (began, now) = (Instant::now(), (self.clock)());
        let shelf = Arc::clone(self.engine.shelf());
        let answered = match asked {
            Letter::SnapshotBegin => tokio::task::spawn_blocking(move || shelf.begin(now, 0)).await?,
            Letter::SnapshotChunk(args) => {
                let (id, index) = (args.id.clone(), args.index);
                tokio::task::spawn_blocking(move || shelf.chunk(&id, index)).await?
            }
            _ => return Ok(None),
        };
        let cluster = self.engine.reads().cluster();
        let body = match answered {
            Ok(answer) => {
                let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                wire::render_answer(&answer, cluster, took_us)
            }
            Err(problem) => {
                wire::render_question_problem(&problem, *self.engine.committed().borrow(), cluster)
            }
        };
        Ok(Some(Message {
            kind: Some("reply".to_owned()),
            body,
            content_type: Some(wire::CONTENT_TYPE.to_owned()),
            ..Message::default()
        }))
    }
}
