//! What a client may send wrong. Every row shows the status, and all faults with pointer, code and, where it matters, words.

use std::fmt::Write as _;

use dedz::analysis::{FORWARD, Failure, Form, GRADIENTS, Request, VALIDATE, prepare};
use dedz::config::Limits;
use dedz::spec::fault::Faults;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Two inputs, three neurons, two of them the output.
const NEURONS: &str = r#"{
    "network": {"inputs": ["x1", "x2"], "nodes": [
        {"id": "z3", "op": "neuron", "inputs": {"x1": 0.5, "x2": -0.25}, "bias": 0.1, "activation": "tanh"},
        {"id": "z2", "op": "neuron", "inputs": {"z3": 0.75}, "bias": null},
        {"id": "z1", "op": "neuron", "inputs": {"z3": -1.5, "x1": null}}
    ]},
    "parameters": {"z2.bias": 0.2, "x1->z1": 0.3},
    "batch": {"inputs": [[1, 2], [3, 4], [5, 6]], "targets": [[1, 0], [0, 1], [1, 1]]},
    "loss": {"op": "squared_error", "of": ["z1", "z2"]}
}"#;

/// Two layers, one with its parameters inline.
const LAYERS: &str = r#"{
    "network": {"inputs": {"x": [3]}, "layers": [
        {"id": "fc1", "op": "linear", "out_features": 2, "activation": "relu"},
        {"id": "fc2", "op": "linear", "out_features": 2, "weight": [[1, 2], [3, 4]], "bias": false}
    ]},
    "parameters": {"fc1.weight": [[1, 2, 3], [4, 5, 6]], "fc1.bias": [0.1, 0.2]},
    "batch": {"inputs": [[1, 2, 3], [4, 5, 6]], "targets": [0, 1]},
    "loss": {"op": "cross_entropy", "of": "fc2"}
}"#;

/// One op over images of two channels, four by four.
const IMAGES: &str = r#"{
    "network": {"inputs": {"x": [2, 4, 4]}, "nodes": [{"id": "y", "op": "relu", "inputs": ["x"]}]},
    "batch": {"inputs": {"shape": [1, 2, 4, 4], "data": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}},
    "loss": {"op": "sum", "of": "y"}
}"#;

/// Rows of a table, by token.
const TOKENS: &str = r#"{
    "network": {"inputs": {"t": {"shape": [2], "dtype": "i64"}}, "nodes": [
        {"id": "e", "op": "embedding", "inputs": ["t"], "weight": [[1, 2], [3, 4], [5, 6]]}
    ]},
    "batch": {"inputs": [[0, 1], [2, 2]]},
    "loss": {"op": "sum", "of": "e"}
}"#;

/// An LSTM over three steps of two features.
const RECURRENT: &str = r#"{
    "network": {"inputs": {"x": [3, 2], "h": [1, 2], "pad": {"shape": [3], "dtype": "i64"}}, "nodes": [
        {"id": "rnn", "op": "lstm", "inputs": ["x"], "hidden_size": 2, "bias": false}
    ]},
    "parameters": {"rnn.weight_ih_l0": {"init": "zeros"}, "rnn.weight_hh_l0": {"init": "zeros"}},
    "batch": {"inputs": {"x": [[[1, 2], [3, 4], [5, 6]]], "h": [[[1, 2]]], "pad": [[0, 0, 1]]}},
    "loss": {"op": "sum", "of": "rnn"}
}"#;

/// Attention of one head over the same.
const ATTENTIVE: &str = r#"{
    "network": {"inputs": {"x": [3, 2], "y": [4, 5], "pad": {"shape": [3], "dtype": "i64"}}, "nodes": [
        {"id": "mha", "op": "multihead_attention", "inputs": ["x"], "num_heads": 1, "bias": false}
    ]},
    "parameters": {"mha.in_proj_weight": {"init": "zeros"}, "mha.out_proj.weight": {"init": "zeros"}},
    "batch": {"inputs": {
        "x": [[[1, 2], [3, 4], [5, 6]]], "y": {"shape": [1, 4, 5], "data": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]},
        "pad": [[0, 0, 1]]
    }},
    "loss": {"op": "sum", "of": "mha"}
}"#;

