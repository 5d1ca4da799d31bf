//! A double-double: an unevaluated sum `hi + lo` of two doubles, about 106 bits.
//!
//! Every operation and function has a relative error below 1e-30 (the worst of the tests' arguments below 1e-31):
//!
//! | | |
//! |---|---|
//! | `+ − × ÷ sqrt` | sums and products of two doubles are exact |
//! | `exp exp_m1 ln ln_1p sinh cosh tanh` | also near their zeros |
//! | `sin cos` | for every finite argument, also near multiples of π/2 |
//! | `erf erfc pow` | until they over- or underflow |
//!
//! A result below 2⁻⁹⁶⁹ has no room for its second half; there the absolute error is about 2⁻¹⁰⁷⁴, the step of subnormals.
//!
//! The operations use error-free transforms (T. J. Dekker, "A floating-point technique for extending the available precision",
//! 1971; D. E. Knuth, TAOCP 2, 4.2.2) in the forms whose error bounds are proved by M. Joldes, J.-M. Muller and V. Popescu,
//! "Tight and rigorous error bounds for basic building blocks of double-word arithmetic", 2017. They use no fused
//! multiply-add, which baseline x86-64 lacks, so that every build computes the same bits.

mod arithmetic;
mod erf;
mod exp;
mod ln;
mod pow;
mod trig;
mod triple;

#[cfg(test)]
mod tests;

use super::scalar::Float;

/// A number `hi + lo` with `|lo| ≤ ulp(hi)/2`; `lo` is 0 where `hi` is 0, infinite or NaN.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct DoubleDouble {
    hi: f64,
    lo: f64,
}

impl DoubleDouble {
    /// The double nearest to the number.
    pub const fn hi(self) -> f64 {
        self.hi
    }

    /// What the nearest double leaves over.
    pub const fn lo(self) -> f64 {
        self.lo
    }

    const fn is_negative(self) -> bool {
        self.hi.is_sign_negative()
    }

    /// The magnitude, with the sign of another number.
    const fn with_sign_of(self, sign: f64) -> Self {
        if self.is_negative() == sign.is_sign_negative() { self } else { self.negated() }
    }
}

impl Float for DoubleDouble {
    const ZERO: Self = Self::from_double(0.0);
    const ONE: Self = Self::from_double(1.0);
    const VECTORS: bool = false;

    fn from_f64(x: f64) -> Self {
        Self::from_double(x)
    }
    fn from_parts(hi: f64, lo: f64) -> Self {
        Self::from_double(hi).plus(Self::from_double(lo))
    }
    fn to_f64(self) -> f64 {
        self.hi
    }
    fn exp(self) -> Self {
        exp::exp(self)
    }
    fn exp_m1(self) -> Self {
        exp::exp_m1(self)
    }
    fn ln(self) -> Self {
        ln::ln(self)
    }
    fn ln_1p(self) -> Self {
        ln::ln_1p(self)
    }
    fn sqrt(self) -> Self {
        self.square_root()
    }
    fn sin(self) -> Self {
        trig::sin(self)
    }
    fn cos(self) -> Self {
        trig::cos(self)
    }
    fn sinh(self) -> Self {
        exp::sinh(self)
    }
    fn cosh(self) -> Self {
        exp::cosh(self)
    }
    fn tanh(self) -> Self {
        exp::tanh(self)
    }
    fn erf(self) -> Self {
        erf::erf(self)
    }
    fn erfc(self) -> Self {
        erf::erfc(self)
    }
    fn pow(self, exponent: Self) -> Self {
        pow::pow(self, exponent)
    }
    fn abs(self) -> Self {
        self.with_sign_of(1.0)
    }
}
