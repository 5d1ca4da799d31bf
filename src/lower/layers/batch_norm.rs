//! `batch_norm1d`, `batch_norm2d`: each channel shifted and scaled to mean 0 and variance 1, over the minibatch in training and
//! by running statistics otherwise.

use super::{Activation, Layer, ParameterDoc};
use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{self, Arity, Values};
use crate::spec::fault::Code;

pub(super) const BATCH_NORM1D: Layer = Layer {
    name: "batch_norm1d",
    summary: "normalisation of each channel of [C] or [C, L] over the minibatch",
    formula: "y = (x - mean) / sqrt(var + eps) * weight + bias, mean and biased var per channel",
    derivative: "x_bar = weight / sqrt(var + eps) * (y_bar - mean(y_bar) - xhat * mean(y_bar * xhat)), xhat the normalised input",
    arity: Arity::Exactly(1),
    attributes: &[
        Attribute::new("num_features", Kind::Integer, Default::Absent, "channels, axis 1; inferred where left out"),
        Attribute::new("eps", Kind::Number, Default::Number(1e-5), "added to the variance"),
        Attribute::new(
            "momentum",
            Kind::Number,
            Default::Number(0.1),
            "of the running statistics, which one call does not update: no effect",
        ),
        Attribute::new("affine", Kind::Boolean, Default::Boolean(true), "whether weight and bias follow"),
        Attribute::new(
            "track_running_stats",
            Kind::Boolean,
            Default::Boolean(true),
            "where false, minibatch statistics are used even with training false",
        ),
        Attribute::new(
            "training",
            Kind::Boolean,
            Default::Boolean(true),
            "whether statistics are the minibatch's; otherwise running_mean and running_var are used",
        ),
    ],
    parameters: &[
        ParameterDoc::new("weight", "[num_features]"),
        ParameterDoc::new("bias", "[num_features]"),
        ParameterDoc::buffer("running_mean", "[num_features]"),
        ParameterDoc::buffer("running_var", "[num_features]"),
    ],
    outputs: &[],
    activation: Activation::After,
    build: |context, values, inputs| build(context, values, inputs, "batch_norm1d", &[1, 2]),
};

pub(super) const BATCH_NORM2D: Layer = Layer {
    name: "batch_norm2d",
    summary: "normalisation of each channel of [C, H, W] over the minibatch",
    build: |context, values, inputs| build(context, values, inputs, "batch_norm2d", &[3]),
    ..BATCH_NORM1D
};

fn build(
    context: &mut Context<'_, '_, '_>,
    values: &Values,
    inputs: &[NodeId],
    name: &str,
    ranks: &[usize],
) -> Result<NodeId, Failed> {
    let shape = context.shape(inputs[0]);
    if !shape.is_batched() || !ranks.contains(&shape.sample_dims().len()) {
        let expected = if ranks == [3] { "[N, C, H, W]" } else { "[N, C] or [N, C, L]" };
        return Err(context.fault(Code::ShapeMismatch, format!("{name} expects {expected}, its input has shape {shape}")));
    }
    let channels = shape.dims()[1];
    if let Some(declared) = context.valid(values.size_or_absent("num_features", 0))?
        && declared != channels
    {
        return Err(context.fault(Code::ShapeMismatch, format!("{name} expects {declared} channels, its input has {channels}")));
    }
    let training = values.boolean("training") || !values.boolean("track_running_stats");
    let mut all = vec![Ok(inputs[0])];
    if training {
        context.ignore_buffers(&["running_mean", "running_var"]);
    } else {
        all.push(context.buffer("running_mean", &[channels]));
        all.push(context.buffer("running_var", &[channels]));
    }
    if values.boolean("affine") {
        all.push(context.parameter("weight", &[channels]));
        all.push(context.parameter("bias", &[channels]));
    }
    let all: Vec<_> = all.into_iter().collect::<Result<_, _>>()?;
    context.op(ops::BatchNorm { eps: values.number("eps"), training }, &all)
}
