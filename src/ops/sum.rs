//! `y = Σ x` over some axes,  `dy/dx = 1`.

use super::attributes::{Attribute, Default, Invalid, Kind, Values};
use super::{Arity, Cotangents, Describe, Entry, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

pub(super) const DIM: Attribute =
    Attribute::new("dim", Kind::Integers, Default::Absent, "axis or axes; all axes of a sample where left out");
pub(super) const KEEPDIM: Attribute =
    Attribute::new("keepdim", Kind::Boolean, Default::Boolean(false), "whether a reduced axis stays with size 1");

pub(super) const ENTRY: Entry = Entry {
    name: "sum",
    summary: "sum over axes; the sample axis is never summed",
    formula: "y = sum of x over dim",
    derivative: "dy/dx = 1",
    arity: Arity::Exactly(1),
    attributes: &[DIM, KEEPDIM],
    elementwise: false,
    build: |values| Ok(Box::new(Sum { axes: Axes::from(values)? })),
};

/// The axes of a reduction.
#[derive(Debug, Clone)]
pub struct Axes {
    /// PyTorch's `dim`; nothing for all axes of a sample.
    pub dim: Option<Vec<i64>>,
    /// Whether reduced axes stay with size 1.
    pub keepdim: bool,
}

impl Axes {
    pub(super) fn from(values: &Values) -> Result<Self, Invalid> {
        Ok(Self { dim: values.integers("dim").map(<[i64]>::to_vec), keepdim: values.boolean("keepdim") })
    }

    /// Which axes of `shape` go.
    fn reduced(&self, shape: Shape) -> Result<Vec<bool>, ShapeError> {
        let mut reduced = vec![false; shape.rank()];
        match &self.dim {
            None => reduced[usize::from(shape.is_batched())..].fill(true),
            Some(dims) => {
                for &dim in dims {
                    if std::mem::replace(&mut reduced[shape.axis(dim)?], true) {
                        return Err(ShapeError(format!("dim {dim} appears twice")));
                    }
                }
            }
        }
        Ok(reduced)
    }

    /// The output's shape, and the same with every reduced axis kept at 1.
    pub(super) fn shapes(&self, shape: Shape) -> Result<(Shape, Shape), ShapeError> {
        let reduced = self.reduced(shape)?;
        let kept: Vec<_> = shape.dims().iter().zip(&reduced).map(|(&dim, &gone)| if gone { 1 } else { dim }).collect();
        let full = shape.with_dims(&kept)?;
        if self.keepdim {
            return Ok((full, full));
        }
        let dims: Vec<_> = shape.dims().iter().zip(&reduced).filter(|&(_, &gone)| !gone).map(|(&dim, _)| dim).collect();
        Ok((shape.with_dims(&dims)?, full))
    }

    /// How many elements meet in one.
    pub(super) fn count(&self, shape: Shape) -> usize {
        let (output, _) = self.shapes(shape).expect("checked by the shape rule");
        shape.size().checked_div(output.size()).unwrap_or(0)
    }
}

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
        laws::hold(&over(&[1], false), &[laws::batch(3, &[2, 4], 1)]);
        laws::hold(&over(&[-1, 1], true), &[laws::batch(3, &[2, 4], 1)]);
        laws::hold(&over(&[0], false), &[laws::normal(&[2, 4], 1)]);
        laws::rejects(&over(&[0], false), &[laws::batch(3, &[2], 1)], "sample axis");
        laws::rejects(&over(&[1, -1], false), &[laws::batch(3, &[2], 1)], "twice");
        laws::rejects(&over(&[2], false), &[laws::batch(3, &[2], 1)], "does not exist");
    }
}
