//! `y_n = −Σ_c q_nc·log p_nc` over classes (axis 1) and positions, with given coefficients q; terms of coefficient 0 are
//! skipped, so that `0·log 0` is 0.
//!
//! From logits p = softmax(x): `x̄_c = ȳ·(p_c·Σ_k q_k − q_c)`. From probabilities p = x: `x̄_c = −ȳ·q_c/p_c`. From
//! log-probabilities log p = x (`nll`): `x̄_c = −ȳ·q_c`.

use std::sync::Arc;

use crate::ops::axes::{Contest, Lines};
use crate::ops::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

/// What the input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Logits.
    Logits,
    /// Probabilities.
    Probabilities,
    /// Logarithms of probabilities.
    LogProbabilities,
}

/// The cross-entropy of each sample. Input: `[N, C, …]`.
#[derive(Debug)]
pub struct CrossEntropy {
    /// What the input holds.
    pub of: Of,
    /// The coefficient of each element's log-probability, in the input's layout: labels, with class weights and smoothing.
    pub q: Arc<[f64]>,
}

impl Describe for CrossEntropy {
    fn name(&self) -> &'static str {
        match self.of {
            Of::LogProbabilities => "nll",
            _ => "cross_entropy",
        }
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        match inputs[0].samples() {
            Some(samples) if inputs[0].rank() >= 2 && inputs[0].size() == self.q.len() => Shape::batched(samples, &[]),
            _ => {
                Err(ShapeError(format!("{} expects [N, C] and a coefficient for each element, found {}", self.name(), inputs[0])))
            }
        }
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> Flops {
        Flops::per_element(inputs[0], 15, 15)
    }

    fn reads(&self) -> Reads {
        if self.of == Of::LogProbabilities { Reads::NOTHING } else { Reads::INPUTS }
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for CrossEntropy {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let (shape, x) = (x[0].shape(), x[0].data());
        let lines = Lines::along(shape, 1);
        let mut y = vec![S::ZERO; shape.dims()[0]];
        for start in lines.starts() {
            let y = &mut y[start / shape.sample_size()];
            let mut asked = lines.elements(start).filter(|&at| self.q[at] != 0.0).peekable();
            if asked.peek().is_none() {
                continue;
            }
            let (largest, log) = match self.of {
                Of::Logits => {
                    let contest = Contest::of(x, lines.elements(start));
                    (contest.largest, contest.log_sum())
                }
                _ => (S::ZERO, S::ZERO),
            };
            for at in asked {
                let log_p = match self.of {
                    Of::Logits => x[at] - largest - log,
                    Of::Probabilities => x[at].ln(),
                    Of::LogProbabilities => x[at],
                };
                *y += -(S::from_f64(self.q[at]) * log_p);
            }
        }
        Tensor::new(self.shape(&[shape]).expect("checked by the shape rule"), y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let shape = at.shapes[0];
        let lines = Lines::along(shape, 1);
        let mut data = vec![S::ZERO; shape.size()];
        for start in lines.starts() {
            let y_bar = y_bar.data()[start / shape.sample_size()];
            if self.of == Of::Logits {
                let x = at.x[0].data();
                let mut total = 0.0;
                for at in lines.elements(start) {
                    total += self.q[at];
                }
                if lines.elements(start).all(|at| self.q[at] == 0.0) {
                    continue;
                }
                let contest = Contest::of(x, lines.elements(start));
                let (sum, total_q) = (contest.sum(), S::from_f64(total));
                for at in lines.elements(start) {
                    let slope = if at == contest.winner {
                        // With p = 1 − rest / sum: its own label, taken off first, leaves no digits to lose where p is near 1.
                        S::from_f64(total - self.q[at]) - total_q * (contest.rest / sum)
                    } else {
                        (x[at] - contest.largest).exp() / sum * total_q - S::from_f64(self.q[at])
                    };
                    data[at] = y_bar * slope;
                }
            } else {
                for at_element in lines.elements(start).filter(|&at| self.q[at] != 0.0) {
                    let share = -(y_bar * S::from_f64(self.q[at_element]));
                    data[at_element] = if self.of == Of::Probabilities { share / at.x[0].data()[at_element] } else { share };
                }
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
        let hard: Arc<[f64]> = [0.0, 1.0, 0.0, 0.0, 2.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0].into();
        let soft: Arc<[f64]> = (0..12).map(|i| f64::from(i) / 10.0).collect();
        for q in [hard, soft] {
            let op = |of| CrossEntropy { of, q: Arc::clone(&q) };
            laws::hold(&op(Of::Logits), &[laws::batch(3, &[4], 1)]);
            laws::hold(&op(Of::Logits), &[laws::batch(2, &[3, 2], 1)]);
            let far = laws::between(&[12], 2, -30.0, 30.0).reshape(Shape::batched(3, &[4]).expect("small"));
            laws::hold(&op(Of::Logits), &[far]);
            laws::hold(&op(Of::LogProbabilities), &[laws::batch(3, &[4], 1)]);
            let positive = laws::between(&[12], 1, 0.1, 1.0).reshape(Shape::batched(3, &[4]).expect("small"));
            laws::hold(&op(Of::Probabilities), &[positive]);
            laws::rejects(&op(Of::Logits), &[laws::batch(3, &[5], 1)], "coefficient for each element");
        }
    }
}
