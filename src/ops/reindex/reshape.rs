//! The same elements in row-major order under another shape.

use super::{Moved, Reindex};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{Arity, Entry};
use crate::tensor::{Float, Shape, ShapeError, Tensor};

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
    pub(crate) shape: Vec<i64>,
}

impl Reshape {
    /// Words for a shape that was meant for one sample.
    fn hint(&self, input: Shape) -> String {
        let Some(samples) = input.samples() else { return String::new() };
        if sizes(&self.shape, input.sample_size()).is_none() {
            return String::new();
        }
        let first = if self.shape.contains(&-1) { samples as i64 } else { -1 };
        let whole: Vec<_> = std::iter::once(first).chain(self.shape.iter().copied()).collect();
        format!("; did you mean {whole:?}?")
    }
}

/// The sizes that `shape` means for `count` elements: -1 is what the others leave.
fn sizes(shape: &[i64], count: usize) -> Option<Vec<usize>> {
    let known =
        shape.iter().filter(|&&dim| dim != -1).try_fold(1_usize, |known, &dim| known.checked_mul(dim.try_into().ok()?))?;
    let fits = if shape.contains(&-1) { known > 0 && count.is_multiple_of(known) } else { known == count };
    fits.then(|| shape.iter().map(|&dim| usize::try_from(dim).unwrap_or_else(|_| count / known)).collect())
}

impl Reindex for Reshape {
    const NAME: &'static str = "reshape";

    fn shape(&self, input: Shape) -> Result<Shape, ShapeError> {
        let mut dims = Vec::with_capacity(self.shape.len());
        let of_one_sample = match (input.samples(), self.shape.split_first()) {
            (None, _) => &self.shape,
            (Some(samples), Some((&first, rest))) if first == -1 || usize::try_from(first) == Ok(samples) => {
                dims.push(samples);
                rest
            }
            (Some(samples), _) => {
                return Err(ShapeError(format!(
                    "reshape of {input} to {:?} would move samples: its first entry is -1 or {samples}{}",
                    self.shape,
                    self.hint(input)
                )));
            }
        };
        let Some(sizes) = sizes(of_one_sample, input.sample_size()) else {
            return Err(ShapeError(format!(
                "reshape cannot make {:?} of {input}: the numbers of elements differ{}",
                self.shape,
                self.hint(input)
            )));
        };
        dims.extend(sizes);
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
        laws::hold(&to(&[-1]), &[laws::batch(3, &[], 1)]);
        laws::hold(&to(&[]), &[laws::normal(&[1, 1], 1)]);
        laws::hold(&to(&[4, 2]), &[laws::normal(&[8], 1)]);
        laws::rejects(&to(&[2, 4]), &[laws::batch(3, &[8], 1)], "did you mean [-1, 2, 4]?");
        laws::rejects(&to(&[3, 5]), &[laws::batch(3, &[8], 1)], "numbers of elements differ");
        laws::rejects(&to(&[-1, 4]), &[laws::batch(3, &[8], 1)], "numbers of elements differ; did you mean [3, -1, 4]?");
        laws::rejects(&to(&[-1, 5]), &[laws::batch(3, &[8], 1)], "numbers of elements differ");
        laws::rejects(&to(&[-1, 0]), &[laws::normal(&[0], 1)], "numbers of elements differ");
        laws::rejects(&to(&[i64::MAX, 4, 4]), &[laws::batch(3, &[8], 1)], "its first entry is -1 or 3");
        laws::rejects(&to(&[]), &[laws::batch(3, &[], 1)], "its first entry is -1 or 3; did you mean [-1]?");
        laws::rejects(&to(&[i64::MAX, 4, 4]), &[laws::normal(&[8], 1)], "numbers of elements differ");
    }
}
