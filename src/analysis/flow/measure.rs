//! What is measured of each layer: the size of its gradient, what it does to the gradient that passes, its units, its weights.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::places::{Place, Places};
use crate::lower::{Lowered, Parameter};
use crate::ops::{Cotangents, Point, Scalar};
use crate::tape::{Sweep, Tape};
use crate::tensor::{Shape, Tensor};

/// Activations that level off, with the largest slope that they have.
const SATURATING: &[(&str, f64)] =
    &[("tanh", 1.0), ("sigmoid", 0.25), ("hardtanh", 1.0), ("softsign", 1.0), ("hardsigmoid", 1.0 / 6.0), ("relu6", 1.0)];
/// Activations with a half that lets nothing through.
const HALVED: &[&str] = &["relu", "relu6"];
/// A unit is saturated where its slope is at most this share of its activation's largest: a tanh beyond ±0.975.
pub(super) const SATURATED_SLOPE: f64 = 0.05;

/// One layer, or all neurons of one depth.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) id: String,
    pub(super) nodes: Vec<String>,
    pub(super) op: String,
    pub(super) depth: usize,
    pub(super) gradient_rms: f64,
    pub(super) local_gain: Option<f64>,
    pub(super) saturated_fraction: Option<f64>,
    pub(super) dead_fraction: Option<f64>,
    pub(super) weight_gradient_rms: Option<f64>,
    pub(super) update_to_weight_ratio: Option<f64>,
}

/// A finished run, and what a step of training would be.
pub(super) struct Measure<'m> {
    pub(super) lowered: &'m Lowered,
    pub(super) places: &'m Places,
    pub(super) values: &'m Tape<'m, f64>,
    pub(super) sweep: &'m Sweep<f64>,
    pub(super) lr: f64,
}

/// Sum of squares and count.
#[derive(Debug, Clone, Copy, Default)]
struct Squares {
    sum: f64,
    count: usize,
}

impl Squares {
    fn add(&mut self, numbers: &[f64]) {
        // Scaled, so that a gradient of 1e-200 is not measured as 0.
        let largest = numbers.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let own = if largest > 0.0 && largest.is_finite() {
            largest * numbers.iter().map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt()
        } else {
            numbers.iter().map(|x| x * x).sum::<f64>().sqrt()
        };
        self.sum = self.sum.hypot(own);
        self.count += numbers.len();
    }

    /// The Euclidean norm.
    fn norm(self) -> f64 {
        self.sum
    }

    fn rms(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / (self.count as f64).sqrt())
    }
}

/// The places that make up each layer, from the output to the input: neurons of one depth together, everything else alone.
pub(super) fn layers(lowered: &Lowered, places: &Places) -> Vec<(usize, Vec<usize>)> {
    let (depths, feeds) = (places.depths(), places.feeding());
    let mut groups: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    let mut neurons: BTreeMap<usize, usize> = BTreeMap::new();
    for i in (places.inputs..places.list.len()).filter(|&i| feeds[i]) {
        let single = lowered.graph.shape(places.list[i].z).sample_dims().is_empty();
        let key = if places.list[i].op == "neuron" && single { *neurons.entry(depths[i]).or_insert(i) } else { i };
        groups.entry((depths[i], key)).or_default().push(i);
    }
    groups.into_iter().rev().map(|((depth, _), places)| (depth, places)).collect()
}

