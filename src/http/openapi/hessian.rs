//! What `hessian` takes and replies.

use serde_json::json;

use super::Doc;
use super::reply::reference;
use super::request::closed;

pub(super) const DOC: Doc = Doc {
    name: "hessian",
    arguments: Some(|| {
        closed(
            "Second derivatives by what.",
            &[],
            json!({ "wrt": { "description": "Parameters and inputs, with * for any characters; \"inputs\" stands for all inputs. Every parameter where left out.", "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] } }),
        )
    }),
    arguments_required: false,
    reply: "HessianReply",
    schemas: || {
        json!({
            "HessianReply": { "type": "object", "description": "The matrix of second derivatives.", "required": ["loss", "objective", "parameters", "hessian", "meta"],
                "properties": {
                    "loss": { "description": "The objective.", "allOf": [reference("ReplyNumber")] },
                    "objective": reference("Objective"),
                    "parameters": { "type": "array", "description": "Names and numbers of elements, in the order of rows and columns.", "items": { "type": "array", "prefixItems": [{ "type": "string" }, { "type": "integer", "minimum": 0 }], "minItems": 2, "maxItems": 2 } },
                    "hessian": { "description": "[P, P].", "allOf": [reference("ReplyTensor")] },
                    "non_finite": reference("NonFinite"),
                    "meta": reference("Meta"),
                } },
        })
    },
    examples: &[
        ("mazur", "Mazur's network, all ten parameters", include_str!("../../../openapi/examples/hessian/mazur.json")),
        ("layers", "one weight matrix of a layered network", include_str!("../../../openapi/examples/hessian/layers.json")),
    ],
};
