//! `y = (x − μ)/√(σ² + ε)·w + b` over the last axes of each sample: PyTorch's `layer_norm`.
//!
//! μ and `σ² = mean((x − μ)²)` are those of one row (the last axes together). With `r = 1/√(σ² + ε)`, `x̂ = (x − μ)·r`,
//! `g = ȳ·w` and means over the row: `x̄ = r·(g − mean g − x̂·mean(g·x̂))`,  `w̄ = Σ ȳ·x̂` and `b̄ = Σ ȳ` over the rows.

use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Dims, Shape, ShapeError, Tensor, lanes};

/// Inputs: `x` [..., normalized], and maybe `weight` `[normalized]`, and maybe `bias` `[normalized]`.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    /// The sizes of the axes normalized over, the last ones of each sample; at least one.
    pub normalized_shape: Vec<usize>,
    /// What is added to the variance.
    pub eps: f64,
}

impl LayerNorm {
    /// Elements of a row; 1 where there are none, which no row then has.
    fn row(&self) -> usize {
        self.normalized_shape.iter().product::<usize>().max(1)
    }

    /// μ and r of one row.
    fn statistics<S: Scalar>(&self, row: &[S]) -> (S, S) {
        let count = S::from_f64(row.len() as f64);
        let mean = lanes::sum(row, |x| x) / count;
        let variance = lanes::sum(row, |x| (x - mean) * (x - mean)) / count;
        (mean, S::ONE / (variance + S::from_f64(self.eps)).sqrt())
    }

    fn parameter<S: Scalar>(&self, given: Option<&&Tensor<S>>, otherwise: S) -> Vec<S> {
        given.map_or_else(|| vec![otherwise; self.row()], |given| given.data().to_vec())
    }
}

