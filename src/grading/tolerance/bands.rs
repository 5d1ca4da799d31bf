//! What a correct answer may be when each step is rounded by hand: an interval for every number of both sweeps.
//!
//! A person writes down numbers of few digits and goes on with what is written, or with what the calculator shows; both are right.
//! So every value that a person would write becomes an interval that holds it exact and rounded, and what is computed from it holds
//! whatever follows from any choice. [`hand`](super::hand) says which values those are and in which forms a step is worked out.
//! Another order of the minibatch's mean counts too: dividing at the start (each sample's dE/dz is a part of the whole) or at the
//! end, so the backward sweep runs once for each divisor and the intervals hold both.

use super::hand::{Hand, noted};
use crate::graph::{Graph, NodeId, Plan};
use crate::lower::Lowered;
use crate::ops::{Scalar, Scale, as_op};
use crate::spec::problem::Reduction;
use crate::tape::Tape;
use crate::tensor::{Digits, Float, Interval, Tensor};

/// What is worked out.
#[derive(Debug, Clone)]
pub(crate) struct Work<'g> {
    /// The computation.
    pub(crate) graph: &'g Graph,
    /// The nodes whose weighted sum is the objective, with the weight of each of their elements: per-sample losses, penalties.
    pub(crate) seeds: Vec<(NodeId, Vec<f64>)>,
    /// What somebody may divide by at the end, not at the start; none where nothing is divided.
    pub(crate) divisors: Vec<f64>,
}

impl<'g> Work<'g> {
    /// The whole objective of a lowered problem.
    pub(crate) fn of(lowered: &'g Lowered) -> Self {
        let graph = &lowered.graph;
        let losses = lowered.objective.iter().map(|objective| (objective.losses, objective.factors.clone()));
        let penalties = lowered.penalties.iter().map(|penalty| (penalty.node, vec![penalty.coefficient]));
        let seeds = losses.chain(penalties).collect();
        let mut divisors = Vec::new();
        if let Some(objective) = &lowered.objective {
            let samples = objective.echo.divisor;
            divisors.push(samples);
            // A loss that is also a mean over a sample's elements: the two are often divided by at once.
            let scale = graph.nodes()[objective.losses.index()].op.as_deref().and_then(as_op::<Scale>);
            if let Some(Scale(factor)) = scale.filter(|_| objective.echo.reduction == Reduction::Mean) {
                divisors.push((samples / factor).round());
            }
        }
        divisors.retain(|divisor| divisor.is_finite() && *divisor > 0.0 && *divisor != 1.0);
        divisors.dedup();
        Self { graph, seeds, divisors }
    }
}

/// An element whose input may lie on either side of a corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kink {
    /// The node with the corner.
    pub(crate) node: NodeId,
    /// Its element; of an op that picks among several, the element of the input.
    pub(crate) element: usize,
}

/// What the numbers of both sweeps may be.
#[derive(Debug)]
pub(crate) struct Bands {
    /// The objective.
    pub(crate) loss: Interval,
    values: Vec<Tensor<Interval>>,
    cotangents: Vec<Option<Tensor<Interval>>>,
    /// Where corners may be crossed: the cotangents without crossing any.
    certain: Option<Vec<Option<Tensor<Interval>>>>,
    /// The elements at whose corner rounding may choose the side, in order.
    pub(crate) kinks: Vec<Kink>,
}

impl Bands {
    /// What a node's value may be.
    pub(crate) fn value(&self, id: NodeId) -> &Tensor<Interval> {
        &self.values[id.index()]
    }

    /// What may be claimed of a number: what it may be, and what is within half a unit of the last digit of the exact number, `key`.
    pub(crate) fn claimable(band: Interval, key: f64, digits: Digits) -> Interval {
        // Of the number 0 the figures after the point count.
        let half = digits.half(if key == 0.0 { 0.1 } else { key }).max(1e-14 * key.abs());
        band.hull(Interval::new(key - half, key + half))
    }

    /// What the derivative by a node may be, on whichever side of a corner rounding puts somebody; nothing where no path leads
    /// from it to the objective, whose derivative is then 0.
    pub(crate) fn cotangent(&self, id: NodeId) -> Option<&Tensor<Interval>> {
        self.cotangents[id.index()].as_ref()
    }

    /// The same on the exact numbers' side of every corner. A claim outside of it, but inside of [`Bands::cotangent`], has crossed one.
    pub(crate) fn certain(&self, id: NodeId) -> Option<&Tensor<Interval>> {
        self.certain.as_ref().unwrap_or(&self.cotangents)[id.index()].as_ref()
    }
}

