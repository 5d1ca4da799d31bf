//! The gradient as a linear map, judged by `torch.func` (`tests/golden/make_maps.py`) and by its own laws.

use dedz::analysis::{ANALYSES, Form, GRADIENTS, HESSIAN, HVP, JACOBIAN, JVP, Question, Request, VJP, prepare};
use dedz::config::Limits;
use dedz::http::problem::{Error, Problem};
use serde_json::{Value, json};

use crate::golden::{Worst, answer, compare, files, json};

/// Maps and laws hold to this, relative to the largest magnitude of a tensor.
const BOUND: f64 = 1e-12;

fn question(name: &str) -> Question {
    ANALYSES.iter().copied().find(|analysis| analysis.name == name).expect("an analysis")
}

/// A problem with a question's own argument.
fn with(problem: &Value, name: &str, arguments: &Value) -> Value {
    let mut problem = problem.clone();
    problem[name] = arguments.clone();
    problem
}

#[test]
fn maps_agree_with_torch_func() {
    let mut worst_of: Vec<(String, Worst)> = Vec::new();
    let mut faults = Vec::new();
    let mut count = 0;
    for path in files("maps") {
        let golden = json(&path);
        for asked in golden["asked"].as_array().expect("a list of questions") {
            let name = asked["analysis"].as_str().expect("a name");
            let place = format!("{} {name}", path.file_stem().unwrap_or_default().to_string_lossy());
            let (mut worst, mut wrong) = (Worst::default(), Vec::new());
            match answer(question(name), &with(&golden["request"], name, &asked["arguments"])) {
                Ok(ours) => {
                    let expected = reordered(&asked["reply"], &ours["parameters"]);
                    compare(&ours, &expected, "", None, &mut worst, &mut wrong);
                }
                Err(failure) => wrong.push(failure),
            }
            if worst.difference > BOUND {
                wrong.push(format!("differs by {:e} at {}", worst.difference, worst.place));
            }
            faults.extend(wrong.into_iter().map(|fault| format!("{place}: {fault}")));
            count += 1;
            match worst_of.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) if known.difference >= worst.difference => {}
                Some((_, known)) => *known = worst,
                None => worst_of.push((name.to_owned(), worst)),
            }
        }
    }
    assert!(faults.is_empty(), "{} of {count} differ:\n{}", faults.len(), faults.join("\n"));
    assert!(count >= 80, "only {count} answers were compared");
    for (name, worst) in worst_of {
        println!("{name:8} differs from torch.func by {:.1e} at most, at {}", worst.difference, worst.place);
    }
}

/// A Hessian with its rows and columns in another order of parameters; any other reply as it is.
fn reordered(reply: &Value, order: &Value) -> Value {
    let (Some(theirs), Some(order)) = (reply["parameters"].as_array(), order.as_array()) else { return reply.clone() };
    let mut start = 0;
    let starts = theirs.iter().map(|pair| {
        let size = pair[1].as_u64().expect("a size") as usize;
        start += size;
        (pair[0].clone(), start - size..start)
    });
    let starts: Vec<_> = starts.collect();
    let place = |pair: &Value| starts.iter().find(|(name, _)| *name == pair[0]).expect("the same names").1.clone();
    let places: Vec<usize> = order.iter().flat_map(place).collect();
    let row = |i: &usize| places.iter().map(|j| reply["hessian"][*i][*j].clone()).collect::<Value>();
    json!({ "parameters": order, "hessian": places.iter().map(row).collect::<Value>() })
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        Value::Object(members) => members.values().flat_map(numbers).collect(),
        value => vec![value.as_f64().expect("a number")],
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len(), "both have as many numbers");
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The golden problems with the arguments that some question was asked with.
fn golden_problems(name: &str) -> Vec<(Value, Value)> {
    let goldens = files("maps").iter().map(|path| json(path)).collect::<Vec<_>>();
    let asked = |golden: &Value| {
        let asked = golden["asked"].as_array().expect("a list").iter();
        let asked = asked.filter(|asked| asked["analysis"] == name).map(|asked| asked["arguments"].clone());
        asked.map(|arguments| (golden["request"].clone(), arguments)).collect::<Vec<_>>()
    };
    goldens.iter().flat_map(asked).collect()
}

