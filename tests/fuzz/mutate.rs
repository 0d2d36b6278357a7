//! How a valid message is broken: in its structure first, and then sometimes in its bytes.

use crate::chance::Chance;
use crate::node::Node;

/// What is written in the place of a value: numbers at the edges, and words.
const RAW: [&str; 20] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1.0",
    "1.5",
    "1e2",
    "1E+2",
    "1e308",
    "1e309",
    "-1e999",
    "1e-999",
    "9007199254740991",
    "9007199254740992",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "4294967296",
];
/// What is no JSON at all.
const GARBAGE: [&str; 7] = ["0x1", "01", "NaN", "Infinity", "tru", "\"\\ud800\"", ""];
const TEXTS: [&str; 30] = [
    "",
    " ",
    "a",
    "-",
    "~",
    "/",
    "~1/~0",
    "..",
    "a/b",
    "é",
    "\u{0}",
    "\u{7f}",
    "\u{feff}",
    "\u{202e}x",
    "😀",
    "\"",
    "\\",
    "hard",
    "absent",
    "detach",
    "resource.put",
    "batch",
    "1h",
    "0s",
    "99999999999999999999s",
    "18446744073709551615h",
    "http://a",
    "tcp://a:0",
    "2026-01-31T12:00:00Z",
    "99999-01-01T00:00:00Z",
];
const KEYS: [&str; 18] = [
    "id",
    "args",
    "patch",
    "expect",
    "type",
    "kind",
    "dry_run",
    "resources",
    "tags",
    "attributes",
    "group",
    "at_least",
    "external",
    "limit",
    "",
    "~/",
    "é",
    "ID",
];

/// Changes one value of a tree, or what is around it; `other` is another valid message to take parts from.
pub(crate) fn structure(root: &mut Node, other: &Node, chance: &mut Chance) {
    let place = chance.below(root.count());
    let spare = part(root, chance);
    let node = root.nth(place);
    match (chance.below(12), node) {
        (0 | 1, Node::Object(fields)) if !fields.is_empty() => {
            fields.remove(chance.below(fields.len()));
        }
        (0 | 1, Node::List(items)) if !items.is_empty() => {
            items.remove(chance.below(items.len()));
        }
        (2, Node::Object(fields)) if !fields.is_empty() => {
            let (key, value) = fields[chance.below(fields.len())].clone();
            let value = if chance.once_in(2) { value } else { spare };
            fields.insert(chance.below(fields.len() + 1), (key, value));
        }
        (2, Node::List(items)) if !items.is_empty() => {
            let item = chance.pick(items).clone();
            let times = if chance.once_in(50) { 1_500 } else { 3 };
            items.extend(vec![item; times]);
        }
        (3 | 4, Node::Object(fields)) if !fields.is_empty() => {
            let place = chance.below(fields.len());
            fields[place].0 = key(&fields[place].0, chance);
        }
        (5, Node::Object(fields)) => {
            let name = (*chance.pick(&KEYS)).to_owned();
            fields.push((name, leaf(chance)));
        }
        (5, Node::List(items)) => items.push(leaf(chance)),
        (6, node) => *node = spare,
        (7, node) => *node = part(&mut other.clone(), chance),
        (8, node) => {
            let levels = *chance.pick(&[1, 2, 31, 32, 33, 63, 64, 65, 126, 127, 200]);
            for _ in 0..levels {
                let inner = std::mem::replace(node, Node::Raw(String::new()));
                *node = if chance.once_in(2) {
                    Node::List(vec![inner])
                } else {
                    Node::Object(vec![("a".to_owned(), inner)])
                };
            }
        }
        (_, node) => *node = leaf(chance),
    }
}

/// Some value of a tree, with all within.
fn part(root: &mut Node, chance: &mut Chance) -> Node {
    let place = chance.below(root.count());
    root.nth(place).clone()
}

fn leaf(chance: &mut Chance) -> Node {
    match chance.below(12) {
        0 if chance.once_in(3) => Node::Raw((*chance.pick(&GARBAGE)).to_owned()),
        0..=3 => Node::Raw((*chance.pick(&RAW)).to_owned()),
        4 => Node::Raw("9".repeat(*chance.pick(&[17, 20, 308, 400]))),
        5 => Node::List(Vec::new()),
        6 => Node::Object(Vec::new()),
        7 => Node::Text(long(chance)),
        _ => Node::Text((*chance.pick(&TEXTS)).to_owned()),
    }
}

