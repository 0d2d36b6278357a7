//! How to reach the broker: from the command line, the environment and the configuration file, in this order.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::broker;

use super::args::Global;
use super::exit::{Exit, Failure};

/// How long a client verb waits for an answer where nobody says.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long `apply` goes on without progress where nobody says.
pub const PATIENCE_OF_APPLY: Duration = Duration::from_mins(1);
/// How long `snapshot save` goes on without progress where nobody says: a large snapshot takes a while to be made.
pub const PATIENCE_OF_SNAPSHOT: Duration = Duration::from_mins(5);
/// How long `mirror` waits for a broker or a server that went away where nobody says.
pub const PATIENCE_OF_MIRROR: Duration = Duration::from_hours(1);

/// The broker's settings for a client verb.
///
/// # Errors
/// A configuration file that cannot be read, or settings that cannot be used.
pub fn broker_config(global: &Global) -> Result<broker::Config, Failure> {
    let mut config = match &global.config {
        Some(path) => from_file(path)?,
        None => broker::Config::default(),
    };
    prefer_command_line(&mut config, global);
    config.validate().map_err(|fault| {
        Failure::usage(fault.to_string())
            .hint("the broker is set by DOMESDAY_BROKER_URL, --broker, or [broker] in the file of --config")
    })?;
    Ok(config)
}

/// What the command line or the environment says of the broker goes before the file.
pub(super) fn prefer_command_line(config: &mut broker::Config, global: &Global) {
    if let Some(url) = &global.broker {
        config.url.clone_from(url);
        config.url_file = None;
    }
    global.tls.prefer(&mut config.tls);
    if let Some(namespace) = &global.namespace {
        config.namespace.clone_from(namespace);
    }
}

/// The broker section alone: a client need not understand what else a server is told.
fn from_file(path: &Path) -> Result<broker::Config, Failure> {
    #[derive(serde::Deserialize)]
    struct Section {
        #[serde(default)]
        broker: broker::Config,
    }
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("the configuration file {name} cannot be read: {error}"))
            .hint("it is named by --config or DOMESDAY_CONFIG")
    })?;
    let section: Section = toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.matches('\n').count() + 1);
        Failure::new(Exit::Usage, format!("{name}:{line}: {}", error.message()))
    })?;
    Ok(section.broker)
}
