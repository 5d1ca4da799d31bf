//! `y[n,c,p] = (1/d[p])·Σ_k x[n,c, p·stride + k − padding]`,  `x̄ += ȳ/d` over each window: PyTorch's `avg_pool2d`.
//!
//! The divisor `d` is the override, or else counts what the window covers: of the padded image where padding counts, of the
//! image alone where it does not. What hangs over the padded image (`ceil_mode`) never counts.

use super::window::{self, Axis, Tap};
use super::{Cotangents, Describe, Flops, Op, Point, Reads, Scalar};
use crate::tensor::{Shape, ShapeError, Tensor};

/// Input: `x` [N, C, H, W] (or one image, [C, H, W]).
#[derive(Debug, Clone)]
pub struct AvgPool2d {
    /// Height and width of the window; at least 1.
    pub kernel_size: [usize; 2],
    /// Inputs from one place of the window to the next, down and across; at least 1.
    pub stride: [usize; 2],
    /// Zeros on both sides, down and across; at most half the window.
    pub padding: [usize; 2],
    /// Whether a last window may hang over the end.
    pub ceil_mode: bool,
    /// Whether the padding counts in the divisor.
    pub count_include_pad: bool,
    /// The divisor, whatever the window covers; not 0.
    pub divisor_override: Option<i64>,
}

/// One pooling's sizes, checked.
struct Sizes<S> {
    axes: [Axis; 2],
    places: [usize; 2],
    taps: [Vec<Tap>; 2],
    /// At each place.
    divisors: Vec<S>,
}

impl AvgPool2d {
    fn axes(&self, x: Shape) -> Result<([Axis; 2], [usize; 2]), ShapeError> {
        window::pool("avg_pool2d", x, self.kernel_size, self.stride, self.padding, [1, 1], self.ceil_mode)
    }

    fn sizes<S: Scalar>(&self, x: Shape) -> Sizes<S> {
        let (axes, places) = self.axes(x).expect("checked by the shape rule");
        let [down, across] = [0, 1].map(|i| (0..places[i]).map(|place| self.count(axes[i], place)).collect::<Vec<_>>());
        let divisor = |count| S::from_f64(self.divisor_override.map_or(count, |divisor| divisor as f64));
        let divisors = down.iter().flat_map(|down| across.iter().map(move |across| divisor(down * across))).collect();
        Sizes { axes, places, taps: [axes[0].taps(places[0]), axes[1].taps(places[1])], divisors }
    }

    /// How many rows or columns count at one place.
    fn count(&self, axis: Axis, place: usize) -> f64 {
        if self.count_include_pad {
            // From place·stride − before to there + kernel, but no further than the padding.
            let room = axis.size as i128 + axis.before as i128 + axis.after as i128 - place as i128 * axis.stride as i128;
            room.min(axis.kernel as i128) as f64
        } else {
            axis.inputs(place).count as f64
        }
    }
}

impl<S> Sizes<S> {
    fn plane(&self) -> usize {
        self.axes[0].size * self.axes[1].size
    }

    fn all_places(&self) -> usize {
        self.places[0] * self.places[1]
    }

    /// Visit runs of places of one row with the inputs that one tap meets there: `visit(places, inputs)`, the latter to be
    /// stepped through by the stride.
    fn runs(&self, mut visit: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>)) {
        let width = self.axes[1].size;
        for down in &self.taps[0] {
            for (i, place) in down.places.clone().enumerate() {
                let line = (down.input + i * self.axes[0].stride) * width;
                for across in &self.taps[1] {
                    let start = place * self.places[1];
                    visit(start + across.places.start..start + across.places.end, line + across.input..line + width);
                }
            }
        }
    }
}

