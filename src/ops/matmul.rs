//! `y = a·b`,  `ā = ȳ·bᵀ`,  `b̄ = aᵀ·ȳ`: PyTorch's `matmul`, for vectors, matrices and stacks of matrices.

use super::{Arity, Cotangents, Describe, Entry, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Matrix, Shape, ShapeError, Tensor, broadcast_offsets};

pub(super) const ENTRY: Entry = Entry {
    name: "matmul",
    summary: "matrix product of what one sample has; vectors, matrices, and stacks of matrices broadcast together",
    formula: "y[i,j] = sum_k a[i,k] * b[k,j]",
    derivative: "a_bar = y_bar b^T, b_bar = a^T y_bar",
    arity: Arity::Exactly(2),
    attributes: &[],
    elementwise: false,
    build: |_| Ok(Box::new(MatMul)),
};

/// The matrix product of the last two axes; other axes broadcast, the sample axis among them.
#[derive(Debug)]
pub struct MatMul;

/// A product of stacks: which matrices meet, and their sizes.
struct Stacks {
    /// The stack of products, and of each operand.
    lead: Shape,
    a_lead: Shape,
    b_lead: Shape,
    m: usize,
    k: usize,
    n: usize,
    output: Shape,
}

impl Stacks {
    fn new(a: Shape, b: Shape) -> Result<Self, ShapeError> {
        let clash = || ShapeError(format!("matmul cannot multiply shapes {a} and {b}: inner sizes differ"));
        let number = |s: Shape| ShapeError(format!("matmul expects at least a vector in each sample, found shape {s}"));
        let (mut a_dims, mut b_dims) = (a.sample_dims().to_vec(), b.sample_dims().to_vec());
        // A lone vector is a row on the left and a column on the right, and its axis of 1 goes again.
        let (a_vector, b_vector) = (a_dims.len() == 1, b_dims.len() == 1);
        if a_vector {
            a_dims.insert(0, 1);
        }
        if b_vector {
            b_dims.push(1);
        }
        let (Some(&[m, k]), Some(&[inner, n])) = (a_dims.last_chunk::<2>(), b_dims.last_chunk::<2>()) else {
            return Err(number(if a_dims.len() < 2 { a } else { b }));
        };
        if k != inner {
            return Err(clash());
        }
        let lead_of = |shape: Shape, dims: &[usize]| match shape.samples() {
            Some(samples) => Shape::batched(samples, &dims[..dims.len() - 2]),
            None => Shape::new(&dims[..dims.len() - 2]),
        };
        let (a_lead, b_lead) = (lead_of(a, &a_dims)?, lead_of(b, &b_dims)?);
        let lead = a_lead.broadcast(b_lead)?;
        let mut dims = lead.dims().to_vec();
        if !a_vector {
            dims.push(m);
        }
        if !b_vector {
            dims.push(n);
        }
        let output = lead.with_dims(&dims)?;
        Ok(Self { lead, a_lead, b_lead, m, k, n, output })
    }

    /// One large product instead of a stack: every matrix of `a` meets the same `b`.
    fn flat(&self) -> Option<usize> {
        (self.b_lead.size() == 1 && self.a_lead.size() == self.lead.size()).then(|| self.lead.size() * self.m)
    }

    /// Which matrices meet, as offsets of elements into the product, `a` and `b`.
    fn meetings(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (m, k, n) = (self.m, self.k, self.n);
        broadcast_offsets(self.lead, [self.a_lead, self.b_lead])
            .into_iter()
            .enumerate()
            .map(move |(at, [a, b])| (at * m * n, a * m * k, b * k * n))
    }
}

impl Describe for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        Stacks::new(inputs[0], inputs[1]).map(|stacks| stacks.output)
    }

    fn flops(&self, inputs: &[Shape], output: Shape) -> Flops {
        let inner = inputs[0].dims().last().copied().unwrap_or(1) as u64;
        Flops::per_element(output, 2 * inner, 4 * inner)
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for MatMul {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let (a, b) = (x[0].data(), x[1].data());
        let stacks = Stacks::new(x[0].shape(), x[1].shape()).expect("checked by the shape rule");
        let Stacks { m, k, n, .. } = stacks;
        if let Some(rows) = stacks.flat() {
            return Tensor::new(stacks.output, S::product(Matrix::new(a, rows, k), Matrix::new(b, k, n)));
        }
        let mut y = vec![S::ZERO; stacks.output.size()];
        for (at, a_at, b_at) in stacks.meetings() {
            let (a, b) = (Matrix::new(&a[a_at..a_at + m * k], m, k), Matrix::new(&b[b_at..b_at + k * n], k, n));
            S::gemm(a, b, &mut y[at..at + m * n], false);
        }
        Tensor::new(stacks.output, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let (a, b) = (at.x[0].data(), at.x[1].data());
        let stacks = Stacks::new(at.shapes[0], at.shapes[1]).expect("checked by the shape rule");
        let Stacks { m, k, n, .. } = stacks;
        if x_bar.wants(0) {
            let a_bar = if let Some(rows) = stacks.flat() {
                S::product(Matrix::new(y_bar.data(), rows, n), Matrix::new(b, k, n).t())
            } else {
                let mut a_bar = vec![S::ZERO; a.len()];
                for (at, a_at, b_at) in stacks.meetings() {
                    let y_bar = Matrix::new(&y_bar.data()[at..at + m * n], m, n);
                    let b = Matrix::new(&b[b_at..b_at + k * n], k, n);
                    S::gemm(y_bar, b.t(), &mut a_bar[a_at..a_at + m * k], true);
                }
                a_bar
            };
            x_bar.give(0, Tensor::new(at.shapes[0], a_bar));
        }
        if x_bar.wants(1) {
            let b_bar = if let Some(rows) = stacks.flat() {
                S::product(Matrix::new(a, rows, k).t(), Matrix::new(y_bar.data(), rows, n))
            } else {
                let mut b_bar = vec![S::ZERO; b.len()];
                for (at, a_at, b_at) in stacks.meetings() {
                    let y_bar = Matrix::new(&y_bar.data()[at..at + m * n], m, n);
                    let a = Matrix::new(&a[a_at..a_at + m * k], m, k);
                    S::gemm(a.t(), y_bar, &mut b_bar[b_at..b_at + k * n], true);
                }
                b_bar
            };
            x_bar.give(1, Tensor::new(at.shapes[1], b_bar));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&MatMul, &[laws::batch(3, &[4], 1), laws::normal(&[4, 2], 2)]);
        laws::hold(&MatMul, &[laws::batch(3, &[4], 1), laws::batch(3, &[4], 2)]);
        laws::hold(&MatMul, &[laws::batch(2, &[3, 4], 1), laws::batch(2, &[4, 5], 2)]);
        laws::hold(&MatMul, &[laws::batch(2, &[3, 4], 1), laws::normal(&[4], 2)]);
        laws::hold(&MatMul, &[laws::normal(&[2, 1, 3, 4], 1), laws::normal(&[3, 4, 2], 2)]);
        laws::hold(&MatMul, &[laws::normal(&[3, 4], 1), laws::batch(2, &[4, 2], 2)]);
        laws::rejects(&MatMul, &[laws::batch(3, &[4], 1), laws::normal(&[5, 2], 2)], "inner sizes differ");
        laws::rejects(&MatMul, &[laws::batch(3, &[], 1), laws::normal(&[5, 2], 2)], "at least a vector");
    }
}
