//! `graph … --follow`: the questions whose answer is a set, as they stand.

use crate::wire::shape::{
    CyclesArgs as Cycles, DanglingArgs as Dangling, ImpactArgs as Impact, ReachArgs as Reach, StandingBody,
};

use super::super::args::{GraphQuestion, ReachArgs};
use super::super::exit::Failure;
use super::super::follow::LIMIT;
use super::form::Form;
use super::natures;

/// The question, where it is to be followed, and whether as JSON.
///
/// # Errors
/// It is to be shown in a form that cannot go on.
pub(super) fn standing(question: &GraphQuestion) -> Result<Option<(StandingBody, bool)>, Failure> {
    let limit = Some(LIMIT);
    Ok(match question {
        GraphQuestion::Dependencies(args) if args.follow.follow => {
            let json = lines(args)?;
            let args = reach(args);
            Some((StandingBody::Dependencies { args, limit }, json))
        }
        GraphQuestion::Dependents(args) if args.follow.follow => {
            let json = lines(args)?;
            let args = reach(args);
            Some((StandingBody::Dependents { args, limit }, json))
        }
        GraphQuestion::Impact(args) if args.follow.follow => {
            let json = args.json;
            let args = Impact {
                ids: args.ids.clone(),
                include_soft: args.soft,
                include_startup: args.startup,
            };
            Some((StandingBody::Impact { args, limit }, json))
        }
        GraphQuestion::Cycles(args) if args.follow.follow => {
            let json = args.json;
            let args = Some(Cycles {
                environment: args.environment.as_ref().map(ToString::to_string),
                natures: natures(&args.natures),
            });
            Some((StandingBody::Cycles { args, limit }, json))
        }
        GraphQuestion::Dangling(args) if args.follow.follow => {
            let json = args.json;
            let args = Some(Dangling {
                environment: args.environment.as_ref().map(ToString::to_string),
            });
            Some((StandingBody::Dangling { args, limit }, json))
        }
        _ => None,
    })
}

fn reach(args: &ReachArgs) -> Reach {
    Reach {
        id: args.id.to_string(),
        depth: args.depth,
        natures: natures(&args.natures),
    }
}

/// Whether as JSON; what is followed comes in lines.
fn lines(args: &ReachArgs) -> Result<bool, Failure> {
    match args.form.form() {
        Form::Json => Ok(true),
        Form::Tree | Form::Table if args.form.svg.is_none() => Ok(false),
        _ => Err(Failure::usage(
            "--follow prints lines, or JSON with --json, and no picture",
        )),
    }
}
