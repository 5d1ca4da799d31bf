//! What a client writes, as JSON Schema. Ops, layers and losses come from the catalogue, by whose tables requests are read.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::analysis::catalog::{self, Item};
use crate::lower::layers::Activation;
use crate::ops::attributes::{Attribute, Default, Kind};

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object of these members, and no others.
pub(super) fn closed(description: &str, required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "description": description, "required": required, "properties": properties, "additionalProperties": false })
}

/// The argument of the questions about what moves along tangents.
pub(super) fn tangents_argument() -> Value {
    closed(
        "What moves.",
        &["tangents"],
        json!({ "tangents": { "type": "object", "minProperties": 1, "description": "How parameters and inputs move, by name, each in its own shape (an input's with its sample axis); what is not named stands still.", "additionalProperties": reference("Tensor") } }),
    )
}

/// The schemas of requests, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    let mut put = |name: &str, schema: Value| schemas.insert(name.to_owned(), schema);
    put(
        "Problem",
        closed(
            "A network, its parameters, a minibatch and a loss: what every analysis asks about.",
            &["network"],
            json!({
                "network": { "description": "The network, or the name of a stored one.", "anyOf": [reference("Network"), reference("NetworkRef")] },
                "parameters": { "type": "object", "description": "Values of the parameters that are not written inline (of a stored network: those that are to have other values than the stored ones), by canonical name (`z7->z5`, `z5.bias`, `fc1.weight`) or by the name that nodes share.", "additionalProperties": reference("ParameterValue") },
                "batch": reference("Batch"),
                "loss": reference("Loss"),
                "regularization": { "type": "array", "description": "Penalties on parameters, part of the loss and reported apart.", "items": reference("Penalty") },
                "options": reference("Options"),
            }),
        ),
    );
    put(
        "Network",
        json!({
            "type": "object",
            "description": "Neurons, ops and layers in any acyclic wiring (`nodes`), or layers in sequence (`layers`).",
            "required": ["inputs"],
            "oneOf": [{ "required": ["nodes"] }, { "required": ["layers"] }],
            "properties": {
                "inputs": reference("Inputs"),
                "nodes": { "type": "array", "minItems": 1, "description": "Nodes, in any order.", "items": reference("Node") },
                "layers": { "type": "array", "minItems": 1, "description": "Layers in sequence: `inputs` left out is the one before (the network's only input for the first), `id` left out is \"0\", \"1\", …", "items": reference("Layer") },
            },
            "additionalProperties": false,
        }),
    );
    put(
        "Inputs",
        json!({
            "description": "The network's inputs: a list of names, each one number per sample, or a map from name to the shape of one sample.",
            "examples": [["x1", "x2"], { "image": [1, 28, 28] }, { "tokens": { "shape": [32], "dtype": "i64" } }],
            "oneOf": [
                { "type": "array", "items": reference("Id") },
                { "type": "object", "additionalProperties": { "oneOf": [
                    reference("Shape"),
                    closed("An input with its element type.", &["shape"], json!({
                        "shape": reference("Shape"),
                        "dtype": { "type": "string", "enum": ["f64", "f32", "i64"], "default": "f64", "description": "`i64` for token indices, which have no gradient." },
                    })),
                ] } },
            ],
        }),
    );
    put(
        "Id",
        json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,63}$", "description": "The name of a node or input." }),
    );
    put(
        "Shape",
        json!({ "type": "array", "items": { "type": "integer", "minimum": 0 }, "maxItems": 8, "description": "Sizes of the axes." }),
    );
    put(
        "Node",
        json!({ "description": "A neuron, op or layer of a wired network.", "allOf": [reference("Layer"), { "type": "object", "required": ["id", "inputs"] }] }),
    );

    let items: Vec<Item> = catalog::ops().chain(catalog::layers()).collect();
    let name_of = |item: &Item| format!("op_{}", item.name);
    let mapping: Map<String, Value> =
        items.iter().map(|item| (item.name.to_owned(), json!(format!("#/components/schemas/{}", name_of(item))))).collect();
    put(
        "Layer",
        json!({
            "description": "A neuron, op or layer, told apart by `op`.",
            "oneOf": items.iter().map(|item| reference(&name_of(item))).collect::<Vec<_>>(),
            "discriminator": { "propertyName": "op", "mapping": mapping },
        }),
    );
    for item in &items {
        let schema = if item.name == "neuron" { neuron() } else { node(item) };
        put(&name_of(item), schema);
    }
    let elementwise: Vec<_> = items.iter().filter(|item| item.elementwise).map(|item| item.name).collect();
    put(
        "Activation",
        json!({
            "description": "The function that follows: an op's name, or an object with its attributes. Layers also take softmax and log_softmax.",
            "examples": ["tanh", { "op": "leaky_relu", "negative_slope": 0.2 }],
            "oneOf": [
                { "type": "string", "enum": elementwise.iter().copied().chain(["softmax", "log_softmax"]).collect::<Vec<_>>() },
                { "type": "object", "required": ["op"], "properties": { "op": { "type": "string" } } },
            ],
        }),
    );
    put(
        "Batch",
        closed(
            "The minibatch.",
            &["inputs"],
            json!({
                "inputs": { "description": "A map from input name to tensor with leading sample axis N; or one tensor: the only input's, or [N, inputs] for several inputs of one number each, in declared order.",
                    "anyOf": [reference("Tensor"), { "type": "object", "additionalProperties": reference("Tensor") }] },
                "targets": { "description": "What the loss asks for: class indices [N], one-hot or soft labels [N, C], values [N, ...].", "allOf": [reference("Tensor")] },
                "weights": { "description": "One weight per sample, at least 0; a mean divides by their sum.", "allOf": [reference("Tensor")] },
            }),
        ),
    );
    put(
        "Penalty",
        closed(
            "factor * l2 * sum of squares, or factor * l1 * sum of absolute values, over the parameters that match.",
            &[],
            json!({
                "l1": { "type": "number", "description": "Strength of the sum of absolute values." },
                "l2": { "type": "number", "description": "Strength of the sum of squares." },
                "factor": { "type": "number", "default": 1, "description": "Textbooks that write 1/2 give 0.5." },
                "parameters": { "description": "Names of parameters, with * for any characters.", "default": ["*"], "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
            }),
        ),
    );
    put(
        "Options",
        closed(
            "How to run and what to answer.",
            &[],
            json!({
                "dtype": { "type": "string", "enum": ["f64", "f32"], "default": "f64", "description": "The number type of the run." },
                "trace": { "default": true, "description": "Which nodes the trace shows: all, none, or those named.", "anyOf": [{ "type": "boolean" }, { "type": "array", "items": { "type": "string" } }] },
                "wrt": { "description": "Whose gradients: names of parameters or inputs, with * for any characters; \"inputs\" adds all inputs. Every parameter where left out.", "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
                "per_sample": { "type": "boolean", "default": false, "description": "Gradients of each sample's own loss, with a leading sample axis." },
                "stats": { "type": "boolean", "default": false, "description": "Of gradients: adds `stats`, what the gradients of single samples are like (norms, variance, cosine to their mean), without holding them all. They are of each sample's own loss, as with `per_sample`." },
                "certify": { "type": "boolean", "default": false, "description": "Of gradients: repeats the run in double-double arithmetic (32 digits) and adds `certificate`, the correct decimal digits of each gradient." },
                "encoding": { "type": "string", "enum": ["nested", "flat", "base64"], "default": "nested", "description": "How the reply writes tensors." },
                "allow_non_finite": { "type": "boolean", "default": false, "description": "Whether \"NaN\", \"Infinity\" and \"-Infinity\" are numbers in the request." },
            }),
        ),
    );
    put(
        "Tensor",
        json!({
            "description": "A number; nested arrays of numbers; `{shape, data}` with flat row-major data; or `{shape, dtype, base64}`, little-endian.",
            "examples": [0.5, [[1, 2], [3, 4]], { "shape": [2, 2], "data": [1, 2, 3, 4] }, { "shape": [1], "dtype": "f64", "base64": "AAAAAAAA8D8=" }],
            "anyOf": [
                { "type": "number" },
                { "type": "array", "description": "Numbers, or arrays of one length, down to numbers." },
                { "type": "string", "enum": ["NaN", "Infinity", "-Infinity"] },
                reference("FlatTensor"),
                reference("BinaryTensor"),
            ],
        }),
    );
    put(
        "FlatTensor",
        closed(
            "Row-major numbers with their shape.",
            &["shape", "data"],
            json!({ "shape": reference("Shape"), "data": { "type": "array" } }),
        ),
    );
    put(
        "BinaryTensor",
        closed(
            "Little-endian numbers in base64 (standard alphabet, padded).",
            &["shape", "base64"],
            json!({
                "shape": reference("Shape"),
                "dtype": { "type": "string", "enum": ["f64", "f32", "i64", "i32"], "default": "f64" },
                "base64": { "type": "string", "contentEncoding": "base64" },
            }),
        ),
    );
    put("ParameterValue", json!({ "anyOf": [reference("Tensor"), reference("Initialiser")] }));
    put(
        "Initialiser",
        closed(
            "One of PyTorch's initialisers over the documented generator, version 1.",
            &["init"],
            json!({
                "init": { "type": "string", "enum": crate::lower::random::names().collect::<Vec<_>>(), "description": "PyTorch's name without the underscore at its end." },
                "seed": { "description": "A whole number from 0 to 2^64-1, or any string; the parameter's name is part of the stream.", "default": 0, "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] },
                "gain": { "type": "number" }, "a": { "type": "number" }, "b": { "type": "number" }, "mean": { "type": "number" },
                "std": { "type": "number" }, "val": { "type": "number" },
                "mode": { "type": "string", "enum": ["fan_in", "fan_out"] },
                "nonlinearity": { "type": "string" },
            }),
        ),
    );
    let losses: Vec<Item> = catalog::losses().collect();
    let mapping: Map<String, Value> =
        losses.iter().map(|item| (item.name.to_owned(), json!(format!("#/components/schemas/loss_{}", item.name)))).collect();
    put(
        "Loss",
        json!({
            "description": "What is differentiated, told apart by `op`.",
            "oneOf": losses.iter().map(|item| reference(&format!("loss_{}", item.name))).collect::<Vec<_>>(),
            "discriminator": { "propertyName": "op", "mapping": mapping },
        }),
    );
    for item in &losses {
        let mut properties = Map::new();
        properties.insert("op".into(), json!({ "const": item.name }));
        properties.insert("of".into(), json!({ "description": "A node, or a list of nodes of one number per sample, stacked to [N, C].", "anyOf": [{ "type": "string" }, { "type": "array", "minItems": 1, "items": { "type": "string" } }] }));
        properties.insert("reduction".into(), json!({ "type": "string", "enum": ["sum", "mean"], "default": "sum", "description": "How the samples' losses become one number." }));
        properties.extend(item.attributes.iter().map(|a| (a.name.to_owned(), attribute(a))));
        let targets = item.targets.filter(|targets| !targets.is_empty()).map_or_else(|| "none".to_owned(), str::to_owned);
        let description = format!("{}. {}. {}. Targets: {targets}.", item.summary, item.formula, item.derivative);
        put(&format!("loss_{}", item.name), closed(&description, &required(item, &["op", "of"]), Value::Object(properties)));
    }
    schemas
}

fn required<'i>(item: &Item, more: &[&'i str]) -> Vec<&'i str>
where
    'static: 'i,
{
    let needed = item.attributes.iter().filter(|a| a.default == Default::Required).map(|a| a.name);
    more.iter().copied().chain(needed).collect()
}

