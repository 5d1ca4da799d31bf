//! `a(1 − a)` for `z(1 − z)`, `1 − a²` for `1 − z²`: a derivative that is written in terms of the output is given the pre-activation.

use super::rules::{Rule, elementwise};
use super::{Hypothesis, Mistake, activation_sites};
use crate::grading::change::Step;
use crate::ops::{Cotangents, Point, Scalar};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "derivative_at_pre_activation",
    student: "The derivative of the activation is taken of the wrong number {where}: the formula z(1 − z) (or 1 − z²) wants the output z = g(a), and you put the pre-activation a into it.",
    instructor: "The activation's derivative, a formula in the output z, is evaluated at the pre-activation a {where}.",
    section: "1.9 The problem of gradient flow: tanh′(a) = 1 − tanh²(a)",
    fitted: false,
    hypotheses: |exercise, _| {
        let sites = activation_sites(exercise, |_| true).into_iter();
        sites.map(|(site, ops)| Hypothesis::new(site, Rule::new(ops, at_pre_activation))).collect()
    },
};

fn at_pre_activation(step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) {
    match step.op.name() {
        "sigmoid" => elementwise(step, x_bar, |a, _| a * (1.0 - a)),
        "tanh" => elementwise(step, x_bar, |a, _| 1.0 - a * a),
        // Rules that read their output are such formulas; others do not look at it.
        _ => f64::op(step.op).vjp(Point { y: step.at.x[0], ..step.at }, step.y_bar, x_bar),
    }
}
