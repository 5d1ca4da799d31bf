//! What a layer or a loss sees while it is being lowered: ops to append, parameters to ask for, one place to complain.

use std::borrow::Cow;
use std::sync::Arc;

use super::parameters::{Found, Parameter};
use super::{Leaf, Lowering, Named};
use crate::graph::NodeId;
use crate::ops::AnyOp;
use crate::ops::attributes::Invalid;
use crate::spec::fault::{At, Code};
use crate::spec::json::Json;
use crate::spec::tensor::{self, Reading, TensorSpec};
use crate::tensor::{Dims, Shape, ShapeError};

/// Something was wrong and has been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

/// The lowering of one node or of the loss.
pub struct Context<'c, 'l, 'a> {
    pub(super) lowering: &'c mut Lowering<'l>,
    /// The node's id.
    pub(super) id: &'c str,
    /// The JSON pointer of the object that is being lowered.
    pub(super) pointer: String,
    /// Parameter values that stand inline in it, not yet asked for.
    pub(super) inline: Vec<(Cow<'a, str>, Json<'a>)>,
    /// The activation that stands in it, for a layer that has a place for one within.
    pub(super) within: Option<Box<dyn AnyOp>>,
    /// The further outputs that were asked for, as the layer gave them.
    pub(super) further: Vec<(String, NodeId)>,
}

