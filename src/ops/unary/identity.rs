//! `y = x`,  `dy/dx = 1`.

use crate::ops::{Arity, Cotangents, Describe, Entry, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

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

/// The input itself, shared and not copied.
#[derive(Debug)]
pub struct Identity;

impl Describe for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Ok(inputs[0])
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        Flops::per_element(output, 0, 0)
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Identity {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        x[0].clone()
    }

    fn vjp(&self, _: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        x_bar.give(0, y_bar.clone());
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