/// A fault: pointer, code, and words that its detail holds.
type Expected = (&'static str, &'static str, &'static str);

/// A name, the request, the status, and all its faults.
struct Case {
    name: &'static str,
    body: String,
    status: u16,
    faults: &'static [Expected],
    limits: Limits,
}

/// A row: a base problem, what is set in it (an empty text removes), and the faults of a 422.
fn case(name: &'static str, base: &str, patches: &[(&str, &str)], faults: &'static [Expected]) -> Case {
    Case { name, body: patched(base, patches), status: 422, faults, limits: Limits::default() }
}

/// A row whose body is no JSON.
fn malformed(name: &'static str, body: impl Into<String>, pointer_code_detail: &'static [Expected]) -> Case {
    Case { name, body: body.into(), status: 400, faults: pointer_code_detail, limits: Limits::default() }
}

/// The neurons' text with one piece of it replaced, as no JSON value could be.
fn retyped(from: &str, to: &str) -> String {
    assert!(NEURONS.contains(from), "{from}");
    NEURONS.replacen(from, to, 1)
}

fn patched(base: &str, patches: &[(&str, &str)]) -> String {
    let mut problem: Value = serde_json::from_str(base).expect("a base is JSON");
    for (pointer, text) in patches {
        let (parent, last) = pointer.rsplit_once('/').expect("a pointer below the root");
        let last = last.replace("~1", "/").replace("~0", "~");
        let value = (!text.is_empty()).then(|| serde_json::from_str(text).expect("a patch is JSON"));
        match (problem.pointer_mut(parent).expect("the parent is there"), value) {
            (Value::Object(object), Some(value)) => drop(object.insert(last, value)),
            (Value::Object(object), None) => drop(object.shift_remove(&last)),
            (Value::Array(list), Some(value)) if last == "-" => list.push(value),
            (Value::Array(list), Some(value)) => list[last.parse::<usize>().expect("an index")] = value,
            (Value::Array(list), None) => drop(list.remove(last.parse().expect("an index"))),
            (other, _) => panic!("{other} has no members"),
        }
    }
    problem.to_string()
}

/// The status and the faults of a refusal.
fn refusal(failure: Failure) -> (u16, Faults) {
    match failure {
        Failure::Malformed(faults) => (400, faults),
        Failure::Invalid(faults) | Failure::OverLimit(faults) => (422, faults),
        Failure::UnknownNetwork { faults, .. } => (404, faults),
        Failure::Stopped(_) => (504, Faults::new(1)),
    }
}

/// Ask for the gradients.
fn ask(body: &[u8], limits: &Limits) -> Result<Vec<u8>, Failure> {
    let request = Request { problem: body, ..Request::default() };
    prepare(&GRADIENTS, request, Form::Json, limits)?.run(&|| Ok(())).map(|reply| reply.body)
}

fn answer(body: &str) -> Value {
    let reply = ask(body.as_bytes(), &Limits::default()).unwrap_or_else(|failure| panic!("{:?}", refusal(failure)));
    serde_json::from_slice(&reply).expect("replies are JSON")
}

/// What differs from what a row expects, if anything.
fn check(case: &Case) -> Option<String> {
    let (status, faults) = match ask(case.body.as_bytes(), &case.limits) {
        Ok(_) => return Some(format!("{}: was answered", case.name)),
        Err(failure) => refusal(failure),
    };
    let found: Vec<_> = faults.listed().iter().map(|fault| (fault.pointer.as_str(), fault.code.as_str())).collect();
    let expected: Vec<_> = case.faults.iter().map(|&(pointer, code, _)| (pointer, code)).collect();
    let worded = case.faults.iter().zip(faults.listed()).all(|((.., words), fault)| fault.detail.contains(words));
    if status == case.status && found == expected && worded {
        return None;
    }
    let mut text = format!("{}: {status}", case.name);
    for fault in faults.listed() {
        let _ = write!(text, "\n    ({:?}, {:?}, {:?})", fault.pointer, fault.code.as_str(), fault.detail);
    }
    Some(text)
}

fn judge(cases: &[Case]) {
    let wrong: Vec<_> = cases.iter().filter_map(check).collect();
    assert!(wrong.is_empty(), "{} of {} rows differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn bases_are_answered() {
    for base in [NEURONS, LAYERS, IMAGES, TOKENS, RECURRENT, ATTENTIVE] {
        assert!(answer(base)["loss"].is_number());
    }
}

#[test]
fn not_json() {
    let cases = [
        malformed("empty", "", &[("", "malformed_json", "line 1, column 1")]),
        malformed("white space", " \n ", &[("", "malformed_json", "white space")]),
        malformed("bare NaN", retyped("0.1", "NaN"), &[("", "malformed_json", "NaN")]),
        malformed("bare Infinity", retyped("0.1", "-Infinity"), &[("", "malformed_json", "Infinity")]),
        malformed("Python's None", retyped("null", "None"), &[("", "malformed_json", "null")]),
        malformed("Python's True", retyped("0.1", "True"), &[("", "malformed_json", "true")]),
        malformed("undefined", retyped("0.1", "undefined"), &[("", "malformed_json", "undefined")]),
        malformed("single quotes", retyped("\"tanh\"", "'tanh'"), &[("", "malformed_json", "quote")]),
        malformed("a key without quotes", retyped("\"loss\"", "loss"), &[("", "malformed_json", "quote")]),
        malformed("trailing comma", retyped("[5, 6]]", "[5, 6],]"), &[("", "malformed_json", "comma")]),
        malformed("missing comma", retyped("[1, 2], [3", "[1, 2] [3"), &[("", "malformed_json", ",")]),
        malformed("missing colon", retyped("\"loss\":", "\"loss\""), &[("", "malformed_json", ":")]),
        malformed("comment", retyped("0.1", "0.1 // bias"), &[("", "malformed_json", "comment")]),
        malformed("truncated", &NEURONS[..NEURONS.len() / 2], &[("", "malformed_json", "line ")]),
        malformed("truncated in a string", &NEURONS[..30], &[("", "malformed_json", "cut off")]),
        malformed("garbage after the end", format!("{NEURONS} x"), &[("", "malformed_json", "line 10, column 3")]),
        malformed("two problems", format!("{NEURONS}{NEURONS}"), &[("", "malformed_json", "")]),
        malformed("1e999", retyped("0.1", "1e999"), &[("/network/nodes/0/bias", "number_out_of_range", "1e999")]),
        malformed("leading zero", retyped("0.1", "00.1"), &[("", "malformed_json", "zero")]),
        malformed("leading plus", retyped("0.1", "+0.1"), &[("", "malformed_json", "+")]),
        malformed("no digit before the point", retyped("0.1", ".1"), &[("", "malformed_json", "digit")]),
        malformed("a decimal comma", retyped("0.1", "0,1"), &[("", "malformed_json", "")]),
        malformed("hexadecimal", retyped("0.1", "0x1"), &[("", "malformed_json", "")]),
        malformed("a line break in a string", retyped("tanh", "ta\nnh"), &[("", "malformed_json", "")]),
        malformed(
            "duplicate keys, all of them",
            retyped("\"bias\": 0.1", "\"bias\": 0.1, \"bias\": 0.2, \"id\": \"z9\""),
            &[("/network/nodes/0/bias", "duplicate_key", ""), ("/network/nodes/0/id", "duplicate_key", "")],
        ),
        malformed("a depth bomb of arrays", "[".repeat(10_000_000), &[(DEEP_ARRAYS, "too_deep", "64")]),
        malformed("a depth bomb of objects", "{\"a\":".repeat(2_000_000), &[(DEEP_OBJECTS, "too_deep", "64")]),
        malformed("byte order mark", format!("\u{feff}{NEURONS}"), &[("", "malformed_json", "byte order mark")]),
    ];
    judge(&cases);
}

const DEEP_ARRAYS: &str = concat!(
    "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0",
    "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0"
);
const DEEP_OBJECTS: &str = concat!(
    "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a",
    "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"
);

#[test]
fn no_problem() {
    let cases = [
        Case { body: "[]".into(), ..case("an array", "{}", &[], &[("", "wrong_type", "expected an object")]) },
        Case { body: "3".into(), ..case("a number", "{}", &[], &[("", "wrong_type", "the number 3")]) },
        case(
            "nothing at all",
            "{}",
            &[],
            &[("", "missing_field", "network"), ("", "missing_field", "batch"), ("", "missing_field", "loss")],
        ),
        case("no network", NEURONS, &[("/network", "")], &[("", "missing_field", "network")]),
        case("no batch", NEURONS, &[("/batch", "")], &[("", "missing_field", "batch")]),
        case("no loss", NEURONS, &[("/loss", "")], &[("", "missing_field", "loss")]),
        case("a null loss", NEURONS, &[("/loss", "null")], &[("", "missing_field", "loss")]),
        case(
            "every part of a wrong type",
            NEURONS,
            &[
                ("/network", "[]"),
                ("/parameters", "[]"),
                ("/batch", "7"),
                ("/loss", "\"mse\""),
                ("/options", "true"),
                ("/regularization", "{}"),
            ],
            &[
                ("/options", "wrong_type", ""),
                ("/network", "wrong_type", ""),
                ("/parameters", "wrong_type", ""),
                ("/batch", "wrong_type", ""),
                ("/loss", "wrong_type", ""),
                ("/regularization", "wrong_type", ""),
            ],
        ),
        case(
            "unknown fields at every level",
            LAYERS,
            &[
                ("/optimizer", "1"),
                ("/network/name", "\"net\""),
                ("/network/layers/0/activations", "\"relu\""),
                ("/batch/target", "[0]"),
                ("/loss/reductoin", "\"sum\""),
                ("/options", r#"{"dtyp": "f64"}"#),
                ("/regularization", r#"[{"l2": 1, "lambda": 2}]"#),
            ],
            &[
                ("/options/dtyp", "unknown_field", "dtype"),
                ("/network/name", "unknown_field", ""),
                ("/batch/target", "unknown_field", "did you mean \"targets\""),
                ("/regularization/0/lambda", "unknown_field", ""),
                ("/optimizer", "unknown_field", ""),
                ("/network/layers/0/activations", "unknown_field", "did you mean \"activation\""),
                ("/loss/reductoin", "unknown_field", "did you mean \"reduction\""),
            ],
        ),
        case(
            "unknown fields of tensors, inputs and activations",
            LAYERS,
            &[
                ("/network/inputs/x", r#"{"shape": [3], "type": "f64"}"#),
                ("/network/layers/0/activation", r#"{"op": "leaky_relu", "slope": 0.1}"#),
                ("/parameters/fc1.weight", r#"{"shape": [2, 3], "data": [1, 2, 3, 4, 5, 6], "order": "C"}"#),
                ("/parameters/fc1.bias", r#"{"init": "zeros", "sed": 3}"#),
            ],
            &[
                ("/network/inputs/x/type", "unknown_field", ""),
                ("/parameters/fc1.weight/order", "unknown_field", ""),
                ("/parameters/fc1.bias/sed", "unknown_field", "did you mean \"seed\""),
                ("/network/layers/0/activation/slope", "unknown_field", ""),
            ],
        ),
    ];
    judge(&cases);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn networks() {
    let cases = [
        case("nodes and layers", NEURONS, &[("/network/layers", "[]")], &[("/network", "invalid_value", "not both")]),
        case("neither nodes nor layers", NEURONS, &[("/network/nodes", "")], &[("/network", "missing_field", "layers")]),
        case("no nodes", NEURONS, &[("/network/nodes", "[]")], &[("/network/nodes", "missing_field", "")]),
        case("nodes as a map", NEURONS, &[("/network/nodes", r#"{"z1": {}}"#)], &[("/network/nodes", "wrong_type", "list")]),
        case(
            "nodes that are none",
            NEURONS,
            &[("/network/nodes/2", "5"), ("/loss/of", "[\"z2\", \"z3\"]"), ("/parameters/x1->z1", "")],
            &[("/network/nodes/2", "wrong_type", "")],
        ),
        case("no inputs", NEURONS, &[("/network/inputs", "")], &[("/network", "missing_field", "inputs")]),
        case("inputs as a string of one", NEURONS, &[("/network/inputs", "3")], &[("/network/inputs", "wrong_type", "")]),
        case(
            "an input's shape as text",
            LAYERS,
            &[("/network/inputs/x", "\"3\"")],
            &[("/network/inputs/x", "wrong_type", "sizes")],
        ),
        case("a negative size", LAYERS, &[("/network/inputs/x", "[-3]")], &[("/network/inputs/x", "wrong_type", "")]),
        case(
            "a dtype that is none",
            LAYERS,
            &[("/network/inputs/x", r#"{"shape": [3], "dtype": "float"}"#)],
            &[("/network/inputs/x/dtype", "invalid_value", "f64")],
        ),
        case(
            "ids that are none",
            NEURONS,
            &[
                ("/network/nodes/0/id", "\"3z\""),
                ("/network/nodes/1/inputs", r#"{"3z": 1}"#),
                ("/network/nodes/2/inputs", r#"{"x1": 1}"#),
                ("/parameters/x1->z1", ""),
            ],
            &[("/network/nodes/0/id", "invalid_id", "3z")],
        ),
        case(
            "an id with a slash",
            NEURONS,
            &[("/network/inputs/1", "\"a/b\""), ("/network/nodes/0/inputs", r#"{"a/b": 1}"#)],
            &[("/network/inputs/1", "invalid_id", "")],
        ),
        case(
            "an id of 65 letters",
            LAYERS,
            &[
                ("/network/layers/1/id", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""),
                ("/loss/of", "\"fc1\""),
            ],
            &[("/network/layers/1/id", "invalid_id", "")],
        ),
        case(
            "no id",
            NEURONS,
            &[("/network/nodes/1/id", ""), ("/loss/of", "\"z1\""), ("/batch/targets", "[1, 2, 3]"), ("/parameters/z2.bias", "")],
            &[("/network/nodes/1", "missing_field", "id")],
        ),
        case(
            "an id twice",
            NEURONS,
            &[
                ("/network/nodes/2/id", "\"z2\""),
                ("/loss/of", "\"z2\""),
                ("/batch/targets", "[1, 2, 3]"),
                ("/parameters/x1->z1", ""),
            ],
            &[("/network/nodes/2/id", "duplicate_id", "/network/nodes/1")],
        ),
        case(
            "an id that is an input's",
            NEURONS,
            &[
                ("/network/nodes/2/id", "\"x1\""),
                ("/loss/of", "\"z2\""),
                ("/batch/targets", "[1, 2, 3]"),
                ("/parameters/x1->z1", ""),
            ],
            &[("/network/nodes/2/id", "duplicate_id", "/network/inputs/0")],
        ),
        case(
            "an input twice",
            NEURONS,
            &[("/network/inputs/1", "\"x1\""), ("/network/nodes/0/inputs", r#"{"x1": 1}"#), ("/batch/inputs", "[1, 2, 3]")],
            &[("/network/inputs/1", "duplicate_id", "/network/inputs/0")],
        ),
        case("no op", NEURONS, &[("/network/nodes/0/op", "")], &[("/network/nodes/0", "missing_field", "op")]),
        case(
            "an unknown op",
            NEURONS,
            &[("/network/nodes/0/op", "\"nueron\"")],
            &[("/network/nodes/0/op", "unknown_op", "did you mean \"neuron\"")],
        ),
        case(
            "an unknown layer in PyTorch's spelling",
            LAYERS,
            &[("/network/layers/0/op", "\"Linear\"")],
            &[("/network/layers/0/op", "unknown_op", "did you mean \"linear\"")],
        ),
        case(
            "an unknown activation",
            NEURONS,
            &[("/network/nodes/0/activation", "\"tahn\"")],
            &[("/network/nodes/0/activation", "unknown_op", "did you mean \"tanh\"")],
        ),
        case(
            "an activation that is no elementwise op",
            NEURONS,
            &[("/network/nodes/0/activation", "\"softmax\"")],
            &[("/network/nodes/0/activation", "unknown_op", "")],
        ),
        case(
            "an activation of a wrong type",
            NEURONS,
            &[("/network/nodes/0/activation", "1")],
            &[("/network/nodes/0/activation", "wrong_type", "")],
        ),
        case(
            "an activation with a wrong attribute",
            LAYERS,
            &[("/network/layers/0/activation", r#"{"op": "leaky_relu", "negative_slope": "0.1"}"#)],
            &[("/network/layers/0/activation/negative_slope", "wrong_type", "a number")],
        ),
        case(
            "an unknown node",
            NEURONS,
            &[("/network/nodes/1/inputs", r#"{"z9": 0.75}"#)],
            &[("/network/nodes/1/inputs/z9", "unknown_node", "no node or input is named \"z9\"; did you mean \"z1\"")],
        ),
        case(
            "an unknown node that stands later",
            NEURONS,
            &[
                ("/network/nodes/0/inputs", r#"{"x1": 1, "output": 2}"#),
                ("/network/nodes/-", r#"{"id": "outputs", "op": "neuron", "inputs": {"x1": 1}}"#),
            ],
            &[("/network/nodes/0/inputs/output", "unknown_node", "did you mean \"outputs\"")],
        ),
        case(
            "an unknown node in a list",
            LAYERS,
            &[("/network/layers/1/inputs", "[\"fc3\"]")],
            &[("/network/layers/1/inputs/0", "unknown_node", "did you mean")],
        ),
        case(
            "a neuron that feeds itself",
            NEURONS,
            &[("/network/nodes/1/inputs", r#"{"z2": 1}"#)],
            &[("/network/nodes/1", "cycle", "\"z2\" feeds itself")],
        ),
        case(
            "a cycle of two",
            NEURONS,
            &[("/network/nodes/0/inputs", r#"{"x1": 1, "z2": 1}"#)],
            &[("/network/nodes/0", "cycle", "z3 -> z2 -> z3")],
        ),
        case(
            "a cycle of three",
            NEURONS,
            &[("/network/nodes/0/inputs", r#"{"z1": 1}"#), ("/network/nodes/2/inputs", r#"{"z2": 1, "x1": null}"#)],
            &[("/network/nodes/0", "cycle", "z3 -> z2 -> z1 -> z3")],
        ),
        case(
            "two cycles at once",
            NEURONS,
            &[("/network/nodes/0/inputs", r#"{"z2": 1}"#), ("/network/nodes/2/inputs", r#"{"z1": 1, "x1": null}"#)],
            &[("/network/nodes/0", "cycle", "a cycle of 2 nodes"), ("/network/nodes/2", "cycle", "\"z1\" feeds itself")],
        ),
        case(
            "a cycle, and a mistake on it",
            NEURONS,
            &[("/network/nodes/0/inputs", r#"{"x1": 1, "z2": 1}"#), ("/network/nodes/1/activation", "\"tan\"")],
            &[("/network/nodes/0", "cycle", ""), ("/network/nodes/1/activation", "unknown_op", "tanh")],
        ),
        case(
            "a neuron with a list of inputs",
            NEURONS,
            &[("/network/nodes/1/inputs", "[\"z3\"]")],
            &[("/network/nodes/1/inputs", "wrong_type", "map")],
        ),
        case(
            "an op with a map of inputs",
            NEURONS,
            &[("/network/nodes/1", r#"{"id": "z2", "op": "add", "inputs": {"z3": 1, "x1": 2}}"#), ("/parameters/z2.bias", "")],
            &[("/network/nodes/1/inputs", "wrong_type", "list")],
        ),
        case(
            "a neuron without inputs",
            NEURONS,
            &[("/network/nodes/1/inputs", "{}")],
            &[("/network/nodes/1/inputs", "missing_field", "at least one")],
        ),
        case(
            "a node without inputs",
            NEURONS,
            &[("/network/nodes/1/inputs", "")],
            &[("/network/nodes/1", "missing_field", "inputs")],
        ),
        case(
            "a first layer of two inputs",
            LAYERS,
            &[
                ("/network/inputs/y", "[3]"),
                ("/batch/inputs", r#"{"x": [[1, 2, 3]], "y": [[1, 2, 3]]}"#),
                ("/batch/targets", "[0]"),
            ],
            &[("/network/layers/0", "missing_field", "2 inputs")],
        ),
        case(
            "a neuron that reads a vector",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "neuron", "inputs": {"fc1": 1}}"#)],
            &[("/network/layers/1/inputs/fc1", "shape_mismatch", "select")],
        ),
        case(
            "a weight of a wrong type",
            NEURONS,
            &[("/network/nodes/1/inputs", r#"{"z3": [1]}"#)],
            &[("/network/nodes/1/inputs/z3", "wrong_type", "a weight is a number")],
        ),
        case(
            "a weight in quotes",
            NEURONS,
            &[("/network/nodes/1/inputs", r#"{"z3": "0.75"}"#)],
            &[("/network/nodes/1/inputs/z3", "missing_parameter", "write 0.75 without quotes")],
        ),
        case(
            "a bias of a wrong type",
            NEURONS,
            &[("/network/nodes/0/bias", "[0.1]")],
            &[("/network/nodes/0/bias", "wrong_type", "")],
        ),
        case(
            "an input of a wrong type",
            LAYERS,
            &[("/network/layers/1/inputs", "[true]")],
            &[("/network/layers/1/inputs/0", "wrong_type", "")],
        ),
        case(
            "too many inputs",
            LAYERS,
            &[("/network/layers/1/inputs", "[\"fc1\", \"x\"]")],
            &[("/network/layers/1/inputs", "shape_mismatch", "linear takes 1 input, found 2")],
        ),
        case(
            "a layer that is none, and the next",
            LAYERS,
            &[("/network/layers/0", "\"relu\""), ("/parameters", "{}")],
            &[("/network/layers/0", "wrong_type", "an object")],
        ),
    ];
    judge(&cases);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn parameters() {
    let cases = [
        case(
            "a missing bias",
            NEURONS,
            &[("/parameters/z2.bias", "")],
            &[("/network/nodes/1/bias", "missing_parameter", "\"z2.bias\"")],
        ),
        case(
            "a missing edge, its name turned around",
            NEURONS,
            &[("/parameters", r#"{"z2.bias": 0.2, "z1->x1": 0.3}"#)],
            &[("/network/nodes/2/inputs/x1", "missing_parameter", "\"x1->z1\""), ("/parameters/z1->x1", "surplus_parameter", "")],
        ),
        case(
            "both of a layer's missing",
            LAYERS,
            &[("/parameters", "{}")],
            &[
                ("/network/layers/0", "missing_parameter", "\"fc1.weight\" of shape [2, 3]"),
                ("/network/layers/0", "missing_parameter", "\"fc1.bias\" of shape [2]"),
            ],
        ),
        case(
            "a surplus one",
            LAYERS,
            &[("/parameters/fc1.wieght", "[[1]]")],
            &[("/parameters/fc1.wieght", "surplus_parameter", "did you mean \"fc1.weight\"")],
        ),
        case(
            "a bias that is switched off and given",
            LAYERS,
            &[("/network/layers/0/bias", "false")],
            &[("/parameters/fc1.bias", "surplus_parameter", "")],
        ),
        case(
            "one inline and among the parameters",
            LAYERS,
            &[("/parameters/fc2.weight", "[[1, 2], [3, 4]]")],
            &[("/network/layers/1/weight", "duplicate_parameter", "fc2.weight")],
        ),
        case(
            "an edge inline and among the parameters",
            NEURONS,
            &[("/parameters/z3->z2", "1")],
            &[("/network/nodes/1/inputs/z3", "duplicate_parameter", "z3->z2")],
        ),
        case(
            "a name that shares nothing",
            LAYERS,
            &[("/network/layers/1/weight", "\"shared\"")],
            &[("/network/layers/1/weight", "missing_parameter", "shared")],
        ),
        case(
            "a shared name of two shapes",
            LAYERS,
            &[("/network/layers/1/weight", "\"fc1.weight\"")],
            &[("/network/layers/1/weight", "shape_mismatch", "[2, 3] where it is used first")],
        ),
        case(
            "a weight of the wrong shape",
            LAYERS,
            &[("/parameters/fc1.weight", "[[1, 2], [3, 4], [5, 6]]")],
            &[("/parameters/fc1.weight", "shape_mismatch", "must have shape [2, 3], found [3, 2]")],
        ),
        case(
            "an inline weight of the wrong shape",
            LAYERS,
            &[("/network/layers/1/weight", "[[1, 2]]")],
            &[("/network/layers/1/weight", "shape_mismatch", "[2, 2]")],
        ),
        case(
            "a bias of the wrong shape",
            LAYERS,
            &[("/parameters/fc1.bias", "[[0.1, 0.2]]")],
            &[("/parameters/fc1.bias", "shape_mismatch", "[2], found [1, 2]")],
        ),
        case(
            "a tensor for an edge",
            NEURONS,
            &[("/parameters/z2.bias", "[0.2]")],
            &[("/parameters/z2.bias", "shape_mismatch", "one number")],
        ),
        case(
            "a ragged weight",
            LAYERS,
            &[("/parameters/fc1.weight", "[[1, 2, 3], [4, 5]]")],
            &[("/parameters/fc1.weight/1", "ragged_array", "a row of 2, element 0 is a row of 3")],
        ),
        case(
            "a ragged inline weight",
            LAYERS,
            &[("/network/layers/1/weight", "[[1, 2], [3]]")],
            &[("/network/layers/1/weight/1", "ragged_array", "")],
        ),
        case(
            "a number in quotes",
            LAYERS,
            &[("/parameters/fc1.bias", "[0.1, \"0.2\"]")],
            &[("/parameters/fc1.bias/1", "wrong_type", "remove the quotes")],
        ),
        case(
            "a null in a tensor",
            LAYERS,
            &[("/parameters/fc1.bias", "[0.1, null]")],
            &[("/parameters/fc1.bias/1", "wrong_type", "null")],
        ),
        case(
            "a parameter that is null",
            LAYERS,
            &[("/parameters/fc1.bias", "null")],
            &[("/parameters/fc1.bias", "wrong_type", "null")],
        ),
        case(
            "NaN without the option",
            LAYERS,
            &[("/parameters/fc1.bias", "[0.1, \"NaN\"]")],
            &[("/parameters/fc1.bias", "non_finite", "allow_non_finite")],
        ),
        case(
            "an infinity for an edge without the option",
            NEURONS,
            &[("/parameters/z2.bias", "\"-Infinity\"")],
            &[("/parameters/z2.bias", "non_finite", "allow_non_finite")],
        ),
        case(
            "flat data of the wrong length",
            LAYERS,
            &[("/parameters/fc1.bias", r#"{"shape": [2], "data": [1, 2, 3]}"#)],
            &[("/parameters/fc1.bias", "shape_mismatch", "2 elements, found 3")],
        ),
        case(
            "nested data",
            LAYERS,
            &[("/parameters/fc1.weight", r#"{"shape": [2, 3], "data": [[1, 2, 3], [4, 5, 6]]}"#)],
            &[("/parameters/fc1.weight/data", "wrong_type", "flat")],
        ),
        case(
            "a tensor without its data",
            LAYERS,
            &[("/parameters/fc1.bias", r#"{"shape": [2]}"#)],
            &[("/parameters/fc1.bias", "missing_field", "data")],
        ),
        case(
            "a shape whose product overflows",
            LAYERS,
            &[("/parameters/fc1.bias", r#"{"shape": [4294967296, 4294967296, 4294967296], "data": []}"#)],
            &[("/parameters/fc1.bias/shape", "limit_exceeded", "4294967296")],
        ),
        case(
            "a shape of fractions",
            LAYERS,
            &[("/parameters/fc1.bias", r#"{"shape": [1.5], "data": [1]}"#)],
            &[("/parameters/fc1.bias/shape", "wrong_type", "sizes")],
        ),
        case(
            "no base64",
            LAYERS,
            &[("/parameters/fc1.bias", r#"{"shape": [2], "base64": "a*b"}"#)],
            &[("/parameters/fc1.bias/base64", "invalid_value", "not base64")],
        ),
        case(
            "base64 of half a number",
            LAYERS,
            &[("/parameters/fc1.bias", r#"{"shape": [2], "base64": "AAAAAAAAAAAAAAAA"}"#)],
            &[("/parameters/fc1.bias/base64", "invalid_value", "12 bytes")],
        ),
        case(
            "base64 of another length",
            LAYERS,
            &[("/parameters/fc1.bias", r#"{"shape": [2], "base64": "AAAAAAAAAAA="}"#)],
            &[("/parameters/fc1.bias", "shape_mismatch", "2 elements, found 1")],
        ),
        case(
            "base64 of a type that is none",
            LAYERS,
            &[("/parameters/fc1.bias", r#"{"shape": [2], "dtype": "float32", "base64": "AAAAAAAAAAA="}"#)],
            &[("/parameters/fc1.bias/dtype", "invalid_value", "f32")],
        ),
        case(
            "an infinity in base64",
            LAYERS,
            &[("/parameters/fc1.bias", r#"{"shape": [2], "dtype": "f32", "base64": "AACAfwAAgH8="}"#)],
            &[("/parameters/fc1.bias/base64", "non_finite", "element 0")],
        ),
        case(
            "a seed that is none",
            LAYERS,
            &[("/parameters/fc1.bias", r#"{"init": "zeros", "seed": -1}"#)],
            &[("/parameters/fc1.bias/seed", "wrong_type", "2^64")],
        ),
        case(
            "an initialiser's argument in quotes",
            LAYERS,
            &[("/parameters/fc1.weight", r#"{"init": "normal", "std": "1"}"#)],
            &[("/parameters/fc1.weight/std", "wrong_type", "a number")],
        ),
        case(
            "an unknown initialiser",
            LAYERS,
            &[("/parameters/fc1.weight", r#"{"init": "xavier_unifrom"}"#)],
            &[("/parameters/fc1.weight", "invalid_value", "xavier_uniform")],
        ),
        case(
            "an initialiser of a batch",
            LAYERS,
            &[("/batch/inputs", r#"{"x": {"init": "zeros"}}"#)],
            &[("/batch/inputs/x", "wrong_type", "initialiser")],
        ),
        case(
            "an unreadable parameter is not missing too",
            LAYERS,
            &[("/parameters/fc1.bias", "[0.1, [0.2]]")],
            &[("/parameters/fc1.bias/1", "ragged_array", "")],
        ),
        case(
            "parameters of a failed node are not surplus",
            LAYERS,
            &[("/network/layers/0/op", "\"liner\"")],
            &[("/network/layers/0/op", "unknown_op", "linear")],
        ),
    ];
    judge(&cases);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn attributes_and_shapes() {
    let image = |name, node: &str, faults| case(name, IMAGES, &[("/network/nodes/0", node)], faults);
    let cases = [
        case(
            "a size of a wrong type",
            LAYERS,
            &[("/network/layers/0/out_features", "\"2\"")],
            &[("/network/layers/0/out_features", "wrong_type", "a whole number")],
        ),
        case(
            "a size that is no whole number",
            LAYERS,
            &[("/network/layers/0/out_features", "2.5")],
            &[("/network/layers/0/out_features", "wrong_type", "2.5")],
        ),
        case(
            "a negative size",
            LAYERS,
            &[("/network/layers/0/out_features", "-2")],
            &[("/network/layers/0/out_features", "invalid_value", "at least")],
        ),
        case(
            "no size and no weight",
            LAYERS,
            &[("/network/layers/0/out_features", ""), ("/parameters/fc1.weight", "")],
            &[("/network/layers/0/out_features", "invalid_value", "left out")],
        ),
        case(
            "features that do not fit",
            LAYERS,
            &[("/network/layers/0/in_features", "784")],
            &[("/network/layers/0", "shape_mismatch", "expects 784 features, its input has 3")],
        ),
        case(
            "linear over single numbers",
            NEURONS,
            &[
                ("/network/nodes/1", r#"{"id": "z2", "op": "linear", "inputs": ["z3"], "out_features": 1}"#),
                ("/parameters/z2.bias", ""),
            ],
            &[("/network/nodes/1", "shape_mismatch", "stack")],
        ),
        case(
            "shapes that do not broadcast",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "add", "inputs": ["fc1", "x"]}"#)],
            &[("/network/layers/1", "shape_mismatch", "[2, 2]")],
        ),
        case(
            "a matrix product that does not fit",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "matmul", "inputs": ["fc1", "x"]}"#)],
            &[("/network/layers/1", "shape_mismatch", "matmul")],
        ),
        case(
            "a sum over samples",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "sum", "inputs": ["fc1"], "dim": 0}"#)],
            &[("/network/layers/1", "shape_mismatch", "sample")],
        ),
        case(
            "a softmax over samples",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "softmax", "inputs": ["fc1"], "dim": 0}"#)],
            &[("/network/layers/1", "shape_mismatch", "sample")],
        ),
        case(
            "an axis that is not there",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "softmax", "inputs": ["fc1"], "dim": 2}"#)],
            &[("/network/layers/1", "shape_mismatch", "2")],
        ),
        case(
            "an index that is not there",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "select", "inputs": ["fc1"], "index": 2}"#)],
            &[("/network/layers/1", "shape_mismatch", "2")],
        ),
        case(
            "a missing attribute",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "select", "inputs": ["fc1"]}"#)],
            &[("/network/layers/1", "missing_field", "\"index\"")],
        ),
        case(
            "a step of zero",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "slice", "inputs": ["fc1"], "step": 0}"#)],
            &[("/network/layers/1/step", "invalid_value", "at least 1")],
        ),
        case(
            "a reshape that moves samples",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "reshape", "inputs": ["fc1"], "shape": [4, 1]}"#)],
            &[("/network/layers/1", "shape_mismatch", "sample")],
        ),
        case(
            "a reshape to another size",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "reshape", "inputs": ["fc1"], "shape": [-1, 3]}"#)],
            &[("/network/layers/1", "shape_mismatch", "")],
        ),
        case(
            "a permutation of samples",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "permute", "inputs": ["fc1"], "dims": [1, 0]}"#)],
            &[("/network/layers/1", "shape_mismatch", "sample")],
        ),
        case(
            "a permutation that is none",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "permute", "inputs": ["fc1"], "dims": [0, 0]}"#)],
            &[("/network/layers/1", "shape_mismatch", "")],
        ),
        case(
            "a power without exponent",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "pow", "inputs": ["fc1"]}"#)],
            &[("/network/layers/1", "shape_mismatch", "pow takes two inputs")],
        ),
        case(
            "a power with two exponents",
            LAYERS,
            &[("/network/layers/1", r#"{"id": "fc2", "op": "pow", "inputs": ["fc1", 2], "exponent": 2}"#)],
            &[("/network/layers/1", "shape_mismatch", "pow takes one input")],
        ),
        image(
            "a kernel larger than the image",
            r#"{"id": "y", "op": "conv2d", "inputs": ["x"], "out_channels": 1, "kernel_size": 5, "weight": {"init": "zeros"}, "bias": false}"#,
            &[("/network/nodes/0", "shape_mismatch", "5")],
        ),
        image(
            "a window larger than the image",
            r#"{"id": "y", "op": "max_pool2d", "inputs": ["x"], "kernel_size": 5}"#,
            &[("/network/nodes/0", "shape_mismatch", "5")],
        ),
        image(
            "groups that do not divide",
            r#"{"id": "y", "op": "conv2d", "inputs": ["x"], "out_channels": 3, "kernel_size": 1, "groups": 2, "weight": {"init": "zeros"}, "bias": false}"#,
            &[("/network/nodes/0/groups", "invalid_value", "a divisor")],
        ),
        image(
            "a kernel of three sizes",
            r#"{"id": "y", "op": "max_pool2d", "inputs": ["x"], "kernel_size": [2, 2, 2]}"#,
            &[("/network/nodes/0/kernel_size", "invalid_value", "one number or two")],
        ),
        image(
            "a stride of zero",
            r#"{"id": "y", "op": "avg_pool2d", "inputs": ["x"], "kernel_size": 2, "stride": 0}"#,
            &[("/network/nodes/0/stride", "invalid_value", "at least 1")],
        ),
        image(
            "a padding of more than half a window",
            r#"{"id": "y", "op": "max_pool2d", "inputs": ["x"], "kernel_size": 2, "padding": 2}"#,
            &[("/network/nodes/0/padding", "invalid_value", "half")],
        ),
        image(
            "a padding word that is none",
            r#"{"id": "y", "op": "conv2d", "inputs": ["x"], "out_channels": 1, "kernel_size": 1, "padding": "smae", "weight": {"init": "zeros"}, "bias": false}"#,
            &[("/network/nodes/0/padding", "invalid_value", "did you mean \"same\"")],
        ),
        image(
            "same padding with a stride",
            r#"{"id": "y", "op": "conv2d", "inputs": ["x"], "out_channels": 1, "kernel_size": 1, "stride": 2, "padding": "same", "weight": {"init": "zeros"}, "bias": false}"#,
            &[("/network/nodes/0/padding", "invalid_value", "stride 1")],
        ),
        image(
            "batch_norm1d of images",
            r#"{"id": "y", "op": "batch_norm1d", "inputs": ["x"]}"#,
            &[("/network/nodes/0", "shape_mismatch", "[N, C] or [N, C, L]")],
        ),
        image(
            "channels that do not fit",
            r#"{"id": "y", "op": "batch_norm2d", "inputs": ["x"], "num_features": 3}"#,
            &[("/network/nodes/0", "shape_mismatch", "3 channels")],
        ),
        image(
            "running statistics that are not given",
            r#"{"id": "y", "op": "batch_norm2d", "inputs": ["x"], "affine": false, "training": false}"#,
            &[
                ("/network/nodes/0", "missing_parameter", "y.running_mean"),
                ("/network/nodes/0", "missing_parameter", "y.running_var"),
            ],
        ),
        image(
            "a normalised shape that is another",
            r#"{"id": "y", "op": "layer_norm", "inputs": ["x"], "normalized_shape": [5], "elementwise_affine": false}"#,
            &[("/network/nodes/0", "shape_mismatch", "[5]")],
        ),
        image(
            "dropout without a seed",
            r#"{"id": "y", "op": "dropout", "inputs": ["x"]}"#,
            &[("/network/nodes/0", "missing_field", "seed")],
        ),
        image(
            "dropout of more than all",
            r#"{"id": "y", "op": "dropout", "inputs": ["x"], "p": 1.5, "seed": 1}"#,
            &[("/network/nodes/0/p", "invalid_value", "from 0 to 1")],
        ),
        image(
            "a dropout mask of the wrong shape",
            r#"{"id": "y", "op": "dropout", "inputs": ["x"], "mask": [1, 0]}"#,
            &[("/network/nodes/0/mask", "shape_mismatch", "[2]")],
        ),
        image(
            "a conv2d of vectors after a flatten",
            r#"{"id": "y", "op": "conv2d", "inputs": ["f"], "out_channels": 1, "kernel_size": 1}"#,
            &[("/network/nodes/0/inputs/0", "unknown_node", "\"f\"")],
        ),
        case(
            "an embedding of real numbers",
            TOKENS,
            &[("/network/inputs/t", "[2]")],
            &[("/network/nodes/0", "shape_mismatch", "i64")],
        ),
        case(
            "a padding_idx outside the table",
            TOKENS,
            &[("/network/nodes/0/padding_idx", "3")],
            &[("/network/nodes/0/padding_idx", "invalid_value", "3")],
        ),
        case(
            "a mask that is no mask",
            IMAGES,
            &[(
                "/network/nodes/0",
                r#"{"id": "y", "op": "dropout", "inputs": ["x"], "mask": [[[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]], [[1, 1, 1, 1], [1, 1, 0.5, 1], [1, 1, 1, 1], [1, 1, 1, 1]]]}"#,
            )],
            &[("/network/nodes/0/mask", "invalid_value", "0.5")],
        ),
    ];
    judge(&cases);
}

#[test]
fn recurrent_layers() {
    let node = |name, attributes: &str, faults| {
        let patches: Vec<_> = attributes.split(" & ").map(|patch| patch.split_once('=').expect("member=value")).collect();
        let patches: Vec<_> = patches.iter().map(|(member, value)| (format!("/network/nodes/0/{member}"), *value)).collect();
        let patches: Vec<_> = patches.iter().map(|(pointer, value)| (pointer.as_str(), *value)).collect();
        case(name, RECURRENT, &patches, faults)
    };
    let cases = [
        node(
            "PyTorch's default layout, written out",
            "batch_first=false",
            &[("/network/nodes/0/batch_first", "invalid_value", "transpose(0, 1)")],
        ),
        node("an input without time", "inputs=[\"pad\"]", &[("/network/nodes/0", "shape_mismatch", "[N, L, input_size]")]),
        node("a declared size that differs", "input_size=3", &[("/network/nodes/0", "shape_mismatch", "expects 3 features")]),
        node(
            "an initial h without c",
            "inputs=[\"x\", \"h\"]",
            &[("/network/nodes/0/inputs", "shape_mismatch", "both h_0 and c_0")],
        ),
        node(
            "states of another size",
            "inputs=[\"x\", \"h\", \"x\"]",
            &[("/network/nodes/0/inputs/2", "shape_mismatch", "[N, 1, 2], samples first; found [1, 3, 2]")],
        ),
        node(
            "a projection as wide as the state",
            "proj_size=2",
            &[("/network/nodes/0/proj_size", "invalid_value", "less than hidden_size")],
        ),
        node("no layers", "num_layers=0", &[("/network/nodes/0/num_layers", "invalid_value", "at least 1")]),
        node("layers without end", "num_layers=1000000000", &[("/network/nodes/0/num_layers", "invalid_value", "at most 1000")]),
        node(
            "a second layer without its weights",
            "num_layers=2",
            &[
                ("/network/nodes/0", "missing_parameter", "rnn.weight_ih_l1\" of shape [8, 2]"),
                ("/network/nodes/0", "missing_parameter", "rnn.weight_hh_l1\" of shape [8, 2]"),
            ],
        ),
        node(
            "dropout without a seed",
            "dropout=0.5 & num_layers=2",
            &[
                ("/network/nodes/0", "missing_field", "needs \"seed\""),
                ("/network/nodes/0", "missing_parameter", "weight_ih_l1"),
                ("/network/nodes/0", "missing_parameter", "weight_hh_l1"),
            ],
        ),
        node(
            "an activation after several outputs",
            "activation=\"relu\"",
            &[("/network/nodes/0/activation", "invalid_value", "several outputs")],
        ),
        node(
            "a weight of a layer that is not there",
            "weight_ih_l1=[[1]]",
            &[("/network/nodes/0/weight_ih_l1", "surplus_parameter", "no parameter \"weight_ih_l1\"")],
        ),
        node(
            "a weight that no LSTM has",
            "weight_ih_l01=[[1]]",
            &[("/network/nodes/0/weight_ih_l01", "unknown_field", "weight_ih_l01")],
        ),
        case(
            "an output that an LSTM does not have",
            RECURRENT,
            &[("/loss/of", "\"rnn.h\"")],
            &[("/loss/of", "unknown_node", "rnn.h")],
        ),
        case(
            "biases that are switched off",
            RECURRENT,
            &[("/parameters/rnn.bias_ih_l0", "[1, 2, 3, 4, 5, 6, 7, 8]")],
            &[("/parameters/rnn.bias_ih_l0", "surplus_parameter", "no parameter")],
        ),
        case(
            "a further output of a layer that failed: one fault",
            RECURRENT,
            &[("/network/nodes/0/num_layers", "0"), ("/loss/of", "\"rnn.h_n\"")],
            &[("/network/nodes/0/num_layers", "invalid_value", "at least 1")],
        ),
        case(
            "no size, and an initialiser that tells none",
            RECURRENT,
            &[("/network/nodes/0/hidden_size", "")],
            &[("/network/nodes/0/hidden_size", "invalid_value", "weight_ih_l0")],
        ),
    ];
    judge(&cases);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn attentive_layers() {
    let node = |name, patches: &[(&str, &str)], faults| {
        let patches: Vec<_> = patches.iter().map(|(member, value)| (format!("/network/nodes/0/{member}"), *value)).collect();
        let patches: Vec<_> = patches.iter().map(|(pointer, value)| (pointer.as_str(), *value)).collect();
        case(name, ATTENTIVE, &patches, faults)
    };
    let encoder = |name, members: &str, faults| {
        let node =
            format!(r#"{{"id": "mha", "op": "transformer_encoder_layer", "inputs": ["x"], "dim_feedforward": 1{members}}}"#);
        let zeros = r#"{"init": "zeros"}"#;
        let names = [
            "self_attn.in_proj_weight",
            "self_attn.out_proj.weight",
            "linear1.weight",
            "linear2.weight",
            "norm1.weight",
            "norm2.weight",
        ];
        let names = names.map(|name| format!("/parameters/mha.{name}"));
        let mut patches = vec![("/network/nodes/0", node.as_str()), ("/parameters", "{}")];
        patches.extend(names.iter().map(|name| (name.as_str(), zeros)));
        case(name, ATTENTIVE, &patches, faults)
    };
    let cases = [
        node("no heads", &[("num_heads", "")], &[("/network/nodes/0", "missing_field", "num_heads")]),
        node(
            "heads that do not divide",
            &[("num_heads", "3")],
            &[("/network/nodes/0/num_heads", "invalid_value", "3 heads cannot share 2 features")],
        ),
        node("samples second", &[("batch_first", "false")], &[("/network/nodes/0/batch_first", "invalid_value", "[N, L, E]")]),
        node("two inputs", &[("inputs", r#"["x", "x"]"#)], &[("/network/nodes/0/inputs", "shape_mismatch", "found 2")]),
        node(
            "a key of another size, undeclared",
            &[("inputs", r#"["x", "y", "y"]"#)],
            &[
                ("/network/nodes/0/inputs/1", "shape_mismatch", "(kdim)"),
                ("/network/nodes/0/inputs/2", "shape_mismatch", "(vdim)"),
            ],
        ),
        node(
            "as many values as keys",
            &[("inputs", r#"["x", "y", "x"]"#), ("kdim", "5"), ("in_proj_weight", "[[1]]")],
            &[
                ("/network/nodes/0", "missing_parameter", "q_proj_weight"),
                ("/network/nodes/0", "missing_parameter", "k_proj_weight"),
                ("/network/nodes/0", "missing_parameter", "v_proj_weight"),
                ("/network/nodes/0/inputs/2", "shape_mismatch", "as many values as keys"),
            ],
        ),
        node(
            "a mask of another shape",
            &[("attn_mask", "[[true, false]]")],
            &[(
                "/network/nodes/0/attn_mask",
                "shape_mismatch",
                "[L, S] = [3, 3] or [N * num_heads, L, S] = [1, 3, 3]; found [1, 2]",
            )],
        ),
        node(
            "a ragged mask",
            &[("attn_mask", "[[true, false], [true]]")],
            &[("/network/nodes/0/attn_mask", "ragged_array", "of one length")],
        ),
        node("a mask by a name", &[("attn_mask", "\"pad\"")], &[("/network/nodes/0/attn_mask", "wrong_type", "")]),
        node(
            "padding of another length",
            &[("key_padding_mask", "[[true, false]]")],
            &[("/network/nodes/0/key_padding_mask", "shape_mismatch", "[N, S] = [1, 3]; found [1, 2]")],
        ),
        node(
            "padding by the name of no input",
            &[("key_padding_mask", "\"pads\"")],
            &[("/network/nodes/0/key_padding_mask", "unknown_node", "declare it")],
        ),
        node(
            "padding by the name of real numbers",
            &[("key_padding_mask", "\"x\"")],
            &[("/network/nodes/0/key_padding_mask", "unknown_node", "i64")],
        ),
        case(
            "padding that is no flag",
            ATTENTIVE,
            &[("/network/nodes/0/key_padding_mask", "\"pad\""), ("/batch/inputs/pad", "[[0, 2, 1]]")],
            &[("/batch/inputs/pad/0/1", "out_of_range", "zeros and ones, found 2")],
        ),
        node("dropout without a seed", &[("dropout", "0.1")], &[("/network/nodes/0", "missing_field", "needs \"seed\"")]),
        node("no probability", &[("dropout", "1.5")], &[("/network/nodes/0/dropout", "invalid_value", "from 0 to 1")]),
        encoder(
            "PyTorch's default dropout without a seed",
            r#", "nhead": 1, "bias": false"#,
            &[("/network/nodes/0", "missing_field", "set \"dropout\" to 0")],
        ),
        encoder(
            "missing parameters, all of them",
            r#", "nhead": 1, "dropout": 0"#,
            &[
                ("/network/nodes/0", "missing_parameter", "mha.self_attn.in_proj_bias\" of shape [6]"),
                ("/network/nodes/0", "missing_parameter", "mha.self_attn.out_proj.bias"),
                ("/network/nodes/0", "missing_parameter", "mha.linear1.bias"),
                ("/network/nodes/0", "missing_parameter", "mha.linear2.bias"),
                ("/network/nodes/0", "missing_parameter", "mha.norm1.bias"),
                ("/network/nodes/0", "missing_parameter", "mha.norm2.bias"),
            ],
        ),
        encoder(
            "an activation that is no function of one number",
            r#", "nhead": 1, "dropout": 0, "bias": false, "activation": "softmax""#,
            &[("/network/nodes/0/activation", "unknown_op", "softmax")],
        ),
        encoder(
            "an argument of the encoder, not of its layer",
            r#", "nhead": 1, "dropout": 0, "bias": false, "num_layers": 2"#,
            &[("/network/nodes/0/num_layers", "unknown_field", "num_layers")],
        ),
    ];
    judge(&cases);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn minibatches() {
    let cases = [
        case("no inputs", NEURONS, &[("/batch/inputs", "")], &[("/batch", "missing_field", "inputs")]),
        case(
            "a missing input",
            NEURONS,
            &[("/batch/inputs", r#"{"x1": [1, 2, 3]}"#)],
            &[("/batch/inputs", "missing_field", "x2")],
        ),
        case(
            "an unknown input",
            NEURONS,
            &[("/batch/inputs", r#"{"x1": [1, 2, 3], "x2": [1, 2, 3], "x3": [1, 2, 3]}"#)],
            &[("/batch/inputs/x3", "unknown_name", "did you mean")],
        ),
        case(
            "inputs turned around",
            NEURONS,
            &[("/batch/inputs", "[[1, 2, 3], [4, 5, 6]]")],
            &[("/batch/inputs", "shape_mismatch", "[N, 2]")],
        ),
        case(
            "inputs of another size",
            LAYERS,
            &[("/batch/inputs", "[[1, 2], [3, 4]]")],
            &[("/batch/inputs", "shape_mismatch", "must have shape [2, 3]")],
        ),
        case(
            "one sample without its axis",
            LAYERS,
            &[("/batch/inputs", "[1, 2, 3]"), ("/batch/targets", "0")],
            &[("/batch/inputs", "shape_mismatch", "found [3]")],
        ),
        case(
            "samples that differ in number",
            NEURONS,
            &[("/batch/inputs", r#"{"x1": [1, 2, 3], "x2": [1, 2]}"#)],
            &[("/batch/inputs/x2", "shape_mismatch", "[3]")],
        ),
        case(
            "an empty minibatch",
            LAYERS,
            &[("/batch/inputs", "[]"), ("/batch/targets", "[]"), ("/batch/weights", "[]")],
            &[("/batch/inputs", "empty_batch", "")],
        ),
        case(
            "an empty minibatch of scalars",
            NEURONS,
            &[("/batch/inputs", "[]"), ("/batch/targets", "[]")],
            &[("/batch/inputs", "empty_batch", "")],
        ),
        case(
            "ragged inputs",
            LAYERS,
            &[("/batch/inputs", "[[1, 2, 3], [4, 5, 6], [7, 8]]"), ("/batch/weights", "[1, 1]")],
            &[("/batch/inputs/2", "ragged_array", "")],
        ),
        case(
            "a word among the inputs",
            LAYERS,
            &[("/batch/inputs", "[[1, 2, 3], [4, \"cat\", 6]]")],
            &[("/batch/inputs/1/1", "wrong_type", "the string \"cat\"")],
        ),
        case(
            "inputs as a list of objects",
            NEURONS,
            &[("/batch/inputs", r#"[{"x1": 1, "x2": 2}]"#)],
            &[("/batch/inputs/0", "wrong_type", "an object")],
        ),
        case(
            "a bare tensor for two inputs",
            LAYERS,
            &[("/network/inputs/y", "[3]"), ("/network/layers/0/inputs", "[\"x\"]")],
            &[("/batch/inputs", "wrong_type", "from name to tensor")],
        ),
        case(
            "a token beyond the table",
            TOKENS,
            &[("/batch/inputs", r#"{"t": [[0, 1], [3, 2]]}"#)],
            &[("/batch/inputs/t/1/0", "out_of_range", "token 3")],
        ),
        case(
            "a token beyond the table, in a flat tensor",
            TOKENS,
            &[("/batch/inputs", r#"{"shape": [2, 2], "data": [0, 1, 3, 2]}"#)],
            &[("/batch/inputs/data/2", "out_of_range", "token 3")],
        ),
        case(
            "a token beyond the table, in base64",
            TOKENS,
            &[("/batch/inputs", r#"{"t": {"shape": [2, 2], "dtype": "i32", "base64": "AAAAAAEAAAADAAAAAgAAAA=="}}"#)],
            &[("/batch/inputs/t/base64", "out_of_range", "token 3")],
        ),
        case(
            "a negative token",
            TOKENS,
            &[("/batch/inputs", r#"{"t": [[0, 1], [2, -1]]}"#)],
            &[("/batch/inputs/t/1/1", "out_of_range", "-1")],
        ),
        case("half a token", TOKENS, &[("/batch/inputs", "[[0, 1.5], [2, 1]]")], &[("/batch/inputs/0/1", "out_of_range", "1.5")]),
        case("no targets", NEURONS, &[("/batch/targets", "")], &[("/batch", "missing_field", "targets")]),
        case(
            "targets that nobody asks for",
            IMAGES,
            &[("/batch/targets", "[1]")],
            &[("/batch/targets", "unknown_field", "no targets")],
        ),
        case(
            "targets of another shape",
            NEURONS,
            &[("/batch/targets", "[[1, 0], [0, 1]]")],
            &[("/batch/targets", "shape_mismatch", "[3, 2]")],
        ),
        case("fewer labels than samples", LAYERS, &[("/batch/targets", "[0]")], &[("/batch/targets", "shape_mismatch", "[2]")]),
        case(
            "a label beyond the classes",
            LAYERS,
            &[("/batch/targets", "[0, 2]")],
            &[("/batch/targets/1", "label_out_of_range", "2 classes, 0 to 1")],
        ),
        case(
            "labels that count from one",
            LAYERS,
            &[("/batch/targets", "[1, 2]")],
            &[("/batch/targets/1", "label_out_of_range", "class 2")],
        ),
        case("half a label", LAYERS, &[("/batch/targets", "[0.5, 1]")], &[("/batch/targets/0", "label_out_of_range", "0.5")]),
        case(
            "negative labels, all of them",
            LAYERS,
            &[("/batch/targets", "[-1, -2]")],
            &[("/batch/targets/0", "label_out_of_range", "-1"), ("/batch/targets/1", "label_out_of_range", "-2")],
        ),
        case(
            "labels as words",
            LAYERS,
            &[("/batch/targets", "[\"cat\", \"dog\"]")],
            &[("/batch/targets/0", "wrong_type", "cat"), ("/batch/targets/1", "wrong_type", "dog")],
        ),
        case(
            "ragged targets",
            NEURONS,
            &[("/batch/targets", "[[1, 0], [0], [1, 1]]")],
            &[("/batch/targets/1", "ragged_array", "")],
        ),
        case(
            "sample weights of another length",
            LAYERS,
            &[("/batch/weights", "[1, 1, 1]")],
            &[("/batch/weights", "shape_mismatch", "[2]")],
        ),
        case(
            "a negative sample weight",
            LAYERS,
            &[("/batch/weights", "[1, -1]")],
            &[("/batch/weights/1", "invalid_value", "-1")],
        ),
    ];
    judge(&cases);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn losses_and_options() {
    let cases = [
        case(
            "an unknown loss",
            LAYERS,
            &[("/loss/op", "\"crossentropy\"")],
            &[("/loss/op", "unknown_op", "did you mean \"cross_entropy\"")],
        ),
        case("no op", LAYERS, &[("/loss/op", "")], &[("/loss", "missing_field", "op")]),
        case("nothing that it reads", LAYERS, &[("/loss/of", "")], &[("/loss", "missing_field", "of")]),
        case("an empty list that it reads", NEURONS, &[("/loss/of", "[]")], &[("/loss/of", "missing_field", "at least one")]),
        case("an unknown node", LAYERS, &[("/loss/of", "\"fc3\"")], &[("/loss/of", "unknown_node", "did you mean \"fc")]),
        case("an unknown node in a list", NEURONS, &[("/loss/of", "[\"z1\", \"z02\"]")], &[("/loss/of/1", "unknown_node", "z2")]),
        case("a list of vectors", LAYERS, &[("/loss/of", "[\"fc1\"]")], &[("/loss/of/0", "shape_mismatch", "name it alone")]),
        case(
            "classes of a single number",
            NEURONS,
            &[("/loss", r#"{"op": "cross_entropy", "of": "z1"}"#), ("/batch/targets", "[0, 0, 0]")],
            &[("/loss/of", "shape_mismatch", "[N, C]")],
        ),
        case(
            "a reduction that is none",
            LAYERS,
            &[("/loss/reduction", "\"avg\"")],
            &[("/loss/reduction", "invalid_value", "\"sum\" or \"mean\"")],
        ),
        case(
            "a source that is none",
            LAYERS,
            &[("/loss/from", "\"logit\"")],
            &[("/loss/from", "invalid_value", "did you mean \"logits\"")],
        ),
        case(
            "class weights of another length",
            LAYERS,
            &[("/loss/weight", "[1, 2, 3]")],
            &[("/loss/weight", "shape_mismatch", "[2]")],
        ),
        case(
            "a smoothing of more than all",
            LAYERS,
            &[("/loss/label_smoothing", "1.5")],
            &[("/loss/label_smoothing", "invalid_value", "from 0 to 1")],
        ),
        case("a factor of a wrong type", NEURONS, &[("/loss/factor", "\"half\"")], &[("/loss/factor", "wrong_type", "a number")]),
        case(
            "a negative beta",
            NEURONS,
            &[("/loss", r#"{"op": "smooth_l1", "of": ["z1", "z2"], "beta": -1}"#)],
            &[("/loss/beta", "invalid_value", "at least 0")],
        ),
        case(
            "a cotangent without its value",
            NEURONS,
            &[("/loss", r#"{"op": "cotangent", "of": ["z1", "z2"]}"#), ("/batch/targets", "")],
            &[("/loss", "missing_field", "\"value\"")],
        ),
        case(
            "a cotangent of another shape",
            NEURONS,
            &[("/loss", r#"{"op": "cotangent", "of": ["z1", "z2"], "value": [1, 2, 3]}"#), ("/batch/targets", "")],
            &[("/loss/value", "shape_mismatch", "[3, 2]")],
        ),
        case(
            "a ragged cotangent",
            NEURONS,
            &[("/loss", r#"{"op": "cotangent", "of": ["z1", "z2"], "value": [[1, 2], [3]]}"#), ("/batch/targets", "")],
            &[("/loss/value/1", "ragged_array", "")],
        ),
        case(
            "a penalty of nothing",
            LAYERS,
            &[("/regularization", r#"[{"factor": 1}]"#)],
            &[("/regularization/0", "missing_field", "l1")],
        ),
        case(
            "a penalty of both",
            LAYERS,
            &[("/regularization", r#"[{"l1": 1, "l2": 1}]"#)],
            &[("/regularization/0", "missing_field", "one of them")],
        ),
        case(
            "a penalty on no parameter",
            LAYERS,
            &[("/regularization", r#"[{"l2": 1, "parameters": ["fc9.*"]}]"#)],
            &[("/regularization/0/parameters/0", "unknown_name", "fc9.*")],
        ),
        case(
            "options that are none",
            LAYERS,
            &[(
                "/options",
                r#"{"dtype": "f16", "encoding": "hex", "per_sample": 1, "allow_non_finite": "yes", "trace": 3, "wrt": 4}"#,
            )],
            &[
                ("/options/dtype", "invalid_value", "\"f64\" or \"f32\""),
                ("/options/trace", "wrong_type", ""),
                ("/options/wrt", "wrong_type", ""),
                ("/options/per_sample", "wrong_type", "true or false"),
                ("/options/encoding", "invalid_value", "base64"),
                ("/options/allow_non_finite", "wrong_type", ""),
            ],
        ),
        case(
            "a gradient of nothing",
            LAYERS,
            &[("/options", r#"{"wrt": "fc1.wieght"}"#)],
            &[("/options/wrt", "unknown_name", "did you mean \"fc1.weight\"")],
        ),
        case(
            "gradients of nothing, in a list",
            LAYERS,
            &[("/options", r#"{"wrt": ["fc1.*", "fc3.*"]}"#)],
            &[("/options/wrt/1", "unknown_name", "fc3.*")],
        ),
        case(
            "a gradient of tokens",
            TOKENS,
            &[("/options", r#"{"wrt": ["t"]}"#)],
            &[("/options/wrt/0", "invalid_value", "token")],
        ),
        case(
            "a trace of nothing",
            LAYERS,
            &[("/options", r#"{"trace": ["fc1", "fc02"]}"#)],
            &[("/options/trace/1", "unknown_node", "did you mean \"fc2\"")],
        ),
        case(
            "a trace of nothing, alone",
            LAYERS,
            &[("/options", r#"{"trace": "fc02"}"#)],
            &[("/options/trace/0", "unknown_node", "fc2")],
        ),
    ];
    judge(&cases);
}

#[test]
fn several_at_once() {
    let cases = [
        case(
            "a label and an option",
            LAYERS,
            &[("/batch/targets", "[0, 2]"), ("/options", r#"{"wrt": ["fc3.weight"]}"#)],
            &[("/batch/targets/1", "label_out_of_range", ""), ("/options/wrt/0", "unknown_name", "")],
        ),
        case(
            "a name, an activation and a bias of three nodes",
            NEURONS,
            &[
                ("/network/nodes/0/activation", "\"tanhh\""),
                ("/network/nodes/1/bias", "[1]"),
                ("/network/nodes/2/inputs", r#"{"z4": 1, "x1": null}"#),
            ],
            &[
                ("/network/nodes/0/activation", "unknown_op", ""),
                ("/network/nodes/1/bias", "wrong_type", ""),
                ("/network/nodes/2/inputs/z4", "unknown_node", ""),
            ],
        ),
        case(
            "a name, an attribute and an activation of one node",
            LAYERS,
            &[
                ("/network/layers/1/inputs", "[\"fc7\"]"),
                ("/network/layers/1/biass", "true"),
                ("/network/layers/1/activation", "\"relo\""),
            ],
            &[
                ("/network/layers/1/inputs/0", "unknown_node", ""),
                ("/network/layers/1/activation", "unknown_op", "relu"),
                ("/network/layers/1/biass", "unknown_field", "bias"),
            ],
        ),
        case(
            "a shape, a ragged batch and a loss",
            LAYERS,
            &[("/parameters/fc1.bias", "[1, 2, 3]"), ("/batch/targets", "[[1, 0], [1]]"), ("/loss/reduction", "\"none\"")],
            &[
                ("/batch/targets/1", "ragged_array", ""),
                ("/loss/reduction", "invalid_value", ""),
                ("/parameters/fc1.bias", "shape_mismatch", ""),
            ],
        ),
        case(
            "an unreadable input, and weights that fit no minibatch",
            LAYERS,
            &[("/network/inputs/x", "[3.5]"), ("/batch/weights", "[1]")],
            &[("/network/inputs/x", "wrong_type", ""), ("/batch/weights", "shape_mismatch", "shape [2]; found [1]")],
        ),
    ];
    judge(&cases);
}

#[test]
fn limits() {
    let bounded = |case: Case, set: fn(&mut Limits)| {
        let mut limits = Limits::default();
        set(&mut limits);
        Case { limits, ..case }
    };
    let huge = r#"{"id": "fc1", "op": "linear", "out_features": 1000000000, "weight": {"init": "zeros"}, "bias": false}"#;
    let overflowing =
        r#"{"id": "fc1", "op": "linear", "out_features": 4611686018427387904, "weight": {"init": "zeros"}, "bias": false}"#;
    let alone =
        [("/network/layers/1", ""), ("/parameters", "{}"), ("/loss", r#"{"op": "sum", "of": "fc1"}"#), ("/batch/targets", "")];
    let with = |layer| [&[("/network/layers/0", layer)][..], &alone].concat();
    let cases = [
        bounded(case("nodes", NEURONS, &[], &[("/network/nodes", "limit_exceeded", "3 nodes, the limit is 2")]), |l| l.nodes = 2),
        bounded(case("edges", NEURONS, &[], &[("/network/nodes", "limit_exceeded", "5 edges, the limit is 4")]), |l| l.edges = 4),
        bounded(case("samples", LAYERS, &[], &[("/batch/inputs", "limit_exceeded", "2 samples, the limit is 1")]), |l| {
            l.batch = 1;
        }),
        bounded(
            case(
                "axes",
                LAYERS,
                &[],
                &[
                    ("/parameters/fc1.weight", "limit_exceeded", "2 axes; the limit is 1"),
                    ("/batch/inputs", "limit_exceeded", ""),
                ],
            ),
            |l| l.rank = 1,
        ),
        bounded(case("parameters", LAYERS, &[], &[("/parameters", "limit_exceeded", "8 numbers, the limit is 7")]), |l| {
            l.parameters = 7;
        }),
        bounded(case("operations", LAYERS, &[], &[("", "limit_exceeded", "floating-point operations, the limit is 10")]), |l| {
            l.flops = 10;
        }),
        bounded(case("memory", LAYERS, &[], &[("", "limit_exceeded", "bytes of memory, the limit is 100")]), |l| {
            l.memory_bytes = 100;
        }),
        bounded(
            case("listed faults", LAYERS, &[("/batch/targets", "[7, 8]")], &[("/batch/targets/0", "label_out_of_range", "")]),
            |l| l.faults = 1,
        ),
        case("a huge layer with an initialiser", LAYERS, &with(huge), &[("", "limit_exceeded", "bytes of memory")]),
        case("a layer whose size overflows", LAYERS, &with(overflowing), &[("/network/layers/0/out_features", "wrong_type", "")]),
        case(
            "an input whose size overflows",
            LAYERS,
            &[("/network/inputs/x", "[9007199254740992, 9007199254740992]"), ("/parameters", "{}")],
            &[("/network/inputs/x", "limit_exceeded", "")],
        ),
        case(
            "a layer whose price is beyond all numbers",
            LAYERS,
            &with(
                r#"{"id": "fc1", "op": "linear", "out_features": 9007199254740992, "weight": {"init": "zeros"}, "bias": false}"#,
            ),
            &[("", "limit_exceeded", "floating-point operations"), ("", "limit_exceeded", "bytes of memory")],
        ),
        case(
            "more patterns than are looked at",
            LAYERS,
            &[("/options", &format!(r#"{{"wrt": {}}}"#, json!(vec!["*"; 101])))],
            &[("/options/wrt", "limit_exceeded", "101 patterns")],
        ),
    ];
    judge(&cases);
}

fn answer_to(problem: &Value) -> Value {
    answer(&problem.to_string())
}

const MANY: usize = 100_000;

#[test]
fn a_long_chain_of_neurons_works() {
    let node = |i: usize| {
        let source = if i == 0 { "x".to_owned() } else { format!("z{}", i - 1) };
        json!({"id": format!("z{i}"), "op": "neuron", "inputs": {source: 1.0}, "bias": 1e-5})
    };
    let reply = answer_to(&json!({
        "network": {"inputs": ["x"], "nodes": (0..MANY).rev().map(node).collect::<Vec<_>>()},
        "batch": {"inputs": [0.5]},
        "loss": {"op": "sum", "of": format!("z{}", MANY - 1)},
    }));
    assert!((reply["loss"].as_f64().expect("a number") - 1.5).abs() < 1e-9);
    assert_eq!(reply["gradients"].as_object().map(serde_json::Map::len), Some(2 * MANY));
    assert_eq!(reply["gradients"]["x->z0"], json!(0.5));
    assert_eq!(reply["trace"][0], json!({"id": "z0", "op": "neuron", "inputs": ["x"], "z": [0.50001], "dE_dz": [1.0]}));
}

#[test]
fn a_long_chain_of_ops_works() {
    let node = |i: usize| {
        let source = if i == 0 { "x".to_owned() } else { format!("s{}", i - 1) };
        json!({"id": format!("s{i}"), "op": if i.is_multiple_of(2) { "neg" } else { "identity" }, "inputs": [source]})
    };
    let reply = answer_to(&json!({
        "network": {"inputs": ["x"], "nodes": (0..MANY).map(node).collect::<Vec<_>>()},
        "batch": {"inputs": [0.5, -3]},
        "loss": {"op": "sum", "of": format!("s{}", MANY - 1)},
        "options": {"wrt": "inputs"},
    }));
    assert_eq!(reply["losses"], json!([0.5, -3.0]));
    assert_eq!(reply["input_gradients"]["x"], json!([1.0, 1.0]));
}

#[test]
fn a_neuron_of_many_edges_works() {
    let names: Vec<_> = (0..MANY).map(|i| format!("x{i}")).collect();
    let edges: serde_json::Map<_, _> = names.iter().map(|name| (name.clone(), json!(0.001))).collect();
    let reply = answer_to(&json!({
        "network": {"inputs": names, "nodes": [{"id": "z", "op": "neuron", "inputs": edges}]},
        "batch": {"inputs": names.iter().map(|name| (name.clone(), json!([1.0]))).collect::<serde_json::Map<_, _>>()},
        "loss": {"op": "sum", "of": "z"},
    }));
    assert!((reply["loss"].as_f64().expect("a number") - 100.0).abs() < 1e-9);
    assert_eq!(reply["gradients"]["x77777->z"], json!(1.0));
}

#[test]
fn many_parameters_by_name_work() {
    let node = |i: usize| json!({"id": format!("z{i}"), "op": "neuron", "inputs": {"x": null}});
    let parameters: serde_json::Map<_, _> = (0..MANY).map(|i| (format!("x->z{i}"), json!(2))).collect();
    let of: Vec<_> = (0..MANY).map(|i| format!("z{i}")).collect();
    let reply = answer_to(&json!({
        "network": {"inputs": ["x"], "nodes": (0..MANY).map(node).collect::<Vec<_>>()},
        "parameters": parameters,
        "batch": {"inputs": [3]},
        "loss": {"op": "sum", "of": of},
        "options": {"trace": false, "wrt": of.iter().map(|id| format!("x->{id}")).collect::<Vec<_>>()},
    }));
    assert_eq!(reply["loss"], json!(600_000.0));
    assert_eq!(reply["gradients"]["x->z99999"], json!(3.0));
}

/// Large and wrong: the answer comes as fast.
#[test]
fn many_faults_are_all_counted() {
    let node = |i: usize| json!({"id": format!("z{i}"), "op": "neuron", "inputs": {format!("y{i}"): null}});
    let parameters: serde_json::Map<_, _> = (0..MANY).map(|i| (format!("x->w{i}"), json!(2))).collect();
    let body = json!({
        "network": {"inputs": ["x"], "nodes": (0..MANY).map(node).collect::<Vec<_>>()},
        "parameters": parameters,
        "batch": {"inputs": (0..MANY).map(|i| (format!("a{i}"), json!([1]))).collect::<serde_json::Map<_, _>>()},
        "loss": {"op": "sum", "of": (0..MANY).map(|i| format!("q{i}")).collect::<Vec<_>>()},
    });
    let failure = ask(body.to_string().as_bytes(), &Limits::default()).expect_err("nothing fits");
    let (status, faults) = refusal(failure);
    assert_eq!((status, faults.listed().len()), (422, 100));
    assert!(faults.count() >= 3 * MANY, "{}", faults.count());
}

#[test]
fn edge_cases_that_pytorch_accepts_work() {
    let one_sample = patched(LAYERS, &[("/batch/inputs", "[[1, 2, 3]]"), ("/batch/targets", "[1]")]);
    assert!(answer(&one_sample)["loss"].is_number());
    let no_width = patched(
        LAYERS,
        &[
            ("/network/layers/0/out_features", "0"),
            ("/network/layers/1/weight", r#"{"shape": [2, 0], "data": []}"#),
            ("/parameters/fc1.weight", r#"{"shape": [0, 3], "data": []}"#),
            ("/parameters/fc1.bias", "[]"),
        ],
    );
    let reply = answer(&no_width);
    assert!((reply["loss"].as_f64().expect("a number") - 2.0 * 2.0_f64.ln()).abs() < 1e-15);
    assert_eq!(reply["gradients"]["fc1.bias"], json!([]));
    let matrix_for_a_scalar = patched(
        NEURONS,
        &[("/network/inputs", "[\"x1\"]"), ("/network/nodes/0/inputs", r#"{"x1": 1}"#), ("/batch/inputs", "[[1], [2], [3]]")],
    );
    assert_eq!(answer(&matrix_for_a_scalar)["losses"].as_array().map(Vec::len), Some(3));
    let no_gradient = patched(IMAGES, &[("/options", r#"{"wrt": "*"}"#)]);
    assert_eq!(answer(&no_gradient)["gradients"], json!({}));
    let all_weights_zero = patched(LAYERS, &[("/batch/weights", "[0, 0]"), ("/loss/reduction", "\"mean\"")]);
    assert_eq!(answer(&all_weights_zero)["loss"], json!("NaN"));
    let allowed =
        patched(LAYERS, &[("/options", r#"{"allow_non_finite": true}"#), ("/parameters/fc1.bias", "[0.1, \"Infinity\"]")]);
    assert!(answer(&allowed)["non_finite"]["first_node"].is_string());
}

/// The places of a value, itself first.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(list) => list.iter().enumerate().for_each(|(i, value)| places(value, &format!("{at}/{i}"), all)),
        Value::Object(object) => {
            for (name, value) in object {
                places(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        _ => {}
    }
}

/// What a mutation does to the place that it was given.
#[derive(Debug, Clone)]
enum Mutation {
    Delete,
    Replace(Value),
    Duplicate,
    Rename(String),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(7),
        json!(1e300),
        json!(9_007_199_254_740_992_u64),
        json!(""),
        json!("x1"),
        json!("z2"),
        json!("fc1"),
        json!("relu"),
        json!("NaN"),
        json!("\u{fffd}/~"),
        json!([]),
        json!([[]]),
        json!({}),
        json!([1, 2, 3]),
        json!([[1, 2], [3]]),
        json!({"shape": [2, 2], "data": [1, 2, 3, 4]}),
        json!({"init": "zeros"}),
        json!(["x1", 2]),
        json!({"x1": null}),
        json!({"x1": "shared"}),
        json!({"op": "softmax"}),
        json!([0, 1]),
        json!("linear"),
        json!("neuron"),
    ];
    prop_oneof![
        Just(Mutation::Delete),
        prop::sample::select(values.to_vec()).prop_map(Mutation::Replace),
        Just(Mutation::Duplicate),
        prop::sample::select(vec!["id", "op", "inputs", "x1", "a/b", "fc1.weight", ""])
            .prop_map(|name| Mutation::Rename(name.to_owned())),
    ]
}

fn mutate(problem: &mut Value, at: &str, mutation: Mutation) {
    let Some((parent, last)) = at.rsplit_once('/') else { return };
    let last = last.replace("~1", "/").replace("~0", "~");
    match (problem.pointer_mut(parent), mutation) {
        (Some(Value::Object(object)), Mutation::Delete) => drop(object.shift_remove(&last)),
        (Some(Value::Object(object)), Mutation::Replace(value)) => drop(object.insert(last, value)),
        (Some(Value::Object(object)), Mutation::Duplicate) => {
            let copy = object[&last].clone();
            object.insert(format!("{last}2"), copy);
        }
        (Some(Value::Object(object)), Mutation::Rename(name)) => {
            if let Some(value) = object.shift_remove(&last) {
                object.insert(name, value);
            }
        }
        (Some(Value::Array(list)), mutation) => {
            let i: usize = last.parse().expect("an index");
            match mutation {
                Mutation::Delete => drop(list.remove(i)),
                Mutation::Replace(value) => list[i] = value,
                Mutation::Duplicate => list.insert(i, list[i].clone()),
                Mutation::Rename(name) => list[i] = json!(name),
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutations_are_answered_or_refused(
        base in prop::sample::select(vec![NEURONS, LAYERS, IMAGES, TOKENS]),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), mutation()), 1..4),
        question in prop::sample::select(vec![&GRADIENTS, &FORWARD, &VALIDATE]),
    ) {
        let mut problem: Value = serde_json::from_str(base).expect("a base is JSON");
        for (index, mutation) in mutations {
            let mut all = Vec::new();
            places(&problem, "", &mut all);
            let at: &String = index.get(&all);
            mutate(&mut problem, at, mutation);
        }
        let body = problem.to_string();
        let request = Request { problem: body.as_bytes(), ..Request::default() };
        let outcome = prepare(question, request, Form::Json, &Limits::default()).and_then(|ready| ready.run(&|| Ok(())));
        match outcome {
            Ok(reply) => prop_assert!(serde_json::from_slice::<Value>(&reply.body).is_ok()),
            Err(failure) => {
                let (status, faults) = refusal(failure);
                prop_assert_eq!(status, 422, "{}", body);
                prop_assert!(!faults.is_empty(), "{}", body);
                for fault in faults.listed() {
                    let parent = fault.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                    let found = problem.pointer(&fault.pointer).or_else(|| problem.pointer(parent));
                    prop_assert!(found.is_some(), "{} does not resolve in {}", fault.pointer, body);
                }
            }
        }
    }
}
