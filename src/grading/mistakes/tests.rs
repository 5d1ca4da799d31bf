//! Each mistake against numbers that the grader did not make: published ones, and small examples worked out by plain formulas.

#![expect(clippy::unreadable_literal, reason = "numbers as they were published")]

use serde_json::{Value, json};

use crate::config::Limits;
use crate::grading::claims::{Claims, Layout};
use crate::grading::diagnosis::{Finding, Predictions, diagnose};
use crate::grading::exercise::Exercise;
use crate::grading::judge::Judge;
use crate::grading::parts::Parts;
use crate::grading::policy::Policy;
use crate::grading::site::Site;
use crate::lower::{Need, lower};
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Faults};
use crate::spec::json;
use crate::spec::problem::decode;

/// The problem, run once.
#[track_caller]
fn exercise(problem: &Value) -> Exercise {
    let limits = Limits::default();
    let mut faults = Faults::new(10);
    let text = problem.to_string();
    let problem = decode(json::parse(text.as_bytes(), &limits).expect("JSON"), &limits, &[], &mut faults);
    let lowered = lower(problem, Need::Loss, &limits, &mut faults);
    assert!(faults.is_empty(), "{faults:?}");
    let lowered = lowered.expect("a network");
    let parts = Parts::of(&lowered);
    Exercise::new(lowered, parts, || Ok::<(), ()>(())).expect("nobody stops it")
}

/// What is found of these claims. `grade` holds the tolerance and the like.
#[track_caller]
fn findings(problem: &Value, claims: &Value, grade: &Value) -> Vec<Finding> {
    let (limits, mut faults) = (Limits::default(), Faults::new(10));
    let exercise = exercise(problem);
    let text = grade.to_string();
    let grade = json::parse(text.as_bytes(), &limits).expect("JSON");
    let mut fields = Fields::of(grade, At::ROOT, &mut faults).expect("an object");
    let policy = Policy::read(&mut fields, At::ROOT, &exercise.parts, &mut faults).expect("a policy");
    let text = claims.to_string();
    let claims = Claims::read(json::parse(text.as_bytes(), &limits).expect("JSON"), &exercise.parts, Layout::RowMajor);
    assert!(claims.extra.is_empty() && claims.malformed.is_empty(), "{claims:?}");
    let judge = Judge::new(&exercise, &policy);
    let judgement = judge.judge(&claims);
    diagnose(&judge, &claims, &judgement, &Predictions::default(), || Ok::<(), ()>(())).expect("nobody stops it").findings
}

/// A finding in words: "`path_missing` at z5".
fn words(finding: &Finding) -> String {
    let one = |name: &str, site: &Site, detail: &Option<String>| {
        let detail = detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
        format!("{name} {}{detail}", site.words())
    };
    let first = one(finding.mistake.name, &finding.site, &finding.detail);
    match &finding.with {
        None => first,
        Some((mistake, site, detail)) => format!("{first} + {}", one(mistake.name, site, detail)),
    }
}

/// The mistake, at this site in words, is among the findings, and none of the findings is a pair.
#[track_caller]
fn is_found(problem: &Value, claims: &Value, grade: &Value, expected: &str) {
    let found: Vec<String> = findings(problem, claims, grade).iter().map(words).collect();
    assert!(found.iter().any(|found| found == expected), "{expected} is not among {found:#?}");
    assert!(found.iter().all(|found| !found.contains(" + ")), "{found:#?}");
}

/// Mazur's network (2015): 2-2-2, sigmoids, `E = Σ ½(t − o)²`.
fn mazur() -> Value {
    json!({
        "network": {"inputs": ["i1", "i2"], "nodes": [
            {"id": "h1", "op": "neuron", "inputs": {"i1": 0.15, "i2": 0.20}, "bias": 0.35, "activation": "sigmoid"},
            {"id": "h2", "op": "neuron", "inputs": {"i1": 0.25, "i2": 0.30}, "bias": 0.35, "activation": "sigmoid"},
            {"id": "o1", "op": "neuron", "inputs": {"h1": 0.40, "h2": 0.45}, "bias": 0.60, "activation": "sigmoid"},
            {"id": "o2", "op": "neuron", "inputs": {"h1": 0.50, "h2": 0.55}, "bias": 0.60, "activation": "sigmoid"}]},
        "batch": {"inputs": {"i1": [0.05], "i2": [0.10]}, "targets": [[0.01, 0.99]]},
        "loss": {"op": "squared_error", "of": ["o1", "o2"], "factor": 0.5}
    })
}

