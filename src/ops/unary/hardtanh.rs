//! `y = min(max(x, min_val), max_val)`,  `dy/dx = 1 if min_val < x < max_val else 0, 0 at both bounds`.

use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "hardtanh",
    summary: "the input clamped between two bounds",
    formula: "y = min(max(x, min_val), max_val)",
    derivative: "dy/dx = 1 if min_val < x < max_val else 0, 0 at both bounds",
    arity: Arity::Exactly(1),
    attributes: &[
        Attribute::new("min_val", Kind::Number, Default::Number(-1.0), "lower bound"),
        Attribute::new("max_val", Kind::Number, Default::Number(1.0), "upper bound, above min_val"),
    ],
    elementwise: true,
    build: |values| {
        let (min_val, max_val) = (values.number("min_val"), values.number("max_val"));
        if max_val <= min_val {
            return Err(Invalid::new("max_val", format!("expected more than min_val ({min_val}), found {max_val}")));
        }
        Ok(Box::new(Hardtanh { min_val, max_val }))
    },
};

/// The input clamped between two bounds.
#[derive(Debug)]
pub(crate) struct Hardtanh {
    min_val: f64,
    max_val: f64,
}

impl Unary for Hardtanh {
    const NAME: &'static str = "hardtanh";
    const READS: Reads = Reads::OUTPUT;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        let (low, high) = (S::from_f64(self.min_val), S::from_f64(self.max_val));
        // A bound itself is outside, so that a tangent sees the slope's convention.
        if x <= low {
            low
        } else if x >= high {
            high
        } else {
            x
        }
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, _: S, y: S, y_bar: S) -> S {
        let clamped = y <= S::from_f64(self.min_val) || y >= S::from_f64(self.max_val);
        if clamped { S::ZERO } else { y_bar }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Hardtanh { min_val: -1.0, max_val: 1.0 }, &[laws::normal(&[3, 5], 1)]);
        laws::at_kink(&Hardtanh { min_val: -1.0, max_val: 1.0 }, 1.0, 1.0, 0.0);
        laws::at_kink(&Hardtanh { min_val: -1.0, max_val: 1.0 }, -1.0, -1.0, 0.0);
    }
}
