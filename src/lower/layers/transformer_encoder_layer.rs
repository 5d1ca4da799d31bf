//! `transformer_encoder_layer`: self-attention and a feed-forward network, each with a short cut around it and a norm.

use super::dropout::Inner;
use super::multihead_attention::{Heads, heads, project};
use super::scores;
use super::sequence;
use super::{Activation, Layer, ParameterDoc};
use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{self, Add, AnyOp, Arity, Values};

pub(super) const TRANSFORMER_ENCODER_LAYER: Layer = Layer {
    name: "transformer_encoder_layer",
    summary: "self-attention and a feed-forward network over sequences [N, L, d_model], each added to what it reads and normalised",
    formula: "a = norm1(x + self_attn(x)), y = norm2(a + linear2(activation(linear1(a)))); with norm_first a = x + self_attn(norm1(x)), y = a + ff(norm2(a)); dropout after self_attn, activation and linear2",
    derivative: "the chain rule through norm2, linear2, activation, linear1, norm1 and self_attn; each short cut passes its cotangent on unchanged",
    arity: Arity::Exactly(1),
    attributes: &[
        Attribute::new("d_model", Kind::Integer, Default::Absent, "features of a step; inferred where left out"),
        Attribute::new("nhead", Kind::Integer, Default::Required, "heads, which share d_model evenly"),
        Attribute::new("dim_feedforward", Kind::Integer, Default::Integer(2048), "features between linear1 and linear2"),
        Attribute::new(
            "dropout",
            Kind::Number,
            Default::Number(0.1),
            "probability of zeroing, in training: attention weights (stream <id>.self_attn), the activation's outputs (<id>.dropout), and what is added to the short cuts (<id>.dropout1, <id>.dropout2); PyTorch's default needs a seed",
        ),
        Attribute::new("layer_norm_eps", Kind::Number, Default::Number(1e-5), "added to the variances"),
        sequence::BATCH_FIRST,
        Attribute::new(
            "norm_first",
            Kind::Boolean,
            Default::Boolean(false),
            "whether norms come before attention and feed-forward",
        ),
        Attribute::new("bias", Kind::Boolean, Default::Boolean(true), "whether linear layers and norms have biases"),
        scores::attn_mask("src_mask"),
        scores::key_padding_mask("src_key_padding_mask"),
        scores::IS_CAUSAL,
        sequence::SEED,
        sequence::TRAINING,
    ],
    parameters: &[
        ParameterDoc::new("self_attn.in_proj_weight", "[3 * d_model, d_model]"),
        ParameterDoc::new("self_attn.in_proj_bias", "[3 * d_model]"),
        ParameterDoc::new("self_attn.out_proj.weight", "[d_model, d_model]"),
        ParameterDoc::new("self_attn.out_proj.bias", "[d_model]"),
        ParameterDoc::new("linear1.weight", "[dim_feedforward, d_model]"),
        ParameterDoc::new("linear1.bias", "[dim_feedforward]"),
        ParameterDoc::new("linear2.weight", "[d_model, dim_feedforward]"),
        ParameterDoc::new("linear2.bias", "[d_model]"),
        ParameterDoc::new("norm1.weight", "[d_model]"),
        ParameterDoc::new("norm1.bias", "[d_model]"),
        ParameterDoc::new("norm2.weight", "[d_model]"),
        ParameterDoc::new("norm2.bias", "[d_model]"),
    ],
    outputs: &[],
    activation: Activation::Within,
    build,
};

/// The layer's own parts, beside its attention.
struct Parts {
    linear1: Vec<NodeId>,
    linear2: Vec<NodeId>,
    norm1: Vec<NodeId>,
    norm2: Vec<NodeId>,
    eps: f64,
    model: usize,
    dropout: Option<Inner>,
}

