//! `multihead_attention`: queries, keys and values are projected, meet in several heads ([`ops::Attention`]), and are projected
//! back. [`Heads`] is also the self-attention of larger layers.

use super::dropout::Inner;
use super::scores::{self, Scores};
use super::sequence::{self, columns};
use super::{Activation, Layer, OutputDoc, ParameterDoc};
use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{self, Arity, Axes, Elementwise, Joined, Mean, Moved, Mul, Permute, Reshape, Scale, Slice, Values};
use crate::spec::fault::Code;
use crate::tensor::Shape;

pub(super) const MULTIHEAD_ATTENTION: Layer = Layer {
    name: "multihead_attention",
    summary: "attention of several heads over sequences [N, L, embed_dim]; inputs are query, key and value, or one for all three (self-attention)",
    formula: "head_h = softmax(q_h k_h^T / sqrt(d) + mask) v_h with q = query W_q^T + b_q and so on, d = embed_dim / num_heads; y = (heads side by side) W_o^T + b_o",
    derivative: "p = softmax(s): v_bar = p^T y_bar, s_bar = p (y_bar v^T - row sums of p y_bar v^T), q_bar = s_bar k / sqrt(d), k_bar = s_bar^T q / sqrt(d)",
    arity: Arity::Between(1, 3),
    attributes: &[
        Attribute::new(
            "embed_dim",
            Kind::Integer,
            Default::Absent,
            "features of the query and of the output; inferred where left out",
        ),
        Attribute::new("num_heads", Kind::Integer, Default::Required, "heads, which share embed_dim evenly"),
        Attribute::new(
            "dropout",
            Kind::Number,
            Default::Number(0.0),
            "probability of zeroing an attention weight; draws from the stream of the node's id",
        ),
        Attribute::new("bias", Kind::Boolean, Default::Boolean(true), "whether the projections have biases"),
        Attribute::new(
            "add_bias_kv",
            Kind::Boolean,
            Default::Boolean(false),
            "whether one learned key and value follow the others",
        ),
        Attribute::new(
            "add_zero_attn",
            Kind::Boolean,
            Default::Boolean(false),
            "whether a key and value of zeros follow the others",
        ),
        Attribute::new(
            "kdim",
            Kind::Integer,
            Default::Absent,
            "features of the key, embed_dim where left out; where it or vdim differs, weights are apart",
        ),
        Attribute::new("vdim", Kind::Integer, Default::Absent, "features of the value, embed_dim where left out"),
        sequence::BATCH_FIRST,
        scores::key_padding_mask("key_padding_mask"),
        scores::attn_mask("attn_mask"),
        scores::IS_CAUSAL,
        Attribute::new(
            "average_attn_weights",
            Kind::Boolean,
            Default::Boolean(true),
            "whether the output attn_output_weights is the mean over heads, [L, S]; otherwise [num_heads, L, S]",
        ),
        sequence::SEED,
        sequence::TRAINING,
    ],
    parameters: &[
        ParameterDoc::new(
            "in_proj_weight",
            "[3 * embed_dim, embed_dim], rows of query, key, value; where kdim and vdim are embed_dim",
        ),
        ParameterDoc::new("q_proj_weight", "[embed_dim, embed_dim], where kdim or vdim differs"),
        ParameterDoc::new("k_proj_weight", "[embed_dim, kdim], where kdim or vdim differs"),
        ParameterDoc::new("v_proj_weight", "[embed_dim, vdim], where kdim or vdim differs"),
        ParameterDoc::new("in_proj_bias", "[3 * embed_dim]"),
        ParameterDoc::new("bias_k", "[1, 1, embed_dim], where add_bias_kv"),
        ParameterDoc::new("bias_v", "[1, 1, embed_dim], where add_bias_kv"),
        ParameterDoc::new("out_proj.weight", "[embed_dim, embed_dim]"),
        ParameterDoc::new("out_proj.bias", "[embed_dim]"),
    ],
    outputs: &[OutputDoc {
        name: "attn_output_weights",
        shape: "[L, S], or [num_heads, L, S] where average_attn_weights is false",
    }],
    activation: Activation::Refused,
    build,
};

