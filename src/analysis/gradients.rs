//! The main job: loss, outputs, every gradient, every node's dE/dz; and `forward`, the same without the backward sweep.

use std::sync::Arc;

use super::answer::{Answer, Entry};
use super::certify::Certificate;
use super::memo::{Known, Recalled};
use super::run::{Job, Run};
use super::shown::{Listed, Shown};
use super::skeleton::Place;
use super::stats::Work;
use super::{
    Analysis, Cost, DOUBLE_DOUBLE_FLOPS, Failure, Form, Guard, Library, Posed, Prepared, Reply, Request, picture, pose,
    request_hash, shards, within,
};
use crate::config::Limits;
use crate::lower::{Leaf, Need, random};
use crate::ops::Scalar;
use crate::spec::problem::{Options, Precision};
use crate::spec::write::Wire;
use crate::tape::Sweep;
use crate::tensor::{DoubleDouble, Shape};

/// A problem that is ready to run.
struct Ready {
    job: Arc<Job>,
    options: Arc<Options>,
    form: Form,
    backward: bool,
    cost: Cost,
    request_hash: String,
    stats: Option<Work>,
    /// What the replies to such problems have in common, where they are known.
    place: Option<Arc<Place>>,
}

/// `POST /v1/gradients`.
pub const GRADIENTS: Analysis = Analysis {
    name: "gradients",
    summary: "Loss, per-sample losses, outputs, all gradients and the trace of every node.",
    description: "The main job. Runs the network forward and backward over the minibatch. Every node's `z` and `dE_dz` (and `a`, `dE_da` where it has an activation) stand in `trace`, in a topological order; `gradients` mirrors the parameters. As `image/svg+xml` or `text/vnd.graphviz`, a picture: z and dE/dz in the nodes, weights and their gradients on the edges; more than 60 nodes are drawn as layers.",
    forms: &[Form::Json, Form::Safetensors, Form::Svg, Form::Dot],
    prepare: |request, form, limits| match form {
        Form::Svg | Form::Dot => picture::prepare(request, form, limits),
        Form::Json | Form::Safetensors | Form::EventStream => prepare(request, form, limits, true),
    },
};

/// `POST /v1/forward`.
pub const FORWARD: Analysis = Analysis {
    name: "forward",
    summary: "Loss, per-sample losses, outputs and the value of every node, without the backward pass.",
    description: "As `/v1/gradients`, but nothing is differentiated: `gradients`, `input_gradients` and the trace's cotangents are absent.",
    forms: &[Form::Json, Form::Safetensors],
    prepare: |request, form, limits| prepare(request, form, limits, false),
};

fn prepare(request: Request<'_>, form: Form, limits: &Limits, backward: bool) -> Result<Box<dyn Prepared>, Failure> {
    let memo = request.library.map(Library::memo);
    let recalled = memo.map_or(Recalled::Unfit, |memo| memo.recall(request, backward, limits));
    let (job, options, request_hash, place) = match recalled {
        Recalled::Known(Known { job, options, place }) => (job, options, request_hash(request), Some(place)),
        other => {
            let need = if backward { Need::Loss } else { Need::Outputs };
            let (posed, ()) = pose(request, None, need, limits, |_, _, _| Some(()))?;
            let Posed { lowered, selection, options, request_hash, names_network } = posed;
            let (job, options) = (Job::new(lowered, selection, backward), Arc::new(options));
            if let (Some(memo), Recalled::New(key), false) = (memo, other, names_network) {
                memo.learn(key, &job, &options);
            }
            (job, options, request_hash, None)
        }
    };
    let mut cost = cost(&job, &options, backward);
    let stats = (backward && options.stats).then(|| Work::new(&job.lowered, &job.selection.parameters)).flatten();
    if let Some(work) = &stats {
        cost.flops = cost.flops.saturating_add(work.flops(job.lowered.samples));
        cost.bytes = cost.bytes.saturating_add(work.elements().saturating_mul(8));
    }
    within(cost, limits)?;
    Ok(Box::new(Ready { job: Arc::new(job), options, form, backward, cost, request_hash, stats, place }))
}

