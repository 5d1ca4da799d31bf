//! `y = sqrt(x)`,  `dy/dx = 1 / (2 y)`.

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "sqrt",
    summary: "square root",
    formula: "y = sqrt(x)",
    derivative: "dy/dx = 1 / (2 y)",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Sqrt)),
};

/// Square root.
#[derive(Debug)]
pub(crate) struct Sqrt;

impl Unary for Sqrt {
    const NAME: &'static str = "sqrt";
    const READS: Reads = Reads::OUTPUT;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        x.sqrt()
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, _: S, y: S, y_bar: S) -> S {
        y_bar / (y + y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Sqrt, &[laws::between(&[3, 5], 1, 0.2, 3.0)]);
    }
}
