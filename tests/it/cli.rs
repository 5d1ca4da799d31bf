//! The binary as its users meet it: output, exit codes, colours on a terminal only.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Served, dedz, examples};

const LECTURE: &str = "openapi/examples/lecture.json";

fn run(arguments: &[&str]) -> Output {
    dedz(arguments).output().expect("it runs")
}

/// With this standard input.
fn fed(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("it was piped").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

#[test]
fn files_standard_input_and_a_service_give_the_same() {
    let served = Served::start(&[]);
    let url = format!("http://{}", served.address);
    for (name, example) in examples() {
        for analysis in ["gradients", "forward", "validate"] {
            let file = run(&[analysis, &format!("openapi/examples/{name}.json")]);
            assert_eq!(file.status.code(), Some(0), "{analysis} {name}: {}", text(&file.stderr));
            assert!(file.stderr.is_empty(), "{analysis} {name} is quiet");
            let output = text(&file.stdout);
            assert_eq!(output.lines().count(), 1, "piped, it is compact");
            serde_json::from_str::<Value>(&output).expect("it is JSON");
            assert_eq!(text(&fed(&mut dedz(&[analysis, "-"]), &example).stdout), output);
            assert_eq!(text(&run(&[analysis, "--url", &url, &format!("openapi/examples/{name}.json")]).stdout), output);
        }
    }
}

#[test]
fn problems_are_exit_code_1_and_usage_is_2() {
    let problem = "{\"network\":{\"inputs\":[\"x\"],\"nodes\":[{\"id\":\"h\",\"op\":\"tahn\",\"inputs\":[\"y\"]}]},\"batch\":{\"inputs\":[1]},\"loss\":{\"op\":\"sum\",\"of\":\"h\"}}";
    let served = Served::start(&[]);
    let url = format!("http://{}", served.address);
    for extra in [&[][..], &["--url", &url]] {
        let told = fed(dedz(&["gradients", "-"]).args(extra), problem);
        assert_eq!(told.status.code(), Some(1));
        assert!(told.stdout.is_empty());
        let lines: Vec<_> = text(&told.stderr).lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "error: 2 problems in the network");
        assert!(lines.iter().any(|line| line.contains("/network/nodes/0/op") && line.contains("tanh")), "{lines:?}");
        assert!(
            lines.iter().any(|line| line.contains("/network/nodes/0/inputs/0") && line.contains("unknown_node")),
            "{lines:?}"
        );
        let document = fed(dedz(&["gradients", "-", "--json"]).args(extra), problem);
        assert_eq!(document.status.code(), Some(1));
        let document: Value = serde_json::from_slice(&document.stderr).expect("a problem document");
        assert_eq!((&document["status"], document["errors"].as_array().map(Vec::len)), (&422.into(), Some(2)));
    }
    for usage in [
        &["gradients", "no/such/file.json"][..],
        &["gradients"],
        &["gradient", LECTURE],
        &["serve", "--workers", "0"],
        &["serve", "--addr", "nowhere"],
        &["serve", "--max-nodes", "many"],
        &[],
    ] {
        let told = run(usage);
        assert_eq!(told.status.code(), Some(2), "{usage:?}: {}", text(&told.stderr));
        assert!(told.stdout.is_empty() && !told.stderr.is_empty(), "{usage:?}");
    }
    // Nobody listens on port 1.
    let told = run(&["gradients", "--url", "http://127.0.0.1:1", LECTURE]);
    assert_eq!(told.status.code(), Some(1));
    assert!(text(&told.stderr).contains("http://127.0.0.1:1/v1/gradients"), "{}", text(&told.stderr));
}

#[test]
fn settings_come_from_flags_and_the_environment() {
    let mut limited = dedz(&["gradients", LECTURE]);
    let told = limited.env("DEDZ_MAX_NODES", "3").output().expect("it runs");
    assert_eq!(told.status.code(), Some(1));
    assert!(text(&told.stderr).contains("limit"), "{}", text(&told.stderr));
    let flag = dedz(&["gradients", "--max-nodes", "200", LECTURE]).env("DEDZ_MAX_NODES", "3").output().expect("it runs");
    assert_eq!(flag.status.code(), Some(0), "a flag counts more");
}

#[test]
fn help_names_every_limit() {
    let help = text(&run(&["serve", "--help"]).stdout);
    let info = dedz::config::Config::default();
    let members = |value: Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let limits = members(serde_json::to_value(&info.limits).expect("JSON"));
    let admission = members(serde_json::to_value(&info.admission).expect("JSON"));
    for name in limits.iter().chain(&admission) {
        let flag = name.replace('_', "-");
        assert!(help.contains(&format!("--{flag} ")) || help.contains(&format!("--max-{flag} ")), "no flag for {name}");
        let variable = name.to_uppercase();
        assert!(
            help.contains(&format!("DEDZ_{variable}")) || help.contains(&format!("DEDZ_MAX_{variable}")),
            "no variable for {name}"
        );
    }
    for name in ["DEDZ_ADDR", "DEDZ_WORKERS", "DEDZ_LOG", "--addr", "--workers"] {
        assert!(help.contains(name), "{name}");
    }
    let commands = text(&run(&["--help"]).stdout);
    for command in ["serve", "gradients", "forward", "validate", "openapi", "health", "demo"] {
        assert!(commands.lines().any(|line| line.trim_start().starts_with(command)), "{command}");
    }
}

#[test]
fn the_demo_shows_a_table_for_a_reader() {
    let demo = run(&["demo"]);
    assert_eq!(demo.status.code(), Some(0), "{}", text(&demo.stderr));
    assert!(demo.stderr.is_empty());
    let shown = text(&demo.stdout);
    for words in ["loss ", "dE/dz", "z7->z5", "gradient norm", "fc1.weight"] {
        assert!(shown.contains(words), "no {words} in\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'), "piped, it is not coloured");
    // As on a terminal.
    let coloured = dedz(&["demo"]).env("CLICOLOR_FORCE", "1").output().expect("it runs");
    let coloured = text(&coloured.stdout);
    assert!(coloured.contains('\u{1b}'));
    // The same words without the colours.
    let mut plain = String::new();
    let mut inside = false;
    for c in coloured.chars() {
        match c {
            '\u{1b}' => inside = true,
            'm' if inside => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    assert_eq!(plain, shown);
}

#[test]
fn complaints_are_coloured_on_a_terminal_alone() {
    let mut command = dedz(&["gradients", "-"]);
    assert!(!text(&fed(&mut command, "{}").stderr).contains('\u{1b}'));
    let mut command = dedz(&["gradients", "-"]);
    assert!(text(&fed(command.env("CLICOLOR_FORCE", "1"), "{}").stderr).contains('\u{1b}'));
}

#[test]
fn health_is_an_exit_code() {
    let served = Served::start(&[]);
    for arguments in [["health", "--addr", &served.address], ["health", "--url", &format!("http://{}", served.address)]] {
        assert_eq!(run(&arguments).status.code(), Some(0), "{arguments:?}");
    }
    let lost = run(&["health", "--addr", "127.0.0.1:1"]);
    assert_eq!(lost.status.code(), Some(1));
    assert!(text(&lost.stderr).starts_with("error: no service at 127.0.0.1:1"));
}

#[test]
fn the_document_can_be_printed() {
    let printed = run(&["openapi"]);
    assert_eq!(text(&printed.stdout), dedz::http::openapi::text());
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = dedz(&["openapi"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}
