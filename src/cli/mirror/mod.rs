//! `mirror`: a copy of the register on disk, which follows it and proves itself.
//!
//! A message walks like this: `heard` reads it, `copy` decides what it means, `folder` does that to files, and
//! `hook` runs what the user wants to be run. Live events come through a queue of their own, which lets go of the
//! oldest when we are slow; a sync comes through another, which makes the sender wait. So nothing that we do or fail to
//! do can hold up the register, and nothing of a sync is lost.

mod copy;
mod folder;
mod heard;
mod hook;
mod names;
mod report;
pub(super) mod take;
#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::broker::{self, Client, Consumer, Delivery, Message};
use crate::wire;
use crate::wire::shape::{CursorBody, ProblemBody, QuestionBody, SyncArgs};

use super::args::MirrorArgs;
use super::exit::{Exit, Failure};
use super::output::{Output, one_line};
use super::session::{Session, failure, refusal, waits};
use copy::{Copy, News, Step, Why};
use folder::{Fault, Folder};
use heard::Heard;
use hook::Hook;
use report::Report;

/// How long a sync may be silent before it is asked for again; a question older than that is not answered.
const SILENCE: Duration = Duration::from_secs(15);
/// How often the cursor is written while events come.
const SAVE_EVERY: Duration = Duration::from_millis(250);

/// Keeps the copy until it is told to stop, or, with `--once`, until it is proved.
///
/// # Errors
/// The folder cannot be used, the broker cannot be reached, or the copy differs again after a repair.
pub async fn run(args: &MirrorArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let (folder, found) = Folder::open(&args.directory).map_err(|fault| unusable(&fault))?;
    let mut mirror = Mirror {
        once: args.once,
        session,
        folder,
        copy: Copy::new(found.held, found.cursor),
        hook: args.exec.as_ref().map(|command| Hook {
            command: command.clone(),
            limit: args.exec_timeout,
        }),
        report: Report::new(output),
        output,
        unsaved: false,
        asking: true,
        busy: false,
    };
    let ended = tokio::select! {
        ended = mirror.keep() => Some(ended),
        () = stopped() => None,
    };
    mirror.report.finish();
    // A message that was half taken in when we were stopped comes again: the cursor on disk is from before it.
    if !mirror.busy {
        mirror.save()?;
    }
    match ended {
        Some(ended) => {
            session.close().await;
            ended
        }
        None if args.once => Ok(Exit::Interrupted),
        None => Ok(Exit::Ok),
    }
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own, and all combinations occur"
)]
struct Mirror<'a> {
    once: bool,
    session: &'a Session,
    folder: Folder,
    copy: Copy,
    hook: Option<Hook>,
    report: Report,
    output: &'a mut Output,
    /// Whether the copy is further than the cursor on disk says.
    unsaved: bool,
    /// Whether a sync is wanted and not yet asked for.
    asking: bool,
    /// Whether a message is being taken in: the copy is then further than the files are.
    busy: bool,
}

/// Why following came to an end.
enum End {
    /// There is no more to do.
    Done,
    /// The connection broke.
    Broken,
}

