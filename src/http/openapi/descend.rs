//! What `descend` is told and what it replies, as JSON Schema. Optimisers and arguments are read off the tables that requests are
//! read by.

use serde_json::{Map, Value, json};

use super::Doc;
use super::reply::{reference, tensors};
use super::request::attribute;
use crate::analysis::DESCEND_ARGUMENTS;
use crate::ops::attributes::Default;
use crate::optim;

pub(super) const DESCEND: Doc = Doc {
    name: "descend",
    arguments: Some(|| reference("Descend")),
    arguments_required: true,
    reply: "DescendReply",
    schemas,
    examples: &[
        (
            "mazur_one_step",
            "Mazur's network, one step with frozen biases",
            include_str!("../../../openapi/examples/descend/mazur_one_step.json"),
        ),
        ("mazur", "Mazur's network, 10,000 steps", include_str!("../../../openapi/examples/descend/mazur.json")),
        (
            "lecture_adam",
            "the lecture's network, Adam over shuffled minibatches",
            include_str!("../../../openapi/examples/descend/lecture_adam.json"),
        ),
    ],
};

fn schemas() -> Value {
    let names: Vec<_> = optim::CATALOG.iter().map(|entry| entry.name).collect();
    let mapping: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!(format!("#/components/schemas/optimizer_{name}")))).collect();
    let mut all = Map::new();
    all.insert("Descend".to_owned(), arguments());
    all.insert(
        "Optimizer".to_owned(),
        json!({
            "description": "One of PyTorch's optimisers, told apart by `op`.",
            "oneOf": names.iter().map(|name| reference(&format!("optimizer_{name}"))).collect::<Vec<_>>(),
            "discriminator": { "propertyName": "op", "mapping": mapping },
        }),
    );
    for entry in optim::CATALOG {
        let mut properties = Map::new();
        properties.insert("op".to_owned(), json!({ "const": entry.name }));
        properties.extend(entry.attributes.iter().map(|one| (one.name.to_owned(), attribute(one))));
        all.insert(
            format!("optimizer_{}", entry.name),
            json!({
                "type": "object", "description": format!("{}. {}.", entry.summary, entry.formula),
                "required": ["op"], "properties": properties, "additionalProperties": false,
            }),
        );
    }
    all.insert("DescendReply".to_owned(), reply());
    all.insert("StepEvent".to_owned(), event());
    Value::Object(all)
}

fn arguments() -> Value {
    let mut properties = Map::new();
    for one in DESCEND_ARGUMENTS {
        let mut schema = attribute(one);
        match one.name {
            "steps" | "report_every" => schema["minimum"] = json!(1),
            "shuffle_seed" => schema["default"] = json!(0),
            _ => {}
        }
        properties.insert(one.name.to_owned(), schema);
    }
    properties.insert("optimizer".to_owned(), reference("Optimizer"));
    let required = DESCEND_ARGUMENTS.iter().filter(|one| one.default == Default::Required).map(|one| one.name);
    json!({
        "type": "object", "description": "How to train.", "required": required.chain(["optimizer"]).collect::<Vec<_>>(),
        "properties": properties, "additionalProperties": false,
    })
}

fn reply() -> Value {
    json!({
        "type": "object", "description": "What training came to.",
        "required": ["loss", "losses", "gradient_norms", "steps", "parameters", "objective", "optimizer", "meta"],
        "properties": {
            "loss": { "description": "The objective over the whole batch after the last step.", "allOf": [reference("ReplyNumber")] },
            "losses": { "description": "What each reported step found before it moved anything: the objective over its minibatch.", "allOf": [reference("ReplyTensor")] },
            "gradient_norms": { "description": "The Euclidean norm of the gradient of all that is trained, at each reported step.", "allOf": [reference("ReplyTensor")] },
            "steps": { "type": "array", "description": "The numbers of the reported steps, the first being 0.", "items": { "type": "integer", "minimum": 0 } },
            "parameters": tensors("Every parameter after the last step, frozen ones among them."),
            "objective": reference("Objective"),
            "optimizer": { "description": "The optimiser with every argument's value.", "allOf": [reference("Optimizer")] },
            "non_finite": { "type": "object", "description": "The first step at which a number was not finite, and where; only where there is one.", "required": ["step", "first_node", "pass"],
                "properties": { "step": { "type": "integer", "minimum": 0 }, "first_node": { "type": "string" }, "pass": { "type": "string", "enum": ["forward", "backward", "update"] } } },
            "meta": reference("Meta"),
        },
    })
}

fn event() -> Value {
    json!({
        "type": "object", "description": "The data of an event `step` of the event stream.", "required": ["step", "loss", "gradient_norm"],
        "properties": {
            "step": { "type": "integer", "minimum": 0, "description": "How many steps were taken before." },
            "loss": reference("ReplyNumber"), "gradient_norm": reference("ReplyNumber"),
        },
    })
}
