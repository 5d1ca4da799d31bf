//! An interval of real numbers, which remembers to how many digits such numbers are written down.
//!
//! `[lo, hi]` stands for every number that a value may be. Arithmetic encloses: whatever numbers the operands are, the result is
//! inside. A number of a calculation by hand is besides `written` to so many [`Digits`]; then a product, a quotient, a sum of two and
//! the value of a function enclose both the number and what it is rounded to, since a person may write it down or go on with what
//! the calculator shows. A running sum (`+=`) is not written down term by term.
//!
//! - Bounds are rounded outward: by one step of a double after an operation (by none where the sum is exact, or a factor is 0 or ±1),
//!   by four after a function, whose value in doubles is good to less than that.
//! - What is not known, or not a number (overflow, a division by an interval around 0, the logarithm of a negative number), is the
//!   whole line; 0 times it is 0.
//! - Comparisons look at midpoints. A rule that branches on them is right where both branches meet smoothly; at a corner its caller
//!   asks for both sides.

mod digits;
mod functions;

use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

pub use digits::Digits;

/// The numbers from `lo` to `hi`.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    lo: f64,
    hi: f64,
    written: Option<Digits>,
}

impl Interval {
    /// Every number.
    pub const WHOLE: Self = Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY, written: None };

    /// The numbers between two bounds; every number where one of them is NaN.
    pub fn new(lo: f64, hi: f64) -> Self {
        if lo <= hi { Self { lo, hi, written: None } } else { Self::WHOLE }
    }

    /// One number.
    pub fn thin(x: f64) -> Self {
        Self::new(x, x)
    }

    /// The same, written to so many digits.
    #[must_use]
    pub fn written(self, digits: Digits) -> Self {
        Self { written: Some(digits), ..self }
    }

    /// The same, written as another.
    #[must_use]
    pub fn as_written(self, other: Self) -> Self {
        Self { written: other.written, ..self }
    }

    /// The same, not written down.
    #[must_use]
    pub fn unwritten(self) -> Self {
        Self { written: None, ..self }
    }

    /// Whether it knows to how many digits it is written.
    pub fn is_written(self) -> bool {
        self.written.is_some()
    }

    /// So much wider on either side.
    #[must_use]
    pub fn widened(self, by: f64) -> Self {
        Self { written: self.written, ..Self::new((self.lo - by).next_down(), (self.hi + by).next_up()) }
    }

    /// Half a unit of the last digit that is written of its largest number; 0 where nothing is rounded.
    pub fn half(self) -> f64 {
        self.written.map_or(0.0, |digits| digits.half(self.lo.abs().max(self.hi.abs())))
    }

    /// The least number.
    pub fn lo(self) -> f64 {
        self.lo
    }

    /// The greatest number.
    pub fn hi(self) -> f64 {
        self.hi
    }

    /// Half of how far apart they are.
    pub fn radius(self) -> f64 {
        0.5 * self.hi - 0.5 * self.lo
    }

    /// Whether a number is inside.
    pub fn contains(self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// Whether it is the number 0 and nothing else.
    pub fn is_zero(self) -> bool {
        self.lo == 0.0 && self.hi == 0.0
    }

    /// The smallest interval that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi), written: self.written.or(other.written) }
    }

    /// With what its numbers may be rounded to, exactly: rounding keeps their order.
    #[must_use]
    pub fn rounded(self) -> Self {
        match self.written {
            Some(digits) => Self { lo: digits.down(self.lo), hi: digits.up(self.hi), written: self.written },
            None => self,
        }
    }

    /// Half a unit of the last digit wider on either side, for a number that is written down but may have been worked out in
    /// another order; a number of few enough digits is what it is.
    #[must_use]
    pub fn noted(self) -> Self {
        match self.written {
            Some(digits) if !digits.is_short(self.lo, self.hi) => {
                let (lo, hi) = (self.lo - digits.half(self.lo), self.hi + digits.half(self.hi));
                Self { written: self.written, ..Self::new(lo, hi) }
            }
            _ => self,
        }
    }

    /// As [`Interval::noted`], of a number that stands for others near it, which may have more digits.
    #[must_use]
    pub fn noted_nearby(self) -> Self {
        self.widened(self.half())
    }

    /// Bounds that were computed in doubles, for a result of this number and another.
    fn result(self, other: Self, lo: f64, hi: f64) -> Self {
        Self { written: self.written.or(other.written), ..Self::new(lo, hi) }
    }

    /// The plain sum, not rounded.
    fn plus(self, o: Self) -> Self {
        self.result(o, sum_below(self.lo, o.lo), -sum_below(-self.hi, -o.hi))
    }
}

