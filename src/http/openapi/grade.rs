//! What `grade` takes and replies.

use serde_json::{Value, json};

use super::Doc;
use super::reply::reference;
use super::request::closed;
use crate::grading::formats::FORMATS;
use crate::grading::mistakes::names;
use crate::grading::policy::{DEFAULT_TOLERANCE, LEVELS};
use crate::grading::tolerance::names as presets;

pub(super) const DOC: Doc = Doc {
    name: "grade",
    arguments: Some(arguments),
    arguments_required: true,
    reply: "GradeReply",
    schemas,
    examples: &[
        ("mazur", "Mazur's published numbers, all right", include_str!("../../../openapi/examples/grade/mazur.json")),
        (
            "mazur_forgotten",
            "the same by somebody who forgot the sigmoid's derivative at the outputs",
            include_str!("../../../openapi/examples/grade/mazur_forgotten.json"),
        ),
    ],
};

/// `?format=` of the route.
pub(super) fn format_in_query() -> Value {
    let names: Vec<_> = std::iter::once("dedz").chain(FORMATS.iter().map(|format| format.name)).collect();
    json!({ "name": "format", "in": "query", "required": false, "schema": { "type": "string", "enum": names, "default": "dedz" }, "description": "The platform that the result is for." })
}

/// The schema of a tolerance.
pub(super) fn tolerance() -> Value {
    let presets: Vec<_> = presets().map(|name| format!("`{name}`")).collect();
    let presets = format!(
        "What passes: {}, `hand(sf=4)` (each step written to so many significant figures: the rounding is carried through the network, and whoever rounds rightly at any steps passes), `hand(dp=3)` (decimal places), or bounds of one's own for |a - n| <= atol + rtol |n|. All measures are reported whichever it is.",
        presets.join(", ")
    );
    json!({ "description": presets, "default": DEFAULT_TOLERANCE, "anyOf": [{ "type": "string" }, closed("Bounds.", &[], json!({ "rtol": { "type": "number", "minimum": 0 }, "atol": { "type": "number", "minimum": 0 } }))] })
}

/// Where a mistake was made.
pub(super) fn site() -> Value {
    json!({ "type": "object", "description": "Where: empty for everywhere, or one of these.", "properties": {
        "node": { "type": "string" }, "nodes": { "type": "array", "items": { "type": "string" } }, "edge": { "type": "string" },
        "parameter": { "type": "string" }, "parameters": { "type": "array", "items": { "type": "string" } } } })
}

