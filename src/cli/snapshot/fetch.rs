//! Asking for a snapshot, piece by piece.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::Piece;
use crate::store::archive::Place;
use crate::wire;
use crate::wire::shape::{
    AnswerBody, OfferBody, PieceBody, ProblemBody, QuestionBody, SnapshotBeginArgs, SnapshotChunkArgs,
};

use super::super::exit::Failure;
use super::super::session::{Order, Session, read, refusal};

/// What an answer was.
pub(super) enum Said<T> {
    Answer(T),
    /// The snapshot is not there, or not any more.
    Gone,
}

/// Asks for a snapshot.
pub(super) async fn begin(session: &Session, max_age: Option<String>) -> Result<Place, Failure> {
    let question = QuestionBody::new(SnapshotBeginArgs { max_age });
    let answer = session
        .question::<_, AnswerBody<OfferBody>>("snapshot.begin", &question)
        .await?;
    session.touch();
    let id = answer.body.findings.id;
    Ok(Place { id, index: 0 })
}

/// Asks for a piece.
pub(super) async fn piece(session: &Session, place: &Place) -> Result<Said<Piece>, Failure> {
    let args = SnapshotChunkArgs {
        id: place.id.clone(),
        index: place.index,
    };
    let said: Said<AnswerBody<PieceBody>> = ask(session, "snapshot.chunk", &QuestionBody::new(args)).await?;
    let Said::Answer(AnswerBody { findings: piece, .. }) = said else {
        return Ok(Said::Gone);
    };
    session.touch();
    Ok(Said::Answer(piece.into()))
}

async fn ask<A: Serialize, T: DeserializeOwned>(
    session: &Session,
    kind: &str,
    question: &QuestionBody<A>,
) -> Result<Said<T>, Failure> {
    let order = Order::new(kind, wire::to_bytes(question));
    let raw = session.ask_again(&order).await?;
    let Some(problem) = raw.get("problem") else {
        return Ok(Said::Answer(read(&raw)?));
    };
    let problem: ProblemBody = read(problem)?;
    if problem.slug() == "not-found" {
        return Ok(Said::Gone);
    }
    Err(refusal(&problem))
}
