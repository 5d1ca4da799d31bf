//! `sum`: E is the node itself, summed over its elements; for expression graphs.

use super::{Entry, PerSample};
use crate::ops::Sum;

pub(super) const ENTRY: Entry = Entry {
    name: "sum",
    summary: "the node itself: the sum of its elements",
    formula: "E = sum_d o_d",
    derivative: "dE/do_d = 1",
    targets: "",
    attributes: &[],
    build: |loss, _| loss.context.op(Sum::all(), &[loss.of]).map(PerSample::plain),
};
