//! Softmaxes in the wrong place: what `double_softmax` and `softmax_wrong_axis` have in common.

use crate::grading::change::{Change, Step};
use crate::grading::exercise::Exercise;
use crate::graph::NodeId;
use crate::ops::{Cotangents, Scalar};
use crate::tensor::Tensor;

/// The node at which a softmax is taken over `[N, C]`: an op of its own, or the cross-entropy of logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The op.
    Op(NodeId),
    /// The losses' op, of logits.
    Loss(NodeId),
    /// The losses' op, of probabilities: it takes them for logits.
    Probabilities(NodeId),
}

/// Where an exercise takes softmaxes over the two axes samples and classes.
pub(super) fn sites(exercise: &Exercise) -> Vec<At> {
    let graph = &exercise.lowered.graph;
    let plain = |input: usize| graph.nodes()[input].shape.is_batched() && graph.nodes()[input].shape.rank() == 2;
    let mut all = Vec::new();
    for (i, node) in graph.nodes().iter().enumerate() {
        let Some(op) = &node.op else { continue };
        if op.name() == "softmax" && plain(node.inputs[0]) {
            all.push(At::Op(graph.id(i)));
        }
    }
    if let Some(objective) = &exercise.lowered.objective {
        let node = &graph.nodes()[objective.losses.index()];
        if objective.echo.op == "cross_entropy" && plain(node.inputs[0]) {
            let of_probabilities = objective.echo.attributes.word("from") == Some("probabilities");
            all.push(if of_probabilities { At::Probabilities(objective.losses) } else { At::Loss(objective.losses) });
        }
    }
    all
}

/// Softmax of `[N, C]` along its rows, or along its columns.
pub(super) fn softmax(x: &Tensor<f64>, rows: bool) -> Tensor<f64> {
    let mut y = x.data().to_vec();
    for line in lines(x, rows) {
        let largest = line.iter().fold(f64::NEG_INFINITY, |most, &at| most.max(y[at]));
        line.iter().for_each(|&at| y[at] = (y[at] - largest).exp());
        let sum: f64 = line.iter().map(|&at| y[at]).sum();
        line.iter().for_each(|&at| y[at] /= sum);
    }
    Tensor::new(x.shape(), y)
}

/// Its vjp: `x̄ = p ∘ (p̄ − Σ p p̄)`.
pub(super) fn pulled(p: &Tensor<f64>, p_bar: &Tensor<f64>, rows: bool) -> Tensor<f64> {
    let mut x_bar = p_bar.data().to_vec();
    for line in lines(p, rows) {
        let inner: f64 = line.iter().map(|&at| p.data()[at] * p_bar.data()[at]).sum();
        line.iter().for_each(|&at| x_bar[at] = p.data()[at] * (p_bar.data()[at] - inner));
    }
    Tensor::new(p.shape(), x_bar)
}

fn lines(x: &Tensor<f64>, rows: bool) -> Vec<Vec<usize>> {
    let [samples, classes] = *x.shape().dims() else { return Vec::new() };
    let at = |n: usize, c: usize| n * classes + c;
    if rows {
        (0..samples).map(|n| (0..classes).map(|c| at(n, c)).collect()).collect()
    } else {
        (0..classes).map(|c| (0..samples).map(|n| at(n, c)).collect()).collect()
    }
}

/// A softmax too many, or over the batch.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) at: At,
    /// Whether it is one too many; else it runs over the batch.
    pub(super) again: bool,
    /// Whether the derivative goes back through what was done; else the short cut of the right one is taken.
    pub(super) through: bool,
    /// Whether the forward pass has it.
    pub(super) forward: bool,
}

impl Wrong {
    /// `p − y` of these probabilities, for the losses' op.
    fn short_cut(p: &Tensor<f64>, q: &Tensor<f64>, y_bar: &Tensor<f64>) -> Tensor<f64> {
        let classes = p.shape().sample_size().max(1);
        let element = |at: usize| {
            let row = at / classes * classes;
            let labels: f64 = q.data()[row..row + classes].iter().sum();
            y_bar.data()[at / classes] * (p.data()[at] * labels - q.data()[at])
        };
        Tensor::new(p.shape(), (0..p.data().len()).map(element).collect())
    }

    /// The losses of probabilities, and their derivative.
    fn entropy(p: &Tensor<f64>, q: &Tensor<f64>) -> Vec<f64> {
        let classes = p.shape().sample_size().max(1);
        let row = |(p, q): (&[f64], &[f64])| {
            let mut sum = 0.0;
            p.iter().zip(q).filter(|(_, q)| **q != 0.0).for_each(|(p, q)| sum -= q * p.ln());
            sum
        };
        p.data().chunks(classes).zip(q.data().chunks(classes)).map(row).collect()
    }
}

impl Change for Wrong {
    fn alters_values(&self) -> bool {
        self.forward
    }

    fn value(&self, exercise: &Exercise, node: NodeId, x: &[&Tensor<f64>]) -> Option<Tensor<f64>> {
        if !self.forward {
            return None;
        }
        match self.at {
            At::Op(id) if id == node => Some(if self.again { softmax(&softmax(x[0], true), true) } else { softmax(x[0], false) }),
            At::Loss(id) if id == node => {
                let op = exercise.lowered.graph.nodes()[id.index()].op.as_ref()?;
                Some(if self.again {
                    f64::op(op.as_ref()).forward(&[&softmax(x[0], true), x[1]])
                } else {
                    Tensor::new(exercise.lowered.graph.shape(id), Self::entropy(&softmax(x[0], false), x[1]))
                })
            }
            At::Probabilities(id) if id == node && self.again => {
                Some(Tensor::new(exercise.lowered.graph.shape(id), Self::entropy(&softmax(x[0], true), x[1])))
            }
            _ => None,
        }
    }

    fn vjp(&self, _: &Exercise, step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) -> bool {
        let x = step.at.x;
        match self.at {
            At::Op(id) if id == step.node => {
                let bar = if self.again {
                    let once = softmax(x[0], true);
                    let twice = softmax(&once, true);
                    let bar = pulled(&twice, step.y_bar, true);
                    if self.through { pulled(&once, &bar, true) } else { bar }
                } else {
                    pulled(&softmax(x[0], false), step.y_bar, !self.through)
                };
                x_bar.give(0, bar);
                true
            }
            At::Loss(id) if id == step.node => {
                let bar = if self.again {
                    let once = softmax(x[0], true);
                    let bar = Self::short_cut(&softmax(&once, true), x[1], step.y_bar);
                    if self.through { pulled(&once, &bar, true) } else { bar }
                } else {
                    let p = softmax(x[0], false);
                    if self.through {
                        let classes = p.shape().sample_size().max(1);
                        let p_bar =
                            (0..p.data().len()).map(|at| -step.y_bar.data()[at / classes] * x[1].data()[at] / p.data()[at]);
                        pulled(&p, &Tensor::new(p.shape(), p_bar.collect()), false)
                    } else {
                        Self::short_cut(&p, x[1], step.y_bar)
                    }
                };
                x_bar.give(0, bar);
                true
            }
            At::Probabilities(id) if id == step.node && self.again => {
                x_bar.give(0, Self::short_cut(&softmax(x[0], true), x[1], step.y_bar));
                true
            }
            _ => false,
        }
    }
}
