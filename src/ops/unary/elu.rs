//! `y = x if x > 0 else alpha * (e^x - 1)`,  `dy/dx = 1 if x > 0 else alpha * e^x`.

use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "elu",
    summary: "exponential linear unit",
    formula: "y = x if x > 0 else alpha * (e^x - 1)",
    derivative: "dy/dx = 1 if x > 0 else alpha * e^x",
    arity: Arity::Exactly(1),
    attributes: &[Attribute::new("alpha", Kind::Number, Default::Number(1.0), "minus the limit at minus infinity")],
    elementwise: true,
    build: |values| Ok(Box::new(Elu { alpha: values.number("alpha") })),
};

/// Exponential linear unit.
#[derive(Debug)]
pub(crate) struct Elu {
    alpha: f64,
}

impl Unary for Elu {
    const NAME: &'static str = "elu";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        if x <= S::ZERO { S::from_f64(self.alpha) * x.exp_m1() } else { x }
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        if x <= S::ZERO { y_bar * S::from_f64(self.alpha) * x.exp() } else { y_bar }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Elu { alpha: 1.5 }, &[laws::normal(&[3, 5], 1)]);
        laws::at_kink(&Elu { alpha: 1.5 }, 0.0, 0.0, 1.5);
    }
}
