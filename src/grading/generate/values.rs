//! The key: every value of an exercise, by the ordinary engine.

use crate::config::Limits;
use crate::graph::{NodeId, Plan};
use crate::lower::{Leaf, Lowered, Need, lower};
use crate::spec::fault::Faults;
use crate::spec::json;
use crate::spec::problem;
use crate::tape::{Backprop, Sweep, Tape};
use crate::tensor::{Shape, Tensor};

/// A tensor with its shape.
pub(crate) type Entry = (Shape, Vec<f64>);

/// All parts of the key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values {
    pub(crate) loss: f64,
    /// Of each sample.
    pub(crate) losses: Vec<f64>,
    pub(crate) nodes: Vec<Node>,
    /// Places in `nodes` of the outputs.
    pub(crate) outputs: Vec<usize>,
    /// By parameter.
    pub(crate) gradients: Vec<(String, Entry)>,
    /// By input.
    pub(crate) input_gradients: Vec<(String, Entry)>,
    /// What the loss is, in words of the reply.
    pub(crate) formula: &'static str,
}

/// A node's own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) id: String,
    /// Its pre-activation and dE/da, where it has an activation.
    pub(crate) inner: Option<(Entry, Entry)>,
    pub(crate) z: Entry,
    pub(crate) de_dz: Entry,
}

impl Values {
    /// Run a problem that we wrote ourselves.
    pub(crate) fn of(problem: &[u8]) -> Self {
        run(&lowered(problem))
    }

    /// The smallest magnitude of a parameter's gradient and of a dE/dz: what is too small cannot be judged.
    pub(crate) fn smallest_gradient(&self) -> f64 {
        let gradients = self.gradients.iter().map(|(_, entry)| entry);
        let all = gradients.chain(self.nodes.iter().map(|node| &node.de_dz)).flat_map(|(_, data)| data);
        all.fold(f64::INFINITY, |least, x| least.min(x.abs()))
    }

    /// The smallest and the largest magnitude of a pre-activation, an output's own value counted as one where it has none.
    pub(crate) fn pre_activations(&self) -> (f64, f64) {
        let all = self.nodes.iter().flat_map(|node| &node.inner.as_ref().map_or(&node.z, |(a, _)| a).1);
        all.fold((f64::INFINITY, 0.0), |(least, most), a| (least.min(a.abs()), most.max(a.abs())))
    }
}

/// A problem that we wrote ourselves.
pub(super) fn lowered(problem: &[u8]) -> Lowered {
    let limits = Limits::default();
    let mut faults = Faults::new(1);
    let lowered = json::parse(problem, &limits)
        .ok()
        .and_then(|json| lower(problem::decode(json, &limits, &[], &mut faults), Need::Loss, &limits, &mut faults))
        .filter(|_| faults.is_empty());
    lowered.unwrap_or_else(|| unreachable!("what is generated is a problem: {faults:?}"))
}

fn run(lowered: &Lowered) -> Values {
    let graph = &lowered.graph;
    let objective = lowered.objective.as_ref().expect("a generated problem has a loss");
    let traced: Vec<NodeId> = lowered.nodes.iter().flat_map(|node| node.a.into_iter().chain([node.z])).collect();
    let leaves = lowered.parameters.iter().map(|parameter| parameter.leaf).chain(lowered.inputs.iter().map(|input| input.leaf));
    let derived: Vec<NodeId> = leaves.chain(traced.iter().copied()).collect();
    let plan = Plan::new(graph, &traced, &[objective.losses], &derived);
    let leaf = |id: NodeId| match lowered.leaves.iter().find(|(leaf, _)| *leaf == id) {
        Some((_, Leaf::Values(data))) => Tensor::new(graph.shape(id), data.to_vec()),
        _ => unreachable!("a generated problem gives all its numbers"),
    };
    let never = || Ok::<(), std::convert::Infallible>(());
    let Ok(tape) = Tape::<f64>::forward(graph, &plan, leaf, never);
    let seed = Tensor::new(graph.shape(objective.losses), objective.factors.clone());
    let Ok(sweep) = tape.backward([(objective.losses, seed)], &Backprop, never);
    let losses = tape.value(objective.losses).data().to_vec();
    let value = |id: NodeId| (graph.shape(id), tape.value(id).data().to_vec());
    let bar = |id: NodeId| (graph.shape(id), bar(&sweep, id, graph.shape(id)));
    let nodes = lowered.nodes.iter().map(|node| Node {
        id: node.id.clone(),
        inner: node.a.map(|a| (value(a), bar(a))),
        z: value(node.z),
        de_dz: bar(node.z),
    });
    let gradient = |parameter: &crate::lower::Parameter| {
        let data = bar(parameter.leaf).1;
        let data = parameter.element.map_or_else(|| data.clone(), |element| vec![data[element as usize]]);
        (parameter.name.clone(), (parameter.shape, data))
    };
    Values {
        loss: losses.iter().zip(&objective.factors).fold(0.0, |sum, (loss, factor)| sum + factor * loss),
        losses,
        nodes: nodes.collect(),
        outputs: lowered.outputs.to_vec(),
        gradients: lowered.parameters.iter().map(gradient).collect(),
        input_gradients: lowered.inputs.iter().map(|input| (input.name.clone(), bar(input.leaf))).collect(),
        formula: objective.echo.formula,
    }
}

fn bar(sweep: &Sweep<f64>, id: NodeId, shape: Shape) -> Vec<f64> {
    sweep.cotangent(id).map_or_else(|| vec![0.0; shape.size()], |bar| bar.data().to_vec())
}
