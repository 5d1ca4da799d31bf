//! The losses. Each file holds one: PyTorch's attributes, the targets it takes, and how its per-sample values are made of
//! primitives. To add one: write the file, add its line to [`CATALOG`].

mod bce;
mod classes;
mod cotangent;
mod cross_entropy;
mod elementwise;
mod kl_div;
mod nll;
mod squared_error;
mod sum;

use std::sync::Arc;

pub use classes::Labels;

use crate::graph::{Graph, NodeId};
use crate::lower::{Context, Failed, Leaf, Lowering, Objective, hint};
use crate::ops::attributes::{Attribute, Value, Values};
use crate::ops::{Joined, Sum};
use crate::spec::fault::Code;
use crate::spec::problem::{LossSpec, Reduction};
use crate::spec::tensor::TensorSpec;
use crate::tensor::{Dims, Shape};

/// The losses that a client may name, in the order in which the catalogue lists them.
pub const CATALOG: &[&Entry] = &[
    &cross_entropy::ENTRY,
    &squared_error::ENTRY,
    &elementwise::MSE,
    &elementwise::L1,
    &elementwise::SMOOTH_L1,
    &elementwise::HUBER,
    &bce::BCE,
    &bce::BCE_WITH_LOGITS,
    &nll::ENTRY,
    &kl_div::ENTRY,
    &sum::ENTRY,
    &cotangent::ENTRY,
];

/// What the catalogue says of a loss, and how it is lowered.
#[derive(Debug)]
pub struct Entry {
    /// PyTorch's name without the word Loss.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The loss of one sample, as a formula in plain text.
    pub formula: &'static str,
    /// Its derivative by the node, as a formula in plain text.
    pub derivative: &'static str,
    /// What `batch.targets` holds; empty where it takes none.
    pub targets: &'static str,
    /// Its attributes: PyTorch's names and defaults.
    pub attributes: &'static [Attribute],
    /// Append the per-sample losses.
    pub build: fn(&mut LossContext<'_, '_, '_, '_>, &Values) -> Result<PerSample, Failed>,
}

/// The losses of the samples.
#[derive(Debug)]
pub struct PerSample {
    /// Shape `[N]`.
    pub losses: NodeId,
    /// What each sample counts in the denominator of a mean: 1, or a sum of class weights.
    pub denominators: Option<Vec<f64>>,
}

impl PerSample {
    /// Losses that count 1 each.
    pub fn plain(losses: NodeId) -> Self {
        Self { losses, denominators: None }
    }
}

/// Where a loss keeps its targets: all of its graph that depends on them.
#[derive(Debug, Clone)]
pub enum TargetLeaf {
    /// Nowhere: it takes none.
    None,
    /// In this leaf, as they are.
    Plain(NodeId),
    /// In this leaf, as coefficients of classes.
    Classes(NodeId, Arc<Labels>),
}

/// What the reply says of the objective: all of it, so that no factor is guessed.
#[derive(Debug, Clone)]
pub struct Echo {
    /// The loss's name.
    pub op: &'static str,
    /// The nodes that it reads, and whether they were written as a list.
    pub of: (Vec<String>, bool),
    /// Every attribute with its value, defaults included.
    pub attributes: Values,
    /// How the samples' losses become one number.
    pub reduction: Reduction,
    /// The number of samples.
    pub samples: usize,
    /// What the sum over samples is divided by.
    pub divisor: f64,
    /// Whether samples are weighted.
    pub weighted: bool,
    /// The loss of one sample.
    pub formula: &'static str,
}

/// What a loss sees while it is being lowered.
pub struct LossContext<'c, 'k, 'l, 'a> {
    /// Ops and faults; its pointer is `/loss`.
    pub context: &'c mut Context<'k, 'l, 'a>,
    /// The node that the loss reads, with sample axis.
    pub of: NodeId,
    /// How samples are reduced; some losses reduce a sample's elements the same way.
    pub reduction: Reduction,
    targets: Option<TensorSpec>,
    target_leaf: TargetLeaf,
    /// Whether there is a minibatch; where only shapes are asked there need be none.
    complete: bool,
}

