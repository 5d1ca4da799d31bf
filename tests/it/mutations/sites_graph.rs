//! Mistakes along the graph: paths, shared parameters, and the matrices that stand between levels and between layers.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::exercise::{Activation, Op};
use super::sites::Sites;
use super::slip::{Down, Slip, Up};

/// All edges from one level or layer to the next, as a matrix.
struct Block {
    place: Value,
    sources: Vec<usize>,
    targets: Vec<usize>,
    /// \[target\]\[source\]: entries of theta.
    entries: Vec<Vec<usize>>,
    neurons: bool,
}

impl Block {
    fn square(&self) -> bool {
        self.sources.len() == self.targets.len() && self.sources.len() > 1
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let count = self.sources.len();
        (0..self.targets.len()).flat_map(move |j| (0..count).map(move |i| (j, i)))
    }

    fn down(&self, with: impl Fn(usize, usize) -> Down) -> HashMap<(usize, usize), Down> {
        self.pairs().map(|(j, i)| ((self.targets[j], self.sources[i]), with(j, i))).collect()
    }

    fn up(&self, with: impl Fn(usize) -> Up) -> HashMap<(usize, usize), Up> {
        self.pairs().map(|(j, i)| ((self.targets[j], self.sources[i]), with(i))).collect()
    }
}

