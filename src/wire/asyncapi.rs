//! The `AsyncAPI` document over all messages: which exchange each goes to, and what comes back.

use serde_json::{Map, Value, json};

use super::CONTENT_TYPE;
use super::catalogue::{ENTRIES, Entry, Group};
use super::yaml::to_yaml;

/// The version of the bindings that say what is AMQP's.
const BINDING: &str = "0.3.0";
/// The reply to every command.
const REPLY: &str = "reply";
/// What comes back for a question that has no answer.
const QUESTION_PROBLEM: &str = "question.problem";
/// What the types of events begin with that have a sequence of their own, and are routed for environments too.
const NUMBERED: [&str; 2] = ["environment.", "resource."];

/// The `AsyncAPI` document as its file `asyncapi.yaml` has it.
pub fn asyncapi_text() -> String {
    to_yaml(&asyncapi())
}

/// The `AsyncAPI` 3.0 document. It stands beside the schemas, and refers to them.
fn asyncapi() -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "domesday",
            "version": "1",
            "description": "The register of environments and resources, and of what depends on what. `domesday` in \
                the names of exchanges and queues is the namespace, which is a setting.",
            "license": { "name": "MIT OR Apache-2.0" }
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "broker": {
                "host": "localhost:5672",
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "A RabbitMQ, 3.10 or later; which one and which virtual host are settings."
            }
        },
        "channels": channels(),
        "operations": operations(),
        "components": {
            "messages": ENTRIES
                .iter()
                .filter(|entry| is_message(entry))
                .map(|entry| (entry.name.to_owned(), message(entry)))
                .collect::<Map<String, Value>>(),
            "schemas": { "requestHeaders": request_headers(), "eventHeaders": event_headers() }
        }
    })
}

/// Documents and problems are parts of messages.
fn is_message(entry: &Entry) -> bool {
    entry.group != Group::Document && entry.name != "problem"
}

fn names(group: Group) -> Vec<&'static str> {
    let messages = group.entries().filter(|entry| is_message(entry));
    messages.map(|entry| entry.name).collect()
}

fn numbered_events() -> Vec<&'static str> {
    let mut events = names(Group::Event);
    events.retain(|name| is_numbered(name));
    events
}

fn is_numbered(event: &str) -> bool {
    NUMBERED.iter().any(|start| event.starts_with(start))
}

/// What may come back for a question.
fn answers_to(question: &str) -> Vec<String> {
    let mut answers: Vec<String> = match question {
        "sync" => [names(Group::Sync), numbered_events()]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        "subscribe" => std::iter::once("subscribe.answer")
            .chain(names(Group::Standing))
            .map(str::to_owned)
            .collect(),
        _ => vec![format!("{question}.answer")],
    };
    answers.push(QUESTION_PROBLEM.to_owned());
    answers
}

fn channels() -> Value {
    let events = names(Group::Event);
    let replies = [
        names(Group::Reply),
        names(Group::Sync),
        names(Group::Standing),
        numbered_events(),
    ]
    .concat();
    let commands = queue(
        "domesday.commands",
        true,
        &json!({"x-queue-type": "quorum", "x-single-active-consumer": true, "x-overflow": "reject-publish",
            "x-dead-letter-exchange": "domesday.dead", "x-dead-letter-strategy": "at-least-once"}),
    );
    let questions = queue(
        "domesday.questions",
        false,
        &json!({"x-queue-type": "classic", "x-overflow": "reject-publish"}),
    );
    let changes = queue("domesday.changes", true, &json!({"x-queue-type": "stream"}));
    json!({
        "commands": exchange(
            "domesday.commands",
            "Commands, each with its type as routing key; each ends in exactly one reply.",
            &names(Group::Command),
            Some(commands),
        ),
        "questions": exchange(
            "domesday.questions",
            "Questions, each with its type as routing key; any instance answers.",
            &names(Group::Question),
            Some(questions),
        ),
        "events": exchange(
            "domesday.events",
            "What became true, in order, one message each, with its type as routing key; the header CC routes it as \
                <type>.environment.<id> too, for the environments that the entity is in. Bind a queue of your own.",
            &events,
            None,
        ),
        "changes": {
            "address": "domesday.changes",
            "description": "The same events in a stream, for as long as it reaches back.",
            "messages": references("#/components/messages", &events),
            "bindings": {
                "amqp": {
                    "is": "queue",
                    "queue": { "name": "domesday.changes", "durable": true, "exclusive": false, "autoDelete": false },
                    "x-queue": changes,
                    "bindingVersion": BINDING
                }
            }
        },
        "control": exchange(
            "domesday.control",
            "What instances tell each other. Parcels of the change log, which only the store reads, go the same way with                 the routing key changes, and stay in the stream domesday.replica with the heartbeats.",
            &names(Group::Instance),
            None,
        ),
        "replies": {
            "address": null,
            "description": "The queue that the property reply_to of the request names; amq.rabbitmq.reply-to will do \
                for all but sync and subscribe, which need a queue.",
            "messages": references("#/components/messages", &replies)
        }
    })
}

