//! `y_c = x_c − ln Σ_k e^{x_k}` along an axis,  `x̄ = ȳ − softmax(x)·Σ_k ȳ_k`.

use super::lines::{Contest, Lines};
use super::softmax::DIM;
use crate::ops::{Arity, Cotangents, Describe, Entry, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "log_softmax",
    summary: "logarithm of the softmax along an axis",
    formula: "y_c = x_c - ln sum_k exp(x_k)",
    derivative: "dy_c/dx_k = [c = k] - exp(y_k)",
    arity: Arity::Exactly(1),
    attributes: &[DIM],
    elementwise: false,
    build: |values| Ok(Box::new(LogSoftmax { dim: values.integer("dim") })),
};

/// The logarithm of the softmax along an axis.
#[derive(Debug)]
pub(crate) struct LogSoftmax {
    dim: i64,
}

impl LogSoftmax {
    /// The axis of a shape that it takes.
    pub(crate) fn axis(&self, shape: Shape) -> usize {
        shape.axis(self.dim).expect("checked by the shape rule")
    }
}

impl Describe for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        inputs[0].axis(self.dim).map(|_| inputs[0])
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        Flops::per_element(output, 13, 13)
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUT
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for LogSoftmax {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let shape = x[0].shape();
        let lines = Lines::along(shape, self.axis(shape));
        let mut y = x[0].data().to_vec();
        for start in lines.starts() {
            let contest = Contest::of(x[0].data(), lines, start);
            let log = contest.log_sum();
            for at in lines.elements(start) {
                y[at] = y[at] - contest.largest - log;
            }
        }
        Tensor::new(shape, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let shape = at.shapes[0];
        let lines = Lines::along(shape, self.axis(shape));
        let (y, mut data) = (at.y.data(), y_bar.data().to_vec());
        for start in lines.starts() {
            let sum = lines.sum(&data, start);
            for at in lines.elements(start) {
                let p = y[at].exp();
                // The first form is the second, without the loss of digits where p is near 1 and ȳ stands there alone.
                data[at] = if p > S::from_f64(0.5) { (data[at] - sum) - y[at].exp_m1() * sum } else { data[at] - p * sum };
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
        laws::hold(&LogSoftmax { dim: -1 }, &[laws::batch(3, &[4], 1)]);
        laws::hold(&LogSoftmax { dim: -1 }, &[laws::batch(2, &[130], 1)]);
        laws::hold(&LogSoftmax { dim: -1 }, &[laws::between(&[12], 1, -30.0, 30.0)]);
        laws::hold(&LogSoftmax { dim: 1 }, &[laws::batch(2, &[3, 4], 1)]);
        laws::rejects(&LogSoftmax { dim: 0 }, &[laws::batch(3, &[4], 1)], "sample axis");
    }
}
