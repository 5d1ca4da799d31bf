//! One request from bytes to bytes, without HTTP: microseconds to read, lower, plan and price it, and to run it and write its
//! answer. Medians of many runs.
//!
//! `cargo bench --bench request [-- FILE…]`: files are JSON problems, the examples by default.

use std::env;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use dedz::analysis::{Form, GRADIENTS, Request, prepare};
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
    println!("{:<44}{:>12}{:>12}", "", "prepare µs", "run µs");
    for file in files {
        let problem = fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        measure(&file, &problem);
    }
}

fn measure(name: &str, problem: &[u8]) {
    let limits = Limits::default();
    let request = Request { problem, ..Request::default() };
    let (mut preparing, mut running) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let started = Instant::now();
        let prepared = prepare(&GRADIENTS, request, Form::Json, &limits).expect("the file is a problem");
        let between = Instant::now();
        black_box(prepared.run(&|| Ok(())).expect("nothing stops it"));
        preparing.push((between - started).as_nanos() as f64 / 1e3);
        running.push(between.elapsed().as_nanos() as f64 / 1e3);
    }
    println!("{name:<44}{:>12.1}{:>12.1}", median(preparing), median(running));
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
