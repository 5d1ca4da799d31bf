//! `y = ln(1 + e^(beta x)) / beta, x where beta x > threshold`,  `dy/dx = 1 / (1 + e^(-beta x)), 1 where beta x > threshold`.

use super::sigmoid::logistic;
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "softplus",
    summary: "smooth rectifier",
    formula: "y = ln(1 + e^(beta x)) / beta, x where beta x > threshold",
    derivative: "dy/dx = 1 / (1 + e^(-beta x)), 1 where beta x > threshold",
    arity: Arity::Exactly(1),
    attributes: &[
        Attribute::new("beta", Kind::Number, Default::Number(1.0), "sharpness, not 0"),
        Attribute::new("threshold", Kind::Number, Default::Number(20.0), "above it (times beta) the function is linear"),
    ],
    elementwise: true,
    build: |values| match values.number("beta") {
        0.0 => Err(Invalid::new("beta", "expected any number but 0")),
        beta => Ok(Box::new(Softplus { beta, threshold: values.number("threshold") })),
    },
};

/// Smooth rectifier.
#[derive(Debug)]
pub(crate) struct Softplus {
    beta: f64,
    threshold: f64,
}

impl Unary for Softplus {
    const NAME: &'static str = "softplus";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        let (beta, scaled) = (S::from_f64(self.beta), S::from_f64(self.beta) * x);
        if scaled > S::from_f64(self.threshold) {
            x
        } else if scaled > S::ZERO {
            (scaled + (-scaled).exp().ln_1p()) / beta
        } else {
            scaled.exp().ln_1p() / beta
        }
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        let scaled = S::from_f64(self.beta) * x;
        if scaled > S::from_f64(self.threshold) { y_bar } else { y_bar * logistic(scaled) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Softplus { beta: 1.0, threshold: 20.0 }, &[laws::normal(&[3, 5], 1)]);
        laws::hold(&Softplus { beta: 2.0, threshold: 3.0 }, &[laws::between(&[9], 1, -4.0, 4.0)]);
    }
}
