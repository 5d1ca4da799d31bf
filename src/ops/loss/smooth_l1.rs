//! `y = d²/(2β)` where `|d| < β`, else `|d| − β/2`;  `dy/dd = d/β`, `sign d`.

use crate::ops::{Reads, Unary};
use crate::tensor::Float;

/// PyTorch's smooth L1 of a difference.
#[derive(Debug)]
pub struct SmoothL1 {
    /// Where the pieces meet, above 0.
    pub beta: f64,
}

impl Unary for SmoothL1 {
    const NAME: &'static str = "smooth_l1";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        let (size, beta, half) = (x.abs(), S::from_f64(self.beta), S::from_f64(0.5));
        if size < beta { half * size * size / beta } else { size - half * beta }
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        let beta = S::from_f64(self.beta);
        if x <= -beta {
            -y_bar
        } else if x >= beta {
            y_bar
        } else {
            y_bar * x / beta
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&SmoothL1 { beta: 0.7 }, &[laws::normal(&[3, 5], 1)]);
        laws::at_kink(&SmoothL1 { beta: 0.5 }, 0.5, 0.25, 1.0);
    }
}
