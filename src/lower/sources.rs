//! What a node reads: inputs of the network, other nodes, entries of `parameters`, constants; and the minibatch that the
//! inputs are read from.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::context::escape;
use super::{Context, Failed, Input, Leaf, Lowering, Named, hint, neuron};
use crate::graph::NodeId;
use crate::ops::{Expand, Moved};
use crate::spec::fault::{At, Code};
use crate::spec::json::Json;
use crate::spec::problem::{InputDtype, InputSpec, Inputs, InputsSpec, NetworkSpec, NodeSpec, Source, WeightSpec};
use crate::spec::tensor::TensorSpec;
use crate::tensor::{Dims, Shape};

const EMPTY: &str = "the minibatch has no samples";

/// The names under which a trace shows a node's inputs.
pub(super) fn names(inputs: &Inputs<'_>) -> Vec<String> {
    match inputs {
        Inputs::Absent => Vec::new(),
        Inputs::List(sources) => sources
            .iter()
            .map(|source| match source {
                Source::Name(name) => name.to_string(),
                Source::Constant(value) => value.to_string(),
            })
            .collect(),
        Inputs::Weighted(edges) => edges.iter().map(|(source, _)| source.to_string()).collect(),
    }
}

impl Lowering<'_> {
    /// Note which entries of `parameters` a node refers to by an inline name.
    pub(super) fn refer(&mut self, node: &NodeSpec<'_>) {
        match &node.inputs {
            Inputs::Absent => {}
            Inputs::List(sources) => {
                for source in sources {
                    if let Source::Name(name) = source
                        && self.parameters.has(name)
                        && self.named(name).is_none()
                    {
                        self.shared.insert(name.to_string());
                    }
                }
            }
            Inputs::Weighted(edges) => {
                for (_, weight) in edges {
                    if let WeightSpec::Name(name) = weight {
                        self.shared.insert(name.to_string());
                    }
                }
            }
        }
        for (_, json) in &node.attributes {
            if let Json::String(name) = json
                && self.parameters.has(name)
            {
                self.shared.insert(name.to_string());
            }
        }
    }

    /// The positions of the nodes that a node reads.
    pub(super) fn sources_of(node: &NodeSpec<'_>, positions: &HashMap<String, usize>) -> Vec<usize> {
        match &node.inputs {
            Inputs::Absent => Vec::new(),
            Inputs::List(sources) => sources
                .iter()
                .filter_map(|source| match source {
                    Source::Name(name) => positions.get(name.as_ref()).copied(),
                    Source::Constant(_) => None,
                })
                .collect(),
            Inputs::Weighted(edges) => edges.iter().filter_map(|(name, _)| positions.get(name.as_ref()).copied()).collect(),
        }
    }

    /// The values that a node reads. All unknown names are reported; where a source failed before, the node fails in silence.
    pub(super) fn sources(&mut self, inputs: &Inputs<'_>, pointer: &str) -> Result<Vec<NodeId>, Failed> {
        let mut values = Ok(Vec::new());
        let mut put = |value: Result<NodeId, Failed>| match (value, &mut values) {
            (Ok(value), Ok(all)) => all.push(value),
            (Err(failed), _) => values = Err(failed),
            (Ok(_), Err(_)) => {}
        };
        match inputs {
            Inputs::Absent => {}
            Inputs::List(sources) => {
                for (i, source) in sources.iter().enumerate() {
                    put(match source {
                        Source::Constant(value) => Ok(self.leaf(Shape::SCALAR, Leaf::Values(Arc::new(vec![*value])))),
                        Source::Name(name) => self.source(name, || format!("{pointer}/inputs/{i}")),
                    });
                }
            }
            Inputs::Weighted(edges) => {
                for (name, _) in edges {
                    put(self.source(name, || format!("{pointer}/inputs/{}", escape(name))));
                }
            }
        }
        values
    }

    fn source(&mut self, name: &str, pointer: impl Fn() -> String) -> Result<NodeId, Failed> {
        match self.named(name) {
            Some(Named::Value(value)) => Ok(value),
            Some(Named::Failed) => Err(Failed),
            None if self.unread.contains(name) => Err(Failed),
            None if self.parameters.has(name) => {
                self.shared.insert(name.to_owned());
                let Some(dims) = self.parameters.shape_of(name, &self.graph) else {
                    let detail =
                        format!("the parameter \"{name}\" is an initialiser, whose shape nothing tells here; give its numbers");
                    self.faults.push_pointer(pointer(), Code::InvalidValue, detail);
                    return Err(Failed);
                };
                let shape = Shape::new(&dims).map_err(|error| {
                    self.faults.push_pointer(pointer(), Code::ShapeMismatch, error.0);
                    Failed
                })?;
                self.entry(name, shape, true, &pointer())
            }
            None => {
                let hint = self.hint(name, self.names.keys().map(String::as_str));
                self.faults.push_pointer(pointer(), Code::UnknownNode, format!("no node or input is named \"{name}\"{hint}"));
                Err(Failed)
            }
        }
    }

    /// The leaves of the network's inputs, with the minibatch's values where there is one.
    pub(super) fn inputs(&mut self, network: &NetworkSpec<'_>, given: Option<InputsSpec<'_>>) -> Vec<Input> {
        let declared = &network.inputs;
        let batched = given.is_some();
        self.failed.extend(declared.iter().filter(|input| !input.ok).map(|input| input.name.to_string()));
        let names: HashSet<_> = declared.iter().map(|input| input.name.as_ref()).collect();
        let mut values: HashMap<String, TensorSpec> = HashMap::new();
        match given {
            None => {}
            Some(InputsSpec::Named(named)) => {
                for (name, value) in named {
                    if names.contains(name.as_ref()) {
                        match value {
                            Some(value) => drop(values.insert(name.into_owned(), value)),
                            None => drop(self.failed.insert(name.into_owned())),
                        }
                    } else {
                        let hint = self.hint(&name, declared.iter().map(|input| input.name.as_ref()));
                        let detail = format!("the network has no input \"{name}\"{hint}");
                        self.faults.push_pointer(format!("/batch/inputs/{}", escape(&name)), Code::UnknownName, detail);
                    }
                }
            }
            Some(InputsSpec::Bare(value)) => {
                self.bare_inputs = true;
                self.spread(declared, value, &mut values);
            }
        }
        self.count_samples(declared, &values);
        let mut inputs = Vec::with_capacity(declared.len());
        for input in declared {
            let name = input.name.to_string();
            let value = values.remove(name.as_str());
            let missing = batched && value.is_none() && !self.failed.contains(&name);
            if let Ok(leaf) = self.input(input, value, missing) {
                self.names.insert(name.clone(), Named::Value(leaf));
                inputs.push(Input { name, leaf, real: input.dtype == InputDtype::Float });
            } else {
                self.failed.insert(name.clone());
                self.names.insert(name, Named::Failed);
            }
        }
        inputs
    }

    /// Where an input's values stand in the request.
    pub(super) fn input_pointer(&self, name: &str) -> String {
        if self.bare_inputs { "/batch/inputs".to_owned() } else { format!("/batch/inputs/{}", escape(name)) }
    }

    /// A bare tensor: the only input's values, or a matrix with a column for each of several scalar inputs.
    fn spread(&mut self, declared: &[InputSpec<'_>], value: TensorSpec, values: &mut HashMap<String, TensorSpec>) {
        if let [only] = declared {
            // [N, 1] is accepted for a lone scalar input: it is the matrix of the several-inputs form.
            let value = match value {
                TensorSpec::Values { shape, data } if only.shape.is_empty() && shape.len() == 2 && shape[1] == 1 => {
                    TensorSpec::Values { shape: vec![shape[0]], data }
                }
                value => value,
            };
            values.insert(only.name.to_string(), value);
            return;
        }
        let mut refuse = |code, detail: String| {
            self.faults.push_pointer("/batch/inputs".to_owned(), code, detail);
            self.failed.extend(declared.iter().map(|input| input.name.to_string()));
        };
        if declared.iter().any(|input| !input.shape.is_empty()) {
            return refuse(
                Code::WrongType,
                "a bare tensor serves one input, or several scalar ones; write an object from name to tensor".into(),
            );
        }
        match value {
            TensorSpec::Values { shape, data } if shape.len() == 2 && shape[1] == declared.len() => {
                let columns = declared.len();
                for (column, input) in declared.iter().enumerate() {
                    let data: Vec<f64> = data.iter().skip(column).step_by(columns.max(1)).copied().collect();
                    values.insert(input.name.to_string(), TensorSpec::values(vec![shape[0]], data));
                }
            }
            TensorSpec::Values { shape, .. } if shape == [0] => refuse(Code::EmptyBatch, EMPTY.into()),
            TensorSpec::Values { shape, .. } => {
                let detail = format!(
                    "expected [N, {}], a column for each input in declared order; found {}",
                    declared.len(),
                    Dims(&shape)
                );
                refuse(Code::ShapeMismatch, detail);
            }
            TensorSpec::Init(_) => refuse(Code::WrongType, "a minibatch holds numbers, not initialisers".into()),
        }
    }

    /// The number of samples: the leading axis of the first input that has one.
    fn count_samples(&mut self, declared: &[InputSpec<'_>], values: &HashMap<String, TensorSpec>) {
        let leading = declared.iter().find_map(|input| match values.get(input.name.as_ref())? {
            TensorSpec::Values { shape, .. } => shape.first().copied(),
            TensorSpec::Init(_) => None,
        });
        self.samples = leading.unwrap_or(1);
        self.samples_known = leading.map_or(self.failed.is_empty(), |samples| samples > 0);
        if leading == Some(0) {
            self.faults.push_pointer("/batch/inputs".to_owned(), Code::EmptyBatch, EMPTY);
            self.samples = 1;
            self.failed.extend(declared.iter().map(|input| input.name.to_string()));
        } else if self.samples > self.limits.batch {
            let detail = format!("the minibatch has {} samples, the limit is {}", self.samples, self.limits.batch);
            self.faults.push_pointer("/batch/inputs".to_owned(), Code::LimitExceeded, detail);
        }
    }

    fn input(&mut self, input: &InputSpec<'_>, value: Option<TensorSpec>, missing: bool) -> Result<NodeId, Failed> {
        let name = input.name.as_ref();
        let pointer = self.input_pointer(name);
        if !input.ok {
            return Err(Failed);
        }
        let shape = Shape::batched(self.samples, &input.shape).map_err(|error| {
            self.faults.push_pointer(format!("/network/inputs/{}", escape(name)), Code::LimitExceeded, error.0);
            self.failed.insert(name.to_owned());
            Failed
        })?;
        if missing {
            self.failed.insert(name.to_owned());
            let at = At::ROOT.name("batch");
            self.faults.push(at.name("inputs"), Code::MissingField, format!("the minibatch has no input \"{name}\""));
            return Err(Failed);
        }
        if self.failed.contains(name) {
            return Err(Failed);
        }
        let mut largest = 0.0;
        let leaf = match value {
            None => Leaf::Unknown,
            Some(TensorSpec::Init(_)) => {
                self.faults.push_pointer(pointer, Code::WrongType, "a minibatch holds numbers, not initialisers");
                return Err(Failed);
            }
            Some(TensorSpec::Values { shape: found, data }) => {
                if found != shape.dims() {
                    let detail = format!(
                        "the input \"{name}\" must have shape {shape}: {} samples of shape {}; found {}",
                        self.samples,
                        Dims(&input.shape),
                        Dims(&found)
                    );
                    self.faults.push_pointer(pointer, Code::ShapeMismatch, detail);
                    return Err(Failed);
                }
                if input.dtype == InputDtype::Int {
                    if let Some(at) = data.iter().position(|x| x.fract() != 0.0 || *x < 0.0) {
                        let pointer = format!("{pointer}/{}", shape.place(at));
                        let odd = data[at];
                        let detail = format!("the input \"{name}\" is declared i64 and holds indices from 0 on, found {odd}");
                        self.faults.push_pointer(pointer, Code::OutOfRange, detail);
                        return Err(Failed);
                    }
                    largest = data.iter().copied().fold(0.0, f64::max);
                }
                Leaf::Values(data)
            }
        };
        let leaf = self.leaf(shape, leaf);
        if input.dtype == InputDtype::Int {
            self.integer_inputs.push((leaf, name.to_owned(), largest));
        }
        Ok(leaf)
    }
}

impl<'a> Context<'_, '_, 'a> {
    /// A value with a sample axis: itself, or repeated for every sample.
    ///
    /// # Errors
    /// It has too many axes; reported.
    pub(crate) fn batched(&mut self, value: NodeId) -> Result<NodeId, Failed> {
        if self.shape(value).is_batched() {
            return Ok(value);
        }
        let samples = self.samples();
        self.op(Moved(Expand { samples }), &[value])
    }

    pub(super) fn neuron(
        &mut self,
        sources: Result<Vec<NodeId>, Failed>,
        inputs: &Inputs<'a>,
        members: Vec<(Cow<'a, str>, Json<'a>)>,
    ) -> Result<NodeId, Failed> {
        let Inputs::Weighted(edges) = inputs else {
            return Err(self.fault_in(
                "inputs",
                Code::WrongType,
                "a neuron's inputs map each source to its weight: {\"x1\": 0.5}",
            ));
        };
        let mut bias = None;
        let mut result = Ok(());
        for (name, json) in members {
            if name == "bias" {
                bias = Some(json);
            } else {
                let hint = hint(&name, ["id", "op", "inputs", "bias", "activation"]);
                result = Err(self.fault_in(&escape(&name), Code::UnknownField, format!("unknown field \"{name}\"{hint}")));
            }
        }
        let sources = sources.unwrap_or_else(|failed| {
            result = Err(failed);
            Vec::new()
        });
        let mut batched = Vec::with_capacity(sources.len());
        for (source, (name, _)) in sources.into_iter().zip(edges) {
            let shape = self.shape(source);
            if shape.sample_dims().is_empty() {
                batched.push(self.batched(source)?);
            } else {
                let detail =
                    format!("a neuron reads single numbers, \"{name}\" has shape {shape}; select one element, or use linear");
                result = Err(self.fault_in(&format!("inputs/{}", escape(name)), Code::ShapeMismatch, detail));
            }
        }
        if edges.is_empty() {
            return Err(self.fault_in("inputs", Code::MissingField, "a neuron needs at least one input"));
        }
        neuron::lower(self, result.map(|()| batched), edges, bias.as_ref())
    }
}
