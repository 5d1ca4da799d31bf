//! Values joined along an axis; and [`Joined`], which `stack` shares.

use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Cotangents, Describe, Entry, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{MAX_RANK, Shape, ShapeError, Tensor, resolve};

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
        let mut dims = [1; MAX_RANK + 1];
        dims[..axis].copy_from_slice(&input.dims()[..axis]);
        dims[axis + 1..rank].copy_from_slice(&input.dims()[axis..]);
        Ok((input.with_dims(&dims[..rank])?, axis))
    }

    /// An input's shape, one without sample axis repeated for every sample if another input has them.
    fn lifted(input: Shape, samples: Option<usize>) -> Result<Shape, ShapeError> {
        match samples {
            Some(samples) if !input.is_batched() => Shape::batched(samples, input.dims()),
            _ => Ok(input),
        }
    }

    /// How the parts lie in the output.
    fn rows(&self, inputs: &[Shape]) -> Rows {
        let samples = inputs.iter().find_map(Shape::samples);
        let part = |&input: &Shape| Self::lifted(input, samples).and_then(|lifted| self.part(lifted));
        let part = |input: &Shape| part(input).expect("checked by the shape rule");
        let (first, axis) = part(&inputs[0]);
        let step: usize = first.dims()[axis + 1..].iter().product();
        let lengths: Vec<_> = inputs.iter().map(|input| part(input).0.dims()[axis] * step).collect();
        let count = first.dims()[..axis].iter().product();
        Rows { count, lengths, samples }
    }
}

/// The output as rows, in each of which a piece of every part stands after one of the part before.
struct Rows {
    count: usize,
    /// The length of each part's pieces.
    lengths: Vec<usize>,
    samples: Option<usize>,
}

impl Describe for Joined {
    fn name(&self) -> &'static str {
        if self.new_axis { "stack" } else { "concat" }
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let samples = inputs.iter().find_map(Shape::samples);
        let lifted = Self::lifted(inputs[0], samples)?;
        let (first, axis) = self.part(lifted)?;
        let mut dims = first.dims().to_vec();
        for &input in &inputs[1..] {
            let input = Self::lifted(input, samples)?;
            let fits = |(part, _): &(Shape, usize)| {
                part.rank() == dims.len() && part.dims().iter().zip(&dims).enumerate().all(|(i, (a, b))| i == axis || a == b)
            };
            let Some((part, _)) = self.part(input).ok().filter(fits) else {
                return Err(ShapeError(format!("{} cannot join {} and {input}: other axes differ", self.name(), lifted)));
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
        let shape = self.shape(&shapes).expect("checked by the shape rule");
        let Rows { count, lengths, .. } = self.rows(&shapes);
        let mut y = Vec::with_capacity(shape.size());
        for row in 0..count {
            for (x, &length) in x.iter().zip(&lengths) {
                // One that is repeated for every sample begins again.
                let at = (row * length).checked_rem(x.data().len()).unwrap_or_default();
                y.extend_from_slice(&x.data()[at..at + length]);
            }
        }
        Tensor::new(shape, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let Rows { lengths, samples, .. } = self.rows(at.shapes);
        let whole: usize = lengths.iter().sum();
        let mut from = 0;
        for (i, (&length, &input)) in lengths.iter().zip(at.shapes).enumerate() {
            if x_bar.wants(i) {
                let lifted = Self::lifted(input, samples).expect("checked by the shape rule");
                let mut part = Tensor::zeros(lifted);
                for (row, part) in part.data_mut().chunks_mut(length.max(1)).enumerate() {
                    part.copy_from_slice(&y_bar.data()[row * whole + from..][..length]);
                }
                x_bar.give(i, part);
            }
            from += length;
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