impl<'c, 'l> Context<'c, 'l, '_> {
    pub(crate) fn new(lowering: &'c mut Lowering<'l>, id: &'c str, pointer: String) -> Self {
        Self { lowering, id, pointer, inline: Vec::new(), within: None, further: Vec::new() }
    }

    /// The node's id.
    pub fn id(&self) -> &str {
        self.id
    }

    /// The samples of the minibatch.
    pub fn samples(&self) -> usize {
        self.lowering.samples
    }

    /// Whether the minibatch tells how many they are.
    pub fn samples_known(&self) -> bool {
        self.lowering.samples_known
    }

    /// The shape of a value.
    pub fn shape(&self, value: NodeId) -> Shape {
        self.lowering.graph.shape(value)
    }

    /// Report a fault of the object as a whole.
    pub fn fault(&mut self, code: Code, detail: impl Into<String>) -> Failed {
        self.lowering.faults.push_pointer(self.pointer.clone(), code, detail);
        Failed
    }

    /// Report a fault of one of its members.
    pub fn fault_in(&mut self, member: &str, code: Code, detail: impl Into<String>) -> Failed {
        self.lowering.faults.push_pointer(format!("{}/{member}", self.pointer), code, detail);
        Failed
    }

    /// Report a shape that does not fit.
    pub fn shape_fault(&mut self, error: ShapeError) -> Failed {
        self.fault(Code::ShapeMismatch, error.0)
    }

    /// Report an attribute's value.
    pub fn invalid(&mut self, invalid: Invalid) -> Failed {
        self.fault_in(invalid.attribute, Code::InvalidValue, format!("{}: {}", invalid.attribute, invalid.detail))
    }

    /// A value of an attribute, or its fault reported.
    ///
    /// # Errors
    /// It was invalid.
    pub fn valid<T>(&mut self, value: Result<T, Invalid>) -> Result<T, Failed> {
        value.map_err(|invalid| self.invalid(invalid))
    }

    /// Append an op.
    ///
    /// # Errors
    /// Its shape rule refuses the inputs; reported.
    pub fn op(&mut self, op: impl AnyOp + 'static, inputs: &[NodeId]) -> Result<NodeId, Failed> {
        self.boxed(Box::new(op), inputs)
    }

    /// As [`Context::op`], for an op built elsewhere.
    ///
    /// # Errors
    /// As [`Context::op`].
    pub fn boxed(&mut self, op: Box<dyn AnyOp>, inputs: &[NodeId]) -> Result<NodeId, Failed> {
        self.lowering.graph.op(op, inputs).map_err(|error| self.shape_fault(error))
    }

    /// A constant with these numbers.
    pub fn constant(&mut self, shape: Shape, data: Vec<f64>) -> NodeId {
        self.lowering.leaf(shape, Leaf::Values(Arc::new(data)))
    }

    /// A leaf whose numbers are made when the run starts.
    pub fn deferred(&mut self, shape: Shape, leaf: Leaf) -> NodeId {
        self.lowering.leaf(shape, leaf)
    }

    /// The parameter `name` of this layer: inline, or from `parameters`.
    ///
    /// # Errors
    /// It is missing, given twice, or of another shape; reported.
    pub fn parameter(&mut self, name: &str, dims: &[usize]) -> Result<NodeId, Failed> {
        self.tensor(name, dims, true)
    }

    /// As [`Context::parameter`], for what has no gradient: running statistics.
    ///
    /// # Errors
    /// As [`Context::parameter`].
    pub fn buffer(&mut self, name: &str, dims: &[usize]) -> Result<NodeId, Failed> {
        self.tensor(name, dims, false)
    }

    fn tensor(&mut self, name: &str, dims: &[usize], trained: bool) -> Result<NodeId, Failed> {
        let shape = Shape::new(dims).map_err(|error| self.shape_fault(error))?;
        let canonical = format!("{}.{name}", self.id);
        let inline = self.inline.iter().position(|(known, _)| known == name).map(|at| self.inline.swap_remove(at).1);
        match inline {
            None | Some(Json::Null) => self.lowering.entry(&canonical, shape, trained, &self.pointer),
            Some(Json::String(entry)) => {
                let pointer = format!("{}/{name}", self.pointer);
                self.lowering.entry(&entry, shape, trained, &pointer)
            }
            Some(value) => {
                let pointer = format!("{}/{name}", self.pointer);
                if self.lowering.parameters.has(&canonical) {
                    let detail = format!("\"{canonical}\" stands here and in \"parameters\"; keep one of them");
                    self.lowering.parameters.take(&canonical);
                    self.lowering.faults.push_pointer(pointer, Code::DuplicateParameter, detail);
                    return Err(Failed);
                }
                let spec = self.lowering.read(value, &pointer, true)?;
                self.lowering.value(&canonical, spec, shape, trained, &pointer)
            }
        }
    }

    /// Check that the integers that reach `value` lie below `bound`, where it is an input of the network.
    ///
    /// # Errors
    /// It is no integer input, or an index is out of range; reported.
    pub fn indices_below(&mut self, value: NodeId, bound: usize, what: &str) -> Result<(), Failed> {
        let integer_inputs = &self.lowering.integer_inputs;
        let Ok(at) = integer_inputs.binary_search_by_key(&value, |(leaf, ..)| *leaf) else {
            return Err(self.fault(
                Code::ShapeMismatch,
                format!(
                    "{what} reads token indices: its input must be an input declared as {{\"shape\": […], \"dtype\": \"i64\"}}"
                ),
            ));
        };
        let (_, name, largest) = &integer_inputs[at];
        if *largest < bound as f64 {
            return Ok(());
        }
        let pointer = self.lowering.input_pointer(name);
        let Some(Leaf::Values(data)) = self.lowering.leaf_of(value) else { return Ok(()) };
        if let Some(at) = data.iter().position(|&token| token >= bound as f64) {
            let found = data[at];
            let pointer = format!("{pointer}/{}", self.shape(value).place(at));
            let detail = format!("token {found} is out of range: {what} has {bound} rows, 0 to {}", bound.saturating_sub(1));
            self.lowering.faults.push_pointer(pointer, Code::OutOfRange, detail);
            return Err(Failed);
        }
        Ok(())
    }
}

