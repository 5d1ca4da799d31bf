//! A forward-mode dual number over `f64`: a value and its directional derivative.
//!
//! `(x, ẋ)` stands for `x + ẋ·ε` with `ε² = 0`; every function carries `f(x) + f′(x)·ẋ·ε`.

use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::scalar::Float;

/// A value with its tangent. Comparisons look at the value alone.
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

    /// The chain rule for one variable: `f(x)`, and `f′(x)` times the tangent. A variable that does not move has tangent 0
    /// even where the derivative is infinite.
    fn chain(self, value: f64, derivative: f64) -> Self {
        Self { primal: value, tangent: if self.tangent == 0.0 { 0.0 } else { derivative * self.tangent } }
    }
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
        Self::new(self.primal * o.primal, self.tangent * o.primal + self.primal * o.tangent)
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        let quotient = self.primal / o.primal;
        Self::new(quotient, (self.tangent - quotient * o.tangent) / o.primal)
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
        let t = self.primal.tanh();
        self.chain(t, 1.0 - t * t)
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
        let by_exponent = if exponent.tangent == 0.0 || (x == 0.0 && p >= 0.0) { 0.0 } else { value * x.ln() };
        let tangent_of_base = if self.tangent == 0.0 { 0.0 } else { by_base * self.tangent };
        Self::new(value, tangent_of_base + by_exponent * exponent.tangent)
    }
}
