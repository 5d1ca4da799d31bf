//! `y = min(a, b)`,  `dy/da = 1 if a < b, 1/2 if equal, else 0; dy/db likewise`, elementwise with broadcasting.

use super::maximum::{share, tied};
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

    #[inline(always)]
    fn value<S: Float>(&self, a: S, b: S) -> S {
        if a == b {
            tied(a, b)
        } else if a < b || a.is_nan() {
            a
        } else {
            b
        }
    }

    #[inline(always)]
    fn a_bar<S: Float>(&self, a: S, b: S, y_bar: S) -> S {
        share(b, a, y_bar)
    }

    #[inline(always)]
    fn b_bar<S: Float>(&self, a: S, b: S, y_bar: S) -> S {
        share(a, b, y_bar)
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
    }
}
