//! One direction of one layer of an LSTM, the whole sweep over a sequence (Hochreiter and Schmidhuber 1997, with the forget gate):
//!
//! ```text
//! (i, f, g, o)_t = (σ, σ, tanh, σ) of  x_t·W_ihᵀ + b_ih + h_{t−1}·W_hhᵀ + b_hh
//! c_t = f_t ⊙ c_{t−1} + i_t ⊙ g_t        u_t = o_t ⊙ tanh c_t        h_t = u_t, or u_t·W_hrᵀ
//! ```
//!
//! Backwards, with ā the cotangent of the gates' pre-activations and `q = tanh c_t`:
//!
//! ```text
//! h̄_t += ā_{t+1}·W_hh        ū = h̄, or h̄·W_hr        ō += ū ⊙ q        c̄_t += f_{t+1} ⊙ c̄_{t+1} + ū ⊙ o ⊙ (1 − q²)
//! ī += c̄ ⊙ g        f̄ += c̄ ⊙ c_{t−1}        ḡ += c̄ ⊙ i        ā = ī ⊙ i(1 − i), f̄ ⊙ f(1 − f), ḡ ⊙ (1 − g²), ō ⊙ o(1 − o)
//! W̄_ih = āᵀ·x        W̄_hh = āᵀ·h_{t−1}        x̄ = ā·W_ih        b̄ = Σ ā
//! ```
//!
//! What is not recurrent is one matrix product over all steps and samples. The gates and cells stand behind h in each row of the
//! output, `[h | c | i | f | g | o]`, where products put them, the vjp reads them and a layer slices off what it needs.

use std::ops::Range;

use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{self, Float, Matrix, MatrixMut, Shape, ShapeError, Tensor, wide};

/// Inputs: `x` [N, L, in], `weight_ih` [4·H, in], `weight_hh` [4·H, P]; then `bias_ih` and `bias_hh` [4·H]; then `weight_hr` [P, H];
/// then `h_0` [N, P] and `c_0` [N, H], which are zeros where left out. All may be without sample axis. Without a projection P is H.
/// Output: [N, L, P + 5·H].
#[derive(Debug, Clone, Copy)]
pub struct Lstm {
    /// Whether the sweep runs from the last step to the first.
    pub reverse: bool,
    /// Whether there are biases.
    pub bias: bool,
    /// Whether the hidden state is projected.
    pub projection: bool,
    /// Whether the first state is given.
    pub initial: bool,
}

/// The sizes of one call.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    samples: usize,
    steps: usize,
    features: usize,
    hidden: usize,
    /// Of h: hidden, or what it is projected to.
    out: usize,
    output: Shape,
}

impl Sizes {
    /// Of a row of the output.
    fn width(&self) -> usize {
        self.out + 5 * self.hidden
    }

    /// Which row of all, sample by sample, belongs to one sample at one time.
    fn row(&self, sample: usize, time: usize) -> usize {
        sample * self.steps + time
    }

    /// The row of the output for one sample at one time.
    fn of_output(&self, sample: usize, time: usize) -> Range<usize> {
        let start = self.row(sample, time) * self.width();
        start..start + self.width()
    }

    /// The gates' pre-activations, or their cotangents, for one sample at one time.
    fn of_gates(&self, sample: usize, time: usize) -> Range<usize> {
        let start = self.row(sample, time) * 4 * self.hidden;
        start..start + 4 * self.hidden
    }
}

impl Lstm {
    fn projection_at(&self) -> Option<usize> {
        self.projection.then_some(3 + 2 * usize::from(self.bias))
    }

    fn initial_at(&self) -> Option<usize> {
        self.initial.then_some(3 + 2 * usize::from(self.bias) + usize::from(self.projection))
    }

    /// The time of a step.
    fn time(&self, step: usize, sizes: &Sizes) -> usize {
        if self.reverse { sizes.steps - 1 - step } else { step }
    }

