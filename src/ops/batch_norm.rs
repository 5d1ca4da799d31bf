//! `y = (x − μ)/√(σ² + ε)·w + b` for each channel: PyTorch's `batch_norm`.
//!
//! In training μ and σ² are the batch's, `σ² = Σ(x − μ)²/m` over the m values of a channel, so with `r = 1/√(σ² + ε)`,
//! `x̂ = (x − μ)·r` and means over the channel: `x̄ = w·r·(ȳ − mean ȳ − x̂·mean(ȳ·x̂))`. Else both are given, and `x̄ = w·r·ȳ`.
//! Either way `w̄ = Σ ȳ·x̂` and `b̄ = Σ ȳ`.

use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor, lanes};

/// Inputs in training: `x` [N, C, …], and maybe `weight` `[C]` and `bias` `[C]`. Else `x`, `running_mean` `[C]`, `running_var` `[C]`, and
/// maybe `weight` and `bias`.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    /// Whether mean and variance are the batch's, which couples its samples, or given.
    pub training: bool,
    /// What is added to the variance.
    pub eps: f64,
}

/// Samples, channels, and values of one channel in one sample.
#[derive(Clone, Copy)]
struct Layout {
    channels: usize,
    run: usize,
    /// Values of one channel.
    values: usize,
}

impl Layout {
    fn new(x: Shape) -> Result<Self, ShapeError> {
        let &[samples, channels, ref rest @ ..] = x.dims() else {
            return Err(ShapeError(format!("batch_norm expects an input of shape [N, C, ...], found {x}")));
        };
        let run = rest.iter().product();
        Ok(Self { channels, run, values: samples * run })
    }

    /// For each channel `Σ f(k, x, z)` over its values, with the channel's own `k`.
    fn sums<S: Scalar, K: Copy>(self, per_channel: &[K], x: &[S], z: &[S], f: impl Fn(K, S, S) -> S) -> Vec<S> {
        let mut sums = vec![S::ZERO; self.channels];
        if self.channels * self.run == 0 {
            return sums;
        }
        let samples = x.chunks_exact(self.channels * self.run).zip(z.chunks_exact(self.channels * self.run));
        for (x, z) in samples {
            let channels = sums.iter_mut().zip(per_channel);
            if self.run == 1 {
                for (((sum, &k), &x), &z) in channels.zip(x).zip(z) {
                    *sum += f(k, x, z);
                }
            } else {
                for (((sum, &k), x), z) in channels.zip(x.chunks_exact(self.run)).zip(z.chunks_exact(self.run)) {
                    *sum += lanes::sum_pairs(x, z, |x, z| f(k, x, z));
                }
            }
        }
        sums
    }

    /// `f(k, x, z)` of all values, with the channel's own `k`.
    fn map<S: Scalar, K: Copy>(self, per_channel: &[K], x: &[S], z: &[S], f: impl Fn(K, S, S) -> S) -> Vec<S> {
        let mut y = Vec::with_capacity(x.len());
        if self.channels * self.run == 0 {
            return y;
        }
        let samples = x.chunks_exact(self.channels * self.run).zip(z.chunks_exact(self.channels * self.run));
        for (x, z) in samples {
            if self.run == 1 {
                y.extend(per_channel.iter().zip(x).zip(z).map(|((&k, &x), &z)| f(k, x, z)));
            } else {
                for ((&k, x), z) in per_channel.iter().zip(x.chunks_exact(self.run)).zip(z.chunks_exact(self.run)) {
                    y.extend(x.iter().zip(z).map(|(&x, &z)| f(k, x, z)));
                }
            }
        }
        y
    }
}

/// One channel's μ, r = 1/√(σ² + ε) and w.
#[derive(Clone, Copy)]
struct Channel<S> {
    mean: S,
    scale: S,
    weight: S,
}

impl BatchNorm {
    /// Where `weight` stands among the inputs; `bias` follows.
    fn weight_at(&self) -> usize {
        if self.training { 1 } else { 3 }
    }

