//! Another copy of the register for an instance that has none, or cannot go on with the one that it has: a snapshot,
//! fetched from the instance that it follows, piece by piece, and gone on with after every cut.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::letter::{SNAPSHOT_BEGIN, SNAPSHOT_CHUNK, request};
use super::{Fault, PRIMARY_KEY};
use crate::broker::{self, Client, FaultKind};
use crate::domain::Piece;
use crate::engine::{self, Part, Place};
use crate::wire;
use crate::wire::shape::{
    AnswerBody, OfferBody, PieceBody, QuestionBody, QuestionProblemBody, SnapshotBeginArgs, SnapshotChunkArgs,
};

/// How long the instance that serves has to make a snapshot, at first, and at most.
const FIRST_PATIENCE: Duration = Duration::from_secs(3);
const TO_MAKE: Duration = Duration::from_mins(2);
/// How long it has for a piece.
const TO_READ: Duration = Duration::from_secs(10);
/// How often the snapshot may go away under our hands before we give up.
const BEGINNINGS_MAX: u32 = 5;

/// Fetches a whole snapshot of the instance that serves into `part`. It waits and tries again where the broker or the
/// instance is away, for as long as the settings of the broker say, counted from the last piece.
///
/// # Errors
/// [`Fault::Broker`] where waiting is of no use any more, [`Fault::NoCopy`] where nobody gives one, [`Fault::Copy`] where
/// the disk does not let us.
pub async fn fetch(source: &broker::Config, name: &str, part: &mut Part) -> Result<(), Fault> {
    let mut backoff = source.backoff();
    loop {
        let mut progress = false;
        let fault = match session(source, name, part, &mut progress).await {
            Ok(()) => return Ok(()),
            Err(Fault::Broker(fault)) if fault.is_permanent() => return Err(fault.into()),
            Err(fault @ (Fault::Broker(_) | Fault::Damaged(_) | Fault::NotYet(_))) => fault,
            Err(fault) => return Err(fault),
        };
        if progress {
            backoff.reset();
        }
        let Some(wait) = backoff.next() else {
            return Err(fault);
        };
        tracing::warn!(
            fault = &fault as &dyn std::error::Error,
            wait_ms = wait.as_millis(),
            "the copy does not come"
        );
        tokio::time::sleep(wait).await;
    }
}

/// Fetches over one connection.
async fn session(
    source: &broker::Config,
    name: &str,
    part: &mut Part,
    progress: &mut bool,
) -> Result<(), Fault> {
    let client = Client::connect(source, &format!("{name}/copy")).await?;
    let fetched = async {
        let desk = Desk {
            client: &client,
            control: source.names()?.control(),
        };
        let mut beginnings = 0;
        let mut place = tokio::task::block_in_place(|| part.place()).map_err(copy)?;
        if let Some(place) = place.as_ref().filter(|place| place.index > 0) {
            tracing::info!(piece = place.index, "going on with the copy that is on its way");
        }
        loop {
            let mut next = match place.take() {
                Some(place) => place,
                None if beginnings == BEGINNINGS_MAX => {
                    return Err(Fault::NoCopy("the snapshot was gone again and again".to_owned()));
                }
                None => {
                    beginnings += 1;
                    tokio::task::block_in_place(|| part.clear()).map_err(copy)?;
                    desk.begin().await?
                }
            };
            while let Some(piece) = desk.piece(&next).await? {
                let put = tokio::task::block_in_place(|| part.put(&next, &piece));
                if put.map_err(|fault| damaged(fault, next.index))? {
                    return Ok(());
                }
                *progress = true;
                next.index += 1;
            }
            tracing::warn!("that snapshot is not there any more; the copy begins anew");
        }
    };
    let fetched = tokio::select! {
        fetched = fetched => fetched,
        fault = client.broken() => Err(fault.into()),
    };
    client.close().await;
    fetched
}

fn copy(fault: impl Into<engine::Fault>) -> Fault {
    Fault::Copy(fault.into())
}

/// A piece that came damaged is fetched again; what the disk says is not.
fn damaged(fault: impl Into<engine::Fault>, index: u64) -> Fault {
    match fault.into() {
        fault if fault.is_of_a_piece() => Fault::Damaged(index),
        fault => Fault::Copy(fault),
    }
}

struct Desk<'a> {
    client: &'a Client,
    control: String,
}

impl Desk<'_> {
    async fn begin(&self) -> Result<Place, Fault> {
        // A request can be lost with the session of who was asked, so it is asked again; more and more patiently, since
        // to make one takes its time.
        let mut patience = FIRST_PATIENCE;
        let offered: Option<AnswerBody<OfferBody>> = loop {
            match self
                .ask(SNAPSHOT_BEGIN, SnapshotBeginArgs { max_age: None }, patience)
                .await
            {
                Err(Fault::Broker(fault)) if fault.kind() == FaultKind::Deadline && patience < TO_MAKE => {
                    patience *= 2;
                }
                offered => break offered?,
            }
        };
        let Some(offer) = offered else {
            return Err(Fault::NoCopy("it has no register".to_owned()));
        };
        tracing::info!(
            bytes = offer.findings.bytes,
            sequence = offer.as_of.sequence,
            "a copy of the register is on its way"
        );
        Ok(Place {
            id: offer.findings.id,
            index: 0,
        })
    }

    /// A piece; `None` where the snapshot is not there any more.
    async fn piece(&self, place: &Place) -> Result<Option<Piece>, Fault> {
        let args = SnapshotChunkArgs {
            id: place.id.clone(),
            index: place.index,
        };
        let answer: Option<AnswerBody<PieceBody>> = self.ask(SNAPSHOT_CHUNK, args, TO_READ).await?;
        Ok(answer.map(|answer| answer.findings.into()))
    }

    /// Asks; `None` where what is asked for is not there.
    async fn ask<A: Serialize, T: DeserializeOwned>(
        &self,
        kind: &str,
        args: A,
        patience: Duration,
    ) -> Result<Option<T>, Fault> {
        let question = request(kind, wire::to_bytes(&QuestionBody::new(args)), patience);
        let answer = self
            .client
            .request(&self.control, PRIMARY_KEY, question, patience)
            .await?;
        if let Ok(QuestionProblemBody { problem, .. }) = wire::from_bytes(&answer.body) {
            return match problem.slug() {
                "not-found" => Ok(None),
                "unavailable" => Err(Fault::NotYet(problem.detail)),
                _ => Err(Fault::NoCopy(format!("{}: {}", problem.title, problem.detail))),
            };
        }
        match wire::from_bytes(&answer.body) {
            Ok(answer) => Ok(Some(answer)),
            Err(fault) => Err(Fault::NoCopy(super::chain(&fault))),
        }
    }
}
