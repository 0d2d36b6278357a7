//! What instances tell each other, as messages.

use std::time::Duration;

use crate::broker::{Header, Message};
use crate::domain::{Parcel, Position};
use crate::wire;
use crate::wire::shape::{
    ChangesGetBody, HandOverBody, HandedOverBody, HeartbeatBody, QuestionBody, SnapshotChunkArgs,
};

/// The type of a message that holds a parcel.
const CHANGES: &str = "changes";
/// The type of a heartbeat, and of the question for one.
const HEARTBEAT: &str = "heartbeat";
/// The type of the question for changes.
pub(super) const CHANGES_GET: &str = "changes.get";
/// The type of what an instance says to one that may have been replaced by it.
const CLAIM: &str = "epoch.claim";
/// The types of the questions for a snapshot.
pub(super) const SNAPSHOT_BEGIN: &str = "snapshot.begin";
pub(super) const SNAPSHOT_CHUNK: &str = "snapshot.chunk";
/// The type of the request to stop serving.
const HAND_OVER: &str = "hand-over";
/// The type of its answer.
const HANDED_OVER: &str = "handed-over";
/// The type of a mark that an instance sets in the stream, to know when it has read all before it.
const MARK: &str = "mark";
/// What a parcel is, in terms of MIME.
const CBOR: &str = "application/cbor";

const CLUSTER: &str = "domesday-cluster";
const EPOCH: &str = "domesday-epoch";
const FIRST: &str = "domesday-first";
const LAST: &str = "domesday-last";
const COMPLETE: &str = "domesday-complete";

/// A message between instances.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Letter {
    /// A piece of the change log.
    Changes(Parcel),
    /// Where the instance that serves is.
    Heartbeat(Box<Heartbeat>),
    /// A mark, with the name that it was given.
    Mark(String),
    /// Which changes another instance lacks.
    ChangesGet(ChangesGetBody),
    /// Another instance needs a snapshot.
    SnapshotBegin,
    /// Another instance needs a piece of it.
    SnapshotChunk(SnapshotChunkArgs),
    /// Where an instance is that may have replaced the reader.
    Claim(Box<Heartbeat>),
    /// Another instance asks the reader to stop.
    HandOver(HandOverBody),
    /// Where an instance has stopped.
    HandedOver(HandedOverBody),
}

/// Where the instance that serves is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heartbeat {
    pub(super) body: HeartbeatBody,
}

impl Heartbeat {
    pub(super) fn position(&self) -> Position {
        Position {
            epoch: self.body.epoch,
            sequence: self.body.sequence,
        }
    }

    pub(super) fn message(&self) -> Message {
        Message {
            body: wire::to_bytes(&self.body),
            kind: Some(HEARTBEAT.to_owned()),
            content_type: Some(wire::CONTENT_TYPE.to_owned()),
            persistent: true,
            ..Message::default()
        }
    }
}

/// A request to an instance, which the broker drops when nobody waits for its answer any more.
pub fn request(kind: &str, body: Vec<u8>, patience: Duration) -> Message {
    Message {
        kind: Some(kind.to_owned()),
        body,
        content_type: Some(wire::CONTENT_TYPE.to_owned()),
        expiration: Some(patience.as_millis().to_string()),
        ..Message::default()
    }
}

pub(super) fn heartbeat_get(patience: Duration) -> Message {
    request(HEARTBEAT, Vec::new(), patience)
}

pub(super) fn changes_get(from: u64, patience: Duration) -> Message {
    request(CHANGES_GET, wire::to_bytes(&ChangesGetBody { from }), patience)
}

pub(super) fn claim(ours: &Heartbeat, patience: Duration) -> Message {
    request(CLAIM, wire::to_bytes(&ours.body), patience)
}

pub(super) fn hand_over(cluster: &str, held: Position, instance: &str, patience: Duration) -> Message {
    let body = HandOverBody {
        cluster: cluster.to_owned(),
        epoch: held.epoch,
        sequence: held.sequence,
        instance: instance.to_owned(),
    };
    request(HAND_OVER, wire::to_bytes(&body), patience)
}

pub(super) fn handed_over(body: &HandedOverBody) -> Message {
    Message {
        kind: Some(HANDED_OVER.to_owned()),
        body: wire::to_bytes(body),
        content_type: Some(wire::CONTENT_TYPE.to_owned()),
        ..Message::default()
    }
}

