//! What a stored network saves: a problem that carries its network beside the same problem that names it; and where the time of a
//! problem goes before it runs. Medians of one run, in microseconds.
//!
//! `cargo bench --bench networks`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use dedz::analysis::{FORWARD, Form, GRADIENTS, KEEP, Library, Question, Request, Slot, prepare};
use dedz::config::Limits;
use dedz::lower::{Need, lower};
use dedz::spec::fault::Faults;
use dedz::spec::json::parse;
use dedz::spec::problem::{Encoding, decode};
use dedz::spec::write::Writer;
use dedz::tensor::Shape;
use serde_json::{Value, json};

const WIDTHS: [usize; 4] = [784, 256, 128, 10];
const SAMPLES: usize = 32;

fn main() {
    println!("784-256-128-10, 32 samples, f64: carried and named");
    for encoding in [Encoding::Nested, Encoding::Base64] {
        let carried = mlp(encoding);
        named_beside_carried(&FORWARD, &format!("forward, {encoding:?}"), &carried);
        named_beside_carried(&GRADIENTS, &format!("gradients, {encoding:?}"), &carried);
    }
    for name in ["lecture", "mixed", "digits_mlp"] {
        let text = std::fs::read_to_string(format!("openapi/examples/{name}.json")).expect("an example");
        println!("{name}");
        named_beside_carried(&GRADIENTS, "gradients", &text);
        known_beside_new(&text);
        stages(&text);
    }
}

/// The same problem both ways.
fn named_beside_carried(question: Question, title: &str, carried: &str) {
    let limits = Limits::default();
    let mut problem: Value = serde_json::from_str(carried).expect("a problem");
    let mut kept = json!({});
    for member in ["network", "parameters"] {
        if let Some(value) = problem.as_object_mut().expect("an object").remove(member) {
            kept[member] = value;
        }
    }
    let slot = Arc::new(Slot::default());
    let kept = kept.to_string();
    let request = Request { problem: kept.as_bytes(), keep: Some(&slot), ..Request::default() };
    ask(&KEEP, request, &limits);
    let stored = slot.get().expect("it was kept");
    let library = Library::new(1 << 30);
    library.put(Arc::clone(stored));
    problem["network"] = json!({ "ref": stored.name() });
    let named = problem.to_string();
    let without = median(|| ask(question, Request { problem: carried.as_bytes(), ..Request::default() }, &limits));
    let with =
        median(|| ask(question, Request { problem: named.as_bytes(), library: Some(&library), ..Request::default() }, &limits));
    println!(
        "  {title:<24} carried {without:>9.1} us, {:>8} bytes   named {with:>9.1} us, {:>8} bytes   {:>5.2} times as fast",
        carried.len(),
        named.len(),
        without / with
    );
}

/// A problem whose network came before, with other numbers in its minibatch, beside one whose network did not.
fn known_beside_new(text: &str) {
    let limits = Limits::default();
    let library = Library::new(1 << 30);
    let known = Request { problem: text.as_bytes(), library: Some(&library), ..Request::default() };
    let new = median(|| ask(&GRADIENTS, Request { problem: text.as_bytes(), ..Request::default() }, &limits));
    let again = median(|| ask(&GRADIENTS, known, &limits));
    let hits = library.remembered().hits;
    println!("  lowered every time {new:.2}, lowered before {again:.2}: {:.2} times as fast ({hits} hits)", new / again);
}

/// Where the time goes.
fn stages(text: &str) {
    let limits = Limits::default();
    let value: Value = serde_json::from_str(text).expect("a problem");
    let network = json!({ "network": value["network"] }).to_string();
    let read = |text: &[u8]| {
        let mut faults = Faults::new(limits.faults);
        drop(black_box(decode(parse(text, &limits).expect("JSON"), &limits, &[], &mut faults)));
    };
    let network = median(|| read(network.as_bytes()));
    let whole = median(|| read(text.as_bytes()));
    let lowered = median(|| {
        let mut faults = Faults::new(limits.faults);
        let problem = decode(parse(text.as_bytes(), &limits).expect("JSON"), &limits, &[], &mut faults);
        drop(black_box(lower(problem, Need::Loss, &limits, &mut faults)));
    });
    let request = Request { problem: text.as_bytes(), ..Request::default() };
    let prepared = median(|| drop(black_box(prepare(&GRADIENTS, request, Form::Json, &limits))));
    let answered = median(|| ask(&GRADIENTS, request, &limits));
    println!("  read the network alone {network:.2}, read all {whole:.2}, lower {:.2}", lowered - whole);
    println!("  select, plan, hash {:.2}, run and write {:.2}, all {answered:.2}", prepared - lowered, answered - prepared);
}

fn ask(question: Question, request: Request<'_>, limits: &Limits) {
    let prepared = prepare(question, request, Form::Json, limits).unwrap_or_else(|failure| panic!("{failure:?}"));
    black_box(prepared.run(&|| Ok(())).unwrap_or_else(|failure| panic!("{failure:?}")));
}

/// The median time of a call in microseconds, over at least 31 calls and about half a second.
fn median(mut call: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < 31 || (begun.elapsed().as_millis() < 500 && times.len() < 5000) {
        let start = Instant::now();
        call();
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A perceptron with all its numbers in the text, without a trace.
fn mlp(encoding: Encoding) -> String {
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = |count: usize| -> Vec<f64> {
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5) / 8.0
        };
        (0..count).map(next).collect()
    };
    let mut tensor = |dims: &[usize]| {
        let shape = Shape::new(dims).expect("small");
        let mut w = Writer::new();
        w.tensor(shape, &random(shape.size()), encoding);
        String::from_utf8(w.into_bytes()).expect("text")
    };
    let (mut layers, mut parameters) = (Vec::new(), Vec::new());
    for (i, pair) in WIDTHS.windows(2).enumerate() {
        let activation = if i < 2 { ",\"activation\":\"relu\"" } else { "" };
        layers.push(format!("{{\"id\":\"fc{i}\",\"op\":\"linear\",\"out_features\":{}{activation}}}", pair[1]));
        parameters.push(format!("\"fc{i}.weight\":{},\"fc{i}.bias\":{}", tensor(&[pair[1], pair[0]]), tensor(&[pair[1]])));
    }
    let inputs = tensor(&[SAMPLES, WIDTHS[0]]);
    let targets: Vec<_> = (0..SAMPLES).map(|n| n % WIDTHS[3]).collect();
    let encoding = if encoding == Encoding::Base64 { "base64" } else { "nested" };
    format!(
        "{{\"network\":{{\"inputs\":{{\"x\":[784]}},\"layers\":[{}]}},\"parameters\":{{{}}},\"batch\":{{\"inputs\":{inputs},\"targets\":{targets:?}}},\"loss\":{{\"op\":\"cross_entropy\",\"of\":\"fc2\"}},\"options\":{{\"trace\":false,\"encoding\":\"{encoding}\"}}}}",
        layers.join(","),
        parameters.join(",")
    )
}
