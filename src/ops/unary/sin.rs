//! `y = sin x`,  `dy/dx = cos x`.

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "sin",
    summary: "sine",
    formula: "y = sin x",
    derivative: "dy/dx = cos x",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Sin)),
};

/// Sine.
#[derive(Debug)]
pub(crate) struct Sin;

impl Unary for Sin {
    const NAME: &'static str = "sin";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        x.sin()
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        y_bar * x.cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Sin, &[laws::normal(&[3, 5], 1)]);
    }
}
