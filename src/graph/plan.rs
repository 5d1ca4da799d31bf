//! What a run computes and keeps, decided before it starts: which values, which cotangents, until when, at what price.

use super::{Graph, NodeId};
use crate::ops::Flops;

/// The decisions for one run over a graph.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which nodes are computed.
    pub(crate) needed: Vec<bool>,
    /// Which values were asked for.
    asked: Vec<bool>,
    /// Which nodes have a cotangent: they lie between something asked for and the objective.
    pub(crate) active: Vec<bool>,
    /// Which cotangents are kept to the end of the backward sweep.
    pub(crate) kept_bar: Vec<bool>,
    /// For each node, the node after whose forward rule its value can go; `None` where it is kept to the end, since somebody
    /// asked for it or a vjp reads it.
    pub(crate) released: Vec<Option<u32>>,
    forward_flops: u64,
    backward_flops: u64,
    peak_elements: u64,
}

impl Plan {
    /// A run that computes `values`, and then the cotangents of `cotangents` with respect to an objective made of the nodes
    /// `objective` (none for a forward run).
    pub fn new(graph: &Graph, values: &[NodeId], objective: &[NodeId], cotangents: &[NodeId]) -> Self {
        let nodes = graph.nodes();
        let count = nodes.len();
        let mut needed = vec![false; count];
        let mut kept = vec![false; count];
        for id in values.iter().chain(objective) {
            needed[id.index()] = true;
            kept[id.index()] = true;
        }
        let asked = kept.clone();
        let mut feeds_objective = vec![false; count];
        for id in objective {
            feeds_objective[id.index()] = true;
        }
        for (i, node) in nodes.iter().enumerate().rev() {
            for &input in &node.inputs {
                needed[input] |= needed[i];
                feeds_objective[input] |= feeds_objective[i];
            }
        }
        let mut active = vec![false; count];
        let mut kept_bar = vec![false; count];
        for id in cotangents {
            active[id.index()] = true;
            kept_bar[id.index()] = true;
        }
        for (i, node) in nodes.iter().enumerate() {
            active[i] |= node.inputs.iter().any(|&input| active[input]);
        }
        for (active, feeds) in active.iter_mut().zip(&feeds_objective) {
            *active &= feeds;
        }

        let mut released = vec![None; count];
        let (mut forward_flops, mut backward_flops) = (0_u64, 0_u64);
        for (i, node) in nodes.iter().enumerate().filter(|&(i, _)| needed[i]) {
            let Some(op) = &node.op else { continue };
            let backward = active[i] && node.inputs.iter().any(|&input| active[input]);
            for &input in &node.inputs {
                released[input] = Some(i as u32);
                kept[input] |= backward && op.reads().inputs;
            }
            kept[i] |= backward && op.reads().output;
            let shapes: Vec<_> = node.inputs.iter().map(|&input| nodes[input].shape).collect();
            let Flops { forward: f, backward: b } = op.flops(&shapes, node.shape);
            forward_flops = forward_flops.saturating_add(f);
            if backward {
                backward_flops = backward_flops.saturating_add(b);
            }
        }
        for (released, kept) in released.iter_mut().zip(&kept) {
            if *kept {
                *released = None;
            }
        }

        let mut plan = Self { needed, asked, active, kept_bar, released, forward_flops, backward_flops, peak_elements: 0 };
        plan.peak_elements = plan.peak(graph);
        plan
    }

    /// Whether a node is computed.
    pub fn needs(&self, id: NodeId) -> bool {
        self.needed[id.index()]
    }

    /// Whether the value of the node at this place was asked for.
    pub fn was_asked(&self, place: usize) -> bool {
        self.asked[place]
    }

    /// Walk both sweeps counting elements.
    fn peak(&self, graph: &Graph) -> u64 {
        let nodes = graph.nodes();
        let size = |i: usize| nodes[i].shape.size() as u64;
        let mut gone = vec![false; nodes.len()];
        let (mut alive, mut peak) = (0_u64, 0_u64);
        for i in (0..nodes.len()).filter(|&i| self.needed[i]) {
            alive = alive.saturating_add(size(i));
            peak = peak.max(alive);
            for &input in &nodes[i].inputs {
                // A node may be read through several inputs of one reader; it goes once.
                if self.released[input] == Some(i as u32) && !std::mem::replace(&mut gone[input], true) {
                    alive -= size(input);
                }
            }
        }
        let mut has_bar = vec![false; nodes.len()];
        for i in (0..nodes.len()).rev().filter(|&i| self.active[i]) {
            for &bar in [i].iter().chain(&nodes[i].inputs) {
                if self.active[bar] && !has_bar[bar] {
                    has_bar[bar] = true;
                    alive = alive.saturating_add(size(bar));
                }
            }
            peak = peak.max(alive);
            if !self.kept_bar[i] {
                alive -= size(i);
            }
        }
        peak
    }

    /// Bytes that it takes.
    pub fn heap_bytes(&self) -> usize {
        let flags = [&self.needed, &self.asked, &self.active, &self.kept_bar];
        flags.map(|list| size_of_val(list.as_slice())).iter().sum::<usize>() + size_of_val(self.released.as_slice())
    }

    /// Floating-point operations of the forward sweep.
    pub fn forward_flops(&self) -> u64 {
        self.forward_flops
    }

    /// Floating-point operations of one backward sweep.
    pub fn backward_flops(&self) -> u64 {
        self.backward_flops
    }

    /// Elements alive at once at the most.
    pub fn peak_elements(&self) -> u64 {
        self.peak_elements
    }
}