fn neuron() -> Value {
    let weight = json!({ "type": ["number", "string", "null"] });
    closed(
        "The lecture's unit. a = bias + sum_j w_j z_j, z = activation(a). dE/dz_j gets w_j dE/da, dE/dw_j gets dE/da z_j.",
        &["op", "inputs"],
        json!({
            "id": reference("Id"),
            "op": { "const": "neuron" },
            "inputs": { "type": "object", "minProperties": 1, "additionalProperties": weight, "description": "Each source with its weight: a number, the name of an entry of `parameters` (naming one twice shares it), or null (to be found in `parameters` as `source->id`)." },
            "bias": { "type": ["number", "string", "null", "boolean"], "description": "As a weight; none where left out." },
            "activation": reference("Activation"),
        }),
    )
}

fn node(item: &Item) -> Value {
    let mut properties = Map::new();
    properties.insert("id".into(), reference("Id"));
    properties.insert("op".into(), json!({ "const": item.name }));
    properties.insert(
        "inputs".into(),
        json!({
            "description": "What it reads: nodes, inputs, entries of `parameters`, or constants.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": ["string", "number"] } }],
        }),
    );
    match item.takes {
        Activation::After => drop(properties.insert("activation".into(), reference("Activation"))),
        Activation::Within => {
            let within = json!({ "description": "The elementwise function within, PyTorch's argument; relu where left out.", "allOf": [reference("Activation")] });
            properties.insert("activation".into(), within);
        }
        Activation::Refused => {}
    }
    properties.extend(item.attributes.iter().map(|a| (a.name.to_owned(), attribute(a))));
    let mut patterns = Map::new();
    for parameter in item.parameters {
        let value = json!({ "description": format!("The parameter itself, shape {}; or the name of a shared entry of `parameters`; null or left out: in `parameters` as `id.{}`.", parameter.shape, parameter.name),
            "anyOf": [reference("ParameterValue"), { "type": ["string", "null"] }] });
        let value = match properties.get(parameter.name) {
            Some(flag) => {
                json!({ "description": flag["description"], "default": flag["default"], "anyOf": [{ "type": "boolean" }, value] })
            }
            None => value,
        };
        match parameter.name.split_once("{k}") {
            Some((before, after)) => drop(patterns.insert(format!("^{before}(0|[1-9][0-9]*){after}$"), value)),
            None => drop(properties.insert(parameter.name.to_owned(), value)),
        }
    }
    let mut description = format!("{}. {}. {}.", item.summary, item.formula, item.derivative);
    for output in item.outputs {
        let _ =
            write!(description, " Others may name its output `<id>.{}`, of shape {} for each sample.", output.name, output.shape);
    }
    let mut schema = closed(&description, &required(item, &["op"]), Value::Object(properties));
    if !patterns.is_empty() {
        schema["patternProperties"] = Value::Object(patterns);
    }
    schema
}

