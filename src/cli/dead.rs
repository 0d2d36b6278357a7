//! `dead`: the messages that nobody could be answered for: looked at, sent again, or thrown away.
//!
//! To look at a queue is to consume from it and to acknowledge nothing: what was not acknowledged goes back to its place
//! when the consumer is gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::broker::{Client, Consumer, Delivery, Header, Message, Origin};

use super::confirm::confirm;
use super::exit::{Exit, Failure};
use super::output::{FAINT, NAME, Output, one_line};
use super::session::{Session, failure};
use super::table::table;

/// How long the broker may take to hand over a message that it has.
const DELIVERY: Duration = Duration::from_secs(3);
/// How long it may take to take one back.
const CONFIRM: Duration = Duration::from_secs(30);

/// Of `dead`.
#[derive(Debug, Subcommand)]
pub enum DeadAction {
    /// List the oldest of them, and leave them where they are
    List {
        /// How many to look at
        #[command(flatten)]
        look: LookArgs,
        /// Print one JSON object on each line
        #[arg(long)]
        json: bool,
    },
    /// Show one with its properties, headers and body
    Show {
        /// Its message id, or its number in the list
        #[arg(value_name = "ID")]
        id: String,
        /// How many to look at
        #[command(flatten)]
        look: LookArgs,
    },
    /// Send them again to where they came from, and take them out
    Retry {
        /// Which
        #[command(flatten)]
        which: WhichArgs,
        /// Under new message ids: a command that was refused gets the same answer under its old one
        #[arg(long)]
        as_new: bool,
    },
    /// Throw them away
    Drop {
        /// Which
        #[command(flatten)]
        which: WhichArgs,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// How far to look.
#[derive(Debug, Clone, Copy, Args)]
pub struct LookArgs {
    /// How many to look at, the oldest first
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..=10_000)
    )]
    pub limit: u16,
}

/// Which of the dead letters.
#[derive(Debug, Clone, Args)]
pub struct WhichArgs {
    /// Message ids, or numbers in the list
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub ids: Vec<String>,
    /// All that are there now
    #[arg(long)]
    pub all: bool,
    /// How far to look
    #[command(flatten)]
    pub look: LookArgs,
}

/// Does one thing with the dead letters.
///
/// # Errors
/// The broker cannot be reached, or there is no such letter.
pub async fn run(action: &DeadAction, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let (client, _) = session.client().await?;
    let queue = session.names().dead();
    let desk = Desk { client, queue };
    match action {
        DeadAction::List { look, json } => desk.list(*look, *json, output).await,
        DeadAction::Show { id, look } => desk.show(id, *look, output).await,
        DeadAction::Retry { which, as_new } => {
            let fate = Fate::Retry { as_new: *as_new };
            desk.settle(which, fate, output).await
        }
        DeadAction::Drop { which, yes } => {
            if !yes {
                let what = if which.all {
                    "all dead letters".to_owned()
                } else {
                    which.ids.join(", ")
                };
                let question = format!("Throw away {}? They cannot be had back.", one_line(&what));
                confirm(&question, "nothing was thrown away", output)?;
            }
            desk.settle(which, Fate::Drop, output).await
        }
    }
}

struct Desk {
    client: Arc<Client>,
    queue: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Retry { as_new: bool },
    Drop,
}

impl Desk {
    /// How many there are, and a consumer that gets at most `most` of them at a time.
    async fn open(&self, most: u16) -> Result<(usize, Consumer), Failure> {
        let waiting = self.client.waiting(&self.queue).await;
        let total = waiting.map_err(|fault| failure(&fault))?;
        let consumer = self.client.consume(&self.queue, most).await;
        let consumer = consumer.map_err(|fault| failure(&fault))?;
        Ok((usize::try_from(total).unwrap_or(usize::MAX), consumer))
    }

    /// The oldest letters, which go back when they are dropped with the consumer; and how many there are in all.
    async fn look(&self, look: LookArgs) -> Result<(Vec<Delivery>, usize, Consumer), Failure> {
        let (total, mut consumer) = self.open(look.limit).await?;
        let mut letters = Vec::new();
        while letters.len() < total.min(usize::from(look.limit)) {
            match next(&mut consumer).await? {
                Some(letter) => letters.push(letter),
                None => break,
            }
        }
        Ok((letters, total, consumer))
    }

