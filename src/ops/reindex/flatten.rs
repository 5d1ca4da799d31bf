//! Consecutive axes made one.

use super::{Moved, Reindex};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Entry};
use crate::tensor::{Float, Shape, ShapeError, Tensor};

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "flatten",
    summary: "consecutive axes made one",
    formula: "y = x",
    derivative: "dy/dx = 1",
    arity: Arity::Exactly(1),
    attributes: &[
        Attribute::new("start_dim", Kind::Integer, Default::Integer(1), "first axis that is joined"),
        Attribute::new("end_dim", Kind::Integer, Default::Integer(-1), "last axis that is joined"),
    ],
    elementwise: false,
    build: |values| Ok(Box::new(Moved(Flatten { start_dim: values.integer("start_dim"), end_dim: values.integer("end_dim") }))),
};

/// Axes `start_dim` to `end_dim` made one.
#[derive(Debug)]
pub(crate) struct Flatten {
    start_dim: i64,
    end_dim: i64,
}

impl Reindex for Flatten {
    const NAME: &'static str = "flatten";

    fn shape(&self, input: Shape) -> Result<Shape, ShapeError> {
        if input.is_batched() && input.rank() == 1 && (self.start_dim, self.end_dim) == (1, -1) {
            return input.with_dims(&[input.dims()[0], 1]); // one number per sample is a vector of one
        }
        let (start, end) = (input.axis(self.start_dim)?, input.axis(self.end_dim)?);
        if start > end {
            return Err(ShapeError(format!("start_dim {} comes after end_dim {} in {input}", self.start_dim, self.end_dim)));
        }
        let mut dims = input.dims()[..start].to_vec();
        dims.push(input.dims()[start..=end].iter().product());
        dims.extend_from_slice(&input.dims()[end + 1..]);
        input.with_dims(&dims)
    }

    fn pick<S: Float>(&self, x: &Tensor<S>, output: Shape) -> Tensor<S> {
        x.reshape(output)
    }

    fn place<S: Float>(&self, y_bar: &Tensor<S>, input: Shape) -> Tensor<S> {
        y_bar.reshape(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        let of = |start_dim, end_dim| Moved(Flatten { start_dim, end_dim });
        laws::hold(&of(1, -1), &[laws::batch(2, &[3, 4, 2], 1)]);
        laws::hold(&of(2, 3), &[laws::batch(2, &[3, 4, 2], 1)]);
        laws::hold(&of(1, -1), &[laws::batch(2, &[], 1)]);
        laws::rejects(&of(0, -1), &[laws::batch(2, &[3], 1)], "sample axis");
        laws::rejects(&of(3, 1), &[laws::batch(2, &[3, 4, 2], 1)], "comes after");
    }
}
