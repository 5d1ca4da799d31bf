//! The ways in which a backward rule goes wrong, of which mistakes are made.

use std::fmt;

use crate::grading::change::{Change, Step};
use crate::grading::exercise::Exercise;
use crate::grading::wiring::Slot;
use crate::graph::NodeId;
use crate::ops::Cotangents;
use crate::tensor::Tensor;

/// Another rule at some ops.
pub(super) struct Rule<F> {
    ops: Vec<NodeId>,
    rule: F,
}

impl<F: Fn(Step<'_>, &mut Cotangents<'_, f64>)> Rule<F> {
    /// `rule` at these ops.
    pub(super) fn new(mut ops: Vec<NodeId>, rule: F) -> Self {
        ops.sort_unstable();
        Self { ops, rule }
    }
}

impl<F> fmt::Debug for Rule<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").field("ops", &self.ops).finish_non_exhaustive()
    }
}

impl<F: Fn(Step<'_>, &mut Cotangents<'_, f64>) + Send + Sync> Change for Rule<F> {
    fn vjp(&self, _: &Exercise, step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) -> bool {
        let here = self.ops.binary_search(&step.node).is_ok();
        if here {
            (self.rule)(step, x_bar);
        }
        here
    }
}

/// `x̄ = ȳ·slope(x, y)` at the step of an elementwise op.
pub(super) fn elementwise(step: Step<'_>, x_bar: &mut Cotangents<'_, f64>, slope: impl Fn(f64, f64) -> f64) {
    x_bar.give(0, step.y_bar.zip_two(step.at.x[0], step.at.y, |y_bar, x, y| y_bar * slope(x, y)));
}

/// The softmax over axis 1.
pub(super) fn softmax(x: &Tensor<f64>) -> Tensor<f64> {
    let (shape, x) = (x.shape(), x.data());
    let classes = shape.dims()[1];
    let inner: usize = shape.dims()[2..].iter().product();
    let probability = |at: usize| {
        let line = (0..classes).map(|class| x[(at / (classes * inner) * classes + class) * inner + at % inner]);
        let largest = line.clone().fold(f64::NEG_INFINITY, f64::max);
        (x[at] - largest).exp() / line.map(|x| (x - largest).exp()).sum::<f64>()
    };
    Tensor::new(shape, (0..x.len()).map(probability).collect())
}

/// The terms that pass through some slots are multiplied by a factor: 0 drops them, 2 counts them twice, −1 flips their sign.
#[derive(Debug)]
pub(super) struct Terms {
    slots: Vec<Slot>,
    factor: f64,
}

impl Terms {
    /// These slots, this factor.
    pub(super) fn new(mut slots: Vec<Slot>, factor: f64) -> Self {
        slots.sort_unstable();
        Self { slots, factor }
    }
}

impl Change for Terms {
    fn vjp(&self, _: &Exercise, step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) -> bool {
        let slots = of_op(&self.slots, step.node, |slot| *slot);
        if slots.is_empty() {
            return false;
        }
        for (input, bar) in step.right(|input| x_bar.wants(input)).into_iter().enumerate() {
            let Some(bar) = bar else { continue };
            if slots.iter().all(|slot| slot.input != input) {
                x_bar.give(input, bar);
            } else if self.factor != 0.0 {
                x_bar.give_scaled(input, self.factor, &bar);
            }
        }
        true
    }
}

/// Rules are right, but read other values of some inputs.
#[derive(Debug)]
pub(super) struct Inputs(Vec<(Slot, Tensor<f64>)>);

impl Inputs {
    /// These inputs have these values.
    pub(super) fn new(mut inputs: Vec<(Slot, Tensor<f64>)>) -> Self {
        inputs.sort_by_key(|(slot, _)| *slot);
        Self(inputs)
    }
}

impl Change for Inputs {
    fn vjp(&self, _: &Exercise, step: Step<'_>, x_bar: &mut Cotangents<'_, f64>) -> bool {
        let inputs = of_op(&self.0, step.node, |(slot, _)| *slot);
        step.with_inputs(inputs.iter().map(|(slot, value)| (slot.input, value)), x_bar)
    }
}

/// Those of a sorted list that are inputs of an op.
pub(super) fn of_op<T>(sorted: &[T], op: NodeId, slot: impl Fn(&T) -> Slot) -> &[T] {
    let start = sorted.partition_point(|item| slot(item).op < op);
    let end = sorted.partition_point(|item| slot(item).op <= op);
    &sorted[start..end]
}
