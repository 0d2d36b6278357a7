//! YAML to documents: anchors and aliases within bounds, keys once, no tags, no merge keys.
//!
//! The scanner stops at the first thing that is not YAML; everything that is YAML and not ours is noted, and
//! reading goes on, so that a person sees all mistakes at once.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde_json::Value;

use super::place::{Slip, Spot, clamp};
use super::scalar::{Unreadable, resolve};
use super::tree::{Content, Entry, Node};

/// Levels of lists and mappings in one document.
pub(super) const DEPTH_MAX: usize = 64;
/// What one document may weigh: its text and [`NODE_WEIGHT`] for each value.
const WEIGHT_MAX: usize = 64 * 1024 * 1024;
/// What the aliases of one document may repeat, in the same measure.
const ALIASED_WEIGHT_MAX: usize = 1024 * 1024;
/// What a value weighs beside its text.
const NODE_WEIGHT: usize = 16;

/// One document, and what is wrong with its form.
pub(super) struct Read {
    /// The document; none where it is empty or could not be read to its end.
    pub(super) root: Option<Node>,
    /// What is wrong.
    pub(super) slips: Vec<Slip>,
}

/// Reads every document of a text, one after the other, and hands each to `take`.
pub(super) fn read(text: &str, mut take: impl FnMut(Read)) {
    let mut parser = Parser::new_from_str(text);
    let mut build = Build::default();
    while let Some(next) = parser.next_event() {
        match next {
            Ok((event, span)) => {
                let done = matches!(event, Event::DocumentEnd | Event::StreamEnd);
                let stop = build.step(event, spot_of(span.start)).is_err();
                if done || stop {
                    let finished = std::mem::take(&mut build);
                    take(finished.finish(stop));
                }
                if stop {
                    return;
                }
            }
            Err(error) => {
                let spot = spot_of(*error.marker());
                build.slips.push(scan_slip(text, spot, error.info()));
                take(build.finish(true));
                return;
            }
        }
    }
}

fn spot_of(mark: Marker) -> Spot {
    Spot {
        line: clamp(mark.line().max(1)),
        column: clamp(mark.col().saturating_add(1)),
    }
}

fn scan_slip(text: &str, spot: Spot, info: &str) -> Slip {
    let index = usize::try_from(spot.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let mut near = text.lines().skip(index.saturating_sub(1)).take(2);
    let hint = if near.any(|line| line.trim_start_matches(' ').starts_with('\t')) {
        "YAML indents with spaces; this line begins with a tab"
    } else {
        "look at this line and at the one before: indentation, quotes, colons, brackets"
    };
    Slip::new(spot, format!("this is not YAML: {info}"), hint)
}

/// A document that grew too large: reading the file ends there.
struct Stop;

/// How much a finished value is.
#[derive(Clone, Copy)]
struct Size {
    weight: usize,
    height: usize,
}

/// A list or a mapping that is still open.
struct Frame {
    spot: Spot,
    anchor: usize,
    size: Size,
    inner: Inner,
}

enum Inner {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: HashMap<String, Spot>,
        key: Key,
    },
}

/// What a mapping is waiting for.
enum Key {
    /// A key.
    Awaited,
    /// The value of this key.
    Read(String, Spot),
    /// The value of a key that is wrong; it is dropped.
    Wrong,
}

#[derive(Default)]
struct Build {
    root: Option<Node>,
    open: Vec<Frame>,
    anchors: HashMap<usize, (Node, Size)>,
    weight: usize,
    aliased_weight: usize,
    slips: Vec<Slip>,
}

impl Build {
    fn finish(self, broken: bool) -> Read {
        Read {
            root: self.root.filter(|_| !broken),
            slips: self.slips,
        }
    }

    fn slip(&mut self, spot: Spot, detail: impl Into<String>, hint: impl Into<String>) {
        self.slips.push(Slip::new(spot, detail, hint));
    }

