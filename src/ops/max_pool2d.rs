//! `y[n,c,p] = max_k x[n,c, p·stride + k·dilation − padding]`,  `x̄` at the winner `+= ȳ`: PyTorch's `max_pool2d`.
//!
//! Kinks are PyTorch's: of equal maxima the first in row-major order wins, and takes the whole cotangent. A NaN wins over every
//! number, the last NaN over the others. Padding is −∞ and never wins: a window without any input gives −∞ and no cotangent.

use super::window::{self, Axis, Inputs};
use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

/// Input: `x` [N, C, H, W] (or one image, [C, H, W]).
#[derive(Debug, Clone)]
pub struct MaxPool2d {
    /// Height and width of the window; at least 1.
    pub kernel_size: [usize; 2],
    /// Inputs from one place of the window to the next, down and across; at least 1.
    pub stride: [usize; 2],
    /// Padding on both sides, down and across; at most half the window.
    pub padding: [usize; 2],
    /// Inputs from one tap of the window to the next, down and across; at least 1.
    pub dilation: [usize; 2],
    /// Whether a last window may hang over the end.
    pub ceil_mode: bool,
}

/// One pooling's sizes, checked.
struct Sizes {
    axes: [Axis; 2],
    /// What the window meets at each place, down and across.
    lines: [Vec<Inputs>; 2],
}

impl MaxPool2d {
    fn axes(&self, x: Shape) -> Result<([Axis; 2], [usize; 2]), ShapeError> {
        window::pool("max_pool2d", x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
    }

    fn sizes(&self, x: Shape) -> Sizes {
        let (axes, places) = self.axes(x).expect("checked by the shape rule");
        let lines = [0, 1].map(|i| (0..places[i]).map(|place| axes[i].inputs(place)).collect());
        Sizes { axes, lines }
    }
}

impl Sizes {
    fn plane(&self) -> usize {
        self.axes[0].size * self.axes[1].size
    }

    fn all_places(&self) -> usize {
        self.lines[0].len() * self.lines[1].len()
    }

    /// The index in the plane of each window's largest input, place by place.
    fn winners<S: Scalar>(&self, plane: &[S]) -> impl Iterator<Item = Option<usize>> {
        let places = self.lines[0].iter().flat_map(|down| self.lines[1].iter().map(move |across| (down, across)));
        places.map(move |(down, across)| self.winner(plane, down, across))
    }

