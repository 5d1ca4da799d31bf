//! Runs over the network as the client drew it: every value kept, and the derivative of one place alone.

use std::collections::HashMap;

use super::run::Job;
use super::{Guard, Stop};
use crate::graph::{Graph, Plan};
use crate::lower::Lowered;
pub(super) use crate::lower::places::{Place, Places};
use crate::ops::{Cotangents, Point, Scalar};
use crate::tape::{Backprop, Sweep, Tape};
pub(super) use crate::tensor::index_of;
use crate::tensor::{Dual, Shape, Tensor};

/// A plan under which every value is kept.
pub(super) fn keep_all(graph: &Graph) -> Plan {
    let all: Vec<_> = (0..graph.nodes().len()).map(|i| graph.id(i)).collect();
    Plan::new(graph, &all, &[], &[])
}

/// Every value of the graph.
pub(super) fn values<'p>(job: &'p Job, plan: &'p Plan, guard: Guard<'_>) -> Result<Tape<'p, f64>, Stop> {
    Tape::forward(&job.lowered.graph, plan, |id| job.leaf(id), guard)
}

/// One place's own ops over dual numbers, with everything that it reads standing still.
pub(super) struct Local<'p> {
    graph: &'p Graph,
    place: &'p Place,
    still: HashMap<usize, Tensor<Dual>>,
}

impl<'p> Local<'p> {
    /// With the values of a run.
    pub(super) fn new(graph: &'p Graph, place: &'p Place, list: &[Place], values: &Tape<'_, f64>) -> Self {
        let reads = place.sources.iter().map(|&source| list[source].z.index()).chain(place.leaves.iter().copied());
        let still = |i: usize| {
            let value = values.value(graph.id(i));
            Tensor::new(value.shape(), value.data().iter().map(|&x| Dual::new(x, 0.0)).collect())
        };
        Self { graph, place, still: reads.map(|i| (i, still(i))).collect() }
    }

    /// The tangents of the place's value when these elements of the graph's node `moving` move with tangent 1.
    pub(super) fn push(&self, moving: usize, elements: &[usize]) -> Vec<f64> {
        let z = self.sweep(moving, elements, self.still.get(&moving).cloned(), |_, y| y);
        z.map_or_else(Vec::new, |z| z.data().iter().map(|y| y.tangent).collect())
    }

    /// Which elements of the place's value can depend on these elements, whatever the numbers: the same sweep at points of our
    /// own. A relu that happens to be off, or a weight that happens to be 0, still lets a path through; `integer` says which
    /// leaves hold indices, which stay as they are.
    pub(super) fn pattern(&self, moving: usize, elements: &[usize], integer: &dyn Fn(usize) -> bool) -> Vec<bool> {
        let mut reached: Vec<bool> = Vec::new();
        // Once with what moves above the rest and once below it, so that a maximum and a minimum over both let it through.
        for above in [true, false] {
            let probe = |i: usize, y: Tensor<Dual>| probed(i, &y, above);
            let mut moved = self.still.get(&moving).cloned();
            if let Some(moved) = &mut moved {
                elements.iter().for_each(|&at| moved.data_mut()[at].tangent = 1.0);
            }
            let still = self.still.iter().map(|(&i, x)| (i, if integer(i) { x.clone() } else { probed(i, x, above) }));
            let kept = Self { graph: self.graph, place: self.place, still: still.collect() };
            let z = kept.sweep(moving, &[], moved.map(|moved| probed(moving, &moved, above)), probe);
            let found: Vec<bool> = z.map_or_else(Vec::new, |z| z.data().iter().map(|y| y.tangent != 0.0).collect());
            if reached.is_empty() {
                reached = found;
            } else {
                reached.iter_mut().zip(found).for_each(|(reached, found)| *reached |= found);
            }
        }
        reached
    }

    fn sweep(
        &self,
        moving: usize,
        elements: &[usize],
        moved: Option<Tensor<Dual>>,
        after: impl Fn(usize, Tensor<Dual>) -> Tensor<Dual>,
    ) -> Option<Tensor<Dual>> {
        let mut moved = moved?;
        elements.iter().for_each(|&at| moved.data_mut()[at].tangent = 1.0);
        let mut own: HashMap<usize, Tensor<Dual>> = HashMap::with_capacity(self.place.ops.len());
        for &i in &self.place.ops {
            let node = &self.graph.nodes()[i];
            let op = node.op.as_ref().expect("a place's ops are ops");
            let value = |input: &usize| match own.get(input) {
                Some(value) => value,
                None if *input == moving => &moved,
                None => &self.still[input],
            };
            let x: Vec<_> = node.inputs.iter().map(value).collect();
            let y = Dual::op(op.as_ref()).forward(&x);
            own.insert(i, after(i, y));
        }
        own.remove(&self.place.z.index())
    }
}

/// The same tensor at a point of our own, far from kinks and saturation; what moves goes on moving, by other amounts.
fn probed(i: usize, x: &Tensor<Dual>, above: bool) -> Tensor<Dual> {
    let element = |(at, x): (usize, &Dual)| {
        let (first, second) = (fraction(i, at), fraction(at, i.wrapping_add(1)));
        if x.tangent == 0.0 {
            Dual::new(0.45 + 0.1 * first, 0.0)
        } else {
            Dual::new(if above { 0.7 } else { 0.2 } + 0.1 * first, 0.5 + second)
        }
    };
    Tensor::new(x.shape(), x.data().iter().enumerate().map(element).collect())
}

