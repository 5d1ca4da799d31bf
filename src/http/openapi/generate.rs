//! What is documented of `generate`: its wishes, its reply, its examples.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::reply::reference;
use super::{Doc, Example};
use crate::analysis::generate::{DEPTH, INPUTS, MOST_PATHS, NODES, OUTPUTS, SAMPLES, SHARED, SKIP};
use crate::grading::generate::wish::{Activation, Difficulty, Form, LossKind, Template};
use crate::grading::generate::{ATTEMPTS, VERSION};

pub(super) const GENERATE: Doc =
    Doc { name: "generate", arguments: None, arguments_required: false, reply: "GenerateReply", schemas, examples: EXAMPLES };

const EXAMPLES: &[Example] = &[
    (
        "lecture",
        "seven neurons on three levels, as in the lecture",
        include_str!("../../../openapi/examples/generate/lecture.json"),
    ),
    ("skip", "edges that pass over a level, and a shared weight", include_str!("../../../openapi/examples/generate/skip.json")),
    ("layers", "linear layers with a mean of squared errors", include_str!("../../../openapi/examples/generate/layers.json")),
];

fn words<T>(words: &[(&'static str, T)], default: &str, description: &str) -> Value {
    let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    json!({ "type": ["string", "null"], "enum": words.into_iter().map(Value::from).chain([Value::Null]).collect::<Vec<_>>(), "default": default, "description": description })
}

fn whole(range: RangeInclusive<usize>, description: &str) -> Value {
    json!({ "type": ["integer", "null"], "minimum": range.start(), "maximum": range.end(), "description": description })
}

fn wish() -> Value {
    let activations: Vec<_> = Activation::WORDS.iter().map(|(word, _)| *word).collect();
    json!({
        "type": "object", "additionalProperties": false, "required": ["seed"],
        "properties": {
            "seed": { "description": "A whole number from 0 to 2^64-1, or any string of at most 200 bytes; a number is the same as its text.", "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] },
            "version": { "type": ["integer", "null"], "enum": [VERSION, null], "description": "The version of the generator that is meant; another than this release's is refused." },
            "attempt": whole(0..=ATTEMPTS - 1, "Make this attempt alone and let it pass, as the reply of an earlier request names it."),
            "template": words(Template::WORDS, "layered", "Every neuron reads all of the level below, or two or three of it."),
            "form": words(Form::WORDS, "neurons", "Written neuron by neuron, or as `linear` layers (`layered` alone)."),
            "difficulty": words(Difficulty::WORDS, "medium", "Sizes for what is left out: 4 neurons on 2 levels, 7 on 3, or 10 on 4 with a shared weight."),
            "nodes": whole(NODES, "Neurons, outputs among them."),
            "inputs": whole(INPUTS, "Inputs; 2 if left out."),
            "outputs": whole(OUTPUTS, "Neurons of the last level."),
            "samples": whole(SAMPLES, "Samples of the minibatch; 2 if left out. One alone cannot tell mistakes of the minibatch apart."),
            "depth": whole(DEPTH, "Levels of neurons."),
            "skip": whole(SKIP, "Edges that pass over at least one level."),
            "shared": whole(SHARED, "Weights that stand at two edges each."),
            "min_paths": whole(1..=MOST_PATHS, "Some neuron has at least so many paths to the loss."),
            "bias": { "type": ["boolean", "null"], "default": true },
            "input_decimals": { "type": ["integer", "null"], "enum": [0, 1, null], "default": 0, "description": "Whole inputs, or inputs of one decimal." },
            "activations": { "default": ["tanh"], "description": "Of hidden neurons: one is drawn for each level, in a `dag` for each neuron.", "anyOf": [{ "type": "string", "enum": activations }, { "type": "array", "minItems": 1, "items": { "type": "string", "enum": activations } }, { "type": "null" }] },
            "output_activation": words(Activation::WORDS, "identity", "`identity` for cross_entropy and bce_with_logits, `sigmoid` for bce; `sigmoid` if left out for squared_error and mse."),
            "loss": words(LossKind::WORDS, "cross_entropy", "`squared_error` has the factor 0.5."),
            "reduction": { "type": ["string", "null"], "enum": ["sum", "mean", null], "default": "sum" },
        },
    })
}

fn schemas() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let number = |description: &str| json!({ "type": "number", "description": description });
    json!({
        "GenerateRequest": { "type": "object", "additionalProperties": false, "required": ["generate"], "properties": { "generate": wish() } },
        "GenerateReply": {
            "type": "object", "description": "An exercise with everything that goes with it.",
            "required": ["version", "template", "seed", "attempt", "exercise", "key", "properties", "sheet", "meta"],
            "properties": {
                "version": { "type": "integer", "const": VERSION },
                "template": text("As asked for."),
                "seed": text("The seed's text."),
                "attempt": { "type": "integer", "minimum": 0, "maximum": ATTEMPTS - 1, "description": "Which draw it was; with `attempt` it is made again without looking at the others." },
                "exercise": { "type": "object", "required": ["network", "batch", "loss", "grade"], "description": "A problem, with a `grade` whose `claims` are empty." },
                "key": { "type": "object", "required": ["loss", "losses", "outputs", "gradients", "input_gradients", "trace"], "description": "Every part with its value, in the shape of `grade.claims`." },
                "properties": { "type": "object", "required": ["depth", "edges", "most_paths", "smallest_gradient", "smallest_pre_activation", "largest_pre_activation", "indistinguishable", "confusable", "same_by_structure", "hypotheses"], "properties": {
                    "depth": { "type": "integer", "minimum": 2 }, "edges": { "type": "integer", "minimum": 2 },
                    "most_paths": { "type": "integer", "minimum": 1, "description": "The most paths that a neuron has to the loss." },
                    "smallest_gradient": number("The smallest magnitude of a gradient and of a dE/dz."),
                    "smallest_pre_activation": number("The smallest magnitude of a pre-activation."),
                    "largest_pre_activation": number("The largest."),
                    "indistinguishable": { "type": "array", "description": "Groups as `analyze` returns them for the exercise's tolerance, as far as other numbers would tell their members apart from the first: neither the same mistake at another site, nor what is the same whatever the numbers.", "items": { "type": "array", "minItems": 2, "items": reference("RivalAnswer") } },
                    "confusable": { "type": "integer", "minimum": 0, "description": "How many pass for the first of a group of these." },
                    "same_by_structure": { "type": "integer", "minimum": 0, "description": "Pairs of different mistakes that also agree in five drawings of all weights, biases and inputs anew: no numbers tell them apart." },
                    "hypotheses": { "type": "integer", "minimum": 0, "description": "Mistakes that were looked at, site by site." } } },
                "sheet": { "type": "object", "required": ["problem", "solution", "network_svg", "gradients_svg"], "properties": {
                    "problem": text("Markdown with LaTeX; it shows `network.svg`."),
                    "solution": text("The same with every value, every step for the first sample, and a marking scheme; it shows `gradients.svg`."),
                    "network_svg": text("The network with its weights."), "gradients_svg": text("The network with its values and gradients.") } },
                "meta": reference("Meta"),
            },
        },
    })
}
