//! How an exercise's network is wired: the edges, activations and products that backprop meets between the loss and the inputs, and
//! which inputs of which ops they are.

use std::collections::{BTreeMap, HashMap};

use super::exercise::Exercise;
use crate::graph::{Graph, NodeId};
use crate::lower::Lowered;
use crate::lower::places::Places;
use crate::ops::{Arity, CATALOG, Neuron, WeightAt, as_op};
use crate::tensor::Tensor;

/// An input of an op: a term of some cotangent passes through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    /// The op.
    pub(crate) op: NodeId,
    /// The place among its inputs.
    pub(crate) input: usize,
}

/// Who reads whom, by [places](Places); the loss comes after all places.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) source: usize,
    pub(crate) target: usize,
    /// Where the target's ops read the source.
    pub(crate) slots: Vec<Slot>,
}

/// A function of a node's pre-activation, or a node that is nothing else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activation {
    pub(crate) op: NodeId,
    /// What it is a function of.
    pub(crate) input: NodeId,
    /// Whether it acts on each element alone; otherwise it is a softmax or its logarithm.
    pub(crate) elementwise: bool,
}

/// Weights times sources. The derivative by the sources reads the weights alone, that by the weights the sources alone.
#[derive(Debug)]
pub(crate) struct Product {
    /// The node of the network.
    pub(crate) node: usize,
    pub(crate) op: NodeId,
    pub(crate) factors: Factors,
}

/// Which inputs of a product are weights and which sources.
#[derive(Debug)]
pub(crate) enum Factors {
    /// Of a neuron.
    Terms(Vec<Term>),
    /// Of a layer: the input that is the source, and the one that is the weight.
    Tensors {
        /// The source.
        source: usize,
        /// The weight.
        weight: usize,
    },
}

/// One summand of a neuron.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    /// The input that is the source.
    pub(crate) input: usize,
    /// The source's place.
    pub(crate) source: usize,
    pub(crate) weight: WeightAt,
}

/// As many neurons as sources, each of which reads them all: a square matrix of weights.
#[derive(Debug)]
pub(crate) struct Block {
    /// Places in the list of products.
    pub(crate) targets: Vec<usize>,
    /// The sources' places.
    pub(crate) sources: Vec<usize>,
}

/// A parameter that several ops read, or one op several times.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The parameter.
    pub(crate) parameter: usize,
    /// Its uses, from the inputs to the loss.
    pub(crate) uses: Vec<Slot>,
}

/// The wiring of a network that has a loss.
#[derive(Debug)]
pub(crate) struct Wiring {
    /// Sorted by target, sources in the order in which they are written.
    pub(crate) edges: Vec<Edge>,
    /// The edges out of each place, in the order of their targets.
    pub(crate) successors: Vec<Vec<usize>>,
    /// By node.
    pub(crate) activations: Vec<Option<Activation>>,
    /// In the order of their nodes.
    pub(crate) products: Vec<Product>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) shared: Vec<Shared>,
    /// The nodes that the loss depends on, by the longest way from the inputs.
    pub(crate) levels: Vec<Vec<usize>>,
    /// The nodes that the loss reads.
    pub(crate) outputs: Vec<usize>,
    owners: Vec<Option<u32>>,
}

impl Wiring {
    /// Look a network over.
    pub(crate) fn of(lowered: &Lowered, places: &Places) -> Self {
        let inputs = places.inputs;
        let mut owners = vec![None; lowered.graph.nodes().len()];
        for (node, place) in places.list[inputs..].iter().enumerate() {
            place.ops.iter().for_each(|&op| owners[op] = Some(node as u32));
        }
        let edges = edges(&lowered.graph, places);
        let mut successors = vec![Vec::new(); places.list.len()];
        edges.iter().enumerate().for_each(|(i, edge)| successors[edge.source].push(i));
        let depths = places.depths();
        let products = products(lowered, places);
        Self {
            activations: (0..lowered.nodes.len()).map(|node| activation(lowered, places, node)).collect(),
            blocks: blocks(&products, &depths),
            products,
            shared: shared(lowered, places),
            levels: levels(places, &depths),
            outputs: places.loss.sources.iter().filter(|&&place| place >= inputs).map(|&place| place - inputs).collect(),
            edges,
            successors,
            owners,
        }
    }

