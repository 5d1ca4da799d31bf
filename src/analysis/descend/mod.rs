//! Steps of an optimiser: PyTorch's training loop, over the whole batch or over minibatches.
//!
//! Nothing is lowered between steps: a graph stays and its leaves' values change. There is one graph for each size that a
//! minibatch has (at most two), and their leaves stand in the same order as the whole batch's, from which samples are gathered.

mod arguments;
mod minibatches;
mod reply;
mod train;

pub use arguments::ARGUMENTS;

use arguments::Arguments;
use minibatches::Minibatches;

use super::run::Job;
use super::{Analysis, Cost, Failure, Form, Guard, Posed, Prepared, Reply, Request, Tell, named, pose, read, within};
use crate::config::Limits;
use crate::lower::{Leaf, Lowered, Need, Selection, lower, random, select};
use crate::spec::fault::{At, Code, Faults};
use crate::spec::problem::{Options, Precision};

const NAME: &str = "descend";

/// `POST /v1/descend`.
pub const DESCEND: Analysis = Analysis {
    name: NAME,
    summary: "Steps of an optimiser from these parameters: losses on the way and the parameters at the end; JSON, or a live event stream.",
    description: include_str!("description.md"),
    forms: &[Form::Json, Form::Safetensors, Form::EventStream],
    prepare,
};

/// A problem that is ready to be trained.
struct Ready {
    whole: Job,
    /// The graphs of minibatches, one a size; none where every step takes the whole batch.
    smaller: Vec<Job>,
    minibatches: Option<Minibatches>,
    arguments: Arguments,
    options: Options,
    form: Form,
    cost: Cost,
    request_hash: String,
}

fn prepare(request: Request<'_>, form: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let (posed, arguments) = pose(request, Some(NAME), Need::Loss, limits, |json, posed, faults| {
        trainable(posed, faults);
        arguments::read(json, posed.lowered.samples, faults)
    })?;
    let Posed { lowered, selection, options, request_hash, .. } = posed;
    let minibatches = arguments.batch_size.map(|size| Minibatches::new(lowered.samples, size, arguments.shuffle_seed.clone()));
    let sizes = minibatches.iter().flat_map(Minibatches::sizes);
    let smaller = sizes.map(|size| of_size(request, size, &lowered, limits)).collect::<Result<Vec<_>, _>>()?;
    let whole = job(lowered, selection, smaller.is_empty());
    let mut ready = Ready { whole, smaller, minibatches, arguments, options, form, cost: Cost::default(), request_hash };
    ready.cost = ready.price();
    within(ready.cost, limits)?;
    Ok(Box::new(ready))
}

/// Whether there is something to train, and nothing else is asked.
fn trainable(posed: &Posed, faults: &mut Faults) {
    let options = At::ROOT.name("options");
    if posed.options.per_sample {
        faults.push(options.name("per_sample"), Code::InvalidValue, "an optimiser steps by the gradient of the whole objective");
    }
    if let Some(&input) = posed.selection.inputs.first() {
        let name = &posed.lowered.inputs[input].name;
        let detail = format!("the input \"{name}\" is no parameter: name the parameters that are to be trained");
        faults.push(options.name("wrt"), Code::InvalidValue, detail);
    }
    if faults.is_empty() && posed.selection.parameters.is_empty() {
        let detail = "there is nothing to train: no parameter of the network is meant";
        faults.push(At::ROOT, Code::MissingParameter, detail);
    }
}

/// A run that gives the loss and, for training, the gradients of what is trained; nothing else is kept.
fn job(mut lowered: Lowered, selection: Selection, trains: bool) -> Job {
    lowered.outputs = [].into();
    Job::new(lowered, Selection { inputs: Vec::new(), trace: Vec::new(), ..selection }, trains)
}

/// The same problem over its first samples alone.
fn of_size(request: Request<'_>, samples: usize, whole: &Lowered, limits: &Limits) -> Result<Job, Failure> {
    let mut faults = Faults::new(limits.faults);
    let mut problem = read(request, Some(NAME), limits, &mut faults)?;
    if let Some(batch) = &mut problem.batch {
        batch.truncate(samples);
    }
    let options = problem.options.clone();
    let stored = named(request, &mut problem)?;
    let problem = match &stored {
        None => problem,
        Some(stored) => stored.lend(problem),
    };
    let Some(lowered) = lower(problem, Need::Loss, limits, &mut faults).filter(|_| faults.is_empty()) else {
        return Err(Failure::Invalid(faults));
    };
    let alike = |(a, b): (&(_, Leaf), &(_, Leaf))| {
        let (a, b) = (whole.graph.shape(a.0), lowered.graph.shape(b.0));
        (a.is_batched(), a.sample_dims()) == (b.is_batched(), b.sample_dims())
    };
    assert!(
        whole.leaves.len() == lowered.leaves.len() && whole.leaves.iter().zip(&lowered.leaves).all(alike),
        "lowering makes the same leaves in the same order, however many samples there are"
    );
    let selection = select(&lowered, &options, &mut faults);
    Ok(job(lowered, selection, true))
}

