//! Manifests, good and bad.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;

use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::{Manifest, load};

/// Loads files that are written to a directory of their own; names in messages are without it.
fn load_files(files: &[(&str, &[u8])]) -> Manifest {
    let root = tempfile::tempdir().expect("a directory");
    let mut paths: Vec<PathBuf> = Vec::new();
    for (name, content) in files {
        let path = root.path().join(name);
        fs::write(&path, content).expect("written");
        paths.push(path);
    }
    let mut manifest = load(&paths, io::empty());
    for name in &mut manifest.files {
        *name = name.replace(&format!("{}/", root.path().display()), "");
    }
    manifest
}

fn wrong(manifest: &Manifest) -> Vec<String> {
    manifest
        .wrong
        .iter()
        .map(|wrong| manifest.describe(wrong).0)
        .collect()
}

fn yaml(text: &str) -> Manifest {
    load_files(&[("a.yaml", text.as_bytes())])
}

fn bodies(manifest: &Manifest) -> Vec<&str> {
    assert_eq!(wrong(manifest), Vec::<String>::new());
    manifest
        .definitions
        .iter()
        .map(|definition| &*definition.body)
        .collect()
}

#[test]
fn documents_of_all_formats_are_taken_in_order() {
    let manifest = load_files(&[
        (
            "a.yaml",
            b"type: resource\nid: a\nkind: vm\ntags: {zone: \"1\"}\n---\n# nothing\n---\ntype: environment\nid: e\nresources: [a, b]\n",
        ),
        ("b.json", br#"{"type":"resource","id":"b","kind":"vm"}"#),
        (
            "c.json",
            b" [ {\"type\":\"resource\",\"id\":\"c\",\"kind\":\"vm\"} ,\n  {\"type\":\"resource\",\"id\":\"d\",\"kind\":\"vm\"} ] ",
        ),
        (
            "d.jsonl",
            b"{\"type\":\"resource\",\"id\":\"f\",\"kind\":\"vm\"}\r\n\n  {\"type\":\"resource\",\"id\":\"g\",\"kind\":\"vm\"}",
        ),
    ]);
    assert_eq!(
        bodies(&manifest),
        [
            r#"{"id":"a","kind":"vm","tags":{"zone":"1"}}"#,
            r#"{"id":"e","resources":["a","b"]}"#,
            r#"{"id":"b","kind":"vm"}"#,
            r#"{"id":"c","kind":"vm"}"#,
            r#"{"id":"d","kind":"vm"}"#,
            r#"{"id":"f","kind":"vm"}"#,
            r#"{"id":"g","kind":"vm"}"#,
        ]
    );
    let places: Vec<String> = manifest
        .definitions
        .iter()
        .map(|definition| manifest.locate(definition.place))
        .collect();
    assert_eq!(
        places,
        [
            "a.yaml:1:1",
            "a.yaml:8:1",
            "b.json:1:1",
            "c.json:1:4",
            "c.json:2:3",
            "d.jsonl:1:1",
            "d.jsonl:3:3"
        ]
    );
}

#[test]
fn standard_input_is_read_by_what_it_looks_like() {
    for text in [
        "type: resource\nid: a\nkind: vm\n",
        "\u{feff}{\"type\": \"resource\", \"id\": \"a\", \"kind\": \"vm\"}",
        "[{\"type\": \"resource\",\n\"id\": \"a\", \"kind\": \"vm\"}]",
        "{type: resource, id: a, kind: vm}",
        "- {type: resource, id: a, kind: vm}",
    ] {
        let manifest = load(&[PathBuf::from("-")], text.as_bytes());
        assert_eq!(bodies(&manifest), [r#"{"id":"a","kind":"vm"}"#], "{text}");
    }
    let lines = "{\"type\":\"resource\",\"id\":\"a\",\"kind\":\"vm\"}\n{\"type\":\"resource\",\"id\":\"b\",\"kind\":\"vm\"}\n";
    let manifest = load(&[PathBuf::from("-")], lines.as_bytes());
    assert_eq!(manifest.definitions.len(), 2);
}

#[test]
fn twenty_mistakes_are_told_at_once_each_with_its_line() {
    let first = "\
type: resource
id: web 1
kind: vm
---
type: resource
id: web-2
kinds: vm
---
id: web-3
kind: vm
---
type: cluster
id: web-4
---
type: resource
id: web-5
kind: vm
tags:
  owner: [a]
  owner: b
dependencies:
  - resource: db-1
    nature: weak
  - group: [{resource: x}, {resource: y}]
    at_least: 3
  - resorce: db-2
---
type: resource
id: web-6
kind: two words
status_endpoints:
  - {name: s, url: \"ftp://x\"}
  - {name: t, url: \"http://x\", interval: soon}
attributes:
  a: null
---
type: resource
id: web-7
kind: !vm vm
<<: {name: n}
1: x
";
    let second = "\
{\"type\": \"environment\", \"id\": \"e\", \"tags\": {\"a\": 5}}
{\"type\": \"environment\", \"id\": \"e\"}
{\"type\": \"environment\", \"id\": }
[1]
{\"type\": \"environment\", \"id\": \"f\", \"entrypoints\": [{\"name\": \"x\"}], \"id\": \"g\"}
";
    let manifest = load_files(&[("a.yaml", first.as_bytes()), ("b.jsonl", second.as_bytes())]);
    let all: Vec<String> = wrong(&manifest);
    let places: Vec<String> = all
        .iter()
        .map(|line| {
            let parts: Vec<&str> = line.splitn(4, ':').collect();
            parts[..3].join(":")
        })
        .collect();
    assert_eq!(
        places,
        [
            "a.yaml:2:1",
            "a.yaml:5:1",
            "a.yaml:7:1",
            "a.yaml:9:1",
            "a.yaml:12:1",
            "a.yaml:19:3",
            "a.yaml:20:3",
            "a.yaml:23:5",
            "a.yaml:26:5",
            "a.yaml:26:5",
            "a.yaml:30:1",
            "a.yaml:33:32",
            "a.yaml:35:3",
            "a.yaml:39:11",
            "a.yaml:40:1",
            "a.yaml:41:1",
            "b.jsonl:1:45",
            "b.jsonl:2:25",
            "b.jsonl:3:31",
            "b.jsonl:4:1",
            "b.jsonl:5:52",
            "b.jsonl:5:68",
        ],
        "{}",
        all.join("\n")
    );
    assert!(manifest.definitions.is_empty());
}

#[test]
fn one_thing_defined_twice_names_both_places() {
    let manifest = load_files(&[
        ("a.yaml", b"type: resource\nid: a\nkind: vm\n"),
        (
            "b.json",
            b"{\"type\":\"resource\",\n\"id\":\"a\",\"kind\":\"vm\"}",
        ),
        ("c.yaml", b"type: environment\nid: a\n"),
    ]);
    assert_eq!(
        wrong(&manifest),
        ["b.json:2:1: /id: resource a is defined twice, first at a.yaml:1:1"]
    );
}

#[test]
fn anchors_and_aliases_are_repeated_within_bounds() {
    let manifest = yaml(
        "type: resource\nid: a\nkind: &k vm\nname: *k\ntags: &t {x: \"1\"}\nattributes: {more: *t}\n---\ntype: resource\nid: b\nkind: vm\n",
    );
    assert_eq!(
        bodies(&manifest)[0],
        r#"{"id":"a","kind":"vm","name":"vm","tags":{"x":"1"},"attributes":{"more":{"x":"1"}}}"#
    );
}

#[test]
fn a_billion_laughs_are_not_laughed() {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for i in 1..10 {
        let of = i - 1;
        let all = vec![format!("*a{of}"); 10].join(", ");
        let _ = writeln!(text, "a{i}: &a{i} [{all}]");
    }
    let manifest = yaml(&text);
    assert_eq!(
        wrong(&manifest),
        ["a.yaml:5:25: the aliases of this document repeat more than 1048576 bytes"]
    );
}

#[test]
fn an_alias_of_nothing_or_of_itself_is_told() {
    for text in ["a: &a [*a]\n", "a: &a x\n---\nb: *a\n", "a: *nothing\n"] {
        let manifest = yaml(text);
        assert!(!manifest.wrong.is_empty(), "{text}");
    }
}

#[test]
fn what_is_no_text_at_all_is_told_with_its_place() {
    let manifest = load_files(&[
        ("a.yaml", b"type: resource\nid: \xff\n"),
        (
            "b.jsonl",
            b"{\"type\":\"environment\",\"id\":\"e\"}\n{\"id\": \"\xc3\x28\"}\n",
        ),
        ("c.yaml", b"\xff\xfea\0"),
    ]);
    assert_eq!(
        wrong(&manifest),
        [
            "a.yaml:2:5: this is not UTF-8",
            "b.jsonl:2:9: this is not UTF-8",
            "c.yaml:1:1: this is not UTF-8"
        ]
    );
    assert!(manifest.wrong.iter().any(|wrong| wrong.hint.contains("UTF-16")));
}

#[test]
fn marks_and_line_ends_of_other_systems_do_not_matter() {
    let manifest = load_files(&[(
        "a.yaml",
        b"\xef\xbb\xbftype: resource\r\nid: a\r\nkind: vm\r\ndescription: |\r\n  one\r\n  two\r\n",
    )]);
    assert_eq!(
        bodies(&manifest),
        [r#"{"id":"a","kind":"vm","description":"one\ntwo\n"}"#]
    );
    let manifest = load_files(&[(
        "b.jsonl",
        b"\xef\xbb\xbf{\"type\":\"environment\",\"id\":\"e\"}\r\n",
    )]);
    assert_eq!(bodies(&manifest), [r#"{"id":"e"}"#]);
}

#[test]
fn empty_files_hold_no_documents() {
    for (name, content) in [
        ("a.yaml", ""),
        ("a.yaml", "---\n---\n"),
        ("a.yaml", "# nothing\n"),
        ("a.json", ""),
        ("a.json", " \n"),
        ("a.json", "[]"),
        ("a.jsonl", "\n\n"),
    ] {
        let manifest = load_files(&[(name, content.as_bytes())]);
        assert!(bodies(&manifest).is_empty(), "{name} {content:?}");
    }
}

#[test]
fn tabs_and_huge_nesting_are_refused_and_explained() {
    let manifest = yaml("type: resource\nid: a\ntags:\n\tx: y\n");
    assert_eq!(manifest.wrong.len(), 1, "{:?}", manifest.wrong);
    assert_eq!(
        manifest.wrong[0].hint,
        "YAML indents with spaces; this line begins with a tab"
    );
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        format!("a: {}{}", "[".repeat(70), "]".repeat(70)),
    ] {
        assert_eq!(yaml(&text).wrong.len(), 1);
    }
    let deep = format!("{{\"type\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for name in ["a.json", "a.jsonl"] {
        assert_eq!(load_files(&[(name, deep.as_bytes())]).wrong.len(), 1, "{name}");
    }
}

#[test]
fn json_that_is_none_is_told_with_line_and_column() {
    for (text, place) in [
        ("{\"type\": \"resource\",\n \"id\": \"a\",}", "a.json:2:12"),
        ("[{\"type\": \"environment\", \"id\": \"e\"},\n]", "a.json:2:1"),
        ("{} {}", "a.json:1:4"),
        ("// x\n{}", "a.json:1:1"),
    ] {
        let manifest = load_files(&[("a.json", text.as_bytes())]);
        let all = wrong(&manifest);
        assert_eq!(all.len(), 1, "{text}: {all:?}");
        assert!(all[0].starts_with(place), "{text}: {all:?}");
    }
}

#[test]
fn mistakes_of_json_stand_where_the_pointer_leads() {
    let text = r#"[
  {"type": "resource", "id": "a", "kind": "vm"},
  {
    "type": "resource", "id": "b", "kind": "vm",
    "attributes": {"a/b": {"c": "]}\\\"", "d": [1, {"e": null}], "f": {"g": null}}},
    "dependencies": [ {"resource": "x"}, {"resource": "ü", "nature": "hard"} ]
  }
]"#;
    let manifest = load_files(&[("a.json", text.as_bytes())]);
    let all = wrong(&manifest);
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[0].starts_with("a.json:5:72: /attributes/a~1b/f/g"), "{all:?}");
    assert!(
        all[1].starts_with("a.json:6:43: /dependencies/1/resource"),
        "{all:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for name in ["a.yaml", "a.json", "a.jsonl", "a"] {
            load_files(&[(name, &bytes)]);
        }
    }

    #[test]
    fn arbitrary_pieces_of_yaml_never_panic(
        pieces in proptest::collection::vec(
            prop::sample::select(vec![
                "a", ":", " ", "\n", "- ", "? ", "[", "]", "{", "}", ",", "&a", "*a", "!", "!!str", "|", ">", "'",
                "\"", "\\", "#", "%YAML 1.2", "---", "...", "<<", "\t", "\r", "\u{feff}", "\u{85}", "é", "~", "@",
                "`", "0x", "  ", ": ", "\\u12", "|2-", "*", "&",
            ]),
            0..60,
        )
    ) {
        let text = pieces.concat();
        load(&[PathBuf::from("-")], text.as_bytes());
        super::yaml::read(&text, drop);
    }
}
