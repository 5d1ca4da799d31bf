//! The Jacobian of a node by parameters and inputs, sample by sample.
//!
//! Its entries are sums over paths of products of local derivatives, which may be multiplied from either end. Forward: a column,
//! for one number of what is moved, is a sweep over dual numbers. Reverse: a row, for one number of the node, is a backward
//! sweep. A minibatch whose samples do not meet shares its sweeps: samples' own inputs move, and their own outputs are pulled,
//! all at once.

use super::arguments::{refuse_options, required, wrt};
use super::function::{Point, Variable, both_finite, drawn_flops, leaves};
use super::jvp::{DUAL_BYTES, DUAL_FLOPS};
use super::sheet::{Entry, Sheet};
use super::vjp::node;
use super::{Analysis, Cost, Failure, Form, Guard, Posed, Prepared, Reply, Request, pose, within};
use crate::config::Limits;
use crate::graph::{NodeId, Plan};
use crate::lower::Need;
use crate::spec::decode::{Fields, string};
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;
use crate::tape::{Backprop, Tape};
use crate::tensor::{Dual, MAX_RANK, Shape, Tensor};

/// Bytes of one entry: the number and its text.
const ENTRY_BYTES: u64 = 8 + 20;

/// From which end the chain rule is multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Forward,
    Reverse,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Reverse => "reverse",
        }
    }
}

/// What is asked.
struct Asked {
    /// The node's place in the nodes' list.
    of: usize,
    variables: Vec<Variable>,
    mode: Option<Mode>,
}

struct Ready {
    posed: Posed,
    of: NodeId,
    variables: Vec<Variable>,
    /// `[N, …of…, …wrt…]` of each variable.
    shapes: Vec<Shape>,
    mode: Mode,
    plan: Plan,
    form: Form,
    cost: Cost,
}

/// `POST /v1/jacobian`.
pub const JACOBIAN: Analysis = Analysis {
    name: "jacobian",
    summary: "The derivative of every number of a node by every number of parameters and inputs, for each sample.",
    description: "`jacobian[name]` has the shape [N, ...of, ...wrt]: for an input, the derivative of a sample's node by that sample's own input (`torch.vmap` of `torch.func.jacrev`); for a parameter, by the parameter that all samples share. `mode` says from which end the chain rule is multiplied, which changes the price and not the answer; left out, the cheaper one is taken, and the reply names it.",
    forms: &[Form::Json, Form::Safetensors],
    prepare,
};

fn prepare(request: Request<'_>, form: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let (posed, asked) = pose(request, Some("jacobian"), Need::Outputs, limits, own)?;
    let lowered = &posed.lowered;
    let of = lowered.nodes[asked.of].z;
    let variables = asked.variables;
    let (shapes, numbers) = shapes(lowered.graph.shape(of), &variables, limits)?;
    let plan = Plan::new(&lowered.graph, &[of], &[of], &leaves(&variables));
    let price = |mode: Mode| {
        let (sweeps, each) = match mode {
            Mode::Forward => (columns(&variables), plan.forward_flops().saturating_mul(DUAL_FLOPS)),
            Mode::Reverse => (rows(lowered.graph.shape(of), &variables), plan.backward_flops()),
        };
        plan.forward_flops().saturating_add(sweeps.saturating_mul(each))
    };
    let cheaper = if price(Mode::Forward) < price(Mode::Reverse) { Mode::Forward } else { Mode::Reverse };
    let mode = asked.mode.unwrap_or(cheaper);
    let cost = Cost {
        flops: price(mode).saturating_add(drawn_flops(lowered)),
        bytes: numbers.saturating_mul(ENTRY_BYTES).saturating_add(plan.peak_elements().saturating_mul(DUAL_BYTES)),
    };
    within(cost, limits)?;
    Ok(Box::new(Ready { posed, of, variables, shapes, mode, plan, form, cost }))
}

