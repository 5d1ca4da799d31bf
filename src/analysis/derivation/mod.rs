//! `POST /v1/derivation`: the chain rule written out for one weight, bias or node (lecture 1.5, 1.6, 1.8).
//!
//! E depends on the target through paths: `dE/dw = Σ over paths of the product of the local derivatives along them`. The reply has the
//! paths, the steps that compute the same with every `dE/dz` used again, and both in symbols and in numbers.
//!
//! A node here is a single number: a neuron's output, or an entry of a layer's, `fc1[3]`. Its derivative is that of the objective
//! as the reply of `gradients` echoes it, weights and the division of a mean included; one sample's part is that sample's share
//! of it, so that the parts of all samples add up to the whole. Samples are derived side by side. Where an op mixes them (batch
//! statistics), every sample's value is a node of its own, `bn[sample,…]`.
//!
//! A local derivative belongs to a node as the client wrote it, activation included: what a layer is made of inside is no node.
//! Everything is computed in f64.

mod chain;
mod formula;
mod natural;
mod paths;
mod scalars;
mod symbols;
mod target;
mod write;

use super::picture::{self, Marks, Picture};
use super::places::{Grain, Places, keep_all, keep_all_and_derive, push_flops, sweep, values};
use super::run::Job;
use super::{Analysis, Cost, Failure, Form, Guard, Posed, Prepared, Reply, Request, pose, within};
use crate::config::Limits;
use crate::graph::Plan;
use crate::lower::{Need, Selection};
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;
use crate::tape::Tape;
use chain::Totals;
use formula::Formulas;
use paths::Paths;
use scalars::{Builder, Scalars};
use symbols::{IndexOrder, Symbols};
use target::Target;

/// `POST /v1/derivation`.
pub const DERIVATION: Analysis = Analysis {
    name: "derivation",
    summary: "The chain rule written out for one weight, bias or node: sum over paths, steps, LaTeX, numbers.",
    description: "What backpropagation does, for one derivative: the paths from the loss down to the target with their factors, whose products add up to the value; and the steps that compute it with each dE/dz used again, in the lecture's by-hand order (`bottom_up`: only nodes that receive input from the target) or in backprop's (`top_down`). A node is a single number: a neuron, or an entry of a layer such as `fc1[3]`. At most 1000 paths of 20000 factors together are written out; `path_count` is exact all the same. Derivatives are those of the objective; with `sample`, of that sample's share of it. Always in f64.",
    forms: &[Form::Json, Form::Svg, Form::Dot],
    prepare,
};

/// The order of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Order {
    /// From the target up: the lecture's order for one weight by hand.
    #[default]
    BottomUp,
    /// From the loss down: backprop's.
    TopDown,
}

impl Order {
    fn as_str(self) -> &'static str {
        match self {
            Self::BottomUp => "bottom_up",
            Self::TopDown => "top_down",
        }
    }
}

/// What is asked.
#[derive(Debug)]
struct Asked {
    target: Target,
    order: Order,
    indices: IndexOrder,
    places: Places,
    grain: Grain,
}

/// A derivation that is ready to run.
struct Ready {
    job: Job,
    plan: Plan,
    places: Places,
    grain: Grain,
    target: Target,
    order: Order,
    indices: IndexOrder,
    cost: Cost,
    flops_limit: u64,
    form: Form,
    request_hash: String,
}

/// What a run finds.
struct Found<'f> {
    scalars: &'f Scalars,
    paths: Paths,
    totals: Totals,
    /// The scalars that have a step.
    seen: &'f [bool],
    formulas: Formulas<'f>,
    symbols: &'f Symbols<'f>,
    non_finite: Option<(String, &'static str)>,
}

fn prepare(request: Request<'_>, form: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let (posed, asked) = pose(request, Some("derivation"), Need::Loss, limits, arguments)?;
    let Posed { lowered, request_hash, .. } = posed;
    let Asked { target, order, indices, places, grain } = asked;
    let plan = if picture::is_picture(form) { keep_all_and_derive(&lowered, &places) } else { keep_all(&lowered.graph) };
    let forward = plan.forward_flops().saturating_add(plan.backward_flops());
    // Values, and one node's own over dual numbers, probed twice; local derivatives are bounded by themselves.
    let bytes = plan.peak_elements().saturating_mul(8 + 3 * 16);
    within(Cost { flops: forward, bytes }, limits)?;
    // What the columns cost depends on how far the target reaches, which is found on the way, under the same limit. The price,
    // which picks the lane, is that of reaching everything.
    let columns = places.list.iter().map(|place| {
        let entries = place.sources.iter().map(|&source| grain.entries(lowered.graph.shape(places.list[source].z)) as u64);
        push_flops(&lowered.graph, place).saturating_mul(3).saturating_mul(entries.sum::<u64>().max(1))
    });
    let flops = columns.fold(forward, u64::saturating_add).min(limits.flops);
    let job = Job::new(lowered, Selection::default(), false);
    let cost = Cost { flops, bytes };
    Ok(Box::new(Ready { job, plan, places, grain, target, order, indices, cost, flops_limit: limits.flops, form, request_hash }))
}

