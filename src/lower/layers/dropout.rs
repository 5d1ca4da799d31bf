//! `dropout`: in training each element is zeroed with probability p and the others are scaled by 1/(1−p).

use super::Layer;
use crate::graph::NodeId;
use crate::lower::{Context, Failed, Leaf};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{Arity, Scale, Values};
use crate::ops::{Elementwise, Mul};
use crate::spec::fault::Code;
use crate::tensor::Shape;

pub(super) const DROPOUT: Layer = Layer {
    name: "dropout",
    summary: "zero each element with probability p and scale the others by 1/(1-p); the identity where training is false",
    formula: "y = x * mask / (1 - p)",
    derivative: "dy/dx = mask / (1 - p)",
    arity: Arity::Exactly(1),
    attributes: &[
        Attribute::new("p", Kind::Number, Default::Number(0.5), "probability of zeroing an element, 0 to 1"),
        Attribute::new(
            "seed",
            Kind::Seed,
            Default::Absent,
            "draws the mask with the documented generator, in the stream of the node's id",
        ),
        Attribute::new(
            "mask",
            Kind::Tensor,
            Default::Absent,
            "the mask itself: 1 keeps and 0 drops; of the input's shape, or of one sample's",
        ),
        Attribute::new("training", Kind::Boolean, Default::Boolean(true), "whether anything is dropped"),
    ],
    parameters: &[],
    build,
};

fn build(context: &mut Context<'_, '_, '_>, values: &Values, inputs: &[NodeId]) -> Result<NodeId, Failed> {
    let p = values.number("p");
    if !(0.0..=1.0).contains(&p) {
        return Err(context.invalid(Invalid::new("p", format!("expected a probability from 0 to 1, found {p}"))));
    }
    let shape = context.shape(inputs[0]);
    let mask = mask(context, values, shape, p)?;
    if !values.boolean("training") || p == 0.0 {
        return context.op(crate::ops::Identity, inputs);
    }
    let Some(mask) = mask else {
        return Err(context
            .fault(Code::MissingField, "dropout in training needs \"seed\" or \"mask\", so that the answer can be repeated"));
    };
    let kept = context.op(Elementwise(Mul), &[inputs[0], mask])?;
    // PyTorch drops everything at p = 1, where the scale would be infinite.
    let scale = if p == 1.0 { 0.0 } else { 1.0 / (1.0 - p) };
    context.op(Scale(scale), &[kept])
}

fn mask(context: &mut Context<'_, '_, '_>, values: &Values, shape: Shape, p: f64) -> Result<Option<NodeId>, Failed> {
    if let Some((dims, data)) = values.tensor("mask") {
        if values.seed("seed").is_some() {
            return Err(context.fault_in("mask", Code::InvalidValue, "a mask and a seed were given; keep one of them"));
        }
        let of_mask = if dims == shape.dims() {
            shape
        } else if dims == shape.sample_dims() {
            Shape::new(dims).map_err(|error| context.shape_fault(error))?
        } else {
            let detail = format!("the mask has shape {}, the input {shape}", crate::tensor::Dims(dims));
            return Err(context.fault_in("mask", Code::ShapeMismatch, detail));
        };
        if let Some(at) = data.iter().position(|&x| x != 0.0 && x != 1.0) {
            let detail = format!("a mask holds 0 and 1, found {} at element {at}", data[at]);
            return Err(context.fault_in("mask", Code::InvalidValue, detail));
        }
        return Ok(Some(context.constant(of_mask, data.to_vec())));
    }
    let Some(seed) = values.seed("seed") else { return Ok(None) };
    let leaf = Leaf::Mask { p, seed: seed.to_owned(), stream: context.id().to_owned() };
    Ok(Some(context.deferred(shape, leaf)))
}