impl Mirror<'_> {
    async fn keep(&mut self) -> Result<Exit, Failure> {
        let mut is_first = true;
        loop {
            self.session.touch();
            let (client, generation) = self.session.client().await?;
            match self.follow(&client, is_first).await? {
                End::Done => return Ok(Exit::Ok),
                End::Broken => self.report.notice("the connection broke", self.output),
            }
            is_first = false;
            self.asking = true;
            self.save()?;
            drop(client);
            self.session.drop_client(generation).await;
        }
    }

    async fn follow(&mut self, client: &Arc<Client>, is_first: bool) -> Result<End, Failure> {
        // Bound before the sync is asked for: what happens in between comes both ways, and nothing falls through.
        let mut live = if self.once {
            None
        } else {
            let events = self.session.names().events();
            match client.subscribe(&events, &["#".to_owned()]).await {
                Ok(consumer) => Some(consumer),
                Err(fault) => return broken(&fault, is_first),
            }
        };
        let mut inbox: Option<Consumer> = None;
        let mut silence = Instant::now() + SILENCE;
        let mut waits = waits();
        let mut tick = tokio::time::interval(SAVE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.asking {
                drop(inbox.take());
                inbox = match self.ask(client).await {
                    Ok(consumer) => Some(consumer),
                    Err(fault) => return broken(&fault, is_first),
                };
                self.asking = false;
                silence = Instant::now() + SILENCE;
            }
            let mut heard_of = false;
            let delivery = tokio::select! {
                biased;
                _ = tick.tick(), if self.unsaved => {
                    self.save()?;
                    continue;
                }
                delivery = next(&mut inbox), if inbox.is_some() => {
                    heard_of = true;
                    delivery
                }
                delivery = next(&mut live), if live.is_some() => delivery,
                () = tokio::time::sleep_until(silence), if inbox.is_some() => {
                    self.silent()?;
                    continue;
                }
            };
            let Some(delivery) = delivery else {
                return Ok(End::Broken);
            };
            let heard = self.read(&delivery.message);
            // What is acknowledged and not yet on disk is asked for again after a crash: the cursor says from where.
            drop(delivery.ack().await);
            if let Heard::Refused(problem) = &heard {
                refused(problem, self.session)?;
                let wait = waits.next().unwrap_or(SILENCE);
                tokio::time::sleep(wait).await;
                self.asking = true;
                continue;
            }
            self.session.touch();
            let done = self.hear(heard).await?;
            if heard_of {
                silence = Instant::now() + SILENCE;
            }
            if done {
                inbox = None;
                if self.once {
                    return Ok(End::Done);
                }
            }
        }
    }

    /// Asks for a sync, through a queue that is new each time: what an earlier sync still sends finds nobody.
    async fn ask(&mut self, client: &Client) -> Result<Consumer, broker::Fault> {
        self.copy.ask();
        ask(self.session, client, self.copy.cursor()).await
    }

    fn silent(&mut self) -> Result<(), Failure> {
        unanswered(self.session)?;
        self.report.notice("no server answers; asking again", self.output);
        self.asking = true;
        Ok(())
    }

    /// What cannot be read is passed over: if it mattered, a hole or the digest will say so.
    fn read(&mut self, message: &Message) -> Heard {
        Heard::read(message).unwrap_or_else(|fault| {
            let kind = message.kind.as_deref().unwrap_or("without a type");
            let why = fault.source().map(ToString::to_string).unwrap_or_default();
            let what = format!("a message {kind} cannot be read and is passed over: {why}");
            self.report.notice(&one_line(&what), self.output);
            Heard::Other
        })
    }

    /// Takes one message in; says whether a sync came to its end with it.
    async fn hear(&mut self, heard: Heard) -> Result<bool, Failure> {
        self.busy = true;
        let (mut steps, mut news) = (Vec::new(), Vec::new());
        self.copy.hear(heard, &mut steps, &mut news);
        // Before the first file changes, the cursor goes: half a sync has none.
        if let Some(News::Began { full: true, .. }) = news.first() {
            self.save()?;
        }
        self.report.advance();
        self.unsaved = true;
        for step in steps {
            match self.folder.apply(&step) {
                Ok(true) => self.changed(&step).await,
                Ok(false) => {}
                Err(Fault::Damaged(key)) => {
                    news = vec![self.copy.damaged(&key)];
                    break;
                }
                Err(fault) => return Err(unusable(&fault)),
            }
        }
        self.busy = false;
        let mut done = false;
        for news in news {
            done |= self.act(news)?;
        }
        Ok(done)
    }

    fn act(&mut self, news: News) -> Result<bool, Failure> {
        match news {
            News::Began {
                full,
                count,
                sequence,
            } => self.report.began(full, count, sequence, self.output),
            News::Following => return Ok(true),
            News::Proved { sequence } => {
                // The files first, then the cursor, and only then the word.
                self.save()?;
                self.report.proved(sequence, self.copy.len(), self.output);
            }
            News::Ask(why) => {
                let what = match why {
                    Why::Hole => "events were missed; resuming",
                    Why::Elsewhere => "the register is in another epoch; syncing",
                    Why::Differs => "the copy differs from the register; repairing it",
                    Why::Damaged => "a file was changed by others; repairing it",
                };
                self.report.notice(what, self.output);
                self.asking = true;
            }
            News::Hopeless { sequence } => {
                self.save()?;
                let what = format!(
                    "the copy differs from the register as of sequence {sequence}, and a repair did not help: its digest is {}",
                    self.copy.digest()
                );
                return Err(Failure::new(Exit::Refused, what).hint(
                    "delete the directory to begin anew; if it comes again, this is a fault worth reporting",
                ));
            }
        }
        Ok(false)
    }

    async fn changed(&mut self, step: &Step) {
        let Some(hook) = &self.hook else { return };
        let file = self.folder.path(&step.key);
        if let Some(wrong) = hook.run(step, &file).await {
            let what = format!("--exec for {} {}: {wrong}", step.kind, step.key);
            self.report.notice(&what, self.output);
        }
    }

    fn save(&mut self) -> Result<(), Failure> {
        self.unsaved = false;
        self.folder
            .save(self.copy.cursor())
            .map_err(|fault| unusable(&fault))
    }
}

