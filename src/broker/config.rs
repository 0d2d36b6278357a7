//! The broker room's settings, the names made from its namespace, and the URL with its password kept out of sight.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use lapin::uri::AMQPUri;
use serde::Deserialize;

use super::backoff::Backoff;
use super::change_log::ChangeLog;
use super::fault::{Fault, FaultKind};
use super::tls::Tls;

/// How to reach the broker, and how its objects are to be. Every key has a default.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `amqp[s]://[user[:password]@]host[:port][/vhost]`. A password is better kept in the file of `url_file`.
    pub url: String,
    /// A file that holds the whole URL and nothing else; it replaces `url`.
    pub url_file: Option<PathBuf>,
    /// Certificates, for a URL that is `amqps`.
    pub tls: Tls,
    /// The first part of the name of every exchange and queue: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub namespace: String,
    /// Commands that may be in flight to us, unanswered.
    pub prefetch_commands: u16,
    /// Questions that may be in flight to us, unanswered.
    pub prefetch_questions: u16,
    /// The limit of connecting and declaring together, in milliseconds.
    pub connect_timeout_ms: u64,
    /// The limit of one message's confirm, in milliseconds. It stands still while the broker blocks us.
    pub confirm_timeout_ms: u64,
    /// Silence after which either side takes the connection for dead, in seconds.
    pub heartbeat_s: u16,
    /// The wait before the first try to connect again, in milliseconds.
    pub reconnect_initial_ms: u64,
    /// The longest wait between two tries, in milliseconds.
    pub reconnect_max_ms: u64,
    /// How long to go on trying, in seconds: every retry has an end.
    pub reconnect_give_up_s: u64,
    /// Time between two looks whether the files of the URL and the certificates hold something else, in milliseconds.
    pub reload_interval_ms: u64,
    /// How often a command may be delivered before it goes to the dead letters.
    pub delivery_limit: u32,
    /// How long a question may wait in its queue, in milliseconds.
    pub question_ttl_ms: u32,
    /// Where the broker keeps events: in a stream, or in a queue for each reader.
    pub change_log: ChangeLog,
    /// The readers that have a queue, where it is queues.
    pub change_queues: Vec<String>,
    /// How long the stream keeps a change: a number and one of `Y M D h m s`.
    pub changes_max_age: String,
    /// How large the stream, or each of the queues, may grow, in bytes.
    pub changes_max_bytes: u64,
    /// How many dead letters are kept; the oldest goes first.
    pub dead_max_length: u32,
    /// How many commands may wait; beyond it the broker refuses new ones.
    pub commands_max_length: u32,
    /// The largest body that we publish, in bytes. A larger one that arrives is handed over all the same.
    pub message_bytes_max: usize,
    /// Where these settings stand in the configuration, for messages about them.
    #[serde(skip)]
    pub section: &'static str,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: "amqp://localhost:5672".to_owned(),
            url_file: None,
            tls: Tls::default(),
            namespace: "domesday".to_owned(),
            prefetch_commands: 1000,
            prefetch_questions: 64,
            connect_timeout_ms: 10_000,
            confirm_timeout_ms: 30_000,
            heartbeat_s: 10,
            reconnect_initial_ms: 200,
            reconnect_max_ms: 15_000,
            reconnect_give_up_s: 3600,
            reload_interval_ms: 10_000,
            delivery_limit: 10,
            question_ttl_ms: 30_000,
            change_log: ChangeLog::Stream,
            change_queues: Vec::new(),
            changes_max_age: "7D".to_owned(),
            changes_max_bytes: 5_000_000_000,
            dead_max_length: 100_000,
            commands_max_length: 1_000_000,
            message_bytes_max: 8 * 1024 * 1024 + 64 * 1024,
            section: "broker",
        }
    }
}

impl fmt::Debug for Config {
    /// Like the derived one, but with the password of the URL hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("url", &redacted(&self.url))
            .field("url_file", &self.url_file)
            .field("tls", &self.tls)
            .field("namespace", &self.namespace)
            .field("prefetch_commands", &self.prefetch_commands)
            .field("prefetch_questions", &self.prefetch_questions)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("confirm_timeout_ms", &self.confirm_timeout_ms)
            .field("heartbeat_s", &self.heartbeat_s)
            .field("reconnect_initial_ms", &self.reconnect_initial_ms)
            .field("reconnect_max_ms", &self.reconnect_max_ms)
            .field("reconnect_give_up_s", &self.reconnect_give_up_s)
            .field("reload_interval_ms", &self.reload_interval_ms)
            .field("delivery_limit", &self.delivery_limit)
            .field("question_ttl_ms", &self.question_ttl_ms)
            .field("change_log", &self.change_log)
            .field("change_queues", &self.change_queues)
            .field("changes_max_age", &self.changes_max_age)
            .field("changes_max_bytes", &self.changes_max_bytes)
            .field("dead_max_length", &self.dead_max_length)
            .field("commands_max_length", &self.commands_max_length)
            .field("message_bytes_max", &self.message_bytes_max)
            .field("section", &self.section)
            .finish()
    }
}

