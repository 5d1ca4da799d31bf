//! The Hessian-vector product: how the gradient moves along tangents. Forward and backward over dual numbers: what backprop
//! computes with is moving, so its answer moves too (Pearlmutter 1994), at a small multiple of a gradient's price.

use super::arguments::moving;
use super::function::{Point, Variable, both_finite, drawn_flops, leaves, loss, objective, primal, seeds, tangent};
use super::jvp::{DUAL_BYTES, DUAL_FLOPS, along};
use super::sheet::{Entry, Sheet};
use super::{Analysis, Cost, Failure, Form, Guard, Posed, Prepared, Reply, Request, pose, within};
use crate::config::Limits;
use crate::graph::Plan;
use crate::lower::Need;
use crate::tape::Backprop;

struct Ready {
    posed: Posed,
    tangents: Vec<(Variable, Vec<f64>)>,
    variables: Vec<Variable>,
    plan: Plan,
    form: Form,
    cost: Cost,
}

/// `POST /v1/hvp`.
pub const HVP: Analysis = Analysis {
    name: "hvp",
    summary: "The Hessian-vector product: how the gradient moves along tangents.",
    description: "`gradients` is ∇E and `hvp` is H·v, H the second derivative of the loss by the parameters (and inputs) that `options.wrt` chooses and those that have a tangent; `torch.func.jvp` of `torch.func.grad`. One forward and one backward sweep over dual numbers. At a kink the second derivative is that of the branch whose slope backprop takes.",
    forms: &[Form::Json, Form::Safetensors],
    prepare,
};

fn prepare(request: Request<'_>, form: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let (posed, tangents) =
        pose(request, Some("hvp"), Need::Loss, limits, |json, posed, faults| moving(json, "hvp", limits, posed, faults))?;
    let lowered = &posed.lowered;
    let variables = Variable::at(lowered, &posed.selection.parameters, &posed.selection.inputs);
    let plan = Plan::new(&lowered.graph, &[], &objective(lowered), &leaves(&variables));
    let flops = plan.forward_flops().saturating_add(plan.backward_flops());
    let cost = Cost {
        flops: flops.saturating_mul(DUAL_FLOPS).saturating_add(drawn_flops(lowered)),
        bytes: plan.peak_elements().saturating_mul(DUAL_BYTES),
    };
    within(cost, limits)?;
    Ok(Box::new(Ready { posed, tangents, variables, plan, form, cost }))
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
        let sweep = tape.backward(seeds(lowered), &Backprop, guard).map_err(Failure::Stopped)?;
        let bars: Vec<_> = self.variables.iter().map(|variable| (variable, variable.cotangent(&sweep))).collect();
        let named = |input: bool| {
            let bars = bars.iter().filter(|(variable, _)| variable.is_input == input);
            bars.map(|(variable, bar)| (variable.name.clone(), primal(bar))).collect::<Vec<_>>()
        };
        let mut sheet = Sheet::new();
        if let (Some(loss), Some(objective)) = (loss(lowered, &tape), &lowered.objective) {
            sheet.put("loss", Entry::Number(loss.primal));
            sheet.put("objective", Entry::Objective(&objective.echo));
        }
        sheet.put("gradients", Entry::Named(named(false)));
        let inputs = named(true);
        if !inputs.is_empty() {
            sheet.put("input_gradients", Entry::Named(inputs));
        }
        let moved = bars.iter().map(|(variable, bar)| (variable.name.clone(), tangent(bar)));
        sheet.put("hvp", Entry::Named(moved.collect()));
        let non_finite = if sheet.is_finite() {
            None
        } else {
            let found = point.first_non_finite(lowered, seeds(lowered), both_finite, guard);
            Some(found.map_err(Failure::Stopped)?)
        };
        Ok(sheet.write(self.form, options.encoding, non_finite.as_ref(), request_hash))
    }
}
