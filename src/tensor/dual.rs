//! A forward-mode dual number over `f64`: a value and its directional derivative.
//!
//! `(x, ẋ)` stands for `x + ẋ·ε` with `ε² = 0`; every function carries `f(x) + f′(x)·ẋ·ε`.

use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::scalar::Float;

/// A value with its tangent. A value that does not move has tangent 0 whatever the slope, infinite ones included. Comparisons look at the value alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dual {
    /// The primal value.
    pub primal: f64,
    /// The tangent: the derivative along the chosen direction.
    pub tangent: f64,
}

impl Dual {
    /// A value moving with `tangent`.
    pub const fn new(primal: f64, tangent: f64) -> Self {
        Self { primal, tangent }
    }

    /// The chain rule for one variable: `f(x)`, and `f′(x)` times the tangent.
    fn chain(self, value: f64, slope: f64) -> Self {
        Self::new(value, along(slope, self.tangent))
    }
}

/// `slope · tangent`, where standing still beats an infinite slope.
#[inline]
fn along(slope: f64, tangent: f64) -> f64 {
    if tangent == 0.0 { 0.0 } else { slope * tangent }
}

impl PartialEq for Dual {
    fn eq(&self, other: &Self) -> bool {
        self.primal == other.primal
    }
}

impl PartialOrd for Dual {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.primal.partial_cmp(&other.primal)
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self::new(self.primal + o.primal, self.tangent + o.tangent)
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Self::new(self.primal - o.primal, self.tangent - o.tangent)
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        Self::new(self.primal * o.primal, along(o.primal, self.tangent) + along(self.primal, o.tangent))
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        let quotient = self.primal / o.primal;
        let change = self.tangent - along(quotient, o.tangent);
        Self::new(quotient, if change == 0.0 { 0.0 } else { change / o.primal })
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        Self::new(-self.primal, -self.tangent)
    }
}

impl AddAssign for Dual {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl Float for Dual {
    const ZERO: Self = Self::new(0.0, 0.0);
    const ONE: Self = Self::new(1.0, 0.0);
    const VECTORS: bool = false;

