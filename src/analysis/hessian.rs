//! The Hessian: the second derivatives of the loss by every pair of numbers. A Hessian-vector product a column.

use super::arguments::{refuse_options, wrt};
use super::function::{Point, Variable, both_finite, drawn_flops, leaves, loss, objective, seeds};
use super::jvp::{DUAL_BYTES, DUAL_FLOPS};
use super::sheet::{Entry, Sheet};
use super::{Analysis, Cost, Failure, Form, Guard, Posed, Prepared, Reply, Request, pose, within};
use crate::config::Limits;
use crate::graph::Plan;
use crate::lower::Need;
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;
use crate::tape::Backprop;
use crate::tensor::{Dual, Shape, Tensor};

/// Bytes of one entry: the number and its text.
const ENTRY_BYTES: u64 = 8 + 20;

struct Ready {
    posed: Posed,
    variables: Vec<Variable>,
    plan: Plan,
    /// P×P, P the numbers in all variables.
    shape: Shape,
    form: Form,
    cost: Cost,
}

/// `POST /v1/hessian`.
pub const HESSIAN: Analysis = Analysis {
    name: "hessian",
    summary: "The Hessian of the loss by parameters and inputs, as one matrix.",
    description: "`hessian` is P×P, P the numbers in all that `wrt` names (every parameter where left out), one after another in the order of `parameters`, row-major within each; `torch.func.hessian` of the flattened parameters. A column is one forward and one backward sweep over dual numbers.",
    forms: &[Form::Json, Form::Safetensors],
    prepare,
};

fn prepare(request: Request<'_>, form: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let own = |json: Option<Json<'_>>, posed: &Posed, faults: &mut Faults| {
        refuse_options(&posed.options, "hessian", false, faults);
        let at = At::ROOT.name("hessian");
        let mut fields = Fields::of(json.unwrap_or(Json::Object(crate::spec::json::Object::default())), at, faults)?;
        let variables = wrt(&mut fields, at, posed, &["*"], faults);
        fields.finish(faults);
        variables
    };
    let (posed, variables) = pose(request, Some("hessian"), Need::Loss, limits, own)?;
    let side = variables.iter().map(|variable| variable.size() as u64).fold(0, u64::saturating_add);
    let numbers = side.saturating_mul(side);
    let too_large = |detail: String| {
        let mut faults = Faults::new(limits.faults);
        faults.push(At::ROOT.name("hessian"), Code::LimitExceeded, detail);
        Failure::OverLimit(faults)
    };
    let lowered = &posed.lowered;
    let plan = Plan::new(&lowered.graph, &[], &objective(lowered), &leaves(&variables));
    let sweep = plan.forward_flops().saturating_add(plan.backward_flops()).saturating_mul(DUAL_FLOPS);
    let bytes = numbers.saturating_mul(ENTRY_BYTES);
    if bytes > limits.memory_bytes {
        return Err(too_large(format!(
            "a Hessian of {side} x {side} numbers takes {bytes} bytes, the limit is {}; name fewer in \"wrt\", or ask for hvp",
            limits.memory_bytes
        )));
    }
    let flops = sweep.saturating_mul(side).saturating_add(drawn_flops(lowered));
    if flops > limits.flops {
        return Err(too_large(format!(
            "a Hessian of {side} columns takes {flops} floating-point operations, the limit is {}; name fewer in \"wrt\", or ask for hvp",
            limits.flops
        )));
    }
    let shape = Shape::new(&[side as usize, side as usize]).map_err(|error| too_large(error.to_string()))?;
    let cost = Cost { flops, bytes: bytes.saturating_add(plan.peak_elements().saturating_mul(DUAL_BYTES)) };
    within(cost, limits)?;
    Ok(Box::new(Ready { posed, variables, plan, shape, form, cost }))
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        let Posed { lowered, options, request_hash, .. } = &self.posed;
        let mut sheet = Sheet::new();
        let here = Point::<Dual>::new(lowered, &self.plan);
        let (value, matrix) = self.columns(&here, guard)?;
        if let (Some(value), Some(objective)) = (value, &lowered.objective) {
            sheet.put("loss", Entry::Number(value));
            sheet.put("objective", Entry::Objective(&objective.echo));
        }
        let sizes = self.variables.iter().map(|variable| (variable.name.clone(), variable.size()));
        sheet.put("parameters", Entry::Sizes(sizes.collect()));
        sheet.put("hessian", Entry::Tensor(matrix));
        let non_finite = if sheet.is_finite() {
            None
        } else {
            // Along all of them at once: an infinite entry is in some column, and so in their sum.
            let mut moving = here;
            for variable in &self.variables {
                (0..variable.size()).for_each(|i| moving.change(variable, i, |x| Dual::new(x.primal, 1.0)));
            }
            let found = moving.first_non_finite(lowered, seeds(lowered), both_finite, guard);
            Some(found.map_err(Failure::Stopped)?)
        };
        Ok(sheet.write(self.form, options.encoding, non_finite.as_ref(), request_hash))
    }
}

impl Ready {
    /// The loss, and the matrix column by column.
    fn columns(&self, here: &Point<Dual>, guard: Guard<'_>) -> Result<(Option<f64>, Tensor<f64>), Failure> {
        let lowered = &self.posed.lowered;
        let side = self.shape.dims()[0];
        let mut matrix = vec![0.0; self.shape.size()];
        let mut value = None;
        let elements = self.variables.iter().flat_map(|variable| (0..variable.size()).map(move |i| (variable, i)));
        for (column, (variable, i)) in elements.enumerate() {
            let mut point = here.clone();
            point.change(variable, i, |x| Dual::new(x.primal, 1.0));
            let tape = point.forward(lowered, &self.plan, guard).map_err(Failure::Stopped)?;
            let sweep = tape.backward(seeds(lowered), &Backprop, guard).map_err(Failure::Stopped)?;
            value = loss(lowered, &tape).map(|loss| loss.primal);
            let mut row = 0;
            for variable in &self.variables {
                for bar in variable.cotangent(&sweep).data() {
                    matrix[row * side + column] = bar.tangent;
                    row += 1;
                }
            }
        }
        if side == 0 {
            let tape = here.forward(lowered, &self.plan, guard).map_err(Failure::Stopped)?;
            value = loss(lowered, &tape).map(|loss| loss.primal);
        }
        Ok((value, Tensor::new(self.shape, matrix)))
    }
}