    async fn list(&self, look: LookArgs, as_json: bool, output: &mut Output) -> Result<Exit, Failure> {
        let (letters, total, _consumer) = self.look(look).await?;
        if as_json {
            for (i, letter) in letters.iter().enumerate() {
                output.print(&summary(i + 1, letter).to_string())?;
            }
            return Ok(Exit::Ok);
        }
        if !letters.is_empty() {
            let rows = letters.iter().enumerate().map(|(i, letter)| row(i + 1, letter));
            let header = ["NO", "AGE", "TYPE", "MESSAGE ID", "FROM QUEUE", "BYTES", "REASON"];
            output.print(&table(header, rows, output.width()))?;
        }
        let shown = letters.len();
        let count = match total {
            0 => "no dead letters".to_owned(),
            1 => "1 dead letter".to_owned(),
            _ if shown < total => format!("the oldest {shown} of {total} dead letters; --limit shows more"),
            _ => format!("{total} dead letters"),
        };
        output.tell(&format!("{FAINT}{count}{FAINT:#}"));
        Ok(Exit::Ok)
    }

    async fn show(&self, id: &str, look: LookArgs, output: &mut Output) -> Result<Exit, Failure> {
        let (letters, total, _consumer) = self.look(look).await?;
        let found = letters
            .iter()
            .enumerate()
            .find(|(i, letter)| names(id, i + 1, letter));
        let Some((i, letter)) = found else {
            return Err(absent(id, letters.len(), total));
        };
        output.print(&page(i + 1, letter))?;
        Ok(Exit::Ok)
    }

    /// Sends letters again, or throws them away: all that are there now, or those that were named.
    async fn settle(&self, which: &WhichArgs, fate: Fate, output: &mut Output) -> Result<Exit, Failure> {
        let (total, mut consumer) = self.open(which.look.limit).await?;
        let most = if which.all {
            total
        } else {
            total.min(usize::from(which.look.limit))
        };
        let mut wanted: BTreeSet<&str> = which.ids.iter().map(String::as_str).collect();
        // Those that are not meant stay with us until the end, so that they do not come again.
        let mut others = Vec::new();
        let (mut done, mut failed) = (0_u64, 0_u64);
        for number in 1..=most {
            if !which.all && wanted.is_empty() {
                break;
            }
            let Some(letter) = next(&mut consumer).await? else {
                break;
            };
            let named = wanted.iter().find(|id| names(id, number, &letter)).copied();
            if !which.all && named.is_none() {
                others.push(letter);
                continue;
            }
            if let Some(id) = named {
                wanted.remove(id);
            }
            let what = describe(number, &letter);
            let ended = match fate {
                Fate::Retry { as_new } => {
                    let id = as_new.then(|| uuid::Uuid::now_v7().to_string());
                    self.client.revive(letter, id.as_deref(), CONFIRM).await
                }
                Fate::Drop => letter.ack().await,
            };
            match ended {
                Ok(()) => done += 1,
                Err(fault) => {
                    failed += 1;
                    output.tell_error(&format!("{what}: {fault}"), "it stays among the dead letters");
                }
            }
        }
        consumer.cancel().await;
        if let Some(id) = wanted.first() {
            return Err(absent(id, others.len(), total));
        }
        let verb = match fate {
            Fate::Retry { .. } => "sent again",
            Fate::Drop => "thrown away",
        };
        output.tell(&format!("{done} {verb}, {failed} failed"));
        Ok(if failed == 0 { Exit::Ok } else { Exit::Refused })
    }
}

async fn next(consumer: &mut Consumer) -> Result<Option<Delivery>, Failure> {
    match tokio::time::timeout(DELIVERY, consumer.next()).await {
        Ok(Some(Ok(letter))) => Ok(Some(letter)),
        Ok(Some(Err(fault))) => Err(failure(&fault)),
        // Another was faster, or is looking at them just now.
        Ok(None) | Err(_) => Ok(None),
    }
}

/// Whether `id` means this letter: its message id, or its number.
fn names(id: &str, number: usize, letter: &Delivery) -> bool {
    letter.message.message_id.as_deref() == Some(id) || id == number.to_string()
}

fn absent(id: &str, seen: usize, total: usize) -> Failure {
    let what = format!("there is no dead letter {id} among the oldest {seen} of {total}");
    Failure::new(Exit::Refused, what)
        .hint("`domesday dead list` shows them; --limit looks further; while someone else looks they are not to be seen")
}

/// Asks a person. Where there is none, nothing is thrown away.
fn kind(letter: &Delivery) -> &str {
    letter.message.kind.as_deref().unwrap_or(&letter.routing_key)
}

