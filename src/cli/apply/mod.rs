//! `apply`: make the register say what files say.
//!
//! Everything is read first, and nothing is sent while anything is wrong. Then resources go, in batches, many at
//! the same time; then environments, whose members are registered by now. A batch keeps its message id until its
//! reply is here, over lost connections and restarts of the server, so that it is applied once.

mod chunk;
mod progress;
mod sender;
mod tally;

use std::fmt::Write as _;
use std::io;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use crate::domain::EntityType;

use super::args::{ApplyArgs, Global};
use super::exit::{Exit, Failure};
use super::manifest::{self, Manifest};
use super::output::{ALARM, FAINT, NAME, NOTICE, Output, one_line, visible};
use super::session::Session;
use super::settings::PATIENCE_OF_APPLY;
use super::would;

use chunk::{BATCH_BYTES_MAX, cut};
use progress::Progress;
use sender::Sender;
use tally::Tally;

/// Documents that a dry run sends in one transaction, so that environments see the resources before them.
const DRY_RUN_TOGETHER_MAX: usize = 1_000;

/// Reads the files and sends what they say.
///
/// # Errors
/// The broker cannot be reached, or no reply came within the patience.
pub fn run(args: &ApplyArgs, global: &Global, output: &mut Output) -> Result<Exit, Failure> {
    let mut manifest = manifest::load(&args.files, io::stdin().lock());
    if !manifest.wrong.is_empty() {
        tell_wrong(&manifest, output);
        return Ok(Exit::Data);
    }
    if manifest.definitions.is_empty() {
        let files = manifest.files.join(", ");
        return Err(Failure::new(
            Exit::Data,
            format!("there are no documents in {files}"),
        ));
    }
    let steps = steps(&mut manifest, args, output);
    let session = super::open(global, output, "apply", PATIENCE_OF_APPLY)?;
    let began = Instant::now();
    let mut tally = Tally::default();
    let ended = super::wait(send(args, &manifest, steps, &session, &mut tally, output));
    report(args, &manifest, &tally, began.elapsed(), output)?;
    match ended? {
        Exit::Ok if tally.rejected > 0 => Ok(Exit::Refused),
        exit => Ok(exit),
    }
}

/// Batches that may be on their way at the same time; each step waits for the one before.
type Step = Vec<Vec<usize>>;

fn steps(manifest: &mut Manifest, args: &ApplyArgs, output: &mut Output) -> [Step; 2] {
    let count_max = usize::from(args.batch);
    let all = &manifest.definitions;
    if args.dry_run {
        let bytes: usize = all.iter().map(|definition| definition.body.len()).sum();
        if all.len() <= DRY_RUN_TOGETHER_MAX && bytes <= BATCH_BYTES_MAX {
            let mut together: Step = cut(all, EntityType::Resource, usize::MAX, usize::MAX);
            together.extend(cut(all, EntityType::Environment, usize::MAX, usize::MAX));
            return [vec![together.concat()], Vec::new()];
        }
        if forget_members(manifest) {
            output.tell(&format!(
                "{NOTICE}note:{NOTICE:#} this is too much for one dry run: the resources of environments are not checked, nor is the graph"
            ));
        }
    }
    let all = &manifest.definitions;
    [EntityType::Resource, EntityType::Environment].map(|entity| cut(all, entity, count_max, BATCH_BYTES_MAX))
}

/// Takes the members out of environments: in a dry run of several transactions they may not be registered.
fn forget_members(manifest: &mut Manifest) -> bool {
    let mut forgot = false;
    for definition in &mut manifest.definitions {
        if definition.key.entity != EntityType::Environment {
            continue;
        }
        let Ok(mut document) = serde_json::from_str::<serde_json::Value>(&definition.body) else {
            continue;
        };
        let members = document
            .as_object_mut()
            .and_then(|fields| fields.shift_remove("resources"));
        if members.is_some() {
            definition.body = document.to_string().into_boxed_str();
            forgot = true;
        }
    }
    forgot
}

async fn send(
    args: &ApplyArgs,
    manifest: &Manifest,
    steps: [Step; 2],
    session: &Session,
    tally: &mut Tally,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let sender = Sender {
        session,
        definitions: &manifest.definitions,
        dry_run: args.dry_run,
    };
    session.client().await?;
    let mut progress = Progress::new(manifest.definitions.len(), output);
    let mut ended = Ok(Exit::Ok);
    'steps: for step in steps {
        let mut replies = stream::iter(step)
            .map(|batch| sender.send(batch))
            .buffer_unordered(usize::from(args.in_flight));
        while let Some(reply) = replies.next().await {
            match reply {
                Ok(part) => {
                    progress.advance(part.done, output);
                    tally.add(part);
                }
                Err(failure) => {
                    ended = Err(failure);
                    break 'steps;
                }
            }
        }
    }
    progress.finish();
    session.close().await;
    ended
}

fn tell_wrong(manifest: &Manifest, output: &mut Output) {
    for wrong in &manifest.wrong {
        let (what, hint) = manifest.describe(wrong);
        output.tell_error(&what, hint);
    }
    let count = manifest.wrong.len() + manifest.unlisted;
    let more = if manifest.unlisted > 0 {
        format!(", of which {} are listed", manifest.wrong.len())
    } else {
        String::new()
    };
    let mistakes = if count == 1 { "mistake" } else { "mistakes" };
    output.tell(&format!(
        "{ALARM}{count} {mistakes}{ALARM:#}{more}; nothing was sent"
    ));
}

fn report(
    args: &ApplyArgs,
    manifest: &Manifest,
    tally: &Tally,
    took: Duration,
    output: &mut Output,
) -> Result<(), Failure> {
    if args.json {
        return output.print(&tally.to_json(manifest, took, args.dry_run).to_string());
    }
    for rejection in &tally.rejections {
        let place = manifest.locate(rejection.place);
        let pointer = if rejection.pointer.is_empty() {
            String::new()
        } else {
            format!("{}: ", rejection.pointer)
        };
        let what = format!("{place}: {}: {pointer}{}", rejection.key, rejection.detail);
        output.tell_error(&visible(&what), &rejection.hint);
    }
    if tally.done == 0 {
        return Ok(());
    }
    let mut text = String::new();
    for (kind, id) in &tally.events {
        let _ = writeln!(
            text,
            "{FAINT}would:{FAINT:#} {:<20} {NAME}{}{NAME:#}",
            one_line(kind),
            one_line(id)
        );
    }
    text.push_str(&would::lines(tally.graph(), None));
    text.push_str(&tally.summary(manifest.definitions.len(), took, args.dry_run));
    output.print(&text)
}
