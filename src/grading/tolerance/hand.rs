//! The steps of a calculation by hand, forward and backward: what is written down after which op, and in which forms a step may be
//! worked out.
//!
//! Written down (an interval that holds the number exact and rounded, [`Interval::noted`]): each node's value, each dE/dz and dE/da,
//! each gradient, each sum over the minibatch. Inside an op every product, quotient and function value is
//! ([`Interval::rounded`]): the products w·z and w·δ of a sum, the exponentials of a softmax. What passes numbers on unchanged (relu,
//! a slice) writes nothing new.
//!
//! Elementwise ops are worked out by [`pieces`], softmax and cross-entropy by [`contest`], what picks one of several by [`extremes`];
//! the rest by their own rules.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use super::{contest, extremes, pieces};
use crate::graph::{Graph, NodeId};
use crate::ops::{AnyOp, CATALOG, Cotangents, Point, Scalar};
use crate::tape::Rules;
use crate::tensor::{Interval, Shape, Tensor};

/// Ops that give on the numbers that they are given.
const PASSING: &[&str] = &[
    "identity",
    "neg",
    "relu",
    "abs",
    "hardtanh",
    "maximum",
    "minimum",
    "max_pool2d",
    "reshape",
    "flatten",
    "permute",
    "concat",
    "stack",
    "slice",
    "select",
    "expand",
    "exclude",
    "embedding",
];

/// Elementwise losses of an output and constants.
const LOSSES: &[&str] = &["bce", "bce_with_logits", "huber", "smooth_l1"];

/// Up to so many samples a neuron's step is worked out in the lecture's order too, sample by sample.
const SAMPLES: usize = 64;

/// How a step is worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By the op's own rule.
    Own,
    /// Element by element.
    Pieces,
    /// As what picks the larger or smaller.
    Extremes,
    /// As a softmax or its kin.
    Contest,
}

impl Way {
    fn of(op: &dyn AnyOp, inputs: &[Shape], output: Shape) -> Self {
        let name = op.name();
        let alike = inputs.iter().all(|&shape| shape.broadcast(output) == Ok(output)) && inputs[0].size() == output.size();
        if extremes::is_extreme(op) {
            Self::Extremes
        } else if contest::is_contest(op) {
            Self::Contest
        } else if (inputs.len() == 1 && CATALOG.iter().any(|entry| entry.name == name && entry.elementwise))
            || (LOSSES.contains(&name) && alike)
        {
            Self::Pieces
        } else {
            Self::Own
        }
    }
}

/// Whether the op gives on the numbers that it is given: one of those that do, or a sum of single numbers.
fn passes(op: &dyn AnyOp, inputs: &[Shape], output: Shape) -> bool {
    PASSING.contains(&op.name()) || (matches!(op.name(), "sum" | "mean") && inputs[0].size() == output.size())
}

/// Every number written down.
pub(super) fn noted(x: &Tensor<Interval>) -> Tensor<Interval> {
    x.map(Interval::noted)
}

/// What the value of a node may be.
pub(super) fn forward(op: &dyn AnyOp, x: &[&Tensor<Interval>], shape: Shape) -> Tensor<Interval> {
    let shapes: Vec<_> = x.iter().map(|x| x.shape()).collect();
    let way = Way::of(op, &shapes, shape);
    let y = match way {
        Way::Own => Interval::op(op).forward(x),
        Way::Pieces => pieces::forward(op, x, shape),
        Way::Extremes => extremes::forward(op, x),
        Way::Contest => contest::forward(op, x),
    };
    let y = if op.name() == "mean" { mean(&shapes, y) } else { y };
    // What is worked out in pieces is written down there.
    if way == Way::Pieces || passes(op, &shapes, shape) { y } else { noted(&y) }
}