    fn sizes(&self, inputs: &[Shape]) -> Result<Sizes, ShapeError> {
        let [steps, features] = *inputs[0].sample_dims() else {
            return Err(ShapeError(format!("lstm expects sequences of rows, [N, L, in]; found shape {}", inputs[0])));
        };
        let (Some(&gates), Some(&out)) = (inputs[1].dims().first(), inputs[2].dims().last()) else {
            return Err(ShapeError("lstm expects matrices as weights, found numbers".to_owned()));
        };
        let hidden = gates / 4;
        let mut expected = vec![("weight_ih", vec![gates, features]), ("weight_hh", vec![gates, out])];
        if self.bias {
            expected.extend([("bias_ih", vec![gates]), ("bias_hh", vec![gates])]);
        }
        if self.projection {
            expected.push(("weight_hr", vec![out, hidden]));
        }
        let plain = Shape::new(&[])?;
        let mut expected: Vec<_> =
            expected.into_iter().map(|(name, dims)| Ok((name, plain.with_dims(&dims)?))).collect::<Result<_, _>>()?;
        if self.initial {
            let state = |size: usize| inputs[0].with_dims(&inputs[0].samples().into_iter().chain([size]).collect::<Vec<_>>());
            expected.extend([("h_0", state(out)?), ("c_0", state(hidden)?)]);
        }
        for ((name, expected), &found) in expected.into_iter().zip(&inputs[1..]) {
            if expected != found {
                return Err(ShapeError(format!("lstm expects {name} of shape {expected}, found {found}")));
            }
        }
        if gates % 4 != 0 || (!self.projection && out != hidden) {
            return Err(ShapeError(format!(
                "lstm cannot make a state of {out} from {gates} gates: there are four for each element"
            )));
        }
        let width = hidden.saturating_mul(5).saturating_add(out);
        let output = inputs[0].with_dims(&inputs[0].samples().into_iter().chain([steps, width]).collect::<Vec<_>>())?;
        Ok(Sizes { samples: inputs[0].samples().unwrap_or(1), steps, features, hidden, out, output })
    }

    /// The states h before each step, sample by sample; that of the first is zeros where none is given.
    fn states_before<S: Float>(&self, y: &[S], initial: Option<&[S]>, sizes: &Sizes) -> Vec<S> {
        let Sizes { samples, steps, out, .. } = *sizes;
        let mut before = vec![S::ZERO; samples * steps * out];
        for sample in 0..samples {
            for step in 0..steps {
                let state = match (step.checked_sub(1), initial) {
                    (Some(last), _) => &y[sizes.of_output(sample, self.time(last, sizes))][..out],
                    (None, Some(initial)) => &initial[sample * out..][..out],
                    (None, None) => continue,
                };
                before[sizes.row(sample, self.time(step, sizes)) * out..][..out].copy_from_slice(state);
            }
        }
        before
    }
}

/// Without overflow and without a branch, for one exponential and one division.
#[inline(always)]
fn sigmoid<S: Float>(x: S) -> S {
    let negative = x < S::ZERO;
    let e = (if negative { x } else { -x }).exp();
    let large = S::ONE / (S::ONE + e);
    if negative { e * large } else { large }
}

impl Describe for Lstm {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        self.sizes(inputs).map(|sizes| sizes.output)
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> Flops {
        let Ok(sizes) = self.sizes(inputs) else { return Flops { forward: 0, backward: 0 } };
        let [features, hidden, out] = [sizes.features, sizes.hidden, sizes.out].map(|size| size as u64);
        let projected = if self.projection { 2 * out } else { 0 };
        let products = (features.saturating_add(out)).saturating_mul(8).saturating_add(projected).saturating_mul(hidden);
        let rows = (sizes.samples as u64).saturating_mul(sizes.steps as u64);
        let forward = rows.saturating_mul(products.saturating_add(hidden.saturating_mul(60)));
        Flops { forward, backward: rows.saturating_mul(products.saturating_mul(2).saturating_add(hidden.saturating_mul(50))) }
    }

