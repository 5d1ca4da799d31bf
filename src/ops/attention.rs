//! Attention of several heads, scores, softmax and mixture in one sweep: PyTorch's `scaled_dot_product_attention`.
//!
//! For each head, with d its columns of q and k and m what is added to its scores:
//!
//! ```text
//! s = q·kᵀ/√d + m        p = softmax of the rows of s        w = p ⊙ keep·scale (dropout; else w = p)        y = w·v
//!
//! v̄ = wᵀ·ȳ        p̄ = (ȳ·vᵀ) ⊙ keep·scale + the cotangent of p        s̄ = p ⊙ (p̄ − row sums of p̄ ⊙ p)
//! q̄ = s̄·k/√d        k̄ = s̄ᵀ·q/√d        m̄ = s̄
//! ```
//!
//! The probabilities are an output of their own, behind y in each row: `[y | p of head 0 | p of head 1 | …]`. The vjp reads them
//! there instead of computing them again, and whoever wants them slices them off.

use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{self, Float, Matrix, Shape, ShapeError, Tensor, lanes};

/// Inputs: `q` [N, L, E], `k` [N, S, E] and `v` [N, S, V], or all three side by side in one [N, L, 3·E]; then what is added to the
/// scores, of a shape that broadcasts to [N, heads, L, S], if `masked`; then which probabilities dropout keeps, ones and zeros
/// [N, heads, L, S], if there is a `dropout`. All may be without sample axis. Output: [N, L, V + heads·S].
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// How many heads share the columns.
    pub heads: usize,
    /// Whether q, k and v are one input.
    pub packed: bool,
    /// Whether something is added to the scores.
    pub masked: bool,
    /// What a kept probability is multiplied by, where dropout drops others.
    pub dropout: Option<f64>,
    /// What a row is whose scores are all minus infinity: zeros, or NaN.
    pub zero_if_masked: bool,
}

/// Where one of q, k and v stands in its input.
#[derive(Debug, Clone, Copy)]
struct Operand {
    input: usize,
    /// Elements before its first column, and from one row to the next.
    offset: usize,
    stride: usize,
    /// Rows of a sample, and columns of a head.
    rows: usize,
    columns: usize,
}

impl Operand {
    fn start(&self, sample: usize, head: usize) -> usize {
        sample * self.rows * self.stride + self.offset + head * self.columns
    }

    fn head<'a, S>(&self, data: &'a [S], sample: usize, head: usize) -> Matrix<'a, S> {
        let data = data.get(self.start(sample, head)..).unwrap_or_default();
        Matrix { data, rows: self.rows, columns: self.columns, row_stride: self.stride, column_stride: 1 }
    }

    /// Write a head's block, which nobody else writes.
    fn place<S: Copy>(&self, block: &[S], bar: &mut [S], sample: usize, head: usize) {
        let start = self.start(sample, head);
        for (row, block) in block.chunks_exact(self.columns.max(1)).enumerate() {
            bar[start + row * self.stride..][..self.columns].copy_from_slice(block);
        }
    }
}

/// The operands and sizes of one call.
#[derive(Debug, Clone, Copy)]
struct Plan {
    q: Operand,
    k: Operand,
    v: Operand,
    samples: usize,
    output: Shape,
    /// [N, heads, L, S].
    scores: Shape,
}

impl Plan {
    /// Where y and p of one head stand in the output.
    fn outputs(&self) -> (Operand, Operand) {
        let stride = self.output.dims().last().copied().unwrap_or(0);
        let y = Operand { input: 0, offset: 0, stride, rows: self.q.rows, columns: self.v.columns };
        let p = Operand { offset: stride - self.k.rows * self.heads(), columns: self.k.rows, ..y };
        (y, p)
    }

    fn heads(&self) -> usize {
        self.scores.dims()[self.scores.rank() - 3]
    }

    /// Each sample and head, with the place of its block among the scores.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (heads, size) = (self.heads(), self.q.rows * self.k.rows);
        (0..self.samples * heads).map(move |at| (at / heads, at % heads, at * size))
    }

    fn scale<S: Float>(&self) -> S {
        S::ONE / S::from_f64(self.q.columns as f64).sqrt()
    }
}

