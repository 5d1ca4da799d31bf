//! Training: judged by `torch.optim` (`tests/golden/make_descend.py`), by the numbers that Mazur published, and by its own laws.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dedz::analysis::{DESCEND, Event, Failure, Form, GRADIENTS, Request, Stop, prepare};
use dedz::config::Limits;
use dedz::spec::fault::Faults;
use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::golden::{self, Worst, answer, compare, files};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn example(name: &str) -> Value {
    golden::json(&root().join("openapi/examples").join(name))
}

/// A problem with some members set.
fn with(mut problem: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().expect("an object") {
        problem[name] = value.clone();
    }
    problem
}

fn descended(problem: &Value) -> Value {
    answer(&DESCEND, problem).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Every loss, gradient norm and parameter to 1e-10 of PyTorch's, relative to the largest number of its tensor.
#[test]
fn training_agrees_with_pytorch() {
    let (mut worst_of, mut failures, mut count) = (BTreeMap::<String, f64>::new(), Vec::new(), 0);
    for path in files("descend") {
        let golden = golden::json(&path);
        let base = golden::json(&root().join(golden["base"].as_str().expect("a path")));
        let base = base.get("request").unwrap_or(&base).clone();
        let request = with(base, &golden["patch"]);
        let single = request["options"]["dtype"] == "f32";
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (mut worst, mut faults) = (Worst::default(), Vec::new());
        match answer(&DESCEND, &request) {
            Ok(ours) => compare(&ours, &golden["reply"], "", None, &mut worst, &mut faults),
            Err(failure) => faults.push(failure),
        }
        if worst.difference > if single { 1e-4 } else { 1e-10 } {
            faults.push(format!("differs by {:e} at {}", worst.difference, worst.place));
        }
        failures.extend(faults.into_iter().take(3).map(|fault| format!("{name}: {fault}")));
        let op = request["descend"]["optimizer"]["op"].as_str().expect("an optimiser").to_owned();
        let op = if single { format!("{op} in f32") } else { op };
        let worst_so_far = worst_of.entry(op).or_default();
        *worst_so_far = worst_so_far.max(worst.difference);
        count += 1;
    }
    for (op, worst) in &worst_of {
        println!("{op}: worst relative difference from PyTorch {worst:e}");
    }
    assert!(failures.is_empty(), "{} of {count} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(count >= 30 && worst_of.len() == 6, "{count} goldens of {worst_of:?}");
}

/// Mazur, A Step by Step Backpropagation Example (2015): E to 6 places, weights to 9 digits; longer digits by others in f64.
#[test]
fn mazurs_numbers_are_found() {
    let one = descended(&example("descend/mazur_one_step.json"));
    let published = [("h1->o1", 0.358_916_48), ("h2->o1", 0.408_666_186), ("h1->o2", 0.511_301_270), ("h2->o2", 0.561_370_121)];
    let published = published.into_iter().chain([
        ("i1->h1", 0.149_780_716),
        ("i2->h1", 0.199_561_43),
        ("i1->h2", 0.249_751_14),
        ("i2->h2", 0.299_502_29),
    ]);
    for (name, value) in published {
        let found = one["parameters"][name].as_f64().expect("a weight");
        assert!((found - value).abs() < 1e-8, "{name} is {found}, published {value}");
    }
    assert_eq!(one["parameters"]["b1"], json!(0.35), "biases are frozen");
    assert_eq!(one["loss"].as_f64(), Some(0.291_027_773_693_599_33));
    let many = descended(&example("descend/mazur.json"));
    let loss = many["loss"].as_f64().expect("a number");
    assert!((loss / 3.510_187_782_978_859e-5 - 1.0).abs() < 1e-10, "{loss}");
    // Mazur prints 0.0000351085, which nobody else has found: f64 agrees with him to three digits.
    assert!((loss - 0.000_035_108_5).abs() < 1e-8, "published by Mazur");
    assert_eq!(many["steps"], json!([0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000]));
}

/// A step of plain gradient descent is the gradient that the main job gives.
#[test]
fn a_step_is_minus_the_rate_times_the_gradient() {
    let problem = with(
        example("digits_mlp.json"),
        &json!({"regularization": [{"l2": 0.1}], "descend": {"steps": 1, "optimizer": {"op": "sgd", "lr": 0.25}}}),
    );
    let moved = descended(&problem);
    let mut still = problem.clone();
    still.as_object_mut().expect("an object").shift_remove("descend");
    let gradients = answer(&GRADIENTS, &still).expect("a reply");
    assert_eq!(moved["losses"][0], gradients["loss"]);
    for i in 0..10 {
        let number = |value: &Value| value.as_f64().expect("a number");
        let theta = number(&problem["parameters"]["fc2.bias"][i]);
        let expected = theta - 0.25 * number(&gradients["gradients"]["fc2.bias"][i]);
        assert_eq!(number(&moved["parameters"]["fc2.bias"][i]), expected);
    }
}

#[test]
fn forms_tell_the_same() {
    let ask = |form, options: &Value| {
        let problem = with(example("descend/digits_mlp.json"), &json!({"options": options})).to_string();
        let request = Request { problem: problem.as_bytes(), ..Request::default() };
        prepare(&DESCEND, request, form, &Limits::default()).and_then(|ready| ready.run(&|| Ok(()))).expect("a reply").body
    };
    let options = json!({});
    let plain = ask(Form::Json, &options);
    assert_eq!(plain, ask(Form::Json, &options), "equal requests give equal bytes");
    let reply: Value = serde_json::from_slice(&plain).expect("JSON");
    let flat: Value = serde_json::from_slice(&ask(Form::Json, &json!({"encoding": "flat"}))).expect("JSON");
    assert_eq!(flat["losses"]["data"], reply["losses"]);
    assert_eq!(flat["parameters"]["fc1.weight"]["shape"], json!([32, 64]));
    let file = ask(Form::Safetensors, &options);
    let file = SafeTensors::deserialize(&file).expect("a safetensors file");
    let bias = file.tensor("parameters/fc2.bias").expect("every parameter is there");
    let numbers: Vec<f64> = bias.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
    assert_eq!(json!(numbers), reply["parameters"]["fc2.bias"]);
    assert_eq!(file.tensor("losses").expect("losses").shape(), [10]);
}

#[test]
fn whoever_listens_hears_what_the_reply_says() {
    let problem = example("descend/digits_mlp.json").to_string();
    let request = Request { problem: problem.as_bytes(), ..Request::default() };
    let ready = prepare(&DESCEND, request, Form::EventStream, &Limits::default()).expect("a right problem");
    let mut heard: Vec<Event> = Vec::new();
    let reply = ready.run_telling(&|| Ok(()), &mut |event| heard.push(event)).expect("a reply");
    let reply: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(heard.len(), 10);
    for (i, event) in heard.iter().enumerate() {
        let told: Value = serde_json::from_slice(&event.data).expect("JSON");
        let expected =
            json!({"step": reply["steps"][i], "loss": reply["losses"][i], "gradient_norm": reply["gradient_norms"][i]});
        assert_eq!((event.name, told), ("step", expected));
    }
}

/// Numbers that are not finite are results, and it is said when and where they came from.
#[test]
fn a_diverging_run_says_where_it_left() {
    let mut problem = json!({
        "network": {"inputs": ["x"], "nodes": [{"id": "y", "op": "neuron", "inputs": {"x": 1.5}}, {"id": "f", "op": "mul", "inputs": ["y", "y"]}]},
        "batch": {"inputs": [2.0], "targets": [[0.0]]},
        "loss": {"op": "squared_error", "of": ["f"]},
        "descend": {"steps": 12, "optimizer": {"op": "sgd", "lr": 1.0}},
    });
    // w ← w − 64·w³ grows without bound: E = 16·w⁴ overflows after a few steps, where f does not yet; then all is NaN.
    let reply = descended(&problem);
    let losses = reply["losses"].as_array().expect("a list");
    let first = losses.iter().position(Value::is_string).expect("it overflows") as u64;
    assert_eq!(reply["non_finite"], json!({"step": first, "first_node": "loss", "pass": "forward"}), "{losses:?}");
    assert_eq!((losses.len(), &reply["loss"]), (12, &json!("NaN")));
    problem["descend"]["steps"] = json!(2);
    assert!(descended(&problem).get("non_finite").is_none());
    // An update that overflows at the last step.
    problem["descend"] = json!({"steps": 1, "optimizer": {"op": "sgd", "lr": 1e308}});
    let reply = descended(&problem);
    assert_eq!(reply["non_finite"], json!({"step": 0, "first_node": "y", "pass": "update"}));
    assert_eq!(reply["parameters"]["x->y"], json!("-Infinity"));
}

/// What is asked between nodes is heeded, in the midst of training.
#[test]
fn training_stops_when_told() {
    let problem =
        with(example("mazur.json"), &json!({"descend": {"steps": 1_000_000, "report_every": 1000, "optimizer": {"op": "adam"}}}));
    let problem = problem.to_string();
    let request = Request { problem: problem.as_bytes(), ..Request::default() };
    for stop in [Stop::Deadline, Stop::Cancelled] {
        let ready = prepare(&DESCEND, request, Form::EventStream, &Limits::default()).expect("a right problem");
        let heard = Cell::new(0);
        let guard = || if heard.get() < 3 { Ok(()) } else { Err(stop) };
        let stopped = ready.run_telling(&guard, &mut |_| heard.set(heard.get() + 1));
        assert!(matches!(stopped, Err(Failure::Stopped(why)) if why == stop), "{stopped:?}");
        assert_eq!(heard.get(), 3);
    }
}

/// A row: a pointer into the problem, what is set there (nothing removes), and the faults: pointer, code, words.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const WRONG: &[Row] = &[
    ("/descend", "", &[("", "missing_field", "{\"steps\": 100, \"optimizer\": {\"op\": \"sgd\", \"lr\": 0.5}}")]),
    ("/descend", "3", &[("/descend", "wrong_type", "expected an object, found the number 3")]),
    (
        "/descend",
        "{}",
        &[("/descend", "missing_field", "\"optimizer\" is missing"), ("/descend", "missing_field", "\"steps\" is missing")],
    ),
    ("/descend/step", "3", &[("/descend/step", "unknown_field", "did you mean \"steps\"?")]),
    ("/descend/steps", "0", &[("/descend/steps", "out_of_range", "expected at least 1, found 0")]),
    ("/descend/steps", "-5", &[("/descend/steps", "out_of_range", "expected at least 1, found -5")]),
    ("/descend/steps", "2.5", &[("/descend/steps", "wrong_type", "expected a whole number, found the number 2.5")]),
    ("/descend/steps", "\"many\"", &[("/descend/steps", "wrong_type", "expected a whole number")]),
    ("/descend/steps", "1e300", &[("/descend/steps", "wrong_type", "expected a whole number")]),
    ("/descend/report_every", "0", &[("/descend/report_every", "out_of_range", "expected at least 1, found 0")]),
    ("/descend/batch_size", "0", &[("/descend/batch_size", "out_of_range", "expected at least 1, found 0")]),
    ("/descend/batch_size", "4", &[("/descend/batch_size", "out_of_range", "the batch has 3 samples, found 4")]),
    ("/descend/shuffle_seed", "-1", &[("/descend/shuffle_seed", "wrong_type", "a whole number from 0 to 2^64-1, or a string")]),
    ("/descend/optimizer", "\"sgd\"", &[("/descend/optimizer", "wrong_type", "expected an object, found the string \"sgd\"")]),
    ("/descend/optimizer/op", "", &[("/descend/optimizer", "missing_field", "\"op\" is missing")]),
    (
        "/descend/optimizer/op",
        "\"adm\"",
        &[("/descend/optimizer/op", "unknown_op", "no optimiser is named \"adm\"; did you mean \"adam\"?")],
    ),
    (
        "/descend/optimizer/op",
        "\"lbfgs\"",
        &[("/descend/optimizer/op", "unknown_op", "there are sgd, adam, adamw, rmsprop, adagrad")],
    ),
    ("/descend/optimizer/lr", "-0.1", &[("/descend/optimizer/lr", "invalid_value", "lr: expected at least 0, found -0.1")]),
    (
        "/descend/optimizer/lr",
        "\"NaN\"",
        &[("/descend/optimizer/lr", "wrong_type", "expected a number, found the string \"NaN\"")],
    ),
    ("/descend/optimizer/momentun", "0.9", &[("/descend/optimizer/momentun", "unknown_field", "did you mean \"momentum\"?")]),
    ("/descend/optimizer/nesterov", "true", &[("/descend/optimizer/nesterov", "invalid_value", "a momentum above 0")]),
    (
        "/descend/optimizer",
        "{\"op\": \"adam\", \"betas\": 0.9}",
        &[("/descend/optimizer/betas", "wrong_type", "a list of 2 numbers")],
    ),
    ("/descend/optimizer", "{\"op\": \"adam\", \"betas\": [0.9]}", &[("/descend/optimizer/betas", "wrong_type", "shape [1]")]),
    (
        "/descend/optimizer",
        "{\"op\": \"adam\", \"betas\": [0.9, 1], \"eps\": -1}",
        &[
            ("/descend/optimizer/eps", "invalid_value", "at least 0"),
            ("/descend/optimizer/betas", "invalid_value", "from 0 to below 1, found 1"),
        ],
    ),
    ("/options", "{\"per_sample\": true}", &[("/options/per_sample", "invalid_value", "the gradient of the whole objective")]),
    ("/options", "{\"wrt\": [\"*\", \"x1\"]}", &[("/options/wrt", "invalid_value", "the input \"x1\" is no parameter")]),
    ("/options", "{\"wrt\": [\"z77->z5\"]}", &[("/options/wrt/0", "unknown_name", "did you mean \"z7->z5\"?")]),
    ("/loss", "", &[("", "missing_field", "no \"loss\"")]),
    ("/batch", "", &[("", "missing_field", "no \"batch\"")]),
    // Everything at once: the network, the batch and the arguments.
    (
        "/network/nodes/0",
        "{\"id\": \"z6\", \"op\": \"nueron\", \"inputs\": {\"x1\": 1}}",
        &[("/network/nodes/0/op", "unknown_op", "neuron")],
    ),
];

fn faults_of(problem: &Value, limits: &Limits) -> Faults {
    let text = problem.to_string();
    match prepare(&DESCEND, Request { problem: text.as_bytes(), ..Request::default() }, Form::Json, limits) {
        Err(Failure::Invalid(faults) | Failure::OverLimit(faults)) => faults,
        Err(other) => panic!("{other:?} of {text}"),
        Ok(_) => panic!("was admitted: {text}"),
    }
}

#[test]
fn what_is_wrong_is_said() {
    let right = with(example("lecture.json"), &json!({"descend": {"steps": 3, "optimizer": {"op": "sgd", "lr": 0.1}}}));
    descended(&right);
    for (pointer, text, expected) in WRONG {
        let mut problem = right.clone();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer below the root");
        let parent = problem.pointer_mut(parent).expect("the parent is there");
        match (parent, text) {
            (Value::Object(object), &"") => drop(object.shift_remove(name)),
            (Value::Object(object), text) => drop(object.insert(name.to_owned(), serde_json::from_str(text).expect("JSON"))),
            (list, text) => list[name.parse::<usize>().expect("an index")] = serde_json::from_str(text).expect("JSON"),
        }
        let faults = faults_of(&problem, &Limits::default());
        let found: Vec<_> = faults.listed().iter().map(|fault| (fault.pointer.as_str(), fault.code.as_str())).collect();
        let wanted: Vec<_> = expected.iter().map(|(pointer, code, _)| (*pointer, *code)).collect();
        assert_eq!(found, wanted, "{pointer} {text}: {faults:?}");
        for (fault, (.., words)) in faults.listed().iter().zip(*expected) {
            assert!(fault.detail.contains(words), "{pointer} {text}: {:?} lacks {words:?}", fault.detail);
        }
    }
}

#[test]
fn faults_of_the_network_and_of_the_arguments_come_together() {
    let mut problem = with(example("lecture.json"), &json!({"descend": {"steps": 0, "optimizer": {"op": "sdg"}}}));
    problem["network"]["nodes"][0]["activation"] = json!("tanhh");
    problem["batch"]["targets"] = json!([0, 1, 7]);
    let faults = faults_of(&problem, &Limits::default());
    let pointers: Vec<_> = faults.listed().iter().map(|fault| fault.pointer.as_str()).collect();
    assert!(pointers.contains(&"/descend/steps") && pointers.contains(&"/descend/optimizer/op"), "{pointers:?}");
    assert!(pointers.contains(&"/network/nodes/0/activation"), "{pointers:?}");
}

#[test]
fn minibatches_that_a_layer_cannot_take_are_refused() {
    let problem = json!({
        "network": {"inputs": {"x": [2]}, "layers": [{"id": "drop", "op": "dropout", "mask": [[1, 0], [0, 1], [1, 1]]}, {"id": "y", "op": "linear", "weight": [[1, 2]], "bias": false}]},
        "batch": {"inputs": [[1, 2], [3, 4], [5, 6]]}, "loss": {"op": "sum", "of": "y"},
        "descend": {"steps": 1, "batch_size": 2, "optimizer": {"op": "sgd"}},
    });
    let faults = faults_of(&problem, &Limits::default());
    assert_eq!(faults.listed()[0].pointer, "/network/layers/0/mask", "{faults:?}");
    let nothing = json!({
        "network": {"inputs": ["x"], "nodes": [{"id": "y", "op": "tanh", "inputs": ["x"]}]},
        "batch": {"inputs": [1]}, "loss": {"op": "sum", "of": "y"}, "descend": {"steps": 1, "optimizer": {"op": "sgd"}},
    });
    assert!(faults_of(&nothing, &Limits::default()).listed()[0].detail.contains("nothing to train"));
}

#[test]
fn too_many_steps_are_refused_before_any_is_taken() {
    for (steps, report_every, words) in [
        (9_007_199_254_740_992_u64, 1_000_000_000_u64, "floating-point operations, the limit is"),
        (100_000_000, 1, "bytes of memory, the limit is"),
    ] {
        let descend = json!({"steps": steps, "report_every": report_every, "optimizer": {"op": "sgd"}});
        let faults = faults_of(&with(example("mazur.json"), &json!({"descend": descend})), &Limits::default());
        assert!(faults.listed().iter().any(|fault| fault.detail.contains(words)), "{faults:?}");
    }
}

#[test]
fn the_catalogue_lists_the_optimisers() {
    let catalogue: Value = serde_json::from_slice(&dedz::analysis::catalog::json()).expect("JSON");
    let names: Vec<_> = catalogue["optimizers"].as_array().expect("a list").iter().map(|item| item["name"].clone()).collect();
    assert_eq!(json!(names), json!(["sgd", "adam", "adamw", "rmsprop", "adagrad"]));
    assert_eq!(catalogue["optimizers"][1]["attributes"][1]["default"], json!([0.9, 0.999]));
    assert!(fs::exists(root().join("openapi/examples/descend/mazur.json")).expect("a readable folder"));
}
