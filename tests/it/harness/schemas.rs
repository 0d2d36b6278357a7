//! Every message that a test sees is held against its schema.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use jsonschema::Validator;
use serde_json::Value;

/// Panics where `message` is not what `schemas/NAME.json` says.
pub(crate) fn check(name: &str, message: &Value) {
    static KNOWN: OnceLock<Mutex<HashMap<String, Validator>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    let mut known = known.lock().unwrap();
    let validator = known.entry(name.to_owned()).or_insert_with(|| load(name));
    let faults: Vec<String> = validator
        .iter_errors(message)
        .map(|fault| format!("{} at {}", fault, fault.instance_path()))
        .collect();
    assert!(
        faults.is_empty(),
        "this is not what schemas/{name}.json says: {}\n{message:#}",
        faults.join("; ")
    );
}

fn load(name: &str) -> Validator {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.json"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("no schema for messages of type `{name}`: {error}"));
    jsonschema::draft202012::new(&serde_json::from_str(&text).unwrap()).unwrap()
}
