//! `y = 1/(1 + e⁻ˣ)`,  `dy/dx = y·(1 − y) = σ(x)·σ(−x)`: the second form keeps its digits where y is near 1.

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "sigmoid",
    summary: "logistic function",
    formula: "y = 1 / (1 + e^-x)",
    derivative: "dy/dx = y (1 - y)",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Sigmoid)),
};

/// Logistic function.
#[derive(Debug)]
pub(crate) struct Sigmoid;

impl Unary for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const READS: Reads = Reads::INPUTS;

    fn value<S: Float>(&self, x: S) -> S {
        logistic(x)
    }

    fn slope<S: Float>(&self, x: S, _: S) -> S {
        logistic(x) * logistic(-x)
    }
}

/// The logistic function, without overflow and with full relative accuracy in both tails.
pub(crate) fn logistic<S: Float>(x: S) -> S {
    if x < S::ZERO {
        let e = x.exp();
        e / (S::ONE + e)
    } else {
        S::ONE / (S::ONE + (-x).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Sigmoid, &[laws::normal(&[3, 5], 1)]);
        laws::hold(&Sigmoid, &[laws::between(&[4], 1, -40.0, 40.0)]);
    }
}