/// ∇E·h from a gradient is the loss's tangent from one forward sweep over dual numbers.
#[test]
fn the_gradient_times_a_direction_is_the_jvp() {
    let problems = golden_problems("jvp");
    assert!(problems.len() >= 16, "there are golden problems");
    for (mut problem, arguments) in problems {
        problem["options"] = json!({ "wrt": ["*", "inputs"] });
        let gradients = answer(&GRADIENTS, &problem).expect("gradients");
        let jvp = answer(&JVP, &with(&problem, "jvp", &arguments)).expect("a jvp");
        let mut sum = 0.0;
        let mut size = 0.0_f64;
        for (name, direction) in arguments["tangents"].as_object().expect("tangents") {
            let gradient = [&gradients["gradients"][name], &gradients["input_gradients"][name]];
            let gradient = numbers(gradient.into_iter().find(|gradient| !gradient.is_null()).expect("a gradient"));
            let direction = numbers(direction);
            sum += dot(&gradient, &direction);
            size += gradient.iter().zip(&direction).map(|(a, b)| (a * b).abs()).sum::<f64>();
        }
        let tangent = jvp["loss_tangent"].as_f64().expect("a number");
        assert!((sum - tangent).abs() <= BOUND * size, "{sum} is not {tangent}");
    }
}

/// ⟨v, J·h⟩ = ⟨Jᵀ·v, h⟩: multiplied from the outputs on or from the inputs on.
#[test]
fn the_order_of_multiplication_does_not_matter() {
    for (problem, arguments) in golden_problems("jvp") {
        let jvp = answer(&JVP, &with(&problem, "jvp", &arguments)).expect("a jvp");
        let tangents = jvp["output_tangents"].as_object().expect("tangents");
        // Any direction of the outputs will do; the tangents themselves make the product a sum of squares.
        let left: f64 = tangents.values().map(|t| dot(&numbers(t), &numbers(t))).sum();
        let mut asked = with(&problem, "vjp", &json!({ "cotangents": tangents }));
        asked.as_object_mut().expect("a problem").remove("options");
        let vjp = answer(&VJP, &asked).expect("a vjp");
        let mut right = 0.0;
        let mut size = left;
        for (name, direction) in arguments["tangents"].as_object().expect("tangents") {
            let bar = [&vjp["gradients"][name], &vjp["input_gradients"][name]];
            let bar = numbers(bar.into_iter().find(|bar| !bar.is_null()).expect("a cotangent"));
            right += dot(&bar, &numbers(direction));
            size += bar.iter().zip(numbers(direction)).map(|(a, b)| (a * b).abs()).sum::<f64>();
        }
        assert!((left - right).abs() <= BOUND * size, "{left} is not {right}");
    }
}

