//! `g′(z)` for `g′(a)`: the activation's derivative is taken at its output, as if the activation had been applied twice.

use super::rules::Rule;
use super::{Hypothesis, Mistake, activation_sites};
use crate::grading::change::Step;
use crate::ops::{Cotangents, Point, Scalar};

pub(super) const MISTAKE: Mistake = Mistake {
    name: "derivative_at_output",
    student: "The derivative of the activation is taken at the wrong point {where}: g′ belongs at the pre-activation a, and you took it at the output, g′(z) = g′(g(a)).",
    instructor: "g′ is evaluated at z instead of a {where}, so that the activation is applied twice.",
    section: "1.5 Backprop: ∂z₂/∂z₅ = g′(w₂₄z₄ + w₂₅z₅)·w₂₅",
    fitted: false,
    hypotheses: |exercise, _| {
        let sites = activation_sites(exercise, |_| true).into_iter();
        sites.map(|(site, ops)| Hypothesis::new(site, Rule::new(ops, at_output))).collect()
    },
};

fn at_output(step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) {
    let z = [step.at.y];
    let again = f64::op(step.op).forward(&z);
    f64::op(step.op).vjp(Point { x: &z, y: &again, ..step.at }, step.y_bar, x_bar);
}