impl Config {
    /// Checks every setting that can be checked without a broker.
    ///
    /// # Errors
    ///
    /// A permanent [`Fault`] that names the key.
    pub fn validate(&self) -> Result<(), Fault> {
        Names::new(&self.namespace)?;
        self.change_log.check(&self.change_queues)?;
        self.tls.check(self.section)?;
        let positive = [
            ("prefetch_commands", u64::from(self.prefetch_commands)),
            ("prefetch_questions", u64::from(self.prefetch_questions)),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("confirm_timeout_ms", self.confirm_timeout_ms),
            ("heartbeat_s", u64::from(self.heartbeat_s)),
            ("reconnect_initial_ms", self.reconnect_initial_ms),
            ("reload_interval_ms", self.reload_interval_ms),
            ("delivery_limit", u64::from(self.delivery_limit)),
            ("question_ttl_ms", u64::from(self.question_ttl_ms)),
            ("changes_max_bytes", self.changes_max_bytes),
            ("dead_max_length", u64::from(self.dead_max_length)),
            ("commands_max_length", u64::from(self.commands_max_length)),
            ("message_bytes_max", self.message_bytes_max as u64),
        ];
        for (key, value) in positive {
            if value == 0 {
                return Err(setting(format!("broker.{key} is 0: set it to 1 or more")));
            }
        }
        if self.reconnect_max_ms < self.reconnect_initial_ms {
            return Err(setting(
                "broker.reconnect_max_ms is below broker.reconnect_initial_ms: raise it".to_owned(),
            ));
        }
        if i64::try_from(self.changes_max_bytes).is_err() {
            return Err(setting(
                "broker.changes_max_bytes is beyond what the broker can hold: lower it".to_owned(),
            ));
        }
        if !is_age(&self.changes_max_age) {
            return Err(setting(format!(
                "broker.changes_max_age is `{}`: write a number and one of Y M D h m s, such as 7D",
                self.changes_max_age
            )));
        }
        Ok(())
    }

    /// The URL, from `url_file` if that is set. It may hold a password: do not print it.
    ///
    /// # Errors
    ///
    /// A permanent [`Fault`] if the file cannot be read.
    pub fn url(&self) -> Result<String, Fault> {
        let Some(path) = &self.url_file else {
            return Ok(self.url.clone());
        };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(setting(format!(
                "{}.url_file {} cannot be read: {error}",
                self.section,
                path.display()
            ))),
        }
    }

    /// A fresh policy of waits between tries to connect.
    pub fn backoff(&self) -> Backoff {
        Backoff::new(
            Duration::from_millis(self.reconnect_initial_ms),
            Duration::from_millis(self.reconnect_max_ms),
            Duration::from_secs(self.reconnect_give_up_s),
        )
    }

    /// The names of the exchanges and queues.
    ///
    /// # Errors
    ///
    /// A permanent [`Fault`] if the namespace is not valid.
    pub fn names(&self) -> Result<Names, Fault> {
        Names::new(&self.namespace)
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(super) fn confirm_timeout(&self) -> Duration {
        Duration::from_millis(self.confirm_timeout_ms)
    }

    pub(super) fn reload_interval(&self) -> Duration {
        Duration::from_millis(self.reload_interval_ms)
    }

    /// The parts of a URL, with the settings of ours that it leaves out.
    pub(super) fn parse(&self, url: &str) -> Result<AMQPUri, Fault> {
        let invalid = |why: &str| {
            setting(format!(
                "{}.url `{}` is not a broker URL ({why}): write amqp://user@host:5672/vhost, or amqps://user@host:5671/vhost",
                self.section,
                redacted(url)
            ))
        };
        let mut uri: AMQPUri = url.parse().map_err(|why: String| {
            // The parser may quote the whole URL, and with it the password.
            invalid(if why.contains(url) { "no host" } else { &why })
        })?;
        // The parser takes an IPv6 address for no host at all, which would mean localhost.
        if let Some(address) = bracketed(url) {
            let address: Ipv6Addr = address.parse().map_err(|_| invalid("bad IPv6 address"))?;
            uri.authority.host = address.to_string();
        }
        uri.query.heartbeat = uri.query.heartbeat.or(Some(self.heartbeat_s));
        uri.query.connection_timeout = uri.query.connection_timeout.or(Some(self.connect_timeout_ms));
        Ok(uri)
    }
}

/// The names of the exchanges and queues of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    namespace: String,
}

impl Names {
    /// The names of `namespace`: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    ///
    /// # Errors
    ///
    /// A permanent [`Fault`] if it is not that.
    pub fn new(namespace: &str) -> Result<Self, Fault> {
        if is_name(namespace) {
            return Ok(Self {
                namespace: namespace.to_owned(),
            });
        }
        Err(setting(format!(
            "broker.namespace is `{namespace}`: write 1 to 64 of A-Z a-z 0-9 . _ -"
        )))
    }

    /// What every name starts with.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The exchange, and the queue, of commands.
    pub fn commands(&self) -> String {
        self.of("commands")
    }

