//! `y = x·Wᵀ + b`,  `x̄ = ȳ·W`,  `W̄ = ȳᵀ·x`,  `b̄ = Σ ȳ`: PyTorch's `linear`.
//!
//! A primitive rather than a composition, since every layered network spends its time here.

use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{self, Matrix, Shape, ShapeError, Tensor};

/// Inputs: `x` [..., in], `weight` [out, in], and maybe `bias` `[out]`.
#[derive(Debug)]
pub struct Linear;

/// Rows, in and out.
fn sizes(x: Shape, weight: Shape) -> (usize, usize, usize) {
    let (out, features) = (weight.dims()[0], weight.dims()[1]);
    (x.dims()[..x.rank() - 1].iter().product(), features, out)
}

impl Describe for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (x, weight) = (inputs[0], inputs[1]);
        let [out, features] = *weight.dims() else {
            return Err(ShapeError(format!("linear expects a weight of shape [out, in], found {weight}")));
        };
        if x.sample_dims().last() != Some(&features) {
            return Err(ShapeError(format!("linear expects {features} features, its input has shape {x}")));
        }
        if let Some(bias) = inputs.get(2)
            && bias.dims() != [out]
        {
            return Err(ShapeError(format!("linear expects a bias of shape [{out}], found {bias}")));
        }
        let mut dims = x.dims().to_vec();
        *dims.last_mut().expect("a shape with features has an axis") = out;
        x.with_dims(&dims)
    }

    fn flops(&self, inputs: &[Shape], output: Shape) -> Flops {
        let features = inputs[1].dims()[1] as u64;
        Flops::per_element(output, 2 * features + 1, 4 * features + 1)
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Linear {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let shape = self.shape(&[x[0].shape(), x[1].shape()]).expect("checked by the shape rule");
        let (rows, features, out) = sizes(x[0].shape(), x[1].shape());
        let mut y = match x.get(2) {
            Some(bias) => bias.data().repeat(rows),
            None => vec![S::ZERO; rows * out],
        };
        let weight = Matrix::new(x[1].data(), out, features);
        S::gemm(Matrix::new(x[0].data(), rows, features), weight.t(), &mut y, true);
        Tensor::new(shape, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let (rows, features, out) = sizes(at.shapes[0], at.shapes[1]);
        let y_matrix = Matrix::new(y_bar.data(), rows, out);
        if x_bar.wants(0) {
            let data = S::product(y_matrix, Matrix::new(at.x[1].data(), out, features));
            x_bar.give(0, Tensor::new(at.shapes[0], data));
        }
        if x_bar.wants(1) {
            let data = S::product(y_matrix.t(), Matrix::new(at.x[0].data(), rows, features));
            x_bar.give(1, Tensor::new(at.shapes[1], data));
        }
        if at.shapes.len() > 2 && x_bar.wants(2) {
            let mut data = vec![S::ZERO; out];
            for row in y_bar.data().chunks_exact(out.max(1)) {
                tensor::add(&mut data, row);
            }
            x_bar.give(2, Tensor::new(at.shapes[2], data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Linear, &[laws::batch(3, &[4], 1), laws::normal(&[2, 4], 2), laws::normal(&[2], 3)]);
        laws::hold(&Linear, &[laws::batch(2, &[3, 4], 1), laws::normal(&[5, 4], 2)]);
        laws::hold(&Linear, &[laws::batch(9, &[17], 1), laws::normal(&[11, 17], 2), laws::normal(&[11], 3)]);
        let (x, w) = (laws::batch(3, &[4], 1), laws::normal(&[2, 4], 2));
        laws::rejects(&Linear, &[laws::batch(3, &[5], 1), w.clone()], "linear expects 4 features");
        laws::rejects(&Linear, &[laws::batch(4, &[], 1), w.clone()], "linear expects 4 features");
        laws::rejects(&Linear, &[x.clone(), laws::normal(&[4], 2)], "weight of shape [out, in]");
        laws::rejects(&Linear, &[x, w, laws::normal(&[3], 2)], "bias of shape [2]");
    }
}
