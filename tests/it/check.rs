//! The discrete gradient against backprop, certificates, and the statistics of single samples.

use dedz::analysis::{CHECK, Form, GRADIENTS, Request, prepare};
use dedz::config::Limits;
use dedz::http::problem::{Error, Problem};
use serde_json::{Value, json};
use std::path::Path;

use crate::golden::{Worst, answer, compare, files, json};
use crate::support::Service;

fn example(name: &str) -> Value {
    json(&Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("openapi/examples/{name}.json")))
}

fn check(problem: &Value, arguments: &Value) -> Value {
    let mut problem = problem.clone();
    problem["check"] = arguments.clone();
    answer(&CHECK, &problem).expect("a valid request")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The lecture's net, Mazur's, the digits classifier and whatever smooth golden there is: backprop has the digits that double-double
/// differences have.
#[test]
fn exact_confirms_fourteen_digits() {
    for (name, wrt, coordinates) in [
        ("lecture", json!(["*", "inputs"]), Value::Null),
        ("mazur", json!(["*", "inputs"]), Value::Null),
        ("mixed", json!(["*", "inputs"]), Value::Null),
        ("digits_mlp", json!(["*"]), json!(24)),
    ] {
        let reply = check(&example(name), &json!({ "method": "exact", "wrt": wrt, "coordinates": coordinates, "seed": 3 }));
        assert_eq!(reply["passed"], true, "{name}: {reply}");
        let parameters = reply["parameters"].as_object().expect("parameters");
        let digits = parameters.values().filter_map(|found| found["digits"].as_f64()).fold(17.0, f64::min);
        let checked: u64 = parameters.values().filter_map(|found| found["checked"].as_u64()).sum();
        let ratio = number(&reply["metrics"]["norm_ratio"]);
        println!("{name:10} exact: {checked} numbers, worst single {digits:.1} digits, norm ratio {ratio:.1e}");
        assert!(ratio < 1e-14, "{name}: {ratio:e}");
        assert!(digits >= 12.5, "{name}: {digits}");
    }
}

/// Every method and preset passes on a smooth net with its own step; sources' presets with coarse norms as well.
#[test]
fn methods_agree_with_backprop_on_smooth_nets() {
    for method in ["forward", "central", "richardson", "directional", "exact"] {
        let reply = check(&example("lecture"), &json!({ "method": method, "preset": "torch", "wrt": ["*", "inputs"] }));
        assert_eq!(reply["passed"], true, "{method}: {reply}");
    }
    for preset in [
        "torch",
        "cs231n",
        "cs231n-code",
        "coursera-dl",
        "jax-f32",
        "jax-f64",
        "dlsys",
        "prairielearn",
        "hand(sf=4)",
        "udl",
        "micrograd",
    ] {
        let reply = check(&example("mazur"), &json!({ "method": "richardson", "preset": preset }));
        assert_eq!((reply["passed"].clone(), reply["preset"].clone()), (json!(true), json!(preset)), "{reply}");
    }
    let reply = check(&example("mazur"), &json!({ "preset": { "rtol": 1e-6, "atol": 1e-9 } }));
    assert_eq!((reply["passed"].clone(), reply["preset"].clone()), (json!(true), json!("custom")));
}

/// What is measured is the forward pass: the loss evaluations are those that the quotients take, and no more.
#[test]
fn evaluations_are_counted() {
    // Mazur's ten parameters.
    for (method, expected) in [("forward", 11), ("central", 21), ("richardson", 41), ("exact", 21), ("directional", 21)] {
        assert_eq!(check(&example("mazur"), &json!({ "method": method }))["loss_evaluations"], expected, "{method}");
    }
    let some = check(&example("digits_mlp"), &json!({ "coordinates": 3 }));
    assert_eq!(some["loss_evaluations"], 4 * 3 * 2 + 1);
    assert_eq!(some["parameters"]["fc1.weight"]["checked"], 3);
    let other = check(&example("digits_mlp"), &json!({ "coordinates": 3, "seed": 1 }));
    assert_ne!(some["parameters"]["fc1.weight"]["worst"]["index"], other["parameters"]["fc1.weight"]["worst"]["index"]);
}

/// A claim that is wrong is a mismatch: f32's backprop under a bound that f32 does not keep.
#[test]
fn what_is_wrong_is_told() {
    let mut problem = example("lecture");
    problem["options"] = json!({ "dtype": "f32" });
    let reply = check(&problem, &json!({ "method": "exact" }));
    assert_eq!(reply["passed"], false);
    assert_eq!(reply["meta"]["dtype"], "f32");
    let found = &reply["parameters"]["z7->z5"];
    assert_eq!((found["verdict"].clone(), found["mismatch"].clone()), (json!("mismatch"), json!(1)));
    assert!((number(&found["worst"]["backprop"]) - number(&found["worst"]["numeric"])).abs() < 1e-6);
    assert_eq!(check(&problem, &json!({ "method": "richardson", "preset": "jax-f32" }))["passed"], true);
}

/// One relu at its kink, one 1e-7 from it, one far away.
#[test]
fn kinks_are_no_errors() {
    let problem = example("check/kink");
    let reply = check(&problem, &json!({}));
    assert_eq!(reply["passed"], true, "{reply}");
    let parameters = &reply["parameters"];
    for (name, verdict) in
        [("x->at", "at_kink"), ("at.bias", "at_kink"), ("x->near", "kink_crossed"), ("x->far", "ok"), ("far->f", "ok")]
    {
        assert_eq!(parameters[name]["verdict"], verdict, "{name}: {}", parameters[name]);
    }
    // dE/d(bias) is 0 on the left of the kink and tanh'(a) on its right, a = 1.5 + 1e-7.
    let kink = &parameters["at.bias"]["kinks"][0];
    let slope = 1.0 - 1.500_000_1_f64.tanh().powi(2);
    assert_eq!((number(&kink["left"]), number(&kink["backprop"])), (0.0, 0.0), "PyTorch's convention is the left slope");
    assert!((number(&kink["right"]) - slope).abs() < 1e-5, "{kink}");
    // A step of its own that stays on this side sees no kink.
    let small = check(&problem, &json!({ "step": 1e-8, "wrt": ["x->near"] }));
    assert_eq!(small["parameters"]["x->near"]["verdict"], "ok", "{small}");
    // Double-double steps are so small that only the kink itself is met.
    let exact = check(&problem, &json!({ "method": "exact" }));
    assert_eq!(exact["parameters"]["x->near"]["verdict"], "ok", "{exact}");
    assert_eq!(exact["parameters"]["x->at"]["verdict"], "at_kink");
}

/// Ties of maximum and `max_pool2d`, corners of hardtanh, elu and selu.
#[test]
fn every_kind_of_corner_is_seen() {
    for (op, x) in [("abs", 0.0), ("leaky_relu", 0.0), ("selu", 0.0), ("hardtanh", 1.0), ("hardtanh", -1.0)] {
        let problem = json!({
            "network": { "inputs": ["x"], "nodes": [{ "id": "f", "op": op, "inputs": ["x"] }] },
            "batch": { "inputs": [x] }, "loss": { "op": "sum", "of": "f" },
        });
        assert_eq!(check(&problem, &json!({ "wrt": ["inputs"] }))["parameters"]["x"]["verdict"], "at_kink", "{op}");
    }
    let tie = json!({
        "network": { "inputs": ["x", "y"], "nodes": [{ "id": "f", "op": "maximum", "inputs": ["x", "y"] }] },
        "batch": { "inputs": [[3, 3]] }, "loss": { "op": "sum", "of": "f" },
    });
    let reply = check(&tie, &json!({ "wrt": ["x"] }));
    let kink = &reply["parameters"]["x"]["kinks"][0];
    assert_eq!((number(&kink["backprop"]), kink["verdict"].as_str()), (0.5, Some("at_kink")), "{reply}");
    assert!(number(&kink["left"]).abs() < 1e-9 && (number(&kink["right"]) - 1.0).abs() < 1e-9, "{kink}");
    let pool = json!({
        "network": { "inputs": { "x": [1, 2, 2] }, "layers": [{ "op": "max_pool2d", "kernel_size": 2 }] },
        "batch": { "inputs": [[[[1, 2], [2, 0]]]] }, "loss": { "op": "sum", "of": "0" },
    });
    let reply = check(&pool, &json!({ "wrt": ["inputs"] }));
    let x = &reply["parameters"]["x"];
    assert_eq!((x["at_kink"].clone(), x["ok"].clone()), (json!(2), json!(2)), "two of four are tied: {reply}");
}

/// A gradient below the noise of its quotient is neither right nor wrong, and what drowns entirely does not pass.
#[test]
fn noise_is_no_verdict() {
    // E = 1 + 1e-13·x: the quotient's noise is some 1e-10.
    let problem = json!({
        "network": { "inputs": ["x"], "nodes": [{ "id": "f", "op": "neuron", "inputs": { "x": 1e-13 }, "bias": 1.0 }] },
        "batch": { "inputs": [2.0] }, "loss": { "op": "sum", "of": "f" },
    });
    let reply = check(&problem, &json!({ "wrt": ["x"], "preset": { "rtol": 1e-9 } }));
    assert_eq!(
        (reply["parameters"]["x"]["verdict"].as_str(), reply["passed"].as_bool()),
        (Some("below_noise"), Some(false)),
        "{reply}"
    );
    let exact = check(&problem, &json!({ "wrt": ["x"], "method": "exact", "preset": { "rtol": 1e-8 } }));
    assert_eq!(exact["parameters"]["x"]["verdict"], "ok", "double-double hears it: {exact}");
}

#[test]
fn what_is_not_finite_does_not_pass() {
    let problem = json!({
        "network": { "inputs": ["x"], "nodes": [{ "id": "f", "op": "log", "inputs": ["x"] }] },
        "batch": { "inputs": [0.0] }, "loss": { "op": "sum", "of": "f" },
    });
    let reply = check(&problem, &json!({ "wrt": ["x"] }));
    assert_eq!((reply["passed"].as_bool(), reply["parameters"]["x"]["verdict"].as_str()), (Some(false), Some("nonfinite")));
    assert_eq!(reply["non_finite"]["first_node"], "f");
}

/// The V on Mazur's w5, whose measured errors are known (`1e-5`: central 1e-11; `1e-2`: Richardson 1e-12).
#[test]
fn the_sweep_is_a_v() {
    let reply = check(&example("mazur"), &json!({ "sweep": "h1->o1" }));
    let sweep = &reply["sweep"];
    assert_eq!(sweep["parameter"], "h1->o1");
    let at = |method: &str, step: f64| {
        let steps = sweep["steps"].as_array().expect("steps");
        let i = steps.iter().position(|s| (number(s) / step - 1.0).abs() < 1e-6).expect("that step");
        number(&sweep["errors"][method][i])
    };
    for (method, step, published) in [
        ("central", 1e-1, 3e-4),
        ("central", 1e-2, 3e-6),
        ("central", 1e-3, 3e-8),
        ("central", 1e-4, 3e-10),
        ("forward", 1e-1, 8e-3),
        ("forward", 1e-2, 8e-4),
        ("forward", 1e-3, 7e-5),
        ("forward", 1e-5, 7e-7),
        ("richardson", 1e-1, 1e-8),
    ] {
        let found = at(method, step);
        assert!(found > published / 2.0 && found < published * 2.0, "{method} at {step:e}: {found:e}, published {published:e}");
    }
    let best = number(&sweep["best"]["central"]["step"]);
    assert!((1e-6..1e-3).contains(&best), "truncation and rounding meet at {best:e}");
    assert!(
        at("central", 1e-12) > 1e-6 && number(&sweep["best"]["richardson"]["error"]) < number(&sweep["best"]["forward"]["error"])
    );
    assert_eq!(check(&example("mazur"), &json!({ "sweep": false })).get("sweep"), None);
}

/// What the query says is what the body could have said.
#[test]
fn the_query_asks_for_a_sweep_too() {
    let body = serde_json::to_vec(&example("mazur")).expect("JSON");
    let ask = |query: &str| {
        let request = Request { problem: &body, query, ..Request::default() };
        prepare(&CHECK, request, Form::Json, &Limits::default()).map(|ready| {
            let reply = ready.run(&|| Ok(())).expect("an answer");
            serde_json::from_slice::<Value>(&reply.body).expect("JSON")
        })
    };
    assert_eq!(ask("sweep=true").expect("valid")["sweep"]["parameter"], "b2", "the largest gradient");
    assert_eq!(ask("sweep=h1-%3Eo1").expect("valid")["sweep"]["parameter"], "h1->o1");
    assert!(ask("").expect("valid").get("sweep").is_none());
    assert!(ask("swep=true").is_err() && ask("sweep=h9").is_err());
}

/// Over HTTP, for one problem and for each of several lines.
#[tokio::test]
async fn the_query_reaches_every_line() {
    let service = Service::start().await;
    let line = example("mazur").to_string();
    let one = service.post("/v1/check?sweep=h1-%3Eo1", "application/json", line.clone()).send().await.expect("an answer");
    let one: Value = serde_json::from_str(&one.text().await.expect("a body")).expect("JSON");
    assert_eq!(one["sweep"]["parameter"], "h1->o1");
    let lines = format!("{line}\n{line}\n");
    let many = service.post("/v1/check?sweep=true", "application/x-ndjson", lines).send().await.expect("an answer");
    let many = many.text().await.expect("a body");
    assert_eq!(many.lines().count(), 2);
    for line in many.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!((line["status"].clone(), line["body"]["sweep"]["parameter"].clone()), (json!(200), json!("b2")));
    }
    let unknown = service.post("/v1/check?swep=true", "application/json", line).send().await.expect("an answer");
    assert_eq!(unknown.status().as_u16(), 422);
}