#[test]
fn a_hessian_is_symmetric_and_its_columns_are_hvps() {
    for (problem, arguments) in golden_problems("hessian") {
        let reply = answer(&HESSIAN, &with(&problem, "hessian", &arguments)).expect("a Hessian");
        let rows: Vec<Vec<f64>> = reply["hessian"].as_array().expect("rows").iter().map(numbers).collect();
        let largest = rows.iter().flatten().fold(0.0_f64, |most, x| most.max(x.abs()));
        for (i, row) in rows.iter().enumerate() {
            for (j, &x) in row.iter().enumerate() {
                assert!((x - rows[j][i]).abs() <= BOUND * largest, "entry {i},{j}: {x} and {}", rows[j][i]);
            }
        }
        // The sum of all columns is the product with ones.
        let mut problem = problem;
        problem["options"] = json!({ "wrt": ["*", "inputs"] });
        let names: Vec<_> = reply["parameters"].as_array().expect("names").iter().map(|pair| pair[0].clone()).collect();
        let validated = answer(&GRADIENTS, &problem).expect("gradients");
        let ones = |value: &Value| {
            fn fill(value: &Value) -> Value {
                match value {
                    Value::Array(list) => list.iter().map(fill).collect(),
                    _ => json!(1.0),
                }
            }
            fill(value)
        };
        let mut tangents = serde_json::Map::new();
        for name in &names {
            let name = name.as_str().expect("a name");
            let shape = [&validated["gradients"][name], &validated["input_gradients"][name]];
            tangents.insert(name.to_owned(), ones(shape.into_iter().find(|value| !value.is_null()).expect("a gradient")));
        }
        let hvp = answer(&HVP, &with(&problem, "hvp", &json!({ "tangents": tangents }))).expect("an hvp");
        let product: Vec<f64> = names.iter().flat_map(|name| numbers(&hvp["hvp"][name.as_str().expect("a name")])).collect();
        for (row, x) in rows.iter().zip(product) {
            assert!((row.iter().sum::<f64>() - x).abs() <= BOUND * largest * row.len() as f64);
        }
    }
}

/// What comes of a request: the status and its faults as pointer and code, or the reply.
fn refused(name: &str, request: &Value, limits: &Limits) -> (u16, Vec<(String, String, String)>) {
    let body = serde_json::to_vec(request).expect("a value is JSON");
    let request = Request { problem: &body, ..Request::default() };
    let prepared = prepare(question(name), request, Form::Json, limits);
    let Err(failure) = prepared else { panic!("{name} was not refused") };
    let problem: Value = serde_json::from_slice(&Problem::of(&Error::Failed(failure)).to_json()).expect("JSON");
    let faults = problem["errors"].as_array().expect("faults").iter();
    let text = |fault: &Value, key: &str| fault[key].as_str().expect("a text").to_owned();
    let faults = faults.map(|fault| (text(fault, "pointer"), text(fault, "code"), text(fault, "detail"))).collect();
    (problem["status"].as_u64().expect("a status") as u16, faults)
}

fn layers() -> Value {
    json!({
        "network": { "inputs": { "x": [2] }, "layers": [{ "id": "fc", "op": "linear", "out_features": 3, "activation": "tanh" }] },
        "parameters": { "fc.weight": [[1, 2], [3, 4], [5, 6]], "fc.bias": [0, 0, 0] },
        "batch": { "inputs": [[1, 2], [3, 4]], "targets": [0, 1] }, "loss": { "op": "cross_entropy", "of": "fc" },
    })
}