pub(super) fn attribute(attribute: &Attribute) -> Value {
    let whole = json!({ "type": "integer" });
    let many = json!({ "anyOf": [whole, { "type": "array", "items": whole }] });
    let mut schema = match attribute.kind {
        Kind::Number => json!({ "type": "number" }),
        Kind::Numbers(count) => {
            json!({ "type": "array", "minItems": count, "maxItems": count, "items": { "type": "number" } })
        }
        Kind::Integer => whole,
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Integers => many,
        Kind::IntegersOrWord(words) => json!({ "anyOf": [many, { "type": "string", "enum": words }] }),
        Kind::Tensor | Kind::Mask => json!({ "anyOf": [reference("Tensor")] }),
        Kind::MaskOrInput => json!({ "anyOf": [reference("Tensor"), { "type": "string" }] }),
        Kind::Seed => json!({ "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] }),
    };
    let default = match attribute.default {
        Default::Required => None,
        Default::Absent => {
            schema = json!({ "anyOf": [schema, { "type": "null" }] });
            None
        }
        Default::Number(x) => Some(json!(x)),
        Default::Integer(n) => Some(json!(n)),
        Default::Boolean(truth) => Some(json!(truth)),
        Default::Word(word) => Some(json!(word)),
        Default::Integers(&[n]) => Some(json!(n)),
        Default::Integers(list) => Some(json!(list)),
        Default::Numbers(list) => Some(json!(list)),
    };
    if let Some(default) = default {
        schema["default"] = default;
    }
    schema["description"] = json!(attribute.doc);
    schema
}
