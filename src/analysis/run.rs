//! One run over a lowered problem: leaves made, both sweeps, gradients by their names.

use std::mem::size_of_val;
use std::sync::Arc;

use crate::graph::{NodeId, Plan};
use crate::lower::{Lowered, Objective, Selection, Slot, Traced};
use crate::ops::Scalar;
use crate::tape::{Backprop, Sweep, Tape};
use crate::tensor::Tensor;

use super::{Guard, Stop};

/// A lowered problem with what is asked of it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) lowered: Lowered,
    pub(super) selection: Arc<Selection>,
    pub(super) plan: Arc<Plan>,
    backward: bool,
}

/// What a run found.
#[derive(Debug)]
pub(super) struct Run<'j, S> {
    job: &'j Job,
    tape: Tape<'j, S>,
}

impl Job {
    /// Plan a run, with or without its backward sweep.
    pub(super) fn new(lowered: Lowered, selection: Selection, backward: bool) -> Self {
        let plan = Self::plan(&lowered, &selection, backward).into();
        Self { lowered, selection: selection.into(), plan, backward }
    }

    /// The same run over the same problem with other numbers.
    pub(super) fn over(&self, lowered: Lowered) -> Self {
        let (selection, plan) = (Arc::clone(&self.selection), Arc::clone(&self.plan));
        Self { lowered, selection, plan, backward: self.backward }
    }

    /// The same run over a problem that [`Lowered::renewed`] has yet to give numbers.
    pub(super) fn without_numbers(&self, slots: &[Slot]) -> Self {
        self.over(self.lowered.without_numbers(slots))
    }

    /// Bytes that it takes, near enough.
    pub(super) fn heap_bytes(&self) -> usize {
        let Selection { parameters, inputs, trace } = &*self.selection;
        let selection = size_of_val(&**parameters) + size_of_val(&**inputs) + size_of_val(&**trace);
        self.lowered.heap_bytes() + self.plan.heap_bytes() + selection
    }

    fn plan(lowered: &Lowered, selection: &Selection, backward: bool) -> Plan {
        let traced = selection.trace.iter().map(|&i| &lowered.nodes[i]);
        let traced: Vec<_> = traced.flat_map(|node| node.a.into_iter().chain([node.z])).collect();
        let mut values: Vec<_> = lowered.outputs.iter().map(|&i| lowered.nodes[i].z).collect();
        values.extend(&traced);
        let mut objective: Vec<_> = lowered.objective.iter().map(|objective| objective.losses).collect();
        objective.extend(lowered.penalties.iter().map(|penalty| penalty.node));
        if !backward {
            values.append(&mut objective);
        }
        let mut cotangents = Vec::new();
        if backward {
            cotangents.extend(selection.parameters.iter().map(|&i| lowered.parameters[i].leaf));
            cotangents.extend(selection.inputs.iter().map(|&i| lowered.inputs[i].leaf));
            cotangents.extend(traced);
        }
        Plan::new(&lowered.graph, &values, &objective, &cotangents)
    }

    /// Make the leaves and sweep forward.
    pub(super) fn forward<S: Scalar>(&self, guard: Guard<'_>) -> Result<Run<'_, S>, Stop> {
        self.forward_from(self.lowered.leaves_in_order(), guard)
    }

    /// Sweep forward from these leaves.
    pub(super) fn forward_from<S: Scalar>(
        &self,
        leaf: impl FnMut(NodeId) -> Tensor<S>,
        guard: Guard<'_>,
    ) -> Result<Run<'_, S>, Stop> {
        Tape::forward(&self.lowered.graph, &self.plan, leaf, guard).map(|tape| Run { job: self, tape })
    }

    /// Where a leaf stands in the list of leaves.
    pub(super) fn place(&self, id: NodeId) -> usize {
        self.lowered.place(id)
    }

    /// The value of a leaf as the request gives it.
    pub(super) fn leaf<S: Scalar>(&self, id: NodeId) -> Tensor<S> {
        self.lowered.leaf(id)
    }

    /// The same run with every node kept, to find where a number stopped being finite.
    fn watched(&self) -> Plan {
        let trace = (0..self.lowered.nodes.len()).collect();
        Self::plan(&self.lowered, &Selection { trace, ..Selection::clone(&self.selection) }, self.backward)
    }
}

impl<'j, S: Scalar> Run<'j, S> {
    /// A run whose values were computed elsewhere.
    pub(super) fn new(job: &'j Job, tape: Tape<'j, S>) -> Self {
        Self { job, tape }
    }

