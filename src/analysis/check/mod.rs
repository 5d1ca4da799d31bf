//! The discrete gradient: the loss at `x ± h` against backprop, coordinate by coordinate. The quotients come from forward sweeps
//! alone, so that nothing is shared with what they judge but the values of the ops.

mod asked;
mod quotient;
mod sweep;
mod verdict;

use self::asked::Asked;
use self::quotient::{Direction, Lab, Method};
use self::sweep::Sweep;
use self::verdict::{Checked, Found};
use super::answer::{self, meta};
use super::function::{Point, Variable, drawn_flops, leaves, loss, objective, seeds};
use super::run::NonFinite;
use super::{Analysis, Cost, Failure, Form, Guard, Posed, Prepared, Reply, Request, pose, within};
use crate::config::Limits;
use crate::grading::metrics::Metrics;
use crate::graph::Plan;
use crate::lower::Need;
use crate::ops::Scalar;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::problem::Precision;
use crate::spec::write::{Wire, Writer};
use crate::tape::Backprop;
use crate::tensor::{DoubleDouble, Tensor};

/// The names of the methods, for the OpenAPI document.
pub(crate) fn methods() -> impl Iterator<Item = &'static str> {
    asked::METHODS.iter().map(|(name, _)| *name)
}

/// Kinks that the reply lists of one parameter; the rest are counted.
const KINKS_LISTED: usize = 10;

struct Ready {
    posed: Posed,
    asked: Asked,
    /// Forward, keeping what patterns are read off.
    forward: Plan,
    /// Forward and backward, for the gradient that is judged.
    backward: Plan,
    /// The cornered nodes between leaves and objective.
    corners: Vec<usize>,
    cost: Cost,
}

/// `POST /v1/check`.
pub const CHECK: Analysis = Analysis {
    name: "check",
    summary: "Backprop's gradient against perturbation: the discrete gradient, coordinate by coordinate.",
    description: "Moves one parameter (or input) at a time and looks what the loss does, by forward sweeps alone, and judges the gradient of backprop by it. Verdicts tell an error (`mismatch`) from a step that crossed a kink (`kink_crossed`: activation patterns at x and x ± h differ and still do after the step was halved three times), from a point on a kink (`at_kink`: any slope between the left and the right one is right) and from a difference below the rounding noise of the quotient (`below_noise`). `exact` takes central differences in double-double arithmetic (32 digits), which confirm backprop to 14. The row of an embedding's `padding_idx` is a mismatch: its gradient is 0 by PyTorch's convention, while the loss depends on it. `?sweep=true`, or `\"sweep\": true`, adds the error against the step for one number.",
    forms: &[Form::Json],
    prepare,
};

fn prepare(request: Request<'_>, _: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let query = request.query;
    let (posed, asked) =
        pose(request, Some("check"), Need::Loss, limits, |json, posed, faults| asked::read(json, query, posed, faults))?;
    let graph = &posed.lowered.graph;
    let ends = objective(&posed.lowered);
    let backward = Plan::new(graph, &[], &ends, &leaves(&asked.variables));
    let corners = quotient::corners(graph, &Plan::new(graph, &ends, &[], &[]));
    let mut kept = ends.clone();
    for &i in &corners {
        kept.push(graph.id(i));
        kept.extend(graph.nodes()[i].inputs.iter().map(|&input| graph.id(input)));
    }
    let forward = Plan::new(graph, &kept, &[], &[]);
    let cost = price(&asked, &forward, &backward, drawn_flops(&posed.lowered), limits)?;
    within(cost, limits)?;
    Ok(Box::new(Ready { posed, asked, forward, backward, corners, cost }))
}

