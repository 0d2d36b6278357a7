//! `watch`: events as they happen, one line each.

use std::fmt::Write as _;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde_json::Value;

use crate::broker::Message;
use crate::wire;
use crate::wire::shape::{CycleBody, DanglingClearedBody, DanglingItem, EventBody, NewsBody};

use super::args::WatchArgs;
use super::exit::{Exit, Failure};
use super::output::{ALARM, FAINT, GOOD, NAME, NOTICE, Output, one_line};
use super::session::{Session, failure};
use super::would::ids;

/// Changed pointers that one line shows.
const CHANGED_SHOWN: usize = 6;

/// Follows events until Ctrl-C, or until there were as many as were asked for.
///
/// # Errors
/// The broker cannot be reached.
pub async fn run(
    args: &WatchArgs,
    limit: Option<Duration>,
    session: &Session,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let unfinished = args.count.is_some();
    let ended = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        followed = follow(args, session, output) => followed,
        () = ended => Ok(if unfinished { Exit::TryAgain } else { Exit::Ok }),
        _ = tokio::signal::ctrl_c() => Ok(if unfinished { Exit::Interrupted } else { Exit::Ok }),
    }
}

async fn follow(args: &WatchArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let bindings = bindings(args);
    let exchange = session.names().events();
    let mut seen = 0;
    let mut broken = false;
    loop {
        session.touch();
        let (client, generation) = session.client().await?;
        let mut consumer = match client.subscribe(&exchange, &bindings).await {
            Ok(consumer) => consumer,
            Err(fault) if broken && !fault.is_permanent() => {
                drop(client);
                session.drop_client(generation).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
            Err(fault) => return Err(failure(&fault)),
        };
        if broken {
            output.tell(&format!(
                "{NOTICE}connected again; events of the meantime were missed{NOTICE:#}"
            ));
        } else {
            let keys = bindings.join(", ");
            output.tell(&format!("{FAINT}watching {keys}; Ctrl-C ends{FAINT:#}"));
        }
        while let Some(Ok(delivery)) = consumer.next().await {
            let shown = if is_wanted(args, &delivery.message) {
                line(&delivery.message, args.json)
            } else {
                None
            };
            // An event that is on the screen cannot be lost any more; if the connection broke, the loop will see.
            drop(delivery.ack().await);
            if let Some(line) = shown {
                output.print(&line)?;
                seen += 1;
            }
            if args.count.is_some_and(|count| seen >= count) {
                consumer.cancel().await;
                return Ok(Exit::Ok);
            }
        }
        broken = true;
        output.tell(&format!("{NOTICE}the connection broke{NOTICE:#}"));
        drop(client);
        session.drop_client(generation).await;
    }
}

/// The binding keys: the patterns, or everything; of one environment, where one was named.
fn bindings(args: &WatchArgs) -> Vec<String> {
    let all = ["#".to_owned()];
    let patterns: &[String] = if args.patterns.is_empty() {
        &all
    } else {
        &args.patterns
    };
    let key = |pattern: &String| match &args.environment {
        Some(id) => format!("{pattern}.environment.{id}"),
        None => pattern.clone(),
    };
    patterns.iter().map(key).collect()
}

/// What has no news of its own is shown only to those who ask for it.
fn is_wanted(args: &WatchArgs, message: &Message) -> bool {
    let kind = message.kind.as_deref().unwrap_or_default();
    !args.patterns.is_empty() || !matches!(kind, "bookmark" | "transaction.committed")
}

/// One event as a line; none where it is not JSON.
fn line(message: &Message, json: bool) -> Option<String> {
    if json {
        let value: serde_json::Value = serde_json::from_slice(&message.body).ok()?;
        return Some(format!("{value}\n"));
    }
    if let Some(line) = news(message) {
        return Some(line);
    }
    let Ok(event) = wire::from_bytes::<EventBody<IgnoredAny>>(&message.body) else {
        let kind = message.kind.as_deref().unwrap_or("an event without a type");
        let body = String::from_utf8_lossy(&message.body);
        return Some(format!(
            "{} {FAINT}{}{FAINT:#}\n",
            one_line(kind),
            one_line(&body)
        ));
    };
    let style = match event.kind.rsplit('.').next() {
        Some("created" | "restored" | "linked") => GOOD,
        Some("removed" | "unlinked") => ALARM,
        _ => NOTICE,
    };
    let mut changed = event
        .changed
        .iter()
        .take(CHANGED_SHOWN)
        .map(|pointer| one_line(pointer))
        .collect::<Vec<_>>()
        .join(" ");
    if event.changed.len() > CHANGED_SHOWN {
        let _ = write!(changed, " and {} more", event.changed.len() - CHANGED_SHOWN);
    }
    let actor = if event.actor.is_empty() {
        String::new()
    } else {
        format!(" {FAINT}by {}{FAINT:#}", one_line(&event.actor))
    };
    let space = if changed.is_empty() { "" } else { " " };
    Some(format!(
        "{FAINT}{}{FAINT:#} {style}{:<20}{style:#} {NAME}{}{NAME:#} {FAINT}r{}{FAINT:#}{space}{changed}{actor}\n",
        short_time(&event.time),
        one_line(&event.kind),
        one_line(&event.id),
        event.revision,
    ))
}

/// Something that came or went in the graph as a whole; none for another event.
fn news(message: &Message) -> Option<String> {
    let kind = message.kind.as_deref()?;
    let event = wire::from_bytes::<NewsBody<Value>>(&message.body).ok()?;
    let about = match kind {
        "dependency.cycle.appeared" | "dependency.cycle.cleared" => {
            let cycle: CycleBody = serde_json::from_value(event.about).ok()?;
            ids(&cycle.resources, cycle.resources_total)
        }
        "dependency.dangling.appeared" => {
            let reference: DanglingItem = serde_json::from_value(event.about).ok()?;
            let dependents = ids(&reference.dependents, reference.dependents_total);
            format!("{NAME}{}{NAME:#} for {dependents}", one_line(&reference.id))
        }
        "dependency.dangling.cleared" => {
            let cleared: DanglingClearedBody = serde_json::from_value(event.about).ok()?;
            format!("{NAME}{}{NAME:#}", one_line(&cleared.id))
        }
        _ => return None,
    };
    let style = if kind.ends_with("cleared") { GOOD } else { ALARM };
    Some(format!(
        "{FAINT}{}{FAINT:#} {style}{}{style:#} {about}\n",
        short_time(&event.time),
        one_line(kind),
    ))
}

/// RFC 3339, UTC, to the second.
fn short_time(time: &str) -> String {
    time.parse::<jiff::Timestamp>().map_or_else(
        |_| one_line(time),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::broker::Message;
    use crate::domain::Id;

    use super::{WatchArgs, bindings, is_wanted, line};

    fn args(patterns: &[&str], environment: Option<&str>) -> WatchArgs {
        WatchArgs {
            patterns: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
            environment: environment.map(|id| Id::parse(id).expect("an id")),
            json: false,
            count: None,
        }
    }

    fn event(kind: &str) -> Message {
        let body = json!({
            "cluster": "c", "epoch": 1, "sequence": 7, "time": "2024-05-06T07:08:09.123456Z",
            "type": kind, "id": "db-1", "revision": 3, "actor": "anna", "cause": "m",
            "transaction": {"id": "1-7", "index": 0, "count": 1},
            "changed": ["/name", "/tags/a\u{1b}[2J"], "before": {}, "data": {"id": "db-1"}, "new": true,
        });
        Message {
            body: body.to_string().into_bytes(),
            kind: Some(kind.to_owned()),
            ..Message::default()
        }
    }

    #[test]
    fn patterns_become_binding_keys() {
        assert_eq!(bindings(&args(&[], None)), ["#"]);
        assert_eq!(bindings(&args(&[], Some("lab-7"))), ["#.environment.lab-7"]);
        assert_eq!(
            bindings(&args(&["resource.*", "*.removed"], Some("lab-7"))),
            ["resource.*.environment.lab-7", "*.removed.environment.lab-7"]
        );
    }

    #[test]
    fn an_event_is_one_line_and_cannot_drive_the_terminal() {
        let line = line(&event("resource.updated"), false).expect("a line");
        assert_eq!(
            anstream::adapter::strip_str(&line).to_string(),
            "2024-05-06T07:08:09Z resource.updated     db-1 r3 /name /tags/a\u{fffd}[2J by anna\n"
        );
    }

    #[test]
    fn bookmarks_are_shown_to_those_who_ask() {
        assert!(!is_wanted(&args(&[], None), &event("bookmark")));
        assert!(is_wanted(&args(&["bookmark"], None), &event("bookmark")));
        assert!(is_wanted(&args(&[], None), &event("resource.created")));
    }
}
