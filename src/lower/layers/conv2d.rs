//! `conv2d`: cross-correlation over the last two axes, in groups of channels.

use super::{Activation, Layer, ParameterDoc};
use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{self, Arity, Values};
use crate::spec::fault::Code;

pub(super) const CONV2D: Layer = Layer {
    name: "conv2d",
    summary: "two-dimensional cross-correlation of [C, H, W] with out_channels filters",
    formula: "y[o,i,j] = b[o] + sum over c,u,v of W[o,c,u,v] * x[c, i*stride + u*dilation - padding, j*stride + v*dilation - padding]",
    derivative: "W_bar is the correlation of x with y_bar, x_bar the transposed correlation of y_bar with W, b_bar the sum of y_bar",
    arity: Arity::Exactly(1),
    attributes: &[
        Attribute::new("in_channels", Kind::Integer, Default::Absent, "channels of the input; inferred where left out"),
        Attribute::new(
            "out_channels",
            Kind::Integer,
            Default::Absent,
            "filters; inferred from a weight that is given where left out",
        ),
        Attribute::new(
            "kernel_size",
            Kind::Integers,
            Default::Absent,
            "height and width of a filter; inferred from a weight that is given",
        ),
        Attribute::new("stride", Kind::Integers, Default::Integers(&[1]), "step of the filter"),
        Attribute::new(
            "padding",
            Kind::IntegersOrWord(&["same", "valid"]),
            Default::Integers(&[0]),
            "zeros around the input, or \"same\" (stride 1 only), or \"valid\" (none)",
        ),
        Attribute::new("dilation", Kind::Integers, Default::Integers(&[1]), "step between the elements of a filter"),
        Attribute::new("groups", Kind::Integer, Default::Integer(1), "groups of channels that do not meet"),
        Attribute::new(
            "bias",
            Kind::Boolean,
            Default::Boolean(true),
            "whether there is a bias; a tensor or a parameter's name gives it",
        ),
        Attribute::new("padding_mode", Kind::Word(&["zeros"]), Default::Word("zeros"), "what the padding holds"),
    ],
    parameters: &[
        ParameterDoc::new("weight", "[out_channels, in_channels / groups, kernel_height, kernel_width]"),
        ParameterDoc::new("bias", "[out_channels]"),
    ],
    outputs: &[],
    activation: Activation::After,
    build,
};

fn build(context: &mut Context<'_, '_, '_>, values: &Values, inputs: &[NodeId]) -> Result<NodeId, Failed> {
    let shape = context.shape(inputs[0]);
    let &[channels, _, _] = shape.sample_dims() else {
        return Err(context.fault(Code::ShapeMismatch, format!("conv2d expects [N, C, H, W], its input has shape {shape}")));
    };
    if let Some(declared) = context.valid(values.size_or_absent("in_channels", 1))?
        && declared != channels
    {
        return Err(context.fault(Code::ShapeMismatch, format!("conv2d expects {declared} channels, its input has {channels}")));
    }
    let given = context.given_shape("weight").filter(|dims| dims.len() == 4);
    let left_out = |name| Invalid::new(name, "left out, and no weight is given from which to infer it");
    let out_channels = context
        .valid(values.size_or_absent("out_channels", 1))?
        .or(given.as_ref().map(|dims| dims[0]))
        .ok_or_else(|| context.invalid(left_out("out_channels")))?;
    let kernel = context
        .valid(values.pair("kernel_size", 1))?
        .or(given.as_ref().map(|dims| [dims[2], dims[3]]))
        .ok_or_else(|| context.invalid(left_out("kernel_size")))?;
    let stride = context.valid(values.pair("stride", 1))?.unwrap_or([1, 1]);
    let dilation = context.valid(values.pair("dilation", 1))?.unwrap_or([1, 1]);
    let groups = context.valid(values.size("groups", 1))?;
    if channels % groups != 0 || out_channels % groups != 0 {
        let detail = format!("expected a divisor of in_channels ({channels}) and out_channels ({out_channels}), found {groups}");
        return Err(context.invalid(Invalid::new("groups", detail)));
    }
    let padding = match values.word("padding") {
        Some("same") if stride != [1, 1] => {
            return Err(context.invalid(Invalid::new("padding", "\"same\" needs stride 1")));
        }
        // PyTorch puts the odd one at the bottom and on the right.
        Some("same") => {
            let total = |axis: usize| dilation[axis].checked_mul(kernel[axis] - 1);
            let (Some(h), Some(w)) = (total(0), total(1)) else {
                return Err(context.invalid(Invalid::new("dilation", "times kernel_size overflows")));
            };
            [[h / 2, h - h / 2], [w / 2, w - w / 2]]
        }
        Some(_) => [[0; 2]; 2],
        None => {
            let [h, w] = context.valid(values.pair("padding", 0))?.unwrap_or([0, 0]);
            [[h, h], [w, w]]
        }
    };
    let weight = context.parameter("weight", &[out_channels, channels / groups, kernel[0], kernel[1]]);
    let bias = if values.boolean("bias") { Some(context.parameter("bias", &[out_channels])) } else { None };
    let mut all = vec![inputs[0], weight?];
    all.extend(bias.transpose()?);
    context.op(ops::Conv2d { stride, padding, dilation, groups }, &all)
}
