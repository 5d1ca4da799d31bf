//! Fused layers against the same function put together from small ops on the wire: loss, outputs, gradients and input gradients agree.

use dedz::analysis::{Form, GRADIENTS, Request, prepare};
use dedz::config::Limits;
use serde_json::{Map, Value, json};

/// Numbers between -1 and 1 from a seed: a linear congruential generator (Knuth's MMIX), upper bits.
struct Draw(u64);

impl Draw {
    fn number(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn tensor(&mut self, dims: &[usize]) -> Value {
        match dims.split_first() {
            None => json!(self.number()),
            Some((&count, inner)) => (0..count).map(|_| self.tensor(inner)).collect(),
        }
    }
}

fn ask(nodes: &[Value], parameters: &Map<String, Value>, batch: &Value, x: &[usize], of: &str, dtype: &str) -> Value {
    let problem = json!({
        "network": {"inputs": {"x": x}, "nodes": nodes},
        "parameters": parameters,
        "batch": {"inputs": {"x": batch}},
        "loss": {"op": "sum", "of": of},
        "options": {"dtype": dtype, "trace": ["y"], "wrt": ["*", "inputs"]},
    });
    let body = serde_json::to_vec(&problem).expect("a value is JSON");
    let request = Request { problem: &body, ..Request::default() };
    let ready = prepare(&GRADIENTS, request, Form::Json, &Limits::default()).unwrap_or_else(|f| panic!("{f:?}"));
    let reply = ready.run(&|| Ok(())).unwrap_or_else(|f| panic!("{f:?}"));
    serde_json::from_slice(&reply.body).expect("replies are JSON")
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(flat).collect(),
        value => vec![value.as_f64().expect("a number")],
    }
}

fn near(a: &Value, b: &Value, bound: f64, what: &str) {
    let (a, b) = (flat(a), flat(b));
    assert_eq!(a.len(), b.len(), "{what}");
    let scale = b.iter().fold(0.0_f64, |scale, x| scale.max(x.abs()));
    assert!(scale > 0.0, "{what}: all zero");
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() <= bound * scale, "{what}: {a} is not {b}");
    }
}

/// Both spellings of one function `y` of `x` and of parameters of the same names; the loss is the sum of y². Where several
/// parameters of the small ops are rows of one of the layer's, `rows` names them. The small ops may read a `mask`.
fn same(
    layer: &[Value],
    small: &[Value],
    mut parameters: Map<String, Value>,
    mask: Option<Value>,
    rows: &[(&str, &[&str])],
    x: &[usize],
    draw: &mut Draw,
) {
    let batch = draw.tensor(&[&[3], x].concat());
    let squared = |nodes: &[Value]| [nodes, &[json!({"id": "l", "op": "mul", "inputs": ["y", "y"]})]].concat();
    let mut packed = parameters.clone();
    for (whole, parts) in rows {
        let rows = parts.iter().flat_map(|part| packed.shift_remove(*part).expect("a part").as_array().expect("rows").clone());
        let rows: Value = rows.collect::<Vec<_>>().into();
        packed.insert((*whole).to_owned(), rows);
    }
    parameters.extend(mask.map(|mask| ("mask".to_owned(), mask)));
    for (dtype, bound) in [("f64", 1e-12), ("f32", 1e-5)] {
        let ours = ask(&squared(layer), &packed, &batch, x, "l", dtype);
        let expected = ask(&squared(small), &parameters, &batch, x, "l", dtype);
        near(&ours["loss"], &expected["loss"], bound, "loss");
        near(&ours["trace"][0]["z"], &expected["trace"][0]["z"], bound, "z");
        near(&ours["trace"][0]["dE_dz"], &expected["trace"][0]["dE_dz"], bound, "dE/dz");
        near(&ours["input_gradients"]["x"], &expected["input_gradients"]["x"], bound, "x");
        for (name, gradient) in ours["gradients"].as_object().expect("gradients") {
            let parts = rows.iter().find(|(whole, _)| whole == name).map(|(_, parts)| *parts);
            let theirs: Vec<_> = match parts {
                Some(parts) => parts.iter().map(|part| expected["gradients"][part].clone()).collect(),
                None => vec![expected["gradients"][name].clone()],
            };
            near(gradient, &theirs.into(), bound, name);
        }
    }
}

