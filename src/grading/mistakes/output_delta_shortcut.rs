//! `δ = y − t`, which is right for a softmax or sigmoid under its cross-entropy, with another loss; and `(y − t)·y(1 − y)`, which is
//! another loss's, with cross-entropy.

use super::rules::{Rule, softmax};
use super::{Hypothesis, Mistake, activation_sites};
use crate::grading::change::{Change, Step};
use crate::grading::exercise::Exercise;
use crate::grading::site::Site;
use crate::graph::NodeId;
use crate::losses::TargetLeaf;
use crate::ops::{AnyOp, Cotangents, CrossEntropy, Of, as_op};
use crate::tensor::Tensor;

pub(super) const MISTAKE: Mistake = Mistake {
    name: "output_delta_shortcut",
    student: "δ = y − t holds for a softmax (or sigmoid) under its cross-entropy, and there it is all: the activation's derivative has cancelled. With your loss dE/da at the outputs is another one {where}; derive it by the chain rule.",
    instructor: "The δ of another pair of loss and activation is used at the outputs {where}.",
    section: "1.1 Recap: example loss, and 1.5 Backprop, step 1",
    fitted: false,
    hypotheses: |exercise, _| {
        let mut all = Vec::new();
        let slope = "with an extra y(1 − y)";
        for op in exercise.places.loss.ops.iter().map(|&op| exercise.lowered.graph.id(op)) {
            if op_of(exercise, op).is_some_and(fuses) {
                all.push(Hypothesis::particular(Site::Everywhere, slope, Rule::new(vec![op], extra)));
                all.extend(extra_at_one(exercise, op).into_iter().map(|(site, rule)| Hypothesis::particular(site, slope, rule)));
            } else if measures_distance(exercise) && op_of(exercise, op).is_some_and(|op| op.name() == "sub") {
                all.extend(differences(exercise, op));
            }
        }
        let outputs = outputs(exercise);
        for (site, ops) in activation_sites(exercise, |activation| outputs.iter().any(|(_, op)| *op == activation.op)) {
            if ops.iter().all(|&op| is_canonical(exercise, op)) {
                all.push(Hypothesis::particular(site, slope, Rule::new(ops, extra)));
                continue;
            }
            for elements in divisors(exercise) {
                let shortcuts: Option<Vec<_>> = ops.iter().map(|&op| shortcut(exercise, &outputs, op, elements)).collect();
                let Some(shortcuts) = shortcuts else { continue };
                let change = Rule::new(ops.clone(), move |step, x_bar| {
                    let found = shortcuts.iter().find(|(op, _)| *op == step.node);
                    found.iter().for_each(|(_, delta)| x_bar.give(0, delta.clone()));
                });
                all.push(Hypothesis::particular(site.clone(), "y − t", change));
            }
        }
        all.extend(at_bare_outputs(exercise));
        all
    },
};

/// Where some outputs have no activation: dE/dz of those is right, and y − t goes on from there, as from the others.
fn at_bare_outputs(exercise: &Exercise) -> Vec<Hypothesis> {
    let nodes = exercise.outputs();
    let activations = &exercise.wiring.activations;
    if nodes.iter().all(|&node| activations[node].is_some()) {
        return Vec::new();
    }
    let at = |&node: &usize| (node, activations[node].map_or(exercise.lowered.nodes[node].z, |activation| activation.op));
    let outputs: Vec<(usize, NodeId)> = nodes.iter().map(at).collect();
    let bare: Vec<NodeId> = outputs.iter().filter(|(node, _)| activations[*node].is_none()).map(|(_, op)| *op).collect();
    let hypothesis = |elements: f64| {
        let shortcuts = outputs.iter().map(|&(_, op)| shortcut(exercise, &outputs, op, elements));
        let shortcuts: Vec<_> = shortcuts.collect::<Option<_>>()?;
        let bare = bare.clone();
        let change =
            Rule::new(outputs.iter().map(|(_, op)| *op).collect(), move |step: Step<'_>, x_bar: &mut Cotangents<'_, f64>| {
                let Some((op, delta)) = shortcuts.iter().find(|(op, _)| *op == step.node) else { return };
                if !bare.contains(op) {
                    return x_bar.give(0, delta.clone());
                }
                for (input, bar) in (Step { y_bar: delta, ..step }).right(|input| x_bar.wants(input)).into_iter().enumerate() {
                    if let Some(bar) = bar {
                        x_bar.give(input, bar);
                    }
                }
            });
        Some(Hypothesis::particular(Site::nodes(exercise, &nodes), "y − t after the outputs", change))
    };
    divisors(exercise).into_iter().filter_map(hypothesis).collect()
}