/// Append the loss and everything about it.
///
/// # Errors
/// Reported.
pub(crate) fn lower(
    lowering: &mut Lowering<'_>,
    spec: LossSpec<'_>,
    targets: Option<TensorSpec>,
    weights: Option<TensorSpec>,
    complete: bool,
) -> Result<(Objective, Vec<NodeId>), Failed> {
    let LossSpec { op, of, of_is_list, reduction, attributes } = spec;
    let mut context = Context::new(lowering, "loss", "/loss".to_owned());
    let Some(entry) = CATALOG.iter().find(|entry| entry.name == op) else {
        let hint = hint(&op, CATALOG.iter().map(|entry| entry.name));
        return Err(context.fault_in(
            "op",
            Code::UnknownOp,
            format!("no loss is named \"{op}\"{hint}; GET /v1/ops lists them all"),
        ));
    };
    let values = context.attributes(entry.attributes, &[], attributes);
    let samples = context.samples();
    let weights = sample_weights(&mut context, weights);
    let (of_nodes, stacked) = stack(&mut context, &of, of_is_list)?;
    let values = values?;
    let mut loss =
        LossContext { context: &mut context, of: stacked, reduction, targets, target_leaf: TargetLeaf::None, complete };
    let PerSample { losses, denominators } = (entry.build)(&mut loss, &values)?;
    let LossContext { targets, target_leaf, .. } = loss;
    if entry.targets.is_empty() && targets.is_some() {
        let detail = format!("{} takes no targets", entry.name);
        context.lowering_fault("/batch/targets", Code::UnknownField, detail);
    }
    let of = (of.iter().map(ToString::to_string).collect(), of_is_list);
    let (divisor, weighted) = (1.0, false);
    let echo = Echo { op: entry.name, of, attributes: values, reduction, samples, divisor, weighted, formula: entry.formula };
    let (factors, shares) = (Vec::new(), Vec::new());
    let bare = Objective { losses, factors, weights: Vec::new(), shares, echo: Arc::new(echo), targets: target_leaf };
    Ok((bare.weighed(weights?, denominators), of_nodes))
}

impl Objective {
    /// The same with other weights of the samples, ones where there are none, and other denominators.
    fn weighed(mut self, weights: Option<Vec<f64>>, denominators: Option<Vec<f64>>) -> Self {
        let (reduction, samples) = (self.echo.reduction, self.echo.samples);
        let weighted = weights.is_some();
        self.weights = weights.unwrap_or_else(|| vec![1.0; samples]);
        self.shares = match denominators {
            Some(denominators) => self.weights.iter().zip(denominators).map(|(w, d)| w * d).collect(),
            None => self.weights.clone(),
        };
        let divisor = match reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => self.shares.iter().sum(),
        };
        self.factors = self.weights.iter().map(|w| w / divisor).collect();
        if divisor != self.echo.divisor || weighted != self.echo.weighted {
            let echo = Arc::make_mut(&mut self.echo);
            (echo.divisor, echo.weighted) = (divisor, weighted);
        }
        self
    }

    /// The same over other targets and weights, and the numbers of the leaf that holds the targets; nothing where they do not fit.
    pub(crate) fn renewed(
        &self,
        graph: &Graph,
        targets: Option<TensorSpec>,
        weights: Option<TensorSpec>,
    ) -> Option<(Self, Option<(NodeId, Arc<Vec<f64>>)>)> {
        let targets = match targets {
            None => None,
            Some(TensorSpec::Values { shape, data }) => Some((shape, data)),
            Some(TensorSpec::Init(_)) => return None,
        };
        let (leaf, denominators) = match (&self.targets, targets) {
            (TargetLeaf::None, None) => (None, None),
            (&TargetLeaf::Plain(leaf), Some((found, data))) if fits(graph.shape(leaf), &found) => (Some((leaf, data)), None),
            (TargetLeaf::Classes(leaf, labels), Some((shape, data))) => {
                let (q, denominators) = labels.coefficients(&shape, Arc::unwrap_or_clone(data)).ok()?;
                (Some((*leaf, Arc::new(q))), Some(denominators))
            }
            _ => return None,
        };
        let weights = match weights {
            None => None,
            Some(TensorSpec::Values { shape, data }) if shape == [self.echo.samples] && data.iter().all(|&w| w >= 0.0) => {
                Some(Arc::unwrap_or_clone(data))
            }
            Some(_) => return None,
        };
        let (factors, shares) = (Vec::new(), Vec::new());
        let (losses, echo, targets) = (self.losses, Arc::clone(&self.echo), self.targets.clone());
        let bare = Self { losses, factors, weights: Vec::new(), shares, echo, targets };
        Some((bare.weighed(weights, denominators), leaf))
    }
}

/// Whether targets of shape `found` fit what the loss reads: the same, or `[N]` for `[N, 1]` and the other way round; with one
/// number per sample nothing can be confused.
fn fits(shape: Shape, found: &[usize]) -> bool {
    let ones = |dims: &[usize]| dims.iter().skip(1).all(|&dim| dim == 1);
    found == shape.dims() || (found.first() == shape.dims().first() && ones(found) && ones(shape.dims()))
}

fn sample_weights(context: &mut Context<'_, '_, '_>, weights: Option<TensorSpec>) -> Result<Option<Vec<f64>>, Failed> {
    let samples = context.samples();
    match weights {
        None => Ok(None),
        Some(TensorSpec::Values { .. }) if !context.samples_known() => Err(Failed),
        Some(TensorSpec::Values { shape, data }) if shape == [samples] => {
            if let Some(at) = data.iter().position(|&w| w < 0.0) {
                let detail = format!("a sample's weight is at least 0, found {}", data[at]);
                return Err(context.lowering_fault(&format!("/batch/weights/{at}"), Code::InvalidValue, detail));
            }
            Ok(Some(Arc::unwrap_or_clone(data)))
        }
        Some(TensorSpec::Values { shape, .. }) => {
            let detail = format!("expected one weight per sample, shape [{samples}]; found {}", Dims(&shape));
            Err(context.lowering_fault("/batch/weights", Code::ShapeMismatch, detail))
        }
        Some(TensorSpec::Init(_)) => {
            Err(context.lowering_fault("/batch/weights", Code::WrongType, "a minibatch holds numbers, not initialisers"))
        }
    }
}

