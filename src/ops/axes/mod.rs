//! Ops along axes: reductions, and softmax, in which the elements of an axis compete.

mod lines;
pub(super) mod log_softmax;
pub(super) mod mean;
pub(super) mod softmax;
pub(super) mod sum;

pub(super) use lines::Contest;
pub(crate) use lines::Lines;
pub(crate) use log_softmax::LogSoftmax;
pub(crate) use mean::Mean;
pub(crate) use softmax::Softmax;
pub use sum::Sum;

use super::attributes::{Attribute, Default, Invalid, Kind, Values};
use crate::tensor::{Shape, ShapeError};

const DIM: Attribute =
    Attribute::new("dim", Kind::Integers, Default::Absent, "axis or axes; all axes of a sample where left out");
const KEEPDIM: Attribute =
    Attribute::new("keepdim", Kind::Boolean, Default::Boolean(false), "whether a reduced axis stays with size 1");

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
        let dims = self.dim.as_deref().unwrap_or_default();
        if dims.is_empty() {
            // An empty list means all axes, as PyTorch has it.
            reduced[usize::from(shape.is_batched())..].fill(true);
        }
        for &dim in dims {
            if std::mem::replace(&mut reduced[shape.axis(dim)?], true) {
                return Err(ShapeError(format!("dim {dim} names an axis of {shape} a second time")));
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
