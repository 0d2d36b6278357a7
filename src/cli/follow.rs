//! `--follow`: the answer to a question, and then what comes into it and what goes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::broker::{Client, Consumer, Message};
use crate::wire;
use crate::wire::shape::{
    AnswerChangedBody, AnswerEndedBody, AsOf, BecauseBody, CyclesBody, DanglingBody, EffectWord, HitsBody,
    ImpactBody, ItemBody, NodeBody, ProblemBody, StandingBody, StandingFindings, SubgraphBody, SubscribeArgs,
    SubscribeBody, SubscribedBody,
};

use super::exit::{Exit, Failure};
use super::output::{ALARM, FAINT, GOOD, NAME, NOTICE, Output, one_line};
use super::register::Register;
use super::search::footer;
use super::session::{Session, failure, read, refusal};

/// Whether to go on after the answer.
#[derive(Debug, Clone, Copy, Args)]
pub struct FollowArgs {
    /// Go on until Ctrl-C: print what comes into the answer (+) and what goes (-)
    #[arg(long, conflicts_with = "limit")]
    pub follow: bool,
}

/// What one may hold of an answer that stands.
pub const LIMIT: u64 = 10_000;
/// How long the answer of now is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// The wait before the question is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// After how many intervals without a word nobody keeps the question any more.
const SILENT_INTERVALS: u32 = 3;
/// However short the interval is.
const SILENCE_MIN: Duration = Duration::from_secs(3);

/// What is known of the answer: each item by what makes it the same.
type Known = BTreeMap<String, ItemBody>;

/// Why a question does not stand any more.
enum Ended {
    /// Asking again may help.
    Again(String),
    /// It does not.
    Failed(Failure),
}

/// Asks, and prints what changes until Ctrl-C.
///
/// # Errors
/// The question cannot stand, or the broker cannot be reached.
pub async fn run(
    question: StandingBody,
    json: bool,
    register: &Register,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let Register::Served(session) = register else {
        return Err(Failure::usage(
            "a snapshot does not change, so there is nothing to follow",
        ));
    };
    tokio::select! {
        ended = follow(&question, json, session, output) => ended,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Ok),
    }
}