/// A queue as it is declared; limits that are settings are left out.
fn queue(name: &str, durable: bool, arguments: &Value) -> Value {
    json!({ "name": name, "durable": durable, "exclusive": false, "autoDelete": false, "arguments": arguments })
}

/// A topic exchange, and the queue behind it that the register reads.
fn exchange(name: &str, what: &str, kinds: &[&str], queue: Option<Value>) -> Value {
    let mut binding = json!({
        "is": "routingKey",
        "exchange": { "name": name, "type": "topic", "durable": true, "autoDelete": false },
        "bindingVersion": BINDING
    });
    if let (Some(queue), Some(fields)) = (queue, binding.as_object_mut()) {
        fields.insert("x-queue".to_owned(), queue);
    }
    json!({
        "address": name,
        "description": what,
        "messages": references("#/components/messages", kinds),
        "bindings": { "amqp": binding }
    })
}

fn operations() -> Map<String, Value> {
    let commands = Group::Command.entries().map(|entry| {
        let binding = json!({ "deliveryMode": 2, "ack": true, "bindingVersion": BINDING });
        request("commands", entry, &[REPLY.to_owned()], &binding)
    });
    let questions = Group::Question.entries().map(|entry| {
        let binding = json!({ "deliveryMode": 1, "ack": true, "bindingVersion": BINDING });
        request("questions", entry, &answers_to(entry.name), &binding)
    });
    let events = Group::Event.entries().map(|entry| {
        let mut binding =
            json!({ "deliveryMode": 2, "mandatory": false, "timestamp": true, "bindingVersion": BINDING });
        if let Some(fields) = binding.as_object_mut().filter(|_| is_numbered(entry.name)) {
            let routed = format!("{}.environment.<id>", entry.name);
            fields.insert("cc".to_owned(), json!([routed]));
        }
        let operation = json!({
            "action": "send",
            "title": entry.name,
            "summary": entry.title,
            "channel": reference("#/channels/events"),
            "messages": [reference(&format!("#/channels/events/messages/{}", entry.name))],
            "bindings": { "amqp": binding }
        });
        (entry.name.to_owned(), operation)
    });
    commands.chain(questions).chain(events).collect()
}

fn request(channel: &str, entry: &Entry, replies: &[String], binding: &Value) -> (String, Value) {
    let replies: Vec<Value> = replies
        .iter()
        .map(|name| reference(&format!("#/channels/replies/messages/{name}")))
        .collect();
    let operation = json!({
        "action": "receive",
        "title": entry.name,
        "summary": entry.title,
        "channel": reference(&format!("#/channels/{channel}")),
        "messages": [reference(&format!("#/channels/{channel}/messages/{}", entry.name))],
        "reply": {
            "address": {
                "location": "$message.header#/reply_to",
                "description": "The property reply_to, a queue. Where there is none, nobody is answered."
            },
            "channel": reference("#/channels/replies"),
            "messages": replies
        },
        "bindings": { "amqp": binding }
    });
    (entry.name.to_owned(), operation)
}

fn message(entry: &Entry) -> Value {
    // The property `type`: every reply and answer has the same, so that a client needs to know only one.
    let kind = match entry.group {
        Group::Reply => REPLY,
        _ => entry.name,
    };
    let mut message = json!({
        "name": entry.name,
        "title": entry.name,
        "summary": entry.title,
        "contentType": CONTENT_TYPE,
        "correlationId": { "location": "$message.header#/correlation_id" },
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": reference(&format!("./{}.json", entry.name))
        },
        "bindings": { "amqp": { "messageType": kind, "bindingVersion": BINDING } }
    });
    let headers = match entry.group {
        Group::Command | Group::Question => Some("#/components/schemas/requestHeaders"),
        Group::Event => Some("#/components/schemas/eventHeaders"),
        Group::Reply | Group::Sync | Group::Standing | Group::Instance | Group::Document => None,
    };
    if let (Some(headers), Some(fields)) = (headers, message.as_object_mut()) {
        fields.insert("headers".to_owned(), reference(headers));
    }
    message
}

