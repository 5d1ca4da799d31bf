//! What `jacobian` takes and replies.

use serde_json::json;

use super::Doc;
use super::reply::{reference, tensors};
use super::request::closed;

pub(super) const DOC: Doc = Doc {
    name: "jacobian",
    arguments: Some(|| {
        closed(
            "What is differentiated by what.",
            &["of"],
            json!({
                "of": { "type": "string", "description": "A node." },
                "wrt": { "description": "Parameters and inputs, with * for any characters; \"inputs\" stands for all inputs. Every parameter where left out.", "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
                "mode": { "type": "string", "enum": ["forward", "reverse"], "description": "From which end the chain rule is multiplied; the cheaper where left out." },
            }),
        )
    }),
    arguments_required: true,
    reply: "JacobianReply",
    schemas: || {
        json!({
            "JacobianReply": { "type": "object", "description": "The Jacobian, a tensor [N, ...of, ...wrt] for each parameter and input.", "required": ["mode", "jacobian", "meta"],
                "properties": {
                    "mode": { "type": "string", "enum": ["forward", "reverse"], "description": "From which end the chain rule was multiplied." },
                    "jacobian": tensors("[N, ...of, ...wrt]."),
                    "non_finite": reference("NonFinite"),
                    "meta": reference("Meta"),
                } },
        })
    },
    examples: &[
        ("mixed", "a layer by its input and its weight", include_str!("../../../openapi/examples/jacobian/mixed.json")),
        (
            "forward_mode",
            "the same, multiplied from the inputs on",
            include_str!("../../../openapi/examples/jacobian/forward_mode.json"),
        ),
    ],
};
