//! `y = |x|`,  `dy/dx = sign(x), 0 at 0`.

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "abs",
    summary: "absolute value",
    formula: "y = |x|",
    derivative: "dy/dx = sign(x), 0 at 0",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Abs)),
};

/// Absolute value.
#[derive(Debug)]
pub struct Abs;

impl Unary for Abs {
    const NAME: &'static str = "abs";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        x.abs()
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        let sign = if x > S::ZERO {
            S::ONE
        } else if x < S::ZERO {
            -S::ONE
        } else {
            S::ZERO
        };
        y_bar * sign
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Abs, &[laws::normal(&[3, 5], 1)]);
        laws::at_kink(&Abs, 0.0, 0.0, 0.0);
    }
}
