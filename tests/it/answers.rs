//! The examples of the OpenAPI document, asked over HTTP as a reader of it would, and judged by PyTorch's goldens.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::golden::{Worst, compare};
use crate::support::{Service, dedz, example, examples};

/// PyTorch's reply to an example.
fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/examples/{name}.json"));
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice::<Value>(&text).expect("goldens are JSON")["reply"].take()
}

/// `ours` is what the golden of an example holds, to `bound`; of what a golden holds, `without` is not asked for.
fn judge(name: &str, ours: &Value, bound: f64, without: &[&str]) {
    let mut expected = golden(name);
    let members = expected.as_object_mut().expect("a reply is an object");
    for member in without {
        members.remove(*member);
    }
    if without.contains(&"gradients") {
        for node in members["trace"].as_object_mut().expect("a trace").values_mut() {
            let tensors = node.as_object_mut().expect("a node's tensors");
            tensors.retain(|tensor, _| !tensor.starts_with("dE"));
        }
    }
    let (mut worst, mut faults) = (Worst::default(), Vec::new());
    compare(ours, &expected, "", None, &mut worst, &mut faults);
    assert!(faults.is_empty(), "{name}: {faults:?}");
    assert!(worst.difference <= bound, "{name} differs by {:e} at {}", worst.difference, worst.place);
}

/// The examples as the document that is served has them for one route, and then those of which it has none.
async fn asked(service: &Service, analysis: &str) -> Vec<(String, Value)> {
    let document: Value = service.get("/openapi.json").send().await.expect("an answer").json().await.expect("JSON");
    let content = &document["paths"][format!("/v1/{analysis}")]["post"]["requestBody"]["content"]["application/json"];
    let documented = content["examples"].as_object().expect("there are examples");
    assert!(documented.len() >= 8, "only {} examples are documented", documented.len());
    let mut asked: Vec<_> = documented.iter().map(|(name, example)| (name.clone(), example["value"].clone())).collect();
    for (name, text) in examples() {
        if !documented.contains_key(&name) {
            asked.push((name, serde_json::from_str(&text).expect("examples are JSON")));
        }
    }
    asked
}

#[tokio::test]
async fn examples_have_pytorchs_gradients() {
    let service = Service::start().await;
    for (name, problem) in asked(&service, "gradients").await {
        judge(&name, &service.reply("gradients", &problem).await, 1e-12, &[]);
    }
}

#[tokio::test]
async fn examples_have_pytorchs_gradients_in_single_precision() {
    let service = Service::start().await;
    for (name, mut problem) in asked(&service, "gradients").await {
        if problem["options"].is_null() {
            problem["options"] = json!({});
        }
        problem["options"]["dtype"] = json!("f32");
        let reply = service.reply("gradients", &problem).await;
        assert_eq!(reply["meta"]["dtype"], "f32");
        judge(&name, &reply, 1e-5, &[]);
    }
}

#[tokio::test]
async fn examples_have_pytorchs_values_without_the_backward_pass() {
    let service = Service::start().await;
    for (name, problem) in asked(&service, "forward").await {
        let reply = service.reply("forward", &problem).await;
        for absent in ["gradients", "input_gradients"] {
            assert!(reply.get(absent).is_none(), "{name} has {absent}");
        }
        judge(&name, &reply, 1e-12, &["gradients", "input_gradients"]);
    }
}

/// Numbers of a tensor without its sample axis.
fn shape(mut value: &Value) -> Vec<usize> {
    let mut shape = Vec::new();
    while let Value::Array(list) = value {
        shape.push(list.len());
        value = &list[0];
    }
    shape
}

#[tokio::test]
async fn examples_are_validated_with_the_shapes_that_they_have() {
    let service = Service::start().await;
    for (name, problem) in asked(&service, "validate").await {
        let (valid, reply) = (service.reply("validate", &problem).await, service.reply("gradients", &problem).await);
        assert_eq!(valid["valid"], json!(true), "{name}");
        let (nodes, trace) = (valid["nodes"].as_array().expect("nodes"), reply["trace"].as_array().expect("a trace"));
        assert_eq!(nodes.len(), trace.len(), "{name}");
        for (node, traced) in nodes.iter().zip(trace) {
            assert_eq!(node["id"], traced["id"], "{name}");
            let per_sample = &shape(&traced["z"])[1..];
            assert_eq!(node["shape"], json!(per_sample), "{name}: {}", node["id"]);
        }
        for parameter in valid["parameters"].as_array().expect("parameters") {
            let gradient = &reply["gradients"][parameter["name"].as_str().expect("a name")];
            assert_eq!(parameter["shape"], json!(shape(gradient)), "{name}: {}", parameter["name"]);
        }
        assert!(valid["cost"]["flops"].as_u64().is_some_and(|flops| flops > 0), "{name}");
    }
}

