//! The `config` room: gathers each room's own settings from one TOML file, and checks across rooms.
//!
//! Every key has a default, and a key that nobody knows is refused with the one that was probably meant. Secrets are
//! not here: the broker's URL with its password comes from a file of its own or from the environment.

mod access;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{api, broker, domain, engine, replica, search, store, telemetry, wire};

pub use access::{Access, Rule};

/// All settings of a server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who this is.
    pub instance: Instance,
    /// Who may do what.
    pub access: Access,
    /// The broker, and our objects there.
    pub broker: broker::Config,
    /// The data directory.
    pub store: store::Config,
    /// How commands are executed.
    pub engine: engine::Config,
    /// What a document may be.
    pub limits: Limits,
    /// The text index.
    pub search: search::Config,
    /// How messages are taken and answered.
    pub api: api::Config,
    /// Snapshots by the clock.
    pub snapshots: engine::SnapshotConfig,
    /// Other instances.
    pub replication: replica::Config,
    /// Logs.
    pub telemetry: telemetry::Config,
}

/// Who this instance is.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Instance {
    /// What `ping` and the broker's list of connections call it.
    pub name: String,
    /// How long it may take to finish at a stop, in seconds.
    pub drain_s: u64,
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            name: "domesday".to_owned(),
            drain_s: 20,
        }
    }
}

/// What a document may be: the settings behind [`domain::Limits`].
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Text in one document, in bytes, without its list of members.
    pub document_bytes_max: usize,
    /// A description, in bytes.
    pub description_bytes_max: usize,
    /// Tags of one document.
    pub tags_max: usize,
    /// Dependencies of one resource, members of groups included.
    pub dependencies_max: usize,
    /// Resources in one environment.
    pub members_max: usize,
    /// Commands in one batch.
    pub batch_commands_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let domain::Limits {
            document_bytes_max,
            description_bytes_max,
            tags_max,
            dependencies_max,
            members_max,
            batch_commands_max,
        } = domain::Limits::default();
        Self {
            document_bytes_max,
            description_bytes_max,
            tags_max,
            dependencies_max,
            members_max,
            batch_commands_max,
        }
    }
}

