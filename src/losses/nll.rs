//! `nll`: minus the entry of the true class, of log-probabilities.

use super::classes::Labels;
use super::{Entry, LossContext, PerSample};
use crate::lower::Failed;
use crate::ops::attributes::{Attribute, Default, Kind, Values};
use crate::ops::{CrossEntropy, Of};

pub(super) const ENTRY: Entry = Entry {
    name: "nll",
    summary: "negative log-likelihood, the node being log-probabilities",
    formula: "E = -weight_y * o_y, y the class",
    derivative: "dE/do_y = -weight_y, 0 for other classes",
    targets: "class indices [N] (or [N, d1, ...])",
    attributes: &[
        Attribute::new("weight", Kind::Tensor, Default::Absent, "a factor for each class, shape [C]"),
        Attribute::new("ignore_index", Kind::Integer, Default::Integer(-100), "a class index that contributes nothing"),
    ],
    build,
};

fn build(loss: &mut LossContext<'_, '_, '_, '_>, values: &Values) -> Result<PerSample, Failed> {
    let (q, denominators) = Labels::new(loss, "nll", values, 0.0, false)?.leaf(loss)?;
    let losses = loss.context.op(CrossEntropy { of: Of::LogProbabilities }, &[loss.of, q])?;
    Ok(PerSample { losses, denominators: Some(denominators) })
}
