//! `y = a / b`,  `dy/da = 1 / b, dy/db = -a / b^2`, elementwise with broadcasting.

use super::{Binary, Elementwise};
use crate::ops::{Arity, Entry, Reads};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "div",
    summary: "quotient of two values, broadcast together",
    formula: "y = a / b",
    derivative: "dy/da = 1 / b, dy/db = -a / b^2",
    arity: Arity::Exactly(2),
    attributes: &[],
    elementwise: false,
    build: |_| Ok(Box::new(Elementwise(Div))),
};

/// Quotient of two values, broadcast together.
#[derive(Debug)]
pub(crate) struct Div;

impl Binary for Div {
    const NAME: &'static str = "div";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, a: S, b: S) -> S {
        a / b
    }

    #[inline(always)]
    fn a_bar<S: Float>(&self, _: S, b: S, y_bar: S) -> S {
        y_bar / b
    }

    #[inline(always)]
    fn b_bar<S: Float>(&self, a: S, b: S, y_bar: S) -> S {
        -(y_bar * ((a / b) / b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Elementwise(Div), &[laws::normal(&[3, 4], 1), laws::normal(&[3, 4], 2)]);
        laws::hold(&Elementwise(Div), &[laws::normal(&[3, 1], 1), laws::between(&[4], 2, 0.5, 2.0)]);
        laws::hold(&Elementwise(Div), &[laws::batch(3, &[], 1), laws::batch(3, &[2], 2)]);
        laws::rejects(&Elementwise(Div), &[laws::normal(&[3], 1), laws::normal(&[4], 2)], "do not broadcast");
    }
}