    fn channels<S: Scalar>(&self, layout: Layout, x: &[&Tensor<S>]) -> Vec<Channel<S>> {
        let (mean, variance) = if self.training {
            let values = x[0].data();
            let count = S::from_f64(layout.values as f64);
            let over_count = |sums: Vec<S>| sums.into_iter().map(|sum| sum / count).collect::<Vec<_>>();
            let mean = over_count(layout.sums(&vec![(); layout.channels], values, values, |(), x, _| x));
            let variance = over_count(layout.sums(&mean, values, values, |mean, x, _| (x - mean) * (x - mean)));
            (mean, variance)
        } else {
            (x[1].data().to_vec(), x[2].data().to_vec())
        };
        let weight = |channel: usize| x.get(self.weight_at()).map_or(S::ONE, |weight| weight.data()[channel]);
        let statistics = mean.into_iter().zip(variance).enumerate();
        statistics
            .map(|(channel, (mean, variance))| {
                let scale = S::ONE / (variance + S::from_f64(self.eps)).sqrt();
                Channel { mean, scale, weight: weight(channel) }
            })
            .collect()
    }
}

impl Describe for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let layout = Layout::new(inputs[0])?;
        let names: &[_] = if self.training { &["weight", "bias"] } else { &["running_mean", "running_var", "weight", "bias"] };
        for (name, shape) in names.iter().zip(&inputs[1..]) {
            if shape.dims() != [layout.channels] || shape.is_batched() {
                return Err(ShapeError(format!("batch_norm expects a {name} of shape [{}], found {shape}", layout.channels)));
            }
        }
        if self.training && layout.values < 2 {
            return Err(ShapeError(format!(
                "batch_norm expects more than 1 value per channel when training, found {} in shape {}",
                layout.values, inputs[0]
            )));
        }
        Ok(inputs[0])
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        Flops::per_element(output, 8, 16)
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn couples_samples(&self) -> bool {
        self.training
    }
}

