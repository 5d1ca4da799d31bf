//! `lstm`: long short-term memory over sequences, in layers and in one direction or both. Each direction of each layer is one
//! [`ops::Lstm`], which packs what it found side by side; here it is cut apart.

use super::dropout::Inner;
use super::sequence::{self, columns};
use super::{Activation, Layer, OutputDoc, ParameterDoc};
use crate::graph::NodeId;
use crate::lower::{Context, Failed};
use crate::ops::attributes::{Attribute, Default, Invalid, Kind};
use crate::ops::{self, Arity, Joined, Moved, Select, Values};
use crate::spec::fault::Code;

/// More would be a mistake, and each has parameters to be looked up.
const MAX_LAYERS: usize = 1000;

pub(super) const LSTM: Layer = Layer {
    name: "lstm",
    summary: "long short-term memory over sequences [N, L, input_size]; its value is the last layer's h at every step, [N, L, H] or [N, L, 2H] for both directions; inputs may be x, h_0, c_0",
    formula: "i,f,o = sigmoid, g = tanh of W_i* x_t + b_i* + W_h* h_(t-1) + b_h*; c_t = f c_(t-1) + i g; h_t = o tanh(c_t)",
    derivative: "h_bar_t += W_h^T a_bar_(t+1), c_bar_t += f_(t+1) c_bar_(t+1) + h_bar o (1 - tanh(c)^2); a_bar by the gates' slopes; W_bar = sum over t of a_bar_t x_t^T",
    arity: Arity::Between(1, 3),
    attributes: &[
        Attribute::new("input_size", Kind::Integer, Default::Absent, "features of a step; inferred where left out"),
        Attribute::new(
            "hidden_size",
            Kind::Integer,
            Default::Absent,
            "size of the state; inferred from a weight_ih_l0 that is given",
        ),
        Attribute::new("num_layers", Kind::Integer, Default::Integer(1), "layers, each over the outputs of the one before"),
        Attribute::new("bias", Kind::Boolean, Default::Boolean(true), "whether there are bias_ih and bias_hh"),
        sequence::BATCH_FIRST,
        Attribute::new(
            "dropout",
            Kind::Number,
            Default::Number(0.0),
            "probability of zeroing an output of every layer but the last; layer k draws from the stream <id>.dropout_l<k>",
        ),
        Attribute::new(
            "bidirectional",
            Kind::Boolean,
            Default::Boolean(false),
            "whether a second sweep runs from the last step to the first",
        ),
        Attribute::new(
            "proj_size",
            Kind::Integer,
            Default::Integer(0),
            "if over 0, h is projected to so many elements by weight_hr",
        ),
        sequence::SEED,
        sequence::TRAINING,
    ],
    parameters: &[
        ParameterDoc::new("weight_ih_l{k}", "[4 * hidden_size, features of the layer's input], rows i, f, g, o"),
        ParameterDoc::new("weight_hh_l{k}", "[4 * hidden_size, proj_size or hidden_size]"),
        ParameterDoc::new("bias_ih_l{k}", "[4 * hidden_size]"),
        ParameterDoc::new("bias_hh_l{k}", "[4 * hidden_size]"),
        ParameterDoc::new("weight_hr_l{k}", "[proj_size, hidden_size], where proj_size is over 0"),
        ParameterDoc::new("weight_ih_l{k}_reverse", "as weight_ih_l{k}, where bidirectional"),
        ParameterDoc::new("weight_hh_l{k}_reverse", "as weight_hh_l{k}, where bidirectional"),
        ParameterDoc::new("bias_ih_l{k}_reverse", "as bias_ih_l{k}, where bidirectional"),
        ParameterDoc::new("bias_hh_l{k}_reverse", "as bias_hh_l{k}, where bidirectional"),
        ParameterDoc::new("weight_hr_l{k}_reverse", "as weight_hr_l{k}, where bidirectional"),
    ],
    outputs: &[
        OutputDoc { name: "h_n", shape: "[num_layers * directions, proj_size or hidden_size]" },
        OutputDoc { name: "c_n", shape: "[num_layers * directions, hidden_size]" },
    ],
    activation: Activation::Refused,
    build,
};

/// The sizes that the attributes and the input settle.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    length: usize,
    features: usize,
    hidden: usize,
    proj: usize,
    layers: usize,
    directions: usize,
    bias: bool,
}

impl Sizes {
    fn new(context: &mut Context<'_, '_, '_>, values: &Values, input: NodeId) -> Result<Self, Failed> {
        let found = sequence::sizes(context, values, "lstm", "input_size", input);
        let hidden = match context.valid(values.size_or_absent("hidden_size", 1)) {
            Ok(Some(hidden)) => Ok(hidden),
            Ok(None) => match context.given_shape("weight_ih_l0").as_deref() {
                Some(&[rows, _]) if rows >= 4 => Ok(rows / 4),
                _ => {
                    let detail = "left out, and no weight_ih_l0 is given from which to infer it";
                    Err(context.invalid(Invalid::new("hidden_size", detail)))
                }
            },
            Err(failed) => Err(failed),
        };
        let layers = context.valid(values.size("num_layers", 1)).and_then(|layers| {
            let detail = || format!("expected at most {MAX_LAYERS}, found {layers}");
            if layers > MAX_LAYERS { Err(context.invalid(Invalid::new("num_layers", detail()))) } else { Ok(layers) }
        });
        let proj = context.valid(values.size("proj_size", 0));
        let ((length, features), hidden, layers, proj) = (found?, hidden?, layers?, proj?);
        if proj >= hidden {
            let detail = format!("expected less than hidden_size, {hidden}; found {proj}");
            return Err(context.invalid(Invalid::new("proj_size", detail)));
        }
        let directions = if values.boolean("bidirectional") { 2 } else { 1 };
        Ok(Self { length, features, hidden, proj, layers, directions, bias: values.boolean("bias") })
    }

