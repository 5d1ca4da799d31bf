//! The OpenAPI document: what is checked in is what is served, and every example is valid by it.

use std::fs;
use std::path::Path;

use dedz::http::openapi;
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `DEDZ_UPDATE=1 cargo test` writes it anew.
#[test]
fn the_document_that_is_checked_in_is_the_one_that_is_served() {
    let path = root().join("openapi/dedz.json");
    let served = openapi::text();
    if std::env::var_os("DEDZ_UPDATE").is_some() {
        fs::write(&path, &served).expect("the document can be written");
    }
    let checked_in = fs::read_to_string(&path).expect("openapi/dedz.json");
    assert!(checked_in == served, "openapi/dedz.json differs from what is served; DEDZ_UPDATE=1 cargo test rewrites it");
}

/// A schema of the document, with the document's components.
fn schema(name: &str) -> jsonschema::Validator {
    let document = openapi::document();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": format!("#/components/schemas/{name}"),
        "components": document["components"],
    });
    jsonschema::validator_for(&schema).expect("the components are JSON Schema")
}

#[test]
fn every_example_is_a_valid_problem() {
    let validator = schema("Problem");
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("openapi/examples")).expect("the examples") {
        let path = entry.expect("a directory entry").path();
        let example: Value = serde_json::from_slice(&fs::read(&path).expect("an example")).expect("an example is JSON");
        let faults: Vec<_> = validator.iter_errors(&example).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
        names.push(path.file_stem().expect("a name").to_string_lossy().into_owned());
    }
    for (name, _, _) in openapi::EXAMPLES {
        assert!(names.iter().any(|known| known == name), "{name} is no file");
    }
}

#[test]
fn misspelled_members_are_not_valid() {
    let validator = schema("Problem");
    let (_, _, text) = openapi::EXAMPLES[0];
    for (pointer, member) in [("", "optons"), ("/network", "node"), ("/network/nodes/0", "activaton"), ("/loss", "redution")] {
        let mut problem: Value = serde_json::from_str(text).expect("an example is JSON");
        problem.pointer_mut(pointer).expect("a place of the example")[member] = json!(1);
        assert!(!validator.is_valid(&problem), "{pointer}/{member}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = openapi::document();
    let mut waiting = vec![&document];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = target.strip_prefix('#').expect("references stay inside the document");
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                waiting.extend(members.values());
            }
            Value::Array(list) => waiting.extend(list),
            _ => {}
        }
    }
}
