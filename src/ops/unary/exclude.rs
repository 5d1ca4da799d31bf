//! `y = 0 where x = 0, else −∞`,  `dy/dx = 0`: a flag as what attention adds to the scores of a key that is left out.

use crate::ops::{Reads, Unary};
use crate::tensor::Float;

/// Flags as additions to scores.
#[derive(Debug)]
pub struct Exclude;

impl Unary for Exclude {
    const NAME: &'static str = "exclude";
    const READS: Reads = Reads::NOTHING;

    fn value<S: Float>(&self, x: S) -> S {
        if x == S::ZERO { S::ZERO } else { S::from_f64(f64::NEG_INFINITY) }
    }

    fn x_bar<S: Float>(&self, _: S, _: S, _: S) -> S {
        S::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn flags() {
        laws::at_kink(&Exclude, 0.0, 0.0, 0.0);
        laws::at_kink(&Exclude, 1.0, f64::NEG_INFINITY, 0.0);
    }
}
