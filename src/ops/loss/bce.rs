//! `y = -(t max(log p, -100) + (1 - t) max(log(1 - p), -100))`,  `dy/dp = (p - t) / max(p (1 - p), 1e-12), PyTorch's`, elementwise with broadcasting.

use crate::ops::{Binary, Reads};
use crate::tensor::Float;

/// Binary cross-entropy of a probability and a target.
#[derive(Debug)]
pub struct Bce;

impl Binary for Bce {
    const NAME: &'static str = "bce";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, a: S, b: S) -> S {
        -(b * clamped(a.ln()) + (S::ONE - b) * clamped((-a).ln_1p()))
    }

    #[inline(always)]
    fn a_bar<S: Float>(&self, a: S, b: S, y_bar: S) -> S {
        let (variance, least) = (a * (S::ONE - a), S::from_f64(1e-12));
        y_bar * (a - b) / if variance < least { least } else { variance }
    }

    #[inline(always)]
    fn b_bar<S: Float>(&self, a: S, _: S, y_bar: S) -> S {
        y_bar * (clamped((-a).ln_1p()) - clamped(a.ln()))
    }
}

/// PyTorch's floor under the logarithms.
#[inline(always)]
fn clamped<S: Float>(log: S) -> S {
    let floor = S::from_f64(-100.0);
    if log < floor { floor } else { log }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Elementwise, laws};

    #[test]
    fn laws() {
        let t = laws::between(&[3, 4], 9, 0.05, 0.95);
        laws::hold(&Elementwise(Bce), &[laws::between(&[3, 4], 1, 0.05, 0.95), t]);
    }
}
