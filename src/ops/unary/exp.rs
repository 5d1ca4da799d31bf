//! `y = e^x`,  `dy/dx = y`.

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "exp",
    summary: "exponential",
    formula: "y = e^x",
    derivative: "dy/dx = y",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Exp)),
};

/// Exponential.
#[derive(Debug)]
pub(crate) struct Exp;

impl Unary for Exp {
    const NAME: &'static str = "exp";
    const READS: Reads = Reads::OUTPUT;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        x.exp()
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, _: S, y: S, y_bar: S) -> S {
        y_bar * y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Exp, &[laws::normal(&[3, 5], 1)]);
    }
}