    /// The exchange, and the queue, of questions.
    pub fn questions(&self) -> String {
        self.of("questions")
    }

    /// The exchange of events.
    pub fn events(&self) -> String {
        self.of("events")
    }

    /// The stream that keeps the events: the replicated change log.
    pub fn changes(&self) -> String {
        self.of("changes")
    }

    /// The queue that keeps the events for one reader, where there is no stream.
    pub fn change_queue(&self, reader: &str) -> String {
        self.of(&format!("changes.{reader}"))
    }

    /// The exchange between instances.
    pub fn control(&self) -> String {
        self.of("control")
    }

    /// The exchange, and the queue, of dead letters.
    pub fn dead(&self) -> String {
        self.of("dead")
    }

    /// The stream that keeps what instances tell each other: the changes to follow.
    pub fn replica(&self) -> String {
        self.of("replica")
    }

    /// The queue that only the instance that serves the namespace may have.
    pub fn lease(&self) -> String {
        self.of("lease")
    }

    fn of(&self, what: &str) -> String {
        format!("{}.{what}", self.namespace)
    }
}

/// `url` with its password hidden: for logs and messages.
pub fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // Not a URL: anything in it may be a secret.
        return "...".to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password with an unescaped slash moves the end before the at sign: hide up to the last one then.
    let Some(at) = rest
        .get(..end)
        .and_then(|authority| authority.rfind('@'))
        .or_else(|| rest.rfind('@'))
    else {
        return url.to_owned();
    };
    let (user_info, host) = rest.split_at(at);
    match user_info.split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:...{host}"),
        None => url.to_owned(),
    }
}

/// Whether this can be a part of the name of a queue.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=64).contains(&text.len()) && text.chars().all(allowed)
}

fn setting(what: String) -> Fault {
    Fault::new(FaultKind::Setting, what)
}

fn is_age(text: &str) -> bool {
    let Some(unit) = text.chars().last() else {
        return false;
    };
    let number = text.trim_end_matches(unit);
    matches!(unit, 'Y' | 'M' | 'D' | 'h' | 'm' | 's')
        && number.len() + 1 == text.len()
        && number.parse::<u32>().is_ok_and(|number| number > 0)
}

fn bracketed(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let (address, _) = host.strip_prefix('[')?.split_once(']')?;
    Some(address)
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::unwrap_used)]
mod tests {
    use super::{Config, redacted};

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("amqp://u:secret@h:1/v", "amqp://u:...@h:1/v"),
            ("amqp://u:se@cret@h", "amqp://u:...@h"),
            ("amqp://u:se/cret@h", "amqp://u:...@h"),
            ("amqp://u@h/v", "amqp://u@h/v"),
            ("amqp://h", "amqp://h"),
            ("secret", "..."),
        ] {
            assert_eq!(redacted(url), shown);
            let config = Config {
                url: url.to_owned(),
                ..Config::default()
            };
            assert!(!format!("{config:?}").contains("cret"), "{config:?}");
            if let Err(fault) = config.parse(url) {
                assert!(!fault.to_string().contains("cret"), "{fault}");
            }
        }
    }

    #[test]
    fn an_ipv6_host_is_not_taken_for_localhost() {
        let url = "amqp://guest:a%5B@[2001:db8::1]:5/%2f";
        let uri = Config::default().parse(url).expect("a good URL");
        assert_eq!(uri.authority.host, "2001:db8::1");
        assert_eq!(uri.authority.port, 5);
        assert_eq!(uri.vhost, "/");
        assert_eq!(uri.query.heartbeat, Some(10));
    }

    #[test]
    fn a_bad_setting_is_named() {
        let good = Config::default();
        good.validate().expect("the defaults are good");
        let cases = [
            (
                Config {
                    namespace: "a b".to_owned(),
                    ..good.clone()
                },
                "broker.namespace",
            ),
            (
                Config {
                    namespace: "n".repeat(65),
                    ..good.clone()
                },
                "broker.namespace",
            ),
            (
                Config {
                    prefetch_commands: 0,
                    ..good.clone()
                },
                "broker.prefetch_commands",
            ),
            (
                Config {
                    changes_max_age: "7DD".to_owned(),
                    ..good.clone()
                },
                "broker.changes_max_age",
            ),
            (
                Config {
                    reconnect_max_ms: 1,
                    ..good
                },
                "broker.reconnect_max_ms",
            ),
        ];
        for (config, key) in cases {
            let fault = config.validate().expect_err(key);
            assert!(fault.is_permanent());
            assert!(fault.to_string().contains(key), "{fault} should name {key}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Config>("url = 'amqp://h'").is_ok());
        assert!(toml::from_str::<Config>("uri = 'amqp://h'").is_err());
    }

    #[test]
    fn a_url_file_replaces_the_url() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "amqp://u:p@h\n").expect("written");
        let mut config = Config {
            url_file: Some(file.path().to_owned()),
            ..Config::default()
        };
        assert_eq!(config.url().expect("read"), "amqp://u:p@h");
        config.url_file = Some("/nowhere/url".into());
        assert!(config.url().expect_err("no such file").is_permanent());
    }
}