const MAZUR_EDGES: [&str; 8] = ["i1->h1", "i2->h1", "i1->h2", "i2->h2", "h1->o1", "h2->o1", "h1->o2", "h2->o2"];
/// The second layer's gradients where they are right.
const RIGHT: [f64; 4] = [0.082167041, 0.082667628, -0.022602540, -0.022740242];

#[track_caller]
fn mazur_row(first: [f64; 4], second: [f64; 4], expected: &str) {
    let numbers = first.into_iter().chain(second);
    let gradients: serde_json::Map<String, Value> =
        MAZUR_EDGES.iter().zip(numbers).map(|(name, number)| ((*name).to_owned(), json!(number))).collect();
    is_found(&mazur(), &json!({"gradients": gradients}), &json!({}), expected);
}

/// The mutation table of the facts page, computed there without this code and printed to nine places.
#[test]
fn mazur_mutations() {
    mazur_row([-0.000438568, -0.000877135, -0.000497713, -0.000995425], RIGHT.map(|x| -x), "sign_flipped everywhere");
    mazur_row(
        [0.002268350, 0.004536701, 0.002577270, 0.005154539],
        [0.439829649, 0.442509229, -0.128782028, -0.129566608],
        "activation_derivative_missing at o1, o2",
    );
    mazur_row([0.001817515, 0.003635031, 0.002068516, 0.004137032], RIGHT, "activation_derivative_missing at h1, h2");
    mazur_row(
        [-0.000056742, -0.000113485, -0.000073685, -0.000147370],
        [-0.051513746, -0.051827584, 0.035480871, 0.035697031],
        "derivative_at_pre_activation everywhere",
    );
    mazur_row(
        [0.000471425, 0.000942851, 0.000536513, 0.001073026],
        [0.095789770, 0.096373351, -0.027828159, -0.027997697],
        "derivative_at_output everywhere",
    );
    let first = [0.000438568, 0.000877135, 0.000497713, 0.000995425];
    let second = [0.052283207, 0.054360685, -0.014382084, -0.014953558];
    mazur_row(first, second, "pre_activation_in_weight_gradient everywhere");
    mazur_row([0.000461551, 0.000923101, 0.000581024, 0.001162049], RIGHT, "weight_not_transposed at o1, o2");
    mazur_row([0.000364723, 0.000729446, 0.000423630, 0.000847259], RIGHT, "stale_weights at o1, o2 (η = 0.5)");
    mazur_row(
        [-0.000229828, -0.000459657, -0.000252091, -0.000504182],
        RIGHT,
        "last_path_only at h1, h2 (only the last one is kept)",
    );
    mazur_row(
        [0.000668396, 0.001336792, 0.000749804, 0.001499608],
        RIGHT,
        "last_path_only at h1, h2 (only the first one is kept)",
    );
    mazur_row([0.001211333, 0.002422667, 0.001207883, 0.002415767], RIGHT, "weight_omitted at o1, o2");
}

/// `{"gradients": …, "trace": …}` must be this mistake, to nine digits.
#[track_caller]
fn exactly(problem: &Value, claims: &Value, expected: &str) {
    is_found(problem, claims, &json!({"tolerance": {"rtol": 1e-9, "atol": 1e-15}}), expected);
}

/// `x → h → y`, both tanh, `E = (y − t)²`, and what is wrong with it.
struct Chain {
    w1: f64,
    w2: f64,
    /// The slope at h, of its a and z.
    slope_h: fn(f64, f64) -> f64,
    slope_y: fn(f64, f64) -> f64,
    /// What multiplies dE/da of y in dw2, of h's a and z.
    reads: fn(f64, f64) -> f64,
    /// What dE/da of y is multiplied by to be dE/dz of h, of w2 and dw2.
    back: fn(f64, f64) -> f64,
}

