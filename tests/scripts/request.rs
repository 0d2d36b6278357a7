//! One line of a script as the message that a client would send.

use std::collections::BTreeMap;

use domesday::domain::Timestamp;
use domesday::wire::{Incoming, format_time};
use serde_json::{Map, Value, json};

/// A message with its properties.
pub(crate) struct Request {
    kind: String,
    message_id: Option<String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    received: Timestamp,
}

impl Request {
    /// Reads `TYPE {ARGS} expect=… id=… deadline=… limit=… cursor=… as_of=… dry`, where a moment is a sequence or a time; a batch has a list of commands for its arguments.
    pub(crate) fn parse(line: &str, now: Timestamp) -> Self {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let (args, options) = if rest.trim_start().starts_with(['{', '[']) {
            let args = values
                .next()
                .unwrap()
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            (Some(args), &rest[values.byte_offset()..])
        } else {
            (None, rest)
        };
        let mut request = Self {
            kind: kind.to_owned(),
            message_id: None,
            headers: BTreeMap::new(),
            body: Vec::new(),
            received: now,
        };
        let mut body = Map::new();
        if let Some(args) = args {
            let args = if kind == "batch" {
                json!({"commands": args})
            } else {
                args
            };
            body.insert("args".to_owned(), args);
        }
        for option in options.split_whitespace() {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "expect" => {
                    let revision = value.parse::<u64>().map(|n| json!({"revision": n}));
                    body.insert("expect".to_owned(), revision.unwrap_or_else(|_| json!(value)));
                }
                "limit" => {
                    body.insert("limit".to_owned(), json!(value.parse::<u64>().unwrap()));
                }
                "cursor" => {
                    body.insert("cursor".to_owned(), json!(value));
                }
                "as_of" => {
                    let sequence = value.parse::<u64>().map(|n| json!({"sequence": n}));
                    body.insert(
                        "as_of".to_owned(),
                        sequence.unwrap_or_else(|_| json!({"time": value})),
                    );
                }
                "dry" => {
                    body.insert("dry_run".to_owned(), json!(true));
                }
                "id" => request.message_id = Some(value.to_owned()),
                "deadline" => {
                    let deadline = Timestamp(now.0 + 1_000 * duration_ms(value));
                    request
                        .headers
                        .insert("deadline".to_owned(), format_time(deadline));
                }
                _ => panic!("{line}: no option is called {name}"),
            }
        }
        request.body = Value::Object(body).to_string().into_bytes();
        request
    }

    /// As it arrives.
    pub(crate) fn incoming(&self) -> Incoming<'_> {
        Incoming {
            kind: Some(&self.kind),
            routing_key: "",
            message_id: self.message_id.as_deref(),
            content_type: Some("application/json"),
            user_id: Some("alice"),
            expiration: None,
            headers: &self.headers,
            body: &self.body,
            received: self.received,
        }
    }
}

/// Reads `31d`, `25h`, `5s` or `-1s` as milliseconds.
pub(crate) fn duration_ms(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "d" => 86_400_000,
        "h" => 3_600_000,
        "s" => 1_000,
        _ => panic!("{text} is no duration"),
    };
    number.parse::<i64>().unwrap() * unit
}
