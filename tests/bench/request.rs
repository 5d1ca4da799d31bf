//! One request from bytes to bytes, without HTTP: microseconds to read, lower, plan and price it, new and when it came before with
//! other numbers, and to run it and write its answer. Medians of many runs.
//!
//! `cargo bench --bench request [-- FILE…]`: files are JSON problems, the examples by default.

use std::env;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use dedz::analysis::{Form, GRADIENTS, Library, Request, prepare};
use dedz::config::Limits;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long each file is repeated.
const PATIENCE: Duration = Duration::from_secs(1);

fn main() {
    let given: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let files = if given.is_empty() {
        ["lecture", "micrograd", "digits_mlp"].map(|name| format!("openapi/examples/{name}.json")).to_vec()
    } else {
        given
    };
    println!("{:<44}{:>12}{:>12}{:>12}", "", "prepare µs", "known µs", "run µs");
    for file in files {
        let problem = fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        measure(&file, &problem);
    }
}

fn measure(name: &str, problem: &[u8]) {
    let (limits, library) = (Limits::default(), Library::new(1 << 30));
    let new = Request { problem, ..Request::default() };
    let known = Request { library: Some(&library), ..new };
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let started = Instant::now();
        black_box(prepare(&GRADIENTS, new, Form::Json, &limits).expect("the file is a problem"));
        let next = Instant::now();
        let prepared = prepare(&GRADIENTS, known, Form::Json, &limits).expect("the file is a problem");
        let last = Instant::now();
        black_box(prepared.run(&|| Ok(())).expect("nothing stops it"));
        for (times, took) in times.iter_mut().zip([next - started, last - next, last.elapsed()]) {
            times.push(took.as_nanos() as f64 / 1e3);
        }
    }
    let [new, known, run] = times.map(median);
    println!("{name:<44}{new:>12.1}{known:>12.1}{run:>12.1}");
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