impl Attention {
    fn mask_at(&self) -> Option<usize> {
        self.masked.then_some(if self.packed { 1 } else { 3 })
    }

    fn keep_at(&self) -> Option<usize> {
        self.dropout.map(|_| usize::from(self.masked) + if self.packed { 1 } else { 3 })
    }

    fn plan(&self, inputs: &[Shape]) -> Result<Plan, ShapeError> {
        let matrix = |shape: Shape| match *shape.sample_dims() {
            [rows, columns] => Ok((rows, columns)),
            _ => Err(ShapeError(format!("attention expects sequences of rows, [N, L, E]; found shape {shape}"))),
        };
        let whole = |(rows, columns): (usize, usize), input: usize| Operand { input, offset: 0, stride: columns, rows, columns };
        let (mut q, mut k, mut v);
        if self.packed {
            let (rows, columns) = matrix(inputs[0])?;
            if columns % 3 != 0 {
                return Err(ShapeError(format!("attention expects q, k and v side by side, found {columns} columns")));
            }
            q = Operand { input: 0, offset: 0, stride: columns, rows, columns: columns / 3 };
            (k, v) = (Operand { offset: columns / 3, ..q }, Operand { offset: columns / 3 * 2, ..q });
        } else {
            (q, k, v) = (whole(matrix(inputs[0])?, 0), whole(matrix(inputs[1])?, 1), whole(matrix(inputs[2])?, 2));
            let samples = inputs[0].samples();
            if q.columns != k.columns || k.rows != v.rows || inputs[1..3].iter().any(|input| input.samples() != samples) {
                let detail = format!("attention cannot meet q {}, k {} and v {}", inputs[0], inputs[1], inputs[2]);
                return Err(ShapeError(format!("{detail}: [N, L, E], [N, S, E] and [N, S, V] are expected")));
            }
        }
        let divides = |columns: usize| self.heads > 0 && columns.is_multiple_of(self.heads);
        if !divides(q.columns) || !divides(v.columns) {
            return Err(ShapeError(format!("{} heads cannot share {} columns", self.heads, q.columns)));
        }
        let probabilities = self.heads.saturating_mul(k.rows);
        let output = inputs[0].with_dims(&replaced(inputs[0], &[q.rows, v.columns.saturating_add(probabilities)]))?;
        let scores = inputs[0].with_dims(&replaced(inputs[0], &[self.heads, q.rows, k.rows]))?;
        for operand in [&mut q, &mut k, &mut v] {
            operand.columns /= self.heads;
        }
        self.check_scores(inputs, scores)?;
        Ok(Plan { q, k, v, samples: inputs[0].samples().unwrap_or(1), output, scores })
    }

    fn check_scores(&self, inputs: &[Shape], scores: Shape) -> Result<(), ShapeError> {
        if let Some(mask) = self.mask_at().map(|at| inputs[at])
            && mask.broadcast(scores) != Ok(scores)
        {
            return Err(ShapeError(format!("a mask of shape {mask} does not fit attention scores {scores}: [N, heads, L, S]")));
        }
        if let Some(keep) = self.keep_at().map(|at| inputs[at])
            && keep != scores
        {
            return Err(ShapeError(format!("dropout of attention scores {scores} cannot follow {keep}")));
        }
        Ok(())
    }
}

/// The shape's sample axis, if it has one, and these sizes.
fn replaced(shape: Shape, sizes: &[usize]) -> Vec<usize> {
    shape.samples().into_iter().chain(sizes.iter().copied()).collect()
}

/// Add a mask to the scores of one block.
fn add_mask<S: Float>(mask: &Tensor<S>, plan: &Plan, scores: &mut [S], sample: usize, head: usize) {
    let strides = mask.shape().broadcast_strides(plan.scores);
    let [by_head, by_row, by_column] = *strides[..plan.scores.rank()].last_chunk().expect("scores have three axes and more");
    let start = head * by_head + if plan.scores.is_batched() { sample * strides[0] } else { 0 };
    for (row, scores) in scores.chunks_exact_mut(plan.k.rows.max(1)).enumerate() {
        for (column, score) in scores.iter_mut().enumerate() {
            *score += mask.data()[start + row * by_row + column * by_column];
        }
    }
}

