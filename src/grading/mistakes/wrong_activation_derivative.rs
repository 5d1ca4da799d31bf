//! Another activation's derivative: the sigmoid's for tanh, relu's for elu.

use super::rules::{Rule, elementwise};
use super::{Hypothesis, Mistake, activation_sites};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "wrong_activation_derivative",
    student: "The derivative {where} belongs to another activation than the one that is there.",
    instructor: "Another activation's derivative is used {where}.",
    section: "1.9 The problem of gradient flow: the derivative of the activation",
    fitted: false,
    hypotheses: |exercise, _| {
        let graph = &exercise.lowered.graph;
        let mut all = Vec::new();
        for slope in SLOPES {
            let fits = |op: crate::graph::NodeId| graph.nodes()[op.index()].op.as_ref().is_some_and(|op| op.name() != slope.of);
            for (site, ops) in activation_sites(exercise, |activation| activation.elementwise && fits(activation.op)) {
                let rule = Rule::new(ops, |step, x_bar| elementwise(step, x_bar, slope.at));
                all.push(Hypothesis::particular(site, slope.detail, rule));
            }
        }
        all
    },
};

/// A derivative that students know.
struct Slope {
    /// Whose it is.
    of: &'static str,
    detail: &'static str,
    /// As a function of a and z.
    at: fn(f64, f64) -> f64,
}

const SLOPES: &[Slope] = &[
    Slope { of: "sigmoid", detail: "the sigmoid's z(1 − z)", at: |_, z| z * (1.0 - z) },
    Slope { of: "tanh", detail: "tanh's 1 − z²", at: |_, z| 1.0 - z * z },
    Slope { of: "sigmoid", detail: "the sigmoid's, at a", at: |a, _| sigmoid(a) * sigmoid(-a) },
    Slope { of: "tanh", detail: "tanh's, at a", at: |a, _| 4.0 * sigmoid(2.0 * a) * sigmoid(-2.0 * a) },
    Slope { of: "relu", detail: "relu's", at: |a, _| if a > 0.0 { 1.0 } else { 0.0 } },
    Slope { of: "leaky_relu", detail: "leaky relu's", at: |a, _| if a > 0.0 { 1.0 } else { 0.01 } },
    Slope { of: "softplus", detail: "softplus's, which is the sigmoid", at: |a, _| sigmoid(a) },
    Slope { of: "elu", detail: "elu's", at: |a, _| if a > 0.0 { 1.0 } else { a.exp() } },
    Slope { of: "silu", detail: "silu's", at: |a, _| sigmoid(a) * (1.0 + a * sigmoid(-a)) },
];

fn sigmoid(a: f64) -> f64 {
    1.0 / (1.0 + (-a).exp())
}
