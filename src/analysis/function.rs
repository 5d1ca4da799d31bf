//! A lowered problem as a function of its leaves: evaluated at points that may be moved, over any of the number types. With dual
//! numbers a point carries a tangent, and what comes out carries its image.

use super::run::NonFinite;
use super::{Guard, Stop};
use crate::graph::{NodeId, Plan};
use crate::lower::{Input, Leaf, Lowered, Parameter, Traced, random};
use crate::ops::Scalar;
use crate::tape::{Backprop, Sweep, Tape};
use crate::tensor::{Dual, Shape, Tensor};

/// A parameter or an input: what may be moved.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    /// Its name on the wire.
    pub(super) name: String,
    /// The leaf that holds it.
    pub(super) leaf: NodeId,
    /// Where a neuron keeps its weights together: which element of the leaf this is.
    pub(super) element: Option<u32>,
    /// Its own shape; an input's has the sample axis.
    pub(super) shape: Shape,
    /// Whether it is an input of the network.
    pub(super) is_input: bool,
}

impl Variable {
    /// A parameter.
    pub(super) fn parameter(parameter: &Parameter) -> Self {
        let Parameter { name, leaf, element, shape, .. } = parameter;
        Self { name: name.clone(), leaf: *leaf, element: *element, shape: *shape, is_input: false }
    }

    /// An input.
    pub(super) fn input(input: &Input, lowered: &Lowered) -> Self {
        let shape = lowered.graph.shape(input.leaf);
        Self { name: input.name.clone(), leaf: input.leaf, element: None, shape, is_input: true }
    }

    /// Those at these places in the lists of [`Lowered`], parameters first.
    pub(super) fn at(lowered: &Lowered, parameters: &[usize], inputs: &[usize]) -> Vec<Self> {
        let parameters = parameters.iter().map(|&i| Self::parameter(&lowered.parameters[i]));
        parameters.chain(inputs.iter().map(|&i| Self::input(&lowered.inputs[i], lowered))).collect()
    }

    /// The numbers that it has.
    pub(super) fn size(&self) -> usize {
        self.shape.size()
    }

    /// Where its element `i` stands in its leaf.
    pub(super) fn place(&self, i: usize) -> usize {
        self.element.map_or(i, |element| element as usize)
    }

    /// What a sweep found for it; zeros where no path leads from it to the seeds.
    pub(super) fn cotangent<S: Scalar>(&self, sweep: &Sweep<S>) -> Tensor<S> {
        match (sweep.cotangent(self.leaf), self.element) {
            (Some(bar), None) => bar.reshape(self.shape),
            (Some(bar), Some(element)) => Tensor::scalar(bar.data()[element as usize]),
            (None, _) => Tensor::zeros(self.shape),
        }
    }
}

/// The leaves of a variable list, for a plan.
pub(super) fn leaves(variables: &[Variable]) -> Vec<NodeId> {
    variables.iter().map(|variable| variable.leaf).collect()
}

/// The nodes whose weighted sum is the objective: per-sample losses and penalties.
pub(super) fn objective(lowered: &Lowered) -> Vec<NodeId> {
    lowered.ends()
}

/// The objective: weighted losses and penalties; nothing without a loss.
pub(super) fn loss<S: Scalar>(lowered: &Lowered, tape: &Tape<'_, S>) -> Option<S> {
    lowered.loss(|id| tape.value(id))
}

/// The derivatives of the objective by the nodes that it is the sum of.
pub(super) fn seeds<S: Scalar>(lowered: &Lowered) -> Vec<(NodeId, Tensor<S>)> {
    lowered.seeds().collect()
}

/// Floating-point operations of making the leaves: what initialisers draw.
pub(super) fn drawn_flops(lowered: &Lowered) -> u64 {
    let drawn = lowered.leaves.iter().map(|(id, leaf)| match leaf {
        Leaf::Init(init, _) => random::flops(init, lowered.graph.shape(*id)),
        _ => 0,
    });
    drawn.fold(0, u64::saturating_add)
}

