//! Every golden network as an exercise: PyTorch's answer is accused of nothing, and every mistake of the catalogue can be tried on it.

use std::collections::BTreeSet;

use dedz::analysis::GRADE;
use serde_json::{Value, json};

use crate::golden::{answer, files, json as read};

/// The golden exercises that can be graded: the request, without options, and the judge's answer.
fn exercises() -> Vec<(String, Value, Value)> {
    let mut all = Vec::new();
    for path in files("networks") {
        let mut golden = read(&path);
        let mut request = golden["request"].take();
        let options = request.as_object_mut().expect("a problem").remove("options").unwrap_or_default();
        if options["dtype"] == "f32" || options["allow_non_finite"] == true || request.get("loss").is_none() {
            continue;
        }
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        // What overflows cannot be claimed.
        if !is_finite(&golden["reply"]["loss"]) {
            continue;
        }
        all.push((name, request, golden["reply"].take()));
    }
    assert!(all.len() > 300, "only {} golden networks can be graded", all.len());
    all
}

/// Whether a claim of these numbers can be written as they stand.
fn is_finite(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().all(is_finite),
        value => value.is_number(),
    }
}

fn claims(reply: &Value) -> Value {
    let mut claims = json!({"loss": reply["loss"], "losses": reply["losses"]});
    for group in ["outputs", "gradients", "input_gradients"] {
        if let Some(values) = reply[group].as_object() {
            claims[group] =
                values.iter().filter(|(_, value)| is_finite(value)).map(|(name, value)| (name.clone(), value.clone())).collect();
        }
    }
    claims
}

#[test]
fn right_answers_are_accused_of_nothing() {
    for (name, mut request, reply) in exercises() {
        request["grade"] = json!({"claims": claims(&reply), "tolerance": {"rtol": 1e-7, "atol": 1e-10}});
        let reply = answer(&GRADE, &request).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert_eq!(reply["gradable"], true, "{name}: {reply}");
        assert_eq!(reply["passed"], true, "{name}: {reply}");
        assert_eq!(reply["diagnosis"], json!([]), "{name}: {reply}");
    }
}

#[test]
fn every_mistake_can_be_tried_on_every_network() {
    let mut mistakes = BTreeSet::new();
    for (name, mut request, reply) in exercises() {
        let loss = reply["loss"].as_f64().expect("a loss");
        // Nobody's loss: whatever is tried does not fit, alone or in pairs.
        request["grade"] = json!({"claims": {"loss": loss + 1e3}, "tolerance": {"rtol": 1e-7, "atol": 1e-10}});
        let reply = answer(&GRADE, &request).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let found = reply["diagnosis"].as_array().expect("a list");
        mistakes.extend(found.iter().map(|finding| format!("{name} {}", finding["mistake"])));
    }
    assert!(mistakes.is_empty(), "{mistakes:?}");
}