/// Pointers and codes of what is refused.
fn refused(problem: &Value, arguments: &Value, limits: &Limits) -> (u16, Vec<(String, String, String)>) {
    let mut problem = problem.clone();
    problem["check"] = arguments.clone();
    let body = serde_json::to_vec(&problem).expect("JSON");
    let Err(failure) = prepare(&CHECK, Request { problem: &body, ..Request::default() }, Form::Json, limits) else {
        panic!("{arguments} was not refused")
    };
    let problem: Value = serde_json::from_slice(&Problem::of(&Error::Failed(failure)).to_json()).expect("JSON");
    let text = |fault: &Value, key: &str| fault[key].as_str().expect("a text").to_owned();
    let faults = problem["errors"].as_array().expect("faults").iter();
    let faults = faults.map(|fault| (text(fault, "pointer"), text(fault, "code"), text(fault, "detail"))).collect();
    (problem["status"].as_u64().expect("a status") as u16, faults)
}

#[test]
fn bad_arguments_are_told_all_at_once() {
    for (arguments, expected) in [
        (json!([]), vec![("/check", "wrong_type")]),
        (
            json!({ "method": "centrl", "preset": "pytorch", "step": 0, "wrt": "z9", "coordinates": 0, "seed": 1.5, "sweeep": 1 }),
            vec![
                ("/check/method", "invalid_value"),
                ("/check/preset", "invalid_value"),
                ("/check/step", "invalid_value"),
                ("/check/wrt", "unknown_name"),
                ("/check/coordinates", "invalid_value"),
                ("/check/seed", "wrong_type"),
                ("/check/sweeep", "unknown_field"),
            ],
        ),
        (json!({ "step": -1e-5 }), vec![("/check/step", "invalid_value")]),
        (json!({ "step": "preset", "preset": "prairielearn" }), vec![("/check/step", "invalid_value")]),
        (json!({ "preset": { "rtol": -1 } }), vec![("/check/preset/rtol", "invalid_value")]),
        (json!({ "preset": "hand(sf=0)" }), vec![("/check/preset", "invalid_value")]),
        (json!({ "sweep": "z7->z6" }), vec![("/check/sweep", "unknown_name")]),
        (json!({ "sweep": "z7->z5[0]" }), vec![("/check/sweep", "invalid_value")]),
        (json!({ "sweep": 3 }), vec![("/check/sweep", "wrong_type")]),
    ] {
        let (status, faults) = refused(&example("lecture"), &arguments, &Limits::default());
        let found: Vec<_> = faults.iter().map(|(pointer, code, _)| (pointer.as_str(), code.as_str())).collect();
        assert_eq!((status, found), (422, expected), "{arguments}: {faults:?}");
    }
    let nothing = refused(&example("cs231n_circuit"), &json!({}), &Limits::default());
    assert_eq!(nothing.1[0].0, "/check/wrt", "a network without parameters has nothing to check unless inputs are named");
}

