//! What is right in another way than the key: other slopes at kinks, and what has been taken for a mistake.

use serde_json::{Map, Value, json};

use crate::support::Service;

/// The verdict of each part that is claimed, by its name.
async fn verdicts(service: &Service, problem: &Value) -> Map<String, Value> {
    let reply = service.reply("grade", problem).await;
    let parts = reply["parts"].as_array().expect("a list").iter();
    parts.map(|part| (part["name"].as_str().expect("a name").to_owned(), part["verdict"].clone())).collect()
}

#[tokio::test]
async fn slopes_at_a_kink_are_a_convention() {
    let service = Service::start().await;
    // a = 2·1 − 2 = 0 of the first sample, 2·3 − 2 = 4 of the second; o = 3·h(a), E = Σ ½(o − t)²; dE/dh = 3(o − t).
    let graded = |activation: &str, slope: f64, h: [f64; 2]| {
        let bar = [3.0 * (3.0 * h[0] - 1.0), 3.0 * (3.0 * h[1] - 2.0)];
        let delta = [slope * bar[0], bar[1]];
        json!({
            "network": {"inputs": ["x"], "nodes": [
                {"id": "h", "op": "neuron", "inputs": {"x": 2}, "bias": -2, "activation": activation},
                {"id": "o", "op": "neuron", "inputs": {"h": 3}},
            ]},
            "batch": {"inputs": [[1], [3]], "targets": [[1], [2]]},
            "loss": {"op": "squared_error", "of": ["o"], "factor": 0.5},
            "grade": {"tolerance": "exact", "claims": {
                "trace": {"h": {"z": h, "dE_dz": bar, "dE_da": delta}},
                "gradients": {"x->h": delta[0] + 3.0 * delta[1], "h.bias": delta[0] + delta[1]},
            }},
        })
    };
    // PyTorch's slope at 0, then others that are as good, then none.
    for (activation, slope, verdict) in [
        ("relu", 0.0, "ok"),
        ("relu", 1.0, "at_kink"),
        ("relu", 0.5, "at_kink"),
        ("relu", 2.0, "mismatch"),
        ("relu", -1.0, "mismatch"),
        ("leaky_relu", 0.01, "ok"),
        ("leaky_relu", 1.0, "at_kink"),
        ("leaky_relu", 0.0, "mismatch"),
        ("abs", 0.0, "ok"),
        ("abs", 1.0, "at_kink"),
        ("abs", -1.0, "at_kink"),
        ("elu", 1.0, "ok"),
        ("elu", 0.0, "mismatch"),
        ("tanh", 0.0, "mismatch"),
    ] {
        let h = [0.0, if activation == "tanh" { 4_f64.tanh() } else { 4.0 }];
        let mut problem = graded(activation, slope, h);
        if activation == "tanh" {
            problem["grade"]["claims"]["trace"]["h"].as_object_mut().expect("an object").retain(|name, _| name == "dE_da");
            problem["grade"]["claims"].as_object_mut().expect("an object").remove("gradients");
        }
        let found = verdicts(&service, &problem).await;
        assert_eq!(found["trace/h/dE_da"], verdict, "{activation} {slope}: {found:?}");
        if activation != "tanh" {
            // Products with a wrong delta follow from it.
            let verdict = if verdict == "mismatch" { "follow_through" } else { verdict };
            for part in ["gradients/x->h", "gradients/h.bias"] {
                assert_eq!(found[part], verdict, "{activation} {slope}: {found:?}");
            }
            assert_eq!((&found["trace/h/z"], &found["trace/h/dE_dz"]), (&json!("ok"), &json!("ok")), "{activation} {slope}");
        }
        if verdict == "at_kink" {
            let reply = service.reply("grade", &problem).await;
            assert_eq!((&reply["passed"], &reply["diagnosis"]), (&json!(true), &json!([])), "{reply}");
        }
        // Nothing is at a kink a little beside it.
        problem["batch"]["inputs"] = json!([[1.0001], [3]]);
        let found = verdicts(&service, &problem).await;
        assert!(found.values().all(|verdict| verdict != "at_kink"), "{activation}: {found:?}");
    }
}

