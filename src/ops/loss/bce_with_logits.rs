//! Binary cross-entropy of a logit x and a target t, with PyTorch's `pos_weight` ρ:
//! `y = −ρ·t·ln σ(x) − (1 − t)·ln σ(−x)`,  `dy/dx = (1 − t)·σ(x) − ρ·t·σ(−x)`.
//!
//! With `−ln σ(x) = ln(1 + e^−|x|) + max(−x, 0)` nothing overflows, and no digits go where the loss is small, as they do in
//! PyTorch's `(1 − t)·x + (1 + (ρ − 1)·t)·(−ln σ(x))`.

use crate::ops::unary::sigmoid::logistic_pair;
use crate::ops::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

/// Inputs: the logit, the target, and maybe ρ, which broadcasts to them. Targets and ρ are constants: they get no cotangent.
#[derive(Debug)]
pub struct BceWithLogits;

impl Describe for BceWithLogits {
    fn name(&self) -> &'static str {
        "bce_with_logits"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        inputs[1..].iter().try_fold(inputs[0], |shape, &input| shape.broadcast(input))
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        Flops::per_element(output, 30, 30)
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

/// `f(x, t, ρ)` at every element.
fn each<S: Scalar>(x: &[&Tensor<S>], shape: Shape, f: impl Fn(S, S, S) -> S) -> Vec<S> {
    let (logit, target) = (x[0].broadcast_to(shape), x[1].broadcast_to(shape));
    let pairs = logit.data().iter().zip(target.data());
    match x.get(2) {
        None => pairs.map(|(&x, &t)| f(x, t, S::ONE)).collect(),
        Some(rho) => pairs.zip(rho.broadcast_to(shape).data()).map(|((&x, &t), &rho)| f(x, t, rho)).collect(),
    }
}

impl<S: Scalar> Op<S> for BceWithLogits {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let shape = self.shape(&x.iter().map(|x| x.shape()).collect::<Vec<_>>()).expect("checked by the shape rule");
        let data = each(x, shape, |x, t, rho| {
            // −ln σ(x) and −ln σ(−x); the branches meet smoothly at 0, where |x| would not.
            let (positive, negative) = if x < S::ZERO {
                let log = x.exp().ln_1p();
                (log - x, log)
            } else {
                let log = (-x).exp().ln_1p();
                (log, x + log)
            };
            rho * t * positive + (S::ONE - t) * negative
        });
        Tensor::new(shape, data)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        if !x_bar.wants(0) {
            return;
        }
        let mut slopes = each(at.x, y_bar.shape(), |x, t, rho| {
            let (s, rest) = logistic_pair(x);
            (S::ONE - t) * s - rho * t * rest
        });
        for (slope, &y_bar) in slopes.iter_mut().zip(y_bar.data()) {
            *slope = *slope * y_bar;
        }
        x_bar.give(0, Tensor::new(y_bar.shape(), slopes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        let (x, t) = (laws::normal(&[3, 4], 1), laws::between(&[3, 4], 2, 0.0, 1.0));
        laws::hold_by(&BceWithLogits, &[x.clone(), t.clone()], &[true, false]);
        laws::hold_by(&BceWithLogits, &[x, t.clone(), laws::between(&[4], 3, 0.5, 3.0)], &[true, false, false]);
        laws::hold_by(&BceWithLogits, &[laws::between(&[3, 4], 1, -60.0, 60.0), t.clone()], &[true, false]);
        laws::hold_by(&BceWithLogits, &[laws::between(&[3, 4], 1, 0.0, 0.0), t], &[true, false]);
    }
}
