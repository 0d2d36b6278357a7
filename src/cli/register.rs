//! Who is asked: a register that is served over the broker, or one that lies in a snapshot. The verbs that ask and show
//! do not know which.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::{Reach, Timestamp};
use crate::engine::Reads;
use crate::wire::shape::QuestionBody;
use crate::wire::{self, Incoming};

use super::exit::{Exit, Failure};
use super::session::{Answer, Session, read, refusal};

/// A register that answers questions.
pub enum Register {
    /// Served by an instance.
    Served(Box<Session>),
    /// In a snapshot that is open.
    Opened(Box<Reads>),
}

impl Register {
    /// Asks a question until its answer comes.
    ///
    /// # Errors
    /// The register said no, or, where it is served, the broker cannot be reached or patience ended.
    pub async fn question<A: Serialize + Sync, T: DeserializeOwned>(
        &self,
        kind: &str,
        question: &QuestionBody<A>,
    ) -> Result<Answer<T>, Failure> {
        match self {
            Self::Served(session) => session.question(kind, question).await,
            Self::Opened(reads) => ask(reads, kind, &wire::to_bytes(question)),
        }
    }

    /// Nothing more is asked.
    pub async fn close(&self) {
        if let Self::Served(session) = self {
            session.close().await;
        }
    }
}

/// Asks as if over the broker, so that the answer is the same to the letter.
fn ask<T: DeserializeOwned>(reads: &Reads, kind: &str, body: &[u8]) -> Result<Answer<T>, Failure> {
    let began = Instant::now();
    let headers = BTreeMap::new();
    let incoming = Incoming {
        kind: Some(kind),
        routing_key: kind,
        message_id: None,
        content_type: Some(wire::CONTENT_TYPE),
        user_id: None,
        expiration: None,
        headers: &headers,
        body,
        received: Timestamp::default(),
    };
    let refused = |problem: &_| refusal(&wire::shape::ProblemBody::from(problem));
    let inquiry =
        wire::parse_question(&incoming, &wire::Bounds::default()).map_err(|problem| refused(&*problem))?;
    let answer = reads
        .answer(&inquiry, &Reach::Everything)
        .map_err(|problem| refused(&*problem))?;
    let answer = answer
        .ok_or_else(|| Failure::new(Exit::Internal, format!("a snapshot has no answer to `{kind}`")))?;
    let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let body = wire::render_answer(&answer, reads.cluster(), took_us);
    let raw: Value = wire::from_bytes(&body)
        .map_err(|fault| Failure::new(Exit::Internal, format!("the answer cannot be read: {fault}")))?;
    Ok(Answer {
        body: read(&raw)?,
        raw,
    })
}
