//! `y_c = e^{x_c} / Σ_k e^{x_k}` along an axis,  `x̄ = y ⊙ (ȳ − Σ_k ȳ_k y_k)`. The largest element is subtracted first, so that
//! nothing overflows.

use super::lines::{Contest, Lines};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Cotangents, Describe, Entry, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{self, Shape, ShapeError, Tensor};

pub(super) const DIM: Attribute = Attribute::new("dim", Kind::Integer, Default::Integer(-1), "the axis whose elements compete");

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "softmax",
    summary: "exponentials along an axis, divided by their sum",
    formula: "y_c = exp(x_c) / sum_k exp(x_k)",
    derivative: "dy_c/dx_k = y_c ([c = k] - y_k)",
    arity: Arity::Exactly(1),
    attributes: &[DIM],
    elementwise: false,
    build: |values| Ok(Box::new(Softmax { dim: values.integer("dim") })),
};

/// The softmax along an axis.
#[derive(Debug)]
pub(crate) struct Softmax {
    dim: i64,
}

impl Softmax {
    /// The axis of a shape that it takes.
    pub(crate) fn axis(&self, shape: Shape) -> usize {
        shape.axis(self.dim).expect("checked by the shape rule")
    }
}

impl Describe for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        inputs[0].axis(self.dim).map(|_| inputs[0])
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        Flops::per_element(output, 13, 4)
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUT
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Softmax {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let shape = x[0].shape();
        let lines = Lines::along(shape, self.axis(shape));
        let mut y = x[0].data().to_vec();
        for start in lines.starts() {
            let contest = Contest::of(x[0].data(), lines, start);
            match lines.dense(start) {
                Some(line) => tensor::update(&mut y[line], |y| contest.share(y)),
                None => lines.elements(start).for_each(|at| y[at] = contest.share(y[at])),
            }
        }
        Tensor::new(shape, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let shape = at.shapes[0];
        let lines = Lines::along(shape, self.axis(shape));
        let (y, mut data) = (at.y.data(), y_bar.data().to_vec());
        for start in lines.starts() {
            let mut mean = S::ZERO;
            for at in lines.elements(start) {
                mean += data[at] * y[at];
            }
            for at in lines.elements(start) {
                data[at] = y[at] * (data[at] - mean);
            }
        }
        x_bar.give(0, Tensor::new(shape, data));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Softmax { dim: -1 }, &[laws::batch(3, &[4], 1)]);
        laws::hold(&Softmax { dim: -1 }, &[laws::batch(2, &[130], 1)]);
        laws::hold(&Softmax { dim: 1 }, &[laws::batch(2, &[3, 4], 1)]);
        laws::hold(&Softmax { dim: 0 }, &[laws::normal(&[3, 4], 1)]);
        laws::rejects(&Softmax { dim: 0 }, &[laws::batch(3, &[4], 1)], "sample axis");
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let x = Tensor::new(Shape::new(&[2]).expect("small"), vec![1000.0, 0.0]);
        assert_eq!(<Softmax as Op<f64>>::forward(&Softmax { dim: 0 }, &[&x]).data(), [1.0, 0.0]);
    }
}
