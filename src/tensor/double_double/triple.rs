//! A triple-double, about 159 bits: for the few inner steps whose error a large factor multiplies afterwards.

use super::DoubleDouble;
use super::arithmetic::{two_product, two_sum};

/// The sum of three doubles that do not overlap, largest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Triple(pub(super) [f64; 3]);

impl From<DoubleDouble> for Triple {
    fn from(x: DoubleDouble) -> Self {
        Self([x.hi, x.lo, 0.0])
    }
}

impl From<f64> for Triple {
    fn from(x: f64) -> Self {
        Self([x, 0.0, 0.0])
    }
}

impl Triple {
    /// The sum of doubles given roughly in falling order of size. Each pass moves what the ones before it round away one place
    /// to the right; what is left after the third is dropped.
    fn sum<const N: usize>(mut terms: [f64; N]) -> Self {
        for first in [0, 0, 0, 1, 2] {
            for i in (first..N - 1).rev() {
                (terms[i], terms[i + 1]) = two_sum(terms[i], terms[i + 1]);
            }
        }
        Self([terms[0], terms[1], terms[2]])
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let (Self(a), Self(b)) = (self, other);
        Self::sum([a[0], b[0], a[1], b[1], a[2] + b[2]])
    }

    pub(super) fn times(self, other: Self) -> Self {
        let (Self(a), Self(b)) = (self, other);
        let (first, first_error) = two_product(a[0], b[0]);
        let (second, second_error) = two_product(a[0], b[1]);
        let (third, third_error) = two_product(a[1], b[0]);
        let rest = a[0] * b[2] + a[1] * b[1] + a[2] * b[0] + second_error + third_error;
        Self::sum([first, first_error, second, third, rest])
    }

    pub(super) fn times_power_of_two(self, power: f64) -> Self {
        Self(self.0.map(|x| x * power))
    }

    /// The leading two doubles, and the third.
    pub(super) fn split(self) -> (DoubleDouble, f64) {
        let [hi, lo, tail] = self.0;
        (DoubleDouble { hi, lo }, tail)
    }
}
