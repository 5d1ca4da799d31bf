//! What attention adds to its scores: PyTorch's `attn_mask`, `key_padding_mask` and `is_causal`, summed.

use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Kind};
use crate::ops::{Add, Exclude, Joined, Moved, Reshape, Values};
use crate::spec::fault::Code;
use crate::tensor::{Dims, Shape};

/// An `attn_mask` under its name.
pub(super) const fn attn_mask(name: &'static str) -> Attribute {
    Attribute::new(
        name,
        Kind::Mask,
        Default::Absent,
        "[L, S], or [N * num_heads, L, S]: true where a query may not attend a key, or numbers to be added to the scores",
    )
}

/// A `key_padding_mask` under its name.
pub(super) const fn key_padding_mask(name: &'static str) -> Attribute {
    Attribute::new(
        name,
        Kind::MaskOrInput,
        Default::Absent,
        "[N, S]: true where a key is padding, or numbers to be added to its scores; or the name of an input of the network declared i64, of shape [S], 1 where a key is padding",
    )
}

pub(super) const IS_CAUSAL: Attribute = Attribute::new(
    "is_causal",
    Kind::Boolean,
    Default::Boolean(false),
    "whether a query attends only keys up to its own position; the mask need not be given with it",
);

/// The scores that masks are for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scores {
    pub(super) heads: usize,
    /// Rows of the query, and of the key.
    pub(super) queries: usize,
    pub(super) keys: usize,
    /// Keys that every query attends, after the others.
    pub(super) extra: usize,
    /// Samples, if the scores have that axis.
    pub(super) samples: Option<usize>,
}

/// What is to be added to the scores [N, heads, queries, keys + extra], if anything.
pub(super) fn lower(
    context: &mut Context<'_, '_, '_>,
    values: &Values,
    [attn_mask, key_padding_mask]: [&'static str; 2],
    scores: Scores,
) -> Result<Option<NodeId>, Failed> {
    let parts = [
        attention(context, values, attn_mask, scores),
        padding(context, values, key_padding_mask, scores),
        causal(context, values, scores),
    ];
    let mut sum = None;
    for part in parts.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        sum = Some(match sum {
            None => part,
            Some(sum) => context.op(Add { alpha: 1.0 }, &[sum, part])?,
        });
    }
    Ok(sum)
}

/// Rows of `keys` numbers with a zero for each extra key.
fn padded(data: &[f64], scores: Scores) -> Vec<f64> {
    let row = |row: &[f64]| row.iter().copied().chain(std::iter::repeat_n(0.0, scores.extra)).collect::<Vec<_>>();
    data.chunks_exact(scores.keys).flat_map(row).collect()
}

fn shaped(context: &mut Context<'_, '_, '_>, samples: Option<usize>, dims: &[usize]) -> Result<Shape, Failed> {
    let shape = samples.map_or_else(|| Shape::new(dims), |samples| Shape::batched(samples, dims));
    shape.map_err(|error| context.shape_fault(error))
}

fn attention(
    context: &mut Context<'_, '_, '_>,
    values: &Values,
    name: &'static str,
    scores: Scores,
) -> Result<Option<NodeId>, Failed> {
    let Some((dims, data)) = values.tensor(name) else { return Ok(None) };
    let Scores { heads, queries, keys, extra, samples } = scores;
    let each = samples.unwrap_or(1).saturating_mul(heads);
    let shape = if dims == [queries, keys] {
        shaped(context, None, &[queries, keys + extra])?
    } else if dims == [each, queries, keys] {
        shaped(context, samples, &[heads, queries, keys + extra])?
    } else {
        let detail = format!(
            "{name} must have shape [L, S] = [{queries}, {keys}] or [N * num_heads, L, S] = [{each}, {queries}, {keys}]; found {}",
            Dims(dims)
        );
        return Err(context.fault_in(name, Code::ShapeMismatch, detail));
    };
    Ok(Some(context.constant(shape, padded(data, scores))))
}

fn padding(
    context: &mut Context<'_, '_, '_>,
    values: &Values,
    name: &'static str,
    scores: Scores,
) -> Result<Option<NodeId>, Failed> {
    let Scores { keys, extra, samples, .. } = scores;
    let wrong = |context: &mut Context<'_, '_, '_>, found: String| {
        let expected = samples.map_or_else(|| format!("[S] = [{keys}]"), |samples| format!("[N, S] = [{samples}, {keys}]"));
        context.fault_in(name, Code::ShapeMismatch, format!("{name} must have shape {expected}; found {found}"))
    };
    if let Some(input) = values.word(name) {
        let flags = context.flags(input, name)?;
        let shape = context.shape(flags);
        if shape.sample_dims() != [keys] || samples.is_none() {
            return Err(wrong(context, shape.to_string()));
        }
        let mut mask = context.op(Exclude, &[flags])?;
        if extra > 0 {
            let none = shaped(context, None, &[extra])?;
            let none = context.constant(none, vec![0.0; extra]);
            mask = context.op(Joined { dim: -1, new_axis: false }, &[mask, none])?;
        }
        let shape = Reshape { shape: vec![-1, 1, 1, (keys + extra) as i64] };
        return context.op(Moved(shape), &[mask]).map(Some);
    }
    let Some((dims, data)) = values.tensor(name) else { return Ok(None) };
    let expected: Vec<_> = samples.into_iter().chain([keys]).collect();
    if dims != expected {
        return Err(wrong(context, Dims(dims).to_string()));
    }
    let shape = shaped(context, samples, &[1, 1, keys + extra])?;
    Ok(Some(context.constant(shape, padded(data, scores))))
}

fn causal(context: &mut Context<'_, '_, '_>, values: &Values, scores: Scores) -> Result<Option<NodeId>, Failed> {
    if !values.boolean("is_causal") {
        return Ok(None);
    }
    let Scores { queries, keys, extra, .. } = scores;
    let shape = shaped(context, None, &[queries, keys + extra])?;
    context.affords(shape.size())?;
    let later = |query: usize, key: usize| key > query && key < keys;
    let row = |query| (0..keys + extra).map(move |key| if later(query, key) { f64::NEG_INFINITY } else { 0.0 });
    Ok(Some(context.constant(shape, (0..queries).flat_map(row).collect())))
}
