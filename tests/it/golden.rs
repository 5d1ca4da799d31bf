//! Networks judged by PyTorch: every loss, output, gradient and trace value. `tests/golden/README.md` says how they were made.

use std::fs;
use std::path::{Path, PathBuf};

use dedz::analysis::{Form, GRADIENTS, Question, Request, prepare};
use dedz::config::Limits;
use serde_json::Value;

/// The largest difference found, relative to the larger of the expected value and its tensor's largest magnitude.
#[derive(Debug, Default)]
pub(crate) struct Worst {
    pub(crate) difference: f64,
    pub(crate) place: String,
}

/// The golden files of a folder, in order.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let entries = fs::read_dir(&folder).expect("the folder of golden files");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a directory entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a golden file")).expect("golden files are JSON")
}

/// Ask the engine.
pub(crate) fn answer(question: Question, request: &Value) -> Result<Value, String> {
    let body = serde_json::to_vec(request).expect("a value is JSON");
    let request = Request { problem: &body, ..Request::default() };
    let ready = prepare(question, request, Form::Json, &Limits::default()).map_err(|failure| format!("{failure:?}"))?;
    let reply = ready.run(&|| Ok(())).map_err(|failure| format!("{failure:?}"))?;
    Ok(serde_json::from_slice(&reply.body).expect("replies are JSON"))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// The largest magnitude in a tensor.
fn scale(value: &Value) -> f64 {
    match value {
        Value::Array(list) => list.iter().map(scale).fold(0.0, f64::max),
        value => number(value).filter(|x| x.is_finite()).map_or(0.0, f64::abs),
    }
}

/// Compare everything that `expected` holds; `ours` may hold more.
pub(crate) fn compare(
    ours: &Value,
    expected: &Value,
    place: &str,
    scale_of: Option<f64>,
    worst: &mut Worst,
    faults: &mut Vec<String>,
) {
    match (ours, expected) {
        (Value::Object(ours), Value::Object(expected)) => {
            for (name, expected) in expected {
                match ours.get(name) {
                    Some(ours) => compare(ours, expected, &format!("{place}/{name}"), None, worst, faults),
                    None => faults.push(format!("{place}/{name} is missing")),
                }
            }
        }
        (Value::Array(trace), Value::Object(_)) if place.ends_with("/trace") => {
            let by_id = trace.iter().map(|entry| (entry["id"].as_str().unwrap_or_default().to_owned(), entry.clone()));
            compare(&Value::Object(by_id.collect()), expected, place, None, worst, faults);
        }
        (Value::Array(ours), Value::Array(list)) if ours.len() == list.len() => {
            let scale_of = scale_of.unwrap_or_else(|| scale(expected));
            for (i, (ours, expected)) in ours.iter().zip(list).enumerate() {
                compare(ours, expected, &format!("{place}/{i}"), Some(scale_of), worst, faults);
            }
        }
        (ours, expected) => match (number(ours), number(expected)) {
            (Some(x), Some(y)) if x == y || (x.is_nan() && y.is_nan()) => {}
            (Some(x), Some(y)) => {
                let difference = (x - y).abs() / y.abs().max(scale_of.unwrap_or(0.0));
                if difference.is_nan() {
                    faults.push(format!("{place}: {x} is not {y}"));
                } else if difference > worst.difference {
                    *worst = Worst { difference, place: format!("{place}: {x} is not {y}") };
                }
            }
            _ if ours == expected => {}
            _ => faults.push(format!("{place}: {ours} is not {expected}")),
        },
    }
}

/// All files of a folder against their judge; the worst relative difference in f64.
fn judge(folder: &str, request_of: impl Fn(&Path, &Value) -> Value) -> (usize, Worst) {
    let mut failures = Vec::new();
    let mut overall = Worst::default();
    let files = files(folder);
    for path in &files {
        let golden = json(path);
        let request = request_of(path, &golden);
        let single = request["options"]["dtype"] == "f32";
        let bound = if single { 1e-5 } else { 1e-12 };
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (mut worst, mut faults) = (Worst::default(), Vec::new());
        match answer(&GRADIENTS, &request) {
            Ok(ours) => compare(&ours, &golden["reply"], "", None, &mut worst, &mut faults),
            Err(failure) => faults.push(failure),
        }
        if worst.difference > bound {
            faults.push(format!("differs by {:e} at {}", worst.difference, worst.place));
        }
        failures.extend(faults.into_iter().take(3).map(|fault| format!("{name}: {fault}")));
        if !single && worst.difference > overall.difference {
            overall = Worst { place: format!("{name}{}", worst.place), ..worst };
        }
    }
    assert!(failures.is_empty(), "{} of {} differ:\n{}", failures.len(), files.len(), failures.join("\n"));
    (files.len(), overall)
}

#[test]
fn random_networks_agree_with_pytorch() {
    let (count, worst) = judge("networks", |_, golden| golden["request"].clone());
    println!("{count} networks, worst relative difference {:e} at {}", worst.difference, worst.place);
    assert!(count >= 60, "only {count} networks");
}

#[test]
fn examples_agree_with_pytorch() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/examples");
    let (count, worst) = judge("examples", |path, _| json(&examples.join(path.file_name().expect("a file has a name"))));
    println!("{count} examples, worst relative difference {:e} at {}", worst.difference, worst.place);
    // A folder holds the requests of one analysis, which has its own tests.
    let entries = fs::read_dir(examples).expect("the folder of examples");
    let written = entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_file())).count();
    assert_eq!(count, written, "every example has its golden file");
}

/// Here every number is a tensor of its own, so that nothing larger hides what it loses.
#[test]
fn tails_keep_the_digits_that_mpmath_has() {
    let (count, worst) = judge("tails", |_, golden| golden["request"].clone());
    println!("{count} tails, worst relative difference {:e} at {}", worst.difference, worst.place);
    assert!(count >= 16, "only {count} tails");
}

/// The value at a path such as `trace/h1/z/0`; the trace is looked up by id.
fn at<'v>(reply: &'v Value, path: &str) -> &'v Value {
    path.split('/').fold(reply, |value, step| match value {
        Value::Array(list) => match step.parse::<usize>() {
            Ok(index) => &list[index],
            Err(_) => list.iter().find(|entry| entry["id"] == step).expect("a node of the trace"),
        },
        value => &value[step],
    })
}

#[test]
fn examples_agree_with_what_others_published() {
    let mut checked = 0;
    for path in files("examples") {
        let request = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/examples").join(path.file_name().expect("a name"));
        let ours = answer(&GRADIENTS, &json(&request)).expect("examples are answered");
        for row in json(&path)["published"].as_array().into_iter().flatten() {
            let (name, published) = (row["path"].as_str().expect("a path"), row["value"].as_f64().expect("a number"));
            let digits = row["digits"].as_i64().expect("a number of digits") as i32;
            let found = number(at(&ours, name)).expect("a number");
            // A unit of the last digit, since some authors cut where others round.
            let unit = if published == 0.0 { 0.0 } else { 10_f64.powi(published.abs().log10().floor() as i32 - digits + 1) };
            assert!((found - published).abs() <= unit, "{}: {name} is {found}, published {published}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} published numbers were compared");
}
