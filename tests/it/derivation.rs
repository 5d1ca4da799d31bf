//! The sum over paths: the lecture's own derivation, products that add up to backprop's gradient, exact counts, and bad targets.

use std::fs;
use std::path::Path;

use dedz::analysis::{DERIVATION, Failure, Form, GRADIENTS, Question, Request, prepare};
use dedz::config::Limits;
use serde_json::{Value, json};

fn ask(question: Question, request: &Value) -> Result<Value, Failure> {
    let body = serde_json::to_vec(request).expect("a value is JSON");
    let request = Request { problem: &body, ..Request::default() };
    let reply = prepare(question, request, Form::Json, &Limits::default())?.run(&|| Ok(()))?;
    Ok(serde_json::from_slice(&reply.body).expect("replies are JSON"))
}

fn derive(problem: &Value, derivation: Value) -> Value {
    let mut request = problem.clone();
    request["derivation"] = derivation;
    ask(&DERIVATION, &request).unwrap_or_else(|failure| panic!("{}: {failure:?}", request["derivation"]))
}

fn example(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/examples").join(name);
    serde_json::from_slice(&fs::read(path).expect("an example")).expect("examples are JSON")
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|text| text.as_str().expect("a string")).collect()
}

#[test]
fn the_lecture_is_written_as_the_lecture_writes_it() {
    let lecture = example("lecture.json");
    let by_hand = derive(&lecture, json!({"of": "z7->z5", "sample": 0}));
    let sum = "\\frac{\\partial E}{\\partial w_{5,7}} = \
        \\frac{\\partial E}{\\partial z_1} \\frac{\\partial z_1}{\\partial z_5} \\frac{\\partial z_5}{\\partial w_{5,7}} + \
        \\frac{\\partial E}{\\partial z_2} \\frac{\\partial z_2}{\\partial z_5} \\frac{\\partial z_5}{\\partial w_{5,7}} + \
        \\frac{\\partial E}{\\partial z_3} \\frac{\\partial z_3}{\\partial z_5} \\frac{\\partial z_5}{\\partial w_{5,7}} = ";
    let latex = by_hand["latex"].as_str().expect("text");
    assert!(latex.starts_with(sum), "{latex}");
    let steps = by_hand["steps"].as_array().expect("steps");
    let visited: Vec<_> = steps.iter().map(|step| step["node"].as_str().expect("a name")).collect();
    assert_eq!(visited, ["z7->z5", "z5", "z1", "z2", "z3"]);
    let second = "\\frac{\\partial E}{\\partial z_5} = \\frac{\\partial E}{\\partial z_1} \\frac{\\partial z_1}{\\partial z_5} + \
        \\frac{\\partial E}{\\partial z_2} \\frac{\\partial z_2}{\\partial z_5} + \\frac{\\partial E}{\\partial z_3} \\frac{\\partial z_3}{\\partial z_5} = ";
    assert!(steps[1]["latex"].as_str().expect("text").starts_with(second), "{}", steps[1]["latex"]);
    assert!(steps[0]["text"].as_str().expect("text").starts_with("∂E/∂(z7->z5) = ∂E/∂z5 · ∂z5/∂(z7->z5) = "));
    assert_eq!(steps[0]["terms"][0]["local_latex"], "\\tanh'(a_5) z_7");
    assert_eq!(steps[1]["terms"][1]["local_latex"], "w_{2,5}", "z2 has no activation");
    let lower = derive(&lecture, json!({"of": "z6", "sample": 0}));
    assert_eq!(lower["steps"][0]["terms"][1]["local_text"], "tanh'(a of z5) · (z6->z5)");
    assert_eq!(strings(&by_hand["skipped"]), ["z6", "z7", "z4"]);
    assert_eq!(by_hand["path_count"], "3");
    assert_eq!(by_hand["multiplications"], json!({"by_paths": "6", "with_reuse": 4}));

    let backprop = derive(&lecture, json!({"of": "z7->z5", "order": "top_down", "index_order": "source_first"}));
    let visited: Vec<_> = backprop["steps"].as_array().expect("steps").iter().map(|step| step["node"].as_str()).collect();
    assert_eq!(visited, ["z3", "z2", "z1", "z5", "z4", "z7->z5"].map(Some), "backprop visits z4 too");
    assert!(backprop["latex"].as_str().expect("text").contains("\\partial w_{7,5}"));
}

