//! Equal requests give equal bytes; and the forms of one answer (encodings, safetensors, per sample, `f32`) tell the same numbers.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use dedz::analysis::{FORWARD, Form, GRADIENTS, Question, Request, VALIDATE, prepare};
use dedz::config::{Admission, Limits};
use dedz::pool::{Budget, Job, Parts, Pool};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

fn ask(question: Question, request: &Value, form: Form) -> Vec<u8> {
    let body = request.to_string();
    let request = Request { problem: body.as_bytes(), ..Request::default() };
    let reply = prepare(question, request, form, &Limits::default()).and_then(|ready| ready.run(&|| Ok(())));
    reply.unwrap_or_else(|failure| panic!("{failure:?} of {body}")).body
}

fn answer(request: &Value) -> Value {
    serde_json::from_slice(&ask(&GRADIENTS, request, Form::Json)).expect("replies are JSON")
}

/// Layers, a neuron, a shared weight, an initialiser, dropout and a penalty; `options` are to be set.
fn problem(options: &Value) -> Value {
    let x: Vec<Vec<f64>> = (0..7).map(|n| (0..5).map(|d| f64::from(n * d % 4) / 3.0 - 0.4).collect()).collect();
    json!({
        "network": {"inputs": {"x": [5]}, "nodes": [
            {"id": "fc1", "op": "linear", "inputs": ["x"], "out_features": 6, "activation": "tanh"},
            {"id": "drop", "op": "dropout", "inputs": ["fc1"], "p": 0.25, "seed": 7},
            {"id": "fc2", "op": "linear", "inputs": ["drop"], "out_features": 3},
            {"id": "first", "op": "select", "inputs": ["fc2"], "index": 0},
            {"id": "side", "op": "neuron", "inputs": {"first": 0.3}, "bias": -0.1, "activation": "sigmoid"}
        ]},
        "parameters": {
            "fc1.weight": {"init": "xavier_uniform", "seed": 3}, "fc1.bias": {"init": "uniform", "a": -0.1, "b": 0.1},
            "fc2.weight": {"init": "normal", "std": 0.5, "seed": "s"}, "fc2.bias": [0.1, -0.2, 0.3]
        },
        "batch": {"inputs": x, "targets": [0, 1, 2, 0, 1, 2, 0]},
        "loss": {"op": "cross_entropy", "of": "fc2"},
        "options": options,
    })
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))],
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn equal_requests_give_equal_bytes() {
    let request = problem(&json!({"wrt": ["*", "inputs"]}));
    for (question, form) in
        [(&GRADIENTS, Form::Json), (&GRADIENTS, Form::Safetensors), (&FORWARD, Form::Json), (&VALIDATE, Form::Json)]
    {
        let first = ask(question, &request, form);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5).for_each(|_| assert_eq!(ask(question, &request, form), first, "{question:?} {form:?}")));
            }
        });
    }
}

#[test]
fn gradients_of_samples_sum_to_the_gradient() {
    let (summed, per_sample) = (answer(&problem(&json!({}))), answer(&problem(&json!({"per_sample": true}))));
    assert_eq!(keys(&summed["gradients"]), keys(&per_sample["gradients"]));
    assert_eq!(summed["losses"], per_sample["losses"]);
    for (name, samples) in per_sample["gradients"].as_object().expect("an object") {
        let samples: Vec<_> = samples.as_array().expect("a sample axis").iter().map(numbers).collect();
        assert_eq!(samples.len(), 7, "{name}");
        for (i, whole) in numbers(&summed["gradients"][name]).into_iter().enumerate() {
            let sum: f64 = samples.iter().map(|sample| sample[i]).sum();
            assert!((sum - whole).abs() < 1e-14, "{name}: {sum} and {whole}");
        }
    }
}