/// `{"of": "z7->z5", "order": "bottom_up", "sample": null, "index_order": "target_first"}`.
fn arguments(json: Option<Json<'_>>, posed: &Posed, faults: &mut Faults) -> Option<Asked> {
    let at = At::ROOT;
    let at = at.name("derivation");
    let Some(json) = json.filter(|json| *json != Json::Null) else {
        faults.push(At::ROOT, Code::MissingField, "the problem has no \"derivation\", such as {\"of\": \"z7->z5\"}");
        return None;
    };
    let mut fields = Fields::of(json, at, faults)?;
    let of = fields.require("of", faults).and_then(|json| crate::spec::decode::string(json, at.name("of"), faults));
    let order = fields.word("order", &[("bottom_up", Order::BottomUp), ("top_down", Order::TopDown)], faults);
    let words = [("target_first", IndexOrder::TargetFirst), ("source_first", IndexOrder::SourceFirst)];
    let indices = fields.word("index_order", &words, faults).unwrap_or_default();
    let sample = fields.number("sample", faults);
    fields.finish(faults);
    let lowered = &posed.lowered;
    if !lowered.whole || lowered.objective.is_none() {
        return None;
    }
    let sample = match sample {
        None => None,
        Some(number) if number.fract() == 0.0 && number >= 0.0 && number < lowered.samples as f64 => Some(number as usize),
        Some(number) => {
            let last = lowered.samples.saturating_sub(1);
            let detail = format!("there is no sample {number}: the minibatch has {}, 0 to {last}", lowered.samples);
            faults.push(at.name("sample"), Code::OutOfRange, detail);
            return None;
        }
    };
    let grain = Grain { samples: lowered.samples, sample, coupled: lowered.graph.couples_samples() };
    let places = Places::of(lowered);
    let target = target::find(&of?, at.name("of"), lowered, &places, grain, faults)?;
    Some(Asked { target, order: order.unwrap_or_default(), indices, places, grain })
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        let lowered = &self.job.lowered;
        let values = values(&self.job, &self.plan, guard).map_err(Failure::Stopped)?;
        let builder = Builder {
            lowered,
            places: &self.places,
            values: &values,
            grain: self.grain,
            guard,
            flops: self.flops_limit.saturating_sub(self.plan.forward_flops()),
            limit: self.flops_limit,
        };
        let scalars = builder.build(&self.target, self.order == Order::TopDown)?;
        let node = match self.target {
            Target::Node { .. } => Some(scalars.uses[0].to),
            Target::Parameter { .. } => None,
        };
        let paths = paths::find(&scalars, node.is_some())?;
        if picture::is_picture(self.form) {
            return self.picture(&values, &scalars, &paths, guard);
        }
        let seen = match self.order {
            Order::BottomUp => paths.on_path.clone(),
            Order::TopDown => paths.feeding.clone(),
        };
        let mut totals = chain::totals(&scalars, &seen);
        if let Some(node) = node
            && totals.scalars[node].is_empty()
        {
            totals.scalars[node] = vec![0.0; scalars.lanes];
        }
        let symbols = Symbols::new(lowered, &self.places, self.grain, self.indices);
        let formulas = Formulas {
            scalars: &scalars,
            seen: &seen,
            symbols: scalars.list.iter().map(|&scalar| symbols.scalar(scalar)).collect(),
            target: symbols.target(&self.target),
            node,
        };
        let non_finite = self.non_finite(&values, &scalars, &totals);
        let found = Found { scalars: &scalars, paths, totals, seen: &seen, formulas, symbols: &symbols, non_finite };
        Ok(Reply { content_type: Form::Json.media_type(), body: write::reply(&self, &found) })
    }
}

impl Ready {
    /// The network with the paths marked.
    fn picture(&self, values: &Tape<'_, f64>, scalars: &Scalars, paths: &Paths, guard: Guard<'_>) -> Result<Reply, Failure> {
        let lowered = &self.job.lowered;
        let sweep = sweep(lowered, values, guard).map_err(Failure::Stopped)?;
        let mut marks = Marks::default();
        let loss = self.places.list.len();
        for (k, scalar) in scalars.list.iter().enumerate().filter(|(k, _)| paths.on_path[*k]) {
            marks.places.insert(scalar.place);
            let readers = scalars.readers[k].iter().filter(|edge| paths.on_path[edge.to]);
            marks.edges.extend(readers.map(|edge| (scalar.place, scalars.list[edge.to].place)));
            if scalars.direct[k].is_some() {
                marks.edges.insert((scalar.place, loss));
            }
        }
        let symbols = Symbols::new(lowered, &self.places, self.grain, self.indices);
        let name = symbols.target(&self.target).text;
        if let Some((source, reader)) = name.split_once("->")
            && let (Some(source), Some(reader)) = (self.places.find(source), self.places.find(reader))
        {
            marks.edges.insert((source, reader));
        }
        let title = format!("The paths of dE/d({name}): {}", paths.count);
        let drawing = Picture { lowered, places: &self.places, values, sweep: &sweep, marks: &marks, title };
        Ok(picture::reply(&drawing.diagram(), self.form))
    }

    /// Where a number first was not finite, if the derivative is not.
    fn non_finite(&self, values: &Tape<'_, f64>, scalars: &Scalars, totals: &Totals) -> Option<(String, &'static str)> {
        if totals.value.is_finite() {
            return None;
        }
        let finite = |numbers: &[f64]| numbers.iter().all(|x| x.is_finite());
        let list = &self.places.list;
        if let Some(place) = list.iter().find(|place| !finite(values.value(place.z).data())) {
            return Some((place.name.clone(), "forward"));
        }
        let scalar = (0..scalars.list.len()).rev().find(|&k| !finite(&totals.scalars[k]));
        Some((scalar.map_or_else(|| "loss".to_owned(), |k| list[scalars.list[k].place].name.clone()), "backward"))
    }
}
