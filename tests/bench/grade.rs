//! Grades per second: a class against one exercise, which is run once; right answers, and wrong ones with their diagnosis. Each
//! figure is the median of rounds in which one thread a core grades a batch.
//!
//! `cargo bench --bench grade`

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dedz::analysis::{Form, GRADE, GRADIENTS, Library, Request, prepare};
use dedz::config::Limits;
use serde_json::{Value, json};

/// Different submissions of a class.
const CLASS: usize = 64;
/// How long a row is measured.
const TIME: Duration = Duration::from_secs(3);

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{threads} threads, grades per second\n");
    println!("| network | tolerance | claims | graded/s | named |");
    println!("|---|---|---|---|---|");
    let mazur = std::fs::read_to_string("openapi/examples/mazur.json").expect("an example");
    let mazur: Value = serde_json::from_str(&mazur).expect("JSON");
    for (name, problem) in [("Mazur, 2-2-2", mazur), ("64-32-10, 8 samples", mlp())] {
        let key = answer(&problem);
        for tolerance in [json!({"rtol": 1e-6}), json!("hand(sf=4)")] {
            // Twice as much, a mistake with a name; and a number that nobody can explain, for which all is tried.
            row(name, &problem, &tolerance, "right", |_| key.clone());
            row(name, &problem, &tolerance, "twice", |_| scaled(&key, 2.0));
            row(name, &problem, &tolerance, "unexplained", |n| {
                let mut claims = key.clone();
                claims["loss"] = json!(1e3 + n as f64);
                claims
            });
        }
    }
}

fn row(name: &str, problem: &Value, tolerance: &Value, what: &str, claims: impl Fn(usize) -> Value) {
    let text = |n: usize| {
        let mut problem = problem.clone();
        problem["grade"] = json!({"claims": claims(n), "tolerance": tolerance});
        problem.to_string()
    };
    let class: Vec<String> = (0..CLASS).map(text).collect();
    let library = Library::new(1 << 30);
    // The exercise is run, and its mistakes are worked out, for the first.
    let named = grade(&class[0], &library).windows(12).filter(|window| window == b"{\"mistake\":\"").count();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (begun, mut rates) = (Instant::now(), Vec::new());
    while rates.len() < 3 || begun.elapsed() < TIME {
        let (start, next) = (Instant::now(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(text) = class.get(next.fetch_add(1, Ordering::Relaxed)) {
                        black_box(grade(text, &library));
                    }
                });
            }
        });
        rates.push(CLASS as f64 / start.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    println!("| {name} | {tolerance} | {what} | {:.0} | {named} |", rates[rates.len() / 2]);
}

fn grade(text: &str, library: &Library) -> Vec<u8> {
    let request = Request { problem: text.as_bytes(), library: Some(library), ..Request::default() };
    let prepared = prepare(&GRADE, request, Form::Json, &Limits::default()).unwrap_or_else(|failure| panic!("{failure:?}"));
    prepared.run(&|| Ok(())).unwrap_or_else(|failure| panic!("{failure:?}")).body
}

/// Loss and gradients.
fn answer(problem: &Value) -> Value {
    let text = problem.to_string();
    let request = Request { problem: text.as_bytes(), ..Request::default() };
    let prepared = prepare(&GRADIENTS, request, Form::Json, &Limits::default()).unwrap_or_else(|failure| panic!("{failure:?}"));
    let reply = prepared.run(&|| Ok(())).unwrap_or_else(|failure| panic!("{failure:?}"));
    let mut reply: Value = serde_json::from_slice(&reply.body).expect("JSON");
    json!({"loss": reply["loss"].take(), "gradients": reply["gradients"].take()})
}

fn scaled(value: &Value, factor: f64) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().expect("a number") * factor),
        Value::Array(list) => list.iter().map(|value| scaled(value, factor)).collect(),
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), scaled(value, factor))).collect(),
        other => other.clone(),
    }
}

/// A perceptron whose parameters are drawn by the service.
fn mlp() -> Value {
    let inputs: Vec<Vec<f64>> = (0..8).map(|n| (0..64).map(|i| f64::from((n * 37 + i * 11) % 17) / 16.0).collect()).collect();
    let targets: Vec<usize> = (0..8).collect();
    let drawn = |seed: u32| json!({"init": "xavier_uniform", "seed": seed});
    json!({
        "network": {"inputs": {"x": [64]}, "layers": [
            {"id": "fc1", "op": "linear", "out_features": 32, "activation": "tanh", "bias": false},
            {"id": "fc2", "op": "linear", "out_features": 10, "bias": false},
        ]},
        "parameters": {"fc1.weight": drawn(1), "fc2.weight": drawn(2)},
        "batch": {"inputs": inputs, "targets": targets},
        "loss": {"op": "cross_entropy", "of": "fc2"},
    })
}
