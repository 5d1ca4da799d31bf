//! `y = s·x` above 0, `y = s·α·(eˣ − 1)` below;  `dy/dx = s`, `s·α·eˣ`. The constants are PyTorch's, as doubles (Klambauer et al. 2017).

use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "selu",
    summary: "self-normalising exponential linear unit",
    formula: "y = s * (x if x > 0 else a * (e^x - 1)), s = 1.0507009873554805, a = 1.6732632423543772",
    derivative: "dy/dx = s if x > 0 else s * a * e^x",
    arity: Arity::Exactly(1),
    attributes: &[],
    elementwise: true,
    build: |_| Ok(Box::new(Selu)),
};

/// Self-normalising exponential linear unit.
#[derive(Debug)]
pub(crate) struct Selu;

impl Unary for Selu {
    const NAME: &'static str = "selu";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        let s = S::from_f64(SCALE);
        if x <= S::ZERO { s * S::from_f64(ALPHA) * x.exp_m1() } else { s * x }
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        let s = S::from_f64(SCALE);
        if x <= S::ZERO { y_bar * (s * S::from_f64(ALPHA)) * x.exp() } else { y_bar * s }
    }
}

const SCALE: f64 = 1.050_700_987_355_480_5;
const ALPHA: f64 = 1.673_263_242_354_377_2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Selu, &[laws::normal(&[3, 5], 1)]);
        laws::at_kink(&Selu, 0.0, 0.0, 1.050_700_987_355_480_5 * 1.673_263_242_354_377_2);
    }
}