impl Describe for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let normalized = &self.normalized_shape[..];
        if normalized.is_empty() {
            return Err(ShapeError("layer_norm expects a normalized_shape of at least one axis, found []".to_owned()));
        }
        if !inputs[0].sample_dims().ends_with(normalized) {
            return Err(ShapeError(format!(
                "layer_norm expects an input whose samples end in {}, found shape {}",
                Dims(normalized),
                inputs[0]
            )));
        }
        for (name, shape) in ["weight", "bias"].iter().zip(&inputs[1..]) {
            if shape.dims() != normalized || shape.is_batched() {
                return Err(ShapeError(format!("layer_norm expects a {name} of shape {}, found {shape}", Dims(normalized))));
            }
        }
        Ok(inputs[0])
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        Flops::per_element(output, 8, 20)
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for LayerNorm {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let (weight, bias) = (self.parameter(x.get(1), S::ONE), self.parameter(x.get(2), S::ZERO));
        let mut y = Vec::with_capacity(x[0].data().len());
        for row in x[0].data().chunks_exact(self.row()) {
            let (mean, scale) = self.statistics(row);
            y.extend(row.iter().zip(&weight).zip(&bias).map(|((&x, &w), &b)| (x - mean) * scale * w + b));
        }
        Tensor::new(x[0].shape(), y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let weight = self.parameter(at.x.get(1), S::ONE);
        let count = S::from_f64(self.row() as f64);
        let parameter_bar = || vec![S::ZERO; at.shapes.get(1).map_or(0, Shape::size)];
        let (mut weight_bar, mut bias_bar) = (parameter_bar(), parameter_bar());
        let mut data = Vec::with_capacity(at.x[0].data().len());
        let (mut normal, mut g) = (vec![S::ZERO; self.row()], vec![S::ZERO; self.row()]);
        for (row, y_bar) in at.x[0].data().chunks_exact(self.row()).zip(y_bar.data().chunks_exact(self.row())) {
            let (mean, scale) = self.statistics(row);
            for (normal, &x) in normal.iter_mut().zip(row) {
                *normal = (x - mean) * scale;
            }
            for ((g, &y_bar), &w) in g.iter_mut().zip(y_bar).zip(&weight) {
                *g = y_bar * w;
            }
            let mean_g = lanes::sum(&g, |g| g) / count;
            let mean_product = lanes::sum_pairs(&g, &normal, |g, normal| g * normal) / count;
            data.extend(g.iter().zip(&normal).map(|(&g, &normal)| scale * (g - mean_g - normal * mean_product)));
            for ((weight_bar, &normal), &y_bar) in weight_bar.iter_mut().zip(&normal).zip(y_bar) {
                *weight_bar += y_bar * normal;
            }
            for (bias_bar, &y_bar) in bias_bar.iter_mut().zip(y_bar) {
                *bias_bar += y_bar;
            }
        }
        x_bar.give(0, Tensor::new(at.shapes[0], data));
        for (i, data) in [(1, weight_bar), (2, bias_bar)] {
            if i < at.shapes.len() {
                x_bar.give(i, Tensor::new(at.shapes[i], data));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    fn over(normalized_shape: &[usize]) -> LayerNorm {
        LayerNorm { normalized_shape: normalized_shape.to_vec(), eps: 1e-5 }
    }

    #[test]
    fn laws() {
        let parameters = |dims: &[usize]| (laws::normal(dims, 2), laws::normal(dims, 3));
        let (weight, bias) = parameters(&[11]);
        laws::hold(&over(&[11]), &[laws::batch(3, &[11], 1)]);
        laws::hold(&over(&[11]), &[laws::batch(2, &[2, 11], 1), weight.clone()]);
        laws::hold(&over(&[11]), &[laws::batch(3, &[11], 1), weight, bias]);
        let (weight, bias) = parameters(&[2, 3]);
        laws::hold(&over(&[2, 3]), &[laws::batch(2, &[4, 2, 3], 1), weight.clone(), bias.clone()]);
        laws::hold(&over(&[2, 3]), &[laws::normal(&[2, 3], 1), weight, bias]);
    }

    #[test]
    fn rejects() {
        let x = laws::batch(2, &[4, 3], 1);
        laws::rejects(&over(&[]), std::slice::from_ref(&x), "at least one axis, found []");
        laws::rejects(&over(&[4]), std::slice::from_ref(&x), "samples end in [4], found shape [2, 4, 3]");
        laws::rejects(&over(&[2, 4, 3]), std::slice::from_ref(&x), "samples end in [2, 4, 3]");
        laws::rejects(&over(&[usize::MAX, 3]), std::slice::from_ref(&x), "samples end in");
        laws::rejects(&over(&[3]), &[x.clone(), laws::normal(&[4], 1)], "weight of shape [3], found [4]");
        laws::rejects(&over(&[3]), &[x, laws::normal(&[3], 1), laws::batch(3, &[], 1)], "bias of shape [3]");
    }

    /// The definition, row by row.
    #[test]
    fn agrees_with_the_definition() {
        // Far from 0 a one-pass variance would lose its digits.
        for (dims, far, tolerance) in
            [(&[5, 1], 0.0, 1e-12), (&[3, 7], 0.0, 1e-12), (&[2, 100], 0.0, 1e-12), (&[2, 100], 1e4, 1e-11)]
        {
            let x = laws::batch(3, dims, 1).map(|x| x + far);
            let m = dims[1];
            let (weight, bias) = (laws::normal(&[m], 2), laws::normal(&[m], 3));
            let y = Op::<f64>::forward(&over(&[m]), &[&x, &weight, &bias]);
            for (row, y) in x.data().chunks_exact(m).zip(y.data().chunks_exact(m)) {
                let mean = row.iter().map(|x| x - far).sum::<f64>() / m as f64 + far;
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / m as f64;
                for i in 0..m {
                    let expected = (row[i] - mean) / (variance + 1e-5).sqrt() * weight.data()[i] + bias.data()[i];
                    assert!((y[i] - expected).abs() <= tolerance, "{} is not {expected}", y[i]);
                }
            }
        }
    }
}