#[tokio::test]
async fn a_tie_is_shared_as_one_likes() {
    let service = Service::start().await;
    // max(u, v) with u = 2x and v = 3x − 1: both are 2 at x = 1. E = ½(max − 0)², so dE/dmax = 2.
    let tied = |u: f64, v: f64| {
        json!({
            "network": {"inputs": ["x"], "nodes": [
                {"id": "u", "op": "neuron", "inputs": {"x": 2}},
                {"id": "v", "op": "neuron", "inputs": {"x": 3}, "bias": -1},
                {"id": "m", "op": "maximum", "inputs": ["u", "v"]},
            ]},
            "batch": {"inputs": [[1]], "targets": [[0]]},
            "loss": {"op": "squared_error", "of": ["m"], "factor": 0.5},
            "grade": {"tolerance": "exact", "claims": {"trace": {"u": {"dE_dz": [2.0 * u]}, "v": {"dE_dz": [2.0 * v]}}}},
        })
    };
    for (u, v, verdict) in [
        (0.5, 0.5, "ok"),
        (1.0, 0.0, "at_kink"),
        (0.0, 1.0, "at_kink"),
        // CS231n's notes: each of the tied has it all.
        (1.0, 1.0, "at_kink"),
        (2.0, -1.0, "mismatch"),
    ] {
        let found = verdicts(&service, &tied(u, v)).await;
        assert_eq!((&found["trace/u/dE_dz"], &found["trace/v/dE_dz"]), (&json!(verdict), &json!(verdict)), "{u} {v}");
    }
    // The four of a window are one: PyTorch gives the first, others the last, some all.
    let window = |gradient: [[f64; 2]; 2]| {
        json!({
            "network": {"inputs": {"x": [1, 2, 2]}, "layers": [{"id": "p", "op": "max_pool2d", "kernel_size": 2}]},
            "batch": {"inputs": {"x": [[[[7, 7], [7, 7]]]]}},
            "loss": {"op": "sum", "of": "p"},
            "grade": {"tolerance": "exact", "claims": {"input_gradients": {"x": [[gradient]]}}},
        })
    };
    for (gradient, verdict) in [
        ([[1.0, 0.0], [0.0, 0.0]], "ok"),
        ([[0.0, 0.0], [0.0, 1.0]], "at_kink"),
        ([[1.0, 1.0], [1.0, 1.0]], "mismatch"),
        ([[0.0, 0.0], [0.0, 2.0]], "mismatch"),
    ] {
        let found = verdicts(&service, &window(gradient)).await;
        assert_eq!(found["input_gradients/x"], verdict, "{gradient:?}: {found:?}");
    }
}

/// What has been reported as a mistake and was withdrawn: the numbers are right, however they were come by.
#[tokio::test]
async fn what_is_no_mistake_is_not_named() {
    let service = Service::start().await;
    // Two samples of two numbers, three classes, exp in between; the mean of −log softmax of the label.
    let (x, w, labels) = ([[0.5, -1.0], [1.5, 0.25]], [[0.4, -0.3], [0.2, 0.7], [-0.6, 0.1]], [2_usize, 0]);
    let log_softmax = |a: [f64; 3]| {
        let sum: f64 = a.iter().map(|a| a.exp()).sum();
        a.map(|a| a - sum.ln())
    };
    let exps = x.map(|x| x.map(f64::exp));
    let (mut loss, mut gradient, mut of_x) = (0.0, [[0.0; 2]; 3], [[0.0; 2]; 2]);
    for (n, z) in exps.iter().enumerate() {
        // Twice, which is once: of log-probabilities the exps sum to 1.
        let log_p = log_softmax(log_softmax(w.map(|w| w[0] * z[0] + w[1] * z[1])));
        loss -= log_p[labels[n]] / 2.0;
        for k in 0..3 {
            // 1/m at the deltas, not at the weights' gradient.
            let delta = (log_p[k].exp() - f64::from(k == labels[n])) / 2.0;
            for d in 0..2 {
                gradient[k][d] += delta * z[d];
                // The derivative of exp written with its output.
                of_x[n][d] += delta * w[k][d] * z[d];
            }
        }
    }
    let mut problem = json!({
        "network": {"inputs": {"x": [2]}, "layers": [
            {"id": "e", "op": "exp"}, {"id": "fc", "op": "linear", "out_features": 3, "bias": false}, {"id": "q", "op": "log_softmax", "dim": 1},
        ]},
        "parameters": {"fc.weight": w},
        "batch": {"inputs": x, "targets": labels},
        "loss": {"op": "nll", "of": "q", "reduction": "mean"},
        "grade": {"tolerance": {"rtol": 1e-12}, "claims": {"loss": loss, "gradients": {"fc.weight": gradient}, "input_gradients": {"x": of_x}}},
    });
    let reply = service.reply("grade", &problem).await;
    assert_eq!((&reply["passed"], &reply["diagnosis"]), (&json!(true), &json!([])), "{reply}");
    // Nor beside a mistake: the sign is flipped, and of that alone is told.
    problem["grade"]["claims"]["gradients"] = json!({"fc.weight": gradient.map(|row| row.map(|x| -x))});
    problem["grade"]["claims"]["input_gradients"] = json!({"x": of_x.map(|row| row.map(|x| -x))});
    let reply = service.reply("grade", &problem).await;
    let named: Vec<_> = reply["diagnosis"].as_array().expect("a list").iter().map(|found| &found["mistake"]).collect();
    assert!(!named.is_empty() && named.iter().all(|name| **name == "sign_flipped"), "{reply}");
}
