//! The `telemetry` room: installs the log output; every other room uses the tracing facade.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// How the server logs, on standard error.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is logged: `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,domesday::engine=debug`.
    /// The AMQP library is left out unless it is named: it logs whole bodies, and what it reports is reported by us.
    pub level: String,
    /// How a line looks.
    pub format: Format,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people; with colours on a terminal.
    Pretty,
    /// One JSON object a line, for programs.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: Format::Pretty,
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The level cannot be read.
    #[error("telemetry.level {level:?} cannot be read: write error, warn, info, debug or trace")]
    Level {
        /// The level.
        level: String,
        /// Why.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else set it up already.
    #[error("logging is set up already")]
    Installed,
}

/// Sets up logging for the process.
///
/// # Errors
/// [`Fault`] where the level cannot be read, or logging is set up already.
pub fn install(config: &Config) -> Result<(), Fault> {
    // What is named later goes before what is named first.
    let directives = format!("lapin=off,{}", config.level);
    let filter = EnvFilter::try_new(directives).map_err(|source| Fault::Level {
        level: config.level.clone(),
        source,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let installed = match config.format {
        Format::Pretty => builder
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|_| Fault::Installed)
}
