//! What `check` takes and replies.

use serde_json::{Value, json};

use super::Doc;
use super::reply::reference;
use super::request::closed;
use crate::analysis::check_methods;
use crate::grading::tolerance;

pub(super) const DOC: Doc = Doc {
    name: "check",
    arguments: Some(arguments),
    arguments_required: false,
    reply: "CheckReply",
    schemas,
    examples: &[
        (
            "lecture",
            "the lecture's network by double-double differences",
            include_str!("../../../openapi/examples/check/lecture.json"),
        ),
        (
            "mazur",
            "Mazur's network as PyTorch's gradcheck would judge it",
            include_str!("../../../openapi/examples/check/mazur.json"),
        ),
        ("kink", "a ReLU exactly at its kink, and one near it", include_str!("../../../openapi/examples/check/kink.json")),
        (
            "sweep",
            "the error against the step: the V of every course",
            include_str!("../../../openapi/examples/check/sweep.json"),
        ),
        ("directional", "one random direction of each tensor", include_str!("../../../openapi/examples/check/directional.json")),
    ],
};

/// `?sweep=` of the route.
pub(super) fn sweep_in_query() -> Value {
    json!({ "name": "sweep", "in": "query", "required": false, "schema": { "type": "string" }, "description": "As `check.sweep` in the body: `true`, or an element such as `fc1.weight[3,7]`." })
}

