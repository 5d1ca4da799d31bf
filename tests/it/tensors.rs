//! Large tensors: multipart requests, safetensors both ways, and the encodings of tensors in JSON.

use dedz::config::{Config, Limits};
use reqwest::RequestBuilder;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};

use crate::support::{Service, example, header, problem};

/// The shape and the numbers of a nested array.
fn flat(value: &Value) -> (Vec<usize>, Vec<f64>) {
    let (mut shape, mut inner) = (Vec::new(), value);
    while let Value::Array(list) = inner {
        shape.push(list.len());
        inner = &list[0];
    }
    let mut numbers = Vec::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(list) => open.extend(list.iter().rev()),
            value => numbers.push(value.as_f64().expect("a number")),
        }
    }
    (shape, numbers)
}

/// A safetensors file of these nested arrays.
fn file(dtype: Dtype, tensors: &[(&str, &Value)]) -> Vec<u8> {
    let bytes = |numbers: &[f64]| -> Vec<u8> {
        match dtype {
            Dtype::F64 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Dtype::F32 => numbers.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect(),
            Dtype::I64 => numbers.iter().flat_map(|x| (*x as i64).to_le_bytes()).collect(),
            Dtype::I32 => numbers.iter().flat_map(|x| (*x as i32).to_le_bytes()).collect(),
            other => panic!("{other:?} is not used here"),
        }
    };
    let flat: Vec<_> = tensors
        .iter()
        .map(|(name, value)| {
            let (shape, numbers) = flat(value);
            (*name, shape, bytes(&numbers))
        })
        .collect();
    let views = flat.iter().map(|(name, shape, data)| {
        let view = TensorView::new(dtype, shape.clone(), data).expect("the bytes of a tensor");
        (*name, view)
    });
    serialize(views, None).expect("a file")
}

