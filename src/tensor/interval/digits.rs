//! To how many digits a number is written down, and what that does to it.

use std::sync::LazyLock;

/// How many digits of a number are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digits {
    /// Significant figures, 1 to 15.
    Figures(u8),
    /// Decimal places, 0 to 15.
    Places(u8),
}

/// Half a unit, and 2 % of it for those who round halves otherwise.
const HALF: f64 = 0.51;

/// The least exponent of the powers of ten that are kept.
const LEAST: i32 = -323;

/// `10^LEAST … 10^308`, each the nearest double.
static POWERS: LazyLock<Vec<f64>> =
    LazyLock::new(|| (LEAST..=308).map(|exponent| format!("1e{exponent}").parse().expect("a number")).collect());

/// `10^exponent`, 0 below the doubles' range.
fn power(exponent: i32) -> f64 {
    if exponent < LEAST { 0.0 } else { POWERS[(exponent.min(308) - LEAST) as usize] }
}

/// `⌊log₁₀ |x|⌋` of a finite number that is not 0.
fn exponent(x: f64) -> i32 {
    let x = x.abs();
    let binary = ((x.to_bits() >> 52) as i32) - 1023;
    // log₁₀ 2 from below is within one of the answer, subnormals apart, which no figure of ours reaches.
    let mut guess = (f64::from(binary) * std::f64::consts::LOG10_2).floor() as i32;
    while x < power(guess) {
        guess -= 1;
    }
    while guess < 308 && x >= power(guess + 1) {
        guess += 1;
    }
    guess
}

impl Digits {
    /// The exponent of a unit of the last digit of `x`: a power of ten.
    fn last(self, x: f64) -> i32 {
        match self {
            Self::Figures(count) => exponent(x) + 1 - i32::from(count),
            Self::Places(count) => -i32::from(count),
        }
    }

    /// Whether rounding does nothing to `x`: it is 0, infinite, or so large that a double holds no such digit.
    fn keeps(self, x: f64) -> bool {
        x == 0.0 || !x.is_finite() || power(self.last(x)) <= x.abs() * f64::EPSILON
    }

    /// Half a unit of the last digit of `x` and 2 % of it; 0 for the number 0, which has no digits.
    pub fn half(self, x: f64) -> f64 {
        if self.keeps(x) { 0.0 } else { HALF * power(self.last(x)) }
    }

    /// The least that a number from `x` on may be rounded to, or `x`.
    pub fn down(self, x: f64) -> f64 {
        if self.keeps(x) {
            return x;
        }
        let last = self.last(x);
        x.min(multiple((ratio(x, last) - HALF).ceil(), last))
    }

    /// The greatest that a number up to `x` may be rounded to, or `x`.
    pub fn up(self, x: f64) -> f64 {
        -self.down(-x)
    }

    /// Whether all the numbers between two bounds are one number of no more digits, but for errors of doubles.
    pub fn is_short(self, lo: f64, hi: f64) -> bool {
        if lo == 0.0 && hi == 0.0 {
            return true;
        }
        if self.keeps(lo) || self.keeps(hi) || hi - lo > 1e-12 * lo.abs() {
            return false;
        }
        let last = self.last(hi);
        let [lo, hi] = [lo, hi].map(|x| ratio(x, last));
        // A quotient by a unit has the error of a double of its size.
        let near = |x: f64| (x - hi.round()).abs() <= 1e-12 * hi.abs().max(1.0);
        hi.round() != 0.0 && near(lo) && near(hi)
    }
}

/// `x / 10^exponent`.
fn ratio(x: f64, exponent: i32) -> f64 {
    if exponent <= 0 && exponent > -300 { x * power(-exponent) } else { x / power(exponent) }
}

/// `n·10^exponent`: the nearest double, as a decimal is read, for all exponents that occur in practice.
fn multiple(n: f64, exponent: i32) -> f64 {
    if exponent <= 0 && exponent > -300 { n / power(-exponent) } else { n * power(exponent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents() {
        for (x, expect) in
            [(1.0, 0), (9.999, 0), (10.0, 1), (0.1, -1), (0.099_999, -2), (-1e-7, -7), (1e308, 308), (1e-300, -300), (2e22, 22)]
        {
            assert_eq!(exponent(x), expect, "{x}");
        }
    }

    /// What a person writes: between the number itself and the two that it may be rounded to.
    #[test]
    fn numbers_are_rounded_as_they_are_written() {
        let four = Digits::Figures(4);
        for (x, down, up) in [
            (0.298_371_108_76, 0.298_371_108_76, 0.2984),
            (-0.298_371_108_76, -0.2984, -0.298_371_108_76),
            (0.000_438_567_7, 0.000_438_567_7, 0.000_438_6),
            (12_345.0, 12_340.0, 12_350.0),
            (12_340.0, 12_340.0, 12_340.0),
            (99_999.0, 99_999.0, 100_000.0),
            (1.5e-12, 1.5e-12, 1.5e-12),
            (0.3775, 0.3775, 0.3775),
            (0.0, 0.0, 0.0),
            (f64::INFINITY, f64::INFINITY, f64::INFINITY),
        ] {
            assert_eq!((four.down(x), four.up(x)), (down, up), "{x}");
        }
        let two = Digits::Places(2);
        for (x, down, up) in [(0.004, 0.0, 0.004), (0.006, 0.006, 0.01), (-1.004, -1.004, -1.0), (1e20, 1e20, 1e20)] {
            assert_eq!((two.down(x), two.up(x)), (down, up), "{x}");
        }
        // A half goes either way, and what errs by 1 % of a unit may.
        assert_eq!((two.down(0.125), two.up(0.125)), (0.12, 0.13));
        assert_eq!(two.up(0.124_95), 0.13);
        assert_eq!(two.up(0.1248), 0.1248);
    }

    #[test]
    fn short_numbers_are_known() {
        let four = Digits::Places(4);
        assert!(four.is_short(0.3775, 0.3775_f64.next_up()));
        assert!(four.is_short(0.0, 0.0));
        assert!(!four.is_short(0.377_51, 0.377_51));
        assert!(!four.is_short(0.3775, 0.3776));
        assert!(!four.is_short(1e-9, 1e-9));
        assert!(Digits::Figures(4).is_short(1.234e-9, 1.234e-9));
    }
}
