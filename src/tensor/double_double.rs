//! Double-double (being written).
/// A double-double.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct DoubleDouble {
    /// Leading part.
    pub hi: f64,
    /// Trailing part.
    pub lo: f64,
}
macro_rules! b { ($($tr:ident $f:ident $o:tt),*) => { $(impl std::ops::$tr for DoubleDouble { type Output=Self; fn $f(self,o:Self)->Self{ Self{hi:self.hi $o o.hi, lo:0.0} } })* } }
b!(Add add +, Sub sub -, Mul mul *, Div div /);
impl std::ops::Neg for DoubleDouble {
    type Output = Self;
    fn neg(self) -> Self {
        Self { hi: -self.hi, lo: 0.0 }
    }
}
impl std::ops::AddAssign for DoubleDouble {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o
    }
}
macro_rules! f { ($($f:ident),*) => { $(fn $f(self)->Self{Self{hi:super::Float::$f(self.hi),lo:0.0}})* } }
impl super::Float for DoubleDouble {
    const ZERO: Self = Self { hi: 0.0, lo: 0.0 };
    const ONE: Self = Self { hi: 1.0, lo: 0.0 };
    fn from_f64(x: f64) -> Self {
        Self { hi: x, lo: 0.0 }
    }
    fn from_parts(h: f64, l: f64) -> Self {
        Self { hi: h + l, lo: 0.0 }
    }
    fn to_f64(self) -> f64 {
        self.hi
    }
    f!(exp, exp_m1, ln, ln_1p, sqrt, sin, cos, sinh, cosh, tanh, erf, erfc);
    fn pow(self, e: Self) -> Self {
        Self { hi: self.hi.powf(e.hi), lo: 0.0 }
    }
}