fn node(id: &str, op: &str, inputs: &[&str], more: Value) -> Value {
    let mut node = json!({"id": id, "op": op, "inputs": inputs});
    let members = node.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    node
}

/// One direction of an LSTM, step by step; h of step t is `<id>.<t>`.
fn recurrence(nodes: &mut Vec<Value>, id: &str, x: &str, suffix: &str, steps: usize, hidden: usize, out: usize) {
    let name = |what: &str, t: usize| format!("{id}.{what}{t}");
    let order: Vec<_> = if suffix.is_empty() { (0..steps).collect() } else { (0..steps).rev().collect() };
    let mut before = None;
    for t in order {
        let mut push = |what: &str, op: &str, inputs: &[&str], more: Value| nodes.push(node(&name(what, t), op, inputs, more));
        push("x", "select", &[x], json!({"dim": 1, "index": t}));
        let weights = |kind: &str| json!({"weight": format!("rnn.weight_{kind}_l0{suffix}"), "bias": format!("rnn.bias_{kind}_l0{suffix}")});
        push("ax", "linear", &[&name("x", t)], weights("ih"));
        match before {
            // The first state is zero: what remains of it is its bias.
            None => push("a", "add", &[&name("ax", t), &format!("rnn.bias_hh_l0{suffix}")], json!({})),
            Some(before) => {
                push("ah", "linear", &[&name("h", before)], weights("hh"));
                push("a", "add", &[&name("ax", t), &name("ah", t)], json!({}));
            }
        }
        for (k, (gate, function)) in [("i", "sigmoid"), ("f", "sigmoid"), ("g", "tanh"), ("o", "sigmoid")].into_iter().enumerate()
        {
            let range = json!({"dim": 1, "start": k * hidden, "end": (k + 1) * hidden, "activation": function});
            push(gate, "slice", &[&name("a", t)], range);
        }
        push("ig", "mul", &[&name("i", t), &name("g", t)], json!({}));
        match before {
            None => push("c", "identity", &[&name("ig", t)], json!({})),
            Some(before) => {
                push("fc", "mul", &[&name("f", t), &name("c", before)], json!({}));
                push("c", "add", &[&name("fc", t), &name("ig", t)], json!({}));
            }
        }
        push("q", "tanh", &[&name("c", t)], json!({}));
        push("u", "mul", &[&name("o", t), &name("q", t)], json!({}));
        if out == hidden {
            push("h", "identity", &[&name("u", t)], json!({}));
        } else {
            push("h", "linear", &[&name("u", t)], json!({"weight": format!("rnn.weight_hr_l0{suffix}"), "bias": false}));
        }
        before = Some(t);
    }
    let all: Vec<_> = (0..steps).map(|t| name("h", t)).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    nodes.push(node(id, "stack", &all, json!({"dim": 1})));
}

#[test]
fn an_lstm_is_its_steps() {
    for (both, proj, steps, features, hidden) in [(false, 0, 4, 3, 5), (true, 0, 3, 2, 3), (true, 2, 5, 3, 4)] {
        let draw = &mut Draw(steps as u64);
        let out = if proj > 0 { proj } else { hidden };
        let suffixes = &["", "_reverse"][..=usize::from(both)];
        let (mut parameters, mut nodes) = (Map::new(), Vec::new());
        for suffix in suffixes {
            for (kind, columns) in [("ih", features), ("hh", out)] {
                parameters.insert(format!("rnn.weight_{kind}_l0{suffix}"), draw.tensor(&[4 * hidden, columns]));
                parameters.insert(format!("rnn.bias_{kind}_l0{suffix}"), draw.tensor(&[4 * hidden]));
            }
            if proj > 0 {
                parameters.insert(format!("rnn.weight_hr_l0{suffix}"), draw.tensor(&[out, hidden]));
            }
            recurrence(&mut nodes, &format!("side{suffix}"), "x", suffix, steps, hidden, out);
        }
        let sides: Vec<_> = suffixes.iter().map(|suffix| format!("side{suffix}")).collect();
        nodes.push(node("y", "concat", &sides.iter().map(String::as_str).collect::<Vec<_>>(), json!({"dim": 2})));
        let sizes = json!({"hidden_size": hidden, "proj_size": proj, "bidirectional": both});
        let layer = [node("rnn", "lstm", &["x"], sizes), node("y", "identity", &["rnn"], json!({}))];
        same(&layer, &nodes, parameters, None, &[], &[steps, features], draw);
    }
}

