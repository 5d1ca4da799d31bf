//! `y = x`,  `dy/dx = 1`.

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "identity",
    summary: "the input itself",
    formula: "y = x",
    derivative: "dy/dx = 1",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Identity)),
};

/// The input itself.
#[derive(Debug)]
pub struct Identity;

impl Unary for Identity {
    const NAME: &'static str = "identity";
    const READS: Reads = Reads::NOTHING;

    fn value<S: Float>(&self, x: S) -> S {
        x
    }

    fn slope<S: Float>(&self, _: S, _: S) -> S {
        S::ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Identity, &[laws::normal(&[3, 5], 1)]);
    }
}
