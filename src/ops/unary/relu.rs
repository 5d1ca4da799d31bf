//! `y = max(x, 0)`,  `dy/dx = 1 if x > 0 else 0, 0 at 0`.

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "relu",
    summary: "rectifier",
    formula: "y = max(x, 0)",
    derivative: "dy/dx = 1 if x > 0 else 0, 0 at 0",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Relu)),
};

/// Rectifier.
#[derive(Debug)]
pub(crate) struct Relu;

impl Unary for Relu {
    const NAME: &'static str = "relu";
    const READS: Reads = Reads::OUTPUT;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        if x <= S::ZERO { S::ZERO } else { x }
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, _: S, y: S, y_bar: S) -> S {
        if y <= S::ZERO { S::ZERO } else { y_bar }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Relu, &[laws::normal(&[3, 5], 1)]);
        laws::at_kink(&Relu, 0.0, 0.0, 0.0);
        laws::at_kink(&Relu, -0.0, 0.0, 0.0);
    }
}