#[test]
fn the_samples_add_up_to_the_whole() {
    let lecture = example("lecture.json");
    for of in ["z7->z5", "x1->z6", "z4.bias", "z6", "x2"] {
        let whole = derive(&lecture, json!({"of": of}))["value"].as_f64().expect("a number");
        let part = |sample| derive(&lecture, json!({"of": of, "sample": sample}))["value"].as_f64().expect("a number");
        let sum: f64 = (0..3).map(part).sum();
        assert!((whole - sum).abs() <= 1e-15, "{of}: {whole} {sum}");
    }
}

/// How far the products and the value are from backprop's gradient, relative to the largest of its tensor, as goldens are judged; and
/// the paths. Nothing where the derivation is refused for its size.
fn difference(problem: &Value, of: &str, order: &str, expected: f64, scale: f64) -> Option<(f64, usize)> {
    let mut request = problem.clone();
    request["derivation"] = json!({"of": of, "order": order});
    let reply = match ask(&DERIVATION, &request) {
        Err(Failure::OverLimit(_)) => return None,
        reply => reply.unwrap_or_else(|failure| panic!("{of}: {failure:?}")),
    };
    let number = |value: &Value| value.as_f64().expect("a number");
    let paths = reply["paths"].as_array().expect("paths");
    let away = |x: f64| (x - expected).abs() / expected.abs().max(scale).max(f64::MIN_POSITIVE);
    let mut worst = away(number(&reply["value"]));
    if reply["paths_truncated"] == false {
        assert_eq!(reply["path_count"], paths.len().to_string(), "{of}");
        worst = worst.max(away(paths.iter().map(|path| number(&path["product"])).sum()));
        let multiplied = |path: &Value| {
            let factors: Vec<Vec<f64>> = path["factors"]
                .as_array()
                .expect("factors")
                .iter()
                .map(|factor| match factor {
                    Value::Array(list) => list.iter().map(number).collect(),
                    one => vec![number(one)],
                })
                .collect();
            (0..factors[0].len()).map(|lane| factors.iter().map(|factor| factor[lane]).product::<f64>()).sum::<f64>()
        };
        worst = worst.max(away(paths.iter().map(multiplied).sum()));
    }
    Some((worst, paths.len()))
}

fn flat(value: &Value, index: &mut Vec<usize>, out: &mut Vec<(Vec<usize>, f64)>) {
    match value {
        Value::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                index.push(i);
                flat(value, index, out);
                index.pop();
            }
        }
        value => out.extend(value.as_f64().map(|x| (index.clone(), x))),
    }
}

