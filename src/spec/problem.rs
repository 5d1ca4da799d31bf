//! The wire structs of a problem: network, parameters, minibatch, loss, options. Attributes of ops stay undecoded: the table of
//! their op reads them.

mod keep;
mod read;

use std::borrow::Cow;
use std::sync::Arc;

use super::json::Json;
use super::tensor::TensorSpec;

pub use keep::{Kept, decode_kept, hoist};
pub(crate) use read::{batch, parameters};
pub use read::{decode, network};

/// Members of an object that are read later.
pub type Members<'a> = Vec<(Cow<'a, str>, Json<'a>)>;

/// A problem as written.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says of one member that it was written, or could not be read")]
pub struct Problem<'a> {
    /// The network, unless it could not be read, or is a stored one.
    pub network: Option<NetworkSpec<'a>>,
    /// The name of a stored network that stands for it, `sha256:` and 64 digits.
    pub reference: Option<String>,
    /// The entries of `parameters`.
    pub parameters: Vec<(String, TensorSpec)>,
    /// Whether `parameters` was written at all.
    pub parameters_given: bool,
    /// Entries of `parameters` that could not be read.
    pub parameters_failed: Vec<String>,
    /// Whether `parameters` could not be read at all, so that none of them counts as missing.
    pub parameters_unreadable: bool,
    /// The minibatch.
    pub batch: Option<BatchSpec<'a>>,
    /// Whether a minibatch was written, readable or not.
    pub batch_given: bool,
    /// The loss.
    pub loss: Option<LossSpec<'a>>,
    /// Whether a loss was written, readable or not.
    pub loss_given: bool,
    /// Penalties.
    pub regularization: Vec<RegularizerSpec<'a>>,
    /// Options.
    pub options: Options,
    /// The members that the question itself asked for.
    pub extra: Members<'a>,
}

/// A network as written.
#[derive(Debug, Clone)]
pub struct NetworkSpec<'a> {
    /// Its inputs.
    pub inputs: Vec<InputSpec<'a>>,
    /// Its nodes or layers.
    pub nodes: Vec<NodeSpec<'a>>,
    /// Whether they were written as `layers`.
    pub layered: bool,
    /// Whether all of them could be read.
    pub whole: bool,
}

/// An input of a network.
#[derive(Debug, Clone)]
pub struct InputSpec<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// The shape of one sample.
    pub shape: Vec<usize>,
    /// What it holds.
    pub dtype: InputDtype,
    /// Whether it could be read; if not, the faults are reported.
    pub ok: bool,
}

/// What an input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputDtype {
    /// Real numbers.
    Float,
    /// Indices.
    Int,
}

/// A node or layer as written.
#[derive(Debug, Clone)]
pub struct NodeSpec<'a> {
    /// Its id, generated for a layer without one.
    pub id: Cow<'a, str>,
    /// Its op.
    pub op: Cow<'a, str>,
    /// What it reads.
    pub inputs: Inputs<'a>,
    /// Its activation.
    pub activation: Option<ActivationSpec<'a>>,
    /// Everything else.
    pub attributes: Members<'a>,
    /// Its place in the list.
    pub index: usize,
    /// Whether it could be read; if not, the faults are reported.
    pub ok: bool,
}

/// What a node reads.
#[derive(Debug, Clone)]
pub enum Inputs<'a> {
    /// Nothing was written.
    Absent,
    /// A list.
    List(Vec<Source<'a>>),
    /// A neuron's: each source with its weight.
    Weighted(Vec<(Cow<'a, str>, WeightSpec<'a>)>),
}

/// One thing that a node reads.
#[derive(Debug, Clone)]
pub enum Source<'a> {
    /// A node, an input, or an entry of `parameters`.
    Name(Cow<'a, str>),
    /// A constant.
    Constant(f64),
}

/// A weight of a neuron.
#[derive(Debug, Clone)]
pub enum WeightSpec<'a> {
    /// A number.
    Number(f64),
    /// A shared entry of `parameters`.
    Name(Cow<'a, str>),
    /// To be found in `parameters` under its canonical name.
    Null,
}

/// An activation: an op and its attributes.
#[derive(Debug, Clone)]
pub struct ActivationSpec<'a> {
    /// The op.
    pub op: Cow<'a, str>,
    /// Its attributes.
    pub attributes: Members<'a>,
}

/// A minibatch as written.
#[derive(Debug, Default)]
pub struct BatchSpec<'a> {
    /// The inputs' values.
    pub inputs: Option<InputsSpec<'a>>,
    /// Whether `inputs` were written and could not be read.
    pub inputs_failed: bool,
    /// The targets.
    pub targets: Option<TensorSpec>,
    /// Whether `targets` were written and could not be read.
    pub targets_failed: bool,
    /// A weight for each sample.
    pub weights: Option<TensorSpec>,
}

