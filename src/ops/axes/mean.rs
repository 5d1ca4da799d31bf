//! `y = Σ x / n` over some axes of n elements together,  `dy/dx = 1/n`.

use super::{Axes, DIM, KEEPDIM};
use crate::ops::{Arity, Cotangents, Describe, Entry, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "mean",
    summary: "mean over axes; never over samples",
    formula: "y = sum of x over dim / n, n the elements that meet",
    derivative: "dy/dx = 1 / n",
    arity: Arity::Exactly(1),
    attributes: &[DIM, KEEPDIM],
    elementwise: false,
    build: |values| Ok(Box::new(Mean { axes: Axes::from(values)? })),
};

/// The mean over axes.
#[derive(Debug)]
pub(crate) struct Mean {
    pub(crate) axes: Axes,
}

impl Describe for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        self.axes.shapes(inputs[0]).map(|(output, _)| output)
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> Flops {
        Flops::per_element(inputs[0], 1, 2)
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Mean {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let (output, full) = self.axes.shapes(x[0].shape()).expect("checked by the shape rule");
        let count = S::from_f64(self.axes.count(x[0].shape()) as f64);
        x[0].sum_to(full).reshape(output).map(|sum| sum / count)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let (_, full) = self.axes.shapes(at.shapes[0]).expect("checked by the shape rule");
        let count = S::from_f64(self.axes.count(at.shapes[0]) as f64);
        x_bar.give(0, y_bar.map(|y_bar| y_bar / count).reshape(full).broadcast_to(at.shapes[0]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        let over = |dim: Option<Vec<i64>>, keepdim| Mean { axes: Axes { dim, keepdim } };
        laws::hold(&over(None, false), &[laws::batch(3, &[2, 4], 1)]);
        laws::hold(&over(Some(vec![-1]), true), &[laws::batch(3, &[2, 4], 1)]);
        laws::hold(&over(Some(vec![0]), false), &[laws::normal(&[3, 2], 1)]);
        laws::rejects(&over(Some(vec![0]), false), &[laws::batch(3, &[2], 1)], "sample axis");
    }
}