fn own(json: Option<Json<'_>>, posed: &Posed, faults: &mut Faults) -> Option<Asked> {
    refuse_options(&posed.options, "jacobian", false, faults);
    let lowered = &posed.lowered;
    let at = At::ROOT.name("jacobian");
    let mut fields = Fields::of(required(json, "jacobian", faults)?, at, faults)?;
    let of = fields.require("of", faults).and_then(|json| string(json, at.name("of"), faults));
    let variables = wrt(&mut fields, at, posed, &["*"], faults);
    let before = faults.count();
    let mode = fields.word("mode", &[("forward", Mode::Forward), ("reverse", Mode::Reverse)], faults);
    let mode_read = faults.count() == before;
    fields.finish(faults);
    let of = match node(lowered, &of?) {
        Ok((i, shape)) if shape.is_batched() => i,
        Ok(_) => {
            faults.push(at.name("of"), Code::InvalidValue, "this node depends on no input: it has no sample axis");
            return None;
        }
        Err(fault) => {
            if let Some((code, detail)) = fault {
                faults.push(at.name("of"), code, detail);
            }
            return None;
        }
    };
    let variables = variables?;
    if lowered.graph.couples_samples() && variables.iter().any(|variable| variable.is_input) {
        let detail = "a sample's value depends on the other samples (batch statistics), so it has no Jacobian by its own input alone; set \"training\": false, or ask for parameters";
        faults.push(at.name("wrt"), Code::InvalidValue, detail);
        return None;
    }
    mode_read.then_some(Asked { of, variables, mode })
}

/// The shape of each variable's part, and how many numbers they hold together.
fn shapes(of: Shape, variables: &[Variable], limits: &Limits) -> Result<(Vec<Shape>, u64), Failure> {
    let mut faults = Faults::new(limits.faults);
    let at = At::ROOT.name("jacobian");
    let mut shapes = Vec::with_capacity(variables.len());
    let mut numbers = 0_u64;
    for variable in variables {
        let name = &variable.name;
        let mut dims = of.dims().to_vec();
        dims.extend_from_slice(variable.shape.sample_dims());
        let size = dims.iter().fold(1_u64, |size, &dim| size.saturating_mul(dim as u64));
        numbers = numbers.saturating_add(size);
        let bytes = numbers.saturating_mul(ENTRY_BYTES);
        if dims.len() > MAX_RANK {
            let detail = format!("by \"{name}\" it has {} axes, the limit is {MAX_RANK}", dims.len());
            faults.push(at, Code::LimitExceeded, detail);
        } else if bytes > limits.memory_bytes {
            let detail = format!(
                "up to \"{name}\" it holds {numbers} numbers, {bytes} bytes with their text; the limit is {}",
                limits.memory_bytes
            );
            faults.push(at, Code::LimitExceeded, detail);
            break;
        } else if let Ok(shape) = Shape::new(&dims) {
            shapes.push(shape);
        }
    }
    if faults.is_empty() { Ok((shapes, numbers)) } else { Err(Failure::OverLimit(faults)) }
}

/// Forward sweeps: one for each number of what is moved, an input's samples together.
fn columns(variables: &[Variable]) -> u64 {
    variables.iter().map(|variable| variable.shape.sample_size() as u64).fold(0, u64::saturating_add)
}

/// Backward sweeps: one for each number of the node, samples together for inputs and one by one for parameters.
fn rows(of: Shape, variables: &[Variable]) -> u64 {
    let inputs = if variables.iter().any(|variable| variable.is_input) { of.sample_size() as u64 } else { 0 };
    let parameters = if variables.iter().any(|variable| !variable.is_input) { of.size() as u64 } else { 0 };
    inputs.saturating_add(parameters)
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        let Posed { lowered, options, request_hash, .. } = &self.posed;
        let mut parts: Vec<_> = self.shapes.iter().map(|shape| vec![0.0; shape.size()]).collect();
        match self.mode {
            Mode::Forward => self.forward(&mut parts, guard)?,
            Mode::Reverse => self.reverse(&mut parts, guard)?,
        }
        let parts = self.variables.iter().zip(&self.shapes).zip(parts);
        let mut sheet = Sheet::new();
        sheet.put("mode", Entry::Word(self.mode.as_str()));
        let named = parts.map(|((variable, &shape), data)| (variable.name.clone(), Tensor::new(shape, data)));
        sheet.put("jacobian", Entry::Named(named.collect()));
        let non_finite = if sheet.is_finite() {
            None
        } else {
            let mut moving = Point::<Dual>::new(lowered, &self.plan);
            for variable in &self.variables {
                (0..variable.size()).for_each(|i| moving.change(variable, i, |x| Dual::new(x.primal, 1.0)));
            }
            let seed = Tensor::full(lowered.graph.shape(self.of), Dual::new(1.0, 0.0));
            let found = moving.first_non_finite(lowered, vec![(self.of, seed)], both_finite, guard);
            Some(found.map_err(Failure::Stopped)?)
        };
        Ok(sheet.write(self.form, options.encoding, non_finite.as_ref(), request_hash))
    }
}

