//! `y_n = −Σ_c q_nc·log p_nc` over classes (axis 1) and positions, with coefficients q; terms of coefficient 0 are skipped, so
//! that `0·log 0` is 0.
//!
//! From logits p = softmax(x): `x̄_c = ȳ·(p_c·Σ_k q_k − q_c)`. From probabilities p = x: `x̄_c = −ȳ·q_c/p_c`. From
//! log-probabilities log p = x (`nll`): `x̄_c = −ȳ·q_c`.

use crate::ops::axes::{Contest, Lines};
use crate::ops::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor, wide};

/// What the first input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Logits.
    Logits,
    /// Probabilities.
    Probabilities,
    /// Logarithms of probabilities.
    LogProbabilities,
}

/// The cross-entropy of each sample. Inputs: `[N, C, …]`, and of the same shape the coefficient of each element's
/// log-probability (labels, with class weights and smoothing), which is a constant: it gets no cotangent.
#[derive(Debug)]
pub struct CrossEntropy {
    /// What the first input holds.
    pub of: Of,
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
            Some(samples) if inputs[0].rank() >= 2 && inputs[0] == inputs[1] => Shape::batched(samples, &[]),
            _ => Err(ShapeError(format!(
                "{} expects [N, C] and a coefficient for each element, found {} and {}",
                self.name(),
                inputs[0],
                inputs[1]
            ))),
        }
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> Flops {
        Flops::per_element(inputs[0], 15, 15)
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for CrossEntropy {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let (shape, x, q) = (x[0].shape(), x[0].data(), x[1].data());
        let lines = Lines::along(shape, 1);
        let mut y = Tensor::zeros(self.shape(&[shape, shape]).expect("checked by the shape rule"));
        let sums = y.data_mut();
        for start in lines.starts() {
            let sum = &mut sums[start / shape.sample_size()];
            let mut asked = lines.elements(start).filter(|&at| q[at] != S::ZERO).peekable();
            if asked.peek().is_none() {
                continue;
            }
            let (largest, log) = match self.of {
                Of::Logits => {
                    let contest = Contest::of(x, lines, start);
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
                *sum += -(q[at] * log_p);
            }
        }
        y
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        if !x_bar.wants(0) {
            return;
        }
        let (shape, x, q) = (at.shapes[0], at.x[0].data(), at.x[1].data());
        let lines = Lines::along(shape, 1);
        let mut data = vec![S::ZERO; shape.size()];
        for start in lines.starts() {
            let y_bar = y_bar.data()[start / shape.sample_size()];
            if self.of == Of::Logits {
                if lines.elements(start).all(|at| q[at] == S::ZERO) {
                    continue;
                }
                let total = lines.sum(q, start);
                let contest = Contest::of(x, lines, start);
                match lines.dense(start) {
                    Some(line) => wide::<S, _>(
                        #[inline(always)]
                        || {
                            let inputs = x[line.clone()].iter().zip(&q[line.clone()]);
                            for (data, (&x, &q)) in data[line].iter_mut().zip(inputs) {
                                *data = y_bar * (contest.share(x) * total - q);
                            }
                        },
                    ),
                    None => lines.elements(start).for_each(|at| data[at] = y_bar * (contest.share(x[at]) * total - q[at])),
                }
                // With p = 1 − rest / sum: its own label, taken off first, leaves no digits to lose where p is near 1.
                let winner = contest.winner;
                data[winner] = y_bar * ((total - q[winner]) - total * (contest.rest / contest.sum()));
            } else {
                for at in lines.elements(start).filter(|&at| q[at] != S::ZERO) {
                    let share = -(y_bar * q[at]);
                    data[at] = if self.of == Of::Probabilities { share / x[at] } else { share };
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
        let hard = vec![0.0, 1.0, 0.0, 0.0, 2.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let soft: Vec<f64> = (0..12).map(|i| f64::from(i) / 10.0).collect();
        let shaped = |x: Tensor<f64>| x.reshape(Shape::batched(3, &[4]).expect("small"));
        for q in [hard, soft] {
            let hold = |of, x: Tensor<f64>| {
                let q = Tensor::new(x.shape(), q.clone());
                laws::hold_by(&CrossEntropy { of }, &[x, q], &[true, false]);
            };
            hold(Of::Logits, laws::batch(3, &[4], 1));
            hold(Of::Logits, laws::batch(2, &[3, 2], 1));
            hold(Of::Logits, shaped(laws::between(&[12], 2, -30.0, 30.0)));
            hold(Of::LogProbabilities, laws::batch(3, &[4], 1));
            hold(Of::Probabilities, shaped(laws::between(&[12], 1, 0.1, 1.0)));
        }
        // A line of many classes is summed in another order.
        for (dims, soft) in [([100_usize], false), ([131], true)] {
            let x = laws::batch(2, &dims, 3);
            let q = (0..x.shape().size()).map(|i| if soft { (i % 7) as f64 / 400.0 } else { f64::from(i % 90 == 2) });
            let q = Tensor::new(x.shape(), q.collect());
            laws::hold_by(&CrossEntropy { of: Of::Logits }, &[x, q], &[true, false]);
        }
        let op = CrossEntropy { of: Of::Logits };
        laws::rejects(&op, &[laws::batch(3, &[5], 1), laws::batch(3, &[4], 1)], "coefficient for each element");
    }
}
