//! The vector-Jacobian product: given the cotangents of some nodes, those of parameters and inputs. One backward sweep, the chain
//! rule multiplied from the outputs on; backprop is this with the loss's own cotangents.

use super::arguments::{refuse_options, required, tensors};
use super::function::{Point, Variable, drawn_flops, leaves};
use super::sheet::{Entry, Sheet};
use super::{Analysis, Cost, Failure, Form, Guard, Posed, Prepared, Reply, Request, pose, within};
use crate::config::Limits;
use crate::graph::{NodeId, Plan};
use crate::lower::{Lowered, Need, hint};
use crate::ops::Scalar;
use crate::spec::decode::Fields;
use crate::spec::fault::{At, Code, Faults};
use crate::spec::json::Json;
use crate::spec::problem::Precision;
use crate::spec::write::Wire;
use crate::tape::Backprop;
use crate::tensor::{Shape, Tensor};

struct Ready {
    posed: Posed,
    /// Places in the nodes' list, with the numbers.
    cotangents: Vec<(usize, Vec<f64>)>,
    variables: Vec<Variable>,
    plan: Plan,
    form: Form,
    cost: Cost,
}

/// `POST /v1/vjp`.
pub const VJP: Analysis = Analysis {
    name: "vjp",
    summary: "The vector-Jacobian product: cotangents of nodes pulled back to parameters and inputs.",
    description: "For cotangents v of the nodes that `cotangents` names (any nodes, not only outputs), `gradients` and `input_gradients` are vᵀ·J; `torch.func.vjp`. No loss is needed, and one that is given plays no part. `options.wrt` chooses the parameters and inputs; without it all of them are answered.",
    forms: &[Form::Json, Form::Safetensors],
    prepare,
};

fn prepare(request: Request<'_>, form: Form, limits: &Limits) -> Result<Box<dyn Prepared>, Failure> {
    let own = |json: Option<Json<'_>>, posed: &Posed, faults: &mut Faults| {
        refuse_options(&posed.options, "vjp", true, faults);
        let at = At::ROOT.name("vjp");
        let mut fields = Fields::of(required(json, "vjp", faults)?, at, faults)?;
        let json = fields.require("cotangents", faults);
        fields.finish(faults);
        let at = at.name("cotangents");
        let cotangents = tensors(json?, at, limits, &posed.options, faults, |name| node(&posed.lowered, name))?;
        if cotangents.is_empty() {
            faults.push(at, Code::MissingField, "no node has a cotangent: name at least one");
            return None;
        }
        Some(cotangents.into_iter().map(|(node, _, data)| (node, data)).collect::<Vec<_>>())
    };
    let (posed, cotangents) = pose(request, Some("vjp"), Need::Outputs, limits, own)?;
    let (lowered, options) = (&posed.lowered, &posed.options);
    let every_input = || (0..lowered.inputs.len()).filter(|&i| lowered.inputs[i].real).collect();
    let inputs = if options.wrt.is_some() { posed.selection.inputs.clone() } else { every_input() };
    let variables = Variable::at(lowered, &posed.selection.parameters, &inputs);
    let ends: Vec<_> = cotangents.iter().map(|&(i, _)| lowered.nodes[i].z).collect();
    let values: Vec<_> = lowered.outputs.iter().map(|&i| lowered.nodes[i].z).collect();
    let plan = Plan::new(&lowered.graph, &values, &ends, &leaves(&variables));
    let width = if options.dtype == Precision::F32 { 4 } else { 8 };
    let cost = Cost {
        flops: plan.forward_flops().saturating_add(plan.backward_flops()).saturating_add(drawn_flops(lowered)),
        bytes: plan.peak_elements().saturating_mul(width + 20),
    };
    within(cost, limits)?;
    Ok(Box::new(Ready { posed, cotangents, variables, plan, form, cost }))
}

/// The node of a name, with its shape.
pub(super) fn node(lowered: &Lowered, name: &str) -> Result<(usize, Shape), Option<(Code, String)>> {
    match lowered.nodes.iter().position(|node| node.id == name) {
        Some(i) => Ok((i, lowered.graph.shape(lowered.nodes[i].z))),
        None if !lowered.whole => Err(None),
        None => {
            let hint = hint(name, lowered.nodes.iter().map(|node| node.id.as_str()));
            Err(Some((Code::UnknownNode, format!("no node is named \"{name}\"{hint}"))))
        }
    }
}

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        self.cost
    }

    fn run(self: Box<Self>, guard: Guard<'_>) -> Result<Reply, Failure> {
        match self.posed.options.dtype {
            Precision::F64 => self.answer::<f64>(guard),
            Precision::F32 => self.answer::<f32>(guard),
        }
    }
}

impl Ready {
    fn answer<S: Scalar + Wire>(&self, guard: Guard<'_>) -> Result<Reply, Failure> {
        let Posed { lowered, options, request_hash, .. } = &self.posed;
        let point = Point::<S>::new(lowered, &self.plan);
        let tape = point.forward(lowered, &self.plan, guard).map_err(Failure::Stopped)?;
        let sweep = tape.backward(self.seeds(), &Backprop, guard).map_err(Failure::Stopped)?;
        let named = |input: bool| {
            let variables = self.variables.iter().filter(|variable| variable.is_input == input);
            variables.map(|variable| (variable.name.clone(), variable.cotangent(&sweep))).collect::<Vec<_>>()
        };
        let outputs = lowered.outputs.iter().map(|&i| &lowered.nodes[i]);
        let mut sheet = Sheet::new();
        sheet.put("outputs", Entry::Named(outputs.map(|node| (node.id.clone(), tape.value(node.z).clone())).collect()));
        sheet.put("gradients", Entry::Named(named(false)));
        let inputs = named(true);
        if !inputs.is_empty() {
            sheet.put("input_gradients", Entry::Named(inputs));
        }
        let non_finite = if sheet.is_finite() {
            None
        } else {
            let found = point.first_non_finite(lowered, self.seeds(), S::is_finite, guard);
            Some(found.map_err(Failure::Stopped)?)
        };
        Ok(sheet.write(self.form, options.encoding, non_finite.as_ref(), request_hash))
    }

    fn seeds<S: Scalar>(&self) -> Vec<(NodeId, Tensor<S>)> {
        let lowered = &self.posed.lowered;
        let seed = |(i, data): &(usize, Vec<f64>)| {
            let z = lowered.nodes[*i].z;
            (z, Tensor::new(lowered.graph.shape(z), data.iter().map(|&x| S::from_f64(x)).collect()))
        };
        self.cotangents.iter().map(seed).collect()
    }
}
