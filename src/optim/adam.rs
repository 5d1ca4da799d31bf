//! `adam` (Kingma & Ba, 2015): `m ← β₁m + (1 − β₁)g`, `v ← β₂v + (1 − β₂)g²`,
//! `θ ← θ − lr/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + eps)` at step t = 1, 2, …; with `amsgrad` (Reddi et al., 2018) the largest v so
//! far stands for v. `adamw` shares the steps and decays weights by itself.

use super::{Entry, MAXIMIZE, Optimizer, Prepared, below_zero, eps, lerp, lr, weight_decay};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind, Values};
use crate::tensor::Float;

pub(super) const ENTRY: Entry = Entry {
    name: "adam",
    summary: "steps by moving averages of the gradient and of its square",
    formula: "g += weight_decay theta; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; theta -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps) at step t = 1, 2, ...",
    attributes: &ATTRIBUTES,
    check,
    state: 3,
    flops: 25,
    f64: |values, size| new(values, size, values.number("weight_decay"), 0.0),
    f32: |values, size| new(values, size, values.number("weight_decay"), 0.0),
};

const ATTRIBUTES: [Attribute; 6] = attributes(0.0);

/// Adam's arguments, with this default for the weight decay.
pub(super) const fn attributes(decay: f64) -> [Attribute; 6] {
    [
        lr(1e-3),
        Attribute::new(
            "betas",
            Kind::Numbers(2),
            Default::Numbers(&[0.9, 0.999]),
            "how much the averages of the gradient and of its square keep, from 0 to below 1",
        ),
        eps(1e-8),
        weight_decay(decay),
        Attribute::new("amsgrad", Kind::Boolean, Default::Boolean(false), "divide by the largest average of squares so far"),
        MAXIMIZE,
    ]
}

pub(super) fn check(values: &Values) -> Vec<Invalid> {
    let mut broken = below_zero(values, &["lr", "eps", "weight_decay"]);
    let outside = betas(values).into_iter().find(|beta| !(0.0..1.0).contains(beta));
    broken.extend(outside.map(|beta| Invalid::new("betas", format!("expected two numbers from 0 to below 1, found {beta}"))));
    broken
}

fn betas(values: &Values) -> [f64; 2] {
    let list = values.numbers("betas").expect("two numbers with a default");
    [list[0], list[1]]
}

#[derive(Debug)]
struct Adam<S> {
    prepared: Prepared<S>,
    lr: f64,
    betas: [f64; 2],
    eps: S,
    /// What a step leaves of a parameter before it moves it: 1 but for `adamw`.
    kept: Option<S>,
    t: u64,
    average: Vec<S>,
    squares: Vec<S>,
    largest: Option<Vec<S>>,
}

/// `decay` enters the gradient; `decoupled` takes its part of each parameter before the step.
pub(super) fn new<S: Float>(values: &Values, size: usize, decay: f64, decoupled: f64) -> Box<dyn Optimizer<S>> {
    let lr = values.number("lr");
    Box::new(Adam {
        prepared: Prepared::new(values, decay),
        lr,
        betas: betas(values),
        eps: S::from_f64(values.number("eps")),
        kept: (decoupled != 0.0).then(|| S::from_f64(1.0 - lr * decoupled)),
        t: 0,
        average: vec![S::ZERO; size],
        squares: vec![S::ZERO; size],
        largest: values.boolean("amsgrad").then(|| vec![S::ZERO; size]),
    })
}

impl<S: Float> Optimizer<S> for Adam<S> {
    fn step(&mut self, theta: &mut [S], gradient: &[S]) {
        self.t += 1;
        let [beta1, beta2] = self.betas;
        let [correction1, correction2] = self.betas.map(|beta| 1.0 - beta.powf(self.t as f64));
        let (rate, root) = (S::from_f64(-(self.lr / correction1)), S::from_f64(correction2.sqrt()));
        let (keep, fresh) = (S::from_f64(beta2), S::from_f64(1.0 - beta2));
        for (i, (theta, &g)) in theta.iter_mut().zip(gradient).enumerate() {
            if let Some(kept) = self.kept {
                *theta = *theta * kept;
            }
            let g = self.prepared.gradient(*theta, g);
            self.average[i] = lerp(self.average[i], g, 1.0 - beta1);
            self.squares[i] = self.squares[i] * keep + fresh * g * g;
            let mut v = self.squares[i];
            if let Some(largest) = &mut self.largest {
                // As PyTorch's maximum: NaN wins.
                if v > largest[i] || v.is_nan() {
                    largest[i] = v;
                }
                v = largest[i];
            }
            *theta += rate * self.average[i] / (v.sqrt() / root + self.eps);
        }
    }
}
