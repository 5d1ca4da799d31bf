//! From the wire to the graph: names, order, shapes, parameters, the objective. All that is wrong is collected; what comes
//! out cannot be wrong.

pub(crate) mod attributes;
mod context;
pub mod layers;
mod neuron;
mod order;
mod parameters;
pub(crate) mod places;
pub mod random;
mod regularizer;
mod renewal;
mod selection;
mod sources;
mod values;

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::Arc;

pub use context::{Context, Failed};
pub use parameters::Parameter;
pub use regularizer::Penalty;
pub use renewal::Slot;
pub(crate) use selection::glob;
pub use selection::{Selection, named, select};

use crate::config::Limits;
use crate::graph::{Graph, NodeId};
use crate::losses;
use crate::ops::{self, Arity};
pub(crate) use crate::spec::decode::hint;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::problem::{
    ActivationSpec, BatchSpec, Inputs, NetworkSpec, NodeSpec, Options, Pointers, Problem, Reduction, Source, Trace,
};
use crate::spec::tensor::InitSpec;

/// A problem as a graph, with what is needed to run it and to name what it gives.
#[derive(Debug, Clone)]
pub struct Lowered {
    structure: Arc<Structure>,
    /// Where each leaf's value comes from, in order of the leaves.
    pub leaves: Vec<(NodeId, Leaf)>,
    /// Places in `nodes`: the objective's own and those that nobody reads.
    pub outputs: Arc<[usize]>,
    /// The loss, where one was given.
    pub objective: Option<Objective>,
}

/// What problems have in common that differ in their numbers alone.
#[derive(Debug)]
pub struct Structure {
    /// The computation.
    pub graph: Graph,
    /// The samples of the minibatch.
    pub samples: usize,
    /// The network's inputs as declared.
    pub inputs: Vec<Input>,
    /// The parameters, in the order in which the network first names them.
    pub parameters: Vec<Parameter>,
    /// The network's nodes in topological order.
    pub nodes: Vec<Traced>,
    /// The terms of the regularization.
    pub penalties: Vec<Penalty>,
    /// Whether every input and node is there, so that a name which is not among them is wrong.
    pub whole: bool,
}

impl Deref for Lowered {
    type Target = Structure;

    fn deref(&self) -> &Structure {
        &self.structure
    }
}

/// Where a leaf's numbers come from. Those of initialisers are made when the run has been priced, not before.
#[derive(Debug, Clone)]
pub enum Leaf {
    /// Given numbers.
    Values(Arc<Vec<f64>>),
    /// An initialiser, with the name of the stream that it draws from.
    Init(InitSpec, String),
    /// A dropout mask, 1 keeps and 0 drops, with its seed and the name of its stream.
    Mask {
        /// Probability of dropping.
        p: f64,
        /// The seed as text.
        seed: String,
        /// The stream's name.
        stream: String,
    },
    /// Not given: such a graph is only looked at, never run.
    Unknown,
}

/// An input of the network.
#[derive(Debug)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its leaf.
    pub leaf: NodeId,
    /// Whether it is made of real numbers, so that it has a gradient; token indices have none.
    pub real: bool,
}

/// A node of the network as the client named it.
#[derive(Debug)]
pub struct Traced {
    /// Its id.
    pub id: String,
    /// Its op.
    pub op: String,
    /// The names of its inputs.
    pub inputs: Vec<String>,
    /// Its pre-activation, where it has an activation.
    pub a: Option<NodeId>,
    /// Its output.
    pub z: NodeId,
}

/// What is differentiated: a weighted sum of per-sample losses.
#[derive(Debug, Clone)]
pub struct Objective {
    /// The per-sample losses, shape `[N]`.
    pub losses: NodeId,
    /// The derivative of the objective by each of them: weights, and the division of a mean.
    pub factors: Vec<f64>,
    /// The weight of each sample.
    pub weights: Vec<f64>,
    /// What each sample counts in the denominator of a mean, its weight included.
    pub shares: Vec<f64>,
    /// What the reply says of it.
    pub echo: Arc<losses::Echo>,
    /// Where the targets stand in the graph.
    pub targets: losses::TargetLeaf,
}

impl Objective {
    /// The factors of the objective over these samples alone.
    pub fn factors_of(&self, samples: &[u32]) -> Vec<f64> {
        let divisor = match self.echo.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => samples.iter().map(|&n| self.shares[n as usize]).sum(),
        };
        samples.iter().map(|&n| self.weights[n as usize] / divisor).collect()
    }
}

/// What a network's name stands for while it is being lowered.
#[derive(Debug, Clone, Copy)]
enum Named {
    /// An input's or a lowered node's value.
    Value(NodeId),
    /// A node that could not be lowered; the fault is already reported, and those who read it stay silent.
    Failed,
}