    /// Of h.
    fn out(&self) -> usize {
        if self.proj > 0 { self.proj } else { self.hidden }
    }
}

fn build(context: &mut Context<'_, '_, '_>, values: &Values, inputs: &[NodeId]) -> Result<NodeId, Failed> {
    if inputs.len() == 2 {
        let detail = "lstm takes its input alone, or with both h_0 and c_0; found 2 inputs";
        return Err(context.fault_in("inputs", Code::ShapeMismatch, detail));
    }
    let first = sequence::samples_first(context, values);
    let dropout = if values.integer("num_layers") > 1 { Inner::new(context, values, "lstm") } else { Ok(None) };
    let sizes = Sizes::new(context, values, inputs[0])?;
    let parameters = parameters(context, &sizes);
    let inputs = sequence::together(context, inputs)?;
    let states = inputs.get(1..).filter(|states| !states.is_empty());
    let states_fit = states.map_or(Ok(()), |states| check_states(context, &sizes, states));
    let (parameters, dropout) = (parameters?, dropout?);
    first?;
    states_fit?;

    let mut value = inputs[0];
    let mut packed = Vec::with_capacity(parameters.len());
    for layer in 0..sizes.layers {
        let mut sides = Vec::with_capacity(sizes.directions);
        for direction in 0..sizes.directions {
            let at = layer * sizes.directions + direction;
            let mut all = vec![value];
            all.extend(&parameters[at]);
            for &states in states.unwrap_or_default() {
                all.push(context.op(Moved(Select { dim: -2, index: at as i64 }), &[states])?);
            }
            let (reverse, projection) = (direction == 1, sizes.proj > 0);
            let sweep = context.op(ops::Lstm { reverse, bias: sizes.bias, projection, initial: states.is_some() }, &all)?;
            packed.push(sweep);
            sides.push(context.op(columns(0, sizes.out()), &[sweep])?);
        }
        value = if let [one] = sides[..] { one } else { context.op(Joined { dim: -1, new_axis: false }, &sides)? };
        if let Some(dropout) = dropout.as_ref().filter(|_| layer + 1 < sizes.layers) {
            value = dropout.apply(context, value, &format!("dropout_l{layer}"))?;
        }
    }
    let (out, end) = (sizes.out(), sizes.out() + sizes.hidden);
    for (name, from, to) in [("h_n", 0, out), ("c_n", out, end)] {
        if context.asks_for(name) {
            let last = last_states(context, &sizes, &packed, from, to)?;
            context.further(name, last);
        }
    }
    Ok(value)
}

/// The parameters of each direction of each layer, in PyTorch's order.
fn parameters(context: &mut Context<'_, '_, '_>, sizes: &Sizes) -> Result<Vec<Vec<NodeId>>, Failed> {
    let (gates, out) = (sizes.hidden.saturating_mul(4), sizes.out());
    let mut all = Ok(Vec::new());
    for layer in 0..sizes.layers {
        let features = if layer == 0 { sizes.features } else { sizes.directions * out };
        for suffix in &["", "_reverse"][..sizes.directions] {
            let mut wanted = vec![("weight_ih", vec![gates, features]), ("weight_hh", vec![gates, out])];
            if sizes.bias {
                wanted.extend([("bias_ih", vec![gates]), ("bias_hh", vec![gates])]);
            }
            if sizes.proj > 0 {
                wanted.push(("weight_hr", vec![out, sizes.hidden]));
            }
            let found = wanted.iter().map(|(name, dims)| context.parameter(&format!("{name}_l{layer}{suffix}"), dims));
            // Every one is asked for before the first fault ends it.
            let found: Vec<_> = found.collect();
            match (found.into_iter().collect(), &mut all) {
                (Ok(found), Ok(all)) => all.push(found),
                (Err(failed), _) => all = Err(failed),
                (Ok(_), Err(_)) => {}
            }
        }
    }
    all
}

/// The first states hold one state for each direction of each layer.
fn check_states(context: &mut Context<'_, '_, '_>, sizes: &Sizes, states: &[NodeId]) -> Result<(), Failed> {
    let mut result = Ok(());
    for (i, (name, size)) in [("h_0", sizes.out()), ("c_0", sizes.hidden)].into_iter().enumerate() {
        let (found, expected) = (context.shape(states[i]), [sizes.layers * sizes.directions, size]);
        if found.sample_dims() != expected {
            let detail = format!(
                "{name} must have shape [N, num_layers * directions, size] = [N, {}, {size}], samples first; found {found}",
                expected[0]
            );
            result = Err(context.fault_in(&format!("inputs/{}", i + 1), Code::ShapeMismatch, detail));
        }
    }
    result
}

/// Columns of what each sweep left at its end, one row for each direction of each layer.
fn last_states(
    context: &mut Context<'_, '_, '_>,
    sizes: &Sizes,
    packed: &[NodeId],
    from: usize,
    to: usize,
) -> Result<NodeId, Failed> {
    let mut rows = Vec::with_capacity(packed.len());
    for (i, &sweep) in packed.iter().enumerate() {
        let reverse = i % sizes.directions == 1;
        let index = if reverse { 0 } else { sizes.length as i64 - 1 };
        let last = context.op(Moved(Select { dim: -2, index }), &[sweep])?;
        rows.push(context.op(columns(from, to), &[last])?);
    }
    context.op(Joined { dim: -2, new_axis: true }, &rows)
}