/// A name as one step of a JSON pointer.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl Lowering<'_> {
    /// Append a leaf.
    pub(crate) fn leaf(&mut self, shape: Shape, leaf: Leaf) -> NodeId {
        let id = self.graph.leaf(shape);
        self.leaves.push((id, leaf));
        id
    }

    /// Where a leaf's numbers come from.
    pub(super) fn leaf_of(&self, id: NodeId) -> Option<&Leaf> {
        let at = self.leaves.binary_search_by_key(&id, |(leaf, _)| *leaf).ok()?;
        Some(&self.leaves[at].1)
    }

    /// The leaf of the entry `name` of `parameters`, which must have this shape; made at its first use.
    pub(super) fn entry(&mut self, name: &str, shape: Shape, trained: bool, pointer: &str) -> Result<NodeId, Failed> {
        match self.parameters.take(name) {
            Found::Leaf(leaf) => {
                let known = self.graph.shape(leaf);
                if known.dims() == shape.dims() {
                    return Ok(leaf);
                }
                let detail = format!("the parameter \"{name}\" has shape {known} where it is used first, {shape} here");
                self.faults.push_pointer(pointer.to_owned(), Code::ShapeMismatch, detail);
                Err(Failed)
            }
            Found::Value(spec) => {
                let leaf = self.value(name, spec, shape, trained, &format!("/parameters/{}", escape(name)))?;
                self.parameters.bind(name, leaf);
                Ok(leaf)
            }
            Found::Taken => Err(Failed),
            Found::Missing if self.unread.contains(name) => Err(Failed),
            Found::Missing if self.parameters.complete => {
                let hint = match name.parse::<f64>() {
                    Ok(number) => format!("; for the number, write {number} without quotes"),
                    Err(_) => self.hint(name, self.parameters.names()),
                };
                let detail = format!("the parameter \"{name}\" of shape {shape} is neither inline nor in \"parameters\"{hint}");
                self.faults.push_pointer(pointer.to_owned(), Code::MissingParameter, detail);
                Err(Failed)
            }
            Found::Missing => {
                let leaf = self.leaf(shape, Leaf::Unknown);
                self.parameters.expect(name, leaf);
                self.parameters.declare(Parameter { name: name.to_owned(), leaf, element: None, shape, trained });
                Ok(leaf)
            }
        }
    }

    /// A leaf of its own for a parameter's value.
    pub(super) fn value(
        &mut self,
        name: &str,
        spec: TensorSpec,
        shape: Shape,
        trained: bool,
        pointer: &str,
    ) -> Result<NodeId, Failed> {
        let leaf = match spec {
            TensorSpec::Values { shape: found, data } => {
                if found != shape.dims() {
                    let detail = format!("\"{name}\" must have shape {shape}, found {}", Dims(&found));
                    self.faults.push_pointer(pointer.to_owned(), Code::ShapeMismatch, detail);
                    return Err(Failed);
                }
                Leaf::Values(data)
            }
            TensorSpec::Init(init) => {
                if let Err(detail) = super::random::check(&init, shape) {
                    self.faults.push_pointer(pointer.to_owned(), Code::InvalidValue, detail);
                    return Err(Failed);
                }
                Leaf::Init(init, name.to_owned())
            }
        };
        let leaf = self.leaf(shape, leaf);
        self.parameters.declare(Parameter { name: name.to_owned(), leaf, element: None, shape, trained });
        Ok(leaf)
    }

    /// What a name stands for.
    pub(super) fn named(&self, name: &str) -> Option<Named> {
        self.names.get(name).copied()
    }

    /// Report entries of `parameters` that nothing uses, but for those that belong to a node which could not be lowered.
    pub(super) fn surplus(&mut self) {
        let owner_failed = |name: &str| {
            let owner = name.rsplit_once("->").map_or(name, |(_, target)| target);
            let mut ends = owner.match_indices('.').map(|(at, _)| at).chain([owner.len()]);
            ends.any(|end| self.failed.contains(&owner[..end]))
        };
        let surplus = self.parameters.surplus().filter(|name| !self.shared.contains(*name) && !owner_failed(name));
        let surplus: Vec<_> = surplus.map(str::to_owned).collect();
        for name in surplus {
            let hint = self.hint(&name, self.parameters.declared().iter().map(|parameter| parameter.name.as_str()));
            let at = At::ROOT.name("parameters");
            self.faults.push(at.name(&name), Code::SurplusParameter, format!("the network has no parameter \"{name}\"{hint}"));
        }
    }

    /// Read a tensor that stands at `pointer`.
    pub(super) fn read(&mut self, json: Json<'_>, pointer: &str, allow_init: bool) -> Result<TensorSpec, Failed> {
        let reading = Reading { limits: self.limits, allow_non_finite: self.options.allow_non_finite, allow_init };
        let steps: Vec<_> = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        tensor::decode_below(json, At::ROOT, &steps, reading, self.faults).ok_or(Failed)
    }

    /// A hint, unless the fault would not be listed anyway.
    pub(super) fn hint<'w>(&self, word: &str, candidates: impl Iterator<Item = &'w str>) -> String {
        if self.faults.is_full() { String::new() } else { super::hint(word, candidates) }
    }
}

