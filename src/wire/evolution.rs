//! Whether messages have changed only as `docs/contract.md` allows since the last release, whose schemas are in
//! `schemas/released/`.
//!
//! Both directions are one question: does the wide schema take all that the narrow one says? What clients send must
//! still be taken, so the new schema is the wide one. What clients receive must be what they know, so the old one is;
//! only fields that they do not know are passed over.

mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{ENTRIES, Entry, Group, schema_text};

/// Who sends the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// Clients do: what they could send before, they can send now.
    Sent,
    /// The register does: what readers knew before, they know now.
    Received,
}

/// Enumerations that may grow, since `docs/contract.md` says what a reader does with a word that it does not know.
const MAY_GROW: [(&str, &str); 1] = [("sync.begin", "/verdict")];

/// Keywords that say nothing about which values are taken.
const WORDS_ONLY: [&str; 8] = [
    "$schema",
    "$id",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
    // The widths of integers and the like; `minimum` and `maximum` are what counts.
    "format",
];
/// Keywords that are compared.
const COMPARED: [&str; 16] = [
    "$ref",
    "type",
    "const",
    "enum",
    "oneOf",
    "anyOf",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "pattern",
    "minimum",
    "minLength",
    "minItems",
    "maximum",
    "maxLength",
];
const LOWER_BOUNDS: [&str; 3] = ["minimum", "minLength", "minItems"];
const UPPER_BOUNDS: [&str; 2] = ["maximum", "maxLength"];

/// The breaches of one message, old against new.
fn breaches(name: &str, direction: Direction, old: &Value, new: &Value) -> Vec<String> {
    let (narrow, wide) = match direction {
        Direction::Sent => (old, new),
        Direction::Received => (new, old),
    };
    let mut compare = Compare {
        name,
        direction,
        narrow_root: narrow,
        wide_root: wide,
        found: Vec::new(),
    };
    compare.values(narrow, wide, "");
    compare.found
}

/// Whether a keyword only says what goes with fields that could not be sent before.
fn is_about_new_fields(key: &str, narrow: &Map<String, Value>, wide: &Map<String, Value>) -> bool {
    let is_new = |field: &String| {
        let known = narrow.get("properties").and_then(Value::as_object);
        !known.is_some_and(|known| known.contains_key(field))
    };
    key == "dependentSchemas"
        && narrow.get("additionalProperties") == Some(&Value::Bool(false))
        && wide
            .get(key)
            .and_then(Value::as_object)
            .is_some_and(|fields| fields.keys().all(is_new))
}

struct Compare<'a> {
    name: &'a str,
    direction: Direction,
    narrow_root: &'a Value,
    wide_root: &'a Value,
    found: Vec<String>,
}

impl<'a> Compare<'a> {
    fn breach(&mut self, place: &str, what: &str) {
        let name = self.name;
        self.found.push(format!("{name} at {place:?}: {what}"));
    }

    /// What is different, in the words of this direction.
    fn say(&mut self, place: &str, sent: &str, received: &str) {
        match self.direction {
            Direction::Sent => self.breach(place, sent),
            Direction::Received => self.breach(place, received),
        }
    }

    /// Whether the wide schema takes every value of the narrow one.
    fn values(&mut self, narrow: &'a Value, wide: &'a Value, place: &str) {
        let (narrow, wide) = (resolve(narrow, self.narrow_root), resolve(wide, self.wide_root));
        // A schema that is not an object is `true`, which takes everything, or `false`, which takes nothing.
        let (Some(narrow), Some(wide)) = (narrow.as_object(), wide.as_object()) else {
            let takes_all = *wide == Value::Bool(true) || *narrow == Value::Bool(false) || narrow == wide;
            if !takes_all {
                self.say(place, "it takes less than before", "it may be more than before");
            }
            return;
        };
        for key in narrow.keys().chain(wide.keys()) {
            if !WORDS_ONLY.contains(&key.as_str())
                && !COMPARED.contains(&key.as_str())
                && narrow.get(key) != wide.get(key)
                && !is_about_new_fields(key, narrow, wide)
            {
                self.breach(place, &format!("nobody knows how to compare `{key}`"));
            }
        }
        self.types(narrow, wide, place);
        self.words(narrow, wide, place);
        self.bounds(narrow, wide, place);
        self.objects(narrow, wide, place);
        self.inner(narrow, wide, "items", &format!("{place}/*"));
        self.variants(narrow, wide, place);
    }

