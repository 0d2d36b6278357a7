//! A document as it stands in a YAML file: values that remember where they were written.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::place::Spot;

/// One value and where it stands. Cloning is cheap: what an alias repeats is shared.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) spot: Spot,
    pub(super) content: Rc<Content>,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) spot: Spot,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn new(spot: Spot, content: Content) -> Self {
        Self {
            spot,
            content: Rc::new(content),
        }
    }

    /// The value without its places. Depth and size were bounded when the tree was built.
    pub(super) fn to_value(&self) -> Value {
        match &*self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Content::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.node.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// Where the value of a JSON Pointer stands: at its key, or at its item of a list. Where the pointer leads to
    /// nothing, as it does for a field that is missing, it is the last thing on the way that is there.
    pub(super) fn spot_of(&self, pointer: &str) -> Spot {
        let mut node = self;
        let mut spot = self.spot;
        for token in pointer.split('/').skip(1) {
            let next = match &*node.content {
                Content::Scalar(_) => None,
                Content::List(items) => token
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index))
                    .map(|item| (item.spot, item)),
                Content::Map(entries) => {
                    let key = unescape(token);
                    entries
                        .iter()
                        .find(|entry| entry.key == key)
                        .map(|entry| (entry.spot, &entry.node))
                }
            };
            let Some((at, child)) = next else { break };
            spot = at;
            node = child;
        }
        spot
    }
}

/// Undoes the escapes of one token of a JSON Pointer (RFC 6901, section 4).
pub(super) fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}
