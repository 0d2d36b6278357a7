//! A message: a body, the standard AMQP properties and the headers; to lapin's types and back.

use std::collections::BTreeMap;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};

use super::fault::{Fault, FaultKind};

/// The limit of all headers of a message together. They must fit in one frame, of 128 KiB by default.
pub(super) const HEADERS_BYTES_MAX: usize = 96 * 1024;

/// A message, in or out. Properties are at most 255 bytes each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// The body.
    pub body: Vec<u8>,
    /// The AMQP property `type`.
    pub kind: Option<String>,
    /// `message_id`.
    pub message_id: Option<String>,
    /// `correlation_id`.
    pub correlation_id: Option<String>,
    /// `reply_to`: the queue that the sender awaits the answer on.
    pub reply_to: Option<String>,
    /// `content_type`.
    pub content_type: Option<String>,
    /// `user_id`, which the broker has checked: out, it must be our own user.
    pub user_id: Option<String>,
    /// `app_id`.
    pub app_id: Option<String>,
    /// `expiration`: milliseconds, as a decimal number.
    pub expiration: Option<String>,
    /// `timestamp`, in seconds since 1970.
    pub timestamp: Option<u64>,
    /// Whether the message is to survive a restart of the broker (`delivery_mode` 2).
    pub persistent: bool,
    /// The headers.
    pub headers: BTreeMap<String, Header>,
}

/// The value of a header.
#[derive(Clone, Debug, PartialEq)]
pub enum Header {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
    /// A list.
    List(Vec<Header>),
    /// Anything else that AMQP knows, described for people. Published, it becomes a text.
    Other(String),
}

impl Header {
    fn from_amqp(value: &AMQPValue) -> Self {
        match value {
            AMQPValue::Boolean(value) => Self::Boolean(*value),
            AMQPValue::ShortShortInt(value) => Self::Integer(i64::from(*value)),
            AMQPValue::ShortShortUInt(value) => Self::Integer(i64::from(*value)),
            AMQPValue::ShortInt(value) => Self::Integer(i64::from(*value)),
            AMQPValue::ShortUInt(value) => Self::Integer(i64::from(*value)),
            AMQPValue::LongInt(value) => Self::Integer(i64::from(*value)),
            AMQPValue::LongUInt(value) => Self::Integer(i64::from(*value)),
            AMQPValue::LongLongInt(value) => Self::Integer(*value),
            AMQPValue::ShortString(value) => Self::Text(value.to_string()),
            AMQPValue::LongString(value) => match std::str::from_utf8(value.as_bytes()) {
                Ok(text) => Self::Text(text.to_owned()),
                Err(_) => Self::Other(format!("{} bytes that are not a text", value.len())),
            },
            AMQPValue::FieldArray(values) => {
                Self::List(values.as_slice().iter().map(Self::from_amqp).collect())
            }
            AMQPValue::Float(value) => Self::Other(value.to_string()),
            AMQPValue::Double(value) => Self::Other(value.to_string()),
            AMQPValue::Timestamp(value) => Self::Other(format!("{value} s since 1970")),
            AMQPValue::Void => Self::Other("nothing".to_owned()),
            AMQPValue::ByteArray(value) => Self::Other(format!("{} bytes", value.len())),
            AMQPValue::FieldTable(table) => {
                Self::Other(format!("a table of {} entries", table.inner().len()))
            }
            AMQPValue::DecimalValue(value) => Self::Other(format!("{value:?}")),
        }
    }

    fn to_amqp(&self) -> AMQPValue {
        match self {
            Self::Text(text) | Self::Other(text) => AMQPValue::LongString(LongString::from(text.as_bytes())),
            Self::Integer(value) => AMQPValue::LongLongInt(*value),
            Self::Boolean(value) => AMQPValue::Boolean(*value),
            Self::List(values) => AMQPValue::FieldArray(FieldArray::from(
                values.iter().map(Self::to_amqp).collect::<Vec<_>>(),
            )),
        }
    }
}

