//! Ops that move elements and change none: each output element is one input element, and the vjp carries it back.

pub(super) mod concat;
mod expand;
pub(super) mod flatten;
pub(super) mod permute;
pub(super) mod reshape;
pub(super) mod select;
pub(super) mod slice;
pub(super) mod stack;

use std::fmt::Debug;

pub use concat::Joined;
pub use expand::Expand;
pub(crate) use permute::Permute;
pub(crate) use reshape::Reshape;
pub(crate) use select::Select;
pub(crate) use slice::Slice;

use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Float, Shape, ShapeError, Tensor};

/// A view of one input.
pub trait Reindex: Debug + Send + Sync {
    /// The op's name.
    const NAME: &'static str;
    /// The output's shape.
    ///
    /// # Errors
    /// The input does not fit.
    fn shape(&self, input: Shape) -> Result<Shape, ShapeError>;
    /// The elements of the output.
    fn pick<S: Float>(&self, x: &Tensor<S>, output: Shape) -> Tensor<S>;
    /// The adjoint: each element of `y_bar` back at its place, zeros elsewhere.
    fn place<S: Float>(&self, y_bar: &Tensor<S>, input: Shape) -> Tensor<S>;
}

/// Where indices `start..start + count` of an axis lie in memory: one run for each index of the axes before it.
fn runs(input: Shape, axis: usize, start: usize, count: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let dims = input.dims();
    let outer: usize = dims[..axis].iter().product();
    let inner: usize = dims[axis + 1..].iter().product();
    let size = dims[axis];
    (0..outer).map(move |at| (at * size + start) * inner..(at * size + start + count) * inner)
}

/// The elements of runs, one after the other.
fn gathered<S: Float>(x: &Tensor<S>, output: Shape, runs: impl Iterator<Item = std::ops::Range<usize>>) -> Tensor<S> {
    let mut data = Vec::with_capacity(output.size());
    runs.for_each(|run| data.extend_from_slice(&x.data()[run]));
    Tensor::new(output, data)
}

/// The adjoint of [`gathered`]: the elements back in their runs, zeros elsewhere.
fn scattered<S: Float>(y_bar: &Tensor<S>, input: Shape, runs: impl Iterator<Item = std::ops::Range<usize>>) -> Tensor<S> {
    let mut data = vec![S::ZERO; input.size()];
    let mut rest = y_bar.data();
    for run in runs {
        let (now, later) = rest.split_at(run.len());
        data[run].copy_from_slice(now);
        rest = later;
    }
    Tensor::new(input, data)
}

/// A [`Reindex`] as an op.
#[derive(Debug)]
pub struct Moved<R>(pub R);

impl<R: Reindex> Describe for Moved<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        self.0.shape(inputs[0])
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

impl<S: Scalar, R: Reindex> Op<S> for Moved<R> {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        self.0.pick(x[0], self.0.shape(x[0].shape()).expect("checked by the shape rule"))
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        if x_bar.wants(0) {
            x_bar.give(0, self.0.place(y_bar, at.shapes[0]));
        }
    }
}