/// Every golden network in f64 with finite numbers: three entries of every parameter, both orders, against PyTorch's gradients.
#[test]
fn products_add_up_to_pytorchs_gradients() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/networks");
    let mut files: Vec<_> = fs::read_dir(folder).expect("goldens").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let (mut checked, mut paths, mut refused) = (0, 0, 0);
    let mut worst = (0.0_f64, String::new());
    for path in files {
        let golden: Value = serde_json::from_slice(&fs::read(&path).expect("a golden")).expect("goldens are JSON");
        let request = &golden["request"];
        let options = &request["options"];
        if options["dtype"] == "f32"
            || options["per_sample"] == true
            || golden["reply"].to_string().contains("NaN")
            || golden["reply"].to_string().contains("Infinity")
        {
            continue;
        }
        for (name, gradient) in golden["reply"]["gradients"].as_object().into_iter().flatten() {
            let mut entries = Vec::new();
            flat(gradient, &mut Vec::new(), &mut entries);
            let scale = entries.iter().fold(0.0_f64, |scale, (_, x)| scale.max(x.abs()));
            let picked = [0, entries.len() / 2, entries.len().saturating_sub(1)];
            for (at, &pick) in picked.iter().enumerate().filter(|(at, pick)| !entries.is_empty() && !picked[..*at].contains(pick))
            {
                let (index, expected) = &entries[pick];
                let index: Vec<_> = index.iter().map(ToString::to_string).collect();
                let of = if index.is_empty() { name.clone() } else { format!("{name}[{}]", index.join(",")) };
                let order = ["bottom_up", "top_down", "bottom_up"][at];
                let Some((difference, found)) = difference(request, &of, order, *expected, scale) else {
                    refused += 1;
                    continue;
                };
                checked += 1;
                paths += found;
                if difference > worst.0 {
                    worst = (difference, format!("{} {of}", path.display()));
                }
            }
        }
    }
    println!(
        "{checked} derivations with {paths} paths, {refused} refused for their size; worst relative difference {:e} at {}",
        worst.0, worst.1
    );
    assert!(worst.0 <= 1e-12, "{:e} at {}", worst.0, worst.1);
    assert!(checked > 500, "only {checked} derivations");
    assert!(refused * 20 < checked, "{refused} were refused");
}

