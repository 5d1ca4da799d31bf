//! The parts of an answer: all that can be claimed of an exercise, each with its name on the wire.

use std::collections::HashMap;

use crate::lower::Lowered;
use crate::tensor::{Shape, Tensor};

/// What a part is; the numbers are places in the lists of [`Lowered`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The objective.
    Loss,
    /// The losses of the samples.
    Losses,
    /// An output's value.
    Output(usize),
    /// A parameter's gradient.
    Gradient(usize),
    /// An input's gradient.
    InputGradient(usize),
    /// A node's pre-activation.
    A(usize),
    /// A node's output.
    Z(usize),
    /// The derivative by a node's pre-activation.
    BarA(usize),
    /// The derivative by a node's output.
    BarZ(usize),
}

impl Kind {
    /// Whether the backward sweep gives it.
    pub fn is_backward(self) -> bool {
        matches!(self, Self::Gradient(_) | Self::InputGradient(_) | Self::BarA(_) | Self::BarZ(_))
    }

    /// The node of the trace that it belongs to.
    pub fn node(self) -> Option<usize> {
        match self {
            Self::A(node) | Self::Z(node) | Self::BarA(node) | Self::BarZ(node) => Some(node),
            _ => None,
        }
    }
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `loss`, `losses`, `outputs/z1`, `gradients/z7->z5`, `input_gradients/x`, `trace/z5/dE_dz`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The shape of its value, with the sample axis where it has one.
    pub shape: Shape,
}

/// The parts of an exercise, to be found by name or by kind.
#[derive(Debug)]
pub struct Parts {
    list: Vec<Part>,
    by_name: HashMap<String, usize>,
    by_kind: HashMap<Kind, usize>,
}

impl Parts {
    /// Of a problem with a loss.
    pub fn of(lowered: &Lowered) -> Self {
        let graph = &lowered.graph;
        let mut list = Vec::new();
        let mut put = |name: String, kind: Kind, shape: Shape| list.push(Part { name, kind, shape });
        if let Some(objective) = &lowered.objective {
            put("loss".to_owned(), Kind::Loss, Shape::SCALAR);
            put("losses".to_owned(), Kind::Losses, graph.shape(objective.losses));
        }
        for &i in lowered.outputs.iter() {
            let node = &lowered.nodes[i];
            put(format!("outputs/{}", node.id), Kind::Output(i), graph.shape(node.z));
        }
        for (i, node) in lowered.nodes.iter().enumerate() {
            if let Some(a) = node.a {
                put(format!("trace/{}/a", node.id), Kind::A(i), graph.shape(a));
            }
            put(format!("trace/{}/z", node.id), Kind::Z(i), graph.shape(node.z));
        }
        // Backprop's own order: from the loss to the inputs.
        for (i, node) in lowered.nodes.iter().enumerate().rev() {
            put(format!("trace/{}/dE_dz", node.id), Kind::BarZ(i), graph.shape(node.z));
            if let Some(a) = node.a {
                put(format!("trace/{}/dE_da", node.id), Kind::BarA(i), graph.shape(a));
            }
        }
        for (i, parameter) in lowered.parameters.iter().enumerate().filter(|(_, parameter)| parameter.trained) {
            put(format!("gradients/{}", parameter.name), Kind::Gradient(i), parameter.shape);
        }
        for (i, input) in lowered.inputs.iter().enumerate().filter(|(_, input)| input.real) {
            put(format!("input_gradients/{}", input.name), Kind::InputGradient(i), graph.shape(input.leaf));
        }
        let by_name = list.iter().enumerate().map(|(i, part)| (part.name.clone(), i)).collect();
        let by_kind = list.iter().enumerate().map(|(i, part)| (part.kind, i)).collect();
        Self { list, by_name, by_kind }
    }

    /// All, in the order of a computation: loss, outputs, the trace forward, the trace backward, gradients.
    pub fn list(&self) -> &[Part] {
        &self.list
    }

    /// The place of a name in the list.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The place of a kind in the list.
    pub fn of_kind(&self, kind: Kind) -> Option<usize> {
        self.by_kind.get(&kind).copied()
    }
}

/// A value for every part, in the order of [`Parts::list`]. Cloning shares the numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer(pub Vec<Tensor<f64>>);
