//! What functions make of an interval: where they rise or fall, the values at its ends; else with their extremes between.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use super::super::scalar::Float;
use super::{Interval, middle};

/// How far a function's value in doubles may be from the truth, relative to it: four steps.
const ERROR: f64 = 4.0 * f64::EPSILON;

/// Beyond this a sine's argument has too few digits for its place in the period.
const FAR: f64 = 1e6;

fn under(x: f64) -> f64 {
    if x.is_finite() { x - ERROR * x.abs() } else { x }
}

fn over(x: f64) -> f64 {
    -under(-x)
}

impl Interval {
    /// The values of a rising function, none of which lies outside `range`.
    fn rising(self, range: [f64; 2], f: impl Fn(f64) -> f64) -> Self {
        let (lo, hi) = (under(f(self.lo)), over(f(self.hi)));
        self.result(self, lo.max(range[0]), hi.min(range[1])).rounded()
    }

    /// The part from 0 on, or nothing.
    fn at_least_zero(self) -> Option<Self> {
        (self.hi >= 0.0).then_some(Self { lo: self.lo.max(0.0), ..self })
    }

    fn whole(self) -> Self {
        self.result(self, f64::NEG_INFINITY, f64::INFINITY)
    }

    /// The cosine of every number `x − shift`.
    fn cosine(self, f: impl Fn(f64) -> f64, shift: f64) -> Self {
        let far = |x: f64| !x.is_finite() || x.abs() > FAR;
        if far(self.lo) || far(self.hi) || self.hi - self.lo >= TAU {
            return self.result(self, -1.0, 1.0);
        }
        // A period holds one maximum and one minimum; the ends are moved out by more than their error.
        let holds = |at: f64| ((self.hi - at) / TAU + 1e-9).floor() >= ((self.lo - at) / TAU - 1e-9).ceil();
        let ends = [f(self.lo), f(self.hi)];
        let lo = if holds(shift + PI) { -1.0 } else { under(ends[0].min(ends[1])).max(-1.0) };
        let hi = if holds(shift) { 1.0 } else { over(ends[0].max(ends[1])).min(1.0) };
        self.result(self, lo, hi).rounded()
    }

    /// Powers at the corners; between them a power rises or falls in base and exponent.
    fn corners(self, exponent: Self) -> Self {
        let powers = [self.lo, self.hi].map(|x| [exponent.lo, exponent.hi].map(|p| x.powf(p)));
        let all = powers.as_flattened();
        if all.iter().any(|x| x.is_nan()) {
            return self.whole();
        }
        let (lo, hi) = all.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &x| (lo.min(x), hi.max(x)));
        self.result(exponent, under(lo), over(hi)).rounded()
    }

    /// A power with a whole number as exponent.
    fn whole_power(self, n: f64) -> Self {
        let exponent = Self::thin(n);
        if self.lo >= 0.0 || self.hi < 0.0 {
            return self.corners(exponent);
        }
        if n < 0.0 {
            return self.whole();
        }
        if n % 2.0 == 0.0 { self.abs().corners(exponent) } else { self.rising([f64::NEG_INFINITY, f64::INFINITY], |x| x.powf(n)) }
    }
}

const LINE: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];

impl Float for Interval {
    const ZERO: Self = Self { lo: 0.0, hi: 0.0, written: None };
    const ONE: Self = Self { lo: 1.0, hi: 1.0, written: None };
    const VECTORS: bool = false;

    fn from_f64(x: f64) -> Self {
        Self::thin(x)
    }
    fn from_parts(hi: f64, lo: f64) -> Self {
        let sum = hi + lo;
        Self::new(sum.next_down(), sum.next_up())
    }
    /// The midpoint.
    fn to_f64(self) -> f64 {
        middle(self)
    }
    fn exp(self) -> Self {
        self.rising([0.0, f64::INFINITY], f64::exp)
    }
    fn exp_m1(self) -> Self {
        self.rising([-1.0, f64::INFINITY], f64::exp_m1)
    }
    /// Of what is positive in it.
    fn ln(self) -> Self {
        if self.hi > 0.0 { self.at_least_zero().map_or(self.whole(), |x| x.rising(LINE, f64::ln)) } else { self.whole() }
    }
    /// Of what is above −1 in it.
    fn ln_1p(self) -> Self {
        if self.hi > -1.0 { Self { lo: self.lo.max(-1.0), ..self }.rising(LINE, f64::ln_1p) } else { self.whole() }
    }
    /// Of what is not negative in it.
    fn sqrt(self) -> Self {
        self.at_least_zero().map_or(self.whole(), |x| x.rising([0.0, f64::INFINITY], f64::sqrt))
    }
    fn sin(self) -> Self {
        if self.is_zero() { self } else { self.cosine(f64::sin, FRAC_PI_2) }
    }
    fn cos(self) -> Self {
        self.cosine(f64::cos, 0.0)
    }
    fn sinh(self) -> Self {
        self.rising(LINE, f64::sinh)
    }
    fn cosh(self) -> Self {
        self.abs().rising([1.0, f64::INFINITY], f64::cosh)
    }
    fn tanh(self) -> Self {
        self.rising([-1.0, 1.0], f64::tanh)
    }
    fn erf(self) -> Self {
        self.rising([-1.0, 1.0], Float::erf)
    }
    fn erfc(self) -> Self {
        -(-self).rising([-2.0, 0.0], |x| -Float::erfc(-x))
    }
    fn pow(self, exponent: Self) -> Self {
        if exponent.lo == exponent.hi && exponent.lo.fract() == 0.0 {
            self.whole_power(exponent.lo)
        } else if self.lo >= 0.0 {
            self.corners(exponent)
        } else {
            self.whole()
        }
    }
    fn abs(self) -> Self {
        if self.lo >= 0.0 {
            self
        } else if self.hi <= 0.0 {
            -self
        } else {
            Self { lo: 0.0, hi: self.hi.max(-self.lo), written: self.written }
        }
    }
    /// Whether both ends are.
    fn is_finite(self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }
    /// Never: what is not a number is the whole line.
    fn is_nan(self) -> bool {
        false
    }
}