    fn winner<S: Scalar>(&self, plane: &[S], down: &Inputs, across: &Inputs) -> Option<usize> {
        let width = self.axes[1].size;
        let first = down.first * width + across.first;
        let mut winner = (down.count * across.count > 0).then_some(first)?;
        let mut best = plane[winner];
        let [dilation, step] = self.axes.map(|axis| axis.dilation);
        for line in 0..down.count {
            let start = first + line * dilation * width;
            for (i, &value) in plane[start..].iter().step_by(step).take(across.count).enumerate() {
                if value > best || value.is_nan() {
                    best = value;
                    winner = start + i * step;
                }
            }
        }
        Some(winner)
    }
}

impl Describe for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (_, places) = self.axes(inputs[0])?;
        let [_, channels, ..] = window::image("max_pool2d", inputs[0])?;
        window::image_like(inputs[0], channels, places)
    }

    fn flops(&self, inputs: &[Shape], output: Shape) -> Flops {
        let taps = window::price(inputs[0], self.kernel_size);
        Flops::per_element(output, taps, taps + 1)
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for MaxPool2d {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let sizes = self.sizes(x[0].shape());
        let shape = self.shape(&[x[0].shape()]).expect("checked by the shape rule");
        let padding = S::from_f64(f64::NEG_INFINITY);
        let mut y = Vec::with_capacity(shape.size());
        for plane in x[0].data().chunks_exact(sizes.plane()) {
            y.extend(sizes.winners(plane).map(|winner| winner.map_or(padding, |winner| plane[winner])));
        }
        Tensor::new(shape, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        if !x_bar.wants(0) {
            return;
        }
        let sizes = self.sizes(at.shapes[0]);
        let mut data = vec![S::ZERO; at.shapes[0].size()];
        let planes = at.x[0].data().chunks_exact(sizes.plane()).zip(data.chunks_exact_mut(sizes.plane()));
        for ((x, x_bar), y_bar) in planes.zip(y_bar.data().chunks_exact(sizes.all_places())) {
            for (winner, &y_bar) in sizes.winners(x).zip(y_bar) {
                if let Some(winner) = winner {
                    x_bar[winner] += y_bar;
                }
            }
        }
        x_bar.give(0, Tensor::new(at.shapes[0], data));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;
    use proptest::prelude::*;

    const PAIRS: MaxPool2d =
        MaxPool2d { kernel_size: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1], ceil_mode: false };

    #[test]
    fn laws() {
        laws::hold(&PAIRS, &[laws::batch(2, &[3, 4, 6], 1)]);
        laws::hold(&MaxPool2d { ceil_mode: true, ..PAIRS }, &[laws::batch(2, &[2, 5, 7], 1)]);
        let overlapping = MaxPool2d { kernel_size: [3, 2], stride: [1, 2], padding: [1, 1], dilation: [2, 1], ceil_mode: false };
        laws::hold(&overlapping, &[laws::batch(2, &[2, 6, 5], 1)]);
        laws::hold(&overlapping, &[laws::normal(&[2, 6, 5], 1)]);
        laws::hold(
            &MaxPool2d { kernel_size: [7, 9], stride: [3, 4], ceil_mode: true, ..PAIRS },
            &[laws::batch(1, &[1, 5, 6], 1)],
        );
    }

    #[test]
    fn rejects() {
        let x = laws::batch(2, &[3, 5, 5], 1);
        laws::rejects(
            &PAIRS,
            &[laws::batch(2, &[5, 5], 1)],
            "max_pool2d expects an input of shape [N, C, H, W], found [2, 5, 5]",
        );
        laws::rejects(&PAIRS, &[laws::batch(2, &[3, 0, 5], 1)], "at least one element in each image, found [2, 3, 0, 5]");
        let rejects = |op: MaxPool2d, expected| laws::rejects(&op, std::slice::from_ref(&x), expected);
        rejects(MaxPool2d { kernel_size: [2, 6], ..PAIRS }, "window of 6 to fit into its width of 5");
        rejects(MaxPool2d { kernel_size: [0, 6], ..PAIRS }, "kernel of at least 1 along its height");
        rejects(MaxPool2d { stride: [1, 0], ..PAIRS }, "stride of at least 1 along its width");
        rejects(MaxPool2d { padding: [1, 2], ..PAIRS }, "padding of at most half its window of 2 along its width, found 2");
        rejects(MaxPool2d { dilation: [5, 1], ..PAIRS }, "window of 6 to fit into its height of 5");
        rejects(MaxPool2d { kernel_size: [usize::MAX; 2], dilation: [usize::MAX; 2], ..PAIRS }, "to fit");
        rejects(MaxPool2d { padding: [usize::MAX; 2], ..PAIRS }, "padding of at most half");
    }

    #[test]
    fn absurd_windows_run() {
        let huge = 1 << 60;
        let op =
            MaxPool2d { kernel_size: [huge; 2], stride: [huge; 2], padding: [huge / 2; 2], dilation: [1, 1], ceil_mode: true };
        laws::hold(&op, &[laws::batch(1, &[2, 3, 4], 1)]);
        let op = MaxPool2d { stride: [huge / 3; 2], ..op };
        laws::hold(&op, &[laws::batch(1, &[2, 3, 4], 1)]);
    }

    /// The output, and x̄ for ȳ = 1, 2, 3, …
    fn check(op: &MaxPool2d, h: usize, w: usize, x: &[f64], y: &[f64], x_bar: &[f64]) {
        let x = Tensor::new(Shape::batched(1, &[1, h, w]).expect("small"), x.to_vec());
        let shapes = [x.shape()];
        let found = Op::<f64>::forward(op, &[&x]);
        assert!(found.data().iter().zip(y).all(|(a, b)| a.to_bits() == b.to_bits()), "{found:?} is not {y:?}");
        let y_bar = Tensor::new(found.shape(), (1..=y.len()).map(|i| i as f64).collect());
        let mut slots = [None];
        let point = Point { shapes: &shapes, x: &[&x], y: &found };
        op.vjp(point, &y_bar, &mut Cotangents::new(&mut slots, &[0], &shapes, &[true]));
        assert_eq!(slots[0].as_ref().map(Tensor::data), Some(x_bar), "x_bar of {x:?}");
    }

    /// All of these were run through `torch.nn.functional.max_pool2d`.
    #[test]
    fn kinks_are_pytorchs() {
        const NAN: f64 = f64::NAN;
        const LOW: f64 = f64::NEG_INFINITY;
        // The first of equals.
        check(&PAIRS, 2, 2, &[1.0, 1.0, 1.0, 1.0], &[1.0], &[1.0, 0.0, 0.0, 0.0]);
        check(&PAIRS, 2, 2, &[0.0, 2.0, 2.0, 1.0], &[2.0], &[0.0, 1.0, 0.0, 0.0]);
        let sliding = MaxPool2d { stride: [1, 1], padding: [1, 1], ..PAIRS };
        check(&sliding, 2, 2, &[1.0; 4], &[1.0; 9], &[12.0, 9.0, 15.0, 9.0]);
        // NaN spreads; the last one wins.
        let row = MaxPool2d { kernel_size: [1, 4], stride: [1, 1], ..PAIRS };
        check(&row, 1, 5, &[NAN, 1.0, NAN, 2.0, 3.0], &[NAN, NAN], &[0.0, 0.0, 3.0, 0.0, 0.0]);
        // -inf is a value like any other; the first takes the cotangent.
        check(&PAIRS, 2, 2, &[LOW; 4], &[LOW], &[1.0, 0.0, 0.0, 0.0]);
        // No tap meets an input.
        check(&MaxPool2d { dilation: [3, 3], padding: [1, 1], ..PAIRS }, 2, 2, &[1.0; 4], &[LOW], &[0.0; 4]);
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            (h, w, ceil_mode) in (1..9usize, 1..9usize, any::<bool>()),
            (kernel_size, stride) in (prop::array::uniform2(1..5usize), prop::array::uniform2(1..5usize)),
            (padding, dilation) in (prop::array::uniform2(0..3usize), prop::array::uniform2(1..4usize)),
        ) {
            let op = MaxPool2d { kernel_size, stride, padding, dilation, ceil_mode };
            let x = laws::batch(2, &[2, h, w], 1);
            let Ok(shape) = op.shape(&[x.shape()]) else { return Ok(()) };
            let y = Op::<f64>::forward(&op, &[&x]);
            let (oh, ow) = (shape.dims()[2], shape.dims()[3]);
            for (at, &y) in y.data().iter().enumerate() {
                let (plane, py, px) = (at / ow / oh, at / ow % oh, at % ow);
                let inputs = |i: usize, p: usize, size: usize| {
                    (0..kernel_size[i])
                        .filter_map(move |k| (p * stride[i] + k * dilation[i]).checked_sub(padding[i]))
                        .filter(move |&input| input < size)
                };
                let lines = inputs(0, py, h).flat_map(|line| inputs(1, px, w).map(move |column| (plane * h + line) * w + column));
                prop_assert_eq!(y, lines.map(|i| x.data()[i]).fold(f64::NEG_INFINITY, f64::max));
            }
        }
    }
}