/// A network with a penalty over so many samples from the first on; from 126 samples on it is large enough to be cut into shards.
fn large(samples: std::ops::Range<u32>) -> Value {
    let x: Vec<Vec<f64>> = samples.clone().map(|n| (0..16).map(|d| f64::from(n * (d + 3) % 17) / 8.0 - 1.0).collect()).collect();
    let targets: Vec<_> = samples.map(|n| n % 4).collect();
    json!({
        "network": {"inputs": {"x": [16]}, "nodes": [
            {"id": "fc1", "op": "linear", "inputs": ["x"], "out_features": 1024, "activation": "tanh"},
            {"id": "drop", "op": "dropout", "inputs": ["fc1"], "mask": vec![1.0; 1024]},
            {"id": "fc2", "op": "linear", "inputs": ["drop"], "out_features": 1024, "activation": "gelu"},
            {"id": "fc3", "op": "linear", "inputs": ["fc2"], "out_features": 4}
        ]},
        "parameters": {
            "fc1.weight": {"init": "xavier_uniform", "seed": 3}, "fc1.bias": {"init": "uniform", "a": -0.1, "b": 0.1},
            "fc2.weight": {"init": "xavier_uniform", "seed": 4}, "fc2.bias": {"init": "uniform", "a": -0.1, "b": 0.1},
            "fc3.weight": {"init": "xavier_uniform", "seed": 5}, "fc3.bias": [0.1, -0.2, 0.3, 0.0]
        },
        "batch": {"inputs": x, "targets": targets},
        "loss": {"op": "cross_entropy", "of": "fc3"},
        "regularization": [{"l2": 0.5, "parameters": ["fc3.weight"]}],
        "options": {"wrt": ["fc1.*", "fc2.bias", "fc3.*", "inputs"], "trace": ["fc1", "fc3"]},
    })
}

#[test]
fn a_large_job_has_equal_bytes_whatever_the_number_of_workers() {
    let request = large(0..160);
    let alone = ask(&GRADIENTS, &request, Form::Json);
    for workers in [1, 2, 4] {
        let pool = Pool::start(workers, &Admission::default(), Limits::default(), Arc::new(prepare));
        for _ in 0..3 {
            let parts = Parts { problem: request.to_string().into(), ..Parts::default() };
            let deadline = Instant::now() + Duration::from_secs(3600);
            let hold = Budget::new(1 << 30).hold();
            let job = Job { question: &GRADIENTS, form: Form::Json, parts, deadline, hold, listener: None };
            let reply = pool.submit(job).expect("there is room").blocking_recv().expect("an answer").outcome.expect("a reply");
            assert!(reply.body == alone, "{workers} workers");
        }
    }
}

/// The judge is the same network over each half alone, which is too small to be cut: sums over samples are sums over halves.
#[test]
fn a_large_job_is_the_sum_of_its_halves() {
    let whole = answer(&large(0..160));
    let halves = [answer(&large(0..80)), answer(&large(80..160))];
    let near = |a: &[f64], b: &[f64], what: &str| {
        assert_eq!(a.len(), b.len(), "{what}");
        let scale = a.iter().fold(1e-3, |scale: f64, a| scale.max(a.abs()));
        a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() <= 1e-12 * scale, "{what}: {a} and {b}"));
    };
    let beside = |of: &dyn Fn(&Value) -> Vec<f64>| halves.iter().flat_map(of).collect::<Vec<_>>();
    near(&numbers(&whole["losses"]), &beside(&|half| numbers(&half["losses"])), "losses");
    near(&numbers(&whole["outputs"]["fc3"]), &beside(&|half| numbers(&half["outputs"]["fc3"])), "outputs");
    let x = |reply: &Value| numbers(&reply["input_gradients"]["x"]);
    near(&x(&whole), &beside(&x), "input gradients");
    for node in 0..2 {
        for name in ["a", "z", "dE_da", "dE_dz"].into_iter().filter(|name| whole["trace"][node].get(name).is_some()) {
            let of = |reply: &Value| numbers(&reply["trace"][node][name]);
            near(&of(&whole), &beside(&of), name);
        }
    }
    let penalties = &whole["regularization"]["gradients"];
    for name in ["fc1.weight", "fc1.bias", "fc2.bias", "fc3.weight", "fc3.bias"] {
        let [mut sum, other] = [0, 1].map(|half| numbers(&halves[half]["gradients"][name]));
        // Each half counts the penalty, the whole counts it once.
        let penalty = numbers(&penalties[name]);
        sum.iter_mut().zip(other).zip(penalty).for_each(|((sum, other), penalty)| *sum += other - penalty);
        near(&numbers(&whole["gradients"][name]), &sum, name);
    }
}