/// The members of `grade` that are the exercise's rules.
pub(super) fn policy() -> Value {
    let levels: Vec<_> = LEVELS.iter().map(|(word, _)| *word).collect();
    json!({
        "tolerance": tolerance(),
        "points": { "type": "object", "additionalProperties": { "type": "number", "minimum": 0 }, "description": "Points by part; `*` stands for any characters. 1 for all others. A part that is named here in full must be claimed." },
        "expect": { "description": "Parts that must be claimed, `*` standing for any characters.", "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
        "scoring": { "type": "string", "enum": ["weighted", "all_or_nothing"], "default": "weighted" },
        "follow_through": { "type": "boolean", "default": true, "description": "Whether what follows rightly from an earlier mistake keeps its points." },
        "feedback": { "type": "string", "enum": levels, "default": "why", "description": "How much is told, each level with all before it: scores; verdicts; where the first mistake is; what it is, and how far numbers are off; why, in words; the right numbers." },
        "check_only": { "type": "boolean", "default": false, "description": "Verdicts and scores alone: no number that tells how far a claim is off." },
        "layout": { "type": "string", "enum": ["row_major", "column_major"], "default": "row_major", "description": "How flat claims run through a matrix." },
        "learning_rate": { "type": "number", "exclusiveMinimum": 0, "description": "The course's learning rate, for mistakes that involve a step." },
    })
}

fn arguments() -> Value {
    let mut members = policy();
    members["claims"] = claims();
    closed("How to grade, and what.", &["claims"], members)
}

/// Let the exercise be sealed instead of written out.
pub(super) fn seal(problem: &mut Value) {
    let token = json!({ "type": "string", "pattern": r"^dedz1\.[A-Za-z0-9_-]+$", "description": "An exercise with its rules, as `dedz seal` prints it." });
    let grade = closed("What is graded; the rules are sealed.", &["claims"], json!({ "claims": claims() }));
    let sealed = closed("Claims against a sealed exercise.", &["sealed", "grade"], json!({ "sealed": token, "grade": grade }));
    *problem = json!({ "oneOf": [problem.take(), sealed] });
}

fn claims() -> Value {
    let by_name = |description: &str| json!({ "type": "object", "description": description, "additionalProperties": true });
    json!({ "description": "What the student answered. Each claim is a number, a decimal string (which keeps the precision that was written), nested arrays of both, or {shape, data}.", "type": "object", "properties": {
        "loss": {}, "losses": {}, "outputs": by_name("By node."), "gradients": by_name("By parameter."), "input_gradients": by_name("By input."),
        "trace": { "description": "By node: `a`, `z`, `dE_da`, `dE_dz`; or the list that gradients replies." } } })
}

fn schemas() -> Value {
    let verdicts =
        ["ok", "mismatch", "follow_through", "kink_crossed", "at_kink", "below_noise", "nonfinite", "missing", "extra", "shape"];
    let mistakes = names();
    let index = json!({ "type": "array", "items": { "type": "integer", "minimum": 0 }, "description": "The worst number's index, axis by axis." });
    let site = site();
    json!({
        "GradeReply": { "type": "object", "description": "The report on one submission.", "required": ["gradable", "score", "max_score", "passed", "parts", "diagnosis", "meta"], "properties": {
            "gradable": { "type": "boolean", "description": "Whether the claims could be read; if not, `message` says why, and no attempt should be counted." },
            "message": { "type": "string" },
            "score": { "type": "number", "minimum": 0 }, "max_score": { "type": "number", "minimum": 0 }, "passed": { "type": "boolean" },
            "parts": { "type": "array", "items": reference("GradedPart") },
            "diagnosis": { "type": "array", "description": "Every mistake whose answer is the student's, the best fit first.", "items": reference("DiagnosedMistake") },
            "diagnosis_truncated": { "type": "boolean", "description": "Present where the search for pairs of mistakes ended before all were tried." },
            "first_error": { "type": "string", "description": "The node at which the first mistake was made, or `loss`." },
            "meta": reference("Meta") } },
        "GradedPart": { "type": "object", "required": ["name", "score", "max_score"], "properties": {
            "name": { "type": "string" }, "verdict": { "type": "string", "enum": verdicts },
            "score": { "type": "number", "minimum": 0 }, "max_score": { "type": "number", "minimum": 0 }, "message": { "type": "string" },
            "metrics": { "allOf": [reference("Metrics")], "properties": { "worst_index": index } },
            "worst_index": index, "expected": { "description": "The right value." } } },
        "DiagnosedMistake": { "type": "object", "required": ["mistake", "where", "explains"], "properties": {
            "mistake": { "type": "string", "enum": mistakes }, "where": site,
            "with": { "type": "object", "description": "A second mistake that was made as well.", "required": ["mistake", "where"], "properties": { "mistake": { "type": "string", "enum": mistakes }, "where": site } },
            "explains": { "type": "array", "items": { "type": "string" }, "description": "The wrong parts that it predicts." },
            "residual": { "type": "number", "minimum": 0, "description": "The largest relative difference of a part from what the mistake predicts." },
            "text": { "type": "string", "description": "To the student." }, "instructor": { "type": "string" }, "section": { "type": "string", "description": "The part of the lecture that it concerns." } } },
    })
}
