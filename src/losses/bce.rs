//! `bce` and `bce_with_logits`: binary cross-entropy of probabilities and of logits.

use super::{Entry, LossContext, PerSample};
use crate::graph::NodeId;
use crate::lower::Failed;
use crate::ops::attributes::{Attribute, Default, Kind, Values};
use crate::ops::{Bce, BceWithLogits, Elementwise, Mul};

const TARGETS: &str = "probabilities from 0 to 1 of the shape of the node, [N, ...]";
const WEIGHT: Attribute = Attribute::new(
    "weight",
    Kind::Tensor,
    Default::Absent,
    "factor of each element, broadcast against the whole minibatch as PyTorch does",
);

pub(super) const BCE: Entry = Entry {
    name: "bce",
    summary: "binary cross-entropy of probabilities; logarithms are clamped at -100 as PyTorch's are",
    formula: "E = -sum_d weight_d * (t_d log o_d + (1 - t_d) log(1 - o_d)), or the mean over d",
    derivative: "dE/do_d = weight_d * (o_d - t_d) / max(o_d (1 - o_d), 1e-12)",
    targets: TARGETS,
    attributes: &[WEIGHT],
    build: |loss, values| {
        let targets = loss.targets_like_of()?;
        let elements = loss.context.op(Elementwise(Bce), &[loss.of, targets])?;
        weighted(loss, values, elements)
    },
};

pub(super) const BCE_WITH_LOGITS: Entry = Entry {
    name: "bce_with_logits",
    summary: "binary cross-entropy of logits, p = sigmoid(o), without overflow",
    formula: "E = -sum_d weight_d * (pos_weight_d t_d log p_d + (1 - t_d) log(1 - p_d)), or the mean over d",
    derivative: "dE/do_d = weight_d * ((1 - t_d) p_d - pos_weight_d t_d (1 - p_d))",
    targets: TARGETS,
    attributes: &[
        WEIGHT,
        Attribute::new(
            "pos_weight",
            Kind::Tensor,
            Default::Absent,
            "factor of the positive part, broadcast against the whole minibatch",
        ),
    ],
    build: |loss, values| {
        let targets = loss.targets_like_of()?;
        let mut inputs = vec![loss.of, targets];
        inputs.extend(loss.weight(values, "pos_weight")?);
        let elements = loss.context.op(BceWithLogits, &inputs)?;
        weighted(loss, values, elements)
    },
};

fn weighted(loss: &mut LossContext<'_, '_, '_, '_>, values: &Values, elements: NodeId) -> Result<PerSample, Failed> {
    let elements = match loss.weight(values, "weight")? {
        Some(weight) => loss.context.op(Elementwise(Mul), &[elements, weight])?,
        None => elements,
    };
    loss.reduce(elements).map(PerSample::plain)
}