fn op_of(exercise: &Exercise, op: NodeId) -> Option<&dyn AnyOp> {
    exercise.lowered.graph.nodes()[op.index()].op.as_deref()
}

fn loss(exercise: &Exercise) -> &'static str {
    exercise.lowered.objective.as_ref().map_or("", |objective| objective.echo.op)
}

/// Whether a loss's op has the softmax or sigmoid within it.
fn fuses(op: &dyn AnyOp) -> bool {
    op.name() == "bce_with_logits" || as_op::<CrossEntropy>(op).is_some_and(|op| op.of == Of::Logits)
}

/// Whether the derivative by the output is another function of `y − t`, not that itself or a multiple of it.
fn measures_distance(exercise: &Exercise) -> bool {
    matches!(loss(exercise), "l1" | "smooth_l1" | "huber")
}

/// What a sample's loss may be divided by: its number of elements, where a mean is taken over them, or nothing.
fn divisors(exercise: &Exercise) -> Vec<f64> {
    let Some(objective) = &exercise.lowered.objective else { return Vec::new() };
    let elements = exercise.value(target(&objective.targets).unwrap_or(objective.losses)).shape().sample_size();
    let over_elements = matches!(objective.echo.op, "mse" | "l1" | "smooth_l1" | "huber" | "bce");
    let mean = objective.echo.reduction == crate::spec::problem::Reduction::Mean;
    if over_elements && mean && elements > 1 { vec![elements as f64, 1.0] } else { vec![1.0] }
}

fn target(leaf: &TargetLeaf) -> Option<NodeId> {
    match leaf {
        TargetLeaf::None => None,
        TargetLeaf::Plain(leaf) | TargetLeaf::Classes(leaf, _) => Some(*leaf),
    }
}

/// The nodes that the loss reads and that have an activation: the node, and its activation's op.
fn outputs(exercise: &Exercise) -> Vec<(usize, NodeId)> {
    let activations = &exercise.wiring.activations;
    exercise.outputs().into_iter().filter_map(|node| activations[node].map(|activation| (node, activation.op))).collect()
}

/// Whether `y − t` is right here: the activation is that of its cross-entropy.
fn is_canonical(exercise: &Exercise, op: NodeId) -> bool {
    let activation = op_of(exercise, op).map_or("", |op| op.name());
    matches!((loss(exercise), activation), ("cross_entropy", "softmax") | ("bce", "sigmoid") | ("nll", "log_softmax"))
}

/// `y − t` at one output.
fn shortcut(exercise: &Exercise, outputs: &[(usize, NodeId)], op: NodeId, elements: f64) -> Option<(NodeId, Tensor<f64>)> {
    let objective = exercise.lowered.objective.as_ref()?;
    let fused = exercise.places.loss.ops.iter().any(|&at| op_of(exercise, exercise.lowered.graph.id(at)).is_some_and(fuses));
    if fused || objective.echo.op == "nll" {
        return None;
    }
    let node = outputs.iter().find(|(_, of)| *of == op)?.0;
    let z = exercise.value(op);
    let t = exercise.value(target(&objective.targets)?);
    let id = &exercise.lowered.nodes[node].id;
    let (names, is_list) = &objective.echo.of;
    let t: Vec<f64> = if *is_list {
        let at = names.iter().position(|name| name == id)?;
        t.data().chunks_exact(names.len()).map(|row| row[at]).collect()
    } else {
        t.data().to_vec()
    };
    if t.len() != z.data().len() {
        return None;
    }
    let size = z.shape().sample_size().max(1);
    let delta = |(i, (z, t)): (usize, (&f64, f64))| (z - t) * objective.factors[i / size] / elements;
    Some((op, Tensor::new(z.shape(), z.data().iter().zip(t).enumerate().map(delta).collect())))
}