/// Softmax of one row, in place.
fn softmax<S: Float>(row: &mut [S], zero_if_masked: bool) {
    if row.is_empty() {
        return;
    }
    let largest = lanes::largest(row);
    if zero_if_masked && largest.to_f64() == f64::NEG_INFINITY {
        return row.fill(S::ZERO);
    }
    tensor::update(
        row,
        #[inline(always)]
        |x| (x - largest).exp(),
    );
    let inverse = S::ONE / lanes::sum(row, |x| x);
    for x in row {
        *x = *x * inverse;
    }
}

impl Describe for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        self.plan(inputs).map(|plan| plan.output)
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> Flops {
        let Ok(plan) = self.plan(inputs) else { return Flops { forward: 0, backward: 0 } };
        let products = 2 * (plan.q.columns + plan.v.columns) as u64;
        Flops::per_element(plan.scores, products + 15, 2 * products + 8)
    }

    fn reads(&self) -> Reads {
        Reads::BOTH
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Attention {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let shapes: Vec<_> = x.iter().map(|x| x.shape()).collect();
        let plan = self.plan(&shapes).expect("checked by the shape rule");
        let (q, k, v, scale) = (plan.q, plan.k, plan.v, plan.scale::<S>());
        let (to_y, to_p) = plan.outputs();
        let mut y = vec![S::ZERO; plan.output.size()];
        let mut scores = vec![S::ZERO; q.rows * k.rows];
        let mut mixed = vec![S::ZERO; q.rows * v.columns];
        for (sample, head, at) in plan.blocks() {
            let keys = k.head(x[k.input].data(), sample, head);
            S::gemm(q.head(x[q.input].data(), sample, head), keys.t(), &mut scores, false);
            for score in &mut scores {
                *score = *score * scale;
            }
            if let Some(mask) = self.mask_at() {
                add_mask(x[mask], &plan, &mut scores, sample, head);
            }
            for row in scores.chunks_exact_mut(k.rows.max(1)) {
                softmax(row, self.zero_if_masked);
            }
            to_p.place(&scores, &mut y, sample, head);
            if let (Some(keep), Some(scale)) = (self.keep_at(), self.dropout) {
                drop_some(&mut scores, &x[keep].data()[at..], S::from_f64(scale));
            }
            S::gemm(Matrix::new(&scores, q.rows, k.rows), v.head(x[v.input].data(), sample, head), &mut mixed, false);
            to_y.place(&mixed, &mut y, sample, head);
        }
        Tensor::new(plan.output, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let plan = self.plan(at.shapes).expect("checked by the shape rule");
        let (q, k, v) = (plan.q, plan.k, plan.v);
        let mut sweep = Sweep {
            op: self,
            plan,
            at,
            y_bar: y_bar.data(),
            p: vec![S::ZERO; q.rows * k.rows],
            p_bar: vec![S::ZERO; q.rows * k.rows],
        };
        let wanted = |input: usize| x_bar.wants(input).then(|| vec![S::ZERO; at.shapes[input].size()]);
        let mut bars: Vec<_> = (0..at.shapes.len()).map(wanted).collect();
        let mut blocks = [q, k, v].map(|operand| vec![S::ZERO; operand.rows * operand.columns]);
        for (sample, head, place) in plan.blocks() {
            if let Some(v_bar) = &mut bars[v.input] {
                sweep.v_bar(sample, head, place, &mut blocks[2]);
                v.place(&blocks[2], v_bar, sample, head);
            }
            sweep.scores_bar(sample, head, place);
            if let Some(mask_bar) = self.mask_at().and_then(|mask| bars[mask].as_mut()) {
                sweep.add_to_mask(mask_bar, sample, head);
            }
            let scale = plan.scale::<S>();
            for s_bar in &mut sweep.p_bar {
                *s_bar = *s_bar * scale;
            }
            let s_bar = Matrix::new(&sweep.p_bar, q.rows, k.rows);
            if let Some(q_bar) = &mut bars[q.input] {
                S::gemm(s_bar, k.head(at.x[k.input].data(), sample, head), &mut blocks[0], false);
                q.place(&blocks[0], q_bar, sample, head);
            }
            if let Some(k_bar) = &mut bars[k.input] {
                S::gemm(s_bar.t(), q.head(at.x[q.input].data(), sample, head), &mut blocks[1], false);
                k.place(&blocks[1], k_bar, sample, head);
            }
        }
        for (input, bar) in bars.into_iter().enumerate() {
            if let Some(bar) = bar {
                x_bar.give(input, Tensor::new(at.shapes[input], bar));
            }
        }
    }
}

/// `w = p ⊙ keep·scale`, in place; the same rule for cotangents.
fn drop_some<S: Float>(p: &mut [S], keep: &[S], scale: S) {
    for (p, &keep) in p.iter_mut().zip(keep) {
        *p = *p * keep * scale;
    }
}

/// The vjp of one block after the other, with its scratch.
struct Sweep<'a, S> {
    op: &'a Attention,
    plan: Plan,
    at: Point<'a, S>,
    y_bar: &'a [S],
    p: Vec<S>,
    p_bar: Vec<S>,
}

