//! What can go wrong with the broker, in words that say what to do, and whether trying again can help.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lapin::ErrorKind;

/// What a broker says whose node has no copy of a stream that works now.
const NO_REPLICA: &str = "does not have a replica on the local node";

/// The sort of a [`Fault`]: what a caller may decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// A setting of ours is wrong.
    Setting,
    /// The broker does not accept the user and password, or not for this virtual host.
    Credentials,
    /// One side does not accept the certificate of the other, or does not speak TLS where the other does.
    Tls,
    /// The user lacks a permission on a queue or exchange.
    Permission,
    /// A queue or exchange exists with other settings than ours.
    Mismatch,
    /// A queue or exchange is not there.
    Missing,
    /// There was no connection, or it broke.
    Connection,
    /// Something took longer than its limit.
    Deadline,
    /// A message cannot be put on the wire as it is: a body or a property that is too long.
    Message,
    /// Another connection has a queue for itself alone.
    Locked,
    /// The broker would not take a message now.
    Refused,
    /// The broker returned a message: no queue is bound for it.
    Unroutable,
    /// We closed the session ourselves.
    Closed,
}

/// A failure of the broker room. It displays as a lower-case fragment; its cause, if any, is its source.
#[derive(Clone, Debug)]
pub struct Fault {
    kind: FaultKind,
    what: String,
    source: Option<Arc<lapin::Error>>,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            source: None,
        }
    }

    pub(super) fn deadline(doing: &str, limit: Duration, hint: &str) -> Self {
        let what = format!("{doing} took longer than {} ms: {hint}", limit.as_millis());
        Self::new(FaultKind::Deadline, what)
    }

    /// That something of the caller's took longer than it may.
    pub fn overdue(doing: &str, limit: Duration) -> Self {
        Self::deadline(doing, limit, "is the broker overloaded?")
    }

    /// What `error` means when it ended `doing`, for example "consuming from queue `x`".
    pub(super) fn from_lapin(doing: &str, error: lapin::Error) -> Self {
        let Some((code, words)) = broker_words(&error) else {
            return Self {
                kind: FaultKind::Connection,
                what: format!("the connection to the broker failed while {doing}"),
                source: Some(Arc::new(error)),
            };
        };
        let (kind, hint) = match code {
            403 => (
                FaultKind::Permission,
                ": grant it with rabbitmqctl set_permissions",
            ),
            404 => (FaultKind::Missing, ""),
            405 => (FaultKind::Locked, ": another connection has it for itself alone"),
            // A node of a cluster that was just started, or whose stream has no leader yet.
            406 if words.contains(NO_REPLICA) => (FaultKind::Missing, ""),
            406 => (FaultKind::Mismatch, ""),
            _ => (FaultKind::Connection, ""),
        };
        Self::new(
            kind,
            format!("the broker ended {doing} with {code} {words}{hint}"),
        )
    }

    /// What sort of fault this is.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// Whether trying again unchanged is useless until somebody changes a setting, a permission or the
    /// broker's objects. Such a fault should end the process with its message.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::Setting
                | FaultKind::Credentials
                | FaultKind::Tls
                | FaultKind::Permission
                | FaultKind::Mismatch
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}

/// Why a message is not known to be safe with the broker.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishFault {
    /// The broker would not take it: its queue is full, or its leader is being replaced. Publish it again.
    #[error("the broker would not take the message: its queue is full or changes its leader")]
    Nacked,
    /// No queue is bound for it.
    #[error("the broker returned the message: {code} {text}")]
    Returned {
        /// The AMQP reply code; 312 is `NO_ROUTE`.
        code: u16,
        /// The broker's words.
        text: String,
    },
    /// No confirm came within `confirm_timeout_ms`. The message may be with the broker or not.
    #[error("the broker did not confirm the message within {0:?}")]
    TimedOut(Duration),
    /// The channel or its connection ended first. The message may be with the broker or not.
    #[error("the confirm of the message was lost")]
    Lost(#[source] Fault),
}

/// The code and the words of a broker that said why; none if the connection just broke.
pub(super) fn broker_words(error: &lapin::Error) -> Option<(u16, String)> {
    let ErrorKind::ProtocolError(said) = error.kind() else {
        return None;
    };
    Some((said.get_id(), said.get_message().to_string()))
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::unwrap_used)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPSoftError};

    use super::{Error as _, ErrorKind, Fault, FaultKind};

    #[test]
    fn only_what_a_person_must_change_is_permanent() {
        for (kind, permanent) in [
            (FaultKind::Setting, true),
            (FaultKind::Credentials, true),
            (FaultKind::Tls, true),
            (FaultKind::Permission, true),
            (FaultKind::Mismatch, true),
            (FaultKind::Missing, false),
            (FaultKind::Connection, false),
            (FaultKind::Deadline, false),
            (FaultKind::Refused, false),
        ] {
            assert_eq!(Fault::new(kind, "").is_permanent(), permanent, "for {kind:?}");
        }
    }

    #[test]
    fn a_stream_that_is_not_up_on_this_node_is_not_at_odds_with_ours() {
        let kind = |words: &str| {
            let code = AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED);
            let error = ErrorKind::ProtocolError(AMQPError::new(code, words.into()));
            Fault::from_lapin("testing", error.into()).kind()
        };
        let no_replica = "queue 'changes' in vhost '/' does not have a replica on the local node";
        assert_eq!(kind(no_replica), FaultKind::Missing);
        assert_eq!(kind("inequivalent arg 'durable'"), FaultKind::Mismatch);
    }

    #[test]
    fn a_broken_connection_keeps_its_cause_as_source() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let fault = Fault::from_lapin("testing", lapin::Error::from(broken));
        assert_eq!(fault.kind(), FaultKind::Connection);
        assert_eq!(
            fault.to_string(),
            "the connection to the broker failed while testing"
        );
        assert!(fault.source().is_some());
    }
}
