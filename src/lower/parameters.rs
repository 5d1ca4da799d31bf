//! The parameters: which the client gave, which the network asks for, and who shares which.

use std::collections::HashMap;

use crate::graph::NodeId;
use crate::spec::tensor::TensorSpec;
use crate::tensor::Shape;

/// A parameter under the name that the reply uses.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Canonical name, or the name of the shared entry.
    pub name: String,
    /// The leaf that holds it.
    pub leaf: NodeId,
    /// Where a neuron keeps its weights together: which element of the leaf this is.
    pub element: Option<u32>,
    /// Its own shape.
    pub shape: Shape,
    /// Whether it has a gradient; running statistics have none.
    pub trained: bool,
}

/// An entry of the request's `parameters`.
#[derive(Debug)]
struct Entry {
    name: String,
    /// The value, until somebody takes it.
    value: Option<TensorSpec>,
    used: bool,
    /// The leaf, once an entry that may be shared was first used, and its shape.
    leaf: Option<NodeId>,
}

/// What the request's `parameters` hold, and what the network has made of them so far.
#[derive(Debug)]
pub(super) struct Table {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    declared: Vec<Parameter>,
    /// Whether a parameter that is not there is missing; where only shapes are asked, and none was given, it is not.
    pub(super) complete: bool,
}

/// What became of a look-up by name.
pub(super) enum Found {
    /// A leaf that stands for the entry already.
    Leaf(NodeId),
    /// The value, handed out once.
    Value(TensorSpec),
    /// It was handed out before to somebody who kept it as part of a leaf of its own.
    Taken,
    /// No such entry.
    Missing,
}

impl Table {
    pub(super) fn new<N: Into<String>>(given: Vec<(N, TensorSpec)>, complete: bool) -> Self {
        let entries: Vec<_> = given
            .into_iter()
            .map(|(name, value)| Entry { name: name.into(), value: Some(value), used: false, leaf: None })
            .collect();
        let by_name = entries.iter().enumerate().map(|(i, entry)| (entry.name.clone(), i)).collect();
        Self { entries, by_name, declared: Vec::new(), complete }
    }

    /// Whether the request gives an entry of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Look an entry up for use, and count it as used.
    pub(super) fn take(&mut self, name: &str) -> Found {
        let Some(&i) = self.by_name.get(name) else { return Found::Missing };
        let entry = &mut self.entries[i];
        entry.used = true;
        match (entry.leaf, entry.value.take()) {
            (Some(leaf), _) => Found::Leaf(leaf),
            (None, Some(value)) => Found::Value(value),
            (None, None) => Found::Taken,
        }
    }

    /// The shape that an entry's value was written with, where it is a value.
    pub(super) fn written_shape(&self, name: &str) -> Option<&[usize]> {
        match self.entries[*self.by_name.get(name)?].value.as_ref()? {
            TensorSpec::Values { shape, .. } => Some(shape),
            TensorSpec::Init(_) => None,
        }
    }

    /// From now on the entry stands for this leaf.
    pub(super) fn bind(&mut self, name: &str, leaf: NodeId) {
        if let Some(&i) = self.by_name.get(name) {
            self.entries[i].leaf = Some(leaf);
        }
    }

    /// Where none need be given: a name that was asked for stands for this leaf from now on.
    pub(super) fn expect(&mut self, name: &str, leaf: NodeId) {
        self.by_name.insert(name.to_owned(), self.entries.len());
        self.entries.push(Entry { name: name.to_owned(), value: None, used: true, leaf: Some(leaf) });
    }

    /// Declare a parameter of the network.
    pub(super) fn declare(&mut self, parameter: Parameter) {
        self.declared.push(parameter);
    }

    /// The entries that nobody used.
    pub(super) fn surplus(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter(|entry| !entry.used).map(|entry| entry.name.as_str())
    }

    /// The names of the parameters declared so far, and of the entries given.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The parameters declared so far.
    pub(super) fn declared(&self) -> &[Parameter] {
        &self.declared
    }

    pub(super) fn into_parameters(self) -> Vec<Parameter> {
        self.declared
    }
}

impl Table {
    /// The shape of an entry: its leaf's, once it has one, or the one it was written with.
    pub(super) fn shape_of(&self, name: &str, graph: &crate::graph::Graph) -> Option<Vec<usize>> {
        match self.entries[*self.by_name.get(name)?].leaf {
            Some(leaf) => Some(graph.shape(leaf).dims().to_vec()),
            None => self.written_shape(name).map(<[usize]>::to_vec),
        }
    }
}