fn build(context: &mut Context<'_, '_, '_>, values: &Values, inputs: &[NodeId]) -> Result<NodeId, Failed> {
    if inputs.len() == 2 {
        let detail = "multihead_attention takes query, key and value, or one input for all three; found 2";
        return Err(context.fault_in("inputs", Code::ShapeMismatch, detail));
    }
    let first = sequence::samples_first(context, values);
    let dropout = Inner::new(context, values, "multihead_attention");
    let inputs = sequence::together(context, inputs)?;
    let (_, embed) = sequence::sizes(context, values, "multihead_attention", "embed_dim", inputs[0])?;
    let heads = Heads {
        prefix: "",
        embed,
        count: heads(context, values, "num_heads", embed)?,
        bias: values.boolean("bias"),
        bias_kv: values.boolean("add_bias_kv"),
        zero_attn: values.boolean("add_zero_attn"),
        masks: ["attn_mask", "key_padding_mask"],
        zero_if_masked: false,
    };
    let sizes = [("kdim", 1), ("vdim", 2)].map(|(name, at)| key_size(context, values, name, &inputs, at, embed));
    let ([kdim, vdim], dropout) = ([sizes[0]?, sizes[1]?], dropout?);
    first?;
    let attended = heads.prepare(context, values, &inputs, [kdim, vdim])?.lower(context, &inputs, dropout.as_ref())?;
    if context.asks_for("attn_output_weights") {
        let weights = attended.weights(context, dropout.as_ref(), values.boolean("average_attn_weights"))?;
        context.further("attn_output_weights", weights);
    }
    Ok(attended.value)
}

/// The number of heads, which must divide `embed`.
pub(super) fn heads(
    context: &mut Context<'_, '_, '_>,
    values: &Values,
    name: &'static str,
    embed: usize,
) -> Result<usize, Failed> {
    let heads = context.valid(values.size(name, 1))?;
    if embed.is_multiple_of(heads) {
        return Ok(heads);
    }
    Err(context.invalid(Invalid::new(name, format!("{heads} heads cannot share {embed} features evenly"))))
}

/// kdim or vdim: as declared, which the input must have, or `embed`.
fn key_size(
    context: &mut Context<'_, '_, '_>,
    values: &Values,
    name: &'static str,
    inputs: &[NodeId],
    at: usize,
    embed: usize,
) -> Result<usize, Failed> {
    let declared = context.valid(values.size_or_absent(name, 1))?.unwrap_or(embed);
    let shape = context.shape(*inputs.get(at).unwrap_or(&inputs[0]));
    match *shape.sample_dims() {
        [length, features] if features == declared && length > 0 => Ok(declared),
        _ => {
            let what = if at == 1 { "key" } else { "value" };
            let detail = format!("multihead_attention expects a {what} of shape [N, S, {declared}] ({name}), found {shape}");
            Err(context.fault_in(&format!("inputs/{at}"), Code::ShapeMismatch, detail))
        }
    }
}

/// The attention of a layer or of a part of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heads {
    /// What stands before its parameters' names: `""`, or `"self_attn."`.
    pub(super) prefix: &'static str,
    pub(super) embed: usize,
    pub(super) count: usize,
    pub(super) bias: bool,
    pub(super) bias_kv: bool,
    pub(super) zero_attn: bool,
    /// The names of the attributes for a mask of scores and one of padding.
    pub(super) masks: [&'static str; 2],
    /// What a query gets that may attend nothing: zeros, or NaN. PyTorch gives NaN where it makes the weights and zeros where not.
    pub(super) zero_if_masked: bool,
}

/// An attention with its parameters and masks.
pub(super) struct Prepared {
    heads: Heads,
    projections: Projections,
    mask: Option<NodeId>,
    scores: Scores,
}

/// What attention gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attended {
    pub(super) value: NodeId,
    /// The output of [`ops::Attention`].
    packed: NodeId,
    keep: Option<NodeId>,
    embed: usize,
    heads: usize,
}

