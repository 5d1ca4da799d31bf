//! `y[n,o,p] = b[o] + Σ_{c,k} W[o,c,k]·x[n,c, p·stride + k·dilation − padding]`: PyTorch's `conv2d`, a cross-correlation.
//!
//! For each sample and group the inputs that the window meets are laid out as the columns of a matrix `X` (taps by places), and
//! convolution is a matrix product: `Y = W·X`, hence `W̄ = Ȳ·Xᵀ` and `X̄ = Wᵀ·Ȳ`, whose entries add up where windows overlap.
//! The columns of a large image are made a tile at a time, so that the buffer stays in the cache.

use std::ops::Range;

use super::window::{self, Axis, Tap};
use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Matrix, Shape, ShapeError, Tensor, lanes};

/// Inputs: `x` [N, C, H, W] (or one image, [C, H, W]), `weight` [out, C/groups, kh, kw], and maybe `bias` `[out]`.
#[derive(Debug, Clone)]
pub struct Conv2d {
    /// Inputs from one place of the window to the next, down and across; at least 1.
    pub stride: [usize; 2],
    /// Zeros around the image: [[top, bottom], [left, right]].
    pub padding: [[usize; 2]; 2],
    /// Inputs from one tap of the window to the next, down and across; at least 1.
    pub dilation: [usize; 2],
    /// Into how many groups the channels fall; each sees its own part of the input alone.
    pub groups: usize,
}

/// Elements of the column buffer, unless one column is longer.
const TILE: usize = 1 << 15;

impl Conv2d {
    /// The padding that PyTorch's `"same"` means along one axis: before and after, the odd one after.
    pub fn same_padding(kernel: usize, dilation: usize) -> [usize; 2] {
        let total = dilation.saturating_mul(kernel.saturating_sub(1));
        [total / 2, total - total / 2]
    }

    fn sizes(&self, x: Shape, weight: Shape) -> Result<Sizes, ShapeError> {
        let [samples, channels, h, w] = window::image("conv2d", x)?;
        let &[out, depth, kh, kw] = weight.dims() else {
            return Err(ShapeError(format!("conv2d expects a weight of shape [out, in/groups, kh, kw], found {weight}")));
        };
        if weight.is_batched() {
            return Err(ShapeError(format!("conv2d expects a weight without sample axis, found {weight} with one")));
        }
        let groups = self.groups;
        if groups == 0 {
            return Err(ShapeError("conv2d expects at least 1 group, found 0".to_owned()));
        }
        if depth.checked_mul(groups) != Some(channels) {
            return Err(ShapeError(format!(
                "conv2d expects {depth} x {groups} channels by its weight {weight} and {groups} groups, its input {x} has {channels}"
            )));
        }
        if out % groups != 0 {
            return Err(ShapeError(format!(
                "conv2d expects output channels that are a multiple of {groups} groups, found {out}"
            )));
        }
        let axis = |i: usize, size, kernel| Axis {
            size,
            kernel,
            stride: self.stride[i],
            dilation: self.dilation[i],
            before: self.padding[i][0],
            after: self.padding[i][1],
        };
        let axes = [axis(0, h, kh), axis(1, w, kw)];
        let places = [axes[0].places("conv2d", "height", false)?, axes[1].places("conv2d", "width", false)?];
        let output = window::image_like(x, out, places)?;
        Ok(Sizes { samples, groups, depth, out: out / groups, axes, places, output })
    }
}

/// One convolution's sizes, checked. Channels are those of one group.
struct Sizes {
    samples: usize,
    groups: usize,
    depth: usize,
    out: usize,
    axes: [Axis; 2],
    places: [usize; 2],
    output: Shape,
}

/// A rectangle of places: some whole rows, or a part of one row.
#[derive(Clone)]
struct Tile {
    down: Range<usize>,
    across: Range<usize>,
}

impl Tile {
    fn places(&self) -> usize {
        self.down.len() * self.across.len()
    }
}

impl Sizes {
    /// Places of the window.
    fn all_places(&self) -> usize {
        self.places[0] * self.places[1]
    }

    /// Elements of one channel.
    fn plane(&self) -> usize {
        self.axes[0].size * self.axes[1].size
    }

    /// Elements of one group of one sample.
    fn block(&self) -> usize {
        self.depth * self.plane()
    }