fn cost(job: &Job, options: &Options, backward: bool) -> Cost {
    let (plan, lowered) = (&job.plan, &job.lowered);
    let width = match options.dtype {
        Precision::F64 => 8,
        Precision::F32 => 4,
    };
    let asked = || job.selection.parameters.iter().map(|&i| lowered.parameters[i].shape.size() as u64);
    let drawn = lowered.leaves.iter().map(|(id, leaf)| match leaf {
        Leaf::Init(init, _) => random::flops(init, lowered.graph.shape(*id)),
        _ => 0,
    });
    let mut flops = drawn.fold(plan.forward_flops(), u64::saturating_add);
    // Text takes some 20 bytes a number, and the reply holds at most what the sweeps hold.
    let mut bytes = plan.peak_elements().saturating_mul(width + 20);
    if backward {
        let sweeps = if options.per_sample { 1 + lowered.samples as u64 } else { 1 };
        flops = flops.saturating_add(plan.backward_flops().saturating_mul(sweeps));
        if options.per_sample {
            let elements = asked().fold(0_u64, u64::saturating_add).saturating_mul(lowered.samples as u64);
            bytes = bytes.saturating_add(elements.saturating_mul(width + 20));
        }
    }
    if backward && options.certify {
        // The same sweeps over numbers of twice the width.
        flops = flops.saturating_add(flops.saturating_mul(DOUBLE_DOUBLE_FLOPS));
        bytes = bytes.saturating_add(plan.peak_elements().saturating_mul(16));
    }
    Cost { flops, bytes }
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        match self.options.dtype {
            Precision::F64 => self.answer::<f64>(guard),
            Precision::F32 => self.answer::<f32>(guard),
        }
    }
}

impl Ready {
    fn answer<S: Scalar + Wire>(&self, guard: Guard<'_>) -> Result<Reply, Failure> {
        let lowered = &self.job.lowered;
        let (run, sweep) = if self.options.per_sample && self.backward {
            let run: Run<'_, S> = self.job.forward(guard).map_err(Failure::Stopped)?;
            let sweep = run.backward(guard).map_err(Failure::Stopped)?;
            (run, Some(sweep))
        } else {
            shards::sweep(&self.job, self.backward, guard).map_err(Failure::Stopped)?
        };
        let penalties = if lowered.penalties.is_empty() || !self.backward {
            None
        } else {
            Some(run.backward_penalties(guard).map_err(Failure::Stopped)?)
        };
        let outputs = lowered.outputs.iter().map(|&i| &lowered.nodes[i]);
        let mut answer = Answer {
            loss: run.loss(),
            losses: run.losses().map(Shown::from),
            objective: lowered.objective.as_ref().map(|objective| &objective.echo),
            outputs: outputs.map(|node| (node.id.as_str(), run.value(node.z).into())).collect(),
            gradients: None,
            input_gradients: None,
            regularization: None,
            stats: None,
            certificate: None,
            trace: self.trace(&run, sweep.as_ref()),
            non_finite: None,
            request_hash: &self.request_hash,
            place: self.place.as_deref(),
        };
        if let Some(sweep) = &sweep {
            let gradients = if self.options.per_sample { self.per_sample(&run, guard)? } else { self.gradients(sweep) };
            answer.gradients = Some(gradients);
            answer.input_gradients = Some(self.input_gradients(sweep)).filter(|list| !list.is_empty());
        }
        if let Some(work) = &self.stats {
            answer.stats = Some(work.run::<S>(lowered, guard).map_err(Failure::Stopped)?);
        }
        if self.backward && self.options.certify {
            answer.certificate = Some(self.certify(&answer, guard)?);
        }
        if !lowered.penalties.is_empty() {
            answer.regularization = Some((run.penalty(), penalties.as_ref().map(|sweep| self.gradients(sweep))));
        }
        if !answer.is_finite() {
            answer.non_finite = Some(run.first_non_finite(guard).map_err(Failure::Stopped)?);
        }
        Ok(answer.write(self.form, self.options.encoding))
    }

