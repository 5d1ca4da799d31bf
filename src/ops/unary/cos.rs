//! `y = cos x`,  `dy/dx = -sin x`.

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "cos",
    summary: "cosine",
    formula: "y = cos x",
    derivative: "dy/dx = -sin x",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Cos)),
};

/// Cosine.
#[derive(Debug)]
pub(crate) struct Cos;

impl Unary for Cos {
    const NAME: &'static str = "cos";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        x.cos()
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        -(y_bar * x.sin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Cos, &[laws::normal(&[3, 5], 1)]);
    }
}
