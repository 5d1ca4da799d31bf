//! Elementwise ops: each input interval is cut into pieces, so that a formula that names its input several times encloses closely
//! (`y·(1 − y)` has one y, not two), and so that both sides of a corner are seen.
//!
//! A derivative may be worked out from the input or from the written output, and multiplied from either end: the local derivative
//! first, or the cotangent along with it. All count.

use super::hand::{Step, pulled};
use crate::ops::{AnyOp, Cotangents, Scalar, kinks};
use crate::tensor::{Float, Interval, Shape, Tensor};

/// Into how many pieces an interval is cut.
const CUTS: usize = 4;
/// The pieces, the points between them, and a point just outside of either end.
const ALL: usize = 2 * CUTS + 3;

/// Points and pieces of an interval, the points outside first and last.
fn pieces(x: Interval) -> [Interval; ALL] {
    let mut all = [x; ALL];
    if !x.is_finite() {
        return all;
    }
    let thin = |at: f64| Interval::thin(at).as_written(x);
    (all[0], all[ALL - 1]) = (thin(x.lo().next_down()), thin(x.hi().next_up()));
    if x.lo() == x.hi() {
        return all;
    }
    let point = |i: usize| {
        let share = i as f64 / CUTS as f64;
        if i == CUTS { x.hi() } else { (x.lo() + share * (x.hi() - x.lo())).clamp(x.lo(), x.hi()) }
    };
    for i in 0..=CUTS {
        all[1 + i] = thin(point(i));
    }
    for i in 0..CUTS {
        all[2 + CUTS + i] = Interval::new(point(i), point(i + 1)).as_written(x);
    }
    all
}

/// The first input in pieces and the others repeated, all of one flat shape.
fn cut(x: &[&Tensor<Interval>], shape: Shape) -> Vec<Tensor<Interval>> {
    let flat = flat(shape);
    let first = x[0].data().iter().flat_map(|&x| pieces(x)).collect();
    let others = x[1..].iter().map(|x| repeated(&x.broadcast_to(shape)));
    std::iter::once(Tensor::new(flat, first)).chain(others).collect()
}

fn flat(shape: Shape) -> Shape {
    Shape::new(&[shape.size() * ALL]).expect("one axis of a few times the numbers")
}

/// Every element as often as there are pieces of one.
fn repeated<S: Float>(x: &Tensor<S>) -> Tensor<S> {
    Tensor::new(flat(x.shape()), x.data().iter().flat_map(|&x| [x; ALL]).collect())
}

/// The smallest interval around all that are there.
fn hull(all: impl IntoIterator<Item = Interval>) -> Option<Interval> {
    all.into_iter().reduce(Interval::hull)
}

/// The op's values.
pub(super) fn forward(op: &dyn AnyOp, x: &[&Tensor<Interval>], shape: Shape) -> Tensor<Interval> {
    let cut = cut(x, shape);
    let cut: Vec<_> = cut.iter().collect();
    let y = Interval::op(op).forward(&cut);
    let elements = y.data().chunks_exact(ALL).zip(cut[0].data().chunks_exact(ALL)).enumerate();
    let data = elements.map(|(i, (y, x))| {
        let target = cut.get(1).map(|t| t.data()[i * ALL]);
        let own = y[1..ALL - 1].iter().copied();
        let others = x[1..ALL - 1].iter().flat_map(|&x| other_values(op.name(), x, target));
        hull(own.chain(others)).expect("an interval has pieces")
    });
    Tensor::new(shape, data.collect())
}

/// One step back. Gives the local derivatives, and the elements that may lie on either side of a corner.
pub(super) fn vjp(step: &Step<'_>, x_bar: &mut Cotangents<'_, Interval>) -> (Option<Tensor<Interval>>, Vec<usize>) {
    if !x_bar.wants(0) {
        return (None, Vec::new());
    }
    let shape = step.y_bar.shape();
    let cut = cut(step.at.x, shape);
    let cut: Vec<_> = cut.iter().collect();
    let y = Interval::op(step.op).forward(&cut);
    let slopes = pulled(step.op, &cut, &y, &Tensor::full(y.shape(), Interval::ONE)).swap_remove(0);
    let along = pulled(step.op, &cut, &y, &repeated(step.y_bar)).swap_remove(0);
    let corner = kinks::has_corner(step.op).then(|| Corner::of(step, cut[0]));
    let (mut data, mut local) = (Vec::with_capacity(shape.size()), Vec::with_capacity(shape.size()));
    for (i, &y_bar) in step.y_bar.data().iter().enumerate() {
        let range = i * ALL..(i + 1) * ALL;
        let meant = |k: &usize| match &corner {
            None => (1..ALL - 1).contains(k),
            Some(corner) => step.both_sides || corner.same_side(i, *k),
        };
        let of = |all: &Tensor<Interval>| -> Vec<Interval> {
            let all = &all.data()[range.clone()];
            (0..ALL).filter(meant).map(|k| all[k]).collect()
        };
        let target = cut.get(1).map(|t| t.data()[i * ALL]);
        let y = step.at.y.data()[i];
        let others = || cut[0].data()[range.clone()][1..ALL - 1].iter().flat_map(|&x| other_slopes(step.op.name(), x, target));
        let others = others().chain(slopes_of_output(step.op.name(), y));
        let slope = hull(of(&slopes).into_iter().chain(others)).unwrap_or(Interval::WHOLE);
        local.push(slope);
        let products = of(&along).into_iter().chain(along_output(step.op.name(), y, y_bar));
        // What the node's cotangent is written as counts, not the product before it.
        let product = (slope.unwritten() * y_bar.unwritten()).as_written(y_bar);
        data.push(hull(products).map_or(product, |along| along.hull(product)));
    }
    x_bar.give(0, Tensor::new(step.at.shapes[0], data));
    (Some(Tensor::new(shape, local)), corner.map_or_else(Vec::new, |corner| corner.crossed(shape.size())))
}

