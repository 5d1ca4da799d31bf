//! What `analyze` takes and replies.

use serde_json::{Value, json};

use super::Doc;
use super::grade::{site, tolerance};
use super::reply::reference;
use super::request::closed;
use crate::grading::mistakes::names;

pub(super) const DOC: Doc = Doc {
    name: "analyze",
    arguments: Some(arguments),
    arguments_required: false,
    reply: "AnalyzeReply",
    schemas,
    examples: &[
        ("mazur", "Mazur's network: what one sample cannot tell", include_str!("../../../openapi/examples/analyze/mazur.json")),
        (
            "rectifiers",
            "a network with a rectifier near its corner, of which gradients alone are claimed",
            include_str!("../../../openapi/examples/analyze/rectifiers.json"),
        ),
    ],
};

fn arguments() -> Value {
    closed(
        "How the exercise will be graded.",
        &[],
        json!({
            "tolerance": tolerance(),
            "parts": { "description": "The parts that will be claimed, by name, `*` standing for any characters; all where left out.", "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
            "margin": { "type": "number", "exclusiveMinimum": 0, "default": 0.05, "description": "How near to a corner a number is listed." },
            "small": { "type": "number", "exclusiveMinimum": 0, "default": 0.001, "description": "Below which a gradient is listed." },
            "learning_rate": { "type": "number", "exclusiveMinimum": 0, "description": "The course's learning rate, for mistakes that involve a step." },
        }),
    )
}

fn schemas() -> Value {
    let mut or_correct: Vec<_> = vec!["correct"];
    or_correct.extend(names());
    let who = |names: &[&str], more: Value| {
        let mut properties = json!({ "mistake": { "type": "string", "enum": names }, "where": site(), "detail": { "type": "string", "description": "What is particular about it." } });
        let mut required = vec!["mistake", "where"];
        for (name, schema) in more.as_object().into_iter().flatten() {
            properties[name] = schema.clone();
            required.push(name);
        }
        json!({ "type": "object", "required": required, "properties": properties })
    };
    let index = json!({ "type": "array", "items": { "type": "integer", "minimum": 0 }, "description": "The number's index, axis by axis." });
    json!({
        "AnalyzeReply": { "type": "object", "description": "What an exercise can tell apart.", "required": ["tolerance", "indistinguishable", "near_kinks", "tiny_gradients", "suggested_tolerance", "tolerances", "mistakes", "not_possible", "meta"], "properties": {
            "tolerance": { "type": "string", "description": "The tolerance that was asked about; `custom` for bounds of one's own." },
            "indistinguishable": { "type": "array", "description": "Groups of answers that agree with the first of the group within the tolerance, in all that is claimed; `correct` is the right one.", "items": { "type": "array", "minItems": 2, "items": reference("RivalAnswer") } },
            "near_kinks": { "type": "array", "description": "Numbers that stand near a corner, at most 1000.", "items": reference("NearKink") },
            "tiny_gradients": { "type": "array", "description": "Parameters with gradients near 0.", "items": reference("TinyGradient") },
            "suggested_tolerance": { "type": ["string", "null"], "description": "Of those in `tolerances` that separate most mistakes from the right answer, the one with the fewest digits." },
            "tolerances": { "type": "array", "description": "Work by hand to 2 to 6 figures and places.", "items": { "type": "object", "required": ["tolerance", "separated", "of"], "properties": {
                "tolerance": { "type": "string" }, "separated": { "type": "integer", "minimum": 0, "description": "Mistakes, site by site, whose answer is not taken for the right one." }, "of": { "type": "integer", "minimum": 0 } } } },
            "mistakes": { "type": "array", "description": "Every mistake at every site, the ones nearest to the right answer first.", "items": reference("PossibleMistake") },
            "not_possible": { "type": "array", "description": "Mistakes of the catalogue that cannot be made in this exercise.", "items": { "type": "string" } },
            "meta": reference("Meta") } },
        "RivalAnswer": who(&or_correct, json!({})),
        "PossibleMistake": who(&names(), json!({ "distance": { "type": "number", "minimum": 0, "maximum": 2, "description": "From the right answer: the largest ||p - n|| / max(||p||, ||n||) of a part." } })),
        "NearKink": { "type": "object", "required": ["node", "index", "value", "may_cross"], "properties": {
            "node": { "type": "string", "description": "The node with the corner, or `loss`." }, "index": index,
            "value": { "description": "The number.", "allOf": [reference("ReplyNumber")] },
            "distance": { "description": "From the corner; absent of what a window picks from.", "allOf": [reference("ReplyNumber")] },
            "may_cross": { "type": "boolean", "description": "Whether rounding by hand may carry it across, by the tolerance that was asked about." } } },
        "TinyGradient": { "type": "object", "required": ["name", "index", "value", "count", "drowned"], "properties": {
            "name": { "type": "string", "description": "The part." }, "index": index,
            "value": { "description": "Its smallest gradient.", "allOf": [reference("ReplyNumber")] },
            "count": { "type": "integer", "minimum": 0, "description": "How many of its gradients are so small." },
            "drowned": { "type": "integer", "minimum": 0, "description": "How many may come out as 0 or with the other sign by rounding alone." } } },
    })
}