    fn reads(&self) -> Reads {
        Reads::BOTH
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Lstm {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let shapes: Vec<_> = x.iter().map(|x| x.shape()).collect();
        let sizes = self.sizes(&shapes).expect("checked by the shape rule");
        let Sizes { samples, steps, hidden, out, .. } = sizes;
        let w_hh = transposed(x[2].data(), 4 * hidden, out);
        let w_hr = self.projection_at().map(|at| transposed(x[at].data(), out, hidden));
        let mut y = self.gates_of_input(x, &sizes);
        let mut h = self.initial_at().map_or_else(|| vec![S::ZERO; samples * out], |at| x[at].data().to_vec());
        let mut c = self.initial_at().map_or_else(|| vec![S::ZERO; samples * hidden], |at| x[at + 1].data().to_vec());
        let mut u = vec![S::ZERO; samples * hidden];
        for step in 0..steps {
            let time = self.time(step, &sizes);
            if (step > 0 || self.initial) && samples > 0 {
                // The gates of all samples at this time: rows of the output that are `steps` apart.
                let data = &mut y[sizes.of_output(0, time).start + out + hidden..];
                let gates = MatrixMut { data, rows: samples, columns: 4 * hidden, row_stride: steps * sizes.width() };
                S::gemm_into(Matrix::new(&h, samples, out), Matrix::new(&w_hh, out, 4 * hidden), gates, true);
            }
            for sample in 0..samples {
                let (row, cell) = (&mut y[sizes.of_output(sample, time)][out..], sample * hidden..(sample + 1) * hidden);
                let (kept, gates) = row.split_at_mut(hidden);
                activate(gates, &mut c[cell.clone()], &mut u[cell.clone()]);
                kept.copy_from_slice(&c[cell]);
            }
            match &w_hr {
                None => h.copy_from_slice(&u),
                Some(w_hr) => S::gemm(Matrix::new(&u, samples, hidden), Matrix::new(w_hr, hidden, out), &mut h, false),
            }
            for (sample, h) in h.chunks_exact(out.max(1)).enumerate() {
                y[sizes.of_output(sample, time)][..out].copy_from_slice(h);
            }
        }
        Tensor::new(sizes.output, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let sizes = self.sizes(at.shapes).expect("checked by the shape rule");
        let Sizes { samples, steps, features, hidden, out, .. } = sizes;
        let rows = steps * samples;
        let Swept { gates: a_bar, first: [h_bar, c_bar], projected } = self.sweep_back(at, y_bar, &sizes);
        let a = Matrix::new(&a_bar, rows, 4 * hidden);
        if x_bar.wants(0) {
            let data = S::product(a, Matrix::new(at.x[1].data(), 4 * hidden, features));
            x_bar.give(0, Tensor::new(at.shapes[0], data));
        }
        if x_bar.wants(1) {
            let data = S::product(a.t(), Matrix::new(at.x[0].data(), rows, features));
            x_bar.give(1, Tensor::new(at.shapes[1], data));
        }
        if x_bar.wants(2) {
            let before = self.states_before(at.y.data(), self.initial_at().map(|i| at.x[i].data()), &sizes);
            let data = S::product(a.t(), Matrix::new(&before, rows, out));
            x_bar.give(2, Tensor::new(at.shapes[2], data));
        }
        if self.bias && (x_bar.wants(3) || x_bar.wants(4)) {
            let mut data = vec![S::ZERO; 4 * hidden];
            for row in a_bar.chunks_exact((4 * hidden).max(1)) {
                tensor::add(&mut data, row);
            }
            let b_bar = Tensor::new(at.shapes[3], data);
            x_bar.give(3, b_bar.clone());
            x_bar.give(4, b_bar);
        }
        if let Some((i, (h_bar, u))) = self.projection_at().zip(projected) {
            let data = S::product(Matrix::new(&h_bar, rows, out).t(), Matrix::new(&u, rows, hidden));
            x_bar.give(i, Tensor::new(at.shapes[i], data));
        }
        if let Some(i) = self.initial_at() {
            x_bar.give(i, Tensor::new(at.shapes[i], h_bar));
            x_bar.give(i + 1, Tensor::new(at.shapes[i + 1], c_bar));
        }
    }
}

/// A row-major matrix with its rows for columns: the matrix product packs one of its operands anew in each call unless it lies so.
fn transposed<S: Copy>(matrix: &[S], rows: usize, columns: usize) -> Vec<S> {
    let mut data = Vec::with_capacity(matrix.len());
    for column in 0..columns {
        data.extend((0..rows).map(|row| matrix[row * columns + column]));
    }
    data
}

/// The gates of one sample made of their pre-activations, the cell moved on, and `u = o ⊙ tanh c`.
fn activate<S: Float>(gates: &mut [S], c: &mut [S], u: &mut [S]) {
    let hidden = c.len();
    let (input_forget, rest) = gates.split_at_mut(2 * hidden);
    let (g, o) = rest.split_at_mut(hidden);
    wide::<S, _>(
        #[inline(always)]
        || {
            for x in input_forget.iter_mut() {
                *x = sigmoid(*x);
            }
            for x in g.iter_mut() {
                *x = x.tanh();
            }
            for x in o.iter_mut() {
                *x = sigmoid(*x);
            }
            let (i, f) = input_forget.split_at(hidden);
            let (g, o, u) = (&g[..hidden], &o[..hidden], &mut u[..hidden]);
            for j in 0..hidden {
                c[j] = f[j] * c[j] + i[j] * g[j];
                u[j] = c[j].tanh() * o[j];
            }
        },
    );
}

/// What the recurrent part of the vjp leaves.
struct Swept<S> {
    /// The cotangents of the gates' pre-activations, sample by sample.
    gates: Vec<S>,
    /// Those of the state before the first step, h and c.
    first: [Vec<S>; 2],
    /// Where there is a projection: the cotangents of its outputs, and its inputs, sample by sample.
    projected: Option<(Vec<S>, Vec<S>)>,
}

impl Lstm {
    /// The output as far as it depends on no state: zeros, and `x·W_ihᵀ + b_ih + b_hh` where the gates will stand.
    fn gates_of_input<S: Scalar>(&self, x: &[&Tensor<S>], sizes: &Sizes) -> Vec<S> {
        let Sizes { samples, steps, features, hidden, out, .. } = *sizes;
        let rows = samples * steps;
        let mut row = vec![S::ZERO; sizes.width()];
        if self.bias {
            let biases = x[3].data().iter().zip(x[4].data());
            row[out + hidden..].iter_mut().zip(biases).for_each(|(sum, (&a, &b))| *sum = a + b);
        }
        let mut y = row.repeat(rows);
        if rows > 0 {
            let data = &mut y[out + hidden..];
            let gates = MatrixMut { data, rows, columns: 4 * hidden, row_stride: sizes.width() };
            let w_ih = Matrix::new(x[1].data(), 4 * hidden, features);
            S::gemm_into(Matrix::new(x[0].data(), rows, features), w_ih.t(), gates, true);
        }
        y
    }

    /// The recurrent part of the vjp, from the last step to the first.
    fn sweep_back<S: Scalar>(&self, at: Point<'_, S>, y_bar: &Tensor<S>, sizes: &Sizes) -> Swept<S> {
        let Sizes { samples, steps, hidden, out, .. } = *sizes;
        let (y, y_bar) = (at.y.data(), y_bar.data());
        let w_hh = Matrix::new(at.x[2].data(), 4 * hidden, out);
        let c_0 = self.initial_at().map_or_else(|| vec![S::ZERO; samples * hidden], |i| at.x[i + 1].data().to_vec());
        let mut a_bar = vec![S::ZERO; steps * samples * 4 * hidden];
        let (mut h_bar, mut c_bar) = (vec![S::ZERO; samples * out], vec![S::ZERO; samples * hidden]);
        let (mut squashed, mut u_bar) = (c_bar.clone(), c_bar.clone());
        let mut projected = self.projection_at().map(|i| {
            let (h_bar, u) = (vec![S::ZERO; steps * samples * out], vec![S::ZERO; steps * samples * hidden]);
            (Matrix::new(at.x[i].data(), out, hidden), h_bar, u)
        });
        for step in (0..steps).rev() {
            let time = self.time(step, sizes);
            for sample in 0..samples {
                let row = sizes.of_output(sample, time);
                tensor::add(&mut h_bar[sample * out..][..out], &y_bar[row.clone()][..out]);
                squashed[sample * hidden..][..hidden].copy_from_slice(&y[row][out..out + hidden]);
            }
            tensor::update(&mut squashed, Float::tanh);
            match &mut projected {
                None => u_bar.copy_from_slice(&h_bar),
                Some((w_hr, all_h_bar, all_u)) => {
                    S::gemm(Matrix::new(&h_bar, samples, out), *w_hr, &mut u_bar, false);
                    for sample in 0..samples {
                        let row = sizes.row(sample, time);
                        all_h_bar[row * out..][..out].copy_from_slice(&h_bar[sample * out..][..out]);
                        let o = &y[sizes.of_output(sample, time)][out + 4 * hidden..];
                        let u = &mut all_u[row * hidden..][..hidden];
                        for ((u, &o), &q) in u.iter_mut().zip(o).zip(&squashed[sample * hidden..][..hidden]) {
                            *u = o * q;
                        }
                    }
                }
            }
            for sample in 0..samples {
                let before = match step.checked_sub(1) {
                    Some(step) => &y[sizes.of_output(sample, self.time(step, sizes))][out..out + hidden],
                    None => &c_0[sample * hidden..][..hidden],
                };
                let row = sizes.of_output(sample, time);
                let cell = sample * hidden..(sample + 1) * hidden;
                let (kept, given) = (&y[row.clone()][out + hidden..], &y_bar[row][out..]);
                let cell_bar = CellBar { kept, given, before, squashed: &squashed[cell.clone()], u_bar: &u_bar[cell.clone()] };
                let (c_bar, a_bar) = (&mut c_bar[cell], &mut a_bar[sizes.of_gates(sample, time)]);
                wide::<S, _>(
                    #[inline(always)]
                    || cell_bar.pull(c_bar, a_bar),
                );
            }
            if (step > 0 || self.initial) && samples > 0 {
                let now = &a_bar[sizes.of_gates(0, time).start..];
                let row_stride = steps * 4 * hidden;
                let now = Matrix { data: now, rows: samples, columns: 4 * hidden, row_stride, column_stride: 1 };
                S::gemm(now, w_hh, &mut h_bar, false);
            }
        }
        Swept { gates: a_bar, first: [h_bar, c_bar], projected: projected.map(|(_, h_bar, u)| (h_bar, u)) }
    }
}

/// What the cotangents of one cell at one step are made of.
struct CellBar<'a, S> {
    /// i, f, g, o.
    kept: &'a [S],
    /// The cotangents that came for c, i, f, g, o from outside.
    given: &'a [S],
    /// c before the step.
    before: &'a [S],
    /// tanh c.
    squashed: &'a [S],
    u_bar: &'a [S],
}

impl<S: Float> CellBar<'_, S> {
    /// `c_bar` comes as what the next step gives and leaves as what this one gives to the one before; `a_bar` is written.
    #[inline(always)]
    fn pull(&self, c_bar: &mut [S], a_bar: &mut [S]) {
        let hidden = c_bar.len();
        let (i, rest) = self.kept.split_at(hidden);
        let (f, rest) = rest.split_at(hidden);
        let (g, o) = rest.split_at(hidden);
        let (c_given, rest) = self.given.split_at(hidden);
        let (i_given, rest) = rest.split_at(hidden);
        let (f_given, rest) = rest.split_at(hidden);
        let (g_given, o_given) = rest.split_at(hidden);
        let (i_bar, rest) = a_bar.split_at_mut(hidden);
        let (f_bar, rest) = rest.split_at_mut(hidden);
        let (g_bar, o_bar) = rest.split_at_mut(hidden);
        let (o, o_given, o_bar) = (&o[..hidden], &o_given[..hidden], &mut o_bar[..hidden]);
        let (before, squashed, u_bar) = (&self.before[..hidden], &self.squashed[..hidden], &self.u_bar[..hidden]);
        for j in 0..hidden {
            let (i, f, g, o, q, u) = (i[j], f[j], g[j], o[j], squashed[j], u_bar[j]);
            let c = c_bar[j] + c_given[j] + u * o * (S::ONE - q * q);
            i_bar[j] = (c * g + i_given[j]) * (i * (S::ONE - i));
            f_bar[j] = (c * before[j] + f_given[j]) * (f * (S::ONE - f));
            g_bar[j] = (c * i + g_given[j]) * (S::ONE - g * g);
            o_bar[j] = (u * q + o_given[j]) * (o * (S::ONE - o));
            c_bar[j] = c * f;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    const PLAIN: Lstm = Lstm { reverse: false, bias: false, projection: false, initial: false };

    /// Inputs for two samples of three steps, in = 4, H = 2, P = 3 where there is a projection.
    fn inputs(op: Lstm) -> Vec<Tensor<f64>> {
        let out = if op.projection { 3 } else { 2 };
        let mut all = vec![laws::batch(2, &[3, 4], 1), laws::normal(&[8, 4], 2), laws::normal(&[8, out], 3)];
        if op.bias {
            all.extend([laws::normal(&[8], 4), laws::normal(&[8], 5)]);
        }
        if op.projection {
            all.push(laws::normal(&[3, 2], 6));
        }
        if op.initial {
            all.extend([laws::batch(2, &[out], 7), laws::batch(2, &[2], 8)]);
        }
        all
    }

    #[test]
    fn laws() {
        for bits in 0..16 {
            let bit = |k: u32| bits >> k & 1 == 1;
            let op = Lstm { reverse: bit(0), bias: bit(1), projection: bit(2), initial: bit(3) };
            laws::hold(&op, &inputs(op));
        }
        laws::hold(&PLAIN, &[laws::normal(&[1, 3], 1), laws::normal(&[4, 3], 2), laws::normal(&[4, 1], 3)]);
    }

    #[test]
    fn rejects() {
        let all = inputs(PLAIN);
        let with = |i: usize, tensor: Tensor<f64>| {
            let mut all = all.clone();
            all[i] = tensor;
            all
        };
        laws::rejects(&PLAIN, &with(0, laws::batch(2, &[4], 1)), "sequences of rows");
        laws::rejects(&PLAIN, &with(0, laws::batch(2, &[3, 5], 1)), "weight_ih of shape [8, 5], found [8, 4]");
        laws::rejects(&PLAIN, &with(2, laws::normal(&[8, 3], 1)), "a state of 3 from 8 gates");
        let biased = Lstm { bias: true, ..PLAIN };
        let mut wrong = inputs(biased);
        wrong[4] = laws::normal(&[4], 1);
        laws::rejects(&biased, &wrong, "bias_hh of shape [8], found [4]");
        let started = Lstm { initial: true, ..PLAIN };
        let mut wrong = inputs(started);
        wrong[4] = laws::batch(2, &[3], 1);
        laws::rejects(&started, &wrong, "c_0 of shape [2, 2], found [2, 3]");
    }
}