impl Describe for AvgPool2d {
    fn name(&self) -> &'static str {
        "avg_pool2d"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        if self.divisor_override == Some(0) {
            return Err(ShapeError("avg_pool2d expects a divisor_override other than 0".to_owned()));
        }
        let (_, places) = self.axes(inputs[0])?;
        let [_, channels, ..] = window::image("avg_pool2d", inputs[0])?;
        window::image_like(inputs[0], channels, places)
    }

    fn flops(&self, inputs: &[Shape], output: Shape) -> Flops {
        let taps = window::price(inputs[0], self.kernel_size);
        Flops::per_element(output, taps + 1, taps + 1)
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl<S: Scalar> Op<S> for AvgPool2d {
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S> {
        let sizes = self.sizes::<S>(x[0].shape());
        let shape = self.shape(&[x[0].shape()]).expect("checked by the shape rule");
        let stride = self.stride[1];
        let mut y = vec![S::ZERO; shape.size()];
        for (x, y) in x[0].data().chunks_exact(sizes.plane()).zip(y.chunks_exact_mut(sizes.all_places())) {
            sizes.runs(|places, inputs| {
                for (y, &x) in y[places].iter_mut().zip(x[inputs].iter().step_by(stride)) {
                    *y += x;
                }
            });
            for (y, &divisor) in y.iter_mut().zip(&sizes.divisors) {
                *y = *y / divisor;
            }
        }
        Tensor::new(shape, y)
    }

    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>) {
        if !x_bar.wants(0) {
            return;
        }
        let sizes = self.sizes::<S>(at.shapes[0]);
        let stride = self.stride[1];
        let mut data = vec![S::ZERO; at.shapes[0].size()];
        let mut share = vec![S::ZERO; sizes.all_places()];
        for (x_bar, y_bar) in data.chunks_exact_mut(sizes.plane()).zip(y_bar.data().chunks_exact(sizes.all_places())) {
            for ((share, &y_bar), &divisor) in share.iter_mut().zip(y_bar).zip(&sizes.divisors) {
                *share = y_bar / divisor;
            }
            sizes.runs(|places, inputs| {
                for (x_bar, &share) in x_bar[inputs].iter_mut().step_by(stride).zip(&share[places]) {
                    *x_bar += share;
                }
            });
        }
        x_bar.give(0, Tensor::new(at.shapes[0], data));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;
    use proptest::prelude::*;

    const PAIRS: AvgPool2d = AvgPool2d {
        kernel_size: [2, 2],
        stride: [2, 2],
        padding: [0, 0],
        ceil_mode: false,
        count_include_pad: true,
        divisor_override: None,
    };
    const PADDED: AvgPool2d = AvgPool2d { kernel_size: [3, 3], padding: [1, 1], ceil_mode: true, ..PAIRS };

    #[test]
    fn laws() {
        laws::hold(&PAIRS, &[laws::batch(2, &[3, 4, 6], 1)]);
        laws::hold(&PADDED, &[laws::batch(2, &[2, 4, 5], 1)]);
        laws::hold(&AvgPool2d { count_include_pad: false, ..PADDED }, &[laws::batch(2, &[2, 4, 5], 1)]);
        laws::hold(&AvgPool2d { divisor_override: Some(-3), ..PADDED }, &[laws::normal(&[2, 4, 5], 1)]);
        laws::hold(&AvgPool2d { kernel_size: [3, 2], stride: [1, 3], ..PAIRS }, &[laws::batch(2, &[1, 5, 6], 1)]);
    }

    #[test]
    fn rejects() {
        let x = laws::batch(2, &[3, 5, 5], 1);
        laws::rejects(&PAIRS, &[laws::batch(2, &[5], 1)], "avg_pool2d expects an input of shape [N, C, H, W], found [2, 5]");
        laws::rejects(&PAIRS, &[laws::batch(2, &[0, 5, 5], 1)], "at least one element in each image, found [2, 0, 5, 5]");
        let rejects = |op: AvgPool2d, expected| laws::rejects(&op, std::slice::from_ref(&x), expected);
        rejects(AvgPool2d { kernel_size: [6, 2], ..PAIRS }, "window of 6 to fit into its height of 5");
        rejects(AvgPool2d { padding: [2, 0], ..PAIRS }, "padding of at most half its window of 2 along its height, found 2");
        rejects(AvgPool2d { stride: [0, 1], ..PAIRS }, "stride of at least 1 along its height");
        rejects(AvgPool2d { divisor_override: Some(0), ..PAIRS }, "divisor_override other than 0");
        rejects(AvgPool2d { kernel_size: [usize::MAX; 2], ..PAIRS }, "to fit");
    }

    #[test]
    fn absurd_windows_run() {
        let huge = 1 << 60;
        let op = AvgPool2d { kernel_size: [huge; 2], stride: [huge; 2], padding: [huge / 2; 2], ..PADDED };
        laws::hold(&AvgPool2d { count_include_pad: false, ..op.clone() }, &[laws::batch(1, &[2, 3, 4], 1)]);
        laws::hold(&AvgPool2d { divisor_override: Some(7), ..op }, &[laws::batch(1, &[2, 3, 4], 1)]);
    }

    /// `torch.nn.functional.avg_pool2d(torch.ones(1, 1, 4, 5), …)`: the share of each window that counts.
    #[test]
    fn divisors_are_pytorchs() {
        let check = |op: AvgPool2d, expected: &[f64]| {
            let ones = Tensor::full(Shape::batched(1, &[1, 4, 5]).expect("small"), 1.0);
            let found = Op::<f64>::forward(&op, &[&ones]);
            assert!(found.data().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{op:?}: {found:?}, not {expected:?}");
            assert_eq!(found.data().len(), expected.len());
        };
        let (n, s, t, h) = (4.0 / 9.0, 2.0 / 3.0, 1.0 / 3.0, 0.5);
        check(PADDED, &[n, s, n, s, 1.0, s, t, h, t]);
        check(AvgPool2d { ceil_mode: false, ..PADDED }, &[n, s, n, s, 1.0, s]);
        check(AvgPool2d { count_include_pad: false, ..PADDED }, &[1.0; 9]);
        check(AvgPool2d { divisor_override: Some(2), ..PADDED }, &[2.0, 3.0, 2.0, 3.0, 4.5, 3.0, 1.0, 1.5, 1.0]);
        check(AvgPool2d { ceil_mode: true, stride: [3, 3], ..PAIRS }, &[1.0; 4]);
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            (h, w, ceil_mode, count_include_pad) in (1..9usize, 1..9usize, any::<bool>(), any::<bool>()),
            (kernel_size, stride) in (prop::array::uniform2(1..5usize), prop::array::uniform2(1..5usize)),
            padding in prop::array::uniform2(0..3usize),
        ) {
            let op = AvgPool2d { kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: None };
            let x = laws::batch(2, &[2, h, w], 1);
            let Ok(shape) = op.shape(&[x.shape()]) else { return Ok(()) };
            let y = Op::<f64>::forward(&op, &[&x]);
            let (oh, ow) = (shape.dims()[2], shape.dims()[3]);
            for (at, &y) in y.data().iter().enumerate() {
                let (plane, places) = (at / ow / oh, [at / ow % oh, at % ow]);
                let (mut sum, mut counted) = (0.0, 0.0);
                for line in (0..kernel_size[0]).map(|k| places[0] * stride[0] + k) {
                    for column in (0..kernel_size[1]).map(|k| places[1] * stride[1] + k) {
                        // Both still count from the start of the padding.
                        let inside = (padding[0]..padding[0] + h).contains(&line) && (padding[1]..padding[1] + w).contains(&column);
                        let padded = line < h + 2 * padding[0] && column < w + 2 * padding[1];
                        counted += f64::from(u8::from(if count_include_pad { padded } else { inside }));
                        if inside {
                            sum += x.data()[(plane * h + line - padding[0]) * w + column - padding[1]];
                        }
                    }
                }
                prop_assert!((y - sum / counted).abs() <= 1e-14, "{y} is not {sum} / {counted}");
            }
        }
    }
}
