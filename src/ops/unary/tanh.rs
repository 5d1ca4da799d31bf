//! `y = tanh x`,  `dy/dx = 1 − y² = 4·e/(1 + e)²` with `e = e^{−2|x|}`: the second form keeps its digits where y is near ±1.

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
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        x.tanh()
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        let e = (if x > S::ZERO { -(x + x) } else { x + x }).exp();
        let sum = S::ONE + e;
        y_bar * (S::from_f64(4.0) * e / (sum * sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Tanh, &[laws::normal(&[3, 4], 1)]);
        laws::hold(&Tanh, &[laws::between(&[9], 1, -25.0, 25.0)]);
    }
}