impl Context<'_, '_, '_> {
    /// The shape of the value that the client gives for the parameter `name`, where it gives one.
    pub fn given_shape(&self, name: &str) -> Option<Vec<usize>> {
        let entry = |name: &str| self.lowering.parameters.shape_of(name, &self.lowering.graph);
        match self.inline.iter().find(|(known, _)| known == name) {
            None | Some((_, Json::Null)) => entry(&format!("{}.{name}", self.id)),
            Some((_, Json::String(shared))) => entry(shared),
            Some((_, value)) => tensor::written_shape(value),
        }
    }

    /// Buffers that this call does not read may be given all the same: PyTorch's `state_dict` holds them.
    pub fn ignore_buffers(&mut self, names: &[&'static str]) {
        self.inline.retain(|(name, _)| !names.contains(&name.as_ref()));
        for name in names {
            self.lowering.parameters.take(&format!("{}.{name}", self.id));
        }
    }
}

impl Context<'_, '_, '_> {
    /// The activation for its place within the layer, taken once; nothing where the client left it out.
    pub fn within(&mut self) -> Option<Box<dyn AnyOp>> {
        self.within.take()
    }

    /// Whether anybody names the further output `output` of this node.
    pub fn asks_for(&self, output: &str) -> bool {
        self.lowering.asked.contains(&format!("{}.{output}", self.id))
    }

    /// The further output `output`, one that [`Context::asks_for`].
    pub fn further(&mut self, output: &str, value: NodeId) {
        self.further.push((format!("{}.{output}", self.id), value));
    }

    /// Report parameters that stand inline and that the layer, with these attributes, does not have.
    pub(super) fn surplus_inline(&mut self, op: &str) -> Result<(), Failed> {
        let mut result = Ok(());
        for (name, _) in std::mem::take(&mut self.inline) {
            let detail = format!("with these attributes {op} has no parameter \"{name}\"");
            result = Err(self.fault_in(&escape(&name), Code::SurplusParameter, detail));
        }
        result
    }

    /// The input of the network that `member` names: one declared i64 that holds zeros and ones.
    ///
    /// # Errors
    /// There is none, or it holds others; reported.
    pub fn flags(&mut self, name: &str, member: &str) -> Result<NodeId, Failed> {
        let known = self.lowering.integer_inputs.iter().find(|(_, known, _)| known == name);
        let Some(&(value, _, largest)) = known else {
            if self.lowering.failed.contains(name) {
                return Err(Failed);
            }
            let detail = format!(
                "no input \"{name}\" is declared as {{\"shape\": […], \"dtype\": \"i64\"}}; declare it, or give the mask itself"
            );
            return Err(self.fault_in(member, Code::UnknownNode, format!("{member}: {detail}")));
        };
        let Some(Leaf::Values(data)) = self.lowering.leaf_of(value).filter(|_| largest > 1.0) else { return Ok(value) };
        let at = data.iter().position(|&flag| flag > 1.0).unwrap_or_default();
        let detail = format!("{member} of \"{}\" reads zeros and ones, found {}", self.id, data[at]);
        let pointer = format!("{}/{}", self.lowering.input_pointer(name), self.shape(value).place(at));
        Err(self.lowering_fault(&pointer, Code::OutOfRange, detail))
    }

    /// Report a fault elsewhere in the request.
    pub fn lowering_fault(&mut self, pointer: &str, code: Code, detail: impl Into<String>) -> Failed {
        self.lowering.faults.push_pointer(pointer.to_owned(), code, detail);
        Failed
    }

    /// The value of a node or input that `member` names.
    ///
    /// # Errors
    /// There is none, reported; or it failed, which was reported before.
    pub fn node(&mut self, name: &str, member: &str) -> Result<NodeId, Failed> {
        match self.lowering.named(name) {
            Some(Named::Value(value)) => Ok(value),
            Some(Named::Failed) => Err(Failed),
            None => {
                let hint = self.lowering.hint(name, self.lowering.names.keys().map(String::as_str));
                Err(self.fault_in(member, Code::UnknownNode, format!("no node or input is named \"{name}\"{hint}")))
            }
        }
    }

    /// Whether a constant of so many numbers may be made before the run is priced.
    ///
    /// # Errors
    /// It is over the memory limit; reported.
    pub fn affords(&mut self, numbers: usize) -> Result<(), Failed> {
        let (bytes, limit) = ((numbers as u64).saturating_mul(8), self.lowering.limits.memory_bytes);
        if bytes > limit {
            return Err(
                self.fault(Code::LimitExceeded, format!("this takes {bytes} bytes for {numbers} numbers, the limit is {limit}"))
            );
        }
        Ok(())
    }
}
