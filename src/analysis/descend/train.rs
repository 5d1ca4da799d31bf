//! The loop: sweep forward, sweep back, let the optimiser move what is trained.

use indexmap::IndexMap;

use super::Ready;
use crate::analysis::answer::Named;
use crate::analysis::run::{Job, NonFinite, owner};
use crate::analysis::{Event, Guard, Stop, Tell};
use crate::graph::NodeId;
use crate::lower::{Leaf, random};
use crate::ops::Scalar;
use crate::optim::{Optimizer, Trainable};
use crate::spec::write::{Wire, Writer};
use crate::tape::Sweep;
use crate::tensor::Tensor;

/// What training came to.
#[derive(Debug)]
pub(super) struct Trained<S> {
    /// The objective over the whole batch after the last step.
    pub(super) loss: S,
    pub(super) reports: Vec<Report<S>>,
    pub(super) parameters: Named<S>,
    pub(super) non_finite: Option<(u64, NonFinite)>,
}

/// What a step found before it moved anything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report<S> {
    pub(super) step: u64,
    pub(super) loss: S,
    pub(super) gradient_norm: S,
}

impl<S: Wire> Report<S> {
    fn event(self) -> Event {
        let mut w = Writer::new();
        w.object(|w| {
            w.key("step").integer(self.step);
            w.key("loss").number(self.loss);
            w.key("gradient_norm").number(self.gradient_norm);
        });
        Event { name: "step", data: w.into_bytes() }
    }
}

impl Ready {
    /// Take all steps.
    pub(super) fn train<S: Scalar + Wire + Trainable>(
        &mut self,
        guard: Guard<'_>,
        mut tell: Option<Tell<'_>>,
    ) -> Result<Trained<S>, Stop> {
        let Self { whole, smaller, minibatches, arguments, .. } = self;
        let mut state = State::<S>::new(whole);
        let entry = arguments.optimizer;
        let mut trained = Slot::all(whole, |size| S::optimizer(entry, &arguments.values, size));
        let (mut reports, mut non_finite) = (Vec::new(), None);
        for step in 0..arguments.steps {
            state.step = step;
            let (job, rows) = match minibatches {
                None => (&*whole, None),
                Some(minibatches) => {
                    let rows = minibatches.of(step);
                    let job = smaller.iter_mut().find(|job| job.lowered.samples == rows.len());
                    let job = job.expect("there is a graph for each size");
                    if let (Some(objective), Some(of_all)) = (&mut job.lowered.objective, &whole.lowered.objective) {
                        objective.factors = of_all.factors_of(rows);
                    }
                    (&*job, Some(rows))
                }
            };
            let leaf = |id| state.leaf(job, id, rows);
            let run = job.forward_from(leaf, guard)?;
            let loss = run.loss().expect("a problem without a loss is refused");
            let sweep = run.backward(guard)?;
            let report = Report { step, loss, gradient_norm: S::from_f64(gradient_norm(&trained, job, &sweep)) };
            if non_finite.is_none() && !(loss.is_finite() && report.gradient_norm.is_finite()) {
                non_finite = Some((step, run.first_non_finite_from(leaf, guard)?));
            }
            drop(run); // It shares the leaves, which could not be changed in place.
            if step % arguments.report_every == 0 {
                reports.push(report);
                if let Some(tell) = &mut tell {
                    tell(report.event());
                }
            }
            for slot in &mut trained {
                slot.step(job, &sweep, &mut state);
            }
        }
        state.step = arguments.steps;
        let leaf = |id| state.leaf(whole, id, None);
        let run = whole.forward_from(leaf, guard)?;
        let loss = run.loss().expect("a problem without a loss is refused");
        let parameters = state.parameters(whole);
        if non_finite.is_none() {
            let broken = parameters.iter().find(|(_, tensor)| tensor.data().iter().any(|x| !x.is_finite()));
            non_finite = match broken {
                Some((name, _)) => Some((arguments.steps - 1, NonFinite { first_node: owner(name), pass: "update" })),
                None if !loss.is_finite() => Some((arguments.steps, run.first_non_finite_from(leaf, guard)?)),
                None => None,
            };
        }
        Ok(Trained { loss, reports, parameters, non_finite })
    }
}

/// The values of the whole batch's leaves, as far as training has come.
#[derive(Debug)]
struct State<S> {
    /// In the order of the leaves; nothing for a mask, which is drawn anew at each step.
    leaves: Vec<Option<Tensor<S>>>,
    step: u64,
}

impl<S: Scalar> State<S> {
    fn new(whole: &Job) -> Self {
        let value = |(id, leaf): &(NodeId, Leaf)| (!matches!(leaf, Leaf::Mask { .. })).then(|| whole.leaf(*id));
        Self { leaves: whole.lowered.leaves.iter().map(value).collect(), step: 0 }
    }

