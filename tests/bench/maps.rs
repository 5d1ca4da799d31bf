//! What a certificate, a Hessian-vector product and the other maps cost, as multiples of one gradient: `cargo bench --bench maps`.
//! Both sides in one run, medians of interleaved rounds, preparing and writing included.

use std::time::Instant;

use dedz::analysis::{ANALYSES, Form, Request, prepare};
use dedz::config::Limits;
use serde_json::{Value, json};

const ROUNDS: usize = 41;

/// Seconds of one answer.
fn time(name: &str, body: &[u8]) -> f64 {
    let question = ANALYSES.iter().copied().find(|analysis| analysis.name == name).expect("an analysis");
    let start = Instant::now();
    let request = Request { problem: body, ..Request::default() };
    let ready = prepare(question, request, Form::Json, &Limits::default()).expect("a valid request");
    let reply = ready.run(&|| Ok(())).expect("an answer");
    std::hint::black_box(reply.body.len());
    start.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Numbers of the shape of a tensor.
fn ones(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(ones).collect(),
        _ => json!(1.0),
    }
}

fn main() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/examples");
    println!("{:12} {:>12}  as multiples of one gradients call", "problem", "gradients");
    for (name, weight) in [("lecture", "z7->z5"), ("digits_mlp", "fc1.weight"), ("lenet", "conv2.weight")] {
        let text = std::fs::read(format!("{root}/{name}.json")).expect("an example");
        let mut plain: Value = serde_json::from_slice(&text).expect("JSON");
        plain["options"] = json!({ "trace": false });
        let mut certified = plain.clone();
        certified["options"]["certify"] = json!(true);
        let mut stats = plain.clone();
        stats["options"]["stats"] = json!(true);
        let mut per_sample = plain.clone();
        per_sample["options"]["per_sample"] = json!(true);
        let tangent = if name == "lecture" { json!(1.0) } else { ones(&plain["parameters"][weight]) };
        let along = |key: &str| {
            let mut problem = plain.clone();
            problem[key] = json!({ "tangents": { weight: tangent } });
            problem
        };
        let asked = [
            ("gradients", "gradients", plain.clone()),
            ("certify", "gradients", certified),
            ("hvp", "hvp", along("hvp")),
            ("jvp", "jvp", along("jvp")),
            ("stats", "gradients", stats),
            ("per_sample", "gradients", per_sample),
        ];
        let bodies: Vec<_> =
            asked.iter().map(|(_, route, problem)| (route, serde_json::to_vec(problem).expect("JSON"))).collect();
        let mut times = vec![Vec::with_capacity(ROUNDS); asked.len()];
        for _ in 0..ROUNDS {
            for (times, (route, body)) in times.iter_mut().zip(&bodies) {
                times.push(time(route, body));
            }
        }
        let medians: Vec<f64> = times.into_iter().map(median).collect();
        let multiples = asked.iter().zip(&medians).skip(1).map(|((label, ..), t)| format!("{label} {:.1}", t / medians[0]));
        println!("{name:12} {:>9.1} us  {}", medians[0] * 1e6, multiples.collect::<Vec<_>>().join("  "));
    }
}