/// On which side of a cornered op's corners pieces lie.
struct Corner {
    of_pieces: Vec<u64>,
    of_key: Vec<u64>,
}

impl Corner {
    fn of(step: &Step<'_>, cut: &Tensor<Interval>) -> Self {
        let middles = Tensor::new(cut.shape(), cut.data().iter().map(|x| x.to_f64()).collect());
        let y = f64::op(step.op).forward(&[&middles]);
        let (mut of_pieces, mut of_key) = (Vec::new(), Vec::new());
        kinks::pattern::<f64>(step.op, &[&middles], &y, &mut of_pieces);
        kinks::pattern::<f64>(step.op, step.exact, step.exact_y, &mut of_key);
        Self { of_pieces, of_key }
    }

    fn same_side(&self, element: usize, piece: usize) -> bool {
        self.of_pieces[element * ALL + piece] == self.of_key[element]
    }

    fn crossed(&self, count: usize) -> Vec<usize> {
        (0..count).filter(|&i| (0..ALL).any(|k| !self.same_side(i, k))).collect()
    }
}

/// A function that rises or falls, at the ends of an interval: what is written once and used twice is the same number both times. The
/// function must note what it writes as [`Interval::noted_nearby`], for the numbers between the ends.
fn ends(x: Interval, f: impl Fn(Interval) -> Interval) -> Interval {
    let end = |at: f64| f(Interval::thin(at).as_written(x));
    end(x.lo()).hull(end(x.hi()))
}

/// A sum that is written down, of numbers that stand for others near them.
fn sum(a: Interval, b: Interval) -> Interval {
    (a.unwritten() + b.unwritten()).as_written(if a.is_written() { a } else { b }).noted_nearby()
}

fn logistic(x: Interval) -> Interval {
    Interval::ONE / (Interval::ONE + (-x).exp())
}

/// Other forms in which a value is worked out.
fn other_values(name: &str, x: Interval, target: Option<Interval>) -> Vec<Interval> {
    let one = Interval::ONE;
    let all = match (name, target) {
        ("sigmoid", _) => vec![logistic(x), ends(x.exp(), |e| e / sum(one, e))],
        ("tanh", _) => vec![ends((x + x).exp(), |e| sum(e, -one) / sum(e, one))],
        ("softplus", _) => vec![(one + x.exp()).ln()],
        ("bce_with_logits", Some(t)) => {
            let p = logistic(x).noted();
            vec![ends(p, |p| -(t * p.ln().noted_nearby() + (one - t) * sum(one, -p).ln().noted_nearby()))]
        }
        _ => Vec::new(),
    };
    // One that overflows is not the one that is used.
    all.into_iter().filter(|x| x.is_finite()).collect()
}

/// Other forms in which a derivative is worked out from the input.
fn other_slopes(name: &str, x: Interval, target: Option<Interval>) -> Vec<Interval> {
    let one = Interval::ONE;
    let all = match (name, target) {
        ("bce_with_logits", Some(t)) => vec![logistic(x).noted() - t],
        ("bce", Some(t)) => vec![(one - t) / (one - x) - t / x],
        ("softplus", _) => vec![logistic(x)],
        _ => Vec::new(),
    };
    all.into_iter().filter(|x| x.is_finite()).collect()
}

/// Cotangents multiplied factor by factor with what a derivative is made of.
fn along_output(name: &str, y: Interval, y_bar: Interval) -> Vec<Interval> {
    if name != "sigmoid" {
        return Vec::new();
    }
    let forms = |y: Interval| {
        let rest = (Interval::ONE - y).noted();
        [(y_bar * y).noted() * rest, (y_bar * rest).noted() * y]
    };
    pieces(y)[1..ALL - 1].iter().flat_map(|&y| forms(y)).collect()
}

/// Derivatives worked out from the output as it was written.
fn slopes_of_output(name: &str, y: Interval) -> Vec<Interval> {
    let slope: fn(Interval) -> Interval = match name {
        "sigmoid" => |y| y * (Interval::ONE - y),
        "tanh" => |y| Interval::ONE - y * y,
        "exp" => |y| y,
        "sqrt" => |y| Interval::thin(0.5) / y,
        _ => return Vec::new(),
    };
    pieces(y)[1..ALL - 1].iter().map(|&y| slope(y)).collect()
}
