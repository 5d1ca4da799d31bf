//! How fast numbers come in and go out, in nanoseconds a number: the median of many runs, and the best.
//!
//! `cargo bench --bench json`

use std::hint::black_box;
use std::time::Instant;

use dedz::config::Limits;
use dedz::spec::fault::{At, Faults};
use dedz::spec::json::parse;
use dedz::spec::problem::Encoding;
use dedz::spec::tensor::{Reading, decode};
use dedz::spec::write::{Wire, Writer};
use dedz::tensor::Shape;

/// The server's own: what it costs to get memory belongs to the figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: usize = 32;
const COLUMNS: usize = 784;
const RUNS: usize = 301;

fn main() {
    let shape = Shape::new(&[ROWS, COLUMNS]).expect("small");
    let long: Vec<f64> = random().collect();
    let singles: Vec<f32> = long.iter().map(|&x| x as f32).collect();
    let tiny: Vec<f64> = long.iter().map(|x| x * 1e-9).collect();
    let short: Vec<f64> = long.iter().map(|x| (x * 1000.0).round() / 1000.0).collect();
    let pixels: Vec<f64> = long.iter().map(|x| (x.abs() * 510.0).round()).collect();

    println!("{:<44}{:>8}{:>8}", "", "median", "best");
    for (name, data) in [("17 digits", &long), ("17 digits, exponents", &tiny), ("3 decimals", &short)] {
        read(&format!("read nested, {name}"), &written(shape, data, Encoding::Nested));
    }
    read("read nested, 17 digits, spaces after commas", &spaced(&written(shape, &long, Encoding::Nested)));
    read("read nested, whole numbers to 255", &written(shape, &pixels, Encoding::Nested).replace(".0", ""));
    read("read ragged, 17 digits", &written(shape, &long, Encoding::Nested).replacen("]]", ",0]]", 1));
    read("read flat, 17 digits", &written(shape, &long, Encoding::Flat));
    read("read base64 of f64", &written(shape, &long, Encoding::Base64));
    read("read base64 of f32", &written(shape, &singles, Encoding::Base64));
    let rows = written(Shape::new(&[ROWS * COLUMNS / 2, 2]).expect("small"), &long, Encoding::Nested);
    read("read nested, 17 digits, rows of 2", &rows);

    for (name, encoding) in [("nested", Encoding::Nested), ("flat", Encoding::Flat), ("base64", Encoding::Base64)] {
        measure(&format!("write {name}, f64"), || written(shape, &long, encoding));
        measure(&format!("write {name}, f32"), || written(shape, &singles, encoding));
    }
}

/// A fixed sequence between -0.5 and 0.5 that uses all 53 bits.
fn random() -> impl Iterator<Item = f64> {
    let mut state = 88_172_645_463_325_252_u64;
    (0..ROWS * COLUMNS).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    })
}

fn written<T: Wire>(shape: Shape, data: &[T], encoding: Encoding) -> String {
    let mut w = Writer::new();
    w.tensor(shape, data, encoding);
    String::from_utf8(w.into_bytes()).expect("JSON is UTF-8")
}

fn spaced(text: &str) -> String {
    text.replace(',', ", ")
}

fn read(name: &str, text: &str) {
    let limits = Limits::default();
    let reading = Reading { limits: &limits, allow_non_finite: false, allow_init: false };
    measure(name, || {
        let json = parse(text.as_bytes(), &limits).expect("it is JSON");
        decode(json, At::ROOT, reading, &mut Faults::new(1))
    });
}

fn measure<T>(name: &str, mut work: impl FnMut() -> T) {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            black_box(work());
            started.elapsed().as_nanos() as f64 / (ROWS * COLUMNS) as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name:<44}{:>8.2}{:>8.2}", times[RUNS / 2], times[0]);
}