/// What a question needs of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A batch and a loss.
    Loss,
    /// A batch; a loss if there is one.
    Outputs,
    /// Nothing: shapes are asked, values are not. Without `parameters`, none is missing.
    Shapes,
}

/// Lower a problem.
///
/// Returns nothing where a fault leaves no graph worth planning; the caller looks at `faults` in any case.
pub fn lower(problem: Problem<'_>, need: Need, limits: &Limits, faults: &mut Faults) -> Option<Lowered> {
    if !problem.batch_given && problem.batch.is_none() && need != Need::Shapes {
        faults.push(At::ROOT, Code::MissingField, "the problem has no \"batch\"");
    }
    if !problem.loss_given && need == Need::Loss {
        faults.push(At::ROOT, Code::MissingField, "the problem has no \"loss\"");
    }
    let Problem { network, parameters, parameters_given, batch, loss, regularization, options, .. } = problem;
    let network = network?;
    let every_parameter = (parameters_given || need != Need::Shapes) && !problem.parameters_unreadable;
    let mut lowering = Lowering {
        graph: Graph::new(),
        leaves: Vec::new(),
        parameters: parameters::Table::new(parameters, every_parameter),
        names: HashMap::with_capacity(network.inputs.len() + network.nodes.len()),
        shared: HashSet::new(),
        asked: HashSet::new(),
        failed: HashSet::new(),
        unread: problem.parameters_failed.into_iter().collect(),
        integer_inputs: Vec::new(),
        samples: 1,
        samples_known: true,
        bare_inputs: false,
        faults,
        limits,
        options: &options,
    };
    let given = batch.is_some();
    let BatchSpec { inputs, inputs_failed, targets, targets_failed, weights } = batch.unwrap_or_default();
    if inputs_failed || (given && inputs.is_none()) {
        lowering.failed.extend(network.inputs.iter().map(|input| input.name.to_string()));
    }
    if given && inputs.is_none() && !inputs_failed {
        lowering.faults.push(At::ROOT.name("batch"), Code::MissingField, "the minibatch has no \"inputs\"");
    }
    let network_whole = network.whole;
    let loss_of = loss.iter().flat_map(|loss| loss.of.iter().map(AsRef::as_ref));
    let traced = if let Trace::Only(names) = &options.trace { &names[..] } else { &[] };
    lowering.asked = loss_of.chain(traced.iter().map(String::as_str)).map(str::to_owned).collect();
    let inputs = lowering.inputs(&network, inputs);
    let nodes = lowering.nodes(network);
    lowering.surplus();
    let unread = lowering.unread(&nodes);
    let objective = loss.and_then(|loss| {
        losses::lower(&mut lowering, loss, targets, weights, need != Need::Shapes && given && !targets_failed).ok()
    });
    let whole = network_whole && lowering.failed.is_empty();
    let penalties = lowering.penalties(&regularization, whole);
    let of: HashSet<_> = objective.iter().flat_map(|(_, of)| of).copied().collect();
    let outputs = (0..nodes.len()).filter(|&i| unread[i] || of.contains(&nodes[i].z)).collect();
    let Lowering { graph, leaves, parameters, samples, .. } = lowering;
    let parameters = parameters.into_parameters();
    let structure = Structure { graph, samples, inputs, parameters, nodes, penalties, whole };
    Some(Lowered { structure: Arc::new(structure), leaves, outputs, objective: objective.map(|(objective, _)| objective) })
}

/// The work in progress.
pub(crate) struct Lowering<'l> {
    pub(crate) graph: Graph,
    leaves: Vec<(NodeId, Leaf)>,
    parameters: parameters::Table,
    names: HashMap<String, Named>,
    /// Entries of `parameters` that some inline name refers to, so that several may share them.
    shared: HashSet<String>,
    /// Names that the loss, the options or a node that reads a layer of several outputs may mean one of its further outputs by.
    asked: HashSet<String>,
    /// Entries of `parameters` that could not be read.
    unread: HashSet<String>,
    /// Inputs and nodes that could not be lowered.
    failed: HashSet<String>,
    /// Inputs of token indices in order of their leaves, each with its largest index.
    integer_inputs: Vec<(NodeId, String, f64)>,
    pub(crate) samples: usize,
    /// Whether the minibatch tells how many samples there are; one that could not be read does not.
    pub(crate) samples_known: bool,
    /// Whether the minibatch's inputs are one tensor, not a map.
    bare_inputs: bool,
    pub(crate) faults: &'l mut Faults,
    pub(crate) limits: &'l Limits,
    pub(crate) options: &'l Options,
}

