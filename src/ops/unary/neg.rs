//! `y = -x`,  `dy/dx = -1`.

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "neg",
    summary: "minus the input",
    formula: "y = -x",
    derivative: "dy/dx = -1",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Neg)),
};

/// Minus the input.
#[derive(Debug)]
pub(crate) struct Neg;

impl Unary for Neg {
    const NAME: &'static str = "neg";
    const READS: Reads = Reads::NOTHING;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        -x
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, _: S, _: S, y_bar: S) -> S {
        -y_bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Neg, &[laws::normal(&[3, 5], 1)]);
    }
}
