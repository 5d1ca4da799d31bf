//! Ops that pick the larger or smaller of several numbers. The value rises with each input, so its ends are those of the inputs; whose
//! cotangent it is, rounding may decide.

use super::hand::{Step, pulled};
use crate::ops::{AnyOp, Cotangents, MaxPool2d, Scalar, as_op, kinks};
use crate::tensor::{Interval, Tensor};

/// Windows of max pooling that are no larger than this hold no two inputs whose rows and columns are equal modulo it.
const SPACING: usize = 16;

pub(super) fn is_extreme(op: &dyn AnyOp) -> bool {
    as_op::<MaxPool2d>(op).is_some() || matches!(op.name(), "maximum" | "minimum")
}

/// Exact numbers as intervals.
fn exactly(x: &Tensor<f64>) -> Tensor<Interval> {
    Tensor::new(x.shape(), x.data().iter().map(|&x| Interval::thin(x)).collect())
}

fn thin(x: &Tensor<Interval>, at: fn(Interval) -> f64) -> Tensor<Interval> {
    x.map(|x| Interval::thin(at(x)).as_written(x))
}

pub(super) fn forward(op: &dyn AnyOp, x: &[&Tensor<Interval>]) -> Tensor<Interval> {
    let end = |at: fn(Interval) -> f64| {
        let x: Vec<_> = x.iter().map(|x| thin(x, at)).collect();
        Interval::op(op).forward(&x.iter().collect::<Vec<_>>())
    };
    let (lo, hi) = (end(Interval::lo), end(Interval::hi));
    lo.zip(&hi, lo.shape(), Interval::hull)
}

/// One step back. Gives the elements whose side rounding may decide.
pub(super) fn vjp(step: &Step<'_>, x_bar: &mut Cotangents<'_, Interval>) -> Vec<usize> {
    if !step.both_sides {
        let exact: Vec<_> = step.exact.iter().map(|x| exactly(x)).collect();
        let exact: Vec<_> = exact.iter().collect();
        for (i, given) in pulled(step.op, &exact, step.at.y, step.y_bar).into_iter().enumerate() {
            x_bar.give(i, given);
        }
        return Vec::new();
    }
    if as_op::<MaxPool2d>(step.op).is_some() { pool(step, x_bar) } else { pair(step, x_bar) }
}

/// The larger or smaller of two.
fn pair(step: &Step<'_>, x_bar: &mut Cotangents<'_, Interval>) -> Vec<usize> {
    let shape = step.y_bar.shape();
    let x: Vec<_> = step.at.x.iter().map(|x| x.broadcast_to(shape)).collect();
    let above = |x: Interval| x.hi().next_up();
    let below = |x: Interval| x.lo().next_down();
    let exact: Vec<Tensor<Interval>> = step.exact.iter().map(|x| exactly(&x.broadcast_to(shape))).collect();
    let sides = [[thin(&x[0], above), thin(&x[1], below)], [thin(&x[0], below), thin(&x[1], above)]];
    let found: Vec<_> = sides
        .iter()
        .map(|side| [&side[0], &side[1]])
        .chain([[&exact[0], &exact[1]]])
        .map(|x| pulled(step.op, &x, &Interval::op(step.op).forward(&x), step.y_bar))
        .collect();
    for i in 0..x.len() {
        let hull = found[1..].iter().fold(found[0][i].clone(), |hull, found| hull.zip(&found[i], shape, Interval::hull));
        x_bar.give(i, hull);
    }
    let pattern = |side: &[Tensor<Interval>; 2]| {
        let mut pattern = Vec::new();
        kinks::pattern(step.op, &[&side[0], &side[1]], step.y_bar, &mut pattern);
        pattern
    };
    let [one, other] = [pattern(&sides[0]), pattern(&sides[1])];
    (0..shape.size()).filter(|&i| one[i] != other[i]).collect()
}

/// Max pooling: each input at its best and at its worst among its neighbours.
fn pool(step: &Step<'_>, x_bar: &mut Cotangents<'_, Interval>) -> Vec<usize> {
    if !x_bar.wants(0) {
        return Vec::new();
    }
    let x = step.at.x[0];
    let shape = x.shape();
    let dims = shape.dims();
    let width = dims[dims.len() - 1];
    let height = dims[dims.len() - 2];
    let (rows, columns) = (height.min(SPACING), width.min(SPACING));
    let class = |i: usize| (i / width % height % rows) * columns + i % width % columns;
    let lift = |at: fn(Interval) -> f64| Tensor::new(step.y_bar.shape(), step.y_bar.data().iter().map(|&y| at(y)).collect());
    let (most, least) = (lift(|y| y.hi().max(0.0)), lift(|y| y.lo().min(0.0)));
    let ones = Tensor::full(step.y_bar.shape(), 1.0);
    let mut data = vec![Interval::thin(0.0); shape.size()];
    let mut crossed = Vec::new();
    for of in 0..rows * columns {
        let at = |own: fn(Interval) -> f64, others: fn(Interval) -> f64| {
            Tensor::new(
                shape,
                x.data().iter().enumerate().map(|(i, &x)| if class(i) == of { own(x) } else { others(x) }).collect(),
            )
        };
        let (best, worst) = (at(Interval::hi, Interval::lo), at(Interval::lo, Interval::hi));
        let won = |x: &Tensor<f64>, y_bar: &Tensor<f64>| {
            let y = f64::op(step.op).forward(&[x]);
            pulled(step.op, &[x], &y, y_bar).swap_remove(0)
        };
        let (possible, certain) = (won(&best, &ones), won(&worst, &ones));
        let (hi, lo) = (won(&best, &most), won(&best, &least));
        let sure = exactly(&worst);
        let sure = pulled(step.op, &[&sure], &Interval::op(step.op).forward(&[&sure]), step.y_bar).swap_remove(0);
        for i in (0..shape.size()).filter(|&i| class(i) == of) {
            let decided = possible.data()[i] == certain.data()[i];
            data[i] = if decided { sure.data()[i] } else { Interval::new(lo.data()[i], hi.data()[i]).as_written(x.data()[i]) };
            if !decided {
                crossed.push(i);
            }
        }
    }
    crossed.sort_unstable();
    x_bar.give(0, Tensor::new(shape, data));
    crossed
}
