//! `ping`: who is there.

use std::time::Instant;

use crate::wire::shape::{AnswerBody, PingArgs as Args, PongBody, QuestionBody};

use super::args::PingArgs;
use super::exit::{Exit, Failure};
use super::output::{FAINT, GOOD, Output, STRONG, one_line};
use super::session::Session;

/// Asks, and prints the answer.
///
/// # Errors
/// No answer came.
pub async fn run(args: &PingArgs, session: &Session, output: &mut Output) -> Result<Exit, Failure> {
    session.client().await?;
    let began = Instant::now();
    let answer = session
        .question::<_, AnswerBody<PongBody>>("ping", &QuestionBody::new(Args {}))
        .await?;
    let took = began.elapsed();
    session.close().await;
    if args.json {
        output.print(&answer.raw.to_string())?;
        return Ok(Exit::Ok);
    }
    let AnswerBody { as_of, findings, .. } = answer.body;
    let text = format!(
        "{GOOD}{}{GOOD:#} {STRONG}{}{STRONG:#}, version {}, answered in {:.1} ms\n\
         {FAINT}cluster{FAINT:#}       {}\n\
         {FAINT}epoch{FAINT:#}         {}\n\
         {FAINT}sequence{FAINT:#}      {}\n\
         {FAINT}lag{FAINT:#}           {} events\n\
         {FAINT}environments{FAINT:#}  {}\n\
         {FAINT}resources{FAINT:#}     {}\n\
         {FAINT}dependencies{FAINT:#}  {}\n",
        one_line(&findings.role),
        one_line(&findings.instance),
        one_line(&findings.version),
        took.as_secs_f64() * 1_000.0,
        one_line(&as_of.cluster),
        as_of.epoch,
        as_of.sequence,
        findings.lag,
        findings.environments,
        findings.resources,
        findings.dependencies,
    );
    output.print(&text)?;
    Ok(Exit::Ok)
}
