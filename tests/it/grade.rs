//! Grading over HTTP, judged by arithmetic of its own: Mazur's network worked out here step by step, its published numbers, and
//! layers whose gradients are whole numbers.

use dedz::config::Config;
use serde_json::{Map, Value, json};

use crate::support::{Service, example, header, problem};

/// Whoever works Mazur's network out: what a number becomes when it is written down, and dE/da of output `k` from its dE/dz and z.
pub(crate) struct Student<'s> {
    pub(crate) round: &'s dyn Fn(f64) -> f64,
    pub(crate) delta: &'s dyn Fn(usize, f64, f64) -> f64,
}

/// Nothing is rounded and nothing forgotten.
pub(crate) const CAREFUL: Student<'_> = Student { round: &|x| x, delta: &|_, bar, z| bar * z * (1.0 - z) };

impl Student<'_> {
    /// All that can be claimed of the network: `E = Σ ½(t − o)²`, sigmoids, each number as it is written down.
    pub(crate) fn claims(&self) -> Value {
        let r = self.round;
        let sigmoid = |a: f64| r(1.0 / (1.0 + (-a).exp()));
        let (i, t, w, v) = ([0.05, 0.1], [0.01, 0.99], [[0.15, 0.2], [0.25, 0.3]], [[0.4, 0.45], [0.5, 0.55]]);
        let h_a = w.map(|w| r(w[0] * i[0] + w[1] * i[1] + 0.35));
        let h = h_a.map(sigmoid);
        let o_a = v.map(|v| r(v[0] * h[0] + v[1] * h[1] + 0.6));
        let o = o_a.map(sigmoid);
        let half_square = |k: usize| r(0.5 * (t[k] - o[k]) * (t[k] - o[k]));
        let loss = r(half_square(0) + half_square(1));
        let o_bar = [r(o[0] - t[0]), r(o[1] - t[1])];
        let o_delta = [0, 1].map(|k| r((self.delta)(k, o_bar[k], o[k])));
        let h_bar = [0, 1].map(|j| r(o_delta[0] * v[0][j] + o_delta[1] * v[1][j]));
        let h_delta = [0, 1].map(|j| r(h_bar[j] * h[j] * (1.0 - h[j])));
        let i_bar = [0, 1].map(|n| r(h_delta[0] * w[0][n] + h_delta[1] * w[1][n]));
        let node = |a: f64, z: f64, bar: f64, delta: f64| json!({"a": [a], "z": [z], "dE_dz": [bar], "dE_da": [delta]});
        json!({
            "loss": loss, "losses": [loss], "outputs": {"o1": [o[0]], "o2": [o[1]]},
            "trace": {
                "h1": node(h_a[0], h[0], h_bar[0], h_delta[0]), "h2": node(h_a[1], h[1], h_bar[1], h_delta[1]),
                "o1": node(o_a[0], o[0], o_bar[0], o_delta[0]), "o2": node(o_a[1], o[1], o_bar[1], o_delta[1]),
            },
            "gradients": {
                "i1->h1": r(h_delta[0] * i[0]), "i2->h1": r(h_delta[0] * i[1]),
                "i1->h2": r(h_delta[1] * i[0]), "i2->h2": r(h_delta[1] * i[1]),
                "h1->o1": r(o_delta[0] * h[0]), "h2->o1": r(o_delta[0] * h[1]),
                "h1->o2": r(o_delta[1] * h[0]), "h2->o2": r(o_delta[1] * h[1]),
                "b1": r(h_delta[0] + h_delta[1]), "b2": r(o_delta[0] + o_delta[1]),
            },
            "input_gradients": {"i1": [i_bar[0]], "i2": [i_bar[1]]},
        })
    }
}

/// As many parts as Mazur's network has: the loss, its one sample's, 2 outputs, 4 nodes' a, z, dE/dz and dE/da, 10 gradients, 2 of inputs.
const PARTS: usize = 32;

/// Mazur's network with these rules and claims.
pub(crate) fn mazur(grade: Value) -> Value {
    let mut problem = example("mazur");
    problem["grade"] = grade;
    problem
}

/// Two samples of three numbers into a layer of two, `E = Σ ½(o − t)²`: every number is whole.
fn layer(grade: Value) -> Value {
    json!({
        "network": {"inputs": {"x": [3]}, "layers": [{"id": "fc", "op": "linear", "out_features": 2}]},
        "parameters": {"fc.weight": [[1, 0, -2], [3, 1, 1]], "fc.bias": [1, -1]},
        "batch": {"inputs": [[1, 2, 3], [4, 5, 7]], "targets": [[0, 0], [2, 20]]},
        "loss": {"op": "squared_error", "of": "fc", "factor": 0.5},
        "grade": grade,
    })
}

/// Its weight's gradient, `Σ_n (o − t)_n x_nᵀ`, by rows.
fn layer_gradient() -> [[f64; 3]; 2] {
    let (x, t) = ([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]], [[0.0, 0.0], [2.0, 20.0]]);
    let (w, b) = ([[1.0, 0.0, -2.0], [3.0, 1.0, 1.0]], [1.0, -1.0]);
    let mut gradient = [[0.0; 3]; 2];
    for (x, t) in x.iter().zip(t) {
        for k in 0..2 {
            let o = b[k] + (0..3).map(|i| w[k][i] * x[i]).sum::<f64>();
            (0..3).for_each(|i| gradient[k][i] += (o - t[k]) * x[i]);
        }
    }
    gradient
}

/// The verdicts by the parts' names.
fn verdicts(reply: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    reply["parts"].as_array().expect("a list").iter().map(|part| (word(&part["name"]), word(&part["verdict"]))).collect()
}

/// The verdict of the only part.
fn verdict(reply: &Value) -> String {
    let mut all = verdicts(reply);
    assert_eq!(all.len(), 1, "{reply}");
    all.remove(0).1
}

#[track_caller]
fn is_bounded(reply: &Value) {
    let bounded = |of: &Value| {
        let (score, most) = (of["score"].as_f64().expect("a number"), of["max_score"].as_f64().expect("a number"));
        assert!(score.is_finite() && most.is_finite() && (0.0..=most).contains(&score), "{of}");
    };
    bounded(reply);
    reply["parts"].as_array().expect("a list").iter().for_each(bounded);
}

