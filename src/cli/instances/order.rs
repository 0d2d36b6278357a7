//! Orders to one instance: to serve, or to get another copy.

use std::time::{Duration, Instant};

use crate::replica::{DRILL, PROMOTE, RESEED, STATUS_GET, SWITCH_OVER};
use crate::wire;
use crate::wire::shape::{
    DrillBody, DrilledBody, PromoteBody, PromotedBody, ReseedBody, ReseedingBody, StatusBody, StatusGetBody,
    SwitchOverBody,
};

use super::super::confirm::confirm;
use super::super::exit::{Exit, Failure};
use super::super::output::{ALARM, FAINT, GOOD, Output, STRONG, one_line};
use super::super::session::Session;
use super::args::{DrillArgs, PromoteArgs, WhichArgs};
use super::roll;
use super::status::ago;

/// How long an instance may take for an order; a switch waits for the instance that serves.
const ANSWER: Duration = Duration::from_secs(150);
/// How long one look may take whether it serves.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Lets a secondary take the place of an instance that is gone.
///
/// # Errors
/// The operator or the instance says no, or it does not answer.
pub async fn promote(args: &PromoteArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let chosen = roll::find(session, args.which.instance.as_deref()).await?;
    output.tell(&describe(&chosen));
    let lost = chosen.lag.as_ref().map_or(0, |lag| lag.changes);
    output.tell(&match lost {
        0 => "it holds every change that it has heard of; one that it has not heard of would be lost"
            .to_owned(),
        _ => format!(
            "{STRONG}{lost} changes that it has heard of would be lost{STRONG:#}, and any that it has not"
        ),
    });
    if !args.which.yes {
        confirm("Promote it?", "nothing was changed", output)?;
    }
    let order = wire::to_bytes(&PromoteBody {
        cluster: chosen.cluster.clone(),
        epoch: chosen.epoch,
        force: args.force,
        reason: args.reason.clone(),
    });
    carry_out(session, &chosen, PROMOTE, order, output).await
}

/// Lets a secondary take the place of the instance that serves, which stops first, so that nothing is lost.
///
/// # Errors
/// The operator or one of the two instances says no, or does not answer.
pub async fn switch_over(args: &WhichArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let chosen = roll::find(session, args.instance.as_deref()).await?;
    output.tell(&describe(&chosen));
    if !args.yes {
        confirm(
            "Stop the instance that it follows, and let this one serve?",
            "nothing was changed",
            output,
        )?;
    }
    let order = wire::to_bytes(&SwitchOverBody {
        cluster: chosen.cluster.clone(),
        epoch: chosen.epoch,
    });
    carry_out(session, &chosen, SWITCH_OVER, order, output).await
}

/// Gives the order, and waits until the instance serves.
async fn carry_out(
    session: &Session,
    chosen: &StatusBody,
    kind: &str,
    order: Vec<u8>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let began = Instant::now();
    let done: PromotedBody = roll::ask(session, &chosen.copy, kind, order, ANSWER).await?;
    output.tell(&format!(
        "{FAINT}epoch {} has begun after sequence {}{FAINT:#}",
        done.epoch, done.sequence
    ));
    loop {
        // It has no ear for a moment, while it opens another session.
        let status: Result<StatusBody, _> = roll::ask(
            session,
            &chosen.copy,
            STATUS_GET,
            wire::to_bytes(&StatusGetBody {}),
            LOOK,
        )
        .await;
        if status.is_ok_and(|status| status.stage == "serving") {
            break;
        }
        if session.left().is_zero() {
            let what = format!(
                "{} has begun epoch {}, and does not serve yet",
                chosen.instance, done.epoch
            );
            return Err(Failure::new(Exit::TryAgain, what).hint("look at `domesday status`, and at its log"));
        }
        tokio::time::sleep(LOOK_EVERY.min(session.left())).await;
    }
    let took = began.elapsed();
    session.close().await;
    output.print(&format!(
        "{GOOD}{} serves{GOOD:#} epoch {} from sequence {} on; {} changes lost; {:.1} s after the order\n",
        one_line(&chosen.instance),
        done.epoch,
        done.sequence + 1,
        done.lost,
        took.as_secs_f64(),
    ))?;
    Ok(Exit::Ok)
}

/// Lets a secondary replace its copy.
///
/// # Errors
/// The operator or the instance says no, or it does not answer.
pub async fn reseed(args: &WhichArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let chosen = roll::find(session, args.instance.as_deref()).await?;
    output.tell(&describe(&chosen));
    if !args.yes {
        confirm(
            "Replace its copy by another from the instance that it follows? The data file of now is kept beside.",
            "nothing was changed",
            output,
        )?;
    }
    let order = wire::to_bytes(&ReseedBody {
        cluster: chosen.cluster.clone(),
    });
    let ReseedingBody { epoch, sequence } = roll::ask(session, &chosen.copy, RESEED, order, ANSWER).await?;
    session.close().await;
    output.print(&format!(
        "{} gets another copy in place of that of epoch {epoch}, sequence {sequence}; `domesday status` shows when it \
         follows again\n",
        one_line(&chosen.instance),
    ))?;
    Ok(Exit::Ok)
}

/// Lets a secondary prove that it could take over.
///
/// # Errors
/// The instance says no, or does not answer.
pub async fn drill(args: &DrillArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let chosen = roll::find(session, args.instance.as_deref()).await?;
    let order = wire::to_bytes(&DrillBody {
        cluster: chosen.cluster.clone(),
    });
    let drilled: DrilledBody = roll::ask(session, &chosen.copy, DRILL, order, ANSWER).await?;
    session.close().await;
    let exit = if drilled.passed { Exit::Ok } else { Exit::Refused };
    if args.json {
        output.print(&serde_json::to_string(&drilled).unwrap_or_default())?;
        return Ok(exit);
    }
    let (style, word) = if drilled.passed {
        (GOOD, "passed")
    } else {
        (ALARM, "failed")
    };
    let seconds = |ms: Option<u64>| {
        ms.map_or_else(
            || "-".to_owned(),
            |ms| format!("{:.1} s", Duration::from_millis(ms).as_secs_f64()),
        )
    };
    output.print(&format!(
        "{style}{word}{style:#} by {STRONG}{}{STRONG:#} as of epoch {}, sequence {}\n\
         {FAINT}would lose{FAINT:#}  {} changes; the copy was whole {} before\n\
         {FAINT}ready in{FAINT:#}    {}, with graph and index built anew\n\
         {FAINT}compared{FAINT:#}    {} entities, in what the register says of them\n",
        one_line(&drilled.instance),
        drilled.epoch,
        drilled.sequence,
        drilled.rpo_changes,
        seconds(drilled.rpo_ms),
        seconds(drilled.rto_ms),
        drilled.canaries,
    ))?;
    if !drilled.detail.is_empty() {
        output.tell(&one_line(&drilled.detail));
    }
    Ok(exit)
}

fn describe(status: &StatusBody) -> String {
    let heard = match &status.lag {
        Some(lag) if !lag.source.is_empty() => format!(
            "; {} was heard {}",
            one_line(&lag.source),
            lag.heard_ms_ago.map_or_else(|| "never".to_owned(), ago)
        ),
        _ => "; it has heard nobody that serves".to_owned(),
    };
    format!(
        "{STRONG}{}{STRONG:#} ({}) holds epoch {}, sequence {}{heard}",
        one_line(&status.instance),
        one_line(&status.stage),
        status.epoch,
        status.sequence,
    )
}
