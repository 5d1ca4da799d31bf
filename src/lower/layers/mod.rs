//! The layers. Each file holds one whole: PyTorch's attributes, its parameters, and how it is made of primitives; no
//! derivative code. To add one: write the file, add its line to [`CATALOG`].

mod avg_pool2d;
mod batch_norm;
mod conv2d;
mod dropout;
mod embedding;
mod layer_norm;
mod linear;
mod lstm;
mod max_pool2d;
mod multihead_attention;
mod scores;
mod sequence;
mod transformer_encoder_layer;

use super::{Context, Failed};
use crate::graph::NodeId;
use crate::ops::{Arity, Attribute, Values};

/// The layers that a client may name, in the order in which the catalogue lists them.
pub const CATALOG: &[&Layer] = &[
    &linear::LINEAR,
    &linear::DENSE,
    &embedding::EMBEDDING,
    &conv2d::CONV2D,
    &max_pool2d::MAX_POOL2D,
    &avg_pool2d::AVG_POOL2D,
    &batch_norm::BATCH_NORM1D,
    &batch_norm::BATCH_NORM2D,
    &layer_norm::LAYER_NORM,
    &dropout::DROPOUT,
    &lstm::LSTM,
    &multihead_attention::MULTIHEAD_ATTENTION,
    &transformer_encoder_layer::TRANSFORMER_ENCODER_LAYER,
];

/// What the catalogue says of a layer, and how it is lowered.
#[derive(Debug)]
pub struct Layer {
    /// PyTorch's name in snake case.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The value, as a formula in plain text.
    pub formula: &'static str,
    /// The derivative, as a formula in plain text.
    pub derivative: &'static str,
    /// How many inputs it takes.
    pub arity: Arity,
    /// Its attributes: PyTorch's names and defaults.
    pub attributes: &'static [Attribute],
    /// Its parameters.
    pub parameters: &'static [ParameterDoc],
    /// Its outputs after the first, which is the node's own value; others name them `<id>.<name>`.
    pub outputs: &'static [OutputDoc],
    /// What an `activation` in the node means.
    pub activation: Activation,
    /// Append it to the graph.
    pub build: fn(&mut Context<'_, '_, '_>, &Values, &[NodeId]) -> Result<NodeId, Failed>,
}

/// What an `activation` means to a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// It follows the layer.
    After,
    /// The layer has a place for it within, as PyTorch's argument of that name.
    Within,
    /// Nothing: a layer of several outputs leaves it to a node of its own.
    Refused,
}

/// What the catalogue says of a further output of a layer.
#[derive(Debug, Clone, Copy)]
pub struct OutputDoc {
    /// PyTorch's name.
    pub name: &'static str,
    /// The shape of what one sample has, in terms of the attributes.
    pub shape: &'static str,
}

/// What the catalogue says of a parameter of a layer.
#[derive(Debug, Clone, Copy)]
pub struct ParameterDoc {
    /// PyTorch's name; `{k}` stands for a number, where there is one for each of several sublayers.
    pub name: &'static str,
    /// Its shape, in terms of the attributes.
    pub shape: &'static str,
    /// Whether it has a gradient.
    pub trained: bool,
}

impl ParameterDoc {
    /// A trained parameter; for tables.
    pub const fn new(name: &'static str, shape: &'static str) -> Self {
        Self { name, shape, trained: true }
    }

    /// Running statistics; for tables.
    pub const fn buffer(name: &'static str, shape: &'static str) -> Self {
        Self { name, shape, trained: false }
    }
}
