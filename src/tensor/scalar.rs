//! What the engine asks of a number.
//!
//! One rule, written once over [`Float`], runs on `f32`, `f64`, [`Dual`](super::Dual), [`DoubleDouble`](super::DoubleDouble)
//! and [`Interval`](super::Interval).

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::elementary;

/// The four operations.
pub trait Field:
    Copy
    + Debug
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
{
}

impl<T> Field for T where
    T: Copy
        + Debug
        + Send
        + Sync
        + 'static
        + Add<Output = T>
        + Sub<Output = T>
        + Mul<Output = T>
        + Div<Output = T>
        + Neg<Output = T>
        + AddAssign
{
}

/// A real number of some precision, with the functions that ops are made of.
///
/// Comparisons look at the primal value alone: a dual number takes the branch that its value takes, which is what makes
/// forward-mode derivatives follow the same conventions at a kink as the reverse ones. IEEE semantics hold for non-finite
/// values in all types but intervals, which know no NaN: `exp(-inf) = 0`, `ln(0) = -inf`, `ln(-1) = NaN`, `0/0 = NaN`.
pub trait Float: Field + PartialOrd {
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Whether loops over it become vector instructions.
    const VECTORS: bool;

    /// The nearest number to a double; exact but for `f32`.
    fn from_f64(x: f64) -> Self;
    /// The sum `hi + lo` of two doubles, for constants that need more than 53 bits; narrower types round it.
    fn from_parts(hi: f64, lo: f64) -> Self;
    /// The value as a double, without tangent and rounded.
    fn to_f64(self) -> f64;

    /// `e^x`.
    fn exp(self) -> Self;
    /// `e^x − 1`, accurate near 0.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// `ln(1 + x)`, accurate near 0.
    fn ln_1p(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Sine.
    fn sin(self) -> Self;
    /// Cosine.
    fn cos(self) -> Self;
    /// Hyperbolic sine.
    fn sinh(self) -> Self;
    /// Hyperbolic cosine.
    fn cosh(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// `1 − erf x`, accurate for large x.
    fn erfc(self) -> Self;
    /// `self^exponent` with IEEE's (C's `pow`) special cases: `x^0 = 1`, a negative base with an integer exponent keeps its sign.
    fn pow(self, exponent: Self) -> Self;

    /// Absolute value.
    fn abs(self) -> Self {
        if self < Self::ZERO || (self == Self::ZERO && self.to_f64().is_sign_negative()) { -self } else { self }
    }
    /// Neither infinite nor NaN (in the primal).
    fn is_finite(self) -> bool {
        self.to_f64().is_finite()
    }
    /// NaN (in the primal).
    fn is_nan(self) -> bool {
        self.to_f64().is_nan()
    }
}

macro_rules! impl_float {
    ($t:ident, $elementary:ident, $erf:path, $erfc:path) => {
        impl Float for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const VECTORS: bool = true;
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn from_parts(hi: f64, lo: f64) -> Self {
                (hi + lo) as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                elementary::$elementary::exp(self)
            }
            #[inline(always)]
            fn exp_m1(self) -> Self {
                elementary::$elementary::exp_m1(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                $t::ln(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                $t::ln_1p(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $t::sqrt(self)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                $t::sin(self)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                $t::cos(self)
            }
            #[inline(always)]
            fn sinh(self) -> Self {
                $t::sinh(self)
            }
            #[inline(always)]
            fn cosh(self) -> Self {
                $t::cosh(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                elementary::$elementary::tanh(self)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                $erf(self)
            }
            #[inline(always)]
            fn erfc(self) -> Self {
                $erfc(self)
            }
            #[inline(always)]
            fn pow(self, exponent: Self) -> Self {
                $t::powf(self, exponent)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }
        }
    };
}

impl_float!(f32, single, libm::erff, libm::erfcf);
impl_float!(f64, double, libm::erf, libm::erfc);
