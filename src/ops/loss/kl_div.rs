//! Pointwise Kullback–Leibler divergence of a target t from a log-probability x: `y = t·(ln t − x)`, 0 where t is 0 (PyTorch's
//! `xlogy`); with `log_target`, t is `e^target`.  `dy/dx = −t`.

use crate::ops::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

/// Inputs: log-probabilities, and targets of the same shape, which are constants: they get no cotangent.
#[derive(Debug)]
pub struct KlDiv {
    /// Whether the targets are logarithms.
    pub log_target: bool,
}

impl Describe for KlDiv {
    fn name(&self) -> &'static str {
        "kl_div"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        inputs[0].broadcast(inputs[1])
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        Flops::per_element(output, 15, 10)
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for KlDiv {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let shape = x[0].shape().broadcast(x[1].shape()).expect("checked by the shape rule");
        x[0].zip(x[1], shape, |x, t| {
            if self.log_target {
                t.exp() * (t - x)
            } else if t == S::ZERO {
                -(t * x)
            } else {
                t * t.ln() - t * x
            }
        })
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        if x_bar.wants(0) {
            let shape = y_bar.shape();
            x_bar.give(0, at.x[1].zip(y_bar, shape, |t, y_bar| -(if self.log_target { t.exp() } else { t }) * y_bar));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        let (x, t) = (laws::normal(&[3, 4], 1), laws::between(&[3, 4], 2, 0.1, 1.0));
        laws::hold_by(&KlDiv { log_target: false }, &[x.clone(), t.clone()], &[true, false]);
        laws::hold_by(&KlDiv { log_target: true }, &[x, t], &[true, false]);
    }
}
