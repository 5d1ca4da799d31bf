//! Elementwise functions of one input: a value and a rule make an op.

pub(super) mod abs;
pub(super) mod cos;
pub(super) mod elu;
mod exclude;
pub(super) mod exp;
pub(super) mod gelu;
pub(super) mod hardtanh;
pub(super) mod identity;
pub(super) mod leaky_relu;
pub(super) mod log;
pub(super) mod neg;
pub(super) mod relu;
mod scale;
pub(super) mod selu;
pub(super) mod sigmoid;
pub(super) mod silu;
pub(super) mod sin;
pub(super) mod softplus;
pub(super) mod sqrt;
pub(super) mod tanh;

use std::fmt::Debug;

pub use abs::Abs;
pub use exclude::Exclude;
pub use identity::Identity;
pub use scale::Scale;

use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Float, Shape, ShapeError, Tensor};

/// `y = f(x)` at every element.
pub trait Unary: Debug + Send + Sync {
    /// The op's name.
    const NAME: &'static str;
    /// What [`Unary::x_bar`] looks at besides the cotangent.
    const READS: Reads;
    /// `f(x)`.
    fn value<S: Float>(&self, x: S) -> S;
    /// `x̄ = ȳ·f′(x)`, given `x`, `y = f(x)` and `ȳ`; of the first two, what [`Unary::READS`] does not name holds anything.
    fn x_bar<S: Float>(&self, x: S, y: S, y_bar: S) -> S;
}

impl<U: Unary> Describe for U {
    fn name(&self) -> &'static str {
        U::NAME
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        match *inputs {
            [x] => Ok(x),
            _ => Err(ShapeError(format!(
                "{} takes one input where an attribute stands for the second, found {}",
                U::NAME,
                inputs.len()
            ))),
        }
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        // A transcendental function costs about as much as ten additions.
        Flops::per_element(output, 10, 10)
    }

    fn reads(&self) -> Reads {
        U::READS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar, U: Unary> Op<S> for U {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        x[0].map(
            #[inline(always)]
            |x| self.value(x),
        )
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        if !x_bar.wants(0) {
            return;
        }
        // What the rule does not read may have been dropped: its place is taken by the cotangent, whose size is right.
        let x = if U::READS.inputs { at.x[0] } else { y_bar };
        let y = if U::READS.output { at.y } else { y_bar };
        x_bar.give(
            0,
            y_bar.zip_two(
                x,
                y,
                #[inline(always)]
                |y_bar, x, y| self.x_bar(x, y, y_bar),
            ),
        );
    }
}
