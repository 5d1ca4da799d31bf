//! The primitives. Each file holds one op whole: its formula, shape rule, forward, vjp, cost and entry in the catalogue, with
//! its laws. To add one: write the file, add its line to [`CATALOG`].
//!
//! Families have folders: `unary` and `binary` (elementwise), `axes` (reductions and softmax), `reindex` (elements moved,
//! none changed) and `loss`. What combines elements in its own way stands beside them.
//!
//! A rule is written once over [`Scalar`] and runs on `f32`, `f64`, [`Dual`] (which makes it a jvp), [`DoubleDouble`]
//! and [`Interval`].
//! No method has a default body: a forgotten rule does not compile.
//!
//! # What a heavy op looks like
//!
//! A layer is composed of primitives until a measurement asks for one op in their place. `lstm` and `attention` are the models:
//!
//! - **One value a node.** Further outputs, and what the vjp would otherwise compute again, stand side by side in the rows of that
//!   value (`[h | c | i | f | g | o]`); the layer slices off what a client sees. So all of it is ordinary output, has a cotangent, and is
//!   under the laws; neither the graph nor the tape knows a second kind of value. (The price: slices give their cotangents in zeros
//!   of the whole row. It is small beside the products.)
//! - **Inputs by role.** Those that are always there come first, optional ones after them in a fixed order; flags of the op say which.
//!   Several operands may stand in one input (q, k and v of self-attention): an operand is an offset and a stride, not a copy.
//! - **Sizes in one place**, made of the shapes alone: the shape rule, where it may fail, the price and both rules read them there.
//! - **What is not recurrent is one product** over all samples and steps; what meets in one step lies together in memory; transposes
//!   are strides. Loops over elements run over slices of one length, so that they become vector instructions in all types that have them.
//! - **Three proofs**: the laws for every combination of flags; the same function spelled in small ops on the wire
//!   (`tests/it/composed.rs`); PyTorch's own layer (`tests/golden`).

pub mod attributes;
#[cfg(test)]
mod edges;
pub mod kinks;
#[cfg(test)]
pub(crate) mod laws;

mod axes;
mod binary;
mod loss;
mod reindex;
mod unary;

mod attention;
mod avg_pool2d;
mod batch_norm;
mod conv2d;
mod embedding;
mod layer_norm;
mod linear;
mod lstm;
mod matmul;
mod max_pool2d;
mod neuron;
mod window;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

pub use attention::Attention;
pub use attributes::{Attribute, Values};
pub use avg_pool2d::AvgPool2d;
pub use axes::Sum;
pub(crate) use axes::{Axes, Lines, LogSoftmax, Mean, Softmax};
pub use batch_norm::BatchNorm;
pub(crate) use binary::Add;
pub use binary::{Binary, Elementwise, Mul, Sub};
pub use conv2d::Conv2d;
pub use embedding::Embedding;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use loss::{Bce, BceWithLogits, CrossEntropy, Huber, KlDiv, Of, SmoothL1};
pub use lstm::Lstm;
pub use matmul::MatMul;
pub use max_pool2d::MaxPool2d;
pub use neuron::{Neuron, WeightAt};
pub use reindex::{Expand, Joined, Moved, Reindex};
pub(crate) use reindex::{Permute, Reshape, Select, Slice};
pub use unary::{Abs, Exclude, Identity, Scale, Unary};

use crate::tensor::{self, DoubleDouble, Dual, Float, Gemm, Interval, Shape, ShapeError, Tensor};