/// Self-attention of `heads` heads from matrix products and softmax; its value is `<id>`.
fn heads(id: &str, x: &str, embed: usize, heads: usize, prefix: &str, masked: bool) -> Vec<Value> {
    let name = |what: &str| format!("{id}.{what}");
    let mut nodes = Vec::new();
    for part in ["q", "k", "v"] {
        let with = json!({"weight": format!("{prefix}{part}.weight"), "bias": format!("{prefix}{part}.bias")});
        nodes.push(node(&name(part), "linear", &[x], with));
    }
    let size = embed / heads;
    for h in 0..heads {
        let of = |what: &str| name(&format!("{what}{h}"));
        let range = json!({"dim": 2, "start": h * size, "end": (h + 1) * size});
        for part in ["q", "k", "v"] {
            nodes.push(node(&of(part), "slice", &[&name(part)], range.clone()));
        }
        nodes.push(node(&of("kt"), "permute", &[&of("k")], json!({"dims": [0, 2, 1]})));
        nodes.push(node(&of("qk"), "matmul", &[&of("q"), &of("kt")], json!({})));
        nodes.push(json!({"id": of("scaled"), "op": "mul", "inputs": [of("qk"), 1.0 / (size as f64).sqrt()]}));
        let scores = if masked { "masked" } else { "scaled" };
        if masked {
            nodes.push(node(&of("masked"), "add", &[&of("scaled"), "mask"], json!({})));
        }
        nodes.push(node(&of("p"), "softmax", &[&of(scores)], json!({})));
        nodes.push(node(&of("out"), "matmul", &[&of("p"), &of("v")], json!({})));
    }
    let all: Vec<_> = (0..heads).map(|h| name(&format!("out{h}"))).collect();
    nodes.push(node(&name("heads"), "concat", &all.iter().map(String::as_str).collect::<Vec<_>>(), json!({"dim": 2})));
    let out = json!({"weight": format!("{prefix}out_proj.weight"), "bias": format!("{prefix}out_proj.bias")});
    nodes.push(node(id, "linear", &[&name("heads")], out));
    nodes
}

fn attention_parameters(draw: &mut Draw, prefix: &str, embed: usize) -> Map<String, Value> {
    let mut parameters = Map::new();
    for part in ["q", "k", "v", "out_proj"] {
        parameters.insert(format!("{prefix}{part}.weight"), draw.tensor(&[embed, embed]));
        parameters.insert(format!("{prefix}{part}.bias"), draw.tensor(&[embed]));
    }
    parameters
}

/// `rnn.h_n` means the LSTM's output only where no node is called so.
#[test]
fn a_node_may_have_the_name_of_an_output() {
    let draw = &mut Draw(3);
    let (batch, mut parameters) = (draw.tensor(&[2, 3, 2]), Map::new());
    parameters.insert("rnn.weight_ih_l0".to_owned(), draw.tensor(&[4, 2]));
    parameters.insert("rnn.weight_hh_l0".to_owned(), draw.tensor(&[4, 1]));
    let rnn = node("rnn", "lstm", &["x"], json!({"hidden_size": 1, "bias": false}));
    let y = node("y", "sum", &["rnn.h_n"], json!({}));
    let named =
        ask(&[rnn.clone(), node("rnn.h_n", "sum", &["x"], json!({})), y.clone()], &parameters, &batch, &[3, 2], "y", "f64");
    near(&named["loss"], &json!(flat(&batch).iter().sum::<f64>()), 1e-12, "the node");
    let output = ask(&[y, rnn], &parameters, &batch, &[3, 2], "y", "f64");
    let last: f64 = [0, 1].iter().map(|n| output["outputs"]["rnn"][n][2][0].as_f64().expect("a number")).sum();
    near(&output["loss"], &json!(last), 1e-12, "the output");
}

