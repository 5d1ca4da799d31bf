//! `linear` (PyTorch's) and `dense` (the same with Keras's `units`): `y = x·Wᵀ + b`.

use super::{Activation, Layer, ParameterDoc};
use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{self, Arity, Values};
use crate::spec::fault::Code;

const BIAS: Attribute = Attribute::new(
    "bias",
    Kind::Boolean,
    Default::Boolean(true),
    "whether there is a bias; a tensor or the name of a parameter stands for true and gives it",
);
const IN_FEATURES: Attribute =
    Attribute::new("in_features", Kind::Integer, Default::Absent, "size of the input's last axis; inferred where left out");

const PARAMETERS: &[ParameterDoc] =
    &[ParameterDoc::new("weight", "[out_features, in_features]"), ParameterDoc::new("bias", "[out_features]")];

pub(super) const LINEAR: Layer = Layer {
    name: "linear",
    summary: "affine map of the last axis",
    formula: "y = x W^T + b",
    derivative: "x_bar = y_bar W, W_bar = y_bar^T x, b_bar = sum of y_bar over samples",
    arity: Arity::Exactly(1),
    attributes: &[
        IN_FEATURES,
        Attribute::new(
            "out_features",
            Kind::Integer,
            Default::Absent,
            "size of the output's last axis; inferred from a weight that is given where left out",
        ),
        BIAS,
    ],
    parameters: PARAMETERS,
    outputs: &[],
    activation: Activation::After,
    build: |context, values, inputs| build(context, values, inputs, "out_features"),
};

pub(super) const DENSE: Layer = Layer {
    name: "dense",
    summary: "affine map of the last axis, under Keras's name for its size; the weight is PyTorch's [out, in]",
    attributes: &[
        Attribute::new("units", Kind::Integer, Default::Absent, "size of the output's last axis, as out_features of linear"),
        IN_FEATURES,
        BIAS,
    ],
    build: |context, values, inputs| build(context, values, inputs, "units"),
    ..LINEAR
};

fn build(context: &mut Context<'_, '_, '_>, values: &Values, inputs: &[NodeId], out: &'static str) -> Result<NodeId, Failed> {
    let shape = context.shape(inputs[0]);
    let Some(&features) = shape.sample_dims().last() else {
        return Err(context
            .fault(Code::ShapeMismatch, "linear needs a vector, its input is one number per sample; stack several into one"));
    };
    let declared = context.valid(values.size_or_absent("in_features", 0))?;
    if let Some(declared) = declared
        && declared != features
    {
        return Err(context.fault(Code::ShapeMismatch, format!("linear expects {declared} features, its input has {features}")));
    }
    let out_features = match context.valid(values.size_or_absent(out, 0))? {
        Some(out_features) => out_features,
        None => match context.given_shape("weight").as_deref() {
            Some(&[out_features, _]) => out_features,
            _ => {
                return Err(context.invalid(Invalid::new(out, "left out, and no weight is given from which to infer it")));
            }
        },
    };
    let weight = context.parameter("weight", &[out_features, features]);
    let bias = if values.boolean("bias") { Some(context.parameter("bias", &[out_features])) } else { None };
    let mut all = vec![inputs[0], weight?];
    all.extend(bias.transpose()?);
    context.op(ops::Linear, &all)
}