/// The op's own cotangent, times y(1 − y).
fn extra(step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) {
    let Some(right) = step.right(|input| input == 0).swap_remove(0) else { return };
    let y = match step.op.name() {
        "softmax" | "sigmoid" => step.at.y.clone(),
        "log_softmax" => step.at.y.map(f64::exp),
        fused => probabilities(fused, step.at.x[0]),
    };
    x_bar.give(0, right.zip(&y, right.shape(), |bar, y| bar * y * (1.0 - y)));
}

/// What a loss of logits makes of them.
fn probabilities(loss: &str, logits: &Tensor<f64>) -> Tensor<f64> {
    if loss == "bce_with_logits" { logits.map(|a| 1.0 / (1.0 + (-a).exp())) } else { softmax(logits) }
}

/// As [`extra`] of a loss of logits, at one of the several outputs that are stacked for it.
fn extra_at_one(exercise: &Exercise, loss: NodeId) -> Vec<(Site, impl Change + use<>)> {
    let graph = &exercise.lowered.graph;
    let stacked = graph.nodes()[loss.index()].inputs[0];
    let op = graph.nodes()[stacked].op.as_ref();
    if op.is_none_or(|op| op.name() != "stack") || exercise.places.loss.ops.binary_search(&stacked).is_err() {
        return Vec::new();
    }
    let stacked = graph.id(stacked);
    let name = op_of(exercise, loss).map_or("", |op| op.name());
    let slope = probabilities(name, exercise.value(stacked)).map(|p| p * (1.0 - p));
    let count = graph.nodes()[stacked.index()].inputs.len();
    let edges = exercise.wiring.edges.iter().filter(|edge| edge.target == exercise.places.list.len());
    let slots = edges.flat_map(|edge| edge.slots.iter().filter(|slot| slot.op == stacked).map(|slot| (edge.source, slot.input)));
    let one = |(source, at): (usize, usize)| {
        let column: Vec<f64> = slope.data().chunks_exact(count).map(|row| row[at]).collect();
        let rule = Rule::new(vec![stacked], move |step: Step<'_>, x_bar: &mut Cotangents<'_, f64>| {
            for (input, bar) in step.right(|input| x_bar.wants(input)).into_iter().enumerate() {
                let Some(mut bar) = bar else { continue };
                if input == at {
                    bar.data_mut().iter_mut().zip(&column).for_each(|(bar, slope)| *bar *= slope);
                }
                x_bar.give(input, bar);
            }
        });
        (Site::Node(exercise.places.list[source].name.clone()), rule)
    };
    slots.filter(|_| count > 1).map(one).collect()
}

/// Where outputs have no activation: `y − t` in place of the loss's own derivative, at the op that takes the difference.
fn differences(exercise: &Exercise, op: NodeId) -> Vec<Hypothesis> {
    let Some(objective) = &exercise.lowered.objective else { return Vec::new() };
    let factors = objective.factors.clone();
    let hypothesis = |elements: f64| {
        let factors = factors.clone();
        let change = Rule::new(vec![op], move |step, x_bar| {
            let size = step.at.y.shape().sample_size().max(1);
            let difference = step.at.y.data().iter().enumerate();
            let delta = difference.map(|(i, difference)| difference * factors[i / size] / elements).collect();
            x_bar.give(0, Tensor::new(step.at.y.shape(), delta));
        });
        Hypothesis::particular(Site::Everywhere, "y − t", change)
    };
    divisors(exercise).into_iter().map(hypothesis).collect()
}
