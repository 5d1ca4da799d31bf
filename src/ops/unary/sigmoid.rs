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

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        logistic(x)
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        let (s, rest) = logistic_pair(x);
        y_bar * (s * rest)
    }
}

/// The logistic function `σ(x)`, without overflow and with full relative accuracy in both tails.
#[inline(always)]
pub(in crate::ops) fn logistic<S: Float>(x: S) -> S {
    logistic_pair(x).0
}

/// `σ(x)` and `1 − σ(x) = σ(−x)`, each to full relative accuracy, for one exponential.
#[inline(always)]
pub(in crate::ops) fn logistic_pair<S: Float>(x: S) -> (S, S) {
    let negative = x < S::ZERO;
    let e = (if negative { x } else { -x }).exp();
    let (small, large) = (e / (S::ONE + e), S::ONE / (S::ONE + e));
    if negative { (small, large) } else { (large, small) }
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