pub(super) fn mark(name: &str) -> Message {
    Message {
        kind: Some(MARK.to_owned()),
        message_id: Some(name.to_owned()),
        ..Message::default()
    }
}

pub(super) fn changes(parcel: Parcel) -> Message {
    let number = |number: u64| Header::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let headers = [
        (CLUSTER, Header::Text(parcel.cluster)),
        (EPOCH, number(parcel.epoch)),
        (FIRST, number(parcel.first)),
        (LAST, number(parcel.last)),
        (COMPLETE, Header::Boolean(parcel.complete)),
    ];
    Message {
        body: parcel.body,
        kind: Some(CHANGES.to_owned()),
        content_type: Some(CBOR.to_owned()),
        persistent: true,
        headers: headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        ..Message::default()
    }
}

impl Letter {
    /// Reads a message; `None` for one that this version does not know, or that is not what it says.
    pub(super) fn read(message: &Message) -> Option<Self> {
        match message.kind.as_deref()? {
            CHANGES => parcel(message).map(Self::Changes),
            HEARTBEAT => {
                let body = wire::from_bytes(&message.body).ok()?;
                Some(Self::Heartbeat(Box::new(Heartbeat { body })))
            }
            MARK => message.message_id.clone().map(Self::Mark),
            CHANGES_GET => wire::from_bytes(&message.body).ok().map(Self::ChangesGet),
            CLAIM => {
                let body = wire::from_bytes(&message.body).ok()?;
                Some(Self::Claim(Box::new(Heartbeat { body })))
            }
            HAND_OVER => wire::from_bytes(&message.body).ok().map(Self::HandOver),
            SNAPSHOT_BEGIN => Some(Self::SnapshotBegin),
            SNAPSHOT_CHUNK => {
                let question: QuestionBody<SnapshotChunkArgs> = wire::from_bytes(&message.body).ok()?;
                Some(Self::SnapshotChunk(question.args))
            }
            HANDED_OVER => wire::from_bytes(&message.body).ok().map(Self::HandedOver),
            _ => None,
        }
    }
}

fn parcel(message: &Message) -> Option<Parcel> {
    let number = |name: &str| match message.headers.get(name)? {
        Header::Integer(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let (Header::Text(cluster), Header::Boolean(complete)) =
        (message.headers.get(CLUSTER)?, message.headers.get(COMPLETE)?)
    else {
        return None;
    };
    Some(Parcel {
        cluster: cluster.clone(),
        epoch: number(EPOCH)?,
        first: number(FIRST)?,
        last: number(LAST)?,
        complete: *complete,
        body: message.body.clone(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Letter, changes};
    use crate::broker::Message;
    use crate::domain::Parcel;

    #[test]
    fn a_parcel_is_read_as_it_was_written_and_nothing_else_is_one() {
        let parcel = Parcel {
            cluster: "c".to_owned(),
            epoch: 2,
            first: 3,
            last: 9,
            complete: true,
            body: vec![1, 2, 3],
        };
        let message = changes(parcel.clone());
        assert_eq!(Letter::read(&message), Some(Letter::Changes(parcel)));
        for name in message.headers.keys() {
            let mut without = message.clone();
            without.headers.remove(name);
            assert_eq!(Letter::read(&without), None, "without {name}");
        }
        assert_eq!(Letter::read(&Message::default()), None);
    }

    #[test]
    fn a_heartbeat_of_an_older_or_a_newer_version_is_read() {
        let mut body = serde_json::json!({
            "cluster": "c", "epoch": 2, "sequence": 9, "digest": "0", "link": "", "published": 9,
            "instance": "one", "writer": "w", "time": "2026-01-01T00:00:00Z"
        });
        let read = |body: &serde_json::Value| {
            let message = Message {
                kind: Some("heartbeat".to_owned()),
                body: body.to_string().into_bytes(),
                ..Message::default()
            };
            match Letter::read(&message) {
                Some(Letter::Heartbeat(heartbeat)) => heartbeat.body,
                other => panic!("{other:?}"),
            }
        };
        let old = read(&body);
        assert_eq!((old.began, old.canaries.len()), (0, 0));
        body["something"] = serde_json::json!({"new": true});
        assert_eq!(read(&body), old);
    }
}