/// Every number as a decimal string.
fn written(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.to_string()),
        Value::Array(list) => list.iter().map(written).collect(),
        // A shape is no number that somebody claims.
        Value::Object(object) if object.contains_key("shape") => {
            json!({"shape": object["shape"], "data": written(&object["data"])})
        }
        Value::Object(object) => Value::Object(object.iter().map(|(name, value)| (name.clone(), written(value))).collect()),
        other => other.clone(),
    }
}

#[test]
fn the_arithmetic_of_these_tests_has_the_published_numbers() {
    let claims = CAREFUL.claims();
    for (pointer, published) in [
        ("/loss", 0.298_371_109),
        ("/outputs/o1/0", 0.751_365_07),
        ("/outputs/o2/0", 0.772_928_465),
        ("/trace/o1/a/0", 1.105_905_967),
        ("/trace/o1/dE_dz/0", 0.741_365_07),
        ("/trace/o1/dE_da/0", 0.138_498_562),
        ("/trace/o2/dE_da/0", -0.038_098_237),
        ("/trace/h1/dE_dz/0", 0.036_350_306),
        ("/gradients/h1->o1", 0.082_167_041),
        ("/gradients/i1->h1", 0.000_438_568),
        ("/gradients/b2", 0.100_400_325),
        ("/gradients/b1", 0.018_725_609),
    ] {
        let found = claims.pointer(pointer).and_then(Value::as_f64).expect("a number");
        assert!((found - published).abs() < 1e-9, "{pointer}: {found}");
    }
}

#[tokio::test]
async fn every_kind_of_claim_is_judged() {
    let service = Service::start().await;
    let claims = CAREFUL.claims();
    let mut listed = claims.clone();
    let nodes = claims["trace"].as_object().expect("an object");
    let entry = |(id, node): (&String, &Value)| {
        let mut node = node.clone();
        node["id"] = json!(id);
        node
    };
    listed["trace"] = nodes.iter().map(entry).collect();
    let flattened: Map<String, Value> = claims["gradients"]
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, value)| (format!("gradients/{name}"), value.clone()))
        .collect();
    let mut shaped = claims.clone();
    shaped["trace"]["h1"]["z"] = json!({"shape": [1], "data": claims["trace"]["h1"]["z"]});
    shaped["trace"]["h2"]["z"] = claims["trace"]["h2"]["z"][0].clone();
    shaped["trace"]["o1"]["z"] = json!([claims["trace"]["o1"]["z"]]);
    for (count, claims) in [(PARTS, &claims), (PARTS, &listed), (PARTS, &shaped), (10, &Value::Object(flattened))] {
        for claims in [claims.clone(), written(claims)] {
            let reply = service.reply("grade", &mazur(json!({"claims": claims, "tolerance": {"rtol": 1e-12}}))).await;
            let found = verdicts(&reply);
            assert_eq!(found.len(), count, "{reply}");
            assert!(found.iter().all(|(_, verdict)| verdict == "ok"), "{found:?}");
            assert_eq!((reply["score"].as_f64(), reply["max_score"].as_f64()), (Some(count as f64), Some(count as f64)));
            assert_eq!((&reply["passed"], &reply["diagnosis"]), (&json!(true), &json!([])));
            assert_eq!(reply.get("first_error"), None);
        }
    }
    // And each of them is seen to be wrong by itself.
    let reply = service.reply("grade", &mazur(json!({"claims": claims, "tolerance": {"rtol": 1e-12}}))).await;
    for (name, _) in verdicts(&reply) {
        let group: Vec<&str> = name.split('/').collect();
        let pointer = match group[..] {
            ["trace" | "outputs" | "input_gradients", ..] | ["losses"] => format!("/{name}/0"),
            _ => format!("/{name}"),
        };
        let mut wrong = claims.clone();
        let number = wrong.pointer_mut(&pointer).unwrap_or_else(|| panic!("no {pointer}"));
        *number = json!(number.as_f64().expect("a number") * 1.001 + 1e-6);
        let grade = json!({"claims": wrong, "tolerance": {"rtol": 1e-9}, "feedback": "verdict", "follow_through": false});
        let found = verdicts(&service.reply("grade", &mazur(grade)).await);
        let off: Vec<_> = found.iter().filter(|(_, verdict)| verdict == "mismatch").collect();
        assert_eq!(off.iter().map(|(name, _)| name).collect::<Vec<_>>(), [&name]);
    }
}

#[tokio::test]
async fn tensors_come_nested_flat_and_by_columns() {
    let service = Service::start().await;
    let rows = layer_gradient();
    let by_rows: Vec<f64> = rows.concat();
    let by_columns: Vec<f64> = (0..3).flat_map(|i| rows.map(|row| row[i])).collect();
    let transposed: Vec<[f64; 2]> = (0..3).map(|i| rows.map(|row| row[i])).collect();
    for (claim, layout, expect) in [
        (json!(rows), "row_major", "ok"),
        (json!(rows), "column_major", "ok"),
        (json!(by_rows), "row_major", "ok"),
        (json!(by_rows), "column_major", "mismatch"),
        (json!(by_columns), "column_major", "ok"),
        (json!(by_columns), "row_major", "mismatch"),
        (json!({"shape": [2, 3], "data": by_rows}), "row_major", "ok"),
        (json!({"shape": [2, 3], "data": by_columns}), "column_major", "ok"),
        (json!({"shape": [3, 2], "data": by_columns}), "row_major", "shape"),
        (json!(transposed), "row_major", "shape"),
        (json!([rows]), "row_major", "ok"),
        (json!(rows[0]), "row_major", "shape"),
        (json!(by_rows[0]), "row_major", "shape"),
        (json!([]), "row_major", "shape"),
    ] {
        for claim in [claim.clone(), written(&claim)] {
            let grade = json!({"claims": {"gradients": {"fc.weight": claim}}, "layout": layout, "tolerance": "exact"});
            let reply = service.reply("grade", &layer(grade)).await;
            assert_eq!(verdict(&reply), expect, "{claim} {layout}: {reply}");
            is_bounded(&reply);
        }
    }
    // The columns where rows are meant are named as such.
    let grade = json!({"claims": {"gradients": {"fc.weight": transposed}}, "tolerance": "exact"});
    let reply = service.reply("grade", &layer(grade)).await;
    assert!(mistakes(&reply).contains(&"transposed".to_owned()), "{reply}");
    // A wrong number is pointed at.
    let mut wrong = rows;
    wrong[1][2] += 1.0;
    let grade = json!({"claims": {"gradients": {"fc.weight": wrong}}, "tolerance": "exact"});
    let reply = service.reply("grade", &layer(grade)).await;
    assert_eq!(reply["parts"][0]["metrics"]["worst_index"], json!([1, 2]), "{reply}");
    assert_eq!(reply["parts"][0]["metrics"]["abs"], json!(1.0), "{reply}");
}

