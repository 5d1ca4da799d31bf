//! Pictures: well-formed, of bounded size, and with nothing in them that runs or is fetched.

use std::fs;
use std::path::Path;

use dedz::analysis::{DERIVATION, FLOW, Form, GRADIENTS, Question, Request, prepare};
use dedz::config::Limits;
use serde_json::{Value, json};

fn draw(question: Question, problem: &Value, form: Form) -> String {
    let body = serde_json::to_vec(problem).expect("a value is JSON");
    let request = Request { problem: &body, ..Request::default() };
    let ready = prepare(question, request, form, &Limits::default()).unwrap_or_else(|failure| panic!("{failure:?}"));
    let reply = ready.run(&|| Ok(())).unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!(reply.content_type, form.media_type());
    String::from_utf8(reply.body).expect("a picture is text")
}

fn example(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/examples").join(name);
    serde_json::from_slice(&fs::read(path).expect("an example")).expect("examples are JSON")
}

/// Every tag closed in order, every attribute quoted, nothing active.
fn well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let end = rest[start..].find('>').expect("a tag ends") + start;
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "<{tag}>");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        assert!(["svg", "title", "style", "rect", "g", "path", "text"].contains(&name), "<{tag}>");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?} stay open");
    for number in ["NaN", "∞", "e-", "inf"] {
        assert!(!svg.contains(&format!("=\"{number}")), "{number}");
    }
    assert!(!svg.contains("href") && !svg.contains("url(") && !svg.contains("onload"), "nothing is fetched");
}

#[test]
fn every_example_can_be_drawn() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/examples");
    let mut drawn = 0;
    for entry in
        fs::read_dir(folder).expect("examples").map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file())
    {
        let problem: Value = serde_json::from_slice(&fs::read(&entry).expect("an example")).expect("examples are JSON");
        for question in [&GRADIENTS, &FLOW] {
            well_formed(&draw(question, &problem, Form::Svg));
            let dot = draw(question, &problem, Form::Dot);
            assert!(
                dot.starts_with("digraph") && dot.ends_with("}\n") && dot.matches('[').count() >= dot.matches("];").count(),
                "{dot}"
            );
            drawn += 1;
        }
    }
    assert!(drawn >= 20, "only {drawn}");
}

#[test]
fn what_is_drawn_is_what_was_computed() {
    let lecture = example("derivation/lecture_w57.json");
    let svg = draw(&DERIVATION, &lecture, Form::Svg);
    well_formed(&svg);
    for text in ["dE/dz = 0.521, -0.199, -0.756", "w 0.4", "dE/dw 0.338", "E = 2.586", "The paths of dE/d(z7-&gt;z5): 3"] {
        assert!(svg.contains(text), "{text} is not in\n{svg}");
    }
    // z5, z1, z2 and z3; z7->z5, three edges up, and three to the loss.
    assert_eq!((svg.matches("class=\"box mark\"").count(), svg.matches("class=\"halo\"").count()), (4, 7));
    let dot = draw(&DERIVATION, &lecture, Form::Dot);
    assert_eq!(dot.matches("color=\"#0b7a4b\"").count(), 4 + 7);
    let flow = draw(&FLOW, &example("flow/vanishing.json"), Form::Svg);
    assert!(flow.contains("Gradient flow: vanishing") && flow.contains("h12 (linear)"), "{flow}");
}

/// More nodes than anyone reads become layers, however the network is shaped.
#[test]
fn large_networks_become_layers() {
    let chain: Vec<Value> = (0..2000)
        .map(|i| {
            let before = if i == 0 { "x".to_owned() } else { format!("n{}", i - 1) };
            json!({"id": format!("n{i}"), "op": "neuron", "inputs": {before: 1.0}, "activation": "tanh"})
        })
        .collect();
    let wide: Vec<Value> = (0..300).map(|i| json!({"id": format!("n{i}"), "op": "neuron", "inputs": {"x": 1.0}})).collect();
    let wide: Vec<Value> = wide.into_iter().chain([json!({"id": "n1999", "op": "add", "inputs": ["n0", "n1"]})]).collect();
    for nodes in [chain, wide] {
        let problem = json!({"network": {"inputs": ["x"], "nodes": nodes}, "batch": {"inputs": [0.5]}, "loss": {"op": "sum", "of": "n1999"}});
        for question in [&GRADIENTS, &FLOW] {
            let svg = draw(question, &problem, Form::Svg);
            well_formed(&svg);
            assert!(svg.len() < 60_000, "{} bytes", svg.len());
        }
        assert!(draw(&GRADIENTS, &problem, Form::Svg).matches("class=\"box").count() <= 61);
    }
}
