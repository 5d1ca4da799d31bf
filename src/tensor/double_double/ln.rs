//! The natural logarithm.
//!
//! One Newton step doubles the digits of the logarithm in doubles: `ln(1 + t) = y + ln(1 + q)` with `1 + q = (1 + t)·e^−y`, where
//! `q = t + e + t·e` for `e = e^−y − 1` is about 1e-16 of `t`. All of it is relative to `t`, so nothing is lost near 1.

use std::f64::consts::SQRT_2;

use super::DoubleDouble;
use super::arithmetic::exponent;
use super::exp::{LN_2, TINY, exp_m1_small};

pub(super) fn ln(x: DoubleDouble) -> DoubleDouble {
    if !(x.hi > 0.0 && x.hi.is_finite()) {
        return DoubleDouble::from_double(x.hi.ln());
    }
    let (m, k) = normalized(x);
    times_ln_2(k) + ln_1p_small(m - 1.0)
}

pub(super) fn ln_1p(x: DoubleDouble) -> DoubleDouble {
    if x.hi.abs() < TINY {
        return if x.hi == 0.0 { x } else { x - x.hi * x.hi * 0.5 };
    }
    if -0.29 < x.hi && x.hi < 0.41 { ln_1p_small(x) } else { ln(x + 1.0) }
}

/// `x = m·2^k` with `m` between √½ and √2, for a positive and finite x.
pub(super) fn normalized(x: DoubleDouble) -> (DoubleDouble, i32) {
    let k = exponent(x.hi);
    let m = x.scaled(-k);
    if m.hi > SQRT_2 { (m.times_power_of_two(0.5), k + 1) } else { (m, k) }
}

/// `ln(1 + t)` for `−0.3 < t < 0.415`, relative to the result.
pub(super) fn ln_1p_small(t: DoubleDouble) -> DoubleDouble {
    let y = libm::log1p(t.hi);
    let e = exp_m1_small(DoubleDouble::from_double(-y));
    let q = (t + e + t * e).hi;
    DoubleDouble::ordered(y, q - 0.5 * q * q)
}

fn times_ln_2(k: i32) -> DoubleDouble {
    let k = f64::from(k);
    DoubleDouble::ordered(k * LN_2[0], k * LN_2[1]) + k * LN_2[2]
}
