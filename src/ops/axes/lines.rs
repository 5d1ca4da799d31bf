//! The walk along one axis of a tensor.

use crate::tensor::{Float, Shape};

/// The lines of a tensor along one of its axes.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Lines {
    /// Elements of a line, and the step between them.
    pub(in crate::ops) length: usize,
    pub(in crate::ops) step: usize,
    count: usize,
}

impl Lines {
    pub(in crate::ops) fn along(shape: Shape, axis: usize) -> Self {
        let length = shape.dims()[axis];
        let step = shape.dims()[axis + 1..].iter().product();
        Self { length, step, count: shape.size().checked_div(length).unwrap_or(0) }
    }

    /// The first element of each line.
    pub(in crate::ops) fn starts(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |line| line / self.step * self.step * self.length + line % self.step)
    }

    /// The elements of the line that starts at `start`.
    pub(in crate::ops) fn elements(self, start: usize) -> impl Iterator<Item = usize> + Clone {
        (0..self.length).map(move |i| start + i * self.step)
    }
}

/// The largest element of a line, and the sum of the exponentials of the elements less the largest.
pub(in crate::ops) fn log_sum_exp<S: Float>(x: &[S], line: impl Iterator<Item = usize> + Clone) -> (S, S) {
    let mut largest = None;
    for at in line.clone() {
        // NaN wins, so that it shows in the answer.
        if largest.is_none_or(|largest| x[at] > largest || x[at].is_nan()) {
            largest = Some(x[at]);
        }
    }
    let largest = largest.unwrap_or(S::ZERO);
    let mut sum = S::ZERO;
    for at in line {
        sum += (x[at] - largest).exp();
    }
    (largest, sum)
}
