//! The same elements in row-major order under another shape.

use super::{Moved, Reindex};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{Arity, Entry};
use crate::tensor::{Dims, Float, Shape, ShapeError, Tensor};

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "reshape",
    summary: "the same elements in row-major order under another shape",
    formula: "y = x",
    derivative: "dy/dx = 1",
    arity: Arity::Exactly(1),
    attributes: &[Attribute::new(
        "shape",
        Kind::Integers,
        Default::Required,
        "the whole shape; one entry may be -1; the first is -1 or the number of samples",
    )],
    elementwise: false,
    build: |values| {
        let shape = values.integers("shape").unwrap_or_default().to_vec();
        if shape.iter().filter(|&&dim| dim == -1).count() > 1 {
            return Err(Invalid::new("shape", "only one entry may be -1"));
        }
        if let Some(dim) = shape.iter().find(|&&dim| dim < -1) {
            return Err(Invalid::new("shape", format!("expected sizes and at most one -1, found {dim}")));
        }
        Ok(Box::new(Moved(Reshape { shape })))
    },
};

/// A new shape of the same size.
#[derive(Debug)]
pub(crate) struct Reshape {
    shape: Vec<i64>,
}

impl Reindex for Reshape {
    const NAME: &'static str = "reshape";

    fn shape(&self, input: Shape) -> Result<Shape, ShapeError> {
        let wanted = || format!("{:?}", self.shape);
        let mut dims: Vec<usize> = self.shape.iter().map(|&dim| usize::try_from(dim).unwrap_or(1)).collect();
        let known = dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
        if let (Some(at), Some(known)) = (self.shape.iter().position(|&dim| dim == -1), known) {
            dims[at] = input.size().checked_div(known).unwrap_or(0);
        }
        if input.is_batched() && dims.first() != input.samples().as_ref() {
            let per_sample: i64 = self.shape.iter().product();
            let hint = if usize::try_from(per_sample) == Ok(input.sample_size()) || self.shape.contains(&-1) {
                let mut hint = self.shape.clone();
                hint.insert(0, input.dims()[0] as i64);
                if !self.shape.contains(&-1) {
                    hint[0] = -1;
                }
                format!("; did you mean {hint:?}?")
            } else {
                String::new()
            };
            return Err(ShapeError(format!(
                "reshape of {input} to {} would move samples: its first entry is -1 or {}{hint}",
                wanted(),
                input.dims()[0]
            )));
        }
        if dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim)) != Some(input.size()) {
            let of = Dims(input.dims());
            return Err(ShapeError(format!("reshape cannot make {} of {of}: the numbers of elements differ", wanted())));
        }
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
        let to = |shape: &[i64]| Moved(Reshape { shape: shape.to_vec() });
        laws::hold(&to(&[-1, 2, 4]), &[laws::batch(3, &[8], 1)]);
        laws::hold(&to(&[3, -1]), &[laws::batch(3, &[2, 4], 1)]);
        laws::hold(&to(&[4, 2]), &[laws::normal(&[8], 1)]);
        laws::rejects(&to(&[2, 4]), &[laws::batch(3, &[8], 1)], "did you mean [-1, 2, 4]?");
        laws::rejects(&to(&[3, 5]), &[laws::batch(3, &[8], 1)], "numbers of elements differ");
        laws::rejects(&to(&[i64::MAX, 4, 4]), &[laws::normal(&[8], 1)], "numbers of elements differ");
    }
}
