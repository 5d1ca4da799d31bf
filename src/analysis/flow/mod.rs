//! `POST /v1/flow`: how the gradient fares on its way down (lecture 1.9): vanishing, exploding, saturated, dead, or healthy.
//!
//! A layer is a node as the client wrote it, or all neurons of one depth together. Always in f64.

mod measure;
mod picture;
mod verdict;

use super::places::{Places, keep_all_and_derive, sweep, values};
use super::run::Job;
use super::{Analysis, Cost, ENGINE, Failure, Form, Guard, Posed, Prepared, Reply, Request, pose, within};
use crate::config::Limits;
use crate::draw::{dot, svg};
use crate::graph::Plan;
use crate::lower::{Need, Selection};
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;
use crate::spec::write::Writer;
use measure::{Layer, Measure};
use verdict::Judgement;

/// PyTorch's default for gradient descent.
const LR: f64 = 1e-3;

/// `POST /v1/flow`.
pub const FLOW: Analysis = Analysis {
    name: "flow",
    summary: "Gradient flow: vanishing, exploding, saturated or dead, layer by layer, with evidence and suggestions.",
    description: "One run forward and backward. For each layer, from the output to the input: the root mean square of dE/dz over samples and entries; `local_gain`, what it is multiplied by on the way through the layer to what the layer reads; the share of saturated units (slope at most 5% of the activation's largest) and of dead ones (a ReLU that is off for every sample; units of images are channels); the root mean square of dE/dw over its weights, and how large a step of gradient descent is beside them. What does not apply is absent. Neurons of one depth count as one layer. Verdicts, the first that holds: `exploding` where a gradient is not finite; `dead` where 90% of a layer's ReLUs are; `exploding` where a layer's gradient is 1000 times the output's; `saturated` where half of the units that can saturate do; `vanishing` where a layer's gradient is a thousandth of the output's; else `healthy`. Always in f64.",
    forms: &[Form::Json, Form::Svg, Form::Dot],
    prepare,
};

struct Ready {
    job: Job,
    plan: Plan,
    places: Places,
    lr: f64,
    cost: Cost,
    form: Form,
    request_hash: String,
}

fn prepare(request: Request<'_>, form: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let (posed, lr) = pose(request, Some("flow"), Need::Loss, limits, |json, _, faults| arguments(json, faults))?;
    let Posed { lowered, request_hash, .. } = posed;
    let places = Places::of(&lowered);
    let plan = keep_all_and_derive(&lowered, &places);
    // Each layer's own vjp is taken once more.
    let flops = plan.forward_flops().saturating_add(plan.backward_flops().saturating_mul(2));
    let cost = Cost { flops, bytes: plan.peak_elements().saturating_mul(8) };
    within(cost, limits)?;
    let job = Job::new(lowered, Selection::default(), false);
    Ok(Box::new(Ready { job, plan, places, lr, cost, form, request_hash }))
}

/// `{"lr": 0.001}`, or nothing.
fn arguments(json: Option<Json<'_>>, faults: &mut Faults) -> Option<f64> {
    let Some(json) = json.filter(|json| *json != Json::Null) else { return Some(LR) };
    let at = At::ROOT;
    let at = at.name("flow");
    let mut fields = Fields::of(json, at, faults)?;
    let lr = fields.number("lr", faults).unwrap_or(LR);
    fields.finish(faults);
    if !(lr.is_finite() && lr >= 0.0) {
        faults.push(at.name("lr"), Code::OutOfRange, format!("expected a learning rate of 0 or more, found {lr}"));
        return None;
    }
    Some(lr)
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        let lowered = &self.job.lowered;
        let values = values(&self.job, &self.plan, guard).map_err(Failure::Stopped)?;
        let sweep = sweep(lowered, &values, guard).map_err(Failure::Stopped)?;
        let measure = Measure { lowered, places: &self.places, values: &values, sweep: &sweep, lr: self.lr };
        let groups = measure::layers(lowered, &self.places);
        let mut layers = Vec::with_capacity(groups.len());
        for (depth, members) in &groups {
            guard().map_err(Failure::Stopped)?;
            layers.push(measure.layer(*depth, members));
        }
        let judgement = verdict::judge(&layers, lowered.samples);
        let body = match self.form {
            Form::Svg => svg::bars(&picture::bars(&layers, &judgement)).into_bytes(),
            Form::Dot => dot::graph(&picture::chain(&self.places, &groups, &layers, &judgement)).into_bytes(),
            Form::Json | Form::Safetensors | Form::EventStream => self.json(&layers, &judgement),
        };
        Ok(Reply { content_type: self.form.media_type(), body })
    }
}

impl Ready {
    fn json(&self, layers: &[Layer], judgement: &Judgement) -> Vec<u8> {
        let mut w = Writer::new();
        w.object(|w| {
            w.key("verdict").string(judgement.verdict.as_str());
            if let Some(spread) = judgement.spread {
                w.key("spread").number(spread);
            }
            w.key("evidence").strings(judgement.evidence.iter().map(String::as_str));
            w.key("suggestions").strings(judgement.suggestions.iter().copied());
            w.key("layers").array(|w| layers.iter().for_each(|layer| self::layer(w, layer)));
            w.key("lr").number(self.lr);
            w.key("meta").object(|w| {
                w.key("engine").string(ENGINE);
                w.key("dtype").string("f64");
                w.key("request_hash").string(&self.request_hash);
            });
        });
        w.into_bytes()
    }
}

fn layer(w: &mut Writer, layer: &Layer) {
    w.object(|w| {
        w.key("id").string(&layer.id);
        w.key("op").string(&layer.op);
        w.key("depth").integer(layer.depth as u64);
        if layer.nodes.len() > 1 {
            w.key("nodes").strings(layer.nodes.iter().map(String::as_str));
        }
        w.key("gradient_rms").number(layer.gradient_rms);
        let rest = [
            ("local_gain", layer.local_gain),
            ("saturated_fraction", layer.saturated_fraction),
            ("dead_fraction", layer.dead_fraction),
            ("weight_gradient_rms", layer.weight_gradient_rms),
            ("update_to_weight_ratio", layer.update_to_weight_ratio),
        ];
        for (name, value) in rest {
            if let Some(value) = value {
                w.key(name).number(value);
            }
        }
    });
}