    fn types(&mut self, narrow: &Map<String, Value>, wide: &Map<String, Value>, place: &str) {
        let Some(wide) = types(wide) else {
            return;
        };
        let covered = |kind: &&str| wide.contains(kind) || (**kind == *"integer" && wide.contains("number"));
        if !types(narrow).is_some_and(|narrow| narrow.iter().all(covered)) {
            self.say(
                place,
                "a type that was taken is not any more",
                "it may be of a type that it was not before",
            );
        }
    }

    /// Enumerations, also those of one word, and those with a description for each word.
    fn words(&mut self, narrow: &Map<String, Value>, wide: &Map<String, Value>, place: &str) {
        let Some(known) = words(wide) else {
            return;
        };
        let may_grow = self.direction == Direction::Received && MAY_GROW.contains(&(self.name, place));
        match words(narrow) {
            Some(words) if may_grow || words.iter().all(|word| known.contains(word)) => {}
            _ => self.say(
                place,
                "a word that was taken is not any more",
                "a word is new that readers do not know",
            ),
        }
    }

    fn bounds(&mut self, narrow: &Map<String, Value>, wide: &Map<String, Value>, place: &str) {
        let number = |schema: &Map<String, Value>, key: &str| schema.get(key).and_then(Value::as_f64);
        let lower = LOWER_BOUNDS.map(|key| (key, 1.0));
        let upper = UPPER_BOUNDS.map(|key| (key, -1.0));
        for (key, sign) in lower.into_iter().chain(upper) {
            let Some(bound) = number(wide, key) else {
                continue;
            };
            if !number(narrow, key).is_some_and(|inner| inner * sign >= bound * sign) {
                let (sent, received) = (format!("`{key}` is tighter"), format!("`{key}` is looser"));
                self.say(place, &sent, &received);
            }
        }
        if wide.contains_key("pattern") && narrow.get("pattern") != wide.get("pattern") {
            self.breach(place, "its pattern is another");
        }
    }

    fn objects(&mut self, narrow: &'a Map<String, Value>, wide: &'a Map<String, Value>, place: &str) {
        let none = Map::new();
        let fields = |schema: &'a Map<String, Value>| schema.get("properties").and_then(Value::as_object);
        let (ours, theirs) = (fields(narrow), fields(wide));
        let (old, new) = match self.direction {
            Direction::Sent => (ours, theirs),
            Direction::Received => (theirs, ours),
        };
        for key in old.unwrap_or(&none).keys() {
            if !new.is_some_and(|new| new.contains_key(key)) {
                self.breach(&format!("{place}/{key}"), "it is gone");
            }
        }
        for (key, ours) in ours.into_iter().flatten() {
            if let Some(theirs) = theirs.and_then(|theirs| theirs.get(key)) {
                self.values(ours, theirs, &format!("{place}/{key}"));
            }
        }
        for key in required(wide).difference(&required(narrow)) {
            let place = format!("{place}/{key}");
            self.say(&place, "it is required now", "it is not always there any more");
        }
        match (
            narrow.get("additionalProperties"),
            wide.get("additionalProperties"),
        ) {
            (None, Some(Value::Bool(false))) => {
                self.say(
                    place,
                    "fields of any name are not taken any more",
                    "fields of any name may come",
                );
            }
            (None, Some(Value::Object(_))) => {
                self.say(
                    place,
                    "fields of any name are taken of one type only",
                    "fields may have any type",
                );
            }
            _ => self.inner(narrow, wide, "additionalProperties", &format!("{place}/*")),
        }
    }

    /// What stands under one keyword in both.
    fn inner(
        &mut self,
        narrow: &'a Map<String, Value>,
        wide: &'a Map<String, Value>,
        key: &str,
        place: &str,
    ) {
        match (narrow.get(key), wide.get(key)) {
            (Some(narrow), Some(wide)) => self.values(narrow, wide, place),
            (None, Some(_)) => self.say(place, "it may not be anything any more", "it may be anything now"),
            (_, None) => {}
        }
    }