/// Where tensors stand, a nested array and its other encodings must hold the same; elsewhere the values themselves are equal.
fn same(nested: &Value, coded: &Value, place: &str) {
    match (nested, coded) {
        (Value::Object(nested), Value::Object(coded)) => {
            assert_eq!(nested.keys().collect::<Vec<_>>(), coded.keys().collect::<Vec<_>>(), "{place}");
            nested.iter().for_each(|(name, value)| same(value, &coded[name], &format!("{place}/{name}")));
        }
        (Value::Array(list), Value::Array(coded)) => {
            assert_eq!(list.len(), coded.len(), "{place}");
            list.iter().zip(coded).enumerate().for_each(|(i, (a, b))| same(a, b, &format!("{place}/{i}")));
        }
        (tensor, Value::Object(coded)) => {
            let data = match coded.get("base64") {
                Some(text) => {
                    let bytes = base64_simd::STANDARD.decode_to_vec(text.as_str().expect("text")).expect("base64");
                    assert_eq!(coded["dtype"], json!("f64"), "{place}");
                    bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect()
                }
                None => numbers(&coded["data"]),
            };
            assert_eq!(numbers(tensor), data, "{place}");
            let (mut shape, mut inner) = (Vec::new(), tensor);
            while let Value::Array(list) = inner {
                shape.push(list.len());
                inner = &list[0];
            }
            assert_eq!(coded["shape"], json!(shape), "{place}");
        }
        (a, b) if place.ends_with("request_hash") => assert_ne!(a, b),
        (a, b) => assert_eq!(a, b, "{place}"),
    }
}

#[test]
fn encodings_agree() {
    let nested = answer(&problem(&json!({"wrt": ["*", "inputs"]})));
    for encoding in ["flat", "base64"] {
        same(&nested, &answer(&problem(&json!({"wrt": ["*", "inputs"], "encoding": encoding}))), encoding);
    }
}

#[test]
fn safetensors_agree_with_json() {
    let request = problem(&json!({"wrt": ["*", "inputs"]}));
    let json = answer(&request);
    let bytes = ask(&GRADIENTS, &request, Form::Safetensors);
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let read = |name: &str| {
        let view = file.tensor(name).unwrap_or_else(|_| panic!("no {name}"));
        assert_eq!(view.dtype(), Dtype::F64, "{name}");
        view.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect::<Vec<_>>()
    };
    let mut count = 2;
    assert_eq!(read("loss"), numbers(&json["loss"]));
    assert_eq!(read("losses"), numbers(&json["losses"]));
    for folder in ["outputs", "gradients", "input_gradients"] {
        for (name, value) in json[folder].as_object().expect("an object") {
            assert_eq!(read(&format!("{folder}/{name}")), numbers(value), "{folder}/{name}");
            count += 1;
        }
    }
    for entry in json["trace"].as_array().expect("a trace") {
        let id = entry["id"].as_str().expect("an id");
        for (name, value) in
            entry.as_object().expect("an object").iter().filter(|(name, _)| !["id", "op", "inputs"].contains(&name.as_str()))
        {
            assert_eq!(read(&format!("trace/{id}/{name}")), numbers(value), "trace/{id}/{name}");
            count += 1;
        }
    }
    assert_eq!(file.len(), count);
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let metadata = header.metadata().as_ref().expect("metadata");
    assert_eq!(metadata["loss"], json["loss"].to_string());
    assert_eq!(serde_json::from_str::<Value>(&metadata["objective"]).expect("JSON"), json["objective"]);
    assert_eq!(serde_json::from_str::<Value>(&metadata["meta"]).expect("JSON"), json["meta"]);
}

#[test]
fn what_is_asked_for_is_given() {
    let all = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "first->side", "side.bias"];
    let cases: &[(Value, &[&str], bool)] = &[
        (json!({}), &all, false),
        (json!({"wrt": "*.weight"}), &["fc1.weight", "fc2.weight"], false),
        (json!({"wrt": ["fc2.*", "*->side"]}), &["fc2.weight", "fc2.bias", "first->side"], false),
        (json!({"wrt": "inputs"}), &all, true),
        (json!({"wrt": ["fc1.bias", "x"]}), &["fc1.bias"], true),
        (json!({"wrt": "fc?.bias"}), &["fc1.bias", "fc2.bias"], false),
    ];
    let whole = answer(&problem(&json!({})));
    for (options, names, inputs) in cases {
        let reply = answer(&problem(options));
        let mut asked = keys(&reply["gradients"]);
        let mut expected = names.to_vec();
        asked.sort_unstable();
        expected.sort_unstable();
        assert_eq!(asked, expected, "{options}");
        assert_eq!(reply.get("input_gradients").is_some(), *inputs, "{options}");
        names.iter().for_each(|name| assert_eq!(reply["gradients"][name], whole["gradients"][name], "{options}"));
    }
    assert_eq!(whole["gradients"]["side.bias"], json!(0.0), "no path leads from it to the loss");
    let some = answer(&problem(&json!({"trace": ["side", "fc1"]})));
    let traced: Vec<_> = some["trace"].as_array().expect("a trace").iter().collect();
    assert_eq!(traced, [&whole["trace"][0], &whole["trace"][4]]);
    let none = answer(&problem(&json!({"trace": false})));
    assert!(none.get("trace").is_none());
    assert_eq!(none["gradients"], whole["gradients"]);
}