/// A number from 0 to 1 that depends on both (the finaliser of `SplitMix64`).
fn fraction(i: usize, at: usize) -> f64 {
    let mut z = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(at as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Whether backprop gives an element of a parameter a gradient at all: an op may withhold it by convention, as an embedding does from
/// its padding row. Asked where the parameter's tangents are not zero; `leaf` is the parameter's place in the graph.
pub(super) fn has_gradient(graph: &Graph, place: &Place, values: &Tape<'_, f64>, leaf: usize, element: usize) -> bool {
    let readers = place.ops.iter().map(|&i| (i, &graph.nodes()[i])).filter(|(_, node)| node.inputs.contains(&leaf));
    readers.into_iter().any(|(i, node)| {
        let shapes: Vec<Shape> = node.inputs.iter().map(|&input| graph.nodes()[input].shape).collect();
        let x: Vec<_> = node.inputs.iter().map(|&input| values.value(graph.id(input))).collect();
        let at = Point { shapes: &shapes, x: &x, y: values.value(graph.id(i)) };
        let y_bar = Tensor::new(node.shape, (0..node.shape.size()).map(|at| 0.5 + fraction(i, at)).collect());
        // Slot 0 is shut, slot 1 is the leaf's.
        let inputs: Vec<usize> = node.inputs.iter().map(|&input| usize::from(input == leaf)).collect();
        let (mut slots, wanted) = ([None, None], [false, true]);
        let op = node.op.as_ref().expect("a place's ops are ops");
        f64::op(op.as_ref()).vjp(at, &y_bar, &mut Cotangents::new(&mut slots, &inputs, &shapes, &wanted));
        slots[1].take().is_some_and(|bar| bar.data()[element] != 0.0)
    })
}

/// Floating-point operations of one pass of a place's own ops, forward over dual numbers.
pub(super) fn push_flops(graph: &Graph, place: &Place) -> u64 {
    let flops = place.ops.iter().map(|&i| {
        let node = &graph.nodes()[i];
        let shapes: Vec<_> = node.inputs.iter().map(|&input| graph.nodes()[input].shape).collect();
        node.op.as_ref().map_or(0, |op| op.flops(&shapes, node.shape).forward)
    });
    // A product of dual numbers is three products of numbers and an addition.
    flops.fold(0_u64, u64::saturating_add).saturating_mul(4)
}

/// `name`, or `name[3,7]`.
pub(super) fn entry_name(name: &str, index: &[usize]) -> String {
    if index.is_empty() {
        return name.to_owned();
    }
    let index: Vec<_> = index.iter().map(ToString::to_string).collect();
    format!("{name}[{}]", index.join(","))
}

/// How samples stand in a derivation: side by side, or as entries of their own where an op mixes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grain {
    pub(super) samples: usize,
    /// The one sample that is asked for.
    pub(super) sample: Option<usize>,
    /// Whether some op mixes samples (batch statistics), so that every sample's value is a node.
    pub(super) coupled: bool,
}

impl Grain {
    /// How many numbers each factor has.
    pub(super) fn lanes(self) -> usize {
        if self.coupled || self.sample.is_some() { 1 } else { self.samples }
    }

    fn side_by_side(self, shape: Shape) -> bool {
        shape.is_batched() && !self.coupled
    }

    /// The axes that set entries apart.
    pub(super) fn dims(self, shape: &Shape) -> &[usize] {
        if self.coupled { shape.dims() } else { shape.sample_dims() }
    }

    /// How many entries a value has.
    pub(super) fn entries(self, shape: Shape) -> usize {
        self.dims(&shape).iter().product()
    }

    /// Where the numbers of an entry stand.
    pub(super) fn elements(self, shape: Shape, entry: usize) -> Vec<usize> {
        if !self.side_by_side(shape) {
            return vec![entry];
        }
        let size = shape.sample_size();
        match self.sample {
            Some(sample) => vec![sample * size + entry],
            None => (0..self.samples).map(|sample| sample * size + entry).collect(),
        }
    }

    /// The numbers of an entry, one a lane.
    pub(super) fn read(self, shape: Shape, data: &[f64], entry: usize) -> Vec<f64> {
        if self.side_by_side(shape) {
            self.elements(shape, entry).into_iter().map(|at| data[at]).collect()
        } else {
            vec![data[entry]; self.lanes()]
        }
    }
}

/// As [`keep_all`], and with a backward sweep that keeps the derivative by every place and parameter.
pub(super) fn keep_all_and_derive(lowered: &Lowered, places: &Places) -> Plan {
    let graph = &lowered.graph;
    let all: Vec<_> = (0..graph.nodes().len()).map(|i| graph.id(i)).collect();
    let mut objective = vec![places.loss.z];
    objective.extend(lowered.penalties.iter().map(|penalty| penalty.node));
    let nodes = places.list[places.inputs..].iter().map(|place| place.z);
    let parameters = lowered.parameters.iter().filter(|parameter| parameter.trained).map(|parameter| parameter.leaf);
    let asked: Vec<_> = nodes.chain(parameters).collect();
    Plan::new(graph, &all, &objective, &asked)
}

/// Sweep back from the whole objective, penalties included.
pub(super) fn sweep(lowered: &Lowered, values: &Tape<'_, f64>, guard: Guard<'_>) -> Result<Sweep<f64>, Stop> {
    let objective = lowered.objective.as_ref().expect("a question about derivatives has a loss");
    let losses = (objective.losses, Tensor::new(lowered.graph.shape(objective.losses), objective.factors.clone()));
    let penalties = lowered.penalties.iter().map(|penalty| (penalty.node, Tensor::scalar(penalty.coefficient)));
    values.backward(std::iter::once(losses).chain(penalties), &Backprop, guard)
}