/// Loss evaluations times their price, and one gradient.
fn price(asked: &Asked, forward: &Plan, backward: &Plan, drawn: u64, limits: &Limits) -> Result<Cost, Failure> {
    let evaluations = asked.evaluations();
    let (factor, width) = if asked.method == Method::Exact { (super::DOUBLE_DOUBLE_FLOPS, 16) } else { (1, 8) };
    let flops = forward.forward_flops().saturating_mul(factor).saturating_mul(evaluations);
    let gradient = backward.forward_flops().saturating_add(backward.backward_flops());
    let flops = flops.saturating_add(gradient).saturating_add(drawn.saturating_mul(3));
    if flops > limits.flops {
        let mut faults = Faults::new(limits.faults);
        let detail = format!(
            "checking {} numbers takes {evaluations} loss evaluations, {flops} floating-point operations; the limit is {}; set \"coordinates\" to check some of each parameter, or \"method\": \"directional\"",
            asked.numbers(),
            limits.flops
        );
        faults.push(At::ROOT.name("check"), Code::LimitExceeded, detail);
        return Err(Failure::OverLimit(faults));
    }
    // What is noted of each coordinate takes some hundred bytes.
    let noted = asked.numbers().saturating_mul(160);
    let peak = forward.peak_elements().max(backward.peak_elements()).saturating_mul(2 * width);
    Ok(Cost { flops, bytes: peak.saturating_add(noted) })
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        let single = self.posed.options.dtype == Precision::F32;
        let gradient = if single { self.backprop::<f32>(guard)? } else { self.backprop::<f64>(guard)? };
        let report = match self.asked.method {
            Method::Exact => self.report::<DoubleDouble>(gradient, guard)?,
            _ => self.report::<f64>(gradient, guard)?,
        };
        let mut w = Writer::new();
        report.write(&self, &mut w);
        Ok(Reply { content_type: "application/json", body: w.into_bytes() })
    }
}

/// What backprop says.
struct Gradient {
    loss: f64,
    /// Of each variable.
    gradients: Vec<Tensor<f64>>,
    non_finite: Option<NonFinite>,
}

/// What came of it all.
struct Report {
    gradient: Gradient,
    found: Vec<Found>,
    overall: Metrics,
    passed: bool,
    evaluations: u64,
    sweep: Option<Sweep>,
}

impl Ready {
    fn backprop<S: Scalar>(&self, guard: Guard<'_>) -> Result<Gradient, Failure> {
        let lowered = &self.posed.lowered;
        let point = Point::<S>::new(lowered, &self.backward);
        let tape = point.forward(lowered, &self.backward, guard).map_err(Failure::Stopped)?;
        let value = loss(lowered, &tape).map_or(f64::NAN, S::to_f64);
        let sweep = tape.backward(seeds(lowered), &Backprop, guard).map_err(Failure::Stopped)?;
        let double = |tensor: Tensor<S>| Tensor::new(tensor.shape(), tensor.data().iter().map(|x| x.to_f64()).collect());
        let gradients: Vec<_> = self.asked.variables.iter().map(|variable| double(variable.cotangent(&sweep))).collect();
        let finite = value.is_finite() && gradients.iter().all(|gradient| gradient.data().iter().all(|x| x.is_finite()));
        let non_finite = if finite {
            None
        } else {
            let found = point.first_non_finite(lowered, seeds(lowered), S::is_finite, guard);
            Some(found.map_err(Failure::Stopped)?)
        };
        Ok(Gradient { loss: value, gradients, non_finite })
    }