const TANH: fn(f64, f64) -> f64 = |_, z| 1.0 - z * z;
const CHAIN: Chain = Chain { w1: 0.7, w2: -1.1, slope_h: TANH, slope_y: TANH, reads: |_, z| z, back: |w, _| w };

impl Chain {
    fn problem(&self, own_nodes: bool) -> Value {
        let nodes = if own_nodes {
            json!([
                {"id": "p", "op": "neuron", "inputs": {"x": self.w1}, "bias": 0.2},
                {"id": "h", "op": "tanh", "inputs": ["p"]},
                {"id": "q", "op": "neuron", "inputs": {"h": self.w2}, "bias": -0.4},
                {"id": "y", "op": "tanh", "inputs": ["q"]}])
        } else {
            json!([
                {"id": "h", "op": "neuron", "inputs": {"x": self.w1}, "bias": 0.2, "activation": "tanh"},
                {"id": "y", "op": "neuron", "inputs": {"h": self.w2}, "bias": -0.4, "activation": "tanh"}])
        };
        json!({
            "network": {"inputs": ["x"], "nodes": nodes},
            "batch": {"inputs": {"x": [0.9, -0.3]}, "targets": [[0.25], [-0.6]]},
            "loss": {"op": "squared_error", "of": ["y"], "reduction": "sum"}
        })
    }

    /// dw1, dw2, summed over the two samples.
    fn gradients(&self) -> [f64; 2] {
        let (mut dw1, mut dw2) = (0.0, 0.0);
        let samples = [(0.9_f64, 0.25), (-0.3, -0.6)].map(|(x, t)| {
            let a1 = self.w1 * x + 0.2;
            let h = a1.tanh();
            let a2 = self.w2 * h - 0.4;
            let y = a2.tanh();
            let delta = 2.0 * (y - t) * (self.slope_y)(a2, y);
            dw2 += delta * (self.reads)(a1, h);
            (x, a1, h, delta)
        });
        for (x, a1, h, delta) in samples {
            dw1 += delta * (self.back)(self.w2, dw2) * (self.slope_h)(a1, h) * x;
        }
        [dw1, dw2]
    }

    #[track_caller]
    fn is(&self, expected: &str) {
        let [dw1, dw2] = self.gradients();
        exactly(&self.problem(false), &json!({"gradients": {"x->h": dw1, "h->y": dw2}}), expected);
        let expected = if expected.starts_with("pre_a") || expected.starts_with("we") || expected.starts_with("stale") {
            expected.replace(" y", " q")
        } else {
            expected.to_owned()
        };
        exactly(&self.problem(true), &json!({"gradients": {"x->p": dw1, "h->q": dw2}}), &expected);
    }
}

/// Each as a neuron's activation and as a node of its own.
#[test]
fn a_chain_of_two_neurons() {
    let right = CHAIN.gradients();
    let claims = json!({"gradients": {"x->h": right[0], "h->y": right[1]}});
    assert!(findings(&CHAIN.problem(false), &claims, &json!({"tolerance": {"rtol": 1e-9}})).is_empty());
    Chain { slope_h: |_, _| 1.0, ..CHAIN }.is("activation_derivative_missing at h");
    Chain { slope_y: |_, _| 1.0, ..CHAIN }.is("activation_derivative_missing at y");
    Chain { slope_y: |_, _| 1.0, slope_h: |_, _| 1.0, ..CHAIN }.is("activation_derivative_missing everywhere");
    Chain { slope_y: |a, _| 1.0 - a * a, ..CHAIN }.is("derivative_at_pre_activation at y");
    Chain { slope_h: |_, z| 1.0 - z.tanh() * z.tanh(), ..CHAIN }.is("derivative_at_output at h");
    Chain { slope_h: |_, z| z * (1.0 - z), ..CHAIN }.is("wrong_activation_derivative at h (the sigmoid's z(1 − z))");
    let slope: fn(f64, f64) -> f64 = |a, _| (-a).exp() / ((1.0 + (-a).exp()) * (1.0 + (-a).exp()));
    Chain { slope_h: slope, slope_y: slope, ..CHAIN }.is("wrong_activation_derivative everywhere (the sigmoid's, at a)");
    Chain { slope_y: |_, _| 0.5, ..CHAIN }.is("output_delta_shortcut everywhere (y − t)");
    Chain { slope_h: |_, z| z * z - 1.0, ..CHAIN }.is("sign_flipped at h");
    Chain { reads: |a, _| a, ..CHAIN }.is("pre_activation_in_weight_gradient everywhere");
    Chain { back: |_, _| 1.0, ..CHAIN }.is("weight_omitted at y");
    Chain { back: |w, dw| w - 0.1 * dw, ..CHAIN }.is("stale_weights at y (η = 0.1)");
    Chain { back: |w, dw| w - 0.037 * dw, ..CHAIN }.is("stale_weights everywhere (η = 0.037)");
}