/// The node that the loss reads: the one named, or several scalar ones stacked to `[N, C]`.
fn stack(
    context: &mut Context<'_, '_, '_>,
    of: &[std::borrow::Cow<'_, str>],
    is_list: bool,
) -> Result<(Vec<NodeId>, NodeId), Failed> {
    let mut nodes = Vec::with_capacity(of.len());
    let mut failed = false;
    for (i, name) in of.iter().enumerate() {
        let member = if is_list { format!("of/{i}") } else { "of".to_owned() };
        match context.node(name, &member) {
            Ok(node) if is_list && !context.shape(node).sample_dims().is_empty() => {
                let shape = context.shape(node);
                let detail = format!("a list stacks nodes of one number per sample, \"{name}\" has shape {shape}; name it alone");
                context.fault_in(&member, Code::ShapeMismatch, detail);
                failed = true;
            }
            Ok(node) => nodes.push(node),
            Err(Failed) => failed = true,
        }
    }
    if failed {
        return Err(Failed);
    }
    let batched: Vec<_> = nodes.iter().map(|&node| context.batched(node)).collect::<Result<_, _>>()?;
    match (batched.as_slice(), is_list) {
        ([], _) => Err(context.fault_in("of", Code::MissingField, "the loss reads at least one node")),
        ([only], false) => Ok((nodes, *only)),
        _ => context.op(Joined { dim: 1, new_axis: true }, &batched).map(|stacked| (nodes, stacked)),
    }
}

impl LossContext<'_, '_, '_, '_> {
    /// The shape of what the loss reads.
    pub fn shape(&self) -> Shape {
        self.context.shape(self.of)
    }

    /// The targets as they were given; without a minibatch, nothing.
    ///
    /// # Errors
    /// They are missing, or no numbers; reported.
    pub fn targets(&mut self) -> Result<Option<(Vec<usize>, Vec<f64>)>, Failed> {
        match self.targets.take() {
            Some(TensorSpec::Values { shape, data }) => Ok(Some((shape, Arc::unwrap_or_clone(data)))),
            Some(TensorSpec::Init(_)) => {
                Err(self.context.lowering_fault("/batch/targets", Code::WrongType, "targets are numbers, not initialisers"))
            }
            None if self.complete => {
                Err(self.context.lowering_fault("/batch", Code::MissingField, "the loss needs \"targets\" in the minibatch"))
            }
            None => Ok(None),
        }
    }

    /// The targets as a value of the shape of what the loss reads.
    ///
    /// # Errors
    /// They are missing or of another shape; reported.
    pub fn targets_like_of(&mut self) -> Result<NodeId, Failed> {
        let shape = self.shape();
        match self.targets()? {
            Some((found, data)) if fits(shape, &found) => {
                let leaf = self.context.constant(shape, data);
                self.target_leaf = TargetLeaf::Plain(leaf);
                Ok(leaf)
            }
            Some((found, _)) => {
                let detail = format!("targets must have the shape of what the loss reads, {shape}; found {}", Dims(&found));
                Err(self.context.lowering_fault("/batch/targets", Code::ShapeMismatch, detail))
            }
            None => Ok(self.context.deferred(shape, Leaf::Unknown)),
        }
    }

    /// Elements of a sample to one number: their sum, or their mean where the reduction is a mean.
    ///
    /// # Errors
    /// Reported.
    pub fn reduce(&mut self, elements: NodeId) -> Result<NodeId, Failed> {
        let size = self.context.shape(elements).sample_size();
        let summed = self.context.op(Sum::all(), &[elements])?;
        match self.reduction {
            Reduction::Sum => Ok(summed),
            Reduction::Mean if size == 1 => Ok(summed),
            Reduction::Mean => self.context.op(crate::ops::Scale(1.0 / size as f64), &[summed]),
        }
    }

    /// A weight tensor of an attribute as a constant that broadcasts against what the loss reads.
    ///
    /// # Errors
    /// It does not broadcast; reported.
    pub fn weight(&mut self, values: &Values, name: &'static str) -> Result<Option<NodeId>, Failed> {
        let Value::Tensor { shape, data } = values.get(name) else { return Ok(None) };
        let of = self.shape();
        // PyTorch broadcasts it against the whole minibatch: with as many axes it has a sample axis of its own.
        let own = match shape.split_first() {
            Some((&samples, rest)) if shape.len() == of.rank() && samples == self.context.samples() => {
                Shape::batched(samples, rest)
            }
            Some((1, rest)) if shape.len() == of.rank() => Shape::new(rest),
            _ => Shape::new(shape),
        };
        let fits = own.and_then(|own| own.broadcast(of).map(|all| (own, all)));
        match fits {
            Ok((own, all)) if all == of => Ok(Some(self.context.constant(own, data.clone()))),
            _ => {
                let detail = format!("{name} of shape {} does not broadcast to {of}", Dims(shape));
                Err(self.context.fault_in(name, Code::ShapeMismatch, detail))
            }
        }
    }
}
