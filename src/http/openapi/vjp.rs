//! What `vjp` takes and replies.

use serde_json::json;

use super::Doc;
use super::reply::{reference, tensors};
use super::request::closed;

pub(super) const DOC: Doc = Doc {
    name: "vjp",
    arguments: Some(|| {
        closed(
            "What is pulled back.",
            &["cotangents"],
            json!({ "cotangents": { "type": "object", "minProperties": 1, "description": "Cotangents of nodes, by id, each in the node's shape with its sample axis.", "additionalProperties": reference("Tensor") } }),
        )
    }),
    arguments_required: true,
    reply: "VjpReply",
    schemas: || {
        json!({
            "VjpReply": { "type": "object", "description": "The outputs, and the cotangents of parameters and inputs.", "required": ["outputs", "gradients", "meta"],
                "properties": {
                    "outputs": tensors("The outputs, with their sample axis."),
                    "gradients": tensors("The cotangent of each parameter."),
                    "input_gradients": tensors("The cotangent of each input."),
                    "non_finite": reference("NonFinite"),
                    "meta": reference("Meta"),
                } },
        })
    },
    examples: &[
        (
            "lecture",
            "the lecture's dE/dz of the outputs, pulled back: its gradients",
            include_str!("../../../openapi/examples/vjp/lecture.json"),
        ),
        ("layers", "cotangents of a hidden and of an output layer", include_str!("../../../openapi/examples/vjp/layers.json")),
    ],
};