impl Message {
    /// A header that is a text.
    pub fn text_header(&self, name: &str) -> Option<&str> {
        match self.headers.get(name) {
            Some(Header::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn from_amqp(properties: &BasicProperties, body: Vec<u8>) -> Self {
        let text = |property: &Option<ShortString>| property.as_ref().map(ToString::to_string);
        let headers = properties.headers().as_ref();
        Self {
            body,
            kind: text(properties.kind()),
            message_id: text(properties.message_id()),
            correlation_id: text(properties.correlation_id()),
            reply_to: text(properties.reply_to()),
            content_type: text(properties.content_type()),
            user_id: text(properties.user_id()),
            app_id: text(properties.app_id()),
            expiration: text(properties.expiration()),
            timestamp: *properties.timestamp(),
            persistent: *properties.delivery_mode() == Some(2),
            headers: headers
                .into_iter()
                .flat_map(|table| table.inner().iter())
                .map(|(name, value)| (name.to_string(), Header::from_amqp(value)))
                .collect(),
        }
    }

    pub(super) fn properties(&self) -> Result<BasicProperties, Fault> {
        let mut properties = BasicProperties::default();
        macro_rules! set {
            ($($field:ident => $with:ident),*) => {$(
                if let Some(value) = &self.$field {
                    properties = properties.$with(short(stringify!($field), value)?);
                }
            )*};
        }
        set!(
            kind => with_type,
            message_id => with_message_id,
            correlation_id => with_correlation_id,
            reply_to => with_reply_to,
            content_type => with_content_type,
            user_id => with_user_id,
            app_id => with_app_id,
            expiration => with_expiration
        );
        if let Some(timestamp) = self.timestamp {
            properties = properties.with_timestamp(timestamp);
        }
        properties = properties.with_delivery_mode(if self.persistent { 2 } else { 1 });
        if !self.headers.is_empty() {
            let mut table = FieldTable::default();
            for (name, value) in &self.headers {
                table.insert(short("a header's name", name)?, value.to_amqp());
            }
            properties = properties.with_headers(table);
        }
        Ok(properties)
    }
}

/// About how many bytes `table` takes on the wire, and not less.
pub(super) fn headers_bytes(table: &FieldTable) -> usize {
    fn bytes(value: &AMQPValue) -> usize {
        // A tag, a length where there is one, and the rest.
        9 + match value {
            AMQPValue::LongString(value) => value.len(),
            AMQPValue::ShortString(value) => value.as_str().len(),
            AMQPValue::ByteArray(value) => value.len(),
            AMQPValue::FieldArray(values) => values.as_slice().iter().map(bytes).sum(),
            AMQPValue::FieldTable(table) => headers_bytes(table),
            _ => 0,
        }
    }
    let entries = table.inner().iter();
    entries
        .map(|(name, value)| 1 + name.as_str().len() + bytes(value))
        .sum()
}

/// A text that AMQP gives one byte of length. Lapin's own conversion would panic on a longer one.
pub(super) fn short(what: &str, text: &str) -> Result<ShortString, Fault> {
    ShortString::try_new(text).map_err(|_| {
        let length = text.len();
        Fault::new(
            FaultKind::Message,
            format!("{what} is {length} bytes long: AMQP allows 255"),
        )
    })
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::unwrap_used)]
mod tests {
    use super::{BTreeMap, FaultKind, Header, Message};

    #[test]
    fn a_message_survives_the_way_there_and_back() {
        let message = Message {
            body: b"{}".to_vec(),
            kind: Some("resource.put".to_owned()),
            message_id: Some("m-1".to_owned()),
            correlation_id: Some("c-1".to_owned()),
            reply_to: Some("amq.rabbitmq.reply-to".to_owned()),
            content_type: Some("application/json".to_owned()),
            user_id: Some("guest".to_owned()),
            app_id: Some("test".to_owned()),
            expiration: Some("1000".to_owned()),
            timestamp: Some(1_700_000_000),
            persistent: true,
            headers: BTreeMap::from([
                ("text".to_owned(), Header::Text("x".repeat(300))),
                ("number".to_owned(), Header::Integer(-5)),
                ("flag".to_owned(), Header::Boolean(true)),
                (
                    "CC".to_owned(),
                    Header::List(vec![Header::Text("a.b".to_owned())]),
                ),
            ]),
        };
        let properties = message.properties().expect("nothing is too long");
        assert_eq!(Message::from_amqp(&properties, message.body.clone()), message);
    }

    #[test]
    fn a_long_property_is_refused_by_name_and_not_by_a_panic() {
        let message = Message {
            reply_to: Some("q".repeat(256)),
            ..Message::default()
        };
        let fault = message.properties().expect_err("too long");
        assert_eq!(fault.kind(), FaultKind::Message);
        assert!(fault.to_string().contains("reply_to is 256 bytes"));
    }
}
