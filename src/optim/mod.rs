//! The optimisers of `descend`: PyTorch's, with its arguments, defaults and order of operations. Each file holds one. They know
//! numbers and nothing else: no graph, no tape. To add one: write the file, add its line to [`CATALOG`].

mod adagrad;
mod adam;
mod adamw;
mod rmsprop;
mod sgd;

use std::fmt::Debug;

use crate::ops::attributes::{Attribute, Default, Invalid, Kind, Values};
use crate::tensor::Float;

/// The optimisers that a client may name, in the order in which the catalogue lists them.
pub const CATALOG: &[&Entry] = &[&sgd::ENTRY, &adam::ENTRY, &adamw::ENTRY, &rmsprop::ENTRY, &adagrad::ENTRY];

/// What the catalogue says of an optimiser, and how it is made.
#[derive(Debug)]
pub struct Entry {
    /// PyTorch's name in lower case.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// One step, as a formula in plain text: g the gradient, theta the parameter.
    pub formula: &'static str,
    /// Its arguments: PyTorch's names and defaults.
    pub attributes: &'static [Attribute],
    /// What the arguments must be beyond their kinds, PyTorch's conditions: all that are broken.
    pub check: fn(&Values) -> Vec<Invalid>,
    /// The most numbers that it remembers for each parameter.
    pub state: u64,
    /// Floating-point operations of a step for each parameter, within a small factor.
    pub flops: u64,
    /// One in doubles for so many parameters.
    pub f64: fn(&Values, usize) -> Box<dyn Optimizer<f64>>,
    /// As `f64`, in singles.
    pub f32: fn(&Values, usize) -> Box<dyn Optimizer<f32>>,
}

/// An optimiser at work on one tensor of parameters; it remembers what its steps need.
pub trait Optimizer<S>: Debug + Send {
    /// One step: move `theta` by the `gradient` there. Both have the size that it was made for.
    fn step(&mut self, theta: &mut [S], gradient: &[S]);
}

/// A number type that parameters are trained in.
pub trait Trainable: Float {
    /// The optimiser of a catalogue entry for so many parameters.
    fn optimizer(entry: &Entry, values: &Values, size: usize) -> Box<dyn Optimizer<Self>>;
}

impl Trainable for f64 {
    fn optimizer(entry: &Entry, values: &Values, size: usize) -> Box<dyn Optimizer<Self>> {
        (entry.f64)(values, size)
    }
}

impl Trainable for f32 {
    fn optimizer(entry: &Entry, values: &Values, size: usize) -> Box<dyn Optimizer<Self>> {
        (entry.f32)(values, size)
    }
}

const fn lr(default: f64) -> Attribute {
    Attribute::new("lr", Kind::Number, Default::Number(default), "the learning rate, at least 0")
}

const fn eps(default: f64) -> Attribute {
    Attribute::new("eps", Kind::Number, Default::Number(default), "added to the denominator, at least 0")
}

const fn weight_decay(default: f64) -> Attribute {
    Attribute::new("weight_decay", Kind::Number, Default::Number(default), "the strength of weight decay, at least 0")
}

const MAXIMIZE: Attribute = Attribute::new(
    "maximize",
    Kind::Boolean,
    Default::Boolean(false),
    "climb instead of descend: the gradient's sign is changed",
);

