//! `embedding`: row look-up, `y[n] = W[tokens[n]]`.

use super::{Activation, Layer, ParameterDoc};
use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{self, Arity, Values};

/// Above this, indices stored as `f32` would no longer be exact.
const MAX_ROWS: usize = 1 << 24;

pub(super) const EMBEDDING: Layer = Layer {
    name: "embedding",
    summary: "rows of a table, by the token indices of an i64 input",
    formula: "y[n,...] = W[tokens[n,...]]",
    derivative: "W_bar[r] = sum of y_bar where the token is r",
    arity: Arity::Exactly(1),
    attributes: &[
        Attribute::new(
            "num_embeddings",
            Kind::Integer,
            Default::Absent,
            "rows of the table; inferred from a weight that is given",
        ),
        Attribute::new("embedding_dim", Kind::Integer, Default::Absent, "size of a row; inferred from a weight that is given"),
        Attribute::new(
            "padding_idx",
            Kind::Integer,
            Default::Absent,
            "a row that gets no gradient; negative counts from the end",
        ),
    ],
    parameters: &[ParameterDoc::new("weight", "[num_embeddings, embedding_dim]")],
    outputs: &[],
    activation: Activation::After,
    build,
};

fn build(context: &mut Context<'_, '_, '_>, values: &Values, inputs: &[NodeId]) -> Result<NodeId, Failed> {
    let given = context.given_shape("weight");
    let inferred = |axis: usize| given.as_ref().filter(|dims| dims.len() == 2).map(|dims| dims[axis]);
    let mut size = |name: &'static str, axis: usize| {
        context
            .valid(values.size_or_absent(name, 1))?
            .or(inferred(axis))
            .ok_or_else(|| context.invalid(Invalid::new(name, "left out, and no weight is given from which to infer it")))
    };
    let rows = size("num_embeddings", 0)?;
    let columns = size("embedding_dim", 1)?;
    if rows > MAX_ROWS {
        return Err(context.invalid(Invalid::new("num_embeddings", format!("expected at most {MAX_ROWS}, found {rows}"))));
    }
    let padding_idx = match values.integer_or_absent("padding_idx") {
        None => None,
        Some(n) => Some(
            crate::tensor::resolve(n, rows)
                .ok_or_else(|| context.invalid(Invalid::new("padding_idx", format!("row {n} does not exist among {rows}"))))?,
        ),
    };
    let what = format!("embedding \"{}\"", context.id());
    context.indices_below(inputs[0], rows, &what)?;
    let weight = context.parameter("weight", &[rows, columns])?;
    context.op(ops::Embedding { padding_idx }, &[inputs[0], weight])
}
