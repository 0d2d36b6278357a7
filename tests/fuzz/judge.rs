//! What must be so of every message, whatever it holds.

use std::collections::HashMap;

use domesday::domain::{Position, Problem, ProblemKind, Timestamp};
use domesday::wire::shape::{
    AnswerBody, BookmarkBody, ComparisonBody, DanglingBody, EnvironmentDocument, EventBody, HistoryBody,
    HitsBody, ImpactBody, LinksBody, OrderBody, PathsBody, PongBody, ProblemBody, QuestionProblemBody,
    ReplyBody, ResourceDocument, StateBody, SubgraphBody, SyncBeginBody, SyncEndBody, TransactionEventBody,
};
use domesday::wire::{
    Bounds, ENTRIES, Incoming, from_bytes, parse_command, parse_json, parse_question, render_problem_reply,
    render_question_problem, to_bytes,
};
use jsonschema::Validator;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::mutate::Properties;
use crate::node::Node;

const AT: Position = Position {
    epoch: 1,
    sequence: 7,
};
/// More than any problem may weigh once it is rendered.
const PROBLEM_BYTES_MAX: usize = 512 * 1024;

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Taken,
    Refused(ProblemKind),
    Unreadable,
}

/// One message, as it would be delivered.
pub(crate) struct Message<'a> {
    pub(crate) properties: &'a Properties,
    pub(crate) body: &'a [u8],
    /// The tree that the body was written from, unless its bytes were changed afterwards.
    pub(crate) tree: Option<&'a Node>,
    /// Whether to look at the schemas as well, which is slow.
    pub(crate) closely: bool,
}

pub(crate) struct Judge {
    schemas: HashMap<&'static str, Validator>,
}

impl Judge {
    pub(crate) fn new() -> Self {
        let validator = |schema: Value| jsonschema::draft202012::new(&schema).unwrap();
        Self {
            schemas: ENTRIES
                .iter()
                .map(|entry| (entry.name, validator(entry.schema())))
                .collect(),
        }
    }

    pub(crate) fn command(&self, message: &Message<'_>) -> Verdict {
        let incoming = message.incoming();
        let read = || parse_command(&incoming, &Bounds::default());
        let parsed = read();
        assert_eq!(parsed, read(), "read twice, it is not the same");
        let render = |problem: &Problem| render_problem_reply(problem, AT, "c");
        self.outcome(
            message,
            incoming.message_type(),
            parsed.map(|_| ()),
            "reply",
            &render,
        )
    }

    pub(crate) fn question(&self, message: &Message<'_>) -> Verdict {
        let incoming = message.incoming();
        let read = || parse_question(&incoming, &Bounds::default());
        let parsed = read();
        assert_eq!(parsed, read(), "read twice, it is not the same");
        let render = |problem: &Problem| render_question_problem(problem, AT, "c");
        let kind = incoming.message_type();
        self.outcome(message, kind, parsed.map(|_| ()), "question.problem", &render)
    }

    fn outcome(
        &self,
        message: &Message<'_>,
        kind: Option<&str>,
        parsed: Result<(), Box<Problem>>,
        schema: &str,
        render: &dyn Fn(&Problem) -> Vec<u8>,
    ) -> Verdict {
        let Err(problem) = parsed else {
            if message.closely && !message.body.is_empty() {
                let body: Value = serde_json::from_slice(message.body).expect("what is taken is JSON");
                let kind = kind.expect("what is taken has a type");
                assert!(
                    self.schemas[kind].is_valid(&body),
                    "the reader takes what the schema does not"
                );
            }
            return Verdict::Taken;
        };
        message.check(&problem);
        let rendered = render(&problem);
        assert!(rendered.len() < PROBLEM_BYTES_MAX, "{} bytes", rendered.len());
        if message.closely {
            let rendered: Value = serde_json::from_slice(&rendered).unwrap();
            assert!(self.schemas[schema].is_valid(&rendered), "{rendered:#}");
            assert!(
                self.schemas["problem"].is_valid(&rendered["problem"]),
                "{rendered:#}"
            );
            let read: ProblemBody = from_bytes(&to_bytes(&rendered["problem"])).unwrap();
            assert_eq!(ProblemKind::parse(read.slug()), Some(problem.kind));
        }
        Verdict::Refused(problem.kind)
    }

