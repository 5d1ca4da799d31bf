//! `y = x·Φ(x) = x/2·erfc(−x/√2)`,  `dy/dx = Φ(x) + x·φ(x)`: erfc keeps the digits of the left tail, where `1 + erf` loses them.
//! With `approximate = "tanh"`: `y = x/2·(1 + tanh u) = x·σ(2u)`, `u = √(2/π)·(x + 0.044715·x³)` (Hendrycks and Gimpel 2016).

use super::sigmoid::{logistic, logistic_pair};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Arity, Entry, Reads, Unary};
use crate::tensor::Float;

pub(in crate::ops) const ENTRY: Entry = Entry {
    name: "gelu",
    summary: "Gaussian error linear unit",
    formula: "y = x Phi(x), Phi the normal distribution function; with tanh y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
    derivative: "dy/dx = Phi(x) + x phi(x); with tanh its own",
    arity: Arity::Exactly(1),
    attributes: &[Attribute::new("approximate", Kind::Word(&["none", "tanh"]), Default::Word("none"), "which form")],
    elementwise: true,
    build: |values| Ok(Box::new(Gelu { tanh: values.word("approximate") == Some("tanh") })),
};

/// Gaussian error linear unit.
#[derive(Debug)]
pub(crate) struct Gelu {
    tanh: bool,
}

impl Unary for Gelu {
    const NAME: &'static str = "gelu";
    const READS: Reads = Reads::INPUTS;

    #[inline(always)]
    fn value<S: Float>(&self, x: S) -> S {
        if self.tanh { x * logistic(twice_inner(x)) } else { S::from_f64(0.5) * x * (-x * root_half::<S>()).erfc() }
    }

    #[inline(always)]
    fn x_bar<S: Float>(&self, x: S, _: S, y_bar: S) -> S {
        let half = S::from_f64(0.5);
        if self.tanh {
            let (s, rest) = logistic_pair(twice_inner(x));
            let inner_slope = root_2_over_pi::<S>() * (S::ONE + S::from_f64(3.0 * CUBIC) * x * x);
            y_bar * (s + x * s * rest * (inner_slope + inner_slope))
        } else {
            let density = half * root_2_over_pi::<S>() * (-half * x * x).exp();
            y_bar * (half * (-x * root_half::<S>()).erfc() + x * density)
        }
    }
}

/// 1/√2 to 106 bits.
#[inline(always)]
fn root_half<S: Float>() -> S {
    S::from_parts(std::f64::consts::FRAC_1_SQRT_2, -4.833_646_656_726_457e-17)
}

/// √(2/π) to 106 bits.
#[inline(always)]
fn root_2_over_pi<S: Float>() -> S {
    S::from_parts(0.797_884_560_802_865_4, -4.984_654_404_555_46e-17)
}

const CUBIC: f64 = 0.044_715;

/// `2·u`, with `1 + tanh u = 2·σ(2·u)`.
#[inline(always)]
fn twice_inner<S: Float>(x: S) -> S {
    let u = root_2_over_pi::<S>() * (x + S::from_f64(CUBIC) * x * x * x);
    u + u
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::laws;

    #[test]
    fn laws() {
        laws::hold(&Gelu { tanh: false }, &[laws::normal(&[3, 5], 1)]);
        laws::hold(&Gelu { tanh: false }, &[laws::between(&[6], 1, -9.0, 9.0)]);
        laws::hold(&Gelu { tanh: true }, &[laws::normal(&[3, 5], 1)]);
    }
}
