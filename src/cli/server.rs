//! `server` and `config check`: the verbs of the instance itself.

use std::path::Path;

use super::args::{Global, ServerArgs};
use super::exit::{Exit, Failure};
use super::output::Output;
use super::settings::prefer_command_line;
use crate::app::{self, chain};
use crate::broker::Tls;
use crate::config::Config;
use crate::domain::Role;
use crate::telemetry;

/// Runs an instance until it is told to stop.
///
/// # Errors
/// The instance could not start, or had to stop.
pub fn run(args: &ServerArgs, global: &Global) -> Result<Exit, Failure> {
    let role = if args.primary {
        Role::Primary
    } else {
        Role::Secondary
    };
    let file = global.config.as_deref();
    let mut config = match file {
        Some(file) => load(file)?,
        None => Config::default(),
    };
    prefer_command_line(&mut config.broker, global);
    config.access.open |= args.open;
    config.check().map_err(|fault| Failure::usage(chain(&fault)))?;
    let access = config.access().map_err(|fault| Failure::usage(chain(&fault)))?;
    telemetry::install(&config.telemetry).map_err(|fault| Failure::usage(chain(&fault)))?;
    let rules = file.filter(|_| !args.open).map(Path::to_owned);
    app::run(&config, role, access, rules).map_err(|fault| Failure::new(exit_of(&fault), chain(&fault)))?;
    Ok(Exit::Ok)
}

/// Reads a configuration file and says what is wrong with it.
///
/// # Errors
/// The file cannot be used.
pub fn check_config(file: Option<&Path>, global: &Global, output: &mut Output) -> Result<Exit, Failure> {
    let Some(file) = file.or(global.config.as_deref()) else {
        return Err(Failure::usage("no file to check").hint("write `domesday config check FILE`"));
    };
    let config = load(file)?;
    if let Err(fault) = config.access() {
        output.tell_warning(&format!("{}; a server would not start", chain(&fault)));
    }
    let source = &config.replication.source;
    for warning in [&config.broker.tls, &source.tls]
        .into_iter()
        .filter_map(Tls::exposed_key)
    {
        output.tell_warning(&warning);
    }
    output.print(&format!("{}: fine\n", file.display()))?;
    Ok(Exit::Ok)
}

fn load(file: &Path) -> Result<Config, Failure> {
    Config::load(file).map_err(|fault| {
        Failure::usage(chain(&fault)).hint("config.example.toml lists every key with its default")
    })
}

/// What a supervisor should know: whether starting again can help.
fn exit_of(fault: &app::Fault) -> Exit {
    match fault {
        fault if fault.is_permanent() => Exit::Usage,
        app::Fault::Broker(_) => Exit::Unavailable,
        app::Fault::Start(_)
        | app::Fault::Engine(_)
        | app::Fault::Install(_)
        | app::Fault::Replica(_)
        | app::Fault::FailAt(_)
        | app::Fault::Process(_) => Exit::Internal,
    }
}
