//! `cotangent`: the client's own loss, given by its derivative `v = dE/do`; `E = Σ v·o` has that derivative.

use super::{Entry, PerSample};
use crate::ops::attributes::{Attribute, Default, Kind, Value};
use crate::ops::{Elementwise, Mul, Sum};
use crate::spec::fault::Code;
use crate::tensor::{Dims, Shape};

pub(super) const ENTRY: Entry = Entry {
    name: "cotangent",
    summary: "a loss of the client's own, given by its derivative by the node",
    formula: "E = sum_d v_d * o_d",
    derivative: "dE/do = v",
    targets: "",
    attributes: &[Attribute::new(
        "value",
        Kind::Tensor,
        Default::Required,
        "v = dE/do: of the shape of the node with its sample axis, or of one sample's, then the same for every sample",
    )],
    build: |loss, values| {
        let Value::Tensor { shape, data } = values.get("value") else { unreachable!("a required tensor") };
        let of = loss.shape();
        let shape = if shape == of.dims() {
            Ok(of)
        } else if shape == of.sample_dims() {
            Shape::new(shape)
        } else {
            let detail = format!("value must have the shape of what it is the derivative by, {of}; found {}", Dims(shape));
            return Err(loss.context.fault_in("value", Code::ShapeMismatch, detail));
        };
        let shape = shape.map_err(|error| loss.context.shape_fault(error))?;
        let v = loss.context.constant(shape, data.clone());
        let product = loss.context.op(Elementwise(Mul), &[loss.of, v])?;
        loss.context.op(Sum::all(), &[product]).map(PerSample::plain)
    },
};
