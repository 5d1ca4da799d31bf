//! `adagrad` (Duchi, Hazan & Singer, 2011): `s ← s + g²`, `θ ← θ − lr/(1 + (t − 1)·lr_decay) · g/(√s + eps)` at step t = 1, 2, ….

use super::{Entry, MAXIMIZE, Optimizer, Prepared, below_zero, eps, lr, weight_decay};
use crate::ops::attributes::{Attribute, Default, Kind, Values};
use crate::tensor::Float;

pub(super) const ENTRY: Entry = Entry {
    name: "adagrad",
    summary: "steps divided by the root of the sum of the gradient's squares so far",
    formula: "g += weight_decay theta; s += g^2; theta -= lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps) at step t = 1, 2, ...",
    attributes: &[
        lr(1e-2),
        Attribute::new("lr_decay", Kind::Number, Default::Number(0.0), "how fast the learning rate falls, at least 0"),
        weight_decay(0.0),
        Attribute::new(
            "initial_accumulator_value",
            Kind::Number,
            Default::Number(0.0),
            "the sum of squares at first, at least 0",
        ),
        eps(1e-10),
        MAXIMIZE,
    ],
    check: |values| below_zero(values, &["lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"]),
    state: 1,
    flops: 15,
    f64: new,
    f32: new,
};

#[derive(Debug)]
struct Adagrad<S> {
    prepared: Prepared<S>,
    lr: f64,
    lr_decay: f64,
    eps: S,
    steps: u64,
    sums: Vec<S>,
}

fn new<S: Float>(values: &Values, size: usize) -> Box<dyn Optimizer<S>> {
    Box::new(Adagrad {
        prepared: Prepared::new(values, values.number("weight_decay")),
        lr: values.number("lr"),
        lr_decay: values.number("lr_decay"),
        eps: S::from_f64(values.number("eps")),
        steps: 0,
        sums: vec![S::from_f64(values.number("initial_accumulator_value")); size],
    })
}

impl<S: Float> Optimizer<S> for Adagrad<S> {
    fn step(&mut self, theta: &mut [S], gradient: &[S]) {
        let rate = S::from_f64(-(self.lr / (1.0 + self.steps as f64 * self.lr_decay)));
        self.steps += 1;
        for ((theta, sum), &g) in theta.iter_mut().zip(&mut self.sums).zip(gradient) {
            let g = self.prepared.gradient(*theta, g);
            *sum += g * g;
            *theta += rate * g / (sum.sqrt() + self.eps);
        }
    }
}