impl Sites<'_> {
    pub(super) fn of_paths(&mut self) {
        let e = self.e;
        let nodes: Vec<usize> = (0..e.nodes.len()).filter(|&node| !e.is_input(node)).collect();
        let mut forked = Vec::new();
        for &from in &nodes {
            let successors = e.successors(from);
            for &to in successors.iter().filter(|&&to| e.nodes[to].op != Op::Softmax) {
                let place = json!({ "edge": format!("{}->{}", e.id(from), e.id(to)) });
                self.add("path_missing", &place, Slip::Path { from, to, times: 0.0 });
                self.add("path_counted_twice", &place, Slip::Path { from, to, times: 2.0 });
            }
            if successors.len() + usize::from(e.is_output(from)) > 1 {
                forked.push(from);
            }
        }
        let mut lists: Vec<(Value, HashSet<usize>)> =
            forked.iter().map(|&node| (json!({ "node": e.id(node) }), HashSet::from([node]))).collect();
        if forked.len() > 1 {
            lists.push((json!({}), forked.into_iter().collect()));
        }
        for (place, nodes) in lists {
            for last in [true, false] {
                self.add("last_path_only", &place, Slip::OnePath { nodes: nodes.clone(), last });
            }
        }
        for (index, uses) in self.uses().into_iter().enumerate().filter(|(_, uses)| *uses > 1) {
            for one in 0..uses {
                self.add("shared_parameter_partial", &self.parameter(index), Slip::PartialUse { parameter: index, one });
            }
        }
    }

    /// How often each parameter is used.
    fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.e.parameters.len()];
        for node in &self.e.nodes {
            // A layer's first unit uses what the layer uses.
            let unit = &self.e.units[node.units.start];
            let terms = if node.op == Op::Linear { &unit.terms()[..1] } else { unit.terms() };
            let bias = if let super::exercise::Kind::Affine { bias, .. } = unit.kind { bias } else { None };
            for entry in terms.iter().filter_map(|term| term.weight).chain(bias) {
                uses[self.owner(entry)] += 1;
            }
        }
        uses
    }

    fn owner(&self, entry: usize) -> usize {
        self.e.parameters.iter().position(|parameter| parameter.entries.contains(&entry)).expect("an owner")
    }

    /// The layers, and the levels whose neurons all take the same nodes.
    fn blocks(&self) -> Vec<Block> {
        let e = self.e;
        let mut lists: Vec<Vec<usize>> =
            (0..e.nodes.len()).filter(|&node| e.nodes[node].op == Op::Linear).map(|node| vec![node]).collect();
        lists.extend(self.levels().into_iter().filter(|level| level.iter().all(|&node| e.nodes[node].op == Op::Neuron)));
        let mut blocks = Vec::new();
        for nodes in lists {
            let targets: Vec<usize> = nodes.iter().flat_map(|&node| e.nodes[node].units.clone()).collect();
            let sources = |&unit: &usize| e.units[unit].terms().iter().map(|term| term.source).collect::<Vec<_>>();
            let first = sources(&targets[0]);
            if targets.iter().any(|unit| sources(unit) != first) {
                continue;
            }
            let row = |&unit: &usize| e.units[unit].terms().iter().map(|term| term.weight.expect("a weight")).collect();
            let entries = targets.iter().map(row).collect();
            let neurons = e.nodes[nodes[0]].op == Op::Neuron;
            blocks.push(Block { place: self.named(&nodes), sources: first, targets, entries, neurons });
        }
        blocks
    }

    /// Whether δ passes down to these units.
    fn below_is_hidden(&self, block: &Block) -> bool {
        block.sources.iter().all(|&unit| !self.e.is_input(self.e.units[unit].node))
    }

    /// The units before an activation that is a node of its own.
    fn before_activation(&self, units: &[usize]) -> Vec<usize> {
        let before = |&unit: &usize| {
            let of = &self.e.units[unit];
            if self.e.nodes[of.node].op == Op::Act { of.terms()[0].source } else { unit }
        };
        units.iter().map(before).collect()
    }

    /// A mistake at each block, and at all of them.
    fn at_blocks(&mut self, mistake: &'static str, slips: Vec<(Value, HashMap<(usize, usize), Down>)>) {
        let all: HashMap<_, _> = slips.iter().flat_map(|(_, down)| down.clone()).collect();
        let several = slips.len() > 1;
        for (place, down) in slips {
            self.add(mistake, &place, Slip::Down(down));
        }
        if several {
            self.add(mistake, &json!({}), Slip::Down(all));
        }
    }

    pub(super) fn of_matrices(&mut self) {
        let blocks = self.blocks();
        let hidden: Vec<&Block> = blocks.iter().filter(|block| self.below_is_hidden(block)).collect();
        let square = || hidden.iter().filter(|block| block.square());
        let swapped = |block: &&&Block| (block.place.clone(), block.down(|j, i| Down::Entry(block.entries[i][j])));
        self.at_blocks("weight_not_transposed", square().map(|block| swapped(&block)).collect());
        let layers: Vec<&Block> = square().filter(|block| !block.neurons).copied().collect();
        let straight = |block: &&Block| (block.place.clone(), block.down(|j, i| Down::Value(f64::from(i == j))));
        self.at_blocks("weight_omitted", layers.iter().map(straight).collect());
        self.of_omitted_weights();
        self.of_neighbours(&blocks);
        self.of_pre_activations(&blocks);
        if self.uses().iter().zip(&self.e.parameters).all(|(&uses, parameter)| parameter.bias || uses == 1) {
            self.add("stale_weights", &json!({}), Slip::Stale);
        }
        let mut all = Vec::new();
        let neurons: Vec<&Block> = blocks.iter().filter(|block| block.neurons && block.square()).collect();
        for block in &neurons {
            let swap = |(j, i): (usize, usize)| (self.owner(block.entries[j][i]), self.owner(block.entries[i][j]));
            let moves: Vec<(usize, usize)> = block.pairs().map(swap).collect();
            all.extend(moves.clone());
            self.add("index_swapped", &block.place, Slip::Permute(moves));
        }
        if neurons.len() > 1 {
            self.add("index_swapped", &json!({}), Slip::Permute(all));
        }
    }

    /// (target node, target unit, source unit) of the weights whose source is a node.
    fn inner_edges(&self) -> Vec<(usize, usize, usize)> {
        let e = self.e;
        let weighted = self.nodes().into_iter().filter(|&node| matches!(e.nodes[node].op, Op::Neuron | Op::Linear));
        let units = weighted.flat_map(|node| e.nodes[node].units.clone().map(move |unit| (node, unit)));
        let edges = units.flat_map(|(node, unit)| e.units[unit].terms().iter().map(move |term| (node, unit, term.source)));
        edges.filter(|&(_, _, source)| !e.is_input(e.units[source].node)).collect()
    }

    /// Ones where weights belong: everywhere, into a node, at an edge.
    fn of_omitted_weights(&mut self) {
        let edges = self.inner_edges();
        let one = |&(_, unit, source): &(usize, usize, usize)| ((unit, source), Down::Value(1.0));
        if !edges.is_empty() {
            self.add("weight_omitted", &json!({}), Slip::Down(edges.iter().map(one).collect()));
        }
        for node in self.nodes() {
            let into: Vec<_> = edges.iter().filter(|edge| edge.0 == node).collect();
            if !into.is_empty() {
                let place = json!({ "node": self.e.id(node) });
                self.add("weight_omitted", &place, Slip::Down(into.iter().map(|edge| one(edge)).collect()));
            }
        }
        for edge in edges.iter().filter(|edge| self.e.nodes[edge.0].op == Op::Neuron) {
            let place = self.edge(edge);
            self.add("weight_omitted", &place, Slip::Down(HashMap::from([one(edge)])));
        }
    }

    fn edge(&self, &(node, _, source): &(usize, usize, usize)) -> Value {
        json!({ "edge": format!("{}->{}", self.e.id(self.e.units[source].node), self.e.id(node)) })
    }

    /// z of another layer in dW, W of another layer in the backward product.
    fn of_neighbours(&mut self, blocks: &[Block]) {
        for block in blocks {
            let below = blocks.iter().find(|below| below.targets == self.before_activation(&block.sources));
            let above = blocks.iter().find(|above| self.before_activation(&above.sources) == block.targets);
            let own = above.map_or(&block.targets, |above| &above.sources);
            if own.len() == block.sources.len() {
                self.add("layer_off_by_one", &block.place, Slip::Up(block.up(|i| Up::Unit(own[i]))));
            }
            if let Some(below) = below.filter(|below| below.sources.len() == block.sources.len()) {
                self.add("layer_off_by_one", &block.place, Slip::Up(block.up(|i| Up::Unit(below.sources[i]))));
            }
            if !self.below_is_hidden(block) {
                continue;
            }
            for other in [below, above].into_iter().flatten() {
                if other.sources.len() == block.sources.len() && other.targets.len() == block.targets.len() {
                    let down = block.down(|j, i| Down::Entry(other.entries[j][i]));
                    self.add("layer_off_by_one", &block.place, Slip::Down(down));
                }
            }
        }
    }

    /// a of the source in dW: everywhere, into a level, into a node, at an edge.
    fn of_pre_activations(&mut self, blocks: &[Block]) {
        const MISTAKE: &str = "pre_activation_in_weight_gradient";
        let mut edges = self.inner_edges();
        edges.retain(|&(_, _, source)| self.e.units[source].activation() != Activation::Identity);
        let one = |&(_, unit, source): &(usize, usize, usize)| ((unit, source), Up::PreActivation);
        if edges.is_empty() {
            return;
        }
        self.add(MISTAKE, &json!({}), Slip::Up(edges.iter().map(one).collect()));
        for block in blocks {
            let active = block.sources.iter().any(|&unit| self.e.units[unit].activation() != Activation::Identity);
            if active && block.neurons && self.below_is_hidden(block) {
                self.add(MISTAKE, &block.place, Slip::Up(block.up(|_| Up::PreActivation)));
            }
        }
        for node in self.nodes() {
            let into: HashMap<_, _> = edges.iter().filter(|edge| edge.0 == node).map(one).collect();
            if !into.is_empty() {
                self.add(MISTAKE, &json!({ "node": self.e.id(node) }), Slip::Up(into));
            }
        }
        for edge in edges.iter().filter(|edge| self.e.nodes[edge.0].op == Op::Neuron) {
            let place = self.edge(edge);
            self.add(MISTAKE, &place, Slip::Up(HashMap::from([one(edge)])));
        }
    }
}