#[test]
fn a_check_is_priced_before_it_is_made() {
    let limits = Limits { flops: 10_000_000, ..Limits::default() };
    let (status, faults) = refused(&example("digits_mlp"), &json!({}), &limits);
    assert_eq!((status, faults[0].0.as_str(), faults[0].1.as_str()), (422, "/check", "limit_exceeded"));
    // 64·32 + 32 + 32·10 + 10 numbers, two evaluations each and one at the point itself.
    assert!(faults[0].2.contains("2410 numbers takes 4821 loss evaluations") && faults[0].2.contains("10000000"), "{faults:?}");
    let mut some = example("digits_mlp");
    some["check"] = json!({ "coordinates": 2 });
    let body = serde_json::to_vec(&some).expect("JSON");
    assert!(prepare(&CHECK, Request { problem: &body, ..Request::default() }, Form::Json, &limits).is_ok());
}

/// Every golden network is confirmed by double-double differences, an outsider to the backward rules: some coordinates of each parameter.
#[test]
fn perturbation_confirms_the_golden_networks() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for path in files("networks") {
        let golden = json(&path);
        let mut request = golden["request"].clone();
        if request["options"]["dtype"] == "f32" {
            continue;
        }
        request["check"] = json!({ "method": "exact", "coordinates": 2, "preset": { "rtol": 1e-10, "atol": 1e-12 } });
        request.as_object_mut().expect("a problem").remove("options");
        // By PyTorch's convention the row of an embedding's padding has no gradient, though the loss depends on it.
        if golden["request"]["options"]["allow_non_finite"] == true || golden["request"].to_string().contains("padding_idx") {
            continue;
        }
        let Ok(reply) = answer(&CHECK, &request) else { continue };
        for (name, found) in reply["parameters"].as_object().expect("parameters") {
            if found["verdict"] == "mismatch" {
                wrong.push(format!("{}: {name}: {}", path.file_stem().unwrap_or_default().to_string_lossy(), found["worst"]));
            }
            checked += found["ok"].as_u64().unwrap_or(0);
        }
    }
    println!("{checked} coordinates of the golden networks are confirmed by double-double differences");
    assert!(wrong.is_empty(), "{} parameters differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 1000, "only {checked} coordinates were judged");
}