    /// Each variant of the narrow one must fit into one of the wide one.
    fn variants(&mut self, narrow: &'a Map<String, Value>, wide: &'a Map<String, Value>, place: &str) {
        if words(wide).is_some() {
            return;
        }
        let Some(wide) = variants(wide) else {
            return;
        };
        let Some(narrow) = variants(narrow) else {
            self.say(
                place,
                "it is restricted to variants",
                "it is not one of the variants any more",
            );
            return;
        };
        for variant in narrow {
            let tries = wide.iter().map(|other| {
                let mut compare = Compare {
                    found: Vec::new(),
                    ..*self
                };
                compare.values(variant, other, place);
                compare.found
            });
            let best = tries.min_by_key(Vec::len).unwrap_or_default();
            if wide.is_empty() || !best.is_empty() {
                self.say(
                    place,
                    "a variant that was taken is not any more",
                    "a variant is new that readers do not know",
                );
                self.found.extend(best);
            }
        }
    }
}

/// Follows a reference to a definition of the same schema.
fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    let target = reference.map(|to| root.pointer(to.trim_start_matches('#')).unwrap());
    target.unwrap_or(schema)
}

fn types(schema: &Map<String, Value>) -> Option<BTreeSet<&str>> {
    match schema.get("type")? {
        Value::String(kind) => Some(BTreeSet::from([kind.as_str()])),
        kinds => Some(kinds.as_array()?.iter().filter_map(Value::as_str).collect()),
    }
}

fn variants(schema: &Map<String, Value>) -> Option<&Vec<Value>> {
    schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()
}

/// The words of an enumeration; none where it is not one.
fn words(schema: &Map<String, Value>) -> Option<Vec<&Value>> {
    if let Some(word) = schema.get("const") {
        return Some(vec![word]);
    }
    if let Some(words) = schema.get("enum") {
        return Some(words.as_array()?.iter().collect());
    }
    let words = variants(schema)?.iter().map(|variant| {
        let fields = variant.as_object()?;
        words(fields).filter(|_| !fields.contains_key("properties"))
    });
    Some(words.collect::<Option<Vec<_>>>()?.concat())
}

fn required(schema: &Map<String, Value>) -> BTreeSet<&str> {
    let listed = schema.get("required").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).collect()
}

const fn direction(group: Group) -> Direction {
    match group {
        Group::Command | Group::Question | Group::Document => Direction::Sent,
        Group::Reply | Group::Event | Group::Sync | Group::Standing | Group::Instance => Direction::Received,
    }
}

fn released() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/released")
}

/// At a release, and only then: takes what is now for what was.
fn renew() {
    let folder = released();
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for entry in ENTRIES {
        let path = folder.join(format!("{}.json", entry.name));
        std::fs::write(path, schema_text(&entry.schema())).unwrap();
    }
    std::fs::write(folder.join("VERSION"), concat!(env!("CARGO_PKG_VERSION"), "\n")).unwrap();
}

/// The types of problems, which the schema lists as examples, since there may be more of them.
fn gone_problems(old: &Value) -> Vec<String> {
    let types = |schema: &Value| -> BTreeSet<String> {
        let examples = schema.pointer("/properties/type/examples").unwrap();
        serde_json::from_value(examples.clone()).unwrap()
    };
    let new = types(&Entry::named("problem").unwrap().schema());
    let gone = types(old).into_iter().filter(|kind| !new.contains(kind));
    gone.map(|kind| format!("problem: {kind} is gone")).collect()
}

#[test]
fn messages_have_changed_only_as_the_contract_allows() {
    if std::env::var_os("DOMESDAY_RELEASE_SCHEMAS").is_some() {
        renew();
    }
    let mut found = Vec::new();
    let mut compared = 0;
    for file in std::fs::read_dir(released()).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(name) = name.strip_suffix(".json") else {
            continue;
        };
        let old: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        match Entry::named(name) {
            Some(entry) => found.extend(breaches(name, direction(entry.group), &old, &entry.schema())),
            None => found.push(format!("{name}: there is no such message any more")),
        }
        if name == "problem" {
            found.extend(gone_problems(&old));
        }
        compared += 1;
    }
    assert!(compared > 40, "only {compared} schemas in schemas/released");
    assert!(
        found.is_empty(),
        "within version 1 messages may not change like this (docs/contract.md):\n{}",
        found.join("\n")
    );
}

#[test]
fn every_schema_is_compatible_with_itself() {
    for entry in ENTRIES {
        let schema = entry.schema();
        for direction in [Direction::Sent, Direction::Received] {
            assert_eq!(breaches(entry.name, direction, &schema, &schema), [""; 0]);
        }
    }
}
