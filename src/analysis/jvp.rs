//! The Jacobian-vector product: how the outputs and the loss move when parameters and inputs move along given tangents. One
//! forward sweep over dual numbers; the chain rule multiplied from the inputs on, as the lecture's `∇f·h`.

use super::arguments::moving;
use super::function::{Point, Variable, both_finite, drawn_flops, loss, objective, primal, tangent};
use super::sheet::{Entry, Sheet};
use super::{Analysis, Cost, Failure, Form, Guard, Posed, Prepared, Reply, Request, pose, within};
use crate::config::Limits;
use crate::graph::Plan;
use crate::lower::Need;
use crate::tensor::Dual;

/// A dual operation costs about three plain ones.
pub(super) const DUAL_FLOPS: u64 = 3;
/// Bytes of a dual number, and of the text of its two parts.
pub(super) const DUAL_BYTES: u64 = 16 + 40;

struct Ready {
    posed: Posed,
    tangents: Vec<(Variable, Vec<f64>)>,
    plan: Plan,
    form: Form,
    cost: Cost,
}

/// `POST /v1/jvp`.
pub const JVP: Analysis = Analysis {
    name: "jvp",
    summary: "The Jacobian-vector product: how outputs and loss move along tangents of parameters and inputs.",
    description: "`output_tangents` is J·v, J the derivative of the outputs by all that is named in `tangents` (the rest stands still), and `loss_tangent` is ∇E·v; `torch.func.jvp`. One forward sweep over dual numbers. Without a loss there is no `loss` and no `loss_tangent`.",
    forms: &[Form::Json, Form::Safetensors],
    prepare,
};

fn prepare(request: Request<'_>, form: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let (posed, tangents) =
        pose(request, Some("jvp"), Need::Outputs, limits, |json, posed, faults| moving(json, "jvp", limits, posed, faults))?;
    let lowered = &posed.lowered;
    let mut values: Vec<_> = lowered.outputs.iter().map(|&i| lowered.nodes[i].z).collect();
    values.extend(objective(lowered));
    let plan = Plan::new(&lowered.graph, &values, &[], &[]);
    let cost = Cost {
        flops: plan.forward_flops().saturating_mul(DUAL_FLOPS).saturating_add(drawn_flops(lowered)),
        bytes: plan.peak_elements().saturating_mul(DUAL_BYTES),
    };
    within(cost, limits)?;
    Ok(Box::new(Ready { posed, tangents, plan, form, cost }))
}

/// Let a point move along tangents.
pub(super) fn along(point: &mut Point<Dual>, tangents: &[(Variable, Vec<f64>)]) {
    for (variable, data) in tangents {
        for (i, &x_dot) in data.iter().enumerate() {
            point.change(variable, i, |x| Dual::new(x.primal, x.tangent + x_dot));
        }
    }
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        let Posed { lowered, options, request_hash, .. } = &self.posed;
        let mut point = Point::new(lowered, &self.plan);
        along(&mut point, &self.tangents);
        let tape = point.forward(lowered, &self.plan, guard).map_err(Failure::Stopped)?;
        let mut sheet = Sheet::new();
        if let (Some(loss), Some(objective)) = (loss(lowered, &tape), &lowered.objective) {
            sheet.put("loss", Entry::Number(loss.primal));
            sheet.put("loss_tangent", Entry::Number(loss.tangent));
            sheet.put("objective", Entry::Objective(&objective.echo));
        }
        let outputs = || lowered.outputs.iter().map(|&i| (lowered.nodes[i].id.clone(), tape.value(lowered.nodes[i].z)));
        sheet.put("outputs", Entry::Named(outputs().map(|(id, z)| (id, primal(z))).collect()));
        sheet.put("output_tangents", Entry::Named(outputs().map(|(id, z)| (id, tangent(z))).collect()));
        let non_finite = if sheet.is_finite() {
            None
        } else {
            let seeds = super::function::seeds(lowered);
            Some(point.first_non_finite(lowered, seeds, both_finite, guard).map_err(Failure::Stopped)?)
        };
        Ok(sheet.write(self.form, options.encoding, non_finite.as_ref(), request_hash))
    }
}
