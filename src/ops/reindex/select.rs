//! One index of an axis, which goes.

use super::{Moved, Reindex, gathered, runs, scattered};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Entry};
use crate::tensor::{Float, Shape, ShapeError, Tensor, resolve};

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "select",
    summary: "one index of an axis",
    formula: "y = x[index] along dim",
    derivative: "dy/dx = 1 at the index, 0 elsewhere",
    arity: Arity::Exactly(1),
    attributes: &[
        Attribute::new("dim", Kind::Integer, Default::Integer(1), "the axis, which goes"),
        Attribute::new("index", Kind::Integer, Default::Required, "the index; negative counts from the end"),
    ],
    elementwise: false,
    build: |values| Ok(Box::new(Moved(Select { dim: values.integer("dim"), index: values.integer("index") }))),
};

/// `x[index]` along an axis.
#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) dim: i64,
    pub(crate) index: i64,
}

impl Select {
    fn place_in(&self, input: Shape) -> Result<(usize, usize), ShapeError> {
        let axis = input.axis(self.dim)?;
        let size = input.dims()[axis];
        let index = resolve(self.index, size).ok_or_else(|| {
            let range = match size {
                0 => "it is empty".to_owned(),
                _ => format!("expected -{size} to {}", size - 1),
            };
            ShapeError(format!("index {} is out of range for axis {axis} of {input}: {range}", self.index))
        })?;
        Ok((axis, index))
    }
}

impl Reindex for Select {
    const NAME: &'static str = "select";

    fn shape(&self, input: Shape) -> Result<Shape, ShapeError> {
        let (axis, _) = self.place_in(input)?;
        let mut dims = input.dims().to_vec();
        dims.remove(axis);
        input.with_dims(&dims)
    }

    fn pick<S: Float>(&self, x: &Tensor<S>, output: Shape) -> Tensor<S> {
        let (axis, index) = self.place_in(x.shape()).expect("checked by the shape rule");
        gathered(x, output, runs(x.shape(), axis, index, 1))
    }

    fn place<S: Float>(&self, y_bar: &Tensor<S>, input: Shape) -> Tensor<S> {
        let (axis, index) = self.place_in(input).expect("checked by the shape rule");
        scattered(y_bar, input, runs(input, axis, index, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        let at = |dim, index| Moved(Select { dim, index });
        laws::hold(&at(1, 2), &[laws::batch(2, &[7, 3], 1)]);
        laws::hold(&at(-1, -3), &[laws::batch(2, &[7, 3], 1)]);
        laws::hold(&at(0, 1), &[laws::normal(&[4], 1)]);
        laws::rejects(&at(0, 0), &[laws::batch(2, &[7], 1)], "sample axis");
        laws::rejects(&at(1, 7), &[laws::batch(2, &[7], 1)], "out of range for axis 1 of [2, 7]: expected -7 to 6");
    }
}
