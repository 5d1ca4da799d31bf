//! Elementwise functions of two inputs, broadcast together: a value and two slopes make an op.

pub(super) mod add;
pub(super) mod div;
pub(super) mod maximum;
pub(super) mod minimum;
pub(super) mod mul;
pub(super) mod pow;
pub(super) mod sub;

use std::fmt::Debug;

pub use mul::Mul;
pub use sub::Sub;

use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Float, Shape, ShapeError, Tensor};

/// `y = f(a, b)` at every pair of elements.
pub trait Binary: Debug + Send + Sync {
    /// The op's name.
    const NAME: &'static str;
    /// Whether the slopes look at the inputs.
    const READS: Reads;
    /// `f(a, b)`.
    fn value<S: Float>(&self, a: S, b: S) -> S;
    /// `∂f/∂a`.
    fn slope_a<S: Float>(&self, a: S, b: S) -> S;
    /// `∂f/∂b`.
    fn slope_b<S: Float>(&self, a: S, b: S) -> S;
}

/// A [`Binary`] as an op.
#[derive(Debug)]
pub struct Elementwise<B>(pub B);

impl<B: Binary> Describe for Elementwise<B> {
    fn name(&self) -> &'static str {
        B::NAME
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        inputs[0].broadcast(inputs[1])
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        Flops::per_element(output, 4, 8)
    }

    fn reads(&self) -> Reads {
        B::READS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar, B: Binary> Op<S> for Elementwise<B> {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let shape = x[0].shape().broadcast(x[1].shape()).expect("checked by the shape rule");
        x[0].zip(x[1], shape, |a, b| self.0.value(a, b))
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let shape = y_bar.shape();
        let mut give = |input: usize, slope: &dyn Fn(S, S) -> S| {
            if !x_bar.wants(input) {
                return;
            }
            let slopes =
                if B::READS.inputs { at.x[0].zip(at.x[1], shape, slope) } else { Tensor::full(shape, slope(S::ZERO, S::ZERO)) };
            x_bar.give(input, slopes.zip(y_bar, shape, |slope, y_bar| slope * y_bar));
        };
        give(0, &|a, b| self.0.slope_a(a, b));
        give(1, &|a, b| self.0.slope_b(a, b));
    }
}
