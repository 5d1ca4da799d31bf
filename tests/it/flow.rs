//! Gradient flow: measures against PyTorch's, verdicts on deep networks, and bad arguments. `tests/golden/make_flow.py` made the
//! goldens, from the service's own initialisers.

use std::fs;
use std::path::Path;

use dedz::analysis::{FLOW, Failure, Form, Request, prepare};
use dedz::config::Limits;
use serde_json::{Value, json};

fn ask(request: &Value) -> Result<Value, Failure> {
    let body = serde_json::to_vec(request).expect("a value is JSON");
    let request = Request { problem: &body, ..Request::default() };
    let reply = prepare(&FLOW, request, Form::Json, &Limits::default())?.run(&|| Ok(()))?;
    Ok(serde_json::from_slice(&reply.body).expect("replies are JSON"))
}

#[test]
fn verdicts_and_measures_are_pytorchs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/flow");
    let mut files: Vec<_> = fs::read_dir(folder).expect("goldens").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let mut wrong = Vec::new();
    let mut worst = (0.0_f64, String::new());
    println!("{:<24}{:<12}{:>11}{:>12}{:>12}", "network", "verdict", "spread", "output", "input");
    for path in &files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let golden: Value = serde_json::from_slice(&fs::read(path).expect("a golden")).expect("goldens are JSON");
        let reply = ask(&golden["request"]).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        let layers = reply["layers"].as_array().expect("layers");
        let size = |layer: Option<&Value>| layer.and_then(|layer| layer["gradient_rms"].as_f64()).unwrap_or(f64::NAN);
        let spread = reply["spread"].as_f64().unwrap_or(f64::INFINITY);
        println!(
            "{name:<24}{:<12}{spread:>11.2e}{:>12.2e}{:>12.2e}",
            reply["verdict"].as_str().unwrap_or_default(),
            size(layers.first()),
            size(layers.last())
        );
        let right = golden["reply"]["verdicts"].as_array().expect("verdicts");
        if !right.contains(&reply["verdict"]) {
            wrong.push(format!("{name} is {}, not {right:?}: {}", reply["verdict"], reply["evidence"]));
        }
        assert!(!reply["evidence"].as_array().expect("a list").is_empty(), "{name}");
        assert_eq!(reply["suggestions"].as_array().expect("a list").is_empty(), reply["verdict"] == "healthy", "{name}");
        let expected = golden["reply"]["layers"].as_array().expect("layers");
        assert_eq!(layers.len(), expected.len(), "{name}");
        // A net whose gradient grows is as sensitive to the rounding of its first layers.
        let largest = expected.iter().map(|layer| size(Some(layer))).fold(0.0, f64::max);
        let growth = (largest / size(expected.first())).max(1.0);
        for (ours, theirs) in layers.iter().zip(expected) {
            for (member, value) in theirs.as_object().expect("a layer") {
                let place = format!("{name} {} {member}: {} is not {value}", theirs["id"], ours[member]);
                let (Some(x), Some(y)) = (ours[member].as_f64(), value.as_f64()) else {
                    assert_eq!(&ours[member], value, "{place}");
                    continue;
                };
                let away = if x == y { 0.0 } else { (x - y).abs() / y.abs() / growth };
                if away > worst.0 {
                    worst = (away, place);
                }
            }
            for member in ["local_gain", "saturated_fraction", "dead_fraction", "weight_gradient_rms"] {
                assert_eq!(ours.get(member).is_some(), theirs.get(member).is_some(), "{name} {} {member}", theirs["id"]);
            }
        }
    }
    println!("worst relative difference from PyTorch, over the growth of the gradient, {:e}: {}", worst.0, worst.1);
    assert!(files.len() >= 14, "only {} networks", files.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(worst.0 <= 1e-12, "{:e}: {}", worst.0, worst.1);
}

/// Neurons of one depth are one layer: the lecture's 1.9 with thirty neurons in a row.
#[test]
fn a_chain_of_neurons_vanishes_as_the_lecture_says() {
    let mut nodes = Vec::new();
    for i in 0..30 {
        let below = |name: &str| if i == 0 { json!({"x": 0.5}) } else { json!({format!("{name}{}", i - 1): 0.5}) };
        nodes.push(json!({"id": format!("u{i}"), "op": "neuron", "inputs": below("u"), "activation": "tanh"}));
        nodes.push(json!({"id": format!("v{i}"), "op": "neuron", "inputs": below("v"), "activation": "tanh"}));
    }
    let request = json!({"network": {"inputs": ["x"], "nodes": nodes}, "batch": {"inputs": [1e-3]}, "loss": {"op": "squared_error", "of": ["u29", "v29"], "factor": 0.5},
        "flow": null});
    let mut with_targets = request.clone();
    with_targets["batch"]["targets"] = json!([[1, 1]]);
    let reply = ask(&with_targets).expect("it is answered");
    assert_eq!(reply["verdict"], "vanishing");
    let layers = reply["layers"].as_array().expect("layers");
    assert_eq!((layers.len(), &layers[0]["id"], &layers[0]["depth"]), (30, &json!("u29, v29"), &json!(30)));
    assert_eq!(layers[0]["nodes"], json!(["u29", "v29"]));
    // Slopes near 1 and weights of one half: 0.5 a layer.
    for layer in &layers[..29] {
        let gain = layer["local_gain"].as_f64().expect("a number");
        assert!((gain - 0.5).abs() < 1e-6, "{layer}");
    }
}

#[test]
fn what_has_no_gradient_is_said_without_numbers_made_up() {
    let request = json!({"network": {"inputs": ["x"], "nodes": [{"id": "f", "op": "neuron", "inputs": {"x": 1.0}, "activation": "relu"}]},
        "batch": {"inputs": [-1.0]}, "loss": {"op": "sum", "of": "f"}});
    let reply = ask(&request).expect("it is answered");
    assert_eq!((&reply["layers"][0]["dead_fraction"], &reply["verdict"]), (&json!(1.0), &json!("dead")));
    let mut none = request.clone();
    none["loss"] = json!({"op": "squared_error", "of": "f"});
    none["batch"]["targets"] = json!([0.0]);
    let reply = ask(&none).expect("it is answered");
    assert!(reply.get("spread").is_none() && reply["layers"][0].get("local_gain").is_none(), "{reply}");
}

#[test]
fn bad_arguments_are_said() {
    let mut request: Value = serde_json::from_slice(
        &fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/examples/lecture.json")).expect("an example"),
    )
    .expect("examples are JSON");
    for (flow, pointer, code) in [
        (json!({"lr": -1}), "/flow/lr", "out_of_range"),
        (json!({"lr": "fast"}), "/flow/lr", "wrong_type"),
        (json!({"rate": 1}), "/flow/rate", "unknown_field"),
        (json!(3), "/flow", "wrong_type"),
    ] {
        request["flow"] = flow;
        let Err(Failure::Invalid(faults)) = ask(&request) else { panic!("{} was answered", request["flow"]) };
        let found = &faults.listed()[0];
        assert_eq!((found.pointer.as_str(), found.code.as_str()), (pointer, code));
    }
}