fn arguments() -> Value {
    let methods: Vec<_> = check_methods().collect();
    let presets: Vec<_> = tolerance::names().filter(|name| *name != "last_digit").map(|name| format!("`{name}`")).collect();
    let presets = format!(
        "Which test gives the verdict: {}, `hand(sf=4)` (so many significant figures), `hand(dp=3)` (decimal places), or bounds of one's own for |a - n| <= atol + rtol |n|. All measures are reported whichever it is. `exact` for that method, else `torch`, where left out.",
        presets.join(", ")
    );
    closed(
        "How to check.",
        &[],
        json!({
            "method": { "type": "string", "enum": methods, "default": "central", "description": "`forward` (E(x+h)-E(x))/h; `central` (E(x+h)-E(x-h))/2h; `richardson` (4 D(h/2) - D(h))/3 of central D; `directional` central along one random direction of each tensor; `exact` central in double-double arithmetic." },
            "step": { "description": "h. Where left out each coordinate gets its own: max(1, |x|) times eps^(1/2) forward, eps^(1/3) central, eps^(1/5) richardson. \"preset\" takes the step of the preset's source.", "anyOf": [{ "type": "number", "exclusiveMinimum": 0 }, { "const": "preset" }, { "type": "null" }] },
            "preset": { "description": presets, "anyOf": [{ "type": "string" }, closed("Bounds.", &[], json!({ "rtol": { "type": "number", "minimum": 0 }, "atol": { "type": "number", "minimum": 0 } }))] },
            "wrt": { "description": "Parameters and inputs, with * for any characters; \"inputs\" stands for all inputs. Every parameter where left out.", "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
            "coordinates": { "description": "At most so many numbers of each parameter, drawn by `seed`; all where left out.", "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "null" }] },
            "seed": { "description": "Of drawn coordinates and directions.", "default": 0, "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] },
            "sweep": { "description": "Adds the error against the step, from 1 to 1e-15: for the number with the largest gradient (true), or for one that is named, `fc1.weight[3,7]`.", "anyOf": [{ "type": "boolean" }, { "type": "string" }] },
        }),
    )
}

fn schemas() -> Value {
    let count = json!({ "type": "integer", "minimum": 0 });
    let number = |description: &str| json!({ "description": description, "allOf": [reference("ReplyNumber")] });
    let index = json!({ "type": "array", "items": count, "description": "The element, axis by axis; absent for a direction." });
    let errors = json!({ "type": "array", "items": reference("ReplyNumber") });
    let best = json!({ "type": "object", "required": ["step", "error"], "properties": { "step": reference("ReplyNumber"), "error": reference("ReplyNumber") } });
    let verdicts = ["ok", "mismatch", "kink_crossed", "at_kink", "below_noise", "nonfinite"];
    let by_method = |schema: &Value| json!({ "type": "object", "properties": { "forward": schema, "central": schema, "richardson": schema } });
    let mut checked = json!({
        "verdict": { "type": "string", "enum": verdicts, "description": "`nonfinite` or `mismatch` if any number is, else `ok` if any is, else why none could be judged." },
        "max_abs_error": number("The largest |backprop - numeric| of those that were judged."),
        "max_rel_error": number("The largest |backprop - numeric| / max(|backprop|, |numeric|)."),
        "worst": { "type": "object", "description": "The number furthest off, of those that failed if any did.", "required": ["backprop", "numeric", "step"], "properties": { "index": index, "backprop": reference("ReplyNumber"), "numeric": reference("ReplyNumber"), "step": reference("ReplyNumber") } },
        "checked": { "type": "integer", "minimum": 0, "description": "Numbers looked at; the counts by verdict below add up to it." },
        "digits": { "type": "number", "minimum": 0, "maximum": 17, "description": "Decimal digits that backprop and the quotient have in common, of the worst number that was judged." },
        "metrics": reference("Metrics"),
        "kinks": { "type": "array", "description": "Up to ten of those at a kink or across one, with the slopes on both sides.", "items": { "type": "object", "required": ["verdict", "backprop", "left", "right", "step"], "properties": {
            "index": index, "verdict": { "type": "string", "enum": verdicts }, "backprop": reference("ReplyNumber"),
            "left": { "anyOf": [reference("ReplyNumber"), { "type": "null" }] }, "right": { "anyOf": [reference("ReplyNumber"), { "type": "null" }] }, "step": reference("ReplyNumber") } } },
    });
    for verdict in verdicts {
        checked[verdict] = count.clone();
    }
    json!({
        "CheckReply": { "type": "object", "description": "Whether perturbation confirms backprop.", "required": ["passed", "method", "preset", "loss", "loss_evaluations", "metrics", "parameters", "meta"], "properties": {
            "passed": { "type": "boolean", "description": "No number is a mismatch or not finite, and at least one was judged." },
            "method": { "type": "string" }, "preset": { "type": "string", "description": "The test that gave the verdicts; `custom` for bounds of one's own." },
            "loss": reference("ReplyNumber"), "objective": reference("Objective"),
            "loss_evaluations": { "type": "integer", "minimum": 1, "description": "Forward sweeps that it took." },
            "metrics": reference("Metrics"),
            "parameters": { "type": "object", "description": "Each parameter and input that was checked.", "additionalProperties": reference("CheckedTensor") },
            "sweep": reference("StepSweep"), "non_finite": reference("NonFinite"), "meta": reference("Meta") } },
        "CheckedTensor": { "type": "object", "required": ["verdict", "checked", "ok", "mismatch", "kink_crossed", "at_kink", "below_noise", "nonfinite"], "properties": checked },
        "Metrics": { "type": "object", "description": "Every measure in use, a being backprop's and n the quotient, over the numbers that were judged.", "required": ["abs", "rel_max", "rel_sum", "norm", "norm_ratio", "norm_ratio_of_sum"], "properties": {
            "abs": number("max |a - n|"), "rel_max": number("max |a - n| / max(|a|, |n|)"), "rel_sum": number("max |a - n| / max(1e-8, |a| + |n|)"),
            "norm": number("||a - n||"), "norm_ratio": number("||a - n|| / (||a|| + ||n||)"), "norm_ratio_of_sum": number("||a - n|| / ||a + n||") } },
        "StepSweep": { "type": "object", "description": "The error of quotients against their step, relative to backprop's gradient (absolute where that is 0).", "required": ["parameter", "index", "backprop", "steps", "errors", "best"], "properties": {
            "parameter": { "type": "string" }, "index": index, "backprop": reference("ReplyNumber"),
            "steps": errors, "errors": by_method(&errors), "best": by_method(&best) } },
    })
}
