//! What is documented of `flow`: its arguments, its reply, its examples.

use serde_json::{Value, json};

use super::reply::reference;
use super::{Doc, Example};

pub(super) const FLOW: Doc =
    Doc { name: "flow", arguments: Some(arguments), arguments_required: false, reply: "FlowReply", schemas, examples: EXAMPLES };

const EXAMPLES: &[Example] = &[
    ("lecture", "the lecture's network", include_str!("../../../openapi/examples/lecture.json")),
    ("vanishing", "twelve tanh layers with small weights", include_str!("../../../openapi/examples/flow/vanishing.json")),
    ("residual", "the same with residual edges", include_str!("../../../openapi/examples/flow/residual.json")),
];

fn arguments() -> Value {
    json!({
        "type": ["object", "null"], "additionalProperties": false,
        "description": "What the flow is measured with.",
        "properties": { "lr": { "type": ["number", "null"], "minimum": 0, "default": 0.001, "description": "The learning rate of `update_to_weight_ratio`; PyTorch's default." } },
    })
}

fn schemas() -> Value {
    let share = |description: &str| json!({ "type": "number", "minimum": 0, "maximum": 1, "description": description });
    let size = |description: &str| json!({ "description": description, "allOf": [reference("ReplyNumber")] });
    json!({
        "FlowReply": {
            "type": "object", "description": "How the gradient fares on its way down.",
            "required": ["verdict", "evidence", "suggestions", "layers", "lr", "meta"],
            "properties": {
                "verdict": { "type": "string", "enum": ["healthy", "vanishing", "exploding", "dead", "saturated"] },
                "spread": size("The largest gradient_rms over the smallest; absent where all are 0."),
                "evidence": { "type": "array", "items": { "type": "string" } },
                "suggestions": { "type": "array", "items": { "type": "string" } },
                "layers": { "type": "array", "description": "From the output to the input.", "items": reference("FlowLayer") },
                "lr": { "type": "number" },
                "meta": reference("Meta"),
            },
        },
        "FlowLayer": {
            "type": "object", "required": ["id", "op", "depth", "gradient_rms"], "description": "What does not apply is absent.",
            "properties": {
                "id": { "type": "string", "description": "The node's id; of neurons of one depth, all or the first of theirs." },
                "op": { "type": "string" },
                "nodes": { "type": "array", "items": { "type": "string" }, "description": "The neurons, where there are several." },
                "depth": { "type": "integer", "minimum": 1, "description": "Nodes on the longest way from an input, this one counted." },
                "gradient_rms": size("Root mean square of dE/dz over samples and entries."),
                "local_gain": size("Root mean square of what the layer hands down to what it reads, over gradient_rms."),
                "saturated_fraction": share("Elements whose slope is at most 5% of the activation's largest."),
                "dead_fraction": share("ReLU units that are off for every sample."),
                "weight_gradient_rms": size("Root mean square of dE/dw over the layer's weights, biases left out."),
                "update_to_weight_ratio": size("lr times the norm of that gradient, over the norm of the weights."),
            },
        },
    })
}
