//! A range of an axis, with Python's rules: negative ends count from the back, ends past the edge are clamped.

use ndarray::{Axis, Slice as Range};

use super::{Moved, Reindex, gathered, runs, scattered};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{Arity, Entry};
use crate::tensor::{Float, Shape, ShapeError, Tensor};

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "slice",
    summary: "a range of an axis, as Python's start:end:step",
    formula: "y[i] = x[start + i * step]",
    derivative: "dy/dx = 1 inside the range, 0 outside",
    arity: Arity::Exactly(1),
    attributes: &[
        Attribute::new("dim", Kind::Integer, Default::Integer(1), "the axis"),
        Attribute::new("start", Kind::Integer, Default::Integer(0), "first index; negative counts from the end"),
        Attribute::new("end", Kind::Integer, Default::Absent, "one past the last index; the end of the axis where left out"),
        Attribute::new("step", Kind::Integer, Default::Integer(1), "distance between indices, at least 1"),
    ],
    elementwise: false,
    build: |values| {
        let step = values.integer("step");
        if step < 1 {
            return Err(Invalid::new("step", format!("expected at least 1, found {step}")));
        }
        let (dim, start) = (values.integer("dim"), values.integer("start"));
        Ok(Box::new(Moved(Slice { dim, start, end: values.integer_or_absent("end"), step })))
    },
};

/// `x[start:end:step]` along an axis.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) dim: i64,
    pub(crate) start: i64,
    pub(crate) end: Option<i64>,
    pub(crate) step: i64,
}

impl Slice {
    /// The axis, and its range as ndarray takes it.
    fn range(&self, input: Shape) -> Result<(usize, Range, usize), ShapeError> {
        let axis = input.axis(self.dim)?;
        let size = input.dims()[axis] as i64;
        let clamp = |index: i64| (if index < 0 { index.saturating_add(size) } else { index }).clamp(0, size);
        let start = clamp(self.start);
        let end = self.end.map_or(size, clamp).max(start);
        let step = self.step.min(size.max(1));
        let count = (end - start).unsigned_abs().div_ceil(self.step.unsigned_abs()) as usize;
        let end = if count <= 1 { start + count as i64 } else { end };
        Ok((axis, Range::new(start as isize, Some(end as isize), step as isize), count))
    }
}

impl Reindex for Slice {
    const NAME: &'static str = "slice";

    fn shape(&self, input: Shape) -> Result<Shape, ShapeError> {
        let (axis, _, count) = self.range(input)?;
        let mut dims = input.dims().to_vec();
        dims[axis] = count;
        input.with_dims(&dims)
    }

    fn pick<S: Float>(&self, x: &Tensor<S>, output: Shape) -> Tensor<S> {
        let (axis, range, count) = self.range(x.shape()).expect("checked by the shape rule");
        if range.step == 1 || count <= 1 {
            return gathered(x, output, runs(x.shape(), axis, range.start as usize, count));
        }
        Tensor::from_view(output, &x.view().slice_axis(Axis(axis), range))
    }

    fn place<S: Float>(&self, y_bar: &Tensor<S>, input: Shape) -> Tensor<S> {
        let (axis, range, count) = self.range(input).expect("checked by the shape rule");
        if range.step == 1 || count <= 1 {
            return scattered(y_bar, input, runs(input, axis, range.start as usize, count));
        }
        let mut x_bar = Tensor::zeros(input);
        x_bar.view_mut().slice_axis_mut(Axis(axis), range).assign(&y_bar.view());
        x_bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        let of = |dim, start, end, step| Moved(Slice { dim, start, end, step });
        laws::hold(&of(1, 1, Some(6), 2), &[laws::batch(2, &[7, 3], 1)]);
        laws::hold(&of(-1, -2, None, 1), &[laws::batch(2, &[7, 3], 1)]);
        laws::hold(&of(1, 5, Some(2), 1), &[laws::batch(2, &[7], 1)]);
        laws::hold(&of(1, 2, Some(i64::MAX), i64::MAX), &[laws::batch(2, &[7], 1)]);
        laws::rejects(&of(0, 0, None, 1), &[laws::batch(2, &[7], 1)], "sample axis");
    }
}