/// `u = 2x` gives input to `v = 3u` and `w = 5u`, and to the loss itself: `E = u + v·w`, so `dE/du = 1 + 3·w + 5·v`.
#[test]
fn paths_meet() {
    let problem = json!({
        "network": {"inputs": ["x"], "nodes": [
            {"id": "u", "op": "neuron", "inputs": {"x": 2.0}},
            {"id": "v", "op": "neuron", "inputs": {"u": 3.0}},
            {"id": "w", "op": "neuron", "inputs": {"u": 5.0}},
            {"id": "m", "op": "mul", "inputs": ["v", "w"]},
            {"id": "e", "op": "add", "inputs": ["u", "m"]}]},
        "batch": {"inputs": {"x": [0.5]}},
        "loss": {"op": "sum", "of": "e"}
    });
    // u = 1, v = 3, w = 5: dE/du = 1 + 3·5 + 5·3 = 31 and dE/dw_u = 0.5·31.
    let claim = |dw: f64| json!({"gradients": {"x->u": dw, "u->v": 5.0, "u->w": 3.0}});
    assert!(findings(&problem, &claim(15.5), &json!({})).is_empty());
    exactly(&problem, &claim(0.5 * 16.0), "path_missing on the edge u->v");
    exactly(&problem, &claim(0.5 * 16.0), "path_missing on the edge u->w");
    exactly(&problem, &claim(0.5 * 30.0), "path_missing on the edge u->e");
    exactly(&problem, &claim(0.5 * 46.0), "path_counted_twice on the edge u->v");
    exactly(&problem, &claim(0.5 * 32.0), "path_counted_twice on the edge u->e");
    exactly(&problem, &claim(0.5), "last_path_only everywhere (only the last one is kept)");
    exactly(&problem, &claim(7.5), "last_path_only everywhere (only the first one is kept)");
}

/// `E = c·(c·x)`: `dE/dc = c·x + x·c`, one term a use.
#[test]
fn a_shared_weight() {
    let problem = json!({
        "network": {"inputs": ["x"], "nodes": [
            {"id": "u", "op": "neuron", "inputs": {"x": "c"}},
            {"id": "v", "op": "neuron", "inputs": {"u": "c"}},
            {"id": "e", "op": "neuron", "inputs": {"v": "c", "u": 1.0}}]},
        "parameters": {"c": 3.0},
        "batch": {"inputs": {"x": [0.5]}},
        "loss": {"op": "sum", "of": "e"}
    });
    // e = c³x + cx: at e c²x = 4.5, at v c·c·x = 4.5, at u (c² + 1)·x = 5.
    let claim = |dc: f64| json!({"gradients": {"c": dc}});
    assert!(findings(&problem, &claim(14.0), &json!({})).is_empty());
    exactly(&problem, &claim(5.0), "shared_parameter_partial in c (only the use at u is counted)");
    exactly(&problem, &claim(4.5), "shared_parameter_partial in c (only the use at v is counted)");
    exactly(&problem, &claim(9.5), "shared_parameter_partial in c (the use at v is not counted)");
    exactly(&problem, &claim(9.0), "shared_parameter_partial in c (the use at u is not counted)");
}