    fn from_f64(x: f64) -> Self {
        Self::new(x, 0.0)
    }
    fn from_parts(hi: f64, lo: f64) -> Self {
        Self::new(hi + lo, 0.0)
    }
    fn to_f64(self) -> f64 {
        self.primal
    }
    fn exp(self) -> Self {
        let e = self.primal.exp();
        self.chain(e, e)
    }
    fn exp_m1(self) -> Self {
        self.chain(self.primal.exp_m1(), self.primal.exp())
    }
    fn ln(self) -> Self {
        self.chain(self.primal.ln(), 1.0 / self.primal)
    }
    fn ln_1p(self) -> Self {
        self.chain(self.primal.ln_1p(), 1.0 / (1.0 + self.primal))
    }
    fn sqrt(self) -> Self {
        let root = self.primal.sqrt();
        self.chain(root, 0.5 / root)
    }
    fn sin(self) -> Self {
        self.chain(self.primal.sin(), self.primal.cos())
    }
    fn cos(self) -> Self {
        self.chain(self.primal.cos(), -self.primal.sin())
    }
    fn sinh(self) -> Self {
        self.chain(self.primal.sinh(), self.primal.cosh())
    }
    fn cosh(self) -> Self {
        self.chain(self.primal.cosh(), self.primal.sinh())
    }
    fn tanh(self) -> Self {
        // 1 − tanh² would lose its digits where tanh saturates.
        let sech = 1.0 / self.primal.cosh();
        self.chain(self.primal.tanh(), sech * sech)
    }
    fn erf(self) -> Self {
        self.chain(Float::erf(self.primal), std::f64::consts::FRAC_2_SQRT_PI * (-self.primal * self.primal).exp())
    }
    fn erfc(self) -> Self {
        self.chain(Float::erfc(self.primal), -std::f64::consts::FRAC_2_SQRT_PI * (-self.primal * self.primal).exp())
    }
    fn pow(self, exponent: Self) -> Self {
        let (x, p) = (self.primal, exponent.primal);
        let value = x.powf(p);
        let by_base = if p == 0.0 { 0.0 } else { p * x.powf(p - 1.0) };
        let by_exponent = if x == 0.0 && p >= 0.0 { 0.0 } else { value * x.ln() };
        Self::new(value, along(by_base, self.tangent) + along(by_exponent, exponent.tangent))
    }
    /// With slope 0 at the kink.
    fn abs(self) -> Self {
        self.chain(self.primal.abs(), if self.primal == 0.0 { 0.0 } else { self.primal.signum() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::DoubleDouble;
    use super::*;

    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;

    /// The derivative of `f(x + h·ẋ)` at h = 0, by a central difference whose error is about 1e-18.
    fn difference(f: impl Fn(DoubleDouble) -> DoubleDouble, step: f64) -> f64 {
        let h = DoubleDouble::from_f64(step);
        ((f(h) - f(-h)) / (h + h)).to_f64()
    }

    fn assert_near(dual: Dual, value: f64, slope: f64, size: f64, what: &str) {
        assert!((dual.primal - value).abs() <= 1e-15 * value.abs(), "{what} is {}, not {value}", dual.primal);
        assert!((dual.tangent - slope).abs() <= 1e-13 * size, "the slope of {what} is {}, not {slope}", dual.tangent);
    }

    #[test]
    fn slopes_of_functions_are_their_central_differences() {
        macro_rules! check {
            ($($function:ident at $points:expr, step $step:expr;)+) => { $(
                for x in $points {
                    let x: f64 = x;
                    let wide = DoubleDouble::from_f64(x);
                    let slope = difference(|h| (wide + h).$function(), $step(x));
                    let what = format!("{}({x})", stringify!($function));
                    assert_near(Dual::new(x, 1.0).$function(), wide.$function().to_f64(), slope, slope.abs(), &what);
                    let pulled = Dual::new(x, -3.0).$function();
                    assert_near(pulled, wide.$function().to_f64(), -3.0 * slope, 3.0 * slope.abs(), &what);
                }
            )+ };
        }
        let everywhere = || [-9.5, -3.1, -1.0, -0.4, -1e-3, -1e-8, 0.0, 1e-12, 0.02, 0.7, 1.3, 2.9, 5.0, 10.0];
        let positive = || [1e-270, 1e-9, 0.03, 0.9, 1.0, 1.1, 7.0, 1e5, 1e200];
        let (fixed, relative) = (|_: f64| 1e-9, |x: f64| 1e-9 * x);
        check! {
            exp at everywhere().into_iter().chain([-300.0, 300.0]), step fixed;
            exp_m1 at everywhere().into_iter().chain([-20.0, 300.0]), step fixed;
            ln at positive(), step relative;
            ln_1p at positive().into_iter().take(7).chain([-0.99, -0.5, -1e-7, 0.0]), step fixed;
            sqrt at positive(), step relative;
            sin at everywhere().into_iter().chain([1000.0]), step fixed;
            cos at everywhere().into_iter().filter(|x| x.abs() > 1e-7), step fixed;
            sinh at everywhere().into_iter().chain([300.0]), step fixed;
            cosh at everywhere().into_iter().filter(|x| x.abs() > 1e-7), step fixed;
            tanh at everywhere(), step fixed;
            erf at everywhere().into_iter().filter(|x| x.abs() < 4.0), step fixed;
            erfc at everywhere().into_iter().filter(|x| -4.0 < *x).chain([15.0]), step fixed;
            abs at [-2.0, 3.0], step fixed;
        }
    }

    type Operation<T> = fn(T, T) -> T;

    #[test]
    fn slopes_of_operations_are_their_central_differences() {
        let operands = [(2.0, 1.0, 3.0, -0.5), (-1.5, 0.25, 0.3, 0.0), (0.7, 0.0, -2.0, 1.0), (1e-5, 1.0, 40.0, 1.0)];
        for (x, x_dot, y, y_dot) in operands {
            let (dual_x, dual_y) = (Dual::new(x, x_dot), Dual::new(y, y_dot));
            let moved = |h: DoubleDouble| {
                let [x, x_dot, y, y_dot] = [x, x_dot, y, y_dot].map(DoubleDouble::from_f64);
                (x + h * x_dot, y + h * y_dot)
            };
            let operations: [(&str, Operation<Dual>, Operation<DoubleDouble>); 5] = [
                ("+", |x, y| x + y, |x, y| x + y),
                ("-", |x, y| x - y, |x, y| x - y),
                ("*", |x, y| x * y, |x, y| x * y),
                ("/", |x, y| x / y, |x, y| x / y),
                ("pow", Dual::pow, DoubleDouble::pow),
            ];
            for (name, on_dual, on_double_double) in operations {
                if name == "pow" && x < 0.0 {
                    continue; // only whole exponents, which do not move: below
                }
                let evaluate = |h| {
                    let (x, y) = moved(h);
                    on_double_double(x, y)
                };
                let slope = difference(evaluate, 1e-9 * x.abs().min(1.0));
                let value = evaluate(DoubleDouble::ZERO).to_f64();
                // The summands of a slope may cancel.
                let size = slope.abs() + value.abs() * (x_dot / x).abs().max((y_dot / y).abs());
                assert_near(on_dual(dual_x, dual_y), value, slope, size, &format!("{x} {name} {y}"));
            }
        }
        for (x, p, slope) in [(-2.0, 3.0, 12.0), (-2.0, -1.0, -0.25), (-3.0, 2.0, -6.0), (1e-200, 1.0, 1.0)] {
            assert_near(Dual::new(x, 1.0).pow(Dual::from_f64(p)), x.powf(p), slope, slope.abs(), &format!("{x} pow {p}"));
        }
    }

    #[test]
    fn edges() {
        let d = Dual::new;
        #[rustfmt::skip]
        let table = [
            ("sqrt of zero", d(0.0, 1.0).sqrt(), 0.0, INF),
            ("sqrt of a constant zero", d(0.0, 0.0).sqrt(), 0.0, 0.0),
            ("ln of zero", d(0.0, 2.0).ln(), -INF, INF),
            ("ln of a constant zero", d(0.0, 0.0).ln(), -INF, 0.0),
            ("ln_1p at its pole", d(-1.0, 1.0).ln_1p(), -INF, INF),
            ("exp of minus infinity", d(-INF, 1.0).exp(), 0.0, 0.0),
            ("exp overflowing", d(1e3, 1.0).exp(), INF, INF),
            ("saturated tanh", d(400.0, 1.0).tanh(), 1.0, 0.0),
            ("tanh of infinity", d(-INF, 1.0).tanh(), -1.0, 0.0),
            ("erf of infinity", d(INF, 1.0).erf(), 1.0, 0.0),
            ("erfc of infinity", d(INF, 1.0).erfc(), 0.0, 0.0),
            ("abs at its kink", d(0.0, 1.0).abs(), 0.0, 0.0),
            ("abs at its kink from below", d(-0.0, 1.0).abs(), 0.0, 0.0),
            ("a constant infinity times a constant", d(INF, 0.0) * d(2.0, 0.0), INF, 0.0),
            ("a constant infinity times a variable", d(INF, 0.0) * d(2.0, 1.0), INF, INF),
            ("a constant over zero", d(1.0, 0.0) / d(0.0, 0.0), INF, 0.0),
            ("a variable over zero", d(1.0, 1.0) / d(0.0, 0.0), INF, INF),
            ("a constant over a vanishing variable", d(1.0, 0.0) / d(0.0, 1.0), INF, -INF),
            ("infinity over a constant", d(INF, 1.0) / d(2.0, 0.0), INF, 0.5),
            ("a variable over infinity", d(3.0, 1.0) / d(INF, 0.0), 0.0, 0.0),
            ("zero squared", d(0.0, 1.0).pow(d(2.0, 0.0)), 0.0, 0.0),
            ("zero to the first", d(0.0, 1.0).pow(d(1.0, 0.0)), 0.0, 1.0),
            ("zero to the zeroth", d(0.0, 1.0).pow(d(0.0, 0.0)), 1.0, 0.0),
            ("zero to the half", d(0.0, 1.0).pow(d(0.5, 0.0)), 0.0, INF),
            ("a constant zero to a variable", d(0.0, 0.0).pow(d(2.0, 1.0)), 0.0, 0.0),
            ("a constant zero to a vanishing variable", d(0.0, 0.0).pow(d(0.0, 1.0)), 1.0, 0.0),
            ("one to a variable", d(1.0, 0.0).pow(d(5.0, 1.0)), 1.0, 0.0),
            ("two to a vanishing variable", d(2.0, 0.0).pow(d(0.0, 1.0)), 1.0, std::f64::consts::LN_2),
            ("a negative number to a variable", d(-2.0, 0.0).pow(d(3.0, 1.0)), -8.0, NAN),
            ("a negative variable to a constant", d(-2.0, 1.0).pow(d(0.5, 0.0)), NAN, NAN),
        ];
        let same = |x: f64, y: f64| x == y || (x.is_nan() && y.is_nan());
        for (what, dual, primal, tangent) in table {
            assert!(same(dual.primal, primal) && same(dual.tangent, tangent), "{what} is {dual:?}");
        }
        assert_eq!(d(1.0, 2.0), d(1.0, 3.0), "comparisons look at the primal alone");
        assert!(d(1.0, 9.0) < d(2.0, 0.0));
    }
}
