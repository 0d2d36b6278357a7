//! Pictures as they are drawn.

use serde_json::json;

use super::picture::Picture;
use super::{Way, dot, mermaid, nodes, tree};

fn picture(truncated: Option<&str>) -> Picture {
    let graph = json!({
        "nodes": [
            {"id": "web-1", "registered": true, "kind": "service", "name": "Shop \"front\"", "distance": 0},
            {"id": "db-1", "registered": true, "kind": "postgres", "name": "db-1", "distance": 1},
            {"id": "cache", "registered": true, "kind": "redis", "distance": 1},
            {"id": "https://pay.example/?a=1&b=<2>", "registered": false, "external": true, "distance": 1},
            {"id": "vm-7", "registered": true, "kind": "vm", "distance": 2},
            {"id": "gone", "registered": false, "distance": 2},
        ],
        "edges": [
            {"from": "web-1", "to": "db-1", "nature": "hard"},
            {"from": "web-1", "to": "cache", "nature": "soft"},
            {"from": "web-1", "to": "https://pay.example/?a=1&b=<2>", "nature": "startup", "external": true},
            {"from": "db-1", "to": "vm-7", "nature": "hard", "group": true},
            {"from": "db-1", "to": "gone", "nature": "soft", "group": true},
            {"from": "cache", "to": "vm-7", "nature": "hard"},
            {"from": "vm-7", "to": "db-1", "nature": "hard"},
            {"from": "vm-7", "to": "elsewhere", "nature": "hard"},
        ],
    });
    let graph = serde_json::from_value(graph).expect("a graph");
    Picture::new(graph, truncated.map(str::to_owned))
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn a_tree_shows_each_node_once() {
    assert_eq!(
        plain(&tree::render(
            &picture(Some("limit of 6 nodes")),
            "web-1",
            Way::Dependencies
        )),
        "\
web-1 service “Shop \"front\"”
├── cache redis [soft]
│   └── vm-7 vm
│       └── db-1 postgres
│           ├── gone (not registered) [soft, group]
│           └── vm-7 vm [group] (see above)
├── db-1 postgres (see above)
└── https://pay.example/?a=1&b=<2> (external) [startup]
… truncated: limit of 6 nodes
"
    );
}

#[test]
fn a_tree_of_dependents_follows_the_arrows_back() {
    assert_eq!(
        plain(&tree::render(&picture(None), "vm-7", Way::Dependents)),
        "\
vm-7 vm
├── cache redis
│   └── web-1 service “Shop \"front\"” [soft]
└── db-1 postgres [group]
    ├── web-1 service “Shop \"front\"”
    └── vm-7 vm (see above)
"
    );
}

#[test]
fn a_deep_tree_ends() {
    let nodes: Vec<_> = (0..5_000)
        .map(|i| json!({"id": format!("n{i}"), "registered": true, "distance": i}))
        .collect();
    let edges: Vec<_> = (1..5_000)
        .map(|i| json!({"from": format!("n{}", i - 1), "to": format!("n{i}"), "nature": "hard"}))
        .collect();
    let graph = serde_json::from_value(json!({"nodes": nodes, "edges": edges})).expect("a graph");
    let text = plain(&tree::render(&Picture::new(graph, None), "n0", Way::Dependencies));
    assert_eq!(text.lines().count(), 101);
    assert!(text.ends_with("n100 (deeper levels are not drawn)\n"), "{text}");
}

#[test]
fn dot_is_escaped_and_always_the_same() {
    assert_eq!(
        dot::render(&picture(None)),
        r#"digraph domesday {
  rankdir=LR;
  node [shape=box];
  "web-1" [label="web-1\nservice\nShop \"front\""];
  "cache" [label="cache\nredis"];
  "db-1" [label="db-1\npostgres"];
  "external https://pay.example/?a=1&b=<2>" [label="https://pay.example/?a=1&b=<2>", shape=ellipse];
  "gone" [label="gone", style=dashed];
  "vm-7" [label="vm-7\nvm"];
  "web-1" -> "cache" [style=dashed, label="soft"];
  "web-1" -> "db-1";
  "web-1" -> "external https://pay.example/?a=1&b=<2>" [style=dotted, label="startup"];
  "cache" -> "vm-7";
  "db-1" -> "gone" [style=dashed, label="soft, group"];
  "db-1" -> "vm-7" [label="group"];
  "vm-7" -> "db-1";
}
"#
    );
}

#[test]
fn mermaid_is_escaped_and_always_the_same() {
    assert_eq!(
        mermaid::render(&picture(Some("limit"))),
        r#"flowchart LR
  %% truncated: limit
  n0["web-1<br/>service<br/>Shop #34;front#34;"]
  n1["cache<br/>redis"]
  n2["db-1<br/>postgres"]
  n3(["https://pay.example/?a=1#38;b=#60;2#62;"])
  n4{{"gone<br/>(not registered)"}}
  n5["vm-7<br/>vm"]
  n0 -.->|"soft"| n1
  n0 --> n2
  n0 -.->|"startup"| n3
  n1 --> n5
  n2 -.->|"soft, group"| n4
  n2 -->|"group"| n5
  n5 --> n2
"#
    );
}

#[test]
fn a_table_has_one_line_for_each_node() {
    let text = plain(&nodes(picture(None).nodes(), None));
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "STEPS  ID                              KIND      NAME",
            "0      web-1                           service   Shop \"front\"",
            "1      cache                           redis",
            "1      db-1                            postgres  db-1",
            "1      https://pay.example/?a=1&b=<2>                          external",
            "2      gone                                                    not registered",
            "2      vm-7                            vm",
        ]
    );
}