#[test]
fn bad_arguments_are_told_all_at_once() {
    let table = [
        ("jvp", Value::Null, vec![("", "missing_field")]),
        ("jvp", json!(3), vec![("/jvp", "wrong_type")]),
        ("jvp", json!({ "tangent": {} }), vec![("/jvp", "missing_field"), ("/jvp/tangent", "unknown_field")]),
        ("jvp", json!({ "tangents": {} }), vec![("/jvp/tangents", "missing_field")]),
        (
            "jvp",
            json!({ "tangents": { "fc.weights": [[1]], "fc.bias": [1, 2], "x": [[1, 2]], "fc.weight": [[1, 2], [3, "a"], [5, 6]] }, "seed": 1 }),
            vec![
                ("/jvp/tangents/fc.weights", "unknown_name"),
                ("/jvp/tangents/fc.bias", "shape_mismatch"),
                ("/jvp/tangents/x", "shape_mismatch"),
                ("/jvp/tangents/fc.weight/1/1", "wrong_type"),
                ("/jvp/seed", "unknown_field"),
            ],
        ),
        ("jvp", json!({ "tangents": { "fc.bias": { "init": "ones" } } }), vec![("/jvp/tangents/fc.bias", "wrong_type")]),
        ("vjp", json!({}), vec![("/vjp", "missing_field")]),
        ("vjp", json!({ "cotangents": [1] }), vec![("/vjp/cotangents", "wrong_type")]),
        (
            "vjp",
            json!({ "cotangents": { "fc1": [1], "fc": [[1, 2, 3]] } }),
            vec![("/vjp/cotangents/fc1", "unknown_node"), ("/vjp/cotangents/fc", "shape_mismatch")],
        ),
        ("jacobian", json!({}), vec![("/jacobian", "missing_field")]),
        (
            "jacobian",
            json!({ "of": "f", "wrt": ["y"], "mode": "sideways" }),
            vec![("/jacobian/wrt/0", "unknown_name"), ("/jacobian/mode", "invalid_value"), ("/jacobian/of", "unknown_node")],
        ),
        ("hvp", json!({ "tangents": { "fc.bias": 1 } }), vec![("/hvp/tangents/fc.bias", "shape_mismatch")]),
        ("hessian", json!({ "wrt": "fc.wieght" }), vec![("/hessian/wrt", "unknown_name")]),
        ("hessian", json!({ "wrt": [] }), vec![("/hessian/wrt", "invalid_value")]),
    ];
    for (name, arguments, expected) in table {
        let request = if arguments.is_null() { layers() } else { with(&layers(), name, &arguments) };
        let (status, faults) = refused(name, &request, &Limits::default());
        let found: Vec<_> = faults.iter().map(|(pointer, code, _)| (pointer.as_str(), code.as_str())).collect();
        assert_eq!((status, found), (422, expected), "{name} {arguments}: {faults:?}");
    }
}