/// A multipart body of these parts.
fn multipart(service: &Service, analysis: &str, parts: &[(&str, &[u8])]) -> RequestBuilder {
    let mut body = Vec::new();
    for (name, content) in parts {
        let head = format!(
            "--frontier\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}.bin\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--frontier--\r\n");
    service.post(&format!("/v1/{analysis}"), "multipart/form-data; boundary=frontier", body)
}

/// The digits classifier in parts: the problem without its tensors, parameters, inputs, targets.
fn digits() -> [Vec<u8>; 4] {
    let mut problem = example("digits_mlp");
    let parameters = problem["parameters"].take();
    let (inputs, targets) = (problem["batch"]["inputs"].take(), problem["batch"]["targets"].take());
    for member in ["parameters", "batch"] {
        problem.as_object_mut().expect("an object").remove(member);
    }
    let parameters: Vec<_> =
        parameters.as_object().expect("an object").iter().map(|(name, value)| (name.as_str(), value)).collect();
    [
        problem.to_string().into_bytes(),
        file(Dtype::F64, &parameters),
        file(Dtype::F64, &[("image", &inputs)]),
        file(Dtype::I64, &[("targets", &targets)]),
    ]
}

const PARTS: [&str; 4] = ["problem", "parameters", "inputs", "targets"];

#[tokio::test]
async fn parts_are_the_same_problem() {
    let service = Service::start().await;
    let mut expected = service.reply("gradients", &example("digits_mlp")).await;
    let contents = digits();
    let parts: Vec<_> = PARTS.iter().zip(&contents).map(|(name, content)| (*name, content.as_slice())).collect();
    // In any order.
    for turn in 0..4 {
        let mut parts = parts.clone();
        parts.rotate_left(turn);
        let response = multipart(&service, "gradients", &parts).send().await.expect("an answer");
        let mut reply: Value = response.json().await.expect("replies are JSON");
        // The hash names the bytes that came, and these are others.
        for reply in [&mut expected, &mut reply] {
            reply["meta"]["request_hash"] = Value::Null;
        }
        assert!(reply == expected, "the reply to parts turned by {turn} differs");
    }
}

#[tokio::test]
async fn safetensors_go_both_ways() {
    let service = Service::start().await;
    let expected = service.reply("gradients", &example("digits_mlp")).await;
    let contents = digits();
    let parts: Vec<_> = PARTS.iter().zip(&contents).map(|(name, content)| (*name, content.as_slice())).collect();
    let request = multipart(&service, "gradients", &parts).header("accept", "application/vnd.safetensors");
    let response = request.send().await.expect("an answer");
    assert_eq!((response.status().as_u16(), header(&response, "content-type").as_str()), (200, "application/vnd.safetensors"));
    let bytes = response.bytes().await.expect("a file");
    let answer = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let check = |name: &str, value: &Value| {
        let view = answer.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (shape, numbers) = flat(value);
        assert_eq!(view.shape(), shape, "{name}");
        let found: Vec<_> = view.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
        assert_eq!(found, numbers, "{name}");
    };
    check("loss", &expected["loss"]);
    check("losses", &expected["losses"]);
    let gradients = expected["gradients"].as_object().expect("an object");
    assert_eq!(gradients.len(), 4);
    gradients.iter().for_each(|(name, value)| check(&format!("gradients/{name}"), value));
    for node in expected["trace"].as_array().expect("a trace") {
        let id = node["id"].as_str().expect("an id");
        for member in ["a", "z", "dE_da", "dE_dz"] {
            if let Some(value) = node.get(member) {
                check(&format!("trace/{id}/{member}"), value);
            }
        }
    }
}

#[tokio::test]
async fn parts_may_be_narrow_where_the_answer_is() {
    let service = Service::start().await;
    let mut problem = example("digits_mlp");
    problem["options"] = json!({"dtype": "f32"});
    let expected = service.reply("gradients", &problem).await;
    let parameters = problem["parameters"].take();
    let (inputs, targets) = (problem["batch"]["inputs"].take(), problem["batch"]["targets"].take());
    for member in ["parameters", "batch"] {
        problem.as_object_mut().expect("an object").remove(member);
    }
    let named: Vec<_> = parameters.as_object().expect("an object").iter().map(|(name, value)| (name.as_str(), value)).collect();
    let (text, parameters) = (problem.to_string(), file(Dtype::F32, &named));
    let (inputs, targets) = (file(Dtype::F32, &[("image", &inputs)]), file(Dtype::I32, &[("y", &targets)]));
    let parts = [("problem", text.as_bytes()), ("parameters", &parameters), ("inputs", &inputs), ("targets", &targets)];
    let reply: Value = multipart(&service, "gradients", &parts).send().await.expect("an answer").json().await.expect("JSON");
    assert!(reply["gradients"] == expected["gradients"], "rounded by the client or by the service, the numbers are the same");
}

#[tokio::test]
async fn faults_of_parts_are_told() {
    let service = Service::start().await;
    let [text, parameters, inputs, targets] = digits();
    let small = file(Dtype::F64, &[("image", &json!([[1.0, 2.0]]))]);
    let wrong_name = file(Dtype::F64, &[("picture", &json!([[1.0, 2.0]]))]);
    let two = file(Dtype::F64, &[("a", &json!([1.0])), ("b", &json!([2.0]))]);
    let good = [("problem", &text), ("parameters", &parameters), ("inputs", &inputs), ("targets", &targets)];
    // The part to put in place of a good one, and what is said of it.
    let broken = b"not a file".to_vec();
    let twice = example("digits_mlp").to_string().into_bytes();
    for (part, content, status, kind, words) in [
        ("inputs", &small, 422, "invalid-request", "64"),
        ("inputs", &wrong_name, 422, "invalid-request", "picture"),
        ("inputs", &broken, 422, "invalid-request", "not a safetensors file"),
        ("parameters", &broken, 422, "invalid-network", "not a safetensors file"),
        ("targets", &two, 422, "invalid-request", "one tensor"),
        ("problem", &twice, 422, "invalid-network", "stands in the problem and in the part"),
        ("problem", &broken, 400, "malformed-json", "line 1"),
    ] {
        let parts: Vec<_> =
            good.iter().map(|&(name, good)| (name, if name == part { content.as_slice() } else { good.as_slice() })).collect();
        let response = multipart(&service, "gradients", &parts).send().await.expect("an answer");
        let document = problem(response, status, kind).await;
        assert!(document.to_string().contains(words), "{part}: {document}");
    }
    let frame = [("problem", text.as_slice()), ("weights", parameters.as_slice())];
    let response = multipart(&service, "gradients", &frame).send().await.expect("an answer");
    problem(response, 400, "malformed-request").await;
    let response = multipart(&service, "gradients", &[("inputs", inputs.as_slice())]).send().await.expect("an answer");
    problem(response, 400, "malformed-request").await;
    let response = service.post("/v1/gradients", "multipart/form-data", "--").send().await.expect("an answer");
    problem(response, 400, "malformed-request").await;
    // A file that claims more than it brings.
    let mut short = parameters.clone();
    short.truncate(parameters.len() - 8);
    let parts = [("problem", text.as_slice()), ("parameters", &short), ("inputs", &inputs), ("targets", &targets)];
    let response = multipart(&service, "gradients", &parts).send().await.expect("an answer");
    problem(response, 422, "invalid-network").await;
}

#[tokio::test]
async fn the_limit_of_a_body_is_that_of_all_its_parts() {
    let limits = Limits { body_bytes: 4096, ..Limits::default() };
    let service = Service::with(Config { limits, ..Config::default() }).await;
    let [text, parameters, ..] = digits();
    let parts = [("problem", text.as_slice()), ("parameters", parameters.as_slice())];
    let response = multipart(&service, "gradients", &parts).send().await.expect("an answer");
    problem(response, 413, "payload-too-large").await;
}

/// Every way to write a tensor in JSON is the same tensor, and every way to ask for one gives the same numbers.
#[tokio::test]
async fn encodings_are_the_same_numbers() {
    let service = Service::start().await;
    let nested = example("digits_mlp");
    let expected = service.reply("gradients", &nested).await;
    let coded = |value: &Value, encoding: &str| {
        let (shape, numbers) = flat(value);
        if encoding == "flat" {
            return json!({"shape": shape, "data": numbers});
        }
        let bytes: Vec<_> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        json!({"shape": shape, "dtype": "f64", "base64": base64_simd::STANDARD.encode_to_string(bytes)})
    };
    for encoding in ["flat", "base64"] {
        let mut problem = nested.clone();
        for name in ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"] {
            problem["parameters"][name] = coded(&nested["parameters"][name], encoding);
        }
        problem["batch"]["inputs"] = coded(&nested["batch"]["inputs"], encoding);
        problem["options"] = json!({"encoding": encoding});
        let reply = service.reply("gradients", &problem).await;
        assert_eq!(reply["loss"], expected["loss"], "{encoding}");
        for (name, value) in expected["gradients"].as_object().expect("an object") {
            assert_eq!(reply["gradients"][name], coded(value, encoding), "{encoding}: {name}");
        }
    }
}
