//! Elementwise functions of two inputs, broadcast together: a value and two rules make an op.

pub(super) mod add;
pub(super) mod div;
pub(super) mod maximum;
pub(super) mod minimum;
pub(super) mod mul;
pub(super) mod pow;
pub(super) mod sub;

use std::fmt::Debug;

pub(crate) use add::Add;
pub use mul::Mul;
pub use sub::Sub;

use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Float, Shape, ShapeError, Tensor};

/// `y = f(a, b)` at every pair of elements.
pub trait Binary: Debug + Send + Sync {
    /// The op's name.
    const NAME: &'static str;
    /// What [`Binary::a_bar`] and [`Binary::b_bar`] look at besides the cotangent: the inputs, or nothing.
    const READS: Reads;
    /// `f(a, b)`.
    fn value<S: Float>(&self, a: S, b: S) -> S;
    /// `ā = ȳ·∂f/∂a`.
    fn a_bar<S: Float>(&self, a: S, b: S, y_bar: S) -> S;
    /// `b̄ = ȳ·∂f/∂b`.
    fn b_bar<S: Float>(&self, a: S, b: S, y_bar: S) -> S;
}

/// A [`Binary`] as an op.
#[derive(Debug)]
pub struct Elementwise<B>(pub B);

impl<B: Binary> Describe for Elementwise<B> {
    fn name(&self) -> &'static str {
        B::NAME
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        match *inputs {
            [a, b] => a.broadcast(b),
            _ => Err(ShapeError(format!(
                "{} takes two inputs unless an attribute stands for the second, found {}",
                B::NAME,
                inputs.len()
            ))),
        }
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
        x[0].zip(
            x[1],
            shape,
            #[inline(always)]
            |a, b| self.0.value(a, b),
        )
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        if x_bar.wants(0) {
            x_bar.give(
                0,
                pull::<S, B>(
                    at,
                    y_bar,
                    #[inline(always)]
                    |y_bar, a, b| self.0.a_bar(a, b, y_bar),
                ),
            );
        }
        if x_bar.wants(1) {
            x_bar.give(
                1,
                pull::<S, B>(
                    at,
                    y_bar,
                    #[inline(always)]
                    |y_bar, a, b| self.0.b_bar(a, b, y_bar),
                ),
            );
        }
    }
}

/// A rule at every element of the output, which is of the shape that the inputs were broadcast to; giving undoes that.
fn pull<S: Scalar, B: Binary>(at: Point<'_, S>, y_bar: &Tensor<S>, rule: impl Fn(S, S, S) -> S) -> Tensor<S> {
    if B::READS == Reads::NOTHING {
        y_bar.map(
            #[inline(always)]
            |y_bar| rule(y_bar, S::ZERO, S::ZERO),
        )
    } else {
        y_bar.zip_two(at.x[0], at.x[1], rule)
    }
}