impl<S: Scalar> Sweep<'_, S> {
    fn keep(&self, place: usize) -> Option<(&[S], S)> {
        let (keep, scale) = self.op.keep_at().zip(self.op.dropout)?;
        Some((&self.at.x[keep].data()[place..], S::from_f64(scale)))
    }

    /// `v̄ = wᵀ·ȳ`.
    fn v_bar(&mut self, sample: usize, head: usize, place: usize, v_bar: &mut [S]) {
        let (y, p) = self.plan.outputs();
        let (y_bar, probabilities) = (y.head(self.y_bar, sample, head), p.head(self.at.y.data(), sample, head));
        let mut dropped = std::mem::take(&mut self.p);
        let weights = match self.keep(place) {
            None => probabilities,
            Some((keep, scale)) => {
                copy(probabilities, &mut dropped);
                drop_some(&mut dropped, keep, scale);
                Matrix::new(&dropped, p.rows, p.columns)
            }
        };
        S::gemm(weights.t(), y_bar, v_bar, false);
        self.p = dropped;
    }

    /// s̄ of a block, left in `p_bar`.
    fn scores_bar(&mut self, sample: usize, head: usize, place: usize) {
        let (y, p) = self.plan.outputs();
        let v = self.plan.v;
        let values = v.head(self.at.x[v.input].data(), sample, head);
        let mut p_bar = std::mem::take(&mut self.p_bar);
        S::gemm(y.head(self.y_bar, sample, head), values.t(), &mut p_bar, false);
        if let Some((keep, scale)) = self.keep(place) {
            drop_some(&mut p_bar, keep, scale);
        }
        let start = p.start(sample, head);
        for (row, p_bar) in p_bar.chunks_exact_mut(p.columns.max(1)).enumerate() {
            let at = start + row * p.stride;
            let (probabilities, given) = (&self.at.y.data()[at..][..p.columns], &self.y_bar[at..][..p.columns]);
            for (p_bar, &given) in p_bar.iter_mut().zip(given) {
                *p_bar += given;
            }
            let mean = lanes::sum_pairs(p_bar, probabilities, |p_bar, p| p_bar * p);
            for (p_bar, &p) in p_bar.iter_mut().zip(probabilities) {
                *p_bar = p * (*p_bar - mean);
            }
        }
        self.p_bar = p_bar;
    }

    /// `m̄`: the scores' cotangent, summed over what the mask was repeated along.
    fn add_to_mask(&self, mask_bar: &mut [S], sample: usize, head: usize) {
        let plan = &self.plan;
        let mask = self.op.mask_at().map_or(Shape::SCALAR, |mask| self.at.shapes[mask]);
        let strides = mask.broadcast_strides(plan.scores);
        let [by_head, by_row, by_column] = *strides[..plan.scores.rank()].last_chunk().expect("scores have three axes and more");
        let start = head * by_head + if plan.scores.is_batched() { sample * strides[0] } else { 0 };
        for (row, s_bar) in self.p_bar.chunks_exact(plan.k.rows.max(1)).enumerate() {
            for (column, &s_bar) in s_bar.iter().enumerate() {
                mask_bar[start + row * by_row + column * by_column] += s_bar;
            }
        }
    }
}