/// The projections' parameters.
struct Projections {
    /// Of query, key and value together.
    together: Option<NodeId>,
    apart: Vec<NodeId>,
    bias: Option<NodeId>,
    bias_kv: Vec<NodeId>,
    out: Vec<NodeId>,
}

/// Query, key and value; one input stands for all three.
fn three(inputs: &[NodeId]) -> [NodeId; 3] {
    match *inputs {
        [query, key, value] => [query, key, value],
        _ => [inputs[0]; 3],
    }
}

impl Heads {
    /// Ask for the parameters, and make the mask for inputs of these shapes.
    pub(super) fn prepare(
        self,
        context: &mut Context<'_, '_, '_>,
        values: &Values,
        inputs: &[NodeId],
        [kdim, vdim]: [usize; 2],
    ) -> Result<Prepared, Failed> {
        let projections = self.parameters(context, kdim, vdim);
        let [query, key, value] = three(inputs);
        let rows = |context: &Context<'_, '_, '_>, value: NodeId| context.shape(value).sample_dims()[0];
        let (queries, keys) = (rows(context, query), rows(context, key));
        if rows(context, value) != keys {
            let (key, value) = (context.shape(key), context.shape(value));
            let detail = format!("multihead_attention expects as many values as keys, found key {key} and value {value}");
            return Err(context.fault_in("inputs/2", Code::ShapeMismatch, detail));
        }
        let extra = usize::from(self.bias_kv) + usize::from(self.zero_attn);
        let samples = context.shape(query).samples();
        let scores = Scores { heads: self.count, queries, keys, extra, samples };
        let mask = scores::lower(context, values, self.masks, scores);
        Ok(Prepared { heads: self, projections: projections?, mask: mask?, scores })
    }

    fn parameters(&self, context: &mut Context<'_, '_, '_>, kdim: usize, vdim: usize) -> Result<Projections, Failed> {
        let embed = self.embed;
        let mut ask = |name: &str, dims: &[usize]| context.parameter(&format!("{}{name}", self.prefix), dims);
        let one = kdim == embed && vdim == embed;
        let weights: Vec<_> = if one {
            vec![ask("in_proj_weight", &[embed.saturating_mul(3), embed])]
        } else {
            [("q_proj_weight", embed), ("k_proj_weight", kdim), ("v_proj_weight", vdim)]
                .map(|(name, size)| ask(name, &[embed, size]))
                .into()
        };
        let bias = self.bias.then(|| ask("in_proj_bias", &[embed.saturating_mul(3)]));
        let names = if self.bias_kv { &["bias_k", "bias_v"][..] } else { &[] };
        let bias_kv: Vec<_> = names.iter().map(|name| ask(name, &[1, 1, embed])).collect();
        let mut out = vec![ask("out_proj.weight", &[embed, embed])];
        if self.bias {
            out.push(ask("out_proj.bias", &[embed]));
        }
        let weights: Vec<_> = weights.into_iter().collect::<Result<_, _>>()?;
        Ok(Projections {
            together: one.then_some(weights[0]),
            apart: if one { Vec::new() } else { weights },
            bias: bias.transpose()?,
            bias_kv: bias_kv.into_iter().collect::<Result<_, _>>()?,
            out: out.into_iter().collect::<Result<_, _>>()?,
        })
    }

    /// q, k and v as values of their own, with the keys and values that follow those of the input.
    fn apart(&self, context: &mut Context<'_, '_, '_>, with: &Projections, inputs: [NodeId; 3]) -> Result<Vec<NodeId>, Failed> {
        let mut all = Vec::with_capacity(3);
        for (i, &input) in inputs.iter().enumerate() {
            let (from, to) = ((i * self.embed) as i64, ((i + 1) * self.embed) as i64);
            let mut part = |whole: NodeId| context.op(Moved(Slice { dim: 0, start: from, end: Some(to), step: 1 }), &[whole]);
            let weight = match with.together {
                Some(together) => part(together)?,
                None => with.apart[i],
            };
            let bias = with.bias.map(&mut part).transpose()?;
            let mut value = project(context, input, weight, bias)?;
            if i > 0 && self.bias_kv {
                let row = context.op(Moved(Reshape { shape: vec![1, self.embed as i64] }), &[with.bias_kv[i - 1]])?;
                value = context.op(Joined { dim: -2, new_axis: false }, &[value, row])?;
            }
            if i > 0 && self.zero_attn {
                let shape = Shape::new(&[1, self.embed]).map_err(|error| context.shape_fault(error))?;
                let row = context.constant(shape, vec![0.0; self.embed]);
                value = context.op(Joined { dim: -2, new_axis: false }, &[value, row])?;
            }
            all.push(value);
        }
        Ok(all)
    }
}

