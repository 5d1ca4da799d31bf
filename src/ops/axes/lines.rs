//! The walk along one axis of a tensor.

use std::ops::Range;

use crate::tensor::{Float, Shape, lanes, wide};

/// The lines of a tensor along one of its axes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines {
    /// Elements of a line, and the step between them.
    pub(crate) length: usize,
    pub(crate) step: usize,
    count: usize,
}

impl Lines {
    /// Of a shape along an axis.
    pub(crate) fn along(shape: Shape, axis: usize) -> Self {
        let length = shape.dims()[axis];
        let step = shape.dims()[axis + 1..].iter().product();
        Self { length, step, count: shape.size().checked_div(length).unwrap_or(0) }
    }

    /// The first element of each line.
    pub(crate) fn starts(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |line| line / self.step * self.step * self.length + line % self.step)
    }

    /// The elements of the line that starts at `start`.
    pub(crate) fn elements(self, start: usize) -> impl Iterator<Item = usize> + Clone {
        (0..self.length).map(move |i| start + i * self.step)
    }

    /// The same, where they stand side by side: a loop over them becomes vector instructions.
    pub(crate) fn dense(self, start: usize) -> Option<Range<usize>> {
        (self.step == 1).then(|| start..start + self.length)
    }

    /// The sum of the elements of `x` in the line that starts at `start`.
    pub(crate) fn sum<S: Float>(self, x: &[S], start: usize) -> S {
        match self.dense(start) {
            Some(line) if line.len() >= LONG => wide::<S, _>(
                #[inline(always)]
                || lanes::sum(&x[line], |x| x),
            ),
            _ => self.elements(start).fold(S::ZERO, |sum, at| sum + x[at]),
        }
    }
}

/// From this many elements on, side by side, a line is summed in interleaved lanes.
const LONG: usize = 64;

/// What the softmax of a line is made of. The largest element's exponential, 1 after the shift, stands apart from the others'
/// sum: together they would round to 1 where one element is all but certain, and the digits of `1 − p` and `ln p` be lost.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Contest<S> {
    /// Where the largest element stands.
    pub(in crate::ops) winner: usize,
    /// The largest element.
    pub(in crate::ops) largest: S,
    /// The sum of the others' exponentials, over the largest one's.
    pub(in crate::ops) rest: S,
}

impl<S: Float> Contest<S> {
    /// Of the elements of the line of `x` that starts at `start`.
    pub(in crate::ops) fn of(x: &[S], lines: Lines, start: usize) -> Self {
        match lines.dense(start) {
            Some(line) if line.len() >= LONG => Self::of_long(&x[line], start),
            _ => Self::of_any(x, lines.elements(start)),
        }
    }

    fn of_any(x: &[S], line: impl Iterator<Item = usize> + Clone) -> Self {
        let mut found: Option<(usize, S)> = None;
        for at in line.clone() {
            // NaN wins, so that it shows in the answer.
            if found.is_none_or(|(_, largest)| x[at] > largest || x[at].is_nan()) {
                found = Some((at, x[at]));
            }
        }
        let (winner, largest) = found.unwrap_or((0, S::ZERO));
        let mut rest = Self::nothing(largest);
        for at in line {
            if at != winner {
                rest += (x[at] - largest).exp();
            }
        }
        Self { winner, largest, rest }
    }

    fn of_long(line: &[S], start: usize) -> Self {
        wide::<S, _>(
            #[inline(always)]
            || {
                let largest = lanes::largest(line);
                // NaN equals nothing: any place will do, since every answer is NaN then.
                let winner = line.iter().position(|&x| x == largest).unwrap_or(0);
                let exponentials = |part: &[S]| {
                    lanes::sum(
                        part,
                        #[inline(always)]
                        |x| (x - largest).exp(),
                    )
                };
                let rest = Self::nothing(largest) + (exponentials(&line[..winner]) + exponentials(&line[winner + 1..]));
                Self { winner: start + winner, largest, rest }
            },
        )
    }

    /// 0, but NaN where the largest is not finite: there is no softmax then.
    #[expect(clippy::eq_op, reason = "infinity less infinity is what is wanted")]
    fn nothing(largest: S) -> S {
        largest - largest
    }

    /// `Σ e^{xₖ}` over the largest summand.
    pub(in crate::ops) fn sum(&self) -> S {
        S::ONE + self.rest
    }

    /// The softmax of an element `x` of the line.
    #[inline(always)]
    pub(in crate::ops) fn share(&self, x: S) -> S {
        (x - self.largest).exp() / self.sum()
    }

    /// The logarithm of [`Contest::sum`].
    pub(in crate::ops) fn log_sum(&self) -> S {
        self.rest.ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_has_the_same_softmax_as_a_short_one() {
        for length in [LONG, 65, 100, 515] {
            for at in [0, 1, length / 2, length - 1] {
                let mut x: Vec<f64> = (0..length).map(|i| (i as f64).sin()).collect();
                x[at] = 1.5;
                let (long, plain) = (Contest::of_long(&x, 7), Contest::of_any(&x, 0..length));
                assert_eq!((long.winner, long.largest), (plain.winner + 7, 1.5));
                assert!((long.rest - plain.rest).abs() <= 1e-15 * length as f64 * plain.rest, "{long:?} {plain:?}");
                for odd in [f64::NAN, f64::INFINITY] {
                    x[at] = odd;
                    assert!(Contest::of_long(&x, 0).rest.is_nan() && Contest::of_any(&x, 0..length).rest.is_nan());
                }
            }
        }
    }
}
