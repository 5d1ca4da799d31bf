//! What a run over a lowered problem begins with and ends in: the numbers of its leaves, the objective, and where the sweep back
//! starts.

use std::ops::Range;

use super::{Leaf, Lowered, random};
use crate::graph::NodeId;
use crate::ops::Scalar;
use crate::tensor::{Shape, Tensor};

impl Lowered {
    /// The numbers of a leaf: given, drawn, or a mask.
    pub(crate) fn leaf<S: Scalar>(&self, id: NodeId) -> Tensor<S> {
        self.made(id, &self.leaves[self.place(id)].1)
    }

    /// As [`Lowered::leaf`], for one leaf after the other in their order, so that none is searched for.
    pub(crate) fn leaves_in_order<S: Scalar>(&self) -> impl FnMut(NodeId) -> Tensor<S> + use<'_, S> {
        let mut next = 0;
        move |id| {
            while self.leaves.get(next).is_some_and(|(earlier, _)| *earlier < id) {
                next += 1;
            }
            match self.leaves.get(next) {
                Some((same, leaf)) if *same == id => self.made(id, leaf),
                _ => self.leaf(id),
            }
        }
    }

    fn made<S: Scalar>(&self, id: NodeId, leaf: &Leaf) -> Tensor<S> {
        let shape = self.graph.shape(id);
        let data = match leaf {
            Leaf::Values(data) => return Tensor::shared(shape, S::from_doubles(data)),
            Leaf::Init(init, name) => random::initialise(init, shape, name).expect("checked when it was lowered"),
            Leaf::Mask { p, seed, stream } => random::dropout_mask(*p, shape.size(), seed, stream),
            Leaf::Unknown => unreachable!("a graph that is run has all its values: lowering refuses it otherwise"),
        };
        Tensor::shared(shape, S::from_doubles(&data.into()))
    }

    /// The nodes whose weighted sum is the objective: per-sample losses and penalties.
    pub(crate) fn ends(&self) -> Vec<NodeId> {
        let losses = self.objective.iter().map(|objective| objective.losses);
        losses.chain(self.penalties.iter().map(|penalty| penalty.node)).collect()
    }

    /// The objective: weighted losses and penalties; nothing without a loss.
    pub(crate) fn loss<'v, S: Scalar>(&self, value: impl Fn(NodeId) -> &'v Tensor<S>) -> Option<S> {
        let objective = self.objective.as_ref()?;
        let mut sum = S::ZERO;
        for (&loss, &factor) in value(objective.losses).data().iter().zip(&objective.factors) {
            sum += S::from_f64(factor) * loss;
        }
        for penalty in &self.penalties {
            sum += S::from_f64(penalty.coefficient) * value(penalty.node).data()[0];
        }
        Some(sum)
    }

    /// The derivatives of the objective by the nodes that it is the sum of.
    pub(crate) fn seeds<S: Scalar>(&self) -> impl Iterator<Item = (NodeId, Tensor<S>)> + use<'_, S> {
        self.loss_seed(0..self.samples).into_iter().chain(self.penalty_seeds())
    }

    /// Those by the losses of some of the samples.
    pub(crate) fn loss_seed<S: Scalar>(&self, samples: Range<usize>) -> Option<(NodeId, Tensor<S>)> {
        self.objective.as_ref().map(|objective| {
            let shape = Shape::batched(samples.len(), &[]).expect("a small shape");
            let factors = objective.factors[samples].iter().map(|&factor| S::from_f64(factor));
            (objective.losses, Tensor::from_elements(shape, factors))
        })
    }

    /// Those by the penalties.
    pub(crate) fn penalty_seeds<S: Scalar>(&self) -> impl Iterator<Item = (NodeId, Tensor<S>)> + use<'_, S> {
        let penalties = self.penalties.iter();
        penalties.map(|penalty| (penalty.node, Tensor::scalar(S::from_f64(penalty.coefficient))))
    }
}