/// Three probabilities p = softmax(a): with `δ_c = p_c(1 − p_c)·dE/dp_c`, as own node, as an activation, and under cross-entropy.
#[test]
fn softmax_without_its_other_entries() {
    let x = [1.0_f64, 2.0];
    let w: [[f64; 2]; 3] = [[0.3, -0.2], [0.1, 0.4], [-0.5, 0.2]];
    let a = w.map(|row| row[0] * x[0] + row[1] * x[1]);
    let sum: f64 = a.iter().map(|a| a.exp()).sum();
    let p = a.map(|a| a.exp() / sum);
    let t = [0.2, 0.7, 0.1];
    let outer = |delta: [f64; 3]| json!({"gradients": {"a.weight": delta.map(|d| [d * x[0], d * x[1]])}});
    let problem = |activation: &str, tail: Value, of: &str, loss: &str, targets: Value| {
        let mut first = json!({"id": "a", "op": "linear", "inputs": ["x"], "weight": w, "bias": false});
        if !activation.is_empty() {
            first["activation"] = json!(activation);
        }
        let mut nodes = vec![first];
        nodes.extend(tail.as_array().expect("a list").iter().cloned());
        json!({
            "network": {"inputs": {"x": [2]}, "nodes": nodes},
            "batch": {"inputs": {"x": [x]}, "targets": targets},
            "loss": {"op": loss, "of": of, "reduction": "sum"}
        })
    };
    let squared = [0, 1, 2].map(|c| p[c] * (1.0 - p[c]) * 2.0 * (p[c] - t[c]));
    let composed = problem("softmax", json!([]), "a", "squared_error", json!([t]));
    exactly(&composed, &outer(squared), "softmax_diagonal_only everywhere");
    let own = problem("", json!([{"id": "p", "op": "softmax", "inputs": ["a"]}]), "p", "squared_error", json!([t]));
    exactly(&own, &outer(squared), "softmax_diagonal_only everywhere");
    let forgotten = [0, 1, 2].map(|c| 2.0 * (p[c] - t[c]));
    exactly(&own, &outer(forgotten), "activation_derivative_missing everywhere");
    let logits = problem("", json!([]), "a", "cross_entropy", json!([1]));
    let diagonal = [0.0, -(1.0 - p[1]), 0.0];
    exactly(&logits, &outer(diagonal), "softmax_diagonal_only everywhere");
    let extra = [0, 1, 2].map(|c| (p[c] - f64::from(u8::from(c == 1))) * p[c] * (1.0 - p[c]));
    exactly(&logits, &outer(extra), "output_delta_shortcut everywhere (with an extra y(1 − y))");
}

