//! What an analysis replies, as JSON Schema.

use serde_json::{Map, Value, json};

use super::{Doc, EXAMPLES};

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn tensors(description: &str) -> Value {
    json!({ "type": "object", "description": description, "additionalProperties": reference("ReplyTensor") })
}

pub(super) const GRADIENTS: Doc = Doc {
    name: "gradients",
    arguments: None,
    arguments_required: false,
    reply: "GradientsReply",
    schemas: || json!({}),
    examples: EXAMPLES,
};

pub(super) const FORWARD: Doc = Doc { name: "forward", reply: "ForwardReply", ..GRADIENTS };

pub(super) const VALIDATE: Doc = Doc { name: "validate", reply: "ValidateReply", ..GRADIENTS };

/// The schemas of replies, by name: those of the first analyses, and what several share.
pub(super) fn schemas() -> Map<String, Value> {
    let forward = json!({
        "loss": { "description": "The objective: weighted and reduced per-sample losses, and penalties.", "allOf": [reference("ReplyNumber")] },
        "losses": { "description": "The unweighted loss of each sample.", "allOf": [reference("ReplyTensor")] },
        "objective": reference("Objective"),
        "outputs": tensors("The nodes that the loss reads and those that nobody reads, with their sample axis."),
        "regularization": { "type": "object", "description": "The penalties' part of the loss and of the gradients; only where there are penalties.", "required": ["loss"],
            "properties": { "loss": reference("ReplyNumber"), "gradients": tensors("The penalties' part of each gradient.") } },
        "trace": { "type": "array", "description": "The nodes in a topological order.", "items": reference("TraceEntry") },
        "non_finite": reference("NonFinite"),
        "meta": reference("Meta"),
    });
    let mut gradients = forward.clone();
    gradients["gradients"] = tensors(
        "The derivative of the loss by each parameter, in the parameter's shape; zero where no path leads to the loss. With `per_sample`, a leading sample axis.",
    );
    gradients["stats"] = json!({ "type": "object", "description": "With `options.stats`: of each parameter, what the gradients g_n of single samples' own losses are like.", "additionalProperties": reference("SampleStats") });
    gradients["certificate"] = json!({ "description": "With `options.certify`.", "allOf": [reference("Certificate")] });
    gradients["input_gradients"] = tensors("The derivative of the loss by each input that was asked for.");
    let all = json!({
        "GradientsReply": { "type": "object", "description": "Loss, outputs, gradients and trace. What was not computed is absent.", "required": ["loss", "losses", "objective", "outputs", "gradients", "meta"], "properties": gradients },
        "ForwardReply": { "type": "object", "description": "As the reply of gradients, without derivatives; without a loss, there is none here.", "required": ["outputs", "meta"], "properties": forward },
        "ValidateReply": {
            "type": "object", "description": "A network's nodes, parameters and price.",
            "required": ["valid", "samples", "inputs", "nodes", "outputs", "parameters", "parameter_count", "cost", "meta"],
            "properties": {
                "valid": { "const": true },
                "samples": { "type": "integer", "minimum": 1, "description": "Samples that the price is for; 1 without a minibatch." },
                "inputs": { "type": "array", "items": { "type": "object", "required": ["name", "shape", "dtype"], "properties": { "name": { "type": "string" }, "shape": reference("Shape"), "dtype": { "type": "string", "enum": ["f64", "i64"] } } } },
                "nodes": { "type": "array", "description": "In a topological order, with the shape of one sample.", "items": { "type": "object", "required": ["id", "op", "inputs", "shape"], "properties": { "id": { "type": "string" }, "op": { "type": "string" }, "inputs": { "type": "array", "items": { "type": "string" } }, "shape": reference("Shape") } } },
                "outputs": { "type": "array", "items": { "type": "string" } },
                "parameters": { "type": "array", "items": { "type": "object", "required": ["name", "shape", "trained"], "properties": { "name": { "type": "string" }, "shape": reference("Shape"), "trained": { "type": "boolean", "description": "False for running statistics, which have no gradient." } } } },
                "parameter_count": { "type": "integer", "minimum": 0 },
                "cost": { "type": "object", "required": ["forward_flops", "backward_flops", "flops", "bytes"], "properties": {
                    "forward_flops": { "type": "integer", "minimum": 0 }, "backward_flops": { "type": "integer", "minimum": 0 },
                    "flops": { "type": "integer", "minimum": 0, "description": "Floating-point operations, both passes." },
                    "bytes": { "type": "integer", "minimum": 0, "description": "Bytes of values and cotangents alive at once." } } },
                "meta": { "type": "object", "required": ["engine", "request_hash"], "properties": { "engine": { "type": "string" }, "request_hash": { "type": "string" } } },
            },
        },
        "ReplyNumber": { "description": "A number as the shortest decimal that reads back the same, or a string where JSON has none.", "anyOf": [{ "type": "number" }, { "type": "string", "enum": ["NaN", "Infinity", "-Infinity"] }] },
        "ReplyTensor": { "description": "A tensor in the encoding that `options.encoding` names.", "anyOf": [reference("ReplyNumber"), { "type": "array" }, reference("FlatTensor"), reference("BinaryTensor")] },
        "Objective": { "type": "object", "description": "What was differentiated, every argument of the loss with its value among it.", "required": ["op", "of", "reduction", "samples", "divisor", "weighted", "formula"],
            "properties": {
                "op": { "type": "string" }, "of": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
                "reduction": { "type": "string", "enum": ["sum", "mean"] }, "samples": { "type": "integer", "minimum": 1 },
                "divisor": { "description": "What the weighted sum over samples is divided by: 1 for a sum.", "allOf": [reference("ReplyNumber")] },
                "weighted": { "type": "boolean", "description": "Whether samples have weights." },
                "formula": { "type": "string", "description": "The loss of one sample." },
            } },
        "TraceEntry": { "type": "object", "description": "One node. `a` and `dE_da` are there only where the node has an activation; cotangents only after a backward pass.", "required": ["id", "op", "inputs", "z"],
            "properties": {
                "id": { "type": "string" }, "op": { "type": "string" }, "inputs": { "type": "array", "items": { "type": "string" } },
                "a": { "description": "Pre-activation.", "allOf": [reference("ReplyTensor")] }, "z": { "description": "Output.", "allOf": [reference("ReplyTensor")] },
                "dE_da": { "description": "Derivative of the loss by a.", "allOf": [reference("ReplyTensor")] }, "dE_dz": { "description": "Derivative of the loss by z.", "allOf": [reference("ReplyTensor")] },
            } },
        "SampleStats": { "type": "object", "required": ["norms", "mean_norm", "variance", "cosine"], "properties": {
            "norms": { "type": "array", "description": "The norm of each g_n.", "items": reference("ReplyNumber") },
            "mean_norm": { "description": "The norm of their mean.", "allOf": [reference("ReplyNumber")] },
            "variance": { "description": "The mean of the squared distances of g_n from their mean.", "allOf": [reference("ReplyNumber")] },
            "cosine": { "type": "array", "description": "Of the angle between g_n and the mean; null where either is 0.", "items": { "anyOf": [reference("ReplyNumber"), { "type": "null" }] } } } },
        "Certificate": { "type": "object", "description": "Correct decimal digits, from 0 to 17, by a run in double-double arithmetic on the same numbers.", "required": ["digits"], "properties": {
            "digits": { "type": "object", "description": "Of the worst number of each gradient.", "additionalProperties": { "type": "number", "minimum": 0, "maximum": 17 } },
            "input_digits": { "type": "object", "description": "Of the worst number of each input's gradient.", "additionalProperties": { "type": "number", "minimum": 0, "maximum": 17 } },
            "worst": { "type": "number", "minimum": 0, "maximum": 17, "description": "The fewest of all." },
            "at": { "type": "object", "description": "Where that is.", "required": ["name", "index", "answered", "certified"], "properties": {
                "name": { "type": "string" }, "index": { "type": "array", "items": { "type": "integer", "minimum": 0 } },
                "answered": reference("ReplyNumber"), "certified": reference("ReplyNumber") } } } },
        "NonFinite": { "type": "object", "description": "Where a number first was not finite; only where one was.", "required": ["first_node", "pass"], "properties": { "first_node": { "type": "string", "description": "A node's id, or \"loss\"." }, "pass": { "type": "string", "enum": ["forward", "backward"] } } },
        "Meta": { "type": "object", "required": ["engine", "dtype", "request_hash"], "properties": {
            "engine": { "type": "string", "examples": ["dedz 0.1.0"] }, "dtype": { "type": "string", "enum": ["f64", "f32"] },
            "request_hash": { "type": "string", "pattern": "^xxh128:[0-9a-f]{32}$", "description": "A name for the request's bytes, to tell requests apart: equal requests have equal names. No proof against somebody who makes two requests of one name on purpose." } } },
        "Line": { "type": "object", "description": "One line of an NDJSON reply.", "required": ["status", "body"], "properties": { "status": { "type": "integer", "minimum": 200, "maximum": 599 }, "body": { "description": "The reply, or the problem document.", "type": "object" } } },
        "Catalogue": { "type": "object", "description": "Every op, layer, loss and optimiser.", "required": ["ops", "layers", "losses", "optimizers"], "properties": {
            "ops": { "type": "array", "items": reference("CatalogueItem") }, "layers": { "type": "array", "items": reference("CatalogueItem") }, "losses": { "type": "array", "items": reference("CatalogueItem") },
            "optimizers": { "type": "array", "items": { "type": "object", "required": ["name", "summary", "formula", "attributes"], "properties": {
                "name": { "type": "string" }, "summary": { "type": "string" }, "formula": { "type": "string" }, "attributes": { "type": "array" } } } } } },
        "CatalogueItem": { "type": "object", "required": ["name", "summary", "formula", "derivative", "attributes", "parameters"], "properties": {
            "name": { "type": "string" }, "summary": { "type": "string" }, "formula": { "type": "string" }, "derivative": { "type": "string" },
            "inputs": { "type": "object", "description": "How many inputs it takes; no max means any number.", "properties": { "min": { "type": "integer" }, "max": { "type": "integer" } } },
            "activation": { "type": "boolean", "description": "Whether a neuron may have it as its activation." },
            "attributes": { "type": "array", "items": { "type": "object", "required": ["name", "type", "required", "description"], "properties": { "name": { "type": "string" }, "type": { "type": "string" }, "values": { "type": "array", "items": { "type": "string" } }, "required": { "type": "boolean" }, "default": {}, "description": { "type": "string" } } } },
            "parameters": { "type": "array", "items": { "type": "object", "required": ["name", "shape", "trained"], "properties": { "name": { "type": "string" }, "shape": { "type": "string" }, "trained": { "type": "boolean" } } } },
            "targets": { "type": "string", "description": "What targets a loss takes; empty for none." } } },
    });
    match all {
        Value::Object(all) => all,
        _ => Map::new(),
    }
}