/// Asks for a sync from a position on, through a queue that is new each time.
async fn ask(
    session: &Session,
    client: &Client,
    cursor: Option<&CursorBody>,
) -> Result<Consumer, broker::Fault> {
    let inbox = client.inbox().await?;
    let question = QuestionBody::new(SyncArgs {
        filter: None,
        cursor: cursor.cloned(),
    });
    let id = uuid::Uuid::now_v7().to_string();
    let message = Message {
        body: wire::to_bytes(&question),
        kind: Some("sync".to_owned()),
        message_id: Some(id.clone()),
        correlation_id: Some(id),
        reply_to: Some(inbox.queue().to_owned()),
        content_type: Some(wire::CONTENT_TYPE.to_owned()),
        expiration: Some(SILENCE.as_millis().to_string()),
        app_id: Some(concat!("domesday/", env!("CARGO_PKG_VERSION")).to_owned()),
        ..Message::default()
    };
    let exchange = session.names().questions();
    client.publish(&exchange, "sync", &message, SILENCE).await?;
    Ok(inbox)
}

/// What to do when no server answers in time: ask again, until patience ends.
fn unanswered(session: &Session) -> Result<(), Failure> {
    if session.left().is_zero() {
        return Err(
            Failure::new(Exit::TryAgain, "no server answers the question `sync`")
                .hint("is a server running in this namespace? --timeout waits longer"),
        );
    }
    Ok(())
}

/// What to do when the question is refused: a server that is busy now is asked again.
fn refused(problem: &ProblemBody, session: &Session) -> Result<(), Failure> {
    if problem.slug() != "unavailable" || session.left().is_zero() {
        return Err(refusal(problem));
    }
    Ok(())
}

async fn next(consumer: &mut Option<Consumer>) -> Option<Delivery> {
    match consumer {
        Some(consumer) => consumer.next().await?.ok(),
        None => None,
    }
}

/// What failed at the first try is told; later it may come back.
fn broken(fault: &broker::Fault, is_first: bool) -> Result<End, Failure> {
    if is_first || fault.is_permanent() {
        return Err(failure(fault));
    }
    Ok(End::Broken)
}

fn unusable(fault: &Fault) -> Failure {
    let mut what = fault.to_string();
    if let Some(cause) = fault.source() {
        what = format!("{what}: {cause}");
    }
    match fault {
        Fault::InUse(_) => Failure::new(Exit::TryAgain, what),
        Fault::Io { .. } | Fault::Damaged(_) => Failure::new(Exit::Data, what),
    }
}

/// Ctrl-C, or the signal of a supervisor.
async fn stopped() {
    #[cfg(unix)]
    {
        let kind = tokio::signal::unix::SignalKind::terminate();
        if let Ok(mut terminate) = tokio::signal::unix::signal(kind) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    drop(tokio::signal::ctrl_c().await);
}
