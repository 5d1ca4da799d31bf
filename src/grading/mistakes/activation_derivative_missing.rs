//! `dE/da = dE/dz`: the activation's derivative is forgotten.

use super::rules::Rule;
use super::{Hypothesis, Mistake, activation_sites};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "activation_derivative_missing",
    student: "The derivative of the activation is missing {where}: dE/da = dE/dz · g′(a), by the chain rule through the activation.",
    instructor: "dE/da equals dE/dz {where}.",
    section: "1.5 Backprop: ∂z₂/∂z₅ = g′(…)·w₂₅",
    fitted: false,
    hypotheses: |exercise, _| {
        let forgotten = |ops| Rule::new(ops, |step, x_bar| x_bar.give(0, step.y_bar.clone()));
        activation_sites(exercise, |_| true).into_iter().map(|(site, ops)| Hypothesis::new(site, forgotten(ops))).collect()
    },
};
