//! The OpenAPI document: what is checked in is what is served, and every example is valid by it.

use std::fs;
use std::path::Path;

use dedz::analysis::{Form, Request, prepare};
use dedz::config::Limits;
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

/// Whether `example` is valid by the schema, with what is wrong with it.
fn faults(schema: &jsonschema::Validator, example: &Value) -> Vec<String> {
    schema.iter_errors(example).map(|error| error.to_string()).collect()
}

#[test]
fn every_example_is_a_valid_problem() {
    let validator = schema("Problem");
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("openapi/examples")).expect("the examples") {
        let path = entry.expect("a directory entry").path();
        // A folder holds the examples of one analysis, with its own arguments.
        if path.is_dir() {
            continue;
        }
        let example: Value = serde_json::from_slice(&fs::read(&path).expect("an example")).expect("an example is JSON");
        let faults = faults(&validator, &example);
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
        names.push(path.file_stem().expect("a name").to_string_lossy().into_owned());
    }
    for (name, _, _) in openapi::EXAMPLES {
        assert!(names.iter().any(|known| known == name), "{name} is no file");
    }
}

/// Every example of the document is posted, is valid by the document, and so is its answer.
#[test]
fn every_example_is_answered_as_documented() {
    for (analysis, problem, reply, examples) in openapi::analyses() {
        assert!(!examples.is_empty(), "{} has no example", analysis.name);
        let (problem, reply) = (schema(&problem), schema(reply));
        for (name, _, text) in examples {
            let example: Value = serde_json::from_str(text).expect("an example is JSON");
            let wrong = faults(&problem, &example);
            assert!(wrong.is_empty(), "{} {name}: {wrong:?}", analysis.name);
            let request = Request { problem: text.as_bytes(), ..Request::default() };
            let ran = prepare(analysis, request, Form::Json, &Limits::default()).and_then(|prepared| prepared.run(&|| Ok(())));
            let answer = ran.unwrap_or_else(|failure| panic!("{} {name}: {failure:?}", analysis.name));
            let answer: Value = serde_json::from_slice(&answer.body).expect("a reply is JSON");
            let wrong = faults(&reply, &answer);
            assert!(wrong.is_empty(), "the reply of {} {name}: {wrong:?}", analysis.name);
        }
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