impl Lowering<'_> {
    /// Lower every node, in topological order.
    fn nodes(&mut self, network: NetworkSpec<'_>) -> Vec<Traced> {
        let pointers = network.pointers();
        let mut positions = HashMap::with_capacity(network.nodes.len());
        for (position, node) in network.nodes.iter().enumerate() {
            positions.entry(node.id.to_string()).or_insert(position);
            // Until it is lowered; one on a cycle, or that depends on one, never is, and those who read it stay silent.
            self.names.insert(node.id.to_string(), Named::Failed);
        }
        self.further_outputs(&network.nodes, &mut positions);
        network.nodes.iter().for_each(|node| self.refer(node));
        let sources: Vec<Vec<usize>> = network.nodes.iter().map(|node| Self::sources_of(node, &positions)).collect();
        let order = order::order(&sources);
        for cycle in &order.cycles {
            self.report_cycle(cycle, &network.nodes, pointers);
        }
        let mut nodes: Vec<Option<NodeSpec<'_>>> = network.nodes.into_iter().map(Some).collect();
        let mut traced = Vec::with_capacity(nodes.len());
        for position in order.sorted {
            let node = nodes[position].take().expect("an order holds each node once");
            let id = node.id.to_string();
            let pointer = pointers.node(node.index);
            match self.node(node, pointer) {
                Ok(all) => {
                    self.names.extend(all.iter().map(|node| (node.id.clone(), Named::Value(node.z))));
                    traced.extend(all);
                }
                Err(Failed) => drop(self.failed.insert(id)),
            }
        }
        // What is wrong with nodes on cycles, apart from the cycle.
        for node in nodes.into_iter().flatten() {
            let pointer = pointers.node(node.index);
            self.failed.insert(node.id.to_string());
            let Err(Failed) = self.node(node, pointer) else { continue };
        }
        traced
    }

    /// Make known, as `<id>.<name>`, the further outputs of layers that somebody names; a node or input of that very name comes
    /// first.
    fn further_outputs(&mut self, nodes: &[NodeSpec<'_>], positions: &mut HashMap<String, usize>) {
        let mut known = HashMap::new();
        for (position, node) in nodes.iter().enumerate() {
            let layer = layers::CATALOG.iter().find(|layer| !layer.outputs.is_empty() && layer.name == node.op);
            let outputs = layer.map_or(&[][..], |layer| layer.outputs);
            known.extend(outputs.iter().map(|output| (format!("{}.{}", node.id, output.name), position)));
        }
        known.retain(|name, _| !self.names.contains_key(name));
        self.asked.retain(|name| known.contains_key(name));
        if known.is_empty() {
            return;
        }
        for node in nodes {
            let Inputs::List(sources) = &node.inputs else { continue };
            let names =
                sources.iter().filter_map(|source| if let Source::Name(name) = source { Some(name.as_ref()) } else { None });
            self.asked.extend(names.filter(|name| known.contains_key(*name)).map(str::to_owned));
        }
        for (name, position) in known.into_iter().filter(|(name, _)| self.asked.contains(name)) {
            self.names.insert(name.clone(), Named::Failed);
            positions.insert(name, position);
        }
    }

    /// A node, and after it those of its further outputs that somebody names.
    fn node(&mut self, node: NodeSpec<'_>, pointer: String) -> Result<Vec<Traced>, Failed> {
        if !node.ok {
            return Err(Failed);
        }
        let NodeSpec { id, op, inputs, activation, attributes, .. } = node;
        let sources = self.sources(&inputs, &pointer);
        let names = sources::names(&inputs);
        let mut context = Context::new(self, &id, pointer);
        // Each part is looked at before the first that failed ends it, so that all that is wrong is said at once.
        let layer = layers::CATALOG.iter().find(|layer| layer.name == op);
        let takes = layer.map_or(layers::Activation::After, |layer| layer.activation);
        let elementwise = op == "neuron" || takes == layers::Activation::Within;
        let mut activation = activation.map(|activation| context.activation(activation, elementwise)).transpose();
        if takes == layers::Activation::Refused && !matches!(activation, Ok(None)) {
            let detail = format!("{op} has several outputs: write the activation of one as a node of its own");
            activation = Err(context.fault_in("activation", Code::InvalidValue, detail));
        }
        let before = if op == "neuron" {
            context.neuron(sources, &inputs, attributes)
        } else if let Some(layer) = layer {
            let parameters: Vec<_> = layer.parameters.iter().map(|parameter| parameter.name).collect();
            let values = context.attributes(layer.attributes, &parameters, attributes);
            context.arity(&op, layer.arity, &inputs)?;
            let (values, sources) = (values?, sources?);
            if takes == layers::Activation::Within {
                context.within = std::mem::replace(&mut activation, Ok(None))?;
            }
            let built = (layer.build)(&mut context, &values, &sources);
            built.and_then(|built| context.surplus_inline(&op).map(|()| built))
        } else if let Some(entry) = ops::CATALOG.iter().find(|entry| entry.name == op) {
            let values = context.attributes(entry.attributes, &[], attributes);
            context.arity(&op, entry.arity, &inputs)?;
            let built = context.valid((entry.build)(&values?))?;
            context.boxed(built, &sources?)
        } else {
            let names = ops::CATALOG.iter().map(|entry| entry.name).chain(layers::CATALOG.iter().map(|layer| layer.name));
            let hint = hint(&op, names.chain(["neuron"]));
            return Err(context.fault_in(
                "op",
                Code::UnknownOp,
                format!("no op is named \"{op}\"{hint}; GET /v1/ops lists them all"),
            ));
        }?;
        let (a, z) = match activation? {
            None => (None, before),
            Some(activation) => (Some(before), context.boxed(activation, &[before])?),
        };
        let further = std::mem::take(&mut context.further);
        let mut all = vec![Traced { id: id.into_owned(), op: op.into_owned(), inputs: names, a, z }];
        for (id, z) in further {
            let Traced { op, inputs, .. } = &all[0];
            all.push(Traced { id, op: op.clone(), inputs: inputs.clone(), a: None, z });
        }
        Ok(all)
    }

    fn report_cycle(&mut self, cycle: &[usize], nodes: &[NodeSpec<'_>], pointers: Pointers) {
        const SHOWN: usize = 12;
        let first = cycle.iter().copied().min().expect("a cycle has nodes");
        let start = cycle.iter().position(|&node| node == first).expect("it was taken from there");
        let mut path: Vec<_> = cycle[start..].iter().chain(&cycle[..start]).map(|&node| nodes[node].id.as_ref()).collect();
        let length = path.len();
        path.truncate(SHOWN);
        let mut text = path.join(" -> ");
        if length > SHOWN {
            text.push_str(" -> ...");
        }
        let id = &nodes[first].id;
        let detail = match length {
            1 => format!("\"{id}\" feeds itself; a network must be acyclic"),
            _ => format!("a cycle of {length} nodes: {text} -> {id}; a network must be acyclic"),
        };
        self.faults.push_pointer(pointers.node(nodes[first].index), Code::Cycle, detail);
    }

    /// Which of these nobody reads; to be asked before losses read them.
    fn unread(&self, nodes: &[Traced]) -> Vec<bool> {
        let mut unread = vec![true; self.graph.nodes().len()];
        for node in self.graph.nodes() {
            for &input in &node.inputs {
                unread[input] = false;
            }
        }
        nodes.iter().map(|node| unread[node.z.index()]).collect()
    }
}

impl<'a> Context<'_, '_, 'a> {
    fn arity(&mut self, op: &str, arity: Arity, inputs: &Inputs<'_>) -> Result<(), Failed> {
        let found = match inputs {
            Inputs::Absent => 0,
            Inputs::List(list) => list.len(),
            Inputs::Weighted(_) => {
                let detail = format!("{op} has no weights of its own: its inputs are a list of names, [\"x1\", \"x2\"]");
                return Err(self.fault_in("inputs", Code::WrongType, detail));
            }
        };
        let (fits, expected) = match arity {
            Arity::Exactly(1) => (found == 1, "1 input".to_owned()),
            Arity::Exactly(n) => (found == n, format!("{n} inputs")),
            Arity::Between(low, high) => ((low..=high).contains(&found), format!("{low} or {high} inputs")),
            Arity::AtLeast(n) => (found >= n, format!("at least {n} inputs")),
        };
        if fits {
            Ok(())
        } else {
            Err(self.fault_in("inputs", Code::ShapeMismatch, format!("{op} takes {expected}, found {found}")))
        }
    }

    fn activation(&mut self, activation: ActivationSpec<'a>, neuron: bool) -> Result<Box<dyn ops::AnyOp>, Failed> {
        let pointer = format!("{}/activation", self.pointer);
        let pointer = std::mem::replace(&mut self.pointer, pointer);
        let built = self.activation_op(activation, neuron);
        self.pointer = pointer;
        built
    }

    fn activation_op(&mut self, activation: ActivationSpec<'a>, neuron: bool) -> Result<Box<dyn ops::AnyOp>, Failed> {
        let ActivationSpec { op, attributes } = activation;
        let allowed = |entry: &&&ops::Entry| entry.elementwise || (!neuron && ["softmax", "log_softmax"].contains(&entry.name));
        let Some(entry) = ops::CATALOG.iter().filter(allowed).find(|entry| entry.name == op) else {
            let hint = hint(&op, ops::CATALOG.iter().filter(allowed).map(|entry| entry.name));
            return Err(self.fault(Code::UnknownOp, format!("no activation is named \"{op}\"{hint}")));
        };
        let values = self.attributes(entry.attributes, &[], attributes)?;
        self.valid((entry.build)(&values))
    }
}
