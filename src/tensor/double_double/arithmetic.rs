//! The four operations and the square root, and the error-free transforms that they are made of.
//!
//! The transforms turn infinities into NaN and lose the sign of a zero, so each operation looks at its result once: a finite
//! one that is not zero is right, any other is redone in doubles. What is `const` here builds tables of coefficients.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::DoubleDouble;

/// `a + b` rounded, and what the rounding left over, exactly.
#[inline]
pub(super) const fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_seen = sum - a;
    (sum, (a - (sum - b_seen)) + (b - b_seen))
}

/// [`two_sum`] for `|a| ≥ |b|`.
#[inline]
const fn ordered_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

/// `a·b` rounded, and what the rounding left over: exactly, where that is not subnormal.
#[inline]
pub(super) const fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    let error = product_error(a, b, product);
    if error.is_finite() { (product, error) } else { huge_product(a, b, product) }
}

#[inline]
const fn product_error(a: f64, b: f64, product: f64) -> f64 {
    let (a_high, a_low) = split(a);
    let (b_high, b_low) = split(b);
    ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
}

/// Two halves of at most 26 bits (Veltkamp), whose products are exact.
#[inline]
const fn split(a: f64) -> (f64, f64) {
    const SPLITTER: f64 = 134_217_729.0; // 2²⁷ + 1
    let shifted = SPLITTER * a;
    let high = shifted - (shifted - a);
    (high, a - high)
}

/// The split overflows past 2⁹⁹⁶, where the product need not.
#[cold]
const fn huge_product(a: f64, b: f64, product: f64) -> (f64, f64) {
    const DOWN: f64 = power_of_two(-64);
    const UP: f64 = power_of_two(64);
    if !product.is_finite() {
        return (product, 0.0);
    }
    let (a, b) = if a.abs() > b.abs() { (a * DOWN, b) } else { (a, b * DOWN) };
    (product, product_error(a, b, product * DOWN) * UP)
}

/// `2^k` for a normal result.
pub(super) const fn power_of_two(k: i32) -> f64 {
    debug_assert!(-1023 < k && k < 1024);
    f64::from_bits(((k + 1023) as u64) << 52)
}

/// `floor(log2 |x|)` of a finite number other than 0.
pub(super) const fn exponent(x: f64) -> i32 {
    const fn biased(x: f64) -> i32 {
        ((x.to_bits() >> 52) & 0x7ff) as i32
    }
    match biased(x) {
        0 => biased(x * power_of_two(64)) - 64 - 1023,
        e => e - 1023,
    }
}

/// Whether the transforms hold for this result.
#[inline]
const fn is_regular(hi: f64) -> bool {
    hi.is_finite() && hi != 0.0
}

impl DoubleDouble {
    pub(super) const fn from_double(x: f64) -> Self {
        Self { hi: x, lo: 0.0 }
    }

    /// The sum of two doubles, the first not the smaller and the sum finite.
    #[inline]
    pub(super) const fn ordered(a: f64, b: f64) -> Self {
        let (hi, lo) = ordered_sum(a, b);
        Self { hi, lo }
    }

    #[inline]
    pub(super) const fn negated(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }

    /// `self + other` with a relative error of at most 3·2⁻¹⁰⁶ (Joldes et al., algorithm 6).
    #[inline]
    pub(super) const fn plus(self, other: Self) -> Self {
        let (sum, error) = two_sum(self.hi, other.hi);
        let (low_sum, low_error) = two_sum(self.lo, other.lo);
        let (sum, error) = ordered_sum(sum, error + low_sum);
        let (hi, lo) = ordered_sum(sum, error + low_error);
        if is_regular(hi) {
            return Self { hi, lo };
        }
        Self::from_double(if hi.is_infinite() { hi } else { self.hi + other.hi })
    }

    #[inline]
    pub(super) const fn minus(self, other: Self) -> Self {
        self.plus(other.negated())
    }

    /// `self + other` with a relative error of at most 2·2⁻¹⁰⁶ (algorithm 4).
    #[inline]
    pub(super) const fn plus_double(self, other: f64) -> Self {
        let (sum, error) = two_sum(self.hi, other);
        let (hi, lo) = ordered_sum(sum, self.lo + error);
        if is_regular(hi) {
            return Self { hi, lo };
        }
        Self::from_double(if hi.is_infinite() { hi } else { self.hi + other })
    }

    /// `self · other` with a relative error of at most 5·2⁻¹⁰⁶ (algorithm 10).
    #[inline]
    pub(super) const fn times(self, other: Self) -> Self {
        let (product, error) = two_product(self.hi, other.hi);
        let cross = self.hi * other.lo + self.lo * other.hi;
        let (hi, lo) = ordered_sum(product, error + cross);
        if is_regular(hi) {
            return Self { hi, lo };
        }
        Self::from_double(if hi.is_infinite() { hi } else { product })
    }