/// The elements of a matrix, row by row.
fn copy<S: Copy>(from: Matrix<'_, S>, to: &mut [S]) {
    for (row, to) in to.chunks_exact_mut(from.columns.max(1)).enumerate() {
        to.copy_from_slice(&from.data[row * from.row_stride..][..from.columns]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    const PLAIN: Attention = Attention { heads: 2, packed: false, masked: false, dropout: None, zero_if_masked: false };

    #[test]
    fn laws() {
        let (q, k, v) = (laws::batch(2, &[3, 4], 1), laws::batch(2, &[5, 4], 2), laws::batch(2, &[5, 6], 3));
        laws::hold(&PLAIN, &[q.clone(), k.clone(), v.clone()]);
        laws::hold(
            &Attention { heads: 1, ..PLAIN },
            &[laws::normal(&[3, 2], 1), laws::normal(&[1, 2], 2), laws::normal(&[1, 2], 3)],
        );
        laws::hold(&Attention { packed: true, ..PLAIN }, &[laws::batch(2, &[3, 12], 1)]);
        let masked = Attention { masked: true, ..PLAIN };
        for mask in
            [laws::normal(&[3, 5], 4), laws::batch(2, &[1, 1, 5], 4), laws::batch(2, &[2, 3, 5], 4), laws::normal(&[2, 1, 1], 4)]
        {
            laws::hold(&masked, &[q.clone(), k.clone(), v.clone(), mask]);
        }
        let keep = laws::batch(2, &[2, 3, 5], 5).map(|x| if x > -0.3 { 1.0 } else { 0.0 });
        let dropping = Attention { dropout: Some(1.25), ..PLAIN };
        laws::hold_by(&dropping, &[q.clone(), k.clone(), v.clone(), keep.clone()], &[true, true, true, false]);
        let both = Attention { masked: true, ..dropping };
        laws::hold_by(&both, &[q, k, v, laws::normal(&[3, 5], 4), keep], &[true, true, true, true, false]);
    }

    #[test]
    fn rejects() {
        let (q, k, v) = (laws::batch(2, &[3, 4], 1), laws::batch(2, &[5, 4], 2), laws::batch(2, &[5, 6], 3));
        laws::rejects(&PLAIN, &[laws::batch(2, &[4], 1), k.clone(), v.clone()], "sequences of rows");
        laws::rejects(&PLAIN, &[q.clone(), v.clone(), v.clone()], "cannot meet");
        laws::rejects(&PLAIN, &[q.clone(), k.clone(), q.clone()], "cannot meet");
        laws::rejects(&Attention { heads: 3, ..PLAIN }, &[q.clone(), k.clone(), v.clone()], "3 heads cannot share 4 columns");
        laws::rejects(&Attention { packed: true, ..PLAIN }, std::slice::from_ref(&q), "side by side, found 4");
        laws::rejects(&Attention { masked: true, ..PLAIN }, &[q, k, v, laws::normal(&[4, 5], 1)], "[4, 5] does not fit");
    }

    #[test]
    fn nothing_to_attend_is_nan_or_nothing() {
        let q = laws::batch(1, &[1, 4], 1);
        let mask = Tensor::full(Shape::new(&[1]).expect("small"), f64::NEG_INFINITY);
        let of = |zero_if_masked| Attention { masked: true, zero_if_masked, ..PLAIN };
        let y = |op: Attention| Op::<f64>::forward(&op, &[&q, &q, &q, &mask]).into_data();
        assert!(y(of(false)).iter().all(|y| y.is_nan()));
        assert_eq!(y(of(true)), [0.0; 6]);
    }
}
