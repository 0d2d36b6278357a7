//! `status`: every instance of the namespace, a line each.

use crate::wire::shape::{CertificateBody, LagBody, StatusBody};

use super::super::exit::{Exit, Failure};
use super::super::output::{ALARM, Output, one_line};
use super::super::session::Session;
use super::super::table::table;
use super::args::StatusArgs;
use super::roll;

/// From so many days before its end on, a certificate is told of.
const SOON_DAYS: i64 = 30;

/// Asks, and prints who is there.
///
/// # Errors
/// Nobody answers.
pub async fn status(args: &StatusArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    let all = roll::call(session).await?;
    session.close().await;
    if args.json {
        for status in &all {
            output.print(&serde_json::to_string(status).unwrap_or_default())?;
        }
        return Ok(Exit::Ok);
    }
    let header = [
        "INSTANCE",
        "ROLE",
        "STAGE",
        "VERSION",
        "EPOCH",
        "SEQUENCE",
        "LACKS",
        "WHOLE",
        "PROVED AT",
        "SNAPSHOT",
    ];
    output.print(&table(header, all.iter().map(row), output.width()))?;
    for status in &all {
        if let Some(fault) = &status.fault {
            let (instance, fault) = (one_line(&status.instance), one_line(fault));
            output.print(&format!("{ALARM}{instance}{ALARM:#}: {fault}\n"))?;
        }
    }
    for status in &all {
        for certificate in status.certificates.iter().filter(|one| one.days_left < SOON_DAYS) {
            output.print(&format!("{}\n", expiring(status, certificate)))?;
        }
    }
    Ok(Exit::Ok)
}

fn expiring(status: &StatusBody, certificate: &CertificateBody) -> String {
    let (instance, subject) = (one_line(&status.instance), one_line(&certificate.subject));
    let whose = match certificate.shown_by.as_str() {
        "broker" => "the certificate of its broker",
        _ => "its certificate",
    };
    let end = match certificate.days_left {
        ..0 => "has expired: no new connection can be made until it is replaced".to_owned(),
        days => format!("expires in {days} days: replace it in time"),
    };
    format!("{ALARM}{instance}{ALARM:#}: {whose}, {subject}, {end}")
}

fn row(status: &StatusBody) -> [String; 10] {
    let none = || "-".to_owned();
    let (lacks, whole) = match &status.lag {
        Some(LagBody {
            changes,
            whole_ms_ago,
            ..
        }) => (changes.to_string(), whole_ms_ago.map_or_else(none, ago)),
        None => (none(), none()),
    };
    [
        status.instance.clone(),
        status.role.clone(),
        status.stage.clone(),
        status.version.clone(),
        status.epoch.to_string(),
        status.sequence.to_string(),
        lacks,
        whole,
        status.proved.map_or_else(none, |sequence| sequence.to_string()),
        status.last_snapshot.clone().unwrap_or_else(none),
    ]
}

/// A time since something, to a tenth of a second, or to a second.
pub(super) fn ago(milliseconds: u64) -> String {
    let seconds = std::time::Duration::from_millis(milliseconds).as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.1} s ago")
    } else {
        format!("{seconds:.0} s ago")
    }
}