    /// `self · other` with a relative error of at most 3·2⁻¹⁰⁶ (algorithm 8).
    #[inline]
    pub(super) const fn times_double(self, other: f64) -> Self {
        let (product, error) = two_product(self.hi, other);
        let (hi, lo) = ordered_sum(product, error + self.lo * other);
        if is_regular(hi) {
            return Self { hi, lo };
        }
        Self::from_double(if hi.is_infinite() { hi } else { product })
    }

    /// `self / other` with a relative error of at most 15·2⁻¹⁰⁶ (algorithm 17), 2 or 3 in practice.
    #[inline]
    pub(super) const fn over(self, other: Self) -> Self {
        if self.is_mid_range() && other.is_mid_range() { self.divided_by(other) } else { self.over_extreme(other) }
    }

    #[inline]
    const fn divided_by(self, other: Self) -> Self {
        let quotient = self.hi / other.hi;
        let rest = self.minus(other.times_double(quotient));
        let (hi, lo) = ordered_sum(quotient, rest.hi / other.hi);
        if is_regular(hi) { Self { hi, lo } } else { Self::from_double(quotient) }
    }

    /// Division where a partial product could leave the range of doubles.
    #[cold]
    const fn over_extreme(self, other: Self) -> Self {
        if !is_regular(self.hi) || !is_regular(other.hi) {
            return Self::from_double(self.hi / other.hi);
        }
        let (up, down) = (exponent(self.hi), exponent(other.hi));
        self.scaled(-up).divided_by(other.scaled(-down)).scaled(up - down)
    }

    /// Whether neither the number nor the error of a product near it leaves the range of doubles.
    #[inline]
    const fn is_mid_range(self) -> bool {
        let magnitude = self.hi.abs();
        magnitude > power_of_two(-900) && magnitude < power_of_two(1000)
    }

    /// `self · 2^k`, where the product is either within `2^±2000` or far outside the range of doubles.
    #[inline]
    pub(super) const fn scaled(self, k: i32) -> Self {
        if -1000 < k && k < 1000 {
            return self.times_power_of_two(power_of_two(k));
        }
        let k = if k < -2040 {
            -2040
        } else if k > 2040 {
            2040
        } else {
            k
        };
        self.times_power_of_two(power_of_two(k / 2)).times_power_of_two(power_of_two(k - k / 2))
    }

    #[inline]
    pub(super) const fn times_power_of_two(self, power: f64) -> Self {
        let hi = self.hi * power;
        Self { hi, lo: if is_regular(hi) { self.lo * power } else { 0.0 } }
    }

    /// One Newton step from the square root in doubles, with a relative error of at most 4·2⁻¹⁰⁶ (A. Karp and P. Markstein,
    /// "High-precision division and square root", 1997).
    pub(super) fn square_root(self) -> Self {
        if !(self.hi > 0.0 && self.hi.is_finite()) {
            return Self::from_double(self.hi.sqrt());
        }
        if !self.is_mid_range() {
            let half = exponent(self.hi) / 2;
            return self.scaled(-2 * half).square_root().scaled(half);
        }
        let root = self.hi.sqrt();
        let (square, error) = two_product(root, root);
        let rest = self.minus(Self { hi: square, lo: error });
        Self::ordered(root, rest.hi / (2.0 * root))
    }
}

/// `Σ cᵢ sⁱ`. Terms from `fine` on must be so small that doubles suffice for them.
pub(super) fn polynomial(s: DoubleDouble, coefficients: &[DoubleDouble], fine: usize) -> DoubleDouble {
    let (fine, coarse) = coefficients.split_at(fine);
    let tail = coarse.iter().rev().fold(0.0, |sum, c| sum * s.hi + c.hi);
    let Some((&last, others)) = fine.split_last() else { return DoubleDouble::from_double(tail) };
    others.iter().rev().fold(last + s.hi * tail, |sum, &c| sum * s + c)
}

impl Add for DoubleDouble {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        self.plus(other)
    }
}

impl Sub for DoubleDouble {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        self.minus(other)
    }
}

impl Mul for DoubleDouble {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        self.times(other)
    }
}

impl Div for DoubleDouble {
    type Output = Self;
    #[inline]
    fn div(self, other: Self) -> Self {
        self.over(other)
    }
}

impl Neg for DoubleDouble {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        self.negated()
    }
}

impl AddAssign for DoubleDouble {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = self.plus(other);
    }
}

impl Add<f64> for DoubleDouble {
    type Output = Self;
    #[inline]
    fn add(self, other: f64) -> Self {
        self.plus_double(other)
    }
}

impl Sub<f64> for DoubleDouble {
    type Output = Self;
    #[inline]
    fn sub(self, other: f64) -> Self {
        self.plus_double(-other)
    }
}

impl Mul<f64> for DoubleDouble {
    type Output = Self;
    #[inline]
    fn mul(self, other: f64) -> Self {
        self.times_double(other)
    }
}