#[test]
fn attention_is_its_heads() {
    for (embed, count, length) in [(4, 2, 3), (6, 3, 5), (5, 1, 2)] {
        for masked in [false, true] {
            let draw = &mut Draw(embed as u64);
            let parameters = attention_parameters(draw, "y.", embed);
            let mask = masked.then(|| draw.tensor(&[length, length]));
            let layer = [node("y", "multihead_attention", &["x"], json!({"num_heads": count, "attn_mask": mask}))];
            let small = heads("y", "x", embed, count, "y.", masked);
            let rows: [(&str, &[&str]); 2] = [
                ("y.in_proj_weight", &["y.q.weight", "y.k.weight", "y.v.weight"]),
                ("y.in_proj_bias", &["y.q.bias", "y.k.bias", "y.v.bias"]),
            ];
            same(&layer, &small, parameters, mask, &rows, &[length, embed], draw);
        }
    }
}

#[test]
fn an_encoder_layer_is_its_parts() {
    let (model, inner, length) = (6, 7, 4);
    for norm_first in [false, true] {
        let draw = &mut Draw(9);
        let mut parameters = attention_parameters(draw, "y.self_attn.", model);
        for (name, dims) in [("linear1", [inner, model]), ("linear2", [model, inner])] {
            parameters.insert(format!("y.{name}.weight"), draw.tensor(&dims));
            parameters.insert(format!("y.{name}.bias"), draw.tensor(&dims[..1]));
        }
        for name in ["y.norm1.weight", "y.norm1.bias", "y.norm2.weight", "y.norm2.bias"] {
            parameters.insert(name.to_owned(), draw.tensor(&[model]));
        }
        let with = |name: &str| json!({"weight": format!("y.{name}.weight"), "bias": format!("y.{name}.bias")});
        let norm = |id: &str, input: &str, k: usize| node(id, "layer_norm", &[input], with(&format!("norm{k}")));
        let attend = |input: &str| heads("att", input, model, 2, "y.self_attn.", false);
        let feed = |input: &str| {
            let mut wide = node("wide", "linear", &[input], with("linear1"));
            wide["activation"] = json!("gelu");
            vec![wide, node("narrow", "linear", &["wide"], with("linear2"))]
        };
        let add = |id: &str, a: &str, b: &str| vec![node(id, "add", &[a, b], json!({}))];
        let small = if norm_first {
            [
                vec![norm("n1", "x", 1)],
                attend("n1"),
                add("a", "x", "att"),
                vec![norm("n2", "a", 2)],
                feed("n2"),
                add("y", "a", "narrow"),
            ]
        } else {
            [
                attend("x"),
                add("s1", "x", "att"),
                vec![norm("a", "s1", 1)],
                feed("a"),
                add("s2", "a", "narrow"),
                vec![norm("y", "s2", 2)],
            ]
        };
        let attributes =
            json!({"nhead": 2, "dim_feedforward": inner, "dropout": 0, "activation": "gelu", "norm_first": norm_first});
        let layer = [node("y", "transformer_encoder_layer", &["x"], attributes)];
        let parts = |what: &str| ["q", "k", "v"].map(|part| format!("y.self_attn.{part}.{what}"));
        let (weights, biases) = (parts("weight"), parts("bias"));
        let (weights, biases) = (weights.each_ref().map(String::as_str), biases.each_ref().map(String::as_str));
        let rows: [(&str, &[&str]); 2] = [("y.self_attn.in_proj_weight", &weights), ("y.self_attn.in_proj_bias", &biases)];
        same(&layer, &small.concat(), parameters, None, &rows, &[length, model], draw);
    }
}