fn long(chance: &mut Chance) -> String {
    let length = *chance.pick(&[61, 199, 200, 201, 255, 256, 1_001, 2_001, 17_000]);
    chance.pick(&["a", "é", "\u{1}", "~", "/", "😀"]).repeat(length)
}

/// A key almost as before, another, or one that is none.
fn key(before: &str, chance: &mut Chance) -> String {
    match chance.below(5) {
        0 => format!("{before}s"),
        1 => before.chars().skip(1).collect(),
        2 => before.to_uppercase(),
        3 => long(chance),
        _ => (*chance.pick(&KEYS)).to_owned(),
    }
}

/// Changes the bytes of a body.
pub(crate) fn bytes(body: &mut Vec<u8>, chance: &mut Chance) {
    let place = chance.below(body.len() + 1);
    match chance.below(7) {
        0 => body.truncate(place),
        1 => {
            if let Some(byte) = body.get_mut(place) {
                *byte ^= 1 << chance.below(8);
            }
        }
        2 => {
            let broken: [&[u8]; 6] = [
                b"\xff",
                b"\xc0\x80",
                b"\xed\xa0\x80",
                b"\xf4\x90\x80\x80",
                b"\x00",
                b"\xe2\x80",
            ];
            body.splice(place..place, chance.pick(&broken).iter().copied());
        }
        3 => {
            body.splice(0..0, *b"\xef\xbb\xbf");
        }
        4 => body.extend_from_slice(chance.pick(&["{}", "]", "\n", " x", "\0", ","]).as_bytes()),
        5 => {
            if place < body.len() {
                body.remove(place);
            }
        }
        _ => {
            let punctuation = *chance.pick(b"{}[]:,\"\\-.e");
            body.insert(place, punctuation);
        }
    }
}

/// The properties of a request, as far as chance has changed them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties {
    pub(crate) kind: Option<String>,
    pub(crate) routing_key: String,
    pub(crate) message_id: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) expiration: Option<String>,
    pub(crate) headers: std::collections::BTreeMap<String, String>,
}

impl Properties {
    /// Those of a well-behaved client.
    pub(crate) fn of(kind: &str) -> Self {
        Self {
            kind: Some(kind.to_owned()),
            routing_key: kind.to_owned(),
            message_id: Some("m-1".to_owned()),
            content_type: Some("application/json".to_owned()),
            ..Self::default()
        }
    }

    pub(crate) fn mutate(&mut self, chance: &mut Chance) {
        const TYPES: [&str; 6] = ["", "resource.putt", "search", "batch", "RESOURCE.PUT", "sync"];
        const CONTENT_TYPES: [&str; 7] = [
            "",
            "text/plain",
            "application/json; charset=latin1",
            "Application/JSON; charset=\"UTF-8\"",
            "application/json;;=;",
            "application/jsonx",
            "é",
        ];
        const EXPIRATIONS: [&str; 7] = [
            "",
            "0",
            "5000",
            "-1",
            "1e3",
            "18446744073709551615",
            "18446744073709551616",
        ];
        let text = |chance: &mut Chance| match chance.below(3) {
            0 => long(chance),
            _ => (*chance.pick(&TEXTS)).to_owned(),
        };
        match chance.below(8) {
            0 => self.kind = None,
            1 => self.kind = Some((*chance.pick(&TYPES)).to_owned()),
            2 => self.routing_key = text(chance),
            3 => {
                self.message_id = if chance.once_in(2) {
                    None
                } else {
                    Some(text(chance))
                }
            }
            4 => {
                let some = !chance.once_in(4);
                self.content_type = some.then(|| (*chance.pick(&CONTENT_TYPES)).to_owned());
            }
            5 => self.expiration = Some((*chance.pick(&EXPIRATIONS)).to_owned()),
            _ => {
                let names = [
                    "deadline",
                    "traceparent",
                    "tracestate",
                    "cloudEvents_type",
                    "cloudEvents:id",
                    "ce-id",
                    "x",
                ];
                let value = match chance.below(3) {
                    0 => "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
                    _ => text(chance),
                };
                self.headers.insert((*chance.pick(&names)).to_owned(), value);
            }
        }
    }
}
