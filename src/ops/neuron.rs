//! The lecture's unit: `a = b + Σⱼ wⱼ·zⱼ`,  `z̄ⱼ = wⱼ·ā`,  `w̄ⱼ = Σₙ āₙ·zⱼₙ`,  `b̄ = Σₙ āₙ`, n over samples.

use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{self, Shape, ShapeError, Tensor, lanes};

/// Where a weight stands among the op's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightAt {
    /// Element of input 0, the vector of this neuron's own weights.
    Own(u32),
    /// This input, a single number that other neurons may share.
    Shared(u32),
}

/// A weighted sum of scalar nodes. Inputs: the vector of own weights (if any weight is own), the shared weights (one number
/// each), then the sources, each one number per sample.
#[derive(Debug)]
pub struct Neuron {
    /// The weight of each source, in the sources' order.
    pub weights: Box<[WeightAt]>,
    /// The bias, if there is one.
    pub bias: Option<WeightAt>,
    /// The first input that is a source.
    pub sources_at: usize,
}

impl Neuron {
    fn weight<S: Scalar>(at: WeightAt, x: &[&Tensor<S>]) -> S {
        match at {
            WeightAt::Own(element) => x[0].data()[element as usize],
            WeightAt::Shared(input) => x[input as usize].data()[0],
        }
    }
}

impl Describe for Neuron {
    fn name(&self) -> &'static str {
        "neuron"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let sources = &inputs[self.sources_at..];
        let first = *sources.first().ok_or_else(|| ShapeError("a neuron needs at least one input".to_owned()))?;
        for &source in sources {
            if !source.sample_dims().is_empty() || !source.is_batched() {
                return Err(ShapeError(format!(
                    "a neuron reads single numbers, found {source}; select one element, or use linear"
                )));
            }
            if source != first {
                return Err(ShapeError(format!("a neuron's inputs have {first} and {source} samples")));
            }
        }
        Ok(first)
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        let edges = self.weights.len() as u64;
        Flops::per_element(output, 2 * edges + 1, 4 * edges + 1)
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Neuron {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let sources = &x[self.sources_at..];
        let shape = sources[0].shape();
        let bias = self.bias.map_or(S::ZERO, |bias| Self::weight(bias, x));
        let mut y = Tensor::full(shape, bias);
        let a = y.data_mut();
        tensor::wide::<S, _>(
            #[inline(always)]
            || {
                for (&at, z) in self.weights.iter().zip(sources) {
                    let w = Self::weight(at, x);
                    for (a, &z) in a.iter_mut().zip(z.data()) {
                        *a += w * z;
                    }
                }
            },
        );
        y
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let sources = &at.x[self.sources_at..];
        let a_bar = y_bar.data();
        let mut own = self.owns().then(|| Tensor::zeros(at.shapes[0]));
        let mut sums = own.as_mut().map(Tensor::data_mut);
        let mut place = |weight: WeightAt, w_bar: S, x_bar: &mut Cotangents<'_, S>| match weight {
            WeightAt::Own(element) => {
                if let Some(sums) = &mut sums {
                    sums[element as usize] += w_bar;
                }
            }
            WeightAt::Shared(input) => x_bar.give(input as usize, Tensor::scalar(w_bar)),
        };
        tensor::wide::<S, _>(
            #[inline(always)]
            || {
                for (j, (&weight, z)) in self.weights.iter().zip(sources).enumerate() {
                    x_bar.give_scaled(self.sources_at + j, Self::weight(weight, at.x), y_bar);
                    place(weight, lanes::sum_pairs(a_bar, z.data(), |a_bar, z| a_bar * z), x_bar);
                }
            },
        );
        if let Some(bias) = self.bias {
            let mut b_bar = S::ZERO;
            for &a_bar in a_bar {
                b_bar += a_bar;
            }
            place(bias, b_bar, x_bar);
        }
        if let Some(own) = own {
            x_bar.give(0, own);
        }
    }
}

impl Neuron {
    fn owns(&self) -> bool {
        self.weights.iter().chain(&self.bias).any(|weight| matches!(weight, WeightAt::Own(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        let own = Neuron { weights: [WeightAt::Own(0), WeightAt::Own(1)].into(), bias: Some(WeightAt::Own(2)), sources_at: 1 };
        let (u, v) = (laws::batch(4, &[], 2), laws::batch(4, &[], 3));
        laws::hold(&own, &[laws::normal(&[3], 1), u.clone(), v.clone()]);
        let mixed = Neuron {
            weights: [WeightAt::Shared(1), WeightAt::Own(0), WeightAt::Shared(1)].into(),
            bias: Some(WeightAt::Shared(2)),
            sources_at: 3,
        };
        let inputs = [laws::normal(&[1], 1), laws::normal(&[], 4), laws::normal(&[], 5), u.clone(), v, u.clone()];
        laws::hold(&mixed, &inputs);
        laws::rejects(&own, &[laws::normal(&[3], 1), u, laws::batch(4, &[2], 3)], "single numbers");
    }
}
