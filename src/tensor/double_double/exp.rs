//! The exponential and the hyperbolic functions.
//!
//! `e^x = (1 + p)·2^k` with `x = k·ln 2 + r` and `p = e^r − 1`. `p` comes from the Taylor series at `s = r/64`, whose argument is
//! below 0.0065, and six times `e^(2s) − 1 = 2p + p²`, which, unlike squaring `1 + p`, keeps the relative error of a small `p`.

use super::DoubleDouble;
use super::arithmetic::{polynomial, two_sum};

/// ln 2 = `LN_2[0] + LN_2[1] + LN_2[2]` to 2⁻¹⁴⁰; the first two have 42 bits, so that their products with an exponent are exact.
pub(super) const LN_2: [f64; 3] = [0.693_147_180_559_890_3, 5.497_923_018_707_21e-14, 1.161_222_722_936_253_2e-26];

/// Below it, terms of third order are smaller than the last bit of a term of first order.
pub(super) const TINY: f64 = f64::EPSILON / 4.0;

/// Past it, every exponential over- or underflows.
const FAR: f64 = 760.0;

/// `1/n!`.
pub(super) const INVERSE_FACTORIALS: [DoubleDouble; 30] = {
    let mut table = [DoubleDouble::from_double(1.0); 30];
    let mut factorial = DoubleDouble::from_double(1.0);
    let mut n = 1;
    while n < table.len() {
        factorial = factorial.times_double(n as f64);
        table[n] = DoubleDouble::from_double(1.0).over(factorial);
        n += 1;
    }
    table
};

/// `e^x = (1 + p)·2^k`.
pub(super) struct Reduced {
    pub(super) p: DoubleDouble,
    pub(super) k: i32,
}

impl Reduced {
    pub(super) fn mantissa(&self) -> DoubleDouble {
        self.p + 1.0
    }

    pub(super) fn value(&self) -> DoubleDouble {
        self.mantissa().scaled(self.k)
    }
}

/// The parts of `e^(x + tail)` for `|x| < 1100` and a tail below the last bit of `x`.
pub(super) fn reduce(x: DoubleDouble, tail: f64) -> Reduced {
    let k = (x.hi * std::f64::consts::LOG2_E).round();
    let (high, high_error) = two_sum(x.hi, -k * LN_2[0]);
    let (low, low_error) = two_sum(x.lo, -k * LN_2[1]);
    let high = DoubleDouble { hi: high, lo: high_error };
    let r = high + DoubleDouble { hi: low, lo: low_error } + (tail - k * LN_2[2]);
    Reduced { p: exp_m1_small(r), k: k as i32 }
}

/// `e^r − 1` for `|r| < 0.42`, relative to the result.
pub(super) fn exp_m1_small(r: DoubleDouble) -> DoubleDouble {
    const DOUBLINGS: i32 = 6;
    let s = r.times_power_of_two(1.0 / f64::from(1 << DOUBLINGS));
    let mut p = s + s * s * polynomial(s, &INVERSE_FACTORIALS[2..14], 6);
    for _ in 0..DOUBLINGS {
        p = p.times_power_of_two(2.0) + p * p;
    }
    p
}

pub(super) fn exp(x: DoubleDouble) -> DoubleDouble {
    if x.hi.is_nan() || x.hi.abs() > FAR {
        return DoubleDouble::from_double(x.hi.exp());
    }
    reduce(x, 0.0).value()
}

pub(super) fn exp_m1(x: DoubleDouble) -> DoubleDouble {
    if x.hi.is_nan() || x.hi.abs() > FAR {
        return DoubleDouble::from_double(x.hi.exp_m1());
    }
    if x.hi.abs() < TINY {
        return if x.hi == 0.0 { x } else { x + x.hi * x.hi * 0.5 };
    }
    let parts = reduce(x, 0.0);
    if parts.k == 0 { parts.p } else { parts.value() - 1.0 }
}

/// `(e^x − e^−x)/2`, which is `(p + p/(1 + p))/2` with `p = e^x − 1`: a sum of like signs.
pub(super) fn sinh(x: DoubleDouble) -> DoubleDouble {
    let magnitude = x.with_sign_of(1.0);
    let value = if magnitude.hi < TINY {
        magnitude
    } else if magnitude.hi > 40.0 {
        half_exp(magnitude)
    } else {
        let p = exp_m1(magnitude);
        (p + p / (p + 1.0)).times_power_of_two(0.5)
    };
    value.with_sign_of(x.hi)
}

pub(super) fn cosh(x: DoubleDouble) -> DoubleDouble {
    let magnitude = x.with_sign_of(1.0);
    if magnitude.hi > 40.0 {
        return half_exp(magnitude);
    }
    let e = exp(magnitude);
    (e + DoubleDouble::from_double(1.0) / e).times_power_of_two(0.5)
}

/// `e^x/2`, which overflows later than `e^x`; past x = 40 it is the sinh and the cosh.
fn half_exp(x: DoubleDouble) -> DoubleDouble {
    if x.hi > FAR {
        return DoubleDouble::from_double(f64::INFINITY);
    }
    let parts = reduce(x, 0.0);
    parts.mantissa().scaled(parts.k - 1)
}

/// `−p/(2 + p)` with `p = e^−2|x| − 1`, which neither cancels nor overflows.
pub(super) fn tanh(x: DoubleDouble) -> DoubleDouble {
    if x.hi.abs() < TINY {
        return x;
    }
    let p = exp_m1(x.with_sign_of(-1.0).times_power_of_two(2.0));
    (p.negated() / (p + 2.0)).with_sign_of(x.hi)
}
