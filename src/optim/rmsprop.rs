//! `rmsprop` (Hinton, 2012): `v ← α·v + (1 − α)·g²`, `θ ← θ − lr·g/(√v + eps)`; `centered` subtracts the square of the average
//! gradient from v; with `momentum`, `b ← momentum·b + g/(√v + eps)`, `θ ← θ − lr·b`.

use super::{Entry, MAXIMIZE, Optimizer, Prepared, below_zero, eps, lerp, lr, weight_decay};
use crate::ops::attributes::{Attribute, Default, Kind, Values};
use crate::tensor::Float;

pub(super) const ENTRY: Entry = Entry {
    name: "rmsprop",
    summary: "steps divided by the root of a moving average of the gradient's square",
    formula: "g += weight_decay theta; v = alpha v + (1 - alpha) g^2; s = sqrt(v) + eps, or sqrt(v - average(g)^2) + eps if centered; b = momentum b + g / s; theta -= lr b",
    attributes: &[
        lr(1e-2),
        Attribute::new("alpha", Kind::Number, Default::Number(0.99), "how much the averages keep, at least 0"),
        eps(1e-8),
        weight_decay(0.0),
        Attribute::new("momentum", Kind::Number, Default::Number(0.0), "how much of the last step is kept, at least 0"),
        Attribute::new("centered", Kind::Boolean, Default::Boolean(false), "divide by an estimate of the gradient's variance"),
        MAXIMIZE,
    ],
    check: |values| below_zero(values, &["lr", "alpha", "eps", "weight_decay", "momentum"]),
    state: 3,
    flops: 25,
    f64: new,
    f32: new,
};

#[derive(Debug)]
struct RmsProp<S> {
    prepared: Prepared<S>,
    lr: S,
    alpha: f64,
    eps: S,
    momentum: S,
    squares: Vec<S>,
    average: Option<Vec<S>>,
    buffer: Option<Vec<S>>,
}

fn new<S: Float>(values: &Values, size: usize) -> Box<dyn Optimizer<S>> {
    let zeros = || vec![S::ZERO; size];
    let momentum = values.number("momentum");
    Box::new(RmsProp {
        prepared: Prepared::new(values, values.number("weight_decay")),
        lr: S::from_f64(values.number("lr")),
        alpha: values.number("alpha"),
        eps: S::from_f64(values.number("eps")),
        momentum: S::from_f64(momentum),
        squares: zeros(),
        average: values.boolean("centered").then(zeros),
        buffer: (momentum > 0.0).then(zeros),
    })
}

impl<S: Float> Optimizer<S> for RmsProp<S> {
    fn step(&mut self, theta: &mut [S], gradient: &[S]) {
        let (keep, fresh) = (S::from_f64(self.alpha), S::from_f64(1.0 - self.alpha));
        for (i, (theta, &g)) in theta.iter_mut().zip(gradient).enumerate() {
            let g = self.prepared.gradient(*theta, g);
            self.squares[i] = self.squares[i] * keep + fresh * g * g;
            let mut v = self.squares[i];
            if let Some(average) = &mut self.average {
                average[i] = lerp(average[i], g, 1.0 - self.alpha);
                v += -(average[i] * average[i]);
            }
            let s = v.sqrt() + self.eps;
            *theta += match &mut self.buffer {
                Some(buffer) => {
                    buffer[i] = self.momentum * buffer[i] + g / s;
                    -self.lr * buffer[i]
                }
                None => -self.lr * g / s,
            };
        }
    }
}
