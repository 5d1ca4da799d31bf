//! `y = Σ x` over some axes,  `dy/dx = 1`.

use super::{Axes, DIM, KEEPDIM};
use crate::ops::{Arity, Cotangents, Describe, Entry, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "sum",
    summary: "sum over axes; the sample axis is never summed",
    formula: "y = sum of x over dim",
    derivative: "dy/dx = 1",
    arity: Arity::Exactly(1),
    attributes: &[DIM, KEEPDIM],
    elementwise: false,
    build: |values| Ok(Box::new(Sum { axes: Axes::from(values)? })),
};

/// The sum over axes.
#[derive(Debug)]
pub struct Sum {
    /// The axes.
    pub axes: Axes,
}

impl Sum {
    /// The sum of all that one sample has.
    pub fn all() -> Self {
        Self { axes: Axes { dim: None, keepdim: false } }
    }
}

impl Describe for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        self.axes.shapes(inputs[0]).map(|(output, _)| output)
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> Flops {
        Flops::per_element(inputs[0], 1, 1)
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Sum {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let (output, full) = self.axes.shapes(x[0].shape()).expect("checked by the shape rule");
        x[0].sum_to(full).reshape(output)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let (_, full) = self.axes.shapes(at.shapes[0]).expect("checked by the shape rule");
        x_bar.give(0, y_bar.reshape(full).broadcast_to(at.shapes[0]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    fn over(dim: &[i64], keepdim: bool) -> Sum {
        Sum { axes: Axes { dim: Some(dim.to_vec()), keepdim } }
    }

    #[test]
    fn laws() {
        laws::hold(&Sum::all(), &[laws::batch(3, &[2, 4], 1)]);
        laws::hold(&Sum::all(), &[laws::normal(&[2, 4], 1)]);
        laws::hold(&Sum::all(), &[laws::batch(3, &[], 1)]);
        laws::hold(&over(&[], true), &[laws::batch(3, &[2, 4], 1)]);
        laws::hold(&over(&[1], false), &[laws::batch(3, &[2, 4], 1)]);
        laws::hold(&over(&[-1, 1], true), &[laws::batch(3, &[2, 4], 1)]);
        laws::hold(&over(&[0], false), &[laws::normal(&[2, 4], 1)]);
        laws::rejects(&over(&[0], false), &[laws::batch(3, &[2], 1)], "sample axis");
        laws::rejects(&over(&[1, -1], false), &[laws::batch(3, &[2], 1)], "second time");
        laws::rejects(&over(&[2], false), &[laws::batch(3, &[2], 1)], "does not exist");
    }
}
