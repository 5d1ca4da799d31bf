//! `sgd`: stochastic gradient descent. `v ← momentum·v + (1 − dampening)·g` (the first v is g), `θ ← θ − lr·v`; with `nesterov`
//! `θ ← θ − lr·(g + momentum·v)`.

use super::{Entry, MAXIMIZE, Optimizer, Prepared, below_zero, lr, weight_decay};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind, Values};
use crate::tensor::Float;

pub(super) const ENTRY: Entry = Entry {
    name: "sgd",
    summary: "stochastic gradient descent, with momentum where asked for",
    formula: "g += weight_decay theta; v = momentum v + (1 - dampening) g, at first v = g; theta -= lr v, or lr (g + momentum v) with nesterov",
    attributes: &[
        lr(1e-3),
        Attribute::new(
            "momentum",
            Kind::Number,
            Default::Number(0.0),
            "how much of the last step's velocity is kept, at least 0",
        ),
        Attribute::new("dampening", Kind::Number, Default::Number(0.0), "how much of a gradient does not enter the velocity"),
        weight_decay(0.0),
        Attribute::new("nesterov", Kind::Boolean, Default::Boolean(false), "look ahead; needs momentum, and no dampening"),
        MAXIMIZE,
    ],
    check: |values| {
        let mut broken = below_zero(values, &["lr", "momentum", "weight_decay"]);
        if values.boolean("nesterov") && (values.number("momentum") <= 0.0 || values.number("dampening") != 0.0) {
            broken.push(Invalid::new("nesterov", "needs a momentum above 0 and a dampening of 0"));
        }
        broken
    },
    state: 1,
    flops: 8,
    f64: new,
    f32: new,
};

#[derive(Debug)]
struct Sgd<S> {
    prepared: Prepared<S>,
    lr: S,
    momentum: S,
    /// 1 − dampening.
    fresh: S,
    nesterov: bool,
    velocity: Option<Vec<S>>,
}

fn new<S: Float>(values: &Values, _: usize) -> Box<dyn Optimizer<S>> {
    let number = |name| S::from_f64(values.number(name));
    Box::new(Sgd {
        prepared: Prepared::new(values, values.number("weight_decay")),
        lr: number("lr"),
        momentum: number("momentum"),
        fresh: S::from_f64(1.0 - values.number("dampening")),
        nesterov: values.boolean("nesterov"),
        velocity: None,
    })
}

impl<S: Float> Optimizer<S> for Sgd<S> {
    fn step(&mut self, theta: &mut [S], gradient: &[S]) {
        let Self { prepared, lr, momentum, fresh, nesterov, velocity } = self;
        let (lr, momentum) = (*lr, *momentum);
        if momentum == S::ZERO {
            for (theta, &g) in theta.iter_mut().zip(gradient) {
                *theta += -lr * prepared.gradient(*theta, g);
            }
            return;
        }
        let first = velocity.is_none();
        let velocity = velocity.get_or_insert_with(|| vec![S::ZERO; theta.len()]);
        for ((theta, v), &g) in theta.iter_mut().zip(velocity).zip(gradient) {
            let g = prepared.gradient(*theta, g);
            *v = if first { g } else { momentum * *v + *fresh * g };
            *theta += -lr * if *nesterov { g + momentum * *v } else { *v };
        }
    }
}
