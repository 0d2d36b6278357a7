//! How the broker keeps the events for readers that are away: in one stream for all, or in a queue for each of them.

use serde::Deserialize;

use super::config::is_name;
use super::fault::{Fault, FaultKind};

/// Queues beyond this are a sign that a list was generated; each costs the publisher a share of every event.
const QUEUES_MAX: usize = 32;

/// Where events are kept at the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeLog {
    /// One stream, which any number of readers read from wherever they like.
    #[default]
    Stream,
    /// A durable queue for each reader that is named, for brokers that have no streams.
    Queues,
}

impl ChangeLog {
    /// Whether these names are what this kind of log needs.
    pub(super) fn check(self, queues: &[String]) -> Result<(), Fault> {
        let what = match self {
            Self::Stream if queues.is_empty() => return Ok(()),
            Self::Stream => {
                "broker.change_queues is set while broker.change_log is \"stream\": leave it out, or set \
                 broker.change_log to \"queues\""
                    .to_owned()
            }
            // Events are published so that one that no queue takes comes back. With no queue of ours, whether they may
            // be published at all would depend on which readers happen to be there.
            Self::Queues if queues.is_empty() => {
                "broker.change_log is \"queues\" and broker.change_queues is empty, so no event would be kept: name at \
                 least one reader there, such as [\"dr-1\"]"
                    .to_owned()
            }
            Self::Queues if queues.len() > QUEUES_MAX => format!(
                "broker.change_queues has {} names: write {QUEUES_MAX} or fewer",
                queues.len()
            ),
            Self::Queues => {
                let Some(what) = queues.iter().enumerate().find_map(|(i, name)| {
                    if !is_name(name) {
                        return Some(format!(
                            "broker.change_queues has `{name}`: write 1 to 64 of A-Z a-z 0-9 . _ -"
                        ));
                    }
                    let twice = queues.iter().take(i).any(|before| before == name);
                    twice.then(|| format!("broker.change_queues has `{name}` twice: leave one out"))
                }) else {
                    return Ok(());
                };
                what
            }
        };
        Err(Fault::new(FaultKind::Setting, what))
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::unwrap_used)]
mod tests {
    use super::ChangeLog;

    #[test]
    fn the_names_must_fit_the_kind_of_log() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        ChangeLog::Stream.check(&[]).expect("the default");
        ChangeLog::Queues
            .check(&names(&["dr-1", "reporting"]))
            .expect("two readers");
        let many: Vec<String> = (0..33).map(|n| format!("r-{n}")).collect();
        for (log, queues, said) in [
            (ChangeLog::Stream, names(&["dr-1"]), "while broker.change_log"),
            (ChangeLog::Queues, names(&[]), "is empty"),
            (ChangeLog::Queues, names(&["a b"]), "`a b`"),
            (ChangeLog::Queues, names(&["a", "b", "a"]), "`a` twice"),
            (ChangeLog::Queues, many, "33 names"),
        ] {
            let fault = log.check(&queues).expect_err(said);
            assert!(fault.is_permanent());
            let text = fault.to_string();
            assert!(
                text.contains(said) && text.contains("broker.change_queues"),
                "{text}"
            );
        }
    }
}