/// The sum, rounded downward: one step below the nearest double where that is too large.
fn sum_below(a: f64, b: f64) -> f64 {
    let sum = a + b;
    let of_b = sum - a;
    // Knuth's error of a sum.
    let error = (a - (sum - of_b)) + (b - of_b);
    if error < 0.0 { sum.next_down() } else { sum }
}

/// A product of bounds, where 0 times anything is 0.
fn times(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { a * b }
}

/// One step down; the number 0 is 0.
fn below(x: f64) -> f64 {
    if x == 0.0 { x } else { x.next_down() }
}

/// One step up; the number 0 is 0.
fn above(x: f64) -> f64 {
    if x == 0.0 { x } else { x.next_up() }
}

/// The middle: of a half line its end, of the whole line 0.
fn middle(x: Interval) -> f64 {
    if x.lo == x.hi {
        x.lo
    } else {
        match (x.lo.is_finite(), x.hi.is_finite()) {
            (true, true) => 0.5 * x.lo + 0.5 * x.hi,
            (true, false) => f64::MAX,
            (false, true) => f64::MIN,
            (false, false) => 0.0,
        }
    }
}

impl PartialEq for Interval {
    fn eq(&self, other: &Self) -> bool {
        middle(*self) == middle(*other)
    }
}

impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        middle(*self).partial_cmp(&middle(*other))
    }
}

impl Add for Interval {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        self.plus(o).rounded()
    }
}

impl Sub for Interval {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        self.plus(-o).rounded()
    }
}

impl Mul for Interval {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        for (factor, other) in [(self, o), (o, self)] {
            if factor.lo == factor.hi && (factor.lo.abs() == 1.0 || factor.lo == 0.0) {
                let written = self.written.or(o.written);
                let product = if factor.lo == 1.0 {
                    other
                } else if factor.lo == 0.0 {
                    Self::thin(0.0)
                } else {
                    -other
                };
                return Self { written, ..product };
            }
        }
        let products = [times(self.lo, o.lo), times(self.lo, o.hi), times(self.hi, o.lo), times(self.hi, o.hi)];
        let (lo, hi) = products.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &x| (lo.min(x), hi.max(x)));
        self.result(o, below(lo), above(hi)).rounded()
    }
}

impl Div for Interval {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        if o.lo <= 0.0 && o.hi >= 0.0 {
            return self.result(o, f64::NEG_INFINITY, f64::INFINITY);
        }
        let quotients = [self.lo / o.lo, self.lo / o.hi, self.hi / o.lo, self.hi / o.hi];
        if quotients.iter().any(|x| x.is_nan()) {
            return self.result(o, f64::NEG_INFINITY, f64::INFINITY);
        }
        let (lo, hi) = quotients.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), &x| (lo.min(x), hi.max(x)));
        self.result(o, below(lo), above(hi)).rounded()
    }
}

impl Neg for Interval {
    type Output = Self;
    fn neg(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo, written: self.written }
    }
}

impl AddAssign for Interval {
    fn add_assign(&mut self, o: Self) {
        *self = self.plus(o);
    }
}

#[cfg(test)]
mod tests;
