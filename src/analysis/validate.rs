//! No run: the nodes in order with their shapes, the parameters that the network has, what a run would cost.

use super::run::Job;
use super::{Analysis, Cost, ENGINE, Failure, Form, Guard, Posed, Prepared, Reply, pose};
use crate::lower::{Lowered, Need};
use crate::spec::problem::{Options, Precision};
use crate::spec::write::Writer;

struct Ready {
    job: Job,
    options: Options,
    request_hash: String,
}

/// `POST /v1/validate`.
pub const VALIDATE: Analysis = Analysis {
    name: "validate",
    summary: "Nodes in order with inferred shapes, parameter names and shapes, and the cost, without a run.",
    description: "Nothing is computed: use it to check a network while it is being written, or to price a request.",
    forms: &[Form::Json],
    prepare: |request, _, limits| {
        let (posed, ()) = pose(request, None, Need::Shapes, limits, |_, _, _| Some(()))?;
        let Posed { lowered, selection, options, request_hash, .. } = posed;
        Ok(Box::new(Ready { job: Job::new(lowered, selection, true), options, request_hash }))
    },
};

impl Prepared for Ready {
    fn cost(&self) -> Cost {
        Cost::default()
    }

    fn run(self: Box<Self>, _: Guard<'_>) -> Result<Reply, Failure> {
        let (lowered, plan) = (&self.job.lowered, &self.job.plan);
        let width = match self.options.dtype {
            Precision::F64 => 8,
            Precision::F32 => 4,
        };
        let mut w = Writer::new();
        w.object(|w| {
            w.key("valid").boolean(true);
            w.key("samples").integer(lowered.samples as u64);
            inputs(w.key("inputs"), lowered);
            w.key("nodes").array(|w| {
                for node in &lowered.nodes {
                    w.object(|w| {
                        w.key("id").string(&node.id);
                        w.key("op").string(&node.op);
                        w.key("inputs").strings(node.inputs.iter().map(String::as_str));
                        w.key("shape").sizes(lowered.graph.shape(node.z).sample_dims());
                    });
                }
            });
            w.key("outputs").strings(lowered.outputs.iter().map(|&i| lowered.nodes[i].id.as_str()));
            w.key("parameters").array(|w| {
                for parameter in &lowered.parameters {
                    w.object(|w| {
                        w.key("name").string(&parameter.name);
                        w.key("shape").sizes(parameter.shape.dims());
                        w.key("trained").boolean(parameter.trained);
                    });
                }
            });
            let count = lowered.parameters.iter().map(|parameter| parameter.shape.size() as u64).sum();
            w.key("parameter_count").integer(count);
            let bytes = plan.peak_elements().saturating_mul(width);
            cost(w.key("cost"), [plan.forward_flops(), plan.backward_flops(), bytes]);
            w.key("meta").object(|w| {
                w.key("engine").string(ENGINE);
                w.key("request_hash").string(&self.request_hash);
            });
        });
        Ok(Reply { content_type: "application/json", body: w.into_bytes() })
    }
}

/// The inputs that a network declares.
pub(super) fn inputs(w: &mut Writer, lowered: &Lowered) {
    w.array(|w| {
        for input in &lowered.inputs {
            w.object(|w| {
                w.key("name").string(&input.name);
                w.key("shape").sizes(lowered.graph.shape(input.leaf).sample_dims());
                w.key("dtype").string(if input.real { "f64" } else { "i64" });
            });
        }
    });
}

/// What a run would cost: floating-point operations forward and backward, and bytes.
pub(super) fn cost(w: &mut Writer, [forward, backward, bytes]: [u64; 3]) {
    w.object(|w| {
        w.key("forward_flops").integer(forward);
        w.key("backward_flops").integer(backward);
        w.key("flops").integer(forward.saturating_add(backward));
        w.key("bytes").integer(bytes);
    });
}
