//! JSON text: UTF-8, no key twice, not too deep, nothing after it.
//!
//! `serde_json` alone takes the last of two values of one key, and so would half of the programs on the way; a
//! register must not guess which one was meant.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::domain::{Problem, ProblemKind, escape};

use super::text::quote;

/// Levels of objects and arrays that [`parse_json`] takes: one less than `serde_json` itself allows.
const DEPTH_MAX: usize = 126;

/// Reads JSON text.
///
/// # Errors
/// A [`Problem`] with line and column where it is not JSON, or where an object has a key twice.
pub fn parse_json(body: &[u8]) -> Result<Value, Box<Problem>> {
    parse_bounded(body, DEPTH_MAX)
}

/// Reads JSON text with at most so many levels of objects and arrays.
pub(super) fn parse_bounded(body: &[u8], depth_max: usize) -> Result<Value, Box<Problem>> {
    let text = std::str::from_utf8(body).map_err(|fault| {
        let detail = format!("the body is not UTF-8 from byte {} on", fault.valid_up_to());
        Problem::new(ProblemKind::Malformed, detail).hint("send JSON in UTF-8, without a byte order mark")
    })?;
    if text.trim_ascii().is_empty() {
        let problem = Problem::new(ProblemKind::Malformed, "the body is empty");
        return Err(problem.hint("send a JSON object, such as {\"args\": {}}").into());
    }
    let refusal = RefCell::new(None);
    let root = Seed {
        path: Path::Root,
        depth_left: depth_max.min(DEPTH_MAX),
        depth_max: depth_max.min(DEPTH_MAX),
        refusal: &refusal,
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = root.deserialize(&mut deserializer);
    let whole = value.and_then(|value| deserializer.end().map(|()| value));
    whole.map_err(|fault| match refusal.into_inner() {
        Some(refusal) => refusal.into_problem(&fault),
        None => Box::new(syntax(&fault)),
    })
}

/// Text that is not JSON.
fn syntax(fault: &serde_json::Error) -> Problem {
    let detail = format!("the body is not JSON: {fault}");
    Problem::new(ProblemKind::Malformed, detail)
        .hint("look at the line and the column that the detail names")
        .fact("line", fault.line())
        .fact("column", fault.column())
}

/// Text that is JSON, and still refused.
enum Refusal {
    Duplicate { pointer: String, key: String },
    Depth { pointer: String, max: usize },
}

impl Refusal {
    fn into_problem(self, fault: &serde_json::Error) -> Box<Problem> {
        let place = format!("line {} column {}", fault.line(), fault.column());
        let problem = match self {
            Self::Duplicate { pointer, key } => {
                let detail = format!("the key {} is there twice, again at {place}", quote(&key));
                Problem::new(ProblemKind::Malformed, detail)
                    .at(pointer)
                    .hint("leave one of them out: which one was meant cannot be known")
            }
            Self::Depth { pointer, max } => {
                let detail = format!("objects and lists are nested more than {max} levels deep at {place}");
                Problem::new(ProblemKind::LimitExceeded, detail)
                    .at(pointer)
                    .hint("flatten it, or keep it as a text")
                    .fact("limit", max)
            }
        };
        let located = problem.fact("line", fault.line()).fact("column", fault.column());
        Box::new(located)
    }
}

/// Where a value stands; only turned into text when there is something to say about it.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(parent, key) => write!(f, "{parent}/{}", escape(key)),
            Self::Index(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

/// Reads one value where it stands.
struct Seed<'a> {
    path: Path<'a>,
    depth_left: usize,
    depth_max: usize,
    refusal: &'a RefCell<Option<Refusal>>,
}

impl Seed<'_> {
    /// The levels that are left inside this value.
    fn descend<E: serde::de::Error>(&self) -> Result<usize, E> {
        self.depth_left.checked_sub(1).ok_or_else(|| {
            let pointer = self.path.to_string();
            let max = self.depth_max;
            self.refusal.replace(Some(Refusal::Depth { pointer, max }));
            E::custom("too deep")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("number out of range"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let depth_left = self.descend()?;
        let mut list = Vec::new();
        loop {
            let seed = Seed {
                path: Path::Index(&self.path, list.len()),
                depth_left,
                ..self
            };
            match items.next_element_seed(seed)? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let depth_left = self.descend()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let path = Path::Key(&self.path, &key);
            if object.contains_key(&key) {
                let pointer = path.to_string();
                self.refusal.replace(Some(Refusal::Duplicate { pointer, key }));
                return Err(A::Error::custom("a key is there twice"));
            }
            let seed = Seed {
                path,
                depth_left,
                ..self
            };
            let value = entries.next_value_seed(seed)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use serde_json::{Value, json};

    use super::{parse_bounded, parse_json};
    use crate::domain::ProblemKind;

    #[test]
    fn json_is_read_as_it_is() {
        let text = r#"{"a": [1, -2, 2.5, 1e3, "é\n", null, true, {}], "b": {"c": {}}}"#;
        let expected = json!({"a": [1, -2, 2.5, 1e3, "é\n", null, true, {}], "b": {"c": {}}});
        assert_eq!(parse_json(text.as_bytes()), Ok(expected));
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused_with_its_place() {
        let problem = parse_json(b"{\"a\": [{}, {\"b/c\": 1,\n \"b/c\": 2}]}").unwrap_err();
        assert_eq!(problem.kind, ProblemKind::Malformed);
        assert_eq!(problem.pointer, "/a/1/b~1c");
        assert_eq!(
            problem.detail,
            "the key `b/c` is there twice, again at line 2 column 6"
        );
        assert_eq!(problem.facts["line"], 2);
    }

    #[test]
    fn what_is_not_json_is_refused_with_line_and_column() {
        let cases: [(&[u8], &str); 6] = [
            (b"", "the body is empty"),
            (b" \n", "the body is empty"),
            (b"{\"a\": 1,\n}", "trailing comma at line 2 column 1"),
            (b"{} {}", "trailing characters at line 1 column 4"),
            (b"{\"a\": \"\xff\"}", "the body is not UTF-8 from byte 7 on"),
            (b"{\"a\": 1e999}", "number out of range at line 1 column 11"),
        ];
        for (body, part) in cases {
            let problem = parse_json(body).unwrap_err();
            assert_eq!(problem.kind, ProblemKind::Malformed, "{part}");
            assert!(problem.detail.contains(part), "{part}: {}", problem.detail);
        }
    }

    #[test]
    fn depth_has_a_limit() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse_bounded(deep(64).as_bytes(), 64).is_ok());
        let problem = parse_bounded(deep(65).as_bytes(), 64).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::LimitExceeded);
        assert_eq!(problem.pointer, "/0".repeat(64));
        assert!(parse_json(deep(126).as_bytes()).is_ok());
        for levels in [127, 128, 100_000] {
            let problem = parse_json(deep(levels).as_bytes()).unwrap_err();
            assert_eq!(problem.kind, ProblemKind::LimitExceeded, "{levels}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in any::<Vec<u8>>()) {
            let theirs: Result<Value, _> = serde_json::from_slice(&body);
            if let Ok(ours) = parse_json(&body) {
                assert_eq!(theirs.unwrap(), ours);
            }
        }
    }
}
