//! What a student does differently. Everything that a change leaves alone is done right, by the ordinary sweeps.

use std::fmt::Debug;

use super::exercise::Exercise;
use super::parts::Answer;
use crate::graph::NodeId;
use crate::ops::{AnyOp, Cotangents, Point, Scalar};
use crate::tensor::Tensor;

/// What the objective is a weighted sum of, and with which weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Of each sample's loss.
    pub samples: Vec<f64>,
    /// Of each penalty.
    pub penalties: Vec<f64>,
}

/// A way of computing an answer that is right but for something. Each method speaks for one stage of a run, and leaves that
/// stage as it is unless it is overridden.
pub trait Change: Debug + Send + Sync {
    /// Whether the values of the forward sweep may differ; if not, those of the key are used.
    fn alters_values(&self) -> bool {
        false
    }

    /// Whether nothing but [`Change::answer`] is overridden, so that nothing need be run again.
    fn alters_answer_alone(&self) -> bool {
        false
    }

    /// The value of a node (a leaf or an op over `x`), where it differs.
    fn value(&self, exercise: &Exercise, node: NodeId, x: &[&Tensor<f64>]) -> Option<Tensor<f64>> {
        let _ = (exercise, node, x);
        None
    }

    /// Change the weights that make the loss of the samples' losses.
    fn loss(&self, exercise: &Exercise, weights: &mut Weights) {
        let _ = (exercise, weights);
    }

    /// Change the weights that the backward sweep starts from.
    fn seeds(&self, exercise: &Exercise, weights: &mut Weights) {
        let _ = (exercise, weights);
    }

    /// Give the inputs of a node their cotangents in another way than the op's own; whether it did.
    fn vjp(&self, exercise: &Exercise, step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) -> bool {
        let _ = (exercise, step, x_bar);
        false
    }

    /// Change the answer when all is computed.
    fn answer(&self, exercise: &Exercise, answer: &mut Answer) {
        let _ = (exercise, answer);
    }
}

/// One step of the backward sweep.
#[derive(Debug, Clone, Copy)]
pub struct Step<'s> {
    /// The node.
    pub node: NodeId,
    /// Its op.
    pub op: &'s dyn AnyOp,
    /// Where the derivative is taken.
    pub at: Point<'s, f64>,
    /// The node's own cotangent.
    pub y_bar: &'s Tensor<f64>,
}

impl Step<'_> {
    /// The cotangents that the op itself gives at this step, one an input; nothing for inputs that `wanted` leaves out.
    pub fn right(self, wanted: impl Fn(usize) -> bool) -> Vec<Option<Tensor<f64>>> {
        let count = self.at.shapes.len();
        let inputs: Vec<usize> = (0..count).collect();
        let wanted: Vec<bool> = (0..count).map(wanted).collect();
        let mut slots = vec![None; count];
        let mut x_bar = Cotangents::new(&mut slots, &inputs, self.at.shapes, &wanted);
        f64::op(self.op).vjp(self.at, self.y_bar, &mut x_bar);
        slots
    }

    /// Let the op give its inputs' cotangents as if some of its inputs had other values; whether any is replaced.
    pub fn with_inputs<'t>(
        self,
        instead: impl IntoIterator<Item = (usize, &'t Tensor<f64>)>,
        x_bar: &mut Cotangents<'_, f64>,
    ) -> bool {
        let mut x: Vec<&Tensor<f64>> = self.at.x.to_vec();
        let mut any = false;
        for (input, value) in instead {
            x[input] = value;
            any = true;
        }
        if any {
            f64::op(self.op).vjp(Point { x: &x, ..self.at }, self.y_bar, x_bar);
        }
        any
    }
}

/// Nothing is different.
#[derive(Debug, Clone, Copy)]
pub struct Right;

impl Change for Right {}

/// Two changes at once; where both speak for the same node, the first is heard.
#[derive(Debug, Clone, Copy)]
pub struct Both<'c>(pub &'c dyn Change, pub &'c dyn Change);

impl Change for Both<'_> {
    fn alters_values(&self) -> bool {
        self.0.alters_values() || self.1.alters_values()
    }

    fn alters_answer_alone(&self) -> bool {
        self.0.alters_answer_alone() && self.1.alters_answer_alone()
    }

    fn value(&self, exercise: &Exercise, node: NodeId, x: &[&Tensor<f64>]) -> Option<Tensor<f64>> {
        self.0.value(exercise, node, x).or_else(|| self.1.value(exercise, node, x))
    }

    fn loss(&self, exercise: &Exercise, weights: &mut Weights) {
        self.0.loss(exercise, weights);
        self.1.loss(exercise, weights);
    }

    fn seeds(&self, exercise: &Exercise, weights: &mut Weights) {
        self.0.seeds(exercise, weights);
        self.1.seeds(exercise, weights);
    }

    fn vjp(&self, exercise: &Exercise, step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) -> bool {
        self.0.vjp(exercise, step, x_bar) || self.1.vjp(exercise, step, x_bar)
    }

    fn answer(&self, exercise: &Exercise, answer: &mut Answer) {
        self.0.answer(exercise, answer);
        self.1.answer(exercise, answer);
    }
}