impl From<Limits> for domain::Limits {
    fn from(limits: Limits) -> Self {
        Self {
            document_bytes_max: limits.document_bytes_max,
            description_bytes_max: limits.description_bytes_max,
            tags_max: limits.tags_max,
            dependencies_max: limits.dependencies_max,
            members_max: limits.members_max,
            batch_commands_max: limits.batch_commands_max,
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the configuration file {} has a mistake:\n{text}", file.display())]
    Mistake {
        /// The file.
        file: PathBuf,
        /// What and where, with the line itself.
        text: String,
    },
    /// A setting has no sense.
    #[error("{key} {what}")]
    Setting {
        /// The key.
        key: &'static str,
        /// What is wrong with its value, and what to do.
        what: String,
    },
    /// The file could not be looked at to its end.
    #[error("reading the configuration file was broken off: {0}")]
    Lost(String),
    /// A setting of the broker has no sense.
    #[error(transparent)]
    Broker(#[from] broker::Fault),
}

impl Config {
    /// Reads a configuration file; settings that it leaves out have their defaults.
    ///
    /// # Errors
    /// [`Fault`] where the file cannot be read, has a mistake, or a setting has no sense.
    pub fn load(file: &Path) -> Result<Self, Fault> {
        let text = std::fs::read_to_string(file).map_err(|source| Fault::File {
            file: file.to_owned(),
            source,
        })?;
        let config = Self::parse(&text).map_err(|text| Fault::Mistake {
            file: file.to_owned(),
            text,
        })?;
        config.check()?;
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let suggestion = suggestion(error.message());
            format!(
                "{}{}",
                error.to_string().trim_end(),
                suggestion.unwrap_or_default()
            )
        })
    }

    /// Checks what one setting alone cannot tell.
    ///
    /// # Errors
    /// [`Fault`] with the key, and what to do.
    pub fn check(&self) -> Result<(), Fault> {
        self.access.check()?;
        self.broker.validate()?;
        let source = &self.replication.source;
        source.broker(&self.broker).validate()?;
        if source.tls.is_set() && !source.has_url() {
            return Err(Fault::Setting {
                key: "replication.source.tls",
                what: "is set, and replication.source.url is not: a source on our own broker has the certificates of broker.tls".to_owned(),
            });
        }
        let positive = [
            ("engine.queue_commands_max", self.engine.queue_commands_max),
            ("engine.commit_commands_max", self.engine.commit_commands_max),
            ("engine.receipts_max", self.engine.receipts_max),
            ("api.events_in_flight_max", self.api.events_in_flight_max),
            ("limits.batch_commands_max", self.limits.batch_commands_max),
        ];
        if let Some((key, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(Fault::Setting {
                key,
                what: "is 0: it must be at least 1".to_owned(),
            });
        }
        let body = self.api.body_bytes_max;
        let message = self.broker.message_bytes_max;
        if body > message {
            let what = format!(
                "is {body}, more than broker.message_bytes_max, which is {message}: an event could not be published"
            );
            return Err(Fault::Setting {
                key: "api.body_bytes_max",
                what,
            });
        }
        // Base64 makes a piece a third larger, and something stands around it.
        let piece = usize::try_from(domain::PIECE_BYTES)
            .unwrap_or(usize::MAX)
            .saturating_mul(3)
            / 2;
        if message < piece {
            return Err(Fault::Setting {
                key: "broker.message_bytes_max",
                what: format!("is {message}: it must be at least {piece}, so that snapshots can be fetched"),
            });
        }
        Ok(())
    }

    /// Who may do what.
    ///
    /// # Errors
    /// [`Fault`] where a rule has no sense, or where nobody may do anything.
    pub fn access(&self) -> Result<domain::Access, Fault> {
        if self.access.is_closed() {
            return Err(Fault::Setting {
                key: "access.rules",
                what: "are missing, so that nobody may do anything: write some into [access] of the configuration file, or \
                       set access.open (`server --open`) to let everybody do everything whom the broker lets in"
                    .to_owned(),
            });
        }
        self.access.check()
    }

    /// What a message may be.
    pub fn bounds(&self) -> wire::Bounds {
        wire::Bounds {
            body_bytes_max: self.api.body_bytes_max,
            batch_commands_max: self.limits.batch_commands_max,
            ..wire::Bounds::default()
        }
    }
}

/// What was probably meant by an unknown key. The parser's message is the only place that has the known keys:
/// ``unknown field `a`, expected one of `b`, `c` ``.
fn suggestion(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("unknown field")?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    let near = |known: &str| strsim::damerau_levenshtein(unknown, known);
    let best = quoted
        .min_by_key(|known| near(known))
        .filter(|known| near(known) <= 3)?;
    Some(format!("\ndid you mean `{best}`?"))
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_what_was_meant() {
        let text = Config::parse("[engine]\nreceipt_max = 5\n").unwrap_err();
        assert!(text.contains("line 2"), "{text}");
        assert!(text.ends_with("did you mean `receipts_max`?"), "{text}");
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_line() {
        let text = Config::parse("[broker]\nnamespace = 7\n").unwrap_err();
        assert!(text.contains("line 2") && text.contains("string"), "{text}");
    }

    #[test]
    fn a_source_has_the_certificates_of_its_url() {
        let check = |text: &str| Config::parse(text).unwrap().check().unwrap_err().to_string();
        let text = "[replication.source.tls]\nca_file = 'ca.pem'\n";
        assert!(
            check(text).starts_with("replication.source.tls is set"),
            "{}",
            check(text)
        );
        let text = "[broker.tls]\nkey_file = 'key.pem'\n";
        assert!(
            check(text).starts_with("broker.tls.certificate_file is missing"),
            "{}",
            check(text)
        );
        let text = "[replication.source]\nurl = 'amqps://h'\ntls.certificate_file = 'c.pem'\n";
        let refusal = check(text);
        assert!(
            refusal.starts_with("replication.source.tls.key_file is missing"),
            "{refusal}"
        );
        let ours = "[broker.tls]\nca_file = 'a'\n[replication.source]\n";
        let config = Config::parse(&format!("{ours}namespace = 'n'")).unwrap();
        let source = config.replication.source.broker(&config.broker);
        assert_eq!(source.tls, config.broker.tls, "of one broker");
        let config = Config::parse(&format!("{ours}url = 'amqps://h'")).unwrap();
        let source = config.replication.source.broker(&config.broker);
        assert!(!source.tls.is_set(), "no certificate goes to another broker");
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let config = Config::parse("[api]\nbody_bytes_max = 100000000\n").unwrap();
        assert!(
            config
                .check()
                .unwrap_err()
                .to_string()
                .starts_with("api.body_bytes_max")
        );
    }
}