/// The ops that a client may name, in the order in which the catalogue lists them.
pub const CATALOG: &[&Entry] = &[
    &binary::add::ENTRY,
    &binary::sub::ENTRY,
    &binary::mul::ENTRY,
    &binary::div::ENTRY,
    &unary::neg::ENTRY,
    &binary::pow::ENTRY,
    &unary::exp::ENTRY,
    &unary::log::ENTRY,
    &unary::sqrt::ENTRY,
    &unary::abs::ENTRY,
    &unary::sin::ENTRY,
    &unary::cos::ENTRY,
    &binary::maximum::ENTRY,
    &binary::minimum::ENTRY,
    &matmul::ENTRY,
    &axes::sum::ENTRY,
    &axes::mean::ENTRY,
    &reindex::reshape::ENTRY,
    &reindex::flatten::ENTRY,
    &reindex::permute::ENTRY,
    &reindex::concat::ENTRY,
    &reindex::stack::ENTRY,
    &reindex::slice::ENTRY,
    &reindex::select::ENTRY,
    &unary::identity::ENTRY,
    &unary::relu::ENTRY,
    &unary::leaky_relu::ENTRY,
    &unary::elu::ENTRY,
    &unary::selu::ENTRY,
    &unary::gelu::ENTRY,
    &unary::sigmoid::ENTRY,
    &unary::tanh::ENTRY,
    &unary::softplus::ENTRY,
    &unary::silu::ENTRY,
    &unary::hardtanh::ENTRY,
    &axes::softmax::ENTRY,
    &axes::log_softmax::ENTRY,
];

/// What the catalogue says of an op, and how its wire form becomes one.
#[derive(Debug)]
pub struct Entry {
    /// PyTorch's name in snake case.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The value, as a formula in plain text.
    pub formula: &'static str,
    /// The derivative, as a formula in plain text, with the convention at each kink.
    pub derivative: &'static str,
    /// How many inputs it takes.
    pub arity: Arity,
    /// Its attributes: PyTorch's names and defaults.
    pub attributes: &'static [Attribute],
    /// Whether it acts on each element alone, so that it may be a neuron's activation.
    pub elementwise: bool,
    /// The op with these attribute values.
    pub build: fn(&Values) -> Result<Box<dyn AnyOp>, attributes::Invalid>,
}

/// How many inputs an op takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// This many.
    Exactly(usize),
    /// Either number.
    Between(usize, usize),
    /// This many or more.
    AtLeast(usize),
}

/// What holds of an op whatever its numbers.
pub trait Describe: Debug + Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// The output's shape, or why these inputs do not fit.
    ///
    /// # Errors
    /// In words for the client: what was found and what was expected.
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError>;
    /// Floating-point operations of one forward and of one vjp for all inputs; an estimate within a small factor.
    fn flops(&self, inputs: &[Shape], output: Shape) -> Flops;
    /// Which values the vjp reads, so that the others need not be kept.
    fn reads(&self) -> Reads;
    /// Whether a sample's output depends on other samples (batch statistics): such a network cannot be cut into shards.
    fn couples_samples(&self) -> bool;
}

/// The price of an op in floating-point operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flops {
    /// Of the forward rule.
    pub forward: u64,
    /// Of the vjp.
    pub backward: u64,
}

impl Flops {
    /// So many per element of the output, each way.
    pub fn per_element(output: Shape, forward: u64, backward: u64) -> Self {
        let size = output.size() as u64;
        Self { forward: size.saturating_mul(forward), backward: size.saturating_mul(backward) }
    }
}

/// Which values a vjp reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// Its inputs.
    pub inputs: bool,
    /// Its output.
    pub output: bool,
}

impl Reads {
    /// None: the derivative is constant.
    pub const NOTHING: Self = Self { inputs: false, output: false };
    /// The inputs.
    pub const INPUTS: Self = Self { inputs: true, output: false };
    /// The output.
    pub const OUTPUT: Self = Self { inputs: false, output: true };
    /// Both.
    pub const BOTH: Self = Self { inputs: true, output: true };
}

/// Where a vjp is taken. A value that [`Describe::reads`] does not name may be an empty placeholder of the right shape's rank.
#[derive(Debug, Clone, Copy)]
pub struct Point<'a, S> {
    /// The shapes of the inputs.
    pub shapes: &'a [Shape],
    /// The inputs.
    pub x: &'a [&'a Tensor<S>],
    /// The output.
    pub y: &'a Tensor<S>,
}

/// The rules of an op over one number type.
pub trait Op<S: Scalar>: Describe {
    /// The output. Shapes were checked by [`Describe::shape`].
    fn forward(&self, x: &[&Tensor<S>]) -> Tensor<S>;
    /// The vector-Jacobian product: for each wanted input give `x̄ᵢ = ȳ·∂y/∂xᵢ`.
    fn vjp(&self, at: Point<'_, S>, y_bar: &Tensor<S>, x_bar: &mut Cotangents<'_, S>);
}

