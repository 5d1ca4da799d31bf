//! Values joined along an axis; and [`Joined`], which `stack` shares.

use ndarray::{Axis, Slice};

use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Cotangents, Describe, Entry, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor, resolve};

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "concat",
    summary: "values joined along an axis",
    formula: "y = x_1, x_2, ... one after the other along dim",
    derivative: "dy/dx_k = 1 in its own range, 0 elsewhere",
    arity: Arity::AtLeast(1),
    attributes: &[Attribute::new(
        "dim",
        Kind::Integer,
        Default::Integer(1),
        "the axis; PyTorch's default of 0 would join samples",
    )],
    elementwise: false,
    build: |values| Ok(Box::new(Joined { dim: values.integer("dim"), new_axis: false })),
};

/// Values joined along an axis that they have, or along a new one.
#[derive(Debug)]
pub struct Joined {
    /// The axis, counted in the output.
    pub dim: i64,
    /// Whether the axis is new: `stack`; otherwise `concat`.
    pub new_axis: bool,
}

impl Joined {
    /// The shape of a part with the axis that it is joined along.
    fn part(&self, input: Shape) -> Result<(Shape, usize), ShapeError> {
        if !self.new_axis {
            if input.sample_dims().is_empty() {
                return Err(ShapeError(format!("concat needs an axis to join along, found {input}; stack makes one")));
            }
            return Ok((input, input.axis(self.dim)?));
        }
        let rank = input.rank() + 1;
        let axis = resolve(self.dim, rank)
            .ok_or_else(|| ShapeError(format!("dim {} does not exist in a stack of {input}", self.dim)))?;
        if axis == 0 && input.is_batched() {
            return Err(ShapeError(format!(
                "dim {} of a stack of {input} would come before the sample axis; it starts at 1",
                self.dim
            )));
        }
        let mut dims = input.dims().to_vec();
        dims.insert(axis, 1);
        Ok((input.with_dims(&dims)?, axis))
    }

    /// The inputs' shapes, those without sample axis repeated for every sample if another has one.
    fn lifted(inputs: &[Shape]) -> Result<Vec<Shape>, ShapeError> {
        let Some(samples) = inputs.iter().find_map(Shape::samples) else { return Ok(inputs.to_vec()) };
        inputs.iter().map(|&input| if input.is_batched() { Ok(input) } else { Shape::batched(samples, input.dims()) }).collect()
    }

    /// Visit each part's range of the joined axis.
    fn ranges(&self, inputs: &[Shape]) -> Vec<(Shape, Axis, Slice)> {
        let mut start = 0;
        let range = |&input: &Shape| {
            let (part, axis) = self.part(input).expect("checked by the shape rule");
            let from = start;
            start += part.dims()[axis];
            (part, Axis(axis), Slice::from(from..start))
        };
        inputs.iter().map(range).collect()
    }
}

impl Describe for Joined {
    fn name(&self) -> &'static str {
        if self.new_axis { "stack" } else { "concat" }
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let inputs = Self::lifted(inputs)?;
        let (first, axis) = self.part(inputs[0])?;
        let mut dims = first.dims().to_vec();
        for &input in &inputs[1..] {
            let fits = |(part, _): &(Shape, usize)| {
                part.rank() == dims.len() && part.dims().iter().zip(&dims).enumerate().all(|(i, (a, b))| i == axis || a == b)
            };
            let Some((part, _)) = self.part(input).ok().filter(fits) else {
                return Err(ShapeError(format!("{} cannot join {} and {input}: other axes differ", self.name(), inputs[0])));
            };
            dims[axis] = dims[axis].saturating_add(part.dims()[axis]);
        }
        first.with_dims(&dims)
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        Flops::per_element(output, 1, 1)
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Joined {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let shapes: Vec<_> = x.iter().map(|x| x.shape()).collect();
        let lifted = Self::lifted(&shapes).expect("checked by the shape rule");
        let mut y = Tensor::zeros(self.shape(&shapes).expect("checked by the shape rule"));
        let mut view = y.view_mut();
        for ((x, &of), (part, axis, range)) in x.iter().zip(&lifted).zip(self.ranges(&lifted)) {
            view.slice_axis_mut(axis, range).assign(&x.broadcast_to(of).reshape(part).view());
        }
        y
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let lifted = Self::lifted(at.shapes).expect("checked by the shape rule");
        for (i, (part, axis, range)) in self.ranges(&lifted).into_iter().enumerate() {
            if x_bar.wants(i) {
                x_bar.give(i, Tensor::from_view(part, &y_bar.view().slice_axis_move(axis, range)).reshape(lifted[i]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        let concat = |dim| Joined { dim, new_axis: false };
        let (a, b) = (laws::batch(2, &[3, 2], 1), laws::batch(2, &[1, 2], 2));
        laws::hold(&concat(1), &[a.clone(), b.clone(), a.clone()]);
        laws::hold(&concat(-1), &[laws::normal(&[2, 3], 1), laws::normal(&[2, 1], 2)]);
        laws::rejects(&concat(2), &[a.clone(), b], "other axes differ");
        laws::rejects(&concat(0), &[a.clone(), a.clone()], "sample axis");
        laws::hold(&concat(1), &[laws::normal(&[4, 2], 1), a.clone(), a.clone()]);
        laws::rejects(&concat(1), &[a, laws::normal(&[2, 3, 2], 1)], "other axes differ");
        laws::rejects(&concat(1), &[laws::batch(2, &[], 1)], "stack makes one");
    }
}
