//! The page holds what the register holds, whatever the texts in it are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::domain::{EntityKey, EntityType, Id};
use crate::wire::shape::CursorBody;

use super::super::mirror::take::{Entity, Taken};
use super::data::Data;
use super::{SCRIPTS, embeddable, render};

const HOSTILE: &str = "</script><script>alert(1)</script><!-- ]]> \"'&\u{2028}{style}{data}";

fn key(entity: EntityType, id: &str) -> EntityKey {
    let id = Id::parse(id).expect("an id");
    EntityKey { entity, id }
}

fn taken(resources: &[Value], environments: &[(&str, &[&str])]) -> Taken {
    let mut entities = BTreeMap::new();
    for document in resources {
        let id = document["id"].as_str().expect("an id");
        let entity = Entity {
            document: document.clone(),
            resources: BTreeSet::new(),
        };
        entities.insert(key(EntityType::Resource, id), entity);
    }
    for (id, members) in environments {
        let entity = Entity {
            document: json!({"id": id, "name": HOSTILE}),
            resources: members.iter().map(|&member| member.to_owned()).collect(),
        };
        entities.insert(key(EntityType::Environment, id), entity);
    }
    let at = CursorBody {
        cluster: "c".to_owned(),
        epoch: 2,
        sequence: 7,
    };
    Taken {
        at,
        digest: "d".to_owned(),
        entities,
    }
}

fn lab() -> Taken {
    let resources = [
        json!({"id": "web", "kind": "service", "name": HOSTILE, "dependencies": [
            {"group": [{"resource": "db"}, {"resource": "gone"}, {"external": "urn:x"}], "at_least": 2},
            {"external": "db", "nature": "soft"},
        ]}),
        json!({"id": "db", "kind": "postgres", "dependencies": [{"resource": "vm", "nature": "startup"}]}),
        json!({"id": "vm", "kind": "vm", "description": "x".repeat(5_000)}),
        json!({"id": "far", "kind": "vm"}),
        json!({"id": "top", "kind": "job", "dependencies": [{"resource": "web"}, {"resource": "far"}]}),
    ];
    taken(&resources, &[("lab", &["web"]), ("other", &["far"])])
}

fn data(environment: Option<&str>) -> Value {
    let environment = environment.map(|id| Id::parse(id).expect("an id"));
    let data = Data::new(&lab(), environment.as_ref(), "now".to_owned()).expect("data");
    serde_json::to_value(data).expect("JSON")
}

fn ids(data: &Value) -> Vec<&str> {
    let resources = data["resources"].as_array().expect("a list");
    resources
        .iter()
        .filter_map(|resource| resource["id"].as_str())
        .collect()
}

#[test]
fn resources_name_each_other_by_number() {
    let data = data(None);
    assert_eq!(ids(&data), ["db", "far", "top", "vm", "web"]);
    assert_eq!(data["resources"][0]["needs"], json!([[2, 0, [3]]]));
    assert_eq!(
        data["resources"][4]["needs"],
        json!([[0, 2, [0, 5, 6]], [1, 0, [7]]])
    );
    assert_eq!(
        data["others"],
        json!([["gone", "absent"], ["urn:x", "external"], ["db", "external"]])
    );
    assert_eq!(data["environments"][0]["resources"], json!([4]));
    assert_eq!(data["sequence"], 7);
    let cut = data["resources"][3]["description"].as_str().expect("a text");
    assert_eq!(cut.chars().count(), 1_001);
}

#[test]
fn a_page_about_one_environment_has_what_it_reaches() {
    let data = data(Some("lab"));
    assert_eq!(ids(&data), ["db", "top", "vm", "web"]);
    assert_eq!(data["environments"].as_array().map(Vec::len), Some(1));
    assert!(
        data["others"]
            .as_array()
            .expect("a list")
            .contains(&json!(["far", "elsewhere"]))
    );
    let absent = Id::parse("absent").expect("an id");
    assert!(Data::new(&lab(), Some(&absent), "now".to_owned()).is_err());
}

#[test]
fn hostile_texts_stay_texts() {
    let data = Data::new(&lab(), None, "now".to_owned()).expect("data");
    let page = render(&data).expect("a page");
    assert_eq!(page.matches("<script").count(), 2, "only our own");
    assert_eq!(page.matches("</script>").count(), 2, "only our own");
    assert_eq!(page.matches("<!--").count(), 0);
    let (_, rest) = page.split_once("id=\"data\">").expect("the data");
    let (json, rest) = rest.split_once("</script>").expect("its end");
    assert!(!json.contains(['<', '>', '&', '\u{2028}']));
    let read: Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(read["resources"][4]["name"], HOSTILE);
    assert!(rest.trim_start().starts_with("<script>\"use strict\";"), "{rest}");
    assert!(!page.contains("{policy}") && page.contains("default-src 'none'; script-src 'sha256-"));
}

#[test]
fn what_is_escaped_is_the_same_json() {
    let value = json!({HOSTILE: [HOSTILE, 1, {"a<b": null}]});
    let read: Value = serde_json::from_str(&embeddable(&value.to_string())).expect("JSON");
    assert_eq!(read, value);
}

#[test]
fn the_script_has_no_way_to_make_markup_or_code_of_data() {
    for script in SCRIPTS {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "eval(",
            "Function(",
            "document.write",
            "fetch(",
        ] {
            assert!(!script.contains(word), "{word}");
        }
    }
}
