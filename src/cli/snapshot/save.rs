//! `snapshot save`: a snapshot of a running server, fetched over the broker, proved, and only then named.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::store::archive::{Archive, Part, Place, UNFINISHED};

use super::super::exit::{Exit, Failure};
use super::super::output::Output;
use super::super::session::Session;
use super::args::SaveArgs;
use super::fetch::{Said, begin, piece};
use super::{failure, size, unwritable, what};

/// How often a snapshot may go away under our hands before we give up.
const BEGINNINGS_MAX: u32 = 5;
/// How often a piece is asked for: several instances answer in turn, and one of them has it.
const ASKED_MAX: u32 = 10;
/// The time between two lines in a log.
const EVERY: Duration = Duration::from_secs(10);

/// Saves a snapshot. It goes on with what an earlier run left in FILE.part, as long as the server has that snapshot.
///
/// # Errors
/// The broker or the server cannot be reached, the file cannot be written, or what came is damaged.
pub async fn save(args: &SaveArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let mut part = Part::open(beside(&args.file)).map_err(|fault| failure(&fault))?;
    let mut place = part.place().map_err(|fault| failure(&fault))?;
    if let Some(place) = &place
        && place.index > 0
    {
        output.tell(&format!(
            "going on with {} at piece {}",
            part.path().display(),
            place.index
        ));
    }
    let max_age = args.max_age.map(|age| format!("{}ms", age.as_millis()));
    for _ in 0..BEGINNINGS_MAX {
        let from = if let Some(place) = place.take() {
            place
        } else {
            part.clear().map_err(|fault| failure(&fault))?;
            begin(session, max_age.clone()).await?
        };
        match fetch(from, &mut part, session, output).await? {
            Said::Answer(()) => {
                session.close().await;
                return finish(&args.file, &part, output).await;
            }
            Said::Gone => output.tell("the server does not have that snapshot any more: beginning a new one"),
        }
    }
    Err(Failure::new(
        Exit::TryAgain,
        "the server let go of the snapshot again and again, before all of it was fetched",
    ))
}

fn beside(file: &Path) -> PathBuf {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

/// Fetches the pieces from a place on.
async fn fetch(
    mut place: Place,
    part: &mut Part,
    session: &Session,
    output: &mut Output,
) -> Result<Said<()>, Failure> {
    let mut progress = Progress::new(output);
    let mut asked = 0;
    loop {
        let Said::Answer(piece) = piece(session, &place).await? else {
            asked += 1;
            if asked < ASKED_MAX {
                continue;
            }
            return Ok(Said::Gone);
        };
        asked = 0;
        let is_last = part.put(&place, &piece).map_err(|fault| failure(&fault))?;
        place.index += 1;
        progress.at(place.index, piece.chunks, output);
        if is_last {
            return Ok(Said::Answer(()));
        }
    }
}

/// Proves what came, and gives it its name. What is damaged does not stay: going on with it would be of no use.
async fn finish(file: &Path, part: &Part, output: &mut Output) -> Result<Exit, Failure> {
    let path = part.path().to_owned();
    let proved = tokio::task::spawn_blocking(move || {
        let archive = Archive::open(&path)?;
        archive.verify()?;
        Ok(archive)
    });
    let proved = proved
        .await
        .map_err(|error| Failure::new(Exit::Internal, format!("it was not proved: {error}")))?;
    let archive = match proved {
        Ok(archive) => archive,
        Err(fault) => {
            // The next run begins anew, whether it is gone or not.
            let _ = fs::remove_file(part.path());
            return Err(failure(&fault));
        }
    };
    fs::rename(part.path(), file).map_err(|error| unwritable(file, &error))?;
    output.print(&format!("{}: {}, proved\n", file.display(), what(&archive)))?;
    Ok(Exit::Ok)
}

/// How far it has come: a bar for a person who watches, a line now and then for a log.
struct Progress {
    bar: ProgressBar,
    told: Instant,
}

impl Progress {
    fn new(output: &Output) -> Self {
        let target = if output.is_watched() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} MiB  {per_sec}  {eta} left ")
        {
            bar.set_style(style);
        }
        Self {
            bar,
            told: Instant::now(),
        }
    }

    fn at(&mut self, index: u64, chunks: u64, output: &mut Output) {
        self.bar.set_length(chunks);
        self.bar.set_position(index);
        if index >= chunks {
            self.bar.finish_and_clear();
        } else if !output.is_watched() && self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            let of = |pieces: u64| size(pieces.saturating_mul(crate::domain::PIECE_BYTES));
            output.tell(&format!("{} of {}", of(index), of(chunks)));
        }
    }
}
