//! An exercise: a problem that was run once, and can be run again with a change.

use std::sync::{Arc, OnceLock};

use super::change::{Change, Right, Step, Weights};
use super::parts::{Answer, Kind, Parts};
use super::tolerance::Claimable;
use super::wiring::{Slot, Wiring};
use crate::graph::{NodeId, Plan};
use crate::lower::Lowered;
use crate::lower::places::Places;
use crate::ops::{AnyOp, Cotangents, Point, Scalar};
use crate::tape::{Backprop, Rules, Sweep, Tape};
use crate::tensor::{Digits, Shape, Tensor};

/// A problem with all its values and the right answer.
#[derive(Debug)]
pub struct Exercise {
    /// The problem.
    pub lowered: Lowered,
    /// The network as it was drawn: who reads whom.
    pub(crate) places: Places,
    /// What backprop meets in it.
    pub(crate) wiring: Wiring,
    /// What can be claimed.
    pub parts: Parts,
    plan: Plan,
    values: Vec<Option<Tensor<f64>>>,
    key: OnceLock<Answer>,
    at_kinks: OnceLock<Vec<Answer>>,
    by_hand: OnceLock<(Digits, Arc<Claimable>)>,
}

impl Exercise {
    /// Run a problem that has a loss and these [`Parts`]. `go_on` is asked between nodes.
    ///
    /// # Errors
    /// Whatever `go_on` says.
    pub fn new<E>(lowered: Lowered, parts: Parts, go_on: impl FnMut() -> Result<(), E>) -> Result<Self, E> {
        let plan = Self::plan(&lowered);
        let places = Places::of(&lowered);
        let wiring = Wiring::of(&lowered, &places);
        let tape = Tape::forward(&lowered.graph, &plan, |id| lowered.leaf(id), go_on)?;
        let values = tape.into_values();
        let exercise = Self {
            lowered,
            places,
            wiring,
            parts,
            plan,
            values,
            key: OnceLock::new(),
            at_kinks: OnceLock::new(),
            by_hand: OnceLock::new(),
        };
        exercise.key();
        Ok(exercise)
    }

    /// Every value is kept, and every cotangent that a part stands for.
    pub fn plan(lowered: &Lowered) -> Plan {
        let graph = &lowered.graph;
        let all: Vec<_> = (0..graph.nodes().len()).map(|i| graph.id(i)).collect();
        let nodes = lowered.nodes.iter().flat_map(|node| node.a.into_iter().chain([node.z]));
        let parameters = lowered.parameters.iter().filter(|parameter| parameter.trained).map(|parameter| parameter.leaf);
        let inputs = lowered.inputs.iter().filter(|input| input.real).map(|input| input.leaf);
        let asked: Vec<_> = nodes.chain(parameters).chain(inputs).collect();
        Plan::new(graph, &all, &lowered.ends(), &asked)
    }

    /// Floating-point operations of one run.
    pub fn flops(&self) -> u64 {
        self.plan.forward_flops().saturating_add(self.plan.backward_flops())
    }

    /// The right answer.
    pub fn key(&self) -> &Answer {
        self.key.get_or_init(|| self.answer(&Right))
    }

    /// The answers that are right by other slopes at kinks; none where no value lies on one.
    pub(crate) fn at_kinks(&self) -> &[Answer] {
        self.at_kinks.get_or_init(|| super::at_kink::answers(self))
    }

    /// What may be claimed by somebody who writes each step to so many digits; kept for the digits that are asked first. `go_on` is
    /// asked between nodes.
    ///
    /// # Errors
    /// Whatever `go_on` says.
    pub(crate) fn by_hand<E>(&self, digits: Digits, go_on: impl FnMut() -> Result<(), E>) -> Result<Arc<Claimable>, E> {
        if let Some((_, kept)) = self.by_hand.get().filter(|(kept, _)| *kept == digits) {
            return Ok(Arc::clone(kept));
        }
        let found = Arc::new(Claimable::of(self, digits, go_on)?);
        // Whoever worked out the same meanwhile has the same.
        let _ = self.by_hand.set((digits, Arc::clone(&found)));
        Ok(found)
    }

    /// The value of a node of the graph in the right run.
    pub fn value(&self, id: NodeId) -> &Tensor<f64> {
        self.values[id.index()].as_ref().expect("every value is kept")
    }

    /// The value of an op's input in the right run.
    pub(crate) fn input(&self, slot: Slot) -> &Tensor<f64> {
        let graph = &self.lowered.graph;
        self.value(graph.id(graph.nodes()[slot.op.index()].inputs[slot.input]))
    }

    /// Where a cotangent is computed at all: between something that can be claimed and the loss.
    pub fn plan_of(&self) -> &Plan {
        &self.plan
    }

    /// The weights of the right objective.
    pub fn weights(&self) -> Weights {
        let samples = self.lowered.objective.as_ref().map_or_else(Vec::new, |objective| objective.factors.clone());
        Weights { samples, penalties: self.lowered.penalties.iter().map(|penalty| penalty.coefficient).collect() }
    }

    /// The answer of somebody who does this differently.
    pub fn answer(&self, change: &dyn Change) -> Answer {
        if change.alters_answer_alone() {
            let mut answer = self.key().clone();
            change.answer(self, &mut answer);
            return answer;
        }
        let values = if change.alters_values() { self.forward(change) } else { self.values.clone() };
        let mut loss = self.weights();
        change.loss(self, &mut loss);
        let tape = Tape::assembled(&self.lowered.graph, &self.plan, values);
        let sweep = self.backward(&tape, change);
        let mut answer = self.collect(&tape, &sweep, &loss);
        change.answer(self, &mut answer);
        answer
    }

