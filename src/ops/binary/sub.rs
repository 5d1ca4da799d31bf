//! `y = a - alpha * b`,  `dy/da = 1, dy/db = -alpha`, elementwise with broadcasting.

use super::{Binary, Elementwise};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Entry, Reads};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "sub",
    summary: "difference of two values, broadcast together",
    formula: "y = a - alpha * b",
    derivative: "dy/da = 1, dy/db = -alpha",
    arity: Arity::Exactly(2),
    attributes: &[Attribute::new("alpha", Kind::Number, Default::Number(1.0), "factor of the second input")],
    elementwise: false,
    build: |values| Ok(Box::new(Elementwise(Sub { alpha: values.number("alpha") }))),
};

/// `a − alpha·b`.
#[derive(Debug)]
pub struct Sub {
    /// The factor of the second input.
    pub alpha: f64,
}

impl Binary for Sub {
    const NAME: &'static str = "sub";
    const READS: Reads = Reads::NOTHING;

    #[inline(always)]
    fn value<S: Float>(&self, a: S, b: S) -> S {
        a - S::from_f64(self.alpha) * b
    }

    #[inline(always)]
    fn a_bar<S: Float>(&self, _: S, _: S, y_bar: S) -> S {
        y_bar
    }

    #[inline(always)]
    fn b_bar<S: Float>(&self, _: S, _: S, y_bar: S) -> S {
        -(S::from_f64(self.alpha) * y_bar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Elementwise(Sub { alpha: 1.5 }), &[laws::normal(&[3, 4], 1), laws::normal(&[3, 4], 2)]);
        laws::hold(&Elementwise(Sub { alpha: 1.5 }), &[laws::normal(&[3, 1], 1), laws::between(&[4], 2, 0.5, 2.0)]);
        laws::hold(&Elementwise(Sub { alpha: 1.5 }), &[laws::batch(3, &[], 1), laws::batch(3, &[2], 2)]);
        laws::rejects(&Elementwise(Sub { alpha: 1.5 }), &[laws::normal(&[3], 1), laws::normal(&[4], 2)], "do not broadcast");
    }
}
