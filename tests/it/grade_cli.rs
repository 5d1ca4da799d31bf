//! `dedz grade`: a submission, or a folder of them, without a server. A wrong answer is a result, not a failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::grade::{CAREFUL, Student, mazur};
use crate::support::{Served, dedz, example};

/// An empty folder of this name, under the build's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("it can be emptied");
    }
    fs::create_dir_all(&folder).expect("it can be made");
    folder
}

fn put(folder: &Path, name: &str, text: impl ToString) -> String {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().expect("a folder")).expect("it can be made");
    fs::write(&file, text.to_string()).expect("it can be written");
    file.to_string_lossy().into_owned()
}

fn run(arguments: &[&str]) -> Output {
    dedz(arguments).output().expect("it runs")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

/// Mazur's network with rules and without claims.
fn exercise() -> Value {
    mazur(json!({"tolerance": {"rtol": 1e-6}, "expect": ["loss", "gradients/*"]}))
}

/// Mazur's loss and gradients; without the sigmoid's derivative at the outputs if `forgetful`.
fn claims(forgetful: bool) -> Value {
    let mut claims = if forgetful { Student { delta: &|_, bar, _| bar, ..CAREFUL }.claims() } else { CAREFUL.claims() };
    json!({"loss": claims["loss"].take(), "gradients": claims["gradients"].take()})
}

#[test]
fn a_wrong_answer_is_graded_and_no_failure() {
    let folder = folder("grade_one");
    let (ex, wrong) = (put(&folder, "ex.json", exercise()), put(&folder, "wrong.json", claims(true)));
    let wrapped = put(&folder, "wrapped.json", json!({"student": "ada", "claims": claims(true)}));
    let mut whole = exercise();
    whole["grade"] = json!({"claims": claims(true), "tolerance": {"rtol": 1e-6}, "expect": ["loss", "gradients/*"]});
    let whole = put(&folder, "whole.json", whole);
    let served = Served::start(&[]);
    let url = format!("http://{}", served.address);
    let graded = run(&["grade", &ex, &wrong]);
    assert_eq!((code(&graded), text(&graded.stderr)), (Some(0), String::new()));
    let reply: Value = serde_json::from_slice(&graded.stdout).expect("JSON");
    assert_eq!((&reply["passed"], &reply["score"], &reply["max_score"]), (&json!(false), &json!(1.0), &json!(11.0)));
    assert!(text(&graded.stdout).contains("activation_derivative_missing"));
    for arguments in
        [&["grade", "--exercise", &ex, "--claims", &wrong][..], &["grade", &ex, &wrapped], &["grade", &ex, &wrong, "--url", &url]]
    {
        let other = run(arguments);
        assert_eq!((code(&other), text(&other.stdout)), (Some(0), text(&graded.stdout)), "{arguments:?}");
    }
    let other: Value = serde_json::from_slice(&run(&["grade", &whole]).stdout).expect("JSON");
    assert_eq!((&other["parts"], &other["diagnosis"]), (&reply["parts"], &reply["diagnosis"]));
}

/// Claims are put into a request as text: text that is no JSON by itself must not reach the rules beside it.
#[test]
fn broken_claims_are_no_attempt_and_change_no_rules() {
    let folder = folder("grade_broken");
    let ex = put(&folder, "ex.json", mazur(json!({})));
    for (n, broken) in
        ["{\"loss\": NaN}", "{\"loss\":", "", "{\"loss\": 9}, \"tolerance\": {\"atol\": 1e9}", "{}}, \"x\": {\"y\": {}"]
            .iter()
            .enumerate()
    {
        let file = put(&folder, &format!("broken{n}.json"), broken);
        let graded = run(&["grade", &ex, &file]);
        assert_eq!((code(&graded), text(&graded.stderr)), (Some(0), String::new()), "{broken}");
        let reply: Value = serde_json::from_slice(&graded.stdout).expect("JSON");
        assert_eq!(
            (&reply["gradable"], &reply["passed"], &reply["score"]),
            (&json!(false), &json!(false), &json!(0.0)),
            "{broken}"
        );
        assert!(reply["message"].as_str().is_some_and(|words| words.contains("no JSON")), "{broken}: {reply}");
    }
}

#[test]
fn a_folder_is_a_class() {
    let folder = folder("grade_class");
    let ex = put(&folder, "ex.json", exercise());
    let mut odd = claims(false);
    odd["gradients"]["h1->o1"] = json!(0.123_456);
    put(&folder, "class/ada.json", claims(false));
    put(&folder, "class/bob.json", claims(true));
    put(&folder, "class/cyd.json", json!({"claims": claims(true)}));
    put(&folder, "class/dan.json", "{\"loss\": 0.298,");
    put(&folder, "class/eve.json", odd);
    put(&folder, "class/fay/claims.json", json!({"loss": claims(false)["loss"]}));
    put(&folder, "class/notes.txt", "not a submission");
    let class = folder.join("class").to_string_lossy().into_owned();
    let summary = folder.join("summary.json").to_string_lossy().into_owned();
    let graded = run(&["grade", "--exercise", &ex, &class, "--summary", &summary]);
    assert_eq!(code(&graded), Some(0), "{}", text(&graded.stderr));
    let lines: Vec<Value> = text(&graded.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            (line["submission"].as_str().expect("a name"), line["score"].as_f64().expect("a score"), line["gradable"] == true)
        })
        .collect();
    let expect = [
        ("ada", 11.0, true),
        ("bob", 1.0, true),
        ("cyd", 1.0, true),
        ("dan", 0.0, false),
        ("eve", 10.0, true),
        ("fay", 1.0, true),
    ];
    assert_eq!(told, expect);
    assert!(lines[3]["message"].as_str().is_some_and(|words| words.contains("no JSON")), "{}", lines[3]);
    let counted: Value = serde_json::from_str(&fs::read_to_string(&summary).expect("it was written")).expect("JSON");
    assert_eq!((&counted["submissions"], &counted["gradable"], &counted["passed"]), (&json!(6), &json!(5), &json!(1)));
    let mean = counted["mean_score"].as_f64().expect("a mean");
    assert!((mean - (11.0 + 1.0 + 1.0 + 10.0 + 1.0) / 55.0).abs() < 1e-12, "{counted}");
    assert_eq!(
        (&counted["mistakes"]["activation_derivative_missing"], &counted["unexplained"]),
        (&json!(2), &json!(2)),
        "{counted}"
    );
    assert_eq!(counted["failing"]["gradients/h1->o1"], 4, "{counted}");
    let told = text(&graded.stderr);
    assert!(told.contains("6 submissions, 5 gradable, 1 passed"), "{told}");
    let bar = told.lines().find(|line| line.contains("activation_derivative_missing")).expect("the class's mistake");
    assert!(bar.contains('█') && bar.ends_with(" 2"), "{told}");
    assert!(!told.contains('\u{1b}'), "piped, there is no progress bar: {told}");
    // One result a student, the same ones.
    let results = folder.join("results");
    let into = run(&["grade", "--exercise", &ex, &class, "--output", &results.to_string_lossy()]);
    assert_eq!((code(&into), text(&into.stdout)), (Some(0), String::new()), "{}", text(&into.stderr));
    for line in &lines {
        let file = results.join(format!("{}.json", line["submission"].as_str().expect("a name")));
        let result: Value = serde_json::from_str(&fs::read_to_string(&file).expect("it was written")).expect("JSON");
        assert_eq!(result, *line);
    }
    assert_eq!(fs::read_dir(&results).expect("a folder").count(), lines.len());
}