    fn step(&mut self, event: Event<'_>, spot: Spot) -> Result<(), Stop> {
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Alias(anchor) => self.alias(anchor, spot),
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(tag) = tag {
                    self.tag(&tag.to_string(), spot);
                }
                self.scalar(&text, style, anchor, spot)
            }
            Event::SequenceStart(anchor, tag) => {
                if let Some(tag) = tag {
                    self.tag(&tag.to_string(), spot);
                }
                self.start(Inner::List(Vec::new()), anchor, spot)
            }
            Event::MappingStart(anchor, tag) => {
                if let Some(tag) = tag {
                    self.tag(&tag.to_string(), spot);
                }
                let inner = Inner::Map {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    key: Key::Awaited,
                };
                self.start(inner, anchor, spot)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.end();
                Ok(())
            }
        }
    }

    fn tag(&mut self, tag: &str, spot: Spot) {
        let hint = "leave it out; quotes make a text of a value";
        self.slip(spot, format!("the tag {tag} is not supported"), hint);
    }

    fn start(&mut self, inner: Inner, anchor: usize, spot: Spot) -> Result<(), Stop> {
        if self.open.len() >= DEPTH_MAX {
            self.slip(
                spot,
                format!("this is nested more than {DEPTH_MAX} levels deep"),
                "",
            );
            return Err(Stop);
        }
        let size = Size {
            weight: NODE_WEIGHT,
            height: 1,
        };
        self.open.push(Frame {
            spot,
            anchor,
            size,
            inner,
        });
        self.grow(NODE_WEIGHT, spot)
    }

    fn end(&mut self) {
        let Some(frame) = self.open.pop() else { return };
        let content = match frame.inner {
            Inner::List(items) => Content::List(items),
            Inner::Map { entries, .. } => Content::Map(entries),
        };
        let node = Node::new(frame.spot, content);
        if frame.anchor != 0 {
            self.anchors.insert(frame.anchor, (node.clone(), frame.size));
        }
        self.attach(node, frame.size);
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, spot: Spot) -> Result<(), Stop> {
        self.grow(NODE_WEIGHT.saturating_add(text.len()), spot)?;
        let plain = style == ScalarStyle::Plain;
        if plain && text == "<<" && self.awaits_key() {
            let hint = "repeat the fields, or put an alias where a whole value stands";
            self.slip(spot, "merge keys (<<) are not supported", hint);
            self.key(Key::Wrong);
            return Ok(());
        }
        let value = if plain {
            resolve(text).unwrap_or_else(|reason| {
                let what = match reason {
                    Unreadable::NotFinite => "is not a number that JSON knows",
                    Unreadable::TooLarge => "does not fit into 64 bits",
                };
                let hint = "put it in quotes to keep it as a text";
                self.slip(spot, format!("{text} {what}"), hint);
                Value::String(text.to_owned())
            })
        } else {
            Value::String(text.to_owned())
        };
        let size = Size {
            weight: NODE_WEIGHT.saturating_add(text.len()),
            height: 0,
        };
        let node = Node::new(spot, Content::Scalar(value));
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        self.attach(node, size);
        Ok(())
    }

    fn alias(&mut self, anchor: usize, spot: Spot) -> Result<(), Stop> {
        let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
            let hint = "an alias repeats a value that stands whole before it in the same document";
            self.slip(spot, "this alias repeats nothing", hint);
            let nothing = Node::new(spot, Content::Scalar(Value::Null));
            self.attach(nothing, Size { weight: 0, height: 0 });
            return Ok(());
        };
        self.aliased_weight = self.aliased_weight.saturating_add(size.weight);
        if self.aliased_weight > ALIASED_WEIGHT_MAX {
            let detail = format!("the aliases of this document repeat more than {ALIASED_WEIGHT_MAX} bytes");
            self.slip(spot, detail, "write the values out, or split the document");
            return Err(Stop);
        }
        if self.open.len().saturating_add(size.height) > DEPTH_MAX {
            let detail = format!("with this alias the document is nested more than {DEPTH_MAX} levels deep");
            self.slip(spot, detail, "");
            return Err(Stop);
        }
        self.grow(size.weight, spot)?;
        self.attach(node, size);
        Ok(())
    }

    fn grow(&mut self, weight: usize, spot: Spot) -> Result<(), Stop> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > WEIGHT_MAX {
            let detail = format!("this document is larger than {} MiB", WEIGHT_MAX / 1024 / 1024);
            self.slip(spot, detail, "split it");
            return Err(Stop);
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(
            self.open.last().map(|frame| &frame.inner),
            Some(Inner::Map {
                key: Key::Awaited,
                ..
            })
        )
    }

    fn key(&mut self, new: Key) {
        if let Some(Inner::Map { key, .. }) = self.open.last_mut().map(|frame| &mut frame.inner) {
            *key = new;
        }
    }

    /// Puts a finished value where it belongs: the root, an item, a key or the value of one.
    fn attach(&mut self, node: Node, size: Size) {
        if self.awaits_key() {
            return self.attach_key(&node);
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.size.weight = frame.size.weight.saturating_add(size.weight);
        frame.size.height = frame.size.height.max(size.height.saturating_add(1));
        match &mut frame.inner {
            Inner::List(items) => items.push(node),
            Inner::Map { entries, key, .. } => {
                if let Key::Read(key, spot) = std::mem::replace(key, Key::Awaited) {
                    entries.push(Entry { key, spot, node });
                }
            }
        }
    }

    fn attach_key(&mut self, node: &Node) {
        let spot = node.spot;
        let text = match &*node.content {
            Content::Scalar(Value::String(text)) => text.clone(),
            Content::Scalar(value) => {
                let hint = format!("put it in quotes: \"{value}\"");
                self.slip(spot, format!("the key {value} is not a text"), hint);
                return self.key(Key::Wrong);
            }
            Content::List(_) | Content::Map(_) => {
                self.slip(spot, "a key must be a text", "lists and mappings cannot be keys");
                return self.key(Key::Wrong);
            }
        };
        let earlier = match self.open.last_mut().map(|frame| &mut frame.inner) {
            Some(Inner::Map { seen, .. }) => {
                let earlier = seen.get(&text).copied();
                seen.entry(text.clone()).or_insert(spot);
                earlier
            }
            _ => None,
        };
        let Some(earlier) = earlier else {
            return self.key(Key::Read(text, spot));
        };
        let detail = format!("the key {text:?} is here twice, first on line {}", earlier.line);
        self.slip(spot, detail, "keep one of them");
        self.key(Key::Wrong);
    }
}
