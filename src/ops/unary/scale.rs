//! `y = c·x`,  `dy/dx = c`, for a constant c.

use crate::ops::{Reads, Unary};
use crate::tensor::Float;

/// A constant times the input.
#[derive(Debug)]
pub struct Scale(pub f64);

impl Unary for Scale {
    const NAME: &'static str = "scale";
    const READS: Reads = Reads::NOTHING;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        S::from_f64(self.0) * x
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, _: S, _: S, y_bar: S) -> S {
        S::from_f64(self.0) * y_bar
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Scale(-2.5), &[laws::normal(&[3, 4], 1)]);
    }
}