/// Work a problem out with every step written to so many digits. `leaf` gives the value of each leaf; `go_on` is asked between nodes.
///
/// # Errors
/// Whatever `go_on` says.
pub(crate) fn propagate<E>(
    work: &Work<'_>,
    digits: Digits,
    leaf: impl Fn(NodeId) -> Tensor<f64>,
    mut go_on: impl FnMut() -> Result<(), E>,
) -> Result<Bands, E> {
    let (key, values) = forward(work.graph, digits, leaf, &mut go_on)?;
    let loss = loss(work, &values, digits);
    let mut hand = Hand::new(work.graph, &key, &values, true);
    let cotangents = backward(work, digits, &mut hand, &mut go_on)?;
    let kinks: Vec<_> = hand.kinks().into_iter().map(|(node, element)| Kink { node: work.graph.id(node), element }).collect();
    let certain = if kinks.is_empty() {
        None
    } else {
        let mut hand = Hand::new(work.graph, &key, &values, false);
        Some(backward(work, digits, &mut hand, &mut go_on)?)
    };
    Ok(Bands { loss, values, cotangents, certain, kinks })
}

/// The exact values and what they may be.
fn forward<E>(
    graph: &Graph,
    digits: Digits,
    leaf: impl Fn(NodeId) -> Tensor<f64>,
    go_on: &mut impl FnMut() -> Result<(), E>,
) -> Result<(Vec<Tensor<f64>>, Vec<Tensor<Interval>>), E> {
    let mut key: Vec<Tensor<f64>> = Vec::with_capacity(graph.nodes().len());
    let mut values: Vec<Tensor<Interval>> = Vec::with_capacity(graph.nodes().len());
    for (i, node) in graph.nodes().iter().enumerate() {
        let Some(op) = &node.op else {
            let exact = leaf(graph.id(i));
            // What the exercise gives has the digits that it has.
            let given = exact.data().iter().map(|&x| Interval::from_f64(x).written(digits)).collect();
            values.push(Tensor::new(exact.shape(), given));
            key.push(exact);
            continue;
        };
        go_on()?;
        let exact: Vec<_> = node.inputs.iter().map(|&input| &key[input]).collect();
        let exact = f64::op(op.as_ref()).forward(&exact);
        let x: Vec<_> = node.inputs.iter().map(|&input| &values[input]).collect();
        values.push(super::hand::forward(op.as_ref(), &x, node.shape));
        key.push(exact);
    }
    Ok((key, values))
}

/// The objective, its summands divided one by one or their sum at the end.
fn loss(work: &Work<'_>, values: &[Tensor<Interval>], digits: Digits) -> Interval {
    let sum = |divisor: f64| {
        let mut sum = Interval::ZERO.written(digits);
        for (id, weights) in &work.seeds {
            for (&value, &weight) in values[id.index()].data().iter().zip(weights) {
                sum += scaled(weight, divisor) * value;
            }
        }
        if divisor == 1.0 { sum.noted() } else { (sum.noted() / Interval::from_f64(divisor)).noted() }
    };
    work.divisors.iter().fold(sum(1.0), |all, &divisor| all.hull(sum(divisor)))
}

/// A weight times what its quotient will be divided by later.
fn scaled(weight: f64, divisor: f64) -> Interval {
    let product = weight * divisor;
    // 1/N times N is meant to be 1.
    let near = product.round();
    if (product - near).abs() <= 1e-14 * near.abs() { Interval::from_f64(near) } else { Interval::from_f64(product) }
}

/// The cotangents of all nodes that have one.
fn backward<E>(
    work: &Work<'_>,
    digits: Digits,
    hand: &mut Hand<'_>,
    go_on: &mut impl FnMut() -> Result<(), E>,
) -> Result<Vec<Option<Tensor<Interval>>>, E> {
    let graph = work.graph;
    let all: Vec<_> = (0..graph.nodes().len()).map(|i| graph.id(i)).collect();
    let objective: Vec<_> = work.seeds.iter().map(|(id, _)| *id).collect();
    let plan = Plan::new(graph, &all, &objective, &all);
    let tape = Tape::assembled(graph, &plan, hand.values().iter().cloned().map(Some).collect());
    let mut sum: Option<Vec<Option<Tensor<Interval>>>> = None;
    for divisor in [1.0].into_iter().chain(work.divisors.iter().copied()) {
        hand.start();
        let seed = |(id, weights): &(NodeId, Vec<f64>)| {
            let data = weights.iter().map(|&weight| scaled(weight, divisor).written(digits)).collect();
            (*id, Tensor::new(graph.shape(*id), data))
        };
        let mut found = tape.backward(work.seeds.iter().map(seed), &*hand, &mut *go_on)?.into_cotangents();
        for (i, cotangent) in found.iter_mut().enumerate() {
            let Some(tensor) = cotangent else { continue };
            if hand.is_fresh(i) {
                *tensor = noted(tensor);
            }
            if divisor != 1.0 {
                *tensor = tensor.map(|x| (x / Interval::from_f64(divisor)).noted());
            }
        }
        sum = Some(match sum {
            None => found,
            Some(before) => before.into_iter().zip(found).map(|pair| hull(pair.0, pair.1)).collect(),
        });
    }
    Ok(sum.expect("there is always one divisor, 1"))
}

fn hull(a: Option<Tensor<Interval>>, b: Option<Tensor<Interval>>) -> Option<Tensor<Interval>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.zip(&b, a.shape(), Interval::hull)),
        (a, b) => a.or(b),
    }
}
