//! What lowering made of a network, to be used again for another minibatch of as many samples: the graph between the inputs and
//! the loss, and its names.
//!
//! Only of networks whose values all stand in the network, whose inputs are real numbers, and whose layers have one output: then
//! nothing between the inputs and the loss depends on anything else that a problem says, but for `allow_non_finite`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use super::{Leaf, Lowering, Named, Parameter, Traced, layers};
use crate::graph::{Node, NodeId};
use crate::spec::problem::{InputDtype, InputSpec, NetworkSpec};

/// A lowered network without its minibatch.
#[derive(Debug)]
pub struct Pattern {
    inputs: Vec<InputSpec<'static>>,
    samples: usize,
    allow_non_finite: bool,
    /// The graph after the inputs, and where its leaves' numbers come from.
    nodes: Vec<Node>,
    leaves: Vec<(NodeId, Leaf)>,
    parameters: Vec<Parameter>,
    names: HashMap<String, Named>,
    traced: Vec<Traced>,
    unread: Vec<bool>,
}

/// Whether a pattern of this network says all.
pub(super) fn is_plain(network: &NetworkSpec<'_>) -> bool {
    let one_output = |op: &str| layers::CATALOG.iter().all(|layer| layer.outputs.is_empty() || layer.name != op);
    network.whole
        && network.inputs.iter().all(|input| input.ok && input.dtype == InputDtype::Float)
        && network.nodes.iter().all(|node| one_output(&node.op))
}

impl Pattern {
    /// The samples that it is for.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The network as far as its inputs.
    pub(super) fn declared(&self) -> NetworkSpec<'_> {
        NetworkSpec { inputs: self.inputs.clone(), nodes: Vec::new(), layered: false, whole: true }
    }

    /// Bytes that it takes, near enough.
    pub fn bytes(&self) -> usize {
        const TEXT: usize = 32;
        let numbers = self.leaves.iter().map(|(_, leaf)| match leaf {
            Leaf::Values(data) => size_of_val(data.as_slice()),
            _ => TEXT,
        });
        // An op is a box of its own; the largest hold some lists.
        let nodes = self.nodes.iter().map(|node| size_of_val(node) + 128 + size_of_val(&*node.inputs));
        let parameters = self.parameters.iter().map(|parameter| size_of_val(parameter) + parameter.name.len());
        let traced = self.traced.iter().map(|node| size_of_val(node) + (2 + node.inputs.len()) * TEXT);
        let names = self.names.len() * (size_of::<(String, Named)>() + TEXT);
        let leaves = self.leaves.len() * size_of::<(NodeId, Leaf)>();
        1024 + numbers.sum::<usize>() + nodes.sum::<usize>() + parameters.sum::<usize>() + traced.sum::<usize>() + names + leaves
    }
}

impl Lowering<'_> {
    /// The pattern of what was lowered so far, which is everything before the loss.
    pub(super) fn pattern(&self, inputs: &[InputSpec<'_>], traced: &[Traced], unread: &[bool]) -> Option<Pattern> {
        let known = |leaf: &Leaf| !matches!(leaf, Leaf::Unknown);
        let complete = self.faults.is_empty() && self.failed.is_empty() && self.leaves.iter().all(|(_, leaf)| known(leaf));
        let owned = |input: &InputSpec<'_>| InputSpec {
            name: Cow::Owned(input.name.to_string()),
            shape: input.shape.clone(),
            dtype: input.dtype,
            ok: input.ok,
        };
        complete.then(|| Pattern {
            inputs: inputs.iter().map(owned).collect(),
            samples: self.samples,
            allow_non_finite: self.options.allow_non_finite,
            nodes: self.graph.nodes()[inputs.len()..].to_vec(),
            leaves: self.leaves[inputs.len()..].to_vec(),
            parameters: self.parameters.declared().to_vec(),
            names: self.names.clone(),
            traced: traced.to_vec(),
            unread: unread.to_vec(),
        })
    }

    /// Lower the network by the pattern for as many samples as the minibatch has; the inputs are lowered.
    pub(super) fn repeat(&mut self, known: &[Arc<Pattern>]) -> Option<(Vec<Traced>, Vec<bool>)> {
        let (samples, allow_non_finite) = (self.samples, self.options.allow_non_finite);
        let fits = |pattern: &&Arc<Pattern>| pattern.samples == samples && pattern.allow_non_finite == allow_non_finite;
        let pattern = known.iter().find(fits)?;
        if !self.faults.is_empty() || !self.failed.is_empty() || self.graph.nodes().len() != pattern.inputs.len() {
            return None;
        }
        self.graph.append(&pattern.nodes);
        self.leaves.extend_from_slice(&pattern.leaves);
        pattern.parameters.iter().for_each(|parameter| self.parameters.declare(parameter.clone()));
        self.names.clone_from(&pattern.names);
        Some((pattern.traced.clone(), pattern.unread.clone()))
    }
}
