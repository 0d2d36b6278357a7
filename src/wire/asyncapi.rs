//! The `AsyncAPI` document over all messages: which exchange each goes to, and what comes back.

use serde_json::{Map, Value, json};

use super::schema::{event_names, stem, sync_names};
use super::{COMMAND_TYPES, CONTENT_TYPE, QUESTION_TYPES};

/// The reply to every command.
const REPLY: &str = "reply";
/// What comes back for a question that has no answer.
const QUESTION_PROBLEM: &str = "question.problem";

/// The `AsyncAPI` 3.0 document, `asyncapi.json`. It stands beside the schemas, and refers to them.
pub fn asyncapi() -> Value {
    let events: Vec<&str> = event_names().into_iter().map(stem).collect();
    let answers: Vec<String> = QUESTION_TYPES.iter().flat_map(|kind| answers_to(kind)).collect();
    let replies: Vec<&str> = [REPLY, QUESTION_PROBLEM]
        .into_iter()
        .chain(answers.iter().map(String::as_str))
        .collect();
    let all = COMMAND_TYPES
        .iter()
        .chain(&QUESTION_TYPES)
        .chain(&events)
        .chain(&replies);
    let messages: Map<String, Value> = all.map(|name| ((*name).to_owned(), message(name))).collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "domesday",
            "version": "1",
            "description": "The register of environments and resources, and of what depends on what. `domesday` in \
                the names of exchanges is the namespace, which is a setting."
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            "commands": exchange("domesday.commands", "Commands; each ends in exactly one reply.", &COMMAND_TYPES),
            "questions": exchange("domesday.questions", "Questions, to any instance.", &QUESTION_TYPES),
            "events": exchange("domesday.events", "What became true, in order, one message each. Beside its type, \
                the header CC routes an event as <type>.environment.<id> for the environments that the entity is \
                in.", &events),
            "replies": {
                "address": null,
                "description": "The queue that the property reply_to of the request names.",
                "messages": references("#/components/messages", &replies)
            }
        },
        "operations": operations(&events),
        "components": { "messages": messages }
    })
}

/// The names of what answers a question.
fn answers_to(kind: &str) -> Vec<String> {
    match kind {
        "sync" => sync_names()
            .into_iter()
            .map(|name| stem(name).to_owned())
            .collect(),
        _ => vec![format!("{kind}.answer")],
    }
}

fn operations(events: &[&str]) -> Map<String, Value> {
    let mut operations = Map::new();
    for kind in COMMAND_TYPES {
        operations.insert(kind.to_owned(), request("commands", kind, &[REPLY]));
    }
    for kind in QUESTION_TYPES {
        let answers = answers_to(kind);
        let replies: Vec<&str> = answers
            .iter()
            .map(String::as_str)
            .chain([QUESTION_PROBLEM])
            .collect();
        operations.insert(kind.to_owned(), request("questions", kind, &replies));
    }
    for kind in events {
        let operation = json!({
            "action": "send",
            "channel": reference("#/channels/events"),
            "messages": [reference(&format!("#/channels/events/messages/{kind}"))]
        });
        operations.insert((*kind).to_owned(), operation);
    }
    operations
}

fn request(channel: &str, kind: &str, replies: &[&str]) -> Value {
    let replies: Vec<Value> = replies
        .iter()
        .map(|name| reference(&format!("#/channels/replies/messages/{name}")))
        .collect();
    json!({
        "action": "receive",
        "channel": reference(&format!("#/channels/{channel}")),
        "messages": [reference(&format!("#/channels/{channel}/messages/{kind}"))],
        "reply": {
            "address": { "location": "$message.header#/reply_to" },
            "channel": reference("#/channels/replies"),
            "messages": replies
        }
    })
}

fn exchange(name: &str, what: &str, kinds: &[&str]) -> Value {
    json!({
        "address": name,
        "description": what,
        "messages": references("#/components/messages", kinds),
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": { "name": name, "type": "topic", "durable": true, "autoDelete": false },
                "bindingVersion": "0.3.0"
            }
        }
    })
}

fn message(name: &str) -> Value {
    json!({
        "name": name,
        "contentType": CONTENT_TYPE,
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": reference(&format!("./{name}.json"))
        }
    })
}

fn references(to: &str, names: &[&str]) -> Map<String, Value> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), reference(&format!("{to}/{name}"))))
        .collect()
}

fn reference(to: &str) -> Value {
    json!({ "$ref": to })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::asyncapi;
    use crate::wire::schemas;

    /// Calls with every `$ref` in a value.
    fn each_reference(value: &Value, see: &mut impl FnMut(&str)) {
        match value {
            Value::Object(fields) => {
                if let Some(to) = fields.get("$ref").and_then(Value::as_str) {
                    see(to);
                }
                fields.values().for_each(|inner| each_reference(inner, see));
            }
            Value::Array(items) => items.iter().for_each(|inner| each_reference(inner, see)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = asyncapi();
        let files: Vec<String> = schemas().iter().map(|(name, _)| format!("./{name}")).collect();
        let mut count = 0;
        each_reference(&document, &mut |to| {
            count += 1;
            let found = match to.strip_prefix('#') {
                Some(pointer) => document.pointer(pointer).is_some(),
                None => files.iter().any(|file| file == to),
            };
            assert!(found, "{to} leads nowhere");
        });
        assert!(count > 100, "{count}");
    }
}