impl Ready {
    fn price(&self) -> Cost {
        /// What a node costs beside its arithmetic, in floating-point operations.
        const NODE: u64 = 100;
        let of_step = |job: &Job| {
            let masks = job.lowered.leaves.iter().filter(|(_, leaf)| matches!(leaf, Leaf::Mask { .. }));
            let drawn = masks.map(|(id, _)| 20 * job.lowered.graph.shape(*id).size() as u64).sum::<u64>();
            let nodes = NODE * job.lowered.graph.nodes().len() as u64;
            let update = self.trained().saturating_mul(self.arguments.optimizer.flops + 4);
            let sweeps = job.plan.forward_flops().saturating_add(job.plan.backward_flops());
            sweeps.saturating_add(update).saturating_add(drawn).saturating_add(nodes)
        };
        let (whole, steps) = (&self.whole.lowered, self.arguments.steps);
        let made = whole.leaves.iter().map(|(id, leaf)| match leaf {
            Leaf::Init(init, _) => random::flops(init, whole.graph.shape(*id)),
            _ => 0,
        });
        let mut flops = made.fold(of_step(&self.whole), u64::saturating_add);
        flops = flops.saturating_add(match &self.minibatches {
            None => of_step(&self.whole).saturating_mul(steps),
            Some(minibatches) => {
                let counts = minibatches.steps_by_size(steps);
                let steps = self.smaller.iter().zip(counts).map(|(job, count)| of_step(job).saturating_mul(count));
                steps.fold(minibatches.dealing(steps_of(counts)), u64::saturating_add)
            }
        });
        Cost { flops, bytes: self.bytes() }
    }

    fn bytes(&self) -> u64 {
        let width = match self.options.dtype {
            Precision::F64 => 8,
            Precision::F32 => 4,
        };
        let whole = &self.whole.lowered;
        let peak = self.smaller.iter().chain([&self.whole]).map(|job| job.plan.peak_elements()).max().unwrap_or(0);
        let leaves = whole.leaves.iter().map(|(id, _)| whole.graph.shape(*id).size() as u64).fold(0, u64::saturating_add);
        let state = self.trained().saturating_mul(self.arguments.optimizer.state);
        let parameters = whole.parameters.iter().map(|p| p.shape.size() as u64).fold(0, u64::saturating_add);
        let numbers = peak.saturating_add(leaves).saturating_add(state).saturating_add(parameters);
        // Two numbers and a step for each report, as numbers and as text; told as an event, a line and its place in a queue.
        let each = if self.form == Form::EventStream { 3 * (8 + 20) + 160 } else { 3 * (8 + 20) };
        let reports = self.arguments.steps.div_ceil(self.arguments.report_every).saturating_mul(each);
        let order = if self.minibatches.is_some() { 4 * whole.samples as u64 } else { 0 };
        numbers.saturating_mul(width).saturating_add(parameters.saturating_mul(20)).saturating_add(reports).saturating_add(order)
    }

    /// How many numbers are trained.
    fn trained(&self) -> u64 {
        let trained = self.whole.selection.parameters.iter().map(|&i| self.whole.lowered.parameters[i].shape.size() as u64);
        trained.fold(0, u64::saturating_add)
    }

    fn answer(&mut self, guard: Guard<'_>, tell: Option<Tell<'_>>) -> Result<Reply, Failure> {
        match self.options.dtype {
            Precision::F64 => self.train::<f64>(guard, tell).map(|trained| trained.write(self)),
            Precision::F32 => self.train::<f32>(guard, tell).map(|trained| trained.write(self)),
        }
        .map_err(Failure::Stopped)
    }
}

fn steps_of(counts: [u64; 2]) -> u64 {
    counts[0].saturating_add(counts[1])
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(mut self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        self.answer(guard, None)
    }

    fn run_telling(mut self: Box<Self>, guard: Guard<'_>, tell: Tell<'_>) -> Result<Reply, Failure> {
        self.answer(guard, Some(tell))
    }
}
