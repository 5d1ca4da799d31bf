//! `y = max(a, b)`,  `dy/da = 1 if a > b, 1/2 if equal, else 0; dy/db likewise`, elementwise with broadcasting.

use super::{Binary, Elementwise};
use crate::ops::{Arity, Entry, Reads};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "maximum",
    summary: "the larger of two values, broadcast together",
    formula: "y = max(a, b)",
    derivative: "dy/da = 1 if a > b, 1/2 if equal, else 0; dy/db likewise",
    arity: Arity::Exactly(2),
    attributes: &[],
    elementwise: false,
    build: |_| Ok(Box::new(Elementwise(Maximum))),
};

/// The larger of two values, broadcast together.
#[derive(Debug)]
pub(crate) struct Maximum;

impl Binary for Maximum {
    const NAME: &'static str = "maximum";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, a: S, b: S) -> S {
        if a == b {
            tied(a, b)
        } else if a > b || a.is_nan() {
            a
        } else {
            b
        }
    }

    #[inline(always)]
    fn a_bar<S: Float>(&self, a: S, b: S, y_bar: S) -> S {
        share(a, b, y_bar)
    }

    #[inline(always)]
    fn b_bar<S: Float>(&self, a: S, b: S, y_bar: S) -> S {
        share(b, a, y_bar)
    }
}

/// The two as one, so that a tangent at a tie is the mean of both.
pub(super) fn tied<S: Float>(a: S, b: S) -> S {
    if a.is_finite() { a + S::from_f64(0.5) * (b - a) } else { a }
}

/// The cotangent of the first of two, the larger of which wins: half at a tie, and all of it where either is NaN, as PyTorch
/// has it.
pub(super) fn share<S: Float>(a: S, b: S, y_bar: S) -> S {
    if a == b {
        S::from_f64(0.5) * y_bar
    } else if a < b {
        S::ZERO
    } else {
        y_bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Elementwise(Maximum), &[laws::normal(&[3, 4], 1), laws::normal(&[3, 4], 2)]);
        laws::hold(&Elementwise(Maximum), &[laws::batch(3, &[], 1), laws::batch(3, &[2], 2)]);
    }
}
