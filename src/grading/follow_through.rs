//! Errors carried forward: what follows from a student's own numbers. Wherever a value of the trace is claimed, the claim is used
//! instead of the computed value, in both sweeps; what a step gives from claims is what a student who does that step right would
//! write, whatever happened before it.

use super::claims::Claims;
use super::exercise::Exercise;
use super::parts::{Answer, Kind};
use crate::graph::NodeId;
use crate::ops::{AnyOp, Cotangents, Point, Scalar};
use crate::tape::{Rules, Tape};
use crate::tensor::Tensor;

/// What each part would be, computed from the claims before it.
#[derive(Debug)]
pub struct Followed {
    /// The parts.
    pub answer: Answer,
    /// Whether any claim stands for a computed value, so that something may follow from it.
    pub any: bool,
}

/// Follow the claims of an exercise.
pub fn follow(exercise: &Exercise, claims: &Claims) -> Followed {
    let graph = &exercise.lowered.graph;
    let count = graph.nodes().len();
    let mut own = Own { values: vec![None; count], bars: vec![None; count] };
    let parts = exercise.parts.list();
    for claim in &claims.list {
        let Some(tensor) = claim.usable() else { continue };
        let nodes = &exercise.lowered.nodes;
        match parts[claim.part].kind {
            Kind::A(i) => own.put_value(nodes[i].a, tensor),
            Kind::Z(i) | Kind::Output(i) => own.put_value(Some(nodes[i].z), tensor),
            Kind::Losses => own.put_value(exercise.lowered.objective.as_ref().map(|objective| objective.losses), tensor),
            Kind::BarA(i) => own.put_bar(nodes[i].a, tensor),
            Kind::BarZ(i) => own.put_bar(Some(nodes[i].z), tensor),
            Kind::Loss | Kind::Gradient(_) | Kind::InputGradient(_) => {}
        }
    }
    let any = own.values.iter().chain(&own.bars).any(Option::is_some);
    let (mut computed, mut used) = (Vec::with_capacity(count), Vec::<Option<Tensor<f64>>>::with_capacity(count));
    for (i, node) in graph.nodes().iter().enumerate() {
        let value = match &node.op {
            Some(op) => {
                let x: Vec<_> = node.inputs.iter().filter_map(|&input| used[input].as_ref()).collect();
                f64::op(op.as_ref()).forward(&x)
            }
            None => exercise.value(graph.id(i)).clone(),
        };
        used.push(Some(own.values[i].clone().unwrap_or_else(|| value.clone())));
        computed.push(Some(value));
    }
    let plan = exercise.plan_of();
    let weights = exercise.weights();
    let tape = Tape::assembled(graph, plan, used);
    let Ok(sweep) = tape.backward(exercise.lowered.seeds(), &own, || Ok::<(), std::convert::Infallible>(()));
    let losses = Tape::assembled(graph, plan, computed);
    let mut answer = exercise.collect(&losses, &sweep, &weights);
    if let Some(loss) = exercise.parts.of_kind(Kind::Loss) {
        answer.0[loss] = Tensor::scalar(exercise.loss(&tape, &weights));
    }
    Followed { answer, any }
}

/// A student's own values and cotangents, by their nodes' places.
struct Own {
    values: Vec<Option<Tensor<f64>>>,
    bars: Vec<Option<Tensor<f64>>>,
}

impl Own {
    fn put_value(&mut self, id: Option<NodeId>, tensor: &Tensor<f64>) {
        if let Some(id) = id {
            self.values[id.index()] = Some(tensor.clone());
        }
    }

    fn put_bar(&mut self, id: Option<NodeId>, tensor: &Tensor<f64>) {
        if let Some(id) = id {
            self.bars[id.index()] = Some(tensor.clone());
        }
    }
}

impl Rules<f64> for Own {
    fn vjp(&self, node: NodeId, op: &dyn AnyOp, at: Point<'_, f64>, y_bar: &Tensor<f64>, x_bar: &mut Cotangents<'_, f64>) {
        f64::op(op).vjp(at, self.bars[node.index()].as_ref().unwrap_or(y_bar), x_bar);
    }
}

/// Whether credit for following is denied: whoever writes zeros early makes everything after them zero.
pub fn is_empty_handed(followed: &Tensor<f64>, key: &Tensor<f64>) -> bool {
    let zero = |tensor: &Tensor<f64>| tensor.data().iter().all(|&x| x == 0.0);
    zero(followed) && !zero(key)
}