/// The arguments of these names that are below 0.
fn below_zero(values: &Values, names: &[&'static str]) -> Vec<Invalid> {
    let negative = names.iter().filter(|&&name| values.number(name) < 0.0);
    negative.map(|&name| Invalid::new(name, format!("expected at least 0, found {}", values.number(name)))).collect()
}

/// What is done to a gradient before anything else: `maximize` and L2 weight decay.
#[derive(Debug, Clone, Copy)]
struct Prepared<S> {
    maximize: bool,
    weight_decay: Option<S>,
}

impl<S: Float> Prepared<S> {
    /// `decay` is the L2 weight decay; 0 is none, so that it touches no number.
    fn new(values: &Values, decay: f64) -> Self {
        Self { maximize: values.boolean("maximize"), weight_decay: (decay != 0.0).then(|| S::from_f64(decay)) }
    }

    fn gradient(self, theta: S, g: S) -> S {
        let g = if self.maximize { -g } else { g };
        match self.weight_decay {
            Some(decay) => g + decay * theta,
            None => g,
        }
    }
}

/// A moving average, `a ← a + weight·(x − a)`, in the order of operations of PyTorch's `lerp`.
fn lerp<S: Float>(a: S, x: S, weight: f64) -> S {
    if weight < 0.5 { a + S::from_f64(weight) * (x - a) } else { x - (x - a) * S::from_f64(1.0 - weight) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::attributes::Value;

    fn made(name: &str, set: &[(&str, Value)]) -> (&'static Entry, Values) {
        let entry = CATALOG.iter().find(|entry| entry.name == name).expect("an optimiser of the catalogue");
        let mut values = Values::defaults(entry.attributes);
        set.iter().for_each(|(name, value)| values.set(name, value.clone()));
        (entry, values)
    }

    /// A first step whose size does not depend on the gradient's, whatever the optimiser remembers: Kingma & Ba (2015), §2.1.
    #[test]
    fn adams_first_step_is_the_learning_rate() {
        for name in ["adam", "adamw"] {
            let (entry, values) = made(name, &[("weight_decay", Value::Number(0.0)), ("eps", Value::Number(0.0))]);
            let mut theta = [1.0, 1.0, 1.0];
            f64::optimizer(entry, &values, 3).step(&mut theta, &[1e-6, -3.0, 1e6]);
            for (moved, expected) in theta.iter().zip([1.0 - 1e-3, 1.0 + 1e-3, 1.0 - 1e-3]) {
                assert!((moved - expected).abs() < 1e-15, "{name}: {moved}");
            }
        }
    }

    /// By hand: v ← 0.5·v + g, so v = 1, 1.5, 1.75, and θ loses 0.1 of each.
    #[test]
    fn momentum_gathers_speed() {
        let (entry, values) = made("sgd", &[("lr", Value::Number(0.1)), ("momentum", Value::Number(0.5))]);
        let (mut theta, mut sgd) = ([0.0], f64::optimizer(entry, &values, 1));
        for expected in [-0.1, -0.25, -0.425] {
            sgd.step(&mut theta, &[1.0]);
            assert!((theta[0] - expected).abs() < 1e-15, "{theta:?}");
        }
    }

    /// By hand, with gradient 2 throughout: the sums of squares are 4, 8, 12.
    #[test]
    fn adagrad_slows_down() {
        let (entry, values) = made("adagrad", &[("lr", Value::Number(1.0)), ("eps", Value::Number(0.0))]);
        let (mut theta, mut adagrad) = ([0.0], f64::optimizer(entry, &values, 1));
        let mut expected = 0.0;
        for sum in [4.0_f64, 8.0, 12.0] {
            adagrad.step(&mut theta, &[2.0]);
            expected -= 2.0 / sum.sqrt();
            assert!((theta[0] - expected).abs() < 1e-15, "{theta:?}");
        }
    }

    #[test]
    fn to_maximize_is_to_descend_on_the_negative() {
        for entry in CATALOG {
            let mut values = Values::defaults(entry.attributes);
            let (mut down, mut up) = ([0.5, -2.0], [0.5, -2.0]);
            let mut descending = f64::optimizer(entry, &values, 2);
            values.set("maximize", Value::Boolean(true));
            let mut climbing = f64::optimizer(entry, &values, 2);
            for g in [[1.0, -3.0], [0.25, 2.0]] {
                descending.step(&mut down, &g);
                climbing.step(&mut up, &g.map(|g: f64| -g));
            }
            assert_eq!(down, up, "{}", entry.name);
            assert_ne!(down, [0.5, -2.0], "{}", entry.name);
        }
    }

    #[test]
    fn arguments_are_checked_as_pytorch_does() {
        let broken = |name: &str, set: &[(&str, Value)]| -> Vec<&str> {
            let (entry, values) = made(name, set);
            (entry.check)(&values).iter().map(|invalid| invalid.attribute).collect()
        };
        for entry in CATALOG {
            assert!((entry.check)(&Values::defaults(entry.attributes)).is_empty(), "{}", entry.name);
            assert_eq!(broken(entry.name, &[("lr", Value::Number(-1.0))]), ["lr"], "{}", entry.name);
        }
        let nesterov = ("nesterov", Value::Boolean(true));
        assert_eq!(broken("sgd", std::slice::from_ref(&nesterov)), ["nesterov"]);
        assert_eq!(broken("sgd", &[nesterov.clone(), ("momentum", Value::Number(0.9))]), [""; 0]);
        let damped = ("dampening", Value::Number(0.1));
        assert_eq!(broken("sgd", &[nesterov, ("momentum", Value::Number(0.9)), damped]), ["nesterov"]);
        assert_eq!(broken("adam", &[("betas", Value::Numbers(vec![0.9, 1.0]))]), ["betas"]);
        assert_eq!(broken("adamw", &[("betas", Value::Numbers(vec![-0.1, 0.5]))]), ["betas"]);
    }
}
