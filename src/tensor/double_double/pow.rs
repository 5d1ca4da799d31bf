//! `x^y`, with the special cases of C's `pow`.
//!
//! Whole exponents up to 64 multiply. Any other power is `e^(y·ln x)`, where the relative error of the result is the absolute
//! error of `y·ln x`, up to 745: so the logarithm and the product carry a third double.

use super::DoubleDouble;
use super::arithmetic::{exponent, polynomial};
use super::exp::{INVERSE_FACTORIALS, LN_2, exp, reduce};
use super::ln::{ln_1p_small, normalized};
use super::triple::Triple;

pub(super) fn pow(x: DoubleDouble, y: DoubleDouble) -> DoubleDouble {
    const ONE: DoubleDouble = DoubleDouble::from_double(1.0);
    const INFINITY: DoubleDouble = DoubleDouble::from_double(f64::INFINITY);
    const ZERO: DoubleDouble = DoubleDouble::from_double(0.0);
    const NAN: DoubleDouble = DoubleDouble::from_double(f64::NAN);
    if y.hi == 0.0 || x == ONE {
        return ONE;
    }
    if x.hi.is_nan() || y.hi.is_nan() {
        return NAN;
    }
    let magnitude = x.with_sign_of(1.0);
    if y.hi.is_infinite() {
        return match magnitude > ONE {
            _ if magnitude == ONE => ONE,
            grows if grows == (y.hi > 0.0) => INFINITY,
            _ => ZERO,
        };
    }
    let sign = if is_odd(y) { x.hi } else { 1.0 };
    let power = if x.hi == 0.0 || x.hi.is_infinite() {
        if x.hi.is_infinite() == (y.hi > 0.0) { INFINITY } else { ZERO }
    } else if x.hi < 0.0 && !is_whole(y) {
        NAN
    } else if y.hi.abs() <= 64.0 && is_whole(y) {
        whole_power(magnitude, y.hi as i32)
    } else {
        real_power(magnitude, y)
    };
    power.with_sign_of(sign)
}

/// The low double of a number whose high double is not whole is too small to complete it.
fn is_whole(y: DoubleDouble) -> bool {
    y.hi.fract() == 0.0 && y.lo.fract() == 0.0
}

fn is_odd(y: DoubleDouble) -> bool {
    is_whole(y) && (y.hi % 2.0 != 0.0) != (y.lo % 2.0 != 0.0)
}

/// By repeated squaring.
fn whole_power(x: DoubleDouble, n: i32) -> DoubleDouble {
    let scale = exponent(x.hi);
    let mut square = Triple::from(x.scaled(-scale));
    let mut power = Triple::from(1.0);
    let mut rest = n.unsigned_abs();
    while rest > 0 {
        if rest % 2 == 1 {
            power = power.times(square);
        }
        square = square.times(square);
        rest /= 2;
    }
    let (mantissa, _) = power.split();
    let mantissa = if n < 0 { DoubleDouble::from_double(1.0) / mantissa } else { mantissa };
    mantissa.scaled(n * scale)
}

fn real_power(x: DoubleDouble, y: DoubleDouble) -> DoubleDouble {
    let (m, k) = normalized(x);
    let logarithm = ln_triple(m, k);
    let estimate = y.hi * logarithm.0[0];
    if estimate.abs() > 800.0 {
        return exp(DoubleDouble::from_double(estimate));
    }
    let (product, tail) = logarithm.times(y.into()).split();
    reduce(product, tail).value()
}

/// `ln(m·2^k)` with a relative error of about 2⁻¹²⁰: a second Newton step from the double-double logarithm of m.
fn ln_triple(m: DoubleDouble, k: i32) -> Triple {
    let t = Triple::from(m).plus((-1.0).into());
    let y = ln_1p_small(t.split().0);
    let e = exp_m1_triple(y.negated());
    let q = t.plus(e).plus(t.times(e));
    Triple(LN_2).times(f64::from(k).into()).plus(y.into()).plus(q)
}

/// [`exp_m1_small`](super::exp::exp_m1_small) to a third double; terms of third order need only two.
fn exp_m1_triple(r: DoubleDouble) -> Triple {
    const DOUBLINGS: i32 = 6;
    let s = r.times_power_of_two(1.0 / f64::from(1 << DOUBLINGS));
    let square = Triple::from(s).times(s.into());
    let cube = s * s * s * polynomial(s, &INVERSE_FACTORIALS[3..16], 6);
    let mut p = Triple::from(cube).plus(square.times_power_of_two(0.5)).plus(s.into());
    for _ in 0..DOUBLINGS {
        p = p.times(p).plus(p.times_power_of_two(2.0));
    }
    p
}