    /// Rows of the column matrix: what one output reads.
    fn taps(&self) -> usize {
        self.depth * self.axes[0].kernel * self.axes[1].kernel
    }

    /// Whether the image already is the column matrix.
    fn is_pointwise(&self) -> bool {
        self.axes.iter().all(|axis| axis.kernel == 1 && axis.stride == 1 && axis.before == 0 && axis.after == 0)
    }

    /// All (sample, group) pairs as (index of the block, group).
    fn blocks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let groups = self.groups;
        (0..self.samples * groups).map(move |block| (block, block % groups))
    }

    /// The places cut into tiles whose columns fit the buffer; one where no columns are made.
    fn tiles(&self) -> Vec<Tile> {
        let [h, w] = self.places;
        if self.is_pointwise() {
            return vec![Tile { down: 0..h, across: 0..w }];
        }
        let columns = (TILE / self.taps().max(1)).max(1);
        let (rows, columns) = if columns < w { (1, columns) } else { ((columns / w).min(h), w) };
        let cut = |size: usize, by: usize| (0..size).step_by(by).map(move |at| at..size.min(at + by));
        cut(h, rows).flat_map(|down| cut(w, columns).map(move |across| Tile { down: down.clone(), across })).collect()
    }

    /// What each tap of the window meets, down and across.
    fn meetings(&self) -> [Vec<Tap>; 2] {
        [0, 1].map(|i| (0..self.axes[i].kernel).map(|k| self.axes[i].tap(k, self.places[i])).collect())
    }

    /// A part of `ȳ` or `y` as a matrix, output channels by places.
    fn outputs<'a, S>(&self, y: &'a [S], block: usize, tile: &Tile) -> Matrix<'a, S> {
        let start = block * self.out * self.all_places() + tile.down.start * self.places[1] + tile.across.start;
        let end = (block + 1) * self.out * self.all_places();
        Matrix { data: &y[start..end], rows: self.out, columns: tile.places(), row_stride: self.all_places(), column_stride: 1 }
    }

    /// Visit every row of the column matrix that a tile has, in order: `visit(row, places of the tile in that row, input)` for
    /// each run of places in one row of the image, where input is the index of the first input the run meets.
    fn runs(&self, meetings: &[Vec<Tap>; 2], tile: &Tile, mut visit: impl FnMut(usize, Range<usize>, usize)) {
        let (width, plane) = (self.axes[1].size, self.plane());
        let mut row = 0;
        for channel in 0..self.depth {
            for down in &meetings[0] {
                for across in &meetings[1] {
                    let (lines, columns) = (meet(&down.places, &tile.down), meet(&across.places, &tile.across));
                    for place in lines.filter(|_| !columns.is_empty()) {
                        let start = (place - tile.down.start) * tile.across.len();
                        let run = start + columns.start - tile.across.start..start + columns.end - tile.across.start;
                        let y = down.input + (place - down.places.start) * self.axes[0].stride;
                        let x = across.input + (columns.start - across.places.start) * self.axes[1].stride;
                        visit(row, run, channel * plane + y * width + x);
                    }
                    row += 1;
                }
            }
        }
    }

    /// The columns of a tile: what each place of the window meets, taps by places.
    fn im2col<S: Scalar>(&self, x: &[S], meetings: &[Vec<Tap>; 2], tile: &Tile, columns: &mut Vec<S>) {
        let (places, stride) = (tile.places(), self.axes[1].stride);
        columns.clear();
        columns.resize(self.taps() * places, S::ZERO);
        self.runs(meetings, tile, |row, run, input| {
            let to = &mut columns[row * places + run.start..row * places + run.end];
            if stride == 1 {
                to.copy_from_slice(&x[input..input + to.len()]);
            } else {
                for (to, &from) in to.iter_mut().zip(x[input..].iter().step_by(stride)) {
                    *to = from;
                }
            }
        });
    }

    /// The adjoint of [`Sizes::im2col`]: adds every entry to the input it was copied from.
    fn col2im<S: Scalar>(&self, columns: &[S], meetings: &[Vec<Tap>; 2], tile: &Tile, x_bar: &mut [S]) {
        let (places, stride) = (tile.places(), self.axes[1].stride);
        self.runs(meetings, tile, |row, run, input| {
            let from = &columns[row * places + run.start..row * places + run.end];
            if stride == 1 {
                for (to, &from) in x_bar[input..input + from.len()].iter_mut().zip(from) {
                    *to += from;
                }
            } else {
                for (to, &from) in x_bar[input..].iter_mut().step_by(stride).zip(from) {
                    *to += from;
                }
            }
        });
    }
}