async fn follow(
    question: &StandingBody,
    json: bool,
    session: &Session,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut known: Option<Known> = None;
    loop {
        session.touch();
        let (client, generation) = session.client().await?;
        let mut standing = Standing {
            question,
            json,
            output: &mut *output,
            known: &mut known,
        };
        let why = match standing.hold(&client, session).await {
            Ok(never) => match never {},
            Err(Ended::Again(why)) => why,
            // What was answered once may be again, when the server is back.
            Err(Ended::Failed(failure)) if known.is_none() => return Err(failure),
            Err(Ended::Failed(_)) => "the question was refused".to_owned(),
        };
        output.tell(&format!("{NOTICE}{why}; the question is asked again{NOTICE:#}"));
        drop(client);
        session.drop_client(generation).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// A question while it stands.
struct Standing<'a> {
    question: &'a StandingBody,
    json: bool,
    output: &'a mut Output,
    known: &'a mut Option<Known>,
}

impl Standing<'_> {
    /// Subscribes with a queue of its own, and takes what comes until nothing does.
    async fn hold(&mut self, client: &Client, session: &Session) -> Result<std::convert::Infallible, Ended> {
        let lost = |fault: &_| match self.known {
            None => Ended::Failed(failure(fault)),
            Some(_) => Ended::Again("the connection broke".to_owned()),
        };
        let mut inbox = client.inbox().await.map_err(|fault| lost(&fault))?;
        let body = SubscribeBody {
            args: SubscribeArgs {
                question: self.question.clone(),
                queue: None,
            },
            at_least: None,
        };
        let message = Message {
            body: wire::to_bytes(&body),
            kind: Some("subscribe".to_owned()),
            message_id: Some(uuid::Uuid::now_v7().to_string()),
            content_type: Some(wire::CONTENT_TYPE.to_owned()),
            reply_to: Some(inbox.queue().to_owned()),
            expiration: Some(PATIENCE.as_millis().to_string()),
            ..Message::default()
        };
        let questions = session.names().questions();
        let sent = client.publish(&questions, "subscribe", &message, PATIENCE).await;
        sent.map_err(|fault| lost(&fault))?;
        let (_, raw) = next(&mut inbox, PATIENCE).await?;
        if let Some(problem) = raw.get("problem") {
            let problem: ProblemBody = read(problem).map_err(Ended::Failed)?;
            return Err(Ended::Failed(refusal(&problem)));
        }
        let reply: SubscribedBody<StandingFindings> = read(&raw).map_err(Ended::Failed)?;
        self.begin(&raw, &reply.answer.as_of)?;
        let silence = Duration::from_millis(reply.bookmark_interval_ms).saturating_mul(SILENT_INTERVALS);
        let mut changes = 0;
        loop {
            let (kind, raw) = next(&mut inbox, silence.max(SILENCE_MIN)).await?;
            if raw.get("subscription").and_then(Value::as_str) != Some(&reply.subscription) {
                continue;
            }
            match kind.as_str() {
                "answer.changed" => {
                    let changed: AnswerChangedBody = read(&raw).map_err(Ended::Failed)?;
                    if changed.change != changes + 1 {
                        return Err(Ended::Again("a change was lost".to_owned()));
                    }
                    changes += 1;
                    self.changed(&raw, changed)?;
                }
                "answer.ended" => {
                    let ended: AnswerEndedBody = read(&raw).map_err(Ended::Failed)?;
                    let problem = ended.problem;
                    return Err(match problem.slug() {
                        "unavailable" => Ended::Again(problem.detail),
                        _ => Ended::Failed(refusal(&problem)),
                    });
                }
                _ => {}
            }
        }
    }

    /// The answer of now: all of it at first, and later what is different.
    fn begin(&mut self, raw: &Value, as_of: &AsOf) -> Result<(), Ended> {
        let now: Known = items(self.question, raw)
            .map_err(Ended::Failed)?
            .into_iter()
            .map(|item| (key(&item), item))
            .collect();
        let before = self.known.replace(now.clone());
        let printed = if self.json {
            self.output.print(&format!("{raw}\n"))
        } else {
            self.output.print(&match before {
                None => now.values().map(|item| line(' ', item)).collect(),
                Some(before) => {
                    let gone = before.iter().filter(|(key, _)| !now.contains_key(*key));
                    let come = now.iter().filter(|(key, _)| !before.contains_key(*key));
                    let mut text: String = gone.map(|(_, item)| line('-', item)).collect();
                    text.extend(come.map(|(_, item)| line('+', item)));
                    text
                }
            })
        };
        printed.map_err(Ended::Failed)?;
        let count = format!("{} items; Ctrl-C ends", now.len());
        self.output.tell(&footer(&count, as_of));
        Ok(())
    }

    fn changed(&mut self, raw: &Value, changed: AnswerChangedBody) -> Result<(), Ended> {
        let AnswerChangedBody {
            as_of,
            added,
            removed,
            because,
            ..
        } = changed;
        let mut text = String::new();
        let known = self.known.get_or_insert_default();
        for item in removed {
            text.push_str(&line('-', &item));
            known.remove(&key(&item));
        }
        for item in added {
            text.push_str(&line('+', &item));
            known.insert(key(&item), item);
        }
        if self.json {
            text = format!("{raw}\n");
        }
        self.output.print(&text).map_err(Ended::Failed)?;
        if !self.json {
            self.output.tell(&footer(&reasons(&because), &as_of));
        }
        Ok(())
    }
}

/// The next message: its type and its body.
async fn next(inbox: &mut Consumer, patience: Duration) -> Result<(String, Value), Ended> {
    let again = |why: &str| Ended::Again(why.to_owned());
    let delivery = match tokio::time::timeout(patience, inbox.next()).await {
        Err(_) => return Err(again("nothing was heard for too long")),
        Ok(Some(Ok(delivery))) => delivery,
        Ok(_) => return Err(again("the connection broke")),
    };
    let kind = delivery.message.kind.clone().unwrap_or_default();
    let body = wire::from_bytes(&delivery.message.body);
    delivery.ack().await.map_err(|_| again("the connection broke"))?;
    let body = body.map_err(|fault| {
        let what = format!("the message cannot be read: {fault}");
        Ended::Failed(Failure::new(Exit::Internal, what))
    })?;
    Ok((kind, body))
}