/// A mean whose sum is written down too.
fn mean(shapes: &[Shape], y: Tensor<Interval>) -> Tensor<Interval> {
    let count = (shapes[0].size() / y.shape().size().max(1)) as f64;
    if count == 1.0 {
        return y;
    }
    let count = Interval::thin(count);
    y.map(|mean| mean.hull((mean * count).noted() / count))
}

/// The rules of the backward sweep.
#[derive(Debug)]
pub(super) struct Hand<'w> {
    graph: &'w Graph,
    /// How many inputs each node is.
    readers: Vec<usize>,
    key: &'w [Tensor<f64>],
    values: &'w [Tensor<Interval>],
    /// Whether both sides of a corner count, or the exact numbers' alone.
    both_sides: bool,
    /// What reaches each node's cotangent.
    reaching: RefCell<Vec<Reaching>>,
    kinks: RefCell<BTreeSet<(usize, usize)>>,
    /// For neurons, by their places: the slope of their activation, and dE/dz.
    locals: RefCell<HashMap<usize, Local>>,
}

/// What stands above a neuron's pre-activation.
#[derive(Debug)]
struct Local {
    slope: Tensor<Interval>,
    z_bar: Tensor<Interval>,
}

/// What reaches a cotangent so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reaching {
    /// Nothing, or a seed.
    Nothing,
    /// Numbers that were written down before.
    Written,
    /// Numbers that were not, or a sum.
    Fresh,
}

impl<'w> Hand<'w> {
    pub(super) fn new(graph: &'w Graph, key: &'w [Tensor<f64>], values: &'w [Tensor<Interval>], both_sides: bool) -> Self {
        let mut readers = vec![0; graph.nodes().len()];
        for &input in graph.nodes().iter().flat_map(|node| &node.inputs) {
            readers[input] += 1;
        }
        Self {
            graph,
            readers,
            key,
            values,
            both_sides,
            reaching: RefCell::default(),
            kinks: RefCell::default(),
            locals: RefCell::default(),
        }
    }

    /// What the nodes' values may be.
    pub(super) fn values(&self) -> &'w [Tensor<Interval>] {
        self.values
    }

    /// Forget what reached the cotangents of the last sweep.
    pub(super) fn start(&mut self) {
        self.reaching = RefCell::new(vec![Reaching::Nothing; self.values.len()]);
        self.locals.borrow_mut().clear();
    }

    /// Whether the cotangent of the node at this place is yet to be written down.
    pub(super) fn is_fresh(&self, node: usize) -> bool {
        self.reaching.borrow()[node] == Reaching::Fresh
    }

    /// Where corners may be crossed, as places of nodes and elements.
    pub(super) fn kinks(&self) -> BTreeSet<(usize, usize)> {
        self.kinks.borrow().clone()
    }

    /// Keep the activation's slope for the neuron below it, if it is one's and nothing else reads that.
    fn remember(&self, place: usize, slope: Option<Tensor<Interval>>, z_bar: Tensor<Interval>) {
        let nodes = self.graph.nodes();
        let [neuron] = *nodes[place].inputs else { return };
        let is_neuron = nodes[neuron].op.as_ref().is_some_and(|op| op.name() == "neuron");
        if let Some(slope) = slope.filter(|_| is_neuron && z_bar.data().len() <= SAMPLES && self.readers[neuron] == 1) {
            self.locals.borrow_mut().insert(neuron, Local { slope, z_bar });
        }
    }

    /// Remember what an op gives its inputs.
    fn reach(&self, node: NodeId, passes: bool, x_bar: &Cotangents<'_, Interval>) {
        let mut reaching = self.reaching.borrow_mut();
        for (i, &input) in self.graph.nodes()[node.index()].inputs.iter().enumerate() {
            if x_bar.wants(i) {
                let first = reaching[input] == Reaching::Nothing;
                reaching[input] = if passes && first { Reaching::Written } else { Reaching::Fresh };
            }
        }
    }
}