    /// The value of a leaf of `job`, whose samples are those `rows` of the whole batch, or all.
    fn leaf(&self, job: &Job, id: NodeId, rows: Option<&[u32]>) -> Tensor<S> {
        let place = job.place(id);
        let shape = job.lowered.graph.shape(id);
        match (&self.leaves[place], &job.lowered.leaves[place].1, rows) {
            (Some(value), _, Some(rows)) if shape.is_batched() => {
                let size = shape.sample_size();
                let mut data = Vec::with_capacity(shape.size());
                rows.iter().for_each(|&row| data.extend_from_slice(&value.data()[row as usize * size..][..size]));
                Tensor::new(shape, data)
            }
            (None, Leaf::Mask { p, seed, stream }, _) => {
                let mask = random::dropout_mask(*p, shape.size(), seed, &random::at_step(stream, self.step));
                Tensor::shared(shape, S::from_doubles(&mask.into()))
            }
            (Some(value), ..) => value.clone(),
            (None, ..) => unreachable!("all leaves but masks have a value"),
        }
    }

    /// Every parameter under its name.
    fn parameters(&self, whole: &Job) -> Named<S> {
        let value = |parameter: &crate::lower::Parameter| {
            let leaf = self.leaves[whole.place(parameter.leaf)].as_ref().expect("a parameter is no mask");
            match parameter.element {
                None => leaf.clone(),
                Some(element) => Tensor::scalar(leaf.data()[element as usize]),
            }
        };
        whole.lowered.parameters.iter().map(|parameter| (parameter.name.clone(), value(parameter))).collect()
    }
}

/// A leaf of which all, or some elements, are trained, and its optimiser.
#[derive(Debug)]
struct Slot<S> {
    place: usize,
    /// The elements that are trained, where it is not all of them: a neuron keeps its weights in one leaf.
    elements: Option<Vec<u32>>,
    optimizer: Box<dyn Optimizer<S>>,
}

impl<S: Scalar> Slot<S> {
    fn all(whole: &Job, optimizer: impl Fn(usize) -> Box<dyn Optimizer<S>>) -> Vec<Self> {
        let mut asked: IndexMap<NodeId, Vec<u32>> = IndexMap::new();
        for parameter in whole.selection.parameters.iter().map(|&i| &whole.lowered.parameters[i]) {
            asked.entry(parameter.leaf).or_default().extend(parameter.element);
        }
        let slot = |(leaf, elements): (NodeId, Vec<u32>)| {
            let size = whole.lowered.graph.shape(leaf).size();
            let some = !elements.is_empty() && elements.len() < size;
            let count = if some { elements.len() } else { size };
            Self { place: whole.place(leaf), elements: some.then_some(elements), optimizer: optimizer(count) }
        };
        asked.into_iter().map(slot).collect()
    }

    /// The gradient of what is trained. As PyTorch's, there is none where no path leads to the loss.
    fn gradient<'s>(&self, job: &Job, sweep: &'s Sweep<S>) -> Option<std::borrow::Cow<'s, [S]>> {
        let whole = sweep.cotangent(job.lowered.leaves[self.place].0)?.data();
        Some(match &self.elements {
            None => whole.into(),
            Some(elements) => elements.iter().map(|&element| whole[element as usize]).collect::<Vec<_>>().into(),
        })
    }

    fn step(&mut self, job: &Job, sweep: &Sweep<S>, state: &mut State<S>) {
        let Some(gradient) = self.gradient(job, sweep) else { return };
        let theta = state.leaves[self.place].as_mut().expect("a parameter is no mask").data_mut();
        match &self.elements {
            None => self.optimizer.step(theta, &gradient),
            Some(elements) => {
                let mut some: Vec<S> = elements.iter().map(|&element| theta[element as usize]).collect();
                self.optimizer.step(&mut some, &gradient);
                for (&element, moved) in elements.iter().zip(some) {
                    theta[element as usize] = moved;
                }
            }
        }
    }
}

/// The Euclidean norm of the gradient of all that is trained. Scaled where squares overflow and the norm does not.
fn gradient_norm<S: Scalar>(trained: &[Slot<S>], job: &Job, sweep: &Sweep<S>) -> f64 {
    let sum_of = |f: &dyn Fn(f64) -> f64| -> f64 {
        let gradients = trained.iter().filter_map(|slot| slot.gradient(job, sweep));
        gradients.map(|gradient| gradient.iter().map(|g| f(g.to_f64())).sum::<f64>()).sum()
    };
    let norm = sum_of(&|g| g * g).sqrt();
    if norm.is_finite() {
        return norm;
    }
    let gradients = trained.iter().filter_map(|slot| slot.gradient(job, sweep));
    let largest = gradients.map(|gradient| gradient.iter().map(|g| g.to_f64().abs()).fold(0.0, f64::max)).fold(0.0, f64::max);
    if norm.is_nan() || largest.is_infinite() { norm } else { largest * sum_of(&|g| (g / largest).powi(2)).sqrt() }
}
