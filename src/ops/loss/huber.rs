//! `y = d²/2` where `|d| ≤ δ`, else `δ·(|d| − δ/2)`;  `dy/dd = d`, `δ·sign d`.

use crate::ops::{Reads, Unary};
use crate::tensor::Float;

/// Huber's function of a difference.
#[derive(Debug)]
pub struct Huber {
    /// Where the pieces meet, above 0.
    pub delta: f64,
}

impl Unary for Huber {
    const NAME: &'static str = "huber";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        let (size, delta, half) = (x.abs(), S::from_f64(self.delta), S::from_f64(0.5));
        if size <= delta { half * size * size } else { delta * (size - half * delta) }
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        let delta = S::from_f64(self.delta);
        if x <= -delta {
            -(y_bar * delta)
        } else if x >= delta {
            y_bar * delta
        } else {
            y_bar * x
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Huber { delta: 0.7 }, &[laws::normal(&[3, 5], 1)]);
        laws::at_kink(&Huber { delta: 0.5 }, 0.5, 0.125, 0.5);
    }
}
