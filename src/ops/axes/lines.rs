//! The walk along one axis of a tensor.

use crate::tensor::{Float, Shape};

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
}

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
    /// Of the elements of a line of `x`.
    pub(in crate::ops) fn of(x: &[S], line: impl Iterator<Item = usize> + Clone) -> Self {
        let mut found: Option<(usize, S)> = None;
        for at in line.clone() {
            // NaN wins, so that it shows in the answer.
            if found.is_none_or(|(_, largest)| x[at] > largest || x[at].is_nan()) {
                found = Some((at, x[at]));
            }
        }
        let (winner, largest) = found.unwrap_or((0, S::ZERO));
        // 0, but NaN where the largest is not finite: there is no softmax then.
        #[expect(clippy::eq_op, reason = "infinity less infinity is what is wanted")]
        let mut rest = largest - largest;
        for at in line {
            if at != winner {
                rest += (x[at] - largest).exp();
            }
        }
        Self { winner, largest, rest }
    }

    /// `Σ e^{xₖ}` over the largest summand.
    pub(in crate::ops) fn sum(&self) -> S {
        S::ONE + self.rest
    }

    /// The logarithm of [`Contest::sum`].
    pub(in crate::ops) fn log_sum(&self) -> S {
        self.rest.ln_1p()
    }
}
