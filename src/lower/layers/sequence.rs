//! What layers over sequences share. A sequence is [N, L, E], samples first, which is PyTorch's `batch_first=True`: axis 0 counts
//! samples in every value here, so that PyTorch's default, [L, N, E], cannot be written.

use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Slice, Values};
use crate::spec::fault::Code;

pub(super) const BATCH_FIRST: Attribute = Attribute::new(
    "batch_first",
    Kind::Boolean,
    Default::Boolean(true),
    "true: sequences are [N, L, E], samples first, as every value is; PyTorch's default, false, cannot be written",
);

pub(super) const SEED: Attribute = Attribute::new(
    "seed",
    Kind::Seed,
    Default::Absent,
    "draws the dropout masks with the documented generator; needed where dropout is over 0 in training",
);

pub(super) const TRAINING: Attribute =
    Attribute::new("training", Kind::Boolean, Default::Boolean(true), "whether anything is dropped");

/// Refuse `batch_first: false`.
pub(super) fn samples_first(context: &mut Context<'_, '_, '_>, values: &Values) -> Result<(), Failed> {
    if values.boolean("batch_first") {
        return Ok(());
    }
    let detail = "batch_first: false would put time before the samples, but axis 0 of every value counts samples; leave it out and send [N, L, E], x.transpose(0, 1) of PyTorch's [L, N, E]";
    Err(context.fault_in("batch_first", Code::InvalidValue, detail))
}

/// Values that meet: if one has a sample axis, the others are repeated for every sample.
pub(super) fn together(context: &mut Context<'_, '_, '_>, inputs: &[NodeId]) -> Result<Vec<NodeId>, Failed> {
    if !inputs.iter().any(|&input| context.shape(input).is_batched()) {
        return Ok(inputs.to_vec());
    }
    inputs.iter().map(|&input| context.batched(input)).collect()
}

/// The length of a sequence and its features, the latter as declared by the attribute `declared` if at all.
pub(super) fn sizes(
    context: &mut Context<'_, '_, '_>,
    values: &Values,
    layer: &str,
    declared: &'static str,
    input: NodeId,
) -> Result<(usize, usize), Failed> {
    let shape = context.shape(input);
    let &[length, features] = shape.sample_dims() else {
        let detail = format!("{layer} expects sequences, [N, L, {declared}]; its input has shape {shape}");
        return Err(context.fault(Code::ShapeMismatch, detail));
    };
    if let Some(declared) = context.valid(values.size_or_absent(declared, 1))?
        && declared != features
    {
        let detail = format!("{layer} expects {declared} features, its input has {features}: shape {shape}");
        return Err(context.fault(Code::ShapeMismatch, detail));
    }
    if length == 0 || features == 0 {
        return Err(
            context.fault(Code::ShapeMismatch, format!("{layer} needs a step and a feature, its input has shape {shape}"))
        );
    }
    Ok((length, features))
}

/// Columns `from..to` of the last axis, where an op packs several outputs side by side.
pub(super) fn columns(from: usize, to: usize) -> crate::ops::Moved<Slice> {
    crate::ops::Moved(Slice { dim: -1, start: from as i64, end: Some(to as i64), step: 1 })
}