    fn report<S: Scalar>(&self, gradient: Gradient, guard: Guard<'_>) -> Result<Report, Failure> {
        let asked = &self.asked;
        let mut lab = Lab::<S>::new(&self.posed.lowered, &self.forward, &self.corners, guard).map_err(Failure::Stopped)?;
        let mut found = Vec::with_capacity(asked.variables.len());
        for (variable, gradient) in asked.variables.iter().zip(&gradient.gradients) {
            let checked = self.measure(&mut lab, variable, gradient)?;
            let scale = gradient.data().iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            found.push(verdict::judge(checked, &asked.tolerance, variable.size(), scale, !self.corners.is_empty()));
        }
        let pairs: Vec<_> = found.iter().flat_map(Found::judged).collect();
        let scale = pairs.iter().fold(0.0_f64, |most, (_, n)| most.max(n.abs()));
        let all = asked.tolerance.judge(&pairs, pairs.len(), scale, !self.corners.is_empty());
        // A test of whole tensors is also asked of all tensors together; one of single numbers has been asked already.
        let together = all.each.is_some() || all.all || found.iter().all(Found::drowned);
        let passed = together && !pairs.is_empty() && found.iter().all(|found| !found.failed());
        let sweep = match &asked.sweep {
            None => None,
            Some(element) => {
                Some(sweep::run(&self.posed.lowered, &self.forward, &asked.variables, &gradient.gradients, element, guard)?)
            }
        };
        let evaluations = lab.evaluations + sweep.as_ref().map_or(0, |sweep| sweep.evaluations);
        Ok(Report { gradient, found, overall: Metrics::of(pairs), passed, evaluations, sweep })
    }

    /// The difference quotients of one variable.
    fn measure<S: Scalar>(
        &self,
        lab: &mut Lab<'_, S>,
        variable: &Variable,
        gradient: &Tensor<f64>,
    ) -> Result<Vec<Checked>, Failure> {
        let asked = &self.asked;
        if asked.method == Method::Directional {
            let direction = asked::direction(variable, &asked.seed);
            let slope = direction.iter().zip(gradient.data()).map(|(v, g)| v * g).sum();
            let step = asked.step_at(1.0);
            let measured = lab.measure(&Direction::Along(variable, &direction), asked.method, step);
            return Ok(vec![Checked { at: None, backprop: slope, measured: measured.map_err(Failure::Stopped)? }]);
        }
        let coordinates = asked::coordinates(variable, asked.coordinates, &asked.seed);
        let mut checked = Vec::with_capacity(coordinates.len());
        for i in coordinates {
            let step = asked.step_at(lab.element(variable, i));
            let measured = lab.measure(&Direction::Element(variable, i), asked.method, step).map_err(Failure::Stopped)?;
            checked.push(Checked { at: Some(i), backprop: gradient.data()[i], measured });
        }
        Ok(checked)
    }
}

impl Report {
    fn write(&self, ready: &Ready, w: &mut Writer) {
        let asked = &ready.asked;
        w.object(|w| {
            w.key("passed").boolean(self.passed);
            w.key("method").string(asked.method.as_str());
            w.key("preset").string(&asked.tolerance.name);
            w.key("loss").number(self.gradient.loss);
            if let Some(objective) = &ready.posed.lowered.objective {
                answer::objective(w.key("objective"), &objective.echo);
            }
            w.key("loss_evaluations").integer(self.evaluations);
            self.overall.write(w.key("metrics"));
            w.key("parameters").object(|w| {
                for (variable, found) in asked.variables.iter().zip(&self.found) {
                    found.write(w.key(&variable.name), variable.shape, KINKS_LISTED);
                }
            });
            if let Some(sweep) = &self.sweep {
                sweep.write(w.key("sweep"));
            }
            if let Some(found) = &self.gradient.non_finite {
                answer::non_finite(w.key("non_finite"), found);
            }
            let write = if ready.posed.options.dtype == Precision::F32 { meta::<f32> } else { meta::<f64> };
            write(w.key("meta"), &ready.posed.request_hash);
        });
    }
}

/// An index of an element, axis by axis.
fn index(w: &mut Writer, shape: crate::tensor::Shape, at: usize) {
    let strides = shape.strides();
    w.array(|w| {
        for (axis, &dim) in shape.dims().iter().enumerate() {
            w.integer((at / strides[axis] % dim.max(1)) as u64);
        }
    });
}

/// A number, or null.
fn optional(w: &mut Writer, x: Option<impl Wire>) {
    match x {
        Some(x) => w.number(x),
        None => w.null(),
    }
}