    /// The forward sweep of somebody who does this differently.
    fn forward(&self, change: &dyn Change) -> Vec<Option<Tensor<f64>>> {
        let graph = &self.lowered.graph;
        let mut values: Vec<Option<Tensor<f64>>> = Vec::with_capacity(graph.nodes().len());
        // What depends on nothing that differs keeps its value.
        let mut differs = vec![false; graph.nodes().len()];
        for (i, node) in graph.nodes().iter().enumerate() {
            let x: Vec<_> = node.inputs.iter().filter_map(|&input| values[input].as_ref()).collect();
            let changed = change.value(self, graph.id(i), &x);
            differs[i] = changed.is_some() || node.inputs.iter().any(|&input| differs[input]);
            let value = match (changed, &node.op) {
                (Some(value), _) => Some(value),
                (None, Some(op)) if differs[i] => Some(f64::op(op.as_ref()).forward(&x)),
                (None, _) => self.values[i].clone(),
            };
            values.push(value);
        }
        values
    }

    fn backward(&self, tape: &Tape<'_, f64>, change: &dyn Change) -> Sweep<f64> {
        let mut weights = self.weights();
        change.seeds(self, &mut weights);
        let losses = self.lowered.objective.iter().map(|objective| {
            (objective.losses, Tensor::new(self.lowered.graph.shape(objective.losses), weights.samples.clone()))
        });
        let penalties = self.lowered.penalties.iter().zip(&weights.penalties);
        let penalties = penalties.map(|(penalty, &weight)| (penalty.node, Tensor::scalar(weight)));
        let Ok(sweep) = tape
            .backward(losses.chain(penalties), &Changed { exercise: self, change }, || Ok::<(), std::convert::Infallible>(()));
        sweep
    }

    /// The cotangents that the penalties alone give; nothing where there are none.
    pub(crate) fn of_penalties(&self) -> Option<Sweep<f64>> {
        let penalties = &self.lowered.penalties;
        let seeds = penalties.iter().map(|penalty| (penalty.node, Tensor::scalar(penalty.coefficient)));
        let tape = Tape::assembled(&self.lowered.graph, &self.plan, self.values.clone());
        let sweep = || tape.backward(seeds, &Backprop, || Ok::<(), std::convert::Infallible>(()));
        if penalties.is_empty() { None } else { sweep().ok() }
    }

    /// The parts of a run.
    pub fn collect(&self, tape: &Tape<'_, f64>, sweep: &Sweep<f64>, weights: &Weights) -> Answer {
        let (lowered, graph) = (&self.lowered, &self.lowered.graph);
        let bar = |id: NodeId, shape: Shape| sweep.cotangent(id).cloned().unwrap_or_else(|| Tensor::zeros(shape));
        let value = |part: &super::parts::Part| match part.kind {
            Kind::Loss => Tensor::scalar(self.loss(tape, weights)),
            Kind::Losses => {
                let objective = lowered.objective.as_ref().expect("there is a loss where it is a part");
                tape.value(objective.losses).clone()
            }
            Kind::Output(i) | Kind::Z(i) => tape.value(lowered.nodes[i].z).clone(),
            Kind::A(i) => tape.value(lowered.nodes[i].a.expect("a node whose a is a part has one")).clone(),
            Kind::BarZ(i) => bar(lowered.nodes[i].z, part.shape),
            Kind::BarA(i) => bar(lowered.nodes[i].a.expect("a node whose a is a part has one"), part.shape),
            Kind::InputGradient(i) => bar(lowered.inputs[i].leaf, part.shape),
            Kind::Gradient(i) => {
                let parameter = &lowered.parameters[i];
                let leaf = bar(parameter.leaf, graph.shape(parameter.leaf));
                match parameter.element {
                    None => leaf,
                    Some(element) => Tensor::scalar(leaf.data()[element as usize]),
                }
            }
        };
        Answer(self.parts.list().iter().map(value).collect())
    }

    /// The loss of a run with these weights.
    pub fn loss(&self, tape: &Tape<'_, f64>, weights: &Weights) -> f64 {
        let Some(objective) = &self.lowered.objective else { return 0.0 };
        let losses = tape.value(objective.losses).data().iter().zip(&weights.samples);
        let mut sum = 0.0;
        for (loss, weight) in losses {
            sum += weight * loss;
        }
        for (penalty, weight) in self.lowered.penalties.iter().zip(&weights.penalties) {
            sum += weight * tape.value(penalty.node).data()[0];
        }
        sum
    }

    /// The nodes level by level, by the longest way from the inputs; nodes that the loss does not depend on are left out.
    pub fn levels(&self) -> Vec<Vec<usize>> {
        self.wiring.levels.clone()
    }

    /// The nodes that the loss reads.
    pub fn outputs(&self) -> Vec<usize> {
        self.wiring.outputs.clone()
    }

    /// The node that a node of the graph belongs to as one of its ops; nothing for those of the loss, and for leaves.
    pub fn owner(&self, id: NodeId) -> Option<usize> {
        self.wiring.owner(id)
    }
}

/// The op's own rule, but for what the change does differently.
struct Changed<'e> {
    exercise: &'e Exercise,
    change: &'e dyn Change,
}

impl Rules<f64> for Changed<'_> {
    fn vjp(&self, node: NodeId, op: &dyn AnyOp, at: Point<'_, f64>, y_bar: &Tensor<f64>, x_bar: &mut Cotangents<'_, f64>) {
        if !self.change.vjp(self.exercise, Step { node, op, at, y_bar }, x_bar) {
            f64::op(op).vjp(at, y_bar, x_bar);
        }
    }
}