impl Ready {
    /// Samples, and numbers of the node in each.
    fn sizes(&self) -> (usize, usize) {
        let of = self.posed.lowered.graph.shape(self.of);
        (of.samples().unwrap_or(1), of.sample_size())
    }

    /// Column by column.
    fn forward(&self, parts: &mut [Vec<f64>], guard: Guard<'_>) -> Result<(), Failure> {
        let lowered = &self.posed.lowered;
        let here = Point::<Dual>::new(lowered, &self.plan);
        for (variable, part) in self.variables.iter().zip(parts) {
            let width = variable.shape.sample_size();
            for column in 0..width {
                let mut point = here.clone();
                // An input moves in all samples at once: each sample's node sees its own alone.
                let moved = (column..variable.size()).step_by(width);
                moved.for_each(|i| point.change(variable, i, |x| Dual::new(x.primal, 1.0)));
                let tape = point.forward(lowered, &self.plan, guard).map_err(Failure::Stopped)?;
                for (row, y) in tape.value(self.of).data().iter().enumerate() {
                    part[row * width + column] = y.tangent;
                }
            }
        }
        Ok(())
    }

    /// Row by row.
    fn reverse(&self, parts: &mut [Vec<f64>], guard: Guard<'_>) -> Result<(), Failure> {
        let lowered = &self.posed.lowered;
        let (samples, size) = self.sizes();
        let tape = Point::<f64>::new(lowered, &self.plan).forward(lowered, &self.plan, guard).map_err(Failure::Stopped)?;
        let all: Vec<usize> = (0..samples).collect();
        for row in 0..size {
            if self.variables.iter().any(|variable| variable.is_input) {
                self.pull(&tape, &all, row, true, parts, guard)?;
            }
            if self.variables.iter().any(|variable| !variable.is_input) {
                for sample in 0..samples {
                    self.pull(&tape, &[sample], row, false, parts, guard)?;
                }
            }
        }
        Ok(())
    }

    /// Pull one number of the node back, in some samples, to the inputs or to the parameters.
    fn pull(
        &self,
        tape: &Tape<'_, f64>,
        samples: &[usize],
        row: usize,
        inputs: bool,
        parts: &mut [Vec<f64>],
        guard: Guard<'_>,
    ) -> Result<(), Failure> {
        let shape = self.posed.lowered.graph.shape(self.of);
        let size = shape.sample_size();
        let mut seed = vec![0.0; shape.size()];
        samples.iter().for_each(|&sample| seed[sample * size + row] = 1.0);
        let seeds = [(self.of, Tensor::new(shape, seed))];
        let sweep = tape.backward(seeds, &Backprop, guard).map_err(Failure::Stopped)?;
        let meant = self.variables.iter().zip(parts).filter(|(variable, _)| variable.is_input == inputs);
        for (variable, part) in meant {
            let width = variable.shape.sample_size();
            let bar = variable.cotangent(&sweep);
            for &sample in samples {
                let from = if inputs { sample * width } else { 0 };
                let to = (sample * size + row) * width;
                part[to..to + width].copy_from_slice(&bar.data()[from..from + width]);
            }
        }
        Ok(())
    }
}