    /// The node whose op this is.
    pub(crate) fn owner(&self, id: NodeId) -> Option<usize> {
        self.owners[id.index()].map(|node| node as usize)
    }

    /// The names of an edge's ends, `z5->z3`.
    pub(crate) fn name(&self, exercise: &Exercise, edge: &Edge) -> String {
        let places = &exercise.places;
        let name = |place: usize| places.list.get(place).map_or(places.loss.name.as_str(), |place| place.name.as_str());
        format!("{}->{}", name(edge.source), name(edge.target))
    }
}

impl Product {
    /// Its weight of a layer, or nothing where it has one number a source.
    pub(crate) fn tensors(&self) -> Option<(Slot, Slot)> {
        match self.factors {
            Factors::Terms(_) => None,
            Factors::Tensors { source, weight } => {
                Some((Slot { op: self.op, input: source }, Slot { op: self.op, input: weight }))
            }
        }
    }

    /// Its summands; none where it is a layer's.
    pub(crate) fn terms(&self) -> &[Term] {
        match &self.factors {
            Factors::Terms(terms) => terms,
            Factors::Tensors { .. } => &[],
        }
    }

    /// The values of a neuron's inputs that hold weights, with other weights: `f` gives that of a term, nothing where it stays.
    pub(crate) fn with_weights(&self, exercise: &Exercise, f: impl Fn(&Term) -> Option<f64>) -> Vec<(Slot, Tensor<f64>)> {
        let mut all: BTreeMap<usize, Tensor<f64>> = BTreeMap::new();
        for (term, weight) in self.terms().iter().filter_map(|term| Some((term, f(term)?))) {
            let (input, element) = match term.weight {
                WeightAt::Own(element) => (0, element as usize),
                WeightAt::Shared(input) => (input as usize, 0),
            };
            let value = all.entry(input).or_insert_with(|| exercise.input(Slot { op: self.op, input }).clone());
            value.data_mut()[element] = weight;
        }
        all.into_iter().map(|(input, value)| (Slot { op: self.op, input }, value)).collect()
    }

    /// The weight of a term.
    pub(crate) fn weight(&self, exercise: &Exercise, term: &Term) -> f64 {
        let (input, element) = match term.weight {
            WeightAt::Own(element) => (0, element as usize),
            WeightAt::Shared(input) => (input as usize, 0),
        };
        exercise.input(Slot { op: self.op, input }).data()[element]
    }
}

/// Inputs of ops, for each of which some node stands.
fn reads(graph: &Graph, ops: &[usize]) -> impl Iterator<Item = (Slot, usize)> {
    ops.iter().flat_map(move |&op| {
        graph.nodes()[op].inputs.iter().enumerate().map(move |(input, &read)| (Slot { op: graph.id(op), input }, read))
    })
}

fn edges(graph: &Graph, places: &Places) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    // Which edge of the present target a node of the graph is the source of.
    let mut edge_of: Vec<Option<usize>> = vec![None; graph.nodes().len()];
    for (target, place) in places.list.iter().chain([&places.loss]).enumerate() {
        let first = edges.len();
        edges.extend(place.sources.iter().map(|&source| Edge { source, target, slots: Vec::new() }));
        (first..edges.len()).for_each(|edge| edge_of[places.list[edges[edge].source].z.index()] = Some(edge));
        for (slot, read) in reads(graph, &place.ops) {
            if let Some(edge) = edge_of[read] {
                edges[edge].slots.push(slot);
            }
        }
        edges[first..].iter().for_each(|edge| edge_of[places.list[edge.source].z.index()] = None);
    }
    // A node that hands its source on, as dropout does when it is off, has no op.
    edges.retain(|edge| !edge.slots.is_empty());
    edges
}

fn activation(lowered: &Lowered, places: &Places, node: usize) -> Option<Activation> {
    let traced = &lowered.nodes[node];
    let place = &places.list[places.inputs + node];
    let alone = place.ops.as_slice() == [traced.z.index()];
    let op = &lowered.graph.nodes()[traced.z.index()];
    let name = op.op.as_ref()?.name();
    let soft = matches!(name, "softmax" | "log_softmax");
    let elementwise = || CATALOG.iter().any(|entry| entry.name == name && entry.elementwise && entry.arity == Arity::Exactly(1));
    if traced.a.is_none() && !(alone && (soft || elementwise())) || matches!(name, "identity" | "neg") {
        return None;
    }
    let input = traced.a.unwrap_or_else(|| lowered.graph.id(op.inputs[0]));
    Some(Activation { op: traced.z, input, elementwise: !soft })
}