/// The values of all leaves that a plan needs. Cloning shares the numbers.
#[derive(Debug, Clone)]
pub(super) struct Point<S> {
    leaves: Vec<Option<Tensor<S>>>,
}

impl<S: Scalar> Point<S> {
    /// The point that the request gives.
    pub(super) fn new(lowered: &Lowered, plan: &Plan) -> Self {
        let nodes = lowered.graph.nodes().iter().enumerate();
        let value = |(i, node): (usize, &crate::graph::Node)| {
            (node.op.is_none() && plan.needed[i]).then(|| lowered.leaf(lowered.graph.id(i)))
        };
        Self { leaves: nodes.map(value).collect() }
    }

    /// Change one element of a variable; of one that the plan does not need, nothing depends.
    pub(super) fn change(&mut self, variable: &Variable, i: usize, f: impl FnOnce(S) -> S) {
        if let Some(leaf) = &mut self.leaves[variable.leaf.index()] {
            let x = &mut leaf.data_mut()[variable.place(i)];
            *x = f(*x);
        }
    }

    /// The value of one element of a variable, if the plan needs it.
    pub(super) fn element(&self, variable: &Variable, i: usize) -> Option<S> {
        self.leaves[variable.leaf.index()].as_ref().map(|leaf| leaf.data()[variable.place(i)])
    }

    /// Sweep forward from here.
    pub(super) fn forward<'g>(&self, lowered: &'g Lowered, plan: &'g Plan, guard: Guard<'_>) -> Result<Tape<'g, S>, Stop> {
        let leaf = |id: NodeId| self.leaves[id.index()].clone().expect("the leaves that a plan needs were made");
        Tape::forward(&lowered.graph, plan, leaf, guard)
    }

    /// Where a number first was not finite: in the order of the forward sweep, else in that of the sweep back from the seeds.
    pub(super) fn first_non_finite(
        &self,
        lowered: &Lowered,
        seeds: Vec<(NodeId, Tensor<S>)>,
        finite: fn(S) -> bool,
        guard: Guard<'_>,
    ) -> Result<NonFinite, Stop> {
        let both = |node: &Traced| node.a.into_iter().chain([node.z]);
        let every: Vec<_> = lowered.nodes.iter().flat_map(both).collect();
        let ends: Vec<_> = seeds.iter().map(|(id, _)| *id).collect();
        let plan = Plan::new(&lowered.graph, &every, &ends, &every);
        // What the narrower plan of the question did not need has no leaf yet.
        let mut all = Self::new(lowered, &plan);
        for (leaf, moved) in all.leaves.iter_mut().zip(&self.leaves) {
            if moved.is_some() {
                leaf.clone_from(moved);
            }
        }
        let tape = all.forward(lowered, &plan, guard)?;
        let bad = |tensor: &Tensor<S>| tensor.data().iter().any(|&x| !finite(x));
        if let Some(node) = lowered.nodes.iter().find(|node| both(node).any(|id| bad(tape.value(id)))) {
            return Ok(NonFinite { first_node: node.id.clone(), pass: "forward" });
        }
        if ends.iter().any(|&id| bad(tape.value(id))) {
            return Ok(NonFinite { first_node: "loss".to_owned(), pass: "forward" });
        }
        let sweep = tape.backward(seeds, &Backprop, guard)?;
        let node = lowered.nodes.iter().rev().find(|node| both(node).any(|id| sweep.cotangent(id).is_some_and(bad)));
        Ok(NonFinite { first_node: node.map_or_else(|| "loss".to_owned(), |node| node.id.clone()), pass: "backward" })
    }
}

/// Whether a value and its tangent are finite.
pub(super) fn both_finite(x: Dual) -> bool {
    x.primal.is_finite() && x.tangent.is_finite()
}

/// The values of duals.
pub(super) fn primal(tensor: &Tensor<Dual>) -> Tensor<f64> {
    Tensor::new(tensor.shape(), tensor.data().iter().map(|x| x.primal).collect())
}

/// The tangents of duals.
pub(super) fn tangent(tensor: &Tensor<Dual>) -> Tensor<f64> {
    Tensor::new(tensor.shape(), tensor.data().iter().map(|x| x.tangent).collect())
}