    /// The same gradients in double-double arithmetic, beside those of the answer.
    fn certify<S: Scalar>(&self, answer: &Answer<'_, S>, guard: Guard<'_>) -> Result<Certificate, Failure> {
        let run: Run<'_, DoubleDouble> = self.job.forward(guard).map_err(Failure::Stopped)?;
        let sweep = run.backward(guard).map_err(Failure::Stopped)?;
        let exact = if self.options.per_sample { self.per_sample(&run, guard)? } else { self.gradients(&sweep) };
        let inputs = self.input_gradients(&sweep);
        let none = Listed::<S>::new();
        let given = answer.gradients.as_ref().unwrap_or(&none);
        Ok(Certificate::new((given, &exact), answer.input_gradients.as_ref().map(|given| (given, &inputs))))
    }

    fn gradients<'s, S: Scalar>(&'s self, sweep: &'s Sweep<S>) -> Listed<'s, S> {
        let asked = self.job.selection.parameters.iter().map(|&i| &self.job.lowered.parameters[i]);
        asked.map(|parameter| (parameter.name.as_str(), Shown::gradient(sweep, parameter))).collect()
    }

    fn input_gradients<'s, S: Scalar>(&'s self, sweep: &'s Sweep<S>) -> Listed<'s, S> {
        let lowered = &self.job.lowered;
        let asked = self.job.selection.inputs.iter().map(|&i| &lowered.inputs[i]);
        let shown = |leaf| Shown::bar(sweep.cotangent(leaf), lowered.graph.shape(leaf));
        asked.map(|input| (input.name.as_str(), shown(input.leaf))).collect()
    }

    /// The gradient of every sample's own loss, stacked along a leading sample axis.
    fn per_sample<S: Scalar>(&self, run: &Run<'_, S>, guard: Guard<'_>) -> Result<Listed<'_, S>, Failure> {
        let samples = self.job.lowered.samples;
        let asked = || self.job.selection.parameters.iter().map(|&i| &self.job.lowered.parameters[i]);
        let mut data: Vec<Vec<S>> = asked().map(|parameter| Vec::with_capacity(samples * parameter.shape.size())).collect();
        for sample in 0..samples {
            let sweep = run.backward_sample(sample, guard).map_err(Failure::Stopped)?;
            for (data, parameter) in data.iter_mut().zip(asked()) {
                data.extend_from_slice(&Shown::gradient(&sweep, parameter).data);
            }
        }
        let stacked = asked().zip(data).map(|(parameter, data)| {
            let shape =
                Shape::batched(samples, parameter.shape.dims()).expect("priced below the limits, one axis below the most");
            (parameter.name.as_str(), Shown::owned(shape, data))
        });
        Ok(stacked.collect())
    }

    fn trace<'s, S: Scalar>(&'s self, run: &'s Run<'_, S>, sweep: Option<&'s Sweep<S>>) -> Option<Vec<Entry<'s, S>>> {
        if self.options.trace == crate::spec::problem::Trace::None {
            return None;
        }
        let graph = &self.job.lowered.graph;
        let bar = |sweep: &'s Sweep<S>, id| Shown::bar(sweep.cotangent(id), graph.shape(id));
        let entry = |&i: &usize| {
            let node = &self.job.lowered.nodes[i];
            let tensors = [
                node.a.map(|a| ("a", run.value(a).into())),
                Some(("z", run.value(node.z).into())),
                sweep.zip(node.a).map(|(sweep, a)| ("dE_da", bar(sweep, a))),
                sweep.map(|sweep| ("dE_dz", bar(sweep, node.z))),
            ];
            Entry { id: &node.id, op: &node.op, inputs: &node.inputs, tensors }
        };
        Some(self.job.selection.trace.iter().map(entry).collect())
    }
}