    /// Free JSON: ours takes nothing that `serde_json` does not, and gives the same.
    pub(crate) fn json(message: &Message<'_>) -> Verdict {
        let parsed = parse_json(message.body);
        assert_eq!(parsed, parse_json(message.body), "read twice, it is not the same");
        let theirs: Result<Value, _> = serde_json::from_slice(message.body);
        match parsed {
            Ok(ours) => {
                assert_eq!(ours, theirs.expect("both take it"));
                Verdict::Taken
            }
            Err(problem) => {
                message.check(&problem);
                let ours_alone =
                    problem.detail.contains("twice") || problem.kind == ProblemKind::LimitExceeded;
                assert!(theirs.is_err() || ours_alone, "only ours refuses it: {problem:?}");
                Verdict::Refused(problem.kind)
            }
        }
    }
}

impl Message<'_> {
    fn incoming(&self) -> Incoming<'_> {
        let Properties {
            kind,
            routing_key,
            message_id,
            content_type,
            expiration,
            headers,
        } = self.properties;
        Incoming {
            kind: kind.as_deref(),
            routing_key,
            message_id: message_id.as_deref(),
            content_type: content_type.as_deref(),
            user_id: Some("guest"),
            expiration: expiration.as_deref(),
            headers,
            body: self.body,
            received: Timestamp(1_000_000),
        }
    }

    fn check(&self, problem: &Problem) {
        assert!(!problem.detail.is_empty(), "nothing is said: {problem:?}");
        assert!(
            problem.mistakes.len() <= 100,
            "{} mistakes",
            problem.mistakes.len()
        );
        self.check_pointer(&problem.pointer);
        for mistake in &problem.mistakes {
            assert!(!mistake.detail.is_empty(), "nothing is said: {mistake:?}");
            self.check_pointer(&mistake.pointer);
        }
        if let Some(first) = problem.mistakes.first() {
            assert_eq!(first.pointer, problem.pointer, "the first is the problem's own");
        }
    }

    /// It is a JSON Pointer, and leads into the body.
    fn check_pointer(&self, pointer: &str) {
        assert!(pointer.is_empty() || pointer.starts_with('/'), "{pointer:?}");
        let tokens: Vec<String> = pointer
            .split('/')
            .skip(1)
            .map(|token| {
                let plain = token.replace("~1", "").replace("~0", "");
                assert!(!plain.contains('~'), "{pointer:?} is not escaped");
                token.replace("~1", "/").replace("~0", "~")
            })
            .collect();
        if let Some(tree) = self.tree {
            assert!(tree.has(&tokens), "{pointer:?} leads nowhere");
        } else if let Ok(body) = serde_json::from_slice::<Value>(self.body) {
            // Of a key that is there twice, this sees the last only.
            let is_twice = parse_json(self.body).is_err();
            assert!(
                is_twice || Node::of(&body).has(&tokens),
                "{pointer:?} leads nowhere"
            );
        }
    }
}

/// Reads a message of the register as a client does; what is taken survives being written and read again.
pub(crate) fn received(name: &str, body: &[u8]) -> Verdict {
    match name {
        "reply" => shape::<ReplyBody>(body),
        "problem" => shape::<ProblemBody>(body),
        "question.problem" => shape::<QuestionProblemBody>(body),
        "search.answer" => shape::<AnswerBody<HitsBody>>(body),
        "graph.dependents.answer" => shape::<AnswerBody<SubgraphBody>>(body),
        "graph.path.answer" => shape::<AnswerBody<PathsBody>>(body),
        "graph.impact.answer" => shape::<AnswerBody<ImpactBody>>(body),
        "graph.order.answer" => shape::<AnswerBody<OrderBody>>(body),
        "history.answer" => shape::<AnswerBody<HistoryBody>>(body),
        "compare.answer" => shape::<AnswerBody<ComparisonBody>>(body),
        "graph.dangling.answer" => shape::<AnswerBody<DanglingBody>>(body),
        "ping.answer" => shape::<AnswerBody<PongBody>>(body),
        "resource.updated" => shape::<EventBody<ResourceDocument>>(body),
        "environment.created" => shape::<EventBody<EnvironmentDocument>>(body),
        "environment.linked" => shape::<EventBody<LinksBody>>(body),
        "transaction.committed" => shape::<TransactionEventBody>(body),
        "bookmark" => shape::<BookmarkBody>(body),
        "sync.begin" => shape::<SyncBeginBody>(body),
        "resource.state" => shape::<StateBody<ResourceDocument>>(body),
        "sync.end" => shape::<SyncEndBody>(body),
        _ => panic!("nobody reads {name}"),
    }
}

fn shape<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(body: &[u8]) -> Verdict {
    let Ok(read) = from_bytes::<T>(body) else {
        assert!(from_bytes::<T>(body).is_err(), "read twice, it is not the same");
        return Verdict::Unreadable;
    };
    let again: T = from_bytes(&to_bytes(&read)).expect("what was written can be read");
    assert_eq!(read, again, "read, written and read, it is not the same");
    Verdict::Taken
}