impl Measure<'_> {
    pub(super) fn layer(&self, depth: usize, members: &[usize]) -> Layer {
        let places: Vec<&Place> = members.iter().map(|&i| &self.places.list[i]).collect();
        let mut gradient = Squares::default();
        for place in &places {
            gradient.add(self.bar(place).data());
        }
        let gradient_rms = gradient.rms().unwrap_or(0.0);
        let (weight_gradient_rms, update_to_weight_ratio) = self.weights(&places);
        let nodes: Vec<_> = places.iter().map(|place| place.name.clone()).collect();
        Layer {
            id: title(&nodes),
            nodes,
            op: places[0].op.clone(),
            depth,
            gradient_rms,
            local_gain: self.passed_on(&places).filter(|_| gradient_rms > 0.0).map(|below| below / gradient_rms),
            saturated_fraction: self.saturated(&places),
            dead_fraction: self.dead(&places),
            weight_gradient_rms,
            update_to_weight_ratio,
        }
    }

    fn bar(&self, place: &Place) -> Tensor<f64> {
        self.sweep.cotangent(place.z).cloned().unwrap_or_else(|| Tensor::zeros(self.lowered.graph.shape(place.z)))
    }

    /// The root mean square of what the layer hands down to the real values that it reads.
    fn passed_on(&self, places: &[&Place]) -> Option<f64> {
        let mut below: BTreeMap<usize, Tensor<f64>> = BTreeMap::new();
        for place in places {
            for (source, bar) in self.pull(place) {
                match below.get_mut(&source) {
                    Some(sum) => sum.add_in_place(&bar),
                    None => drop(below.insert(source, bar)),
                }
            }
        }
        let mut all = Squares::default();
        below.values().for_each(|bar| all.add(bar.data()));
        all.rms()
    }

    /// A place's own vjp of its dE/dz.
    fn pull(&self, place: &Place) -> Vec<(usize, Tensor<f64>)> {
        let graph = &self.lowered.graph;
        let real = |&source: &usize| source >= self.places.inputs || self.lowered.inputs[source].real;
        let sources: Vec<usize> = place.sources.iter().copied().filter(real).collect();
        let reached: Vec<usize> = sources.iter().map(|&source| self.places.list[source].z.index()).collect();
        // The place's part of the graph, numbered anew, so that the slots are as few as its ops.
        let mut own: BTreeMap<usize, usize> = BTreeMap::new();
        for &i in place.ops.iter().chain(&reached).chain(&place.leaves) {
            let next = own.len();
            own.entry(i).or_insert(next);
        }
        // Integer inputs and others that nobody asks about share a slot that stays shut.
        let shut = own.len();
        let mut wanted = vec![false; shut + 1];
        place.ops.iter().chain(&reached).for_each(|i| wanted[own[i]] = true);
        let mut slots: Vec<Option<Tensor<f64>>> = vec![None; shut + 1];
        slots[own[&place.z.index()]] = Some(self.bar(place));
        for &i in place.ops.iter().rev() {
            let Some(y_bar) = slots[own[&i]].take() else { continue };
            let node = &graph.nodes()[i];
            let inputs: Vec<usize> = node.inputs.iter().map(|input| own.get(input).copied().unwrap_or(shut)).collect();
            let shapes: Vec<Shape> = node.inputs.iter().map(|&input| graph.nodes()[input].shape).collect();
            let x: Vec<_> = node.inputs.iter().map(|&input| self.values.value(graph.id(input))).collect();
            let at = Point { shapes: &shapes, x: &x, y: self.values.value(graph.id(i)) };
            let op = node.op.as_ref().expect("a place's ops are ops");
            f64::op(op.as_ref()).vjp(at, &y_bar, &mut Cotangents::new(&mut slots, &inputs, &shapes, &wanted));
        }
        let zero = |i: usize| Tensor::zeros(graph.nodes()[i].shape);
        sources.into_iter().zip(&reached).map(|(source, i)| (source, slots[own[i]].take().unwrap_or_else(|| zero(*i)))).collect()
    }

    /// The activation of a place: its name, its slopes at every element, and the shape.
    fn slopes(&self, place: &Place) -> Option<(&'static str, Tensor<f64>)> {
        let graph = &self.lowered.graph;
        let node = &graph.nodes()[place.z.index()];
        let op = node.op.as_ref()?;
        let known = SATURATING.iter().map(|(name, _)| *name).chain(HALVED.iter().copied()).find(|name| *name == op.name())?;
        let [input] = node.inputs[..] else { return None };
        let x = self.values.value(graph.id(input));
        let shapes = [x.shape()];
        let (mut slots, wanted) = ([None], [true]);
        let at = Point { shapes: &shapes, x: &[x], y: self.values.value(place.z) };
        let ones = Tensor::full(node.shape, 1.0);
        f64::op(op.as_ref()).vjp(at, &ones, &mut Cotangents::new(&mut slots, &[0], &shapes, &wanted));
        slots[0].take().map(|slopes| (known, slopes))
    }

    fn saturated(&self, places: &[&Place]) -> Option<f64> {
        let (mut flat, mut all) = (0, 0);
        for place in places {
            let Some((name, slopes)) = self.slopes(place) else { continue };
            let Some((_, largest)) = SATURATING.iter().find(|(known, _)| *known == name) else { continue };
            flat += slopes.data().iter().filter(|slope| slope.abs() <= SATURATED_SLOPE * largest).count();
            all += slopes.data().len();
        }
        (all > 0).then(|| flat as f64 / all as f64)
    }

    /// Units that let nothing through for any sample.
    fn dead(&self, places: &[&Place]) -> Option<f64> {
        let (mut dead, mut all) = (0, 0);
        for place in places {
            let Some((name, slopes)) = self.slopes(place) else { continue };
            if !HALVED.contains(&name) {
                continue;
            }
            let shape = slopes.shape();
            let units = units(shape);
            let mut alive = vec![false; units.0];
            for (at, slope) in slopes.data().iter().enumerate() {
                alive[at / units.1 % units.0.max(1)] |= *slope != 0.0;
            }
            dead += alive.iter().filter(|alive| !**alive).count();
            all += units.0;
        }
        (all > 0).then(|| dead as f64 / all as f64)
    }

    /// The root mean square of the gradient of the layer's weights, and the size of a step of gradient descent beside theirs.
    fn weights(&self, places: &[&Place]) -> (Option<f64>, Option<f64>) {
        let leaves: BTreeSet<usize> = places.iter().flat_map(|place| place.leaves.iter().copied()).collect();
        let is_weight = |parameter: &&Parameter| {
            let role = parameter.name.rsplit('.').next().unwrap_or_default();
            parameter.trained && !(parameter.name.contains('.') && role.starts_with("bias"))
        };
        let own = self.lowered.parameters.iter().filter(|parameter| leaves.contains(&parameter.leaf.index())).filter(is_weight);
        let (mut gradient, mut weight) = (Squares::default(), Squares::default());
        for parameter in own {
            let value = self.values.value(parameter.leaf).data();
            let bar = self.sweep.cotangent(parameter.leaf);
            let (start, count) = parameter.element.map_or((0, value.len()), |element| (element as usize, 1));
            let range = start..start + count;
            weight.add(&value[range.clone()]);
            match bar {
                Some(bar) => gradient.add(&bar.data()[range]),
                None => gradient.count += range.len(),
            }
        }
        let ratio = (weight.norm() > 0.0).then(|| self.lr * gradient.norm() / weight.norm());
        (gradient.rms(), ratio)
    }
}

/// How many units a value has, and how many neighbouring elements belong to one: channels of images, else entries of the last axis.
fn units(shape: Shape) -> (usize, usize) {
    match shape.sample_dims() {
        [] => (1, 1),
        [_, .., last] if shape.sample_dims().len() < 3 => (*last, 1),
        [channels, inner @ ..] if !inner.is_empty() => (*channels, inner.iter().product::<usize>().max(1)),
        [entries, ..] => (*entries, 1),
    }
}

/// A layer's id: its node's, or those of its neurons.
fn title(nodes: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = nodes[..nodes.len().min(SHOWN)].join(", ");
    if nodes.len() > SHOWN { format!("{shown}, … ({} neurons)", nodes.len()) } else { shown }
}
