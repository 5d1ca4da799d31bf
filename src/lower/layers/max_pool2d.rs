//! `max_pool2d`: the largest element of each window.

use super::{Activation, Layer};
use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{self, Arity, Values};

pub(super) const KERNEL_SIZE: Attribute =
    Attribute::new("kernel_size", Kind::Integers, Default::Required, "height and width of a window");
pub(super) const STRIDE: Attribute =
    Attribute::new("stride", Kind::Integers, Default::Absent, "step of the window; kernel_size where left out");
pub(super) const CEIL_MODE: Attribute =
    Attribute::new("ceil_mode", Kind::Boolean, Default::Boolean(false), "whether a last window may reach past the edge");

pub(super) const MAX_POOL2D: Layer = Layer {
    name: "max_pool2d",
    summary: "the largest element of each window of the last two axes",
    formula: "y[c,i,j] = max over u,v of x[c, i*stride + u*dilation - padding, j*stride + v*dilation - padding]",
    derivative: "x_bar gets y_bar at the largest element, the first in row-major order among equals",
    arity: Arity::Exactly(1),
    attributes: &[
        KERNEL_SIZE,
        STRIDE,
        Attribute::new(
            "padding",
            Kind::Integers,
            Default::Integers(&[0]),
            "minus infinities around the input, at most half a window",
        ),
        Attribute::new("dilation", Kind::Integers, Default::Integers(&[1]), "step between the elements of a window"),
        CEIL_MODE,
    ],
    parameters: &[],
    outputs: &[],
    activation: Activation::After,
    build,
};

fn build(context: &mut Context<'_, '_, '_>, values: &Values, inputs: &[NodeId]) -> Result<NodeId, Failed> {
    let (kernel_size, stride, padding) = window(context, values)?;
    let dilation = context.valid(values.pair("dilation", 1))?.unwrap_or([1, 1]);
    context.op(ops::MaxPool2d { kernel_size, stride, padding, dilation, ceil_mode: values.boolean("ceil_mode") }, inputs)
}

/// Kernel size, stride and padding of a pooling layer.
pub(super) fn window(context: &mut Context<'_, '_, '_>, values: &Values) -> Result<([usize; 2], [usize; 2], [usize; 2]), Failed> {
    let kernel_size = context.valid(values.pair("kernel_size", 1))?.ok_or(Failed)?;
    let stride = context.valid(values.pair("stride", 1))?.unwrap_or(kernel_size);
    let padding = context.valid(values.pair("padding", 0))?.unwrap_or([0, 0]);
    if (0..2).any(|axis| padding[axis] > kernel_size[axis] / 2) {
        let detail = format!("expected at most half of kernel_size {kernel_size:?}, found {padding:?}");
        return Err(context.invalid(Invalid::new("padding", detail)));
    }
    Ok((kernel_size, stride, padding))
}
