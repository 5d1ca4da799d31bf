//! The error of a quotient against its step, for one number: truncation falls with the step, rounding grows, and between them is the
//! bottom of a V.

use super::index;
use super::quotient::{Direction, Lab, Method};
use crate::analysis::function::Variable;
use crate::analysis::{Failure, Guard};
use crate::graph::Plan;
use crate::lower::Lowered;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;
use crate::spec::write::Writer;
use crate::tensor::{Shape, Tensor};

/// Steps from 1 to 1e-15, two a decade.
const STEPS: i32 = 31;
const METHODS: [Method; 3] = [Method::Forward, Method::Central, Method::Richardson];
/// Losses that a sweep takes: those of its quotients, and the one at x.
pub(super) const EVALUATIONS: u64 = STEPS as u64 * 7 + 1;

/// The number that is swept: a place in the variables' list, and an element of it; or the one with the largest gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// Backprop's largest.
    Largest,
    /// This one.
    Of(usize, usize),
}

/// Errors by step.
#[derive(Debug)]
pub(super) struct Sweep {
    name: String,
    shape: Shape,
    at: usize,
    backprop: f64,
    steps: Vec<f64>,
    /// Of each of [`METHODS`], at each step: relative to backprop's, absolute where that is 0.
    errors: Vec<Vec<f64>>,
    /// Forward sweeps that it took.
    pub(super) evaluations: u64,
}

/// Read `sweep`: true, false, or an element such as `"fc1.weight[3,7]"`.
pub(super) fn element(json: Json<'_>, at: At<'_>, variables: &[Variable], faults: &mut Faults) -> Option<Element> {
    let text = match json {
        Json::Bool(truth) => return truth.then_some(Element::Largest),
        Json::String(text) => text,
        other => {
            let detail = format!("expected true, false, or an element such as \"fc1.weight[3,7]\"; found {}", other.describe());
            faults.push(at, Code::WrongType, detail);
            return None;
        }
    };
    let (name, places) = match text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) {
        Some((name, places)) => (name, Some(places)),
        None => (text.as_ref(), None),
    };
    let Some(i) = variables.iter().position(|variable| variable.name == name) else {
        let hint = crate::lower::hint(name, variables.iter().map(|variable| variable.name.as_str()));
        faults.push(at, Code::UnknownName, format!("\"{name}\" is not among what is checked{hint}"));
        return None;
    };
    let shape = variables[i].shape;
    let places: Option<Vec<usize>> = match places {
        None | Some("") => Some(Vec::new()),
        Some(places) => places.split(',').map(|place| place.trim().parse().ok()).collect(),
    };
    let fits = |places: &Vec<usize>| places.len() == shape.rank() && places.iter().zip(shape.dims()).all(|(i, dim)| i < dim);
    let Some(places) = places.filter(fits) else {
        faults.push(at, Code::InvalidValue, format!("\"{name}\" has shape {shape}; name one element, counted from 0"));
        return None;
    };
    let strides = shape.strides();
    Some(Element::Of(i, places.iter().zip(strides).map(|(place, stride)| place * stride).sum()))
}

/// Take the quotients.
pub(super) fn run(
    lowered: &Lowered,
    plan: &Plan,
    variables: &[Variable],
    gradients: &[Tensor<f64>],
    element: &Element,
    guard: Guard<'_>,
) -> Result<Sweep, Failure> {
    let (which, at) = match *element {
        Element::Of(which, at) => (which, at),
        Element::Largest => largest(gradients),
    };
    let variable = &variables[which];
    let backprop = gradients[which].data().get(at).copied().unwrap_or(f64::NAN);
    let mut lab = Lab::<f64>::new(lowered, plan, &[], guard).map_err(Failure::Stopped)?;
    let steps: Vec<f64> =
        (0..STEPS).map(|i| if i % 2 == 0 { 10_f64.powi(-i / 2) } else { 10_f64.powf(-f64::from(i) / 2.0) }).collect();
    let mut errors = Vec::with_capacity(METHODS.len());
    for method in METHODS {
        let error = |&h: &f64| {
            let (slope, _) = lab.quotient(&Direction::Element(variable, at), method, h)?;
            let error = (slope - backprop).abs();
            Ok(if backprop == 0.0 { error } else { error / backprop.abs() })
        };
        errors.push(steps.iter().map(error).collect::<Result<Vec<_>, _>>().map_err(Failure::Stopped)?);
    }
    let evaluations = lab.evaluations;
    Ok(Sweep { name: variable.name.clone(), shape: variable.shape, at, backprop, steps, errors, evaluations })
}

fn largest(gradients: &[Tensor<f64>]) -> (usize, usize) {
    let mut best = (0, 0);
    let mut most = 0.0;
    for (which, gradient) in gradients.iter().enumerate() {
        for (at, x) in gradient.data().iter().enumerate() {
            if x.abs() > most {
                (best, most) = ((which, at), x.abs());
            }
        }
    }
    best
}

impl Sweep {
    pub(super) fn write(&self, w: &mut Writer) {
        w.object(|w| {
            w.key("parameter").string(&self.name);
            index(w.key("index"), self.shape, self.at);
            w.key("backprop").number(self.backprop);
            w.key("steps").array(|w| self.steps.iter().for_each(|&step| w.number(step)));
            w.key("errors").object(|w| {
                for (method, errors) in METHODS.iter().zip(&self.errors) {
                    w.key(method.as_str()).array(|w| errors.iter().for_each(|&error| w.number(error)));
                }
            });
            w.key("best").object(|w| {
                for (method, errors) in METHODS.iter().zip(&self.errors) {
                    let best = errors.iter().zip(&self.steps).min_by(|a, b| a.0.total_cmp(b.0));
                    if let Some((&error, &step)) = best {
                        w.key(method.as_str()).object(|w| {
                            w.key("step").number(step);
                            w.key("error").number(error);
                        });
                    }
                }
            });
        });
    }
}