impl<S: Scalar> Op<S> for BatchNorm {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let layout = Layout::new(x[0].shape()).expect("checked by the shape rule");
        let bias = |channel: usize| x.get(self.weight_at() + 1).map_or(S::ZERO, |bias| bias.data()[channel]);
        let channels = self.channels(layout, x).into_iter().enumerate();
        let lines: Vec<_> = channels.map(|(at, k)| (k.mean, k.scale * k.weight, bias(at))).collect();
        let y = layout.map(&lines, x[0].data(), x[0].data(), |(mean, slope, bias), x, _| (x - mean) * slope + bias);
        Tensor::new(x[0].shape(), y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let layout = Layout::new(at.shapes[0]).expect("checked by the shape rule");
        let (x, y_bar) = (at.x[0].data(), y_bar.data());
        let channels = self.channels(layout, at.x);
        // Σ ȳ and Σ ȳ·x̂.
        let sums = layout.sums(&channels, x, y_bar, |_, _, y_bar| y_bar);
        let products = layout.sums(&channels, x, y_bar, |k, x, y_bar| y_bar * ((x - k.mean) * k.scale));
        if x_bar.wants(0) {
            let data = if self.training {
                let count = S::from_f64(layout.values as f64);
                let means = sums.iter().zip(&products).map(|(&sum, &product)| (sum / count, product / count));
                let lines: Vec<_> = channels.iter().copied().zip(means).collect();
                layout.map(&lines, x, y_bar, |(k, (mean, product)), x, y_bar| {
                    k.weight * k.scale * (y_bar - mean - (x - k.mean) * k.scale * product)
                })
            } else {
                layout.map(&channels, x, y_bar, |k, _, y_bar| k.weight * k.scale * y_bar)
            };
            x_bar.give(0, Tensor::new(at.shapes[0], data));
        }
        let mut give = |i: usize, of_channel: &dyn Fn(usize) -> S| {
            if i < at.shapes.len() && x_bar.wants(i) {
                x_bar.give(i, Tensor::new(at.shapes[i], (0..layout.channels).map(of_channel).collect()));
            }
        };
        if !self.training {
            give(1, &|c| -(channels[c].weight * channels[c].scale * sums[c]));
            // dr/dσ² = −r³/2.
            let minus_half = S::from_f64(-0.5);
            give(2, &|c| minus_half * channels[c].weight * channels[c].scale * channels[c].scale * products[c]);
        }
        give(self.weight_at(), &|c| products[c]);
        give(self.weight_at() + 1, &|c| sums[c]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    const TRAINING: BatchNorm = BatchNorm { training: true, eps: 1e-5 };
    const RUNNING: BatchNorm = BatchNorm { training: false, eps: 1e-3 };

    #[test]
    fn laws() {
        for x in [laws::batch(4, &[3], 1), laws::batch(3, &[2, 4], 1), laws::batch(2, &[2, 3, 3], 1), laws::normal(&[5, 2], 1)] {
            let c = [x.shape().dims()[1]];
            let (weight, bias) = (laws::normal(&c, 2), laws::normal(&c, 3));
            let (mean, variance) = (laws::normal(&c, 4), laws::between(&c, 5, 0.5, 2.0));
            laws::hold(&TRAINING, std::slice::from_ref(&x));
            laws::hold(&TRAINING, &[x.clone(), weight.clone(), bias.clone()]);
            laws::hold(&RUNNING, &[x.clone(), mean.clone(), variance.clone()]);
            laws::hold(&RUNNING, &[x, mean, variance, weight, bias]);
        }
        // One sample is enough where the statistics are given.
        laws::hold(&RUNNING, &[laws::batch(1, &[2], 1), laws::normal(&[2], 2), laws::between(&[2], 3, 0.5, 2.0)]);
        assert!(TRAINING.couples_samples() && !RUNNING.couples_samples());
    }

    #[test]
    fn rejects() {
        let (x, three) = (laws::batch(4, &[3], 1), laws::normal(&[3], 1));
        laws::rejects(&TRAINING, &[laws::batch(4, &[], 1)], "input of shape [N, C, ...], found [4]");
        laws::rejects(
            &TRAINING,
            &[laws::batch(1, &[3], 1)],
            "more than 1 value per channel when training, found 1 in shape [1, 3]",
        );
        laws::rejects(&TRAINING, &[laws::batch(1, &[3, 1, 1], 1)], "more than 1 value per channel when training");
        laws::rejects(&TRAINING, &[x.clone(), laws::normal(&[4], 1), three.clone()], "weight of shape [3], found [4]");
        laws::rejects(&TRAINING, &[x.clone(), three.clone(), laws::batch(3, &[], 1)], "bias of shape [3]");
        laws::rejects(&RUNNING, &[x.clone(), laws::normal(&[1], 1), three.clone()], "running_mean of shape [3], found [1]");
        laws::rejects(&RUNNING, &[x, three, laws::normal(&[3, 1], 1)], "running_var of shape [3], found [3, 1]");
    }

    /// The definition, channel by channel.
    #[test]
    fn agrees_with_the_definition() {
        // Far from 0 a one-pass variance would lose its digits.
        for (n, dims, far, tolerance) in
            [(7, &[3][..], 0.0, 1e-12), (3, &[2, 5, 6], 0.0, 1e-12), (7, &[3], 1e4, 1e-11), (5, &[4, 19], 1e4, 1e-11)]
        {
            let x = laws::batch(n, dims, 1).map(|x| x + far);
            let (c, run) = (dims[0], dims[1..].iter().product::<usize>());
            let (weight, bias) = (laws::normal(&[c], 2), laws::normal(&[c], 3));
            let y = Op::<f64>::forward(&TRAINING, &[&x, &weight, &bias]);
            for channel in 0..c {
                let at = |i: usize| (i / run * c + channel) * run + i % run;
                let values: Vec<f64> = (0..n * run).map(|i| x.data()[at(i)]).collect();
                let mean = values.iter().map(|x| x - far).sum::<f64>() / values.len() as f64 + far;
                let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
                for (i, x) in values.iter().enumerate() {
                    let expected = (x - mean) / (variance + 1e-5).sqrt() * weight.data()[channel] + bias.data()[channel];
                    assert!((y.data()[at(i)] - expected).abs() <= tolerance, "{} is not {expected}", y.data()[at(i)]);
                }
            }
        }
    }
}