/// An op over all five number types. Never implemented by hand.
pub trait AnyOp: Op<f32> + Op<f64> + Op<Dual> + Op<DoubleDouble> + Op<Interval> + Any {}

impl<T: Op<f32> + Op<f64> + Op<Dual> + Op<DoubleDouble> + Op<Interval> + Any> AnyOp for T {}

/// The op as what it is, if it is a `T`: for a grader, who looks into single ops. Engines have no need of it.
pub fn as_op<T: AnyOp>(op: &dyn AnyOp) -> Option<&T> {
    (op as &dyn Any).downcast_ref()
}

/// A number type that the engine runs on.
pub trait Scalar: Gemm {
    /// The op's rules over this type.
    fn op(any: &dyn AnyOp) -> &dyn Op<Self>;
    /// Doubles as numbers of this type; doubles themselves are shared, not copied.
    fn from_doubles(data: &Arc<Vec<f64>>) -> Arc<Vec<Self>>;
}

macro_rules! impl_scalar {
    ($($t:ty, $from_doubles:expr;)*) => {
        $(impl Scalar for $t {
            fn op(any: &dyn AnyOp) -> &dyn Op<Self> {
                any
            }

            fn from_doubles(data: &Arc<Vec<f64>>) -> Arc<Vec<Self>> {
                $from_doubles(data)
            }
        })*
    };
}

impl_scalar! {
    f64, Arc::clone;
    f32, converted;
    Dual, converted;
    DoubleDouble, converted;
    Interval, converted;
}

fn converted<S: Float>(data: &Arc<Vec<f64>>) -> Arc<Vec<S>> {
    Arc::new(data.iter().map(|&x| S::from_f64(x)).collect())
}

/// Where a vjp puts what it finds: one slot per input, only the wanted ones open.
///
/// [`Cotangents::give`] (with [`Cotangents::give_scaled`], its short way for sums of many) is the one place that adds, and the one
/// place that undoes broadcasting.
#[derive(Debug)]
pub struct Cotangents<'a, S> {
    slots: &'a mut [Option<Tensor<S>>],
    inputs: &'a [usize],
    shapes: &'a [Shape],
    wanted: &'a [bool],
}

impl<'a, S: Scalar> Cotangents<'a, S> {
    /// Input `i` of the op is node `inputs[i]`, of shape `shapes[i]`; its cotangent is summed in `slots[inputs[i]]` if
    /// `wanted[inputs[i]]`.
    pub fn new(slots: &'a mut [Option<Tensor<S>>], inputs: &'a [usize], shapes: &'a [Shape], wanted: &'a [bool]) -> Self {
        Self { slots, inputs, shapes, wanted }
    }

    /// Whether anybody asks for the cotangent of input `i`.
    pub fn wants(&self, i: usize) -> bool {
        self.wanted[self.inputs[i]]
    }

    /// Add `factor · y_bar`, of the input's own shape, to the cotangent of input `i`.
    #[inline(always)]
    pub fn give_scaled(&mut self, i: usize, factor: S, y_bar: &Tensor<S>) {
        if !self.wants(i) {
            return;
        }
        match &mut self.slots[self.inputs[i]] {
            Some(sum) => tensor::add_scaled(sum.data_mut(), factor, y_bar.data()),
            empty => *empty = Some(y_bar.map(|y_bar| factor * y_bar)),
        }
    }

    /// Add `x_bar` to the cotangent of input `i`: of the input's shape, or of a shape that the input was broadcast to.
    pub fn give(&mut self, i: usize, x_bar: Tensor<S>) {
        if !self.wants(i) {
            return;
        }
        let x_bar = if x_bar.shape() == self.shapes[i] { x_bar } else { x_bar.sum_to(self.shapes[i]) };
        match &mut self.slots[self.inputs[i]] {
            Some(sum) => sum.add_in_place(&x_bar),
            empty => *empty = Some(x_bar),
        }
    }
}