#[test]
fn singles_are_written_as_the_shortest_singles() {
    let reply = ask(&GRADIENTS, &problem(&json!({"dtype": "f32"})), Form::Json);
    let text = String::from_utf8(reply).expect("JSON is UTF-8");
    let losses = text.split("\"losses\":[").nth(1).and_then(|rest| rest.split(']').next()).expect("losses");
    let mut singles = losses.split(',').map(|text| (text, text.parse::<f32>().expect("a number")));
    assert!(singles.all(|(text, single)| text.len() <= single.to_string().len()), "{losses}");
    let double = answer(&problem(&json!({})));
    let single: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(single["meta"]["dtype"], json!("f32"));
    for (a, b) in numbers(&double["losses"]).into_iter().zip(numbers(&single["losses"])) {
        assert!((a - b).abs() < 1e-5 && a != b, "{a} and {b}");
    }
}

#[test]
fn results_that_are_not_finite_are_named() {
    let of = |op: &str, x: f64| {
        answer(&json!({
            "network": {"inputs": ["x"], "nodes": [
                {"id": "half", "op": "mul", "inputs": ["x", 0.5]},
                {"id": "y", "op": op, "inputs": ["half"]},
                {"id": "z", "op": "neg", "inputs": ["y"]}
            ]},
            "batch": {"inputs": [x, 8]},
            "loss": {"op": "sum", "of": "z"},
            "options": {"wrt": "inputs"},
        }))
    };
    let overflow = of("exp", 1e4);
    assert_eq!(overflow["loss"], json!("-Infinity"));
    assert_eq!(overflow["outputs"]["z"][0], json!("-Infinity"));
    assert_eq!(overflow["non_finite"], json!({"first_node": "y", "pass": "forward"}));
    let invalid = of("log", -1.0);
    assert_eq!(invalid["losses"][0], json!("NaN"));
    assert_eq!(invalid["non_finite"], json!({"first_node": "y", "pass": "forward"}));
    let slope = of("sqrt", 0.0);
    assert_eq!(slope["loss"], json!(-2.0));
    assert_eq!(slope["input_gradients"]["x"][0], json!("-Infinity"));
    assert_eq!(slope["non_finite"]["pass"], json!("backward"));
    assert_eq!(slope["non_finite"]["first_node"], json!("half"));
    assert!(of("tanh", 0.0).get("non_finite").is_none());
}

#[test]
fn regularization_is_included_and_stands_apart() {
    let plain = answer(&problem(&json!({})));
    let mut request = problem(&json!({}));
    request["regularization"] =
        json!([{"l2": 0.01, "factor": 0.5, "parameters": ["fc2.bias"]}, {"l1": 0.1, "parameters": ["*->side"]}]);
    let reply = answer(&request);
    let apart = &reply["regularization"];
    let expected = 0.005 * (0.01 + 0.04 + 0.09) + 0.1 * 0.3;
    assert!((apart["loss"].as_f64().expect("a number") - expected).abs() < 1e-15);
    assert_eq!(numbers(&apart["gradients"]["first->side"]), [0.1]);
    for (g, w) in numbers(&apart["gradients"]["fc2.bias"]).into_iter().zip([0.1, -0.2, 0.3]) {
        assert!((g - 0.01 * w).abs() < 1e-17, "{g}");
    }
    assert!((numbers(&reply["loss"])[0] - numbers(&plain["loss"])[0] - expected).abs() < 1e-14);
    assert_eq!(reply["losses"], plain["losses"]);
    for (name, whole) in reply["gradients"].as_object().expect("an object") {
        let parts = numbers(&plain["gradients"][name]).into_iter().zip(numbers(&apart["gradients"][name]));
        for (whole, (data, penalty)) in numbers(whole).into_iter().zip(parts) {
            assert!((whole - data - penalty).abs() < 1e-14, "{name}");
        }
    }
}
