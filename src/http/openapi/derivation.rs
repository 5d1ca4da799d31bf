//! What is documented of `derivation`: its arguments, its reply, its examples.

use serde_json::{Value, json};

use super::reply::reference;
use super::{Doc, Example};

pub(super) const DERIVATION: Doc = Doc {
    name: "derivation",
    arguments: Some(arguments),
    arguments_required: true,
    reply: "DerivationReply",
    schemas,
    examples: EXAMPLES,
};

const EXAMPLES: &[Example] = &[
    (
        "lecture_w57",
        "the lecture's net: dE/dw of the weight from z7 to z5, first sample",
        include_str!("../../../openapi/examples/derivation/lecture_w57.json"),
    ),
    (
        "flow_pattern",
        "the lecture's diamond z5, z4, z2 and z3, z1, top down",
        include_str!("../../../openapi/examples/derivation/flow_pattern.json"),
    ),
    (
        "shared_bias",
        "Mazur's net: a bias that two neurons share",
        include_str!("../../../openapi/examples/derivation/shared_bias.json"),
    ),
    (
        "layer_entry",
        "an entry of a layer's weight, summed over the batch",
        include_str!("../../../openapi/examples/derivation/layer_entry.json"),
    ),
];

fn arguments() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["of"],
        "description": "What is derived, and how it is written.",
        "properties": {
            "of": { "type": "string", "description": "An edge (`z7->z5`), a bias (`z5.bias`), an entry of a parameter (`fc1.weight[3,7]`), or a node (`z5`, `fc1[3]`) or input for dE/dz." },
            "order": { "type": ["string", "null"], "enum": ["bottom_up", "top_down", null], "default": "bottom_up", "description": "`bottom_up`: by hand, visiting only nodes that receive input from the target. `top_down`: backprop's, from the loss down to the target's depth." },
            "sample": { "type": ["integer", "null"], "minimum": 0, "default": null, "description": "One sample, from 0; null sums over the batch. The samples' derivatives add up to the whole." },
            "index_order": { "type": ["string", "null"], "enum": ["target_first", "source_first", null], "default": "target_first", "description": "Which index of a weight comes first in LaTeX: `target_first` writes w_{5,7} for the weight from 7 to 5, `source_first` w_{7,5}. Concerns edges and weights of two axes." },
        },
    })
}

fn schemas() -> Value {
    let numbers = |description: &str| json!({ "description": format!("{description}: one number where one sample was picked or an op mixes samples, else one a sample."), "anyOf": [reference("ReplyNumber"), { "type": "array", "items": reference("ReplyNumber") }] });
    json!({
        "DerivationReply": {
            "type": "object",
            "description": "One derivative, by paths and by steps.",
            "required": ["of", "order", "value", "steps", "paths", "path_count", "paths_truncated", "text", "latex", "skipped", "multiplications", "meta"],
            "properties": {
                "of": { "type": "string" },
                "order": { "type": "string", "enum": ["bottom_up", "top_down"] },
                "value": { "description": "The derivative, summed over the samples asked for; it is that of gradients.", "allOf": [reference("ReplyNumber")] },
                "steps": { "type": "array", "description": "In the order asked for; the target's own step comes first (bottom_up) or last (top_down).", "items": reference("DerivationStep") },
                "paths": { "type": "array", "items": { "type": "object", "required": ["nodes", "factors", "product"], "properties": {
                    "nodes": { "type": "array", "description": "From the node that the loss reads down; `regularization` alone for the penalties' part.", "items": { "type": "string" } },
                    "factors": { "type": "array", "description": "The derivative of E by the first node, of each node by the next, and of the last by the target where that is a parameter.", "items": numbers("A local derivative") },
                    "product": { "description": "The factors' product, summed over the samples. Over all paths the products add up to the value.", "allOf": [reference("ReplyNumber")] } } } },
                "path_count": { "type": "string", "pattern": "^[0-9]+$", "description": "How many paths there are, exactly." },
                "paths_truncated": { "type": "boolean", "description": "Whether there are more paths than are written out: at most 1000, of 20000 factors together." },
                "text": { "type": "string", "description": "The sum over paths in plain text." },
                "latex": { "type": "string", "description": "The sum over paths in LaTeX." },
                "skipped": { "type": "array", "description": "Nodes, or entries of nodes, that lie on no path: what the order by hand never visits.", "items": { "type": "string" } },
                "multiplications": { "type": "object", "required": ["by_paths", "with_reuse"], "description": "Multiplications of one sample.", "properties": {
                    "by_paths": { "type": "string", "pattern": "^[0-9]+$", "description": "If every path is multiplied out by itself." },
                    "with_reuse": { "type": "integer", "minimum": 0, "description": "If each dE/dz is computed once." } } },
                "non_finite": reference("NonFinite"),
                "meta": reference("Meta"),
            },
        },
        "DerivationStep": {
            "type": "object", "required": ["node", "text", "latex", "terms", "value"],
            "description": "The derivative of E by one node, or by the target, as a sum over what reads it.",
            "properties": {
                "node": { "type": "string" }, "text": { "type": "string" }, "latex": { "type": "string" },
                "terms": { "type": "array", "items": { "type": "object", "required": ["through", "dE_dz", "local", "product"], "properties": {
                    "through": { "type": "string", "description": "The reader; `E` is the loss itself, `regularization` the penalties." },
                    "dE_dz": numbers("The derivative of E by the reader"), "local": numbers("The derivative of the reader"), "product": numbers("Their product"),
                    "local_text": { "type": "string", "description": "A neuron's local derivative written out: its activation's slope times a weight or a value. Absent for other nodes and for weights under shared names." }, "local_latex": { "type": "string" } } } },
                "value": numbers("The sum of the products; of a parameter, summed over the samples too"),
            },
        },
    })
}
