//! `y = min(a, b)`,  `dy/da = 1 if a < b, 1/2 if equal, else 0; dy/db likewise`, elementwise with broadcasting.

use super::{Binary, Elementwise};
use crate::ops::{Arity, Entry, Reads};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "minimum",
    summary: "the smaller of two values, broadcast together",
    formula: "y = min(a, b)",
    derivative: "dy/da = 1 if a < b, 1/2 if equal, else 0; dy/db likewise",
    arity: Arity::Exactly(2),
    attributes: &[],
    elementwise: false,
    build: |_| Ok(Box::new(Elementwise(Minimum))),
};

/// The smaller of two values, broadcast together.
#[derive(Debug)]
pub(crate) struct Minimum;

impl Binary for Minimum {
    const NAME: &'static str = "minimum";
    const READS: Reads = Reads::INPUTS;

    fn value<S: Float>(&self, a: S, b: S) -> S {
        if a < b || a.is_nan() { a } else { b }
    }

    fn slope_a<S: Float>(&self, a: S, b: S) -> S {
        share(a, b)
    }

    fn slope_b<S: Float>(&self, a: S, b: S) -> S {
        share(b, a)
    }
}

/// The slope by the first: all of it where it wins, half at a tie.
fn share<S: Float>(a: S, b: S) -> S {
    if a < b {
        S::ONE
    } else if a == b {
        S::from_f64(0.5)
    } else {
        S::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Elementwise(Minimum), &[laws::normal(&[3, 4], 1), laws::normal(&[3, 4], 2)]);
        laws::hold(&Elementwise(Minimum), &[laws::batch(3, &[], 1), laws::batch(3, &[2], 2)]);
        for (a, b) in [(1.0, 1.0), (0.0, -0.0)] {
            assert_eq!((Minimum.slope_a(a, b), Minimum.slope_b(a, b)), (0.5, 0.5), "a tie is shared, as PyTorch shares it");
        }
    }
}
