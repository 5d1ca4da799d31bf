//! `avg_pool2d`: the mean of each window.

use super::max_pool2d::{CEIL_MODE, KERNEL_SIZE, STRIDE, window};
use super::{Activation, Layer};
use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{self, Arity, Values};

pub(super) const AVG_POOL2D: Layer = Layer {
    name: "avg_pool2d",
    summary: "the mean of each window of the last two axes",
    formula: "y[c,i,j] = sum over u,v of x[c, i*stride + u - padding, j*stride + v - padding] / divisor",
    derivative: "x_bar is the sum of y_bar / divisor over the windows that hold the element",
    arity: Arity::Exactly(1),
    attributes: &[
        KERNEL_SIZE,
        STRIDE,
        Attribute::new("padding", Kind::Integers, Default::Integers(&[0]), "zeros around the input, at most half a window"),
        CEIL_MODE,
        Attribute::new("count_include_pad", Kind::Boolean, Default::Boolean(true), "whether the divisor counts the padding"),
        Attribute::new("divisor_override", Kind::Integer, Default::Absent, "the divisor, instead of the size of the window"),
    ],
    parameters: &[],
    outputs: &[],
    activation: Activation::After,
    build,
};

fn build(context: &mut Context<'_, '_, '_>, values: &Values, inputs: &[NodeId]) -> Result<NodeId, Failed> {
    let (kernel_size, stride, padding) = window(context, values)?;
    let divisor_override = values.integer_or_absent("divisor_override");
    if divisor_override == Some(0) {
        return Err(context.invalid(Invalid::new("divisor_override", "expected any whole number but 0")));
    }
    let op = ops::AvgPool2d {
        kernel_size,
        stride,
        padding,
        ceil_mode: values.boolean("ceil_mode"),
        count_include_pad: values.boolean("count_include_pad"),
        divisor_override,
    };
    context.op(op, inputs)
}
