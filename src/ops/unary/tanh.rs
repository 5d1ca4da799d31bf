//! `y = tanh x`,  `dy/dx = 1 − y²`.

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: Tanh::NAME,
    summary: "hyperbolic tangent",
    formula: "y = tanh(x)",
    derivative: "dy/dx = 1 - y^2",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Tanh)),
};

/// `tanh` of every element.
#[derive(Debug)]
pub(crate) struct Tanh;

impl Unary for Tanh {
    const NAME: &'static str = "tanh";
    const READS: Reads = Reads::OUTPUT;

    fn value<S: Float>(&self, x: S) -> S {
        x.tanh()
    }

    fn x_bar<S: Float>(&self, _: S, y: S, y_bar: S) -> S {
        y_bar * (S::ONE - y * y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Tanh, &[laws::normal(&[3, 4], 1)]);
    }
}
