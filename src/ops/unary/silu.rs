//! `y = x / (1 + e^-x)`,  `dy/dx = s (1 + x (1 - s)), s = 1 / (1 + e^-x)`.

use super::sigmoid::{logistic, logistic_pair};
use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "silu",
    summary: "sigmoid linear unit",
    formula: "y = x / (1 + e^-x)",
    derivative: "dy/dx = s (1 + x (1 - s)), s = 1 / (1 + e^-x)",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Silu)),
};

/// Sigmoid linear unit.
#[derive(Debug)]
pub(crate) struct Silu;

impl Unary for Silu {
    const NAME: &'static str = "silu";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        x * logistic(x)
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        let (s, rest) = logistic_pair(x);
        y_bar * (s * (S::ONE + x * rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Silu, &[laws::normal(&[3, 5], 1)]);
    }
}
