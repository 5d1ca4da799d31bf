//! `y[…, :] = W[t[…], :]`,  `W̄[k, :] = Σ ȳ` over the places where t = k: PyTorch's `embedding`.

use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

/// Inputs: `tokens` [N, …], whole numbers from 0 to num − 1 (which the request's reader has checked), and `weight` [num, dim].
/// Tokens have no derivative; none is ever given.
#[derive(Debug, Clone)]
pub struct Embedding {
    /// The row that gets no cotangent.
    pub padding_idx: Option<usize>,
}

/// The tokens as rows of the weight.
fn rows<S: Scalar>(tokens: &Tensor<S>) -> impl Iterator<Item = usize> {
    tokens.data().iter().map(|token| token.to_f64() as usize)
}

impl Describe for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (tokens, weight) = (inputs[0], inputs[1]);
        let (&[num, dim], false) = (weight.dims(), weight.is_batched()) else {
            return Err(ShapeError(format!(
                "embedding expects a weight of shape [num_embeddings, embedding_dim], found {weight}"
            )));
        };
        if let Some(row) = self.padding_idx.filter(|&row| row >= num) {
            return Err(ShapeError(format!("embedding expects a padding_idx below num_embeddings, {num}, found {row}")));
        }
        let mut dims = tokens.dims().to_vec();
        dims.push(dim);
        tokens.with_dims(&dims)
    }

    fn flops(&self, _: &[Shape], output: Shape) -> Flops {
        Flops::per_element(output, 1, 1)
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Embedding {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let (tokens, weight) = (x[0], x[1]);
        let shape = self.shape(&[tokens.shape(), weight.shape()]).expect("checked by the shape rule");
        let dim = weight.shape().dims()[1];
        let mut y = Vec::with_capacity(shape.size());
        for row in rows(tokens) {
            y.extend_from_slice(&weight.data()[row * dim..(row + 1) * dim]);
        }
        Tensor::new(shape, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        if !x_bar.wants(1) {
            return;
        }
        let dim = at.shapes[1].dims()[1];
        let mut weight_bar = vec![S::ZERO; at.shapes[1].size()];
        for (row, y_bar) in rows(at.x[0]).zip(y_bar.data().chunks_exact(dim.max(1))) {
            if self.padding_idx != Some(row) {
                for (sum, &y_bar) in weight_bar[row * dim..(row + 1) * dim].iter_mut().zip(y_bar) {
                    *sum += y_bar;
                }
            }
        }
        x_bar.give(1, Tensor::new(at.shapes[1], weight_bar));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    const PLAIN: Embedding = Embedding { padding_idx: None };

    fn tokens(samples: usize, dims: &[usize], tokens: &[f64]) -> Tensor<f64> {
        Tensor::new(Shape::batched(samples, dims).expect("small"), tokens.to_vec())
    }

    #[test]
    fn laws() {
        let weight = laws::normal(&[5, 3], 1);
        laws::hold_by(&PLAIN, &[tokens(3, &[2], &[4.0, 0.0, 1.0, 1.0, 0.0, 1.0]), weight.clone()], &[false, true]);
        laws::hold_by(&PLAIN, &[tokens(2, &[], &[4.0, 2.0]), weight.clone()], &[false, true]);
        // The padding row is a row like any other where no token names it.
        laws::hold_by(&Embedding { padding_idx: Some(3) }, &[tokens(2, &[], &[4.0, 2.0]), weight], &[false, true]);
    }

    #[test]
    fn rejects() {
        let t = tokens(2, &[], &[0.0, 1.0]);
        laws::rejects(&PLAIN, &[t.clone(), laws::normal(&[5], 1)], "[num_embeddings, embedding_dim], found [5]");
        laws::rejects(&PLAIN, &[t.clone(), laws::batch(5, &[3], 1)], "[num_embeddings, embedding_dim]");
        laws::rejects(&Embedding { padding_idx: Some(5) }, &[t, laws::normal(&[5, 3], 1)], "below num_embeddings, 5, found 5");
        let absurd = [Shape::batched(1 << 40, &[]).expect("fits"), Shape::new(&[1, 1 << 40]).expect("fits")];
        assert!(PLAIN.shape(&absurd).is_err());
        laws::rejects(&PLAIN, &[tokens(1, &[1; 7], &[0.0]), laws::normal(&[5, 3], 1)], "9 axes");
    }

    /// The padding row is read, but gets no cotangent.
    #[test]
    fn the_padding_row_stays() {
        let (t, weight) = (tokens(3, &[], &[1.0, 0.0, 1.0]), laws::normal(&[2, 2], 1));
        let op = Embedding { padding_idx: Some(1) };
        let y = Op::<f64>::forward(&op, &[&t, &weight]);
        assert_eq!(y.data()[..2], weight.data()[2..]);
        let shapes = [t.shape(), weight.shape()];
        let mut slots = [None, None];
        let y_bar = Tensor::new(y.shape(), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        op.vjp(
            Point { shapes: &shapes, x: &[&t, &weight], y: &y },
            &y_bar,
            &mut Cotangents::new(&mut slots, &[0, 1], &shapes, &[true; 2]),
        );
        assert!(slots[0].is_none());
        assert_eq!(slots[1].as_ref().map(Tensor::data), Some(&[3.0, 4.0, 0.0, 0.0][..]));
    }
}
