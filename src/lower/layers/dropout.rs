//! `dropout`: in training each element is zeroed with probability p and the others are scaled by 1/(1−p).

use super::{Activation, Layer};
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
    outputs: &[],
    activation: Activation::After,
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
    apply(context, inputs[0], mask, p)
}

/// `x ⊙ mask / (1 − p)`.
fn apply(context: &mut Context<'_, '_, '_>, x: NodeId, mask: NodeId, p: f64) -> Result<NodeId, Failed> {
    let kept = context.op(Elementwise(Mul), &[x, mask])?;
    context.op(Scale(scale(p)), &[kept])
}

/// What a kept element is multiplied by. PyTorch drops everything at p = 1, where it would be infinite.
fn scale(p: f64) -> f64 {
    if p == 1.0 { 0.0 } else { 1.0 / (1.0 - p) }
}

/// The dropout within a larger layer, by its attributes `dropout`, `seed` and `training`.
#[derive(Debug, Clone)]
pub(super) struct Inner {
    p: f64,
    seed: String,
}

impl Inner {
    /// What the attributes say; nothing where nothing is dropped.
    ///
    /// # Errors
    /// No probability, or one that needs a seed and has none; reported.
    pub(super) fn new(context: &mut Context<'_, '_, '_>, values: &Values, layer: &str) -> Result<Option<Self>, Failed> {
        let p = values.number("dropout");
        if !(0.0..=1.0).contains(&p) {
            return Err(context.invalid(Invalid::new("dropout", format!("expected a probability from 0 to 1, found {p}"))));
        }
        if !values.boolean("training") || p == 0.0 {
            return Ok(None);
        }
        let Some(seed) = values.seed("seed") else {
            let detail = format!(
                "{layer} in training with dropout {p} needs \"seed\", so that the answer can be repeated; or set \"dropout\" to 0 or \"training\" to false"
            );
            return Err(context.fault(Code::MissingField, detail));
        };
        Ok(Some(Self { p, seed: seed.to_owned() }))
    }

    /// What is kept of a value of this shape: ones and zeros, from the stream `<id>.<place>`, or `<id>` where there is but one place.
    pub(super) fn keep(&self, context: &mut Context<'_, '_, '_>, shape: Shape, place: &str) -> NodeId {
        let dot = if place.is_empty() { "" } else { "." };
        let stream = format!("{}{dot}{place}", context.id());
        context.deferred(shape, Leaf::Mask { p: self.p, seed: self.seed.clone(), stream })
    }

    /// What a kept element is multiplied by.
    pub(super) fn scale(&self) -> f64 {
        scale(self.p)
    }

    /// The value with some elements dropped.
    pub(super) fn apply(&self, context: &mut Context<'_, '_, '_>, x: NodeId, place: &str) -> Result<NodeId, Failed> {
        let shape = context.shape(x);
        let mask = self.keep(context, shape, place);
        apply(context, x, mask, self.p)
    }
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
