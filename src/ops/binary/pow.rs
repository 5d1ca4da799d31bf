//! `y = a^b`,  `dy/da = b a^(b-1), 0 where b = 0; dy/db = y ln a, 0 where a = 0 and b >= 0`, elementwise with broadcasting.

use super::{Binary, Elementwise};
use crate::ops::Unary;
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Entry, Reads};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "pow",
    summary: "power, with the exponent as second input or as attribute",
    formula: "y = a^b",
    derivative: "dy/da = b a^(b-1), 0 where b = 0; dy/db = y ln a, 0 where a = 0 and b >= 0",
    arity: Arity::Between(1, 2),
    attributes: &[Attribute::new("exponent", Kind::Number, Default::Absent, "the exponent, where there is no second input")],
    elementwise: false,
    build: |values| match values.number_or_absent("exponent") {
        Some(exponent) => Ok(Box::new(PowBy { exponent })),
        None => Ok(Box::new(Elementwise(Pow))),
    },
};

/// Power, with the exponent as second input or as attribute.
#[derive(Debug)]
pub(crate) struct Pow;

impl Binary for Pow {
    const NAME: &'static str = "pow";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, a: S, b: S) -> S {
        a.pow(b)
    }

    #[inline(always)]
    fn a_bar<S: Float>(&self, a: S, b: S, y_bar: S) -> S {
        if b == S::ZERO { S::ZERO } else { y_bar * (b * a.pow(b - S::ONE)) }
    }

    #[inline(always)]
    fn b_bar<S: Float>(&self, a: S, b: S, y_bar: S) -> S {
        if a == S::ZERO && b >= S::ZERO { S::ZERO } else { y_bar * (a.pow(b) * a.ln()) }
    }
}

/// `x^exponent` with a fixed exponent.
#[derive(Debug)]
pub(crate) struct PowBy {
    exponent: f64,
}

impl Unary for PowBy {
    const NAME: &'static str = "pow";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        if self.exponent == 2.0 { x * x } else { x.pow(S::from_f64(self.exponent)) }
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        if self.exponent == 2.0 { y_bar * (x + x) } else { Pow.a_bar(x, S::from_f64(self.exponent), y_bar) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Elementwise(Pow), &[laws::between(&[3, 4], 1, 0.2, 3.0), laws::normal(&[4], 2)]);
        for exponent in [3.0, -2.0, 0.5, 1.0, 2.0] {
            laws::hold(&PowBy { exponent }, &[laws::between(&[3, 4], 1, 0.2, 3.0)]);
        }
        laws::hold(&PowBy { exponent: 3.0 }, &[laws::normal(&[5], 1)]);
        laws::rejects(&Elementwise(Pow), &[laws::normal(&[5], 1)], "unless an attribute stands for the second, found 1");
        laws::rejects(&PowBy { exponent: 3.0 }, &[laws::normal(&[5], 1), laws::normal(&[5], 2)], "takes one input");
        laws::at_kink(&PowBy { exponent: 0.0 }, 0.0, 1.0, 0.0);
        laws::at_kink(&PowBy { exponent: 2.0 }, 0.0, 0.0, 0.0);
        laws::at_kink(&PowBy { exponent: 1.0 }, 0.0, 0.0, 1.0);
    }
}
