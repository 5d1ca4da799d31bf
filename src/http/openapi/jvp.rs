//! What `jvp` takes and replies.

use serde_json::json;

use super::Doc;
use super::reply::{reference, tensors};
use super::request::tangents_argument;

pub(super) const DOC: Doc = Doc {
    name: "jvp",
    arguments: Some(tangents_argument),
    arguments_required: true,
    reply: "JvpReply",
    schemas: || {
        json!({
            "JvpReply": { "type": "object", "description": "Values and their tangents.", "required": ["outputs", "output_tangents", "meta"],
                "properties": {
                    "loss": { "description": "The objective.", "allOf": [reference("ReplyNumber")] },
                    "loss_tangent": { "description": "The derivative of the objective along the tangents.", "allOf": [reference("ReplyNumber")] },
                    "objective": reference("Objective"),
                    "outputs": tensors("The outputs, with their sample axis."),
                    "output_tangents": tensors("The derivative of each output along the tangents."),
                    "non_finite": reference("NonFinite"),
                    "meta": reference("Meta"),
                } },
        })
    },
    examples: &[
        ("lecture", "the lecture's network, one weight moving", include_str!("../../../openapi/examples/jvp/lecture.json")),
        ("layers", "layers, a weight and the input moving together", include_str!("../../../openapi/examples/jvp/layers.json")),
    ],
};
