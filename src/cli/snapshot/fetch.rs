//! Fetching a snapshot piece by piece into a file, and going on where it was left.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::PIECE_BYTES;
use crate::store::archive::Header;
use crate::wire;
use crate::wire::shape::{
    AnswerBody, OfferBody, PieceBody, ProblemBody, QuestionBody, SnapshotBeginArgs, SnapshotChunkArgs,
};

use super::super::exit::{Exit, Failure};
use super::super::session::{Order, Session, read, refusal};

/// What has come of a snapshot so far. Its first bytes say which one it is.
pub(super) struct Part {
    path: PathBuf,
    file: File,
}

/// Where to go on.
pub(super) struct Place {
    pub(super) id: String,
    pub(super) index: u64,
}

/// What an answer was.
pub(super) enum Said<T> {
    Answer(T),
    /// The snapshot is not there, or not any more.
    Gone,
}

impl Part {
    /// Takes up what an earlier run left, or begins.
    pub(super) fn open(path: PathBuf) -> Result<Self, Failure> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = opened.map_err(|error| unwritable(&path, &error))?;
        Ok(Self { path, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where to go on; `None` where there is too little to tell. The last piece that is there may be half of one, so it
    /// is fetched again.
    pub(super) fn place(&mut self) -> Result<Option<Place>, Failure> {
        let mut look = || -> io::Result<Option<Place>> {
            let bytes = self.file.metadata()?.len();
            let mut head = Vec::new();
            self.file.seek(SeekFrom::Start(0))?;
            Read::by_ref(&mut self.file)
                .take(Header::BYTES as u64)
                .read_to_end(&mut head)?;
            Ok(Header::parse(&head).map(|header| Place {
                id: header.to_string(),
                index: bytes.saturating_sub(1) / PIECE_BYTES,
            }))
        };
        look().map_err(|error| unwritable(&self.path, &error))
    }

    /// Throws away what is there.
    pub(super) fn clear(&mut self) -> Result<(), Failure> {
        self.file
            .set_len(0)
            .map_err(|error| unwritable(&self.path, &error))
    }

    pub(super) fn put(&mut self, piece: &PieceBody) -> Result<(), Failure> {
        let mut write = || {
            self.file
                .seek(SeekFrom::Start(piece.index.saturating_mul(PIECE_BYTES)))?;
            self.file.write_all(&piece.data.0)
        };
        write().map_err(|error| unwritable(&self.path, &error))
    }

    /// Sees to it that all of it is on disk, and nothing else.
    pub(super) fn finish(&mut self, bytes: u64) -> Result<(), Failure> {
        let finish = || {
            self.file.set_len(bytes)?;
            self.file.sync_all()
        };
        finish().map_err(|error| unwritable(&self.path, &error))
    }
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Data,
        format!("{} cannot be written: {error}", path.display()),
    )
    .hint("make room, or name another FILE; what has come stays in FILE.part")
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

/// Asks for a piece, and holds it against its checksum.
pub(super) async fn piece(session: &Session, place: &Place) -> Result<Said<PieceBody>, Failure> {
    let args = SnapshotChunkArgs {
        id: place.id.clone(),
        index: place.index,
    };
    let said: Said<AnswerBody<PieceBody>> = ask(session, "snapshot.chunk", &QuestionBody::new(args)).await?;
    let Said::Answer(AnswerBody { findings: piece, .. }) = said else {
        return Ok(Said::Gone);
    };
    session.touch();
    let is_last = piece.index.saturating_add(1) == piece.chunks;
    let length = u64::try_from(piece.data.0.len()).unwrap_or(u64::MAX);
    let is_right = piece.id == place.id
        && piece.index == place.index
        && blake3::hash(&piece.data.0).to_hex().as_str() == piece.checksum
        && (is_last || length == PIECE_BYTES)
        && piece.index.saturating_mul(PIECE_BYTES).saturating_add(length) <= piece.bytes;
    if is_right {
        return Ok(Said::Answer(piece));
    }
    let what = format!("piece {} of the snapshot came damaged", place.index);
    Err(Failure::new(Exit::TryAgain, what).hint("the same again goes on where this ended"))
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
