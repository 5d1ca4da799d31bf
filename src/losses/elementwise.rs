//! The losses of a difference, element by element: `mse`, `l1`, `smooth_l1`, `huber`. The reduction reduces a sample's elements
//! as well as samples, so that `sum` and `mean` both equal PyTorch's.

use super::{Entry, LossContext, PerSample};
use crate::graph::NodeId;
use crate::lower::Failed;
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{Abs, AnyOp, Elementwise, Huber, Mul, SmoothL1, Sub};

const TARGETS: &str = "values of the shape of the node, [N, ...]";

pub(super) const MSE: Entry = Entry {
    name: "mse",
    summary: "squared differences",
    formula: "E = sum_d (o_d - t_d)^2, or their mean",
    derivative: "dE/do_d = 2 * (o_d - t_d), divided by the number of elements for a mean",
    targets: TARGETS,
    attributes: &[],
    build: |loss, _| {
        let difference = difference(loss)?;
        let square = loss.context.op(Elementwise(Mul), &[difference, difference])?;
        loss.reduce(square).map(PerSample::plain)
    },
};

pub(super) const L1: Entry = Entry {
    name: "l1",
    summary: "absolute differences",
    formula: "E = sum_d |o_d - t_d|, or their mean",
    derivative: "dE/do_d = sign(o_d - t_d), 0 at 0",
    targets: TARGETS,
    attributes: &[],
    build: |loss, _| of_difference(loss, Abs),
};

pub(super) const SMOOTH_L1: Entry = Entry {
    name: "smooth_l1",
    summary: "quadratic near zero and linear beyond beta",
    formula: "E = sum_d u_d, u = d^2 / (2 beta) if |d| < beta, else |d| - beta/2, d = o - t; or their mean",
    derivative: "du/dd = d / beta if |d| < beta, else sign(d)",
    targets: TARGETS,
    attributes: &[Attribute::new(
        "beta",
        Kind::Number,
        Default::Number(1.0),
        "where the two pieces meet, at least 0; at 0 it is l1",
    )],
    build: |loss, values| {
        let beta = values.number("beta");
        if beta < 0.0 {
            return Err(loss.context.invalid(Invalid::new("beta", format!("expected at least 0, found {beta}"))));
        }
        if beta == 0.0 { of_difference(loss, Abs) } else { of_difference(loss, SmoothL1 { beta }) }
    },
};

pub(super) const HUBER: Entry = Entry {
    name: "huber",
    summary: "quadratic near zero and linear beyond delta",
    formula: "E = sum_d u_d, u = d^2 / 2 if |d| < delta, else delta * (|d| - delta/2), d = o - t; or their mean",
    derivative: "du/dd = d if |d| < delta, else delta * sign(d)",
    targets: TARGETS,
    attributes: &[Attribute::new("delta", Kind::Number, Default::Number(1.0), "where the two pieces meet, above 0")],
    build: |loss, values| {
        let delta = values.number("delta");
        if delta <= 0.0 {
            return Err(loss.context.invalid(Invalid::new("delta", format!("expected a number above 0, found {delta}"))));
        }
        of_difference(loss, Huber { delta })
    },
};

fn difference(loss: &mut LossContext<'_, '_, '_, '_>) -> Result<NodeId, Failed> {
    let targets = loss.targets_like_of()?;
    loss.context.op(Elementwise(Sub { alpha: 1.0 }), &[loss.of, targets])
}

fn of_difference(loss: &mut LossContext<'_, '_, '_, '_>, op: impl AnyOp + 'static) -> Result<PerSample, Failed> {
    let difference = difference(loss)?;
    let elements = loss.context.op(op, &[difference])?;
    loss.reduce(elements).map(PerSample::plain)
}
