//! A window sliding along one axis: how many places it takes, and which input each of its taps meets at which place.
//! Convolution and pooling share it. Sizes may be absurd (a kernel of 10¹⁸): counts are exact, and no loop here runs longer
//! than its input and output are.

use std::ops::Range;

use crate::tensor::{Shape, ShapeError};

/// One axis: tap `k` at place `p` meets input `p·stride + k·dilation − before`, or padding where that lies outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// Inputs along the axis.
    pub(super) size: usize,
    /// Taps.
    pub(super) kernel: usize,
    /// Inputs from one place to the next.
    pub(super) stride: usize,
    /// Inputs from one tap to the next.
    pub(super) dilation: usize,
    /// Padding before the first input.
    pub(super) before: usize,
    /// Padding after the last input.
    pub(super) after: usize,
}

/// What one tap meets: at place `places.start + i` it meets input `input + i·stride`. At other places it meets padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tap {
    /// The places at which the tap lies on the input.
    pub(super) places: Range<usize>,
    /// The input it meets at the first of them.
    pub(super) input: usize,
}

/// What the window meets at one place: `count` inputs, the dilation apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inputs {
    /// The first of them.
    pub(super) first: usize,
    /// How many.
    pub(super) count: usize,
}

impl Axis {
    /// From one end of the window to the other.
    fn extent(&self) -> i128 {
        (self.dilation as i128).saturating_mul(self.kernel as i128 - 1).saturating_add(1)
    }

    /// The number of places, which is at least 1. With `ceil` a last window may hang over the end, if it starts inside the
    /// input or the padding before it: PyTorch's rule.
    ///
    /// # Errors
    /// A size is 0, or the window is longer than the padded input.
    pub(super) fn places(&self, op: &str, axis: &str, ceil: bool) -> Result<usize, ShapeError> {
        for (what, value) in [("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)] {
            if value == 0 {
                return Err(ShapeError(format!("{op} expects a {what} of at least 1 along its {axis}, found 0")));
            }
        }
        let padded = self.size as i128 + self.before as i128 + self.after as i128;
        let stride = self.stride as i128;
        let room = padded - self.extent() + if ceil { stride - 1 } else { 0 };
        if room < 0 {
            return Err(ShapeError(format!(
                "{op} expects its window of {} to fit into its {axis} of {} with padding {} and {}",
                self.extent(),
                self.size,
                self.before,
                self.after
            )));
        }
        let mut places = room / stride + 1;
        if ceil && (places - 1) * stride >= self.size as i128 + self.before as i128 {
            places -= 1;
        }
        usize::try_from(places).map_err(|_| ShapeError(format!("{op} would have {places} outputs along its {axis}")))
    }

    /// What tap `k` meets at the first `places` places.
    pub(super) fn tap(&self, k: usize, places: usize) -> Tap {
        let offset = k as i128 * self.dilation as i128 - self.before as i128;
        let first = ceil_div((-offset).max(0), self.stride).min(places);
        let end = ceil_div((self.size as i128 - offset).max(0), self.stride).min(places);
        if first >= end {
            return Tap { places: 0..0, input: 0 };
        }
        Tap { places: first..end, input: (first as i128 * self.stride as i128 + offset) as usize }
    }

    /// The taps that meet any input, in order.
    pub(super) fn taps(&self, places: usize) -> Vec<Tap> {
        let mut taps = Vec::new();
        let mut next = 0;
        // The later the place, the earlier the taps that lie on the input.
        for place in (0..places).rev() {
            let hit = self.hit(place);
            taps.extend((hit.start.max(next)..hit.end).map(|k| self.tap(k, places)));
            next = next.max(hit.end);
        }
        taps
    }

    /// What the window meets at one place.
    pub(super) fn inputs(&self, place: usize) -> Inputs {
        let hit = self.hit(place);
        if hit.is_empty() {
            return Inputs { first: 0, count: 0 };
        }
        let first = place as i128 * self.stride as i128 + hit.start as i128 * self.dilation as i128 - self.before as i128;
        Inputs { first: first as usize, count: hit.len() }
    }

    /// The taps that lie on the input at one place.
    fn hit(&self, place: usize) -> Range<usize> {
        let start = place as i128 * self.stride as i128 - self.before as i128;
        let first = ceil_div((-start).max(0), self.dilation).min(self.kernel);
        let end = ceil_div((self.size as i128 - start).max(0), self.dilation).min(self.kernel);
        first..end.max(first)
    }
}

/// Rounded up, and held where it would not fit.
fn ceil_div(n: i128, by: usize) -> usize {
    usize::try_from((n + by as i128 - 1) / by as i128).unwrap_or(usize::MAX)
}

/// Samples, channels, height and width of an image: `[N, C, H, W]`, or one image `[C, H, W]` without sample axis.
pub(super) fn image(op: &str, x: Shape) -> Result<[usize; 4], ShapeError> {
    match (x.is_batched(), x.dims()) {
        (_, &[n, c, h, w]) => Ok([n, c, h, w]),
        (false, &[c, h, w]) => Ok([1, c, h, w]),
        (true, _) => Err(ShapeError(format!("{op} expects an input of shape [N, C, H, W], found {x}"))),
        (false, _) => Err(ShapeError(format!("{op} expects an input of shape [N, C, H, W] or [C, H, W], found {x}"))),
    }
}

/// The shape of an image with as many axes as `x` and these sizes.
pub(super) fn image_like(x: Shape, channels: usize, [h, w]: [usize; 2]) -> Result<Shape, ShapeError> {
    match x.dims() {
        [n, _, _, _] => x.with_dims(&[*n, channels, h, w]),
        _ => x.with_dims(&[channels, h, w]),
    }
}

/// The two axes of a pool's window and its places along them.
pub(super) fn pool(
    op: &str,
    x: Shape,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    ceil: bool,
) -> Result<([Axis; 2], [usize; 2]), ShapeError> {
    let [_, c, h, w] = image(op, x)?;
    if c == 0 || h == 0 || w == 0 {
        return Err(ShapeError(format!("{op} expects at least one element in each image, found {x}")));
    }
    let axes = [(0, h), (1, w)].map(|(i, size)| Axis {
        size,
        kernel: kernel[i],
        stride: stride[i],
        dilation: dilation[i],
        before: padding[i],
        after: padding[i],
    });
    let mut places = [0; 2];
    for ((axis, name), places) in axes.iter().zip(["height", "width"]).zip(&mut places) {
        if axis.before > axis.kernel / 2 {
            return Err(ShapeError(format!(
                "{op} expects a padding of at most half its window of {} along its {name}, found {}",
                axis.kernel, axis.before
            )));
        }
        *places = axis.places(op, name, ceil)?;
    }
    Ok((axes, places))
}

/// Taps that meet an input, at the most, at one place of a window over images of shape `x`.
pub(super) fn price(x: Shape, kernel: [usize; 2]) -> u64 {
    let [h, w] = *x.dims().last_chunk().expect("an image has height and width");
    kernel[0].min(h) as u64 * kernel[1].min(w) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn taps_are_those_of_the_definition(
            size in 0..9usize, kernel in 1..6usize, stride in 1..5usize, dilation in 1..4usize, before in 0..7usize, after in 0..7usize,
            ceil: bool,
        ) {
            let axis = Axis { size, kernel, stride, dilation, before, after };
            let Ok(places) = axis.places("pool", "width", ceil) else {
                return Ok(());
            };
            let meets = |k: usize, p: usize| (p * stride + k * dilation).checked_sub(before).filter(|&i| i < size);
            let mut used = Vec::new();
            for p in 0..places {
                let met: Vec<_> = (0..kernel).filter_map(|k| meets(k, p)).collect();
                let Inputs { first, count } = axis.inputs(p);
                prop_assert_eq!((0..count).map(|i| first + i * dilation).collect::<Vec<_>>(), met);
            }
            for k in 0..kernel {
                let tap = axis.tap(k, places);
                for p in 0..places {
                    let said = tap.places.contains(&p).then(|| tap.input + p.wrapping_sub(tap.places.start) * stride);
                    prop_assert_eq!(said, meets(k, p));
                }
                if !tap.places.is_empty() {
                    used.push(tap);
                }
            }
            prop_assert_eq!(axis.taps(places), used);
        }
    }

