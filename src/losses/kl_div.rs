//! `kl_div`: Kullback–Leibler divergence of given targets from log-probabilities.

use super::{Entry, PerSample};
use crate::ops::KlDiv;
use crate::ops::attributes::{Attribute, Default, Kind};

pub(super) const ENTRY: Entry = Entry {
    name: "kl_div",
    summary: "Kullback-Leibler divergence, the node being log-probabilities; with mean it divides by all elements, as PyTorch's does",
    formula: "E = sum_d t_d * (log t_d - o_d), or the mean over d; t_d = exp(target) with log_target",
    derivative: "dE/do_d = -t_d",
    targets: "probabilities (log-probabilities with log_target) of the shape of the node, [N, ...]",
    attributes: &[Attribute::new("log_target", Kind::Boolean, Default::Boolean(false), "whether targets are logarithms")],
    build: |loss, values| {
        let targets = loss.targets_like_of()?;
        let elements = loss.context.op(KlDiv { log_target: values.boolean("log_target") }, &[loss.of, targets])?;
        loss.reduce(elements).map(PerSample::plain)
    },
};
