//! Each mistake against numbers that the grader did not make: published ones, and small examples worked out by plain formulas.

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

/// What is found of these claims. `grade` holds the tolerance and the like.
#[track_caller]
fn findings(problem: &Value, claims: &Value, grade: &Value) -> Vec<Finding> {
    let limits = Limits::default();
    let mut faults = Faults::new(10);
    let text = problem.to_string();
    let problem = decode(json::parse(text.as_bytes(), &limits).expect("JSON"), &limits, &[], &mut faults);
    let lowered = lower(problem, Need::Loss, &limits, &mut faults);
    assert!(faults.is_empty(), "{faults:?}");
    let lowered = lowered.expect("a network");
    let parts = Parts::of(&lowered);
    let text = grade.to_string();
    let grade = json::parse(text.as_bytes(), &limits).expect("JSON");
    let mut fields = Fields::of(grade, At::ROOT, &mut faults).expect("an object");
    let policy = Policy::read(&mut fields, At::ROOT, &parts, &mut faults).expect("a policy");
    let text = claims.to_string();
    let claims = Claims::read(json::parse(text.as_bytes(), &limits).expect("JSON"), &parts, Layout::RowMajor);
    assert!(claims.extra.is_empty() && claims.malformed.is_empty(), "{claims:?}");
    let exercise = Exercise::new(lowered, parts, || Ok::<(), ()>(())).expect("nobody stops it");
    let judge = Judge::new(&exercise, &policy);
    let judgement = judge.judge(&claims);
    diagnose(&judge, &claims, &judgement, &Predictions::default(), || Ok::<(), ()>(())).expect("nobody stops it").findings
}

/// A finding in words: "path_missing at z5".
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