    /// A node's value.
    pub(super) fn value(&self, id: NodeId) -> &Tensor<S> {
        self.tape.value(id)
    }

    /// The per-sample losses.
    pub(super) fn losses(&self) -> Option<&Tensor<S>> {
        self.job.lowered.objective.as_ref().map(|objective| self.tape.value(objective.losses))
    }

    /// The penalties' sum.
    pub(super) fn penalty(&self) -> S {
        let mut sum = S::ZERO;
        for penalty in &self.job.lowered.penalties {
            sum += S::from_f64(penalty.coefficient) * self.tape.value(penalty.node).data()[0];
        }
        sum
    }

    /// The objective: weighted losses and penalties.
    pub(super) fn loss(&self) -> Option<S> {
        let Objective { losses, factors, .. } = self.job.lowered.objective.as_ref()?;
        let mut sum = S::ZERO;
        for (&loss, &factor) in self.tape.value(*losses).data().iter().zip(factors) {
            sum += S::from_f64(factor) * loss;
        }
        Some(if self.job.lowered.penalties.is_empty() { sum } else { sum + self.penalty() })
    }

    /// Sweep back from the whole objective.
    pub(super) fn backward(&self, guard: Guard<'_>) -> Result<Sweep<S>, Stop> {
        self.tape.backward(self.job.lowered.seeds(), &Backprop, guard)
    }

    /// Sweep back from the penalties alone.
    pub(super) fn backward_penalties(&self, guard: Guard<'_>) -> Result<Sweep<S>, Stop> {
        self.tape.backward(self.job.lowered.penalty_seeds(), &Backprop, guard)
    }

    /// Sweep back from the loss of one sample alone, unweighted.
    pub(super) fn backward_sample(&self, sample: usize, guard: Guard<'_>) -> Result<Sweep<S>, Stop> {
        let seed = self.job.lowered.objective.as_ref().map(|objective| {
            let shape = self.job.lowered.graph.shape(objective.losses);
            let data = (0..shape.size()).map(|n| if n == sample { S::ONE } else { S::ZERO }).collect();
            (objective.losses, Tensor::new(shape, data))
        });
        self.tape.backward(seed, &Backprop, guard)
    }

    /// Where a number first was not finite: in the order of the forward sweep, else in that of the backward sweep.
    pub(super) fn first_non_finite(&self, guard: Guard<'_>) -> Result<NonFinite, Stop> {
        self.first_non_finite_from(|id| self.job.leaf(id), guard)
    }

    /// As [`Run::first_non_finite`], of a run from these leaves.
    pub(super) fn first_non_finite_from(
        &self,
        leaf: impl FnMut(NodeId) -> Tensor<S>,
        guard: Guard<'_>,
    ) -> Result<NonFinite, Stop> {
        let job = self.job;
        let plan = job.watched();
        let tape = Tape::<S>::forward(&job.lowered.graph, &plan, leaf, guard)?;
        let finite = |tensor: &Tensor<S>| tensor.data().iter().all(|x| x.is_finite());
        let both = |node: &Traced| node.a.into_iter().chain([node.z]);
        if let Some(node) = job.lowered.nodes.iter().find(|node| both(node).any(|id| !finite(tape.value(id)))) {
            return Ok(NonFinite { first_node: node.id.clone(), pass: "forward" });
        }
        let watched = Run { job, tape };
        if !job.backward || watched.losses().is_some_and(|losses| !finite(losses)) || !watched.penalty().is_finite() {
            return Ok(NonFinite { first_node: "loss".to_owned(), pass: "forward" });
        }
        let sweep = watched.backward(guard)?;
        let bar = |id| sweep.cotangent(id).is_some_and(|bar| !finite(bar));
        let node = job.lowered.nodes.iter().rev().find(|node| both(node).any(bar));
        let first_node = match node {
            Some(node) => node.id.clone(),
            // Finite cotangents all the way, and a gradient that is not: its parameter's node is where they met.
            None => job.lowered.parameters.iter().find(|p| bar(p.leaf)).map_or_else(|| "loss".to_owned(), |p| owner(&p.name)),
        };
        Ok(NonFinite { first_node, pass: "backward" })
    }
}

/// The node that a canonical name belongs to.
pub(super) fn owner(parameter: &str) -> String {
    let target = parameter.rsplit_once("->").map_or(parameter, |(_, target)| target);
    target.split('.').next().unwrap_or(target).to_owned()
}

/// Where a number first was not finite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NonFinite {
    pub(super) first_node: String,
    pub(super) pass: &'static str,
}
