//! The network as the client drew it, over the graph that it was lowered to: which ops are whose, and who reads whom.

use std::collections::{HashMap, HashSet};

use super::Lowered;
use crate::graph::{Graph, NodeId};

/// An input, a node, or the loss.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its id; `E` for the loss.
    pub(crate) name: String,
    /// Its op; `input` for an input.
    pub(crate) op: String,
    /// Its value in the graph: `z`, or the losses of the samples.
    pub(crate) z: NodeId,
    /// The places that it reads, each once, in the order in which they are written.
    pub(crate) sources: Vec<usize>,
    /// The ops between them and its value, by their place in the graph, in order.
    pub(crate) ops: Vec<usize>,
    /// The leaves that those ops read: parameters and constants.
    pub(crate) leaves: Vec<usize>,
}

impl Place {
    /// A place without sources and ops.
    pub(crate) fn new(name: &str, op: &str, z: NodeId) -> Self {
        Self { name: name.to_owned(), op: op.to_owned(), z, sources: Vec::new(), ops: Vec::new(), leaves: Vec::new() }
    }

    /// Values that stand in the graph beside the network, with all ops that they are made of.
    pub(crate) fn beside(graph: &Graph, values: impl Iterator<Item = NodeId>) -> Vec<Self> {
        let mut walk = Walk::over(graph);
        let mut places: Vec<_> = values.map(|z| Self::new("", "", z)).collect();
        places.iter_mut().for_each(|place| walk.fill(graph, place, &[]));
        places
    }
}

/// Every input, then every node in topological order; and the loss.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) list: Vec<Place>,
    /// How many of the list are inputs.
    pub(crate) inputs: usize,
    pub(crate) loss: Place,
    by_name: HashMap<String, usize>,
}

impl Places {
    /// The places of a network with a loss.
    pub(crate) fn of(lowered: &Lowered) -> Self {
        let mut list: Vec<_> = lowered.inputs.iter().map(|input| Place::new(&input.name, "input", input.leaf)).collect();
        list.extend(lowered.nodes.iter().map(|node| Place::new(&node.id, &node.op, node.z)));
        let by_name: HashMap<_, _> = list.iter().enumerate().map(|(i, place)| (place.name.clone(), i)).collect();
        let inputs = lowered.inputs.len();
        for (place, node) in list[inputs..].iter_mut().zip(&lowered.nodes) {
            place.sources = known(&by_name, &node.inputs);
        }
        let objective = lowered.objective.as_ref().expect("a question about derivatives has a loss");
        let mut loss =
            Place { sources: known(&by_name, &objective.echo.of.0), ..Place::new("E", objective.echo.op, objective.losses) };
        let z: Vec<_> = list.iter().map(|place| place.z).collect();
        let mut walk = Walk::over(&lowered.graph);
        for place in list[inputs..].iter_mut().chain([&mut loss]) {
            walk.fill(&lowered.graph, place, &z);
        }
        Self { list, inputs, loss, by_name }
    }

    /// The place of this name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Which places the loss depends on, through whatever.
    pub(crate) fn feeding(&self) -> Vec<bool> {
        let mut feeds = vec![false; self.list.len()];
        self.loss.sources.iter().for_each(|&i| feeds[i] = true);
        for i in (0..self.list.len()).rev().filter(|&i| i >= self.inputs) {
            if feeds[i] {
                self.list[i].sources.iter().for_each(|&source| feeds[source] = true);
            }
        }
        feeds
    }

    /// How many layers of nodes stand between each place and the inputs, itself counted: 0 for an input, and the longest way
    /// counts.
    pub(crate) fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.list.len()];
        for i in self.inputs..self.list.len() {
            depths[i] = 1 + self.list[i].sources.iter().map(|&source| depths[source]).max().unwrap_or(0);
        }
        depths
    }
}

fn known(by_name: &HashMap<String, usize>, names: &[String]) -> Vec<usize> {
    let mut places: Vec<usize> = Vec::with_capacity(names.len());
    let mut seen = HashSet::with_capacity(names.len());
    // Names of parameters and constants stand among the sources too.
    places.extend(names.iter().filter_map(|name| by_name.get(name).copied()).filter(|&place| seen.insert(place)));
    places
}

/// Finds what lies between a place's sources and its value.
struct Walk {
    boundary: Vec<u32>,
    seen: Vec<u32>,
    stamp: u32,
}

impl Walk {
    fn over(graph: &Graph) -> Self {
        let count = graph.nodes().len();
        Self { boundary: vec![0; count], seen: vec![0; count], stamp: 0 }
    }

    fn fill(&mut self, graph: &Graph, place: &mut Place, z: &[NodeId]) {
        self.stamp += 1;
        place.sources.iter().for_each(|&source| self.boundary[z[source].index()] = self.stamp);
        let mut open = vec![place.z.index()];
        while let Some(i) = open.pop() {
            if self.boundary[i] == self.stamp || std::mem::replace(&mut self.seen[i], self.stamp) == self.stamp {
                continue;
            }
            let node = &graph.nodes()[i];
            if node.op.is_some() {
                place.ops.push(i);
                open.extend(&node.inputs);
            } else {
                place.leaves.push(i);
            }
        }
        place.ops.sort_unstable();
        place.leaves.sort_unstable();
    }
}
