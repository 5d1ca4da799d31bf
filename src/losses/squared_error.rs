//! `squared_error`: the textbooks' `factor·Σ (o − t)²`; elements are summed whatever the reduction over samples.

use super::{Entry, PerSample};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Elementwise, Mul, Scale, Sub, Sum};

pub(super) const ENTRY: Entry = Entry {
    name: "squared_error",
    summary: "sum of squared differences times a factor; the reduction is over samples only",
    formula: "E = factor * sum_d (o_d - t_d)^2",
    derivative: "dE/do_d = 2 * factor * (o_d - t_d)",
    targets: "values of the shape of the node, [N, ...]",
    attributes: &[Attribute::new("factor", Kind::Number, Default::Number(1.0), "textbooks that write 1/2 give 0.5")],
    build: |loss, values| {
        let targets = loss.targets_like_of()?;
        let difference = loss.context.op(Elementwise(Sub { alpha: 1.0 }), &[loss.of, targets])?;
        let square = loss.context.op(Elementwise(Mul), &[difference, difference])?;
        let sum = loss.context.op(Sum::all(), &[square])?;
        loss.context.op(Scale(values.number("factor")), &[sum]).map(PerSample::plain)
    },
};