impl Prepared {
    /// Append it, over inputs of the shapes that it was prepared for.
    pub(super) fn lower(
        &self,
        context: &mut Context<'_, '_, '_>,
        inputs: &[NodeId],
        dropout: Option<&Inner>,
    ) -> Result<Attended, Failed> {
        let Self { heads: Heads { embed, count: heads, .. }, projections, mask, scores } = self;
        let [query, key, value] = three(inputs);
        let one = query == key && key == value && scores.extra == 0;
        let packed = projections.together.filter(|_| one);
        let mut all = match packed {
            Some(weight) => vec![project(context, query, weight, projections.bias)?],
            None => self.heads.apart(context, projections, [query, key, value])?,
        };
        all.extend(mask);
        let keep = match dropout {
            None => None,
            Some(dropout) => {
                let dims = [*heads, scores.queries, scores.keys + scores.extra];
                let shape = scores.samples.map_or_else(|| Shape::new(&dims), |samples| Shape::batched(samples, &dims));
                let shape = shape.map_err(|error| context.shape_fault(error))?;
                Some(dropout.keep(context, shape, self.heads.prefix.trim_end_matches('.')))
            }
        };
        all.extend(keep);
        let op = ops::Attention {
            heads: *heads,
            packed: packed.is_some(),
            masked: mask.is_some(),
            dropout: dropout.map(Inner::scale),
            zero_if_masked: self.heads.zero_if_masked,
        };
        let packed = context.op(op, &all)?;
        let mixed = context.op(columns(0, *embed), &[packed])?;
        let value = project(context, mixed, projections.out[0], projections.out.get(1).copied())?;
        Ok(Attended { value, packed, keep, embed: *embed, heads: *heads })
    }
}

impl Attended {
    /// The attention weights as PyTorch returns them: after dropout, and averaged over heads if asked.
    fn weights(&self, context: &mut Context<'_, '_, '_>, dropout: Option<&Inner>, average: bool) -> Result<NodeId, Failed> {
        let shape = context.shape(self.packed);
        let (&[queries, width], batched) = (shape.sample_dims().last_chunk().ok_or(Failed)?, shape.is_batched());
        let keys = (width - self.embed) / self.heads;
        let all = context.op(columns(self.embed, width), &[self.packed])?;
        let mut dims = vec![queries as i64, self.heads as i64, keys as i64];
        let mut order = vec![1, 0, 2];
        if batched {
            dims.insert(0, -1);
            order = vec![0, 2, 1, 3];
        }
        let apart = context.op(Moved(Reshape { shape: dims }), &[all])?;
        let mut weights = context.op(Moved(Permute { dims: order }), &[apart])?;
        if let Some((keep, dropout)) = self.keep.zip(dropout) {
            let kept = context.op(Elementwise(Mul), &[weights, keep])?;
            weights = context.op(Scale(dropout.scale()), &[kept])?;
        }
        if average {
            weights = context.op(Mean { axes: Axes { dim: Some(vec![-3]), keepdim: false } }, &[weights])?;
        }
        Ok(weights)
    }
}

/// `x·Wᵀ + b`.
pub(super) fn project(
    context: &mut Context<'_, '_, '_>,
    x: NodeId,
    weight: NodeId,
    bias: Option<NodeId>,
) -> Result<NodeId, Failed> {
    let all: Vec<_> = [x, weight].into_iter().chain(bias).collect();
    context.op(ops::Linear, &all)
}