#[test]
fn what_means_nothing_is_refused() {
    let mut request = with(&layers(), "hessian", &json!({}));
    request["options"] = json!({ "dtype": "f32", "per_sample": true });
    let (_, faults) = refused("hessian", &request, &Limits::default());
    let pointers: Vec<_> = faults.iter().map(|(pointer, ..)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/options/dtype", "/options/per_sample"]);
    let mut request = with(&layers(), "hvp", &json!({ "tangents": { "fc.bias": [1, 1, 1] } }));
    request.as_object_mut().expect("a problem").remove("loss");
    assert_eq!(refused("hvp", &request, &Limits::default()).1[0].1, "missing_field");
}

/// Faults of the network and of the arguments stand in one answer, and what failed in the network is not told twice.
#[test]
fn a_broken_network_does_not_hide_the_arguments() {
    let mut request = with(&layers(), "jvp", &json!({ "tangents": { "fc.bias": [1, 2], "nobody": 1 }, "sed": 1 }));
    request["network"]["layers"][0]["activation"] = json!("tanhh");
    let (_, faults) = refused("jvp", &request, &Limits::default());
    let pointers: Vec<_> = faults.iter().map(|(pointer, ..)| pointer.as_str()).collect();
    assert!(pointers.contains(&"/network/layers/0/activation"), "{pointers:?}");
    assert!(pointers.contains(&"/jvp/sed") && !pointers.contains(&"/jvp/tangents/nobody"), "{pointers:?}");
}

#[test]
fn sizes_over_a_limit_are_told_with_their_figure() {
    let limits = Limits { memory_bytes: 2_000, ..Limits::default() };
    let (status, faults) = refused("hessian", &with(&layers(), "hessian", &json!({})), &limits);
    assert_eq!((status, faults[0].0.as_str(), faults[0].1.as_str()), (422, "/hessian", "limit_exceeded"));
    assert!(faults[0].2.contains("9 x 9") && faults[0].2.contains("2268 bytes") && faults[0].2.contains("2000"), "{faults:?}");
    let limits = Limits { memory_bytes: 500, ..Limits::default() };
    let (status, faults) = refused("jacobian", &with(&layers(), "jacobian", &json!({ "of": "fc" })), &limits);
    assert_eq!((status, faults[0].0.as_str()), (422, "/jacobian"));
    assert!(faults[0].2.contains("36 numbers") && faults[0].2.contains("500"), "{faults:?}");
    // A Hessian of some 10^14 numbers is priced, not made.
    let mut large = layers();
    large["network"] = json!({ "inputs": { "x": [3000] }, "layers": [{ "id": "fc", "op": "linear", "out_features": 3000 }] });
    large["parameters"] = json!({ "fc.weight": { "init": "ones" }, "fc.bias": { "init": "zeros" } });
    large["batch"]["inputs"] = json!({ "shape": [2, 3000], "data": vec![0.5; 6000] });
    let (status, faults) = refused("hessian", &with(&large, "hessian", &json!({})), &Limits::default());
    assert_eq!((status, faults[0].1.as_str()), (422, "limit_exceeded"));
    let (status, _) = refused("jacobian", &with(&large, "jacobian", &json!({ "of": "fc" })), &Limits::default());
    assert_eq!(status, 422);
}

#[test]
fn samples_that_meet_have_no_jacobian_by_their_own_input() {
    let golden = files("maps").into_iter().find(|path| path.ends_with("batch_norm.json")).expect("a golden");
    let problem = json(&golden)["request"].clone();
    let (status, faults) =
        refused("jacobian", &with(&problem, "jacobian", &json!({ "of": "fc2", "wrt": ["x"] })), &Limits::default());
    assert_eq!((status, faults[0].0.as_str()), (422, "/jacobian/wrt"), "{faults:?}");
    assert!(answer(&JACOBIAN, &with(&problem, "jacobian", &json!({ "of": "fc2" }))).is_ok(), "parameters are shared by all");
}

/// A tangent that is not finite is a result, and the reply says where it first was.
#[test]
fn infinite_derivatives_are_results() {
    let problem = json!({
        "network": { "inputs": ["x"], "nodes": [{ "id": "r", "op": "sqrt", "inputs": ["x"] }, { "id": "f", "op": "mul", "inputs": ["r", 2] }] },
        "batch": { "inputs": [0] }, "loss": { "op": "sum", "of": "f" }, "options": { "wrt": ["inputs"] },
    });
    let reply = answer(&JVP, &with(&problem, "jvp", &json!({ "tangents": { "x": [1] } }))).expect("a jvp");
    assert_eq!(reply["loss_tangent"], "Infinity");
    assert_eq!(reply["non_finite"], json!({ "first_node": "r", "pass": "forward" }));
    let reply = answer(&JACOBIAN, &with(&problem, "jacobian", &json!({ "of": "f", "wrt": ["x"] }))).expect("a Jacobian");
    assert_eq!(reply["jacobian"]["x"], json!(["Infinity"]));
    assert_eq!(reply["non_finite"]["first_node"], "r");
}

#[test]
fn maps_come_as_safetensors_too() {
    for (name, arguments, tensor) in [
        ("jvp", json!({ "tangents": { "fc.bias": [1, 1, 1] } }), "output_tangents/fc"),
        ("vjp", json!({ "cotangents": { "fc": [[1, 0, 0], [0, 1, 0]] } }), "gradients/fc.weight"),
        ("jacobian", json!({ "of": "fc", "wrt": ["x"] }), "jacobian/x"),
        ("hvp", json!({ "tangents": { "fc.bias": [1, 1, 1] } }), "hvp/fc.bias"),
        ("hessian", json!({ "wrt": ["fc.bias"] }), "hessian"),
    ] {
        let body = serde_json::to_vec(&with(&layers(), name, &arguments)).expect("JSON");
        let request = Request { problem: &body, ..Request::default() };
        let ready = prepare(question(name), request, Form::Safetensors, &Limits::default()).expect("a valid request");
        let reply = ready.run(&|| Ok(())).expect("an answer");
        let file = safetensors::SafeTensors::deserialize(&reply.body).expect("a safetensors file");
        assert!(file.tensor(tensor).is_ok(), "{name}: {:?}", file.names());
    }
}
