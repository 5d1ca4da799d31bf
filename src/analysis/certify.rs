//! The certificate of a gradient: the run repeated in double-double arithmetic (32 digits), and how many decimal digits of each
//! number that was answered are the same.

use super::shown::Listed;
use crate::ops::Scalar;
use crate::spec::write::Writer;
use crate::tensor::{DoubleDouble, Float, Shape};

/// The most digits that are told: a double has between 15 and 17.
const MOST: f64 = 17.0;

/// The digits of some gradients.
#[derive(Debug)]
pub(super) struct Certificate {
    digits: Vec<(String, f64)>,
    input_digits: Vec<(String, f64)>,
    worst: Option<Worst>,
}

/// The number with the fewest correct digits.
#[derive(Debug, Clone)]
struct Worst {
    name: String,
    shape: Shape,
    at: usize,
    digits: f64,
    given: f64,
    exact: f64,
}

/// The correct decimal digits of a number: −log10 of its relative error, taken in double-double arithmetic.
fn digits(given: f64, exact: DoubleDouble) -> f64 {
    let error = DoubleDouble::from_f64(given) - exact;
    if error == DoubleDouble::ZERO {
        return MOST;
    }
    let digits = -(error / exact).to_f64().abs().log10();
    if digits.is_nan() { 0.0 } else { digits.clamp(0.0, MOST) }
}

/// Tenths of a digit, rounded down.
fn tenths(digits: f64) -> f64 {
    (digits * 10.0).floor() / 10.0
}

impl Certificate {
    /// Compare gradients, and those of inputs, with exact ones of the same names and shapes.
    pub(super) fn new<S: Scalar>(
        gradients: (&Listed<'_, S>, &Listed<'_, DoubleDouble>),
        inputs: Option<(&Listed<'_, S>, &Listed<'_, DoubleDouble>)>,
    ) -> Self {
        let mut certificate = Self { digits: Vec::new(), input_digits: Vec::new(), worst: None };
        certificate.digits = certificate.compare(gradients);
        if let Some(inputs) = inputs {
            certificate.input_digits = certificate.compare(inputs);
        }
        certificate
    }

    fn compare<S: Scalar>(&mut self, (given, exact): (&Listed<'_, S>, &Listed<'_, DoubleDouble>)) -> Vec<(String, f64)> {
        let mut least = Vec::with_capacity(given.len());
        for ((name, shown), (_, exact)) in given.iter().zip(exact) {
            let name = (*name).to_owned();
            let mut fewest = MOST;
            for (at, (given, &exact)) in shown.data.iter().zip(&*exact.data).enumerate() {
                let digits = digits(given.to_f64(), exact);
                fewest = fewest.min(digits);
                if self.worst.as_ref().is_none_or(|worst| digits < worst.digits) {
                    let (given, exact) = (given.to_f64(), exact.to_f64());
                    self.worst = Some(Worst { name: name.clone(), shape: shown.shape, at, digits, given, exact });
                }
            }
            least.push((name, fewest));
        }
        least
    }

    /// Write it.
    pub(super) fn write(&self, w: &mut Writer) {
        let named = |w: &mut Writer, list: &[(String, f64)]| {
            w.object(|w| list.iter().for_each(|(name, digits)| w.key(name).number(tenths(*digits))));
        };
        w.object(|w| {
            named(w.key("digits"), &self.digits);
            if !self.input_digits.is_empty() {
                named(w.key("input_digits"), &self.input_digits);
            }
            if let Some(worst) = &self.worst {
                w.key("worst").number(tenths(worst.digits));
                w.key("at").object(|w| {
                    w.key("name").string(&worst.name);
                    w.key("index").array(|w| {
                        let strides = worst.shape.strides();
                        for (axis, &dim) in worst.shape.dims().iter().enumerate() {
                            w.integer((worst.at / strides[axis] % dim.max(1)) as u64);
                        }
                    });
                    w.key("answered").number(worst.given);
                    w.key("certified").number(worst.exact);
                });
            }
        });
    }
}
