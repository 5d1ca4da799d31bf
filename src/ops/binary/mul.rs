//! `y = a * b`,  `dy/da = b, dy/db = a`, elementwise with broadcasting.

use super::{Binary, Elementwise};
use crate::ops::{Arity, Entry, Reads};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "mul",
    summary: "product of two values, broadcast together",
    formula: "y = a * b",
    derivative: "dy/da = b, dy/db = a",
    arity: Arity::Exactly(2),
    attributes: &[],
    elementwise: false,
    build: |_| Ok(Box::new(Elementwise(Mul))),
};

/// Product of two values, broadcast together.
#[derive(Debug)]
pub struct Mul;

impl Binary for Mul {
    const NAME: &'static str = "mul";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, a: S, b: S) -> S {
        a * b
    }

    #[inline(always)]
    fn a_bar<S: Float>(&self, _: S, b: S, y_bar: S) -> S {
        y_bar * b
    }

    #[inline(always)]
    fn b_bar<S: Float>(&self, a: S, _: S, y_bar: S) -> S {
        y_bar * a
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Elementwise(Mul), &[laws::normal(&[3, 4], 1), laws::normal(&[3, 4], 2)]);
        laws::hold(&Elementwise(Mul), &[laws::normal(&[3, 1], 1), laws::between(&[4], 2, 0.5, 2.0)]);
        laws::hold(&Elementwise(Mul), &[laws::batch(3, &[], 1), laws::batch(3, &[2], 2)]);
        laws::rejects(&Elementwise(Mul), &[laws::normal(&[3], 1), laws::normal(&[4], 2)], "do not broadcast");
    }
}