#[tokio::test]
async fn the_command_line_prints_what_the_service_answers() {
    let service = Service::start().await;
    for (name, text) in examples() {
        for analysis in ["gradients", "forward", "validate"] {
            let online =
                service.post(&format!("/v1/{analysis}"), "application/json", text.clone()).send().await.expect("an answer");
            let online = online.text().await.expect("a reply");
            let offline = dedz(&[analysis, &format!("openapi/examples/{name}.json")]).output().expect("it runs");
            assert_eq!(String::from_utf8_lossy(&offline.stdout).trim_end(), online.trim_end(), "{analysis} {name}");
        }
    }
}

/// A neuron a node, in the order that suits the service least: each weight doubles or halves, so that every number is exact.
#[tokio::test]
async fn a_chain_of_a_hundred_thousand_nodes_is_a_normal_request() {
    const LENGTH: usize = 100_000;
    let weight = |k: usize| if k.is_multiple_of(2) { 2.0 } else { 0.5 };
    let node = |k: usize| {
        let source = if k == 0 { "x".to_owned() } else { format!("h{}", k - 1) };
        format!("{{\"id\":\"h{k}\",\"op\":\"neuron\",\"inputs\":{{\"{source}\":{}}}}}", weight(k))
    };
    let nodes: Vec<_> = (0..LENGTH).rev().map(node).collect();
    let text = format!(
        "{{\"network\":{{\"inputs\":[\"x\"],\"nodes\":[{}]}},\"batch\":{{\"inputs\":[[3.0],[-1.0]]}},\
         \"loss\":{{\"op\":\"sum\",\"of\":\"h{}\"}},\"options\":{{\"wrt\":[\"*\",\"inputs\"]}}}}",
        nodes.join(","),
        LENGTH - 1
    );
    let service = Service::start().await;
    let response = service.post("/v1/gradients", "application/json", text).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    let reply: Value = response.json().await.expect("replies are JSON");
    assert_eq!(reply["loss"], json!(2.0));
    assert_eq!(reply["input_gradients"]["x"], json!([1.0, 1.0]));
    let trace = reply["trace"].as_array().expect("a trace");
    assert_eq!(trace.len(), LENGTH);
    for (k, node) in trace.iter().enumerate() {
        // What the weights up to this one, and those after it, multiply to.
        let (after, before) = if k.is_multiple_of(2) { (2.0, 0.5) } else { (1.0, 1.0) };
        assert_eq!(node["id"], json!(format!("h{k}")));
        assert_eq!(node["z"], json!([3.0 * after, -after]), "{}", node["id"]);
        assert_eq!(node["dE_dz"], json!([before, before]), "{}", node["id"]);
        let source = if k == 0 { "x".to_owned() } else { format!("h{}", k - 1) };
        let entering = if k.is_multiple_of(2) { 1.0 } else { 2.0 };
        assert_eq!(reply["gradients"][format!("{source}->h{k}")], json!(2.0 * entering * before), "{}", node["id"]);
    }
}

#[tokio::test]
async fn a_problem_tells_all_that_is_wrong() {
    let service = Service::start().await;
    let mut request = example("lecture");
    request["network"]["nodes"][0]["op"] = json!("nueron");
    request["network"]["nodes"][3]["inputs"] = json!({"z6": -0.9, "z9": 0.4});
    request["batch"]["target"] = json!([0, 1, 2]);
    request["options"] = json!({"dtype": "f16"});
    let response = service.ask("gradients", &request).send().await.expect("an answer");
    let document = crate::support::problem(response, 422, "invalid-network").await;
    let found: Vec<_> = document["errors"].as_array().expect("errors").iter().map(|e| (&e["pointer"], &e["code"])).collect();
    for (pointer, code) in [
        ("/network/nodes/0/op", "unknown_op"),
        ("/network/nodes/3/inputs/z9", "unknown_node"),
        ("/batch/target", "unknown_field"),
        ("/options/dtype", "invalid_value"),
    ] {
        assert!(found.contains(&(&json!(pointer), &json!(code))), "no {code} at {pointer} in {document}");
    }
}
