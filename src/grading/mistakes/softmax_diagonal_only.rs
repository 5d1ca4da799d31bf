//! `∂p_c/∂a_c = p_c(1 − p_c)` alone: the other entries of softmax's Jacobian, `−p_c·p_k`, are left out.

use super::rules::{Rule, elementwise, softmax};
use super::{Hypothesis, Mistake};
use crate::grading::change::Step;
use crate::grading::exercise::Exercise;
use crate::grading::site::Site;
use crate::graph::NodeId;
use crate::ops::{Cotangents, CrossEntropy, Of, as_op};
use crate::tensor::Tensor;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "softmax_diagonal_only",
    student: "Every probability of a softmax depends on every pre-activation: ∂p_c/∂a_k = p_c([c = k] − p_k). You used only p_c(1 − p_c) {where}, the terms with c = k.",
    instructor: "Only the diagonal of the softmax's Jacobian is used {where}.",
    section: "1.5 Backprop: dE/dz_k is a sum over all that z_k gives input to",
    fitted: false,
    hypotheses: |exercise, _| {
        let all = softmaxes(exercise);
        let single = all.iter().filter(|_| all.len() > 1).map(|(site, op)| (site.clone(), vec![*op]));
        let everywhere = (Site::Everywhere, all.iter().map(|(_, op)| *op).collect::<Vec<_>>());
        let sites = std::iter::once(everywhere).filter(|_| !all.is_empty()).chain(single);
        sites.map(|(site, ops)| Hypothesis::new(site, Rule::new(ops, diagonal))).collect()
    },
};

/// Nodes that are a softmax or its logarithm, and the one within a cross-entropy of logits.
fn softmaxes(exercise: &Exercise) -> Vec<(Site, NodeId)> {
    let activations = exercise.wiring.activations.iter().enumerate();
    let soft = activations.filter_map(|(node, activation)| {
        let activation = activation.filter(|activation| !activation.elementwise)?;
        Some((Site::nodes(exercise, &[node]), activation.op))
    });
    let graph = &exercise.lowered.graph;
    let of_logits = exercise.places.loss.ops.iter().filter(|&&op| {
        let op = graph.nodes()[op].op.as_ref().and_then(|op| as_op::<CrossEntropy>(op.as_ref()));
        op.is_some_and(|op| op.of == Of::Logits)
    });
    soft.chain(of_logits.map(|&op| (Site::nodes(exercise, &exercise.outputs()), graph.id(op)))).collect()
}

fn diagonal(step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) {
    match step.op.name() {
        "softmax" => elementwise(step, x_bar, |_, p| p * (1.0 - p)),
        "log_softmax" => elementwise(step, x_bar, |_, log_p| 1.0 - log_p.exp()),
        _ => x_bar.give(0, of_cross_entropy(step)),
    }
}

/// `−q_c/p_c · p_c(1 − p_c)`, over axis 1.
fn of_cross_entropy(step: Step<'_>) -> Tensor<f64> {
    let (p, q) = (softmax(step.at.x[0]), step.at.x[1].data());
    let size = p.shape().sample_size().max(1);
    let bar = |(at, p): (usize, &f64)| -step.y_bar.data()[at / size] * q[at] * (1.0 - p);
    Tensor::new(p.shape(), p.data().iter().enumerate().map(bar).collect())
}
