//! Lowering of the lecture's unit. A neuron keeps its own weights and bias in one leaf, so that a network of many edges is not
//! a graph of many single numbers; a weight that an inline name shares is a leaf of its own.

use std::borrow::Cow;
use std::sync::Arc;

use super::parameters::{Found, Parameter};
use super::{Context, Failed, Leaf, random};
use crate::graph::NodeId;
use crate::ops::{Neuron, WeightAt};
use crate::spec::fault::Code;
use crate::spec::json::Json;
use crate::spec::problem::WeightSpec;
use crate::spec::tensor::TensorSpec;
use crate::tensor::Shape;

/// The weights of one neuron while they are gathered.
#[derive(Default)]
struct Weights {
    own: Vec<f64>,
    own_names: Vec<String>,
    shared: Vec<NodeId>,
    /// Whether a value is not known: only shapes were asked for.
    unknown: bool,
}

/// Append the pre-activation of a neuron. Where its sources failed, its weights are looked at all the same.
///
/// # Errors
/// Reported.
pub(super) fn lower(
    context: &mut Context<'_, '_, '_>,
    sources: Result<Vec<NodeId>, Failed>,
    edges: &[(Cow<'_, str>, WeightSpec<'_>)],
    bias: Option<&Json<'_>>,
) -> Result<NodeId, Failed> {
    let mut weights = Weights::default();
    let mut ok = Ok(());
    let mut places = Vec::with_capacity(edges.len());
    for (source, weight) in edges {
        let canonical = format!("{source}->{}", context.id);
        let member = || format!("inputs/{}", super::context::escape(source));
        match weights.place(context, &canonical, weight, member) {
            Ok(place) => places.push(place),
            Err(failed) => ok = Err(failed),
        }
    }
    let bias = match bias {
        None => None,
        Some(bias) => {
            let canonical = format!("{}.bias", context.id);
            let spec = match bias {
                Json::Number(number) => Ok(Some(WeightSpec::Number(number.value))),
                Json::String(name) => Ok(Some(WeightSpec::Name(name.clone()))),
                Json::Null | Json::Bool(true) => Ok(Some(WeightSpec::Null)),
                Json::Bool(false) => Ok(None),
                _ => Err(context.fault_in(
                    "bias",
                    Code::WrongType,
                    "a neuron's bias is a number, the name of a parameter, or null",
                )),
            };
            match spec {
                Ok(None) => None,
                Ok(Some(spec)) => {
                    weights.place(context, &canonical, &spec, || "bias".to_owned()).map_err(|failed| ok = Err(failed)).ok()
                }
                Err(failed) => {
                    ok = Err(failed);
                    None
                }
            }
        }
    };
    ok?;
    let sources = sources?;

    // The vector of own weights comes first, if there is one; then the shared ones; then the sources.
    let own = usize::from(!weights.own.is_empty());
    let place = |at: WeightAt| match at {
        WeightAt::Own(element) => WeightAt::Own(element),
        WeightAt::Shared(k) => WeightAt::Shared(k + own as u32),
    };
    let op = Neuron {
        weights: places.into_iter().map(place).collect(),
        bias: bias.map(place),
        sources_at: own + weights.shared.len(),
    };
    let mut inputs = Vec::with_capacity(op.sources_at + sources.len());
    if own == 1 {
        let shape = Shape::new(&[weights.own.len()]).map_err(|error| context.shape_fault(error))?;
        let leaf = if weights.unknown { Leaf::Unknown } else { Leaf::Values(Arc::new(weights.own)) };
        let leaf = context.lowering.leaf(shape, leaf);
        for (element, name) in weights.own_names.into_iter().enumerate() {
            let element = Some(element as u32);
            context.lowering.parameters.declare(Parameter { name, leaf, element, shape: Shape::SCALAR, trained: true });
        }
        inputs.push(leaf);
    }
    inputs.extend(weights.shared);
    inputs.extend(sources);
    context.op(op, &inputs)
}

impl Weights {
    fn own(&mut self, name: &str, value: f64) -> WeightAt {
        self.own.push(value);
        self.own_names.push(name.to_owned());
        WeightAt::Own(self.own.len() as u32 - 1)
    }

    fn shared(&mut self, leaf: NodeId) -> WeightAt {
        self.shared.push(leaf);
        WeightAt::Shared(self.shared.len() as u32 - 1)
    }

    fn place(
        &mut self,
        context: &mut Context<'_, '_, '_>,
        canonical: &str,
        weight: &WeightSpec<'_>,
        member: impl Fn() -> String,
    ) -> Result<WeightAt, Failed> {
        match weight {
            WeightSpec::Number(value) => {
                if context.lowering.parameters.has(canonical) {
                    context.lowering.parameters.take(canonical);
                    let detail = format!("\"{canonical}\" stands here and in \"parameters\"; keep one of them");
                    return Err(context.fault_in(&member(), Code::DuplicateParameter, detail));
                }
                Ok(self.own(canonical, *value))
            }
            WeightSpec::Null if !context.lowering.shared.contains(canonical) => {
                match context.lowering.parameters.take(canonical) {
                    Found::Value(spec) => {
                        let value = single(context, canonical, spec)?;
                        Ok(self.own(canonical, value))
                    }
                    Found::Missing if !context.lowering.parameters.complete => {
                        self.unknown = true;
                        Ok(self.own(canonical, 0.0))
                    }
                    _ => {
                        let pointer = format!("{}/{}", context.pointer, member());
                        context.lowering.entry(canonical, Shape::SCALAR, true, &pointer).map(|leaf| self.shared(leaf))
                    }
                }
            }
            WeightSpec::Null | WeightSpec::Name(_) => {
                let name = if let WeightSpec::Name(name) = weight { name } else { canonical };
                let pointer = format!("{}/{}", context.pointer, member());
                context.lowering.entry(name, Shape::SCALAR, true, &pointer).map(|leaf| self.shared(leaf))
            }
        }
    }
}

/// The one number that an entry of `parameters` holds for an edge or a bias.
fn single(context: &mut Context<'_, '_, '_>, name: &str, spec: TensorSpec) -> Result<f64, Failed> {
    let pointer = format!("/parameters/{}", super::context::escape(name));
    match spec {
        TensorSpec::Values { shape, data } if shape.is_empty() => Ok(data[0]),
        TensorSpec::Values { shape, .. } => {
            let detail = format!("\"{name}\" is one number, found a tensor of shape {}", crate::tensor::Dims(&shape));
            context.lowering.faults.push_pointer(pointer, Code::ShapeMismatch, detail);
            Err(Failed)
        }
        TensorSpec::Init(init) => match random::initialise(&init, Shape::SCALAR, name) {
            Ok(values) => Ok(values[0]),
            Err(detail) => {
                context.lowering.faults.push_pointer(pointer, Code::InvalidValue, detail);
                Err(Failed)
            }
        },
    }
}
