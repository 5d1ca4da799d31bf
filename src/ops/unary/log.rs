//! `y = ln x`,  `dy/dx = 1 / x`.

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "log",
    summary: "natural logarithm",
    formula: "y = ln x",
    derivative: "dy/dx = 1 / x",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Log)),
};

/// Natural logarithm.
#[derive(Debug)]
pub(crate) struct Log;

impl Unary for Log {
    const NAME: &'static str = "log";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        x.ln()
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        y_bar / x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Log, &[laws::between(&[3, 5], 1, 0.2, 3.0)]);
    }
}