/// Two square layers without activations over one sample: `y = V·W·x`, `E = Σ½(y − t)²`.
#[test]
fn square_layers() {
    let (w, v) = ([[0.3, -0.2], [0.1, 0.4]], [[0.6, 0.5], [-0.7, 0.2]]);
    let (x, t) = ([1.0, 2.0], [0.5, -0.5]);
    let times = |m: [[f64; 2]; 2], x: [f64; 2]| m.map(|row| row[0] * x[0] + row[1] * x[1]);
    let transposed = |m: [[f64; 2]; 2]| [[m[0][0], m[1][0]], [m[0][1], m[1][1]]];
    let outer = |d: [f64; 2], z: [f64; 2]| d.map(|d| [d * z[0], d * z[1]]);
    let h = times(w, x);
    let y = times(v, h);
    let delta = [y[0] - t[0], y[1] - t[1]];
    let problem = json!({
        "network": {"inputs": {"x": [2]}, "layers": [
            {"id": "f", "op": "linear", "weight": w, "bias": false},
            {"id": "g", "op": "linear", "weight": v, "bias": false}]},
        "batch": {"inputs": {"x": [x]}, "targets": [t]},
        "loss": {"op": "squared_error", "of": "g", "factor": 0.5}
    });
    let neurons = json!({
        "network": {"inputs": ["x1", "x2"], "nodes": [
            {"id": "f1", "op": "neuron", "inputs": {"x1": w[0][0], "x2": w[0][1]}},
            {"id": "f2", "op": "neuron", "inputs": {"x1": w[1][0], "x2": w[1][1]}},
            {"id": "g1", "op": "neuron", "inputs": {"f1": v[0][0], "f2": v[0][1]}},
            {"id": "g2", "op": "neuron", "inputs": {"f1": v[1][0], "f2": v[1][1]}}]},
        "batch": {"inputs": {"x1": [x[0]], "x2": [x[1]]}, "targets": [t]},
        "loss": {"op": "squared_error", "of": ["g1", "g2"], "factor": 0.5}
    });
    let check = |dv: [[f64; 2]; 2], below: [f64; 2], expected: &str, expected_of_neurons: &str| {
        let dw = outer(below, x);
        exactly(&problem, &json!({"gradients": {"f.weight": dw, "g.weight": dv}}), expected);
        let claims = json!({"gradients": {
            "x1->f1": dw[0][0], "x2->f1": dw[0][1], "x1->f2": dw[1][0], "x2->f2": dw[1][1],
            "f1->g1": dv[0][0], "f2->g1": dv[0][1], "f1->g2": dv[1][0], "f2->g2": dv[1][1]}});
        exactly(&neurons, &claims, expected_of_neurons);
    };
    let dv = outer(delta, h);
    let back = times(transposed(v), delta);
    check(dv, times(v, delta), "weight_not_transposed at g", "weight_not_transposed at g1, g2");
    check(dv, [delta[0] + delta[1]; 2], "weight_omitted at g", "weight_omitted at g1, g2");
    let identity = "each to the one node at the same place";
    check(dv, delta, &format!("weight_omitted at g ({identity})"), &format!("weight_omitted at g1, g2 ({identity})"));
    let detail = "W of the layer before";
    let before = times(transposed(w), delta);
    check(dv, before, &format!("layer_off_by_one everywhere ({detail})"), &format!("layer_off_by_one everywhere ({detail})"));
    let detail = "z of the layer before";
    let shifted = outer(delta, x);
    check(shifted, back, &format!("layer_off_by_one everywhere ({detail})"), &format!("layer_off_by_one everywhere ({detail})"));
    let stale = [0, 1].map(|i| [0, 1].map(|j| v[i][j] - 0.37 * dv[i][j]));
    let stale = times(transposed(stale), delta);
    check(dv, stale, "stale_weights at g (η = 0.37)", "stale_weights at g1, g2 (η = 0.37)");
    // One edge alone: f1 receives delta of g1 without its weight.
    let claims = |below: [f64; 2]| {
        let dw = outer(below, x);
        json!({"gradients": {"x1->f1": dw[0][0], "x2->f1": dw[0][1], "x1->f2": dw[1][0], "x2->f2": dw[1][1]}})
    };
    exactly(&neurons, &claims([delta[0] + v[1][0] * delta[1], back[1]]), "weight_omitted on the edge f1->g1");
}

/// A classifier, whose layers are not square: every mistake is tried on it, and there are not more than can be run.
#[test]
fn a_classifier_of_two_layers() {
    let row = |n: usize, scale: usize| -> Vec<f64> { (0..n).map(|i| ((i * 7 + scale) % 11) as f64 / 10.0 - 0.5).collect() };
    let matrix = |rows: usize, columns: usize| -> Vec<Vec<f64>> { (0..rows).map(|r| row(columns, 3 * r + 1)).collect() };
    let problem = json!({
        "network": {"inputs": {"x": [64]}, "layers": [
            {"id": "f", "op": "linear", "weight": matrix(32, 64), "bias": row(32, 2), "activation": "relu"},
            {"id": "g", "op": "linear", "weight": matrix(10, 32), "bias": row(10, 5)}]},
        "batch": {"inputs": {"x": matrix(8, 64)}, "targets": [0, 1, 2, 3, 4, 5, 6, 7]},
        "loss": {"op": "cross_entropy", "of": "g"}
    });
    assert!(
        findings(&problem, &json!({"loss": 1e9}), &json!({})).is_empty(),
        "no mistake of the backward rules changes the loss"
    );
    let exercise = exercise(&problem);
    let count = Predictions::default().of(&exercise).len();
    assert!((20..200).contains(&count), "{count} hypotheses");
}
