//! What `hvp` takes and replies.

use serde_json::json;

use super::Doc;
use super::reply::{reference, tensors};
use super::request::tangents_argument;

pub(super) const DOC: Doc = Doc {
    name: "hvp",
    arguments: Some(tangents_argument),
    arguments_required: true,
    reply: "HvpReply",
    schemas: || {
        json!({
            "HvpReply": { "type": "object", "description": "The gradient, and how it moves.", "required": ["loss", "objective", "gradients", "hvp", "meta"],
                "properties": {
                    "loss": { "description": "The objective.", "allOf": [reference("ReplyNumber")] },
                    "objective": reference("Objective"),
                    "gradients": tensors("The gradient of each parameter that options.wrt chooses."),
                    "input_gradients": tensors("The gradient of each input that options.wrt chooses."),
                    "hvp": tensors("The derivative along the tangents of each of those gradients."),
                    "non_finite": reference("NonFinite"),
                    "meta": reference("Meta"),
                } },
        })
    },
    examples: &[
        ("lecture", "the lecture's network, one weight moving", include_str!("../../../openapi/examples/hvp/lecture.json")),
        ("layers", "layers, a weight matrix moving", include_str!("../../../openapi/examples/hvp/layers.json")),
    ],
};