fn mistakes(reply: &Value) -> Vec<String> {
    let found = reply["diagnosis"].as_array().expect("a list").iter();
    found.map(|found| found["mistake"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn whatever_a_student_writes_is_graded() {
    let service = Service::start().await;
    let long: Vec<u8> = vec![1; 20_000];
    let rank: Value = (0..20).fold(json!(1), |inner, _| json!([inner]));
    let gradient = |claim: Value| json!({"gradients": {"i1->h1": claim}});
    // What is said of the claim; or nothing, where the claims cannot be read at all.
    let told: Vec<(Value, Option<&str>)> = vec![
        (gradient(json!("NaN")), Some("nonfinite")),
        (gradient(json!("Infinity")), Some("nonfinite")),
        (gradient(json!("-Infinity")), Some("nonfinite")),
        (gradient(json!("1e999")), Some("nonfinite")),
        (gradient(json!(["-1e999"])), Some("nonfinite")),
        (gradient(json!(1e308)), Some("mismatch")),
        (gradient(json!(-1.7e308)), Some("mismatch")),
        (gradient(json!("1e200")), Some("mismatch")),
        (gradient(json!(5e-324)), Some("mismatch")),
        (gradient(json!("-0.00000")), Some("mismatch")),
        (gradient(json!([1, 2])), Some("shape")),
        (gradient(json!(["NaN", 2])), Some("shape")),
        (gradient(json!([])), Some("shape")),
        (gradient(json!(long)), Some("shape")),
        (gradient(rank), Some("mismatch")),
        (json!({"gradients": {"i3->h1": 1}}), Some("extra")),
        (json!({"gradients": {"<script>alert(1)</script>": "nonsense"}}), Some("extra")),
        (json!({"trace": {"nobody": {"z": 1}}}), Some("extra")),
        (json!({"trace": {"h1": {"dz": 1}}}), Some("extra")),
        (json!({"los": 1}), Some("extra")),
        (json!({"a".repeat(5_000): 1}), Some("extra")),
        (json!({"trace": [{"id": "h1", "z": 3}]}), Some("mismatch")),
        (json!(3), None),
        (json!("{}"), None),
        (json!([]), None),
        (json!(true), None),
        (json!({"gradients": 3}), None),
        (json!({"trace": 3}), None),
        (json!({"trace": {"h1": 5}}), None),
        (json!({"trace": [5]}), None),
        (json!({"trace": [{"z": 1}]}), None),
        (json!({"loss": true}), None),
        (json!({"loss": "about a third"}), None),
        (json!({"loss": "0,298"}), None),
        (json!({"loss": {}}), None),
        (json!({"loss": {"value": 1}}), None),
        (gradient(json!([[1], [2, 3]])), None),
        (gradient(json!([1, [2]])), None),
        (gradient(json!([null])), None),
        (gradient(json!({"shape": [-1], "data": [1]})), None),
        (gradient(json!({"shape": [1e8, 1e8, 1e8], "data": [1]})), None),
        (gradient(json!({"shape": [0.5], "data": [1]})), None),
        (gradient(json!({"shape": [1], "data": {"shape": [1], "data": [1]}})), None),
        (json!({"loss": 1, "gradients": {"i1->h1": {"a": [{"b": [[]]}]}}}), None),
        (json!({"gradients": {"i1->h1": 1}, "gradients/i1->h1": 2}), None),
    ];
    for (claims, expect) in told {
        for rules in [
            json!({}),
            json!({"tolerance": "coursera-dl", "points": {"gradients/i1->h1": 1e9, "loss": 0.1}}),
            json!({"tolerance": "last_digit", "scoring": "all_or_nothing", "feedback": "answer"}),
            json!({"check_only": true, "tolerance": "dlsys"}),
        ] {
            let mut grade = rules.clone();
            grade["claims"] = claims.clone();
            let reply = service.reply("grade", &mazur(grade)).await;
            let shown = claims.to_string().chars().take(80).collect::<String>();
            is_bounded(&reply);
            assert_eq!((&reply["score"], &reply["passed"]), (&json!(0.0), &json!(false)), "{shown} {rules}");
            let Some(expect) = expect else {
                assert_eq!(
                    (&reply["gradable"], &reply["parts"], &reply["diagnosis"]),
                    (&json!(false), &json!([]), &json!([])),
                    "{shown}"
                );
                assert!(reply["message"].as_str().is_some_and(|words| words.starts_with("/grade/claims")), "{reply}");
                continue;
            };
            assert_eq!(reply["gradable"], true, "{shown}: {reply}");
            let asked = rules.get("points").is_some();
            let found = verdicts(&reply);
            assert!(found.iter().any(|(_, verdict)| verdict == expect), "{shown}: {found:?}");
            assert!(found.iter().all(|(_, verdict)| verdict == expect || asked && verdict == "missing"), "{shown}: {found:?}");
            for metrics in reply["parts"].as_array().expect("a list").iter().filter_map(|part| part.get("metrics")) {
                let numbers = metrics.as_object().expect("an object").iter().filter(|(name, _)| *name != "worst_index");
                assert!(numbers.clone().all(|(_, value)| value.is_number()), "{shown}: {metrics}");
            }
        }
    }
    // Nothing claimed: nothing to pass. What is asked for is missing.
    let reply = service.reply("grade", &mazur(json!({"claims": {}}))).await;
    assert_eq!((&reply["gradable"], &reply["passed"], &reply["max_score"]), (&json!(true), &json!(false), &json!(0.0)));
    let grade = json!({"claims": {"loss": null, "gradients": {"b1": null}}, "expect": ["loss", "gradients/*->o1"]});
    let reply = service.reply("grade", &mazur(grade)).await;
    assert_eq!(
        verdicts(&reply).iter().map(|(name, verdict)| format!("{name} {verdict}")).collect::<Vec<_>>(),
        ["loss missing", "gradients/h1->o1 missing", "gradients/h2->o1 missing"]
    );
    assert_eq!((&reply["max_score"], &reply["score"]), (&json!(3.0), &json!(0.0)));
}

#[tokio::test]
async fn what_an_exercise_has_wrong_is_an_error_of_http() {
    let service = Service::start().await;
    for (grade, pointer, code) in [
        (json!({}), "/grade", "missing_field"),
        (json!({"claims": {}, "tolerance": "Torch"}), "/grade/tolerance", "invalid_value"),
        (json!({"claims": {}, "tolerance": "hand(sf=0)"}), "/grade/tolerance", "invalid_value"),
        (json!({"claims": {}, "tolerance": {"rtol": -1}}), "/grade/tolerance/rtol", "invalid_value"),
        (json!({"claims": {}, "tolerance": {"tol": 1}}), "/grade/tolerance/tol", "unknown_field"),
        (json!({"claims": {}, "points": {"gradients/z9": 1}}), "/grade/points/gradients~1z9", "unknown_name"),
        (json!({"claims": {}, "points": {"loss": -1}}), "/grade/points/loss", "invalid_value"),
        (json!({"claims": {}, "points": {"loss": 1e300}}), "/grade/points/loss", "invalid_value"),
        (json!({"claims": {}, "points": 3}), "/grade/points", "wrong_type"),
        (json!({"claims": {}, "expect": ["loss", "z9*"]}), "/grade/expect/1", "unknown_name"),
        (json!({"claims": {}, "scoring": "best"}), "/grade/scoring", "invalid_value"),
        (json!({"claims": {}, "feedback": "all"}), "/grade/feedback", "invalid_value"),
        (json!({"claims": {}, "layout": "rows"}), "/grade/layout", "invalid_value"),
        (json!({"claims": {}, "learning_rate": 0}), "/grade/learning_rate", "invalid_value"),
        (json!({"claims": {}, "follow_trough": true}), "/grade/follow_trough", "unknown_field"),
    ] {
        let response = service.ask("grade", &mazur(grade.clone())).send().await.expect("an answer");
        let told = problem(response, 422, "invalid-request").await;
        let errors = told["errors"].as_array().expect("a list");
        assert!(errors.iter().any(|error| error["pointer"] == pointer && error["code"] == code), "{grade}: {told}");
    }
    // All of them at once.
    let grade = json!({"claims": {}, "tolerance": "x", "scoring": "y", "feedback": "z", "points": {"w": 1}});
    let response = service.ask("grade", &mazur(grade)).send().await.expect("an answer");
    let told = problem(response, 422, "invalid-request").await;
    assert_eq!(told["errors"].as_array().map(Vec::len), Some(4), "{told}");
    // Without a question, without a loss, in a form that nobody knows.
    let response = service.ask("grade", &example("mazur")).send().await.expect("an answer");
    problem(response, 422, "invalid-request").await;
    let mut lossless = mazur(json!({"claims": {}}));
    lossless.as_object_mut().expect("an object").remove("loss");
    let response = service.ask("grade", &lossless).send().await.expect("an answer");
    assert_eq!(response.status(), 422);
    let text = mazur(json!({"claims": {}})).to_string();
    let response = service.post("/v1/grade?format=moodle", "application/json", text).send().await.expect("an answer");
    assert_eq!(response.status(), 422);
    // What no reader of JSON takes is no claim.
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let text = mazur(json!({"claims": {"loss": "deep"}})).to_string().replace("\"deep\"", &deep);
    let response = service.post("/v1/grade", "application/json", text).send().await.expect("an answer");
    assert!([400, 422].contains(&response.status().as_u16()), "{}", response.status());
}

/// dE/dw5 of Mazur's network.
const W5: f64 = 0.082_167_040_564_230_78;

#[tokio::test]
async fn each_tolerance_has_its_own_bound() {
    let service = Service::start().await;
    // The claim that is just good enough and the one that is not.
    let of_sum = |ratio: f64| W5 * (1.0 + ratio) / (1.0 - ratio);
    let of_larger = |ratio: f64| W5 / (1.0 - ratio);
    let cases: Vec<(Value, f64, f64)> = vec![
        (json!({"rtol": 1e-3}), W5 * 1.000_99, W5 * 1.001_01),
        (json!({"atol": 1e-4}), W5 - 0.99e-4, W5 - 1.01e-4),
        (json!({"rtol": 1e-3, "atol": 1e-4}), W5 + 1.81e-4, W5 + 1.83e-4),
        (json!("torch"), W5 + 0.99 * (1e-5 + 1e-3 * W5), W5 + 1.01 * (1e-5 + 1e-3 * W5)),
        (json!("cs231n"), of_larger(0.99e-7), of_larger(1.01e-7)),
        (json!("cs231n-code"), of_sum(0.99e-7), of_sum(1.01e-7)),
        (json!("coursera-dl"), of_sum(1.99e-7), of_sum(2.01e-7)),
        (json!("coursera-ml"), of_sum(0.99e-9), of_sum(1.01e-9)),
        (json!("udl"), W5 - 0.99 * (1e-8 + 1e-5 * W5), W5 - 1.01 * (1e-8 + 1e-5 * W5)),
        (json!("jax-f32"), W5 + 1.99e-3 * (1.0 + W5), W5 + 2.01e-3 * (1.0 + W5)),
        (json!("jax-bf16"), W5 + 0.99e-1 * (1.0 + W5), W5 + 1.01e-1 * (1.0 + W5)),
        (json!("jax-f64"), W5 - 0.99e-5 * (1.0 + W5), W5 - 1.01e-5 * (1.0 + W5)),
        (json!("dlsys"), W5 + 0.99e-6, W5 + 1.01e-6),
        (json!("micrograd"), W5 - 0.99e-6, W5 - 1.01e-6),
        (json!("prairielearn"), W5 * 1.009_9, W5 * 1.010_1),
        (json!("exact"), W5 * (1.0 + 9e-14), W5 * (1.0 + 1.2e-13)),
    ];
    for (tolerance, near, far) in cases {
        for (claim, expect) in [(W5, "ok"), (near, "ok"), (far, "mismatch")] {
            let grade = json!({"claims": {"gradients": {"h1->o1": claim}}, "tolerance": tolerance, "feedback": "verdict"});
            assert_eq!(verdict(&service.reply("grade", &mazur(grade)).await), expect, "{tolerance} {claim}");
        }
    }
    // As written: half a unit of the last digit.
    for (claim, expect) in [
        ("0.1", "ok"),
        ("0.08", "ok"),
        ("0.0822", "ok"),
        ("0.0821", "mismatch"),
        ("8.22e-2", "ok"),
        ("0.08217", "ok"),
        ("0.08216", "mismatch"),
        ("0.082167041", "ok"),
        ("0.082167040", "mismatch"),
    ] {
        let grade = json!({"claims": {"gradients": {"h1->o1": claim}}, "tolerance": "last_digit", "feedback": "verdict"});
        assert_eq!(verdict(&service.reply("grade", &mazur(grade)).await), expect, "{claim}");
    }
    // All measures are reported whatever the tolerance.
    let grade = json!({"claims": {"gradients": {"h1->o1": 2.0 * W5}}, "tolerance": "torch"});
    let metrics = service.reply("grade", &mazur(grade)).await["parts"][0]["metrics"].take();
    for (name, expect) in [
        ("abs", W5),
        ("rel_max", 0.5),
        ("rel_sum", 1.0 / 3.0),
        ("norm", W5),
        ("norm_ratio", 1.0 / 3.0),
        ("norm_ratio_of_sum", 1.0 / 3.0),
    ] {
        let found = metrics[name].as_f64().expect("a number");
        assert!((found - expect).abs() < 1e-12, "{name}: {found}");
    }
}

fn figures(count: usize) -> impl Fn(f64) -> f64 {
    move |x: f64| format!("{x:.*e}", count - 1).parse().expect("a number")
}

fn places(count: usize) -> impl Fn(f64) -> f64 {
    move |x: f64| format!("{x:.count$}").parse().expect("a number")
}

#[tokio::test]
async fn whoever_rounds_every_step_by_hand_passes() {
    let service = Service::start().await;
    let mut hands: Vec<(String, Box<dyn Fn(f64) -> f64>)> = Vec::new();
    hands.extend((2..=8).map(|count| (format!("hand(sf={count})"), Box::new(figures(count)) as Box<dyn Fn(f64) -> f64>)));
    hands.extend((3..=8).map(|count| (format!("hand(dp={count})"), Box::new(places(count)) as Box<dyn Fn(f64) -> f64>)));
    for (tolerance, round) in &hands {
        // Rounded at every step, or at the end alone.
        let by_steps = Student { round, ..CAREFUL }.claims();
        let at_end = rounded(&CAREFUL.claims(), round);
        for claims in [by_steps, at_end] {
            let reply = service.reply("grade", &mazur(json!({"claims": claims, "tolerance": tolerance}))).await;
            let off: Vec<_> = verdicts(&reply).into_iter().filter(|(_, verdict)| verdict != "ok").collect();
            assert_eq!((off, &reply["passed"], &reply["diagnosis"]), (vec![], &json!(true), &json!([])), "{tolerance}");
        }
    }
    // And whoever errs does not: the output's derivative forgotten, or twice the number.
    for (tolerance, round) in hands.iter().filter(|(tolerance, _)| !tolerance.contains("dp=3")) {
        let wrong = Student { round, delta: &|_, bar, _| bar }.claims();
        let reply = service.reply("grade", &mazur(json!({"claims": wrong, "tolerance": tolerance}))).await;
        assert_eq!(reply["passed"], false, "{tolerance}: {reply}");
        let claims = json!({"loss": 0.6, "gradients": {"h1->o1": 0.1644}});
        let found = verdicts(&service.reply("grade", &mazur(json!({"claims": claims, "tolerance": tolerance}))).await);
        assert!(found.iter().all(|(_, verdict)| verdict == "mismatch"), "{tolerance}: {found:?}");
    }
}

fn rounded(value: &Value, round: &dyn Fn(f64) -> f64) -> Value {
    match value {
        Value::Number(number) => json!(round(number.as_f64().expect("a number"))),
        Value::Array(list) => list.iter().map(|value| rounded(value, round)).collect(),
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), rounded(value, round))).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn points_are_weighted() {
    let service = Service::start().await;
    let claims = json!({"loss": 0.298_371_109, "gradients": {"h1->o1": 0.082_167_041, "h2->o1": 0.5, "b1": 0.5}});
    for (rules, score, most) in [
        (json!({}), 2.0, 4.0),
        (json!({"points": {"loss": 3}}), 4.0, 6.0),
        (json!({"points": {"gradients/*": 0.5}}), 1.5, 2.5),
        (json!({"points": {"gradients/*->o1": 2, "*": 0.25}}), 0.5, 1.0),
        (json!({"points": {"*": 0.25, "gradients/*->o1": 2}}), 2.25, 4.5),
        (json!({"points": {"gradients/b?": 10}}), 2.0, 13.0),
        (json!({"points": {"gradients/b1": 0, "gradients/h2->o1": 0}}), 2.0, 2.0),
        // Whoever is named is asked for; a pattern asks for nothing.
        (json!({"points": {"gradients/b2": 5}}), 2.0, 9.0),
        (json!({"points": {"gradients/*->o2": 5}}), 2.0, 4.0),
        (json!({"points": {"gradients/*->o2": 5}, "expect": "gradients/*->o2"}), 2.0, 14.0),
        (json!({"scoring": "all_or_nothing"}), 0.0, 4.0),
        (json!({"scoring": "all_or_nothing", "points": {"loss": 100}}), 0.0, 103.0),
    ] {
        let mut grade = rules.clone();
        (grade["claims"], grade["tolerance"]) = (claims.clone(), json!({"rtol": 1e-6}));
        let reply = service.reply("grade", &mazur(grade)).await;
        assert_eq!((reply["score"].as_f64(), reply["max_score"].as_f64()), (Some(score), Some(most)), "{rules}: {reply}");
        assert_eq!(reply["passed"], false);
        is_bounded(&reply);
    }
    let grade = json!({"claims": CAREFUL.claims(), "scoring": "all_or_nothing", "points": {"loss": 2}});
    let reply = service.reply("grade", &mazur(grade)).await;
    assert_eq!((&reply["score"], &reply["passed"]), (&json!(PARTS as f64 + 1.0), &json!(true)));
}

/// dE/da of the first output is given as its dE/dz: the sigmoid's derivative is forgotten there, and everything after is right.
const FORGETFUL: Student<'_> = Student { delta: &|k, bar, z| if k == 0 { bar } else { bar * z * (1.0 - z) }, ..CAREFUL };

#[tokio::test]
async fn what_follows_rightly_from_a_mistake_keeps_its_points() {
    let service = Service::start().await;
    let claims = FORGETFUL.claims();
    // From published numbers: 0.74136507 · 0.40 − 0.038098237 · 0.50 reaches the first hidden unit.
    let bar = claims["trace"]["h1"]["dE_dz"][0].as_f64().expect("a number");
    assert!((bar - (0.741_365_07 * 0.4 - 0.038_098_237 * 0.5)).abs() < 1e-8);
    let grade =
        |claims: &Value, follow: bool| mazur(json!({"claims": claims, "tolerance": {"rtol": 1e-9}, "follow_through": follow}));
    let reply = service.reply("grade", &grade(&claims, true)).await;
    let follows = |name: &str| {
        let after = ["gradients/b", "gradients/i", "input_gradients/", "gradients/h1->o1", "gradients/h2->o1"];
        after.iter().any(|start| name.starts_with(start)) || name.starts_with("trace/h") && name.contains("/dE")
    };
    for (name, verdict) in verdicts(&reply) {
        let expect = if name == "trace/o1/dE_da" {
            "mismatch"
        } else if follows(&name) {
            "follow_through"
        } else {
            "ok"
        };
        assert_eq!(verdict, expect, "{name}");
    }
    assert_eq!((&reply["score"], &reply["max_score"]), (&json!(PARTS as f64 - 1.0), &json!(PARTS as f64)));
    assert_eq!((&reply["first_error"], &reply["passed"]), (&json!("o1"), &json!(false)));
    let named = reply["diagnosis"].as_array().expect("a list").iter();
    let named: Vec<_> =
        named.filter(|found| found["mistake"] == "activation_derivative_missing").map(|found| &found["where"]).collect();
    assert!(named.contains(&&json!({"node": "o1"})), "{}", reply["diagnosis"]);
    // Without follow-through they are as wrong as their numbers.
    let strict = service.reply("grade", &grade(&claims, false)).await;
    assert_eq!((&strict["score"], &strict["first_error"]), (&json!(PARTS as f64 - 15.0), &json!("o1")));
    // A second mistake is one of its own; the first is still where it was.
    let mut twice = claims.clone();
    let number = twice["gradients"]["i1->h1"].as_f64().expect("a number");
    twice["gradients"]["i1->h1"] = json!(2.0 * number);
    let reply = service.reply("grade", &grade(&twice, true)).await;
    let wrong: Vec<_> = verdicts(&reply).into_iter().filter(|(_, verdict)| verdict == "mismatch").map(|(name, _)| name).collect();
    assert_eq!(wrong, ["trace/o1/dE_da", "gradients/i1->h1"]);
    assert_eq!(reply["first_error"], "o1");
    // A mistake on the way forward is followed too: the first hidden unit's output given without its sigmoid.
    let mut forward = CAREFUL.claims();
    let a = forward["trace"]["h1"]["a"].clone();
    let pre = v_dot([a[0].as_f64().expect("a number"), forward["trace"]["h2"]["z"][0].as_f64().expect("a number")]);
    (forward["trace"]["h1"]["z"], forward["trace"]["o1"]["a"]) = (a, json!([pre]));
    let reply = service.reply("grade", &grade(&forward, true)).await;
    let found = verdicts(&reply);
    let of = |name: &str| found.iter().find(|(known, _)| known == name).map(|(_, verdict)| verdict.as_str());
    assert_eq!((of("trace/h1/z"), of("trace/o1/a"), of("trace/o2/a")), (Some("mismatch"), Some("follow_through"), Some("ok")));
    assert_eq!(reply["first_error"], "h1");
}

/// The first output's pre-activation from the hidden units' outputs.
fn v_dot(h: [f64; 2]) -> f64 {
    0.4 * h[0] + 0.45 * h[1] + 0.6
}

#[tokio::test]
async fn early_zeros_earn_nothing_after_them() {
    let service = Service::start().await;
    let zeros = Student { delta: &|_, _, _| 0.0, ..CAREFUL }.claims();
    let reply = service.reply("grade", &mazur(json!({"claims": zeros, "tolerance": {"rtol": 1e-9}}))).await;
    let found = verdicts(&reply);
    assert!(found.iter().all(|(_, verdict)| verdict == "ok" || verdict == "mismatch"), "{found:?}");
    // The forward pass and the two outputs' dE/dz are right: 2 + 2 + 8 + 2.
    assert_eq!((&reply["score"], &reply["first_error"]), (&json!(14.0), &json!("o2")));
    // One zero: what comes through the other output still follows, what is zero because of it does not.
    let zero = Student { delta: &|k, bar, z| if k == 0 { 0.0 } else { bar * z * (1.0 - z) }, ..CAREFUL }.claims();
    let found = verdicts(&service.reply("grade", &mazur(json!({"claims": zero, "tolerance": {"rtol": 1e-9}}))).await);
    let of = |name: &str| found.iter().find(|(known, _)| known == name).map(|(_, verdict)| verdict.as_str());
    assert_eq!(
        (of("trace/h1/dE_dz"), of("gradients/h1->o1"), of("gradients/h1->o2")),
        (Some("follow_through"), Some("mismatch"), Some("ok"))
    );
}

#[tokio::test]
async fn feedback_is_a_ladder() {
    let service = Service::start().await;
    let of_part = ["verdict", "message", "worst_index", "metrics", "expected"];
    let of_finding = ["where", "explains", "residual", "text", "instructor", "section"];
    // What the wrong part, the reply and a finding have at each level.
    let levels: [(&str, &[&str], bool, &[&str]); 6] = [
        ("none", &[], false, &[]),
        ("verdict", &["verdict", "message"], false, &[]),
        ("where", &["verdict", "message", "worst_index"], true, &[]),
        ("what", &["verdict", "message", "metrics"], true, &["where", "explains", "residual"]),
        ("why", &["verdict", "message", "metrics"], true, &of_finding),
        ("answer", &["verdict", "message", "metrics", "expected"], true, &of_finding),
    ];
    let claims = FORGETFUL.claims();
    for (level, part, first, finding) in levels {
        let grade = json!({"claims": claims, "tolerance": {"rtol": 1e-9}, "feedback": level});
        let reply = service.reply("grade", &mazur(grade)).await;
        let wrong =
            reply["parts"].as_array().expect("a list").iter().find(|part| part["name"] == "trace/o1/dE_da").expect("the part");
        let has = |of: &Value, known: &[&str]| -> Vec<String> {
            known.iter().filter(|name| of.get(**name).is_some()).map(|name| (*name).to_owned()).collect()
        };
        assert_eq!(has(wrong, &of_part), part, "{level}: {wrong}");
        assert_eq!(reply.get("first_error").is_some(), first, "{level}");
        let found = reply["diagnosis"].as_array().expect("a list");
        assert_eq!(found.is_empty(), finding.is_empty(), "{level}: {found:?}");
        assert!(found.iter().all(|found| has(found, &of_finding) == finding), "{level}: {found:?}");
        assert_eq!(
            (&reply["score"], &reply["max_score"], &reply["passed"]),
            (&json!(PARTS as f64 - 1.0), &json!(PARTS as f64), &json!(false)),
            "{level}"
        );
        if level == "answer" {
            let expected = wrong["expected"][0].as_f64().expect("a number");
            assert!((expected - 0.138_498_562).abs() < 1e-9, "{wrong}");
        }
    }
}

/// Every number in a reply, those within words too, but not the hash that names the request.
fn numbers(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Number(number) => found.push(number.to_string()),
        Value::String(text) => found.extend(
            text.split(|c: char| !c.is_ascii_digit() && c != '.')
                .map(str::to_owned)
                .filter(|word| word.contains(|c: char| c.is_ascii_digit())),
        ),
        Value::Array(list) => list.iter().for_each(|value| numbers(value, found)),
        Value::Object(object) => object.iter().filter(|(name, _)| *name != "meta").for_each(|(_, value)| numbers(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn check_only_tells_no_number_of_the_key() {
    let service = Service::start().await;
    let key = CAREFUL.claims();
    let mut digits = Vec::new();
    numbers(&key, &mut digits);
    assert_eq!(digits.len(), PARTS);
    for level in ["none", "verdict", "where", "what", "why", "answer"] {
        let mut seen = Vec::new();
        for factor in [1.5, -3.0] {
            let claims = rounded(&FORGETFUL.claims(), &|x| x * factor);
            let grade = json!({"claims": claims, "tolerance": {"rtol": 1e-9}, "feedback": level, "check_only": true});
            let mut reply = service.reply("grade", &mazur(grade)).await;
            for part in reply["parts"].as_array().expect("a list") {
                let members: Vec<_> = part.as_object().expect("an object").keys().collect();
                assert!(
                    members.iter().all(|name| ["name", "verdict", "score", "max_score", "message"].contains(&name.as_str())),
                    "{part}"
                );
            }
            assert_eq!((&reply["diagnosis"], reply.get("first_error")), (&json!([]), None));
            // Scores, and the digits in names: nothing with as many digits as a number of the key.
            let mut told = Vec::new();
            numbers(&reply, &mut told);
            assert!(told.iter().all(|number| number.len() <= 4), "{level}: {told:?}");
            reply.as_object_mut().expect("an object").remove("meta");
            let text = reply.to_string();
            for number in &digits {
                let significant = number.trim_start_matches(['-', '0', '.']);
                assert!(!text.contains(&significant[..4.min(significant.len())]), "{level}: {number} in {text}");
            }
            seen.push(text);
        }
        // How wrong an answer is cannot be told from the reply, so nobody can search for the right one by it.
        assert_eq!(seen[0], seen[1], "{level}");
        // A wrong shape does not give the right one away.
        let grade = json!({"claims": {"trace": {"h1": {"z": [1, 2]}}}, "feedback": level, "check_only": true});
        let mut told = Vec::new();
        numbers(&service.reply("grade", &mazur(grade)).await["parts"][0]["message"], &mut told);
        assert_eq!(told, Vec::<String>::new(), "{level}");
    }
}

#[tokio::test]
async fn a_class_comes_back_in_order_whoever_works() {
    let mut one = example("mazur");
    let mut lines = Vec::new();
    for n in 0..60 {
        let claims = match n % 5 {
            0 => CAREFUL.claims(),
            1 => FORGETFUL.claims(),
            2 => rounded(&CAREFUL.claims(), &|x| x * f64::from(n)),
            3 => json!({"loss": "a third"}),
            _ => json!({"gradients": {"h1->o1": format!("0.08{n}")}}),
        };
        one["grade"] = json!({"claims": claims, "tolerance": "hand(sf=5)"});
        lines.push(one.to_string());
    }
    lines[30] = "{\"network\": {".to_owned();
    one["network"]["nodes"][0]["op"] = json!("neurone");
    lines[41] = one.to_string();
    let mut texts = Vec::new();
    for workers in [1, 2] {
        let config = Config { workers: std::num::NonZeroUsize::new(workers), ..Config::default() };
        let service = Service::with(config).await;
        // Again, when the exercise has been run before.
        for _ in 0..2 {
            let request = service.post("/v1/grade", "application/x-ndjson", lines.join("\n")).header("x-request-id", "class");
            let response = request.send().await.expect("an answer");
            assert_eq!((response.status().as_u16(), header(&response, "content-type").as_str()), (200, "application/x-ndjson"));
            texts.push(response.text().await.expect("a body"));
        }
        let answers: Vec<Value> = texts[0].lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(answers.len(), 60);
        for (n, (answer, line)) in answers.iter().zip(&lines).enumerate() {
            let status = match n {
                30 => 400,
                41 => 422,
                _ => 200,
            };
            assert_eq!(answer["status"], status, "line {n}: {answer}");
            if status != 200 {
                continue;
            }
            let alone = service.post("/v1/grade", "application/json", line.clone()).send().await.expect("an answer");
            assert_eq!(alone.json::<Value>().await.expect("JSON"), answer["body"], "line {n}");
            let (gradable, passed) = (&answer["body"]["gradable"], &answer["body"]["passed"]);
            assert_eq!((gradable, passed), (&json!(n % 5 != 3), &json!(n % 5 == 0)), "line {n}: {answer}");
        }
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "other workers, other bytes");
}

/// The names in each group of answers that cannot be told apart.
fn groups(reply: &Value) -> Vec<Vec<String>> {
    let name = |member: &Value| member["mistake"].as_str().expect("a name").to_owned();
    let group = |group: &Value| group.as_array().expect("a list").iter().map(name).collect();
    reply["indistinguishable"].as_array().expect("a list").iter().map(group).collect()
}

#[tokio::test]
async fn exercises_are_judged_by_what_they_cannot_tell_apart() {
    let service = Service::start().await;
    let mut problem = example("mazur");
    problem["loss"]["reduction"] = json!("mean");
    problem["analyze"] = json!({"tolerance": {"rtol": 1e-6}, "parts": ["loss", "gradients/*"]});
    let reply = service.reply("analyze", &problem).await;
    // Two ways to the same numbers, as is published; and one sample shows no mistake in what is done over samples.
    let together = |found: &[Vec<String>], one: &str, other: &str| {
        found.iter().any(|group| [one, other].iter().all(|name| group.iter().any(|known| known == name)))
    };
    let found = groups(&reply);
    assert!(together(&found, "activation_derivative_missing", "output_delta_shortcut"), "{found:?}");
    let of_batches = ["sum_instead_of_mean", "divided_twice", "bias_not_summed"];
    let seen = |reply: &Value, name: &str| {
        let apart = reply["mistakes"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|tried| tried["mistake"] == name && tried["distance"].as_f64() > Some(1e-6));
        apart && !together(&groups(reply), "correct", name)
    };
    for name in of_batches {
        assert!(!seen(&reply, name), "{name}: {reply}");
    }
    // Two samples show all of them.
    problem["batch"] = json!({"inputs": [[0.05, 0.1], [0.9, -0.4]], "targets": [[0.01, 0.99], [0.7, 0.2]]});
    let reply = service.reply("analyze", &problem).await;
    for name in of_batches {
        assert!(seen(&reply, name), "{name}: {reply}");
    }
    // An answer rounded by the suggested tolerance passes by it.
    let mut problem = example("mazur");
    problem["analyze"] = json!({"parts": ["gradients/*"]});
    let reply = service.reply("analyze", &problem).await;
    let suggested = reply["suggested_tolerance"].as_str().expect("a tolerance of Mazur's network");
    let count: usize =
        suggested.trim_start_matches("hand(sf=").trim_start_matches("hand(dp=").trim_end_matches(')').parse().expect("digits");
    let (sf, dp) = (figures(count), places(count));
    let round: &dyn Fn(f64) -> f64 = if suggested.contains("sf") { &sf } else { &dp };
    let grade = json!({"claims": Student { round, ..CAREFUL }.claims(), "tolerance": suggested});
    assert_eq!(service.reply("grade", &mazur(grade)).await["passed"], true, "{suggested}");
    // dE/dw1 … dE/dw4 are below a thousandth, no other gradient is.
    let tiny: Vec<_> = reply["tiny_gradients"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|tiny| tiny["name"].as_str().expect("a name"))
        .filter(|name| name.starts_with("gradients/"))
        .collect();
    for name in ["gradients/i1->h1", "gradients/i2->h1", "gradients/i1->h2", "gradients/i2->h2"] {
        assert!(tiny.contains(&name), "{name} {tiny:?}");
    }
    assert_eq!(tiny.len(), 4, "{tiny:?}");
    assert_eq!(reply["near_kinks"], json!([]), "sigmoids have none");
}

#[tokio::test]
async fn exercises_near_a_corner_are_told_so() {
    let service = Service::start().await;
    let relu = |x: f64, margin: f64| {
        json!({
            "network": {"inputs": ["x"], "nodes": [
                {"id": "h", "op": "neuron", "inputs": {"x": 1}, "bias": -1, "activation": "relu"},
                {"id": "o", "op": "neuron", "inputs": {"h": 2}, "bias": 0.5},
            ]},
            "batch": {"inputs": [[3], [x]], "targets": [[1], [2]]},
            "loss": {"op": "squared_error", "of": ["o"]},
            "analyze": {"margin": margin},
        })
    };
    // a = x − 1 of the second sample.
    let reply = service.reply("analyze", &relu(1.03125, 0.05)).await;
    let near = &reply["near_kinks"][0];
    assert_eq!((&near["node"], &near["index"], &near["value"]), (&json!("h"), &json!([1]), &json!(0.03125)), "{reply}");
    assert_eq!(service.reply("analyze", &relu(1.03125, 0.03)).await["near_kinks"], json!([]));
    assert_eq!(service.reply("analyze", &relu(1.5, 0.05)).await["near_kinks"], json!([]));
    for (analyze, pointer) in [
        (json!({"tolerance": "Torch"}), "/analyze/tolerance"),
        (json!({"parts": ["nothing/*"]}), "/analyze/parts/0"),
        (json!({"margin": 0}), "/analyze/margin"),
        (json!({"colour": 1}), "/analyze/colour"),
    ] {
        let mut asked = relu(1.5, 0.05);
        asked["analyze"] = analyze;
        let told = problem(service.ask("analyze", &asked).send().await.expect("an answer"), 422, "invalid-request").await;
        assert!(told["errors"].as_array().expect("a list").iter().any(|error| error["pointer"] == pointer), "{told}");
    }
}