impl Rules<Interval> for Hand<'_> {
    fn vjp(
        &self,
        node: NodeId,
        op: &dyn AnyOp,
        at: Point<'_, Interval>,
        y_bar: &Tensor<Interval>,
        x_bar: &mut Cotangents<'_, Interval>,
    ) {
        let place = node.index();
        let y_bar = if self.is_fresh(place) { noted(y_bar) } else { y_bar.clone() };
        let passing = passes(op, at.shapes, y_bar.shape());
        self.reach(node, passing, x_bar);
        let exact: Vec<_> = self.graph.nodes()[place].inputs.iter().map(|&input| &self.key[input]).collect();
        let step = Step { op, at, y_bar: &y_bar, exact: &exact, exact_y: &self.key[place], both_sides: self.both_sides };
        let crossed = match Way::of(op, at.shapes, y_bar.shape()) {
            Way::Own => {
                match self.locals.borrow_mut().remove(&place) {
                    Some(local) => by_paths(&step, &local, x_bar),
                    None => Interval::op(op).vjp(at, &y_bar, x_bar),
                }
                Vec::new()
            }
            Way::Pieces => {
                let (local, crossed) = pieces::vjp(&step, x_bar);
                self.remember(place, local, y_bar);
                crossed
            }
            Way::Extremes => extremes::vjp(&step, x_bar),
            Way::Contest => {
                contest::vjp(&step, x_bar);
                Vec::new()
            }
        };
        self.kinks.borrow_mut().extend(crossed.into_iter().map(|element| (place, element)));
    }
}

/// A neuron's step in the lecture's order as well: `dE/dz · (g′(a)·w)`, one ∂z/∂z for each edge, where backprop has `(dE/dz · g′(a))·w`.
fn by_paths(step: &Step<'_>, local: &Local, x_bar: &mut Cotangents<'_, Interval>) {
    let own = pulled(step.op, step.at.x, step.at.y, step.y_bar);
    let mut paths: Vec<_> = own.iter().map(|own| Tensor::zeros(own.shape())).collect();
    for (n, (&slope, &z_bar)) in local.slope.data().iter().zip(local.z_bar.data()).enumerate() {
        let mut only = Tensor::zeros(step.y_bar.shape());
        only.data_mut()[n] = slope;
        for (sum, factor) in paths.iter_mut().zip(pulled(step.op, step.at.x, step.at.y, &only)) {
            sum.add_in_place(&factor.map(|factor| factor.noted() * z_bar));
        }
    }
    for (i, (own, paths)) in own.into_iter().zip(paths).enumerate() {
        x_bar.give(i, own.zip(&paths, own.shape(), Interval::hull));
    }
}

/// One step back through an op.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'s> {
    pub(super) op: &'s dyn AnyOp,
    pub(super) at: Point<'s, Interval>,
    pub(super) y_bar: &'s Tensor<Interval>,
    /// The exact inputs and output.
    pub(super) exact: &'s [&'s Tensor<f64>],
    pub(super) exact_y: &'s Tensor<f64>,
    /// Whether both sides of a corner count.
    pub(super) both_sides: bool,
}

/// The vjp of an op at some inputs, each wanted.
pub(super) fn pulled<S: Scalar>(op: &dyn AnyOp, x: &[&Tensor<S>], y: &Tensor<S>, y_bar: &Tensor<S>) -> Vec<Tensor<S>> {
    let shapes: Vec<_> = x.iter().map(|x| x.shape()).collect();
    let inputs: Vec<_> = (0..x.len()).collect();
    let mut slots: Vec<Option<Tensor<S>>> = vec![None; x.len()];
    let wanted = vec![true; x.len()];
    S::op(op).vjp(Point { shapes: &shapes, x, y }, y_bar, &mut Cotangents::new(&mut slots, &inputs, &shapes, &wanted));
    slots.into_iter().zip(shapes).map(|(slot, shape)| slot.unwrap_or_else(|| Tensor::zeros(shape))).collect()
}