fn describe(number: usize, letter: &Delivery) -> String {
    let id = letter
        .message
        .message_id
        .as_deref()
        .unwrap_or("without a message id");
    format!("{number} {} {id}", kind(letter))
}

fn row(number: usize, letter: &Delivery) -> [String; 7] {
    let Origin { queue, reason, .. } = letter.origin();
    [
        number.to_string(),
        sent(&letter.message).map_or_else(|| "?".to_owned(), |sent| age(sent, jiff::Timestamp::now())),
        kind(letter).to_owned(),
        letter.message.message_id.clone().unwrap_or_default(),
        queue.unwrap_or_default(),
        letter.message.body.len().to_string(),
        reason.unwrap_or_default(),
    ]
}

fn summary(number: usize, letter: &Delivery) -> Value {
    let Origin {
        exchange,
        routing_key,
        queue,
        reason,
    } = letter.origin();
    json!({
        "number": number,
        "sent": sent(&letter.message).map(|sent| format!("{sent:.0}")),
        "type": kind(letter),
        "message_id": letter.message.message_id,
        "exchange": exchange,
        "routing_key": routing_key,
        "queue": queue,
        "bytes": letter.message.body.len(),
        "reason": reason,
    })
}

/// When a message was sent: its timestamp, or the time in an id of version 7.
fn sent(message: &Message) -> Option<jiff::Timestamp> {
    let seconds = message.timestamp.and_then(|seconds| i64::try_from(seconds).ok());
    if let Some(seconds) = seconds {
        return jiff::Timestamp::from_second(seconds).ok();
    }
    let id = uuid::Uuid::try_parse(message.message_id.as_deref()?).ok()?;
    let (seconds, _) = id.get_timestamp()?.to_unix();
    jiff::Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

/// In the largest unit that fits.
fn age(sent: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = now.duration_since(sent).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn page(number: usize, letter: &Delivery) -> String {
    let Message {
        body,
        kind: _,
        message_id: _,
        correlation_id,
        reply_to,
        content_type,
        user_id,
        app_id,
        expiration,
        timestamp: _,
        persistent: _,
        headers,
    } = &letter.message;
    let mut lines = Vec::new();
    if let Value::Object(summary) = summary(number, letter) {
        lines.extend(summary.into_iter().filter(|(_, value)| !value.is_null()));
    }
    for (name, value) in [
        ("correlation_id", correlation_id),
        ("reply_to", reply_to),
        ("content_type", content_type),
        ("user_id", user_id),
        ("app_id", app_id),
        ("expiration", expiration),
    ] {
        if let Some(value) = value {
            lines.push((name.to_owned(), Value::from(value.clone())));
        }
    }
    lines.push(("deliveries".to_owned(), Value::from(letter.deliveries)));
    let line = |(name, value): (String, Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), one_line);
        format!("{NAME}{}{NAME:#}: {value}\n", one_line(&name))
    };
    let mut text: String = lines.into_iter().map(line).collect();
    let headers: Map<String, Value> = headers
        .iter()
        .map(|(name, header)| (name.clone(), plain(header)))
        .collect();
    for header in headers {
        text.push_str("header ");
        text.push_str(&line(header));
    }
    text.push('\n');
    let pretty = serde_json::from_slice::<Value>(body).and_then(|value| serde_json::to_string_pretty(&value));
    text.push_str(&pretty.unwrap_or_else(|_| super::output::visible(&String::from_utf8_lossy(body))));
    text
}

fn plain(header: &Header) -> Value {
    match header {
        Header::Text(text) | Header::Other(text) => Value::from(text.clone()),
        Header::Integer(number) => Value::from(*number),
        Header::Boolean(flag) => Value::from(*flag),
        Header::List(list) => list.iter().map(plain).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, age, sent};

    #[test]
    fn the_age_is_that_of_the_message() {
        let at = |second| jiff::Timestamp::from_second(second).unwrap();
        let stamped = Message {
            timestamp: Some(1_700_000_000),
            ..Message::default()
        };
        assert_eq!(sent(&stamped), Some(at(1_700_000_000)));
        let named = Message {
            message_id: Some("018bcfe5-6800-7000-8000-000000000000".to_owned()),
            ..Message::default()
        };
        assert_eq!(sent(&named), Some(at(1_700_000_000)));
        assert_eq!(sent(&Message::default()), None);
        for (seconds, text) in [
            (59, "59s"),
            (61, "1m"),
            (7_200, "2h"),
            (200_000, "2d"),
            (-5, "0s"),
        ] {
            assert_eq!(age(at(0), at(seconds)), text);
        }
    }
}
