//! `y_c = e^{x_c} / Σ_k e^{x_k}` along an axis,  `x̄ = y ⊙ (ȳ − Σ_k ȳ_k y_k)`; and the walk along an axis that `log_softmax`
//! shares. The largest element is subtracted first, so that nothing overflows.

use super::attributes::{Attribute, Default, Kind};
use super::{Arity, Cotangents, Describe, Entry, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Float, Shape, ShapeError, Tensor};

pub(super) const DIM: Attribute = Attribute::new("dim", Kind::Integer, Default::Integer(-1), "the axis whose elements compete");

pub(super) const ENTRY: Entry = Entry {
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

/// The lines of a tensor along one of its axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    /// Elements of a line, and the step between them.
    pub(super) length: usize,
    pub(super) step: usize,
    count: usize,
}

impl Lines {
    pub(super) fn along(shape: Shape, axis: usize) -> Self {
        let length = shape.dims()[axis];
        let step = shape.dims()[axis + 1..].iter().product();
        Self { length, step, count: shape.size().checked_div(length).unwrap_or(0) }
    }

    /// The first element of each line.
    pub(super) fn starts(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |line| line / self.step * self.step * self.length + line % self.step)
    }

    /// The elements of the line that starts at `start`.
    pub(super) fn elements(self, start: usize) -> impl Iterator<Item = usize> + Clone {
        (0..self.length).map(move |i| start + i * self.step)
    }
}

/// The largest element of a line, and the sum of the exponentials of the elements less the largest.
pub(super) fn log_sum_exp<S: Float>(x: &[S], line: impl Iterator<Item = usize> + Clone) -> (S, S) {
    let mut largest = None;
    for at in line.clone() {
        // NaN wins, so that it shows in the answer.
        if largest.is_none_or(|largest| x[at] > largest || x[at].is_nan()) {
            largest = Some(x[at]);
        }
    }
    let largest = largest.unwrap_or(S::ZERO);
    let mut sum = S::ZERO;
    for at in line {
        sum += (x[at] - largest).exp();
    }
    (largest, sum)
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
        let lines = Lines::along(shape, shape.axis(self.dim).expect("checked by the shape rule"));
        let mut y = x[0].data().to_vec();
        for start in lines.starts() {
            let (largest, sum) = log_sum_exp(x[0].data(), lines.elements(start));
            for at in lines.elements(start) {
                y[at] = (y[at] - largest).exp() / sum;
            }
        }
        Tensor::new(shape, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let shape = at.shapes[0];
        let lines = Lines::along(shape, shape.axis(self.dim).expect("checked by the shape rule"));
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