/// What two ranges have in common.
fn meet(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

impl Describe for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let sizes = self.sizes(inputs[0], inputs[1])?;
        if let Some(bias) = inputs.get(2)
            && (bias.dims() != [inputs[1].dims()[0]] || bias.is_batched())
        {
            return Err(ShapeError(format!("conv2d expects a bias of shape [{}], found {bias}", inputs[1].dims()[0])));
        }
        Ok(sizes.output)
    }

    fn flops(&self, inputs: &[Shape], output: Shape) -> Flops {
        let taps: usize = inputs[1].dims()[1..].iter().product();
        Flops::per_element(output, (taps as u64).saturating_mul(2), (taps as u64).saturating_mul(4))
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for Conv2d {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let sizes = self.sizes(x[0].shape(), x[1].shape()).expect("checked by the shape rule");
        let (places, taps, block_size) = (sizes.all_places(), sizes.taps(), sizes.block());
        let mut y = Vec::with_capacity(sizes.output.size());
        for _ in 0..sizes.samples {
            for channel in 0..sizes.groups * sizes.out {
                y.resize(y.len() + places, x.get(2).map_or(S::ZERO, |bias| bias.data()[channel]));
            }
        }
        let (meetings, tiles) = (sizes.meetings(), sizes.tiles());
        let (mut columns, mut part) = (Vec::new(), Vec::new());
        for (block, group) in sizes.blocks() {
            let image = &x[0].data()[block * block_size..(block + 1) * block_size];
            let weight = Matrix::new(&x[1].data()[group * sizes.out * taps..(group + 1) * sizes.out * taps], sizes.out, taps);
            let y = &mut y[block * sizes.out * places..(block + 1) * sizes.out * places];
            if sizes.is_pointwise() {
                S::gemm(weight, Matrix::new(image, taps, places), y, true);
                continue;
            }
            for tile in &tiles {
                sizes.im2col(image, &meetings, tile, &mut columns);
                let columns = Matrix::new(&columns, taps, tile.places());
                if tiles.len() == 1 {
                    S::gemm(weight, columns, y, true);
                    continue;
                }
                part.clear();
                part.resize(sizes.out * tile.places(), S::ZERO);
                S::gemm(weight, columns, &mut part, false);
                let start = tile.down.start * sizes.places[1] + tile.across.start;
                for (y, part) in y.chunks_exact_mut(places).zip(part.chunks_exact(tile.places())) {
                    for (y, &part) in y[start..].iter_mut().zip(part) {
                        *y += part;
                    }
                }
            }
        }
        Tensor::new(sizes.output, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        let sizes = self.sizes(at.shapes[0], at.shapes[1]).expect("checked by the shape rule");
        let (meetings, tiles) = (sizes.meetings(), sizes.tiles());
        if x_bar.wants(0) {
            x_bar.give(0, sizes.x_bar(at, y_bar.data(), &meetings, &tiles));
        }
        if x_bar.wants(1) {
            x_bar.give(1, sizes.weight_bar(at, y_bar.data(), &meetings, &tiles));
        }
        if at.shapes.len() > 2 && x_bar.wants(2) {
            let mut bias_bar = vec![S::ZERO; at.shapes[2].size()];
            for sample in y_bar.data().chunks_exact((bias_bar.len() * sizes.all_places()).max(1)) {
                for (bias_bar, plane) in bias_bar.iter_mut().zip(sample.chunks_exact(sizes.all_places())) {
                    *bias_bar += lanes::sum(plane, |y_bar| y_bar);
                }
            }
            x_bar.give(2, Tensor::new(at.shapes[2], bias_bar));
        }
    }
}

impl Sizes {
    fn x_bar<S: Scalar>(&self, at: Point<'_, S>, y_bar: &[S], meetings: &[Vec<Tap>; 2], tiles: &[Tile]) -> Tensor<S> {
        let (taps, block_size) = (self.taps(), self.block());
        let mut data = vec![S::ZERO; at.shapes[0].size()];
        let mut columns = Vec::new();
        for (block, group) in self.blocks() {
            let weight = &at.x[1].data()[group * self.out * taps..(group + 1) * self.out * taps];
            let weight = Matrix::new(weight, self.out, taps).t();
            let image = &mut data[block * block_size..(block + 1) * block_size];
            for tile in tiles {
                let y_bar = self.outputs(y_bar, block, tile);
                if self.is_pointwise() {
                    S::gemm(weight, y_bar, image, false);
                    continue;
                }
                columns.clear();
                columns.resize(taps * tile.places(), S::ZERO);
                S::gemm(weight, y_bar, &mut columns, false);
                self.col2im(&columns, meetings, tile, image);
            }
        }
        Tensor::new(at.shapes[0], data)
    }

    fn weight_bar<S: Scalar>(&self, at: Point<'_, S>, y_bar: &[S], meetings: &[Vec<Tap>; 2], tiles: &[Tile]) -> Tensor<S> {
        let (taps, block_size) = (self.taps(), self.block());
        let mut data = vec![S::ZERO; at.shapes[1].size()];
        let mut columns = Vec::new();
        for (block, group) in self.blocks() {
            let image = &at.x[0].data()[block * block_size..(block + 1) * block_size];
            let weight_bar = &mut data[group * self.out * taps..(group + 1) * self.out * taps];
            for tile in tiles {
                let y_bar = self.outputs(y_bar, block, tile);
                if self.is_pointwise() {
                    S::gemm(y_bar, Matrix::new(image, taps, tile.places()).t(), weight_bar, true);
                    continue;
                }
                self.im2col(image, meetings, tile, &mut columns);
                S::gemm(y_bar, Matrix::new(&columns, taps, tile.places()).t(), weight_bar, true);
            }
        }
        Tensor::new(at.shapes[1], data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;
    use proptest::prelude::*;

    const PLAIN: Conv2d = Conv2d { stride: [1, 1], padding: [[0, 0], [0, 0]], dilation: [1, 1], groups: 1 };

    fn hold(op: &Conv2d, x: [usize; 4], weight: [usize; 4]) {
        let x = laws::batch(x[0], &x[1..], 1);
        let (weight, bias) = (laws::normal(&weight, 2), laws::normal(&weight[..1], 3));
        laws::hold(op, &[x, weight, bias]);
    }

    #[test]
    fn laws() {
        hold(&PLAIN, [2, 1, 4, 5], [2, 1, 3, 2]);
        hold(&PLAIN, [2, 3, 2, 3], [4, 3, 1, 1]);
        hold(&Conv2d { stride: [2, 1], padding: [[1, 0], [2, 1]], ..PLAIN.clone() }, [2, 2, 4, 3], [3, 2, 3, 2]);
        hold(
            &Conv2d { stride: [1, 2], padding: [[2, 2], [2, 2]], dilation: [2, 3], ..PLAIN.clone() },
            [1, 2, 4, 4],
            [2, 2, 2, 2],
        );
        hold(&Conv2d { groups: 2, padding: [[1, 1], [0, 0]], ..PLAIN.clone() }, [2, 4, 3, 3], [6, 2, 2, 3]);
        hold(&Conv2d { groups: 3, ..PLAIN.clone() }, [2, 3, 2, 2], [3, 1, 1, 1]);
        hold(&Conv2d { stride: [5, 5], padding: [[7, 7], [7, 7]], ..PLAIN.clone() }, [1, 1, 2, 2], [1, 1, 2, 2]);
        laws::hold(&PLAIN, &[laws::normal(&[2, 3, 3], 1), laws::normal(&[1, 2, 2, 2], 2)]);
        laws::hold(&PLAIN, &[laws::normal(&[2, 1, 3, 3], 1), laws::normal(&[1, 1, 2, 2], 2)]);
    }

    #[test]
    fn rejects() {
        let (x, weight) = (laws::batch(2, &[4, 5, 5], 1), laws::normal(&[6, 4, 3, 3], 2));
        let rejects = |op: Conv2d, x: &Tensor<f64>, weight: &Tensor<f64>, expected| {
            laws::rejects(&op, &[x.clone(), weight.clone()], expected);
        };
        rejects(PLAIN, &laws::batch(2, &[5, 5], 1), &weight, "input of shape [N, C, H, W], found [2, 5, 5]");
        rejects(PLAIN, &laws::normal(&[5, 5], 1), &weight, "or [C, H, W], found [5, 5]");
        rejects(PLAIN, &x, &laws::normal(&[6, 4, 3], 1), "weight of shape [out, in/groups, kh, kw], found [6, 4, 3]");
        rejects(PLAIN, &x, &laws::batch(6, &[4, 3, 3], 1), "without sample axis");
        rejects(PLAIN, &x, &laws::normal(&[6, 2, 3, 3], 1), "expects 2 x 1 channels by its weight [6, 2, 3, 3]");
        rejects(PLAIN, &x, &laws::normal(&[6, 4, 6, 3], 1), "window of 6 to fit into its height of 5");
        rejects(PLAIN, &x, &laws::normal(&[6, 4, 3, 0], 1), "kernel of at least 1 along its width");
        rejects(Conv2d { groups: 0, ..PLAIN }, &x, &weight, "at least 1 group");
        rejects(Conv2d { groups: usize::MAX, ..PLAIN }, &x, &weight, "channels by its weight");
        rejects(Conv2d { groups: 2, ..PLAIN }, &x, &laws::normal(&[3, 2, 3, 3], 1), "multiple of 2 groups, found 3");
        rejects(Conv2d { stride: [0, 1], ..PLAIN }, &x, &weight, "stride of at least 1 along its height");
        rejects(Conv2d { dilation: [1, 0], ..PLAIN }, &x, &weight, "dilation of at least 1 along its width");
        rejects(Conv2d { dilation: [usize::MAX, 1], ..PLAIN }, &x, &weight, "to fit into its height of 5");
        rejects(Conv2d { padding: [[usize::MAX; 2]; 2], ..PLAIN }, &x, &weight, "outputs along its height");
        rejects(Conv2d { padding: [[1 << 60; 2]; 2], ..PLAIN }, &x, &weight, "more elements than any memory holds");
        laws::rejects(&PLAIN, &[x.clone(), weight.clone(), laws::normal(&[5], 1)], "bias of shape [6], found [5]");
        laws::rejects(&PLAIN, &[x, weight, laws::batch(6, &[], 1)], "bias of shape [6]");
    }

    #[test]
    fn same_pads_as_pytorch() {
        assert_eq!([1, 2, 3, 4, 5].map(|k| Conv2d::same_padding(k, 1)), [[0, 0], [0, 1], [1, 1], [1, 2], [2, 2]]);
        assert_eq!(Conv2d::same_padding(4, 3), [4, 5]);
        assert_eq!(Conv2d::same_padding(2, usize::MAX), [usize::MAX / 2, usize::MAX / 2 + 1]);
    }

    #[test]
    fn absurd_strides_and_dilations_run() {
        let huge = 1 << 60;
        let op = Conv2d { stride: [huge, huge], padding: [[huge, huge], [0, 0]], ..PLAIN };
        hold(&op, [1, 1, 2, 2], [1, 1, 2, 2]);
        let op = Conv2d { dilation: [huge, huge], padding: [[huge, 0], [0, huge]], ..PLAIN };
        hold(&op, [1, 1, 2, 2], [1, 1, 2, 2]);
    }

    /// The definition, term by term: the output and the three cotangents.
    fn reference(op: &Conv2d, x: &Tensor<f64>, weight: &Tensor<f64>, bias: &Tensor<f64>, y_bar: &[f64]) -> [Vec<f64>; 4] {
        let (x_dims, w_dims) = (x.shape(), weight.shape());
        let (&[n, c, h, w], &[out, depth, kh, kw]) = (x_dims.dims(), w_dims.dims()) else { unreachable!("both have four axes") };
        let shape = op.shape(&[x_dims, w_dims]).expect("fits");
        let (oh, ow) = (shape.dims()[2], shape.dims()[3]);
        let mut y = vec![0.0; shape.size()];
        let mut bars = [vec![0.0; x_dims.size()], vec![0.0; w_dims.size()], vec![0.0; out]];
        for at in 0..y.len() {
            let (sample, o, py, px) = (at / ow / oh / out, at / ow / oh % out, at / ow % oh, at % ow);
            y[at] = bias.data()[o];
            bars[2][o] += y_bar[at];
            for tap in 0..depth * kh * kw {
                let (k, ky, kx) = (tap / kw / kh, tap / kw % kh, tap % kw);
                let line = (py * op.stride[0] + ky * op.dilation[0]).checked_sub(op.padding[0][0]).filter(|&i| i < h);
                let column = (px * op.stride[1] + kx * op.dilation[1]).checked_sub(op.padding[1][0]).filter(|&i| i < w);
                let (Some(line), Some(column)) = (line, column) else { continue };
                let channel = o / (out / op.groups) * depth + k;
                let (from, with) = (((sample * c + channel) * h + line) * w + column, o * depth * kh * kw + tap);
                y[at] += weight.data()[with] * x.data()[from];
                bars[0][from] += weight.data()[with] * y_bar[at];
                bars[1][with] += x.data()[from] * y_bar[at];
            }
        }
        assert_eq!(n, x_dims.samples().expect("batched"));
        let [x_bar, weight_bar, bias_bar] = bars;
        [y, x_bar, weight_bar, bias_bar]
    }

    fn agrees_with_the_definition(op: &Conv2d, x: [usize; 4], weight: [usize; 4]) {
        let shown = format!("{op:?} of {x:?} by {weight:?}");
        let (x, bias) = (laws::batch(x[0], &x[1..], 1), laws::normal(&weight[..1], 3));
        let weight = laws::normal(&weight, 2);
        let shapes = [x.shape(), weight.shape(), bias.shape()];
        let Ok(shape) = op.shape(&shapes) else { return };
        let inputs = [&x, &weight, &bias];
        let y = Op::<f64>::forward(op, &inputs);
        let y_bar = Tensor::new(shape, laws::normal(&[shape.size()], 4).into_data());
        let mut slots = vec![None; 3];
        let point = Point { shapes: &shapes, x: &inputs, y: &y };
        op.vjp(point, &y_bar, &mut Cotangents::new(&mut slots, &[0, 1, 2], &shapes, &[true; 3]));
        let mut found = vec![y.into_data()];
        found.extend(slots.into_iter().map(|slot| slot.expect("wanted").into_data()));
        for (found, expected) in found.iter().zip(reference(op, &x, &weight, &bias, y_bar.data())) {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{shown}: {found} is not {expected}");
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_its_reference(
            (n, groups, depth, out) in (0..3usize, 1..4usize, 1..3usize, 1..3usize),
            (h, w, kh, kw) in (1..8usize, 1..12usize, 1..4usize, 1..4usize),
            stride in prop::array::uniform2(1..4usize),
            padding in prop::array::uniform2(prop::array::uniform2(0..4usize)),
            dilation in prop::array::uniform2(1..4usize),
        ) {
            let op = Conv2d { stride, padding, dilation, groups };
            agrees_with_the_definition(&op, [n, groups * depth, h, w], [groups * out, depth, kh, kw]);
        }
    }

    #[test]
    fn tiles_agree_with_the_definition() {
        // Many rows a tile, and less than a row.
        agrees_with_the_definition(&Conv2d { padding: [[1, 1], [1, 1]], ..PLAIN }, [1, 4, 70, 65], [2, 4, 5, 5]);
        let op = Conv2d { stride: [1, 2], padding: [[0, 1], [3, 4]], ..PLAIN };
        agrees_with_the_definition(&op, [1, 1, 3, 1200], [2, 1, 2, 600]);
    }

    #[test]
    fn values_are_pytorchs() {
        // torch.nn.functional.conv2d(arange(9.).view(1,1,3,3), tensor([[[[1.,2.],[3.,4.]]]]), tensor([0.5]), padding=1, stride=2)
        let x = Tensor::new(Shape::batched(1, &[1, 3, 3]).expect("small"), (0..9).map(f64::from).collect());
        let weight = Tensor::new(Shape::new(&[1, 1, 2, 2]).expect("small"), vec![1.0, 2.0, 3.0, 4.0]);
        let bias = Tensor::new(Shape::new(&[1]).expect("small"), vec![0.5]);
        let op = Conv2d { stride: [2, 2], padding: [[1, 1], [1, 1]], ..PLAIN };
        let y = Op::<f64>::forward(&op, &[&x, &weight, &bias]);
        assert_eq!(y.shape().dims(), [1, 1, 2, 2]);
        assert_eq!(y.data(), [0.5, 11.5, 30.5, 67.5]);
    }
}