/// `torch.func` on per-sample gradients and their statistics: `linear` factored, other ops sample by sample, coupled samples swept.
#[test]
fn statistics_of_samples_agree_with_torch_func() {
    let mut faults = Vec::new();
    let mut overall = Worst::default();
    for path in files("maps") {
        let golden = json(&path);
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut request = golden["request"].clone();
        request["options"] = json!({ "per_sample": true, "stats": true, "trace": false });
        let (mut worst, mut wrong) = (Worst::default(), Vec::new());
        match answer(&GRADIENTS, &request) {
            Ok(ours) => compare(&ours, &golden["per_sample"], "", None, &mut worst, &mut wrong),
            Err(failure) => wrong.push(failure),
        }
        if worst.difference > 1e-12 {
            wrong.push(format!("differs by {:e} at {}", worst.difference, worst.place));
        }
        faults.extend(wrong.into_iter().map(|fault| format!("{name}: {fault}")));
        if worst.difference > overall.difference {
            overall = worst;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!(
        "per-sample gradients and their statistics differ from torch.func by {:.1e} at {}",
        overall.difference, overall.place
    );
}

/// The certificate's truth is independent of the number that it judges: f32 has 7 digits, f64 15 or so.
#[test]
fn certificates_count_digits() {
    for (name, dtype, least, most) in [
        ("lecture", "f64", 14.0, 17.0),
        ("mazur", "f64", 14.0, 17.0),
        ("digits_mlp", "f64", 12.0, 17.0),
        ("lecture", "f32", 4.5, 8.5),
        ("mazur", "f32", 4.5, 8.5),
    ] {
        let mut problem = example(name);
        problem["options"] = json!({ "certify": true, "dtype": dtype, "trace": false, "wrt": ["*", "inputs"] });
        let reply = answer(&GRADIENTS, &problem).expect("an answer");
        let certificate = &reply["certificate"];
        let worst = number(&certificate["worst"]);
        println!("{name:10} {dtype}: {worst} digits at {}", certificate["at"]);
        assert!((least..=most).contains(&worst), "{name} {dtype}: {certificate}");
        let digits = certificate["digits"].as_object().expect("digits");
        assert_eq!(digits.len(), reply["gradients"].as_object().expect("gradients").len());
        assert!(digits.values().all(|digits| number(digits) >= worst));
        let plain = example(name);
        assert!(answer(&GRADIENTS, &plain).expect("an answer").get("certificate").is_none());
    }
}

/// A difference of nearly equal numbers: 1e8 + x − 1e8 has lost eight digits, and the certificate says so.
#[test]
fn certificates_see_cancellation() {
    let problem = json!({
        "network": { "inputs": ["x"], "nodes": [
            { "id": "a", "op": "add", "inputs": ["x", 1e8] }, { "id": "b", "op": "sub", "inputs": ["a", 1e8] },
            { "id": "f", "op": "mul", "inputs": ["b", "b"] }] },
        "batch": { "inputs": [0.123_456_789] }, "loss": { "op": "sum", "of": "f" }, "options": { "wrt": ["inputs"], "certify": true },
    });
    let reply = answer(&GRADIENTS, &problem).expect("an answer");
    let digits = number(&reply["certificate"]["input_digits"]["x"]);
    assert!((7.0..9.5).contains(&digits), "{}", reply["certificate"]);
    assert!((number(&reply["certificate"]["at"]["certified"]) - 2.0 * 0.123_456_789).abs() < 1e-16);
}
