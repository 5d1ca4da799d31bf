//! `layer_norm`: the last axes of each sample shifted and scaled to mean 0 and variance 1.

use super::{Activation, Layer, ParameterDoc};
use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{self, Arity, Values};
use crate::spec::fault::Code;

pub(super) const LAYER_NORM: Layer = Layer {
    name: "layer_norm",
    summary: "normalisation over the last axes of each sample",
    formula: "y = (x - mean) / sqrt(var + eps) * weight + bias, mean and biased var over the normalised axes",
    derivative: "x_bar = 1 / sqrt(var + eps) * (g - mean(g) - xhat * mean(g * xhat)), g = weight * y_bar, xhat the normalised input",
    arity: Arity::Exactly(1),
    attributes: &[
        Attribute::new("normalized_shape", Kind::Integers, Default::Absent, "sizes of the axes; the last one where left out"),
        Attribute::new("eps", Kind::Number, Default::Number(1e-5), "added to the variance"),
        Attribute::new("elementwise_affine", Kind::Boolean, Default::Boolean(true), "whether weight and bias follow"),
        Attribute::new(
            "bias",
            Kind::Boolean,
            Default::Boolean(true),
            "whether there is a bias; a tensor or a parameter's name gives it",
        ),
    ],
    parameters: &[ParameterDoc::new("weight", "normalized_shape"), ParameterDoc::new("bias", "normalized_shape")],
    outputs: &[],
    activation: Activation::After,
    build,
};

fn build(context: &mut Context<'_, '_, '_>, values: &Values, inputs: &[NodeId]) -> Result<NodeId, Failed> {
    let shape = context.shape(inputs[0]);
    let dims = shape.sample_dims();
    let axes = values.integers("normalized_shape").map_or(1, <[i64]>::len);
    if axes == 0 || axes > dims.len() {
        let detail = format!("{axes} axes cannot be normalised in a value of shape {shape}, whose axis 0 counts samples");
        return Err(context.invalid(Invalid::new("normalized_shape", detail)));
    }
    let normalized = dims[dims.len() - axes..].to_vec();
    if let Some(declared) = values.integers("normalized_shape")
        && !declared.iter().zip(&normalized).all(|(&declared, &found)| usize::try_from(declared) == Ok(found))
    {
        let detail = format!("layer_norm expects {declared:?} as the last axes, its input has shape {shape}");
        return Err(context.fault(Code::ShapeMismatch, detail));
    }
    let mut all = vec![Ok(inputs[0])];
    let weight = values.boolean("elementwise_affine");
    let bias = weight && values.boolean("bias");
    if weight {
        all.push(context.parameter("weight", &normalized));
    }
    if bias {
        all.push(context.parameter("bias", &normalized));
    }
    let all: Vec<_> = all.into_iter().collect::<Result<_, _>>()?;
    context.op(ops::LayerNorm { normalized_shape: normalized, eps: values.number("eps") }, &all)
}