fn build(context: &mut Context<'_, '_, '_>, values: &Values, inputs: &[NodeId]) -> Result<NodeId, Failed> {
    let x = inputs[0];
    let first = sequence::samples_first(context, values);
    let dropout = Inner::new(context, values, "transformer_encoder_layer");
    let inner = context.valid(values.size("dim_feedforward", 1));
    let (_, model) = sequence::sizes(context, values, "transformer_encoder_layer", "d_model", x)?;
    let heads = heads(context, values, "nhead", model);
    let (dropout, inner, heads) = (dropout?, inner?, heads?);
    first?;
    let attention = Heads {
        prefix: "self_attn.",
        embed: model,
        count: heads,
        bias: values.boolean("bias"),
        bias_kv: false,
        zero_attn: false,
        masks: ["src_mask", "src_key_padding_mask"],
        zero_if_masked: true,
    };
    let activation = match context.within() {
        Some(activation) => activation,
        None => relu()?,
    };

    // All parameters are asked for before the first that is missing ends it.
    let attention = attention.prepare(context, values, &[x], [model, model]);
    let parts = Parts::new(context, values, [model, inner], dropout);
    let (attention, parts) = (attention?, parts?);
    let attended = |context: &mut Context<'_, '_, '_>, x: NodeId| {
        attention.lower(context, &[x], parts.dropout.as_ref()).map(|attended| attended.value)
    };
    if values.boolean("norm_first") {
        let normed = parts.norm(context, x, &parts.norm1)?;
        let added = attended(context, normed)?;
        let a = parts.short_cut(context, x, added, "dropout1")?;
        let normed = parts.norm(context, a, &parts.norm2)?;
        let added = parts.feed_forward(context, normed, activation)?;
        return parts.short_cut(context, a, added, "dropout2");
    }
    let added = attended(context, x)?;
    let sum = parts.short_cut(context, x, added, "dropout1")?;
    let a = parts.norm(context, sum, &parts.norm1)?;
    let added = parts.feed_forward(context, a, activation)?;
    let sum = parts.short_cut(context, a, added, "dropout2")?;
    parts.norm(context, sum, &parts.norm2)
}

/// PyTorch's default.
fn relu() -> Result<Box<dyn AnyOp>, Failed> {
    let entry = ops::CATALOG.iter().find(|entry| entry.name == "relu").ok_or(Failed)?;
    (entry.build)(&Values::defaults(entry.attributes)).map_err(|_| Failed)
}

impl Parts {
    fn new(
        context: &mut Context<'_, '_, '_>,
        values: &Values,
        [model, inner]: [usize; 2],
        dropout: Option<Inner>,
    ) -> Result<Self, Failed> {
        let bias = values.boolean("bias");
        let mut module = |name: &str, weight: &[usize]| {
            let weight_of = context.parameter(&format!("{name}.weight"), weight);
            let bias_of = bias.then(|| context.parameter(&format!("{name}.bias"), &weight[..1]));
            Ok([Some(weight_of?), bias_of.transpose()?].into_iter().flatten().collect::<Vec<_>>())
        };
        let [linear1, linear2] = [module("linear1", &[inner, model]), module("linear2", &[model, inner])];
        let [norm1, norm2] = [module("norm1", &[model]), module("norm2", &[model])];
        let eps = values.number("layer_norm_eps");
        Ok(Self { linear1: linear1?, linear2: linear2?, norm1: norm1?, norm2: norm2?, eps, model, dropout })
    }

    fn norm(&self, context: &mut Context<'_, '_, '_>, x: NodeId, parameters: &[NodeId]) -> Result<NodeId, Failed> {
        let all: Vec<_> = std::iter::once(x).chain(parameters.iter().copied()).collect();
        context.op(ops::LayerNorm { normalized_shape: vec![self.model], eps: self.eps }, &all)
    }

    fn dropped(&self, context: &mut Context<'_, '_, '_>, x: NodeId, place: &str) -> Result<NodeId, Failed> {
        self.dropout.as_ref().map_or(Ok(x), |dropout| dropout.apply(context, x, place))
    }

    /// `x + dropout(added)`.
    fn short_cut(&self, context: &mut Context<'_, '_, '_>, x: NodeId, added: NodeId, place: &str) -> Result<NodeId, Failed> {
        let added = self.dropped(context, added, place)?;
        context.op(Add { alpha: 1.0 }, &[x, added])
    }

    fn feed_forward(&self, context: &mut Context<'_, '_, '_>, x: NodeId, activation: Box<dyn AnyOp>) -> Result<NodeId, Failed> {
        let wide = project(context, x, self.linear1[0], self.linear1.get(1).copied())?;
        let active = context.boxed(activation, &[wide])?;
        let active = self.dropped(context, active, "dropout")?;
        project(context, active, self.linear2[0], self.linear2.get(1).copied())
    }
}
