//! The error function and its complement.
//!
//! Near 0, the Taylor series of erf. Beyond, the trapezoidal rule for `erfc x = (2x/π)·e^(−x²)·∫₀^∞ e^(−t²)/(x² + t²) dt` at the
//! half-odd multiples of h, with the residue at `t = ix` added (C. Chiarella and A. Reichl, "On the evaluation of integrals
//! related to the error function", 1968):
//!
//! ```text
//! erfc x ≈ (2hx/π)·e^(−x²)·Σ e^(−tₙ²)/(x² + tₙ²) + 2/(1 + e^(2πx/h)),   tₙ = (n − ½)h,
//! ```
//!
//! the last term only for `x < π/h`. All terms are positive, so nothing cancels; the relative error is about `e^(−π²/h²)`, 1e-35
//! for h = 11/32.

use std::f64::consts::{FRAC_2_SQRT_PI, PI};
use std::sync::LazyLock;

use super::DoubleDouble;
use super::arithmetic::polynomial;
use super::exp::{exp, reduce};
use super::triple::Triple;

/// Below it erf comes from its series, above it from erfc.
const SERIES_END: f64 = 0.75;
const TWO_OVER_SQRT_PI: DoubleDouble = DoubleDouble { hi: FRAC_2_SQRT_PI, lo: 1.533_545_961_316_588e-17 };
const PI_DOUBLE_DOUBLE: DoubleDouble = DoubleDouble { hi: PI, lo: 1.224_646_799_147_353_2e-16 };
const STEP: f64 = 11.0 / 32.0;
/// The weights of nodes past it are so small that doubles suffice.
const FINE_NODES: usize = 18;

pub(super) fn erf(x: DoubleDouble) -> DoubleDouble {
    if x.hi.abs() < SERIES_END {
        return series(x);
    }
    (upper(x.with_sign_of(1.0)).negated() + 1.0).with_sign_of(x.hi)
}

pub(super) fn erfc(x: DoubleDouble) -> DoubleDouble {
    if x.hi < -SERIES_END {
        return upper(x.negated()).negated() + 2.0;
    }
    if x.hi < SERIES_END { series(x).negated() + 1.0 } else { upper(x) }
}

fn series(x: DoubleDouble) -> DoubleDouble {
    x * polynomial(x * x, &SERIES, 16)
}

/// `2/√π · (−1)^n/(n!·(2n + 1))`.
const SERIES: [DoubleDouble; 28] = {
    let mut table = [TWO_OVER_SQRT_PI; 28];
    let mut factorial = DoubleDouble::from_double(1.0);
    let mut n = 1;
    while n < table.len() {
        factorial = factorial.times_double(-(n as f64));
        table[n] = TWO_OVER_SQRT_PI.over(factorial.times_double((2 * n + 1) as f64));
        n += 1;
    }
    table
};

/// erfc for `x ≥ SERIES_END`.
fn upper(x: DoubleDouble) -> DoubleDouble {
    if x.hi.is_nan() || x.hi > 27.5 {
        return DoubleDouble::from_double(libm::erfc(x.hi));
    }
    let (square, tail) = Triple::from(x).times(x.into()).split();
    let (fine, coarse) = NODES.split_at(FINE_NODES);
    let rest = coarse.iter().map(|(node, weight)| weight.hi / (square.hi + node)).sum();
    let rest = DoubleDouble::from_double(rest);
    let sum = fine.iter().rev().fold(rest, |sum, &(node, weight)| sum + weight / (square + node));
    let gauss = reduce(square.negated(), -tail);
    let factor = x * (2.0 * STEP) / PI_DOUBLE_DOUBLE;
    let trapezoid = (factor * gauss.mantissa() * sum).scaled(gauss.k);
    if x.hi < PI / STEP { trapezoid + residue(x) } else { trapezoid }
}

/// `2/(1 + e^(2πx/h))`.
fn residue(x: DoubleDouble) -> DoubleDouble {
    const FREQUENCY: DoubleDouble = PI_DOUBLE_DOUBLE.over(DoubleDouble::from_double(STEP / 2.0));
    DoubleDouble::from_double(2.0) / (exp(x * FREQUENCY) + 1.0)
}

/// `tₙ²`, exactly, and `e^(−tₙ²)`, down to 1e-34.
static NODES: LazyLock<[(f64, DoubleDouble); 26]> = LazyLock::new(|| {
    std::array::from_fn(|n| {
        let t = (n as f64 + 0.5) * STEP;
        (t * t, exp(DoubleDouble::from_double(-t * t)))
    })
});
