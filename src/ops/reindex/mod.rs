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