/// dE/dz of every node of the examples, against the trace.
#[test]
fn nodes_have_the_traces_derivative() {
    let mut checked = 0;
    for name in [
        "lecture.json",
        "mazur.json",
        "cs231n_neuron.json",
        "micrograd.json",
        "mixed.json",
        "cs231n_two_layer.json",
        "digits_mlp.json",
    ] {
        let problem = example(name);
        let traced = ask(&GRADIENTS, &problem).expect("examples are answered");
        for entry in traced["trace"].as_array().expect("a trace") {
            let mut numbers = Vec::new();
            flat(&entry["dE_dz"], &mut Vec::new(), &mut numbers);
            let id = entry["id"].as_str().expect("an id");
            let pick = numbers[numbers.len() - 1].0[1..].to_vec();
            let expected: f64 = numbers.iter().filter(|(index, _)| index[1..] == pick).map(|(_, x)| x).sum();
            let scale = numbers.iter().fold(0.0_f64, |scale, (_, x)| scale.max(x.abs()));
            let index: Vec<_> = pick.iter().map(ToString::to_string).collect();
            let of = if index.is_empty() { id.to_owned() } else { format!("{id}[{}]", index.join(",")) };
            for order in ["bottom_up", "top_down"] {
                let (difference, _) = difference(&problem, &of, order, expected, scale).expect("examples are small");
                assert!(difference <= 1e-12, "{name} {of} {order}: {difference:e}");
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "only {checked} nodes");
}

/// `rungs` diamonds on top of each other: each doubles the paths.
fn ladder(rungs: usize) -> Value {
    let neuron = |id: String, inputs: &[(String, f64)]| {
        let inputs: serde_json::Map<String, Value> = inputs.iter().map(|(name, weight)| (name.clone(), json!(weight))).collect();
        json!({"id": id, "op": "neuron", "inputs": inputs})
    };
    let mut nodes = vec![neuron("t0".to_owned(), &[("x".to_owned(), 1.0)])];
    for i in 0..rungs {
        nodes.push(neuron(format!("l{i}"), &[(format!("t{i}"), 0.5)]));
        nodes.push(neuron(format!("r{i}"), &[(format!("t{i}"), 0.5)]));
        nodes.push(neuron(format!("t{}", i + 1), &[(format!("l{i}"), 1.0), (format!("r{i}"), 1.0)]));
    }
    json!({"network": {"inputs": ["x"], "nodes": nodes}, "batch": {"inputs": [2.0]}, "loss": {"op": "sum", "of": format!("t{rungs}")}})
}

#[test]
fn a_ladder_of_200_diamonds_is_counted_exactly() {
    let problem = ladder(200);
    let start = std::time::Instant::now();
    let reply = derive(&problem, json!({"of": "x->t0"}));
    println!("2^200 paths in {:?}, {} written out", start.elapsed(), reply["paths"].as_array().map_or(0, Vec::len));
    assert_eq!(reply["path_count"], "1606938044258990275541962092341162602522202993782792835301376");
    assert_eq!(reply["paths_truncated"], true);
    assert_eq!(reply["value"], 2.0);
    // 400 local derivatives, E's and the weight's on each path; 4 multiplications a rung and one for the weight where dE/dz is kept.
    assert_eq!(reply["multiplications"]["with_reuse"], 801);
    let product = &reply["paths"][0]["product"];
    assert_eq!(product.as_f64(), Some(2.0 * 0.5_f64.powi(200)));
    let small = derive(&ladder(3), json!({"of": "x->t0", "order": "top_down"}));
    assert_eq!((small["path_count"].as_str(), small["paths_truncated"].as_bool()), (Some("8"), Some(false)));
    assert_eq!(small["multiplications"], json!({"by_paths": "56", "with_reuse": 13}));
}

#[test]
fn penalties_are_a_path_of_their_own() {
    let mut problem = example("lecture.json");
    problem["regularization"] = json!([{"l2": 0.01, "parameters": ["z*->z*"]}]);
    let expected = ask(&GRADIENTS, &problem).expect("it is answered")["gradients"]["z7->z5"].as_f64().expect("a number");
    let (away, paths) = difference(&problem, "z7->z5", "bottom_up", expected, 0.0).expect("it is small");
    assert!(away < 1e-14 && paths == 4, "{away:e} {paths}");
    assert_eq!(derive(&problem, json!({"of": "z7->z5", "sample": 1}))["path_count"], "3", "no sample's");
    assert_eq!(derive(&problem, json!({"of": "z5.bias"}))["path_count"], "3", "not penalised");
}

/// What is dead or zero still is a way; what leads nowhere is none.
#[test]
fn paths_are_those_of_the_wiring() {
    let problem = json!({
        "network": {"inputs": {"x": [2]}, "layers": [
            {"id": "fc1", "op": "linear", "out_features": 3, "activation": "relu", "weight": [[1, 1], [-1, -1], [0, 0]], "bias": [0, 0, 0]},
            {"id": "pool", "op": "reshape", "shape": [-1, 3]},
            {"id": "fc2", "op": "linear", "out_features": 2, "weight": [[1, 0, 2], [3, 4, 0]], "bias": false}]},
        "batch": {"inputs": [[1, 2]], "targets": [[0, 0]]}, "loss": {"op": "squared_error", "of": "fc2"}});
    for entry in 0..3 {
        let reply = derive(&problem, json!({"of": format!("fc1.weight[{entry},0]")}));
        assert_eq!(reply["path_count"], "2", "fc1[{entry}]");
        let others: Vec<String> = (0..3)
            .filter(|&other| other != entry)
            .flat_map(|other| [format!("fc1[{other}]"), format!("pool[{other}]")])
            .collect();
        let mut skipped = strings(&reply["skipped"]);
        skipped.sort_unstable();
        let mut others: Vec<&str> = others.iter().map(String::as_str).collect();
        others.sort_unstable();
        assert_eq!(skipped, others);
    }
    assert_eq!(derive(&problem, json!({"of": "fc1[2]"}))["path_count"], "2");
    let mut dead_end = example("lecture.json");
    dead_end["network"]["nodes"].as_array_mut().expect("nodes").push(json!({"id": "z8", "op": "neuron", "inputs": {"z5": 1.0}}));
    let reply = derive(&dead_end, json!({"of": "z8"}));
    assert_eq!((reply["path_count"].as_str(), reply["value"].as_f64()), (Some("0"), Some(0.0)));
    assert!(strings(&derive(&dead_end, json!({"of": "z7->z5"}))["skipped"]).contains(&"z8"));
}

#[test]
fn what_cannot_be_derived_is_said() {
    let lecture = example("lecture.json");
    let digits = example("digits_mlp.json");
    let check = |problem: &Value, derivation: Value, pointer: &str, code: &str, detail: &str| {
        let mut request = problem.clone();
        if !derivation.is_null() {
            request["derivation"] = derivation;
        }
        let Err(Failure::Invalid(faults) | Failure::OverLimit(faults)) = ask(&DERIVATION, &request) else {
            panic!("{} was answered", request["derivation"])
        };
        let found = faults
            .listed()
            .iter()
            .map(|fault| (fault.pointer.as_str(), fault.code.as_str(), fault.detail.as_str()))
            .collect::<Vec<_>>();
        assert!(found.iter().any(|(p, c, d)| *p == pointer && *c == code && d.contains(detail)), "{found:?}");
    };
    check(&lecture, Value::Null, "", "missing_field", "derivation");
    check(&lecture, json!({}), "/derivation", "missing_field", "of");
    check(&lecture, json!({"of": "z7->z55"}), "/derivation/of", "unknown_name", "did you mean \"z7->z5\"?");
    check(&lecture, json!({"of": "z9"}), "/derivation/of", "unknown_name", "did you mean");
    check(&lecture, json!({"of": "z5[0]"}), "/derivation/of", "out_of_range", "single number");
    check(&lecture, json!({"of": "z5[a]"}), "/derivation/of", "invalid_value", "whole numbers");
    check(&lecture, json!({"of": 3}), "/derivation/of", "wrong_type", "expected a string");
    check(&lecture, json!({"of": "z5", "sample": 3}), "/derivation/sample", "out_of_range", "0 to 2");
    check(&lecture, json!({"of": "z5", "sample": 0.5}), "/derivation/sample", "out_of_range", "0.5");
    check(&lecture, json!({"of": "z5", "sample": -1}), "/derivation/sample", "out_of_range", "-1");
    check(&lecture, json!({"of": "z5", "order": "topdown"}), "/derivation/order", "invalid_value", "did you mean \"top_down\"?");
    check(&lecture, json!({"of": "z5", "samples": 1}), "/derivation/samples", "unknown_field", "did you mean \"sample\"?");
    check(&digits, json!({"of": "fc1.weight"}), "/derivation/of", "invalid_value", "fc1.weight[0,0] to fc1.weight[31,63]");
    check(&digits, json!({"of": "fc1.weight[32,0]"}), "/derivation/of", "out_of_range", "[32, 64]");
    check(&digits, json!({"of": "fc1.weight[1]"}), "/derivation/of", "out_of_range", "2 numbers, found 1");
    check(&digits, json!({"of": "fc1[-1]"}), "/derivation/of", "invalid_value", "whole numbers");
    check(&digits, json!({"of": "fc1"}), "/derivation/of", "invalid_value", "fc1[0] to fc1[31]");
    let dense = |id: &str| json!({"id": id, "op": "linear", "out_features": 400, "weight": {"init": "kaiming_normal", "seed": 1}, "bias": false});
    let wide = json!({"network": {"inputs": {"x": [1]}, "layers": [dense("a"), dense("b")]}, "batch": {"inputs": [[1]]}, "loss": {"op": "sum", "of": "b"}});
    check(
        &wide,
        json!({"of": "x"}),
        "/derivation",
        "limit_exceeded",
        "local derivatives are on the way from the loss to the target, the limit is 100000",
    );
    check(&example("text_classifier.json"), json!({"of": "tokens[0]"}), "/derivation/of", "invalid_value", "token indices");
}
