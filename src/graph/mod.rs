//! The graph: leaves and ops in an order in which every node comes after its inputs. It knows no number type and no name.

mod plan;

pub use plan::Plan;

use std::sync::Arc;

use crate::ops::AnyOp;
use crate::tensor::{Shape, ShapeError};

/// A node of one graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// Its place in the graph's order.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A leaf or an op with its inputs.
#[derive(Debug, Clone)]
pub struct Node {
    /// The op; a leaf has none, its value is given to the tape.
    pub op: Option<Arc<dyn AnyOp>>,
    /// The places of the inputs, all smaller than the node's own.
    pub inputs: Box<[usize]>,
    /// The shape of the value.
    pub shape: Shape,
}

/// Nodes in topological order. Built by appending, so that a cycle cannot be written.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Append a leaf.
    pub fn leaf(&mut self, shape: Shape) -> NodeId {
        self.push(Node { op: None, inputs: Box::default(), shape })
    }

    /// Append an op over nodes that are already there.
    ///
    /// # Errors
    /// The op's shape rule refuses the inputs.
    pub fn op(&mut self, op: Box<dyn AnyOp>, inputs: &[NodeId]) -> Result<NodeId, ShapeError> {
        let shapes: Vec<_> = inputs.iter().map(|&id| self.shape(id)).collect();
        let shape = op.shape(&shapes)?;
        Ok(self.push(Node { op: Some(op.into()), inputs: inputs.iter().map(|id| id.index()).collect(), shape }))
    }

    fn push(&mut self, node: Node) -> NodeId {
        let id = u32::try_from(self.nodes.len()).expect("limits keep a graph below 2^32 nodes");
        self.nodes.push(node);
        NodeId(id)
    }

    /// The nodes in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The id of the node at a place in the order.
    pub fn id(&self, index: usize) -> NodeId {
        debug_assert!(index < self.nodes.len());
        NodeId(index as u32)
    }

    /// The shape of a node's value.
    pub fn shape(&self, id: NodeId) -> Shape {
        self.nodes[id.index()].shape
    }

    /// The same graph over another number of samples, if its ops allow it: none may hold something for each sample.
    pub fn resized(&self, samples: usize) -> Option<Self> {
        let mut resized = Self { nodes: Vec::with_capacity(self.nodes.len()) };
        let mut inputs = Vec::new();
        for node in &self.nodes {
            let of_one = node.shape.sample_dims();
            let shape = if node.shape.is_batched() { Shape::batched(samples, of_one).ok()? } else { node.shape };
            if let Some(op) = &node.op {
                inputs.clear();
                inputs.extend(node.inputs.iter().map(|&input| resized.nodes[input].shape));
                if op.shape(&inputs) != Ok(shape) {
                    return None;
                }
            }
            resized.nodes.push(Node { op: node.op.clone(), inputs: node.inputs.clone(), shape });
        }
        Some(resized)
    }

    /// Whether some sample's value depends on other samples.
    pub fn couples_samples(&self) -> bool {
        self.nodes.iter().filter_map(|node| node.op.as_deref()).any(super::ops::Describe::couples_samples)
    }
}