#[test]
fn exercises_that_cannot_be_used_are_failures() {
    let folder = folder("grade_failures");
    let (ex, right) = (put(&folder, "ex.json", exercise()), put(&folder, "class/right.json", claims(false)));
    let class = folder.join("class").to_string_lossy().into_owned();
    let empty = folder.join("empty");
    fs::create_dir_all(&empty).expect("it can be made");
    let empty = empty.to_string_lossy().into_owned();
    let twice = put(&folder, "other/right.json", claims(false));
    let missing = folder.join("missing.json").to_string_lossy().into_owned();
    let mut unknown = example("mazur");
    unknown["network"]["nodes"][0]["op"] = json!("neurone");
    let (unknown, cut) = (put(&folder, "unknown.json", unknown), put(&folder, "cut.json", "{\"network\": {\"inputs\": }"));
    let (list, claimed) = (put(&folder, "list.json", "[]"), put(&folder, "claimed.json", mazur(json!({"claims": {"loss": 1}}))));
    for submitted in [&right, &class] {
        for (exercise, expect, words) in [
            (&missing, 2, "cannot read"),
            (&list, 2, "is no exercise"),
            (&claimed, 2, "is no exercise"),
            (&cut, 1, "line 1"),
            (&unknown, 1, "/network/nodes/0/op"),
        ] {
            let told = run(&["grade", "--exercise", exercise, submitted]);
            assert_eq!((code(&told), text(&told.stdout)), (Some(expect), String::new()), "{exercise}: {}", text(&told.stderr));
            assert!(text(&told.stderr).contains(words), "{exercise}: {}", text(&told.stderr));
        }
    }
    for usage in [
        &["grade"][..],
        &["grade", "--exercise", &ex],
        &["grade", &ex, &missing],
        &["grade", &ex, &empty],
        &["grade", &ex, &right, &twice],
        &["grade", &ex, &right, "--format", "moodle"],
        &["grade", &ex, &class, "--url", "http://127.0.0.1:1"],
    ] {
        let told = run(usage);
        assert_eq!((code(&told), text(&told.stdout)), (Some(2), String::new()), "{usage:?}: {}", text(&told.stderr));
    }
}
