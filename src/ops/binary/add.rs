//! `y = a + α·b`,  `dy/da = 1`,  `dy/db = α`, elementwise with broadcasting.

use crate::ops::attributes::{Default, Kind};
use crate::ops::{Arity, Attribute, Cotangents, Describe, Entry, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "add",
    summary: "sum of two values, broadcast together",
    formula: "y = a + alpha * b",
    derivative: "dy/da = 1, dy/db = alpha",
    arity: Arity::Exactly(2),
    attributes: &[Attribute::new("alpha", Kind::Number, Default::Number(1.0), "factor of the second input")],
    elementwise: false,
    build: |values| Ok(Box::new(Add { alpha: values.number("alpha") })),
};

/// `a + alpha·b`.
#[derive(Debug)]
pub(crate) struct Add {
    /// The factor of the second input.
    pub(crate) alpha: f64,
}

impl Describe for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        inputs[0].broadcast(inputs[1])
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        Flops::per_element(output, 2, 2)
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Add {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let shape = x[0].shape().broadcast(x[1].shape()).expect("checked by the shape rule");
        if self.alpha == 1.0 {
            return x[0].zip(x[1], shape, |a, b| a + b);
        }
        let alpha = S::from_f64(self.alpha);
        x[0].zip(x[1], shape, |a, b| a + alpha * b)
    }

    fn vjp(&self, _: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        x_bar.give(0, y_bar.clone());
        if x_bar.wants(1) {
            let alpha = S::from_f64(self.alpha);
            x_bar.give(1, if self.alpha == 1.0 { y_bar.clone() } else { y_bar.map(|y_bar| alpha * y_bar) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Add { alpha: 1.0 }, &[laws::normal(&[3, 4], 1), laws::normal(&[4], 2)]);
        laws::hold(&Add { alpha: -2.5 }, &[laws::normal(&[3, 1], 1), laws::normal(&[4], 2)]);
        laws::hold(&Add { alpha: 1.0 }, &[laws::batch(3, &[], 1), laws::batch(3, &[2], 2)]);
        laws::rejects(&Add { alpha: 1.0 }, &[laws::normal(&[3], 1), laws::normal(&[4], 2)], "do not broadcast");
    }
}