    #[test]
    fn places_are_pytorchs() {
        // (size, kernel, stride, padding, dilation, ceil) -> places, from torch.nn.functional.max_pool1d.
        let cases = [
            ((5, 2, 2, 0, 1, false), 2),
            ((5, 2, 2, 0, 1, true), 3),
            ((5, 3, 2, 1, 1, true), 3),
            ((4, 3, 3, 1, 1, true), 2),
            ((6, 3, 4, 1, 1, true), 2),
            ((7, 3, 5, 1, 1, true), 2),
            ((5, 7, 3, 0, 1, true), 1),
            ((9, 3, 2, 1, 2, false), 4),
            ((9, 3, 2, 1, 2, true), 4),
            ((2, 2, 5, 1, 1, true), 1),
        ];
        for ((size, kernel, stride, padding, dilation, ceil), places) in cases {
            let axis = Axis { size, kernel, stride, dilation, before: padding, after: padding };
            assert_eq!(axis.places("pool", "width", ceil), Ok(places), "{axis:?}");
        }
    }

    #[test]
    fn absurd_sizes_neither_overflow_nor_loop() {
        let huge = 1_000_000_000_000_000_000;
        let axis = Axis { size: 5, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0 };
        let fails = |axis: Axis| axis.places("pool", "width", true).expect_err("does not fit").0;
        assert!(fails(Axis { kernel: huge, ..axis }).contains("window of 1000000000000000000 to fit into its width of 5"));
        assert!(fails(Axis { kernel: usize::MAX, dilation: usize::MAX, ..axis }).contains("to fit"));
        assert!(fails(Axis { stride: 0, ..axis }).contains("stride of at least 1"));
        assert!(fails(Axis { before: usize::MAX, after: usize::MAX, ..axis }).contains("outputs along its width"));
        let overhanging = Axis { kernel: huge, stride: huge, before: huge / 2, after: huge / 2, ..axis };
        assert_eq!(overhanging.places("pool", "width", true), Ok(1));
        assert_eq!(overhanging.taps(1).len(), 5);
        let two = Axis { stride: huge / 10, before: 2 * huge, after: 2 * huge, kernel: 3, ..axis };
        assert_eq!(two.places("pool", "width", false), Ok(41));
        assert_eq!(two.taps(41).len(), 3);
    }
}
