//! `y = x if x > 0 else negative_slope * x`,  `dy/dx = 1 if x > 0 else negative_slope, negative_slope at 0`.

use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "leaky_relu",
    summary: "rectifier with a slope below 0",
    formula: "y = x if x > 0 else negative_slope * x",
    derivative: "dy/dx = 1 if x > 0 else negative_slope, negative_slope at 0",
    arity: Arity::Exactly(1),
    attributes: &[Attribute::new("negative_slope", Kind::Number, Default::Number(0.01), "slope below 0")],
    elementwise: true,
    build: |values| Ok(Box::new(LeakyRelu { negative_slope: values.number("negative_slope") })),
};

/// Rectifier with a slope below 0.
#[derive(Debug)]
pub(crate) struct LeakyRelu {
    negative_slope: f64,
}

impl Unary for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        if x > S::ZERO { x } else { S::from_f64(self.negative_slope) * x }
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        if x > S::ZERO { y_bar } else { S::from_f64(self.negative_slope) * y_bar }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&LeakyRelu { negative_slope: 0.2 }, &[laws::normal(&[3, 5], 1)]);
        laws::at_kink(&LeakyRelu { negative_slope: 0.2 }, 0.0, 0.0, 0.2);
    }
}