/// The items of the answer of now.
fn items(question: &StandingBody, raw: &Value) -> Result<Vec<ItemBody>, Failure> {
    Ok(match question {
        StandingBody::Search { .. } => {
            let hits: HitsBody = read(raw)?;
            let item = |hit: crate::wire::shape::HitBody| ItemBody {
                entity: hit.entity,
                id: hit.id,
                effect: None,
                ids: Vec::new(),
                kind: hit.kind,
                name: hit.name,
            };
            hits.items.into_iter().map(item).collect()
        }
        StandingBody::Dependencies { .. } | StandingBody::Dependents { .. } => {
            let subgraph: SubgraphBody = read(raw)?;
            // The first is the start itself.
            let others = subgraph.nodes.into_iter().skip(1);
            others.map(|node| of_node(node, None)).collect()
        }
        StandingBody::Impact { .. } => {
            let impact: ImpactBody = read(raw)?;
            let affected = impact.affected.into_iter();
            affected
                .map(|affected| of_node(affected.node, Some(affected.effect)))
                .collect()
        }
        StandingBody::Cycles { .. } => {
            let cycles: CyclesBody = read(raw)?;
            let item = |cycle: Vec<NodeBody>| {
                let ids: Vec<String> = cycle.into_iter().map(|node| node.id).collect();
                let id = ids.first().cloned().unwrap_or_default();
                plain("cycle", id, ids)
            };
            cycles.cycles.into_iter().map(item).collect()
        }
        StandingBody::Dangling { .. } => {
            let dangling: DanglingBody = read(raw)?;
            let missing = dangling.dangling.into_iter();
            missing
                .map(|missing| plain("resource", missing.id, Vec::new()))
                .collect()
        }
    })
}

fn of_node(node: NodeBody, effect: Option<EffectWord>) -> ItemBody {
    let entity = if node.external { "external" } else { "resource" };
    ItemBody {
        effect,
        kind: node.kind,
        name: node.name,
        ..plain(entity, node.id, Vec::new())
    }
}

fn plain(entity: &str, id: String, ids: Vec<String>) -> ItemBody {
    ItemBody {
        entity: entity.to_owned(),
        id,
        effect: None,
        ids,
        kind: String::new(),
        name: String::new(),
    }
}

/// What makes an item the same.
fn key(item: &ItemBody) -> String {
    let effect = item.effect.map(effect).unwrap_or_default();
    let ids = item.ids.join("\n");
    format!("{}\n{}\n{effect}\n{ids}", item.entity, item.id)
}

const fn effect(word: EffectWord) -> &'static str {
    match word {
        EffectWord::Stops => "stops",
        EffectWord::Degraded => "degraded",
        EffectWord::CannotStart => "cannot start",
    }
}

/// One item as a line: what became of it, what it is, and what people call it.
fn line(sign: char, item: &ItemBody) -> String {
    let style = match sign {
        '+' => GOOD,
        '-' => ALARM,
        _ => FAINT,
    };
    let id = if item.ids.is_empty() {
        one_line(&item.id)
    } else {
        one_line(&item.ids.join(", "))
    };
    let mut text = format!(
        "{style}{sign}{style:#} {FAINT}{:<11}{FAINT:#} {NAME}{id}{NAME:#}",
        one_line(&item.entity)
    );
    for more in [
        item.effect.map(effect).unwrap_or_default(),
        &item.kind,
        &item.name,
    ] {
        if !more.is_empty() {
            let _ = write!(text, "  {}", one_line(more));
        }
    }
    text.push('\n');
    text
}

/// What happened, in a line.
fn reasons(because: &BecauseBody) -> String {
    let Some(first) = because.events.first() else {
        return format!("{} events", because.total);
    };
    let actor = match first.actor.as_str() {
        "" => String::new(),
        actor => format!(" by {}", one_line(actor)),
    };
    let others = match because.total.saturating_sub(1) {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    format!("{} {}{actor}{others}", one_line(&first.kind), one_line(&first.id))
}

#[cfg(test)]
mod tests {
    use super::{EffectWord, ItemBody, key, line, plain};

    fn shown(sign: char, item: &ItemBody) -> String {
        anstream::adapter::strip_str(&line(sign, item)).to_string()
    }

    #[test]
    fn an_item_is_one_line_and_cannot_drive_the_terminal() {
        let mut item = plain("resource", "db-1".to_owned(), Vec::new());
        item.name = "Ledger\u{1b}[2J".to_owned();
        item.effect = Some(EffectWord::Stops);
        assert_eq!(
            shown('+', &item),
            "+ resource    db-1  stops  Ledger\u{fffd}[2J\n"
        );
        let ids = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(
            shown('-', &plain("cycle", "a".to_owned(), ids)),
            "- cycle       a, b\n"
        );
    }

    #[test]
    fn the_name_is_no_part_of_what_makes_an_item_the_same() {
        let item = plain("resource", "db-1".to_owned(), Vec::new());
        let named = ItemBody {
            name: "Ledger".to_owned(),
            ..item.clone()
        };
        let degraded = ItemBody {
            effect: Some(EffectWord::Degraded),
            ..item.clone()
        };
        assert_eq!(key(&item), key(&named));
        assert_ne!(key(&item), key(&degraded));
    }
}