impl BatchSpec<'_> {
    /// The leading axis of the first input that has one.
    pub fn samples(&self) -> Option<usize> {
        let leading = |value: &TensorSpec| match value {
            TensorSpec::Values { shape, .. } => shape.first().copied(),
            TensorSpec::Init(_) => None,
        };
        match self.inputs.as_ref()? {
            InputsSpec::Bare(value) => leading(value),
            InputsSpec::Named(named) => named.iter().find_map(|(_, value)| leading(value.as_ref()?)),
        }
    }

    /// Keep the first samples alone. What has fewer, or no sample axis, stays as it is.
    pub fn truncate(&mut self, samples: usize) {
        let inputs: &mut dyn Iterator<Item = &mut TensorSpec> = match &mut self.inputs {
            None => &mut std::iter::empty(),
            Some(InputsSpec::Bare(value)) => &mut std::iter::once(value),
            Some(InputsSpec::Named(named)) => &mut named.iter_mut().filter_map(|(_, value)| value.as_mut()),
        };
        for tensor in inputs.chain(&mut self.targets).chain(&mut self.weights) {
            if let TensorSpec::Values { shape, data } = tensor
                && let Some((axis, rest)) = shape.split_first_mut()
                && *axis > samples
            {
                *axis = samples;
                Arc::make_mut(data).truncate(samples * rest.iter().product::<usize>());
            }
        }
    }
}

/// The values of a network's inputs.
#[derive(Debug)]
pub enum InputsSpec<'a> {
    /// By name; nothing where a value could not be read.
    Named(Vec<(Cow<'a, str>, Option<TensorSpec>)>),
    /// One tensor for all.
    Bare(TensorSpec),
}

/// A loss as written.
#[derive(Debug)]
pub struct LossSpec<'a> {
    /// Its name.
    pub op: Cow<'a, str>,
    /// The nodes that it reads.
    pub of: Vec<Cow<'a, str>>,
    /// Whether they were written as a list.
    pub of_is_list: bool,
    /// How samples become one number.
    pub reduction: Reduction,
    /// Everything else.
    pub attributes: Members<'a>,
}

/// How the losses of samples become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reduction {
    /// Their weighted sum.
    #[default]
    Sum,
    /// Their weighted mean.
    Mean,
}

impl Reduction {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
        }
    }
}

/// A penalty as written.
#[derive(Debug)]
pub struct RegularizerSpec<'a> {
    /// Squares or absolute values.
    pub norm: Norm,
    /// λ.
    pub strength: f64,
    /// What it is multiplied by.
    pub factor: f64,
    /// Globs over the parameters' names.
    pub parameters: Vec<Cow<'a, str>>,
}

/// A norm that is penalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Sum of absolute values.
    L1,
    /// Sum of squares.
    L2,
}

/// The options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// The number type of the run.
    pub dtype: Precision,
    /// Which nodes are traced.
    pub trace: Trace,
    /// Which gradients are asked; nothing for all parameters.
    pub wrt: Option<Vec<String>>,
    /// Whether they were written as a list.
    pub wrt_is_list: bool,
    /// Whether gradients are given for each sample.
    pub per_sample: bool,
    /// Whether the gradients of single samples are described.
    pub stats: bool,
    /// Whether gradients come with their correct digits.
    pub certify: bool,
    /// How the reply writes tensors.
    pub encoding: Encoding,
    /// Whether "NaN" and "Infinity" are numbers in the request.
    pub allow_non_finite: bool,
}

/// The number type of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Doubles.
    #[default]
    F64,
    /// Singles.
    F32,
}

/// Which nodes are traced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trace {
    /// All.
    #[default]
    All,
    /// None.
    None,
    /// Those named.
    Only(Vec<String>),
}

/// How the reply writes tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Nested arrays.
    #[default]
    Nested,
    /// `{"shape", "data"}`.
    Flat,
    /// `{"shape", "dtype", "base64"}`.
    Base64,
}

/// Pointers to nodes.
#[derive(Debug, Clone, Copy)]
pub struct Pointers {
    layered: bool,
}

impl Pointers {
    /// The node at a place of the list.
    pub fn node(self, index: usize) -> String {
        format!("/network/{}/{index}", if self.layered { "layers" } else { "nodes" })
    }
}

impl NetworkSpec<'_> {
    /// Pointers to its nodes.
    pub fn pointers(&self) -> Pointers {
        Pointers { layered: self.layered }
    }
}