fn products(lowered: &Lowered, places: &Places) -> Vec<Product> {
    let graph = &lowered.graph;
    let mut is_parameter = vec![false; graph.nodes().len()];
    lowered.parameters.iter().filter(|parameter| parameter.trained).for_each(|p| is_parameter[p.leaf.index()] = true);
    let mut place_of = HashMap::new();
    for (i, place) in places.list.iter().enumerate() {
        place_of.entry(place.z.index()).or_insert(i);
    }
    let mut products = Vec::new();
    for (node, place) in places.list[places.inputs..].iter().enumerate() {
        for &at in &place.ops {
            let inputs = &graph.nodes()[at].inputs;
            let Some(op) = &graph.nodes()[at].op else { continue };
            let tensors = |source: usize, weight: usize| {
                (is_parameter[inputs[weight]] && !is_parameter[inputs[source]]).then_some(Factors::Tensors { source, weight })
            };
            let factors = match op.name() {
                "neuron" => as_op::<Neuron>(op.as_ref()).map(|neuron| {
                    let sources = inputs[neuron.sources_at..].iter().zip(&neuron.weights).enumerate();
                    let term = |(i, (read, &weight)): (usize, (&usize, &WeightAt))| {
                        Some(Term { input: neuron.sources_at + i, source: *place_of.get(read)?, weight })
                    };
                    Factors::Terms(sources.filter_map(term).collect())
                }),
                "linear" | "conv2d" => tensors(0, 1),
                "matmul" | "mul" => tensors(0, 1).or_else(|| tensors(1, 0)),
                _ => None,
            };
            products.extend(factors.map(|factors| Product { node, op: graph.id(at), factors }));
        }
    }
    products
}

/// Neurons that read the same sources, with those of the sources' levels that have as many nodes as they are.
fn blocks(products: &[Product], depths: &[usize]) -> Vec<Block> {
    let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (i, product) in products.iter().enumerate() {
        let mut sources: Vec<usize> = product.terms().iter().map(|term| term.source).collect();
        if sources.len() > 1 {
            sources.sort_unstable();
            groups.entry(sources).or_default().push(i);
        }
    }
    let mut blocks = Vec::new();
    for targets in groups.into_values() {
        let mut levels: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for term in products[targets[0]].terms() {
            levels.entry(depths[term.source]).or_default().push(term.source);
        }
        let square = levels.into_values().filter(|sources| sources.len() == targets.len());
        blocks.extend(square.map(|sources| Block { targets: targets.clone(), sources }));
    }
    blocks.sort_by_key(|block| block.targets[0]);
    blocks
}

fn shared(lowered: &Lowered, places: &Places) -> Vec<Shared> {
    let whole = lowered.parameters.iter().enumerate().filter(|(_, p)| p.trained && p.element.is_none());
    let of_leaf: HashMap<usize, usize> = whole.map(|(i, parameter)| (parameter.leaf.index(), i)).collect();
    let mut uses: BTreeMap<usize, Vec<Slot>> = BTreeMap::new();
    for (slot, read) in places.list.iter().flat_map(|place| reads(&lowered.graph, &place.ops)) {
        if let Some(&parameter) = of_leaf.get(&read) {
            uses.entry(parameter).or_default().push(slot);
        }
    }
    uses.into_iter().filter(|(_, uses)| uses.len() > 1).map(|(parameter, uses)| Shared { parameter, uses }).collect()
}

fn levels(places: &Places, depths: &[usize]) -> Vec<Vec<usize>> {
    let (feeding, inputs) = (places.feeding(), places.inputs);
    let mut levels: Vec<Vec<usize>> = Vec::new();
    for place in (inputs..places.list.len()).filter(|&place| feeding[place]) {
        let depth = depths[place] - 1;
        if levels.len() <= depth {
            levels.resize(depth + 1, Vec::new());
        }
        levels[depth].push(place - inputs);
    }
    levels.retain(|level| !level.is_empty());
    levels
}