fn request_headers() -> Value {
    json!({
        "type": "object",
        "properties": {
            "deadline": {
                "type": "string",
                "format": "date-time",
                "description": "From when on nobody waits for it any more, and it is not executed."
            },
            "traceparent": { "type": "string", "description": "W3C Trace Context; passed on to replies and events." },
            "tracestate": { "type": "string", "description": "W3C Trace Context; passed on with traceparent." }
        }
    })
}

fn event_headers() -> Value {
    let text = |what: &str| json!({ "type": "string", "description": what });
    json!({
        "type": "object",
        "description": "CloudEvents 1.0 in the binary mode of its AMQP binding.",
        "properties": {
            "cloudEvents_specversion": { "type": "string", "const": "1.0" },
            "cloudEvents_id": text("The message id: the same on every publication of the event."),
            "cloudEvents_source": text("Which cluster, behind which namespace: /domesday/<cluster>."),
            "cloudEvents_type": text("The type of the event."),
            "cloudEvents_subject": text("What it is about: resource:db-1; a transaction, or the cluster."),
            "cloudEvents_time": { "type": "string", "format": "date-time", "description": "When it was decided." },
            "cloudEvents_sequence": text("The sequence, padded to 20 digits."),
            "traceparent": text("That of the command, where it had one."),
            "tracestate": text("That of the command, where it had one.")
        },
        "required": [
            "cloudEvents_specversion", "cloudEvents_id", "cloudEvents_source", "cloudEvents_type",
            "cloudEvents_subject", "cloudEvents_time", "cloudEvents_sequence"
        ]
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
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{answers_to, asyncapi, asyncapi_text, names};
    use crate::wire::catalogue::{ENTRIES, Group};
    use crate::wire::yaml::tests::from_yaml;

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

    fn keys(value: &Value) -> BTreeSet<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// What the references in a list lead to.
    fn ends(list: &Value) -> BTreeSet<&str> {
        let references = list.as_array().unwrap().iter();
        references
            .map(|item| item["$ref"].as_str().unwrap().rsplit('/').next().unwrap())
            .collect()
    }

    #[test]
    fn the_yaml_is_the_document() {
        assert_eq!(from_yaml(&asyncapi_text()), asyncapi());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = asyncapi();
        let files: Vec<String> = ENTRIES
            .iter()
            .map(|entry| format!("./{}.json", entry.name))
            .collect();
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

    #[test]
    fn every_message_goes_over_a_channel_and_has_its_schema() {
        let document = asyncapi();
        let mut carried = BTreeSet::new();
        for channel in document["channels"].as_object().unwrap().values() {
            carried.extend(keys(&channel["messages"]));
        }
        let messages: BTreeSet<&str> = ENTRIES
            .iter()
            .filter(|entry| !["environment", "resource", "problem"].contains(&entry.name))
            .map(|entry| entry.name)
            .collect();
        assert_eq!(carried, messages, "the channels");
        assert_eq!(keys(&document["components"]["messages"]), messages);
        for (name, message) in document["components"]["messages"].as_object().unwrap() {
            assert_eq!(message["payload"]["schema"]["$ref"], format!("./{name}.json"));
            assert!(message["bindings"]["amqp"]["messageType"].is_string(), "{name}");
        }
    }

    #[test]
    fn every_request_has_an_operation_with_its_replies() {
        let document = asyncapi();
        let operations = document["operations"].as_object().unwrap();
        let expected = [Group::Command, Group::Question, Group::Event]
            .map(names)
            .concat();
        assert_eq!(keys(&document["operations"]), expected.into_iter().collect());
        for (name, operation) in operations {
            assert_eq!(operation["bindings"]["amqp"]["bindingVersion"], "0.3.0", "{name}");
            assert_eq!(ends(&operation["messages"]), BTreeSet::from([name.as_str()]));
        }
        for name in names(Group::Command) {
            assert_eq!(
                ends(&operations[name]["reply"]["messages"]),
                BTreeSet::from(["reply"])
            );
        }
        for name in names(Group::Question) {
            let replies = answers_to(name);
            let replies: BTreeSet<&str> = replies.iter().map(String::as_str).collect();
            assert_eq!(ends(&operations[name]["reply"]["messages"]), replies, "{name}");
        }
        let sync = ends(&operations["sync"]["reply"]["messages"]);
        assert!(sync.contains("sync.end") && sync.contains("resource.updated") && !sync.contains("bookmark"));
    }
}
